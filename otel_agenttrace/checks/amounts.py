"""Rules on how much a run took: money, tokens, calls, time. What is not known is a finding, for it cannot pass."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import cost_of_call, tokens_of
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.tool_calls import tool_calls
from otel_agenttrace.checks.wording import finding, listed, places, short, unknown_calls
from otel_agenttrace.counting import counted
from otel_agenttrace.model import Span, Trace

__all__ = ["CallCount", "MaxCost", "MaxDuration", "MaxTokens"]

Side: TypeAlias = Literal["input", "output", "total"]
_Amounts: TypeAlias = Sequence[tuple[Span, "float | None"]]
_MOST_DIGITS: Final = 1_000_000
_NS: Final = 1_000_000_000
_USAGE: Final = "record their usage: OpenAI streams tell it by stream_options={'include_usage': True}"


# --- money and tokens -------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class MaxCost:
    """What all calls to models cost in US dollars. A call that was never sent, or that the provider refused, costs nothing."""

    limit: float
    name: str = "max_cost_usd"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that it cost too much, as far as is known, or that it is not known."""
        amounts = [(span, cost_of_call(trace, span)) for span in trace.inferences]
        known = math.fsum(amount for _, amount in amounts if amount is not None)
        unknown = [span for span, amount in amounts if amount is None]
        if known > self.limit:
            allowed = math.ceil(known * _MOST_DIGITS) / _MOST_DIGITS
            yield finding(
                self.name,
                trace,
                (span for span, amount in amounts if amount),
                f"the run cost {'at least ' if unknown else ''}{_dollars(known)}, {_dollars(known - self.limit)} above {_dollars(self.limit)}",
                at=_largest(trace, amounts, _dollars),
                fix=f"call less, or smaller models; or allow it: {self.name}: {_dollars(allowed)[1:]}",
            )
        elif unknown:
            told = f"{len(unknown)} of {counted(len(amounts), 'call')} to models tell none"
            yield finding(
                self.name,
                trace,
                unknown,
                f"the cost is not known: {told}; known are {_dollars(known)}, of {_dollars(self.limit)}",
                fix=_pricing(unknown),
            )


@dataclass(frozen=True, slots=True)
class MaxTokens:
    """Tokens of all calls to models. `of` says which: `input`, those of caches included, `output` or `total`."""

    limit: int
    of: Side = "total"

    @property
    def name(self) -> str:
        """`max_tokens`, `max_input_tokens` or `max_output_tokens`."""
        return "max_tokens" if self.of == "total" else f"max_{self.of}_tokens"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that there were too many, as far as is known, or that it is not known."""
        told = [(span, _told_tokens(span, self.of)) for span in trace.inferences]
        amounts = [(span, float(sum(count or 0 for count in counts))) for span, counts in told]
        unknown = [span for span, counts in told if None in counts]
        known = int(sum(amount for _, amount in amounts))
        noun = "tokens" if self.of == "total" else f"{self.of} tokens"
        if known > self.limit:
            yield finding(
                self.name,
                trace,
                (span for span, amount in amounts if amount),
                f"{'at least ' if unknown else ''}{known:,} {noun}, {known - self.limit:,} above {self.limit:,}",
                at=_largest(trace, amounts, lambda amount: f"{amount:,.0f}"),
                fix=f"ask and answer shorter, or less often; or allow it: {self.name}: {known}",
            )
        elif unknown:
            untold = f"{len(unknown)} of {counted(len(told), 'call')} to models do not tell it"
            yield finding(
                self.name,
                trace,
                unknown,
                f"the number of {noun} is not known: {untold}; known are {known:,}, of {self.limit:,}",
                fix=_USAGE,
            )


def _told_tokens(span: Span, of: Side) -> tuple[int | None, ...]:
    given, got = tokens_of(span)
    return {"input": (given,), "output": (got,), "total": (given, got)}[of]


def _dollars(amount: float) -> str:
    """Return money to ten digits: two amounts that differ look so."""
    return f"${amount:.10f}".rstrip("0").removesuffix(".")


def _pricing(unknown: Sequence[Span]) -> str:
    unpriced = [span for span in unknown if span.usage.total_tokens is not None]
    if not unpriced:
        return _USAGE
    told = (span.attributes.get(semconv.GEN_AI_RESPONSE_MODEL) for span in unpriced)
    asked = (span.attributes.get(semconv.GEN_AI_REQUEST_MODEL) for span in unpriced)
    models = dict.fromkeys(str(one or other or "?") for one, other in zip(told, asked, strict=True))
    tables = listed([f'[tool.otel-agenttrace.prices."{short(model)}"]' for model in models])
    more = "" if len(unpriced) == len(unknown) else f"; and {_USAGE}"
    return f"give the price in pyproject.toml: {tables} with input_per_mtok and output_per_mtok{more}"


def _largest(trace: Trace, amounts: _Amounts, told: Callable[[float], str]) -> str:
    found = sorted(((span, amount) for span, amount in amounts if amount), key=lambda pair: -pair[1])
    names = places(trace, (span for span, _ in found))
    return listed([f"{name} {told(amount)}" for name, (_, amount) in zip(names, found, strict=True)])


# --- calls and time ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class CallCount:
    """How many calls of models (`llm`, embeddings included) or of tools there are: `least` to `most`, None for any number."""

    of: Literal["llm", "tool"]
    least: int | None = None
    most: int | None = None

    @property
    def name(self) -> str:
        """`llm_calls`, `max_llm_calls`, `min_tool_calls` and so on."""
        return f"{'max_' if self.least is None else 'min_' if self.most is None else ''}{self.of}_calls"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that there are more or fewer."""
        if self.of == "tool" and self.most is not None:
            yield from unknown_calls(self.name, trace)
        spans = trace.inferences if self.of == "llm" else [call.span for call in tool_calls(trace)]
        count = len(spans)
        if (self.least or 0) <= count <= (count if self.most is None else self.most):
            return
        wanted = self.least if self.least is not None else self.most
        how = " at most" if self.least is None else " at least" if self.most is None else ""
        yield finding(
            self.name,
            trace,
            spans,
            f"{counted(count, 'call')} {'to models' if self.of == 'llm' else 'of tools'}, wanted {wanted:,}{how}",
            fix=f"look at what the run does: otel-agenttrace show; or, if it is meant, write {self.name}: {count}",
        )


@dataclass(frozen=True, slots=True)
class MaxDuration:
    """Seconds from the first start of a span to the last end."""

    limit: float
    name: str = "max_duration_s"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that it took longer, as far as is known, or that it is not known."""
        ended = [span for span in trace.spans if span.end_ns is not None and span.has_time]
        seconds = (Trace(tuple(ended)).duration_ns or 0) / _NS
        unended = [span for span in trace.spans if span.end_ns is None or not span.has_time]
        if seconds > self.limit:
            slowest = sorted(trace.spans, key=lambda span: -(span.duration_ns or 0))
            times = [(span, (span.duration_ns or 0) / _NS) for span in slowest]
            yield finding(
                self.name,
                trace,
                slowest[:1],
                f"the run took {'at least ' if unended else ''}{seconds:.3f} s, {seconds - self.limit:.3f} s above {self.limit:g} s",
                at=_largest(trace, times, lambda amount: f"{amount:.3f} s"),
                fix=f"make the slow steps faster, or allow it: {self.name}: {math.ceil(seconds * 1000) / 1000:g}",
            )
        elif unended or not trace.spans:
            is_any = bool(ended)
            reason = f"{counted(len(unended), 'span')} without an end" if is_any else "no span tells a time"
            yield finding(
                self.name,
                trace,
                unended,
                f"how long the run took is not known: {reason}; the limit is {self.limit:g} s",
                fix="record a run that comes to its end",
            )
