"""Add up what calls to models take. Priced calls one by one in, sums out that say how much of them is not known."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from otel_agenttrace.model import Span, Usage

__all__ = ["PricedSpan", "Spending", "Tally"]


@dataclass(frozen=True, slots=True)
class PricedSpan:
    """One call to a model with what is known of its bill.

    Attributes:
        span: Of the call.
        usage: Its tokens, none where it was not billed.
        cost_usd: None where no price is known.
    """

    span: Span
    usage: Usage
    cost_usd: float | None


@dataclass(frozen=True, slots=True)
class Spending:
    """What some calls to models took together. Sums are of the calls that tell; None if none does.

    Attributes:
        calls: How many there were.
        failed_calls: How many of them failed.
        input_tokens: Cached ones included.
        cache_read_tokens: Those of the input that the provider had cached.
        cache_write_tokens: Those of the input that it put into its cache.
        output_tokens: Reasoning included.
        reasoning_tokens: Those of the output that nobody reads.
        uncounted_calls: Calls that do not tell their tokens.
        cost_usd: In US dollars.
        unpriced_calls: Calls that have no price.
    """

    calls: int
    failed_calls: int
    input_tokens: int | None
    cache_read_tokens: int | None
    cache_write_tokens: int | None
    output_tokens: int | None
    reasoning_tokens: int | None
    uncounted_calls: int
    cost_usd: float | None
    unpriced_calls: int


@dataclass(slots=True)
class Tally:
    """A sum that is being made. Money is added up in whole parts of a dollar, so that the order does not matter."""

    calls: int = 0
    failed: int = 0
    usage: Usage = field(default_factory=Usage)
    uncounted: int = 0
    cost: int = 0
    unpriced: int = 0

    def add(self, call: PricedSpan) -> None:
        """Add a call."""
        self.calls += 1
        self.failed += call.span.is_error
        self.usage += call.usage
        self.uncounted += call.usage.input_tokens is None or call.usage.output_tokens is None
        if call.cost_usd is None:
            self.unpriced += 1
        else:
            self.cost += round(call.cost_usd * _PARTS)

    def join(self, other: Tally) -> None:
        """Add another sum."""
        self.calls += other.calls
        self.failed += other.failed
        self.usage += other.usage
        self.uncounted += other.uncounted
        self.cost += other.cost
        self.unpriced += other.unpriced

    @property
    def spending(self) -> Spending:
        """The sum."""
        usage = self.usage
        return Spending(
            self.calls,
            self.failed,
            usage.input_tokens,
            usage.cache_read_input_tokens,
            usage.cache_write_input_tokens,
            usage.output_tokens,
            usage.reasoning_output_tokens,
            self.uncounted,
            self.cost / _PARTS if self.unpriced < self.calls else None,
            self.unpriced,
        )


_PARTS: Final = 10**12
"""Of a dollar: prices are per million tokens, with up to six decimals."""
