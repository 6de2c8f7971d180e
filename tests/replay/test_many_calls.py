"""Ten thousand calls at once: each gets an answer that was given to its own question, or none."""

from __future__ import annotations

import asyncio
import inspect
import random
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack, ExitStack
from pathlib import Path
from typing import Any, Final, NamedTuple

import anthropic
import openai
import pytest

import otel_agenttrace as at
from tests.support.network import watched_network
from tests.support.provider import Provider

CASSETTE: Final = Path("run.otlp.jsonl")
_CALLS: Final = 10_000
_THREADS: Final = 64
_BUSY: Final = "[fake 429*1]"


class _Asked(NamedTuple):
    """A question to an endpoint, told by its name."""

    endpoint: str
    text: str


class _Said(NamedTuple):
    """An answer, and the retries it took."""

    asked: _Asked
    text: str
    retries: int


def _questions() -> list[_Asked]:
    """Return the questions in a random order: three of four asked twice or more, the same ones at two endpoints."""
    endpoints = ("openai", "openai too", "anthropic")
    texts = [f"question {number % 2500}" for number in range(_CALLS - 60)]
    asked = [_Asked(endpoints[number % 3], text) for number, text in enumerate(texts)]
    asked += [_Asked(endpoints[number % 3], f"{_BUSY} question {number % 4}") for number in range(60)]
    random.Random(3).shuffle(asked)
    return asked


class _Endpoints:
    """The two providers, and clients of both kinds for them."""

    def __init__(self, one: Provider, other: Provider) -> None:
        self.one = one
        self.other = other

    def clients(self, stack: ExitStack) -> dict[str, Any]:
        return {
            "openai": stack.enter_context(openai.OpenAI(base_url=self.one.openai_url, api_key="k")),
            "openai too": stack.enter_context(openai.OpenAI(base_url=self.other.openai_url, api_key="k")),
            "anthropic": stack.enter_context(anthropic.Anthropic(base_url=self.one.anthropic_url, api_key="k")),
        }

    async def async_clients(self, stack: AsyncExitStack) -> dict[str, Any]:
        made = {
            "openai": openai.AsyncOpenAI(base_url=self.one.openai_url, api_key="k"),
            "openai too": openai.AsyncOpenAI(base_url=self.other.openai_url, api_key="k"),
            "anthropic": anthropic.AsyncAnthropic(base_url=self.one.anthropic_url, api_key="k"),
        }
        return {name: await stack.enter_async_context(client) for name, client in made.items()}


def _request(client: Any, asked: _Asked, most: int) -> Any:
    messages = [{"role": "user", "content": asked.text}]
    if asked.endpoint == "anthropic":
        create = client.messages.with_raw_response.create
        return create(model="claude-fake-1", max_tokens=most, messages=messages)
    return client.chat.completions.with_raw_response.create(model="gpt-4o-mini", max_tokens=most, messages=messages)


def _said(asked: _Asked, response: Any, parsed: Any) -> _Said:
    text = parsed.content[0].text if asked.endpoint == "anthropic" else parsed.choices[0].message.content
    return _Said(asked, text, response.retries_taken)


def _asked_by_threads(endpoints: _Endpoints, asked: Sequence[_Asked], most: int = 9) -> list[_Said | None]:
    with ExitStack() as stack:
        clients = endpoints.clients(stack)

        def ask(each: _Asked) -> _Said | None:
            try:
                response = _request(clients[each.endpoint], each, most)
                return _said(each, response, response.parse())
            except at.ReplayMiss:
                return None

        with ThreadPoolExecutor(_THREADS) as pool:
            return list(pool.map(ask, asked))


async def _asked_by_tasks(endpoints: _Endpoints, asked: Sequence[_Asked]) -> list[_Said]:
    async with AsyncExitStack() as stack:
        clients = await endpoints.async_clients(stack)

        async def ask(each: _Asked) -> _Said:
            response = await _request(clients[each.endpoint], each, 9)
            parsed = response.parse()
            return _said(each, response, await parsed if inspect.isawaitable(parsed) else parsed)

        return list(await asyncio.gather(*map(ask, asked)))


@pytest.fixture
def endpoints() -> Iterator[_Endpoints]:
    with Provider() as one, Provider() as other:
        yield _Endpoints(one, other)


@pytest.mark.slow
def test_ten_thousand_calls_get_their_own_answers(
    endpoints: _Endpoints, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = _questions()
    with at.record(CASSETTE, quiet=True):
        live = [said for said in _asked_by_threads(endpoints, asked) if said is not None]
    assert len(live) == _CALLS
    assert all(said.asked.text.removeprefix(f"{_BUSY} ") in said.text for said in live)
    assert Counter(said.retries for said in live if _BUSY in said.asked.text).keys() >= {0, 1}
    hits = endpoints.one.hits + endpoints.other.hits
    shuffled = random.Random(5).sample(asked, _CALLS)
    with watched_network() as network:
        with at.replay(CASSETTE, quiet=True) as session:
            threads = _asked_by_threads(endpoints, shuffled)
        assert session.counts == {"hit": _CALLS}
        with at.replay(CASSETTE, quiet=True) as session:
            tasks = asyncio.run(_asked_by_tasks(endpoints, shuffled))
        assert session.counts == {"hit": _CALLS}
        with at.replay(CASSETTE, quiet=True) as session:
            changed = _asked_by_threads(endpoints, shuffled, most=10)
        assert session.counts == {"miss": _CALLS}
    assert network == []
    assert Counter(threads) == Counter(tasks) == Counter(live)
    assert set(changed) == {None}
    assert endpoints.one.hits + endpoints.other.hits == hits
