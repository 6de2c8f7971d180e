"""The tap on the HTTP clients: transports that record what passes, or answer from a cassette.

httpx and httpx2 have the same shapes under two names, and each insists on its own classes; `Tap` makes both.
"""

from __future__ import annotations

import builtins
import sys
from collections.abc import AsyncIterator, Iterator
from types import ModuleType
from typing import Any, Final

from otel_agenttrace.errors import AgentTraceError, EgressBlocked, ReplayExhausted
from otel_agenttrace.jsonvalue import digits
from otel_agenttrace.limits import room_for
from otel_agenttrace.model import Exchange, RaisedError
from otel_agenttrace_instrumentation.attempts import MOST_KEPT, Attempt, Chunks
from otel_agenttrace_instrumentation.bodies import pause, pause_async, recorded_stream, spoiled_stream, wait_for_cancel
from otel_agenttrace_instrumentation.border import Interrupt, observe
from otel_agenttrace_instrumentation.calls import LogicalCall, Wanted, current_call, end_later, is_replaying, is_watched
from otel_agenttrace_instrumentation.verifying import verify, verify_async

__all__ = ["Tap"]

_IN_PROCESS: Final = frozenset({"ASGITransport", "WSGITransport", "_TestClientTransport"})
"""Transports into an application of the same process: its test is to run it. An SDK over one of them is still seen."""

_SDK_MARK: Final = "x-stainless-lang"
"""A header that the SDKs give each request of theirs."""

_STEP: Final = 1 << 10
_BROTLI_STEP: Final = 64
"""So many bytes are decoded at a time: a few of brotli can become megabytes."""

_MAX_RATIO: Final = 20
"""Of what is larger than any answer of a model: gzip makes a thousand times its size of zeros, and four of prose."""

_OF_THE_BODY: Final = frozenset({b"content-length", b"transfer-encoding"})

_OF_THE_WHOLE: Final = frozenset({b"content-encoding", b"content-length"})
"""Headers that tell of a body as it was sent, and not as it is passed on."""


class Tap:
    """The transports and streams for one HTTP library."""

    def __init__(self, library: ModuleType) -> None:
        self.library: Any = library
        self.transport = _sync_transport(self)
        self.async_transport = _async_transport(self)
        self.stream = _sync_stream(library)
        self.async_stream = _async_stream(library)
        self.recorded = recorded_stream(self)
        self.spoiled = spoiled_stream(self)

    def call_of(self, request: Any, inner: Any, client: object) -> LogicalCall | None:
        """Return the call a request belongs to, a new one if it stands for itself, or None if it is not ours to see.

        What another client, or the client's own authentication, sends inside an SDK's call is a call of its own.
        """
        call = current_call.get()
        if (
            call is not None
            and call.client in (None, client)
            and (call.library is None or _SDK_MARK in request.headers)
        ):
            return call
        watched = observe(lambda: is_watched(request.method, str(request.url)))
        if not watched or type(inner).__name__ in _IN_PROCESS or not self._is_readable(request):
            return None
        return LogicalCall(None)

    def _is_readable(self, request: Any) -> bool:
        """Whether a body may be read before it is sent: one of unknown or great length would have to stay in memory."""
        if isinstance(request.stream, self.library.ByteStream) or is_replaying():
            return True
        length = digits(request.headers.get("content-length", ""))
        return length is not None and length <= MOST_KEPT

    def begin(
        self, owner: LogicalCall, request: Any, body: bytes, *, is_async: bool
    ) -> tuple[Attempt | None, Exchange | None]:
        """Return the collector of an attempt and its recorded answer, if any."""
        headers = request.headers
        wanted = Wanted(
            request.method, str(request.url), headers.get("content-type", ""), body, headers.get("range", ""), is_async
        )
        try:
            return observe(lambda: owner.attempt(wanted)) or (None, None)
        except AgentTraceError as error:
            if current_call.get() is None or (isinstance(error, EgressBlocked) and error.is_telemetry):
                raise
            raise Interrupt(error) from None

    def changed(self, request: Any, attempt: Attempt) -> Any:
        """Return the request that goes out: the application's, or one with the body that a patch has made of it."""
        if attempt.sends is None:
            return request
        headers = [(name, value) for name, value in request.headers.raw if name.lower() not in _OF_THE_BODY]
        return self.library.Request(
            request.method, request.url, headers=headers, content=attempt.sends, extensions=request.extensions
        )

    def watch(self, response: Any, attempt: Attempt, stream: type) -> Any:
        """Return the response with a body that is recorded as it is read."""
        observe(lambda: attempt.responded(response.status_code, _pairs(response), self.decoded))
        if response.is_closed:  # made with its content, by a transport that is no network
            attempt.decoder = None
            attempt.chunk(response.content)
            attempt.finish("complete")
        else:
            response.stream = stream(response.stream, attempt)
        return response

    def decoded(self, encoding: str, chunks: Chunks) -> Chunks | None:
        """Return the chunks of a body as the client reads them, without content-encoding, or None if it cannot.

        Nor is one decoded that is made to fill the memory: little goes in at a time, and it ends when too much comes out.
        """
        passed: list[int] = []
        decoded: dict[int, list[bytes]] = {}
        step = _BROTLI_STEP if encoding == "br" else _STEP

        class Passed(self.library.SyncByteStream):  # type: ignore[misc, name-defined]
            def __iter__(self) -> Iterator[bytes]:
                for offset, data in chunks:
                    passed.append(offset)
                    yield from (data[at : at + step] for at in range(0, len(data), step))
                passed.append(passed[-1] if passed else 0)  # what is left in the decoder

        if "," in encoding:  # each would multiply what the one before it gives
            return None
        room = room_for(sum(len(data) for _, data in chunks), ratio=_MAX_RATIO)
        try:
            for piece in self.library.Response(
                200, headers={"content-encoding": encoding}, stream=Passed()
            ).iter_bytes():
                room -= len(piece)
                if room < 0:
                    return None
                decoded.setdefault(len(passed), []).append(piece)
        except self.library.DecodingError:
            decoded.pop(len(passed), None)
            if not decoded:
                return None
        return [(passed[number - 1], b"".join(pieces)) for number, pieces in decoded.items()]

    def answer(self, recorded: Exchange, request: Any, attempt: Attempt) -> Any:
        """Return a recorded response.

        Raises:
            BaseException: What the transport raised where no response came.
        """
        if recorded.status is None:
            raise self.raised(recorded.error, request)
        headers = [(name.encode("latin-1", "replace"), value.encode("utf-8")) for name, value in recorded.headers]
        return self.library.Response(
            recorded.status,
            headers=headers,
            stream=self.recorded(recorded, request, attempt),
            extensions={"http_version": b"HTTP/1.1"},
        )

    def refused(self, error: EgressBlocked, request: Any) -> Any:
        """Return the answer to an SDK's telemetry that may not leave: an import that fails for it helps nobody.

        Raises:
            EgressBlocked: If it is no telemetry.
        """
        if not error.is_telemetry:
            raise error
        return self.library.Response(403, text=str(error), request=request)

    def with_faults(self, response: Any, recorded: Exchange | None, request: Any, attempt: Attempt) -> Any:
        """Return the response with a body that its faults spoil; the client gets it without content-encoding."""
        for fault in attempt.faults:
            headers = [pair for pair in response.headers.raw if pair[0].lower() not in _OF_THE_WHOLE]
            body = self.spoiled(self, response, recorded, request, attempt, fault)
            response = self.library.Response(
                response.status_code, headers=headers, stream=body, extensions=response.extensions
            )
        return response

    def raised(self, error: RaisedError | None, request: Any) -> BaseException:
        """Return the recorded exception, of the class that this HTTP library has for it."""
        if error is None:
            return ReplayExhausted("The recorded attempt ended without an answer and without an error.")
        kind = getattr(self.library if error.library == "httpx" else builtins, error.name, None)
        if isinstance(kind, type) and issubclass(kind, self.library.RequestError):
            raised = kind(error.message, request=request)
            raised.__cause__ = self._cause(error)
            return raised
        if isinstance(kind, type) and issubclass(kind, Exception):
            return kind(error.message)
        return ReplayExhausted(
            f"The recorded attempt ended with {error.name}: {error.message}, which cannot be raised again."
        )

    def _cause(self, error: RaisedError) -> BaseException | None:
        """Return the exception of the connection pool that the recorded one came from."""
        pool = sys.modules.get(self.library.__name__.replace("httpx", "httpcore"))
        kind = getattr(pool, error.cause, None) if error.cause else None
        return kind(error.message) if isinstance(kind, type) and issubclass(kind, Exception) else None


def _pairs(response: Any) -> list[tuple[str, str]]:
    encoding = response.headers.encoding
    return [(name.decode(encoding), value.decode(encoding)) for name, value in response.headers.raw]


def _sync_transport(tap: Tap) -> type:
    class TapTransport(tap.library.BaseTransport):  # type: ignore[misc, name-defined]
        """Passes requests on to the client's own transport, or answers them."""

        def __init__(self, inner: Any, client: object) -> None:
            self.inner = inner
            self.client = client

        def handle_request(self, request: Any) -> Any:
            call = tap.call_of(request, self.inner, self.client)
            if call is None:
                return self.inner.handle_request(request)
            try:
                attempt, recorded = tap.begin(call, request, request.read(), is_async=False)
            except EgressBlocked as error:
                return tap.refused(error, request)
            if attempt is None:
                return self.inner.handle_request(request)
            request = tap.changed(request, attempt)
            try:
                if recorded is None:
                    response = self.inner.handle_request(request)
                else:
                    verify(call, recorded, request, self.inner, tap.library)
                    pause(tap, request, attempt.timing.answer_after_ns(recorded) / 1e9)
                    response = tap.answer(recorded, request, attempt)
            except BaseException as error:
                attempt.broke(error)
                raise
            return tap.watch(tap.with_faults(response, recorded, request, attempt), attempt, tap.stream)

    return TapTransport


def _async_transport(tap: Tap) -> type:
    class AsyncTapTransport(tap.library.AsyncBaseTransport):  # type: ignore[misc, name-defined]
        """Passes requests on to the client's own transport, or answers them."""

        def __init__(self, inner: Any, client: object) -> None:
            self.inner = inner
            self.client = client

        async def handle_async_request(self, request: Any) -> Any:
            call = tap.call_of(request, self.inner, self.client)
            if call is None:
                return await self.inner.handle_async_request(request)
            try:
                attempt, recorded = tap.begin(call, request, await request.aread(), is_async=True)
            except EgressBlocked as error:
                return tap.refused(error, request)
            if attempt is None:
                return await self.inner.handle_async_request(request)
            request = tap.changed(request, attempt)
            try:
                if recorded is None:
                    response = await self.inner.handle_async_request(request)
                else:
                    await verify_async(call, recorded, request, self.inner, tap.library)
                    if recorded.status is None:
                        await wait_for_cancel(recorded, recorded.start_ns)
                    await pause_async(tap, request, attempt.timing.answer_after_ns(recorded) / 1e9)
                    response = tap.answer(recorded, request, attempt)
            except BaseException as error:
                attempt.broke(error)
                raise
            return tap.watch(tap.with_faults(response, recorded, request, attempt), attempt, tap.async_stream)

    return AsyncTapTransport


def _sync_stream(library: Any) -> type:
    class WatchedStream(library.SyncByteStream):  # type: ignore[misc, name-defined]
        """A body that tells its attempt what passes."""

        def __init__(self, inner: Any, attempt: Attempt) -> None:
            self._inner = inner
            self._attempt = attempt

        def __iter__(self) -> Iterator[bytes]:
            try:
                for chunk in self._inner:
                    self._attempt.chunk(chunk)
                    yield chunk
            except GeneratorExit:  # dropped, not broken: `close` or the finaliser tells
                raise
            except BaseException as error:
                self._attempt.broke(error)
                raise
            self._attempt.finish("complete")

        def close(self) -> None:
            self._inner.close()
            _closed(self._attempt)

        def __del__(self) -> None:
            if self._attempt.end is None:
                end_later(self._attempt, "abandoned")

    return WatchedStream


def _async_stream(library: Any) -> type:
    class AsyncWatchedStream(library.AsyncByteStream):  # type: ignore[misc, name-defined]
        """A body that tells its attempt what passes."""

        def __init__(self, inner: Any, attempt: Attempt) -> None:
            self._inner = inner
            self._attempt = attempt

        async def __aiter__(self) -> AsyncIterator[bytes]:
            try:
                async for chunk in self._inner:
                    self._attempt.chunk(chunk)
                    yield chunk
            except GeneratorExit:  # dropped, not broken: `aclose` or the finaliser tells
                raise
            except BaseException as error:
                self._attempt.broke(error)
                raise
            self._attempt.finish("complete")

        async def aclose(self) -> None:
            await self._inner.aclose()
            _closed(self._attempt)

        def __del__(self) -> None:
            if self._attempt.end is None:
                end_later(self._attempt, "abandoned")

    return AsyncWatchedStream


def _closed(attempt: Attempt) -> None:
    """End an attempt whose body is closed; inside a generator that is being dropped, later."""
    if attempt.end is None and sys.exc_info()[0] is GeneratorExit:
        end_later(attempt, "closed")
    else:
        attempt.finish("closed")
