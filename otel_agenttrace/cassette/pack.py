"""Compress a cassette that is done. `run.otlp.jsonl` in, `run.otlp.jsonl.zst` out; nothing records into it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from importlib import import_module
from pathlib import Path
from shlex import quote
from typing import Any, BinaryIO, Final

from otel_agenttrace.cassette.private import write_private
from otel_agenttrace.errors import CassetteCorrupt, CassetteError, CassetteInaccessible, CassetteTooLarge
from otel_agenttrace.limits import MAX_RATIO, room_for

__all__ = ["SUFFIX", "pack", "unpacked"]

SUFFIX: Final = ".zst"
_LEVEL: Final = 19
_ALWAYS: Final = 16 << 20
_MOST: Final = 4 << 30
_BLOCK: Final = 1 << 20


def pack(path: Path) -> Path:
    """Write the packed form of a cassette beside it, read-only, and return its path.

    Raises:
        CassetteError: If it is packed already, would not be read again, or no zstd library is there.
        CassetteInaccessible: If the packed form cannot be written, or a link is there.
    """
    if path.suffix == SUFFIX:
        raise CassetteError(f"{path} is packed already.\n  to fix   show it: otel-agenttrace show {quote(str(path))}")
    packed = path.with_name(path.name + SUFFIX)
    plain = path.read_bytes()
    content = _zstd().compress(plain, _LEVEL)
    limit = _limit(len(content))
    if len(plain) > limit:
        raise CassetteError(
            f"The packed form of {path} would be refused: it unpacks to more than {limit:,} bytes, {_told(limit)}.\n"
            "  to fix   keep it as it is"
        )
    try:
        write_private(packed, content, 0o400)
    except OSError as error:
        raise CassetteInaccessible(packed, "written", f"{error.strerror}") from error
    return packed


def _limit(size: int) -> int:
    return room_for(size, always=_ALWAYS, most=_MOST)


def unpacked(path: Path) -> Iterator[bytes]:
    """Yield the content of a packed cassette in pieces, so that nobody needs the memory for all of it.

    Raises:
        CassetteCorrupt: If it is no zstd file or is cut off.
        CassetteTooLarge: If it unpacks to far too much.
        CassetteError: If no zstd library is there.
        OSError: If it cannot be read.
    """
    zstd = _zstd()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if not size:
            raise CassetteCorrupt(path, 1, "the file is empty")
        room = limit = _limit(size)
        try:
            for piece in _pieces(path, file, zstd.ZstdDecompressor):
                room -= len(piece)
                if room < 0:
                    raise CassetteTooLarge(path, limit, _told(limit))
                yield piece
        except zstd.ZstdError as error:
            raise CassetteCorrupt(path, 1, f"no packed cassette: {error}") from error


def _pieces(path: Path, file: BinaryIO, decompressor: Callable[[], Any]) -> Iterator[bytes]:
    """Yield what a file holds, whose frames follow each other."""
    waiting = file.read(_BLOCK)
    while waiting:
        frame = decompressor()
        while not frame.eof:
            yield frame.decompress(waiting, _BLOCK)
            waiting = file.read(_BLOCK) if frame.needs_input and not frame.eof else b""
            if frame.needs_input and not frame.eof and not waiting:
                raise CassetteCorrupt(path, 1, "the packed cassette is cut off")
        waiting = frame.unused_data or file.read(_BLOCK)


def _told(limit: int) -> str:
    return "the most there may be" if limit == _MOST else f"more than {MAX_RATIO:,} times its size"


def _zstd() -> Any:
    try:
        return import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
    except ImportError:
        raise CassetteError("Packed cassettes need zstd.\n  to fix   pip install 'otel-agenttrace[pack]'") from None
