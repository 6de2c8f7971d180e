"""Rows for tables: each call as it was, what it took, what was asked and answered. Example in, row out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import cost_of_call, tokens_of
from otel_agenttrace.analyze.measures import model_of
from otel_agenttrace.analyze.tool_calls import arguments_of
from otel_agenttrace.datasets.examples import Example, text_of
from otel_agenttrace.datasets.formats import Format
from otel_agenttrace.jsonvalue import Json, JsonObject, array, compact, text
from otel_agenttrace.model import Message

__all__ = ["FORMATS"]

_NS: Final = 1_000_000_000


def _row(example: Example, _: Example | None = None) -> JsonObject:
    span, attributes = example.span, example.span.attributes
    given, got = tokens_of(span)
    usage = span.usage
    duration = span.duration_ns
    return {
        "file": example.file,
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "start_unix_nano": span.start_ns if span.has_time else None,
        "duration_s": None if duration is None else duration / _NS,
        "operation": span.operation,
        "provider": text(attributes.get(semconv.GEN_AI_PROVIDER_NAME)),
        "model": model_of(span),
        "outcome": "error" if span.is_error else "success",
        "error_type": text(attributes.get(semconv.ERROR_TYPE)),
        "finish_reasons": [str(each) for each in array(attributes.get(semconv.GEN_AI_RESPONSE_FINISH_REASONS))],
        "input_tokens": given,
        "output_tokens": got,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
        "reasoning_output_tokens": usage.reasoning_output_tokens,
        "cost_usd": cost_of_call(example.beside.trace, span),
        "question": example.question,
        "answer": "" if example.answer is None else text_of(example.answer),
        "tool_calls": [] if example.answer is None else _tool_calls(example.answer),
    }


def _tool_calls(answer: Message) -> list[JsonObject]:
    calls = (part for part in answer.parts if part.get("type") == "tool_call")
    return [{"name": part.get("name"), "arguments": arguments_of(part)} for part in calls]


def _table_row(example: Example, _: Example | None = None) -> JsonObject:
    """Return the row with a plain value in each place: a list is written as JSON, nothing as an empty text."""
    return {name: _cell(value) for name, value in _row(example).items()}


def _cell(value: Json) -> Json:
    return "" if value is None or value == [] else compact(value) if isinstance(value, list) else value


FORMATS: Final[Mapping[str, Format]] = {
    "csv": Format(_table_row, is_facts=True, is_table=True),
    "ndjson": Format(_row, is_facts=True),
}
