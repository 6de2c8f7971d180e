"""Keep rows of plain values in few bytes. Numbers and texts in, the same out, in order."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from otel_agenttrace.jsonvalue import array, compact, parse

__all__ = ["Rows"]


class Rows:
    """Rows, a quarter of what they take as objects: each is a line of JSON."""

    __slots__ = ("_lines",)

    def __init__(self) -> None:
        self._lines = bytearray()

    def append(self, row: tuple[Any, ...]) -> None:
        """Add a row of None, booleans, numbers, texts, and sequences of them, which come out as lists in it."""
        self._lines += compact(row).encode("utf-8", "surrogatepass")
        self._lines += b"\n"

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        begin = 0
        while (end := self._lines.find(b"\n", begin)) >= 0:
            yield tuple(array(parse(self._lines[begin:end].decode("utf-8", "surrogatepass"))))
            begin = end + 1
