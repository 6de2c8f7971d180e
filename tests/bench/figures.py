"""One row of the benchmark table."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["Figure", "cpu_seconds", "interleaved", "median_us"]


@dataclass(frozen=True, slots=True)
class Figure:
    """A measured value and its bound; `at_least` turns the bound round. Without a bound it is a yardstick for others."""

    what: str
    value: float
    bound: float | None
    unit: str
    bare: str = ""
    ours: str = ""
    at_least: bool = False

    @property
    def is_kept(self) -> bool:
        """Whether the bound holds."""
        if self.bound is None:
            return True
        return self.value >= self.bound if self.at_least else self.value <= self.bound

    @property
    def told(self) -> str:
        """The value as text."""
        return f"{self.value:,.2f} {self.unit}" if self.value < 100 else f"{self.value:,.0f} {self.unit}"

    @property
    def bound_told(self) -> str:
        """The bound as text."""
        return "" if self.bound is None else f"{'≥' if self.at_least else '≤'} {self.bound:g} {self.unit}"

    @property
    def verdict(self) -> str:
        """Whether the bound holds, as text."""
        return "yardstick" if self.bound is None else "kept" if self.is_kept else "missed"


def median_us(step: Callable[[int], object], count: int) -> float:
    """Return the median microseconds of a step, given its number."""
    times: list[float] = []
    for number in range(count):
        begin = time.perf_counter()
        step(number)
        times.append(time.perf_counter() - begin)
    return statistics.median(times) * 1e6


def cpu_seconds(step: Callable[[], object]) -> float:
    """Return the processor time of a step."""
    begin = time.process_time()
    step()
    return time.process_time() - begin


def interleaved(bare: Callable[[], float], ours: Callable[[], float], rounds: int = 9) -> tuple[float, float, float]:
    """Return the medians of both and of their paired differences, each round one after the other."""
    pairs = [(bare(), ours()) for _ in range(rounds)]
    return (
        statistics.median(one for one, _ in pairs),
        statistics.median(other for _, other in pairs),
        statistics.median(other - one for one, other in pairs),
    )
