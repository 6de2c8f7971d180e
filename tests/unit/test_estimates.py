"""Intervals and probabilities of few numbers, beside the literature and beside the distributions, integrated."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Sequence
from itertools import combinations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agenttrace.analyze.estimates import (
    Interval,
    Sample,
    chance_of_so_few,
    prediction_interval,
    quantile,
    sample_of,
    t_quantile,
    welch_interval,
    wilson_interval,
)

NUMBERS = st.lists(st.floats(0, 1e9), min_size=2, max_size=30)


# --- Student's t ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("freedom", "level", "printed"),
    [
        (1, 0.95, 12.706),
        (2, 0.95, 4.303),
        (3, 0.95, 3.182),
        (4, 0.95, 2.776),
        (10, 0.95, 2.228),
        (30, 0.95, 2.042),
        (120, 0.95, 1.980),
        (math.inf, 0.95, 1.960),
        (1, 0.99, 63.657),
        (9, 0.99, 3.250),
        (5, 0.8, 1.476),
    ],
)
def test_t_is_what_the_tables_print(freedom: float, level: float, printed: float) -> None:
    assert round(t_quantile(freedom, level), 3) == printed


def integrated(t: float, freedom: float, steps: int = 2_000) -> float:
    """Return the probability of -t to t: the density, with x = √freedom · tan(angle), by Simpson's rule.

    The factor before the integral is integrated too, over all x, so that nothing is taken from the gamma function.
    """

    def area(end: float) -> float:
        width = end / steps
        heights = (math.cos(index * width) ** (freedom - 1) for index in range(steps + 1))
        weights = (1 if index in {0, steps} else 4 if index % 2 else 2 for index in range(steps + 1))
        return math.fsum(height * weight for height, weight in zip(heights, weights, strict=True)) * width / 3

    return area(math.atan(t / math.sqrt(freedom))) / area(math.pi / 2)


@settings(max_examples=60, deadline=None)
@given(st.floats(1, 2) | st.floats(2, 60), st.floats(0.5, 0.999))
def test_t_holds_its_level_of_the_integrated_distribution(freedom: float, level: float) -> None:
    error_of_simpson = 1e-9 if freedom >= 5 else 1e-5 if freedom >= 2 else 1e-3
    assert integrated(t_quantile(freedom, level), freedom) == pytest.approx(level, abs=error_of_simpson)


@pytest.mark.parametrize("level", [0.5, 0.8, 0.95, 0.999])
def test_t_is_exact_where_it_has_a_closed_form(level: float) -> None:
    assert t_quantile(1, level) == pytest.approx(math.tan(math.pi * level / 2), rel=1e-9)
    assert t_quantile(2, level) == pytest.approx(level * math.sqrt(2 / (1 - level**2)), rel=1e-9)
    normal = t_quantile(math.inf, level)
    correction = (normal**3 + normal) / 4e6  # Abramowitz and Stegun 26.7.5
    assert t_quantile(1e6, level) == pytest.approx(normal + correction, rel=1e-8)


@pytest.mark.parametrize(("freedom", "level"), [(0, 0.95), (-1, 0.95), (3, 0), (3, 1), (math.nan, 0.95)])
def test_there_is_no_t_without_freedom_or_for_certainty(freedom: float, level: float) -> None:
    with pytest.raises(ValueError, match="degrees of freedom"):
        t_quantile(freedom, level)


# --- samples ----------------------------------------------------------------------------------------------------------


def test_a_sample_has_the_deviation_by_n_minus_1_and_a_single_number_none() -> None:
    assert sample_of([2, 4, 4, 4, 5, 5, 7, 9]) == Sample(8, 5, math.sqrt(32 / 7))
    assert sample_of([3]) == Sample(1, 3, None)
    with pytest.raises(ValueError, match="without numbers"):
        sample_of([])


@given(st.lists(st.floats(-1e9, 1e9), min_size=1))
def test_the_mean_of_any_numbers_is_between_them(numbers: list[float]) -> None:
    assert min(numbers) <= sample_of(numbers).mean <= max(numbers)


@pytest.mark.parametrize(
    ("n", "share", "shown"),
    [
        (1, 0.5, 1.0),
        (2, 0.25, None),
        (3, 0.25, 7 / 6),
        (4, 0.25, 17 / 12),
        (6, 0.1, None),
        (7, 0.1, 16 / 15),
        (7, 0.9, 7 - 1 / 15),
    ],
)
def test_a_quantile_is_told_where_there_are_numbers_enough_to_show_it(
    n: int, share: float, shown: float | None
) -> None:
    assert quantile(range(n, 0, -1), share) == (None if shown is None else pytest.approx(shown))


@given(st.lists(st.floats(-1e9, 1e9), min_size=1, max_size=30))
def test_quantiles_rise_between_the_smallest_and_the_greatest_number(numbers: list[float]) -> None:
    shown = [found for share in range(1, 20) if (found := quantile(numbers, share / 20)) is not None]
    assert [min(numbers), *shown, max(numbers)] == sorted([min(numbers), *shown, max(numbers)])
    assert quantile(numbers, 0.5) is not None


# --- one further number -----------------------------------------------------------------------------------------------


def test_one_further_number_is_expected_by_the_formula_of_hahn() -> None:
    found = prediction_interval(Sample(4, 10, 2))
    assert found is not None
    reach = 3.182446305 * 2 * math.sqrt(1.25)
    assert (found.low, found.high) == pytest.approx((10 - reach, 10 + reach))
    assert prediction_interval(Sample(1, 10, None)) is None


@given(NUMBERS)
def test_what_is_expected_holds_the_mean(numbers: list[float]) -> None:
    found = prediction_interval(sample_of(numbers))
    assert found is not None
    assert sample_of(numbers).mean in found


@given(st.integers(2, 100), st.integers(1, 100), st.floats(0.1, 1e6))
def test_more_trials_of_the_same_spread_expect_less(n: int, more: int, deviation: float) -> None:
    few, many = prediction_interval(Sample(n, 0, deviation)), prediction_interval(Sample(n + more, 0, deviation))
    assert few is not None
    assert many is not None
    assert many.high < few.high


@given(st.integers(2, 20), st.floats(0.5, 0.9))
def test_more_certainty_expects_more(n: int, level: float) -> None:
    one, other = (prediction_interval(Sample(n, 0, 1), each) for each in (level, level + 0.05))
    assert one is not None
    assert other is not None
    assert one.high < other.high


def share_above(draw: Callable[[random.Random], float], n: int) -> float:
    """Return how often a further number is above what n are told to let expect."""
    source = random.Random(7)
    above = 0
    for _ in range(8_000):
        found = prediction_interval(sample_of([draw(source) for _ in range(n)]))
        assert found is not None
        above += draw(source) > found.high
    return above / 8_000


@pytest.mark.parametrize("n", [3, 5, 10])
def test_one_of_forty_runs_is_above_by_chance_and_of_skewed_amounts_6_to_8_of_a_hundred(n: int) -> None:
    assert share_above(lambda source: source.gauss(10, 2), n) == pytest.approx(0.025, abs=0.006)
    assert 0.055 < share_above(lambda source: source.lognormvariate(0, 0.7), n) < 0.085


# --- success ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("successes", "n", "low", "high"),
    [(81, 263, 0.2553, 0.3662), (15, 148, 0.0624, 0.1605), (0, 20, 0.0, 0.1611), (1, 29, 0.0061, 0.1718)],
)
def test_wilson_is_what_newcombe_printed(successes: int, n: int, low: float, high: float) -> None:
    """Newcombe, Two-sided confidence intervals for the single proportion, Statistics in Medicine 17 (1998), table I."""
    found = wilson_interval(successes, n)
    assert (round(found.low, 4), round(found.high, 4)) == (low, high)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_rate_stays_within_0_and_1_and_is_the_mirror_of_failure(told: tuple[int, int]) -> None:
    successes, n = told
    found, failure = wilson_interval(successes, n), wilson_interval(n - successes, n)
    assert 0 <= found.low <= successes / n <= found.high <= 1
    assert (found.low, found.high) == pytest.approx((1 - failure.high, 1 - failure.low))


@pytest.mark.parametrize(("successes", "n"), [(0, 0), (-1, 4), (5, 4)])
def test_there_is_no_rate_without_trials_nor_of_more_successes_than_trials(successes: int, n: int) -> None:
    with pytest.raises(ValueError, match="successes in"):
        wilson_interval(successes, n)
    with pytest.raises(ValueError, match="successes in"):
        chance_of_so_few(successes, n, of=1, among=2)
    with pytest.raises(ValueError, match="successes in"):
        chance_of_so_few(1, 2, of=successes, among=n)


def test_the_lady_tasting_tea() -> None:
    """Fisher, The Design of Experiments, chapter 2: of 70 ways to choose 4 of 8 cups, 1 is all wrong, 17 at most 1 right."""
    assert chance_of_so_few(0, 4, of=4, among=4) == 1 / 70
    assert chance_of_so_few(1, 4, of=3, among=4) == 17 / 70


def dealt(successes: int, n: int, of: int, among: int) -> float:
    hands = [sum(place < n for place in hand) for hand in combinations(range(n + among), successes + of)]
    return sum(got <= successes for got in hands) / len(hands)


@settings(max_examples=40)
@given(st.integers(1, 6), st.integers(1, 6), st.data())
def test_the_chance_of_so_few_is_that_of_all_hands_dealt(n: int, among: int, data: st.DataObject) -> None:
    successes, of = data.draw(st.integers(0, n)), data.draw(st.integers(0, among))
    assert chance_of_so_few(successes, n, of=of, among=among) == pytest.approx(dealt(successes, n, of, among))


# --- difference of means ----------------------------------------------------------------------------------------------


def test_the_difference_of_two_means_is_welchs() -> None:
    left, right = sample_of([1, 2, 3, 4]), sample_of([10, 30, 50, 70, 90])
    found = welch_interval(left, right)
    assert found is not None
    shares = (5 / 3 / 4, 1000 / 5)
    freedom = sum(shares) ** 2 / (shares[0] ** 2 / 3 + shares[1] ** 2 / 4)
    reach = t_quantile(freedom) * math.sqrt(sum(shares))
    assert (found.low, found.high) == pytest.approx((47.5 - reach, 47.5 + reach))


def test_of_equal_groups_welch_is_students_test() -> None:
    found = welch_interval(Sample(5, 10, 2), Sample(5, 13, 2))
    assert found is not None
    reach = 2.306004135 * 2 * math.sqrt(2 / 5)
    assert (found.low, found.high) == pytest.approx((3 - reach, 3 + reach))


def test_a_single_number_has_no_difference_and_constants_an_exact_one() -> None:
    assert welch_interval(Sample(1, 1, None), Sample(4, 1, 1)) is None
    assert welch_interval(Sample(3, 1, 0), Sample(4, 3, 0)) == Interval(2, 2)


@given(NUMBERS, NUMBERS)
def test_a_difference_turns_round_with_its_sides(left: Sequence[float], right: Sequence[float]) -> None:
    one, other = (welch_interval(sample_of(a), sample_of(b)) for a, b in ((left, right), (right, left)))
    assert one is not None
    assert other is not None
    assert (one.low, one.high) == pytest.approx((-other.high, -other.low))
