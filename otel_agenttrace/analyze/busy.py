"""Tell when something ran: times put together so that what is parallel counts once. Intervals in, intervals out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from otel_agenttrace import semconv
from otel_agenttrace.analyze.kinship import is_agent
from otel_agenttrace.model import Span

__all__ = ["Interval", "gaps", "length", "merged", "working"]


@dataclass(frozen=True, slots=True)
class Interval:
    """A time from a start to an end, in nanoseconds."""

    start_ns: int
    end_ns: int

    @property
    def duration_ns(self) -> int:
        """How long it is."""
        return self.end_ns - self.start_ns


def merged(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return the times that at least one of them covers, in order; what is empty is left out."""
    found: list[Interval] = []
    for each in sorted(intervals, key=lambda each: each.start_ns):
        if found and each.start_ns <= found[-1].end_ns:
            found[-1] = Interval(found[-1].start_ns, max(found[-1].end_ns, each.end_ns))
        elif each.end_ns > each.start_ns:
            found.append(each)
    return tuple(found)


def length(intervals: Iterable[Interval]) -> int:
    """Return how long at least one of them lasts."""
    return sum(each.duration_ns for each in merged(intervals))


def working(spans: Iterable[Span]) -> Iterator[Interval]:
    """Yield when calls to models, tools, and other spans that hold no others ran: not the agents around them.

    One that has not ended may have run to the end of all.
    """
    held = tuple(spans)
    last = max((span.end_ns or span.start_ns for span in held), default=0)
    above = {(span.trace_id, span.parent_span_id) for span in held}
    for span in held:
        is_call = span.is_inference or span.operation == semconv.OPERATION_EXECUTE_TOOL
        if is_call or ((span.trace_id, span.span_id) not in above and not is_agent(span)):
            yield Interval(span.start_ns, last if span.end_ns is None else span.end_ns)


def gaps(spans: Iterable[Span]) -> tuple[Interval, ...]:
    """Return the times between the first start and the last end in which nothing worked; none where nothing ever did."""
    held = tuple(span for span in spans if span.has_time)
    busy = merged(working(held))
    if not busy:
        return ()
    first = min(span.start_ns for span in held)
    last = max(span.end_ns or span.start_ns for span in held)
    starts = (first, *(each.end_ns for each in busy))
    ends = (*(each.start_ns for each in busy), last)
    return tuple(Interval(start, end) for start, end in zip(starts, ends, strict=True) if end > start)
