"""`open`: a run in the browser."""

from __future__ import annotations

import os
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Final

import click

from otel_agenttrace.analyze.branching import run_tree
from otel_agenttrace.analyze.contexts import context_use, windows
from otel_agenttrace.analyze.phases import explain
from otel_agenttrace.analyze.timelines import timeline
from otel_agenttrace.analyze.tool_usage import tools_used
from otel_agenttrace.cassette.places import newest_cassette
from otel_agenttrace.cli.inputs import Reader
from otel_agenttrace.cli.look import CASSETTE_OR_INPUT
from otel_agenttrace.cli.writing import write_file
from otel_agenttrace.config import resolve
from otel_agenttrace.library.annotations import annotations_of
from otel_agenttrace.model import Trace
from otel_agenttrace.report.annotated import annotated, annotated_page
from otel_agenttrace.report.contexts import contexts_page
from otel_agenttrace.report.conversation import conversation
from otel_agenttrace.report.explained import explained_page
from otel_agenttrace.report.html import html_document
from otel_agenttrace.report.node import text_of
from otel_agenttrace.report.page import Lines, Page
from otel_agenttrace.report.text import escaped
from otel_agenttrace.report.timeline import timeline_page
from otel_agenttrace.report.tool_usage import tools_used_page
from otel_agenttrace.report.tree import tree_page
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

__all__ = ["open_"]

_WIDTH: Final = 130
"""Of the lines of a timeline, in signs."""


@click.command("open", epilog="Example: otel-agenttrace open run.otlp.jsonl")
@click.argument("file", required=False, type=CASSETTE_OR_INPUT)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Keep the page in this file.  [default: a temporary one]",
)
@click.option("--no-browser", is_flag=True, help="Write the page and print where it is, no more.")
def open_(file: Path | None, *, output: Path | None, no_browser: bool) -> None:
    """Open a run in the browser: what it did, over time, as a tree, what was said, tools, context windows.

    FILE is a path, the beginning of a run or trace id, a name, or latest; - is the standard input. Without: latest. The page is
    one file: it runs no script, loads nothing, and can be sent to others, with all that was said in the run. Which browser it
    is, BROWSER tells.
    """
    reader = Reader((file or newest_cassette(Path()),))
    reader.check_not_read(output)
    for name, trace in reader.traces(one=True):
        page = _written(name, trace, output)
        click.echo(escaped(str(page)))
        if not no_browser and not webbrowser.open(page.absolute().as_uri()):
            click.echo("otel-agenttrace: there is no browser here; open that file in one", err=True)
    reader.end()


def _written(name: str, trace: Trace, output: Path | None) -> Path:
    content = "".join(html_document(name, tuple(_parts(name, trace)))).encode("utf-8", "backslashreplace")
    if output is None:
        with NamedTemporaryFile(prefix="otel-agenttrace-", suffix=".html", delete=False) as kept:
            kept.write(content)
        return Path(kept.name)
    write_file(output, content)
    return output


def _parts(name: str, trace: Trace) -> Iterator[tuple[str, Page]]:
    window_of = windows({}, resolve(os.environ, pyproject_settings(Path.cwd())).context_windows)
    yield "What it did", explained_page(explain(trace, name=name))
    yield "Over time", timeline_page(timeline(trace, name=name), _WIDTH)
    yield "Tree", tree_page(run_tree(trace, name=name))
    yield "What was said", (Lines(tuple(text_of(conversation(trace)).splitlines())),)
    yield "Tools", tools_used_page(tools_used(trace))
    yield "Context windows", contexts_page(context_use(trace, window_of, name=name))
    remarks = annotated(trace, annotations_of(trace))
    if remarks.spans or remarks.gone or remarks.damaged:
        yield "Annotations", annotated_page(remarks)
