"""Show how runs differ: two runs, two folders, two sets of runs. Reports in, blocks out.

The step where something came up has what changed below it; steps that are the same are counted.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from otel_agenttrace.analyze.diffing import Changed
from otel_agenttrace.analyze.diffs import Amounts, StepDiff, TraceDiff
from otel_agenttrace.analyze.envelopes import ToolRange
from otel_agenttrace.analyze.estimates import Interval
from otel_agenttrace.analyze.folders import FileDiff, FolderDiff, Mean, MeasureDiff, RunsDiff
from otel_agenttrace.analyze.measures import MEASURES, Measure
from otel_agenttrace.report.page import Block, Column, Heading, Line, Lines, Table, Told
from otel_agenttrace.report.text import counted, escaped

__all__ = ["diff_page", "folder_page", "runs_page"]

_MARKS: Final = {"added": "+", "removed": "-", "moved": "~", "changed": "~", "same": " "}
_AROUND: Final = 1
_MOST: Final = 120
_LONGEST: Final = 480
_DETAIL: Final = "      "


def diff_page(diff: TraceDiff) -> Iterator[Block]:
    """Yield how two runs differ."""
    is_fine = diff.is_same if diff.semantic is None else diff.semantic.is_same
    yield Line((Told(diff.outcome),), "bold green" if is_fine else "bold yellow")
    yield Line(("old  ", Told(diff.old)), "dim")
    yield Line(("new  ", Told(diff.new)), "dim")
    if diff.semantic is not None:
        yield from _shapes(diff.semantic.removed, diff.semantic.added)
    if not diff.is_same:
        yield Heading("Steps, old → new")
        yield Lines(tuple(_step_lines(diff.steps, diff.changes)), "diff")
    yield Heading("What they took")
    yield Table(
        (Column(""), Column("old", "right"), Column("new", "right"), Column("change", "right")),
        tuple(_figure_row(name, amounts) for name, amounts in diff.figures.items()),
    )
    if diff.tools:
        yield Heading("Tools not called equally often")
        rows = tuple((Told(name), f"{tool.old:,}", f"{tool.new:,}") for name, tool in diff.tools.items())
        yield Table((Column("tool"), Column("old", "right"), Column("new", "right")), rows)
    for unknown in diff.unknown:
        yield Line((f"not compared: {unknown}",), "dim")


def _shapes(removed: Sequence[str], added: Sequence[str]) -> Iterator[Block]:
    if removed or added:
        yield Lines((*(f"- {shape}" for shape in removed), *(f"+ {shape}" for shape in added)), "diff")


# --- steps ------------------------------------------------------------------------------------------------------------


def _step_lines(steps: Sequence[StepDiff], changes: Sequence[Changed]) -> Iterator[str]:
    below: dict[int, list[Changed]] = {}
    for change in changes:
        below.setdefault(change.step, []).append(change)
    lines = list(_lines(steps, below))
    yield from lines[:_MOST]
    if len(lines) > _MOST:
        yield f"  … {len(lines) - _MOST:,} more lines; --json tells all"


def _lines(steps: Sequence[StepDiff], below: Mapping[int, Sequence[Changed]]) -> Iterator[str]:
    width = len(str(len(steps)))
    same = 0
    for place, step in enumerate(steps):
        near = steps[max(place - _AROUND, 0) : place + _AROUND + 1]
        if not any(each.changes for each in near):
            same += 1
            continue
        if same:
            yield f"  {'…':>{width}} {counted(same, 'step')} the same"
            same = 0
        yield f"{_MARKS[step.mark]} {step.step:>{width}} {_named(step, below.get(step.step, ()))}"
        for change in below.get(step.step, ()):
            yield from _change_lines(change)
    if same:
        yield f"  {'…':>{width}} {counted(same, 'step')} the same"


def _named(step: StepDiff, changes: Sequence[Changed]) -> str:
    alone = next((change.old or change.new for change in changes if change.kind in ("added", "removed")), None)
    if alone is not None:
        return _short(alone)
    if step.old == step.new or step.old is None or step.new is None:
        return escaped(step.new or step.old or "")
    return f"{escaped(step.old)} → {escaped(step.new)}"


def _change_lines(change: Changed) -> Iterator[str]:
    if change.kind in ("added", "removed"):
        return
    head = f"{_DETAIL}{change.kind}{f' {escaped(change.what)}' if change.what else ''}"
    often = f"  (the same in {counted(change.times, 'call')})" if change.times > 1 else ""
    if change.kind == "order":
        yield f"{head}: stood at another place"
    elif change.words:
        yield f"{head}{often}"
        yield from (f"{_DETAIL}  {line}" for line in _short(change.words, lines=True).split("\n"))
    else:
        yield f"{head}: {_value(change.old)} → {_value(change.new)}{often}"


def _value(told: str | None) -> str:
    return "(none)" if told is None else _short(told, 160)


def _short(told: str, most: int = _LONGEST, *, lines: bool = False) -> str:
    cut = told if len(told) <= most else f"{told[: most - 1]}…"
    return "\n".join(map(escaped, cut.split("\n"))) if lines else escaped(cut)


# --- figures ----------------------------------------------------------------------------------------------------------

_ERRORS: Final = Measure("errors", 1, 0, lambda amount: f"{amount:,.0f}")


def _figure_row(name: str, amounts: Amounts) -> tuple[str, str, str, str]:
    measure = MEASURES.get(name, _ERRORS)
    return measure.noun, _amount(measure, amounts.old), _amount(measure, amounts.new), _difference(measure, amounts)


def _amount(measure: Measure, amount: float | None) -> str:
    return "?" if amount is None else measure.told(amount)


def _difference(measure: Measure, amounts: Amounts) -> str:
    if amounts.old is None or amounts.new is None:
        return "?"
    if amounts.old == amounts.new:
        return ""
    share = f", {(amounts.new - amounts.old) / amounts.old:+.0%}".replace("%", " %") if amounts.old else ""
    return f"{_signed(measure, amounts.new - amounts.old)}{share}"


def _signed(measure: Measure, amount: float) -> str:
    return f"{'+' if amount >= 0 else '-'}{measure.told(abs(amount))}" if amount else measure.told(0)


# --- folders ----------------------------------------------------------------------------------------------------------


def folder_page(diff: FolderDiff) -> Iterator[Block]:
    """Yield how the runs of two folders differ, file by file; those that are the same are counted."""
    told = ", ".join(f"{count:,} {kind}" for kind, count in diff.counts.items() if count)
    is_same = diff.counts["same"] == len(diff.files)
    yield Line((f"{counted(len(diff.files), 'run')}: {told or 'none'}",), "bold green" if is_same else "bold yellow")
    yield Line(("old  ", Told(diff.old)), "dim")
    yield Line(("new  ", Told(diff.new)), "dim")
    rows = tuple(_file_row(file) for file in diff.files if file.kind != "same")
    if rows:
        columns = (
            Column("run"),
            Column(""),
            Column("what changed"),
            Column("tokens", "right"),
            Column("cost", "right"),
        )
        yield Table(columns, rows)


def _file_row(file: FileDiff) -> tuple[str | Told, ...]:
    if file.diff is None:
        return Told(file.name), file.kind, "", "", ""
    figures = file.diff.figures
    tokens, cost = (
        _difference(MEASURES[name], figures[name]) if name in figures else "" for name in ("total_tokens", "cost_usd")
    )
    return Told(file.name), file.kind, Told(file.diff.outcome), tokens, cost


# --- runs -------------------------------------------------------------------------------------------------------------


def runs_page(diff: RunsDiff) -> Iterator[Block]:
    """Yield how runs of one task differ from earlier ones."""
    apart = [MEASURES[name].noun for name, each in diff.measures.items() if each.verdict in ("more", "less")]
    told = f"differ beyond chance: {', '.join(apart)}" if apart else "no measure differs beyond chance"
    yield Line(
        (f"{diff.old_runs:,} runs → {counted(diff.new_runs, 'run')}: {told}",), "bold yellow" if apart else "bold"
    )
    yield Line(("old  ", Told(diff.old)), "dim")
    yield Line(("new  ", Told(diff.new)), "dim")
    rates = f"{diff.old_successes:,} of {diff.old_runs:,} → {diff.new_successes:,} of {diff.new_runs:,}"
    yield Line((f"{_succeeded(diff)}: {rates}, {diff.success} (p = {diff.chance:.2g}, one-sided)",))
    yield Heading("Means, within ± with 95 %")
    columns = (Column(""), *(Column(title, "right") for title in ("old", "new", "difference")), Column("verdict"))
    yield Table(columns, tuple(_measure_row(MEASURES[name], each) for name, each in diff.measures.items()))
    for name, each in diff.measures.items():
        if each.outside and each.new is not None:
            told = f"{each.outside:,} of {each.new.n:,} new runs are outside of what the old ones let expect of one"
            yield Line((f"{MEASURES[name].noun}: {told}",), "dim")
    if diff.tools:
        yield Heading("Tools not called alike")
        rows = tuple(
            (Told(name), _range(tool.old, diff.old_successes), _range(tool.new, diff.new_successes))
            for name, tool in diff.tools.items()
        )
        yield Table((Column("tool"), Column("old"), Column("new")), rows)
    for side, models in diff.models.items():
        for model in models:
            yield Line((f"only the {side} runs called ", Told(model)))


def _succeeded(diff: RunsDiff) -> str:
    evaluated, runs = diff.old_evaluated + diff.new_evaluated, diff.old_runs + diff.new_runs
    if not evaluated:
        return "ended without an error"
    rest = "" if evaluated == runs else f" ({evaluated:,} of {runs:,} runs; the others: ended without an error)"
    return f"passed by evaluation{rest}"


def _measure_row(measure: Measure, each: MeasureDiff) -> tuple[str, ...]:
    return measure.noun, _mean(measure, each.old), _mean(measure, each.new), _apart(measure, each), each.verdict


def _apart(measure: Measure, each: MeasureDiff) -> str:
    if each.old is None or each.new is None:
        return ""
    middle = _signed(measure, _rounded(measure, each.new.mean - each.old.mean))
    return middle + _reach(measure, each.difference)


def _mean(measure: Measure, mean: Mean | None) -> str:
    return "?" if mean is None else measure.told(_rounded(measure, mean.mean)) + _reach(measure, mean.interval)


def _reach(measure: Measure, interval: Interval | None) -> str:
    if interval is None:
        return ""
    return f" ±{measure.told(_rounded(measure, (interval.high - interval.low) / 2))}"


def _rounded(measure: Measure, amount: float) -> float:
    return round(amount, min(measure.digits, 2) if measure.step else measure.digits)


def _range(tool: ToolRange | None, runs: int) -> str:
    if tool is None:
        return "in none"
    often = f"{tool.least:,}" if tool.least == tool.most else f"{tool.least:,} to {tool.most:,}"
    return f"in {tool.trials:,} of {runs:,}, {often} times"
