"""Compress a cassette that is done. `run.otlp.jsonl` in, `run.otlp.jsonl.zst` out; nothing records into it."""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from otel_agenttrace.errors import CassetteCorrupt, CassetteError

__all__ = ["SUFFIX", "pack", "unpacked"]

SUFFIX: Final = ".zst"
_LEVEL: Final = 19
_MAX_RATIO: Final = 1_000
"""A file that unpacks to more than this times its size is refused: it is made to fill the memory."""


def pack(path: Path) -> Path:
    """Write the packed form of a cassette beside it and return its path.

    Raises:
        CassetteError: If no zstd library is there.
    """
    packed = path.with_name(path.name + SUFFIX)
    packed.write_bytes(_zstd().compress(path.read_bytes(), _LEVEL))
    return packed


def unpacked(path: Path) -> bytes:
    """Return the bytes of a packed cassette.

    Raises:
        CassetteCorrupt: If it is no zstd file, is cut off, or unpacks to far too much.
        CassetteError: If no zstd library is there.
    """
    content = path.read_bytes()
    zstd = _zstd()
    decompressor = zstd.ZstdDecompressor()
    try:
        plain = decompressor.decompress(content, len(content) * _MAX_RATIO)
    except zstd.ZstdError as error:
        raise CassetteCorrupt(path, 1, f"no packed cassette: {error}") from error
    if not decompressor.eof:
        reason = "is cut off" if decompressor.needs_input else f"unpacks to more than {_MAX_RATIO} times its size"
        raise CassetteCorrupt(path, 1, f"the packed cassette {reason}")
    return plain


def _zstd() -> Any:
    try:
        return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    except ImportError:
        raise CassetteError("Packed cassettes need zstd.\n  to fix   pip install 'otel-agenttrace[pack]'") from None
