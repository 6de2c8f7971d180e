"""Bodies that do not come from the network as they are: recorded ones, with their times, and those that a fault spoils."""

from __future__ import annotations

import math
import time
from collections.abc import AsyncIterator, Iterator
from typing import TYPE_CHECKING, Any, Final

import anyio

from otel_agenttrace.errors import ReplayExhausted
from otel_agenttrace.jsonvalue import digits
from otel_agenttrace.model import Exchange
from otel_agenttrace.playback.faults import Fault, read_timeout, spoiler_of
from otel_agenttrace_instrumentation.attempts import Attempt

if TYPE_CHECKING:
    from otel_agenttrace_instrumentation.tap import Tap

__all__ = ["pause", "pause_async", "recorded_stream", "spoiled_stream", "wait_for_cancel"]

_GRACE_S: Final = 1.0
"""How much longer than recorded a call that was cancelled waits to be cancelled again."""


# --- waiting ------------------------------------------------------------------------------------------------------------


def pause(tap: Tap, request: Any, wait_s: float) -> None:
    """Wait for data.

    Raises:
        BaseException: The timeout of the HTTP library, once the client has waited as long as it will.
    """
    if wait_s > 0:
        patience_s = _patience_s(request)
        time.sleep(min(wait_s, patience_s))
        if wait_s > patience_s:
            raise tap.raised(read_timeout(is_async=False), request)


async def pause_async(tap: Tap, request: Any, wait_s: float) -> None:
    """Wait for data like `pause`, under whatever async library runs; other tasks have their turn even if it is there."""
    patience_s = _patience_s(request)
    await anyio.sleep(max(0, min(wait_s, patience_s)))
    if wait_s > patience_s:
        raise tap.raised(read_timeout(is_async=True), request)


def _patience_s(request: Any) -> float:
    """Return how long the client of a request waits for data, in seconds."""
    told = request.extensions.get("timeout", {}).get("read")
    return math.inf if told is None else told


async def wait_for_cancel(recorded: Exchange, since_ns: int) -> None:
    """Wait as long as the recorded call did until it was cancelled, and a little more, to be cancelled again."""
    if recorded.end == "cancelled":
        await anyio.sleep((recorded.end_ns - since_ns) / 1e9 + _GRACE_S)


# --- recorded -----------------------------------------------------------------------------------------------------------


def recorded_stream(tap: Tap) -> type:
    """Return the class of recorded bodies for one HTTP library."""

    class RecordedStream(tap.library.SyncByteStream, tap.library.AsyncByteStream):  # type: ignore[misc, name-defined]
        """The body of a recorded response, in the chunks it came in and at the times that the timing says.

        Whoever iterates again, as an SDK that drains what is left, goes on where the first one stopped.
        """

        def __init__(self, recorded: Exchange, request: Any, attempt: Attempt) -> None:
            self._recorded = recorded
            self._request = request
            *offsets_ns, self._ended_ns = attempt.timing.offsets_ns(recorded)
            self._chunks = zip(offsets_ns, _chunks(recorded), strict=True)
            self._since_ns = time.perf_counter_ns()

        def __iter__(self) -> Iterator[bytes]:
            for offset_ns, chunk in self._chunks:
                pause(tap, self._request, self._left_s(offset_ns))
                yield chunk
            pause(tap, self._request, self._left_s(self._ended_ns))
            self._end()

        async def __aiter__(self) -> AsyncIterator[bytes]:
            for offset_ns, chunk in self._chunks:
                await pause_async(tap, self._request, self._left_s(offset_ns))
                yield chunk
            await pause_async(tap, self._request, self._left_s(self._ended_ns))
            await wait_for_cancel(self._recorded, self._recorded.start_ns + _last_offset_ns(self._recorded))
            self._end()

        def _left_s(self, offset_ns: int) -> float:
            return (offset_ns + self._since_ns - time.perf_counter_ns()) / 1e9

        def _end(self) -> None:
            if self._recorded.end == "error":
                raise tap.raised(self._recorded.error, self._request)
            if self._recorded.end != "complete":
                raise ReplayExhausted(
                    f"The recorded body ends here: while recording, the reader stopped ({self._recorded.end}).\n"
                    "  to fix   record the call again, and read as far as you need"
                )

    return RecordedStream


def _last_offset_ns(recorded: Exchange) -> int:
    return recorded.chunks[-1].offset_ns if recorded.chunks else 0


def _chunks(recorded: Exchange) -> Iterator[bytes]:
    if not recorded.chunks:
        if recorded.body:
            yield recorded.body
        return
    at = 0
    for chunk in recorded.chunks:
        yield recorded.body[at : at + chunk.size]
        at += chunk.size


# --- spoiled ------------------------------------------------------------------------------------------------------------


class _Spoiled:
    """What a spoiled body does for both kinds of client."""

    def __init__(
        self, tap: Tap, response: Any, recorded: Exchange | None, request: Any, attempt: Attempt, fault: Fault
    ) -> None:
        self._tap = tap
        self._response = response
        self._request = request
        self._attempt = attempt
        self._fault = fault
        self._delay_s = fault.delay_s
        self._chunks: Any = None
        self._spoiler = spoiler_of(fault, is_events=_is_events(response), length=_length(response, recorded))

    def _passed(self, data: bytes) -> Iterator[bytes]:
        self._note()
        if data:
            yield data
        if self._spoiler.error is not None:
            raise self._tap.raised(self._spoiler.error, self._request)

    def _delay_once_s(self) -> float:
        delay_s, self._delay_s = self._delay_s, 0.0
        return delay_s

    def _note(self) -> None:
        if self._spoiler.has_struck:
            self._attempt.strike(self._fault)

    def close(self) -> None:
        self._response.close()

    async def aclose(self) -> None:
        await self._response.aclose()


def spoiled_stream(tap: Tap) -> type:
    """Return the class of spoiled bodies for one HTTP library."""

    class SpoiledStream(_Spoiled, tap.library.SyncByteStream, tap.library.AsyncByteStream):  # type: ignore[misc, name-defined]
        """The body of a response, as a fault lets it pass; who iterates again goes on where the first one stopped."""

        def __iter__(self) -> Iterator[bytes]:
            self._note()
            pause(tap, self._request, self._delay_once_s())
            self._chunks = self._chunks or self._response.iter_bytes()
            for chunk in self._chunks:
                yield from self._passed(self._spoiler.feed(chunk))
            yield from self._passed(self._spoiler.end())

        async def __aiter__(self) -> AsyncIterator[bytes]:
            self._note()
            await pause_async(tap, self._request, self._delay_once_s())
            self._chunks = self._chunks or self._response.aiter_bytes()
            async for chunk in self._chunks:
                for passed in self._passed(self._spoiler.feed(chunk)):
                    yield passed
            for passed in self._passed(self._spoiler.end()):
                yield passed

    return SpoiledStream


def _is_events(response: Any) -> bool:
    return response.headers.get("content-type", "").startswith("text/event-stream")


def _length(response: Any, recorded: Exchange | None) -> int | None:
    """Return the length of a body that does not come in chunks, in bytes."""
    if recorded is not None:
        return None if recorded.chunks else len(recorded.body)
    return None if "content-encoding" in response.headers else digits(response.headers.get("content-length", ""))
