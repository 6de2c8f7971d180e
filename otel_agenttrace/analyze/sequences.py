"""Tell what the runs of a file did, in order, in few bytes. A stream of spans in, runs of acts out; content is not kept.

A tool that has a span counts by it. Where no tool span follows a call to a model before the next one, the tools count that
the model asked for: spans that tell their messages are read, and recorded answers whose finish reason says that there are some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from json import JSONEncoder, loads
from operator import attrgetter
from sys import intern
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import cost_of_call, usage_of
from otel_agenttrace.analyze.evaluations import run_passed, verdicts_on
from otel_agenttrace.analyze.measures import model_of
from otel_agenttrace.analyze.streams import SpanStream, run_of
from otel_agenttrace.analyze.tool_calls import arguments_of, asks_for_tools, told_arguments, tool_name
from otel_agenttrace.analyze.trajectories import parallel_groups
from otel_agenttrace.doubles import Telling, doubled
from otel_agenttrace.jsonvalue import Json, canonical, text
from otel_agenttrace.model import Call, Span, Trace, Usage
from otel_agenttrace.wire.recorded import output_messages

__all__ = ["UNKNOWN_MODEL", "Act", "ActKind", "Run", "cycle", "runs_in", "tool_steps"]

ActKind: TypeAlias = Literal["agent", "model", "tool"]
_Asked: TypeAlias = "tuple[tuple[str, int | None], ...]"

UNKNOWN_MODEL: Final = "(not known)"
"""Stands where neither the request nor the answer names the model."""
_FAILED: Final = "error"
_NOT_TOLD: Final = Usage()


@dataclass(frozen=True, slots=True)
class Act:
    """One thing that a run did.

    Attributes:
        kind: What it is.
        name: Of the agent or the tool, or the model as it called itself.
        start_ns: When it began.
        end_ns: When it ended; None if that is not told. Where its duration is not known, it gives the order and no more.
        span_id: Its span; of a tool without one, that of the model that asked for it.
        parent: The span above it.
        error: What it failed with; None if it did not fail.
        arguments: A number that two calls of a tool share in one process if they have the same arguments; None where these are not known.
        usage: The tokens of a call to a model.
        cost_usd: What that call cost; None where it is not known.
        duration_s: How long it took, in seconds; None where its source does not tell that.
    """

    kind: ActKind
    name: str
    start_ns: int
    end_ns: int | None
    span_id: str
    parent: str | None = None
    error: str | None = None
    arguments: int | None = None
    usage: Usage = _NOT_TOLD
    cost_usd: float | None = None
    duration_s: float | None = None


@dataclass(frozen=True, slots=True)
class Run:
    """What one run did.

    Attributes:
        file: The file, as the user named it.
        trace_id: The trace; the first one where a recording has several.
        acts: In order of their start.
        parents: The span above each span that is no act.
        start_ns: When its first span began.
        end_ns: When its last span ended; None if one did not end, or no time is told.
        untold: Calls to models that asked for tools which nobody tells.
        passed: Whether its evaluations say that it passed; None if none says it.
    """

    file: str
    trace_id: str
    acts: tuple[Act, ...]
    parents: dict[str, str | None] = field(repr=False)
    start_ns: int
    end_ns: int | None
    untold: int = 0
    passed: bool | None = None

    @property
    def duration_s(self) -> float | None:
        """Seconds from the first start to the last end."""
        return None if self.end_ns is None else (self.end_ns - self.start_ns) / 1e9

    @property
    def is_good(self) -> bool:
        """Whether it passed; where no evaluation says it, whether no call of it failed."""
        if self.passed is not None:
            return self.passed
        return all(act.error is None for act in self.acts if act.kind != "agent")

    def of(self, kind: ActKind) -> tuple[Act, ...]:
        """Return the acts of a kind."""
        return tuple(act for act in self.acts if act.kind == kind)


_Taken: TypeAlias = "tuple[Act, int | None]"
"""An act, and of a call to a model its number in the file."""


class _Open:
    """A run of which more may come. Of a large file there may be many: acts are kept as text, a third of what objects take."""

    __slots__ = (
        "asked",
        "end_ns",
        "is_large",
        "is_open",
        "is_timed",
        "parents",
        "rows",
        "start_ns",
        "trace_id",
        "verdicts",
    )

    def __init__(self, span: Span, *, is_large: bool) -> None:
        self.trace_id = span.trace_id
        self.rows: list[_Taken | str] = []
        self.asked: dict[int, Callable[[], _Asked]] = {}
        self.parents: dict[str, str | None] = {}
        self.verdicts: list[tuple[str | None, bool]] = []
        self.start_ns, self.end_ns, self.is_open, self.is_timed = span.start_ns, span.start_ns, False, False
        self.is_large = is_large

    def note(self, span: Span) -> None:
        self.start_ns = min(self.start_ns, span.start_ns)
        self.end_ns = max(self.end_ns, span.end_ns or span.start_ns)
        self.is_open = self.is_open or span.end_ns is None
        self.is_timed = self.is_timed or span.has_time
        self.verdicts += verdicts_on(span)

    def keep(
        self,
        kind: ActKind,
        name: str,
        span: Span,
        arguments: int | None = None,
        usage: Usage = _NOT_TOLD,
        cost: float | None = None,
        number: int | None = None,
    ) -> None:
        place = (span.start_ns, span.end_ns, span.span_id, span.parent_span_id)
        took = span.duration_ns
        act = Act(kind, name, *place, _error(span), arguments, usage, cost, None if took is None else took / 1e9)
        self.rows.append(_written(act, number) if self.is_large else (act, number))

    def acts(self, left_out: frozenset[int]) -> list[_Taken]:
        """Return the acts, without those whose number is left out."""
        taken = (_read(row) if isinstance(row, str) else row for row in self.rows)
        kept = (each for each in taken if each[1] not in left_out)
        return sorted(kept, key=lambda each: (each[0].start_ns, each[0].kind, each[0].name, each[0].span_id))


_compact: Final = JSONEncoder(separators=(",", ":")).encode
_tokens: Final = attrgetter(*Usage.__slots__)
_told: Final = attrgetter(*(name for name in Act.__slots__ if name != "usage"))


def _written(act: Act, number: int | None) -> str:
    """Return what is kept of an act: a text, ASCII only."""
    return _compact((number, None if act.usage is _NOT_TOLD else _tokens(act.usage), *_told(act)))


def _read(row: str) -> _Taken:
    number, tokens, kind, name, start, end, span_id, parent, error, arguments, cost, took = loads(row)
    usage = _NOT_TOLD if tokens is None else Usage(*tokens)
    place = (start, end, span_id, parent)
    return Act(kind, intern(name), *place, error and intern(error), arguments, usage, cost, took), number


def runs_in(stream: SpanStream) -> Iterator[Run]:
    """Yield the runs of a file in order of their start: each recording is one, else each trace.

    A trace that has no agent, no call to a model and no tool is none.
    """
    opened: dict[object, _Open] = {}
    left_out = doubled(_taken(stream, opened, is_large=not isinstance(stream.spans, tuple)))
    for run in sorted(opened.values(), key=lambda run: (run.start_ns, run.trace_id)):
        acts = run.acts(left_out)
        if acts:
            yield _closed(stream.name, run, acts)


def _taken(stream: SpanStream, opened: dict[object, _Open], *, is_large: bool) -> Iterator[Telling]:
    """Put what each span did into its run, and yield what the calls to models tell: which of them count is known at the end."""
    number = 0
    pricing = Trace((), stream.cost_of)
    for span in stream.spans:
        key = run_of(span)
        run = opened.get(key)
        if run is None:
            run = opened[key] = _Open(span, is_large=is_large)
        run.note(span)
        if not span.is_inference:
            _take(span, run)
            continue
        _take_call(span, number, run, pricing)
        number += 1
        yield span.telling


def _take(span: Span, run: _Open) -> None:
    if span.operation == semconv.OPERATION_EXECUTE_TOOL:
        run.keep("tool", tool_name(span), span, _digest(told_arguments(span)))
    elif span.operation == semconv.OPERATION_INVOKE_AGENT:
        named = span.attributes.get(semconv.GEN_AI_AGENT_NAME)
        run.keep("agent", named if isinstance(named, str) and named else span.name, span)
    else:
        run.parents[span.span_id] = span.parent_span_id


def _take_call(span: Span, number: int, run: _Open, pricing: Trace) -> None:
    cost = cost_of_call(pricing, span)
    run.keep("model", model_of(span) or UNKNOWN_MODEL, span, None, usage_of(span), cost, number)
    asked = _asking(span)
    if asked is not None:
        run.asked[number] = asked


def _error(span: Span) -> str | None:
    if not span.is_error:
        return None
    told = span.attributes.get(semconv.ERROR_TYPE)
    return told if isinstance(told, str) and told else _FAILED


def _digest(arguments: Json) -> int | None:
    return None if arguments is None else hash(canonical(arguments))


def _asking(span: Span) -> Callable[[], _Asked] | None:
    told = span.attributes.get(semconv.GEN_AI_OUTPUT_MESSAGES)
    if isinstance(told, str):
        asked = _asked(span) if "tool_call" in told else ()
        return (lambda: asked) if asked else None
    if not asks_for_tools(span):
        return None
    read = span.read_call
    return _nothing if read is None else lambda: _asked(_only(read))


def _nothing() -> _Asked:
    return ()


def _only(read: Callable[[], Call | None]) -> Span:
    """Return a span that is nothing but its recorded call: the rest need not be kept."""
    return Span("", "", "", 0, read_call=read)


def _asked(span: Span) -> _Asked:
    parts = (part for message in output_messages(span) for part in message.parts if part.get("type") == "tool_call")
    return tuple((intern(text(part.get("name")) or ""), _digest(arguments_of(part))) for part in parts)


def _closed(file: str, run: _Open, taken: Sequence[_Taken]) -> Run:
    acts: list[Act] = []
    untold = 0
    is_told = False
    for act, number in reversed(taken):
        if number is not None:
            ask = None if is_told else run.asked.get(number)
            asked = ask() if ask is not None else ()
            untold += ask is not None and not asked
            acts += [_asked_tool(act, name, arguments) for name, arguments in reversed(asked)]
        is_told = act.kind == "tool" or (act.kind == "agent" and is_told)
        acts.append(act)
    end_ns = run.end_ns if run.is_timed and not run.is_open else None
    return Run(file, run.trace_id, tuple(reversed(acts)), run.parents, run.start_ns, end_ns, untold, _passed(run, acts))


def _passed(run: _Open, acts: Sequence[Act]) -> bool | None:
    if not run.verdicts:
        return None
    parents = {**run.parents, **{act.span_id: act.parent for act in acts}}
    return run_passed(run.verdicts, parents, {act.span_id for act in acts if act.kind == "agent"})


def _asked_tool(model: Act, name: str, arguments: int | None) -> Act:
    return Act("tool", name, model.start_ns, None, model.span_id, model.parent, None, arguments)


def tool_steps(run: Run) -> Iterator[Act]:
    """Yield the calls of tools in order; those of one parent that ran at the same time by their names, for their order means nothing."""
    for _, row in groupby(run.of("tool"), key=lambda act: act.parent):
        for group in parallel_groups(row):
            yield from sorted(group, key=lambda act: act.name)


def cycle(names: Sequence[str], rounds: int) -> tuple[int, int, int] | None:
    """Return where the first shortest sequence of two or more different names begins that comes again at once, its length, how often."""
    for length in range(2, len(names) // rounds + 1):
        begin = 0
        for place in range(length, len(names) + 1):
            if place < len(names) and names[place] == names[place - length]:
                continue
            times = (place - begin) // length
            if times >= rounds and len(set(names[begin : begin + length])) > 1:
                return begin, length, times
            begin = place - length + 1
    return None
