"""Show the envelope of a test's trials. Envelope in, tables and lines out."""

from __future__ import annotations

from collections.abc import Iterator

from rich.table import Table
from rich.text import Text

from otel_agenttrace.analyze.envelopes import Envelope, Spread
from otel_agenttrace.analyze.measures import MEASURES, Measure
from otel_agenttrace.report.text import counted, escaped

__all__ = ["envelope_lines", "measures_table", "tools_table"]


def measures_table(envelope: Envelope) -> Table:
    """Return what a run took, a row for each measure; `trials` counts those that tell it."""
    table = Table("measure", box=None, pad_edge=False)
    for column in (
        "trials",
        "least",
        "median",
        "mean",
        "most",
        "deviation",
        f"next run ({100 * envelope.level:.4g} %)",
    ):
        table.add_column(column, justify="right")
    for name, measure in MEASURES.items():
        table.add_row(name, *_cells(envelope.measures.get(name), measure))
    return table


def _cells(spread: Spread | None, measure: Measure) -> Iterator[str]:
    if spread is None:
        yield from ("0", *"?" * 6)
        return
    yield f"{spread.n:,}"
    for amount in (spread.least, spread.quantiles.get("p50"), spread.mean, spread.most, spread.deviation):
        yield "?" if amount is None else measure.told(amount)
    yield "?" if spread.expected is None else measure.told_between(spread.expected)


def tools_table(envelope: Envelope) -> Table:
    """Return the tools, most used first: in how many of the successful trials, and how often in one."""
    table = Table("tool", box=None, pad_edge=False)
    for column in ("trials", "least", "most"):
        table.add_column(column, justify="right")
    for name, tool in sorted(envelope.tools.items(), key=lambda item: (-item[1].trials, item[0])):
        table.add_row(
            Text(escaped(name)), f"{tool.trials:,} of {envelope.successes:,}", f"{tool.least:,}", f"{tool.most:,}"
        )
    return table


def envelope_lines(envelope: Envelope) -> Iterator[str]:
    """Yield the envelope in short, for the end of a test run: success, what a run takes, by which tools and models."""
    rate = envelope.success
    yield f"{envelope.successes:,} of {counted(envelope.trials, 'trial')} succeeded (95 %: {rate.low:.0%} to {rate.high:.0%})"
    for name, measure in MEASURES.items():
        if (spread := envelope.measures.get(name)) is not None:
            yield _line(spread, measure, envelope)
    if envelope.tools:
        told = (f"{escaped(name)} ({tool.trials:,}/{envelope.successes:,})" for name, tool in envelope.tools.items())
        yield f"  tools: {', '.join(told)}"
    if envelope.models:
        yield f"  models: {', '.join(map(escaped, envelope.models))}"


def _line(spread: Spread, measure: Measure, envelope: Envelope) -> str:
    known = "" if spread.n == envelope.successes else f", told by {counted(spread.n, 'trial')}"
    following = "" if spread.expected is None else f", next run {measure.told_between(spread.expected)}"
    return f"  {measure.noun}: mean {measure.told(spread.mean)}{following}{known}"
