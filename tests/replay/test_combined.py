"""Cassettes merged, split and sliced: what comes out reads whole, and a real SDK is answered from it with no provider."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import openai
import pytest

import otel_agenttrace as at
from otel_agenttrace.cassette.pack import pack
from otel_agenttrace.cassette.sidecars import sidecar_folder, sidecars
from otel_agenttrace.cassette.validation import validated
from otel_agenttrace.errors import ConfigError, ReplayMiss
from otel_agenttrace.library.combining import merged, opened, sliced, split, write
from tests.support.clients import openai_client
from tests.support.provider import Provider

_TURNS: Final = 4
_SYSTEM: Final = "You answer in one word. " * 40
"""Long enough for later lines to leave it to the first one."""
_TOOLS: Final[list[Any]] = [
    {"type": "function", "function": {"name": f"tool{n}", "description": "d" * 200, "parameters": {"type": "object"}}}
    for n in range(3)
]


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", secrets.token_hex(16))
    return tmp_path


def _talk(client: openai.OpenAI, agent: str, turns: int = _TURNS) -> list[str | None]:
    """Hold a conversation that grows: each request begins with the one before it."""
    messages: list[Any] = [{"role": "system", "content": f"{_SYSTEM}{agent}"}]
    answers: list[str | None] = []

    @at.agent(agent)
    def run() -> None:
        for turn in range(turns):
            messages.append({"role": "user", "content": f"{agent} asks {turn} " + "x" * 300})
            answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=_TOOLS)
            answers.append(answer.choices[0].message.content)
            messages.append({"role": "assistant", "content": answers[-1]})

    run()
    return answers


def _recorded(provider: Provider, name: str, agent: str) -> tuple[Path, list[str | None]]:
    path = Path(f"{name}.otlp.jsonl")
    with openai_client(provider, is_async=False) as client, at.record(path, quiet=True):
        return path, _talk(client, agent)


def _replayed(provider: Provider, path: Path, agent: str) -> list[str | None]:
    with openai_client(provider, is_async=False) as client, at.replay(path, quiet=True):
        return _talk(client, agent)


def _is_whole(path: Path) -> bool:
    report = validated(path, str(path))
    return report.readable and not report.problems and not report.warnings


def test_two_runs_in_one_cassette_are_both_answered_from_it(provider: Provider) -> None:
    (one, said), (two, more) = _recorded(provider, "one", "weather"), _recorded(provider, "two", "packing")
    provider.stop()
    write(merged([one, two]), Path("both.otlp.jsonl"), replaces=False)
    assert Path("both.otlp.jsonl").read_bytes() == one.read_bytes() + two.read_bytes()
    assert _is_whole(Path("both.otlp.jsonl"))
    assert _replayed(provider, Path("both.otlp.jsonl"), "packing") == more
    assert _replayed(provider, Path("both.otlp.jsonl"), "weather") == said


def test_a_cassette_merged_with_itself_is_itself(provider: Provider) -> None:
    one, _ = _recorded(provider, "one", "weather")
    made = merged([one, one])
    assert (made.content, made.spans, made.left_out) == (one.read_bytes(), _TURNS + 1, _TURNS + 1)


def test_the_last_call_alone_brings_what_it_left_to_the_lines_before_it(provider: Provider) -> None:
    one, said = _recorded(provider, "one", "weather")
    last = one.read_bytes().splitlines(keepends=True)[_TURNS - 1]
    assert last.count(b"You answer in one word.") == 0  # it leaves its beginning to others: else nothing is shown here
    provider.stop()
    write(sliced(opened(one), "inference[-1]", lambda _: None), Path("last.otlp.jsonl"), replaces=False)
    assert _is_whole(Path("last.otlp.jsonl"))
    assert last in Path("last.otlp.jsonl").read_bytes().splitlines(keepends=True)
    trace = at.load("last.otlp.jsonl")
    assert [span.name for span in trace.spans] == ["invoke_agent weather", "chat gpt-4o-mini"]
    messages: list[Any] = [{"role": "system", "content": f"{_SYSTEM}weather"}]
    for turn in range(_TURNS):
        messages.append({"role": "user", "content": f"weather asks {turn} " + "x" * 300})
        if turn < _TURNS - 1:
            messages.append({"role": "assistant", "content": said[turn]})
    with openai_client(provider, is_async=False) as client, at.replay("last.otlp.jsonl", quiet=True):
        answer = client.chat.completions.create(model="gpt-4o-mini", messages=messages, tools=_TOOLS)
        assert answer.choices[0].message.content == said[-1]
        with pytest.raises(ReplayMiss):
            client.chat.completions.create(model="gpt-4o-mini", messages=messages[:2], tools=_TOOLS)


def test_each_part_of_a_split_cassette_is_answered_from_alone(provider: Provider) -> None:
    (one, said), (two, more) = _recorded(provider, "one", "weather"), _recorded(provider, "two", "packing")
    provider.stop()
    write(merged([one, two]), Path("both.otlp.jsonl"), replaces=False)
    parts = dict(split(opened(Path("both.otlp.jsonl")), "agent"))
    assert list(parts) == ["weather", "packing"]
    for name, part in parts.items():
        write(part, Path(f"{name}.otlp.jsonl"), replaces=False)
        assert _is_whole(Path(f"{name}.otlp.jsonl"))
    assert Path("weather.otlp.jsonl").read_bytes() == one.read_bytes()
    assert Path("packing.otlp.jsonl").read_bytes() == two.read_bytes()
    assert _replayed(provider, Path("packing.otlp.jsonl"), "packing") == more
    with pytest.raises(ReplayMiss):
        _replayed(provider, Path("packing.otlp.jsonl"), "weather")
    by_trace = [part.content for _, part in split(opened(Path("both.otlp.jsonl")), "trace")]
    assert by_trace == [one.read_bytes(), two.read_bytes()]
    assert _replayed(provider, Path("weather.otlp.jsonl"), "weather") == said


def test_two_runs_that_share_content_are_split_with_a_copy_for_each(provider: Provider) -> None:
    path = Path("both.otlp.jsonl")
    with openai_client(provider, is_async=False) as client, at.record(path, quiet=True):
        said = [_talk(client, "weather"), _talk(client, "weather", 2)]
    provider.stop()
    second = list(split(opened(path), "trace"))[1][1]
    write(second, Path("second.otlp.jsonl"), replaces=False)
    assert _is_whole(Path("second.otlp.jsonl"))
    assert len(at.load("second.otlp.jsonl").inferences) == 2
    with openai_client(provider, is_async=False) as client, at.replay("second.otlp.jsonl", quiet=True):
        assert _talk(client, "weather", 2) == said[1]


def test_a_packed_cassette_is_taken_apart_and_put_together_too(provider: Provider) -> None:
    (one, _), (two, _) = _recorded(provider, "one", "weather"), _recorded(provider, "two", "packing")
    packed = pack(one)
    assert merged([packed, two]).content == one.read_bytes() + two.read_bytes()
    assert sliced(opened(packed), "agent", lambda _: None, with_inside=True).content == one.read_bytes()


def test_large_bodies_come_along_with_the_lines_that_name_them(provider: Provider) -> None:
    path = Path("large.otlp.jsonl")
    with openai_client(provider, is_async=False) as client, at.record(path, quiet=True):
        vectors = client.embeddings.create(
            model="text-embedding-3-large", input=["a word"] * 400, dimensions=3072, encoding_format="float"
        )
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
    digests = sidecars(path)
    if not digests:
        pytest.fail(f"the answer of {len(vectors.data)} vectors is not large")
    provider.stop()
    write(sliced(opened(path), "embeddings", lambda _: None), Path("vectors.otlp.jsonl"), replaces=False)
    write(sliced(opened(path), "model=gpt*", lambda _: None), Path("chat.otlp.jsonl"), replaces=False)
    assert sidecars(Path("vectors.otlp.jsonl")) == digests
    assert not sidecar_folder(Path("chat.otlp.jsonl")).exists()
    assert _is_whole(Path("vectors.otlp.jsonl"))


def test_what_is_there_is_replaced_only_if_asked_for(provider: Provider) -> None:
    (one, _), (two, _) = _recorded(provider, "one", "weather"), _recorded(provider, "two", "packing")
    before = two.read_bytes()
    with pytest.raises(ConfigError, match=r"two\.otlp\.jsonl is there already"):
        write(merged([one]), two, replaces=False)
    assert two.read_bytes() == before
    write(merged([one, two]), two, replaces=True)
    assert two.read_bytes() == one.read_bytes() + before


def test_a_selector_that_chooses_nothing_writes_nothing(provider: Provider) -> None:
    one, _ = _recorded(provider, "one", "weather")
    with pytest.raises(ConfigError, match=r"No span of one\.otlp\.jsonl is chosen by 'tool=nope'"):
        sliced(opened(one), "tool=nope", lambda _: None)
