"""Hand runs on to other programs. Names and traces in, pieces of OTLP, JSON or CSV text out, a span at a time."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from typing import Final, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import cost_of_call, usage_of
from otel_agenttrace.analyze.expanding import expanded
from otel_agenttrace.analyze.tool_calls import arguments_of
from otel_agenttrace.cassette.format import encode_line, encode_resource
from otel_agenttrace.errors import CassetteCorrupt
from otel_agenttrace.jsonvalue import Json, JsonObject, compact, text, value_of
from otel_agenttrace.library.annotations import Annotation, annotations_of
from otel_agenttrace.model import Message, Part, Span, Trace
from otel_agenttrace.redact import Redactor
from otel_agenttrace.redact.spans import redacted_span
from otel_agenttrace.report.plain import plain
from otel_agenttrace.report.terminal import USAGE, run_json, span_json, usage_json
from otel_agenttrace.wire.recorded import asked_of, output_messages

__all__ = ["FORMS", "Cleaner", "exported"]

_Runs: TypeAlias = "Iterable[tuple[str, Trace]]"

_CONTENT: Final[Mapping[str, str]] = {
    "system_instructions": semconv.GEN_AI_SYSTEM_INSTRUCTIONS,
    "input_messages": semconv.GEN_AI_INPUT_MESSAGES,
    "output_messages": semconv.GEN_AI_OUTPUT_MESSAGES,
    "tool_definitions": semconv.GEN_AI_TOOL_DEFINITIONS,
    "tool_name": semconv.GEN_AI_TOOL_NAME,
    "tool_arguments": semconv.GEN_AI_TOOL_CALL_ARGUMENTS,
    "tool_result": semconv.GEN_AI_TOOL_CALL_RESULT,
}
"""What a span says, beside what `show --json` tells of it."""


class Cleaner:
    """Removes secrets from what leaves, counts the spans that held any, and keeps which recorded calls are damaged."""

    def __init__(self, redactor: Redactor) -> None:
        self._redactor = redactor
        self.changed = 0
        self.damaged: list[CassetteCorrupt] = []

    def sound(self, span: Span) -> Span:
        """Return a span whose recorded call is read; without it, if it is damaged."""
        if span.read_call is None:
            return span
        try:
            call = span.read_call()
        except CassetteCorrupt as damage:
            self.damaged.append(damage)
            return replace(span, read_call=None)
        return replace(span, read_call=lambda: call)

    def span(self, span: Span) -> Span:
        """Return a span that tells its content itself, without secrets."""
        told = expanded(span)
        clean = redacted_span(told, self._redactor)
        self.changed += clean != told
        return clean

    def texts(self, texts: Iterable[str]) -> tuple[str, ...]:
        """Return what people wrote beside a span, or named a file, without secrets."""
        return tuple(map(self._redactor.redact_text, texts))


def exported(runs: _Runs, form: str, cleaner: Cleaner) -> Iterator[str]:
    """Yield the pieces of a document that tells runs.

    Args:
        runs: The name and the trace of each.
        form: One of `FORMS`.
        cleaner: What all texts pass.
    """
    return FORMS[form](((cleaner.texts((name,))[0], trace) for name, trace in runs), cleaner)


# --- OTLP ---------------------------------------------------------------------------------------------------------------


def _otlp(runs: _Runs, cleaner: Cleaner) -> Iterator[str]:
    for _, trace in runs:
        for span in _in_order(trace.spans):
            told = cleaner.span(cleaner.sound(span))
            yield encode_line(told, encode_resource(told.resource)).decode()


def _in_order(spans: Iterable[Span]) -> list[Span]:
    return sorted(spans, key=lambda span: span.start_ns)


# --- JSON ---------------------------------------------------------------------------------------------------------------


def _json(runs: _Runs, cleaner: Cleaner) -> Iterator[str]:
    yield '{"runs": ['
    for place, (name, trace) in enumerate(runs):
        head = _written({"file": name, **run_json(trace)}).removesuffix("}")
        yield f'{"," if place else ""}\n{head}, "spans": ['
        for number, record in enumerate(_records(trace, cleaner)):
            yield f"{',' if number else ''}\n  {_written(record)}"
        yield "]}"
    yield "]}\n"


def _ndjson(runs: _Runs, cleaner: Cleaner) -> Iterator[str]:
    for name, trace in runs:
        for record in _records(trace, cleaner):
            yield _written({"file": name, **record}) + "\n"


def _written(record: JsonObject) -> str:
    return json.dumps(record)


def _records(trace: Trace, cleaner: Cleaner) -> Iterator[JsonObject]:
    annotations = annotations_of(trace)
    for span in _in_order(trace.spans):
        told = cleaner.span(cleaner.sound(span))
        content = {name: _value(told, attribute) for name, attribute in _CONTENT.items()}
        yield {**span_json(told, trace), "annotation": _annotation(annotations.of(span), cleaner), **content}


def _annotation(annotation: Annotation | None, cleaner: Cleaner) -> Json:
    if annotation is None:
        return None
    return plain(replace(annotation, notes=cleaner.texts(annotation.notes), labels=cleaner.texts(annotation.labels)))


def _value(span: Span, name: str) -> Json:
    """Return what an attribute holds, JSON as JSON; None where the span has none."""
    told = text(span.attributes.get(name))
    return None if told is None else value_of(told)


# --- CSV ----------------------------------------------------------------------------------------------------------------

_FORMULA: Final = ("=", "+", "-", "@", "\t", "\r")
"""How a text begins that a spreadsheet would compute."""
_MS: Final = 1_000_000

_COLUMNS: Final = (
    *("file", "trace_id", "span_id", "parent_span_id", "name", "operation", "provider", "request_model", "model"),
    *("start", "duration_ms", *USAGE, "cost_usd", "finish_reasons", "error", "input", "output"),
)


def _csv(runs: _Runs, cleaner: Cleaner) -> Iterator[str]:
    yield _line(_COLUMNS)
    for name, trace in runs:
        for span in trace.inferences:
            sound = cleaner.sound(span)
            row = {"file": name, **_row(cleaner.span(sound)), "cost_usd": cost_of_call(trace, sound)}
            yield _line(_cell(row[column]) for column in _COLUMNS)


def _line(cells: Iterable[object]) -> str:
    written = io.StringIO()
    csv.writer(written).writerow(cells)
    return written.getvalue()


def _cell(value: object) -> object:
    """Return a text so that a spreadsheet shows it and computes nothing."""
    is_formula = isinstance(value, str) and len(value) > 1 and value.startswith(_FORMULA)
    return f"'{value}" if is_formula else value


def _row(span: Span) -> Mapping[str, object]:
    told = span.attributes
    reasons = told.get(semconv.GEN_AI_RESPONSE_FINISH_REASONS)
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
        "name": span.name,
        "operation": span.operation,
        "provider": told.get(semconv.GEN_AI_PROVIDER_NAME),
        "request_model": told.get(semconv.GEN_AI_REQUEST_MODEL),
        "model": told.get(semconv.GEN_AI_RESPONSE_MODEL),
        "start": _start(span),
        "duration_ms": None if span.duration_ns is None else round(span.duration_ns / _MS, 3),
        **usage_json(usage_of(span)),
        "finish_reasons": " ".join(map(str, reasons)) if isinstance(reasons, Sequence) else None,
        "error": (told.get(semconv.ERROR_TYPE) or "error") if span.is_error else None,
        "input": _said(asked_of(span).input_messages[-1:]),
        "output": _said(output_messages(span)),
    }


def _start(span: Span) -> str | None:
    if not span.has_time:
        return None
    return datetime.fromtimestamp(span.start_ns / 10**9, timezone.utc).isoformat(timespec="milliseconds")


def _said(messages: Iterable[Message]) -> str | None:
    """Return what messages say, a part a line: texts, calls of tools, what tools gave; None where there are none."""
    lines = [line for message in messages for part in message.parts if (line := _part(part)) is not None]
    return "\n".join(lines) if lines else None


def _part(part: Part) -> str | None:
    if part.get("type") == "tool_call":
        return f"{part.get('name')}({compact(arguments_of(part))})"
    told = part.get("content", part.get("response"))
    return told if isinstance(told, str) else None if told is None else compact(told)


FORMS: Final[Mapping[str, Callable[[_Runs, Cleaner], Iterator[str]]]] = {
    "csv": _csv,
    "json": _json,
    "ndjson": _ndjson,
    "otlp": _otlp,
}
"""The forms there are: a call to a model on a line, a document, a span on a line, a span on a line as OTLP/JSON."""
