"""Tell what a run did, as a person would: by agent, by what the user said, by activity. Trace in, explanation out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.activities import Touch, activity_of, touches
from otel_agenttrace.analyze.busy import Interval, gaps, length
from otel_agenttrace.analyze.conversations import conversation_of
from otel_agenttrace.analyze.kinship import Kinship, is_agent, kinship
from otel_agenttrace.analyze.retries import Attempts, Retry, attempts, failure_of, retries
from otel_agenttrace.analyze.tool_calls import ToolCall, tool_calls
from otel_agenttrace.analyze.totals import NOTHING, Tally, Totals
from otel_agenttrace.jsonvalue import text
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.wire.recorded import output_messages

__all__ = ["AgentRun", "Explanation", "Files", "Phase", "Turn", "Wasted", "explain"]

_CALLING: Final = "calling"
_ANSWERING: Final = "answering"
_DELEGATING: Final = "delegating"
_LONGEST: Final = 300
_Children: TypeAlias = "Mapping[int, list[Span]]"


@dataclass(frozen=True, slots=True)
class Files:
    """The files and commands of a run, each once, in order: what was read and written is in both."""

    read: tuple[str, ...]
    written: tuple[str, ...]
    run: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Phase:
    """What an agent did in a row for one activity.

    Attributes:
        activity: As docs/explain.md lists them; `calling` for tools of which only the name is known.
        tools: How often each tool was called.
        targets: Files and commands, each once, in order.
        agents: The subagents that ran, by the ids of their spans.
        failed: How many calls failed.
        offset_ns: From the start of the run to the start of the phase; None where the run tells no times.
        duration_ns: From its first start to its last end; None where one of its calls has not ended or tells no time.
        totals: With everything below.
    """

    activity: str
    tools: Mapping[str, int]
    targets: tuple[Touch, ...]
    agents: tuple[str, ...]
    failed: int
    offset_ns: int | None
    duration_ns: int | None
    totals: Totals


@dataclass(frozen=True, slots=True)
class Turn:
    """What followed on one message of the user; `prompt` is None where it is not recorded."""

    prompt: str | None
    phases: tuple[Phase, ...]


@dataclass(frozen=True, slots=True)
class AgentRun:
    """What one agent did. What no agent did stands under one without a span.

    Attributes:
        span: Of the agent.
        name: Of the agent; empty where there is none.
        depth: 0 for one that no other agent runs.
        duration_ns: How long it ran.
        totals: With those of its subagents.
        turns: By what the user said.
    """

    span: Span | None
    name: str
    depth: int
    duration_ns: int | None
    totals: Totals
    turns: tuple[Turn, ...]


@dataclass(frozen=True, slots=True)
class Wasted:
    """Time that brought nothing, in nanoseconds; what ran in parallel counts once. None where times are not told.

    Attributes:
        failed_ns: In calls of tools and models that failed.
        resent_ns: In calls that succeeded, before the last HTTP attempt began.
        idle_ns: In which no call ran: the program's own work, or nothing.
    """

    failed_ns: int | None
    resent_ns: int | None
    idle_ns: int | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What a run did.

    Attributes:
        name: The file.
        duration_ns: From the first start to the last end; None where a span has not ended or tells no time.
        totals: Of the whole run.
        agents: Each before its subagents, in order of their start.
        retries: What was tried again after it failed.
        attempts: Calls to models that were sent more than once.
        wasted: Time that brought nothing.
        files: What was touched.
    """

    name: str
    duration_ns: int | None
    totals: Totals
    agents: tuple[AgentRun, ...]
    retries: tuple[Retry, ...]
    attempts: tuple[Attempts, ...]
    wasted: Wasted
    files: Files


def explain(trace: Trace, *, name: str = "") -> Explanation:
    """Return what a run did."""
    related = kinship(trace.spans)
    resent = attempts(trace)
    calls = tool_calls(trace)
    return Explanation(
        name=name,
        duration_ns=trace.duration_ns,
        totals=Tally(trace).of_all(trace.spans),
        agents=tuple(_Teller(trace, related, calls).agents()),
        retries=retries(trace, related),
        attempts=resent,
        wasted=_wasted(trace, calls, resent),
        files=_files(calls),
    )


def _wasted(trace: Trace, calls: Iterable[ToolCall], resent: Iterable[Attempts]) -> Wasted:
    if trace.duration_ns is None:
        return Wasted(None, None, None)
    failed = [span for span in trace.inferences if span.is_error]
    failed += [call.span for call in calls if call.is_executed and failure_of(call) is not None]
    lost = [Interval(span.start_ns, span.end_ns) for span in failed if span.end_ns is not None and span.has_time]
    again = [
        Interval(each.span.start_ns, each.span.start_ns + each.wasted_ns) for each in resent if not each.span.is_error
    ]
    return Wasted(
        length(lost), length((*lost, *again)) - length(lost), sum(each.duration_ns for each in gaps(trace.spans))
    )


def _files(calls: Iterable[ToolCall]) -> Files:
    touched = [touch for call in calls for touch in touches(call)]
    read, written, run = (
        tuple(dict.fromkeys(each.target for each in touched if each.kind == kind))
        for kind in ("read", "written", "run")
    )
    return Files(read, written, run)


# --- agents, turns and phases -----------------------------------------------------------------------------------------


@dataclass(slots=True)
class _Unit:
    """A call of an agent: to a model, of a tool, or of a subagent."""

    span: Span
    activity: str | None
    calls: tuple[ToolCall, ...] = ()
    agent: Span | None = None


class _Teller:
    """Tells the agents of one run."""

    def __init__(self, trace: Trace, of: Kinship, calls: Iterable[ToolCall]) -> None:
        self._trace = trace
        self._tally = Tally(trace)
        self._start = min((span.start_ns for span in trace.spans), default=0)
        self._calls: defaultdict[int, list[ToolCall]] = defaultdict(list)
        for call in calls:
            self._calls[id(call.span)].append(call)
        self._counted = {id(span) for span in trace.inferences}
        self._mine: defaultdict[int, list[Span]] = defaultdict(list)
        for span in sorted(trace.spans, key=lambda each: each.start_ns):
            agent = of.agents.get(id(span))
            self._mine[0 if agent is None else id(agent)].append(span)

        self._sums = self._agents_sums()

    def _agents_sums(self) -> dict[int, Totals]:
        """Return what each agent took with its subagents: those inside before those around them."""
        order = [span for span in self._mine[0] if is_agent(span)]
        for span in order:  # grows while it is read
            order += [each for each in self._mine[id(span)] if is_agent(each)]
        sums: dict[int, Totals] = {}
        for span in reversed(order):
            inside = (sums[id(each)] if is_agent(each) else self._tally.of(each) for each in self._mine[id(span)])
            sums[id(span)] = sum(inside, self._tally.of(span))
        return sums

    def agents(self) -> Iterator[AgentRun]:
        """Yield each agent before its subagents; first, what no agent did."""
        top = [span for span in self._mine[0] if is_agent(span)]
        others = [span for span in self._mine[0] if not is_agent(span)]
        if any(span.is_inference or id(span) in self._calls for span in others) or not top:
            yield AgentRun(None, "", 0, None, self._tally.of_all(others), self._turns(others))
        waiting = [(span, 0) for span in reversed(top)]
        while waiting:
            span, depth = waiting.pop()
            mine = self._mine[id(span)]
            told = span.attributes.get(semconv.GEN_AI_AGENT_NAME)
            yield AgentRun(
                span=span,
                name=told if isinstance(told, str) and told else span.name,
                depth=depth,
                duration_ns=span.duration_ns,
                totals=self._sums[id(span)],
                turns=self._turns(mine),
            )
            waiting += [(each, depth + 1) for each in reversed(mine) if is_agent(each)]

    def _turns(self, spans: Sequence[Span]) -> tuple[Turn, ...]:
        turns: list[tuple[str | None, list[_Unit]]] = []
        said: tuple[int, str] | None = None
        for unit in self._units(spans):
            prompts = conversation_of(unit.span).prompts if unit.span.is_inference else ()
            now = (len(prompts), prompts[-1].text) if prompts else None
            is_next = now is not None and (said is None or now[1] != said[1] or now[0] > said[0])
            if now is not None and turns and turns[-1][1] and _is_result(now[1], turns[-1][1][-1]):
                said, is_next = now, False
            if not turns or (is_next and (said is not None or turns[-1][0] is not None)):
                turns.append((None, []))
            if now is not None and is_next:
                said = now
                turns[-1] = (now[1][:_LONGEST], turns[-1][1])
            turns[-1][1].append(unit)
        return tuple(Turn(prompt, tuple(self._phases(units))) for prompt, units in turns)

    def _units(self, spans: Sequence[Span]) -> Iterator[_Unit]:
        for span in spans:
            calls = tuple(self._calls[id(span)])
            if is_agent(span):
                yield _Unit(span, _DELEGATING, agent=span)
            elif id(span) in self._counted:
                yield _Unit(span, _activity_of_model(span, calls), calls)
            elif calls:
                yield _Unit(span, _activity(calls), calls)

    def _phases(self, units: Sequence[_Unit]) -> Iterator[Phase]:
        rows: list[list[_Unit]] = []
        following: str | None = None
        for unit in reversed(units):  # a model that asks for a tool belongs to what the tool is for
            following = unit.activity = unit.activity or following or _ANSWERING
        for unit in units:
            if rows and rows[-1][-1].activity == unit.activity:
                rows[-1].append(unit)
            else:
                rows.append([unit])
        yield from map(self._phase, rows)

    def _phase(self, units: Sequence[_Unit]) -> Phase:
        calls = [call for unit in units for call in unit.calls]
        is_timed = all(unit.span.has_time for unit in units)
        start = min(unit.span.start_ns for unit in units)
        failures = (unit.span.is_error or any(failure_of(call) for call in unit.calls) for unit in units)
        return Phase(
            activity=units[0].activity or _CALLING,
            tools=Counter(call.name for call in calls),
            targets=tuple(dict.fromkeys(touch for call in calls for touch in touches(call))),
            agents=tuple(unit.agent.span_id for unit in units if unit.agent is not None),
            failed=sum(failures),
            offset_ns=start - self._start if is_timed else None,
            duration_ns=Trace(tuple(unit.span for unit in units)).duration_ns,
            totals=sum((self._sums.get(id(unit.span)) or self._tally.of(unit.span) for unit in units), NOTHING),
        )


def _is_result(prompt: str, before: _Unit) -> bool:
    """Whether what stands as a message of the user is what the tool before it gave: some agents hand it on so."""
    results = (str(call.result).strip() for call in before.calls if isinstance(call.result, str | int | float))
    return any(result and prompt.strip().startswith(result) for result in results)


def _activity(calls: Sequence[ToolCall]) -> str:
    return activity_of(calls[0]) or _CALLING


def _activity_of_model(span: Span, calls: Sequence[ToolCall]) -> str | None:
    """Return what a call to a model was for; None where it asked for a tool, which then tells."""
    if calls:
        return _activity(calls)
    if span.operation == semconv.OPERATION_EMBEDDINGS:
        return "searching"
    parts = [part for message in output_messages(span) for part in message.parts]
    if any(part.get("type") == "tool_call" for part in parts):
        return None
    return _ANSWERING if any(text(part.get("content")) for part in parts) or span.is_error else None
