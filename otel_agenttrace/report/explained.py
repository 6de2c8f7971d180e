"""Write what a run did as a page. Explanation in, blocks out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from otel_agenttrace.analyze.phases import AgentRun, Explanation, Files, Phase, Turn
from otel_agenttrace.analyze.retries import ALIKE, Retry
from otel_agenttrace.report.page import Block, Column, Heading, Line, Table, Told
from otel_agenttrace.report.sums import cost_told, run_told, tokens_told
from otel_agenttrace.report.text import counted, duration, first_line

__all__ = ["explained_page"]

_MOST: Final = 10
_LONGEST: Final = 90
_COLUMNS: Final = (
    Column("at", "right"),
    Column("activity"),
    Column("what"),
    Column("calls", "right"),
    Column("tokens", "right"),
    Column("cost", "right"),
    Column("time", "right"),
)


def explained_page(of: Explanation) -> Iterator[Block]:
    """Yield the report: the sums, each agent by turn and activity, then retries, lost time, files."""
    yield Line((Told(of.name), ": ", run_told(of.totals, of.duration_ns)), "bold")
    names = {agent.span.span_id: agent.name for agent in of.agents if agent.span is not None}
    for agent in of.agents:
        yield from _agent(agent, names, is_only=len(of.agents) == 1)
    yield from _failures(of)
    yield from _files(of.files)


def _agent(agent: AgentRun, names: Mapping[str, str], *, is_only: bool) -> Iterator[Block]:
    if agent.span is not None:
        yield Heading("Agent" if not agent.depth else f"Subagent, level {agent.depth}")
        sums = "" if is_only else f": {run_told(agent.totals, agent.duration_ns)}"
        yield Line((Told(agent.name), sums))
    elif not is_only:
        yield Heading("Outside of agents")
    rows = tuple(row for turn in agent.turns for row in _rows(turn, names))
    if rows:
        yield Table(_COLUMNS, rows)


def _rows(turn: Turn, names: Mapping[str, str]) -> Iterator[tuple[str | Told, ...]]:
    if turn.prompt is not None:
        yield ("", "(user)", Told(first_line(turn.prompt, _LONGEST)), "", "", "", "")
    yield from (_row(phase, names) for phase in turn.phases)


def _row(phase: Phase, names: Mapping[str, str]) -> tuple[str | Told, ...]:
    calls = phase.totals.model_calls + phase.totals.tool_calls
    return (
        "0" if phase.offset_ns == 0 else duration(phase.offset_ns),
        phase.activity,
        Told(_what(phase, names)),
        f"{calls:,}",
        tokens_told(phase.totals),
        cost_told(phase.totals),
        duration(phase.duration_ns),
    )


def _what(phase: Phase, names: Mapping[str, str]) -> str:
    subagents = [names.get(each, each) for each in phase.agents]
    tools = [name if count == 1 else f"{name} ×{count}" for name, count in phase.tools.items()]
    targets = [first_line(each.target, _LONGEST) for each in phase.targets]
    told = _listed([*subagents, *tools])
    told += f": {_listed(targets)}" if targets else ""
    return f"{told} ({phase.failed} failed)".strip() if phase.failed else told


def _listed(items: Sequence[str]) -> str:
    more = len(items) - _MOST
    return ", ".join(items[:_MOST]) + (f" and {more:,} more" if more > 0 else "")


def _failures(of: Explanation) -> Iterator[Block]:
    if of.retries or of.attempts:
        yield Heading("Tried again")
    yield from map(_retry, of.retries[:_MOST])
    for each in of.attempts[:_MOST]:
        lost = duration(each.wasted_ns)
        yield Line(
            (Told(each.span.name), f": sent {len(each.outcomes)} times: {', '.join(each.outcomes)}; {lost} lost")
        )
    more = len(of.retries[_MOST:]) + len(of.attempts[_MOST:])
    if more:
        yield Line((f"and {more:,} more",))
    wasted = of.wasted
    parts = ((wasted.failed_ns, "in failed calls"), (wasted.resent_ns, "before calls were sent again"))
    lost = [f"{duration(ns)} {where}" for ns, where in (*parts, (wasted.idle_ns, "with no call running")) if ns]
    if lost and of.duration_ns:
        total = sum(ns or 0 for ns in (wasted.failed_ns, wasted.resent_ns, wasted.idle_ns))
        yield Heading("Time that brought nothing")
        yield Line(
            (f"{duration(total)} of {duration(of.duration_ns)} ({total / of.duration_ns:.0%}): {', '.join(lost)}",)
        )


_NEARLY: Final = 0.99
"""What is not the same is not told to be."""


def _retry(retry: Retry) -> Line:
    alike = (
        "the next call, arguments not recorded"
        if retry.likeness is None
        else "the same call"
        if retry.likeness == 1
        else f"a call {min(retry.likeness, _NEARLY):.0%} alike"
        if retry.likeness >= ALIKE
        else "the same call with other amounts"
    )
    ended = "failed again" if retry.has_failed else "went well"
    return Line((Told(retry.span.name), f": {alike} after ", Told(first_line(retry.failure, _LONGEST)), f"; {ended}"))


def _files(files: Files) -> Iterator[Block]:
    if not (files.read or files.written or files.run):
        return
    yield Heading("Files and commands")
    for verb, noun, targets in (
        ("read", "file", files.read),
        ("wrote", "file", files.written),
        ("ran", "command", files.run),
    ):
        if targets:
            shown = (Told(first_line(target, _LONGEST)) for target in targets[:_MOST])
            pieces = [piece for target in shown for piece in (", ", target)][1:]
            more = f" and {len(targets) - _MOST:,} more" if len(targets) > _MOST else ""
            yield Line((f"{verb} {counted(len(targets), noun)}: ", *pieces, more))
