"""`cost`: what calls to models cost, by what, and what was spent in vain."""

from __future__ import annotations

from datetime import datetime, timezone
from pathlib import Path
from typing import cast

import click

from otel_agenttrace.analyze.costs import GROUPINGS, Grouping, costs_of
from otel_agenttrace.cli.inputs import FILES, OUTPUT, NumberRange, Reader, shown
from otel_agenttrace.config import resolve
from otel_agenttrace.pricing import ModelPrice, Pricing, price_table
from otel_agenttrace.report.costs import costs_page
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

__all__ = ["cost"]

_DOLLARS = NumberRange(min=0)


@click.command(epilog="Example: otel-agenttrace cost runs/ --by model --by agent")
@FILES
@click.option(
    "--by",
    multiple=True,
    type=click.Choice((*GROUPINGS, "call")),
    default=("model",),
    show_default=True,
    help="What to group by; may be given several times.",
)
@click.option(
    "--as-of", type=click.DateTime(("%Y-%m-%d",)), metavar="DATE", help="Take the prices of this day for all calls."
)
@click.option("--model", metavar="NAME", help="Take all calls to have gone to this model.")
@click.option(
    "--input-price", type=_DOLLARS, metavar="USD", help="Take this price of a million input tokens for all calls."
)
@click.option("--output-price", type=_DOLLARS, metavar="USD", help="The same of output tokens; both go together.")
@click.option(
    "--top",
    type=click.IntRange(min=1),
    metavar="N",
    default=20,
    show_default=True,
    help="Rows of a table; JSON has all.",
)
@OUTPUT
def cost(
    paths: tuple[Path, ...],
    by: tuple[str, ...],
    as_of: datetime | None,
    model: str | None,
    input_price: float | None,
    output_price: float | None,
    top: int,
    form: str,
) -> None:
    """Say what the calls to models in each FILE cost, and how much of it was spent in vain.

    FILE is a cassette, a trace that others exported, a folder of cassettes, or - for the standard input. A call that
    several instrumentations tell counts once. An amount that a trace tells comes first; else your own prices in
    pyproject.toml, then the published ones of the call's day. What is not known is said, and never counts as 0.
    """
    if (input_price is None) != (output_price is None):
        raise click.UsageError("--input-price and --output-price go together")
    flat = ModelPrice(input_price, output_price) if input_price is not None and output_price is not None else None
    table = price_table(resolve({}, pyproject_settings(Path.cwd())).prices)
    at = as_of.replace(tzinfo=timezone.utc) if as_of is not None else None
    reader = Reader(paths)
    groups = cast("tuple[Grouping, ...]", tuple(name for name in by if name != "call"))
    report = costs_of(reader.streams(), Pricing(table, at, model, flat), groups, with_calls="call" in by)
    if report.files:
        shown(form, report, lambda: costs_page(report, top))
    reader.end()
