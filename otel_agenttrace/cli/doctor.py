"""`doctor`: is it installed right; with `--scan`, what leaks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
from rich.text import Text

from otel_agenttrace.cli.redact import PERSONAL_TOO
from otel_agenttrace.cli.redact import scan as leaks_below
from otel_agenttrace.report.terminal import console
from otel_agenttrace.report.text import escaped_lines
from otel_agenttrace_instrumentation.checkup import Check, checkup

__all__ = ["doctor"]

_MARKS: Final = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "problem": ("✗", "red")}

_GAPS: Final = len("  ✓    ")


@click.command(epilog="Example: otel-agenttrace doctor --scan tests/cassettes")
@click.option("--scan", type=click.Path(path_type=Path, exists=True), help="Look for secrets in and below this folder.")
@PERSONAL_TOO
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def doctor(scan: Path | None, *, personal: bool, as_json: bool) -> None:
    """Check the installation: hooks, SDKs and seams, mode, cassette, guard. Exits 1 if something is wrong.

    With --scan: look for secrets in cassettes, packed ones and their bodies included, and in any other text file. Exits 1
    if one is there, 3 if a file could not be looked at.
    """
    if scan is not None:
        raise SystemExit(leaks_below(scan, personal=personal, as_json=as_json))
    if personal:
        raise click.UsageError("--personal goes with --scan.")
    checks = checkup(os.environ, Path.cwd())
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        shown = console()
        for line in _lines(checks):
            shown.print(line, soft_wrap=True)
    raise SystemExit(int(any(check.verdict == "problem" for check in checks)))


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
