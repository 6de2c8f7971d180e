"""Remove secrets from a span before it is written. Span in, the same without secrets out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final, TypeAlias

from otel_agenttrace.model import AttributeValue, Event, Span, Trace
from otel_agenttrace.redact import Redactor

__all__ = ["redacted_span", "redacted_trace", "redacted_values"]

_PLAIN: Final = frozenset({type(None), bool, int, float})
"""Values that hold no text. What else a program puts on a span is stored as its text."""

_Change: TypeAlias = Callable[[str, str], str]
"""Gives what is stored of a text, by the name of the attribute it stands in."""


class _Notes:
    """Texts as they pass by, each with the name it stands under: nearly all are clean, and one look at all of them is cheap."""

    def __init__(self) -> None:
        self.taken: list[tuple[str, str]] = []

    def take(self, name: str, text: str) -> str:
        """Take note of a text, and leave it as it is."""
        self.taken.append((name, text))
        return text


def redacted_span(span: Span, redactor: Redactor) -> Span:
    """Return a span with a placeholder for each secret in its names, attributes, events, links and status."""
    notes = _Notes()
    plain = _changed_span(span, notes.take)
    return plain if redactor.is_clean(notes.taken) else _changed_span(span, redactor.redact_named)


def redacted_trace(trace: Trace, redactor: Redactor) -> Trace:
    """Return a trace whose spans hold no secret: those of a replay were never written, and those of others not by us."""
    return replace(trace, spans=tuple(redacted_span(span, redactor) for span in trace.spans))


def redacted_values(attributes: Mapping[str, AttributeValue], redactor: Redactor) -> dict[str, AttributeValue]:
    """Return attributes with a placeholder for each secret in their names and values."""
    if all(_is_known(key, value, redactor) for key, value in attributes.items()):
        return dict(attributes)
    notes = _Notes()
    plain = _changed(attributes, notes.take)
    return plain if redactor.is_clean(notes.taken) else _changed(attributes, redactor.redact_named)


def _is_known(key: str, value: AttributeValue, redactor: Redactor) -> bool:
    """Whether an attribute is one of those that most calls have, and known to be clean."""
    return redactor.knows_clean(key, value if type(value) is str else "") and (
        type(value) is str or type(value) in _PLAIN
    )


def _changed_span(span: Span, change: _Change) -> Span:
    def changed_event(event: Event) -> Event:
        return replace(event, name=change("", event.name), attributes=_changed(event.attributes, change))

    return replace(
        span,
        name=change("", span.name),
        attributes=_changed(span.attributes, change),
        events=tuple(map(changed_event, span.events)),
        links=tuple(replace(link, attributes=_changed(link.attributes, change)) for link in span.links),
        status_message=change("", span.status_message),
    )


def _changed(attributes: Mapping[str, AttributeValue], change: _Change) -> dict[str, AttributeValue]:
    return {change("", key): _changed_value(key, value, change) for key, value in attributes.items()}


def _changed_value(key: str, value: AttributeValue, change: _Change) -> AttributeValue:
    if isinstance(value, str):
        return change(key, value)
    if isinstance(value, Mapping):
        return _changed(value, change)
    if isinstance(value, bytes):
        return _changed_bytes(key, value, change)
    if isinstance(value, Sequence):
        return tuple(_changed_value(key, item, change) for item in value)
    return value if type(value) in _PLAIN else change(key, str(value))


def _changed_bytes(key: str, value: bytes, change: _Change) -> bytes:
    """Return bytes changed as the text that they are, such as a body; what is no text stays as it is."""
    try:
        return change(key, value.decode()).encode()
    except UnicodeDecodeError:
        return value
