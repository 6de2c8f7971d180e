"""Tell what a run did, act by act: agents, calls to models, tools, retrievals. Trace in, acts in an order that has a meaning out.

What ran at the same time has no order: it stands in the order of what it is. A tool that no span tells is an act by what
a model asked for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeAlias, TypeVar

from otel_agenttrace import semconv
from otel_agenttrace.analyze.tool_calls import ToolCall
from otel_agenttrace.analyze.trajectories import parallel_groups
from otel_agenttrace.jsonvalue import canonical
from otel_agenttrace.model import Span, Trace

__all__ = ["Act", "ActKind", "acts_of"]

ActKind: TypeAlias = Literal["agent", "inference", "tool", "retrieval"]
_KINDS: Final[Mapping[str, ActKind]] = {
    semconv.OPERATION_INVOKE_AGENT: "agent",
    semconv.OPERATION_EXECUTE_TOOL: "tool",
    semconv.OPERATION_RETRIEVAL: "retrieval",
    **dict.fromkeys(semconv.INFERENCE_OPERATIONS, "inference"),
}
_NAMES: Final[Mapping[ActKind, str]] = {
    "agent": semconv.GEN_AI_AGENT_NAME,
    "inference": semconv.GEN_AI_REQUEST_MODEL,
    "retrieval": semconv.GEN_AI_DATA_SOURCE_ID,
}


@dataclass(frozen=True, slots=True, eq=False)
class Act:
    """One thing that a run did.

    Attributes:
        kind: What it is.
        name: Of the agent, the tool, the model that was asked, the data source.
        span: That tells it; of a tool that has none, that of the call which asked for it.
        scope: The agents it stands under, outermost first.
        group: Acts of one number ran at the same time.
        call: Of a tool.
    """

    kind: ActKind
    name: str
    span: Span
    scope: tuple[str, ...]
    group: int
    call: ToolCall | None = None

    @property
    def is_error(self) -> bool:
        """Whether it failed."""
        return self.span.is_error and (self.call is None or self.call.is_executed)


_Place: TypeAlias = "tuple[Span, tuple[str, ...], int]"
"""A span, the agents it stands under, and its group."""


def acts_of(
    trace: Trace,
    called: Iterable[ToolCall],
    ranks: Sequence[Callable[[Span], str]],
    chosen: Callable[[Span], bool] = lambda _: True,
) -> tuple[Act, ...]:
    """Return what a run did, in order of start, what stands under a span after it.

    Args:
        trace: The run.
        called: Its calls of tools.
        ranks: Each gives what a span was given or gave. They put in order what ran at the same time, each what is the same
            in all before it, and are asked for nothing else.
        chosen: Says which spans count; what stands under one that does not may count all the same.
    """
    return tuple(_Walk(trace, called, ranks).acts(chosen))


class _Walk:
    """Goes through the spans of a trace from its roots."""

    def __init__(self, trace: Trace, called: Iterable[ToolCall], ranks: Sequence[Callable[[Span], str]]) -> None:
        self._ranks = (_what, *ranks)
        self._counted = {id(span) for span in trace.inferences}
        self._tools: dict[int, list[ToolCall]] = {}
        for call in called:
            self._tools.setdefault(id(call.span), []).append(call)
        self._below: dict[str, list[Span]] = {}
        known = {span.span_id for span in trace.spans}
        for span in sorted(trace.spans, key=lambda span: span.start_ns):
            parent = span.parent_span_id or ""
            self._below.setdefault(parent if parent in known else "", []).append(span)
        for parent, siblings in [*self._below.items()]:
            self._below[parent] = self._nested(siblings)
        self._groups = 0

    def _nested(self, siblings: list[Span]) -> list[Span]:
        """Return siblings with those below an agent that some instrumentations tell beside it: all that it is around."""
        agents = [span for span in siblings if span.operation == semconv.OPERATION_INVOKE_AGENT]
        if len(agents) != 1 or len(siblings) == 1 or agents[0].span_id in self._below:
            return siblings
        (agent,), others = agents, [span for span in siblings if span is not agents[0]]
        end = agent.end_ns or agent.start_ns
        if any(span.start_ns < agent.start_ns or (span.end_ns or span.start_ns) > end for span in others):
            return siblings
        self._below[agent.span_id] = others
        return agents

    def acts(self, chosen: Callable[[Span], bool]) -> Iterator[Act]:
        for first in ("", *tuple(self._below)):  # what is left then is in a circle, or below one
            yield from self._acts_below(first, chosen)

    def _acts_below(self, first: str, chosen: Callable[[Span], bool]) -> Iterator[Act]:
        waiting = [*self._children(first, ())][::-1]
        while waiting:
            span, scope, group = waiting.pop()
            kind = self._kind(span)
            if kind is not None and chosen(span):
                if kind != "tool":
                    yield Act(kind, _name(kind, span), span, scope, group)
                if kind == "inference":  # the tools that it asked for and no span tells may have run together
                    group = self._groups = self._groups + 1
                for call in _ordered(self._tools.get(id(span), ()), (_words,)):
                    yield Act("tool", call.name, span, scope, group, call)
            if span.span_id in self._below:
                within = (*scope, _name("agent", span)) if kind == "agent" else scope
                waiting += [*self._children(span.span_id, within)][::-1]

    def _kind(self, span: Span) -> ActKind | None:
        operation = span.attributes.get(semconv.GEN_AI_OPERATION_NAME)
        kind = _KINDS.get(operation) if isinstance(operation, str) else None
        return None if kind == "inference" and id(span) not in self._counted else kind

    def _children(self, parent: str, scope: tuple[str, ...]) -> Iterator[_Place]:
        for group in parallel_groups(self._below.pop(parent, ())):
            self._groups += 1
            for span in _ordered(group, self._ranks):
                yield span, scope, self._groups


_Thing = TypeVar("_Thing")


def _ordered(things: Sequence[_Thing], ranks: Sequence[Callable[[_Thing], Any]]) -> Sequence[_Thing]:
    """Return things in the order of their first rank; those that have the same one in that of the next."""
    if len(things) < 2 or not ranks:
        return things
    alike: dict[Any, list[_Thing]] = {}
    for thing in things:
        alike.setdefault(ranks[0](thing), []).append(thing)
    return [thing for rank in sorted(alike) for thing in _ordered(alike[rank], ranks[1:])]


def _name(kind: ActKind, span: Span) -> str:
    return str(span.attributes.get(_NAMES[kind]) or span.name)


def _what(span: Span) -> tuple[str, str]:
    return span.operation or "", span.name


def _words(call: ToolCall) -> tuple[str, str]:
    return call.name, canonical(call.arguments)
