"""Tell what the runs of a file did, in order, in few bytes. A stream of spans in, runs of acts out; content is not kept.

A tool that has a span counts by it. Where no tool span follows a call to a model before the next one, the tools count that
the model asked for: spans that tell their messages are read, and recorded answers whose finish reason says that there are some.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from itertools import groupby
from sys import intern
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import tokens_of
from otel_agenttrace.analyze.measures import model_of
from otel_agenttrace.analyze.streams import SpanStream, inferences_once
from otel_agenttrace.analyze.tool_calls import arguments_of, asks_for_tools, told_arguments, tool_name
from otel_agenttrace.analyze.trajectories import parallel_groups
from otel_agenttrace.jsonvalue import Json, canonical, text
from otel_agenttrace.model import Call, Span, Usage
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
        end_ns: When it ended; None if that is not told.
        span_id: Its span; of a tool without one, that of the model that asked for it.
        parent: The span above it.
        error: What it failed with; None if it did not fail.
        arguments: A number that two calls of a tool share in one process if they have the same arguments; None where these are not known.
        usage: The tokens of a call to a model.
        cost_usd: What that call cost; None where it is not known.
        asked: Gives the tools that the model asked for; None if it asked for none.
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
    asked: Callable[[], _Asked] | None = field(default=None, repr=False, compare=False)

    @property
    def duration_s(self) -> float | None:
        """How long it took, in seconds."""
        return None if self.end_ns is None else (self.end_ns - self.start_ns) / 1e9


@dataclass(frozen=True, slots=True)
class Run:
    """What one run did.

    Attributes:
        file: The file, as the user named it.
        trace_id: The trace; the first one where a recording has several.
        acts: In order of their start.
        parents: The span above each span that is no act.
        start_ns: When its first span began.
        end_ns: When its last span ended; None if one did not end.
        untold: Calls to models that asked for tools which nobody tells.
    """

    file: str
    trace_id: str
    acts: tuple[Act, ...]
    parents: dict[str, str | None] = field(repr=False)
    start_ns: int
    end_ns: int | None
    untold: int = 0

    @property
    def duration_s(self) -> float | None:
        """Seconds from the first start to the last end."""
        return None if self.end_ns is None else (self.end_ns - self.start_ns) / 1e9

    def of(self, kind: ActKind) -> tuple[Act, ...]:
        """Return the acts of a kind."""
        return tuple(act for act in self.acts if act.kind == kind)


class _Open:
    """A run of which more may come."""

    def __init__(self, trace_id: str) -> None:
        self.trace_id = trace_id
        self.acts: list[Act] = []
        self.parents: dict[str, str | None] = {}
        self.start_ns: int | None = None
        self.end_ns = 0
        self.is_open = False

    def note(self, span: Span) -> None:
        self.start_ns = span.start_ns if self.start_ns is None else min(self.start_ns, span.start_ns)
        self.end_ns = max(self.end_ns, span.end_ns or span.start_ns)
        self.is_open = self.is_open or span.end_ns is None


def runs_in(stream: SpanStream) -> Iterator[Run]:
    """Yield the runs of a file in order of their start: each recording is one, else each trace.

    A trace that has no agent, no call to a model and no tool is none.
    """
    opened: dict[object, _Open] = {}

    def run_of(span: Span) -> _Open:
        recording = span.resource.get(semconv.AGENTTRACE_RUN_ID)
        key = ("", recording) if isinstance(recording, str) else span.trace_id
        found = opened.get(key)
        if found is None:
            found = opened[key] = _Open(span.trace_id)
        return found

    def inferences() -> Iterator[Span]:
        for span in stream.spans:
            run = run_of(span)
            run.note(span)
            if span.is_inference:
                yield span
            elif (act := _act(span)) is not None:
                run.acts.append(act)
            else:
                run.parents[span.span_id] = span.parent_span_id

    for span in inferences_once(inferences()):
        run_of(span).acts.append(_call(span, stream.cost_of))
    runs = (run for run in opened.values() if run.acts)
    for run in sorted(runs, key=lambda run: (run.start_ns or 0, run.trace_id)):
        yield _closed(stream.name, run)


def _act(span: Span) -> Act | None:
    if span.operation == semconv.OPERATION_EXECUTE_TOOL:
        return _told("tool", tool_name(span), span, arguments=_digest(told_arguments(span)))
    if span.operation == semconv.OPERATION_INVOKE_AGENT:
        return _told("agent", text(span.attributes.get(semconv.GEN_AI_AGENT_NAME)) or span.name, span)
    return None


def _told(
    kind: ActKind,
    name: str,
    span: Span,
    *,
    arguments: int | None = None,
    usage: Usage = _NOT_TOLD,
    cost_usd: float | None = None,
    asked: Callable[[], _Asked] | None = None,
) -> Act:
    place = (span.start_ns, span.end_ns, span.span_id, span.parent_span_id)
    return Act(kind, intern(name), *place, _error(span), arguments, usage, cost_usd, asked)


def _error(span: Span) -> str | None:
    if not span.is_error:
        return None
    told = span.attributes.get(semconv.ERROR_TYPE)
    return intern(told) if isinstance(told, str) and told else _FAILED


def _digest(arguments: Json) -> int | None:
    return None if arguments is None else hash(canonical(arguments))


def _call(span: Span, cost_of: Callable[[Span], float | None]) -> Act:
    usage, cost = span.usage, cost_of(span)
    if usage.total_tokens is None:
        given, got = tokens_of(span)
        usage = replace(usage, input_tokens=given, output_tokens=got)
        cost = 0.0 if (given, got) == (0, 0) else cost
    return _told("model", model_of(span) or UNKNOWN_MODEL, span, usage=usage, cost_usd=cost, asked=_asking(span))


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


def _only(read: Callable[[], Call]) -> Span:
    """Return a span that is nothing but its recorded call: the rest need not be kept."""
    return Span("", "", "", 0, read_call=read)


def _asked(span: Span) -> _Asked:
    parts = (part for message in output_messages(span) for part in message.parts if part.get("type") == "tool_call")
    return tuple((intern(text(part.get("name")) or ""), _digest(arguments_of(part))) for part in parts)


def _closed(file: str, run: _Open) -> Run:
    run.acts.sort(key=lambda act: (act.start_ns, act.kind, act.name, act.span_id))
    acts: list[Act] = []
    untold = 0
    is_told = False
    for act in reversed(run.acts):
        if act.kind == "model":
            asked = act.asked() if act.asked is not None and not is_told else ()
            untold += act.asked is not None and not is_told and not asked
            acts += [_asked_tool(act, name, arguments) for name, arguments in reversed(asked)]
        is_told = act.kind == "tool" or (act.kind == "agent" and is_told)
        acts.append(act)
    end_ns = None if run.is_open else run.end_ns
    return Run(file, run.trace_id, tuple(reversed(acts)), run.parents, run.start_ns or 0, end_ns, untold)


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
