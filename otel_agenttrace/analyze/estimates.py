"""Tell what a few numbers let expect of further ones. Samples in, intervals and probabilities out; of traces it knows nothing.

Sources, by what they are the source of:
    Student's t: Abramowitz and Stegun, Handbook of Mathematical Functions (1964), 26.5.8 and 26.7.1.
    Prediction interval: Hahn, Factors for calculating two-sided prediction intervals for samples from a normal
        distribution, JASA 64 (1969), 878-888.
    Success rate: Wilson, Probable inference, the law of succession, and statistical inference, JASA 22 (1927), 209-212.
    Difference of means: Welch, The generalization of "Student's" problem when several different population variances
        are involved, Biometrika 34 (1947), 28-35.
    Difference of success rates: Fisher, The Design of Experiments (1935), chapter 2.
    Quantiles: Hyndman and Fan, Sample quantiles in statistical packages, The American Statistician 50 (1996), 361-365.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

__all__ = [
    "LEVEL",
    "Interval",
    "Sample",
    "chance_of_so_few",
    "mean_interval",
    "prediction_interval",
    "quantile",
    "sample_of",
    "t_quantile",
    "welch_interval",
    "wilson_interval",
]

LEVEL: Final = 0.95
_HALVINGS: Final = 100
_MOST_TERMS: Final = 10_000
_TINY: Final = 1e-300
_SETTLED: Final = 1e-15


@dataclass(frozen=True, slots=True)
class Interval:
    """Two limits that belong to it."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        return self.low <= value <= self.high


@dataclass(frozen=True, slots=True)
class Sample:
    """What a sample is known by: how many, their mean, their standard deviation (by n - 1, None for a single one)."""

    n: int
    mean: float
    deviation: float | None


def sample_of(values: Sequence[float]) -> Sample:
    """Return mean and standard deviation of at least one number."""
    n = len(values)
    if n == 0:
        raise ValueError("a sample without numbers has no mean")
    mean = min(max(math.fsum(values) / n, min(values)), max(values))
    if n == 1:
        return Sample(n, mean, None)
    return Sample(n, mean, math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1)))


def quantile(values: Sequence[float], share: float) -> float | None:
    """Return the number that a share of all such numbers stays below, or None where the sample is too small to show it.

    Hyndman and Fan's eighth definition, which they recommend: close to unbiased for the median of the quantile, whatever
    the distribution. It interpolates between neighbours and ends at the smallest and the greatest number, which estimate
    the shares (2/3)/(n + 1/3) and 1 minus that: 4 numbers show quartiles, 10 % and 90 % take 7.
    """
    place = share * (len(values) + 1 / 3) + 1 / 3
    if not 1 <= round(place, 9) <= len(values):
        return None
    ordered = sorted(values)
    below = min(max(math.floor(place), 1), len(ordered))
    above = min(below + 1, len(ordered))
    low, high = ordered[below - 1], ordered[above - 1]
    return min(max(low + (place - below) * (high - low), low), high)


# --- Student's t ------------------------------------------------------------------------------------------------------


@lru_cache(maxsize=256)
def t_quantile(freedom: float, level: float = LEVEL) -> float:
    """Return the t that lies with probability `level` between -t and t: 12.706 for one degree of freedom and 95 %.

    The incomplete beta function by its continued fraction, inverted by halving: for levels from 0.5 to 0.999 the
    relative error is below 1e-9, at a million degrees of freedom below 1e-8; `math.inf` is the normal distribution.
    """
    if not (freedom > 0 and 0 < level < 1):
        raise ValueError(f"no t for {freedom} degrees of freedom and level {level}")
    high = 1.0
    while _within(high, freedom) < level:
        high *= 2
    low = 0.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if _within(middle, freedom) < level else (low, middle)
    return high


def _within(t: float, freedom: float) -> float:
    """Return the probability of -t to t (Abramowitz and Stegun 26.7.1)."""
    if math.isinf(freedom):
        return math.erf(t / math.sqrt(2))
    square = t * t
    a, b = 1 / 2, freedom / 2
    if square / (freedom + square) < (a + 1) / (a + b + 2):
        return _beta(square / (freedom + square), freedom / (freedom + square), a, b)
    return 1 - _beta(freedom / (freedom + square), square / (freedom + square), b, a)


def _beta(x: float, rest: float, a: float, b: float) -> float:
    """Return the regularised incomplete beta function of x, where `rest` is 1 - x, without the loss of subtracting."""
    logarithm = math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b) + a * math.log(x) + b * math.log(rest)
    return math.exp(logarithm) / (a * _fraction(x, a, b))


def _fraction(x: float, a: float, b: float) -> float:
    """Return the continued fraction of Abramowitz and Stegun 26.5.8 by the method of Lentz."""
    value, numerator, denominator = 1.0, 1.0, 0.0
    for term in range(1, _MOST_TERMS):
        m = term // 2
        if term % 2:
            factor = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        else:
            factor = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        denominator = 1 / ((1 + factor * denominator) or _TINY)
        numerator = (1 + factor / numerator) or _TINY
        value *= numerator * denominator
        if abs(numerator * denominator - 1) < _SETTLED:
            break
    return value


# --- intervals --------------------------------------------------------------------------------------------------------


def prediction_interval(sample: Sample, level: float = LEVEL, *, least_deviation: float = 0.0) -> Interval | None:
    """Return where one further number of the same kind is expected, or None of a single number, which shows no spread.

    mean ± t · s · √(1 + 1/n), t with n - 1 degrees of freedom: exact for numbers that are normally distributed. The
    standard deviation s counts as no less than `least_deviation`.
    """
    if sample.deviation is None:
        return None
    spread = max(sample.deviation, least_deviation)
    reach = t_quantile(sample.n - 1, level) * spread * math.sqrt(1 + 1 / sample.n)
    return Interval(sample.mean - reach, sample.mean + reach)


def mean_interval(sample: Sample, level: float = LEVEL) -> Interval | None:
    """Return where the mean of all such numbers lies, or None of a single number: mean ± t · s / √n."""
    if sample.deviation is None:
        return None
    reach = t_quantile(sample.n - 1, level) * sample.deviation / math.sqrt(sample.n)
    return Interval(sample.mean - reach, sample.mean + reach)


def welch_interval(left: Sample, right: Sample, level: float = LEVEL) -> Interval | None:
    """Return where right mean minus left mean lies, whatever the two spreads, or None if either side is a single number.

    Degrees of freedom by Welch and Satterthwaite.
    """
    if left.deviation is None or right.deviation is None:
        return None
    difference = right.mean - left.mean
    shares = [(side.deviation or 0.0) ** 2 / side.n for side in (left, right)]
    total = math.fsum(shares)
    if total == 0:
        return Interval(difference, difference)
    freedom = 1 / math.fsum(
        (share / total) ** 2 / (side.n - 1) for share, side in zip(shares, (left, right), strict=True)
    )
    reach = t_quantile(freedom, level) * math.sqrt(total)
    return Interval(difference - reach, difference + reach)


def wilson_interval(successes: int, n: int, level: float = LEVEL) -> Interval:
    """Return where the rate of success lies after `successes` in `n`. Wilson's score interval, without a correction."""
    _check_successes(successes, n)
    z = t_quantile(math.inf, level)
    rate, square = successes / n, z * z / n
    middle = rate + square / 2
    reach = z * math.sqrt(rate * (1 - rate) / n + square / (4 * n))
    low, high = (middle - reach) / (1 + square), (middle + reach) / (1 + square)
    return Interval(low if successes else 0.0, high if successes < n else 1.0)


def chance_of_so_few(successes: int, n: int, *, of: int, among: int) -> float:
    """Return how likely so few successes, or fewer, are among `n` trials if they are as good as `among` trials with `of`.

    Fisher's exact test, one-sided: all successes of both groups are dealt at random.
    """
    _check_successes(successes, n)
    _check_successes(of, among)
    both = successes + of
    ways = sum(math.comb(n, k) * math.comb(among, both - k) for k in range(max(both - among, 0), successes + 1))
    return ways / math.comb(n + among, both)


def _check_successes(successes: int, n: int) -> None:
    if not (n > 0 and 0 <= successes <= n):
        raise ValueError(f"{successes} successes in {n} trials")
