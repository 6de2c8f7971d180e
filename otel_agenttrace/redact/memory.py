"""Remember which texts hold no secret: a conversation that grows is not looked at again from its beginning."""

from __future__ import annotations

import hashlib
from typing import Final

__all__ = ["CleanTexts"]

_KEPT: Final = 4096
"""How many texts are remembered, by 16 bytes each."""

_FROM: Final = 128
"""Shorter texts are looked at faster than remembered, in characters."""


class CleanTexts:
    """Texts that were looked at and hold nothing. Each is known by its digest; the oldest are forgotten."""

    def __init__(self) -> None:
        self._known: dict[bytes, None] = {}

    def unknown(self, texts: list[str]) -> list[tuple[str, bytes | None]]:
        """Return the texts that are not known to be clean, with their digests, None for short ones."""
        found: list[tuple[str, bytes | None]] = []
        for text in texts:
            digest = _digest(text) if len(text) >= _FROM else None
            if digest is None or digest not in self._known:
                found.append((text, digest))
        return found

    def add(self, digests: list[bytes]) -> None:
        """Take note that the texts with these digests are clean."""
        for digest in digests:
            self._known[digest] = None
        if len(self._known) > _KEPT:
            self._known = dict.fromkeys(list(self._known)[-_KEPT // 2 :])


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
