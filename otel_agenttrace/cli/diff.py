"""`diff`: how two runs differ, two folders of runs, or two sets of runs of one task."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from pathlib import Path

import click

from otel_agenttrace.analyze.answers import word_similarity
from otel_agenttrace.analyze.diffing import KINDS
from otel_agenttrace.analyze.diffs import FIGURES, DiffSettings, TraceDiff, diff_of
from otel_agenttrace.analyze.folders import folder_diff, runs_diff
from otel_agenttrace.cassette.places import ENDINGS
from otel_agenttrace.cli.inputs import FILE, OUTPUT, NumberRange, Reader, shown
from otel_agenttrace.errors import SelectorError
from otel_agenttrace.model import Trace
from otel_agenttrace.report.diffed import diff_page, folder_page, runs_page
from otel_agenttrace.selectors import parse_selector

__all__ = ["diff"]

_Compare = Callable[..., TraceDiff]
_NAMES = (*KINDS, *FIGURES)
_GATES = ("any", "outcome", *_NAMES)
_BY_WORDS = 0.6
_BY_MEANING = 0.85
_RUN_GATES = frozenset({"any", "cost", "latency", "model", "outcome", "tokens"})


@click.command(epilog="Example: otel-agenttrace diff main/run.otlp.jsonl run.otlp.jsonl --fail-on arguments")
@click.argument("old", type=FILE)
@click.argument("new", type=FILE)
@click.option("--semantic", is_flag=True, help="Ask whether both came to the same, whatever the order.")
@click.option(
    "--threshold",
    type=NumberRange(0, 1),
    metavar="0..1",
    help="From which similarity on two answers are the same.",
)
@click.option("--ignore", "ignored", multiple=True, metavar="WHAT", help="A kind of change, or a selector of spans.")
@click.option(
    "--fail-on",
    "fail_on",
    multiple=True,
    type=click.Choice(_GATES),
    metavar="WHAT",
    help="Exit 1 on this kind of change.",
)
@click.option("--exact", is_flag=True, help="Ids, times and temporary paths count, too.")
@click.option("--runs", is_flag=True, help="The files of each folder are runs of one task: compare their figures.")
@OUTPUT
def diff(
    old: Path,
    new: Path,
    ignored: tuple[str, ...],
    fail_on: tuple[str, ...],
    form: str,
    *,
    threshold: float | None,
    semantic: bool,
    exact: bool,
    runs: bool,
) -> None:
    """Compare the runs OLD and NEW: where they part, what changed, what each took.

    Each is a cassette, a trace that others exported, or - for the standard input. Two folders are compared file by file, by
    name. With --runs all files of a folder are runs of one task, and their figures are compared, with intervals.

    WHAT is one of: added removed order agent model parameters system definitions messages arguments result text finish
    error attempts tokens cost latency. --fail-on has besides: any, and outcome (with --semantic, or --runs).
    """
    kinds = frozenset(fail_on)
    compare = partial(_diff, settings=_settings(ignored, exact=exact), semantic=semantic, threshold=threshold)
    if (runs or old.is_dir() or new.is_dir()) and not (old.is_dir() and new.is_dir()):
        raise click.UsageError("a folder is compared with a folder: name two folders, or two files")
    if runs and (semantic or ignored or exact or not kinds <= _RUN_GATES):
        told = ", ".join(sorted(_RUN_GATES))
        raise click.UsageError(f"--runs compares figures: it goes with --fail-on {told}, and with no other choice")
    if "outcome" in kinds and not (runs or semantic):
        raise click.UsageError("--fail-on outcome goes with --semantic or --runs")
    if runs:
        _runs(old, new, form, kinds)
    elif old.is_dir():
        _folders(old, new, form, kinds, compare)
    else:
        _files(old, new, form, kinds, compare)


def _files(old: Path, new: Path, form: str, kinds: frozenset[str], compare: _Compare) -> None:
    if str(old) == str(new) == "-":
        raise click.UsageError("only one of the two can come from the standard input")
    reader = Reader((old, new))
    traces = reader.traces(one=True)  # not read to its end before the report is made: then the standard input is gone
    was, now = next(traces, None), next(traces, None)
    if was is None or now is None:
        reader.end(needs_more=True)
    report = compare(was[1], now[1], names=(was[0], now[0]))
    shown(form, report, lambda: diff_page(report))
    reader.end(findings=report.has(kinds))


def _settings(ignored: Iterable[str], *, exact: bool) -> DiffSettings:
    names = frozenset(each for each in ignored if each in _NAMES)
    try:
        selectors = tuple(parse_selector(each) for each in ignored if each not in names)
    except SelectorError as error:
        raise click.BadParameter(f"neither {', '.join(_NAMES)}, nor a selector: {error}") from None
    return DiffSettings(names, selectors, exact)


def _diff(
    old: Trace, new: Trace, *, names: tuple[str, str], settings: DiffSettings, semantic: bool, threshold: float | None
) -> TraceDiff:
    if not semantic:
        return diff_of(old, new, settings, names=names)
    similarity, usual, measured_by = _similarity()
    least = usual if threshold is None else threshold
    return diff_of(old, new, settings, names=names, similarity=similarity, threshold=least, measured_by=measured_by)


def _similarity() -> tuple[Callable[[str, str], float], float, str]:
    if find_spec("wordllama") is None:
        return word_similarity, _BY_WORDS, "by words; by meaning with the extra `semantic`"
    from otel_agenttrace.semantic import semantic_similarity

    return semantic_similarity, _BY_MEANING, "by meaning, the local embedder"


def _folders(old: Path, new: Path, form: str, kinds: frozenset[str], compare: _Compare) -> None:
    reader = Reader((old, new))
    read = list(reader.traces())
    spoilt = {_name(file, side) for file in reader.unread for side in (old, new) if _is_below(file, side)}
    was, now = (
        {name: trace for file, trace in read if _is_below(file, side) and (name := _name(file, side)) not in spoilt}
        for side in (old, new)
    )
    report = folder_diff(
        was,
        now,
        (str(old), str(new)),
        lambda name, left, right: compare(left, right, names=(f"{old}/{name}", f"{new}/{name}")),
    )
    shown(form, report, lambda: folder_page(report))
    reader.end(findings=report.has(kinds))


def _runs(old: Path, new: Path, form: str, kinds: frozenset[str]) -> None:
    reader = Reader((old, new))
    read = list(reader.traces())
    was, now = ([trace for file, trace in read if _is_below(file, side)] for side in (old, new))
    if not was or not now:
        reader.end(needs_more=True)
    report = runs_diff(was, now, (str(old), str(new)))
    shown(form, report, lambda: runs_page(report))
    reader.end(findings=report.has(kinds))


def _is_below(file: str, folder: Path) -> bool:
    return Path(file).is_relative_to(folder)


def _name(file: str, folder: Path) -> str:
    name = Path(file).relative_to(folder).as_posix()
    return next((name.removesuffix(ending) for ending in ENDINGS if name.endswith(ending)), name)
