"""Write a number of things for people. Number and noun in, short string out."""

from __future__ import annotations

__all__ = ["counted"]


def counted(count: int, noun: str) -> str:
    """Return a number with its noun: `1 call`, `4 calls`."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
