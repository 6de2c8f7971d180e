"""Which recorded calls are to be made again. Cassette and selector in, their places out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final, TypeAlias

from otel_agenttrace.cassette.reader import Cassette
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.selectors import Subject, select, subjects

__all__ = ["call_names", "chosen_calls", "places_of"]

_TOLD: Final = 5
"""How many calls an error names."""


_CostOf: TypeAlias = Callable[[Span], "float | None"]


def places_of(cassette: Cassette, selector: str, now_ns: int, cost_of: _CostOf | None = None) -> frozenset[str]:
    """Return the places of the recorded calls that a selector chooses; there may be none.

    Raises:
        SelectorError: If the text is no selector.
    """
    spans = tuple(cassette.spans())
    chosen = {id(span) for span in select(replace(cassette.trace(cost_of), spans=spans), selector, now_ns)}
    recorded = (span for span in spans if span.read_call is not None)
    return frozenset(
        entry.place for span, entry in zip(recorded, cassette.index.calls, strict=True) if id(span) in chosen
    )


def chosen_calls(cassette: Cassette, selector: str, now_ns: int, cost_of: _CostOf | None = None) -> frozenset[str]:
    """Return the places of the recorded calls that a selector chooses.

    Raises:
        SelectorError: If the text is no selector.
        ConfigError: If it chooses no recorded call: with those that there are.
    """
    places = places_of(cassette, selector, now_ns, cost_of)
    if not places:
        calls = list(call_names(cassette.trace()).values())
        told = "\n             ".join([*calls[:_TOLD], *(["…", calls[-1]] if len(calls) > _TOLD else [])])
        raise ConfigError(
            f"The selector {selector!r} chooses no recorded call of {cassette.path}.\n"
            f"  there are  {told or 'no recorded calls'}\n"
            "  to fix     choose among these; docs/selectors.md tells how"
        )
    return places


def call_names(trace: Trace) -> Mapping[str, str]:
    """Return a name for each recorded call by its span id, in order of their starts: `inference[2] chat gpt-4o`."""
    found = subjects(trace)
    return {subject.span.span_id: _told(subject) for subject in found if subject.span.read_call is not None}


def _told(subject: Subject) -> str:
    place = f"inference[{subject.index}]" if subject.span.is_inference and subject.index else f"#{subject.ordinal}"
    return f"{place} {subject.span.name}"
