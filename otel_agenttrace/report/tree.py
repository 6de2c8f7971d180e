"""Write the folded tree of a run as a page. Tree in, blocks out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from otel_agenttrace.analyze.branching import Branch, RunTree
from otel_agenttrace.report.page import Block, Column, Line, Table, Told
from otel_agenttrace.report.sums import cost_told, run_told, tokens_told
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
    yield Line((Told(of.name), f": {counted(of.spans, 'span')}, {run_told(of.totals, of.duration_ns)}"), "bold")
    if of.branches:
        guides = _guides([min(branch.depth, _DEEPEST) for branch in of.branches])
        yield Table(_COLUMNS, tuple(map(_row, of.branches, guides)))


def _guides(depths: Sequence[int]) -> Sequence[str]:
    """Return what stands before each line of a tree: the last one below a line ends its guide."""
    guides: list[str] = []
    going_on: frozenset[int] = frozenset()
    for depth in reversed(depths):
        above = "".join("│ " if level in going_on else "  " for level in range(1, depth))
        guides.append(above + ("├ " if depth in going_on else "└ ") if depth else "")
        going_on = frozenset(level for level in going_on if level < depth) | {depth}
    return guides[::-1]


def _row(branch: Branch, guide: str) -> tuple[str | Told, ...]:
    times = f" ×{branch.count:,}" if branch.count > 1 else ""
    more = f" (+{counted(branch.hidden, 'span')})" if branch.hidden else ""
    kind = "" if branch.kind == "span" else f"{branch.kind} "
    totals = branch.totals
    return (
        Told(f"{guide}{kind}{branch.name}{times}{f'  {branch.task}' if branch.task else ''}{more}"),
        f"{totals.model_calls:,}" if totals.model_calls else "",
        f"{totals.tool_calls:,}" if totals.tool_calls else "",
        tokens_told(totals),
        cost_told(totals),
        duration(branch.duration_ns),
        f"{totals.errors:,}" if totals.errors else "",
    )
