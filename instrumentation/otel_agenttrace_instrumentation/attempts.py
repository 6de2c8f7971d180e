"""One HTTP attempt of a call while it happens. Bytes as they pass in, an `Exchange` out."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Literal, TypeAlias

from otel_agenttrace.model import Chunk, End, Exchange, HttpRequest, RaisedError
from otel_agenttrace.playback.faults import Fault
from otel_agenttrace.playback.timing import INSTANT, Timing

if TYPE_CHECKING:
    from otel_agenttrace.redact import Redactor

__all__ = ["MOST_KEPT", "Attempt", "Chunks", "Decoder"]

Chunks: TypeAlias = "list[tuple[int, bytes]]"
"""Pieces of a body, each with its time since the start of the attempt in nanoseconds."""

Decoder: TypeAlias = "Callable[[str, Chunks], Chunks | None]"
"""Undoes a content-encoding, given its name; None if it cannot."""

_CANCELLED: Final = frozenset({"CancelledError", "Cancelled"})
"""What cancels a task in asyncio and in trio."""

MOST_KEPT: Final = 32 << 20
"""Bytes of a body, up or down, that are kept of a request to no model API: of a larger one only the span is recorded."""


class Attempt:
    """Collects what passes by. Each of its methods is cheap, for it stands in the stream's way.

    `ask` tells the request as it is stored, when somebody asks for it. `sends` is the body that goes out in the place of the
    application's, where a patch has changed it.
    """

    def __init__(
        self, ask: Callable[[], HttpRequest], on_end: Callable[[Attempt], None], *, keep: bool, most: int | None = None
    ) -> None:
        self._ask = ask
        self.start_ns = time.time_ns()
        self.end_ns = 0
        self.end: End | None = None
        self.status: int | None = None
        self.headers: Sequence[tuple[str, str]] = ()
        self.error: BaseException | None = None
        self.first_chunk_ns: int | None = None
        self.chunks: Chunks = []
        self.decoder: Decoder | None = None
        self.is_too_large = False
        self.sends: bytes | None = None
        self.timing: Timing = INSTANT
        self.faults: tuple[Fault, ...] = ()
        self.struck: tuple[Fault, ...] = ()
        self._clock = time.perf_counter_ns()
        self._on_end = on_end
        self._keep = keep
        self._most = most
        self._size = 0
        self._decoded: Chunks | None = None
        self._pid = os.getpid()

    @property
    def request(self) -> HttpRequest:
        """The request as it is stored."""
        return self._ask()

    def responded(self, status: int, headers: Sequence[tuple[str, str]], decoder: Decoder) -> None:
        """Take the status, the headers, and what undoes a content-encoding."""
        self.status = status
        self.headers = headers
        self.decoder = decoder

    def chunk(self, data: bytes) -> None:
        """Take a piece of the body."""
        offset_ns = time.perf_counter_ns() - self._clock
        if self.first_chunk_ns is None:
            self.first_chunk_ns = offset_ns
        if self._keep:
            self.chunks.append((offset_ns, data))
            self._size += len(data)
            if self._most is not None and self._size > self._most:
                self._give_up()

    def _give_up(self) -> None:
        self._keep = False
        self.is_too_large = True
        self.chunks.clear()

    def finish(self, end: End, error: BaseException | None = None) -> None:
        """Take the end of the attempt; the first one told counts, and a forked child's does not."""
        if self.end is None and os.getpid() == self._pid:
            self.end = end
            self.error = error
            self.end_ns = self.start_ns + time.perf_counter_ns() - self._clock
            self._on_end(self)

    def broke(self, error: BaseException) -> None:
        """Take the exception that ended the body, or the attempt before there was a response."""
        cancelled = type(error).__name__ in _CANCELLED or isinstance(error, KeyboardInterrupt)
        self.finish("cancelled" if cancelled else "noresponse" if self.status is None else "error", error)

    def strike(self, fault: Fault) -> None:
        """Take note that a fault has struck."""
        if fault not in self.struck:
            self.struck = (*self.struck, fault)

    @property
    def is_spoiled(self) -> bool:
        """Whether a fault has kept the answer from the program."""
        return any(fault.is_spoiling for fault in self.struck)

    @property
    def content_type(self) -> str:
        """The media type of the response, without parameters, or an empty string."""
        return self._header("content-type").partition(";")[0].strip().lower()

    def _header(self, name: str) -> str:
        return next((value for key, value in self.headers if key.lower() == name), "")

    def decoded(self) -> Chunks:
        """Return the chunks of an ended body without content-encoding; what the client cannot decode either stays as it is."""
        encoding = self._header("content-encoding").strip().lower()
        if not encoding or self.decoder is None or encoding == "identity":
            return self.chunks
        if self._decoded is None:
            self._decoded = self.decoder(encoding, self.chunks) or self.chunks
        return self._decoded

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
            headers=self._stored_headers(redactor, is_encoded=decoded is self.chunks and self.decoder is not None),
            body=body,
            chunks=tuple(kept) if is_stream else (),
            error=None if self.error is None else _raised(self.error, redactor),
        )

    def _stored_headers(self, redactor: Redactor, *, is_encoded: bool) -> tuple[tuple[str, str], ...]:
        stored = redactor.stored_headers(self.headers, has_body=self.request.method != "HEAD")
        encoding = self._header("content-encoding")
        return (*stored, ("content-encoding", encoding)) if is_encoded and encoding else stored


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
