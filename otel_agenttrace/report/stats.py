"""Write what files of runs took for people. Stats in, blocks of a page out."""

from __future__ import annotations

from collections.abc import Iterator

from otel_agenttrace.analyze.percentiles import Percentiles
from otel_agenttrace.analyze.stats import AgentFigures, Figures, Stats
from otel_agenttrace.report.amounts import amounts_blocks, shown_share, told
from otel_agenttrace.report.behaviour import evaluated_blocks, models_blocks, titled
from otel_agenttrace.report.page import Block, Cell, Column, Line, Told
from otel_agenttrace.report.text import counted

__all__ = ["stats_page"]

_COLUMNS = ("calls", "tools", "failed", "tokens in", "out", "cost", "time")


def stats_page(report: Stats) -> Iterator[Block]:
    """Yield the report, without the tables that would be empty."""
    total = report.total
    yield Line((f"{counted(report.runs, 'run')} in {counted(len(report.files), 'file')}: {_calls(total)}",), "bold")
    yield from evaluated_blocks(report.passed, report.evaluated, report.runs)
    yield from _warnings(report)
    yield from amounts_blocks(_amounts(report))
    yield from models_blocks(report.models)
    yield from titled(
        "Tools",
        (Column("tool"), *(Column(title, "right") for title in ("calls", "failed", "p50", "p90", "total"))),
        [
            (
                Told(each.tool),
                f"{each.calls:,}",
                f"{each.errors:,}",
                shown_share("time", each.time_s.p50),
                shown_share("time", each.time_s.p90),
                told("time", each.time_s.total, each.time_s.unknown),
            )
            for each in report.tools
        ],
    )
    if any(each.agent is not None for each in report.agents):
        yield from titled(
            "Agents, each without those below it",
            (Column("agent"), Column("runs", "right"), *(Column(title, "right") for title in _COLUMNS)),
            [(*_agent(each), *_cells(each.figures, each.time_s)) for each in report.agents],
        )
    if len(report.files) > 1:
        yield from titled(
            "Files",
            (Column("file"), Column("runs", "right"), *(Column(title, "right") for title in _COLUMNS)),
            [(Told(each.file), f"{each.runs:,}", *_cells(each.figures, each.duration_s)) for each in report.files],
        )


def _warnings(report: Stats) -> Iterator[Block]:
    below = report.subagents
    if below.llm_calls or below.tool_calls:
        where = "counted in" if report.include_subagents else "not counted in: --include-subagents does"
        yield Line((f"subagents: {_calls(below)} ({where})",))
    unpriced = report.total.cost_usd.unknown
    if unpriced:
        yield Line(
            (f"{unpriced:,} of {counted(report.total.llm_calls, 'call')} to models have no known cost",), "yellow"
        )
    if report.untold_calls:
        asked = counted(report.untold_calls, "call")
        yield Line((f"{asked} to models asked for tools that nobody tells: they are missing here",), "yellow")


def _calls(figures: Figures) -> str:
    tokens = told("tokens", figures.input_tokens.total, figures.input_tokens.unknown)
    got = told("tokens", figures.output_tokens.total, figures.output_tokens.unknown)
    cost = told("cost", figures.cost_usd.total, figures.cost_usd.unknown)
    calls, tools = counted(figures.llm_calls, "call"), counted(figures.tool_calls, "call")
    failed = f"{figures.llm_errors + figures.tool_errors:,} failed"
    return f"{calls} to models, {tools} of tools, {failed}, {tokens}→{got} tokens, {cost}"


def _amounts(report: Stats) -> Iterator[tuple[str, str, Percentiles]]:
    total = report.total
    yield "input tokens of a call", "input_tokens", total.input_tokens
    yield "cached tokens of a call", "input_tokens", total.cached_tokens
    yield "output tokens of a call", "output_tokens", total.output_tokens
    yield "reasoning tokens of a call", "output_tokens", total.reasoning_tokens
    yield "cost of a call", "cost_usd", total.cost_usd
    yield "time of a call", "duration_s", total.latency_s
    yield "time of a run", "duration_s", report.duration_s


def _agent(each: AgentFigures) -> tuple[Cell, ...]:
    runs = f"{each.invocations:,}{' sub' if each.is_subagent else ''}"
    return ("(none)" if each.agent is None else Told(each.agent), runs if each.agent is not None else "")


def _cells(figures: Figures, time: Percentiles) -> tuple[Cell, ...]:
    return (
        f"{figures.llm_calls:,}",
        f"{figures.tool_calls:,}",
        f"{figures.llm_errors + figures.tool_errors:,}",
        told("tokens", figures.input_tokens.total, figures.input_tokens.unknown),
        told("tokens", figures.output_tokens.total, figures.output_tokens.unknown),
        told("cost", figures.cost_usd.total, figures.cost_usd.unknown),
        told("time", time.total, time.unknown),
    )
