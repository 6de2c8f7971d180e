"""`ingest`: recordings of other tools become cassettes."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import click
from rich import markup
from rich.progress import track

from otel_agenttrace.cli import CLEAN, FINDINGS, UNREADABLE
from otel_agenttrace.config import resolve
from otel_agenttrace.ingest.formats import FORMATS, format_of
from otel_agenttrace.ingest.importing import IngestedFile, files_of
from otel_agenttrace.ingest.importing import ingest as ingested
from otel_agenttrace.report.ingested import ingested_json, ingested_line, left_out_table
from otel_agenttrace.report.screen import console
from otel_agenttrace.report.text import escaped
from otel_agenttrace_instrumentation.pyproject import pyproject_settings
from otel_agenttrace_instrumentation.redacting import redactor_of

__all__ = ["ingest"]

_HELP = """Make cassettes of recordings that other tools made.

PATH is a file, or a folder with all below it. Each HTTP interaction becomes a recorded call; a log of an agent becomes
the spans of its run, which can be shown and analysed. What cannot be converted is named with the reason.

\b
FORMAT is one of
{formats}

Exits 3 if nothing could be read, and with --strict 1 if anything was left out.
"""


@click.command(
    help=_HELP.format(formats="\n".join(f"  {name:<13} {told}" for name, told in FORMATS.items())),
    epilog="Example: otel-agenttrace ingest vcr tests/cassettes -o recorded",
)
@click.argument("name", metavar="FORMAT", type=click.Choice(list(FORMATS)))
@click.argument("path", type=click.Path(path_type=Path))
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="The folder for the cassettes.",
)
@click.option("--force", is_flag=True, help="Replace cassettes that are there.")
@click.option("--strict", is_flag=True, help="Exit 1 if anything was left out.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON instead of text.")
def ingest(name: str, path: Path, output: Path, *, force: bool, strict: bool, as_json: bool) -> None:
    """Read, write and tell."""
    found = format_of(name)
    redactor = redactor_of(resolve(os.environ, pyproject_settings(Path.cwd())))
    shown = console(sys.stderr)
    files = tuple(
        track(
            ingested(found, path, output, redactor, force=force),
            f"reading {markup.escape(escaped(str(path)))}",
            total=len(files_of(path, found.suffixes)),
            console=shown,
            transient=True,
            disable=path.is_file() or not shown.is_terminal,
        )
    )
    if as_json:
        click.echo(json.dumps(ingested_json(files), indent=2))
    else:
        _tell(files, output)
    raise SystemExit(_exit_code(files, strict=strict))


def _tell(files: Sequence[IngestedFile], output: Path) -> None:
    table = left_out_table(files)
    if table is not None:
        console().print(table)
    click.echo(ingested_line(files, str(output)))


def _exit_code(files: Sequence[IngestedFile], *, strict: bool) -> int:
    if not any(file.spans for file in files):
        return FINDINGS if any(file.kept for file in files) else UNREADABLE
    return FINDINGS if strict and any(file.left_out for file in files) else CLEAN
