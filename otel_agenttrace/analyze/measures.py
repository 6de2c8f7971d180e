"""Read how much one run took, and by what. Trace in, numbers by name out: each is the whole, or None; never a part of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeVar

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import cost_of_call, tokens_of
from otel_agenttrace.analyze.estimates import Interval
from otel_agenttrace.analyze.tool_calls import ToolCall, tool_calls
from otel_agenttrace.model import Span, Trace

__all__ = ["MEASURES", "Measure", "RunFigures", "known_part", "model_of", "run_figures", "whole"]

_NS: Final = 1_000_000_000
_Amount = TypeVar("_Amount", int, float)


@dataclass(frozen=True, slots=True)
class Measure:
    """One way to say how much a run took.

    Attributes:
        noun: What is measured, for people.
        step: The least difference there can be; 0 where there is none.
        digits: Decimals that are kept.
        told: Writes an amount for people.
        noticed: A difference that is less may be of the machine, not of the run.
    """

    noun: str
    step: float
    digits: int
    told: Callable[[float], str]
    noticed: float = 0.0

    @property
    def rounding(self) -> float:
        """The deviation of rounding to a step, step/√12 (JCGM 100:2008, Guide to the expression of uncertainty, F.2.2.1)."""
        return self.step / math.sqrt(12)

    def possible(self, limits: Interval) -> Interval:
        """Return the least and the greatest amount there can be within some limits."""
        return Interval(math.ceil(limits.low), math.floor(limits.high)) if self.step else limits

    def told_between(self, limits: Interval) -> str:
        """Write those amounts for people."""
        possible = self.possible(limits)
        return f"{self.told(possible.low)} to {self.told(possible.high)}"


def _figure(amount: float, decimals: int = 0) -> str:
    """Return a number with three significant digits or more, so that two that differ look so."""
    if amount == int(amount):
        return f"{amount:,.0f}"
    return f"{amount:,.{max(decimals, 2 - math.floor(math.log10(amount)))}f}"


def _dollars(amount: float) -> str:
    return f"${_figure(amount, 2)}"


def _time(seconds: float) -> str:
    return f"{_figure(seconds)} s"


MEASURES: Final[Mapping[str, Measure]] = {
    "llm_calls": Measure("calls to models", 1, 3, _figure),
    "tool_calls": Measure("calls of tools", 1, 3, _figure),
    "input_tokens": Measure("input tokens", 1, 3, _figure),
    "output_tokens": Measure("output tokens", 1, 3, _figure),
    "total_tokens": Measure("tokens", 1, 3, _figure),
    "cost_usd": Measure("cost", 0, 8, _dollars),
    "duration_s": Measure("duration", 0, 6, _time, noticed=1.0),
}
"""What is measured of each run, in the order it is shown: units are in the names, cached tokens in the input."""


@dataclass(frozen=True, slots=True)
class RunFigures:
    """What one run took.

    Attributes:
        amounts: By the names of `MEASURES`; None where the run does not tell all of it.
        tools: How often each tool was called.
        models: Each model that was called, as it called itself, else as it was asked for.
    """

    amounts: Mapping[str, float | None]
    tools: Mapping[str, int]
    models: frozenset[str]


def run_figures(trace: Trace, called: Sequence[ToolCall] | None = None) -> RunFigures:
    """Return what a run took; `called` are its calls of tools, if the caller has them."""
    calls = trace.inferences
    tokens = [tokens_of(span) for span in calls]
    given, got = whole(told for told, _ in tokens), whole(told for _, told in tokens)
    tools = Counter(call.name for call in (tool_calls(trace) if called is None else called))
    amounts = {
        "llm_calls": len(calls),
        "tool_calls": sum(tools.values()),
        "input_tokens": given,
        "output_tokens": got,
        "total_tokens": whole((given, got)),
        "cost_usd": whole(cost_of_call(trace, span) for span in calls),
        "duration_s": _seconds(trace),
    }
    rounded = {
        name: None if amount is None else round(amount, MEASURES[name].digits) for name, amount in amounts.items()
    }
    return RunFigures(rounded, tools, frozenset(filter(None, map(model_of, calls))))


def whole(amounts: Iterable[_Amount | None]) -> _Amount | Literal[0] | None:
    """Return the sum of amounts, or None if one of them is not known."""
    each = list(amounts)
    known = [amount for amount in each if amount is not None]
    return sum(known) if len(known) == len(each) else None


def known_part(amounts: Iterable[_Amount | None]) -> _Amount | None:
    """Return the sum of the amounts that are known, or None if none is."""
    known = [amount for amount in amounts if amount is not None]
    return sum(known[1:], known[0]) if known else None


def model_of(span: Span) -> str | None:
    """Return the model of a call as it called itself, else as it was asked for; None where neither is told."""
    for name in (semconv.GEN_AI_RESPONSE_MODEL, semconv.GEN_AI_REQUEST_MODEL):
        model = span.attributes.get(name)
        if isinstance(model, str) and model:
            return model
    return None


def _seconds(trace: Trace) -> float | None:
    duration_ns = trace.duration_ns
    return None if duration_ns is None else duration_ns / _NS
