"""Keep rows of plain values in few bytes, for as long as the process lives. Numbers and texts in, the same out, in order."""

from __future__ import annotations

from collections.abc import Iterator
from marshal import dumps, loads
from struct import Struct
from typing import Any, Final

__all__ = ["Rows"]

_SIZE: Final = Struct("<I")


class Rows:
    """Rows, a fifth of what they take as objects: each is its size, and what `marshal` makes of it."""

    __slots__ = ("_bytes",)

    def __init__(self) -> None:
        self._bytes = bytearray()

    def append(self, row: tuple[Any, ...]) -> None:
        """Add a row of None, booleans, numbers, texts, and tuples of them."""
        written = dumps(row)
        self._bytes += _SIZE.pack(len(written))
        self._bytes += written

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        kept, at = memoryview(self._bytes), 0
        while at < len(kept):
            begin = at + _SIZE.size
            at = begin + _SIZE.unpack_from(kept, at)[0]
            yield loads(kept[begin:at])  # noqa: S302 - `append` wrote it
