"""Read spans as they come, without holding a whole trace. Traces or files in, spans in any order out, calls counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from otel_agenttrace import semconv
from otel_agenttrace.model import Span, Trace

__all__ = ["SpanStream", "inferences_once", "streamed"]


@dataclass(frozen=True, slots=True)
class SpanStream:
    """The spans of one file, which may hold several traces.

    Attributes:
        name: The file, as the user named it.
        spans: Its spans in any order, perhaps read from disk while they are asked for: they can be read once.
        cost_of: Prices one inference span in US dollars; None where that is not known.
    """

    name: str
    spans: Iterable[Span]
    cost_of: Callable[[Span], float | None]


def streamed(trace: Trace, name: str = "") -> SpanStream:
    """Return the spans of a trace that is held already."""
    return SpanStream(name or str(trace.path or ""), trace.spans, trace.cost_of)


def inferences_once(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield one span for each call to a model, as they come.

    Two instrumentations may tell the same call: spans of a trace with the same response id are one call, and the first counts.
    Recorded calls count each for itself, among themselves: a replay may have given the same response twice.
    """
    recorded: set[tuple[str, str]] = set()
    told: set[tuple[str, str]] = set()
    for span in spans:
        if not span.is_inference:
            continue
        response_id = span.attributes.get(semconv.GEN_AI_RESPONSE_ID)
        if not isinstance(response_id, str) or not response_id:
            yield span
            continue
        place = (span.trace_id, response_id)
        if place in told or (span.read_call is None and place in recorded):
            continue
        (recorded if span.read_call is not None else told).add(place)
        yield span
