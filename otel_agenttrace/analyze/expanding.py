"""Put what a call said on its span, under the names of the conventions. Span in, the same span with its content out.

A cassette keeps a call as it went over the wire; whoever is handed a trace wants the messages.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.model import InferenceResponse, Span
from otel_agenttrace.wire.recorded import asked_of, response_of
from otel_agenttrace.wire.telling import content_attributes

__all__ = ["expanded"]

_OF_A_CASSETTE: Final = frozenset({semconv.AGENTTRACE_FORMAT_VERSION, semconv.AGENTTRACE_RULES_VERSION})
"""What the resource says of the file the span was read from."""


def expanded(span: Span) -> Span:
    """Return a span that holds all it tells itself: its recorded call as messages, nothing that only a cassette has.

    Raises:
        CassetteCorrupt: If the recorded call is damaged.
    """
    resource = {name: value for name, value in span.resource.items() if name not in _OF_A_CASSETTE}
    if span.read_call is None or not span.is_inference:
        return replace(span, resource=resource, read_call=None)
    content = content_attributes(asked_of(span), response_of(span) or InferenceResponse())
    return replace(span, attributes={**span.attributes, **content}, resource=resource, read_call=None)
