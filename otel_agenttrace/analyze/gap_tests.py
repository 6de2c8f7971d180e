"""Tell whether a gap may be chance. What runs of two sides took in, what a test says out; too few runs are no test.

Amounts are compared by their logarithms, so that a factor counts the same for small and large runs: in pairs where both sides
did the same tasks, else by Welch. Shares of runs are compared by Fisher's exact test, one-sided.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from otel_agenttrace.analyze.estimates import (
    LEVEL,
    Interval,
    chance_of_so_few,
    sample_of,
    t_quantile,
    welch_interval,
)

__all__ = ["Tested", "inflation_test", "share_test"]

_CHANCE: Final = 0.05
_PAIRED: Final = 5
"""From so many tasks on they are paired, whatever the number of runs."""
_LEAST: Final = 3
"""Of so many runs of each side inflations are tested, and shares in any case: of two against four, say, none would be more than chance."""


@dataclass(frozen=True, slots=True)
class Tested:
    """What a test said.

    Attributes:
        method: `paired t`, `Welch`, `Fisher`, or `none`.
        significant: Whether the gap is larger than chance makes it (95 %); None if it was not tested.
        low: Of an inflation the least ratio that chance leaves possible (95 %); None where there is none.
        high: The greatest.
        p: Of a share how likely chance alone makes such a gap or a larger one; None where there is none.
        note: Why it was not tested; empty if it was.
    """

    method: Literal["paired t", "Welch", "Fisher", "none"]
    significant: bool | None = None
    low: float | None = None
    high: float | None = None
    p: float | None = None
    note: str = ""


def inflation_test(baseline: Mapping[str, Sequence[float]], candidate: Mapping[str, Sequence[float]]) -> Tested:
    """Return whether amounts inflated, given by task; the runs of a task count as one by their mean where tasks are paired."""
    left = [amount for amounts in baseline.values() for amount in amounts]
    right = [amount for amounts in candidate.values() for amount in amounts]
    if min(*left, *right) <= 0:
        return Tested("none", note="not tested: a run took none")
    fewest = min(len(left), len(right))
    if baseline.keys() == candidate.keys() and len(baseline) >= (_LEAST if fewest < _PAIRED else _PAIRED):
        ratios = [_mean_log(candidate[task]) - _mean_log(amounts) for task, amounts in baseline.items()]
        sample = sample_of(ratios)
        reach = t_quantile(sample.n - 1, LEVEL) * (sample.deviation or 0.0) / math.sqrt(sample.n)
        return _told("paired t", Interval(sample.mean - reach, sample.mean + reach))
    if fewest < _LEAST:
        return _too_few(len(left), len(right))
    interval = welch_interval(sample_of([*map(math.log, left)]), sample_of([*map(math.log, right)]))
    return Tested("none") if interval is None else _told("Welch", interval)


def _mean_log(amounts: Sequence[float]) -> float:
    return math.fsum(map(math.log, amounts)) / len(amounts)


def _told(method: Literal["paired t", "Welch"], logs: Interval) -> Tested:
    low, high = (round(math.exp(limit), 4) for limit in (logs.low, logs.high))
    return Tested(method, low > 1, low, high)


def share_test(baseline: int, of_baseline: int, candidate: int, of_candidate: int) -> Tested:
    """Return whether a greater share of the candidate's runs has something than of the baseline's."""
    if math.comb(of_baseline + of_candidate, of_baseline) < 1 / _CHANCE:  # even all against none may be chance
        return _too_few(of_baseline, of_candidate)
    p = chance_of_so_few(of_candidate - candidate, of_candidate, of=of_baseline - baseline, among=of_baseline)
    return Tested("Fisher", p <= _CHANCE, p=round(p, 6))


def _too_few(baseline: int, candidate: int) -> Tested:
    return Tested("none", note=f"too few runs to test: {baseline} against {candidate}, {_LEAST} of each are enough")
