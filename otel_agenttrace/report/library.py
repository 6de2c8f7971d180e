"""Show what is on the shelf: cassettes in a list, what may go, what they are known by. Frozen reports in, blocks out."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Final

from otel_agenttrace.analyze.fingerprints import Fingerprint, ToolFingerprint
from otel_agenttrace.cassette.places import ENDINGS
from otel_agenttrace.library.checkup import CURES, Checkup
from otel_agenttrace.library.listing import Listed, Listing
from otel_agenttrace.library.pruning import Pruning
from otel_agenttrace.report.page import Block, Cell, Column, Heading, Line, Table, Told
from otel_agenttrace.report.text import age, cost, counted, size, tokens

__all__ = ["checkup_page", "fingerprint_page", "listing_page", "pruning_page"]

_TITLES: Final = ("name", "age", "calls", "tokens", "cost", "errors", "unplayed", "size", "models", "agent")
_LEFT: Final = ("name", "models", "agent")
_MARKS: Final = {"critical": "✗", "warning": "!", "info": "·"}
_SHORT: Final = 16
"""Digits of a digest that people compare."""


def listing_page(report: Listing) -> Iterator[Block]:
    """Yield a table of cassettes and other traces, without the folder that they share and without columns that tell nothing, and their sums."""
    folder = _shared_folder([each.name for each in report.cassettes])
    if folder:
        yield Line((Told(f"{folder}/"),), "dim")
    cells = [_cells(each, folder) for each in report.cassettes]
    titles = [title for title in _TITLES if any(row[title] for row in cells)]
    columns = tuple(Column(title, "left" if title in _LEFT else "right") for title in titles)
    if cells:
        yield Table(columns, tuple(tuple(row[title] for title in titles) for row in cells))
    unpriced = sum(each.calls_without_price for each in report.cassettes)
    untold = sum(each.calls_without_tokens for each in report.cassettes)
    noun = "cassette" if all(each.name.endswith(ENDINGS) for each in report.cassettes) else "file"
    summed = (
        counted(len(report.cassettes), noun),
        counted(report.calls, "call"),
        f"{tokens(report.tokens)}{'+' if untold and report.tokens is not None else ''} tokens",
        f"{cost(report.cost)}{'+' if unpriced and report.cost is not None else ''}",
        size(report.size_bytes),
    )
    yield Line((" · ".join(summed),), "dim")
    if unpriced or untold:
        told = [f"{unpriced:,} have no price"] if unpriced else []
        told += [f"{untold:,} tell no tokens"] if untold else []
        yield Line((f"+ and more: of {counted(report.calls, 'call')} {' and '.join(told)}",), "dim")


def _shared_folder(names: Sequence[str]) -> str:
    """Return the folder that several files are below of; empty for none."""
    folders = [str(PurePath(name).parent) for name in names]
    if len(names) < 2 or len({PurePath(folder).is_absolute() for folder in folders}) > 1:
        return ""
    return os.path.commonpath(folders)


def _cells(each: Listed, folder: str) -> Mapping[str, Cell]:
    name = str(PurePath(each.name).relative_to(folder)) if folder else each.name
    return {
        "name": Told(name.removesuffix(ENDINGS[0])),
        "age": age(each.age_s),
        "calls": f"{each.calls:,}",
        "tokens": _at_least(tokens(each.tokens), each.calls_without_tokens, is_known=each.tokens is not None),
        "cost": _at_least(cost(each.cost), each.calls_without_price, is_known=each.cost is not None),
        "errors": f"{each.errors:,}" if each.errors else "",
        "unplayed": "" if each.unplayed is None else f"{each.unplayed:,}",
        "size": "?" if each.size_bytes is None else size(each.size_bytes),
        "models": Told(", ".join(each.models)) if each.models else "",
        "agent": Told(each.agent) if each.agent else "",
    }


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
