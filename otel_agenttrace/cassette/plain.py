"""Say what stands in a file that is no trace. Path in, lines that are safe to show out."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from otel_agenttrace.escaping import escaped_lines

__all__ = ["plain_lines"]

_LOOKED_AT: Final = 8_000
"""Bytes in which a NUL tells that a file is no text, as git has it."""


_PIECE: Final = 1 << 20


def plain_lines(path: Path) -> Iterator[str]:
    """Yield the lines of a text with their ends; of anything else one line with its size and digest.

    Raises:
        OSError: If it cannot be read.
    """
    with path.open("rb") as file:
        if b"\0" in file.read(_LOOKED_AT):
            file.seek(0)
            digest = hashlib.sha256()
            while piece := file.read(_PIECE):
                digest.update(piece)
            yield f"{file.tell():,} bytes, sha256 {digest.hexdigest()}\n"
            return
        file.seek(0)
        for line in file:
            yield escaped_lines(line.decode(errors="backslashreplace"))
