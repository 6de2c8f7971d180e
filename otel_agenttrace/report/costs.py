"""Show what calls to models cost. Report in, blocks out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from otel_agenttrace.analyze.costs import CallCost, Costs, Group, Unpriced
from otel_agenttrace.analyze.spending import Spending
from otel_agenttrace.analyze.waste import Waste, Wasted
from otel_agenttrace.report.page import Block, Cell, Column, Heading, Line, Lines, Table, Told
from otel_agenttrace.report.text import cost, counted, tokens

__all__ = ["costs_page"]

_UNKNOWN = "not told"
_WHY = {
    "no price": "no price is known",
    "no tokens": "tokens are not told",
    "odd tokens": "more tokens are cached than sent",
}


def costs_page(report: Costs, top: int) -> Iterator[Block]:
    """Yield the report; tables have at most so many rows."""
    yield from _total(report)
    for by, groups in report.by.items():
        yield Heading(f"By {by}")
        yield from _limited(_spending_table(by, groups[:top]), len(groups), top)
    if report.calls is not None:
        yield Heading("Each call")
        yield from _limited(_calls_table(report.calls[:top]), len(report.calls), top)
    if report.unpriced:
        yield from _unpriced(report.unpriced, top)
    if report.total.calls:
        yield from _wasted(report.wasted, report.total)


def _limited(table: Table, count: int, top: int) -> Iterator[Block]:
    yield table
    if count > top:
        yield Line((f"… and {count - top:,} more: --top {count}, or --json",), "dim")


# --- all together -------------------------------------------------------------------------------------------------------


def _total(report: Costs) -> Iterator[Block]:
    total = report.total
    yield Heading(f"{cost(total.cost_usd)} for {counted(total.calls, 'call')} to models")
    told = f"{_flow(total)}{_days(report)}, {counted(report.files, 'file')}"
    yield Line((told,))
    yield from (Line((doubt,), "yellow") for doubt in _doubts(total))
    if report.as_called is not None:
        yield Line(tuple(_assumed(report, report.as_called)))
    sources = ", ".join(f"{count:,} {_SOURCES[source]}" for source, count in report.priced_by.items())
    if sources:
        yield Line((f"Priced: {sources}",), "dim")


_SOURCES = {
    "genai-prices": "by published prices",
    "nothing": "not billed (refused, or never sent)",
    "recorded": "by the amount in the trace",
    "table": "by your own prices",
}


def _flow(spent: Spending) -> str:
    cached = f" ({spent.cache_read_tokens:,} from a cache)" if spent.cache_read_tokens else ""
    thought = f" ({spent.reasoning_tokens:,} of reasoning)" if spent.reasoning_tokens else ""
    return f"{tokens(spent.input_tokens)} tokens in{cached}, {tokens(spent.output_tokens)} out{thought}"


def _days(report: Costs) -> str:
    if report.first_day is None:
        return ""
    return f", {report.first_day}" + (f" to {report.last_day}" if report.last_day != report.first_day else "")


def _doubts(spent: Spending) -> Iterator[str]:
    if spent.unpriced_calls == spent.calls > 0:
        yield "no call has a price"
    elif spent.unpriced_calls:
        yield f"{spent.unpriced_calls:,} of {counted(spent.calls, 'call')} have no price: the cost is of the others"
    if spent.uncounted_calls:
        yield f"{spent.uncounted_calls:,} of {counted(spent.calls, 'call')} do not tell all their tokens: the sums are of what is told"


def _assumed(report: Costs, before: Spending) -> Iterator[Cell]:
    yield "As if "
    if report.as_model is not None:
        yield "each call had gone to "
        yield Told(report.as_model)
    else:
        yield "each call were priced"
    yield f" by prices of {report.prices_of}" if report.prices_of else "" if report.as_model else " as you said"
    yield f"; as it was: {cost(before.cost_usd)}"
    now, then = report.total.cost_usd, before.cost_usd
    if now is not None and then:
        yield f" ({(now - then) / then:+.0%})"
    if before.unpriced_calls:
        yield f", {counted(before.unpriced_calls, 'call')} without a price"


# --- groups -------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Amount:
    """A column of sums, which is there if a group has one."""

    title: str
    value: Callable[[Spending], int | None]


_AMOUNTS = (
    _Amount("failed", lambda spent: spent.failed_calls or None),
    _Amount("input", lambda spent: spent.input_tokens),
    _Amount("cache read", lambda spent: spent.cache_read_tokens or None),
    _Amount("cache write", lambda spent: spent.cache_write_tokens or None),
    _Amount("output", lambda spent: spent.output_tokens),
    _Amount("reasoning", lambda spent: spent.reasoning_tokens or None),
    _Amount("no tokens", lambda spent: spent.uncounted_calls or None),
    _Amount("no price", lambda spent: spent.unpriced_calls or None),
)


def _spending_table(title: str, groups: Sequence[Group]) -> Table:
    shown = [each for each in _AMOUNTS if any(each.value(group.spent) is not None for group in groups)]
    columns = [
        Column(title),
        *(Column(name, "right") for name in ("calls", *(each.title for each in shown), "cost", "share")),
    ]
    rows = [
        (
            _UNKNOWN if group.name is None else Told(group.name),
            f"{group.spent.calls:,}",
            *(_figure(each.value(group.spent)) for each in shown),
            cost(group.spent.cost_usd),
            "" if group.share is None else f"{group.share:.1%}",
        )
        for group in groups
    ]
    return Table(tuple(columns), tuple(rows))


def _figure(amount: int | None) -> str:
    return "" if amount is None else f"{amount:,}"


def _calls_table(calls: Sequence[CallCost]) -> Table:
    titles = ("input", "cached", "output", "cost")
    columns = (
        Column("call"),
        Column("span"),
        Column("model"),
        Column("agent"),
        *(Column(each, "right") for each in titles),
    )
    rows = [
        (
            Told(call.name),
            call.span_id,
            _UNKNOWN if call.model is None else Told(call.model),
            Told(call.agent or ""),
            tokens(call.input_tokens),
            _figure(call.cache_read_tokens),
            tokens(call.output_tokens),
            cost(call.cost_usd),
        )
        for call in calls
    ]
    return Table(columns, tuple(rows))


# --- what is not known, what was in vain --------------------------------------------------------------------------------


def _unpriced(unpriced: Sequence[Unpriced], top: int) -> Iterator[Block]:
    yield Heading("Without a price")
    columns = (Column("model"), Column("why"), *(Column(name, "right") for name in ("calls", "input", "output")))
    rows = tuple((_model(each), _WHY[each.why], f"{each.calls:,}", *_told(each)) for each in unpriced[:top])
    yield from _limited(Table(columns, rows), len(unpriced), top)
    named = next((each for each in unpriced if each.why == "no price" and each.model is not None), None)
    if named is not None:
        yield Line(("Name its price, in US dollars per million tokens, in pyproject.toml:",))
        yield Lines(
            (f'[tool.otel-agenttrace.prices."{_key(named)}"]', "input_per_mtok = …", "output_per_mtok = …"), "toml"
        )


def _model(each: Unpriced) -> Cell:
    return _UNKNOWN if each.model is None else Told(_key(each))


def _key(each: Unpriced) -> str:
    return f"{each.model} ({each.tier})" if each.tier else each.model or ""


def _told(each: Unpriced) -> tuple[str, str]:
    return tokens(each.input_tokens), tokens(each.output_tokens)


def _wasted(wasted: Wasted, total: Spending) -> Iterator[Block]:
    yield Heading("Spent in vain")
    together = wasted.together
    if not together.calls and not wasted.further_attempts:
        yield Line(("Nothing that the traces tell of.",))
    if together.calls:
        share = "" if wasted.share is None else f", {wasted.share:.1%} of the whole"
        yield Line((f"{cost(together.cost_usd)} on {together.calls:,} of {counted(total.calls, 'call')}{share}",))
        yield _waste_table(wasted)
    if wasted.further_attempts:
        yield Line(
            (
                f"{counted(wasted.further_attempts, 'attempt')} beyond the first within calls: none tells tokens of its own",
            )
        )
    if wasted.unjudged_calls:
        told = f"{wasted.unjudged_calls:,} of {counted(total.calls, 'call')} do not tell what was asked"
        yield Line((f"{told}: whether it was asked before is not known",), "dim")


def _waste_table(wasted: Wasted) -> Table:
    columns = (
        Column("calls that"),
        *(Column(name, "right") for name in ("calls", "input", "output", "cost")),
        Column("such as span"),
    )
    kinds: tuple[tuple[str, Waste], ...] = (
        ("failed", wasted.failed),
        ("failed, and were made again", wasted.retried),
        ("asked what was answered before", wasted.repeated),
    )
    rows = [
        (
            name,
            f"{kind.spent.calls:,}",
            tokens(kind.spent.input_tokens),
            tokens(kind.spent.output_tokens),
            cost(kind.spent.cost_usd),
            ", ".join(each.span_id for each in kind.evidence[:2]),
        )
        for name, kind in kinds
        if kind.spent.calls
    ]
    return Table(columns, tuple(rows))
