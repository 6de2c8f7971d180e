"""Sessions: how they are opened and closed, what each mode does, and which one a call belongs to."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import os
import re
import threading
from collections.abc import AsyncIterator, Callable, Generator, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import anthropic
import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.environment import RUN
from otel_agenttrace.errors import (
    AgentTraceError,
    CassetteNotFound,
    ConfigError,
    EgressBlocked,
    ReplayError,
    ReplayMiss,
)
from otel_agenttrace.in_force import current_session, open_sessions
from otel_agenttrace.model import Outcome
from otel_agenttrace.spans import telemetry
from otel_agenttrace_instrumentation.opening import close_session, failing_session, open_session, prepare_session
from tests.support.clients import anthropic_client, openai_client
from tests.support.provider import Provider

PATH: Final = Path("c.otlp.jsonl")
_SETTINGS: Final = ("CI", "OTEL_AGENTTRACE_CASSETTE", "OTEL_AGENTTRACE_MODE", "OTEL_AGENTTRACE_EXPORT_REPLAY", RUN)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in a folder without settings, and leave no session open."""
    for name in _SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    left = open_sessions()
    for session in left:
        session.close()
    assert left == ()


def _ask(provider: Provider, text: str = "hello", *, fake: str = "", max_retries: int = 0) -> str:
    with openai_client(provider, is_async=False, max_retries=max_retries) as client:
        answer = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": text}], extra_headers={"x-fake": fake}
        )
    return answer.choices[0].message.content


async def _ask_async(provider: Provider, text: str = "hello") -> str:
    async with openai_client(provider, is_async=True) as client:
        answer = await client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content


def _in_thread(function: Callable[[], Any]) -> Any:
    """Run a function in a thread that knows no context, and return what it returns or raises."""
    results: list[Any] = []

    def run() -> None:
        try:
            results.append(function())
        except BaseException as error:  # noqa: BLE001 - told to the caller
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]


def _recorded(path: Path = PATH) -> int:
    return len(at.load(path).inferences)


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


# --- ways to open one ---------------------------------------------------------------------------------------------------


def test_a_block_is_recorded_and_then_replayed(provider: Provider, home: Path) -> None:
    with at.record(PATH, quiet=True) as recording:
        recorded = _ask(provider)
    assert _files(home) == [PATH.name]
    assert (recording.is_open, recording.counts) == (False, {"live": 1})
    provider.stop()
    with at.replay(str(PATH), quiet=True) as replaying:
        assert _ask(provider) == recorded
    assert (replaying.counts, replaying.unplayed) == ({"hit": 1}, 0)


def test_an_async_block_is_recorded_and_then_replayed(provider: Provider) -> None:
    async def run(context: Any) -> str:
        async with context as session:
            assert current_session() is session
            return await _ask_async(provider)

    recorded = asyncio.run(run(at.record(PATH, quiet=True)))
    provider.stop()
    assert asyncio.run(run(at.replay(PATH, quiet=True))) == recorded


def test_each_call_of_a_decorated_function_is_a_run(provider: Provider) -> None:
    @at.session(PATH, "all", quiet=True)
    def agent(text: str, *, times: int = 1) -> list[str]:
        """Ask."""
        assert len(open_sessions()) == 1
        return [_ask(provider, text) for _ in range(times)]

    first = agent("a")
    second = agent("b", times=2)
    assert _recorded() == 2
    assert (agent.__name__, agent.__doc__) == ("agent", "Ask.")
    assert list(inspect.signature(agent).parameters) == ["text", "times"]
    replayed = at.replay(PATH, quiet=True)(inspect.unwrap(agent))
    assert replayed("b", times=2) == second != first
    assert replayed("b", times=2) == second
    assert provider.hits == 3


def test_each_call_of_a_decorated_async_function_is_a_run(provider: Provider) -> None:
    async def agent(text: str) -> str:
        await asyncio.sleep(0)
        return await _ask_async(provider, text)

    recording, replaying = at.record(PATH, quiet=True)(agent), at.replay(PATH, quiet=True)(agent)
    assert inspect.iscoroutinefunction(recording)
    recorded = asyncio.run(recording("a"))
    assert open_sessions() == ()
    assert [asyncio.run(replaying("a")) for _ in range(2)] == [recorded] * 2
    assert provider.hits == 1


def test_a_decorated_generator_is_replayed_while_it_runs(provider: Provider) -> None:
    with at.record(PATH, quiet=True):
        recorded = _ask(provider)

    @at.replay(PATH, quiet=True)
    def agent() -> Iterator[str]:
        yield _ask(provider)

    assert list(agent()) == [recorded]
    assert provider.hits == 1


def test_between_the_steps_of_a_decorated_generator_its_session_is_not_in_force(provider: Provider) -> None:
    with at.record("inner", quiet=True):
        recorded = _ask(provider)

    @at.replay("inner", quiet=True)
    def agent() -> Generator[str, None, None]:
        yield "first"
        yield _ask(provider)

    with at.record("outer", quiet=True) as outer, closing(agent()) as steps:
        assert next(steps) == "first"
        assert current_session() is outer
        assert _ask(provider) != recorded
        assert list(steps) == [recorded]
    assert (provider.hits, _recorded(Path("outer"))) == (2, 1)


def test_a_decorated_async_generator_never_goes_live(provider: Provider) -> None:
    with at.record(PATH, quiet=True):
        recorded = _ask(provider)

    async def agent() -> AsyncIterator[str]:
        yield await _ask_async(provider)

    async def main() -> list[str]:
        return [answer async for answer in at.replay(PATH, quiet=True)(agent)()]

    try:
        assert asyncio.run(main()) == [recorded]
    except TypeError as refused:
        assert "to fix" in str(refused)  # noqa: PT017 - either will do
    assert provider.hits == 1


def test_start_opens_a_session_until_stop(provider: Provider) -> None:
    session = at.start(PATH, "all", quiet=True)
    assert session.is_open
    assert current_session() is session
    _ask(provider)
    at.stop()
    assert not session.is_open
    assert current_session() is None
    assert _recorded() == 1


def test_stop_closes_what_was_started_last_and_nothing_else() -> None:
    at.stop()
    outer, inner = at.start("a", "all", quiet=True), at.start("b", "all", quiet=True)
    at.stop()
    assert (outer.is_open, inner.is_open) == (True, False)
    assert current_session() is outer
    at.stop()
    at.stop()
    assert open_sessions() == ()


def test_a_start_that_fails_leaves_nothing_open() -> None:
    with pytest.raises(CassetteNotFound):
        at.start(PATH, "none")
    assert open_sessions() == ()
    assert RUN not in os.environ
    at.stop()


def test_what_is_not_given_comes_from_the_environment(
    provider: Provider, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OTEL_AGENTTRACE_CASSETTE", "env.otlp.jsonl")
    monkeypatch.setenv("OTEL_AGENTTRACE_MODE", "all")
    (home / "pyproject.toml").write_text("[tool.otel-agenttrace]\ncassette = 'toml.otlp.jsonl'\nmode = 'none'\n")
    with at.session(quiet=True) as session:
        _ask(provider)
    assert (session.path.name, session.mode) == ("env.otlp.jsonl", "all")
    with at.session(PATH, quiet=True) as session:
        pass
    assert (session.path.name, session.mode) == (PATH.name, "all")
    for name in ("OTEL_AGENTTRACE_CASSETTE", "OTEL_AGENTTRACE_MODE"):
        monkeypatch.delenv(name)
    with pytest.raises(CassetteNotFound, match=r"toml\.otlp\.jsonl"):
        at.start()


def test_without_any_name_a_run_is_called_run() -> None:
    with at.session(quiet=True) as session:
        assert session.path.name == "run.otlp.jsonl"


def test_a_mode_without_meaning_is_refused_before_anything_is_opened() -> None:
    with pytest.raises(ConfigError, match="one of none, once, new, all"):
        at.session(PATH, "strict")
    assert open_sessions() == ()


def test_closing_twice_is_closing_once(provider: Provider) -> None:
    with at.record(PATH, quiet=True) as session:
        _ask(provider)
        session.close()
        assert _recorded() == 1
    assert _recorded() == 1


def test_what_runs_after_the_block_is_neither_recorded_nor_answered(provider: Provider) -> None:
    with at.record(PATH, quiet=True):
        _ask(provider)
    _ask(provider)
    assert (provider.hits, _recorded()) == (2, 1)


# --- modes --------------------------------------------------------------------------------------------------------------


def test_none_without_a_cassette_says_how_to_record_one_and_makes_no_file(provider: Provider, home: Path) -> None:
    with pytest.raises(CassetteNotFound, match="otel-agenttrace record") as raised, at.replay(PATH):
        _ask(provider)
    assert isinstance(raised.value, FileNotFoundError)
    assert (provider.hits, _files(home)) == (0, [])


def test_once_without_a_cassette_records_one(provider: Provider, home: Path) -> None:
    with at.session(PATH, quiet=True) as session:
        _ask(provider)
    assert (session.mode, session.counts) == ("all", {"live": 1})
    assert (_files(home), _recorded()) == ([PATH.name], 1)


@pytest.mark.parametrize("mode", ["none", "once"])
def test_none_and_once_answer_from_a_cassette_and_never_touch_it(mode: str, provider: Provider, home: Path) -> None:
    with at.record(PATH, quiet=True):
        recorded = _ask(provider)
    before = PATH.read_bytes()
    with at.session(PATH, mode, quiet=True) as session:
        assert _ask(provider) == recorded
        with pytest.raises(ReplayMiss):
            _ask(provider, "something else")
    assert (session.mode, session.counts) == ("none", {"hit": 1, "miss": 1})
    assert (provider.hits, _files(home), PATH.read_bytes()) == (1, [PATH.name], before)


def test_once_takes_a_lone_partial_for_no_cassette(provider: Provider, home: Path) -> None:
    partial_path(PATH).write_bytes(b"of a run that was killed\n")
    with at.session(PATH, "once", quiet=True) as session:
        _ask(provider)
    assert (session.mode, _files(home), _recorded()) == ("all", [PATH.name], 1)


def test_new_without_a_cassette_records_one_in_place(provider: Provider, home: Path) -> None:
    with at.session(PATH, "new", quiet=True) as session:
        _ask(provider)
        assert _files(home) == [PATH.name]
    assert (session.counts, _recorded()) == ({"live": 1}, 1)


def test_new_answers_what_is_recorded_and_adds_the_rest(provider: Provider, home: Path) -> None:
    with at.record(PATH, quiet=True):
        recorded = _ask(provider, "a")
    before = PATH.read_bytes()
    with at.session(PATH, "new", quiet=True) as session:
        assert _ask(provider, "a") == recorded
        _ask(provider, "b")
    assert (session.counts, provider.hits, _files(home)) == ({"hit": 1, "live": 1}, 2, [PATH.name])
    assert PATH.read_bytes().startswith(before)
    assert _recorded() == 2


def test_all_replaces_a_cassette_when_it_ends_and_not_before(provider: Provider, home: Path) -> None:
    with at.record(PATH, quiet=True):
        _ask(provider, "a")
        _ask(provider, "b")
    before = PATH.read_bytes()
    with at.session(PATH, "all", quiet=True) as session:
        _ask(provider, "a")
        assert PATH.read_bytes() == before
        assert _files(home) == [PATH.name, partial_path(PATH).name]
    assert (session.counts, _files(home), _recorded()) == ({"live": 1}, [PATH.name], 1)


def test_under_ci_nothing_is_recorded(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CI", "true")
    with pytest.raises(CassetteNotFound), at.session(PATH):
        _ask(provider)
    with at.record(PATH, quiet=True):
        _ask(provider)
    with at.session(PATH, quiet=True) as session:
        _ask(provider)
    assert (session.counts, provider.hits) == ({"hit": 1}, 1)


def test_a_run_that_records_nothing_leaves_the_old_cassette(provider: Provider, home: Path) -> None:
    with at.record(PATH, quiet=True):
        _ask(provider)
    before = PATH.read_bytes()
    for mode in ("all", "new"):
        with at.session(PATH, mode, quiet=True):
            pass
    assert (PATH.read_bytes(), _files(home)) == (before, [PATH.name])


@pytest.mark.parametrize("mode", ["once", "all", "new"])
def test_a_run_that_records_nothing_leaves_nothing_that_could_be_in_the_way(
    mode: str, provider: Provider, home: Path
) -> None:
    with at.session(PATH, mode, quiet=True):
        pass
    assert _files(home) == []
    with at.session(PATH, mode, quiet=True):
        _ask(provider)
    assert _recorded() == 1


@pytest.mark.parametrize("is_in_place", [False, True])
@pytest.mark.parametrize("is_empty", [False, True])
def test_what_is_no_plain_file_is_neither_removed_nor_replaced(is_in_place: bool, is_empty: bool, home: Path) -> None:
    pipe = home / "pipe"  # stands for /dev/null, which root could remove
    os.mkfifo(pipe)
    reader = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK)
    try:
        session = open_session(prepare_session(pipe, "all", in_place=is_in_place))
        if not is_empty:
            with at.span("plan"):
                pass
        close_session(session, quiet=True)
    except AgentTraceError:  # to refuse it is as good
        pass
    finally:
        os.close(reader)
    assert pipe.is_fifo()


_RUNS = st.lists(
    st.tuples(st.sampled_from(["none", "once", "new", "all"]), st.lists(st.sampled_from("ab"), min_size=1, max_size=3)),
    min_size=1,
    max_size=4,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(_RUNS)
def test_any_row_of_runs_leaves_what_the_modes_promise(provider: Provider, runs: list[tuple[str, list[str]]]) -> None:
    """The model: a cassette is a list of calls; each answers once in a run, the first of its kind first."""
    kept: list[tuple[str, str]] | None = None
    with TemporaryDirectory() as folder:
        path = Path(folder, "c")
        for mode, texts in runs:
            if mode == "none" and kept is None:
                with pytest.raises(CassetteNotFound):
                    at.start(path, mode)
                continue
            resolved = ("all" if kept is None else "none") if mode == "once" else mode
            left, live, hits = list(kept or ()) if resolved != "all" else [], list[tuple[str, str]](), provider.hits
            with at.session(path, mode, quiet=True) as session:
                for text in texts:
                    expected = next((call for call in left if call[0] == text), None)
                    if expected is not None:
                        left.remove(expected)
                        assert _ask(provider, text) == expected[1]
                    elif resolved == "none":
                        with pytest.raises(ReplayMiss):
                            _ask(provider, text)
                    else:
                        live.append((text, _ask(provider, text)))
            assert provider.hits - hits == len(live)
            assert session.unplayed == len(left)
            kept = live if resolved == "all" else [*(kept or ()), *live]
            assert _recorded(path) == len(kept)


# --- errors in the block ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("error", [RuntimeError("over"), SystemExit(3), asyncio.CancelledError(), GeneratorExit()])
def test_after_an_error_the_finished_calls_have_their_name(
    error: BaseException, provider: Provider, home: Path
) -> None:
    def run() -> None:
        with at.record(PATH, quiet=True):
            _ask(provider, "a")
            _ask(provider, "b")
            raise error

    with pytest.raises(type(error)) as raised:
        run()
    assert raised.value is error
    assert (_files(home), _recorded()) == ([PATH.name], 2)
    assert current_session() is None


def test_after_an_interrupt_the_finished_calls_stay_in_the_partial(provider: Provider, home: Path) -> None:
    with at.record(PATH, quiet=True):
        _ask(provider, "old")
    before = PATH.read_bytes()

    def run() -> None:
        with at.record(PATH, quiet=True):
            _ask(provider, "a")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run()
    assert _files(home) == [PATH.name, partial_path(PATH).name]
    assert PATH.read_bytes() == before
    assert _recorded(partial_path(PATH)) == 1


def test_a_partial_that_was_left_is_begun_anew(provider: Provider, home: Path) -> None:
    context = at.record(PATH, quiet=True)
    context.__enter__()
    _ask(provider, "a")
    context.__exit__(KeyboardInterrupt, KeyboardInterrupt(), None)
    assert _files(home) == [partial_path(PATH).name]
    with at.record(PATH, quiet=True):
        _ask(provider, "b")
    assert (_files(home), _recorded()) == ([PATH.name], 1)


def test_an_error_in_a_decorated_function_comes_out_and_its_calls_are_kept(provider: Provider) -> None:
    error = RuntimeError("over")

    @at.record(PATH, quiet=True)
    async def agent() -> None:
        await _ask_async(provider)
        raise error

    with pytest.raises(RuntimeError) as raised:
        asyncio.run(agent())
    assert raised.value is error
    assert _recorded() == 1


def test_a_stream_that_is_open_when_the_session_ends_is_kept_and_can_be_read_on(provider: Provider) -> None:
    with openai_client(provider, is_async=False) as client:
        with at.record(PATH, quiet=True):
            stream = client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "a b c d"}], stream=True
            )
            next(stream)
        (span,) = at.load(PATH).inferences
        assert span.call is not None
        assert span.call.attempts[0].end == "abandoned"
        assert len(list(stream)) > 1
    assert _recorded() == 1


# --- which session a call belongs to ------------------------------------------------------------------------------------


def test_of_nested_sessions_the_inner_one_gets_the_call(provider: Provider) -> None:
    with at.record("outer", quiet=True) as outer:
        _ask(provider, "a")
        with at.record("inner", quiet=True) as inner:
            assert current_session() is inner
            _ask(provider, "b")
            _ask(provider, "c")
        assert current_session() is outer
        _ask(provider, "d")
    assert (_recorded(Path("outer")), _recorded(Path("inner"))) == (2, 2)
    assert (outer.counts, inner.counts) == ({"live": 2}, {"live": 2})


def test_a_replay_inside_of_a_recording_is_answered_and_not_recorded(provider: Provider) -> None:
    with at.record("inner", quiet=True):
        recorded = _ask(provider)
    with at.record("outer", quiet=True) as outer:
        with at.replay("inner", quiet=True):
            assert _ask(provider) == recorded
        assert _ask(provider) != recorded
    assert (outer.counts, _recorded(Path("outer")), provider.hits) == ({"live": 1}, 1, 2)


def test_sessions_may_be_closed_in_any_order(provider: Provider) -> None:
    first, second = (open_session(prepare_session(Path(name), "all")) for name in ("a", "b"))
    close_session(first, quiet=True)
    assert current_session() is second
    _ask(provider)
    close_session(second, quiet=True)
    assert current_session() is None
    assert (Path("a").exists(), _recorded(Path("b"))) == (False, 1)


def test_two_recordings_of_one_cassette_keep_the_calls_of_both(provider: Provider, home: Path) -> None:
    with at.record(PATH, quiet=True):
        _ask(provider, "a")
        with at.record(PATH, quiet=True):
            _ask(provider, "b")
        _ask(provider, "c")
    assert (_files(home), _recorded()) == ([PATH.name], 3)


def test_children_are_told_of_the_session_that_is_in_force() -> None:
    assert RUN not in os.environ
    with at.record("outer", quiet=True):
        outer = os.environ[RUN]
        with at.record("inner", quiet=True):
            assert os.environ[RUN] != outer
        assert os.environ[RUN] == outer
    assert RUN not in os.environ


def test_each_task_has_its_own_session(provider: Provider) -> None:
    async def agent(name: str, opened: list[str], all_open: asyncio.Event) -> None:
        async with at.record(name, quiet=True) as session:
            opened.append(name)
            if len(opened) == 3:
                all_open.set()
            await all_open.wait()
            for _ in range(2):
                await _ask_async(provider, name)
            assert current_session() is session

    async def main() -> None:
        opened, all_open = list[str](), asyncio.Event()
        await asyncio.gather(*(agent(name, opened, all_open) for name in "abc"))

    asyncio.run(main())
    assert [_recorded(Path(name)) for name in "abc"] == [2, 2, 2]


def test_each_thread_has_its_own_session(provider: Provider) -> None:
    together = threading.Barrier(3)

    def agent(name: str) -> None:
        with at.record(name, quiet=True):
            together.wait()
            _ask(provider, name)
            together.wait()

    threads = [threading.Thread(target=agent, args=(name,)) for name in "abc"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for name in "abc":
        (span,) = at.load(name).inferences
        assert span.call is not None
        assert f'"content":"{name}"' in span.call.attempts[0].request.body


def test_a_thread_without_a_context_belongs_to_the_only_session(provider: Provider) -> None:
    with at.record(PATH, quiet=True):
        _in_thread(lambda: _ask(provider))
    assert _recorded() == 1


def test_a_thread_without_a_context_in_two_recordings_is_warned_of_and_goes_to_the_newest(
    provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    with at.record("a", quiet=True), at.record("b", quiet=True):
        answer = _in_thread(lambda: _ask(provider))
    assert isinstance(answer, str)
    assert (Path("a").exists(), _recorded(Path("b"))) == (False, 1)
    assert any(re.match(r"several sessions are open \(\S*a, \S*b\)", message) for message in caplog.messages)


@pytest.mark.parametrize("max_retries", [0, 2])
@pytest.mark.parametrize("other", ["none", "all"])
def test_a_thread_without_a_context_in_two_sessions_of_which_one_replays_is_refused(
    other: str, max_retries: int, provider: Provider
) -> None:
    for name in "ab":
        with at.record(name, quiet=True):
            _ask(provider)
    with at.replay("a", quiet=True), at.session("b", other, quiet=True) as newest:
        error = _in_thread(lambda: _ask(provider, max_retries=max_retries))
    assert type(error) is ReplayError
    assert re.match(r"Several sessions are open \(\S*a, \S*b\)", str(error))
    assert "to fix   run the call in the context of its session" in str(error)
    assert provider.hits == 2
    assert newest.counts == {}


def test_a_thread_that_is_given_a_context_belongs_to_its_session(provider: Provider) -> None:
    for name in "ab":
        with at.record(name, quiet=True):
            _ask(provider)
    with at.replay("a", quiet=True) as first:
        context = contextvars.copy_context()
        with at.replay("b", quiet=True) as second:
            _in_thread(lambda: context.run(_ask, provider))
    assert (first.counts, second.counts, provider.hits) == ({"hit": 1}, {}, 2)


def test_a_context_whose_session_has_ended_falls_back_to_the_one_that_is_open(provider: Provider) -> None:
    with at.record("a", quiet=True):
        context = contextvars.copy_context()
    with at.record("b", quiet=True):
        context.run(_ask, provider)
    assert _recorded(Path("b")) == 1


# --- what a session tells -----------------------------------------------------------------------------------------------


def test_outcomes_tell_how_each_call_was_answered_and_by_what(provider: Provider) -> None:
    at_ten, at_eleven = ("it is 2026-10-01T10:00:00Z", "it is 2026-10-01T11:00:00Z")
    with at.record(PATH, quiet=True) as session:
        _ask(provider, "a")
        _ask(provider, at_ten)
    first, second = at.load(PATH).inferences
    assert [(outcome.kind, outcome.span_id, outcome.recorded_span_id) for outcome in session.outcomes] == [
        ("live", first.span_id, None),
        ("live", second.span_id, None),
    ]
    keys = [outcome.key for outcome in session.outcomes]
    with at.session(PATH, "new", quiet=True) as session:
        _ask(provider, at_eleven)
        _ask(provider, "b")
        _ask(provider, "a")
    drift, live, hit = session.outcomes
    spans = {span.span_id: span for span in session.trace.spans}
    assert drift == Outcome("drift", drift.span_id, second.span_id, keys[1], drift.detail)
    assert drift.detail == f'/messages/0/content: "{at_ten}" → "{at_eleven}"'
    assert (live.kind, live.recorded_span_id) == ("live", None)
    assert hit == Outcome("hit", hit.span_id, first.span_id, keys[0])
    (link,) = spans[hit.span_id or ""].links
    assert (link.trace_id, link.span_id) == (first.trace_id, first.span_id)
    assert spans[drift.span_id or ""].attributes[semconv.AGENTTRACE_REPLAY_OUTCOME] == "drift"
    assert not {first.span_id, second.span_id} & set(spans)


def test_the_trace_is_told_while_recording_and_afterwards(provider: Provider) -> None:
    with at.record(PATH, quiet=True) as session:
        assert session.trace.spans == ()
        with at.span("plan"):
            _ask(provider)
        during = session.trace
    assert [span.name for span in during.spans] == ["plan", "chat gpt-4o"]
    assert session.trace == during == at.load(PATH)
    assert during.usage.total_tokens is not None
    assert during.cost == session.trace.cost == at.load(PATH).cost is not None


def test_the_trace_of_a_replay_is_that_of_its_own_spans(provider: Provider) -> None:
    with at.record(PATH, quiet=True) as recording:
        _ask(provider)
    with at.replay(PATH, quiet=True) as session:
        with at.span("plan"):
            _ask(provider)
    plan, chat = session.trace.spans
    assert (chat.name, chat.parent_span_id) == ("chat gpt-4o", plan.span_id)
    assert chat.span_id != recording.trace.spans[0].span_id
    assert session.trace.usage == recording.trace.usage
    assert session.trace.cost == recording.trace.cost


def test_the_trace_of_mode_new_is_that_of_this_run_only(provider: Provider) -> None:
    with at.record(PATH, quiet=True):
        _ask(provider, "a")
        _ask(provider, "b")
    with at.session(PATH, "new", quiet=True) as session:
        _ask(provider, "c")
        _ask(provider, "a")
    assert [span.attributes.get(semconv.AGENTTRACE_REPLAY_OUTCOME) for span in session.trace.inferences] == [
        "live",
        "hit",
    ]


def test_prices_of_pyproject_make_the_cost(home: Path) -> None:
    (home / "pyproject.toml").write_text(
        "[tool.otel-agenttrace.prices.m]\ninput_per_mtok = 1.0\noutput_per_mtok = 2.0\n"
    )
    with at.record(PATH, quiet=True) as session, at.inference("m", provider="p") as call:
        call.respond("x", usage=at.Usage(1_000_000, 1_000_000))
    assert session.trace.cost == at.load(PATH).cost == 3.0


def test_the_summary_is_a_tree_of_the_run(provider: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    with at.record(PATH, quiet=True) as session:
        with at.span("plan"):
            answer = _ask(provider)
    session.print_summary()
    shown = capsys.readouterr().out
    plan, chat = shown.splitlines()
    assert plan.startswith("plan")
    assert "chat gpt-4o" in chat
    assert answer in chat


def test_the_end_is_told_on_stderr_unless_it_is_to_be_quiet(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    with at.record(PATH):
        _ask(provider)
    recorded = capsys.readouterr()
    assert recorded.err.startswith("recorded 1 call")
    with at.replay(PATH):
        _ask(provider)
    assert re.match(r"replayed 1 call: 1 hit, 0 drift, 0 miss", capsys.readouterr().err)
    with at.record(PATH, quiet=True):
        _ask(provider)
    quiet = capsys.readouterr()
    assert (recorded.out, quiet.out, quiet.err) == ("", "", "")


@pytest.mark.parametrize("is_exported", [False, True])
def test_replayed_calls_are_exported_only_if_it_is_asked_for(
    is_exported: bool, provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    with at.record(PATH, quiet=True):
        _ask(provider)
    tracing, exporter = TracerProvider(), InMemorySpanExporter()
    tracing.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "tracer_provider", tracing)
    with at.replay(PATH, export_replay=is_exported, quiet=True) as session:
        _ask(provider)
    assert len(exporter.get_finished_spans()) == int(is_exported)
    assert len(session.trace.inferences) == 1
    tracing.shutdown()


# --- recording never alters ---------------------------------------------------------------------------------------------

_FAULTS: Final = ("400", "401", "403", "404", "408", "409", "422", "429", "500", "503", "529", "drop", "cut")


def _openai_error(provider: Provider, fake: str) -> dict[str, Any]:
    with pytest.raises(openai.OpenAIError) as raised:
        _ask(provider, fake=fake)
    return _facts(raised.value, provider)


def _anthropic_error(provider: Provider, fake: str) -> dict[str, Any]:
    async def ask() -> None:
        async with anthropic_client(provider, is_async=True) as client:
            await client.messages.create(
                model="claude-opus-4-6",
                max_tokens=9,
                messages=[{"role": "user", "content": "hello"}],
                extra_headers={"x-fake": fake},
            )

    with pytest.raises(anthropic.AnthropicError) as raised:
        asyncio.run(ask())
    return _facts(raised.value, provider)


def _facts(error: BaseException, provider: Provider) -> dict[str, Any]:
    """Return what a program can see of an error, whatever the port."""
    return {
        "type": type(error),
        "text": str(error).replace(provider.url, ""),
        "cause": type(error.__cause__),
        **{name: getattr(error, name, None) for name in ("status_code", "body", "code", "param", "request_id")},
    }


@pytest.mark.parametrize("fails", [_openai_error, _anthropic_error])
@pytest.mark.parametrize("fake", _FAULTS)
def test_an_error_of_the_provider_is_the_same_bare_recorded_and_replayed(
    fake: str, fails: Callable[[Provider, str], dict[str, Any]]
) -> None:
    with Provider() as provider:
        bare = fails(provider, fake)
    with Provider() as provider:
        with at.record(PATH, quiet=True):
            recorded = fails(provider, fake)
    with at.replay(PATH, quiet=True) as session:
        replayed = fails(provider, fake)
    assert bare == recorded == replayed
    assert session.counts == {"hit": 1}


@contextmanager
def _no_room_in_files() -> Iterator[None]:
    """Let no file of this process grow, as on a full disk."""
    resource = pytest.importorskip("resource")
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def test_a_full_disk_loses_calls_and_not_the_application(provider: Provider, caplog: pytest.LogCaptureFixture) -> None:
    with at.record(PATH, quiet=True), _no_room_in_files():
        answers = [_ask(provider), _ask(provider)]
    assert all(answers)
    (told,) = caplog.messages
    assert "c.otlp.jsonl.partial cannot be written: File too large. The application goes on; " in told
    assert "\n  to fix   " in told


def test_what_is_recorded_before_and_after_a_full_disk_is_kept_and_what_was_lost_is_counted(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    with at.record(PATH):
        _ask(provider, "before")
        with _no_room_in_files():
            _ask(provider, "lost")
        _ask(provider, "after")
    assert _recorded() == 2
    assert "recorded 2 calls" in (told := capsys.readouterr().err)
    assert "1 call could not be written" in told


# --- replay hides nothing -----------------------------------------------------------------------------------------------


def test_a_miss_that_the_application_swallows_is_kept_and_told(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    with at.record(PATH, quiet=True):
        _ask(provider)

    def robust(text: str) -> str:
        try:
            return _ask(provider, text, max_retries=3)
        except Exception:  # noqa: BLE001 - as agents are written
            return "sorry"

    with at.replay(PATH) as session:
        assert [robust("b"), robust("c"), robust("b")] == ["sorry"] * 3
    assert provider.hits == 1
    assert [type(miss) for miss in session.misses] == [ReplayMiss] * 3
    assert [outcome.kind for outcome in session.outcomes] == ["miss"] * 3
    assert [outcome.detail for outcome in session.outcomes] == [str(miss) for miss in session.misses]
    assert "0 hit, 0 drift, 3 miss" in capsys.readouterr().err


def test_after_a_miss_other_calls_are_answered(provider: Provider) -> None:
    with at.record(PATH, quiet=True):
        recorded = _ask(provider)
    with at.replay(PATH, quiet=True) as session:
        with pytest.raises(ReplayMiss):
            _ask(provider, "b")
        assert _ask(provider) == recorded
    assert session.counts == {"miss": 1, "hit": 1}


def test_a_cassette_that_cannot_be_read_is_told_by_each_call_where_opening_may_not_fail(provider: Provider) -> None:
    session = open_session(prepare_session(PATH, "none"), lenient=True)
    for _ in range(2):
        with pytest.raises(CassetteNotFound):
            _ask(provider, max_retries=2)
    close_session(session, quiet=True)
    assert provider.hits == 0


def test_settings_without_meaning_are_told_by_each_call_where_opening_may_not_fail(provider: Provider) -> None:
    error = ConfigError("OTEL_AGENTTRACE_MODE is 'x'.")
    session = failing_session(PATH, error)
    with pytest.raises(ConfigError) as raised:
        _ask(provider, max_retries=2)
    close_session(session, quiet=True)
    assert raised.value is error
    assert provider.hits == 0


def test_a_replay_needs_no_credentials_and_leaves_none(provider: Provider, monkeypatch: pytest.MonkeyPatch) -> None:
    with at.record(PATH, quiet=True):
        recorded = _ask(provider)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)

    def ask_without_key() -> str | None:
        with openai.OpenAI(base_url=provider.openai_url, max_retries=0) as client:
            answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
        return answer.choices[0].message.content

    with at.replay(PATH, quiet=True):
        with at.replay(PATH, quiet=True):
            assert ask_without_key() == recorded
        assert ask_without_key() == recorded
    assert "OPENAI_API_KEY" not in os.environ
    with pytest.raises(openai.OpenAIError, match="OPENAI_API_KEY"):
        ask_without_key()


@pytest.mark.parametrize("mode", ["none", "new", "all"])
def test_what_the_policy_blocks_is_refused_in_every_mode(mode: str, provider: Provider, home: Path) -> None:
    with at.record(PATH, quiet=True):
        _ask(provider)
    (home / "pyproject.toml").write_text("[tool.otel-agenttrace]\nblock = ['127.0.0.1/v1/chat/*']\n")
    with at.session(PATH, mode, quiet=True), pytest.raises(EgressBlocked) as raised:
        _ask(provider, max_retries=2)
    assert (raised.value.host, provider.hits) == ("127.0.0.1", 1)
    assert isinstance(raised.value, ConnectionError)


@pytest.mark.parametrize("mode", ["none", "new", "all"])
def test_what_the_policy_passes_is_neither_answered_nor_recorded(mode: str, provider: Provider, home: Path) -> None:
    with at.record(PATH, quiet=True):
        _ask(provider)
    (home / "pyproject.toml").write_text("[tool.otel-agenttrace]\npass = ['127.0.0.1/v1/chat/*']\n")
    before = PATH.read_bytes()
    with at.session(PATH, mode, quiet=True) as session:
        _ask(provider)
    assert (provider.hits, session.counts, PATH.read_bytes()) == (2, {}, before)
