"""Find where a text stands in another one, by its first words. Sources in once, then any text in, the sources it holds out.

Nothing is compared with everything: the first words of each source are looked up while the text is read once. So blanks,
quotes and punctuation do not count, and neither does the end of a text that was cut off.
"""

from __future__ import annotations

import re
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

_COMPOUND: Final = re.compile(r"[\w~]?[\w./\\:@+-]*\w")
_LONGEST_NAME: Final = 300
_SHORTEST: Final = 4


@dataclass(frozen=True, slots=True)
class Quote(Generic[_Source]):
    """A source that stands in a text, and how many of its words do."""

    source: _Source
    words: int


class Quotes(Generic[_Source]):
    """Texts that may stand in others, added one by one."""

    def __init__(self) -> None:
        self._begun: defaultdict[tuple[str, ...], list[tuple[_Source, tuple[str, ...]]]] = defaultdict(list)
        self._short: defaultdict[tuple[str, ...], list[_Source]] = defaultdict(list)

    def add(self, source: _Source, text: str) -> None:
        """Add the text of a source; an empty one stands nowhere."""
        words = _words(text, _ENOUGH)
        if len(words) >= _FIRST:
            self._begun[words[:_FIRST]].append((source, words))
        elif words:
            self._short[words].append(source)

    def whole(self, text: str) -> Iterator[Quote[_Source]]:
        """Yield the sources that are this text, those that are so to the last word first, then what is cut off on either side."""
        words = _words(text, _ENOUGH)
        alike = self._begun.get(words[:_FIRST], ()) if len(words) >= _FIRST else ()
        for source, told in sorted(alike, key=lambda each: each[1] != words):
            shared = min(len(told), len(words)) - (told != words)  # of the shorter one, the last word may be cut
            if told[:shared] == words[:shared]:
                yield Quote(source, shared)
        for source in self._short.get(words, ()):
            yield Quote(source, len(words))

    def within(self, text: str) -> Iterator[Quote[_Source]]:
        """Yield the sources that stand somewhere in this text, to their end or for many words."""
        words = _words(text[:_LONGEST])
        for place in range(len(words) - _FIRST + 1):
            for source, told in self._begun.get(words[place : place + _FIRST], ()):
                if words[place : place + len(told)] == told:
                    yield Quote(source, len(told))


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
