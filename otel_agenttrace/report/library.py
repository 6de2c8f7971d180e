"""Show what is on the shelf: cassettes in a list, what may go, what they are known by. Frozen reports in, blocks out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from otel_agenttrace.analyze.fingerprints import Fingerprint, ToolFingerprint
from otel_agenttrace.library.checkup import CURES, Checkup
from otel_agenttrace.library.listing import Listed, Listing
from otel_agenttrace.library.pruning import Pruning
from otel_agenttrace.report.page import Block, Cell, Column, Heading, Line, Table, Told
from otel_agenttrace.report.text import age, cost, counted, size, tokens

__all__ = ["checkup_page", "fingerprint_page", "listing_page", "pruning_page"]

_RIGHT = ("age", "calls", "tokens", "cost", "errors", "size", "unplayed")
_MARKS = {"critical": "✗", "warning": "!", "info": "·"}
_SHORT = 16
"""Digits of a digest that people compare."""


def listing_page(report: Listing) -> Iterator[Block]:
    """Yield a table of cassettes, and their sums."""
    with_unplayed = any(row.unplayed is not None for row in report.cassettes)
    titles = ["name", "age", "calls", "tokens", "cost", "errors", "size", "models", "agent"]
    titles[6:6] = ["unplayed"] if with_unplayed else []
    columns = tuple(Column(title, "right" if title in _RIGHT else "left") for title in titles)
    yield Table(columns, tuple(_row(each, with_unplayed=with_unplayed) for each in report.cassettes))
    summed = (
        counted(len(report.cassettes), "cassette"),
        counted(report.calls, "call"),
        f"{tokens(report.tokens)} tokens",
        cost(report.cost),
        size(report.size_bytes),
    )
    yield Line((" · ".join(summed),), "dim")
    unpriced = sum(each.calls_without_price for each in report.cassettes)
    untold = sum(each.calls_without_tokens for each in report.cassettes)
    if unpriced or untold:
        told = [f"{unpriced:,} have no price"] if unpriced else []
        told += [f"{untold:,} tell no tokens"] if untold else []
        yield Line((f"+ and more: of {counted(report.calls, 'call')} {' and '.join(told)}",), "dim")


def _row(each: Listed, *, with_unplayed: bool) -> tuple[Cell, ...]:
    unplayed = ("?" if each.unplayed is None else f"{each.unplayed:,}",) if with_unplayed else ()
    return (
        Told(each.name),
        age(each.age_s),
        f"{each.calls:,}",
        _at_least(tokens(each.tokens), each.calls_without_tokens, is_known=each.tokens is not None),
        _at_least(cost(each.cost), each.calls_without_price, is_known=each.cost is not None),
        f"{each.errors:,}" if each.errors else "",
        *unplayed,
        "?" if each.size_bytes is None else size(each.size_bytes),
        Told(", ".join(each.models)),
        Told(each.agent or ""),
    )


def _at_least(told: str, unknown: int, *, is_known: bool) -> str:
    """Mark a sum in which something is missing; nothing was called if nothing is known nor unknown."""
    if is_known:
        return f"{told}+" if unknown else told
    return told if unknown else ""


def pruning_page(report: Pruning) -> Iterator[Block]:
    """Yield the cassettes that may go, or have gone."""
    if not report.cassettes:
        yield Line(("nothing to prune",))
        return
    columns = (Column("name"), Column("age", "right"), Column("size", "right"))
    yield Table(
        columns, tuple((Told(str(each.path)), age(each.age_s), size(each.size_bytes)) for each in report.cassettes)
    )
    done = "deleted" if report.deleted else "would be deleted"
    yield Line((f"{counted(len(report.cassettes), 'file')}, {size(report.size_bytes)} {done}",), "dim")


def fingerprint_page(runs: Sequence[tuple[str, Fingerprint]]) -> Iterator[Block]:
    """Yield the fingerprint of each run, and those of its tools."""
    for name, run in runs:
        yield Line((Told(name),), "bold")
        yield Line((f"run    {run.run}  ({counted(run.steps, 'step')})",))
        yield Line((f"tools  {run.tool_sequence}  (their names in order)",))
        if run.tools:
            columns = (
                Column("tool"),
                Column("calls", "right"),
                Column("arguments"),
                Column("shape"),
                Column("called with"),
            )
            yield Table(columns, tuple(map(_tool_row, run.tools)))


def _tool_row(tool: ToolFingerprint) -> tuple[Cell, ...]:
    shapes = Told(" | ".join(tool.shapes))
    return Told(tool.name), f"{tool.calls:,}", tool.arguments[:_SHORT], tool.shape[:_SHORT], shapes


def checkup_page(report: Checkup) -> Iterator[Block]:
    """Yield what was found in cassettes, and below it what to do about each kind of finding."""
    if report.findings:
        columns = (Column("finding"), Column("file"), Column("what"))
        rows = (
            (f"{_MARKS[each.severity]} {each.rule}", Told(str(each.path)), Told(each.message))
            for each in report.findings
        )
        yield Table(columns, tuple(rows))
        yield Heading("to fix")
        cures = {each.rule: CURES[each.rule] for each in report.findings}
        yield Table((Column("finding"), Column("what to do")), tuple(cures.items()))
    critical = sum(each.severity == "critical" for each in report.findings)
    warnings = len(report.findings) - critical
    told = f"{critical:,} critical, {counted(warnings, 'warning')}" if report.findings else "nothing found"
    yield Line((f"{counted(report.cassettes, 'cassette')}: {told}",), "dim")
