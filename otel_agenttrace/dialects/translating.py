"""Spans of all dialects in the words of today's conventions: spans in, the same spans with what they lack out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.deferred import Deferred
from otel_agenttrace.dialects.acting import acting_attributes
from otel_agenttrace.dialects.grading import told_by
from otel_agenttrace.dialects.retrieving import retrieval_attributes
from otel_agenttrace.dialects.told import Told
from otel_agenttrace.jsonvalue import compact
from otel_agenttrace.model import AttributeValue, Message, Part, Span
from otel_agenttrace.wire.telling import response_attributes

__all__ = ["translated"]

_MESSAGES: Final = (semconv.GEN_AI_INPUT_MESSAGES, semconv.GEN_AI_OUTPUT_MESSAGES)


def translated(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the spans with the attributes of the conventions beside their own.

    Theirs stay as they are, but for the operation, by which a call to a model is known, as some call it `call_llm`, and for
    messages in the form of a provider, which stand in the form of the conventions then. A tool or an agent that is told in
    other words has its operation, name, arguments and result.
    """
    return tuple(_translated(span) for span in spans)


def _translated(span: Span) -> Span:
    if isinstance(span.attributes, Deferred):  # `ingest` wrote it, in today's words
        return span
    told = told_by(span)
    if told is None:
        done = {**acting_attributes(span), **retrieval_attributes(span)}
        return replace(span, attributes={**done, **span.attributes}) if done else span
    known = {name: value for name, value in _attributes(told).items() if value is not None}
    operation = {semconv.GEN_AI_OPERATION_NAME: told.request.operation}
    messages = {name: known[name] for name in _MESSAGES if _is_of_provider(span.attributes.get(name)) and name in known}
    return replace(span, attributes={**known, **span.attributes, **operation, **messages})


def _is_of_provider(written: AttributeValue) -> bool:
    """Whether messages are told by their content, as providers have it, and not by parts."""
    return isinstance(written, str) and '"content"' in written and '"parts"' not in written


def _attributes(told: Told) -> Mapping[str, AttributeValue]:
    request, response = told.request, told.response
    return {
        semconv.GEN_AI_OPERATION_NAME: request.operation,
        semconv.GEN_AI_REQUEST_MODEL: request.model,
        semconv.GEN_AI_SYSTEM_INSTRUCTIONS: _written_parts(request.system_instructions),
        semconv.GEN_AI_TOOL_DEFINITIONS: _written_parts(request.tool_definitions),
        semconv.GEN_AI_INPUT_MESSAGES: _written(request.input_messages),
        semconv.GEN_AI_OUTPUT_MESSAGES: _written(response.output_messages),
        **response_attributes(response),
        **request.parameters,
    }


def _written(messages: Sequence[Message]) -> str | None:
    told = [{"role": message.role, "parts": [dict(part) for part in message.parts]} for message in messages]
    return compact(told) if told else None


def _written_parts(parts: Sequence[Part]) -> str | None:
    return compact([dict(part) for part in parts]) if parts else None
