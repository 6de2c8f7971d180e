"""Remove secrets from a span before it is written. Span in, the same without secrets out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from otel_agenttrace.model import AttributeValue, Event, Span
from otel_agenttrace.redact import Redactor

__all__ = ["redacted_span", "redacted_values"]

_PLAIN: Final = frozenset({type(None), bool, int, float, bytes})
"""Values that hold no text. What else a program puts on a span is stored as its text."""


def redacted_span(span: Span, redactor: Redactor) -> Span:
    """Return a span with a placeholder for each secret in its names, attributes, events, links and status."""

    def redacted_event(event: Event) -> Event:
        return replace(
            event, name=redactor.redact_text(event.name), attributes=redacted_values(event.attributes, redactor)
        )

    return replace(
        span,
        name=redactor.redact_text(span.name),
        attributes=redacted_values(span.attributes, redactor),
        events=tuple(map(redacted_event, span.events)),
        links=tuple(replace(link, attributes=redacted_values(link.attributes, redactor)) for link in span.links),
        status_message=redactor.redact_text(span.status_message),
    )


def redacted_values(attributes: Mapping[str, AttributeValue], redactor: Redactor) -> dict[str, AttributeValue]:
    """Return attributes with a placeholder for each secret in their names and values."""
    found: list[tuple[str, str]] = []

    def take_note(name: str, text: str) -> str:
        found.append((name, text))
        return text

    plain = _changed(attributes, take_note)
    return plain if redactor.is_clean(found) else _changed(attributes, redactor.redact_named)


_Change: TypeAlias = "Callable[[str, str], str]"
"""Gives what is stored of a text, by the name of the attribute it stands in."""


def _changed(attributes: Mapping[str, AttributeValue], change: _Change) -> dict[str, AttributeValue]:
    return {change("", key): _changed_value(key, value, change) for key, value in attributes.items()}


def _changed_value(key: str, value: AttributeValue, change: _Change) -> AttributeValue:
    if isinstance(value, str):
        return change(key, value)
    if isinstance(value, Mapping):
        return _changed(value, change)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return tuple(_changed_value(key, item, change) for item in value)
    return value if type(value) in _PLAIN else change(key, str(value))
