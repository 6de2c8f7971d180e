"""`why`: what led to a span."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import click

from otel_agenttrace.analyze.causes import why as causes_of
from otel_agenttrace.analyze.naming import span_named
from otel_agenttrace.cli.inputs import OUTPUT, Reader, shown
from otel_agenttrace.cli.look import CASSETTE_OR_INPUT
from otel_agenttrace.report.causes import causes_page

__all__ = ["why"]

_DEPTH: Final = 6


@click.command(epilog="Example: otel-agenttrace why run.otlp.jsonl 'tool=book error'")
@click.argument("path", metavar="FILE", type=CASSETTE_OR_INPUT)
@click.argument("span", metavar="SPAN")
@click.option(
    "--depth",
    type=click.IntRange(min=0),
    metavar="N",
    default=_DEPTH,
    show_default=True,
    help="Steps back; 0 follows all.",
)
@OUTPUT
def why(path: Path, span: str, *, depth: int, form: str) -> None:
    """Tell why a span happened: what led to it, step by step backwards, the certain apart from the inferred.

    SPAN is the beginning of an id, a name, a selector that chooses one span, `last`, or `last-error`.
    """
    reader = Reader((path,))
    for name, trace in reader.traces(one=True):
        found = causes_of(trace, span_named(trace, span), depth=depth, name=name)
        shown(form, found, lambda found=found: causes_page(found))
    reader.end()
