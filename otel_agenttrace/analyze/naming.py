"""Find the one span that somebody means by a short text. Trace and text in, span out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.errors import SelectorError, SpanNotFound
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.selectors import select

__all__ = ["span_named"]

_ID: Final = re.compile(r"[0-9a-fA-F]{4,16}")
_MOST: Final = 6


def span_named(trace: Trace, told: str) -> Span:
    """Return the span that is meant by the beginning of its id, its name, a selector, `last` or `last-error`.

    Raises:
        SpanNotFound: If no span is meant, or several.
    """
    ordered = sorted(trace.spans, key=lambda span: span.start_ns)
    if told in ("last", "last-error"):
        done = [span for span in ordered if span.attributes.get(semconv.AGENTTRACE_OPERATION) != "evaluation"]
        found = [span for span in done if told == "last" or span.is_error][-1:]
    else:
        found = _by_id(ordered, told) or _by_name(ordered, told) or _selected(trace, told)
    if len(found) == 1:
        return found[0]
    if not found:
        names = list(dict.fromkeys(span.name for span in ordered))
        near = get_close_matches(told, names, n=1)
        raise SpanNotFound(told, "no span is meant by it", near[0] if near else "")
    places = {id(span): place for place, span in enumerate(ordered, 1)}
    listed = ", ".join(f"#{places[id(span)]} {span.span_id[:8]}" for span in found[:_MOST])
    more = len(found) - _MOST
    raise SpanNotFound(
        told, f"{len(found):,} spans are meant by it: {listed}" + (f" and {more:,} more" if more > 0 else "")
    )


def _by_id(spans: Sequence[Span], told: str) -> list[Span]:
    return [span for span in spans if span.span_id.startswith(told.lower())] if _ID.fullmatch(told) else []


def _by_name(spans: Sequence[Span], told: str) -> list[Span]:
    names = (semconv.GEN_AI_TOOL_NAME, semconv.GEN_AI_AGENT_NAME)
    return [span for span in spans if told == span.name or told in [span.attributes.get(name) for name in names]]


def _selected(trace: Trace, told: str) -> Sequence[Span]:
    try:
        return select(trace, told)
    except SelectorError:
        if re.search(r"[=\[#|]", told):
            raise
        return ()
