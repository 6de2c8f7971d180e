"""Read how much one run took, and by what. Trace in, numbers by name out: each is the whole, or None; never a part of it."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.analyze.estimates import Interval
from otel_agenttrace.analyze.tool_calls import tool_calls
from otel_agenttrace.figures import cost, duration
from otel_agenttrace.model import Span, Trace

__all__ = ["MEASURES", "Measure", "RunFigures", "is_unbilled", "model_of", "run_figures"]

_NS: Final = 1_000_000_000
_MANY: Final = 100
_REFUSED: Final = 400
_UNSENT: Final = frozenset({"ConnectError", "ConnectTimeout"})


@dataclass(frozen=True, slots=True)
class Measure:
    """One way to say how much a run took.

    Attributes:
        noun: What is measured, for people.
        step: The least difference there can be; 0 where there is none.
        digits: Decimals that are kept.
        told: Writes an amount for people.
    """

    noun: str
    step: float
    digits: int
    told: Callable[[float], str]

    def possible(self, limits: Interval) -> Interval:
        """Return the least and the greatest amount there can be within some limits."""
        return Interval(math.ceil(limits.low), math.floor(limits.high)) if self.step else limits

    def told_between(self, limits: Interval) -> str:
        """Write those amounts for people."""
        possible = self.possible(limits)
        return f"{self.told(possible.low)} to {self.told(possible.high)}"


def _plain(amount: float) -> str:
    return f"{amount:,.0f}" if amount >= _MANY or amount == int(amount) else f"{amount:,.2f}"


def _time(seconds: float) -> str:
    return duration(round(seconds * _NS)) if seconds else "0 s"


MEASURES: Final[Mapping[str, Measure]] = {
    "llm_calls": Measure("calls to models", 1, 3, _plain),
    "tool_calls": Measure("calls of tools", 1, 3, _plain),
    "input_tokens": Measure("input tokens", 1, 3, _plain),
    "output_tokens": Measure("output tokens", 1, 3, _plain),
    "total_tokens": Measure("tokens", 1, 3, _plain),
    "cost_usd": Measure("cost", 0, 8, cost),
    "duration_s": Measure("duration", 0, 6, _time),
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


def run_figures(trace: Trace) -> RunFigures:
    """Return what a run took."""
    calls = trace.inferences
    tokens = [_tokens(span) for span in calls]
    given, got = _whole(told for told, _ in tokens), _whole(told for _, told in tokens)
    tools = Counter(call.name for call in tool_calls(trace))
    amounts = {
        "llm_calls": len(calls),
        "tool_calls": sum(tools.values()),
        "input_tokens": given,
        "output_tokens": got,
        "total_tokens": _whole((given, got)),
        "cost_usd": _whole(0.0 if is_unbilled(span) else trace.cost_of(span) for span in calls),
        "duration_s": _seconds(trace),
    }
    rounded = {
        name: None if amount is None else round(amount, MEASURES[name].digits) for name, amount in amounts.items()
    }
    return RunFigures(rounded, tools, frozenset(filter(None, map(model_of, calls))))


def _whole(amounts: Iterable[float | None]) -> float | None:
    each = list(amounts)
    known = [amount for amount in each if amount is not None]
    return sum(known) if len(known) == len(each) else None


def _tokens(span: Span) -> tuple[int | None, int | None]:
    usage = span.usage
    if usage.total_tokens is None and is_unbilled(span):
        return 0, 0
    return usage.input_tokens, 0 if span.operation == semconv.OPERATION_EMBEDDINGS else usage.output_tokens


def is_unbilled(span: Span) -> bool:
    """Whether a call reached no provider, or was refused by it: a replay missed it, no connection, a status of 400 on."""
    if span.attributes.get(semconv.AGENTTRACE_REPLAY_OUTCOME) == "miss":
        return True
    call = span.call
    if call is None:
        told = span.attributes.get(semconv.ERROR_TYPE)
        return isinstance(told, str) and told.isdecimal() and int(told) >= _REFUSED and span.usage.total_tokens is None
    return bool(call.attempts) and all(
        attempt.status >= _REFUSED
        if attempt.status is not None
        else attempt.error is not None and attempt.error.name in _UNSENT
        for attempt in call.attempts
    )


def model_of(span: Span) -> str | None:
    """Return the model of a call as it called itself, else as it was asked for; None where neither is told."""
    told = (span.attributes.get(name) for name in (semconv.GEN_AI_RESPONSE_MODEL, semconv.GEN_AI_REQUEST_MODEL))
    return next((model for model in told if isinstance(model, str) and model), None)


def _seconds(trace: Trace) -> float | None:
    if any(span.end_ns is None for span in trace.spans):
        return None
    return None if trace.duration_ns is None else trace.duration_ns / _NS
