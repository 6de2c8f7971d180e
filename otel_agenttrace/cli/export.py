"""`export`: hand runs on to other programs, as OTLP, JSON or CSV."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from itertools import chain
from pathlib import Path

import click

from otel_agenttrace.cassette.held import check_is_file
from otel_agenttrace.cassette.private import open_private, take_place
from otel_agenttrace.cli.inputs import FILES, Reader
from otel_agenttrace.cli.writing import writable
from otel_agenttrace.config import resolve
from otel_agenttrace.report.exported import FORMS, Cleaner, exported
from otel_agenttrace.report.text import counted
from otel_agenttrace_instrumentation.pyproject import pyproject_settings
from otel_agenttrace_instrumentation.redacting import redactor_of

__all__ = ["export"]

_FORM = click.Choice(tuple(FORMS))


@click.command(epilog="Example: otel-agenttrace export run.otlp.jsonl --format otlp -o run.expanded.jsonl")
@FILES
@click.option("--format", "form", type=_FORM, required=True, help="What is written; docs/export.md tells the keys.")
@click.option(
    "-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write here, not to the terminal."
)
def export(paths: tuple[Path, ...], form: str, output: Path | None) -> None:
    """Write runs for other programs, with what was said in them: for a backend, a script, a spreadsheet.

    otlp: a span a line, as plain OTLP/JSON with the messages of each call under the names of the conventions. json: all
    runs in one document. ndjson: a span a line. csv: a call to a model a line. Secrets are looked for once more, by the
    rules of today. Damaged files are named and left out; exits 3 if none can be read.
    """
    reader = Reader(paths, quiet=output is None)
    reader.check_not_read(output)
    runs = reader.traces()
    first = next(runs, None)
    if first is not None:
        cleaner = Cleaner(redactor_of(resolve(os.environ, pyproject_settings(Path.cwd()))))
        pieces = exported(chain([first], runs), form, cleaner)
        if output is None:
            sys.stdout.writelines(pieces)
        else:
            _write(output, pieces)
        for damage in cleaner.damaged:
            click.echo(f"otel-agenttrace: a span is written without its content: {damage}", err=True)
        if cleaner.changed:
            held = f"{counted(cleaner.changed, 'span')} held secrets, which were replaced; the files still have them"
            click.echo(f"otel-agenttrace: {held}\n  to fix   otel-agenttrace redact FILE…", err=True)
    reader.end()


def _write(output: Path, pieces: Iterable[str]) -> None:
    """Write a file, whole or not at all."""
    growing = output.with_name(f"{output.name}.{os.getpid()}")
    with writable(output):
        check_is_file(output, "written")
        try:
            with os.fdopen(open_private(growing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "w", encoding="utf-8") as file:
                file.writelines(pieces)
            take_place(growing, output)
        finally:
            growing.unlink(missing_ok=True)
