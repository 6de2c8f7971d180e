"""Write tokens, money and time, and how they are spread, for people. Percentiles in, cells and a table out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Final, Literal, TypeAlias

from otel_agenttrace.analyze.percentiles import Percentiles
from otel_agenttrace.report.page import Block, Column, Line, Table
from otel_agenttrace.report.text import cost, duration

__all__ = ["AMOUNTS", "amounts_blocks", "shown_share", "told"]

Unit: TypeAlias = Literal["calls", "tokens", "cost", "time"]

AMOUNTS: Final[Mapping[str, tuple[str, Unit]]] = {
    "llm_calls": ("calls to models", "calls"),
    "tool_calls": ("calls of tools", "calls"),
    "input_tokens": ("input tokens", "tokens"),
    "output_tokens": ("output tokens", "tokens"),
    "total_tokens": ("tokens", "tokens"),
    "cost_usd": ("cost", "cost"),
    "duration_s": ("time of a run", "time"),
    "call.input_tokens": ("input tokens of a call", "tokens"),
    "call.output_tokens": ("output tokens of a call", "tokens"),
    "call.cost_usd": ("cost of a call", "cost"),
    "call.latency_s": ("time of a call", "time"),
    "call.tool_latency_s": ("time of a tool", "time"),
}
"""What an amount is called, and how it is written."""


def told(unit: Unit, amount: float | None, unknown: int = 0) -> str:
    """Return an amount as text; `?` if it is not known, with a `+` where a part of it is not."""
    if amount is None:
        return "$?" if unit == "cost" else "?"
    if unit == "cost":
        text = cost(amount)
    elif unit == "time":
        text = duration(round(amount * 1e9))
    else:
        text = f"{amount:,.0f}" if amount == int(amount) else f"{amount:,.1f}"
    return f"{text}+" if unknown else text


def shown_share(unit: Unit, amount: float | None) -> str:
    """Return a percentile as text; a dash where so few amounts cannot show it."""
    return "–" if amount is None else told(unit, amount)


def amounts_blocks(rows: Iterable[tuple[str, str, Percentiles]]) -> Iterator[Block]:
    """Yield how amounts are spread, a row each (its title, its name in `AMOUNTS`, the amounts), and which are not known at all.

    A share that so few amounts cannot show is a dash.
    """
    each = tuple(rows)
    if any(spread.n for _, _, spread in each):
        yield _table([row for row in each if row[2].n])
    unknown = [title for title, _, spread in each if spread.unknown and not spread.n]
    if unknown:
        yield Line((f"not told by any of them: {', '.join(unknown)}",), "yellow")


def _table(rows: Iterable[tuple[str, str, Percentiles]]) -> Table:
    columns = ("known", "p50", "p90", "p99", "most", "total")
    return Table(
        (Column(""), *(Column(title, "right") for title in columns)),
        tuple(
            (
                title,
                f"{spread.n:,} of {spread.n + spread.unknown:,}" if spread.unknown else f"{spread.n:,}",
                *(shown_share(AMOUNTS[name][1], share) for share in (spread.p50, spread.p90, spread.p99, spread.most)),
                told(AMOUNTS[name][1], spread.total, spread.unknown),
            )
            for title, name, spread in rows
        ),
    )
