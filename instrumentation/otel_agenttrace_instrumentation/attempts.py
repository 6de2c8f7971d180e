"""One HTTP attempt of a call while it happens. Bytes as they pass in, an `Exchange` out."""

from __future__ import annotations

import os
import time
import zlib
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, Protocol

from otel_agenttrace.model import Chunk, End, Exchange, HttpRequest, RaisedError

if TYPE_CHECKING:
    from otel_agenttrace.redact import Redactor

__all__ = ["Attempt"]


class Attempt:
    """Collects what passes by. Each of its methods is cheap, for it stands in the stream's way."""

    def __init__(self, request: HttpRequest, on_end: Callable[[Attempt], None], *, keep: bool) -> None:
        self.request = request
        self.start_ns = time.time_ns()
        self.end_ns = 0
        self.end: End | None = None
        self.status: int | None = None
        self.headers: Sequence[tuple[str, str]] = ()
        self.error: BaseException | None = None
        self.first_chunk_ns: int | None = None
        self.chunks: list[tuple[int, bytes]] = []
        self.is_decoded = False
        self._clock = time.perf_counter_ns()
        self._on_end = on_end
        self._keep = keep
        self._pid = os.getpid()

    def responded(self, status: int, headers: Sequence[tuple[str, str]]) -> None:
        """Take the status and headers."""
        self.status = status
        self.headers = headers

    def chunk(self, data: bytes) -> None:
        """Take a piece of the body."""
        offset_ns = time.perf_counter_ns() - self._clock
        if self.first_chunk_ns is None:
            self.first_chunk_ns = offset_ns
        if self._keep:
            self.chunks.append((offset_ns, data))

    def finish(self, end: End, error: BaseException | None = None) -> None:
        """Take the end of the attempt; the first one told counts, and a forked child's does not."""
        if self.end is None and os.getpid() == self._pid:
            self.end = end
            self.error = error
            self.end_ns = self.start_ns + time.perf_counter_ns() - self._clock
            self._on_end(self)

    def broke(self, error: BaseException) -> None:
        """Take the exception that ended the body, or the attempt before there was a response."""
        cancelled = type(error).__name__ == "CancelledError" or isinstance(error, KeyboardInterrupt)
        self.finish("cancelled" if cancelled else "noresponse" if self.status is None else "error", error)

    @property
    def content_type(self) -> str:
        """The media type of the response, without parameters, or an empty string."""
        return self._header("content-type").partition(";")[0].strip().lower()

    def _header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    def decoded(self) -> list[tuple[int, bytes]]:
        """Return the chunks without content-encoding; an encoding we cannot undo stays as it is."""
        encoding = self._header("content-encoding").strip().lower()
        if not encoding or self.is_decoded or encoding == "identity":
            return self.chunks
        decompress = _DECODERS.get(encoding)
        return self.chunks if decompress is None else _inflated(self.chunks, decompress)

    def exchange(self, redactor: Redactor) -> Exchange:
        """Return what is stored of the attempt."""
        decoded = self.decoded()
        body = b"".join(data for _, data in decoded)
        sizes = tuple(len(data) for _, data in decoded)
        body, sizes = redactor.redact_bytes(body, sizes)
        offsets = [offset for offset, _ in decoded]
        kept = [Chunk(offset, size) for offset, size in zip(offsets, sizes, strict=True)]
        is_stream = len(kept) > 1 or self.content_type == "text/event-stream"
        return Exchange(
            request=self.request,
            start_ns=self.start_ns,
            end_ns=self.end_ns,
            end=self.end or "abandoned",
            status=self.status,
            headers=self._stored_headers(redactor, is_encoded=decoded is self.chunks and not self.is_decoded),
            body=body,
            chunks=tuple(kept) if is_stream else (),
            error=None if self.error is None else _raised(self.error, redactor),
        )

    def _stored_headers(self, redactor: Redactor, *, is_encoded: bool) -> tuple[tuple[str, str], ...]:
        stored = redactor.stored_headers(self.headers)
        encoding = self._header("content-encoding")
        return (*stored, ("content-encoding", encoding)) if is_encoded and encoding else stored


class _Inflater(Protocol):
    """What zlib calls a decompression object."""

    def decompress(self, data: bytes, /) -> bytes: ...
    def flush(self) -> bytes: ...


def _inflated(chunks: Sequence[tuple[int, bytes]], decoder: Callable[[], _Inflater]) -> list[tuple[int, bytes]]:
    inflate = decoder()
    try:
        inflated = [(offset, inflate.decompress(data)) for offset, data in chunks]
    except zlib.error:  # named gzip or deflate, but is not
        return list(chunks)
    rest = inflate.flush()
    if rest and inflated:
        inflated[-1] = (inflated[-1][0], inflated[-1][1] + rest)
    return [(offset, data) for offset, data in inflated if data]


_DECODERS: Final[dict[str, Callable[[], _Inflater]]] = {
    "gzip": lambda: zlib.decompressobj(zlib.MAX_WBITS | 16),
    "deflate": zlib.decompressobj,
}


_LIBRARIES: Final[Mapping[str, Literal["httpx", "builtins"]]] = {
    "httpx": "httpx",
    "httpx2": "httpx",
    "builtins": "builtins",
    "asyncio": "builtins",
}


def _raised(error: BaseException, redactor: Redactor) -> RaisedError:
    """Return what is stored of an exception of the transport."""
    cause = type(error.__cause__)
    return RaisedError(
        name=type(error).__name__,
        message=redactor.redact_text(str(error)),
        library=_LIBRARIES.get(_package(type(error)), "other"),
        cause=cause.__name__ if _package(cause) in ("httpcore", "httpcore2") else "",
    )


def _package(kind: type) -> str:
    return kind.__module__.partition(".")[0]
