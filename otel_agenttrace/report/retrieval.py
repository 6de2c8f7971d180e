"""Retrievals of runs, and how they drifted, as a page. Report in, blocks out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final

from otel_agenttrace.analyze.retrieval_drift import QueryDrift, Tolerances
from otel_agenttrace.analyze.retrieving import RetrievalFigures, RetrievalReport
from otel_agenttrace.counting import counted
from otel_agenttrace.report.page import Block, Cell, Column, Heading, Line, Table, Told
from otel_agenttrace.report.text import duration, tokens

__all__ = ["retrieval_page"]

_LONGEST: Final = 48
_MOST: Final = 5


def retrieval_page(report: RetrievalReport) -> Iterator[Block]:
    """Yield a row for each retrieval, file by file, then what drifted."""
    if not report.retrievals:
        yield Line(("no retrieval is recorded: with at.retrieval(query) as found: found.documents([…])",), "yellow")
    for file, figures in groupby(report.retrievals, key=lambda each: each.file):
        yield Line((Told(file),), "bold")
        yield _figures(tuple(figures))
    if any(each.next_call is not None and each.context_share is None for each in report.retrievals):
        yield Line(
            ("in the next call: ? where no document stands there word for word, or that is not recorded",), "dim"
        )
    if report.drift is not None:
        yield from _drift(report.drift, report.tolerances)


def _figures(figures: Sequence[RetrievalFigures]) -> Table:
    titles = ("found", "score min", "mean", "max", "time", "in the next call")
    count = len(titles) + 1 if any(each.next_call is not None for each in figures) else len(titles)
    columns = (Column("query"), *(Column(title, "right") for title in titles))
    return Table(columns[:count], tuple(_row(each)[:count] for each in figures))


def _row(each: RetrievalFigures) -> tuple[Cell, ...]:
    scores = (each.score_min, each.score_mean, each.score_max)
    return (
        _query(each.query),
        tokens(each.documents),
        *("?" if score is None else f"{score:.3f}" for score in scores),
        duration(each.duration_ns),
        _share(each),
    )


def _query(query: str | None) -> Cell:
    if query is None:
        return "?"
    return Told(query if len(query) <= _LONGEST else f"{query[: _LONGEST - 1]}…")


def _share(each: RetrievalFigures) -> str:
    if each.context_share is None:
        return "?"
    share = f"{each.context_share:.0%}"
    if each.context_tokens is None:
        return share
    return f"{share}, about {each.context_tokens:,} of {tokens(each.input_tokens)} tokens"


# --- drift --------------------------------------------------------------------------------------------------------------


def _drift(drift: Sequence[QueryDrift], tolerances: Tolerances) -> Iterator[Block]:
    drifted = [each for each in drift if each.drifted]
    yield Heading(f"against the baseline: {len(drifted)} of {counted(len(drift), 'retrieval')} drifted")
    limits = f"tolerated: {tolerances.set:g} of the documents, {tolerances.order:g} of the order, {tolerances.score:g} of a score"
    yield Line((limits,), "dim")
    if drift:
        columns = (
            Column("query"),
            *(Column(name, "right") for name in ("documents", "order", "score")),
            Column("drift"),
        )
        yield Table(columns, tuple(map(_drift_row, drift)))
    for each in drifted:
        yield from _evidence(each)


def _drift_row(each: QueryDrift) -> tuple[Cell, ...]:
    changes = (each.set, each.order, each.score)
    return (
        _query(each.query),
        *("?" if change is None else f"{change:.3f}" for change in changes),
        ", ".join(each.drifted) or "none",
    )


def _evidence(each: QueryDrift) -> Iterator[Block]:
    told = {"gone": each.gone, "new": each.new, "another content": each.changed}
    if each.drifted == ("query",):
        yield Line(
            (_query(each.query), ": only in the baseline" if each.span is None else ": not in the baseline"), "yellow"
        )
    elif each.drifted == ("unknown",):
        yield Line((_query(each.query), ": what was found is not recorded, or has neither id nor content"), "yellow")
    for what, identities in told.items():
        if identities:
            yield Line((_query(each.query), f": {what}: ", *_listed(identities)), "yellow")


def _listed(identities: Sequence[str]) -> Iterator[Cell]:
    for place, identity in enumerate(identities[:_MOST]):
        yield ", " if place else ""
        yield _query(identity)
    if len(identities) > _MOST:
        yield f" and {len(identities) - _MOST:,} more"
