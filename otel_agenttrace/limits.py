"""How large something compressed may become before it is taken for a bomb. Its size in, the most bytes out."""

from __future__ import annotations

from typing import Final

__all__ = ["MAX_RATIO", "room_for"]

MAX_RATIO: Final = 1_000
"""How many times its size may come out of something compressed: repetitive answers come to a few hundred."""


def room_for(size: int, *, always: int = 64 << 20, most: int = 512 << 20, ratio: int = MAX_RATIO) -> int:
    """Return how many bytes may come out of so many.

    Args:
        size: How many go in.
        always: So much may come out of the smallest.
        most: So much may come out of the largest.
        ratio: So many times its size may come out of one in between.
    """
    return min(most, max(always, size * ratio))
