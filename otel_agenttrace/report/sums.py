"""Write what some spans took for people. Totals in, short strings out; what is not known is told beside the sums."""

from __future__ import annotations

from collections.abc import Iterator

from otel_agenttrace.analyze.totals import Totals
from otel_agenttrace.report.text import cost, counted, duration, tokens

__all__ = ["cost_told", "run_told", "time_told", "tokens_told"]


def tokens_told(totals: Totals) -> str:
    """Return the tokens of some calls like `2,310`, with a `+` where some calls do not tell theirs; empty without calls."""
    if not totals.model_calls:
        return ""
    told = _tokens(totals)
    return tokens(told) + ("+" if told is not None and totals.untold_calls else "")


def cost_told(totals: Totals) -> str:
    """Return the cost of some calls like `$0.0041`, with a `+` where some have no price; empty without calls."""
    if not totals.model_calls:
        return ""
    return cost(totals.cost) + ("+" if totals.cost is not None and totals.unpriced_calls else "")


def _tokens(totals: Totals) -> int | None:
    told = [count for count in (totals.input_tokens, totals.output_tokens) if count is not None]
    return sum(told) if told else None


def run_told(totals: Totals, duration_ns: int | None) -> str:
    """Return what a run took, and what of it is not known, in a line."""
    return ", ".join((*_sums(totals), time_told(duration_ns)))


def time_told(duration_ns: int | None) -> str:
    """Return how long a run took, or that it is not known."""
    return "time unknown" if duration_ns is None else duration(duration_ns)


def _sums(totals: Totals) -> Iterator[str]:
    calls = totals.model_calls
    yield counted(calls, "call") + (" to models" if calls != 1 else " to a model")
    yield counted(totals.tool_calls, "call") + " of tools"
    if calls:
        untold = totals.untold_calls
        told = _tokens(totals)
        yield (
            "tokens unknown"
            if told is None
            else counted(told, "token") + (f" ({untold:,} of {counted(calls, 'call')} not told)" if untold else "")
        )
        unpriced = totals.unpriced_calls
        yield (
            "cost unknown"
            if totals.cost is None
            else cost(totals.cost)
            + (f" ({unpriced:,} of {counted(calls, 'call')} without a price)" if unpriced else "")
        )
    if totals.errors:
        yield f"{totals.errors:,} failed"
