"""`redact`: clean cassettes that were recorded by older rules. `doctor --scan` finds them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TypeVar

import click
from rich.progress import track

from otel_agenttrace.cassette.sidecars import NOTES, notes_path
from otel_agenttrace.cleaning.files import cleanable_files, cleaned
from otel_agenttrace.cleaning.scanning import files_below, scanned
from otel_agenttrace.cli import CLEAN, FINDINGS, UNREADABLE
from otel_agenttrace.config import Config, resolve
from otel_agenttrace.redact import Redactor
from otel_agenttrace.redaction import PERSONAL
from otel_agenttrace.report.leaks import cleaned_json, cleaned_lines, scanned_json, scanned_lines
from otel_agenttrace.report.screen import console
from otel_agenttrace_instrumentation.pyproject import pyproject_settings
from otel_agenttrace_instrumentation.redacting import redactor_of

__all__ = ["PERSONAL_TOO", "redact", "scan", "todays_redactor", "tracked"]

_Item = TypeVar("_Item")
PERSONAL_TOO = click.option("--personal", is_flag=True, help="Look for personal data of every kind, too.")


@click.command(epilog="Example: otel-agenttrace redact tests/cassettes")
@click.argument("paths", metavar="FILE…", nargs=-1, required=True, type=click.Path(path_type=Path))
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write here, leave FILE as it is."
)
@click.option("--dry-run", is_flag=True, help="Tell what would be removed; exits 1 if that is anything.")
@PERSONAL_TOO
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def redact(paths: tuple[Path, ...], output: Path | None, *, dry_run: bool, personal: bool, as_json: bool) -> None:
    """Remove secrets from cassettes by today's rules, or from OTLP/JSON traces of others.

    FILE is written anew in its place, lines without a finding byte for byte, and so are the notes beside it. A folder
    stands for all cassettes below it.
    """
    files = list(dict.fromkeys(file for path in paths for file in cleanable_files(path)))
    named = [file for file in files if not file.name.endswith(NOTES)] or files
    if output is not None and len(named) != 1:
        raise click.UsageError("-o names one file, and so must FILE.")
    places = {file: output if output is None or file in named else notes_path(output) for file in files}
    redactor = todays_redactor(personal=personal)
    found = [cleaned(file, redactor, to=places[file], dry_run=dry_run) for file in tracked(files, "reading")]
    for line in (json.dumps(cleaned_json(found), indent=2),) if as_json else cleaned_lines(found):
        click.echo(line)
    for problem in (file.problem for file in found if file.problem):
        click.echo(f"otel-agenttrace: {problem}", err=True)
    if any(file.problem for file in found):
        raise SystemExit(UNREADABLE)
    raise SystemExit(FINDINGS if any(file.left or (dry_run and file.leaks) for file in found) else CLEAN)


def scan(folder: Path, *, personal: bool, as_json: bool) -> int:
    """Tell what leaks in the files of a folder, and return the exit code."""
    paths = files_below(folder)
    found = tuple(_tracked_to(scanned(paths, todays_redactor(personal=personal)), len(paths), f"reading {folder}"))
    if as_json:
        click.echo(json.dumps(scanned_json(found), indent=2))
    else:
        click.echo("\n".join(scanned_lines(found)))
    if any(file.leaks for file in found):
        return FINDINGS
    return UNREADABLE if any(file.problem for file in found) else CLEAN


def todays_redactor(*, personal: bool) -> Redactor:
    """Return what redacts by the rules in force."""
    config: Config = resolve(os.environ, pyproject_settings(Path.cwd()))
    return redactor_of(replace(config, redact=replace(config.redact, personal=PERSONAL)) if personal else config)


def tracked(items: Sequence[_Item], told: str) -> Iterable[_Item]:
    """Return the items; a terminal shows how many of them were taken."""
    return _tracked_to(items, len(items), told)


def _tracked_to(items: Iterable[_Item], total: int, told: str) -> Iterable[_Item]:
    shown = console(sys.stderr)
    is_silent = total == 1 or not shown.is_terminal
    return track(items, told, total=total, console=shown, transient=True, disable=is_silent)
