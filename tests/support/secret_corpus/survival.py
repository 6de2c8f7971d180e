"""What is left of a secret in a text, in any form it may be written."""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

__all__ = ["RUN", "survivors"]

RUN: Final = 12
"""So many characters of a secret in a row are a leak; of a shorter secret, all."""

_DEPTH: Final = 4
_ESCAPE: Final = re.compile(r"\\(?:u([0-9a-fA-F]{4})|(.))", re.DOTALL)
_LETTERS: Final = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def survivors(secrets: Iterable[str], text: str) -> list[str]:
    """Return the runs of the secrets that a text holds: as it is, unescaped, percent-decoded, or both."""
    wanted = {run for secret in secrets for run in _runs(secret)}
    sizes = {len(run) for run in wanted}
    return sorted({run for form in _forms(text) for size in sizes for run in _windows(form, size) if run in wanted})


@lru_cache(maxsize=4096)
def _runs(secret: str) -> frozenset[str]:
    return frozenset(_windows(secret, min(RUN, len(secret))))


def _windows(text: str, size: int) -> Iterator[str]:
    return (text[at : at + size] for at in range(len(text) - size + 1))


def _forms(text: str) -> set[str]:
    forms: set[str] = set()
    level = {text}
    for _ in range(_DEPTH):
        forms |= level
        level = {form for known in level for form in (_unescaped(known), unquote(known), html.unescape(known))} - forms
    return forms | level


def _unescaped(text: str) -> str:
    """Return a text with one level of JSON's escapes taken away."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _LETTERS.get(found[2], found[2]), text)
