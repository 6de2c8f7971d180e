"""Find the spans that somebody means by a short text. Trace and text in, spans out."""

from __future__ import annotations

import re
from collections.abc import Sequence
from difflib import get_close_matches
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.errors import SelectorError, SpanNotFound
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.selectors import Subject, parse_selector, subjects

__all__ = ["span_named", "spans_named"]

_ID: Final = re.compile(r"[0-9a-fA-F]{4,16}")
_MOST: Final = 6


def span_named(trace: Trace, told: str) -> Span:
    """Return the span that is meant, as `spans_named` finds it.

    Raises:
        SpanNotFound: If no span is meant, or several.
        SelectorError: As `spans_named` does.
    """
    found = spans_named(trace, told)
    if len(found) == 1:
        return found[0].span
    if not found:
        names = list(dict.fromkeys(span.name for span in trace.spans))
        near = get_close_matches(told, names, n=1)
        raise SpanNotFound(told, "no span is meant by it", near[0] if near else "")
    listed = ", ".join(f"#{each.ordinal} {each.span.span_id[:8]}" for each in found[:_MOST])
    more = len(found) - _MOST
    raise SpanNotFound(
        told, f"{len(found):,} spans are meant by it: {listed}" + (f" and {more:,} more" if more > 0 else "")
    )


def spans_named(trace: Trace, told: str) -> Sequence[Subject]:
    """Return the spans that are meant by the beginning of an id, a name, a selector, `last` or `last-error`, with their places.

    Raises:
        SelectorError: If it can be a selector only, and cannot be read.
    """
    found = tuple(subjects(trace))
    if told in ("last", "last-error"):
        done = [each for each in found if each.span.attributes.get(semconv.AGENTTRACE_OPERATION) != "evaluation"]
        return [each for each in done if told == "last" or each.span.is_error][-1:]
    return _by_id(found, told) or _by_name(found, told) or _selected(found, told)


def _by_id(found: Sequence[Subject], told: str) -> list[Subject]:
    return [each for each in found if each.span.span_id.startswith(told.lower())] if _ID.fullmatch(told) else []


def _by_name(found: Sequence[Subject], told: str) -> list[Subject]:
    return [each for each in found if told in _names_of(each.span)]


def _names_of(span: Span) -> Sequence[object]:
    return (span.name, *(span.attributes.get(name) for name in (semconv.GEN_AI_TOOL_NAME, semconv.GEN_AI_AGENT_NAME)))


def _selected(found: Sequence[Subject], told: str) -> list[Subject]:
    try:
        selector = parse_selector(told)
    except SelectorError:
        if re.search(r"[=\[#|]", told):
            raise
        return []
    return [each for each in found if selector.matches(each)]
