"""Compare two folders of runs by name, or two sets of runs of one task by their figures. Traces in, frozen reports out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from otel_agenttrace.analyze.diffs import TraceDiff
from otel_agenttrace.analyze.envelopes import Envelope, ToolRange, Trial, envelope_from
from otel_agenttrace.analyze.estimates import (
    LEVEL,
    Interval,
    Sample,
    chance_of_so_few,
    mean_interval,
    sample_of,
    welch_interval,
)
from otel_agenttrace.analyze.evaluations import passed_by_evaluation
from otel_agenttrace.analyze.measures import MEASURES, RunFigures, run_figures
from otel_agenttrace.model import Trace

__all__ = ["FileDiff", "FolderDiff", "Mean", "MeasureDiff", "RunsDiff", "ToolDiff", "folder_diff", "runs_diff"]

FileKind: TypeAlias = Literal["same", "changed", "new", "removed"]
Verdict: TypeAlias = Literal["more", "less", "within", "too few runs to tell"]
_CHANCE: Final = 1 - LEVEL


@dataclass(frozen=True, slots=True)
class FileDiff:
    """What became of a run.

    Attributes:
        name: Of its file, below the folder, without the ending: the name of its test.
        kind: What became of it.
        diff: How it differs; None if it is new or was removed.
    """

    name: str
    kind: FileKind
    diff: TraceDiff | None


@dataclass(frozen=True, slots=True)
class FolderDiff:
    """How the runs of two folders differ: the two folders, how many of each kind, and each file, by name."""

    old: str
    new: str
    counts: Mapping[FileKind, int]
    files: tuple[FileDiff, ...]

    def has(self, kinds: frozenset[str]) -> bool:
        """Whether a run changed in one of these ways, or came (`added`), or went (`removed`)."""
        if self.counts["new"] and kinds & {"any", "added"}:
            return True
        if self.counts["removed"] and kinds & {"any", "removed"}:
            return True
        return any(file.diff is not None and file.diff.has(kinds) for file in self.files)


def folder_diff(
    old: Mapping[str, Trace],
    new: Mapping[str, Trace],
    names: tuple[str, str],
    compare: Callable[[str, Trace, Trace], TraceDiff],
) -> FolderDiff:
    """Return how the runs of two folders differ, those of one name compared."""
    files: list[FileDiff] = []
    for name in sorted({*old, *new}):
        was, now = old.get(name), new.get(name)
        if was is None or now is None:
            files.append(FileDiff(name, "new" if was is None else "removed", None))
            continue
        diff = compare(name, was, now)
        files.append(FileDiff(name, "same" if diff.is_same else "changed", diff))
    kinds: tuple[FileKind, ...] = ("same", "changed", "new", "removed")
    return FolderDiff(*names, {kind: sum(file.kind == kind for file in files) for kind in kinds}, tuple(files))


# --- several runs of one task -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Mean:
    """The mean of the runs that tell it, and where it lies with 95 %; None of a single run."""

    n: int
    mean: float
    interval: Interval | None


@dataclass(frozen=True, slots=True)
class MeasureDiff:
    """How one measure differs.

    Attributes:
        old: Its mean over the old runs; None if none tells it.
        new: The same of the new ones.
        difference: Where new mean minus old mean lies with 95 %; None where a side has fewer than 2 runs.
        verdict: `more` or `less` if that interval is without 0, else `within`.
        outside: How many new runs are outside of what the old ones let expect of one; None where they let expect nothing.
    """

    old: Mean | None
    new: Mean | None
    difference: Interval | None
    verdict: Verdict
    outside: int | None


@dataclass(frozen=True, slots=True)
class ToolDiff:
    """In how many runs a tool was called, and how often in one; None if in none."""

    old: ToolRange | None
    new: ToolRange | None


@dataclass(frozen=True, slots=True)
class RunsDiff:
    """How the runs of one task differ from earlier ones.

    Attributes:
        old: Name of the old runs.
        new: Name of the new ones.
        old_runs: How many there are.
        new_runs: The same of the new ones.
        old_successes: How many of them passed by their evaluations; of those without one, how many ended without an error.
        new_successes: The same of the new ones.
        old_evaluated: Of how many of them evaluations say whether they passed.
        new_evaluated: The same of the new ones.
        chance: How likely so different rates of success are if nothing changed, by Fisher's exact test to the side it is on.
        success: The verdict on the rate of success.
        measures: By the names of `measures.MEASURES`, of the runs that succeeded.
        tools: By name, those that the runs which succeeded do not call alike.
        models: The models that only one side called: `old` and `new`.
    """

    old: str
    new: str
    old_runs: int
    new_runs: int
    old_successes: int
    new_successes: int
    old_evaluated: int
    new_evaluated: int
    chance: float
    success: Verdict
    measures: Mapping[str, MeasureDiff]
    tools: Mapping[str, ToolDiff]
    models: Mapping[str, tuple[str, ...]]

    def has(self, kinds: frozenset[str]) -> bool:
        """Whether figures or rates of success differ beyond chance: `any`, `outcome`, `tokens`, `cost`, `latency`, `model`."""
        found = {name for name, figure in _FIGURES.items() if self.measures[figure].verdict in ("more", "less")}
        found |= {"outcome"} if self.success in ("more", "less") else set()
        found |= {"model"} if any(self.models.values()) else set()
        return bool(found & kinds) or ("any" in kinds and bool(found))


_FIGURES: Final = {"tokens": "total_tokens", "cost": "cost_usd", "latency": "duration_s"}


def runs_diff(old: Iterable[Trace], new: Iterable[Trace], names: tuple[str, str]) -> RunsDiff:
    """Return how runs of one task differ from earlier ones, at least one on each side."""
    (before, old_evaluated), (after, new_evaluated) = _trials(old), _trials(new)
    was, now = envelope_from(before), envelope_from(after)
    ours, theirs = _figures(before), _figures(after)
    chance, success = _success(was, now)
    tools = {name: ToolDiff(was.tools.get(name), now.tools.get(name)) for name in sorted({*was.tools, *now.tools})}
    return RunsDiff(
        old=names[0],
        new=names[1],
        old_runs=was.trials,
        new_runs=now.trials,
        old_successes=was.successes,
        new_successes=now.successes,
        old_evaluated=old_evaluated,
        new_evaluated=new_evaluated,
        chance=chance,
        success=success,
        measures={name: _measured(name, ours, theirs, was) for name in MEASURES},
        tools={name: tool for name, tool in tools.items() if _calls(tool.old, was) != _calls(tool.new, now)},
        models={
            "old": tuple(name for name in was.models if name not in now.models),
            "new": tuple(name for name in now.models if name not in was.models),
        },
    )


def _trials(traces: Iterable[Trace]) -> tuple[list[Trial], int]:
    """Return the trials, and how many of them are evaluated."""
    found = [(trace, passed_by_evaluation(trace)) for trace in traces]
    trials = [Trial(trace, passed if passed is not None else not _failed(trace)) for trace, passed in found]
    return trials, sum(passed is not None for _, passed in found)


def _failed(trace: Trace) -> bool:
    known = {span.span_id for span in trace.spans}
    return any(span.is_error for span in trace.spans if span.parent_span_id not in known)


def _figures(trials: Sequence[Trial]) -> list[RunFigures]:
    return [run_figures(trial.trace) for trial in trials if trial.is_success]


def _calls(tool: ToolRange | None, envelope: Envelope) -> object:
    return None if tool is None else (tool.trials / max(envelope.successes, 1), tool.least, tool.most)


def _success(was: Envelope, now: Envelope) -> tuple[float, Verdict]:
    """Return the chance of a difference as large to its side, and what it says."""
    is_less = now.successes * was.trials < was.successes * now.trials
    fewer, more = (now, was) if is_less else (was, now)
    chance = chance_of_so_few(fewer.successes, fewer.trials, of=more.successes, among=more.trials)
    if min(was.trials, now.trials) < 2:
        return chance, "too few runs to tell"
    return chance, ("less" if is_less else "more") if chance < _CHANCE / 2 else "within"


def _measured(name: str, old: Sequence[RunFigures], new: Sequence[RunFigures], envelope: Envelope) -> MeasureDiff:
    before, after = ([amount for run in runs if (amount := run.amounts[name]) is not None] for runs in (old, new))
    if not before or not after:
        return MeasureDiff(_mean(name, before), _mean(name, after), None, "too few runs to tell", None)
    difference = welch_interval(_sample(name, before), _sample(name, after))
    spread = envelope.measures.get(name)
    expected = None if spread is None or spread.expected is None else MEASURES[name].possible(spread.expected)
    return MeasureDiff(
        old=_mean(name, before),
        new=_mean(name, after),
        difference=difference,
        verdict=_verdict(difference),
        outside=None if expected is None else sum(amount not in expected for amount in after),
    )


def _verdict(difference: Interval | None) -> Verdict:
    if difference is None:
        return "too few runs to tell"
    return "within" if 0 in difference else "more" if difference.low > 0 else "less"


def _mean(name: str, amounts: Sequence[float]) -> Mean | None:
    if not amounts:
        return None
    sample = _sample(name, amounts)
    return Mean(sample.n, sample.mean, mean_interval(sample))


def _sample(name: str, amounts: Sequence[float]) -> Sample:
    """Return mean and deviation; of what comes in steps no less than that of rounding, as an envelope takes it."""
    sample = sample_of(amounts)
    least = MEASURES[name].rounding
    return sample if sample.deviation is None else replace(sample, deviation=max(sample.deviation, least))
