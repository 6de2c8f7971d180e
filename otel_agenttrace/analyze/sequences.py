"""Tell what the runs of a file did, in order, in few bytes. A stream of spans in, runs of acts out; content is not kept.

A tool that has spans counts by them, any other by what models asked for, as `tool_calls` says. A recorded answer is read only
where a name stands in it that no such span has.
"""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, count, groupby
from operator import attrgetter
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import cost_of_call, usage_of
from otel_agenttrace.analyze.evaluations import run_passed, verdicts_on
from otel_agenttrace.analyze.measures import model_of
from otel_agenttrace.analyze.rows import Rows
from otel_agenttrace.analyze.streams import SpanStream, run_of
from otel_agenttrace.analyze.tool_calls import (
    asked_for,
    asks_for_tools,
    call_id_of,
    is_counted,
    told_arguments,
    tool_name,
)
from otel_agenttrace.analyze.trajectories import parallel_groups
from otel_agenttrace.doubles import Telling, doubled
from otel_agenttrace.jsonvalue import Json, canonical
from otel_agenttrace.model import Call, Span, Trace, Usage

__all__ = ["UNKNOWN_MODEL", "Act", "ActKind", "Run", "kin", "runs_in", "tool_steps"]

ActKind: TypeAlias = Literal["agent", "model", "tool"]
_Asked: TypeAlias = "Sequence[tuple[str, int | None, str | None]]"
"""Tools that were asked for: name, arguments as in `Act`, id of the call."""

UNKNOWN_MODEL: Final = "(not known)"
"""Stands where neither the request nor the answer names the model."""
_FAILED: Final = "error"
_NOT_TOLD: Final = Usage()


class Act(NamedTuple):
    """One thing that a run did. A tuple, for a large run makes them anew each time it is looked through.

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
        acts: In order of their start. Those of a large file are made anew each time they are asked for.
        others: The spans that are no act, each with the one above it.
        start_ns: When its first span began.
        end_ns: When its last span ended; None if one did not end, or no time is told.
        untold: Calls to models that asked for tools which nobody tells.
        passed: Whether its evaluations say that it passed; None if none says it.
    """

    file: str
    trace_id: str
    acts: Iterable[Act]
    others: Iterable[tuple[Any, ...]] = field(repr=False)
    start_ns: int
    end_ns: int | None
    untold: int = 0
    passed: bool | None = None

    @property
    def duration_s(self) -> float | None:
        """Seconds from the first start to the last end."""
        return None if self.end_ns is None else (self.end_ns - self.start_ns) / 1e9

    def of(self, kind: ActKind) -> Iterator[Act]:
        """Yield the acts of a kind."""
        return self.acts.of(kind) if isinstance(self.acts, _Acts) else (act for act in self.acts if act.kind == kind)


_Head: TypeAlias = "tuple[ActKind, str, str | None]"
"""The kind of an act, its name and its error."""
_Rows: TypeAlias = "Rows | list[tuple[Any, ...]]"
_HEAD, _START_NS, _SPAN_ID, _CALL = 0, 1, 4, 6
"""Places in the row of an act."""


class _Answer(NamedTuple):
    """What is known of an answer without reading it: the names in it, if they are, and whether its finish reason says that it asks for tools."""

    names: frozenset[str] | None
    says_so: bool


class _Open:
    """A run of which more may come. Of a large file there may be many."""

    __slots__ = ("asks", "end_ns", "is_open", "is_timed", "rows", "start_ns", "trace_id")

    def __init__(self, span: Span, rows: _Rows) -> None:
        self.trace_id = span.trace_id
        self.rows = rows
        self.start_ns, self.end_ns, self.is_open, self.is_timed = span.start_ns, span.start_ns, False, False
        self.asks = False

    def note(self, span: Span) -> None:
        self.start_ns = min(self.start_ns, span.start_ns)
        self.end_ns = max(self.end_ns, span.end_ns or span.start_ns)
        self.is_open = self.is_open or span.end_ns is None
        self.is_timed = self.is_timed or span.has_time


@dataclass(frozen=True, slots=True)
class _Acts:
    """Acts as rows, in an order that is not theirs."""

    heads: Sequence[_Head]
    rows: _Rows
    order: Sequence[int]

    def __iter__(self) -> Iterator[Act]:
        return (self._act(*self.rows[place]) for place in self.order)

    def of(self, kind: ActKind) -> Iterator[Act]:
        """Yield those of a kind: the others are not made."""
        rows = (self.rows[place] for place in self.order)
        return (self._act(*row) for row in rows if self.heads[row[_HEAD]][0] == kind)

    def _act(
        self,
        head: int,
        start_ns: int,
        length: int | None,
        is_timed: bool,
        span_id: str,
        parent: str | None,
        _call: int | None = None,
        _told: _Asked | int | None = None,
        arguments: int | None = None,
        cost: float | None = None,
        *tokens: int | None,
    ) -> Act:
        kind, name, error = self.heads[head]
        end_ns = None if length is None else start_ns + length
        took = length / 1e9 if length is not None and is_timed else None
        usage = Usage(*tokens) if tokens else _NOT_TOLD
        return Act(kind, name, start_ns, end_ns, span_id, parent, error, arguments, usage, cost, took)


def runs_in(stream: SpanStream) -> Iterator[Run]:
    """Yield the runs of a file in order of their start: each recording is one, else each trace.

    A trace that has no agent, no call to a model and no tool is none.
    """
    reading = _Reading(stream)
    left_out = doubled(reading.taken())
    for run in reading.ended():
        closed = reading.closed(run, left_out)
        if closed is not None:
            yield closed


class _Reading:
    """The runs of a file. What an act is called stands once for all of that name: a file has few."""

    def __init__(self, stream: SpanStream) -> None:
        self._stream = stream
        self._pricing = Trace((), stream.cost_of)
        self._rows: Callable[[], _Rows] = list if isinstance(stream.spans, tuple) else Rows
        self._opened: dict[object, _Open] = {}
        self._heads: list[_Head] = []
        self._numbers: dict[_Head, int] = {}
        self._others: defaultdict[_Open, _Rows] = defaultdict(self._rows)
        self._verdicts: defaultdict[_Open, _Rows] = defaultdict(self._rows)
        self._calls = 0
        self._names = set[str]()
        """Of the tools that have spans."""
        self._answers: dict[_Answer, int] = {}

    def taken(self) -> Iterator[Telling]:
        """Put what each span did into its run, and yield what the calls to models tell: which of them count is known at the end."""
        for span in self._stream.spans:
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
                name = tool_name(span)
                self._names.add(name)
                self._keep(run, span, "tool", name, None, None, _digest(told_arguments(span)))
            elif operation == semconv.OPERATION_INVOKE_AGENT:
                named = span.attributes.get(semconv.GEN_AI_AGENT_NAME)
                self._keep(run, span, "agent", named if isinstance(named, str) and named else span.name, None, None)
            else:
                self._others[run].append((span.span_id, span.parent_span_id))

    def _take_call(self, span: Span, run: _Open) -> None:
        cost = cost_of_call(self._pricing, span)
        name = model_of(span) or UNKNOWN_MODEL
        told = self._told(span)
        run.asks = run.asks or told is not None
        self._keep(run, span, "model", name, self._calls, told, None, cost, *_tokens(usage_of(span)))
        self._calls += 1

    def _keep(self, run: _Open, span: Span, kind: ActKind, name: str, call: int | None, *more: object) -> None:
        head = self._head((kind, name, _error(span)))
        length = None if span.end_ns is None else span.end_ns - span.start_ns
        is_timed = span.duration_ns is not None
        run.rows.append((head, span.start_ns, length, is_timed, span.span_id, span.parent_span_id, call, *more))

    def _head(self, head: _Head) -> int:
        number = self._numbers.setdefault(head, len(self._heads))
        if number == len(self._heads):
            self._heads.append(head)
        return number

    def ended(self) -> Iterator[_Open]:
        """Yield the runs, which are all that there will be, in order of their start; none is held any longer."""
        ended = sorted(self._opened.values(), key=lambda run: (run.start_ns, run.trace_id))
        ended.reverse()
        self._opened.clear()
        while ended:
            yield ended.pop()

    def closed(self, run: _Open, left_out: frozenset[int]) -> Run | None:
        """Return a run with the tools that calls to models asked for and nobody else tells, without the calls whose number is left out."""
        order = self._order(run.rows, left_out)
        places, untold = self._with_asked(run, order) if run.asks else (array("Q", order), 0)
        if not places:
            return None
        made = _Acts(self._heads, run.rows, places)
        acts = made if isinstance(run.rows, Rows) else tuple(made)
        others = self._others.pop(run, ())
        end_ns = run.end_ns if run.is_timed and not run.is_open else None
        passed = _passed(self._verdicts.pop(run, ()), acts, others)
        return Run(self._stream.name, run.trace_id, acts, others, run.start_ns, end_ns, untold, passed)

    def _order(self, rows: _Rows, left_out: frozenset[int]) -> list[int]:
        """Return the places of the rows that are not left out, in order of start; of what began together, in that of what it is."""

        def told(place: int) -> tuple[ActKind, str, str]:
            row = rows[place]
            head: int = row[_HEAD]
            return *self._heads[head][:2], row[_SPAN_ID]

        order, starts, kept = list[int](), array("Q"), list[int]()
        for place, row in enumerate(rows):
            starts.append(row[_START_NS])
            if row[_CALL] not in left_out:
                kept.append(place)
        for _, group in groupby(sorted(kept, key=starts.__getitem__), starts.__getitem__):
            same = list(group)
            order += sorted(same, key=told) if len(same) > 1 else same
        return order

    def _with_asked(self, run: _Open, order: Sequence[int]) -> tuple[array[int], int]:
        """Return the places of all acts, and how many calls asked for tools that nobody tells."""
        rows, places = run.rows, array("Q")
        untold = 0
        is_followed = False
        head: int
        for place in reversed(order):
            head, start_ns, _, _, span_id, parent, number, told, *_ = rows[place]
            asked = self._untold(number, told) if told is not None else ()
            untold += asked is None and not is_followed
            for name, arguments, _ in reversed(asked or ()):
                places.append(len(rows))
                tool = self._head(("tool", name, None))
                rows.append((tool, start_ns, None, False, span_id, parent, None, None, arguments))
            kind = self._heads[head][0]
            is_followed = kind == "tool" or (kind == "agent" and is_followed)
            places.append(place)
        places.reverse()
        return places, untold

    def _told(self, span: Span) -> _Asked | int | None:
        """Return the tools that a call tells it asked for: None where there are none, a number where its answer tells them."""
        told = span.attributes.get(semconv.GEN_AI_OUTPUT_MESSAGES)
        if isinstance(told, str):
            return (_asked(span) if "tool_call" in told else ()) or None
        answer = _Answer(frozenset() if span.read_call is None else span.names_answered, asks_for_tools(span))
        if answer.names == frozenset() and not answer.says_so:
            return None
        return self._answers.setdefault(answer, len(self._answers))

    def _untold(self, number: int, told: _Asked | int) -> _Asked | None:
        """Return the tools that a call asked for and no span tells; None where it asked for some, and which is not known."""
        if isinstance(told, int):
            if self._is_all_told(told):
                return ()
            read = self._again.readers.get(number)
            asked = () if read is None else _asked(Span("", "", "", 0, read_call=read))
            if not asked and self._numbered[told].says_so:
                return None
            told = asked
        if not self._names:
            return told
        left = [each for each in told if each[0] not in self._names]
        return [each for each in left if each[2] not in self._again.ids]

    def _is_all_told(self, answer: int) -> bool:
        """Whether each tool that an answer asks for has spans, as the names in it say."""
        names = self._numbered[answer].names
        return bool(names) and names <= self._names

    @cached_property
    def _numbered(self) -> Sequence[_Answer]:
        return tuple(self._answers)

    @cached_property
    def _again(self) -> _Again:
        """What is read where the names of tools do not say which are told. Few files need it: these are read once more."""
        readers: dict[int, Callable[[], Call | None]] = {}
        ids = set[str]()
        numbers = count()
        for span in self._stream.spans:
            operation = span.operation
            if operation in semconv.INFERENCE_OPERATIONS:
                number = next(numbers)
                told = self._told(span)
                if span.read_call is not None and isinstance(told, int) and not self._is_all_told(told):
                    readers[number] = span.read_call
            elif operation == semconv.OPERATION_EXECUTE_TOOL:
                call_id = call_id_of(span)
                if call_id and not is_counted(call_id):
                    ids.add(call_id)
        return _Again(readers, ids)


class _Again(NamedTuple):
    """Which reads the recorded call of each number, and the ids of the calls of tools that have spans."""

    readers: Mapping[int, Callable[[], Call | None]]
    ids: Set[str]


_tokens: Final = attrgetter(*Usage.__slots__)


def _error(span: Span) -> str | None:
    if not span.is_error:
        return None
    told = span.attributes.get(semconv.ERROR_TYPE)
    return told if isinstance(told, str) and told else _FAILED


def _digest(arguments: Json) -> int | None:
    return None if arguments is None else hash(canonical(arguments))


def _asked(span: Span) -> _Asked:
    return [(call.name, _digest(call.arguments), call.call_id) for call in asked_for(span)]


def _passed(verdicts: _Rows | tuple[()], acts: Iterable[Act], others: Iterable[tuple[Any, ...]]) -> bool | None:
    if not verdicts:
        return None
    parents, agents = kin(acts, others, (judged for judged, _ in verdicts))
    return run_passed(verdicts, parents, agents.keys())


def kin(
    acts: Iterable[Act], others: Iterable[tuple[Any, ...]], judged: Iterable[str | None] = ()
) -> tuple[Mapping[str, str | None], Mapping[str, str]]:
    """Return the span above each one that has others below it, or was judged, and the names of the agents among these."""
    ids: dict[str, str] = {}  # each stands once, however many spans name it
    for each in chain((act.parent for act in acts), (parent for _, parent in others), judged):
        if each is not None:
            ids.setdefault(each, each)
    parents = {ids[span_id]: ids.get(parent) for span_id, parent in others if span_id in ids}
    agents: dict[str, str] = {}
    for act in acts:
        span_id = ids.get(act.span_id)
        if span_id is not None:
            parents.setdefault(span_id, None if act.parent is None else ids[act.parent])
            if act.kind == "agent":
                agents[span_id] = act.name
    return parents, agents


def tool_steps(run: Run) -> Iterator[Act]:
    """Yield the calls of tools in order; those of one parent that ran at the same time by their names, for their order means nothing."""
    for _, row in groupby(run.of("tool"), key=lambda act: act.parent):
        for group in parallel_groups(row):
            yield from sorted(group, key=lambda act: act.name)
