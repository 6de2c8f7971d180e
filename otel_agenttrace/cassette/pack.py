"""Compress a cassette that is done. `run.otlp.jsonl` in, `run.otlp.jsonl.zst` out; nothing records into it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import Any, Final

from otel_agenttrace.cassette.sidecars import write_private
from otel_agenttrace.errors import CassetteCorrupt, CassetteError, CassetteInaccessible

__all__ = ["SUFFIX", "pack", "unpacked"]

SUFFIX: Final = ".zst"
_LEVEL: Final = 19
_MAX_RATIO: Final = 1_000
_ALWAYS: Final = 16 << 20
"""A file that unpacks to more bytes than this, and than its size times the ratio, is made to fill the memory."""
_REFUSED: Final = f"refused: it unpacks to more than {_MAX_RATIO} times its size"


def pack(path: Path) -> Path:
    """Write the packed form of a cassette beside it, read-only, and return its path.

    Raises:
        CassetteError: If it is packed already, would not be read again, or no zstd library is there.
        CassetteInaccessible: If the packed form cannot be written.
    """
    if path.suffix == SUFFIX:
        raise CassetteError(f"{path} is packed already.\n  to fix   show it: otel-agenttrace show {quote(str(path))}")
    packed = path.with_name(path.name + SUFFIX)
    plain = path.read_bytes()
    content = _zstd().compress(plain, _LEVEL)
    if len(plain) > _limit(content):
        raise CassetteError(
            f"{path} repeats itself so much that its packed form would be {_REFUSED}.\n  to fix   keep it as it is"
        )
    try:
        write_private(packed, content, 0o400)
    except OSError as error:
        raise CassetteInaccessible(packed, "written", f"{error.strerror}") from error
    return packed


def _limit(content: bytes) -> int:
    return max(_ALWAYS, len(content) * _MAX_RATIO)


def unpacked(path: Path) -> bytes:
    """Return the bytes of a packed cassette.

    Raises:
        CassetteCorrupt: If it is no zstd file, is cut off, or unpacks to far too much.
        CassetteError: If no zstd library is there.
        OSError: If it cannot be read.
    """
    content = path.read_bytes()
    if not content:
        raise CassetteCorrupt(path, 1, "the file is empty")
    zstd = _zstd()
    try:
        return b"".join(_frames(path, content, zstd.ZstdDecompressor))
    except zstd.ZstdError as error:
        raise CassetteCorrupt(path, 1, f"no packed cassette: {error}") from error


def _frames(path: Path, content: bytes, decompressor: Callable[[], Any]) -> Iterator[bytes]:
    room = _limit(content)
    while content:
        frame = decompressor()
        plain = frame.decompress(content, room)
        if not frame.eof:
            raise CassetteCorrupt(path, 1, f"the packed cassette is {'cut off' if frame.needs_input else _REFUSED}")
        yield plain
        room -= len(plain)
        content = frame.unused_data


def _zstd() -> Any:
    try:
        return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    except ImportError:
        raise CassetteError("Packed cassettes need zstd.\n  to fix   pip install 'otel-agenttrace[pack]'") from None
