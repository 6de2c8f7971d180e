"""Lay a run out over time: bars, the critical path, the times in which nothing ran. Trace in, timeline out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.analyze.busy import gaps
from otel_agenttrace.analyze.kinship import kinship
from otel_agenttrace.jsonvalue import number
from otel_agenttrace.model import Span, Trace

__all__ = ["Bar", "Gap", "Timeline", "first_chunk_ns", "timeline"]

_NS: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Bar:
    """A span over time.

    Attributes:
        span: The span.
        parent_span_id: The span it runs in, as told.
        offset_ns: From the start of the run to its start; what tells no time stands in its order.
        duration_ns: How long it took; None while it is open, and where that is not told.
        first_chunk_ns: From its start to the first chunk of the answer; None where that is not told.
        is_error: Whether it failed.
        is_critical: Whether it is on the critical path: the spans that end last, one after another, backwards from the end.
    """

    span: Span
    parent_span_id: str | None
    offset_ns: int
    duration_ns: int | None
    first_chunk_ns: int | None
    is_error: bool
    is_critical: bool


@dataclass(frozen=True, slots=True)
class Gap:
    """A time in which no call ran."""

    offset_ns: int
    duration_ns: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """A run over time.

    Attributes:
        name: The file.
        start_ns: When it began, in nanoseconds since 1970.
        duration_ns: From the first start to the last end; None where a span has not ended or tells no time.
        drawn_ns: From the first start to the last time that is told, which may be all that is known; None if there is none.
        bars: The spans in order of their start.
        gaps: The times in which no call ran.
    """

    name: str
    start_ns: int
    duration_ns: int | None
    drawn_ns: int | None
    bars: tuple[Bar, ...]
    gaps: tuple[Gap, ...]


def timeline(trace: Trace, *, name: str = "") -> Timeline:
    """Return a run over time."""
    if not trace.spans:
        return Timeline(name, 0, None, None, (), ())
    start = min(span.start_ns for span in trace.spans)
    is_timed = all(span.has_time for span in trace.spans)
    critical = _critical(trace) if is_timed else set[int]()
    bars = (
        Bar(
            span=span,
            parent_span_id=span.parent_span_id,
            offset_ns=span.start_ns - start,
            duration_ns=span.duration_ns,
            first_chunk_ns=first_chunk_ns(span),
            is_error=span.is_error,
            is_critical=id(span) in critical,
        )
        for span in sorted(trace.spans, key=lambda each: each.start_ns)
    )
    idle = (Gap(each.start_ns - start, each.duration_ns) for each in gaps(trace.spans)) if is_timed else ()
    drawn = max(map(_end, trace.spans)) - start if is_timed else None
    return Timeline(name, start, trace.duration_ns, drawn, tuple(bars), tuple(idle))


def first_chunk_ns(span: Span) -> int | None:
    """Return the time from the start of a call to the first chunk of its answer: as told, else as it was recorded."""
    told = number(span.attributes.get(semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK))
    if told is not None:
        return round(told * _NS)
    call = span.call
    last = call.attempts[-1] if call is not None and call.attempts else None
    if last is None or not last.chunks:
        return None
    return last.start_ns - span.start_ns + last.chunks[0].offset_ns


def _critical(trace: Trace) -> set[int]:
    """Return the spans without which the run would have ended earlier: from the end back, that which ended last."""
    children = kinship(trace.spans).children(trace.spans)
    found: set[int] = set()
    waiting = [(0, max(_end(span) for span in trace.spans))]
    while waiting:
        above, until = waiting.pop()
        for span in sorted(children.get(above, ()), key=_end, reverse=True):
            if _end(span) <= until:
                found.add(id(span))
                waiting.append((id(span), _end(span)))
                until = span.start_ns
    return found


def _end(span: Span) -> int:
    return span.start_ns if span.end_ns is None else span.end_ns
