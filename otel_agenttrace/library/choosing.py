"""Find the spans a user means. Trace and a short text in, spans with their places out."""

from __future__ import annotations

import re
from typing import Final

from otel_agenttrace.model import Trace
from otel_agenttrace.selectors import Subject, parse_selector, subjects

__all__ = ["chosen"]

_ID: Final = re.compile(r"[0-9a-f]{4,16}")


def chosen(trace: Trace, meant: str) -> tuple[Subject, ...]:
    """Return the spans that a text means: the beginning of a span id, else the name of a span, else a selector.

    Raises:
        SelectorError: If it is none of these.
    """
    found = tuple(subjects(trace))
    by_id = (
        tuple(subject for subject in found if subject.span.span_id.startswith(meant)) if _ID.fullmatch(meant) else ()
    )
    by_name = tuple(subject for subject in found if subject.span.name == meant)
    if by_id or by_name:
        return by_id or by_name
    selector = parse_selector(meant)
    return tuple(subject for subject in found if selector.matches(subject))
