"""Tell what a provider bills of one call to a model, as far as its span tells. Span in, tokens and money out."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.model import Event, Span, Trace, Usage

__all__ = ["cost_of_call", "is_unbilled", "tokens_of", "usage_of"]

_REFUSED: Final = 400
_UNSENT: Final = frozenset({"ConnectError", "ConnectTimeout"})


def tokens_of(span: Span) -> tuple[int | None, int | None]:
    """Return the tokens of input and output; None where the span does not tell them, 0 where there can be none."""
    given, got = span.tokens
    if given is None and got is None and is_unbilled(span):
        return 0, 0
    return given, 0 if span.operation == semconv.OPERATION_EMBEDDINGS else got


def usage_of(span: Span) -> Usage:
    """Return the tokens of a call as `tokens_of` has them, and those of a kind as the span tells them."""
    usage, (given, got) = span.usage, tokens_of(span)
    is_told = (given, got) == (usage.input_tokens, usage.output_tokens)
    return usage if is_told else replace(usage, input_tokens=given, output_tokens=got)


def cost_of_call(trace: Trace, span: Span) -> float | None:
    """Return what a call of a run cost in US dollars; None where that is not known, 0 where it can cost nothing."""
    return 0.0 if is_unbilled(span) else trace.cost_of(span)


def is_unbilled(span: Span) -> bool:
    """Whether a call reached no provider, or was refused by it: a replay missed it, no connection, a status of 400 on.

    What went over the wire is read only where neither tokens nor an attempt that was answered are told.
    """
    if span.attributes.get(semconv.AGENTTRACE_REPLAY_OUTCOME) == "miss":
        return True
    if span.has_usage or any(map(_is_answer, span.events)):
        return False
    told = span.attributes.get(semconv.ERROR_TYPE)
    call = span.call
    if call is None:
        return isinstance(told, str) and told.isdecimal() and int(told) >= _REFUSED
    return bool(call.attempts) and all(
        attempt.status >= _REFUSED
        if attempt.status is not None
        else attempt.error is not None and attempt.error.name in _UNSENT
        for attempt in call.attempts
    )


def _is_answer(event: Event) -> bool:
    status = event.attributes.get(semconv.AGENTTRACE_EXCHANGE_STATUS)
    return isinstance(status, int) and status < _REFUSED
