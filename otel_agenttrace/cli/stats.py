"""`stats`: what runs took, by file, model, tool and agent."""

from __future__ import annotations

from pathlib import Path

import click

from otel_agenttrace.analyze.stats import stats_of
from otel_agenttrace.cli.inputs import FILES, OUTPUT, Reader, shown
from otel_agenttrace.report.stats import stats_page

__all__ = ["stats"]


@click.command(epilog="Example: otel-agenttrace stats tests/cassettes --include-subagents")
@FILES
@click.option("--include-subagents", is_flag=True, help="Count what agents below another agent did, too.")
@OUTPUT
def stats(paths: tuple[Path, ...], form: str, *, include_subagents: bool) -> None:
    """Sum up what runs took: calls, tokens, cost, errors, time; by file, model, tool and agent.

    FILE is a cassette, a trace that others exported, or - for the standard input. A folder stands for all cassettes below
    it. What subagents did is told apart. Exits 3 only if no FILE could be read.
    """
    reader = Reader(paths)
    report = stats_of(reader.streams(), include_subagents=include_subagents)
    if report.files:
        shown(form, report, lambda: stats_page(report))
    reader.end()
