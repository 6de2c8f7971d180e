"""Word what rules have found: what was there beside what was wanted, the evidence, the nearest, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from typing import Final

from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.tool_calls import untold_calls
from otel_agenttrace.counting import counted
from otel_agenttrace.escaping import escaped
from otel_agenttrace.jsonvalue import compact
from otel_agenttrace.model import Span, Trace

__all__ = ["finding", "listed", "nearest_of", "places", "short", "shown", "unknown_calls"]

_MOST: Final = 6
_LONGEST: Final = 160


def finding(
    rule: str, trace: Trace, spans: Iterable[Span], found: str, *, fix: str, at: str | None = None, nearest: str = ""
) -> Finding:
    """Return a finding in four parts, without those that are empty.

    Args:
        rule: The name of the rule.
        trace: The run.
        spans: Those that show it.
        found: What was found, beside what was wanted.
        fix: What to do.
        at: The evidence; None for the spans by their names.
        nearest: What is there and comes nearest to what is wanted.
    """
    shown_by = tuple(spans)
    parts = (("at", listed(places(trace, shown_by)) if at is None else at), ("nearest", nearest), ("to fix", fix))
    told = "\n".join([found, *(f"  {label:<9}{text}" for label, text in parts if text)])
    return Finding(rule, told, span_ids=tuple(dict.fromkeys(span.span_id for span in shown_by)))


def unknown_calls(rule: str, trace: Trace) -> Iterator[Finding]:
    """Yield that models asked for tools which the trace does not tell: a rule on what is not called cannot pass then."""
    untold = untold_calls(trace)
    if untold:
        found = f"which tools were called is not known: {counted(len(untold), 'call')} to models asked for some"
        yield finding(rule, trace, untold, found, fix="record the run with its content, or its tools: @at.tool does")


def listed(items: Sequence[str], joint: str = ", ") -> str:
    """Return the first of several items, and how many more there are."""
    more = len(items) - _MOST
    return joint.join(items[:_MOST]) + (f"{joint}and {more:,} more" if more > 0 else "")


def short(text: str) -> str:
    """Return a text for one line, cut where it is long."""
    return escaped(text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…")


def shown(value: object) -> str:
    """Return a JSON value for one line."""
    return short(compact(value))


def places(trace: Trace, spans: Iterable[Span]) -> list[str]:
    """Return each span with its place in the run, as a selector has it: `chat gpt-4o (#3)`."""
    numbers = {id(span): number for number, span in enumerate(sorted(trace.spans, key=lambda each: each.start_ns), 1)}
    return [f"{short(span.name)} (#{numbers[id(span)]})" for span in spans]


def nearest_of(word: str, known: Iterable[str]) -> str:
    """Return the known word that is most like one that is not there; empty if none is."""
    return short(next(iter(get_close_matches(word, list(dict.fromkeys(known)), n=1)), ""))
