"""Facts about snapshots: a recording and its replay match, what differs fails with its place, files are written when asked."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.errors import CassetteNotFound, CheckFailed, ConfigError, SnapshotMismatch
from otel_agenttrace.model import Trace
from otel_agenttrace.report.node import text_of
from otel_agenttrace.report.outline import outline
from otel_agenttrace.sessions import Session
from otel_agenttrace.snapshots import TraceSnapshot, unused_snapshots
from tests.support.clients import anthropic_client, openai_client
from tests.support.foreign_spans import genai_attributes, said
from tests.support.provider import Provider

pytestmark = pytest.mark.usefixtures("home")
GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
PATH: Final = Path("c.otlp.jsonl")
CITY: Final = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def snapshots(**options: Any) -> TraceSnapshot:
    return TraceSnapshot("snapshots", **options)


def stored(name: str = "run") -> Path:
    return Path("snapshots", f"{name}.txt")


def update(run: Trace | Session | str | Path, name: str = "run", **how: Any) -> str:
    snapshots(update=True).assert_match(run, name, **how)
    return stored(name).read_text(encoding="utf-8")


# --- agents -------------------------------------------------------------------------------------------------------------


@at.tool
def fails() -> None:
    raise KeyError("nothing")


def openai_agent(provider: Provider, *, stream: bool) -> None:
    tools: Any = [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]
    messages: list[Any] = [{"role": "user", "content": "Bern"}]
    with openai_client(provider, is_async=False) as client:

        @at.tool
        def weather(city: str) -> str:
            with at.span("inside"):
                asked: Any = [{"role": "user", "content": f"weather of {city}"}]
                answer = client.chat.completions.create(model="gpt-4o-mini", messages=asked)
                return str(answer.choices[0].message.content)

        @at.agent("advisor")
        def advise() -> None:
            asked = client.chat.completions.create(model="gpt-4o", messages=messages, tools=tools, temperature=0.5)
            messages.append(asked.choices[0].message)
            for call in asked.choices[0].message.tool_calls:
                given = weather(**json.loads(call.function.arguments))
                messages.append({"role": "tool", "tool_call_id": call.id, "content": given})
            with pytest.raises(KeyError, match="nothing"):
                fails()
            answer = client.chat.completions.create(model="gpt-4o", messages=messages, stream=stream)
            _ = list(answer) if stream else answer
            with pytest.raises(Exception, match="429"):
                client.responses.create(model="gpt-4o", input="[fake 429] hi")
            client.embeddings.create(model="text-embedding-3-small", input="x")
            client.models.list()

        advise()


def anthropic_agent(provider: Provider, *, stream: bool) -> None:
    asked: Any = {
        "model": "claude-opus-4-8",
        "max_tokens": 100,
        "messages": [{"role": "user", "content": "Bern"}],
        "tools": [{"name": "weather", "input_schema": CITY}],
    }
    with anthropic_client(provider, is_async=False) as client, at.span("ask"):
        if stream:
            with client.messages.stream(**asked) as answer:
                answer.until_done()
        else:
            client.messages.create(**asked)
        with pytest.raises(KeyError, match="nothing"):
            fails()


AGENTS: Final[dict[str, Callable[..., None]]] = {"openai": openai_agent, "anthropic": anthropic_agent}


@pytest.mark.parametrize("freeze", [("llm",), ("llm", "tools")], ids=["tools live", "tools frozen"])
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("sdk", AGENTS)
def test_a_recording_and_its_replay_have_the_same_text(sdk: str, stream: bool, freeze: Any, provider: Provider) -> None:
    with at.record(PATH, quiet=True) as recording:
        AGENTS[sdk](provider, stream=stream)
    text = update(recording)
    assert update(PATH, "file") == update(at.load(PATH), "trace") == text
    with at.replay(PATH, quiet=True, freeze=freeze) as session:
        AGENTS[sdk](provider, stream=stream)
        snapshots().assert_match(session, "run")
    assert update(session, "replay") == text
    if "tools" not in freeze:
        assert update(session.trace, "replayed trace") == text


def test_the_text_tells_the_run_for_people(provider: Provider) -> None:
    with at.record(PATH, quiet=True) as recording:
        openai_agent(provider, stream=True)
    assert update(recording).splitlines() == [
        "# otel-agenttrace snapshot 1 · what a run did; update it: pytest --agenttrace-update-snapshots",
        "agent advisor",
        "  chat gpt-4o (temperature=0.5)",
        "    asks weather(city: string)",
        "    finish tool_calls",
        "  tool weather(city: string)",
        "    step inside",
        "      chat gpt-4o-mini",
        "        answer",
        "          | echo 2: weather of Bern — ça va 🦊",
        "        finish stop",
        "  tool fails()",
        "    error KeyError",
        "  chat gpt-4o (stream)",
        "    answer",
        "      | echo 3: echo 2: weather of Bern — ça va 🦊 — ça va 🦊",
        "    finish stop",
        "  chat gpt-4o",
        "    error openai.RateLimitError",
        "  embeddings text-embedding-3-small",
        "  call GET /v1/models → 200",
    ]


def concurrent_agent(provider: Provider, *, together: bool) -> Callable[[], Any]:
    @at.tool
    async def look(city: str) -> str:
        async with openai_client(provider, is_async=True) as client:
            asked: Any = [{"role": "user", "content": city}]
            answer = await client.chat.completions.create(model="gpt-4o", messages=asked)
            return str(answer.choices[0].message.content)

    @at.agent("advisor")
    async def advise() -> None:
        cities = ("Bern", "Chur", "Genf")
        if together:
            await asyncio.gather(*map(look, cities))
        else:
            for city in reversed(cities):
                await look(city)

    return advise


def test_what_ran_in_parallel_when_recorded_may_come_in_any_order(provider: Provider) -> None:
    with at.record(PATH, quiet=True) as recording:
        asyncio.run(concurrent_agent(provider, together=True)())
    text = update(recording)
    assert "  in parallel\n    tool look(city: string)\n" in text
    for together in (True, False):
        with at.replay(PATH, quiet=True) as session:
            asyncio.run(concurrent_agent(provider, together=together)())
        assert update(session, f"replay, {together}") == text
        snapshots().assert_match(session.trace, "run")


def test_a_foreign_trace_has_a_snapshot(tmp_path: Path) -> None:
    attributes = genai_attributes([said("user", "hi")], [said("assistant", "Hello.")])
    span = {"name": "chat gpt-4o", "trace_id": "t", "span_id": "1", "start_time": 1, "end_time": 9}
    path = tmp_path / "prod.json"
    path.write_text(json.dumps([{**span, "attributes": attributes}]), encoding="utf-8")
    assert update(path).splitlines()[1:] == ["chat gpt-4o", "  answer", "    | Hello.", "  finish stop"]


def test_no_secret_of_a_replayed_tool_gets_into_a_snapshot(provider: Provider) -> None:
    secret = "ghp_" + "a1B2c3D4" * 5

    @at.tool
    def push(token: str) -> None:
        with openai_client(provider, is_async=False) as client:
            client.models.list()

    with at.record(PATH, quiet=True) as recording:
        push(secret)
    text = update(recording, arguments="values")
    with at.replay(PATH, quiet=True) as session:
        push(secret)
    assert update(session, "replay", arguments="values") == text
    assert update(session.trace, "trace", arguments="values") == text
    assert secret not in text
    assert "<secret>" in text


# --- files --------------------------------------------------------------------------------------------------------------


def test_no_snapshot_fails_with_the_command_that_makes_it_and_makes_none() -> None:
    with pytest.raises(CheckFailed) as raised:
        snapshots(update_command="pytest --agenttrace-update-snapshots test_a.py::test_b").assert_match(GOLDEN, "run")
    assert str(raised.value) == (
        f"There is no snapshot at {stored()}, and none is made unasked.\n"
        "  to fix   make it: pytest --agenttrace-update-snapshots test_a.py::test_b"
    )
    assert raised.value.findings == (Finding("snapshot", str(raised.value)),)
    assert not Path("snapshots").exists()


def test_an_update_writes_what_is_missing_or_differs_and_touches_nothing_else() -> None:
    taken = snapshots(update=True)
    taken.assert_match(GOLDEN, "run")
    assert (taken.used, taken.updated) == ([stored()], [stored()])
    os.utime(stored(), ns=(1, 1))
    again = snapshots(update=True)
    again.assert_match(GOLDEN, "run")
    assert (again.updated, stored().stat().st_mtime_ns) == ([], 1)
    whole = stored().read_text(encoding="utf-8")
    stored().write_text(whole.replace("chat", "chatter"), encoding="utf-8")
    again.assert_match(GOLDEN, "run")
    assert stored().read_text(encoding="utf-8") == whole
    assert [path.name for path in Path("snapshots").iterdir()] == ["run.txt"]


def test_line_ends_of_another_system_do_not_count() -> None:
    whole = update(GOLDEN)
    stored().write_bytes(whole.replace("\n", "\r\n").encode())
    snapshots().assert_match(GOLDEN, "run")


def test_what_has_no_name_has_that_of_the_test_and_a_number() -> None:
    taken = snapshots(update=True, default_name="test_a[1-x]")
    for _ in range(3):
        taken.assert_match(GOLDEN)
    taken.assert_match(GOLDEN, "group/other")
    names = [path.relative_to("snapshots").as_posix() for path in taken.used]
    assert names == ["test_a[1-x].txt", "test_a[1-x]-2.txt", "test_a[1-x]-3.txt", "group/other.txt"]


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/x", "a/../../x", "", "a//b", "a\\b", "C:x", ".hidden", "x.", "a\0b", "a\nb", "x" * 300, "out/x"],
)
def test_a_name_that_could_leave_the_folder_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    Path("snapshots").mkdir()
    Path("snapshots/out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(ConfigError, match="names no snapshot"):
        snapshots(update=True).assert_match(GOLDEN, name)


def test_a_file_that_is_no_snapshot_is_not_written_over() -> None:
    Path("snapshots").mkdir()
    for content, told in (("my notes\n", "is no snapshot"), ("# otel-agenttrace snapshot 2 · x\n", "format version 2")):
        stored().write_text(content)
        with pytest.raises(ConfigError, match=told):
            snapshots(update=True).assert_match(GOLDEN, "run")
        assert stored().read_text() == content


def test_snapshots_that_nobody_asked_for_are_listed() -> None:
    for name in ("one", "two", "group/three"):
        update(GOLDEN, name)
    Path("snapshots/notes.txt").write_text("mine")
    taken = snapshots()
    taken.assert_match(GOLDEN, "two")
    assert unused_snapshots("snapshots", taken.used) == (stored("group/three"), stored("one"))
    assert unused_snapshots("absent", ()) == ()


def test_a_run_that_cannot_be_read_is_no_mismatch() -> None:
    with pytest.raises(CassetteNotFound):
        snapshots(update=True).assert_match("absent.otlp.jsonl", "run")


# --- differences --------------------------------------------------------------------------------------------------------


def changed(old: str, new: str) -> None:
    text = update(GOLDEN)
    assert old in text
    stored().write_text(text.replace(old, new), encoding="utf-8")


def failure(**how: Any) -> SnapshotMismatch:
    with pytest.raises(SnapshotMismatch) as raised:
        snapshots(**how).assert_match(GOLDEN, "run")
    return raised.value


@pytest.fixture
def answer() -> str:
    """The first line of an answer in the golden cassette."""
    line = next(line for line in text_of(outline(at.load(GOLDEN))).splitlines() if line.lstrip().startswith("| "))
    return line.strip()


def test_a_difference_is_shown_with_the_lines_above_it(answer: str) -> None:
    changed(answer, "| something else")
    told = failure()
    lines = str(told).splitlines()
    assert lines[0] == f"The run is not what {stored()} tells (- stored, + now):"
    assert any(line.startswith("-") and line.endswith("| something else") for line in lines)
    assert any(line.startswith("+") and line.endswith(answer) for line in lines)
    assert any(line.strip() == "answer" for line in lines)
    assert lines[-1] == "  to fix   if it is meant: pytest --agenttrace-update-snapshots"
    assert (told.path, "\x1b" in str(told)) == (stored(), False)


def test_colours_are_in_the_text_only_where_they_are_asked_for_and_never_in_the_finding(answer: str) -> None:
    changed(answer, "| something else")
    told = failure(colour=True)
    assert "\x1b[31m-" in str(told)
    assert "\x1b" not in told.findings[0].message  # pyright: ignore[reportAttributeAccessIssue]


def test_what_somebody_wrote_into_a_snapshot_does_not_steer_a_terminal(answer: str) -> None:
    changed(answer, "| \x1b[2Jgone\x9b")
    assert "\\x1b[2Jgone\\x9b" in str(failure())


def test_answers_are_compared_as_it_is_asked(answer: str) -> None:
    changed(answer, f"{answer} and one two three")
    words = len(answer.split()) - 1
    share = 2 * words / (2 * words + 4)
    match = snapshots().assert_match
    match(GOLDEN, "run", answers="ignore")
    match(GOLDEN, "run", answers=share - 0.01)
    with pytest.raises(CheckFailed, match=rf"similarity {share:.3g}") as raised:
        match(GOLDEN, "run", answers=share + 0.01)
    assert "and one two three" in str(raised.value)
    assert "chat" in str(raised.value)
    with pytest.raises(CheckFailed):
        match(GOLDEN, "run")
    heard: list[tuple[str, str]] = []

    def similarity(was: str, now: str) -> float:
        heard.append((was, now))
        return float("nan") if was != now else 1

    with pytest.raises(CheckFailed, match="similarity nan"):
        match(GOLDEN, "run", answers=0, similarity=similarity)
    assert (f"{answer} and one two three".removeprefix("| "), answer.removeprefix("| ")) in heard


def test_an_update_keeps_an_answer_that_is_similar_enough(answer: str) -> None:
    changed(answer, f"{answer} indeed")
    taken = snapshots(update=True)
    taken.assert_match(GOLDEN, "run", answers=0.5)
    assert taken.updated == []


def test_a_change_of_the_tree_fails_however_answers_are_compared() -> None:
    changed("finish stop", "finish length")
    for answers in ("exact", "ignore", 0.0):
        with pytest.raises(CheckFailed, match="finish length"):
            snapshots().assert_match(GOLDEN, "run", answers=answers)


@pytest.mark.parametrize("how", [{"answers": 1.1}, {"answers": True}, {"answers": "no"}, {"arguments": "keys"}])
def test_a_setting_without_a_meaning_is_refused(how: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="to fix"):
        snapshots(update=True).assert_match(GOLDEN, "run", **how)
