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
    runs = {run for secret in secrets for run in _runs(secret)}
    short = {run for run in runs if len(run) < RUN}
    found: set[str] = set()
    for form in _forms(text):
        found |= {run for run in _windows(form) if run in runs}
        found |= {run for run in short if run in form}
    return sorted(found)


@lru_cache(maxsize=4096)
def _runs(secret: str) -> frozenset[str]:
    return frozenset(_windows(secret)) or frozenset({secret})


def _windows(text: str) -> Iterator[str]:
    return (text[at : at + RUN] for at in range(len(text) - RUN + 1))


def _forms(text: str) -> set[str]:
    """Return what a text may stand for: each level of JSON's escapes away, each of these percent-decoded and without entities."""
    levels = [text]
    for _ in range(_DEPTH):
        levels.append(_unescaped(levels[-1]))
    return {form for level in levels for form in (level, unquote(level), unquote(unquote(level)), html.unescape(level))}


def _unescaped(text: str) -> str:
    """Return a text with one level of JSON's escapes taken away."""
    if "\\" not in text:
        return text
    return _ESCAPE.sub(lambda found: chr(int(found[1], 16)) if found[1] else _LETTERS.get(found[2], found[2]), text)
