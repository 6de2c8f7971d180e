"""Remove secrets from a span before it is written. Span in, the same without secrets out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Final

from otel_agenttrace.model import AttributeValue, Event, Span
from otel_agenttrace.redact import Redactor

__all__ = ["redacted_span", "redacted_values"]

_PLAIN: Final = frozenset({type(None), bool, int, float, bytes})
"""Values that hold no text. What else a program puts on a span is stored as its text."""


def redacted_span(span: Span, redactor: Redactor) -> Span:
    """Return a span with a placeholder for each secret in its names, attributes, events, links and status."""
    if redactor.are_clean(_texts(span)):  # nearly all are, and one look costs what a look at one text does
        return span

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


def _texts(span: Span) -> Iterator[tuple[str, str]]:
    """Yield every text of a span with the name it stands under."""
    yield "", span.name
    yield "", span.status_message
    yield from _texts_of(span.attributes)
    for event in span.events:
        yield "", event.name
        yield from _texts_of(event.attributes)
    for link in span.links:
        yield from _texts_of(link.attributes)


def _texts_of(attributes: Mapping[str, AttributeValue]) -> Iterator[tuple[str, str]]:
    for key, value in attributes.items():
        yield from _texts_in(key, value)


def _texts_in(key: str, value: AttributeValue) -> Iterator[tuple[str, str]]:
    if isinstance(value, Mapping):
        yield from _texts_of(value)
    elif isinstance(value, Sequence) and not isinstance(value, str | bytes):
        for item in value:
            yield from _texts_in(key, item)
    elif type(value) not in _PLAIN:
        yield key, str(value)
    else:
        yield key, ""


def redacted_values(attributes: Mapping[str, AttributeValue], redactor: Redactor) -> dict[str, AttributeValue]:
    """Return attributes with a placeholder for each secret in their names and values."""
    return {redactor.redact_text(key): _redacted_value(key, value, redactor) for key, value in attributes.items()}


def _redacted_value(key: str, value: AttributeValue, redactor: Redactor) -> AttributeValue:
    if isinstance(value, str):
        return redactor.redact_named(key, value)
    if isinstance(value, Mapping):
        return redacted_values(value, redactor)
    if isinstance(value, Sequence) and not isinstance(value, bytes):
        return tuple(_redacted_value(key, item, redactor) for item in value)
    return value if type(value) in _PLAIN else redactor.redact_named(key, str(value))
