"""`annotate`: notes, labels and bookmarks on spans, kept beside the cassette."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import click

from otel_agenttrace.analyze.naming import spans_named
from otel_agenttrace.cli.inputs import OUTPUT, shown
from otel_agenttrace.cli.naming import RunPath
from otel_agenttrace.config import resolve
from otel_agenttrace.library.annotations import (
    Mark,
    add_remarks,
    annotations_of,
    delete_remarks,
    new_remarks,
    remarks_on,
)
from otel_agenttrace.library.loading import run_in
from otel_agenttrace.model import Trace
from otel_agenttrace.report.annotated import annotated, annotated_page
from otel_agenttrace.report.text import counted, escaped
from otel_agenttrace.selectors import Subject
from otel_agenttrace_instrumentation.loading import load
from otel_agenttrace_instrumentation.pyproject import pyproject_settings
from otel_agenttrace_instrumentation.redacting import redactor_of

__all__ = ["annotate"]

_MOST_NAMED: Final = 5


@click.command(
    epilog="Example: otel-agenttrace annotate run.otlp.jsonl 'inference[2]' --label flaky --note 'asks twice'"
)
@click.argument("file", metavar="FILE", type=RunPath(dir_okay=False))
@click.argument("meant", metavar="[SPAN]", required=False)
@click.option("--note", "notes", multiple=True, metavar="TEXT", help="Put a note on the span.")
@click.option("--label", "labels", multiple=True, metavar="NAME", help="Put a label on the span, a word to find it by.")
@click.option("--bookmark", is_flag=True, help="Mark the span.")
@click.option(
    "--all", "several", is_flag=True, help="SPAN may mean more than one span; with --delete, no SPAN means all."
)
@click.option("--delete", is_flag=True, help="Remove what is named, or all that is on the span.")
@click.option("--list", "as_list", is_flag=True, help="Print what is on the span, or in FILE; so without any option.")
@OUTPUT
def annotate(
    file: Path,
    meant: str | None,
    notes: tuple[str, ...],
    labels: tuple[str, ...],
    form: str,
    *,
    bookmark: bool,
    several: bool,
    delete: bool,
    as_list: bool,
) -> None:
    """Put notes, labels and bookmarks on spans of FILE: kept beside it, shown wherever the run is shown.

    SPAN is the beginning of an id (4 digits or more), a name, a selector (docs/selectors.md), `last`, or `last-error`.
    Secrets in a text are replaced before it is written. FILE itself is never changed; what is on a span is found again,
    after the run was recorded anew, by the span's name and place.
    """
    told: list[tuple[Mark, str]] = [("note", note) for note in notes]
    told.extend(("label", label) for label in labels)
    if bookmark:
        told.append(("bookmark", ""))
    if as_list and (told or delete):
        raise click.UsageError("--list prints, and changes nothing: leave out the other options.")
    if (named := run_in(file)) is not None:
        raise click.UsageError(
            f"What is annotated is kept beside a whole file: name {named[0]}, and the span by its id."
        )
    trace = load(file)
    spans = spans_named(trace, meant) if meant is not None else ()
    if delete:
        _delete(file, trace, meant, spans, told, several=several)
    elif told:
        _add(file, trace, _certain(meant, spans, several=several), told)
    else:
        report = annotated(trace, annotations_of(trace), None if meant is None else spans)
        shown(form, report, lambda: annotated_page(report))


def _certain(meant: str | None, spans: Sequence[Subject], *, several: bool) -> Sequence[Subject]:
    """Return the spans that are meant, if it is certain which."""
    if meant is None:
        raise click.UsageError("Which span? Name it by SPAN: digits of its id, its name, or a selector.")
    if not spans:
        raise click.UsageError(f"No span is meant by {meant!r}; `otel-agenttrace show --json` tells their ids.")
    if len(spans) > 1 and not several:
        raise click.UsageError(f"{meant!r} means {len(spans)} spans: name one of them, or give --all.\n{_named(spans)}")
    return spans


def _named(spans: Sequence[Subject]) -> str:
    lines = [f"  {each.span.span_id}  {each.place}  {escaped(each.span.name)}" for each in spans[:_MOST_NAMED]]
    return "\n".join([*lines, *(["  …"] if len(spans) > _MOST_NAMED else [])])


def _add(file: Path, trace: Trace, spans: Sequence[Subject], told: Sequence[tuple[Mark, str]]) -> None:
    redactor = redactor_of(resolve(os.environ, pyproject_settings(Path.cwd())))
    clean: list[tuple[Mark, str]] = [(mark, redactor.redact_text(text)) for mark, text in told]
    new = new_remarks(annotations_of(trace), spans, clean)
    if clean != list(told):
        click.echo("otel-agenttrace: a secret was replaced in what you wrote", err=True)
    add_remarks(file, new)
    click.echo(f"{counted(len(new), 'annotation')} added to {counted(len(spans), 'span')}\n{_named(spans)}")


def _delete(
    file: Path,
    trace: Trace,
    meant: str | None,
    spans: Sequence[Subject],
    told: Sequence[tuple[Mark, str]],
    *,
    several: bool,
) -> None:
    if meant is None and not several:
        raise click.UsageError("Delete what? Name SPAN, or give --all for all that is annotated in FILE.")
    doomed = set(
        remarks_on(annotations_of(trace), None if meant is None else [each.span for each in spans], meant or "")
    )
    if told:
        doomed = {remark for remark in doomed if (remark.mark, remark.text) in told}
    deleted = delete_remarks(file, doomed.__contains__) if doomed else ()
    click.echo(f"{counted(len(deleted), 'annotation')} deleted")
