"""Compare what two runs did, step by step: agents, calls to models, tools. Traces in, steps and their comparison out."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Final, Literal, Protocol, TypeAlias, TypeVar

from otel_agenttrace import semconv
from otel_agenttrace.analyze.alignment import common
from otel_agenttrace.analyze.kinship import kinship
from otel_agenttrace.differing import first_difference
from otel_agenttrace.jsonvalue import Json, array, canonical, compact, obj, parse, text, value_of
from otel_agenttrace.matching import normalised_key
from otel_agenttrace.model import HttpRequest, Message, Span, Trace
from otel_agenttrace.wire.recorded import asked_of, output_messages

__all__ = ["Comparison", "Divergence", "Step", "compare", "parallel_groups", "steps"]

StepKind: TypeAlias = Literal["agent", "inference", "tool"]
_KINDS: Final[Mapping[str, StepKind]] = {
    semconv.OPERATION_INVOKE_AGENT: "agent",
    semconv.OPERATION_EXECUTE_TOOL: "tool",
    **dict.fromkeys(semconv.INFERENCE_OPERATIONS, "inference"),
}
_NAMES: Final[Mapping[StepKind, str]] = {
    "agent": semconv.GEN_AI_AGENT_NAME,
    "inference": semconv.GEN_AI_REQUEST_MODEL,
    "tool": semconv.GEN_AI_TOOL_NAME,
}
_SHOWN: Final = 80


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a run.

    Attributes:
        kind: What it is.
        name: Of the agent or the tool, or the model that was asked.
        arguments: Of the tool, or the request to the model: canonical JSON, empty where it is not compared.
        answer: What the tool or the model gave, or the error it ended with; empty where it is not compared. An agent that
            failed has a second step, after those inside it, that tells its error.
        group: Steps of one number ran at the same time under the same span: their order means nothing.
    """

    kind: StepKind
    name: str
    arguments: str = ""
    answer: str = ""
    group: int = 0

    @property
    def key(self) -> tuple[str, ...]:
        """What makes two steps the same: what changes from run to run (times, ids) is left out."""
        return (
            self.kind,
            self.name,
            normalised_key(self.request),
            normalised_key(HttpRequest("", "", "", canonical(self.answer))),
        )

    @property
    def request(self) -> HttpRequest:
        """The arguments in the form in which they are compared."""
        return HttpRequest(self.kind, "", self.name, self.arguments)

    def __str__(self) -> str:
        called = f"({_short(self.arguments)})" if self.kind == "tool" else ""
        answer = _said(self.answer) if self.kind == "inference" else self.answer
        return f"{self.kind} {self.name}{called}" + (f" → {_short(answer)}" if answer else "")


@dataclass(frozen=True, slots=True)
class Divergence:
    """Where two runs part: the place of the step, from 1, both steps in words (None: the run was over), what differs."""

    step: int
    baseline: str | None
    candidate: str | None
    difference: str = ""

    def __str__(self) -> str:
        told = [f"step {self.step}", f"  baseline   {self.baseline or '(the run was over)'}"]
        told.append(f"  candidate  {self.candidate or '(the run was over)'}")
        return "\n".join([*told, *([f"  differs at {self.difference}"] if self.difference else [])])


@dataclass(frozen=True, slots=True)
class Comparison:
    """How much of two runs is the same, 0 to 1, and where they part first, if they do.

    The similarity is the mean of two ratios, each twice the number of steps that stand in both runs in the same order, as
    `alignment.common` finds them, by the number of steps of both: once for the same kind and name, once for the same
    arguments and answer too. It is 1 if and only if no step differs.
    """

    similarity: float
    first_divergence: Divergence | None


def steps(
    trace: Trace,
    recorded: Mapping[tuple[str, str], Span] | None = None,
    *,
    with_inference_content: bool = True,
    into_tools: bool = True,
) -> tuple[Step, ...]:
    """Return what a run did, in order of start, the steps of a span after it.

    Args:
        trace: The run.
        recorded: The recorded spans by trace and span id, that a replayed one says as much as by its link.
        with_inference_content: Whether requests and answers of models count, or only which model was asked.
        into_tools: Whether what tools did inside counts: a tool that is answered from a recording does nothing inside.
    """
    reader = _Reader(recorded or {}, with_inference_content=with_inference_content)
    children = kinship(trace.spans).children(trace.spans)
    found: list[Step] = []
    waiting: list[tuple[Span | Step, int]] = []
    waiting += _grouped(children[0], 0)[::-1]
    groups = 0
    while waiting:
        span, group = waiting.pop()
        if isinstance(span, Step):
            found.append(replace(span, group=group))
            continue
        kind = _KINDS.get(span.operation or "")
        if kind is not None:
            found.append(replace(reader.step(kind, span), group=group))
        groups += len(trace.spans) + 1
        if kind == "agent" and span.is_error:
            waiting.append((Step(kind, found[-1].name, answer=_failure(span)), groups))
        if kind != "tool" or into_tools:
            waiting += _grouped(children.get(id(span), []), groups)[::-1]
    return tuple(found)


def _grouped(siblings: Sequence[Span], first: int) -> list[tuple[Span, int]]:
    """Number the groups of spans that ran at the same time."""
    groups = enumerate(parallel_groups(siblings), first + 1)
    return [(span, number) for number, group in groups for span in group]


class _Timed(Protocol):
    @property
    def start_ns(self) -> int: ...
    @property
    def end_ns(self) -> int | None: ...


_Sibling = TypeVar("_Sibling", bound=_Timed)


def parallel_groups(siblings: Iterable[_Sibling]) -> Iterator[tuple[_Sibling, ...]]:
    """Yield the spans of one parent, given in order of their start, in groups that ran at the same time.

    Two that start at the very same time are in one group: which was first is not known.
    """
    group: list[_Sibling] = []
    until = 0
    for span in siblings:
        if group and span.start_ns >= until and span.start_ns > group[-1].start_ns:
            yield tuple(group)
            group = []
        group.append(span)
        until = max(until, span.end_ns or span.start_ns)
    if group:
        yield tuple(group)


class _Reader:
    """Reads what one span did."""

    def __init__(self, recorded: Mapping[tuple[str, str], Span], *, with_inference_content: bool) -> None:
        self._recorded = recorded
        self._with_content = with_inference_content

    def step(self, kind: StepKind, span: Span) -> Step:
        source = self._source(span)
        name = str(span.attributes.get(_NAMES[kind]) or span.name)
        if kind == "tool":
            arguments = canonical(value_of(str(source.attributes.get(semconv.GEN_AI_TOOL_CALL_ARGUMENTS) or "")))
            return Step(kind, name, arguments, _failure(span) or _result(source))
        if kind == "agent":
            return Step(kind, name)
        if not self._with_content:
            return Step(kind, name)
        return Step(kind, name, _question(source), _failure(span) or _answer(source))

    def _source(self, span: Span) -> Span:
        """Return the recorded span that a replayed one comes from, else the span itself."""
        if span.attributes.get(semconv.AGENTTRACE_REPLAY_OUTCOME) not in ("hit", "drift"):
            return span
        found = (self._recorded.get((link.trace_id, link.span_id)) for link in span.links)
        return next((each for each in found if each is not None), span)


def _question(span: Span) -> str:
    """Return what a model was asked: the recorded request, else the instructions and messages that the span tells."""
    call = span.call
    if call is not None and call.attempts:
        return call.attempts[0].request.body
    asked = asked_of(span)
    messages = _listed(asked.input_messages)
    return compact([list(asked.system_instructions), messages]) if messages or asked.system_instructions else ""


def _answer(span: Span) -> str:
    messages = _listed(output_messages(span))
    return compact(messages) if messages else ""


def _listed(messages: Sequence[Message]) -> list[Json]:
    return [[message.role, list(message.parts)] for message in messages]


def _failure(span: Span) -> str:
    return f"{span.attributes.get(semconv.ERROR_TYPE) or 'error'}: {span.status_message}" if span.is_error else ""


def _result(span: Span) -> str:
    return str(span.attributes.get(semconv.GEN_AI_TOOL_CALL_RESULT) or "")


def _said(answer: str) -> str:
    """Return the texts of a model's answer and the tools it asks for; an error, or what has neither, as it stands."""
    try:
        messages = array(parse(answer))
    except ValueError:
        return answer
    parts = [obj(part) for message in messages for parts in array(message)[1:] for part in array(parts)]
    said = (text(part.get("content")) or text(part.get("name")) for part in parts)
    return " ".join(word for word in said if word) or answer


def _short(told: str) -> str:
    line = told.strip().partition("\n")[0]
    return line if len(line) <= _SHOWN else f"{line[: _SHOWN - 1]}…"


_Key: TypeAlias = "tuple[str, ...]"
_Keyed: TypeAlias = "tuple[_Key, Step]"

# --- comparing --------------------------------------------------------------------------------------------------------


def compare(baseline: Sequence[Step], candidate: Sequence[Step]) -> Comparison:
    """Return how much of two runs is the same. The order of steps that ran at the same time does not count."""
    known: dict[tuple[str, ...], _Key] = {}
    was, now = ([(_key(step, known), step) for step in run] for run in (baseline, candidate))
    now = list(_in_order_of(was, now))
    left, right = [key for key, _ in was], [key for key, _ in now]
    if left == right:
        return Comparison(1.0, None)
    similarity = (_ratio([key[:2] for key in left], [key[:2] for key in right]) + _ratio(left, right)) / 2
    place = next(index for index, (one, other) in enumerate(zip_longest(left, right)) if one != other)
    one, other = (run[place][1] if place < len(run) else None for run in (was, now))
    told = (None if one is None else str(one), None if other is None else str(other))
    return Comparison(similarity, Divergence(place + 1, *told, _difference(one, other)))


def _key(step: Step, known: dict[tuple[str, ...], _Key]) -> _Key:
    """Return the key of a step; one that says the very same as another has the same key."""
    said = (step.kind, step.name, step.arguments, step.answer)
    found = known.get(said)
    if found is None:
        found = known[said] = step.key
    return found


def _ratio(left: Sequence[_Key], right: Sequence[_Key]) -> float:
    return 2 * len(common(left, right)) / (len(left) + len(right))


def _in_order_of(baseline: Sequence[_Keyed], candidate: Sequence[_Keyed]) -> Iterator[_Keyed]:
    """Yield the candidate's steps, those of a parallel group in the order that they have in the baseline."""
    place = 0
    while place < len(candidate):
        size = _group_size(baseline, place)
        waiting: dict[_Key, deque[int]] = {}
        for at, (key, _) in enumerate(candidate[place : place + size], place):
            waiting.setdefault(key, deque()).append(at)
        same = [waiting[key].popleft() if waiting.get(key) else None for key, _ in baseline[place : place + size]]
        others = iter(sorted(at for found in waiting.values() for at in found))
        for at in same:
            slot = at if at is not None else next(others, None)
            if slot is not None:
                yield candidate[slot]
        yield from (candidate[at] for at in others)
        place += size


def _group_size(found: Sequence[_Keyed], place: int) -> int:
    end = place + 1
    while end < len(found) and found[end][1].group == found[place][1].group:
        end += 1
    return end - place


def _difference(was: Step | None, now: Step | None) -> str:
    if (
        was is None
        or now is None
        or (was.kind, was.name) != (now.kind, now.name)
        or not was.arguments
        or not now.arguments
    ):
        return ""
    difference = first_difference(was.request, now.request)
    if difference is not None:
        return f"{difference.pointer}: {difference.recorded} → {difference.asked}"
    return "the answer"
