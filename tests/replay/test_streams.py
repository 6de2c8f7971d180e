"""A stream replays in its chunks, at the times asked for, and ends as the recorded one did; nobody reads past that."""

from __future__ import annotations

import asyncio
import gc
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import httpx
import openai
import pytest

import otel_agenttrace as at
from otel_agenttrace.errors import ReplayExhausted
from otel_agenttrace.model import End, Exchange
from tests.support.clients import anthropic_client, openai_client
from tests.support.loopback import Answer
from tests.support.provider import Provider
from tests.support.surface import each, settled

_MESSAGES: Final = [{"role": "user", "content": "hello there, my good friend"}]


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@dataclass(frozen=True)
class _Sdk:
    name: str
    is_async: bool

    @property
    def told(self) -> str:
        return f"{self.name}-{'async' if self.is_async else 'sync'}"

    def client(self, provider: Provider, **options: Any) -> Any:
        make = openai_client if self.name == "openai" else anthropic_client
        return make(provider, is_async=self.is_async, **options)

    async def stream(self, client: Any, **more: Any) -> Any:
        if self.name == "openai":
            asked = client.chat.completions.create(model="gpt-4o", messages=_MESSAGES, stream=True, **more)
        else:
            asked = client.messages.create(model="claude-fake-1", max_tokens=9, messages=_MESSAGES, stream=True, **more)
        return await settled(asked)

    def run(self, provider: Provider, read: Callable[[Any], Any], **options: Any) -> Any:
        """Return what `read` makes of a new stream; the client is closed afterwards."""

        async def running() -> Any:
            client = self.client(provider, **options)
            try:
                return await read(await self.stream(client))
            finally:
                await settled(client.close())

        return asyncio.run(running())


_SDKS: Final = [_Sdk(name, is_async) for name in ("openai", "anthropic") for is_async in (False, True)]
every_sdk: Final = pytest.mark.parametrize("sdk", _SDKS, ids=lambda sdk: sdk.told)


def _recorded() -> Exchange:
    (span,) = at.load("c").inferences
    assert span.call is not None
    return span.call.attempts[-1]


async def _whole(stream: Any) -> list[str]:
    return [str(event) async for event in each(stream)]


async def _read_into(events: list[str], stream: Any) -> None:
    """Read a stream to its end; what was read before it broke is there too."""
    async for event in each(stream):
        events.append(str(event))  # noqa: PERF401 - what comes before an exception is to stay


async def _two(stream: Any) -> list[str]:
    """Read two events and leave the loop, as programs do; the stream stays open."""
    events: list[str] = []
    async for event in each(stream):
        events.append(str(event))
        if len(events) == 2:
            break
    return events


async def _two_closed(stream: Any) -> list[str]:
    events = await _two(stream)
    await settled(stream.close())
    return events


async def _two_dropped(stream: Any) -> list[str]:
    events = await _two(stream)
    del stream
    gc.collect()
    return events


# --- ends -------------------------------------------------------------------------------------------------------------------


def _cut(answer: Answer) -> Answer:
    return replace(answer, pieces=answer.pieces[:4], end="cut")


@contextmanager
def _raw_stream(provider: Provider) -> Iterator[Any]:
    body = {"model": "gpt-4o", "messages": _MESSAGES, "stream": True}
    with httpx.stream("POST", f"{provider.openai_url}/chat/completions", json=body) as response:
        yield response


def test_chunks_come_as_they_came(provider: Provider) -> None:
    provider.then = lambda answer: replace(answer, chunk_delay_s=0.01)  # so that the system puts none together
    with at.record("c", quiet=True), _raw_stream(provider) as response:
        live = list(response.iter_raw())
    provider.stop()
    with at.replay("c", quiet=True), _raw_stream(provider) as response:
        assert list(response.iter_raw()) == live
    assert len(live) > 5


@pytest.mark.parametrize("faults", [[], ["slow=1ms"]])
def test_who_drains_what_is_left_of_a_body_gets_each_chunk_once(faults: list[str], provider: Provider) -> None:
    with at.record("c", quiet=True), _raw_stream(provider) as response:
        live = response.read()
    provider.stop()
    with at.replay("c", quiet=True, faults=faults), _raw_stream(provider) as response:
        first = next(response.stream.__iter__())
        assert first + b"".join(response.stream) == live


@every_sdk
@pytest.mark.parametrize("faults", [[], ["slow=1ms"]], ids=["plain", "late"])
@pytest.mark.parametrize(
    ("read", "end"),
    [(_whole, "complete"), (_two_closed, "closed"), (_two_dropped, "abandoned")],
    ids=["whole", "closed", "dropped"],
)
def test_an_end_is_recorded_as_it_was_and_replayed(
    sdk: _Sdk, read: Callable[[Any], Any], end: End, faults: list[str], provider: Provider
) -> None:
    provider.then = _held if end != "complete" else provider.then
    with at.record("c", quiet=True, faults=faults):
        live = sdk.run(provider, read)
    assert len(live) >= 2
    assert _recorded().end in (end, "closed")  # asyncio closes what is dropped, if it comes first
    assert _recorded().end != "complete" or end == "complete"
    provider.stop()
    with at.replay("c", quiet=True) as session:
        assert sdk.run(provider, read) == live
    assert [outcome.kind for outcome in session.outcomes] == ["hit"]


def _held(answer: Answer) -> Answer:
    return replace(answer, pieces=answer.pieces[:6], end="hold")


@every_sdk
def test_reading_past_where_the_recorded_reader_stopped_is_exhausted(sdk: _Sdk, provider: Provider) -> None:
    provider.then = _held
    with at.record("c", quiet=True):
        live = sdk.run(provider, _two_closed)
    provider.stop()
    read: list[str] = []
    with at.replay("c", quiet=True), pytest.raises(ReplayExhausted, match=r"the reader stopped \(closed\)") as raised:
        sdk.run(provider, partial(_read_into, read))
    assert read[:2] == live
    assert "to fix   record the call again" in str(raised.value)


@every_sdk
def test_a_stream_broken_by_its_peer_breaks_again_at_the_same_event(sdk: _Sdk, provider: Provider) -> None:
    async def broken(stream: Any) -> tuple[list[str], str, str]:
        events: list[str] = []
        with pytest.raises(Exception) as raised:  # noqa: PT011 - which one depends on the SDK, and is compared
            await _read_into(events, stream)
        return events, repr(type(raised.value)), f"{type(raised.value.__cause__)} {raised.value.__cause__}"

    provider.then = _cut
    with at.record("c", quiet=True):
        live = sdk.run(provider, broken)
    assert _recorded().end == "error"
    provider.stop()
    with at.replay("c", quiet=True):
        assert sdk.run(provider, broken) == live
    assert "RemoteProtocolError" in f"{live[1]} {live[2]}"


@pytest.mark.parametrize("sdk", [sdk for sdk in _SDKS if sdk.is_async], ids=lambda sdk: sdk.told)
@pytest.mark.parametrize("timing", ["instant", "x2"])
def test_a_task_that_was_cancelled_is_cancelled_at_the_same_event(sdk: _Sdk, timing: str, provider: Provider) -> None:
    async def cancelled(stream: Any) -> list[str]:
        events: list[str] = []
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(_read_into(events, stream), 0.3)
        return events

    provider.then = _held
    with at.record("c", quiet=True):
        live = sdk.run(provider, cancelled)
    assert len(live) >= 2
    assert _recorded().end == "cancelled"
    provider.stop()
    with at.replay("c", quiet=True, timing=timing):
        assert sdk.run(provider, cancelled) == live


# --- times ------------------------------------------------------------------------------------------------------------------

_FIRST_S: Final = 0.3
_CHUNK_S: Final = 0.05
_LEAST_CHUNKS: Final = 6


def _slowly(answer: Answer) -> Answer:
    return replace(answer, first_chunk_delay_s=_FIRST_S, chunk_delay_s=_CHUNK_S)


async def _times_s(stream: Any) -> tuple[float, float]:
    """Return when the first event came, and when the stream ended, in seconds since it was there."""
    started = time.perf_counter()
    first_s = 0.0
    async for _ in each(stream):
        first_s = first_s or time.perf_counter() - started
    return first_s, time.perf_counter() - started


@every_sdk
def test_chunks_come_at_the_times_that_a_timing_says(sdk: _Sdk, provider: Provider) -> None:
    provider.then = _slowly
    with at.record("c", quiet=True):
        sdk.run(provider, _whole)
    recorded = _recorded()
    first_s, whole_s = recorded.chunks[0].offset_ns / 1e9, (recorded.end_ns - recorded.start_ns) / 1e9
    assert first_s >= _FIRST_S
    assert whole_s >= first_s + _CHUNK_S * _LEAST_CHUNKS
    provider.stop()
    expected = {
        "instant": (0.0, 0.0),
        "real": (first_s, whole_s),
        "x4": (first_s / 4, whole_s / 4),
        "first-token": (first_s, first_s),
    }
    for timing, (first, whole) in expected.items():
        with at.replay("c", quiet=True, timing=timing):
            told_first, told_whole = sdk.run(provider, _times_s)
        assert first - 0.05 <= told_first <= first + 0.2, timing
        assert whole - 0.05 <= told_whole <= whole + 0.25, timing


@every_sdk
def test_a_client_that_waits_less_than_recorded_times_out_in_real_time(sdk: _Sdk, provider: Provider) -> None:
    provider.then = _slowly
    with at.record("c", quiet=True):
        sdk.run(provider, _whole)
    provider.stop()
    with at.replay("c", quiet=True):
        assert sdk.run(provider, _whole, timeout=0.1)
    with at.replay("c", quiet=True, timing="real"), pytest.raises(Exception) as raised:  # noqa: PT011 - looked at below
        sdk.run(provider, _whole, timeout=0.1)
    assert "ReadTimeout" in f"{type(raised.value)} {raised.value.__cause__!r}"


def _ask(client: Any) -> float:
    started = time.perf_counter()
    with suppress(openai.OpenAIError):
        client.chat.completions.create(model="gpt-4o", messages=_MESSAGES)
    return time.perf_counter() - started


def test_a_whole_answer_comes_when_it_came(provider: Provider) -> None:
    provider.then = lambda answer: replace(answer, delay_s=0.4)
    with openai_client(provider, is_async=False) as client:
        with at.record("c", quiet=True):
            _ask(client)
        for timing, expected_s in (("real", 0.4), ("first-token", 0.4), ("x2", 0.2), ("instant", 0.0)):
            with at.replay("c", quiet=True, timing=timing):
                assert expected_s - 0.01 <= _ask(client) <= expected_s + 0.2, timing


def test_a_failure_comes_when_it_came_and_the_sdk_waits_between_attempts_as_it_would(provider: Provider) -> None:
    refusal = Answer(429, (("retry-after", "0.3"),))
    provider.then = lambda answer: refusal if provider.hits == 1 else replace(answer, delay_s=30.0)
    with openai_client(provider, is_async=False, max_retries=1, timeout=0.2) as client:
        with at.record("c", quiet=True):
            live_s = _ask(client)
        assert live_s >= 0.5
        for timing, expected_s in (
            ("real", live_s),
            ("x2", live_s / 2),
            ("first-token", live_s - 0.3),
            ("instant", 0.0),
        ):
            with at.replay("c", quiet=True, timing=timing) as session:
                assert expected_s - 0.05 <= _ask(client) <= expected_s + 0.2, timing
            assert session.counts == {"hit": 1}


def test_a_timing_that_is_none_is_told_before_the_first_call(provider: Provider) -> None:
    with pytest.raises(at.AgentTraceError, match="'fast' is no timing"):
        at.replay("c", quiet=True, timing="fast").__enter__()
