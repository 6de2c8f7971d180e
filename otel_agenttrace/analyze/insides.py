"""Give frozen tools back what was recorded inside them. A replayed run and its recording in, a whole run out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Final, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.model import Span, Trace

__all__ = ["with_insides"]

_Place: TypeAlias = "tuple[str, str | None]"
_ANSWERED: Final = ("hit", "drift")


def with_insides(trace: Trace, recorded: Trace) -> Trace:
    """Return a run in which each frozen tool has the spans below it that it had when it was recorded."""
    children: defaultdict[_Place, list[Span]] = defaultdict(list)
    for span in recorded.spans:
        children[span.trace_id, span.parent_span_id].append(span)
    insides = (span for tool in _frozen_tools(trace) for span in _inside(tool, children))
    return replace(trace, spans=(*trace.spans, *insides))


def _frozen_tools(trace: Trace) -> tuple[Span, ...]:
    """Return the tools that were answered from a recording and did nothing inside."""
    above = {(span.trace_id, span.parent_span_id) for span in trace.spans}
    return tuple(
        span
        for span in trace.tool_calls
        if span.attributes.get(semconv.AGENTTRACE_REPLAY_OUTCOME) in _ANSWERED
        and (span.trace_id, span.span_id) not in above
    )


def _inside(tool: Span, children: defaultdict[_Place, list[Span]]) -> Iterator[Span]:
    """Yield what was recorded below a tool, each span once: what is in the file may go in a circle."""
    waiting = [(span, tool.span_id) for link in tool.links for span in children.pop((link.trace_id, link.span_id), ())]
    while waiting:
        span, parent = waiting.pop()
        yield replace(span, trace_id=tool.trace_id, parent_span_id=parent)
        waiting += [(child, span.span_id) for child in children.pop((span.trace_id, span.span_id), ())]
