"""Find where a run goes in circles. Names in order in, the first sequence that comes again at once out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

__all__ = ["cycle"]

_FIRST: Final = 16
"""Places that are compared before it takes twice as many each time."""


def cycle(names: Sequence[str], rounds: int) -> tuple[int, int, int] | None:
    """Return where the first shortest sequence of two or more different names begins that comes again at once, its length, how often.

    Such a sequence of length n is a row of `n * (rounds - 1)` places or more that are each like the one n before: one place
    of that many is looked at, and from there to both sides. So thousands of calls are looked through at once.

    Args:
        names: The names.
        rounds: How often it has to come, 2 or more.
    """
    letters = {name: chr(number) for number, name in enumerate(dict.fromkeys(names))}
    text = "".join(map(letters.__getitem__, names))
    mirrored, count = text[::-1], len(text)
    begins = _stretches(text)
    for length in range(2, count // rounds + 1):
        least = length * (rounds - 1)
        for place in range(least, count, least):
            if text[place] != text[place - length] or begins[place] <= place - length:
                continue
            before = _alike(mirrored, count - place, count - place + length)
            alike = before + _alike(text, place - length, place)
            if alike >= least:
                return place - before - length, length, 1 + alike // length
    return None


def _stretches(text: str) -> list[int]:
    """Return for each place where the row of the same letter begins that it is in."""
    begins: list[int] = []
    for place, letter in enumerate(text):
        begins.append(begins[-1] if place and text[place - 1] == letter else place)
    return begins


def _alike(text: str, one: int, other: int) -> int:
    """Return how many letters from one place on are those from another, later one on."""
    alike, size = 0, _FIRST
    while text[one + alike : one + alike + size] == text[other + alike : other + alike + size]:
        alike += size
        size *= 2
    while size := size // 2:
        if text[one + alike : one + alike + size] == text[other + alike : other + alike + size]:
            alike += size
    return alike
