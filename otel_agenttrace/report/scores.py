"""What a judge found of answers, as a page. Report in, blocks out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import groupby
from typing import Final

from otel_agenttrace.analyze.scores import ScoreReport
from otel_agenttrace.counting import counted
from otel_agenttrace.report.page import Block, Column, Heading, Line, Table, Told

__all__ = ["scores_page"]

_LONGEST: Final = 100


def scores_page(report: ScoreReport) -> Iterator[Block]:
    """Yield a row for each answer and criterion, then the means, then what was not judged."""
    columns = (Column("criterion"), Column("score", "right"), Column("reason"))
    for (file, span_id), scores in groupby(report.scores, key=lambda each: (each.file, each.span.span_id)):
        own = tuple(scores)
        yield Line((Told(file), f"  {span_id}  ", Told(own[0].span.name)), "bold")
        yield Table(columns, tuple((Told(each.criterion), _told(each.score), _short(each.reason)) for each in own))
    if report.means:
        yield Heading("means")
        rows = tuple((Told(name), _told(mean), _scored(report, name)) for name, mean in report.means.items())
        yield Table((Column("criterion"), Column("score", "right"), Column("of")), rows)
    if report.unanswered:
        told = f"{counted(report.unanswered, 'conversation')} without a question or an answer in words, not judged"
        yield Line((told,), "yellow")
    if report.least is not None:
        unknown = sum(each.score is None for each in report.failed)
        beside = f", {unknown} of them not known" if unknown else ""
        yield Line((f"{counted(len(report.failed), 'score')} below {report.least:g}{beside}",), "yellow")


def _scored(report: ScoreReport, criterion: str) -> str:
    of_criterion = [each.score for each in report.scores if each.criterion == criterion]
    return f"{sum(score is not None for score in of_criterion):,} of {counted(len(of_criterion), 'answer')}"


def _told(score: float | None) -> str:
    return "?" if score is None else f"{score:.2f}"


def _short(reason: str) -> Told:
    line = " ".join(reason.split())
    return Told(line if len(line) <= _LONGEST else f"{line[: _LONGEST - 1]}…")
