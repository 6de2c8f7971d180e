"""`open`: a run in the browser."""

from __future__ import annotations

import os
import sys
import webbrowser
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkstemp
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
from otel_agenttrace.cli.writing import writable
from otel_agenttrace.config import resolve
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.library.annotations import annotations_of
from otel_agenttrace.model import Trace
from otel_agenttrace.report.annotated import annotated, annotated_page
from otel_agenttrace.report.contexts import contexts_page
from otel_agenttrace.report.conversation import conversation
from otel_agenttrace.report.explained import explained_page
from otel_agenttrace.report.html import BEGIN, html_document
from otel_agenttrace.report.node import text_of
from otel_agenttrace.report.page import Line, Lines, Page
from otel_agenttrace.report.screen import console
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
    if output is not None:
        _check_is_page(output)
    for name, trace in reader.traces(one=True):
        page = _written(name if name != "-" else "standard input", trace, output)
        click.echo(escaped(str(page)))
        if not no_browser and not webbrowser.open(page.absolute().as_uri()):
            click.echo("otel-agenttrace: there is no browser here; open that file in one", err=True)
    reader.end()


def _check_is_page(output: Path) -> None:
    """Refuse to write over a file that holds something else than a page.

    Raises:
        ConfigError: If it does.
    """
    with writable(output):
        if not output.is_file():
            return
        with output.open("rb") as there:
            if there.read(len(BEGIN)) not in (b"", BEGIN.encode()):
                raise ConfigError(f"{output} is there, and is no page.\n  to fix   name another file to write")


def _written(name: str, trace: Trace, output: Path | None) -> Path:
    with console(sys.stderr).status("") as told:
        parts: list[tuple[str, Page]] = []
        for part, page in _parts(name, trace):
            told.update(f"made: {part}")
            parts.append((part, tuple(page)))
    content = "".join(html_document(name, parts)).encode("utf-8", "backslashreplace")
    path = output or _temporary()
    with writable(path):
        path.touch(0o600)  # what was said is for nobody else; a file that is there keeps its mode
        path.write_bytes(content)
    return path


def _temporary() -> Path:
    """Return a new file for temporary ones.

    Raises:
        ConfigError: If there can be none.
    """
    try:
        number, path = mkstemp(prefix="otel-agenttrace-", suffix=".html")
    except OSError as error:
        raise ConfigError(
            f"there is no place for a temporary file: {error.strerror}.\n  to fix   name one: -o run.html"
        ) from None
    os.close(number)
    return Path(path)


def _parts(name: str, trace: Trace) -> Iterator[tuple[str, Page]]:
    window_of = windows({}, resolve(os.environ, pyproject_settings(Path.cwd())).context_windows)
    yield "What it did", explained_page(explain(trace, name=name))
    yield "Over time", timeline_page(timeline(trace, name=name), _WIDTH)
    yield "Tree", tree_page(run_tree(trace, name=name))
    said = text_of(conversation(trace)).splitlines()
    yield "What was said", (Lines(tuple(said), "text") if said else Line(("no message is told",)),)
    yield "Tools", tools_used_page(tools_used(trace))
    yield "Context windows", contexts_page(context_use(trace, window_of, name=name))
    remarks = annotated(trace, annotations_of(trace))
    if remarks.spans or remarks.gone or remarks.damaged:
        yield "Annotations", annotated_page(remarks)
