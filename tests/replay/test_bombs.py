"""A body made to fill the memory fills that of nobody but the program that asked for it."""

from __future__ import annotations

import gzip
import sys
import tracemalloc
import zlib
from dataclasses import replace
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import brotli
import httpx
import pytest

import otel_agenttrace as at
from otel_agenttrace.limits import room_for
from tests.support.loopback import Answer
from tests.support.provider import Provider

zstd: Any = import_module("compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd")
_SIZE: Final = 600 << 20
_PIECE: Final = 1 << 16


def _of_zeros(compressor: Any, finish: str = "flush") -> bytes:
    piece = bytes(1 << 20)
    pieces = [compressor.compress(piece) for _ in range(_SIZE >> 20)]
    return b"".join([*pieces, getattr(compressor, finish)()])


class _Brotli:
    def __init__(self) -> None:
        self._compressor = brotli.Compressor(quality=5)
        self.compress = self._compressor.process
        self.finish = self._compressor.finish


_BOMBS: Final = {
    "gzip": lambda: _of_zeros(zlib.compressobj(9, zlib.DEFLATED, 31)),
    "deflate": lambda: _of_zeros(zlib.compressobj(9)),
    "br": lambda: _of_zeros(_Brotli(), "finish"),
    "gzip, gzip": lambda: gzip.compress(_of_zeros(zlib.compressobj(9, zlib.DEFLATED, 31))),
}


def _encoded(body: bytes, encoding: str) -> Any:
    def then(answer: Answer) -> Answer:
        headers = (("content-type", "application/json"), ("content-encoding", encoding))
        pieces = tuple(body[at : at + _PIECE] for at in range(0, len(body), _PIECE))
        return replace(answer, headers=headers, pieces=pieces, is_chunked=True)

    return then


def _received(url: str) -> bytes:
    """Return what comes, as it comes: this program is careful."""
    with httpx.Client() as client, client.stream("POST", url, json={"model": "m", "input": "x"}) as response:
        return b"".join(response.iter_raw())


@pytest.mark.parametrize("encoding", _BOMBS)
def test_a_bomb_takes_no_memory_and_is_kept_as_it_came(encoding: str, provider: Provider, tmp_path: Path) -> None:
    bomb = _BOMBS[encoding]()
    provider.then = _encoded(bomb, encoding)
    url, path = f"{provider.openai_url}/embeddings", tmp_path / "c"
    tracemalloc.start()
    try:
        with at.record(path, quiet=True):
            assert _received(url) == bomb
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < room_for(0) + (64 << 20) < _SIZE / 2
    (span,) = at.load(path).inferences
    assert span.call is not None
    kept = span.call.attempts[0]
    assert (kept.body, dict(kept.headers)["content-encoding"]) == (bomb, encoding)
    with at.replay(path, quiet=True):
        assert _received(url) == bomb


@pytest.mark.parametrize("encoding", ["gzip", "br"])
def test_a_large_body_that_is_no_bomb_is_kept_decoded_in_the_pieces_it_came_in(
    encoding: str, provider: Provider, tmp_path: Path
) -> None:
    plain = b"".join(b'{"n":%d},' % (number * 7919 % 1_000_003) for number in range(200_000))
    body = gzip.compress(plain) if encoding == "gzip" else brotli.compress(plain, quality=5)
    provider.then = _encoded(body, encoding)
    with at.record(tmp_path / "c", quiet=True):
        _received(f"{provider.openai_url}/embeddings")
    (span,) = at.load(tmp_path / "c").inferences
    assert span.call is not None
    kept = span.call.attempts[0]
    assert kept.body == plain
    assert "content-encoding" not in dict(kept.headers)
    assert 1 < len(kept.chunks) < len(body) / 1_000
