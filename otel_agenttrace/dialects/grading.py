"""How far each inference of a trace can be answered from. Spans in, one graded inference per call out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.dialects import genai, indexed, langfuse, message_events, openinference, vercel
from otel_agenttrace.dialects.failures import Failure, failure_of
from otel_agenttrace.dialects.limits import UNLIMITED, Limits, limits_of, process_of
from otel_agenttrace.dialects.told import Dialect, Facts, Told
from otel_agenttrace.jsonvalue import text
from otel_agenttrace.model import Message, Span, Usage

__all__ = ["GRADES", "Grade", "Inference", "inferences", "told_by"]

Grade: TypeAlias = Literal["exact", "reconstructable", "hash-only", "no-content"]
GRADES: Final[tuple[Grade, ...]] = ("exact", "reconstructable", "hash-only", "no-content")
"""The best first. Only a part of the content, or a placeholder for it, is `hash-only`: known again, but no answer."""

_DIALECTS: Final[tuple[Dialect, ...]] = (
    vercel.DIALECT,
    langfuse.DIALECT,
    openinference.DIALECT,
    indexed.DIALECT,
    message_events.DIALECT,
    genai.DIALECT,
)
"""The more particular ones first: several write attributes of the conventions beside their own."""
_DROPPED: Final = ("otel.dropped_attributes_count", "otel.dropped_events_count")
_ITEM: Final = "fc_"
"""How the id of an item of OpenAI's Responses begins. OpenLLMetry tells it instead of the id of the call in it."""
_SDKS: Final = frozenset({"com.anthropic.sdk.python"})
"""Scopes of provider SDKs that tell their own calls: without content, but they count from the wire."""


@dataclass(frozen=True, slots=True)
class Inference:
    """One call to a model as a trace tells it: what for, how well, and why not better.

    `reasons` hold for every grade: what a reconstructable one lacks stands there too. `others` are further spans of the
    same call. `told` is None for a recorded call, `failure` is there where the provider refused.
    """

    span: Span
    grade: Grade
    reasons: tuple[str, ...] = ()
    told: Told | None = None
    failure: Failure | None = None
    others: tuple[Span, ...] = ()


def inferences(spans: Iterable[Span]) -> tuple[Inference, ...]:
    """Return each call to a model in order of its start, told once though several spans may tell it.

    Embeddings are left out: no trace holds their vectors.
    """
    listed = sorted(spans, key=lambda span: span.start_ns)
    of_process = limits_of(listed)
    found = [graded for span in listed if (graded := _graded(span, of_process[process_of(span)])) is not None]
    return tuple(sorted(_merged(found), key=lambda each: each.span.start_ns))


# --- one span -----------------------------------------------------------------------------------------------------------


def _graded(span: Span, limits: Limits) -> Inference | None:
    if span.read_call is not None:
        return (
            Inference(span, "exact") if span.is_inference and span.operation != semconv.OPERATION_EMBEDDINGS else None
        )
    told = told_by(span, limits)
    if told is None:
        return None
    return _judged(span, told, failure_of(span) if span.is_error else None)


def told_by(span: Span, limits: Limits = UNLIMITED) -> Told | None:
    """Return what a span tells of an inference, or None if it is none, or one of vectors."""
    dialect = next((each for each in _DIALECTS if each.is_spoken(span)), None)
    if dialect is None or span.operation == semconv.OPERATION_EMBEDDINGS:
        return None
    return dialect.read(Facts(span, limits.of_spans, limits.of_events))


def _judged(span: Span, told: Told, failure: Failure | None) -> Inference:
    asked, answered = bool(told.request.input_messages), bool(told.response.output_messages)
    broken = told.gaps_of("asked", "answered")
    if not asked and not answered and not broken:
        why = "content is off: neither messages nor answer are recorded"
        return Inference(span, "no-content", (why,), told, failure)
    missing = (*broken, *_missing(span, told, failure))
    if missing:
        return Inference(span, "hash-only", missing, told, failure)
    return Inference(
        span, "reconstructable", (*told.gaps_of("beside", "tools"), *_lacking(told, failure)), told, failure
    )


def _missing(span: Span, told: Told, failure: Failure | None) -> Iterator[str]:
    """Yield what keeps a span from answering."""
    if not told.request.input_messages and not told.gaps_of("asked"):
        yield "the input messages are not recorded"
    for name in _DROPPED:
        if span.attributes.get(name):
            yield f"attribute evicted: {span.attributes[name]} left out ({name})"
    if span.is_error:
        if told.response.output_messages:
            yield "it failed after a part of the answer"
        elif failure is None:
            yield f"it failed, and no status is told: {text(span.attributes.get(semconv.ERROR_TYPE)) or span.status_message or 'error'}"
        return
    if not told.response.output_messages and not told.gaps_of("answered"):
        yield "the answer is not recorded"
    if any(part.get("type") == "tool_call" and not part.get("id") for part in _parts(told.response.output_messages)):
        yield "the ids of tool calls are not recorded"
    if span.end_ns is None:
        yield "the span has not ended"


def _lacking(told: Told, failure: Failure | None) -> Iterator[str]:
    """Yield what a reconstructed answer will not have, or cannot be compared by."""
    if _calls_tools(told) and not told.request.tool_definitions:
        yield "tool definitions missing"
    if failure is not None:
        yield f"failed with status {failure.status}"
        return
    if any(str(part.get("id")).startswith(_ITEM) for part in _parts(told.response.output_messages)):
        yield "the ids of tool calls are those of items"
    if told.request.stream:
        yield "stream collapsed: the chunks are not recorded"
    response = told.response
    if not response.finish_reasons and not any(message.finish_reason for message in response.output_messages):
        yield "finish reason missing"
    if response.usage == Usage():
        yield "usage missing"
    if not response.id:
        yield "response id missing"


def _calls_tools(told: Told) -> bool:
    messages = (*told.request.input_messages, *told.response.output_messages)
    return any(part.get("type") in ("tool_call", "tool_call_response") for part in _parts(messages))


def _parts(messages: Iterable[Message]) -> Iterator[Mapping[str, object]]:
    return (part for message in messages for part in message.parts)


# --- several spans of one call ------------------------------------------------------------------------------------------


def _merged(found: Sequence[Inference]) -> Iterator[Inference]:
    """Yield one inference for each call: the best graded, the inner one of two, with what an SDK's own span counts."""
    for members in _groups(found):
        best = min(reversed(members), key=lambda each: GRADES.index(each.grade))
        others = [each for each in members if each is not best]
        yield _completed(best, others) if others else best


def _groups(found: Sequence[Inference]) -> Iterable[list[Inference]]:
    """Return the inferences that tell the same call together, outer ones first.

    The parent of several inferences tells no single call, and is left out.
    """
    inner: dict[tuple[str, str], list[Inference]] = {}
    for each in found:
        inner.setdefault((each.span.trace_id, each.span.parent_span_id or ""), []).append(each)
    groups: list[list[Inference]] = []
    running: list[list[Inference]] = []
    of_id: dict[str, list[list[Inference]]] = {}
    of_parent: dict[tuple[str, str], list[Inference]] = {}
    for each in found:
        place = (each.span.trace_id, each.span.span_id)
        if len(inner.get(place, ())) > 1:
            continue
        known = of_id.setdefault(_response_id(each), []) if _response_id(each) else []
        known[:] = [group for group in known if _overlap(group[0].span, each.span)]  # the others are over
        same_id = known[0] if known else None
        above = of_parent.get((each.span.trace_id, each.span.parent_span_id or ""))
        group = same_id or above or (_around(each, running) if each.span.scope in _SDKS else None)
        if group is None:
            group = list[Inference]()
            groups.append(group)
            running.append(group)
        if same_id is None:
            known.append(group)
        group.append(each)
        of_parent[place] = group
    return groups


def _response_id(each: Inference) -> str:
    """Return the id that the provider gave the answer, or an empty text."""
    if each.told is not None:
        return each.told.response.id or ""
    return text(each.span.attributes.get(semconv.GEN_AI_RESPONSE_ID)) or ""


def _around(own: Inference, running: list[list[Inference]]) -> list[Inference] | None:
    """Return the one call that an SDK's own span, without an answer and in a trace of its own, happened in.

    Calls that are over by then are dropped from those that are running: whoever comes later starts later.
    """
    if _response_id(own):
        return None
    running[:] = [group for group in running if _overlap(group[0].span, own.span)]
    model = own.span.attributes.get(semconv.GEN_AI_REQUEST_MODEL)
    around = [
        group
        for group in running
        if group[0].span.scope not in _SDKS and group[0].told is not None and group[0].told.request.model == model
    ]
    return around[0] if len(around) == 1 else None


def _overlap(outer: Span, inner: Span) -> bool:
    return outer.start_ns <= inner.start_ns <= (outer.end_ns or inner.start_ns)


def _completed(best: Inference, others: Sequence[Inference]) -> Inference:
    """Return the best telling with the usage, the finish reason and the refusal of the SDK's own span."""
    own = next((each for each in others if each.span.scope in _SDKS and each.told is not None), None)
    spans = tuple(each.span for each in others)
    if own is None or own.told is None or best.told is None:
        return replace(best, others=spans)
    response, counted = best.told.response, own.told.response
    answered = response.output_messages
    if counted.finish_reasons and len(answered) == 1:
        answered = (replace(answered[0], finish_reason=counted.finish_reasons[0]),)
    response = replace(
        response,
        usage=counted.usage if counted.usage != Usage() else response.usage,
        finish_reasons=counted.finish_reasons or response.finish_reasons,
        output_messages=answered,
    )
    told = replace(best.told, response=response)
    return replace(_judged(best.span, told, best.failure or own.failure), others=spans)
