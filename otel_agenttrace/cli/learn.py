"""`learn`: compare two recordings of the same run, propose match rules for what moved."""

from __future__ import annotations

import json
import os
from pathlib import Path

import click

from otel_agenttrace.analyze.learning import Learning, rules_toml
from otel_agenttrace.analyze.learning import learn as learned
from otel_agenttrace.cassette.reader import open_cassette, with_calls
from otel_agenttrace.cli import CLEAN, FINDINGS
from otel_agenttrace.cli.naming import RunPath
from otel_agenttrace.config import resolve
from otel_agenttrace.model import HttpRequest
from otel_agenttrace.report.learned import learning_json, learning_line, moves_table
from otel_agenttrace.report.screen import console
from otel_agenttrace.report.text import escaped, escaped_lines
from otel_agenttrace_instrumentation.pyproject import append_settings, pyproject_settings

__all__ = ["learn"]

_CASSETTE = RunPath(dir_okay=False)


@click.command(epilog="Example: otel-agenttrace learn monday.otlp.jsonl tuesday.otlp.jsonl --write")
@click.argument("a", type=_CASSETTE)
@click.argument("b", type=_CASSETTE)
@click.option("--all", "everything", is_flag=True, help="Propose rules for content too: prompts, models, parameters.")
@click.option("--write", is_flag=True, help="Append the proposed rules to pyproject.toml after showing them.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def learn(a: Path, b: Path, *, everything: bool, write: bool, as_json: bool) -> None:
    """Compare two recordings of the same run and propose match rules for what moved from A to B.

    Record the same program twice, then look: ids, times and paths that presets know are left out. What says what is
    asked for (prompts, models, parameters) is told and not proposed. Exits 1 if something moved and no rule was written.
    """
    settings = resolve(os.environ, pyproject_settings(Path.cwd()))
    found = learned(_requests(a), _requests(b), settings.match, everything=everything)
    if as_json:
        click.echo(json.dumps(learning_json(found), indent=2))
    else:
        _tell(found)
    if write and found.rules:
        path = append_settings(Path.cwd(), rules_toml(found.rules))
        click.echo(f"written to {escaped(str(path))}", err=as_json)
    is_settled = len(found.proposed) == len(found.moves) and (write or not found.moves)
    raise SystemExit(CLEAN if is_settled else FINDINGS)


def _requests(path: Path) -> list[HttpRequest]:
    cassette = with_calls(open_cassette(path, strict=True))
    calls = sorted(cassette.index.calls, key=lambda entry: (entry.start_ns, entry.ticket))
    return [cassette.request(entry) for entry in calls]


def _tell(found: Learning) -> None:
    click.echo(learning_line(found))
    if found.moves:
        click.echo()
        console().print(moves_table(found))
    if found.rules:
        click.echo(f"\nfor pyproject.toml (--write appends it):\n\n{escaped_lines(rules_toml(found.rules))}")
