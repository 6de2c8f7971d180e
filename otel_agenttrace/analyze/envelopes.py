"""Tell what several trials of one test took, so that a later run can be judged. Traces in, one envelope out, and its JSON.

How much a run takes is told by the trials that succeeded alone: a run that gives up early is cheap. All count for the
rate of success.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.analyze.estimates import (
    LEVEL,
    Interval,
    Sample,
    prediction_interval,
    quantile,
    sample_of,
    wilson_interval,
)
from otel_agenttrace.analyze.measures import MEASURES, Measure, RunFigures, run_figures
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import Json, JsonObject, array, compact, integer, number, obj, text
from otel_agenttrace.model import Trace

__all__ = ["ENVELOPE_VERSION", "Envelope", "Spread", "ToolRange", "Trial", "envelope_from", "envelope_of"]

ENVELOPE_VERSION: Final = 1
_SHARES: Final[Mapping[str, float]] = {"p10": 0.10, "p25": 0.25, "p50": 0.50, "p75": 0.75, "p90": 0.90}
_GREATEST: Final = 1e18


@dataclass(frozen=True, slots=True)
class Trial:
    """One run of a test: what it did, and whether the test passed."""

    trace: Trace
    is_success: bool = True


@dataclass(frozen=True, slots=True)
class Spread:
    """How one measure spread over the successful trials that tell it.

    Attributes:
        n: How many tell it.
        least: The smallest amount.
        most: The greatest.
        mean: Their mean.
        deviation: Their standard deviation, by n - 1; None of a single one.
        quantiles: `p10 p25 p50 p75 p90`, those that n amounts can show.
        expected: Where one further run is expected; None of a single trial.
    """

    n: int
    least: float
    most: float
    mean: float
    deviation: float | None
    quantiles: Mapping[str, float]
    expected: Interval | None


@dataclass(frozen=True, slots=True)
class ToolRange:
    """In how many of the successful trials a tool was called, and how often in one: 0 to `most` where not in all."""

    trials: int
    least: int
    most: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """What the trials of one test took.

    Attributes:
        trials: How many there were.
        successes: How many succeeded: their amounts, tools and models count.
        level: With what probability a further run is expected within each `Spread.expected`.
        measures: By the names of `MEASURES`; none that no successful trial tells.
        tools: By name, each tool that a successful trial called.
        models: Each model that a successful trial called.
    """

    trials: int
    successes: int
    level: float
    measures: Mapping[str, Spread]
    tools: Mapping[str, ToolRange]
    models: tuple[str, ...]

    @property
    def success(self) -> Interval:
        """Where the rate of success lies, by Wilson's interval at 95 %."""
        return wilson_interval(self.successes, self.trials)

    def to_json(self) -> JsonObject:
        """Return the envelope as JSON with sorted keys; what is not known is null. `envelope_of` reads it."""
        return {
            "level": self.level,
            "measures": {name: _spread_json(spread) for name, spread in sorted(self.measures.items())},
            "models": list(self.models),
            "successes": self.successes,
            "tools": {
                name: {"max": tool.most, "min": tool.least, "trials": tool.trials}
                for name, tool in sorted(self.tools.items())
            },
            "trials": self.trials,
            "version": ENVELOPE_VERSION,
        }


def _spread_json(spread: Spread) -> JsonObject:
    expected = spread.expected
    return {
        "deviation": spread.deviation,
        "expected": None if expected is None else {"high": expected.high, "low": expected.low},
        "max": spread.most,
        "mean": spread.mean,
        "min": spread.least,
        "n": spread.n,
        "quantiles": dict(sorted(spread.quantiles.items())),
    }


# --- from trials ------------------------------------------------------------------------------------------------------


def envelope_from(trials: Sequence[Trial], level: float = LEVEL) -> Envelope:
    """Return the envelope of some trials of one test, in any order.

    Args:
        trials: At least one.
        level: With what probability a further run is to be within what is expected, of each measure alone.

    Raises:
        ConfigError: If there is no trial, or the level is no probability between 0 and 1.
    """
    if not trials:
        raise ConfigError("An envelope of no trials says nothing.\n  to fix   run the test at least twice")
    if not 0 < level < 1:
        raise ConfigError(
            f"The level of an envelope is {level}.\n  to fix   a probability between 0 and 1, such as {LEVEL}"
        )
    runs = [run_figures(trial.trace) for trial in trials if trial.is_success]
    told = {name: [amount for run in runs if (amount := run.amounts[name]) is not None] for name in MEASURES}
    return Envelope(
        trials=len(trials),
        successes=len(runs),
        level=level,
        measures={name: _spread(amounts, MEASURES[name], level) for name, amounts in told.items() if amounts},
        tools={name: _range([run.tools.get(name, 0) for run in runs]) for name in _names(runs)},
        models=tuple(sorted(frozenset[str]().union(*(run.models for run in runs)))),
    )


def _names(runs: Sequence[RunFigures]) -> list[str]:
    return sorted(frozenset[str]().union(*(run.tools for run in runs)))


def _range(counts: Sequence[int]) -> ToolRange:
    return ToolRange(sum(count > 0 for count in counts), min(counts), max(counts))


def _spread(amounts: Sequence[float], measure: Measure, level: float) -> Spread:
    sample = sample_of(amounts)
    shown = {name: quantile(amounts, share) for name, share in _SHARES.items()}
    return Spread(
        n=sample.n,
        least=min(amounts),
        most=max(amounts),
        mean=round(sample.mean, measure.digits),
        deviation=None if sample.deviation is None else round(sample.deviation, measure.digits),
        quantiles={name: round(value, measure.digits) for name, value in shown.items() if value is not None},
        expected=_expected(sample, measure, level),
    )


def _expected(sample: Sample, measure: Measure, level: float) -> Interval | None:
    """Return where one further run is expected, never below 0.

    Amounts that come in steps have no less than the deviation of rounding to a step: three equal counts do not prove that
    there is no other.
    """
    found = prediction_interval(sample, level, least_deviation=measure.rounding)
    if found is None:
        return None
    return Interval(max(round(found.low, measure.digits), 0.0), round(found.high, measure.digits))


# --- from JSON --------------------------------------------------------------------------------------------------------


def envelope_of(document: Json, source: str = "The document") -> Envelope:
    """Return the envelope that a JSON value tells, as `Envelope.to_json` writes it.

    Args:
        document: The value.
        source: What it was read from, for the text of an error.

    Raises:
        ConfigError: If it is none, or was written by a later release; the text names the place in it.
    """
    try:
        return _envelope(obj(document))
    except ValueError as error:
        raise ConfigError(
            f"{source} is no envelope of trials: {error}.\n"
            "  to fix   restore it from version control, or run the trials again: pytest --agenttrace-trials N"
        ) from None


def _envelope(told: JsonObject) -> Envelope:
    version = _count(told, "version", "", least=1)
    if version > ENVELOPE_VERSION:
        raise ValueError(f"it has version {version}, and this release reads up to {ENVELOPE_VERSION}")
    trials = _count(told, "trials", "", least=1)
    successes = _count(told, "successes", "", most=trials)
    level = _amount(told, "level", "")
    if not 0 < level < 1:
        raise ValueError(f"`level` is {level}, not between 0 and 1")
    measures, tools = _object(told, "measures", ""), _object(told, "tools", "")
    return Envelope(
        trials=trials,
        successes=successes,
        level=level,
        measures={name: _spread_of(_object(measures, name, "measures."), name, successes) for name in measures},
        tools={name: _range_of(_object(tools, name, "tools."), f"tools.{name}.", successes) for name in tools},
        models=_models_of(told),
    )


def _spread_of(told: JsonObject, name: str, successes: int) -> Spread:
    if name not in MEASURES:
        raise ValueError(f"`measures.{name}` is not one of {', '.join(MEASURES)}")
    place = f"measures.{name}."
    quantiles = _object(told, "quantiles", place)
    least, mean, most = (_amount(told, member, place) for member in ("min", "mean", "max"))
    if not least <= mean <= most:
        raise ValueError(f"`{place}mean` is {mean}, not between `min` and `max`")
    return Spread(
        n=_count(told, "n", place, least=1, most=successes),
        least=least,
        most=most,
        mean=mean,
        deviation=None if told.get("deviation") is None else _amount(told, "deviation", place),
        quantiles={share: _amount(quantiles, share, f"{place}quantiles.") for share in quantiles},
        expected=_interval_of(told, place),
    )


def _interval_of(told: JsonObject, place: str) -> Interval | None:
    if told.get("expected") is None:
        return None
    limits = _object(told, "expected", place)
    low, high = (_amount(limits, name, f"{place}expected.") for name in ("low", "high"))
    if low > high:
        raise ValueError(f"`{place}expected.low` is {low}, more than `high`")
    return Interval(low, high)


def _range_of(told: JsonObject, place: str, successes: int) -> ToolRange:
    most = _count(told, "max", place, least=1)
    return ToolRange(
        trials=_count(told, "trials", place, least=1, most=successes),
        least=_count(told, "min", place, most=most),
        most=most,
    )


def _models_of(told: JsonObject) -> tuple[str, ...]:
    models = told.get("models")
    names = tuple(name for model in array(models) if (name := text(model)) is not None)
    if not isinstance(models, list) or len(names) != len(array(models)):
        raise ValueError("`models` is no list of names")
    return names


def _object(told: JsonObject, name: str, place: str) -> JsonObject:
    value = told.get(name)
    if not isinstance(value, dict):
        raise ValueError(_fault(value, f"{place}{name}", "an object"))
    return obj(value)


def _amount(told: JsonObject, name: str, place: str) -> float:
    value = number(told.get(name))
    if value is None or not 0 <= value <= _GREATEST:
        raise ValueError(_fault(told.get(name), f"{place}{name}", f"a number from 0 to {_GREATEST:g}"))
    return value


def _count(told: JsonObject, name: str, place: str, *, least: int = 0, most: int | None = None) -> int:
    value = integer(told.get(name))
    if value is None or value < least or (most is not None and value > most):
        wanted = f"a whole number from {least} " + ("on" if most is None else f"to {most}")
        raise ValueError(_fault(told.get(name), f"{place}{name}", wanted))
    return value


def _fault(value: Json, place: str, wanted: str) -> str:
    return f"`{place}` is missing" if value is None else f"`{place}` is {compact(value)[:80]}, not {wanted}"
