"""`explain`, `timeline` and `tree`: what a run did, in words, over time, and folded."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import click

from otel_agenttrace.analyze.branching import run_tree
from otel_agenttrace.analyze.phases import explain as explained
from otel_agenttrace.analyze.timelines import timeline as laid_out
from otel_agenttrace.cli.inputs import FILES, OUTPUT, Reader, shown_each
from otel_agenttrace.model import Trace
from otel_agenttrace.report.explained import explained_page
from otel_agenttrace.report.page import Page
from otel_agenttrace.report.screen import console
from otel_agenttrace.report.timeline import timeline_page
from otel_agenttrace.report.tree import tree_page

__all__ = ["explain", "timeline", "tree"]

_Report = TypeVar("_Report")
_MARKDOWN_WIDTH = 100
_DEPTH = click.option(
    "--depth", type=click.IntRange(min=0), metavar="N", default=0, help="Levels that are shown; 0 for all."
)


def _told(
    paths: tuple[Path, ...],
    form: str,
    report_of: Callable[[Trace, str], _Report],
    page_of: Callable[[_Report], Page],
) -> None:
    reader = Reader(paths)
    reports = tuple(report_of(trace, name) for name, trace in reader.traces())
    shown_each(form, reports, page_of)
    reader.end()


@click.command(epilog="Example: otel-agenttrace explain run.otlp.jsonl")
@FILES
@OUTPUT
def explain(paths: tuple[Path, ...], *, form: str) -> None:
    """Tell what a run did: by agent, by what the user said, by activity; retries, lost time, files."""
    _told(paths, form, lambda trace, name: explained(trace, name=name), explained_page)


@click.command(epilog="Example: otel-agenttrace tree run.otlp.jsonl --depth 2")
@FILES
@_DEPTH
@OUTPUT
def tree(paths: tuple[Path, ...], *, depth: int, form: str) -> None:
    """Show a run folded: what is the same under one parent is one line, with calls, tokens, cost and time of all below."""
    _told(paths, form, lambda trace, name: run_tree(trace, depth=depth, name=name), tree_page)


@click.command(epilog="Example: otel-agenttrace timeline run.otlp.jsonl")
@FILES
@_DEPTH
@click.option(
    "--width", type=click.IntRange(min=40), metavar="N", help="Of a line; that of the terminal if it is not given."
)
@OUTPUT
def timeline(paths: tuple[Path, ...], *, depth: int, width: int | None, form: str) -> None:
    """Draw the spans of a run over time: what was parallel, what failed, what the run waited for."""
    wide = width or (_MARKDOWN_WIDTH if form == "md" else console().width)
    _told(
        paths,
        form,
        lambda trace, name: laid_out(trace, name=name),
        lambda report: timeline_page(report, wide, depth),
    )
