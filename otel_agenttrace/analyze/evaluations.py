"""Read what evaluations found of a run. Trace in, results out, whoever wrote them: `at.evaluation`, or an event on a span."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import number, text
from otel_agenttrace.model import Event, Span, Trace

__all__ = ["EvaluationResult", "evaluation_results", "passed_by_evaluation", "results_for", "run_passed", "verdicts_on"]

_VERDICTS: Final[Mapping[str, bool]] = {
    **dict.fromkeys(("pass", "passed", "success", "succeeded", "correct", "resolved"), True),
    **dict.fromkeys(("fail", "failed", "failure", "incorrect", "unresolved"), False),
}
"""The labels that say whether something passed. A score alone does not: 0 is good for `toxicity` and bad for `reward`."""


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
        yield from _results_on(span)


def _results_on(span: Span) -> Iterator[EvaluationResult]:
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


# --- whether a run passed ---------------------------------------------------------------------------------------------


def passed_by_evaluation(trace: Trace) -> bool | None:
    """Return whether the evaluations of the run as a whole say by their labels that it passed; None if none says it."""
    verdicts = [verdict for span in trace.spans for verdict in verdicts_on(span)]
    if not verdicts:
        return None
    parents = {span.span_id: span.parent_span_id for span in trace.spans}
    agents = {span.span_id for span in trace.spans if span.operation == semconv.OPERATION_INVOKE_AGENT}
    return run_passed(verdicts, parents, agents)


def verdicts_on(span: Span) -> Iterator[tuple[str | None, bool]]:
    """Yield the span that was judged, and whether it passed, of each evaluation on a span whose label says it."""
    for result in _results_on(span) if span.events else ():
        passed = _VERDICTS.get((result.label or "").strip().lower())
        if passed is not None:
            yield result.judged_span_id, passed


def run_passed(
    verdicts: Iterable[tuple[str | None, bool]], parents: Mapping[str, str | None], agents: Set[str]
) -> bool | None:
    """Return whether all verdicts on a run as a whole say that it passed: on what stands above all, or on an agent that is below none."""
    whole = [passed for judged, passed in verdicts if _is_whole(judged, parents, agents)]
    return all(whole) if whole else None


def _is_whole(judged: str | None, parents: Mapping[str, str | None], agents: Set[str]) -> bool:
    above = parents.get(judged) if judged is not None else None
    if above not in parents:
        return True
    seen = {judged}
    while above is not None and above not in seen:
        if above in agents:
            return False
        seen.add(above)
        above = parents.get(above)
    return judged in agents
