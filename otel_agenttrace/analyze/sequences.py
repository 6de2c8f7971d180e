"""Tell what the runs of a file did, in order, in few bytes. A stream of spans in, runs of acts out; content is not kept.

A tool that has a span counts by it. Where no tool span follows a call to a model before the next one, the tools count that
the model asked for: spans that tell their messages are read, and recorded answers whose finish reason says that there are some.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import groupby, starmap
from operator import attrgetter
from sys import intern
from typing import Any, Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import cost_of_call, usage_of
from otel_agenttrace.analyze.evaluations import run_passed, verdicts_on
from otel_agenttrace.analyze.measures import model_of
from otel_agenttrace.analyze.rows import Rows
from otel_agenttrace.analyze.streams import SpanStream, run_of
from otel_agenttrace.analyze.tool_calls import arguments_of, asks_for_tools, told_arguments, tool_name
from otel_agenttrace.analyze.trajectories import parallel_groups
from otel_agenttrace.doubles import Telling, doubled
from otel_agenttrace.jsonvalue import Json, canonical, text
from otel_agenttrace.model import Call, Span, Trace, Usage
from otel_agenttrace.wire.recorded import output_messages

__all__ = ["UNKNOWN_MODEL", "Act", "ActKind", "Run", "runs_in", "tool_steps"]

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


_Head: TypeAlias = "tuple[ActKind, str, str | None]"
"""The kind of an act, its name and its error."""
_Taken: TypeAlias = "tuple[Act, int | None, _Asked | None]"
"""An act; of a call to a model its number in the file, and the tools it asked for, None where it asked for none."""


class _Open:
    """A run of which more may come. Of a large file there may be many."""

    __slots__ = ("end_ns", "is_open", "is_timed", "rows", "start_ns", "trace_id")

    def __init__(self, span: Span, rows: Rows | list[tuple[Any, ...]]) -> None:
        self.trace_id = span.trace_id
        self.rows = rows
        self.start_ns, self.end_ns, self.is_open, self.is_timed = span.start_ns, span.start_ns, False, False

    def note(self, span: Span) -> None:
        self.start_ns = min(self.start_ns, span.start_ns)
        self.end_ns = max(self.end_ns, span.end_ns or span.start_ns)
        self.is_open = self.is_open or span.end_ns is None
        self.is_timed = self.is_timed or span.has_time


def runs_in(stream: SpanStream) -> Iterator[Run]:
    """Yield the runs of a file in order of their start: each recording is one, else each trace.

    A trace that has no agent, no call to a model and no tool is none.
    """
    reading = _Reading(Trace((), stream.cost_of), list if isinstance(stream.spans, tuple) else Rows)
    left_out = doubled(reading.taken(stream.spans))
    for run in reading.ended():
        acts = reading.acts(run, left_out)
        if acts:
            yield reading.closed(stream.name, run, acts)


class _Reading:
    """The runs of a file. What an act is called stands once for all of that name: a file has few."""

    def __init__(self, pricing: Trace, rows: Callable[[], Rows | list[tuple[Any, ...]]]) -> None:
        self._pricing = pricing
        self._rows = rows
        self._opened: dict[object, _Open] = {}
        self._heads: dict[_Head, int] = {}
        self._named: tuple[_Head, ...] = ()
        self._others: defaultdict[_Open, Rows] = defaultdict(Rows)
        self._verdicts: defaultdict[_Open, Rows] = defaultdict(Rows)
        self._calls = 0
        self._recorded: dict[int, Callable[[], Call | None]] = {}
        """What calls to models asked for is read there, by their number."""

    def taken(self, spans: Iterable[Span]) -> Iterator[Telling]:
        """Put what each span did into its run, and yield what the calls to models tell: which of them count is known at the end."""
        for span in spans:
            key = run_of(span)
            run = self._opened.get(key)
            if run is None:
                run = self._opened[key] = _Open(span, self._rows())
            run.note(span)
            if span.events:
                for verdict in verdicts_on(span):
                    self._verdicts[run].append(verdict)
            operation = span.operation
            if operation in semconv.INFERENCE_OPERATIONS:
                self._take_call(span, run)
                yield span.telling
            elif operation == semconv.OPERATION_EXECUTE_TOOL:
                self._keep(run, span, "tool", tool_name(span), _digest(told_arguments(span)))
            elif operation == semconv.OPERATION_INVOKE_AGENT:
                named = span.attributes.get(semconv.GEN_AI_AGENT_NAME)
                self._keep(run, span, "agent", named if isinstance(named, str) and named else span.name)
            else:
                self._others[run].append((span.span_id, span.parent_span_id))

    def _take_call(self, span: Span, run: _Open) -> None:
        cost = cost_of_call(self._pricing, span)
        asked = _told(span)
        if asked == () and span.read_call is not None:
            self._recorded[self._calls] = span.read_call
        name = model_of(span) or UNKNOWN_MODEL
        self._keep(run, span, "model", name, None, self._calls, cost, asked, *_tokens(usage_of(span)))
        self._calls += 1

    def _keep(self, run: _Open, span: Span, kind: ActKind, name: str, *more: object) -> None:
        head = self._heads.setdefault((kind, name, _error(span)), len(self._heads))
        length = None if span.end_ns is None else span.end_ns - span.start_ns
        is_timed = span.duration_ns is not None
        run.rows.append((head, span.start_ns, length, is_timed, span.span_id, span.parent_span_id, *more))

    def ended(self) -> Iterator[_Open]:
        """Yield the runs, which are all that there will be, in order of their start; none is held any longer."""
        self._named = tuple(self._heads)
        ended = sorted(self._opened.values(), key=lambda run: (run.start_ns, run.trace_id))
        ended.reverse()
        self._opened.clear()
        while ended:
            yield ended.pop()

    def acts(self, run: _Open, left_out: frozenset[int]) -> list[_Taken]:
        """Return the acts of a run, without those whose number is left out."""
        kept = (each for each in starmap(self._act, run.rows) if each[1] not in left_out)
        return sorted(kept, key=lambda each: (each[0].start_ns, each[0].kind, each[0].name, each[0].span_id))

    def _act(
        self,
        head: int,
        start_ns: int,
        length: int | None,
        is_timed: bool,
        span_id: str,
        parent: str | None,
        arguments: int | None = None,
        number: int | None = None,
        cost: float | None = None,
        asked: _Asked | None = None,
        *tokens: int | None,
    ) -> _Taken:
        kind, name, error = self._named[head]
        end_ns = None if length is None else start_ns + length
        took = length / 1e9 if length is not None and is_timed else None
        usage = Usage(*tokens) if tokens else _NOT_TOLD
        return Act(kind, name, start_ns, end_ns, span_id, parent, error, arguments, usage, cost, took), number, asked

    def closed(self, file: str, run: _Open, taken: Sequence[_Taken]) -> Run:
        """Return a run with the tools that calls to models asked for and nobody else tells."""
        parents = dict(self._others.pop(run, ()))
        acts: list[Act] = []
        untold = 0
        is_told = False
        for act, number, told in reversed(taken):
            if told is not None and not is_told:
                asked = told or self._read(number)
                untold += not asked
                acts += [_asked_tool(act, name, arguments) for name, arguments in reversed(asked)]
            is_told = act.kind == "tool" or (act.kind == "agent" and is_told)
            acts.append(act)
        end_ns = run.end_ns if run.is_timed and not run.is_open else None
        passed = _passed(tuple(self._verdicts.pop(run, ())), parents, acts)
        return Run(file, run.trace_id, tuple(reversed(acts)), parents, run.start_ns, end_ns, untold, passed)

    def _read(self, number: int | None) -> _Asked:
        read = self._recorded.get(number) if number is not None else None
        return () if read is None else _asked(Span("", "", "", 0, read_call=read))


_tokens: Final = attrgetter(*Usage.__slots__)


def _error(span: Span) -> str | None:
    if not span.is_error:
        return None
    told = span.attributes.get(semconv.ERROR_TYPE)
    return told if isinstance(told, str) and told else _FAILED


def _digest(arguments: Json) -> int | None:
    return None if arguments is None else hash(canonical(arguments))


def _told(span: Span) -> _Asked | None:
    """Return the tools that a call tells it asked for: None where there are none, nothing where they are to be read."""
    told = span.attributes.get(semconv.GEN_AI_OUTPUT_MESSAGES)
    if isinstance(told, str):
        return (_asked(span) if "tool_call" in told else ()) or None
    return () if asks_for_tools(span) else None


def _asked(span: Span) -> _Asked:
    parts = (part for message in output_messages(span) for part in message.parts if part.get("type") == "tool_call")
    return tuple((text(part.get("name")) or "", _digest(arguments_of(part))) for part in parts)


def _passed(verdicts: Sequence[tuple[Any, ...]], parents: Mapping[str, str | None], acts: Sequence[Act]) -> bool | None:
    if not verdicts:
        return None
    above = {**parents, **{act.span_id: act.parent for act in acts}}
    return run_passed(verdicts, above, {act.span_id for act in acts if act.kind == "agent"})


def _asked_tool(model: Act, name: str, arguments: int | None) -> Act:
    return Act("tool", intern(name), model.start_ns, None, model.span_id, model.parent, None, arguments)


def tool_steps(run: Run) -> Iterator[Act]:
    """Yield the calls of tools in order; those of one parent that ran at the same time by their names, for their order means nothing."""
    for _, row in groupby(run.of("tool"), key=lambda act: act.parent):
        for group in parallel_groups(row):
            yield from sorted(group, key=lambda act: act.name)
