"""Read what evaluations found of a run. Trace in, results out, whoever wrote them: `at.evaluation`, or an event on a span."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import number, text
from otel_agenttrace.model import Event, Span, Trace

__all__ = ["EvaluationResult", "evaluation_results", "results_for"]


@dataclass(frozen=True, slots=True)
class EvaluationResult:
    """What one evaluation found.

    Attributes:
        name: What was evaluated, such as `relevance`.
        score: What it came to; None where it has none.
        label: What that means; None where it has none.
        explanation: Why; None where that is not told.
        trace_id: The trace of what was judged.
        judged_span_id: The span that was judged; None where that is not told.
    """

    name: str
    score: float | None
    label: str | None
    explanation: str | None
    trace_id: str
    judged_span_id: str | None


def evaluation_results(trace: Trace) -> tuple[EvaluationResult, ...]:
    """Return the results of all evaluations, in order of their spans."""
    return tuple(_results(trace))


def _results(trace: Trace) -> Iterator[EvaluationResult]:
    for span in trace.spans:
        for event in span.events:
            if event.name == semconv.EVENT_GEN_AI_EVALUATION_RESULT:
                yield _result(span, event)


def _result(span: Span, event: Event) -> EvaluationResult:
    told = event.attributes
    score = number(told.get(semconv.GEN_AI_EVALUATION_SCORE_VALUE))
    is_own_line = semconv.AGENTTRACE_OPERATION in span.attributes  # that of `at.evaluation`, below what was judged
    return EvaluationResult(
        name=text(told.get(semconv.GEN_AI_EVALUATION_NAME)) or "",
        score=None if score is None else float(score),
        label=text(told.get(semconv.GEN_AI_EVALUATION_SCORE_LABEL)),
        explanation=text(told.get(semconv.GEN_AI_EVALUATION_EXPLANATION)),
        trace_id=span.trace_id,
        judged_span_id=span.parent_span_id if is_own_line else span.span_id,
    )


def results_for(results: tuple[EvaluationResult, ...], span: Span) -> tuple[EvaluationResult, ...]:
    """Return what was found of a span, or, where nothing was, of the run it is from."""
    of_run = tuple(each for each in results if each.trace_id == span.trace_id)
    return tuple(each for each in of_run if each.judged_span_id == span.span_id) or of_run
