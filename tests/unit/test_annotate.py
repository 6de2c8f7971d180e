"""Spans of user code: what they tell, whose children they are, and that the code runs as if they were not there."""

from __future__ import annotations

import asyncio
import contextvars
import functools
import gc
import inspect
import json
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeAlias, cast

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry import trace as otel_trace
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.annotate import OpenSpan
from otel_agenttrace.model import AttributeValue, Message, Span, Usage
from otel_agenttrace.spans import active_span, telemetry
from otel_agenttrace_instrumentation.content import CONTENT_SWITCH

_Parents: TypeAlias = "dict[str, str | None]"


class Boom(Exception):
    """What the code under watch raises."""


# --- where spans are seen -----------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder without settings."""
    for name in ("CI", "OTEL_AGENTTRACE_CASSETTE", "OTEL_AGENTTRACE_MODE", CONTENT_SWITCH):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def exporter(monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Export the spans of this test into memory."""
    provider, exporter = TracerProvider(), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "tracer_provider", provider)
    yield exporter
    provider.shutdown()


@pytest.fixture
def recorded() -> Iterator[Callable[[], tuple[Span, ...]]]:
    """Record this test; what is returned closes the session and gives the spans of the cassette, in order of start."""
    context = at.record("c.otlp.jsonl", quiet=True)
    session = context.__enter__()

    def spans() -> tuple[Span, ...]:
        context.__exit__(None, None, None)
        return session.trace.spans

    yield spans
    context.__exit__(None, None, None)


Recorded: TypeAlias = "Callable[[], tuple[Span, ...]]"


def _parents(spans: Sequence[Span]) -> _Parents:
    """Return the name of each span's parent."""
    names = {span.span_id: span.name for span in spans}
    return {span.name: names.get(span.parent_span_id or "") for span in spans}


def _exported(exporter: InMemorySpanExporter) -> dict[str, ReadableSpan]:
    return {span.name: span for span in exporter.get_finished_spans()}


def _exported_parents(exporter: InMemorySpanExporter) -> _Parents:
    found = exporter.get_finished_spans()
    names = {span.context.span_id: span.name for span in found if span.context is not None}
    return {span.name: None if span.parent is None else names.get(span.parent.span_id) for span in found}


def _nothing_is_current() -> bool:
    return active_span() is None and not otel_trace.get_current_span().get_span_context().is_valid


# --- the four kinds of function -----------------------------------------------------------------------------------------


def plain(n: int, *, fails: bool = False) -> list[int]:
    """Count.

    A second line.
    """
    if fails:
        raise Boom("no")
    return list(range(n))


async def coroutine(n: int, *, fails: bool = False) -> list[int]:
    """Count."""
    await asyncio.sleep(0)
    return plain(n, fails=fails)


def generator(n: int, *, fails: bool = False) -> Generator[int, None, str]:
    """Count."""
    yield from plain(n)
    plain(0, fails=fails)
    return "done"


async def async_generator(n: int, *, fails: bool = False) -> AsyncGenerator[int, None]:
    """Count."""
    for item in plain(n):
        yield item
    plain(0, fails=fails)


def _kinds() -> Mapping[str, Callable[..., Any]]:
    return {each.__name__: each for each in (plain, coroutine, generator, async_generator)}


KINDS: Final = _kinds()
DECORATORS: Final[Mapping[str, Callable[..., Any]]] = {"invoke_agent": at.agent, "execute_tool": at.tool}


def _outcome(function: Callable[..., Any], *args: Any, **kwargs: Any) -> list[int]:
    """Run a function of any kind to its end, and return what it gives."""
    called = function(*args, **kwargs)
    if isinstance(called, AsyncIterator):
        return asyncio.run(_collected(cast("AsyncIterator[int]", called)))
    if inspect.iscoroutine(called):
        return asyncio.run(called)
    return list(called)


async def _collected(items: AsyncIterator[int]) -> list[int]:
    return [item async for item in items]


every_kind = pytest.mark.parametrize("kind", KINDS)
every_role = pytest.mark.parametrize("role", DECORATORS)


@every_kind
@every_role
def test_a_decorated_function_gives_what_it_gave(kind: str, role: str) -> None:
    decorated = DECORATORS[role](KINDS[kind])
    assert _outcome(decorated, 3) == _outcome(KINDS[kind], 3) == [0, 1, 2]


@every_kind
@every_role
def test_a_decorated_function_is_of_the_same_kind_with_the_same_name_text_and_signature(kind: str, role: str) -> None:
    function, decorated = KINDS[kind], DECORATORS[role](KINDS[kind])
    for told in (inspect.iscoroutinefunction, inspect.isgeneratorfunction, inspect.isasyncgenfunction):
        assert told(decorated) == told(function)
    assert inspect.signature(decorated) == inspect.signature(function)
    assert (decorated.__name__, decorated.__doc__) == (kind, function.__doc__)
    assert inspect.unwrap(decorated) is function


@every_kind
def test_a_wrong_call_is_the_same_error(kind: str) -> None:
    with pytest.raises(TypeError) as bare:
        _outcome(KINDS[kind], 1, 2, wrong=3)
    with pytest.raises(TypeError) as told:
        _outcome(at.tool(KINDS[kind]), 1, 2, wrong=3)
    assert str(told.value) == str(bare.value)


@every_kind
@every_role
def test_a_call_is_one_span_named_by_its_role_and_function(kind: str, role: str, recorded: Recorded) -> None:
    _outcome(DECORATORS[role](KINDS[kind]), 2)
    (span,) = recorded()
    assert span.name == f"{role} {kind}"
    assert span.operation == role
    assert (span.status, span.kind, span.parent_span_id) == ("UNSET", "INTERNAL", None)
    assert span.end_ns is not None
    assert 0 < span.start_ns <= span.end_ns


@every_kind
def test_the_span_is_exported_with_the_ids_it_is_recorded_with(
    kind: str, exporter: InMemorySpanExporter, recorded: Recorded
) -> None:
    _outcome(at.agent(KINDS[kind]), 2)
    (span,), (exported,) = recorded(), exporter.get_finished_spans()
    context = exported.get_span_context()
    assert context is not None
    assert (span.trace_id, span.span_id) == (f"{context.trace_id:032x}", f"{context.span_id:016x}")
    assert (span.name, span.start_ns, span.end_ns) == (exported.name, exported.start_time, exported.end_time)
    assert exported.attributes == span.attributes
    assert exported.instrumentation_scope is not None
    assert exported.instrumentation_scope.name == span.scope == "otel_agenttrace"


@every_kind
def test_an_error_is_raised_as_it_came_and_marks_the_span(
    kind: str, exporter: InMemorySpanExporter, recorded: Recorded
) -> None:
    with pytest.raises(Boom) as raised:
        _outcome(at.agent(KINDS[kind]), 2, fails=True)
    assert raised.value.args == ("no",)
    assert (raised.value.__cause__, raised.value.__context__) == (None, None)
    assert raised.traceback[-1].name == "plain"
    (span,) = recorded()
    assert (span.status, span.status_message) == ("ERROR", "no")
    assert span.attributes[semconv.ERROR_TYPE] == f"{Boom.__module__}.Boom"
    exported = _exported(exporter)[span.name]
    assert not exported.status.is_ok
    assert exported.status.description == "no"


class _Unusual(BaseException):
    """An error that is no Exception."""


@pytest.mark.parametrize(
    "error",
    [
        ValueError("v"),
        StopIteration(7),
        StopAsyncIteration(),
        GeneratorExit(),
        KeyboardInterrupt(),
        SystemExit(3),
        asyncio.CancelledError(),
        _Unusual(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_each_error_of_a_function_is_the_very_same_object(error: BaseException, recorded: Recorded) -> None:
    @at.tool
    def fails() -> None:
        raise error

    with pytest.raises(type(error)) as raised, at.span("around"):
        fails()
    assert raised.value is error
    assert [span.status for span in recorded()] == ["ERROR", "ERROR"]


def test_an_error_of_the_language_is_told_by_its_bare_name(recorded: Recorded) -> None:
    with pytest.raises(KeyError), at.span("s"):
        raise KeyError("k")
    (span,) = recorded()
    assert span.attributes[semconv.ERROR_TYPE] == "KeyError"


def test_a_cancelled_task_marks_its_span_and_stays_cancelled(recorded: Recorded) -> None:
    @at.agent
    async def waits(begun: asyncio.Event) -> None:
        begun.set()
        await asyncio.Event().wait()

    async def main() -> bool:
        begun = asyncio.Event()
        task = asyncio.create_task(waits(begun))
        await begun.wait()
        task.cancel()
        await asyncio.wait([task])
        return task.cancelled()

    assert asyncio.run(main())
    (span,) = recorded()
    assert span.is_error
    assert str(span.attributes[semconv.ERROR_TYPE]).endswith("CancelledError")


# --- laziness -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["coroutine", "generator", "async_generator"])
def test_nothing_runs_and_no_span_begins_before_the_first_step(kind: str, recorded: Recorded) -> None:
    called = at.agent(KINDS[kind])(2, fails=True)
    assert _nothing_is_current()
    if kind != "async_generator":
        called.close()
    del called
    assert recorded() == ()


def test_a_generator_is_asked_for_one_item_at_a_time() -> None:
    made: list[int] = []

    @at.tool
    def counts() -> Iterator[int]:
        for number in range(3):
            made.append(number)
            yield number

    items = counts()
    assert made == []
    assert (next(items), made) == (0, [0])
    assert (next(items), made) == (1, [0, 1])


def test_what_is_sent_and_thrown_into_a_generator_comes_in_and_its_result_comes_out(recorded: Recorded) -> None:
    @at.agent
    def answers() -> Generator[str, str, str]:
        heard = yield "first"
        try:
            yield heard
        except Boom as error:
            heard = yield f"caught {error}"
        return heard

    talk = answers()
    assert next(talk) == "first"
    assert talk.send("hello") == "hello"
    assert talk.throw(Boom("it")) == "caught it"
    with pytest.raises(StopIteration) as ended:
        talk.send("bye")
    assert ended.value.value == "bye"
    (span,) = recorded()
    assert not span.is_error


def test_what_is_sent_and_thrown_into_an_async_generator_comes_in(recorded: Recorded) -> None:
    @at.agent
    async def answers() -> AsyncGenerator[str, str]:
        heard = yield "first"
        try:
            yield heard
        except Boom as error:
            yield f"caught {error}"

    async def main() -> list[str]:
        talk = answers()
        said = [await anext(talk), await talk.asend("hello"), await talk.athrow(Boom("it"))]
        with pytest.raises(StopAsyncIteration):
            await anext(talk)
        return said

    assert asyncio.run(main()) == ["first", "hello", "caught it"]
    (span,) = recorded()
    assert not span.is_error


def test_an_error_thrown_into_a_generator_that_does_not_catch_it_comes_back(recorded: Recorded) -> None:
    items, error = at.agent(generator)(3), Boom("thrown")
    next(items)
    with pytest.raises(Boom) as raised:
        items.throw(error)
    assert raised.value is error
    (span,) = recorded()
    assert (span.status, span.status_message) == ("ERROR", "thrown")


# --- generators that are left early -------------------------------------------------------------------------------------


def _close(items: Generator[int, None, str]) -> None:
    items.close()


def _drop(items: Generator[int, None, str]) -> None:
    del items
    gc.collect()


@pytest.mark.parametrize("leave", [_close, _drop])
def test_a_generator_that_is_left_early_cleans_up_and_its_span_is_no_error(
    leave: Callable[[Generator[int, None, str]], None], recorded: Recorded
) -> None:
    ends: list[str] = []

    @at.agent
    def counts() -> Generator[int, None, str]:
        try:
            yield 1
            yield 2
        finally:
            ends.append("cleaned up")
        return ""

    held = [counts()]
    assert next(held[0]) == 1
    leave(held.pop())
    assert ends == ["cleaned up"]
    (span,) = recorded()
    assert (span.name, span.status) == ("invoke_agent counts", "UNSET")
    assert span.end_ns is not None


def test_an_async_generator_that_is_left_early_cleans_up_and_its_span_is_no_error(recorded: Recorded) -> None:
    ends: list[str] = []

    @at.agent
    async def counts() -> AsyncGenerator[int, None]:
        try:
            yield 1
            yield 2
        finally:
            await asyncio.sleep(0)
            ends.append("cleaned up")

    async def main() -> None:
        items = counts()
        assert await anext(items) == 1
        await items.aclose()
        assert ends == ["cleaned up"]

    asyncio.run(main())
    (span,) = recorded()
    assert span.status == "UNSET"


def test_a_generator_that_is_left_early_ends_then_and_not_when_the_session_does(recorded: Recorded) -> None:
    with at.span("around"):
        items = at.agent(generator)(3)
        next(items)
        items.close()
        closed_ns = time.time_ns()
    around, left = recorded()
    assert left.end_ns is not None
    assert around.end_ns is not None
    assert left.end_ns <= closed_ns
    assert left.end_ns <= around.end_ns


def test_without_a_session_a_generator_that_is_left_early_is_exported_with_the_next_span(
    exporter: InMemorySpanExporter,
) -> None:
    items = at.agent(generator)(3)
    next(items)
    items.close()
    with at.span("next"):
        pass
    assert set(_exported(exporter)) == {"invoke_agent generator", "next"}


def test_a_generator_that_fails_while_it_is_closed_raises_that_and_keeps_its_span(recorded: Recorded) -> None:
    @at.agent
    def counts() -> Generator[int, None, None]:
        try:
            yield 1
        finally:
            raise Boom("while closing")

    items = counts()
    next(items)
    with pytest.raises(Boom, match="while closing"):
        items.close()
    (span,) = recorded()
    assert (span.status, span.status_message) == ("ERROR", "while closing")


# --- whose child a span is ----------------------------------------------------------------------------------------------


def test_spans_stand_under_the_one_that_is_open(exporter: InMemorySpanExporter, recorded: Recorded) -> None:
    @at.tool
    def search(query: str) -> str:
        with at.retrieval(query):
            return "found"

    @at.agent("helper")
    def inner() -> str:
        return search("q")

    @at.agent("main")
    def outer() -> str:
        with at.span("plan"):
            pass
        with at.inference("m", provider="p"):
            pass
        return inner()

    assert outer() == "found"
    expected = {
        "invoke_agent main": None,
        "plan": "invoke_agent main",
        "chat m": "invoke_agent main",
        "invoke_agent helper": "invoke_agent main",
        "execute_tool search": "invoke_agent helper",
        "retrieval": "execute_tool search",
    }
    assert _exported_parents(exporter) == expected
    spans = recorded()
    assert _parents(spans) == expected
    assert len({span.trace_id for span in spans}) == 1
    assert _nothing_is_current()


def test_a_tool_that_calls_itself_is_a_chain(recorded: Recorded) -> None:
    @at.tool
    def falls(n: int) -> int:
        return n and falls(n - 1)

    assert falls(3) == 0
    spans = recorded()
    assert [span.parent_span_id for span in spans] == [None, *(span.span_id for span in spans[:3])]


def test_spans_of_ours_and_of_others_stand_under_each_other(exporter: InMemorySpanExporter, recorded: Recorded) -> None:
    assert telemetry.tracer_provider is not None
    others = telemetry.tracer_provider.get_tracer("others")
    with others.start_as_current_span("request"), at.span("plan"):
        with others.start_as_current_span("query"), at.span("act"):
            pass
        with at.span("check"):
            pass
    assert _exported_parents(exporter) == {
        "request": None,
        "plan": "request",
        "query": "plan",
        "act": "query",
        "check": "plan",
    }
    found = {span.name: span for span in recorded()}
    ids = {
        name: f"{span.context.span_id:016x}" for name, span in _exported(exporter).items() if span.context is not None
    }
    assert {name: span.parent_span_id for name, span in found.items()} == {
        "plan": ids["request"],
        "act": ids["query"],
        "check": ids["plan"],
    }


_TREES: st.SearchStrategy[Any] = st.recursive(
    st.just([]), lambda inner: st.lists(inner, min_size=1, max_size=3), max_leaves=8
)


@settings(max_examples=20)
@given(_TREES, st.lists(st.sampled_from(["span", "agent", "generator"]), min_size=1, max_size=4))
def test_any_tree_of_calls_is_the_tree_of_their_spans(tree: list[Any], kinds: list[str]) -> None:
    expected: _Parents = {}

    def call(path: tuple[int, ...], branches: list[Any]) -> None:
        def body() -> None:
            for place, branch in enumerate(branches):
                call((*path, place), branch)

        name = f"{path}"
        kind = kinds[len(path) % len(kinds)]
        told = name if kind == "span" else f"invoke_agent {name}"
        expected[told] = names[path[:-1]] if path else None
        names[path] = told
        if kind == "span":
            with at.span(name):
                body()
        elif kind == "agent":
            at.agent(name)(body)()
        else:

            def steps() -> Iterator[int]:
                yield 1
                body()
                yield 2

            assert list(at.agent(name)(steps)()) == [1, 2]

    names: dict[tuple[int, ...], str] = {}
    with at.record("tree.otlp.jsonl", quiet=True) as session:
        call((), tree)
    assert _parents(session.trace.spans) == expected
    assert _nothing_is_current()


# --- nothing leaks over a yield -----------------------------------------------------------------------------------------


def test_the_span_of_a_generator_is_current_inside_its_steps_and_not_between_them(
    exporter: InMemorySpanExporter, recorded: Recorded
) -> None:
    @at.agent
    def steps() -> Iterator[int]:
        for number in range(2):
            with at.span(f"inside {number}"):
                pass
            yield number

    with at.span("around"):
        before = active_span()
        for number in steps():
            assert active_span() is before
            with at.span(f"between {number}"):
                pass
    expected = {
        "around": None,
        "invoke_agent steps": "around",
        "inside 0": "invoke_agent steps",
        "between 0": "around",
        "inside 1": "invoke_agent steps",
        "between 1": "around",
    }
    assert _exported_parents(exporter) == expected
    assert _parents(recorded()) == expected


def test_the_span_of_an_async_generator_is_current_inside_its_steps_and_not_between_them(
    exporter: InMemorySpanExporter, recorded: Recorded
) -> None:
    @at.agent
    async def steps() -> AsyncIterator[int]:
        for number in range(2):
            with at.span(f"inside {number}"):
                await asyncio.sleep(0)
            yield number

    async def main() -> None:
        with at.span("around"):
            async for number in steps():
                with at.span(f"between {number}"):
                    await asyncio.sleep(0)

    asyncio.run(main())
    parents = _parents(recorded())
    assert parents == _exported_parents(exporter)
    assert [parents[f"{place} {n}"] for n in range(2) for place in ("inside", "between")] == [
        "invoke_agent steps",
        "around",
    ] * 2


def test_generators_that_take_turns_keep_their_own_spans(recorded: Recorded) -> None:
    def steps(name: str) -> Iterator[str]:
        for number in range(2):
            with at.span(f"{name}{number}"):
                yield_after = name
            yield yield_after

    left, right = at.agent("left")(steps)("l"), at.agent("right")(steps)("r")
    assert [next(items) for items in (left, right, right, left)] == ["l", "r", "r", "l"]
    assert [*left, *right] == []
    parents = _parents(recorded())
    assert {name: parent for name, parent in parents.items() if parent} == {
        "l0": "invoke_agent left",
        "l1": "invoke_agent left",
        "r0": "invoke_agent right",
        "r1": "invoke_agent right",
    }


def test_a_generator_may_take_each_step_in_another_context(recorded: Recorded) -> None:
    items = at.agent(generator)(3)
    assert [contextvars.copy_context().run(next, items) for _ in range(3)] == [0, 1, 2]
    with ThreadPoolExecutor(1) as threads, pytest.raises(StopIteration):
        threads.submit(lambda: items.send(None)).result()
    (span,) = recorded()
    assert not span.is_error


def test_a_block_over_a_yield_may_end_in_another_context_than_it_began_in(recorded: Recorded) -> None:
    def steps() -> Iterator[int]:  # what a web framework does with a streamed response
        with at.span("stream"):
            yield 1
            yield 2

    items = steps()
    assert [contextvars.copy_context().run(next, items) for _ in range(2)] == [1, 2]
    with pytest.raises(StopIteration):
        contextvars.copy_context().run(next, items)
    (span,) = recorded()
    assert (span.name, span.is_error) == ("stream", False)


# --- tasks and threads --------------------------------------------------------------------------------------------------


@at.tool
async def _look(name: str) -> str:
    await asyncio.sleep(0)
    with at.span(f"step {name}"):
        await asyncio.sleep(0)
    return name


@pytest.mark.parametrize("count", [1, 20])
def test_concurrent_tasks_stand_under_the_span_they_were_begun_in(
    count: int, exporter: InMemorySpanExporter, recorded: Recorded
) -> None:
    async def agent(name: str) -> list[str]:
        async def run() -> list[str]:
            return list(await asyncio.gather(*(_look(f"{name}.{number}") for number in range(3))))

        return await at.agent(name)(run)()

    async def main() -> list[list[str]]:
        return list(await asyncio.gather(*(agent(f"a{number}") for number in range(count))))

    assert asyncio.run(main()) == [[f"a{n}.{tool}" for tool in range(3)] for n in range(count)]
    spans = recorded()
    by_id = {span.span_id: span for span in spans}
    steps = [span for span in spans if span.name.startswith("step ")]
    assert len(steps) == 3 * count
    for step in steps:
        tool = by_id[step.parent_span_id or ""]
        agent_span = by_id[tool.parent_span_id or ""]
        name = step.name.removeprefix("step ")
        assert json.loads(str(tool.attributes[semconv.GEN_AI_TOOL_CALL_ARGUMENTS])) == {"name": name}
        assert agent_span.name == f"invoke_agent {name.partition('.')[0]}"
        assert agent_span.parent_span_id is None
    assert len(exporter.get_finished_spans()) == len(spans) == 7 * count


def test_threads_stand_under_the_span_whose_context_they_are_given(recorded: Recorded) -> None:
    together = threading.Barrier(4)

    @at.tool
    def work(name: str) -> None:
        together.wait()
        with at.span(f"step {name}"):
            together.wait()

    def agent(name: str, threads: ThreadPoolExecutor) -> list[Any]:
        with at.span(name):
            return [threads.submit(contextvars.copy_context().run, work, f"{name}{number}") for number in range(2)]

    with ThreadPoolExecutor(4) as threads:
        for future in (*agent("a", threads), *agent("b", threads)):
            future.result()
    spans = recorded()
    by_id = {span.span_id: span for span in spans}
    ancestors = {
        span.name: by_id[by_id[span.parent_span_id or ""].parent_span_id or ""].name
        for span in spans
        if span.name.startswith("step ")
    }
    assert ancestors == {"step a0": "a", "step a1": "a", "step b0": "b", "step b1": "b"}


def test_to_thread_carries_the_parent_along(recorded: Recorded) -> None:
    async def main() -> None:
        with at.span("around"):
            await asyncio.to_thread(at.tool(plain), 1)

    asyncio.run(main())
    assert _parents(recorded()) == {"around": None, "execute_tool plain": "around"}


def test_a_thread_without_a_context_begins_a_trace_of_its_own(recorded: Recorded) -> None:
    with at.span("around"):
        thread = threading.Thread(target=at.tool(plain), args=(1,))
        thread.start()
        thread.join()
    around, tool = recorded()
    assert tool.parent_span_id is None
    assert tool.trace_id != around.trace_id


# --- classes ------------------------------------------------------------------------------------------------------------


class _Base:
    def __init__(self, factor: int) -> None:
        self.factor = factor

    @at.tool
    def times(self, n: int) -> int:
        """Multiply."""
        return self.factor * n

    @at.tool
    @classmethod
    def made_inside(cls, factor: int) -> _Base:
        return cls(factor)

    @classmethod
    @at.tool
    def made_outside(cls, factor: int) -> _Base:
        return cls(factor)

    @at.tool
    @staticmethod
    def half_inside(n: int) -> int:
        return n // 2

    @staticmethod
    @at.tool
    def half_outside(n: int) -> int:
        return n // 2

    @at.agent
    async def waits(self, n: int) -> int:
        await asyncio.sleep(0)
        return self.times(n)

    @at.agent
    def __call__(self, n: int) -> int:
        return self.times(n)


class _Derived(_Base):
    @at.tool
    def times(self, n: int) -> int:
        return -super().times(n)


def test_methods_run_as_before_and_do_not_tell_their_object(recorded: Recorded) -> None:
    made = [_Derived.made_inside(2), _Derived.made_outside(2), _Base(2).made_inside(3)]
    assert [type(each) for each in made] == [_Derived, _Derived, _Base]
    assert [_Base(2).times(3), _Base.times(_Base(2), 4), _Derived(2).times(n=3)] == [6, 8, -6]
    assert [_Base.half_inside(8), _Base(2).half_inside(6), _Base.half_outside(n=4)] == [4, 3, 2]
    assert [asyncio.run(_Base(2).waits(5)), _Base(3)(5)] == [10, 15]
    told = [
        json.loads(str(arguments))
        for span in recorded()
        if (arguments := span.attributes.get(semconv.GEN_AI_TOOL_CALL_ARGUMENTS))
    ]
    assert told == [
        *({"factor": factor} for factor in (2, 2, 3)),
        *({"n": n} for n in (3, 4, 3, 3)),  # the last two are one call: the derived method calls its base
        *({"n": n} for n in (8, 6, 4)),
        *({"n": n} for n in (5, 5)),
    ]


def test_the_kind_of_a_method_stays() -> None:
    assert isinstance(inspect.getattr_static(_Base, "made_inside"), classmethod)
    assert isinstance(inspect.getattr_static(_Base, "half_inside"), staticmethod)
    assert inspect.iscoroutinefunction(_Base(1).waits)
    assert list(inspect.signature(_Base(1).times).parameters) == ["n"]
    assert _Base.times.__doc__ == "Multiply."
    assert _Base.times.__qualname__ == "_Base.times"


@pytest.mark.parametrize(
    ("function", "expected"),
    [(functools.partial(plain, 2), [0, 1]), (_Base(2), None), (max, None), (lambda n: [n], None)],
    ids=["partial", "object", "builtin", "lambda"],
)
def test_whatever_can_be_called_can_be_a_tool(function: Callable[..., Any], expected: object) -> None:
    arguments = () if expected is not None else ((2, 3) if function is max else (2,))
    assert at.tool(function)(*arguments) == function(*arguments)


# --- what is told -------------------------------------------------------------------------------------------------------


def test_a_tool_tells_name_description_arguments_and_result(recorded: Recorded) -> None:
    assert at.tool("count")(plain)(2) == [0, 1]
    (span,) = recorded()
    assert span.name == "execute_tool count"
    assert span.attributes == {
        semconv.GEN_AI_OPERATION_NAME: "execute_tool",
        semconv.GEN_AI_TOOL_NAME: "count",
        semconv.GEN_AI_TOOL_TYPE: "function",
        semconv.GEN_AI_TOOL_DESCRIPTION: "Count.",
        semconv.GEN_AI_TOOL_CALL_ARGUMENTS: '{"n":2}',
        semconv.GEN_AI_TOOL_CALL_RESULT: "[0,1]",
        semconv.AGENTTRACE_TOOL_RESULT_TYPE: "json",
        semconv.AGENTTRACE_TOOL_LANE: "",
    }


def test_the_name_of_an_agent_is_its_own_or_the_one_it_is_given(recorded: Recorded) -> None:
    for decorate in (at.agent, at.agent(), at.agent("other")):
        decorate(plain)(1)
    told = [(span.name, span.attributes[semconv.GEN_AI_AGENT_NAME]) for span in recorded()]
    assert told == [("invoke_agent plain", "plain")] * 2 + [("invoke_agent other", "other")]


def test_what_a_tool_is_called_with_is_told_as_it_was_before_the_tool_changed_it(recorded: Recorded) -> None:
    @at.tool
    def clears(items: list[int]) -> list[int]:
        items.clear()
        return items

    clears([1, 2])
    (span,) = recorded()
    assert span.attributes[semconv.GEN_AI_TOOL_CALL_ARGUMENTS] == '{"items":[1,2]}'
    assert span.attributes[semconv.GEN_AI_TOOL_CALL_RESULT] == "[]"


class _Silent:
    def __repr__(self) -> str:
        raise Boom("no repr")


_round: list[Any] = []
_round.append(_round)


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("text", "text"),
        ({"é": [1, None, 2.5]}, '{"é":[1,null,2.5]}'),
        (None, "null"),
        (Path("/x"), f'"{Path("/x")!r}"'.replace("\\", "")),
        ({(1, 2): 3}, "{(1, 2): 3}"),
        (_round, "[[...]]"),
        (b"\xff", "\"b'\\\\xff'\""),
    ],
    ids=["text", "JSON", "None", "path", "tuple key", "circle", "bytes"],
)
def test_any_result_is_told_and_handed_on_as_it_is(value: Any, told: str, recorded: Recorded) -> None:
    assert at.tool(lambda: value)() is value
    (span,) = recorded()
    assert span.attributes[semconv.GEN_AI_TOOL_CALL_RESULT] == told


def test_an_object_that_cannot_be_told_does_not_disturb_the_tool(recorded: Recorded) -> None:
    silent = _Silent()
    assert at.tool(lambda it: it)(silent) is silent
    (span,) = recorded()
    assert not span.is_error


def test_content_stays_in_the_cassette_unless_it_is_asked_for(
    exporter: InMemorySpanExporter, recorded: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    at.tool("quiet")(plain)(1)
    monkeypatch.setenv(CONTENT_SWITCH, "true")
    at.tool("open")(plain)(1)
    quiet, told = (_exported(exporter)[f"execute_tool {name}"].attributes or {} for name in ("quiet", "open"))
    names = {semconv.GEN_AI_TOOL_CALL_ARGUMENTS, semconv.GEN_AI_TOOL_CALL_RESULT}
    assert not names & set(quiet)
    assert names <= set(told)
    assert all(names <= set(span.attributes) for span in recorded())


def test_a_block_is_a_step_with_its_attributes(exporter: InMemorySpanExporter, recorded: Recorded) -> None:
    with at.span("plan", app__stage="first", tries=2, nothing=None) as step:
        step.set(app__stage="second", done=True)
    (span,) = recorded()
    assert span.attributes == {
        semconv.AGENTTRACE_NODE_NAME: "plan",
        "app.stage": "second",
        "tries": 2,
        "done": True,
    }
    assert _exported(exporter)["plan"].attributes == span.attributes
    assert step.span_id == span.span_id


def test_a_retrieval_tells_query_source_and_documents(recorded: Recorded) -> None:
    with at.retrieval("cats", data_source="wiki", top_k=3) as found:
        found.documents([{"id": "1", "score": 0.5}, {"id": "2"}])
    (span,) = recorded()
    assert (span.name, span.kind) == ("retrieval wiki", "CLIENT")
    assert span.attributes == {
        semconv.GEN_AI_OPERATION_NAME: "retrieval",
        semconv.GEN_AI_DATA_SOURCE_ID: "wiki",
        semconv.GEN_AI_RETRIEVAL_TOP_K: 3,
        semconv.GEN_AI_RETRIEVAL_QUERY_TEXT: "cats",
        semconv.GEN_AI_RETRIEVAL_DOCUMENTS: '[{"id":"1","score":0.5},{"id":"2"}]',
    }


def test_documents_may_be_told_at_once(recorded: Recorded) -> None:
    with at.retrieval("cats", documents=[{"id": "1"}]):
        pass
    (span,) = recorded()
    assert span.name == "retrieval"
    assert span.attributes[semconv.GEN_AI_RETRIEVAL_DOCUMENTS] == '[{"id":"1"}]'


def test_a_call_by_other_means_is_an_inference_with_usage(recorded: Recorded) -> None:
    asked = Message("user", ({"type": "text", "content": "Hello?"},))
    with at.inference("m-1", provider="me", messages=[asked]) as call:
        call.respond("Hello.", usage=Usage(10, 5, 4, 3, 2, 1), model="m-1-2026", id="r1", finish_reason="stop")
    (span,) = recorded()
    assert (span.name, span.kind, span.is_inference) == ("chat m-1", "CLIENT", True)
    assert span.usage == Usage(10, 5, 4, 3, 2, 1)
    assert dict(span.attributes) == {
        **span.attributes,
        semconv.GEN_AI_PROVIDER_NAME: "me",
        semconv.GEN_AI_REQUEST_MODEL: "m-1",
        semconv.GEN_AI_RESPONSE_MODEL: "m-1-2026",
        semconv.GEN_AI_RESPONSE_ID: "r1",
        semconv.GEN_AI_RESPONSE_FINISH_REASONS: ("stop",),
        semconv.GEN_AI_INPUT_MESSAGES: '[{"role":"user","parts":[{"type":"text","content":"Hello?"}]}]',
        semconv.GEN_AI_OUTPUT_MESSAGES: '[{"role":"assistant","parts":[{"type":"text","content":"Hello."}]}]',
    }


def test_what_an_answer_does_not_tell_is_not_known(recorded: Recorded) -> None:
    with at.inference("m", provider="p", operation="embeddings") as call:
        call.respond()
    (span,) = recorded()
    assert span.name == "embeddings m"
    assert span.usage == Usage()
    assert set(span.attributes) == {
        semconv.GEN_AI_OPERATION_NAME,
        semconv.GEN_AI_PROVIDER_NAME,
        semconv.GEN_AI_REQUEST_MODEL,
    }


_BLOCKS: Final[Mapping[str, Callable[[], Any]]] = {
    "span": lambda: at.span("s"),
    "retrieval": lambda: at.retrieval("q"),
    "inference": lambda: at.inference("m", provider="p"),
}


@pytest.mark.parametrize("block", _BLOCKS)
def test_a_block_raises_errors_as_they_came_and_is_marked(block: str, recorded: Recorded) -> None:
    error = Boom("inside")
    with pytest.raises(Boom) as raised, _BLOCKS[block]():
        raise error
    assert raised.value is error
    (span,) = recorded()
    assert (span.status, span.status_message) == ("ERROR", "inside")


@pytest.mark.parametrize("block", _BLOCKS)
def test_blocks_stand_in_functions_of_every_kind(block: str, recorded: Recorded) -> None:
    def sync_steps() -> Iterator[int]:
        with _BLOCKS[block]() as opened:
            assert isinstance(opened, OpenSpan)
        yield 1

    async def steps() -> AsyncIterator[int]:
        with _BLOCKS[block]():
            await asyncio.sleep(0)
        yield 1

    async def awaited() -> list[int]:
        with _BLOCKS[block]():
            return await _collected(steps())

    for function in (sync_steps, steps, awaited):
        assert _outcome(at.agent(function)) == [1]
    spans = recorded()
    agents = {span.span_id for span in spans if span.operation == "invoke_agent"}
    blocks = [span for span in spans if span.span_id not in agents]
    assert len(agents) == 3
    assert len(blocks) == 4
    assert _nothing_is_current()


# --- decisions ----------------------------------------------------------------------------------------------------------


def _decide() -> None:
    # not among the names of the package
    from otel_agenttrace.annotate import decision

    decision("search", reason="unknown word", alternatives=["guess", "ask"])


_DECISION: Final[Mapping[str, AttributeValue]] = {
    semconv.AGENTTRACE_DECISION_CHOICE: "search",
    semconv.AGENTTRACE_DECISION_REASON: "unknown word",
    semconv.AGENTTRACE_DECISION_ALTERNATIVES: ("guess", "ask"),
}


def _decides() -> list[int]:
    _decide()
    return [0]


async def _decides_async() -> list[int]:
    await asyncio.sleep(0)
    return _decides()


def _decides_in_steps() -> Iterator[int]:
    yield 0
    _decide()


async def _decides_in_async_steps() -> AsyncIterator[int]:
    yield 0
    _decide()


@pytest.mark.parametrize("function", [_decides, _decides_async, _decides_in_steps, _decides_in_async_steps])
def test_a_decision_is_an_event_of_the_span_it_is_made_in(
    function: Callable[[], Any], exporter: InMemorySpanExporter, recorded: Recorded
) -> None:
    assert _outcome(at.agent("a")(function)) == [0]
    (span,) = recorded()
    (event,) = span.events
    assert (event.name, event.attributes) == (semconv.EVENT_AGENTTRACE_DECISION, _DECISION)
    assert span.end_ns is not None
    assert span.start_ns <= event.time_ns <= span.end_ns
    (exported,) = _exported(exporter)["invoke_agent a"].events
    assert (exported.name, dict(exported.attributes or {})) == (event.name, _DECISION)


def test_a_decision_outside_of_our_spans_goes_to_the_span_of_another(exporter: InMemorySpanExporter) -> None:
    assert telemetry.tracer_provider is not None
    with telemetry.tracer_provider.get_tracer("others").start_as_current_span("request"):
        _decide()
    (event,) = _exported(exporter)["request"].events
    assert event.name == semconv.EVENT_AGENTTRACE_DECISION


def test_a_decision_under_no_span_is_no_error() -> None:
    _decide()


# --- with nothing around ------------------------------------------------------------------------------------------------


@every_kind
@every_role
def test_without_session_and_provider_everything_runs(kind: str, role: str) -> None:
    with at.span("s") as step:
        assert _outcome(DECORATORS[role](KINDS[kind]), 2) == [0, 1]
        step.set(a=1)
        assert len(step.span_id) == 16
    assert _nothing_is_current()


def test_without_a_session_spans_are_exported(exporter: InMemorySpanExporter) -> None:
    with at.span("plan"), at.retrieval("q"):
        at.tool(plain)(1)
    assert _exported_parents(exporter) == {"plan": None, "retrieval": "plan", "execute_tool plain": "retrieval"}


def test_without_a_provider_the_cassette_has_whole_spans(recorded: Recorded) -> None:
    with at.span("plan"):
        at.tool(plain)(1)
    plan, tool = recorded()
    assert (plan.parent_span_id, tool.parent_span_id) == (None, plan.span_id)
    assert plan.trace_id == tool.trace_id != "0" * 32
    assert len({plan.span_id, tool.span_id, "0" * 16}) == 3


def test_what_is_not_sampled_is_in_the_cassette_all_the_same(
    monkeypatch: pytest.MonkeyPatch, recorded: Recorded
) -> None:
    provider, exporter = TracerProvider(sampler=ALWAYS_OFF), InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "tracer_provider", provider)
    with at.span("plan"):
        at.tool(plain)(1)
    assert exporter.get_finished_spans() == ()
    assert _parents(recorded()) == {"plan": None, "execute_tool plain": "plan"}
    provider.shutdown()


def test_muted_spans_are_in_the_cassette_and_are_not_exported(
    exporter: InMemorySpanExporter, monkeypatch: pytest.MonkeyPatch, recorded: Recorded
) -> None:
    monkeypatch.setattr(telemetry, "spans_on", False)
    with at.span("plan"):
        at.tool(plain)(1)
    assert exporter.get_finished_spans() == ()
    assert _parents(recorded()) == {"plan": None, "execute_tool plain": "plan"}


def test_a_span_that_outlives_its_session_does_no_harm(exporter: InMemorySpanExporter, recorded: Recorded) -> None:
    with at.span("plan"):
        assert recorded() == ()
    assert set(_exported(exporter)) == {"plan"}
