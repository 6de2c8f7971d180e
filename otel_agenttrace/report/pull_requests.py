"""Show pull requests as baselines, and what was compared with them. Baselines in, blocks out."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_agenttrace.analyze.overlaps import Baselines, Comparison, Overlap
from otel_agenttrace.analyze.pull_requests import PullRequest
from otel_agenttrace.report.page import Block, Cell, Column, Heading, Line, Lines, Table, Told
from otel_agenttrace.report.text import counted

__all__ = ["baselines_page"]

_PULLS: Final = (
    Column("#", "right"),
    Column("merged"),
    Column("author"),
    Column("files", "right"),
    Column("tests", "right"),
    Column("+", "right"),
    Column("−", "right"),
    Column("title"),
)
_FILES: Final = (Column("file"), Column("status"), Column("+", "right"), Column("−", "right"))
_COMPARED: Final = (
    Column("#", "right"),
    Column("compared with"),
    Column("files", "right"),
    Column("others", "right"),
    Column("tests", "right"),
    Column("others", "right"),
    Column("+", "right"),
    Column("−", "right"),
)
_MOST_PATHS: Final = 50
_DATE: Final = len("2026-01-31")


def baselines_page(report: Baselines, *, has_task: bool = False, has_files: bool = False) -> Iterator[Block]:
    """Yield the pull requests, and what was compared with them. One alone is shown in full."""
    is_one = len(report.pull_requests) == 1
    has_several = len({each.repository for each in report.pull_requests}) > 1
    if not report.pull_requests:
        yield Line(("There is no such pull request.",))
        return
    yield Heading("Pull requests" if has_several else f"Pull requests of {report.pull_requests[0].repository}")
    yield Table(_PULLS, tuple(_row(each, has_repository=has_several) for each in report.pull_requests))
    for each in report.pull_requests:
        if has_task or (is_one and not has_files):
            yield from _task(each)
        if has_files or (is_one and not has_task):
            yield from _files(each)
    if report.comparisons:
        yield Heading("Compared with what was changed")
        yield Table(_COMPARED, tuple(map(_compared, report.comparisons)))
        for each in report.comparisons:
            yield from _told(each, has_files=has_files or is_one)


def _row(pull: PullRequest, *, has_repository: bool) -> tuple[Cell, ...]:
    return (
        Told(f"{pull.repository}#{pull.number}") if has_repository else f"{pull.number}",
        "no" if pull.merged_at is None else Told(pull.merged_at[:_DATE]),
        Told(pull.author or "?"),
        f"{len(pull.files):,}{'+' if pull.is_cut else ''}",
        f"{sum(each.is_test for each in pull.files):,}",
        f"{pull.additions:,}",
        f"{pull.deletions:,}",
        Told(pull.title),
    )


def _task(pull: PullRequest) -> Iterator[Block]:
    yield Heading(f"Task of {pull.number}")
    yield Line((Told(pull.title),))
    if pull.body:
        yield Lines(tuple(pull.body.splitlines()))


def _files(pull: PullRequest) -> Iterator[Block]:
    yield Heading(f"Files of {pull.number}")
    rows = (
        (
            Told(each.path if each.previous_path is None else f"{each.previous_path} → {each.path}"),
            Told(each.status),
            f"{each.additions:,}",
            f"{each.deletions:,}",
        )
        for each in pull.files
    )
    yield Table(_FILES, tuple(rows))
    if pull.is_cut:
        yield Line(("GitHub lists no more files; there may be more.",), "dim")


def _compared(each: Comparison) -> tuple[Cell, ...]:
    return (
        f"{each.number}",
        Told(each.name),
        *_shared(each.files),
        *_shared(each.tests),
        _lines(each.additions, each.baseline_additions, is_estimate=each.is_estimate),
        _lines(each.deletions, each.baseline_deletions, is_estimate=each.is_estimate),
    )


def _shared(overlap: Overlap) -> tuple[str, str]:
    return f"{len(overlap.both):,} of {len(overlap.both) + len(overlap.missed):,}", f"{len(overlap.others):,}"


def _lines(count: int | None, baseline: int, *, is_estimate: bool) -> str:
    told = "?" if count is None else f"{count:,}"
    return f"{'~' if is_estimate and count is not None else ''}{told} for {baseline:,}"


def _told(each: Comparison, *, has_files: bool) -> Iterator[Block]:
    if has_files:
        yield Line((f"{each.number} and ", Told(each.name), ": - only the pull request, + only the change"), "dim")
        yield Lines(tuple(_marked(each.files)), "diff")
    if each.root is not None:
        yield Line((Told(each.name), ": paths are below ", Told(each.root)), "dim")
    if each.commands:
        told = f": {counted(each.commands, 'shell command')} may have changed files that nobody names"
        yield Line((Told(each.name), told), "dim")
    if each.untold_calls:
        told = f": {counted(each.untold_calls, 'call')} of tools that write tell no file"
        yield Line((Told(each.name), told), "dim")


def _marked(files: Overlap) -> Iterator[str]:
    for mark, paths in (("  ", files.both), ("- ", files.missed), ("+ ", files.others)):
        yield from (f"{mark}{path}" for path in paths[:_MOST_PATHS])
        if len(paths) > _MOST_PATHS:
            yield f"{mark}… and {len(paths) - _MOST_PATHS:,} more"
