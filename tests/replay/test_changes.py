"""What changed since the recording is noticed by the tier that should: hit, drift or miss, with the real SDKs."""

from __future__ import annotations

import base64
import json
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from copy import deepcopy
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, Final, TypeAlias

import anthropic
import openai
import pytest

import otel_agenttrace as at
from otel_agenttrace.config import resolve
from otel_agenttrace.errors import ReplayMiss
from otel_agenttrace.volatile import MatchRule
from otel_agenttrace_instrumentation.opening import close_session, open_session, prepare_session
from tests.support.network import watched_network
from tests.support.provider import Provider

_CASSETTE: Final = "run.otlp.jsonl"
_Ask: TypeAlias = "Callable[..., str]"
_Body: TypeAlias = "dict[str, Any]"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _ask_openai(provider: Provider, body: _Body) -> str:
    client = openai.OpenAI(base_url=provider.openai_url, api_key=secrets.token_hex(16), max_retries=0)
    return client.chat.completions.create(**body).choices[0].message.content or ""


def _ask_anthropic(provider: Provider, body: _Body) -> str:
    client = anthropic.Anthropic(base_url=provider.anthropic_url, api_key=secrets.token_hex(16), max_retries=0)
    return "".join(block.text for block in client.messages.create(**body).content if block.type == "text")


def _image(pixel: int, size: int = 3000) -> str:
    return base64.b64encode(bytes([*range(250)] * (size // 250)) + bytes([pixel])).decode()


_WEATHER: Final = {"type": "object", "properties": {"city": {"type": "string"}}}
_OPENAI: Final[_Body] = {
    "model": "gpt-4o",
    "temperature": 0.5,
    "tool_choice": "none",
    "tools": [
        {"type": "function", "function": {"name": name, "description": name, "parameters": _WEATHER}}
        for name in ("weather", "news")
    ],
    "messages": [
        {"role": "system", "content": "You are kind."},
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "yes"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{_image(0)}"}},
            ],
        },
    ],
}
_ANTHROPIC: Final[_Body] = {
    "model": "claude-opus-4",
    "max_tokens": 100,
    "extra_body": {"temperature": 0.5},  # the newest SDKs have no argument for it
    "system": "You are kind.",
    "tool_choice": {"type": "none"},
    "tools": [{"name": name, "description": name, "input_schema": _WEATHER} for name in ("weather", "news")],
    "messages": [
        {"role": "user", "content": "first"},
        {"role": "assistant", "content": "yes"},
        {
            "role": "user",
            "content": [
                {"type": "text", "text": "What is this?"},
                {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": _image(0)}},
            ],
        },
    ],
}


def _set(*steps: str | int) -> Callable[[_Body, Any], None]:
    """Return what sets the value that stands where the steps lead."""

    def change(body: _Body, value: Any) -> None:
        held: Any = body
        for step in steps[:-1]:
            held = held[step]
        held[steps[-1]] = value

    return change


def _swap(name: str, one: int, other: int) -> Callable[[_Body, Any], None]:
    def change(body: _Body, _: Any) -> None:
        held = body[name]
        held[one], held[other] = held[other], held[one]

    return change


_CHANGES: Final = [
    ("openai", "prompt", _set("messages", 1, "content"), "second", "/messages/1/content"),
    ("openai", "a letter", _set("messages", 3, "content", 0, "text"), "what is this?", "/messages/3/content/0/text"),
    ("openai", "model", _set("model"), "gpt-4o-mini", "/model"),
    ("openai", "temperature", _set("temperature"), 0.6, "/temperature"),
    ("openai", "tool list", _set("tools"), _OPENAI["tools"][:1], "/tools/1"),
    ("openai", "tool", _set("tools", 1, "function", "description"), "old news", "/tools/1/function/description"),
    ("openai", "system prompt", _set("messages", 0, "content"), "You are terse.", "/messages/0/content"),
    (
        "openai",
        "image",
        _set("messages", 3, "content", 1, "image_url", "url"),
        f"data:image/png;base64,{_image(1)}",
        "/messages/3/content/1/image_url/url",
    ),
    ("openai", "order of messages", _swap("messages", 1, 2), None, "/messages/1/content"),
    ("openai", "order of tools", _swap("tools", 0, 1), None, "/tools/0/function/description"),
    ("anthropic", "prompt", _set("messages", 0, "content"), "second", "/messages/0/content"),
    ("anthropic", "model", _set("model"), "claude-sonnet-4", "/model"),
    ("anthropic", "temperature", _set("extra_body", "temperature"), 0.6, "/temperature"),
    ("anthropic", "tool list", _set("tools"), _ANTHROPIC["tools"][:1], "/tools/1"),
    ("anthropic", "system prompt", _set("system"), "You are terse.", "/system"),
    (
        "anthropic",
        "image",
        _set("messages", 2, "content", 1, "source", "data"),
        _image(1),
        "/messages/2/content/1/source/data",
    ),
    ("anthropic", "order of tools", _swap("tools", 0, 1), None, "/tools/0/description"),
]
_ASKED: Final[Mapping[str, tuple[_Body, _Ask]]] = {
    "openai": (_OPENAI, _ask_openai),
    "anthropic": (_ANTHROPIC, _ask_anthropic),
}


@pytest.mark.parametrize(
    ("sdk", "change", "value", "pointer"),
    [(sdk, change, value, pointer) for sdk, _, change, value, pointer in _CHANGES],
    ids=[f"{sdk}, {what}" for sdk, what, *_ in _CHANGES],
)
def test_a_changed_question_is_a_miss_that_names_the_change(
    sdk: str, change: Callable[[_Body, Any], None], value: Any, pointer: str, provider: Provider
) -> None:
    body, ask = _ASKED[sdk]
    changed = deepcopy(body)
    change(changed, value)
    with at.record(_CASSETTE, quiet=True):
        answer = ask(provider, body)
    assert provider.hits == 1
    with at.replay(_CASSETTE, quiet=True) as session, watched_network() as network:
        with pytest.raises(ReplayMiss) as raised:
            ask(provider, changed)
        assert ask(provider, body) == answer
    assert raised.value.first_difference == pointer
    assert dict(session.counts) == {"miss": 1, "hit": 1}
    assert network == []


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_an_image_of_a_request_is_not_stored_in_the_cassette(sdk: str, provider: Provider, home: Path) -> None:
    body, ask = _ASKED[sdk]
    with at.record(_CASSETTE, quiet=True):
        ask(provider, body)
    assert provider.hits == 1
    assert _image(0)[:200] not in (home / _CASSETTE).read_text(encoding="utf-8")


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_the_same_bytes_are_a_hit_for_which_no_canonical_request_is_made(sdk: str, provider: Provider) -> None:
    body, ask = _ASKED[sdk]
    with at.record(_CASSETTE, quiet=True):
        answer = ask(provider, body)
    reordered = {**body, "messages": [dict(reversed(message.items())) for message in body["messages"]]}
    for asked, is_canonical in ((body, False), (reordered, True)):
        with at.replay(_CASSETTE, quiet=True) as session, _called() as names:
            assert ask(provider, asked) == answer
        assert dict(session.counts) == {"hit": 1}
        assert "claim" in names
        assert ("body_of" in names) is is_canonical


@contextmanager
def _called() -> Iterator[set[str]]:
    """Give the names of the functions that this thread calls in a block."""
    names: set[str] = set()
    before = sys.getprofile()
    sys.setprofile(lambda frame, event, _: names.add(frame.f_code.co_name) if event == "call" else None)
    try:
        yield names
    finally:
        sys.setprofile(before)


# --- a loop whose second turn moves -------------------------------------------------------------------------------------

_TURNS: Final = 20


def _order() -> str:
    """Return what a tool says whose ids and times are new each time."""
    return json.dumps(
        {
            "id": secrets.token_hex(6) + "a1",
            "status": "shipped",
            "price": 19.99,
            "created_at": time.time(),
            "updated": datetime.now(timezone.utc).isoformat(timespec="microseconds"),
            "request_id": f"req_{secrets.token_hex(12)}",
            "log": f"/tmp/tmp{secrets.token_hex(4)}/order.log",
        }
    )


def _openai_turn(messages: list[Any], turn: int, result: Callable[[], str]) -> None:
    if turn == 2:
        call = {"id": "call_1", "type": "function", "function": {"name": "order", "arguments": "{}"}}
        messages.append({"role": "assistant", "content": None, "tool_calls": [call]})
        messages.append({"role": "tool", "tool_call_id": "call_1", "content": result()})
    messages.append({"role": "user", "content": f"turn {turn}"})


def _anthropic_turn(messages: list[Any], turn: int, result: Callable[[], str]) -> None:
    content: list[Any] = [{"type": "text", "text": f"turn {turn}"}]
    if turn == 2:
        messages.append({"role": "user", "content": "look it up"})
        messages.append(
            {"role": "assistant", "content": [{"type": "tool_use", "id": "toolu_1", "name": "order", "input": {}}]}
        )
        content.insert(0, {"type": "tool_result", "tool_use_id": "toolu_1", "content": result()})
    messages.append({"role": "user", "content": content})


_LOOPS: Final = {
    "openai": ({"model": "gpt-4o"}, _ask_openai, _openai_turn),
    "anthropic": ({"model": "claude-opus-4", "max_tokens": 100}, _ask_anthropic, _anthropic_turn),
}


def _loop(sdk: str, provider: Provider, result: Callable[[], str] = _order) -> list[str]:
    body, ask, add_turn = _LOOPS[sdk]
    messages: list[Any] = []
    answers: list[str] = []
    for turn in range(1, _TURNS + 1):
        add_turn(messages, turn, result)
        answers.append(ask(provider, {**body, "messages": messages}))
        messages.append({"role": "assistant", "content": answers[-1]})
    return answers


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_a_loop_whose_tool_gives_new_ids_and_times_replays_to_its_end_as_drift(sdk: str, provider: Provider) -> None:
    with at.record(_CASSETTE, quiet=True):
        answers = _loop(sdk, provider)
    assert provider.hits == _TURNS
    assert len(set(answers)) == _TURNS
    with at.replay(_CASSETTE, quiet=True) as session, watched_network() as network:
        assert _loop(sdk, provider) == answers
    assert [outcome.kind for outcome in session.outcomes] == ["hit"] + ["drift"] * (_TURNS - 1)
    assert network == []
    for outcome in session.outcomes[1:]:
        moved = [told.partition(": ")[0].rpartition("/content/")[2] for told in outcome.detail.split("; ")]
        assert moved == ["created_at", "id", "log", "request_id", "updated"]


@pytest.mark.parametrize("sdk", ["openai", "anthropic"])
def test_a_loop_whose_tool_says_something_else_is_a_miss_at_that_turn(sdk: str, provider: Provider) -> None:
    with at.record(_CASSETTE, quiet=True):
        _loop(sdk, provider)
    with at.replay(_CASSETTE, quiet=True) as session, pytest.raises(ReplayMiss) as raised:
        _loop(sdk, provider, lambda: _order().replace("shipped", "lost"))
    assert [outcome.kind for outcome in session.outcomes] == ["hit", "miss"]
    assert provider.hits == _TURNS
    assert raised.value.first_difference is not None


def test_a_rule_of_the_user_lets_a_call_drift(provider: Provider) -> None:
    with at.record(_CASSETTE, quiet=True):
        answer = _ask_openai(provider, {**_OPENAI, "user": "one"})
    config = resolve({}, {}, match=[MatchRule("/user")])
    session = open_session(prepare_session(Path(_CASSETTE), "none", config=config))
    try:
        assert _ask_openai(provider, {**_OPENAI, "user": "other"}) == answer
    finally:
        close_session(session, quiet=True)
    assert [(outcome.kind, outcome.detail) for outcome in session.outcomes] == [("drift", '/user: "one" → "other"')]
    assert provider.hits == 1
