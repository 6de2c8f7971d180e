"""Tell how a recorded run changed: what it takes, where it parts, what came and what went. Two traces in, a change out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from otel_agenttrace.analyze.alignment import aligned
from otel_agenttrace.analyze.billing import cost_of_call
from otel_agenttrace.analyze.measures import known_part
from otel_agenttrace.analyze.tool_calls import tool_calls
from otel_agenttrace.analyze.trajectories import Divergence, Step, compare, steps
from otel_agenttrace.model import Trace

__all__ = ["Change", "ChangeKind", "Figures", "change_of", "figures_of", "together"]

ChangeKind: TypeAlias = Literal["new", "removed", "changed", "same"]


@dataclass(frozen=True, slots=True)
class Figures:
    """What one run takes, or several.

    Attributes:
        llm_calls: Calls to models.
        tool_calls: Calls of tools.
        tokens: Of the calls that tell them; None if none does.
        cost: In US dollars, of the calls that have a price; None if none has.
        unpriced: How many calls to models have no price.
    """

    llm_calls: int = 0
    tool_calls: int = 0
    tokens: int | None = None
    cost: float | None = None
    unpriced: int = 0


def figures_of(trace: Trace) -> Figures:
    """Return what a run takes."""
    costs = [cost_of_call(trace, span) for span in trace.inferences]
    return Figures(
        len(costs),
        len(tool_calls(trace)),
        trace.usage.total_tokens,
        known_part(costs),
        sum(cost is None for cost in costs),
    )


def together(found: Sequence[Figures]) -> Figures:
    """Return what several runs take together."""
    return Figures(
        sum(each.llm_calls for each in found),
        sum(each.tool_calls for each in found),
        known_part(each.tokens for each in found),
        known_part(each.cost for each in found),
        sum(each.unpriced for each in found),
    )


@dataclass(frozen=True, slots=True)
class Change:
    """How a recorded run changed.

    Attributes:
        name: Of the cassette.
        before: What it took; None if it is new.
        now: What it takes; None if it was removed.
        divergence: The first step that is not the same, if both are there and one is not.
        added: Steps that only the run of now has, in words, in order. A step that asks or answers something else is none.
        removed: Those that only the run of before has.
    """

    name: str
    before: Figures | None
    now: Figures | None
    divergence: Divergence | None = None
    added: tuple[str, ...] = ()
    removed: tuple[str, ...] = ()

    @property
    def kind(self) -> ChangeKind:
        """What became of it."""
        if self.before is None:
            return "new"
        if self.now is None:
            return "removed"
        return "same" if self.divergence is None and self.before == self.now else "changed"


def change_of(name: str, before: Trace | None, now: Trace | None) -> Change:
    """Return how a run changed. Without a trace of before it is new, without one of now it was removed."""
    was, does = _steps(before), _steps(now)
    is_both = before is not None and now is not None
    removed, added = _apart(was, does)
    return Change(
        name,
        None if before is None else figures_of(before),
        None if now is None else figures_of(now),
        compare(was, does).first_divergence if is_both else None,
        added,
        removed,
    )


def _steps(trace: Trace | None) -> tuple[Step, ...]:
    return () if trace is None else steps(trace)


def _apart(was: Sequence[Step], does: Sequence[Step]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the steps that only one of two runs has: another kind or name is another step."""
    pairs = aligned(was, does, (lambda step: (step.kind, step.name),))
    held, taken = {one for one, _ in pairs}, {other for _, other in pairs}
    removed = tuple(str(step) for place, step in enumerate(was) if place not in held)
    return removed, tuple(str(step) for place, step in enumerate(does) if place not in taken)
