"""Tell what cassettes there are and what their runs took. Streams of spans in, one frozen row for each out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import cost_of_call, tokens_of
from otel_agenttrace.analyze.measures import model_of
from otel_agenttrace.analyze.streams import SpanStream, inferences_once
from otel_agenttrace.cassette.sidecars import bodies_size
from otel_agenttrace.jsonvalue import integer
from otel_agenttrace.library.playing import Played
from otel_agenttrace.model import Span, Trace

__all__ = ["SORTS", "Listed", "Listing", "Sort", "listed", "listing", "recorded_ns"]

Sort: TypeAlias = Literal["age", "cost", "tokens", "calls", "name"]
_NS: Final = 1_000_000_000
_AGENTS: Final = (semconv.OPERATION_INVOKE_AGENT, semconv.OPERATION_CREATE_AGENT)


@dataclass(frozen=True, slots=True)
class Listed:
    """One cassette.

    Attributes:
        name: Its path, as the user named it.
        recorded_at: When the newest span in it was recorded, in UTC; None if no span tells.
        age_s: How long ago that was, in seconds.
        calls: Calls to models.
        tokens: Of input and output, of the calls that tell them; None if none does.
        calls_without_tokens: Calls that do not.
        cost: In US dollars, of the calls that have a price; None if none has.
        calls_without_price: Calls that have none.
        errors: Spans that failed.
        size_bytes: Of the file and its large bodies; None for the standard input.
        models: Which answered, in order of their names.
        agent: The name of the first agent; None without one.
        unplayed: Recorded calls that no test asked for; None where no report tells.
    """

    name: str
    recorded_at: str | None
    age_s: float | None
    calls: int
    tokens: int | None
    calls_without_tokens: int
    cost: float | None
    calls_without_price: int
    errors: int
    size_bytes: int | None
    models: tuple[str, ...]
    agent: str | None
    unplayed: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """All that were found, in order, and what they took together."""

    cassettes: tuple[Listed, ...]
    calls: int
    tokens: int | None
    cost: float | None
    size_bytes: int


SORTS: Final[dict[Sort, Callable[[Listed], tuple[object, ...]]]] = {
    "age": lambda row: (row.age_s is None, row.age_s, row.name),
    "cost": lambda row: (row.cost is None, -(row.cost or 0), row.name),
    "tokens": lambda row: (row.tokens is None, -(row.tokens or 0), row.name),
    "calls": lambda row: (-row.calls, row.name),
    "name": lambda row: (row.name,),
}
"""How cassettes may be ordered: the newest, the dearest and the largest first; what is not known last."""


def listing(rows: Iterable[Listed], sort: Sort) -> Listing:
    """Return cassettes in order, with their sums."""
    ordered = tuple(sorted(rows, key=SORTS[sort]))
    tokens = [row.tokens for row in ordered if row.tokens is not None]
    costs = [row.cost for row in ordered if row.cost is not None]
    return Listing(
        ordered,
        calls=sum(row.calls for row in ordered),
        tokens=sum(tokens) if tokens else None,
        cost=sum(costs) if costs else None,
        size_bytes=sum(row.size_bytes or 0 for row in ordered),
    )


def recorded_ns(span: Span) -> int:
    """Return when a span was recorded, 0 if its source does not tell: one that was made again tells it beside its place in the run."""
    told = integer(span.attributes.get(semconv.AGENTTRACE_RECORDED_TIME_UNIX_NANO))
    return told or (span.start_ns if span.has_time else 0)


@dataclass(slots=True)
class _Seen:
    """What all spans tell while those of models are counted."""

    newest_ns: int = 0
    errors: int = 0
    agents: list[tuple[int, str]] = field(default_factory=list[tuple[int, str]])

    def passing(self, spans: Iterable[Span]) -> Iterator[Span]:
        for span in spans:
            self.newest_ns = max(self.newest_ns, recorded_ns(span))
            self.errors += span.is_error
            name = span.attributes.get(semconv.GEN_AI_AGENT_NAME)
            if span.operation in _AGENTS and isinstance(name, str):
                self.agents.append((span.start_ns, name))
            yield span


def listed(stream: SpanStream, now_ns: int, played: Played) -> Listed:
    """Return what one cassette holds.

    Args:
        stream: Its spans.
        now_ns: The time.
        played: What tests left of it.
    """
    seen = _Seen()
    pricing = Trace((), stream.cost_of)
    tokens: list[int] = []
    costs: list[float] = []
    models: set[str] = set()
    calls = 0
    for span in inferences_once(seen.passing(stream.spans)):
        calls += 1
        told = [count for count in tokens_of(span) if count is not None]
        cost = cost_of_call(pricing, span)
        model = model_of(span)
        tokens += [sum(told)] if told else []
        costs += [cost] if cost is not None else []
        models |= {model} if model else set()
    path = Path(stream.name)
    return Listed(
        name=stream.name,
        recorded_at=_time(seen.newest_ns),
        age_s=(now_ns - seen.newest_ns) / _NS if seen.newest_ns else None,
        calls=calls,
        tokens=sum(tokens) if tokens else None,
        calls_without_tokens=calls - len(tokens),
        cost=sum(costs) if costs else None,
        calls_without_price=calls - len(costs),
        errors=seen.errors,
        size_bytes=path.stat().st_size + bodies_size(path) if path.is_file() else None,
        models=tuple(sorted(models)),
        agent=min(seen.agents)[1] if seen.agents else None,
        unplayed=played.left_of(path),
    )


def _time(ns: int) -> str | None:
    try:
        return datetime.fromtimestamp(ns // _NS, tz=timezone.utc).isoformat() if ns else None
    except (OverflowError, ValueError, OSError):  # further than a calendar goes
        return None
