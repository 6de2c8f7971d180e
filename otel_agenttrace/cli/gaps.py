"""`gaps`: what is systematically different between the runs of two folders."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from os.path import relpath
from pathlib import Path
from typing import cast

import click

from otel_agenttrace.analyze.gap_limits import limits_from
from otel_agenttrace.analyze.gap_runs import RunRecord, records_of
from otel_agenttrace.analyze.gaps import gaps_between
from otel_agenttrace.cli import UNREADABLE
from otel_agenttrace.cli.guidance import SKILLS, wrote_guidance
from otel_agenttrace.cli.inputs import FILE, OUTPUT, Reader, shown
from otel_agenttrace.cli.writing import OUTPUT_FILE, write_file
from otel_agenttrace.report.gaps import gaps_page
from otel_agenttrace.report.plain import plain
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

__all__ = ["gaps"]


@click.command(epilog="Example: otel-agenttrace gaps golden/ runs/ --threshold token_inflation=1.5")
@click.argument("baseline", type=FILE)
@click.argument("candidate", type=FILE)
@click.option(
    "--threshold",
    "thresholds",
    multiple=True,
    metavar="RULE=NUMBER",
    help="From which size on a gap is critical; RULE.warning=NUMBER and RULE.info=NUMBER for the others.",
)
@OUTPUT_FILE
@SKILLS
@OUTPUT
def gaps(
    baseline: Path, candidate: Path, thresholds: tuple[str, ...], output: Path | None, skills: Path | None, form: str
) -> None:
    """Tell what the runs of CANDIDATE do otherwise than those of BASELINE: tokens, cost, calls, time, errors, tools, models.

    Each is a folder of cassettes, a cassette, a trace that others exported, or - for the standard input. Limits stand in
    pyproject.toml too, as [tool.otel-agenttrace.gaps]. Exits 1 if a gap is critical, with too few runs to test it only by a limit
    that you set; 3 if a side has no run that could be read.
    """
    if str(baseline) == str(candidate) == "-":
        raise click.UsageError("only one of the two can come from the standard input")
    table = pyproject_settings(Path.cwd()).get("gaps", {})
    limits = limits_from(cast("Mapping[str, object]", table), thresholds)
    left, right = Reader((baseline,)), Reader((candidate,))
    for side in (left, right):
        side.check_not_read(output)
        side.check_not_read(skills)
    report = gaps_between(_records(left, baseline), _records(right, candidate), limits)
    if output is not None:
        write_file(output, json.dumps(plain(report), indent=2, ensure_ascii=False).encode() + b"\n")
    if skills is not None:
        wrote_guidance(skills, (plain(report),))
    if form != "json" or output is None:
        shown(form, report, lambda: gaps_page(report))
    left.tell_unread()
    if not (report.baseline.runs and report.candidate.runs):
        right.tell_unread()
        raise SystemExit(UNREADABLE)
    right.end(findings=bool(report.counts["critical"]))


def _records(reader: Reader, place: Path) -> Iterator[RunRecord]:
    return records_of(
        (relpath(name, place) if place.is_dir() else Path(name).name, name, trace) for name, trace in reader.traces()
    )
