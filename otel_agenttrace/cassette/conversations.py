"""Put conversations together again whose messages stand once in a file. Spans in, the same with all their messages out.

An imported run has no recorded requests. Each of its calls tells the messages that are new in it, and the call whose
messages come before them: a long run is not stored as many times as it has calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial
from typing import TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.deferred import Deferred
from otel_agenttrace.model import AttributeValue, Span

__all__ = ["with_conversations"]

_Attributes: TypeAlias = "Mapping[str, AttributeValue]"


def with_conversations(spans: Iterable[Span]) -> tuple[Span, ...]:
    """Return the spans, each call with all the messages it was asked with, put together when they are asked for.

    A call whose forerunner is not there stays as it is: it says itself that something came before.
    """
    held = tuple(spans)
    if not any(semconv.AGENTTRACE_INPUT_AFTER in span.attributes for span in held):
        return held
    told = {(span.trace_id, span.span_id): span.attributes for span in held}
    whole: dict[tuple[str, str], bool] = {}
    return tuple(_with_all(span, told) if _is_whole(span, told, whole) else span for span in held)


_Told: TypeAlias = "Mapping[tuple[str, str], _Attributes]"


def _is_whole(span: Span, told: _Told, whole: dict[tuple[str, str], bool]) -> bool:
    """Whether a conversation goes back to its beginning; `whole` keeps what is known of others."""
    passed: list[tuple[str, str]] = []
    at = (span.trace_id, span.span_id)
    while at not in whole:
        whole[at] = False  # unless the beginning is found: not in a circle, nor where a call is missing
        passed.append(at)
        before = told[at].get(semconv.AGENTTRACE_INPUT_AFTER) if at in told else at[1]
        whole[at] = before is None
        at = at if before is None else (span.trace_id, str(before))
    whole.update(dict.fromkeys(passed, whole[at]))
    return whole[at]


def _with_all(span: Span, told: _Told) -> Span:
    if semconv.AGENTTRACE_INPUT_AFTER not in span.attributes:
        return span
    known = {name: value for name, value in span.attributes.items() if name != semconv.AGENTTRACE_INPUT_AFTER}
    known.setdefault(semconv.GEN_AI_INPUT_MESSAGES, "[]")
    joined = partial(_joined, span, told)
    return replace(span, attributes=Deferred(known, semconv.GEN_AI_INPUT_MESSAGES, joined))


def _joined(span: Span, told: _Told) -> str:
    """Return the messages of a call after those of the calls before it, as a JSON array."""
    pieces = [_inner(span.attributes, semconv.GEN_AI_INPUT_MESSAGES)]
    before = span.attributes.get(semconv.AGENTTRACE_INPUT_AFTER)
    while before is not None:
        attributes = told[span.trace_id, str(before)]
        pieces.append(_inner(attributes, semconv.GEN_AI_OUTPUT_MESSAGES))
        pieces.append(_inner(attributes, semconv.GEN_AI_INPUT_MESSAGES))
        before = attributes.get(semconv.AGENTTRACE_INPUT_AFTER)
    return f"[{','.join(filter(None, reversed(pieces)))}]"


def _inner(attributes: _Attributes, name: str) -> str:
    """Return what stands between the brackets of a JSON array."""
    messages = attributes.get(name)
    written = messages.strip() if isinstance(messages, str) else ""
    return written[1:-1].strip() if written[:1] == "[" and written[-1:] == "]" else ""
