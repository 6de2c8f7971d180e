"""Replay that makes each call live too: what differs is told, the application sees the recording."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import anthropic
import httpx
import openai
import pytest

import otel_agenttrace as at
from otel_agenttrace.sessions import Session
from tests.support.loopback import Answer, LoopbackServer, Received

pytestmark = pytest.mark.usefixtures("home")
PATH: Final = Path("c.otlp.jsonl")
_JSON: Final = (("content-type", "application/json"),)
_EVENTS: Final = (("content-type", "text/event-stream"),)
_TEXTS: Final = ("one", "two", "three", "four")


class _Provider:
    """Answers the same to the same, but for ids, times, usage and the cut of streams; `change` spoils answers."""

    def __init__(self) -> None:
        self.hits = 0
        self.change: Callable[[dict[str, Any]], Answer | None] = lambda _: None
        self._server = LoopbackServer(self._answer)
        self._server.start()
        self.url = self._server.url

    def stop(self) -> None:
        self._server.stop()

    def _answer(self, request: Received) -> Answer:
        self.hits += 1
        asked = request.json()
        return self.change(asked) or self._plain(request.path, asked)

    def _plain(self, path: str, asked: dict[str, Any]) -> Answer:
        if "/chat/completions" not in path and "/messages" not in path:
            return Answer(headers=_JSON, pieces=(json.dumps({"echo": asked}).encode(),))
        text = f"echo {asked['messages'][-1]['content']}"
        if "/messages" in path:
            return Answer(headers=_JSON, pieces=(json.dumps(self._message(text)).encode(),))
        return self.stream(text) if asked.get("stream") else self.chat(text)

    def chat(self, text: str, *, reason: str = "stop", model: str = "m-1", tool: str | None = None) -> Answer:
        called = {"name": "weather", "arguments": tool}
        tools = [{"id": f"call_{self.hits}", "type": "function", "function": called}] if tool else None
        body = {
            "id": f"chatcmpl-{self.hits}",
            "object": "chat.completion",
            "created": self.hits,
            "model": model,
            "choices": [
                {
                    "index": 0,
                    "finish_reason": reason,
                    "message": {"role": "assistant", "content": text, "tool_calls": tools},
                }
            ],
            "usage": {"prompt_tokens": self.hits, "completion_tokens": 1, "total_tokens": self.hits + 1},
        }
        return Answer(headers=_JSON, pieces=(json.dumps(body).encode(),))

    def stream(self, text: str) -> Answer:
        cut = self.hits % len(text)
        head = {"id": f"chatcmpl-{self.hits}", "object": "chat.completion.chunk", "created": self.hits, "model": "m-1"}
        deltas: list[tuple[dict[str, str], str | None]] = [
            ({"role": "assistant", "content": text[:cut]}, None),
            ({"content": text[cut:]}, None),
            ({}, "stop"),
        ]
        events = [
            json.dumps({**head, "choices": [{"index": 0, "delta": delta, "finish_reason": reason}]})
            for delta, reason in deltas
        ]
        pieces = tuple(f"data: {event}\n\n".encode() for event in (*events, "[DONE]"))
        return Answer(headers=_EVENTS, pieces=pieces, is_chunked=True)

    def _message(self, text: str) -> dict[str, Any]:
        return {
            "id": f"msg_{self.hits}",
            "type": "message",
            "role": "assistant",
            "model": "claude",
            "content": [{"type": "text", "text": text}],
            "stop_reason": "end_turn",
            "stop_sequence": None,
            "usage": {"input_tokens": self.hits, "output_tokens": 1},
        }


@pytest.fixture
def provider() -> Iterator[_Provider]:
    running = _Provider()
    yield running
    running.stop()


def _chat(provider: _Provider, text: str, *, max_retries: int = 0) -> str:
    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key="none", max_retries=max_retries) as client:
        answer = client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
    return str(answer.choices[0].message.content)


def _stream(provider: _Provider, text: str) -> str:
    with openai.OpenAI(base_url=f"{provider.url}/v1", api_key="none", max_retries=0) as client:
        chunks = client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}], stream=True)
        return "".join(chunk.choices[0].delta.content or "" for chunk in chunks)


def _stream_async(provider: _Provider, text: str) -> str:
    async def run() -> str:
        async with openai.AsyncOpenAI(base_url=f"{provider.url}/v1", api_key="none", max_retries=0) as client:
            chunks = await client.chat.completions.create(
                model="m", messages=[{"role": "user", "content": text}], stream=True
            )
            return "".join([chunk.choices[0].delta.content or "" async for chunk in chunks])

    return asyncio.run(run())


def _message(provider: _Provider, text: str) -> str:
    with anthropic.Anthropic(base_url=provider.url, api_key="none", max_retries=0) as client:
        answer = client.messages.create(model="c", max_tokens=9, messages=[{"role": "user", "content": text}])
    return "".join(block.text for block in answer.content if block.type == "text")


def _plain(provider: _Provider, text: str) -> str:
    return httpx.post(f"{provider.url}/other", json={"text": text}).text


_SURFACES: Final = [_chat, _stream, _stream_async, _message, _plain]


def _verify(run: Callable[[], Any]) -> tuple[Session, Any]:
    before = PATH.read_bytes()
    with at.replay(PATH, quiet=True, verify=True) as session:
        answers = run()
    assert PATH.read_bytes() == before
    return session, answers


@pytest.mark.parametrize("ask", _SURFACES)
def test_answers_that_are_alike_in_what_matters_are_hits(provider: _Provider, ask: Callable[..., str]) -> None:
    with at.record(PATH, quiet=True):
        recorded = [ask(provider, text) for text in _TEXTS]
    assert provider.hits == 4
    session, answers = _verify(lambda: [ask(provider, text) for text in _TEXTS])
    assert (answers, provider.hits) == (recorded, 8)
    assert session.counts == {"hit": 4}


@pytest.mark.parametrize("ask", _SURFACES)
def test_exactly_the_call_that_is_answered_otherwise_is_drift(provider: _Provider, ask: Callable[..., str]) -> None:
    with at.record(PATH, quiet=True):
        recorded = [ask(provider, text) for text in _TEXTS]

    def otherwise(asked: dict[str, Any]) -> Answer | None:
        if "three" not in json.dumps(asked):
            return None
        if asked.get("model") == "c":
            return Answer(headers=_JSON, pieces=(json.dumps({"type": "message", "content": []}).encode(),))
        if asked.get("text"):
            return Answer(headers=_JSON, pieces=(b'{"echo": {"text": "other"}}',))
        return provider.stream("something else") if asked.get("stream") else provider.chat("something else")

    provider.change = otherwise
    session, answers = _verify(lambda: [ask(provider, text) for text in _TEXTS])
    assert answers == recorded
    assert session.counts == {"hit": 3, "drift": 1}
    assert [outcome.kind for outcome in session.outcomes] == ["hit", "hit", "drift", "hit"]
    assert "live answer differs at" in session.outcomes[2].detail


@pytest.mark.parametrize(
    ("live", "detail"),
    [
        ({"text": "tow"}, '/output_messages/0/parts/0/content: "two" → "tow"'),
        ({"text": "two", "reason": "length"}, '/finish_reasons/0: "stop" → "length"'),
        ({"text": "two", "model": "m-2"}, '/model: "m-1" → "m-2"'),
        ({"text": "two", "tool": '{"city":"Rome"}'}, "/output_messages/0/parts/1: 1 items → 2 items"),
    ],
)
def test_drift_tells_the_first_difference(provider: _Provider, live: dict[str, str], detail: str) -> None:
    provider.change = lambda _: provider.chat("two")
    with at.record(PATH, quiet=True):
        _chat(provider, "x")
    provider.change = lambda _: provider.chat(**live)
    session, _ = _verify(lambda: _chat(provider, "x"))
    assert [outcome.detail for outcome in session.outcomes] == [f"live answer differs at {detail}"]


def test_of_long_texts_the_place_is_told_where_they_part(provider: _Provider) -> None:
    provider.change = lambda _: provider.chat("same " * 40 + "left" + " more" * 40)
    with at.record(PATH, quiet=True):
        _chat(provider, "x")
    provider.change = lambda _: provider.chat("same " * 40 + "right")
    session, _ = _verify(lambda: _chat(provider, "x"))
    same = "same " * 4
    shown = f'"…{same}left{" more" * 11} …" → "…{same}right"'
    assert session.outcomes[0].detail.endswith(f"/content: {shown}")


def test_the_arguments_of_a_tool_call_are_compared_and_its_id_is_not(provider: _Provider) -> None:
    provider.change = lambda _: provider.chat("", tool='{"city": "Rome"}')
    with at.record(PATH, quiet=True):
        _chat(provider, "x")
    session, _ = _verify(lambda: _chat(provider, "x"))
    assert session.counts == {"hit": 1}
    provider.change = lambda _: provider.chat("", tool='{"city": "Oslo"}')
    session, _ = _verify(lambda: _chat(provider, "x"))
    assert 'arguments/city: "Rome" → "Oslo"' in session.outcomes[0].detail


def test_a_live_call_that_fails_is_told_and_not_raised(provider: _Provider) -> None:
    with at.record(PATH, quiet=True):
        recorded = [_chat(provider, text) for text in _TEXTS]
    provider.change = lambda asked: (
        Answer(401, _JSON, (b'{"error":{"type":"invalid_api_key"}}',)) if "one" in json.dumps(asked) else None
    )
    session, answers = _verify(lambda: [_chat(provider, text) for text in _TEXTS])
    assert answers == recorded
    assert [outcome.detail for outcome in session.outcomes] == ["live call failed: status 401", "", "", ""]
    provider.stop()
    session, answers = _verify(lambda: [_chat(provider, text) for text in _TEXTS])
    assert answers == recorded
    assert session.counts == {"drift": 4}
    assert all("live call failed: ConnectError" in outcome.detail for outcome in session.outcomes)


def test_a_live_stream_that_breaks_is_told_and_not_raised(provider: _Provider) -> None:
    with at.record(PATH, quiet=True):
        recorded = _stream(provider, "x")
    whole = provider.stream("echo x")
    provider.change = lambda _: Answer(headers=_EVENTS, pieces=whole.pieces[:1], is_chunked=True, end="cut")
    session, answer = _verify(lambda: _stream(provider, "x"))
    assert answer == recorded
    assert "live call failed: RemoteProtocolError" in session.outcomes[0].detail


def test_a_recorded_retry_is_compared_by_its_last_answer(provider: _Provider) -> None:
    provider.change = lambda _: Answer(429, (*_JSON, ("retry-after-ms", "1")), (b"{}",)) if provider.hits == 1 else None
    with at.record(PATH, quiet=True):
        recorded = _chat(provider, "x", max_retries=2)
    assert provider.hits == 2
    session, answer = _verify(lambda: _chat(provider, "x", max_retries=2))
    assert (answer, session.counts, provider.hits) == (recorded, {"hit": 1}, 3)


def test_a_call_that_failed_while_recording_and_still_fails_is_no_drift(provider: _Provider) -> None:
    def fails() -> None:
        with pytest.raises(openai.BadRequestError):
            _chat(provider, "x")

    provider.change = lambda _: Answer(400, _JSON, (b'{"error":{"type":"bad"}}',))
    with at.record(PATH, quiet=True):
        fails()
    session, _ = _verify(fails)
    assert session.counts == {"hit": 1}
    provider.change = lambda _: None
    session, _ = _verify(fails)
    assert session.outcomes[0].detail == "live answer differs at /status: 400 → 200"


def test_a_call_without_a_recording_stays_a_miss_and_is_not_made(provider: _Provider) -> None:
    with at.record(PATH, quiet=True):
        _chat(provider, "x")

    def misses() -> None:
        with pytest.raises(at.ReplayMiss):
            _chat(provider, "y")

    session, _ = _verify(misses)
    assert (session.counts, provider.hits) == ({"miss": 1}, 1)
