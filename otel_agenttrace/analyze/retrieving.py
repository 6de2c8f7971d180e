"""Look at each retrieval of a run: what it found, how good, how fast, how much of it the next call was asked with. Trace in."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import tokens_of
from otel_agenttrace.analyze.questions import question_of
from otel_agenttrace.analyze.retrieval_drift import QueryDrift, Tolerances
from otel_agenttrace.analyze.retrievals import Document, Retrieval, retrievals
from otel_agenttrace.analyze.retrieved_text import share_of
from otel_agenttrace.model import Span, Trace

__all__ = ["RetrievalFigures", "RetrievalReport", "retrieval_figures"]


@dataclass(frozen=True, slots=True)
class RetrievalFigures:
    """What one retrieval did; None where that is not known.

    Attributes:
        file: Where it is from.
        span: The retrieval.
        query: What was looked for.
        documents: How many were found.
        score_min: The least score.
        score_mean: The mean of the scores that are told.
        score_max: The greatest score.
        unscored: How many documents have no score.
        duration_ns: How long it took.
        next_call: The call to a model that began next.
        context_share: The share of the characters of what that was asked that stand word for word in what was found.
        context_tokens: An estimate: that share of its input tokens.
        input_tokens: The input tokens of that call, as recorded.
    """

    file: str
    span: Span
    query: str | None
    documents: int | None
    score_min: float | None
    score_mean: float | None
    score_max: float | None
    unscored: int
    duration_ns: int | None
    next_call: Span | None
    context_share: float | None
    context_tokens: int | None
    input_tokens: int | None


@dataclass(frozen=True, slots=True)
class RetrievalReport:
    """The retrievals of some files, and how they differ from those of a baseline; None without one."""

    retrievals: tuple[RetrievalFigures, ...]
    drift: tuple[QueryDrift, ...] | None = None
    tolerances: Tolerances = field(default_factory=Tolerances)


def retrieval_figures(file: str, trace: Trace) -> tuple[RetrievalFigures, ...]:
    """Return what each retrieval of a trace did, in order of start."""
    calls: dict[str, list[Span]] = {"": []}
    for span in trace.inferences:
        if span.operation != semconv.OPERATION_EMBEDDINGS:
            calls[""].append(span)
            calls.setdefault(span.trace_id, []).append(span)
    return tuple(_figures(file, calls, each) for each in retrievals(trace))


def _figures(file: str, calls: Mapping[str, Sequence[Span]], each: Retrieval) -> RetrievalFigures:
    documents = each.documents or ()
    scores = [document.score for document in documents if document.score is not None]
    call = _next_call(calls.get(each.span.trace_id) or calls[""], each.span)
    share = None if call is None else _share(call, documents)
    given = None if call is None else tokens_of(call)[0]
    return RetrievalFigures(
        file=file,
        span=each.span,
        query=each.query,
        documents=None if each.documents is None else len(documents),
        score_min=min(scores, default=None),
        score_mean=sum(scores) / len(scores) if scores else None,
        score_max=max(scores, default=None),
        unscored=len(documents) - len(scores),
        duration_ns=each.span.duration_ns,
        next_call=call,
        context_share=share,
        context_tokens=None if share is None or given is None else round(share * given),
        input_tokens=given,
    )


def _share(call: Span, documents: tuple[Document, ...]) -> float | None:
    """Return the share; what does not stand there word for word was changed on its way, or not used: which is not known."""
    pieces = [document.content for document in documents if document.content]
    return share_of(question_of(call), pieces) or None


def _next_call(calls: Sequence[Span], span: Span) -> Span | None:
    """Return the call that begins next after a retrieval: of its trace; of the file, where the trace has none at all."""
    if span.end_ns is None:
        return None
    place = bisect_left(calls, span.end_ns, key=lambda each: each.start_ns)
    return calls[place] if place < len(calls) else None
