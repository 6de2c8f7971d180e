"""Tell which agent a span works for, and which span is really its parent. Spans in, their place out, whatever the ids say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.model import Span

__all__ = ["Kinship", "is_agent", "kinship"]

_AGENTS: Final = frozenset({semconv.OPERATION_INVOKE_AGENT, semconv.OPERATION_INVOKE_WORKFLOW})


def is_agent(span: Span) -> bool:
    """Whether a span is the run of an agent or a workflow."""
    return span.operation in _AGENTS


@dataclass(frozen=True, slots=True)
class Kinship:
    """The parents and agents of the spans of a run, by the spans' `id()`; a span without one is not in the mapping.

    A parent id that two spans have, or that leads in a circle, names no parent.
    """

    parents: dict[int, Span]
    agents: dict[int, Span]

    def scope(self, span: Span) -> tuple[str, str]:
        """Return what tells apart the agents of a run: the trace, and the span of the nearest agent above."""
        agent = self.agents.get(id(span))
        return span.trace_id, "" if agent is None else agent.span_id

    def children(self, spans: Iterable[Span]) -> dict[int, list[Span]]:
        """Return the spans below each, by its `id()`, in order of their start; below 0 those without a parent."""
        found: dict[int, list[Span]] = {0: []}
        for span in sorted(spans, key=lambda each: each.start_ns):
            parent = self.parents.get(id(span))
            found.setdefault(0 if parent is None else id(parent), []).append(span)
        return found


def kinship(spans: Iterable[Span]) -> Kinship:
    """Return who is above whom."""
    held = tuple(spans)
    counts = Counter((span.trace_id, span.span_id) for span in held)
    known = {(span.trace_id, span.span_id): span for span in held}
    parents: dict[int, Span] = {}
    for span in held:
        place = (span.trace_id, span.parent_span_id or "")
        if counts[place] == 1:
            parents[id(span)] = known[place]
    for circled in _in_circles(held, parents):
        del parents[circled]
    return Kinship(parents, _agents(held, parents))


def _in_circles(spans: tuple[Span, ...], parents: dict[int, Span]) -> set[int]:
    """Return the spans that are their own ancestors. Each span is walked once."""
    done: set[int] = set()
    circled: set[int] = set()
    for span in spans:
        path: dict[int, int] = {}
        above: Span | None = span
        while above is not None and id(above) not in done and id(above) not in path:
            path[id(above)] = len(path)
            above = parents.get(id(above))
        if above is not None and id(above) in path:
            circled |= {each for each, place in path.items() if place >= path[id(above)]}
        done.update(path)
    return circled


def _agents(spans: tuple[Span, ...], parents: dict[int, Span]) -> dict[int, Span]:
    found: dict[int, Span | None] = {}
    for span in spans:
        path: list[Span] = []
        above: Span | None = span
        while above is not None and id(above) not in found:
            path.append(above)
            above = parents.get(id(above))
        for each in reversed(path):
            parent = parents.get(id(each))
            nearest = None if parent is None else parent if is_agent(parent) else found[id(parent)]
            found[id(each)] = nearest
    return {each: agent for each, agent in found.items() if agent is not None}
