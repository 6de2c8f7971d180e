"""Remember which texts hold no secret: a conversation that grows is not looked at again from its beginning."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Final, TypeAlias

__all__ = ["CleanTexts"]

_KEPT: Final = 4096
"""How many texts are remembered."""

_SHORT: Final = 128
"""Shorter texts are remembered themselves: names of attributes, models, media types. Of others a digest of 16 bytes is."""

_Mark: TypeAlias = "str | bytes"


class CleanTexts:
    """Texts that were looked at and hold nothing; the oldest are forgotten."""

    def __init__(self) -> None:
        self._known: dict[_Mark, None] = {}

    def knows(self, text: str) -> bool:
        """Whether a short text was looked at and holds nothing."""
        return text in self._known

    def unknown(self, texts: Sequence[str]) -> list[str]:
        """Return the texts that are not known to be clean, each once."""
        known = self._known
        return [text for text in dict.fromkeys(texts) if _mark(text) not in known]

    def add(self, texts: Iterable[str]) -> None:
        """Take note that these texts are clean."""
        for text in texts:
            self._known[_mark(text)] = None
        if len(self._known) > _KEPT:
            self._known = dict.fromkeys(list(self._known)[-_KEPT // 2 :])


def _mark(text: str) -> _Mark:
    if len(text) < _SHORT:
        return text
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()[:16]
