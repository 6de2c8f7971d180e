"""Find where a text stands in another one, by its first words. Sources in once, then any text in, the sources it holds out.

Nothing is compared with everything: the first words of each source are looked up while the text is read once. So blanks,
quotes and punctuation do not count, and neither does the end of a text that was cut off. Of many sources that begin alike
the latest before a moment are looked at.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Final, Generic, TypeVar

__all__ = ["Quote", "Quotes", "identifiers"]

_Source = TypeVar("_Source")

_WORD: Final = re.compile(r"\w+")
_FIRST: Final = 4
"""Words a source is looked up by; one with fewer must be the whole text."""
_ENOUGH: Final = 30
"""Words that, if they are the same, let the rest pass as cut off."""
_LONGEST: Final = 200_000
_MOST: Final = 100
"""Sources with the same words, and with the same first ones, that are looked at."""

_COMPOUND: Final = re.compile(r"[\w~]?[\w./\\:@+-]*\w")
_LONGEST_NAME: Final = 300
_SHORTEST: Final = 4


@dataclass(frozen=True, slots=True)
class Quote(Generic[_Source]):
    """A source that stands in a text, and how many of its words do."""

    source: _Source
    words: int


@dataclass(frozen=True, slots=True)
class _Held(Generic[_Source]):
    source: _Source
    start_ns: int
    words: tuple[str, ...]


class Quotes(Generic[_Source]):
    """Texts that may stand in others, added one by one in order of their start."""

    def __init__(self) -> None:
        self._whole: defaultdict[tuple[str, ...], list[_Held[_Source]]] = defaultdict(list)
        self._begun: defaultdict[tuple[str, ...], list[_Held[_Source]]] = defaultdict(list)

    def add(self, source: _Source, start_ns: int, text: str) -> None:
        """Add the text of a source; an empty one stands nowhere."""
        words = _words(text, _ENOUGH)
        held = _Held(source, start_ns, words)
        if words:
            self._whole[words].append(held)
        if len(words) >= _FIRST:
            self._begun[words[:_FIRST]].append(held)

    def whole(self, text: str, until_ns: int) -> Iterator[Quote[_Source]]:
        """Yield the sources that are this text, to the last word or for many."""
        words = _words(text, _ENOUGH)
        for held in _latest(self._whole.get(words, ()), until_ns):
            yield Quote(held.source, len(words))

    def cut_off(self, text: str, until_ns: int) -> Iterator[Quote[_Source]]:
        """Yield the sources that this text begins with, and those that begin with it."""
        words = _words(text, _ENOUGH)
        for held in _latest(self._begun.get(words[:_FIRST], ()), until_ns):
            shared = min(len(held.words), len(words)) - 1  # of the shorter one, the last word may be cut
            if held.words != words and held.words[:shared] == words[:shared]:
                yield Quote(held.source, shared)

    def within(self, text: str, until_ns: int) -> Iterator[Quote[_Source]]:
        """Yield the sources that stand somewhere in this text, to their end or for many words."""
        words = _words(text[:_LONGEST])
        for place in range(len(words) - _FIRST + 1):
            for held in _latest(self._begun.get(words[place : place + _FIRST], ()), until_ns):
                if words[place : place + len(held.words)] == held.words:
                    yield Quote(held.source, len(held.words))


def _latest(held: Sequence[_Held[_Source]], until_ns: int) -> Sequence[_Held[_Source]]:
    place = bisect_right(held, until_ns, key=lambda each: each.start_ns)
    return held[max(0, place - _MOST) : place]


def _words(text: str, most: int | None = None) -> tuple[str, ...]:
    return tuple(found[0] for found in islice(_WORD.finditer(text[:_LONGEST]), most))


def identifiers(texts: Sequence[str]) -> Iterator[str]:
    """Yield what may be a path, a name or an id in some texts: a digit or a sign within, or a whole short text."""
    for text in texts:
        whole = text.strip()
        if _SHORTEST <= len(whole) <= _LONGEST_NAME and "\n" not in whole:
            yield whole
        for found in _COMPOUND.finditer(text[:_LONGEST]):
            name = found[0]
            if len(name) < _SHORTEST or len(name) > _LONGEST_NAME or name.isalpha():
                continue
            yield name
            folder, slash, file = name.rpartition("/")
            if slash and file and folder.strip("./"):  # one may tell the path in full, another from where it stands
                yield f"{folder.rpartition('/')[2]}/{file}"
            yield from (part for part in _WORD.findall(name) if _is_name(part, name))


def _is_name(part: str, whole: str) -> bool:
    return part != whole and len(part) >= _SHORTEST and (not part.isalpha() or len(part) > 2 * _SHORTEST)
