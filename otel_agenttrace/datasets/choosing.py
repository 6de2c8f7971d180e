"""Choose the examples that are wanted. Examples of a trace in, for each why it is not wanted out, or nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final, Literal

from otel_agenttrace import semconv
from otel_agenttrace.analyze.evaluations import EvaluationResult, evaluation_results, results_for
from otel_agenttrace.datasets.examples import Example
from otel_agenttrace.library.annotations import annotations_of
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.selectors import Selector, select

__all__ = ["Wanted", "chosen"]

_MODELS: Final = (semconv.GEN_AI_REQUEST_MODEL, semconv.GEN_AI_RESPONSE_MODEL)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which examples are wanted; what is None or empty is not asked for.

    Attributes:
        outcome: How the run of the call ended: with `error` if the call or a span without a parent failed.
        models: Patterns of names, of which the model that was asked or that answered has one.
        where: Chooses the spans of the calls.
        max_cost: US dollars that the run cost at most; unknown is too much.
        min_reward: The least score of the evaluations of the call, or of its run if it has none of its own.
        reward: The name of the evaluations that count for it; empty for all.
        labels: Of these, somebody put one on the call, or on a span that it is inside of.
    """

    outcome: Literal["success", "error"] | None = None
    models: tuple[str, ...] = ()
    where: Selector | None = None
    max_cost: float | None = None
    min_reward: float | None = None
    reward: str = ""
    labels: frozenset[str] = frozenset()


def chosen(trace: Trace, examples: Iterable[Example], wanted: Wanted) -> Iterator[tuple[Example, str]]:
    """Yield each example of a trace, and why it is not wanted; empty where it is."""
    results = evaluation_results(trace) if wanted.min_reward is not None else ()
    selected = None if wanted.where is None else {id(span) for span in select(trace, wanted.where)}
    labelled = _labelled(trace, wanted.labels) if wanted.labels else None
    for example in examples:
        if selected is not None and id(example.span) not in selected:
            yield example, "not chosen by --filter"
        elif labelled is not None and id(example.span) not in labelled:
            yield example, "without a wanted label"
        else:
            yield example, _reason(example, wanted, results)


def _labelled(trace: Trace, labels: frozenset[str]) -> frozenset[int]:
    """Return by `id` the spans that somebody put one of these labels on, and all inside of them."""
    annotations = annotations_of(trace)
    named = {(span.trace_id, span.span_id): span for span in trace.spans}
    known: dict[int, bool] = {}
    for span in trace.spans:
        way: list[Span] = []
        above: Span | None = span
        while above is not None and id(above) not in known:
            marked = annotations.of(above)
            known[id(above)] = marked is not None and not labels.isdisjoint(marked.labels)
            way.append(above)
            above = None if known[id(above)] else named.get((above.trace_id, above.parent_span_id or ""))
        is_inside = known[id(above or way[-1])]
        known.update((id(each), is_inside) for each in way)
    return frozenset(place for place, is_inside in known.items() if is_inside)


def _reason(example: Example, wanted: Wanted, results: tuple[EvaluationResult, ...]) -> str:
    span = example.span
    if wanted.outcome is not None and wanted.outcome != _outcome(example):
        return f"its run did not end with {wanted.outcome}"
    if wanted.models and not _has_model(span, wanted.models):
        return "of another model"
    if wanted.max_cost is not None:
        cost = example.beside.costs[span.trace_id]
        if cost is None or cost > wanted.max_cost:
            return "what its run cost is not known" if cost is None else "its run cost too much"
    if wanted.min_reward is not None:
        scores = [
            each.score
            for each in results_for(results, span)
            if each.score is not None and each.name == (wanted.reward or each.name)
        ]
        if not scores or min(scores) < wanted.min_reward:
            return "its reward is too low" if scores else "no evaluation tells its reward"
    return ""


def _outcome(example: Example) -> Literal["success", "error"]:
    has_failed = example.span.is_error or example.span.trace_id in example.beside.failed
    return "error" if has_failed else "success"


def _has_model(span: Span, models: tuple[str, ...]) -> bool:
    told = [name for each in _MODELS if isinstance(name := span.attributes.get(each), str)]
    return any(fnmatchcase(name, model) for name in told for model in models)
