"""Word what rules have found: what was there beside what was wanted, the evidence, the nearest, what to do."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from difflib import get_close_matches
from typing import Final

from otel_agenttrace.escaping import escaped
from otel_agenttrace.jsonvalue import compact
from otel_agenttrace.model import Span, Trace

__all__ = ["listed", "message", "nearest_of", "placed", "places", "short", "shown"]

_MOST: Final = 6
_LONGEST: Final = 160


def message(found: str, *, at: str = "", nearest: str = "", fix: str) -> str:
    """Return the text of a finding; what is empty is left out."""
    more = (("at", at), ("nearest", nearest), ("to fix", fix))
    return "\n".join([found, *(f"  {label:<9}{text}" for label, text in more if text)])


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


def placed(trace: Trace, spans: Iterable[Span]) -> str:
    """Return the first of several spans with their places, in one line."""
    return listed(places(trace, spans))


def nearest_of(word: str, known: Iterable[str]) -> str:
    """Return the known word that is most like one that is not there; empty if none is."""
    return short(next(iter(get_close_matches(word, list(dict.fromkeys(known)), n=1)), ""))
