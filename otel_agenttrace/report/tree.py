"""Write the folded tree of a run as a page. Tree in, blocks out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_agenttrace.analyze.branching import Branch, RunTree
from otel_agenttrace.report.page import Block, Column, Line, Table, Told
from otel_agenttrace.report.sums import cost_told, sums_told, tokens_told
from otel_agenttrace.report.text import counted, duration

__all__ = ["tree_page"]

_COLUMNS: Final = (
    Column("what"),
    Column("models", "right"),
    Column("tools", "right"),
    Column("tokens", "right"),
    Column("cost", "right"),
    Column("time", "right"),
    Column("failed", "right"),
)
_DEEPEST: Final = 12


def tree_page(of: RunTree) -> Iterator[Block]:
    """Yield the sums and a row for each branch, with what is below it."""
    told = (counted(of.spans, "span"), *sums_told(of.totals), duration(of.duration_ns))
    yield Line((Told(of.name), ": ", ", ".join(told)), "bold")
    if of.branches:
        yield Table(_COLUMNS, tuple(map(_row, of.branches)))


def _row(branch: Branch) -> tuple[str | Told, ...]:
    guide = "│ " * (min(branch.depth, _DEEPEST) - 1) + "├ " if branch.depth else ""
    times = f" ×{branch.count:,}" if branch.count > 1 else ""
    more = f" (+{counted(branch.hidden, 'span')})" if branch.hidden else ""
    kind = "" if branch.kind == "span" else f"{branch.kind} "
    totals = branch.totals
    return (
        Told(f"{guide}{kind}{branch.name}{times}{more}"),
        f"{totals.model_calls:,}" if totals.model_calls else "",
        f"{totals.tool_calls:,}" if totals.tool_calls else "",
        tokens_told(totals),
        cost_told(totals),
        duration(branch.duration_ns),
        f"{totals.errors:,}" if totals.errors else "",
    )
