"""Undo the content-encoding of a recorded body. Bytes and the header in, plain bytes out; bombs and torn bodies are named."""

from __future__ import annotations

import re
import sys
import zlib
from collections.abc import Callable, Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import Any, Final, TypeAlias

from otel_agenttrace.ingest.interactions import NotReadable
from otel_agenttrace.limits import MAX_RATIO, room_for

__all__ = ["GZIP", "decoded", "gunzipped", "plain"]

GZIP: Final = b"\x1f\x8b\x08"
"""How a gzip file begins."""

_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f]")
_BROTLI_STEP: Final = 64

_Decoder: TypeAlias = "Callable[[bytes, int], bytes]"


def decoded(body: bytes, encoding: str) -> bytes:
    """Return a body without its content-encoding, of which there may be several: `gzip, br`.

    Raises:
        NotReadable: If it is torn, grows without measure, or its decoder is not there.
    """
    for name in reversed([part.strip().lower() for part in encoding.split(",")]):
        if not body or name in ("", "identity"):
            continue
        decoder = _DECODERS.get(name)
        if decoder is None:
            raise NotReadable(f"nothing undoes the content-encoding {name[:40]!r}")
        body = decoder(body, room_for(len(body)))
    return body


def plain(body: bytes, encoding: str) -> bytes:
    """Return a recorded body without content-encoding: many recorders undo it and leave the header as it was.

    Raises:
        NotReadable: If it is neither readable as it is nor after decoding.
    """
    try:
        return decoded(body, encoding)
    except NotReadable:
        if _is_text(body):
            return body
        raise


def _is_text(body: bytes) -> bool:
    try:
        return _CONTROL.search(body.decode()) is None
    except UnicodeDecodeError:
        return False


def gunzipped(body: bytes) -> bytes:
    """Return what a gzip file holds.

    Raises:
        NotReadable: If it is torn or grows without measure.
    """
    return decoded(body, "gzip")


# --- decoders: a body and the most it may become ----------------------------------------------------------------------


def _gzip(body: bytes, room: int) -> bytes:
    pieces: list[bytes] = []
    while body.startswith(GZIP):
        piece, body = _inflated(body, room, zlib.MAX_WBITS | 16, "gzip")
        pieces.append(piece)
        room -= len(piece)
    if not pieces:
        raise NotReadable("the content-encoding gzip cannot be undone: that is no gzip")
    return b"".join(pieces)


def _deflate(body: bytes, room: int) -> bytes:
    try:
        piece, rest = _inflated(body, room, zlib.MAX_WBITS, "deflate")
    except NotReadable:  # some servers leave out the frame
        piece, rest = _inflated(body, room, -zlib.MAX_WBITS, "deflate")
    if rest:
        raise NotReadable("the content-encoding deflate cannot be undone: bytes follow its end")
    return piece


def _inflated(body: bytes, room: int, wbits: int, name: str) -> tuple[bytes, bytes]:
    stream = zlib.decompressobj(wbits)
    try:
        piece = stream.decompress(body, room + 1)
    except zlib.error as error:
        raise NotReadable(f"the content-encoding {name} cannot be undone: {error}") from None
    _check_room(len(piece), room)
    if not stream.eof:
        raise NotReadable(f"the content-encoding {name} cannot be undone: the body is cut off")
    return piece, stream.unused_data


def _check_room(size: int, room: int) -> None:
    if size > room:
        raise NotReadable(
            f"refused: the body unpacks to more than {MAX_RATIO:,} times its size, or to more than a body may have; "
            "if you trust it, put it into the file decoded"
        )


def _zstd(body: bytes, room: int) -> bytes:
    name = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"
    zstd = _imported("zstd", "'otel-agenttrace[pack]'", name)
    pieces: list[bytes] = []
    try:
        while body:
            frame = zstd.ZstdDecompressor()
            pieces.append(frame.decompress(body, room + 1))
            _check_room(len(pieces[-1]), room)
            if not frame.eof:
                raise NotReadable("the content-encoding zstd cannot be undone: the body is cut off")
            room -= len(pieces[-1])
            body = frame.unused_data
    except zstd.ZstdError as error:
        raise NotReadable(f"the content-encoding zstd cannot be undone: {error}") from None
    return b"".join(pieces)


def _brotli(body: bytes, room: int) -> bytes:
    brotli = _imported("br", "'otel-agenttrace[vcr]'", "brotli", "brotlicffi")
    stream = brotli.Decompressor()
    pieces: list[bytes] = []
    # a few bytes can become megabytes: the decoder gets them in small steps
    for at in range(0, len(body), _BROTLI_STEP):
        try:
            pieces.append(stream.process(body[at : at + _BROTLI_STEP]))
        except brotli.error as error:
            raise NotReadable(f"the content-encoding br cannot be undone: {error}") from None
        room -= len(pieces[-1])
        _check_room(1, room)
    if not stream.is_finished():
        raise NotReadable("the content-encoding br cannot be undone: the body is cut off")
    return b"".join(pieces)


def _imported(encoding: str, package: str, *modules: str) -> Any:
    module = next(filter(_is_there, modules), None)
    if module is not None:
        return import_module(module)
    raise NotReadable(f"the content-encoding {encoding} needs a decoder: pip install {package}")


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ImportError:  # not even the package it would be in
        return False


_DECODERS: Final[Mapping[str, _Decoder]] = {
    "br": _brotli,
    "deflate": _deflate,
    "gzip": _gzip,
    "x-gzip": _gzip,
    "zstd": _zstd,
}
