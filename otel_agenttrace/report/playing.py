"""Show a run as it happened: a line for each span when it ended. Spans in, lines with their times out. No clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Final

from rich.text import Text

from otel_agenttrace.library.annotations import NOTHING, Annotations
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.report.terminal import Excerpt, span_line
from otel_agenttrace.report.text import duration
from otel_agenttrace.selectors import Selector, subjects

__all__ = ["Played", "paused_line", "played", "wait_ns"]

_WIDTH: Final = 10


@dataclass(frozen=True, slots=True)
class Played:
    """A line, and when it comes: nanoseconds since the run began."""

    at_ns: int
    line: Text


def played(
    trace: Trace,
    selector: Selector | None,
    excerpt: Excerpt,
    new: Iterable[Span] | None = None,
    annotations: Annotations = NOTHING,
) -> Iterator[Played]:
    """Yield a line for each span that a selector chooses, in the order they ended; one that has not ended when it began.

    Args:
        trace: The run, as far as it is known.
        selector: Which spans are shown; None for all.
        excerpt: Gives the text a span is about.
        new: Those that are shown now; None for all, of a run that is over.
        annotations: What people put on the spans.
    """
    goes_on = new is not None
    chosen = {
        id(subject.span)
        for subject in subjects(trace)
        if selector is None or selector.matches(replace(subject, count=None) if goes_on else subject)
    }
    begun_ns = min((span.start_ns for span in trace.spans), default=0)
    roots = [span for span in trace.spans if not span.parent_span_id]
    for span in sorted(trace.spans if new is None else new, key=_shown_ns):
        if id(span) in chosen:
            is_whole = len(roots) == 1 and span is roots[0]
            at_ns = _shown_ns(span) - begun_ns
            at = f"+{duration(at_ns)}" if span.has_time else "?"
            line = Text.assemble((f"{at:>{_WIDTH}}  ", "dim"))
            yield Played(
                at_ns, line.append_text(span_line(span, 0 if is_whole else 1, trace, excerpt, annotations.of(span)))
            )


def _shown_ns(span: Span) -> int:
    return span.start_ns if span.end_ns is None else span.end_ns


def wait_ns(recorded_ns: int, speed: float, longest_ns: int | None) -> int:
    """Return how long to wait where a run took some time: nothing at speed 0, and never longer than is asked for."""
    wait = round(recorded_ns / speed) if speed else 0
    return wait if longest_ns is None else min(wait, longest_ns)


def paused_line(recorded_ns: int) -> Text:
    """Return the line that tells of a pause that is cut short."""
    return Text(f"{'':>{_WIDTH}}  … {duration(recorded_ns)}", "dim")
