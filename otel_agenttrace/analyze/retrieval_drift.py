"""Compare what was retrieved with what a baseline retrieved. Retrievals of both in, drift by query out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, zip_longest
from typing import Final, Literal, TypeAlias

from otel_agenttrace.analyze.retrievals import Document, Retrieval
from otel_agenttrace.model import Span

__all__ = ["DriftKind", "QueryDrift", "SetDrift", "Tolerances", "drifts", "set_drift"]

DriftKind: TypeAlias = Literal["set", "order", "score", "content", "query", "unknown"]
"""Other documents, another order, other scores, other content under the same id, a query that only one side has, not recorded."""

_DIGITS: Final = 9
"""Scores are compared to so many decimals: a change of 0.01 is not larger than 0.01."""


@dataclass(frozen=True, slots=True)
class Tolerances:
    """How much may change.

    Attributes:
        set: The share of documents that only one side found, among all that either found.
        order: The share of pairs of documents, among those that both found, which stand in another order.
        score: The largest change of a score of a document that both found.
    """

    set: float = 0.1
    order: float = 0.1
    score: float = 0.01


@dataclass(frozen=True, slots=True)
class SetDrift:
    """Documents that only one side found, by their ids or else their content, and their share of all that either found."""

    share: float
    gone: tuple[str, ...]
    new: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class QueryDrift:
    """How what one query found has changed.

    Attributes:
        query: What was looked for; None where that is not recorded.
        span: The retrieval; None where only the baseline has the query.
        baseline_span: That of the baseline; None where it does not have the query.
        set: The share of documents that only one side found; None where that is not known.
        order: The share of pairs in another order; None where both found fewer than two documents.
        score: The largest change of a score; None where no document has one on both sides.
        gone: Documents that only the baseline found.
        new: Documents that it did not find.
        changed: Documents that both found, with another content.
        drifted: What changed more than is tolerated; empty where nothing did.
    """

    query: str | None
    span: Span | None
    baseline_span: Span | None
    set: float | None = None
    order: float | None = None
    score: float | None = None
    gone: tuple[str, ...] = ()
    new: tuple[str, ...] = ()
    changed: tuple[str, ...] = ()
    drifted: tuple[DriftKind, ...] = ()


def set_drift(before: Iterable[Document], after: Iterable[Document]) -> SetDrift | None:
    """Return which documents came and went; order, score and how often do not count. None if one has no identity."""
    was, now = (dict.fromkeys(document.identity for document in side) for side in (before, after))
    if None in was or None in now:
        return None
    gone = tuple(each for each in was if each is not None and each not in now)
    new = tuple(each for each in now if each is not None and each not in was)
    return SetDrift(len(was.keys() ^ now.keys()) / (len(was.keys() | now.keys()) or 1), gone, new)


def drifts(
    baseline: Sequence[Retrieval], candidate: Sequence[Retrieval], tolerances: Tolerances
) -> tuple[QueryDrift, ...]:
    """Return the drift of each query, in the order of the candidate; the n-th time it is asked is compared with the n-th."""
    return tuple(
        _drift(before, after, tolerances) if before is not None and after is not None else _lonely(before, after)
        for before, after in _pairs(baseline, candidate)
    )


def _pairs(
    baseline: Sequence[Retrieval], candidate: Sequence[Retrieval]
) -> Iterator[tuple[Retrieval | None, Retrieval | None]]:
    was, now = _by_query(baseline), _by_query(candidate)
    for query in {**now, **was}:
        yield from zip_longest(was.get(query, ()), now.get(query, ()))


def _by_query(found: Sequence[Retrieval]) -> Mapping[str | None, Sequence[Retrieval]]:
    by_query: dict[str | None, list[Retrieval]] = defaultdict(list)
    for each in found:
        by_query[each.query].append(each)
    return by_query


def _lonely(before: Retrieval | None, after: Retrieval | None) -> QueryDrift:
    there = after or before
    return QueryDrift(there and there.query, after and after.span, before and before.span, drifted=("query",))


def _drift(before: Retrieval, after: Retrieval, tolerances: Tolerances) -> QueryDrift:
    documents = set_drift(before.documents or (), after.documents or ())
    if documents is None or before.documents is None or after.documents is None:
        return QueryDrift(after.query, after.span, before.span, drifted=("unknown",))
    was, now = _by_identity(before.documents), _by_identity(after.documents)
    both = [identity for identity in was if identity in now]
    order, score = _order_drift(both, list(now)), _score_drift([(was[each], now[each]) for each in both])
    changed = tuple(each for each in both if _is_changed(was[each].digest, now[each].digest))
    beyond: dict[DriftKind, bool] = {
        "set": documents.share > tolerances.set,
        "order": (order or 0) > tolerances.order,
        "score": (score or 0) > tolerances.score,
        "content": bool(changed),
    }
    return QueryDrift(
        after.query,
        after.span,
        before.span,
        documents.share,
        order,
        score,
        documents.gone,
        documents.new,
        changed,
        tuple(kind for kind, is_beyond in beyond.items() if is_beyond),
    )


def _is_changed(was: str | None, now: str | None) -> bool:
    return was is not None and now is not None and was != now


def _by_identity(documents: Iterable[Document]) -> dict[str, Document]:
    """Return the documents by their identity; of one that is there twice, the first."""
    found: dict[str, Document] = {}
    for document in documents:
        found.setdefault(document.identity or "", document)
    return found


def _order_drift(both: Sequence[str], now: Sequence[str]) -> float | None:
    """Return the share of pairs in another order: the normalised distance of Kendall."""
    places = {identity: place for place, identity in enumerate(now)}
    pairs = list(combinations(both, 2))
    return sum(places[one] > places[other] for one, other in pairs) / len(pairs) if pairs else None


def _score_drift(pairs: Iterable[tuple[Document, Document]]) -> float | None:
    changes = [
        round(abs(now.score - was.score), _DIGITS)
        for was, now in pairs
        if was.score is not None and now.score is not None
    ]
    return max(changes, default=None)
