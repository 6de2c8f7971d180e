"""`doctor`: is it installed right; what is wrong with the cassettes of a folder; with `--scan`, what leaks."""

from __future__ import annotations

import json
import logging
import os
import time
from collections.abc import Iterator
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Final

import click
from rich.text import Text

from otel_agenttrace.cli import CLEAN, FINDINGS, UNREADABLE
from otel_agenttrace.cli.ages import checked_age
from otel_agenttrace.cli.inputs import shown
from otel_agenttrace.cli.redact import PERSONAL_TOO, todays_redactor, tracked
from otel_agenttrace.cli.redact import scan as leaks_below
from otel_agenttrace.library.checkup import checkup_of, shelf_of, troubles_of
from otel_agenttrace.report.library import checkup_page
from otel_agenttrace.report.screen import console
from otel_agenttrace.report.text import escaped_lines
from otel_agenttrace_instrumentation.checkup import Check, checkup
from otel_agenttrace_instrumentation.loading import load

__all__ = ["doctor"]

_MARKS: Final = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "problem": ("✗", "red")}

_GAPS: Final = len("  ✓    ")


@click.command(epilog="Example: otel-agenttrace doctor tests/cassettes")
@click.argument("folders", metavar="[FOLDER…]", nargs=-1, type=click.Path(path_type=Path, file_okay=False, exists=True))
@click.option(
    "--older-than",
    default="90d",
    show_default=True,
    callback=checked_age,
    metavar="AGE",
    help="From which age on a recording in FOLDER is stale.",
)
@click.option("--scan", type=click.Path(path_type=Path, exists=True), help="Look for secrets in and below this folder.")
@PERSONAL_TOO
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def doctor(folders: tuple[Path, ...], older_than: str, scan: Path | None, *, personal: bool, as_json: bool) -> None:
    """Check the installation: hooks, SDKs and seams, mode, cassette, guard. Exits 1 if something is wrong.

    With FOLDER: check the cassettes in and below it: damage, leaks, what killed runs left, age, tests that are gone, models
    that are given up or have no price. Exits 1 on damage and leaks, 3 if no cassette is there.

    With --scan: look for secrets in cassettes, packed ones and their bodies included, and in any other text file. Exits 1
    if one is there, 3 if a file could not be looked at.
    """
    if folders:
        if scan is not None:
            raise click.UsageError("FOLDER is checked for leaks, too: leave --scan out.")
        raise SystemExit(_checked(folders, older_than, personal=personal, form="json" if as_json else "text"))
    if scan is not None:
        raise SystemExit(leaks_below(scan, personal=personal, as_json=as_json))
    if personal:
        raise click.UsageError("--personal goes with --scan or FOLDER.")
    checks = checkup(os.environ, Path.cwd())
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        output = console()
        for line in _lines(checks):
            output.print(line, soft_wrap=True)
    raise SystemExit(int(any(check.verdict == "problem" for check in checks)))


def _checked(folders: tuple[Path, ...], older_than: str, *, personal: bool, form: str) -> int:
    """Tell what is wrong with the cassettes of some folders, and return the exit code."""
    logging.getLogger("otel_agenttrace").setLevel(logging.ERROR)  # what it would warn of is a finding
    shelves = [shelf_of(folder) for folder in folders]
    paths = tuple(dict.fromkeys(path for cassettes, _ in shelves for path in cassettes))
    check = partial(
        troubles_of,
        load=load,
        redactor=todays_redactor(personal=personal),
        now_ns=time.time_ns(),
        older_than=older_than,
    )
    inside = [found for path in tracked(paths, "checking") for found in check(path)]
    report = checkup_of(len(paths), [*(found for _, beside in shelves for found in beside), *inside])
    shown(form, report, lambda: checkup_page(report))
    if not paths and not report.findings:
        return UNREADABLE
    return FINDINGS if any(found.severity == "critical" for found in report.findings) else CLEAN


def _lines(checks: tuple[Check, ...]) -> Iterator[Text]:
    areas = max(len(check.area) for check in checks)
    subjects = max(len(check.subject) for check in checks)
    area = ""
    for check in checks:
        mark, colour = _MARKS[check.verdict]
        told = check.area if check.area != area else ""
        area = check.area
        detail = escaped_lines(check.detail).replace("\n", "\n" + " " * (areas + subjects + _GAPS))
        columns = ((f"{told:{areas}}", "bold"), (mark, colour), f"{check.subject:{subjects}}", (detail, "dim"))
        yield Text("  ").join(Text.assemble(column) for column in columns)
