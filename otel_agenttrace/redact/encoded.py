"""Detect secrets in URL-encoded text: it is decoded, looked at, and what is found is told in its places. Text in, findings out."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

from otel_agenttrace.redact.findings import Finding
from otel_agenttrace.redact.scanned import Scanned

__all__ = ["encoded_findings"]

_IS_ENCODED: Final = re.compile(r"%(?:20|22|27|3[AaDd]|40|7[Bb]|0[Aa])")
_PIECE: Final = re.compile(r"[^\s\"'<>\\&]+")
_SIGN: Final = re.compile(r"%([0-9A-Fa-f]{2})")
_MOST: Final = 100_000


def encoded_findings(scanned: Scanned, detect: Callable[[str], Sequence[Finding]]) -> Iterator[Finding]:
    """Yield what `detect` finds in the decoded form of URL-encoded pieces, in their places."""
    if b"%" not in scanned.raw or not _IS_ENCODED.search(scanned.text):
        return
    for piece in _PIECE.finditer(scanned.text):
        if "%" in piece[0] and len(piece[0]) <= _MOST and _IS_ENCODED.search(piece[0]):
            plain, places = _decoded(piece[0])
            for found in detect(plain):
                start, end = piece.start() + places[found.start], piece.start() + places[found.end]
                yield Finding(start, end, found.kind, found.value)


def _decoded(written: str) -> tuple[str, list[int]]:
    """Return the plain text of ASCII that a piece encodes, and where each character of it, and its end, stands there."""
    plain: list[str] = []
    places: list[int] = []
    place = 0
    for found in _SIGN.finditer(written):
        sign = chr(int(found[1], 16))
        between = written[place : found.start()]
        plain += between
        places += range(place, found.start())
        if sign.isascii():
            plain.append(sign)
            places.append(found.start())
        else:
            plain += found[0]
            places += range(found.start(), found.end())
        place = found.end()
    plain += written[place:]
    places += range(place, len(written) + 1)
    return "".join(plain), places
