"""Write what many runs have in common for people. Patterns in, blocks of a page out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from otel_agenttrace.analyze.pattern_report import Patterns, good_runs
from otel_agenttrace.analyze.percentiles import Percentiles
from otel_agenttrace.analyze.stats import ModelFigures
from otel_agenttrace.report.amounts import AMOUNTS, amounts_blocks, shown_share, told
from otel_agenttrace.report.page import Block, Cell, Column, Heading, Line, Table, Told
from otel_agenttrace.report.text import counted

__all__ = ["evaluated_blocks", "models_blocks", "patterns_page", "sequence_cell", "titled"]

_MOST: Final = 10
"""Rows of a table; the rest is in the JSON."""


def patterns_page(report: Patterns) -> Iterator[Block]:
    """Yield the report, without the tables that would be empty."""
    yield Line((f"{counted(report.trace_count, 'run')} in {counted(report.files, 'file')}: {_failed(report)}",), "bold")
    yield from evaluated_blocks(report.passed, report.evaluated, report.trace_count)
    if report.untold_calls:
        asked = counted(report.untold_calls, "call")
        yield Line((f"{asked} to models asked for tools that nobody tells: they are missing here",), "yellow")
    yield from amounts_blocks(
        [(AMOUNTS[name][0], name, spread) for name, spread in (*report.per_run.items(), *_calls(report.per_call))]
    )
    yield from models_blocks(report.models)
    if report.tool_counts:
        yield from _tools(report)
    yield from _trouble(report)
    if len(report.clusters) > 1 or report.dropped.get("clusters"):
        yield from titled(
            "Ways runs go",
            (Column("runs", "right"), Column("variants", "right"), Column("tools"), Column("such as")),
            [
                (f"{each.traces:,}", f"{each.variants:,}", sequence_cell(each.sequence), Told(each.files[0]))
                for each in report.clusters
            ],
            report.dropped.get("clusters", 0),
        )


def evaluated_blocks(passed: int, evaluated: int, runs: int) -> Iterator[Block]:
    """Yield how many runs passed, if evaluations say it of any."""
    if evaluated:
        among = f", {runs - evaluated:,} of {counted(runs, 'run')} have none" if evaluated < runs else ""
        yield Line((f"passed by evaluation: {passed:,} of {counted(evaluated, 'run')}{among}",))


def _calls(amounts: Mapping[str, Percentiles]) -> list[tuple[str, Percentiles]]:
    return [(f"call.{name}", spread) for name, spread in amounts.items()]


def _failed(report: Patterns) -> str:
    errors = report.errors
    if not errors.traces:
        return "no call failed"
    parts = ((errors.model, "call to models"), (errors.tool, "call of tools"))
    failed = " and ".join(_plural(count, noun) for count, noun in parts if count)
    return f"{failed} failed, in {counted(errors.traces, 'run')}"


def _plural(count: int, noun: str) -> str:
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun.replace('call', 'calls', 1)}"


def models_blocks(models: Sequence[ModelFigures]) -> Iterator[Block]:
    """Yield a table of models."""
    columns = ("calls", "failed", "tokens in", "out", "cost", "p50", "p90")
    yield from titled(
        "Models",
        (Column("model"), *(Column(title, "right") for title in columns)),
        [
            (
                Told(each.model),
                f"{each.calls:,}",
                f"{each.errors:,}",
                told("tokens", each.input_tokens.total, each.input_tokens.unknown),
                told("tokens", each.output_tokens.total, each.output_tokens.unknown),
                told("cost", each.cost_usd.total, each.cost_usd.unknown),
                shown_share("time", each.latency_s.p50),
                shown_share("time", each.latency_s.p90),
            )
            for each in models
        ],
    )


def _tools(report: Patterns) -> Iterator[Block]:
    yield from titled(
        "Tools",
        (Column("tool"), Column("calls", "right")),
        [(Told(name), f"{count:,}") for name, count in report.tool_counts.items()],
    )
    yield from titled(
        "Sequences",
        (Column("times", "right"), Column("runs", "right"), Column("tools")),
        [(f"{each.count:,}", f"{each.traces:,}", sequence_cell(each.sequence)) for each in report.ngrams],
        report.dropped.get("ngrams", 0),
    )
    yield from titled(
        "What follows what",
        (Column("after"), Column("comes"), Column("times", "right"), Column("share", "right")),
        [
            (_place(each.source, "(begin)"), _place(each.target, "(end)"), f"{each.count:,}", f"{each.probability:.0%}")
            for each in report.transitions
        ],
    )
    yield from titled(
        f"Order in runs that {good_runs(report.evaluated, report.trace_count)}",
        (Column("first"), Column("then"), Column("runs", "right")),
        [(Told(each.first), Told(each.then), f"{each.traces:,} of {each.among:,}") for each in report.orders],
        report.dropped.get("orders", 0),
    )


def _place(name: str | None, none: str) -> Cell:
    return none if name is None else Told(name)


def _trouble(report: Patterns) -> Iterator[Block]:
    yield from titled(
        "Before errors",
        (Column("failed", "right"), Column("of", "right"), Column("kind"), Column("sequence, the last one failed")),
        [
            (
                f"{each.errors:,}",
                "?" if each.times is None else f"{each.times:,}",
                each.kind,
                sequence_cell(each.sequence),
            )
            for each in report.before_errors
        ],
        report.dropped.get("before_errors", 0),
    )
    yield from titled(
        "Retries",
        (Column("tool"), *(Column(title, "right") for title in ("failed", "called again", "then worked"))),
        [(Told(each.tool), f"{each.failed:,}", f"{each.retried:,}", f"{each.recovered:,}") for each in report.retries],
        report.dropped.get("retries", 0),
    )
    yield from titled(
        "Calls with arguments that the run had used before",
        (Column("tool"), *(Column(title, "right") for title in ("repeats", "calls", "runs"))),
        [
            (Told(each.tool), f"{each.repeated:,}", f"{each.calls:,}", f"{each.traces:,}")
            for each in report.repeats
            if each.repeated
        ],
        report.dropped.get("repeats", 0),
    )
    unknown = sum(each.unknown for each in report.repeats)
    if unknown:
        yield Line(
            (f"arguments of {counted(unknown, 'call')} of tools are not told: repeats among them are not seen",),
            "yellow",
        )
    yield from titled(
        "Loops",
        (Column("runs", "right"), Column("most rounds", "right"), Column("tools")),
        [(f"{each.traces:,}", f"{each.most_rounds:,}", sequence_cell(each.sequence)) for each in report.loops],
        report.dropped.get("loops", 0),
    )


def sequence_cell(names: Sequence[str]) -> Cell:
    """Return tools in their order as one cell."""
    return Told(" → ".join(names)) if names else "(no tool)"


def titled(
    title: str, columns: tuple[Column, ...], rows: Sequence[tuple[Cell, ...]], dropped: int = 0
) -> Iterator[Block]:
    """Yield a heading, the first rows and how many more there are; nothing where there is no row."""
    if not rows:
        return
    yield Heading(title)
    yield Table(columns, tuple(rows[:_MOST]))
    more = dropped + max(len(rows) - _MOST, 0)
    if more:
        yield Line((f"… and {more:,} more",), "dim")
