"""Frozen tools: what a recorded tool gave is given again with its types, and its code does not run."""

from __future__ import annotations

import asyncio
import contextvars
import dataclasses
import functools
import json
import secrets
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from pathlib import Path
from typing import Any, Final, Literal, TypedDict

import pydantic
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.environment import RUN
from otel_agenttrace.errors import ConfigError, ReplayError, ReplayExhausted, ToolError, ToolNotRestorable
from otel_agenttrace.in_force import open_sessions
from otel_agenttrace.playback.plan import ReplayPlan
from tests.support.clients import openai_client
from tests.support.provider import Provider

PATH: Final = Path("c.otlp.jsonl")
BOTH: Final = ("llm", "tools")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in a folder without settings, and leave no session open."""
    for name in ("CI", "OTEL_AGENTTRACE_CASSETTE", "OTEL_AGENTTRACE_MODE", RUN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    ran.clear()
    yield tmp_path
    assert open_sessions() == ()


ran: list[Any] = []
"""What the bodies of the tools below have done."""


class Forecast(pydantic.BaseModel):
    city: str
    days: list[date]


@dataclasses.dataclass
class Trip:
    forecast: Forecast
    stops: tuple[str, ...]


class Row(TypedDict):
    name: str
    tags: list[str]


@dataclasses.dataclass
class Holder:
    value: Any


class Closed(Exception):
    def __init__(self, code: int, *, why: str) -> None:
        super().__init__(f"{code}: {why}")
        self.code = code


@at.tool
def plan(city: str) -> Trip:
    ran.append(city)
    return Trip(Forecast(city=city, days=[date(2026, 1, 1)]), ("a", "b"))


@at.tool
async def look(n: int) -> str:
    ran.append(n)
    await asyncio.sleep(0)
    return f"{n}"


@at.tool
def count(n: int) -> Generator[int, None, str]:
    ran.append(n)
    yield from range(n)
    return "end"


@at.tool
async def count_async(n: int) -> AsyncIterator[dict[str, int]]:
    ran.append(n)
    for number in range(n):
        yield {"n": number}


@at.tool
def fail(kind: str) -> None:
    ran.append(kind)
    if kind == "own":
        raise Closed(4, why="holiday")
    raise KeyError(kind)


@at.tool
def numbered() -> int:
    """Give another number each time."""
    ran.append("numbered")
    return len(ran)


def _whole(items: Generator[Any, Any, Any]) -> tuple[list[Any], Any]:
    """Return what a generator yields and returns."""
    ends: list[Any] = []

    def inner() -> Iterator[Any]:
        ends.append((yield from items))

    return list(inner()), ends[0]


def _caught(call: Callable[[], object]) -> tuple[type, str, dict[str, Any]]:
    with pytest.raises(Exception) as caught:  # noqa: PT011 - which it is, is what is compared
        call()
    return caught.type, str(caught.value), vars(caught.value)


async def _everything() -> list[Any]:
    return [
        plan("Bern"),
        *await asyncio.gather(look(1), look(2), look(1)),
        _whole(count(3)),
        [item async for item in count_async(2)],
        _caught(lambda: fail("own")),
        _caught(lambda: fail("key")),
    ]


def test_every_kind_of_tool_gives_the_same_again_and_does_not_run() -> None:
    with at.record(PATH, quiet=True):
        live = asyncio.run(_everything())
    assert (live[0].forecast.days, len(ran)) == ([date(2026, 1, 1)], 8)
    for _ in range(2):
        with at.replay(PATH, freeze=BOTH, quiet=True) as session:
            assert asyncio.run(_everything()) == live
        assert (len(ran), session.unplayed) == (8, 0)
        assert session.tool_counts == {"hit": 8}
        assert session.counts == {}


def test_without_freezing_them_tools_run() -> None:
    with at.record(PATH, quiet=True):
        live = plan("Bern")
    with at.replay(PATH, quiet=True) as session:
        assert plan("Bern") == live
    assert (ran, session.outcomes, session.unplayed) == (["Bern", "Bern"], (), 0)


def test_an_answered_tool_says_so_on_its_span_with_a_link_to_the_recorded_one() -> None:
    with at.record(PATH, quiet=True) as recording:
        plan("Bern")
    with at.replay(PATH, freeze=BOTH, quiet=True) as session:
        plan("Bern")
    (recorded,), (replayed,) = recording.trace.spans, session.trace.spans
    assert replayed.attributes[semconv.AGENTTRACE_REPLAY_OUTCOME] == "hit"
    (link,) = replayed.links
    assert (link.trace_id, link.span_id) == (recorded.trace_id, recorded.span_id)
    (outcome,) = session.outcomes
    assert (outcome.kind, outcome.of, outcome.recorded_span_id) == ("hit", "tool", recorded.span_id)


_VALUES: Final[st.SearchStrategy[Any]] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters()) | st.dates(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(st.characters()), inner, max_size=3)
        | st.builds(Holder, inner)
        | st.lists(inner, max_size=3).map(tuple)
    ),
    max_leaves=10,
)


@settings(max_examples=50, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_VALUES)
def test_any_value_survives_the_recording_and_the_dry_run(value: Any) -> None:
    @at.tool
    def gives() -> Any:
        ran.append(0)
        return value

    @at.tool
    def fails_with() -> Any:
        raise Closed(value, why="")

    def run() -> tuple[Any, Any]:
        return gives(), _caught(fails_with)[2]["code"]

    with at.record(PATH, quiet=True):
        run()
    ran.clear()
    with at.replay(PATH, freeze=BOTH, quiet=True) as session:
        again = run()
    assert [repr(each) for each in again] == [repr(value)] * 2
    assert (ran, session.tool_counts) == ([], {"hit": 2})


@pytest.mark.parametrize("text", ["null", "1", "[1]", '{"$":"date"}', '"quoted"', "", "plain"])
def test_a_text_that_looks_like_json_stays_a_text(text: str) -> None:
    gives = at.tool("gives")(lambda: text)
    with at.record(PATH, quiet=True):
        gives()
    with at.replay(PATH, freeze=BOTH, quiet=True):
        assert gives() == text


# --- which recording answers ------------------------------------------------------------------------------------------


def test_equal_calls_are_answered_first_in_first_out_and_then_no_more() -> None:
    with at.record(PATH, quiet=True):
        assert [numbered() for _ in range(3)] == [1, 2, 3]
    with at.replay(PATH, freeze=BOTH, quiet=True) as session:
        assert [numbered() for _ in range(3)] == [1, 2, 3]
        with pytest.raises(ReplayExhausted, match=r"numbered\({}\) was recorded 3 times and made once more"):
            numbered()
    assert (len(ran), session.tool_counts) == (3, {"hit": 3, "miss": 1})
    assert [type(miss) for miss in session.misses] == [ReplayExhausted]


def _branches(names: list[str]) -> dict[str, list[int]]:
    """Let agents of these names, each in a thread of its own, call the same tool with the same arguments."""

    def agent(name: str) -> list[int]:
        return at.agent(name)(lambda: [numbered(), numbered()])()

    with ThreadPoolExecutor(1) as threads, at.span("run"):
        futures = {name: threads.submit(contextvars.copy_context().run, agent, name) for name in names}
        return {name: future.result() for name, future in futures.items()}


def test_branches_that_call_alike_get_their_own_results_in_any_order() -> None:
    with at.record(PATH, quiet=True):
        live = _branches(["a", "b", "c"])
    assert live == {"a": [1, 2], "b": [3, 4], "c": [5, 6]}
    with at.replay(PATH, freeze=BOTH, quiet=True):
        assert _branches(["c", "a", "b"]) == live
    assert len(ran) == 6


@pytest.mark.parametrize("workers", [1, 16])
def test_many_shuffled_calls_of_threads_each_get_their_own_result(workers: int) -> None:
    @at.tool
    def square(n: int) -> int:
        ran.append(n)
        return n * n

    numbers = [*range(200), *range(0, 200, 2)]
    with at.record(PATH, quiet=True):
        for number in numbers:
            square(number)
    ran.clear()
    with at.replay(PATH, freeze=BOTH, quiet=True) as session, ThreadPoolExecutor(workers) as threads:
        run = contextvars.copy_context
        futures = [(number, threads.submit(run().run, square, number)) for number in reversed(numbers)]
        assert all(future.result() == number * number for number, future in futures)
    assert (ran, session.tool_counts, session.unplayed) == ([], {"hit": 300}, 0)


def test_gathered_duplicates_each_get_a_result_of_their_own() -> None:
    @at.tool
    async def ticket(kind: str) -> tuple[str, int]:
        await asyncio.sleep(0)
        ran.append(kind)
        return kind, len(ran)

    async def main() -> list[tuple[str, int]]:
        return await asyncio.gather(*(ticket(kind) for kind in "aabab"))

    with at.record(PATH, quiet=True):
        live = asyncio.run(main())
    with at.replay(PATH, freeze=BOTH, quiet=True):
        assert asyncio.run(main()) == live
    assert len(ran) == len(set(live)) == 5


@at.tool
def search(query: str, since: str = "", seen: Any = None) -> str:
    ran.append(query)
    return f"found {query}"


def test_arguments_that_change_from_run_to_run_are_answered_as_drift() -> None:
    seen = object(), object()  # both alive: they lie in different places
    with at.record(PATH, quiet=True):
        search("q", since="2026-01-01T00:00:00Z", seen=seen[0])
    with at.replay(PATH, freeze=BOTH, quiet=True) as session:
        assert search("q", since="2026-02-02T00:00:00Z", seen=seen[1]) == "found q"
    (outcome,) = session.outcomes
    assert (outcome.kind, outcome.of) == ("drift", "tool")
    assert outcome.detail.startswith('/seen: "<object object at 0x')


def test_a_call_that_was_recorded_is_not_answered_by_another_that_is_nearly_the_same() -> None:
    with at.record(PATH, quiet=True):
        search("q", since="2026-01-01T00:00:00Z")
        search("q", since="2026-02-02T00:00:00Z")
    with at.replay(PATH, freeze=BOTH, quiet=True):
        search("q", since="2026-01-01T00:00:00Z")
        with pytest.raises(ReplayExhausted, match="recorded once"):
            search("q", since="2026-01-01T00:00:00Z")


def test_a_set_among_the_arguments_is_the_same_in_any_order() -> None:
    with at.record(PATH, quiet=True) as recording:
        search("q", seen={"a", "b", "c"})
    (span,) = recording.trace.spans
    assert json.loads(str(span.attributes[semconv.GEN_AI_TOOL_CALL_ARGUMENTS]))["seen"] == "{'a', 'b', 'c'}"


def test_other_arguments_are_a_miss_that_names_the_nearest_call_and_the_cure() -> None:
    with at.record(PATH, quiet=True):
        search("one", since="x")
        search("two", since="y")
    with at.replay(PATH, freeze=BOTH, quiet=True) as session, pytest.raises(at.ReplayMiss) as missed:
        search("three", since="y")
    assert str(missed.value).splitlines() == [
        'No recording answers the tool call search({"query":"three","since":"y"}).',
        str(missed.value).splitlines()[1],
        "  cassette c.otlp.jsonl",
        "  nearest  tool call 2, search, differs at /query",
        '  recorded "two"',
        '  asked    "three"',
        "  to fix   record again: otel-agenttrace record c.otlp.jsonl -- …",
        '           or let it run: --run-tool search, or @at.tool(on_replay="run")',
    ]
    assert "test_tools.py" in str(missed.value).splitlines()[1]
    assert (missed.value.first_difference, session.unplayed, ran) == ("/query", 2, ["one", "two"])


def test_a_tool_that_was_never_called_is_a_miss_that_names_the_others() -> None:
    with at.record(PATH, quiet=True):
        search("one")
    with (
        at.replay(PATH, freeze=BOTH, quiet=True),
        pytest.raises(at.ReplayMiss, match=r"plan was never called; .* search"),
    ):
        plan("Bern")


def test_a_miss_that_the_program_swallows_is_kept() -> None:
    with at.record(PATH, quiet=True):
        search("one")
    with at.replay(PATH, freeze=BOTH, quiet=True) as session:
        _caught(lambda: search("two"))
    assert [miss.first_difference for miss in session.misses] == ["/query"]
    assert session.trace.spans[0].attributes[semconv.AGENTTRACE_REPLAY_OUTCOME] == "miss"


# --- what runs all the same -------------------------------------------------------------------------------------------


def test_a_tool_runs_in_a_dry_run_only_if_that_is_asked_for() -> None:
    clock = at.tool(on_replay="run")(lambda: ran.append("clock"))
    with at.record(PATH, quiet=True):
        clock()
        search("q")
    ran.clear()
    with at.replay(PATH, freeze=BOTH, run_tools=["search"], quiet=True) as session:
        clock()
        assert search("q") == "found q"
    assert (ran, session.tool_counts, session.unplayed) == (["clock", "q"], {"live": 2}, 0)


def test_a_tool_without_a_recording_runs_where_a_miss_goes_live() -> None:
    with at.record(PATH, quiet=True):
        search("q")
    with at.replay(PATH, freeze=BOTH, on_miss="live", quiet=True) as session:
        assert [search("q"), search("other")] == ["found q", "found other"]
    assert (ran, session.tool_counts) == (["q", "other"], {"hit": 1, "live": 1})


def test_where_new_calls_are_recorded_a_frozen_tool_runs_once() -> None:
    plan_of_both = ReplayPlan(freeze=BOTH)
    with at.record(PATH, quiet=True):
        search("q")
    for served in ({"hit": 1, "live": 1}, {"hit": 2}):
        with at.session(PATH, "new", quiet=True, plan=plan_of_both) as session:
            assert [search("q"), search("other")] == ["found q", "found other"]
        assert session.tool_counts == served
    assert ran == ["q", "other"]


def test_a_word_that_on_replay_has_not_is_refused() -> None:
    with pytest.raises(ConfigError, match="on_replay has no 'walk'"):
        at.tool(on_replay="walk")  # pyright: ignore[reportArgumentType] - the mistake is the test


def test_after_the_end_of_a_dry_run_no_tool_of_its_context_runs() -> None:
    with at.record(PATH, quiet=True):
        search("q")
    ran.clear()
    with at.replay(PATH, freeze=BOTH, quiet=True):
        inside = contextvars.copy_context()
    with pytest.raises(ReplayError, match="is over"):
        inside.run(search, "q")
    assert ran == []
    assert search("q") == "found q"


def test_two_dry_runs_at_once_do_not_share_their_recordings() -> None:
    with at.record(PATH, quiet=True):
        search("q")
    ran.clear()
    with at.replay(PATH, freeze=BOTH, quiet=True) as outer:
        with at.replay(PATH, freeze=BOTH, quiet=True) as inner:
            assert search("q") == "found q"
            thread = threading.Thread(target=lambda: refused.append(_caught(lambda: search("q"))[0]))
            refused: list[type] = []
            thread.start()
            thread.join()
        assert search("q") == "found q"
    assert (ran, refused) == ([], [ReplayError])
    assert (outer.tool_counts, inner.tool_counts) == ({"hit": 1}, {"hit": 1})


# --- tools that do things inside --------------------------------------------------------------------------------------


def test_what_a_tool_did_inside_belongs_to_it_and_is_not_asked_for() -> None:
    with Provider() as provider:
        client = openai_client(provider, is_async=False)

        @at.tool
        def advise(city: str) -> str:
            search(city)
            asked: Any = [{"role": "user", "content": city}]
            return client.chat.completions.create(model="gpt-4o", messages=asked).choices[0].message.content

        with at.record(PATH, quiet=True):
            live = advise("Bern")
        hits = provider.hits
        with at.replay(PATH, freeze=BOTH, quiet=True) as session:
            assert advise("Bern") == live
        with at.replay(PATH, freeze=BOTH, run_tools=["advise"], quiet=True) as inside:
            assert advise("Bern") == live
        client.close()
    assert (provider.hits, ran) == (hits, ["Bern"])
    assert (session.tool_counts, session.counts, session.unplayed) == ({"hit": 1}, {}, 0)
    assert (inside.tool_counts, inside.counts, inside.unplayed) == ({"live": 1, "hit": 1}, {"hit": 1}, 0)


def test_methods_are_frozen_too() -> None:
    class Counter:
        @at.tool
        def up(self, by: int) -> int:
            ran.append(by)
            return by + 1

        @at.tool
        @classmethod
        def named(cls) -> str:
            ran.append(cls)
            return cls.__name__

    with at.record(PATH, quiet=True):
        live = [Counter().up(2), Counter.named()]
    ran.clear()
    with at.replay(PATH, freeze=BOTH, quiet=True):
        assert [Counter().up(by=2), Counter.named()] == live
    assert ran == []


# --- what cannot be given again ---------------------------------------------------------------------------------------


@at.tool
def connect(host: str) -> dict[str, Any]:
    ran.append(host)
    return {"lock": threading.Lock(), "host": host}


def test_what_cannot_be_given_again_is_marked_in_the_recording_and_refused_in_a_dry_run() -> None:
    with at.record(PATH, quiet=True) as recording:
        connect("h")
    (span,) = recording.trace.spans
    assert span.attributes[semconv.AGENTTRACE_TOOL_RESULT_TYPE] == "live_only"
    assert span.attributes[semconv.AGENTTRACE_TOOL_LIVE_ONLY] == "at /lock, a _thread.lock is not restored"
    with at.replay(PATH, freeze=BOTH, quiet=True) as session, pytest.raises(ToolNotRestorable) as refused:
        connect("h")
    assert (refused.value.tool, refused.value.reason) == ("connect", "at /lock, a _thread.lock is not restored")
    assert "What the tool connect gave cannot be given again: at /lock, a _thread.lock" in str(refused.value)
    assert '--run-tool connect, or @at.tool(on_replay="run")' in str(refused.value)
    assert (ran, session.tool_counts, len(session.misses)) == (["h"], {"miss": 1}, 1)
    with at.replay(PATH, freeze=BOTH, run_tools=["connect"], quiet=True):
        assert connect("h")["host"] == "h"


def test_an_error_whose_class_is_not_at_hand_is_told_by_type_and_text() -> None:
    @at.tool
    def parse(text: str) -> Any:
        raise type("Odd", (Exception,), {"__module__": "far.away"})(f"bad {text}")

    with at.record(PATH, quiet=True):
        _caught(lambda: parse("x"))
    with at.replay(PATH, freeze=BOTH, quiet=True) as session, pytest.raises(ToolError) as raised:
        parse("x")
    assert (raised.value.type, str(raised.value)) == ("far.away.Odd", "bad x")
    (span,) = session.trace.spans
    assert (span.attributes[semconv.ERROR_TYPE], span.status_message) == ("far.away.Odd", "bad x")
    assert [(each.kind, each.detail) for each in session.outcomes] == [("drift", "far.away.Odd is raised as ToolError")]


def test_a_tool_that_was_cancelled_is_not_given_again() -> None:
    @at.tool
    async def waits() -> None:
        ran.append("waits")
        await asyncio.Event().wait()

    async def main() -> None:
        with pytest.raises(asyncio.TimeoutError):
            await asyncio.wait_for(waits(), 0.01)

    with at.record(PATH, quiet=True):
        asyncio.run(main())
    with (
        at.replay(PATH, freeze=BOTH, quiet=True),
        pytest.raises(ToolNotRestorable, match=r"cut short by .*CancelledError"),
    ):
        asyncio.run(main())
    assert ran == ["waits"]


# --- generators -------------------------------------------------------------------------------------------------------


def test_items_are_given_as_they_were_when_they_were_yielded() -> None:
    @at.tool
    def fills() -> Iterator[list[int]]:
        held: list[int] = []
        for number in range(3):
            held.append(number)
            yield held

    def run() -> list[list[int]]:
        return [list(item) for item in fills()]

    with at.record(PATH, quiet=True) as recording:
        live = run()
    assert recording.trace.spans[0].attributes[semconv.GEN_AI_TOOL_CALL_RESULT] == "[[0],[0,1],[0,1,2]]"
    with at.replay(PATH, freeze=BOTH, quiet=True):
        assert run() == live == [[0], [0, 1], [0, 1, 2]]


def test_a_generator_that_failed_fails_after_the_same_items() -> None:
    @at.tool
    def breaks() -> Iterator[int]:
        ran.append(0)
        yield 1
        raise Closed(2, why="enough")

    def run() -> tuple[list[int], str]:
        items, found = breaks(), list[int]()
        with pytest.raises(Closed) as raised:
            found.extend(items)
        return found, str(raised.value)

    with at.record(PATH, quiet=True):
        live = run()
    with at.replay(PATH, freeze=BOTH, quiet=True):
        assert run() == live == ([1], "2: enough")
    assert ran == [0]


def test_a_generator_that_was_left_gives_what_was_taken_and_no_more() -> None:
    def take(times: int) -> list[int]:
        items = count(5)
        found = [next(items) for _ in range(times)]
        items.close()
        return found

    with at.record(PATH, quiet=True):
        take(2)
    with at.replay(PATH, freeze=BOTH, quiet=True):
        assert take(2) == [0, 1]
    with at.replay(PATH, freeze=BOTH, quiet=True), pytest.raises(ReplayExhausted, match="was left after 2 items"):
        take(3)
    assert ran == [5]


def test_a_generator_that_was_sent_to_is_not_given_again() -> None:
    @at.tool
    def talks() -> Generator[str, str, None]:
        ran.append(0)
        heard = yield "first"
        yield heard

    def run() -> str:
        talk = talks()
        next(talk)
        return talk.send("hello")

    with at.record(PATH, quiet=True):
        assert run() == "hello"
    with at.replay(PATH, freeze=BOTH, quiet=True), pytest.raises(ToolNotRestorable, match="sent into the generator"):
        run()
    assert ran == [0]


def test_a_generator_is_asked_for_at_its_first_step_not_before() -> None:
    with at.record(PATH, quiet=True):
        list(count(1))
    with at.replay(PATH, freeze=BOTH, quiet=True) as session:
        items = count(1)
        assert session.outcomes == ()
        assert list(items) == [0]


def test_more_items_than_are_kept_are_live_only() -> None:
    with at.record(PATH, quiet=True) as recording:
        assert len(_whole(count(10_002))[0]) == 10_002
    assert "10,000 items" in str(recording.trace.spans[0].attributes[semconv.AGENTTRACE_TOOL_LIVE_ONLY])
    with at.replay(PATH, freeze=BOTH, quiet=True), pytest.raises(ToolNotRestorable):
        list(count(10_002))


# --- secrets ----------------------------------------------------------------------------------------------------------


def test_a_secret_comes_back_as_its_placeholder_and_still_matches_among_the_arguments(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    secret = secrets.token_hex(16)
    monkeypatch.setenv("SERVICE_TOKEN", secret)

    @at.tool
    def login(token: str) -> Holder:
        ran.append(token)
        return Holder({"token": token})

    with at.record(PATH, quiet=True):
        login(secret)
    assert secret not in PATH.read_text(encoding="utf-8")
    with at.replay(PATH, freeze=BOTH, quiet=True) as session:
        again = login(secret)
    assert again.value["token"].startswith("[REDACTED:")
    assert (session.tool_counts, ran) == ({"hit": 1}, [secret])


# --- other tools, other recordings ------------------------------------------------------------------------------------


def _without_types() -> None:
    """Make the recording one of another instrumentation, which tells results, but not their types."""
    kept = [json.loads(line) for line in PATH.read_text(encoding="utf-8").splitlines()]
    for line in kept:
        (span,) = line["resourceSpans"][0]["scopeSpans"][0]["spans"]
        span["attributes"] = [each for each in span["attributes"] if not each["key"].startswith("agenttrace.")]
    PATH.write_text("".join(f"{json.dumps(line)}\n" for line in kept), encoding="utf-8")


@pytest.mark.parametrize(
    ("hint", "value", "is_told"),
    [
        (str, "[1]", True),
        (str, "text", True),
        (int, 1, True),
        (list[int], [1], True),
        (dict[str, float | None], {"a": 1.5, "b": None}, True),
        (Literal["a", 1], 1, True),
        (Row, {"name": "n", "tags": ["t"]}, True),
        (str | None, "text", True),
        (str | None, "null", False),
        (str | int, 1, False),
        (int, "text", False),
        (list[Any], [1], False),
        (list[Holder], [1], False),
        (None, {"a": 1}, False),
        (date, "2026-01-01", False),
    ],
    ids=repr,
)
def test_a_result_without_its_type_is_given_again_only_if_the_annotation_tells_it(
    hint: Any, value: Any, *, is_told: bool
) -> None:
    def give() -> Any:
        return value

    give.__annotations__ = {"return": hint}
    tool = at.tool(give)
    with at.record(PATH, quiet=True):
        tool()
    _without_types()
    with at.replay(PATH, freeze=BOTH, quiet=True):
        if is_told:
            assert tool() == value
        else:
            with pytest.raises(ToolNotRestorable, match="of what type its result is"):
                tool()


def test_an_error_without_its_arguments_is_given_again_by_type_and_text() -> None:
    with at.record(PATH, quiet=True):
        for kind in ("own", "key"):
            _caught(lambda kind=kind: fail(kind))
    _without_types()
    with at.replay(PATH, freeze=BOTH, quiet=True):
        assert _caught(lambda: fail("own"))[:2] == (ToolError, "4: holiday")
        assert _caught(lambda: fail("key"))[:2] == (ToolError, "'key'")
    assert len(ran) == 2


@dataclasses.dataclass
class Broken:
    n: int

    def __getattribute__(self, name: str) -> Any:
        if name == "n":
            raise RuntimeError("not now")
        return object.__getattribute__(self, name)

    def __repr__(self) -> str:
        return "Broken()"


def test_what_fails_to_be_written_down_is_live_only_and_does_not_disturb_the_tool() -> None:
    @at.tool
    def give() -> Broken:
        return Broken(1)

    @at.tool
    def give_each() -> Iterator[Any]:
        yield 1
        yield Broken(1)
        yield 2

    with at.record(PATH, quiet=True) as recording:
        assert type(give()) is Broken
        assert len(list(give_each())) == 3
    kinds = [span.attributes[semconv.AGENTTRACE_TOOL_RESULT_TYPE] for span in recording.trace.spans]
    assert kinds == ["live_only"] * 2
    with at.replay(PATH, freeze=BOTH, quiet=True):
        for call in (give, lambda: list(give_each())):
            with pytest.raises(ToolNotRestorable, match="to write it down failed"):
                call()


def test_a_frozen_tool_may_be_a_partial_or_an_object() -> None:
    class Adder:
        def __call__(self, n: int) -> int:
            ran.append(n)
            return n + 1

    tools = [at.tool("adder")(Adder()), at.tool("two")(functools.partial(search, "q"))]
    with at.record(PATH, quiet=True):
        live = [tools[0](1), tools[1]()]
    ran.clear()
    with at.replay(PATH, freeze=BOTH, quiet=True):
        assert [tools[0](1), tools[1]()] == live
    assert ran == []


@dataclasses.dataclass
class Query:
    shown: str
    hidden: str = dataclasses.field(default="", repr=False)


class Opaque:
    def __repr__(self) -> str:
        return "Opaque()"


@at.tool
def find(query: Query) -> str:
    return f"found {query.shown} {query.hidden}"


@at.tool
def tally(by: dict[Any, str]) -> str:
    return f"counted {by!r}"


@at.tool
def inspect_it(thing: Any) -> str:
    return "seen"


def test_arguments_are_compared_by_their_values_not_by_how_they_show() -> None:
    with at.record(PATH, quiet=True):
        given = [find(Query("a", "alpha")), find(Query("a", "beta")), tally({1: "a"}), tally({"1": "a"})]
    with at.replay(PATH, freeze=BOTH, quiet=True) as session:
        assert [tally({"1": "a"}), tally({1: "a"}), find(Query("a", "beta")), find(Query("a", "alpha"))] == given[::-1]
    assert session.tool_counts == {"hit": 4}
    with at.replay(PATH, freeze=BOTH, quiet=True), pytest.raises(at.ReplayMiss):
        find(Query("a", "gamma"))


def test_an_argument_that_only_shows_is_no_hit() -> None:
    with at.record(PATH, quiet=True):
        inspect_it(Opaque())
    with at.replay(PATH, freeze=BOTH, quiet=True) as session:
        inspect_it(Opaque())
    assert session.tool_counts == {"drift": 1}
