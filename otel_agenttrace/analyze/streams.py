"""Read spans as they come, without holding a whole trace. Traces or files in, spans in any order out, calls counted once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from otel_agenttrace import semconv
from otel_agenttrace.doubles import doubled
from otel_agenttrace.model import Span, Trace

__all__ = ["SpanStream", "inferences_once", "run_of", "streamed"]


@dataclass(frozen=True, slots=True)
class SpanStream:
    """The spans of one file, which may hold several traces.

    Attributes:
        name: The file, as the user named it.
        spans: Its spans in any order. A large file is read from disk anew each time they are asked for.
        cost_of: Prices one inference span in US dollars; None where that is not known.
    """

    name: str
    spans: Iterable[Span]
    cost_of: Callable[[Span], float | None]


def streamed(trace: Trace, name: str = "") -> SpanStream:
    """Return the spans of a trace that is held already."""
    return SpanStream(name or str(trace.path or ""), trace.spans, trace.cost_of)


def run_of(span: Span) -> tuple[str, str]:
    """Return what stands for the run of a span among those of its file: its recording, else its trace."""
    recording = span.resource.get(semconv.AGENTTRACE_RUN_ID)
    return ("", recording) if isinstance(recording, str) else (span.trace_id, "")


def inferences_once(spans: Iterable[Span]) -> Iterator[Span]:
    """Yield one span for each call to a model, those that `Trace.inferences` has, in the order of the spans.

    What comes later may tell a call again, so the spans are read twice, but for the first ones of a file as far as they
    are recorded, which count whatever comes. Those that can be read once only, from an iterator, are held.
    """
    again = [span for span in spans if span.is_inference] if isinstance(spans, Iterator) else spans
    begin = 0
    for span in (span for span in again if span.is_inference):
        if span.read_call is None:
            break
        yield span
        begin += 1
    else:
        return
    left_out = doubled(span.telling for span in again if span.is_inference)
    for place, span in enumerate(span for span in again if span.is_inference):
        if place >= begin and place not in left_out:
            yield span
