"""Find what is systematically different between the runs of a baseline and those of a candidate. Records of runs in, report out.

A gap is as bad as it is large. One that may be chance is one step milder, and one of info is none; one that cannot be tested is
critical only by a limit that somebody has set. The attributes of `GapReport` are the keys of its JSON.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from otel_agenttrace.analyze.findings import Severity
from otel_agenttrace.analyze.gap_limits import LIMITS, Limits
from otel_agenttrace.analyze.gap_runs import RunRecord
from otel_agenttrace.analyze.gap_tests import Tested, inflation_test, share_test
from otel_agenttrace.counting import counted

__all__ = ["Evidence", "Gap", "GapReport", "NotCompared", "Side", "SideName", "gaps_between"]

SideName = Literal["baseline", "candidate"]

_MILDER: Final[Mapping[Severity, Severity]] = {"critical": "warning", "warning": "info"}
_FILES: Final = 3
_SPANS: Final = 3


@dataclass(frozen=True, slots=True)
class Evidence:
    """Spans of a file that show a gap."""

    side: SideName
    file: str
    span_ids: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Gap:
    """One systematic difference: a finding with its size.

    Attributes:
        rule: What kind it is.
        message: What was found, without the names that others gave.
        severity: How bad it is.
        span_ids: The spans that show it.
        subject: The tool or the model it is about; None where it is about the runs.
        baseline: The mean of the baseline's runs, or the share of its runs or calls.
        candidate: The same of the candidate.
        ratio: Candidate over baseline; None where the baseline has none.
        difference: Candidate minus baseline.
        test: Whether it may be chance.
        evidence: The spans by their files.
    """

    rule: str
    message: str
    severity: Severity
    span_ids: tuple[str, ...]
    subject: str | None
    baseline: float
    candidate: float
    ratio: float | None
    difference: float
    test: Tested
    evidence: tuple[Evidence, ...]


@dataclass(frozen=True, slots=True)
class NotCompared:
    """What could not be compared, or only in part, and why."""

    rule: str
    reason: str


@dataclass(frozen=True, slots=True)
class Side:
    """How much was compared: runs and their calls."""

    runs: int
    files: int
    llm_calls: int
    tool_calls: int


@dataclass(frozen=True, slots=True)
class GapReport:
    """What is systematically different.

    Attributes:
        baseline: The runs that are good.
        candidate: The runs that are judged.
        gaps: The differences, the worst first.
        counts: How many there are of each severity.
        not_compared: What could not be compared.
        only_baseline: Files of which the candidate has none by that name; empty if no name is on both sides.
        only_candidate: The reverse.
        limits: The limits by rule.
    """

    baseline: Side
    candidate: Side
    gaps: tuple[Gap, ...]
    counts: Mapping[Severity, int]
    not_compared: tuple[NotCompared, ...]
    only_baseline: tuple[str, ...]
    only_candidate: tuple[str, ...]
    limits: Mapping[str, Limits]


def gaps_between(
    baseline: Iterable[RunRecord], candidate: Iterable[RunRecord], limits: Mapping[str, Limits] = LIMITS
) -> GapReport:
    """Return what is systematically different between two sides; with no run on one of them, nothing is."""
    comparison = _Comparison(tuple(baseline), tuple(candidate), limits)
    gaps = comparison.gaps() if comparison.left and comparison.right else ()
    ranked = sorted(gaps, key=lambda gap: (-_SEVERITY[gap.severity], _RULES.index(gap.rule), gap.subject or ""))
    tasks = [dict.fromkeys(run.task for run in side) for side in (comparison.left, comparison.right)]
    is_paired = bool(tasks[0].keys() & tasks[1].keys())
    return GapReport(
        baseline=_side(comparison.left),
        candidate=_side(comparison.right),
        gaps=tuple(ranked),
        counts={
            severity: sum(gap.severity == severity for gap in ranked) for severity in ("critical", "warning", "info")
        },
        not_compared=tuple(comparison.not_compared),
        only_baseline=tuple(task for task in tasks[0] if task not in tasks[1]) if is_paired else (),
        only_candidate=tuple(task for task in tasks[1] if task not in tasks[0]) if is_paired else (),
        limits=limits,
    )


_SEVERITY: Final[Mapping[Severity, int]] = {"info": 0, "warning": 1, "critical": 2}
_RULES: Final = tuple(LIMITS)


def _side(runs: Sequence[RunRecord]) -> Side:
    tools = sum(sum(run.tools.values()) for run in runs)
    return Side(
        len(runs), len({run.file for run in runs}), round(sum(run.amounts["llm_calls"] or 0 for run in runs)), tools
    )


_INFLATIONS: Final[Mapping[str, tuple[str, str]]] = {
    "token_inflation": (
        "total_tokens",
        "a run takes {ratio:.2f} times the tokens: {right:,.0f} instead of {left:,.0f}",
    ),
    "cost_inflation": ("cost_usd", "a run costs {ratio:.2f} times as much: ${right:.6f} instead of ${left:.6f}"),
    "llm_call_inflation": (
        "llm_calls",
        "a run makes {ratio:.2f} times the calls to models: {right:.1f} instead of {left:.1f}",
    ),
    "latency_inflation": (
        "latency_s",
        "a call to a model takes {ratio:.2f} times as long: {right:.3g} s instead of {left:.3g} s",
    ),
}


class _Comparison:
    def __init__(self, left: tuple[RunRecord, ...], right: tuple[RunRecord, ...], limits: Mapping[str, Limits]) -> None:
        self.left, self.right = left, right
        self._limits = limits
        self.not_compared: list[NotCompared] = []

    def gaps(self) -> Iterator[Gap]:
        for rule, (measure, told) in _INFLATIONS.items():
            yield from self._inflation(rule, measure, told)
        yield from self._success()
        yield from self._errors()
        yield from self._tools()
        yield from self._models()
        yield from self._prompts()
        yield from self._loops()
        yield from self._duplicates()

    def _skip(self, rule: str, reason: str) -> None:
        self.not_compared.append(NotCompared(rule, reason))

    def _gap(
        self,
        rule: str,
        size: float,
        values: tuple[float, float],
        message: str,
        test: Tested,
        evidence: tuple[Evidence, ...],
        subject: str | None = None,
    ) -> Iterator[Gap]:
        limits = self._limits[rule]
        severity = limits.severity(size)
        if severity is not None and test.significant is False:
            severity = _MILDER.get(severity)
        if severity is None:
            return
        if severity == "critical" and test.significant is None and not limits.is_own:
            severity, test = (
                "warning",
                replace(test, note=f"{test.note}; so no more than a warning, unless its limit is set"),
            )
        left, right = (round(value, 9) for value in values)
        yield Gap(
            rule=rule,
            message=message,
            severity=severity,
            span_ids=tuple(span_id for each in evidence for span_id in each.span_ids),
            subject=subject,
            baseline=left,
            candidate=right,
            ratio=round(right / left, 4) if left else None,
            difference=round(right - left, 9),
            test=test,
            evidence=evidence,
        )

    def _inflation(self, rule: str, measure: str, told: str) -> Iterator[Gap]:
        left, right = ([run for run in side if run.amounts[measure] is not None] for side in (self.left, self.right))
        self._unknown(rule, len(left), len(right))
        if not left or not right:
            return
        by_task = [_by_task(side, measure) for side in (left, right)]
        means = [sum(amount for amounts in side.values() for amount in amounts) for side in by_task]
        before, after = means[0] / len(left), means[1] / len(right)
        if not before:
            if after:
                self._skip(rule, "the baseline took none, so there is no ratio")
            return
        worst = sorted(right, key=lambda run: -(run.amounts[measure] or 0))
        shown = _evidence("candidate", worst, lambda run: (run.greatest.get(measure) or "",))
        message = told.format(ratio=after / before, left=before, right=after)
        yield from self._gap(rule, after / before, (before, after), message, inflation_test(*by_task), shown)

    def _unknown(self, rule: str, *known: int) -> None:
        """Tell of how many runs of each side something is not known."""
        counts = zip(("baseline", "candidate"), known, self._sides, strict=True)
        told = [
            f"{len(runs) - some:,} of {counted(len(runs), 'run')} of the {name}"
            for name, some, runs in counts
            if some < len(runs)
        ]
        if told:
            self._skip(rule, f"not known of {', and of '.join(told)}")

    def _success(self) -> Iterator[Gap]:
        left, right = ([run for run in side if run.passed is not None] for side in self._sides)
        if left or right:
            self._unknown("success_rate", len(left), len(right))
        if not left or not right:
            return
        failed = [sum(run.passed is False for run in side) for side in (left, right)]
        before, after = (1 - count / len(side) for count, side in zip(failed, (left, right), strict=True))
        message = f"{after:.0%} of runs pass by their evaluations instead of {before:.0%}"
        test = share_test(failed[0], len(left), failed[1], len(right))
        shown = _evidence("candidate", right, lambda run: () if run.passed else (run.greatest["llm_calls"],))
        yield from self._gap("success_rate", before - after, (before, after), message, test, shown)

    def _errors(self) -> Iterator[Gap]:
        shares = [_share(sum(len(run.failed) for run in side), sum(run.calls for run in side)) for side in self._sides]
        message = f"{shares[1]:.0%} of calls fail instead of {shares[0]:.0%}"
        yield from self._by_runs("error_rate", shares, message, lambda run: run.failed)

    @property
    def _sides(self) -> tuple[tuple[RunRecord, ...], tuple[RunRecord, ...]]:
        return self.left, self.right

    def _by_runs(
        self, rule: str, shares: Sequence[float], message: str, spans: Callable[[RunRecord], Sequence[str]]
    ) -> Iterator[Gap]:
        """Yield a gap of a share, tested by the runs that have something."""
        left, right = (sum(bool(spans(run)) for run in side) for side in self._sides)
        test = share_test(left, len(self.left), right, len(self.right))
        shown = _evidence("candidate", self.right, spans)
        yield from self._gap(rule, shares[1] - shares[0], (shares[0], shares[1]), message, test, shown)

    def _tools(self) -> Iterator[Gap]:
        for rule, side in (("missing_tool", self.right), ("extra_tool", self.left)):
            untold = sum(run.untold for run in side)
            if untold:
                name = "candidate" if side is self.right else "baseline"
                self._skip(rule, f"{counted(untold, 'call')} to models of the {name} asked for tools that nobody tells")
        left, right = (Counter(name for run in side for name in run.tools) for side in self._sides)
        for tool in sorted(left):
            yield from self._missing(tool, left[tool], right[tool])
        for tool in sorted(right.keys() - left.keys()):
            shares = (0.0, right[tool] / len(self.right))
            message = (
                f"{right[tool]:,} of {counted(len(self.right), 'run')} call a tool that no run of the baseline calls"
            )
            test = share_test(0, len(self.left), right[tool], len(self.right))
            shown = _evidence("candidate", self.right, lambda run, tool=tool: (run.tool_spans.get(tool, ""),))
            yield from self._gap("extra_tool", shares[1], shares, message, test, shown, tool)

    def _missing(self, tool: str, left: int, right: int) -> Iterator[Gap]:
        before, after = left / len(self.left), right / len(self.right)
        message = (
            f"{right:,} of {counted(len(self.right), 'run')} call it;"
            f" of the baseline {left:,} of {counted(len(self.left), 'run')} do"
        )
        test = share_test(len(self.left) - left, len(self.left), len(self.right) - right, len(self.right))
        shown = _evidence("baseline", self.left, lambda run: (run.tool_spans.get(tool, ""),))
        yield from self._gap("missing_tool", before - after, (before, after), message, test, shown, tool)

    def _models(self) -> Iterator[Gap]:
        left, right = (sum((Counter(run.models) for run in side), Counter[str]()) for side in self._sides)
        for model in sorted(left.keys() ^ right.keys()):
            before, after = _share(left[model], left.total()), _share(right[model], right.total())
            side: SideName = "candidate" if after else "baseline"
            message = (
                f"answers {after:.0%} of calls, none in the baseline"
                if after
                else f"answers no call; in the baseline {before:.0%} of them"
            )
            shown = _evidence(
                side,
                self.right if after else self.left,
                lambda run, model=model: (run.model_spans.get(model, ""),),
            )
            hits = [sum(model in run.models for run in each) for each in self._sides]
            test = (
                share_test(hits[0], len(self.left), hits[1], len(self.right))
                if after
                else share_test(hits[1], len(self.right), hits[0], len(self.left))
            )
            yield from self._gap("model_mismatch", max(before, after), (before, after), message, test, shown, model)

    def _prompts(self) -> Iterator[Gap]:
        left, right = ([run for run in side if run.prompts is not None] for side in self._sides)
        self._unknown("prompt_drift", len(left), len(right))
        if not left or not right:
            return
        known = _prompts_of(left)
        is_paired = known.keys() == {run.task for run in right}
        everywhere = Counter(prompt for run in left for prompt in run.prompts or ())
        of_task = known if is_paired else dict.fromkeys({run.task for run in right}, everywhere)
        unseen = {
            id(run): [span for prompt, span in (run.prompts or {}).items() if prompt not in of_task[run.task]]
            for run in right
        }
        own = sum(any(everywhere[prompt] == 1 for prompt in run.prompts or ()) for run in left) if not is_paired else 0
        before = own / len(left) if len(left) > 1 else 0.0
        hits = sum(map(bool, unseen.values()))
        after = hits / len(right)
        message = f"{hits:,} of {counted(len(right), 'run')} give models instructions that the baseline does not"
        shown = _evidence("candidate", right, lambda run: unseen[id(run)])
        test = share_test(own, len(left), hits, len(right))
        yield from self._gap("prompt_drift", after - before, (before, after), message, test, shown)

    def _loops(self) -> Iterator[Gap]:
        counts = [sum(bool(run.loops) for run in side) for side in self._sides]
        shares = [_share(count, len(side)) for count, side in zip(counts, self._sides, strict=True)]
        message = f"{shares[1]:.0%} of runs call tools in circles instead of {shares[0]:.0%}"
        yield from self._by_runs("loop_tendency", shares, message, lambda run: run.loops)

    def _duplicates(self) -> Iterator[Gap]:
        known = [sum(sum(run.tools.values()) - run.arguments_unknown for run in side) for side in self._sides]
        for name, side in zip(("baseline", "candidate"), self._sides, strict=True):
            unknown = sum(run.arguments_unknown for run in side)
            if unknown:
                self._skip(
                    "duplicate_calls", f"arguments of {counted(unknown, 'call')} of tools of the {name} are not told"
                )
        if not all(known):
            return
        repeated = [sum(run.repeated for run in side) for side in self._sides]
        shares = [_share(*each) for each in zip(repeated, known, strict=True)]
        message = (
            f"{repeated[1]:,} of {counted(known[1], 'call')} of tools have arguments that the run had used before;"
            f" of the baseline {shares[0]:.0%}"
        )
        yield from self._by_runs("duplicate_calls", shares, message, lambda run: run.repeats)


def _by_task(runs: Iterable[RunRecord], measure: str) -> dict[str, list[float]]:
    found: dict[str, list[float]] = {}
    for run in runs:
        amount = run.amounts[measure]
        if amount is not None:
            found.setdefault(run.task, []).append(amount)
    return found


def _prompts_of(runs: Iterable[RunRecord]) -> dict[str, Counter[str]]:
    found: dict[str, Counter[str]] = {}
    for run in runs:
        found.setdefault(run.task, Counter()).update(run.prompts or ())
    return found


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 0.0


def _evidence(
    side: SideName, runs: Iterable[RunRecord], spans: Callable[[RunRecord], Sequence[str]]
) -> tuple[Evidence, ...]:
    found: list[Evidence] = []
    for run in runs:
        shown = tuple(span_id for span_id in spans(run) if span_id)[:_SPANS]
        if shown and len(found) < _FILES:
            found.append(Evidence(side, run.file, shown))
    return tuple(found)
