"""`report`: what a reviewer of a change is told, as Markdown for a pull request, as text, as JSON."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from os.path import relpath
from pathlib import Path
from typing import TextIO, TypeVar

import click

from otel_agenttrace.analyze.branches import Changes, changes_between
from otel_agenttrace.analyze.suite import suite_of
from otel_agenttrace.checks.files import checked_files_of
from otel_agenttrace.cli import CLEAN, UNREADABLE
from otel_agenttrace.cli.look import JSON
from otel_agenttrace.cli.naming import readable
from otel_agenttrace.cli.writing import writable
from otel_agenttrace.errors import IngestError
from otel_agenttrace.jsonvalue import Json, parse, told_wrong
from otel_agenttrace.report.markdown import review_markdown
from otel_agenttrace.report.review import Review, review_json
from otel_agenttrace.report.review_terminal import review_renderables
from otel_agenttrace.report.screen import console
from otel_agenttrace_instrumentation.loading import load

__all__ = ["report"]

_Read = TypeVar("_Read")
_PLACE = click.Path(path_type=Path, file_okay=False)
_FOLDER = click.Path(path_type=Path, file_okay=False, exists=True)
_INPUT = click.Path(path_type=Path, dir_okay=False, allow_dash=True)


@click.command(epilog="Example: otel-agenttrace report run.json --cassettes tests --base ../main --format md")
@click.argument("run", metavar="[RUN.json]", required=False, type=_INPUT)
@click.option(
    "--cassettes", "folders", multiple=True, type=_PLACE, help="A folder of cassettes; with --base, default: ."
)
@click.option("--base", type=_FOLDER, help="A checkout of the base branch, to compare cassettes of the same path with.")
@click.option("--checks", type=_INPUT, help="What `otel-agenttrace check --json` printed.")
@click.option(
    "--format",
    "form",
    type=click.Choice(("text", "md", "json")),
    default="text",
    show_default=True,
    help="For a terminal, for a comment, for programs.",
)
@click.option("-o", "--output", type=click.Path(path_type=Path, dir_okay=False), help="Write to this file.")
@JSON
def report(
    run: Path | None,
    folders: tuple[Path, ...],
    base: Path | None,
    checks: Path | None,
    form: str,
    output: Path | None,
    *,
    as_json: bool,
) -> None:
    """Sum up a run of tests and how recordings differ from those of the base branch.

    RUN.json is what `pytest --agenttrace-report RUN.json` writes. Exits 3 if a file cannot be read; what tests and rules
    found does not count: their own commands exit with it.
    """
    if run is None and checks is None and not folders and base is None:
        raise click.UsageError("There is nothing to report on: name RUN.json, --cassettes, --base or --checks.")
    review = Review(
        suite=None if run is None else _read(run, suite_of),
        checks=None if checks is None else _read(checks, checked_files_of),
        changes=None if not folders and base is None else _changes(folders, base),
    )
    shown = "json" if as_json else form
    if output is None:
        _write(review, shown, sys.stdout)
    else:
        with writable(output), output.open("w", encoding="utf-8") as file:
            _write(review, shown, file)
    raise SystemExit(UNREADABLE if review.damaged else CLEAN)


def _read(path: Path, read: Callable[[Json], _Read]) -> _Read:
    """Return what a JSON file tells.

    Raises:
        IngestError: If it cannot be read, or tells nothing of the kind.
    """
    try:
        with readable(path) as kept:
            return read(parse(kept.read_bytes()))
    except OSError as error:
        raise IngestError(path, None, f"it cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise IngestError(path, None, told_wrong(error)) from error


def _changes(folders: tuple[Path, ...], base: Path | None) -> Changes:
    places = [relpath(folder) for folder in folders] or ["."]
    for place in places:
        if place.startswith(".."):
            raise click.UsageError(
                f"--cassettes {place} is not below the working directory, so --base has no such path."
            )
        if not any((root / place).is_dir() for root in (Path(), *([base] if base is not None else []))):
            raise click.UsageError(f"--cassettes {place}: there is no such folder.")
    return changes_between(Path(), places, base, load)


def _write(review: Review, form: str, file: TextIO) -> None:
    if form == "text":
        shown = console(file)
        for each in review_renderables(review):
            shown.print(each)
    else:
        file.write(review_markdown(review) if form == "md" else json.dumps(review_json(review), indent=2) + "\n")
