"""Spans of all dialects in the words of today's conventions: spans in, the same spans with what they lack out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from otel_agenttrace import semconv
from otel_agenttrace.dialects.grading import told_by
from otel_agenttrace.dialects.told import Told
from otel_agenttrace.model import AttributeValue, Span
from otel_agenttrace.wire.telling import content_attributes, response_attributes

__all__ = ["translated"]


def translated(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the spans with the attributes of the conventions beside their own.

    Theirs stay as they are, but for the operation, by which a call to a model is known: some call it `call_llm`.
    """
    return tuple(_translated(span) for span in spans)


def _translated(span: Span) -> Span:
    told = told_by(span)
    if told is None:
        return span
    known = {name: value for name, value in _attributes(told).items() if value is not None}
    operation = {semconv.GEN_AI_OPERATION_NAME: told.request.operation}
    return replace(span, attributes={**known, **span.attributes, **operation})


def _attributes(told: Told) -> Mapping[str, AttributeValue]:
    request, response = told.request, told.response
    return {
        semconv.GEN_AI_OPERATION_NAME: request.operation,
        semconv.GEN_AI_REQUEST_MODEL: request.model,
        **content_attributes(request, response),
        **response_attributes(response),
        **request.parameters,
    }
