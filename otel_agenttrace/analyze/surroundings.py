"""Find within which agent and which phase a call was made. Spans in any order in, names for each span out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from otel_agenttrace import semconv
from otel_agenttrace.model import Span

__all__ = ["Surroundings"]


@dataclass(frozen=True, slots=True)
class _Within:
    """What a span tells of itself, and by a hash, which span is around it."""

    parent: int | None
    agent: str | None
    phase: str | None


_NOTHING = _Within(None, None, None)


class Surroundings:
    """The spans that may stand around calls, without their content.

    An agent is known by `gen_ai.agent.name`, a phase by the name that `at.span` was given. The nearest one counts.
    """

    def __init__(self, spans: Iterable[Span]) -> None:
        names: dict[str, str] = {}
        self._known = {
            hash((span.trace_id, span.span_id)): _Within(
                _parent(span),
                _kept(span, semconv.GEN_AI_AGENT_NAME, names),
                _kept(span, semconv.AGENTTRACE_NODE_NAME, names),
            )
            for span in spans
        }
        self._settled: set[int] = set()

    def of(self, span: Span) -> tuple[str | None, str | None]:
        """Return the agent and the phase that a call was made in; None where there is none."""
        around = self._around(_parent(span))
        own = span.attributes.get(semconv.GEN_AI_AGENT_NAME)
        return own if isinstance(own, str) and own else around.agent, around.phase

    def _around(self, place: int | None) -> _Within:
        """Return what holds at a place; each place on the way up is settled, so that no way is gone twice."""
        way: list[int] = []
        while place is not None and place in self._known and place not in self._settled:
            way.append(place)
            self._settled.add(place)
            place = self._known[place].parent
        found = self._known.get(place, _NOTHING) if place is not None else _NOTHING
        for step in reversed(way):
            mine = self._known[step]
            found = _Within(mine.parent, mine.agent or found.agent, mine.phase or found.phase)
            self._known[step] = found
        return found


def _parent(span: Span) -> int | None:
    return hash((span.trace_id, span.parent_span_id)) if span.parent_span_id else None


def _kept(span: Span, name: str, names: dict[str, str]) -> str | None:
    told = span.attributes.get(name)
    return names.setdefault(told, told) if isinstance(told, str) and told else None
