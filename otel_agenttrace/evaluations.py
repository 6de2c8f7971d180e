"""What an evaluation found, told about the span it judged. A score or a label in, a log event and a line of the cassette out."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final

from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from otel_agenttrace import semconv
from otel_agenttrace.annotate import OpenSpan
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.in_force import current_session
from otel_agenttrace.model import SCOPE, VERSION, AttributeValue, Span
from otel_agenttrace.spans import LiveSpan, active_span, open_span, telemetry
from otel_agenttrace_instrumentation.border import observe
from otel_agenttrace_instrumentation.redacting import settle_rules

__all__ = ["evaluation"]

_OPERATION: Final = "evaluation"


def evaluation(
    name: str,
    *,
    score: float | None = None,
    label: str | None = None,
    explanation: str | None = None,
    threshold: float | None = None,
    span: Span | OpenSpan | None = None,
) -> None:
    """Tell what an evaluation found: `at.evaluation("politeness", score=0.9, label="pass", span=answered)`.

    It is told twice, without secrets. OpenTelemetry gets the log event of the conventions, `gen_ai.evaluation.result`, under
    the evaluated span. The cassette of the session in force gets that event on a span of its own, a child of the evaluated
    one: what is judged is over as a rule, and its line is written, while an event on whatever span is open would say that
    this one was judged. That span is not exported, for it says nothing that the log event does not.

    Args:
        name: What was evaluated, such as `relevance`.
        score: What it came to.
        label: What that means, such as `pass` or `fail`.
        explanation: Why.
        threshold: The score from which on the evaluation passes.
        span: What was judged: a span of a trace, or one that `at.span` and the like opened; the current one if not given.

    Raises:
        ConfigError: If there is neither a score nor a label.
    """
    if score is None and label is None:
        raise ConfigError(f"The evaluation {name!r} tells no result.\n  to fix   give a score, a label or both")
    settle_rules()
    told: dict[str, AttributeValue] = {
        semconv.GEN_AI_EVALUATION_NAME: name,
        semconv.GEN_AI_EVALUATION_SCORE_VALUE: None if score is None else float(score),
        semconv.GEN_AI_EVALUATION_SCORE_LABEL: label,
        semconv.GEN_AI_EVALUATION_EXPLANATION: explanation,
        semconv.AGENTTRACE_EVALUATION_THRESHOLD: None if threshold is None else float(threshold),
    }
    observe(lambda: _tell(name, told, span.live.finished(time.time_ns()) if isinstance(span, OpenSpan) else span))


def _tell(name: str, told: Mapping[str, AttributeValue], judged: Span | None) -> None:
    line = open_span(f"{_OPERATION} {name}", {semconv.AGENTTRACE_OPERATION: _OPERATION}, exported=False)
    named = {**told, semconv.GEN_AI_RESPONSE_ID: _response_id(judged, line)}
    result = {key: value for key, value in named.items() if value is not None}
    line.add_event(semconv.EVENT_GEN_AI_EVALUATION_RESULT, result)
    _emit(result, judged)
    session = observe(current_session, raises=False)
    if session is not None:
        told_of = {} if judged is None else {"trace_id": judged.trace_id, "parent_span_id": judged.span_id}
        session.recorder.write(replace(line.finished(time.time_ns()), **told_of))


def _response_id(judged: Span | None, line: LiveSpan) -> AttributeValue:
    if judged is not None:
        return judged.attributes.get(semconv.GEN_AI_RESPONSE_ID)
    current = active_span()
    is_judged = current is not None and current.head.span_id == line.head.parent_span_id
    return current.attributes.get(semconv.GEN_AI_RESPONSE_ID) if current is not None and is_judged else None


def _emit(result: Mapping[str, AttributeValue], judged: Span | None) -> None:
    from opentelemetry._logs import SeverityNumber, get_logger

    exported: Any = telemetry.exported(result)
    get_logger(SCOPE, VERSION, schema_url=semconv.SCHEMA_URL).emit(
        context=None if judged is None else _context_of(judged),
        severity_number=SeverityNumber.INFO,
        attributes=exported,
        event_name=semconv.EVENT_GEN_AI_EVALUATION_RESULT,
    )


def _context_of(judged: Span) -> Context:
    place = SpanContext(int(judged.trace_id, 16), int(judged.span_id, 16), is_remote=True, trace_flags=TraceFlags(1))
    return set_span_in_context(NonRecordingSpan(place))
