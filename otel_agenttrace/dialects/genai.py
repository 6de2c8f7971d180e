"""The GenAI conventions: content in `gen_ai.input.messages` and its siblings, on the span or on one event beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.dialects.told import (
    GENAI,
    Dialect,
    Facts,
    Told,
    messages_of,
    request_of,
    response_of,
    tools_of,
)
from otel_agenttrace.jsonvalue import Json, JsonObject, array, obj, text
from otel_agenttrace.model import AttributeValue, Message, Part, Span
from otel_agenttrace.wire.codec import tool_call

__all__ = ["DIALECT"]

_NAME: Final = "gen_ai"
_OUTPUT: Final = "gen_ai.output"
_OUTPUT_TEXT: Final = "gen_ai.output.text"
_OPERATIONS: Final = semconv.INFERENCE_OPERATIONS | {"call_llm", "completion"}


def _is_spoken(span: Span) -> bool:
    operation = span.attributes.get(semconv.GEN_AI_OPERATION_NAME)
    if operation is not None:
        return text(operation) in _OPERATIONS
    return semconv.GEN_AI_INPUT_MESSAGES in span.attributes or semconv.GEN_AI_OUTPUT_MESSAGES in span.attributes


def _read(facts: Facts) -> Told:
    facts = replace(facts, more=_details(facts.span))
    asked = messages_of(facts.json(semconv.GEN_AI_INPUT_MESSAGES, "asked"), "user")
    system = tuple(_system(facts.loose(semconv.GEN_AI_SYSTEM_INSTRUCTIONS, "asked")))
    tools = tools_of(facts.json(semconv.GEN_AI_TOOL_DEFINITIONS, "tools"))
    request = request_of(facts, GENAI, asked, system=system, tools=tools)
    response = response_of(facts, GENAI, tuple(_answered(facts)))
    return Told(_NAME, request, response, gaps=tuple(facts.gaps))


def _details(span: Span) -> Mapping[str, AttributeValue]:
    """Return what the event tells that may hold the content instead of the span."""
    name = semconv.EVENT_GEN_AI_CLIENT_INFERENCE_OPERATION_DETAILS
    nothing: Mapping[str, AttributeValue] = {}
    return next((event.attributes for event in span.events if event.name == name), nothing)


def _system(told: Json) -> Iterator[Part]:
    if isinstance(told, str):
        yield {"type": "text", "content": told}
    for part in array(told):
        yield {"type": "text", "content": part} if isinstance(part, str) else obj(part)


def _answered(facts: Facts) -> Iterator[Message]:
    told = facts.json(semconv.GEN_AI_OUTPUT_MESSAGES, "answered")
    if told is not None:
        yield from messages_of(told, "assistant")
        return
    said = facts.text(_OUTPUT_TEXT, "answered")
    if said is not None:
        yield from messages_of(said, "assistant")
        return
    yield from _agent_output(facts.loose(_OUTPUT, "answered"))


def _agent_output(told: Json) -> Iterator[Message]:
    """Yield the answer as any-agent tells it: a text, or the names and arguments of what is called, without ids."""
    if isinstance(told, str):
        yield from messages_of(told, "assistant")
        return
    calls: list[JsonObject] = [obj(each) for each in array(told) if "tool.name" in obj(each)]
    if calls:
        parts = (tool_call(None, text(each.get("tool.name")), each.get("tool.args")) for each in calls)
        yield Message("assistant", tuple(parts))


DIALECT: Final = Dialect(_NAME, _is_spoken, _read)
