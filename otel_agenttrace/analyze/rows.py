"""Keep rows of plain values in few bytes. Numbers and texts in, the same out, by their place."""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from typing import Any, Final

from otel_agenttrace.jsonvalue import compact

__all__ = ["Rows"]

_DECODED: Final = json.JSONDecoder().raw_decode
"""What was written here needs none of the care that `parse` takes, and is read many times."""


class Rows:
    """Rows, a quarter of what they take as objects: each is a text of JSON."""

    __slots__ = ("_ends", "_written")

    def __init__(self) -> None:
        self._written = bytearray()
        self._ends = array("Q")

    def append(self, row: tuple[Any, ...]) -> None:
        """Add a row of None, booleans, numbers, texts, and sequences of them, which come out as lists in it."""
        self._written += compact(row).encode("utf-8", "surrogatepass")
        self._ends.append(len(self._written))

    def __len__(self) -> int:
        return len(self._ends)

    def __getitem__(self, place: int) -> tuple[Any, ...]:
        begin = self._ends[place - 1] if place else 0
        return tuple(_DECODED(self._written[begin : self._ends[place]].decode("utf-8", "surrogatepass"))[0])

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return map(self.__getitem__, range(len(self)))
