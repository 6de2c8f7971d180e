"""`doctor`: is it installed right."""

from __future__ import annotations

import json
import os
from dataclasses import asdict
from pathlib import Path
from typing import Final

import click
from rich.table import Table
from rich.text import Text

from otel_agenttrace.report.terminal import console
from otel_agenttrace_instrumentation.checkup import Check, checkup

__all__ = ["doctor"]

_MARKS: Final = {"ok": ("✓", "green"), "warning": ("!", "yellow"), "problem": ("✗", "red")}


@click.command(epilog="Example: otel-agenttrace doctor")
@click.option("--json", "as_json", is_flag=True, help="Print the checks as JSON.")
def doctor(*, as_json: bool) -> None:
    """Check the installation: hooks, SDKs and seams, mode, cassette, guard. Exits 1 if something is wrong."""
    checks = checkup(os.environ, Path.cwd())
    if as_json:
        click.echo(json.dumps([asdict(check) for check in checks], indent=2))
    else:
        console().print(_table(checks))
    raise SystemExit(int(any(check.verdict == "problem" for check in checks)))


def _table(checks: tuple[Check, ...]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    area = ""
    for check in checks:
        mark, colour = _MARKS[check.verdict]
        told = check.area if check.area != area else ""
        area = check.area
        table.add_row(Text(told, "bold"), Text(mark, colour), Text(check.subject), Text(check.detail, "dim"))
    return table
