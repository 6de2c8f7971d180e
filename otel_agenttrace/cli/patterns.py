"""`patterns`: what many runs have in common."""

from __future__ import annotations

import json
from pathlib import Path

import click

from otel_agenttrace.analyze.behaviour import patterns_of
from otel_agenttrace.cli.guidance import SKILLS, wrote_guidance
from otel_agenttrace.cli.inputs import FILES, OUTPUT, Reader, shown
from otel_agenttrace.cli.writing import OUTPUT_FILE, write_file
from otel_agenttrace.report.behaviour import patterns_page
from otel_agenttrace.report.plain import plain

__all__ = ["patterns"]


@click.command(epilog="Example: otel-agenttrace patterns tests/cassettes -o patterns.json")
@FILES
@click.option(
    "--window",
    type=click.IntRange(2, 20),
    metavar="N",
    default=3,
    show_default=True,
    help="The longest sequence of tools to count.",
)
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    default=10,
    show_default=True,
    help="How many rows of a kind are kept.",
)
@OUTPUT_FILE
@SKILLS
@OUTPUT
def patterns(
    paths: tuple[Path, ...], window: int, top: int, output: Path | None, skills: Path | None, form: str
) -> None:
    """Tell what many runs have in common: which tools follow which, where runs fail, repeat calls, go in circles.

    FILE is a cassette, a trace that others exported, or - for the standard input. A folder stands for all cassettes below
    it. A recording is one run; of other files, each trace is one. Exits 3 only if no FILE could be read.
    """
    reader = Reader(paths)
    reader.check_not_read(output)
    reader.check_not_read(skills)
    report = patterns_of(reader.streams(), window=window, top=top)
    if report.files:
        if output is not None:
            write_file(output, json.dumps(plain(report), indent=2, ensure_ascii=False).encode() + b"\n")
        if skills is not None:
            wrote_guidance(skills, (plain(report),))
        if form != "json" or output is None:
            shown(form, report, lambda: patterns_page(report))
    reader.end()
