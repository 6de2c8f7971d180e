"""`grade`: how far each call to a model of a trace can be replayed."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import click

from otel_agenttrace.analyze.grades import graded
from otel_agenttrace.cli import CLEAN, FINDINGS
from otel_agenttrace.cli.look import CASSETTE_OR_INPUT, JSON
from otel_agenttrace.cli.naming import readable
from otel_agenttrace.dialects.grading import GRADES, Grade
from otel_agenttrace.report.grades import grade_lines
from otel_agenttrace.report.screen import console

__all__ = ["grade"]


@click.command(epilog="Example: otel-agenttrace grade prod-trace.json")
@click.argument("trace", type=CASSETTE_OR_INPUT)
@click.option(
    "--min-grade",
    type=click.Choice(GRADES),
    help="Exit 1 if a call has a worse grade.",
)
@JSON
def grade(trace: Path, min_grade: Grade | None, *, as_json: bool) -> None:
    """Say of each call to a model in TRACE how far it can be replayed, and why not further.

    TRACE is a cassette, or what others exported: OTLP as JSON, JSON Lines or protobuf. exact: the exchange is recorded.
    reconstructable: messages and answer are there. hash-only: only a part of them. no-content: neither.
    """
    with readable(trace) as path:
        report = graded(path, str(trace))
    if as_json:
        click.echo(json.dumps({**asdict(report), "counts": report.counts}, indent=2))
    else:
        shown = console()
        for line in grade_lines(report):
            shown.print(line)
    raise SystemExit(FINDINGS if min_grade is not None and report.below(min_grade) else CLEAN)
