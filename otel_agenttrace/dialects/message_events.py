"""The GenAI conventions until 1.36: one event per message, `gen_ai.user.message` to `gen_ai.choice`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.dialects.told import (
    GENAI,
    Dialect,
    Facts,
    Side,
    Told,
    messages_of,
    request_of,
    response_of,
    tools_of,
    typed_content,
)
from otel_agenttrace.jsonvalue import Json, JsonObject, array, obj, text
from otel_agenttrace.model import Event, Span

__all__ = ["DIALECT"]

_NAME: Final = "gen_ai events"
_ROLES: Final = {
    "gen_ai.system.message": "system",
    "gen_ai.user.message": "user",
    "gen_ai.assistant.message": "assistant",
    "gen_ai.tool.message": "tool",
}
_CHOICE: Final = "gen_ai.choice"
_WHOLE: Final = {"gen_ai.content.prompt": "gen_ai.prompt", "gen_ai.content.completion": "gen_ai.completion"}
"""Events of 1.27, whose one attribute holds the JSON of all messages."""


def _is_spoken(span: Span) -> bool:
    return any(
        event.name in _ROLES or event.name == _CHOICE or _WHOLE.get(event.name) in event.attributes
        for event in span.events
    )


def _read(facts: Facts) -> Told:
    asked: list[Json] = []
    answered: list[Json] = []
    for event in facts.span.events:
        if event.name in _ROLES:
            asked.append(_message(facts, event, _ROLES[event.name]))
        elif event.name == _CHOICE:
            answered.append(_choice(facts, event))
        elif event.name == "gen_ai.content.prompt":
            asked += _all(facts, event)
        elif event.name == "gen_ai.content.completion":
            answered += _all(facts, event)
    response = response_of(facts, GENAI, messages_of(answered, "assistant"))
    if not response.finish_reasons:
        reasons = tuple(reason for each in answered if (reason := text(obj(each).get("finish_reason"))))
        response = replace(response, finish_reasons=reasons)
    tools = tools_of(facts.json(semconv.GEN_AI_TOOL_DEFINITIONS, "tools"))
    request = request_of(facts, GENAI, messages_of(asked, "user"), tools=tools)
    return Told(_NAME, request, response, gaps=tuple(facts.gaps))


def _all(facts: Facts, event: Event) -> Iterator[Json]:
    name = _WHOLE[event.name]
    told = replace(facts, more=event.attributes).json(name, "asked" if name == "gen_ai.prompt" else "answered")
    yield from array(told)


def _message(facts: Facts, event: Event, role: str) -> JsonObject:
    read = replace(facts, more=event.attributes)
    call_id = text(event.attributes.get("id")) or text(event.attributes.get("tool_call_id"))
    return {
        "role": text(event.attributes.get("role")) or role,
        "content": _content(read, "asked"),
        **({"tool_calls": read.json("tool_calls", "asked")} if "tool_calls" in event.attributes else {}),
        **({"tool_call_id": call_id} if call_id else {}),
    }


def _choice(facts: Facts, event: Event) -> JsonObject:
    read = replace(facts, more=event.attributes)
    told = obj(read.loose("message", "answered", (dict,)))
    here: dict[str, Json] = {"content": _content(read, "answered")} if "content" in event.attributes else {}
    calls = {"tool_calls": read.json("tool_calls", "answered")} if "tool_calls" in event.attributes else {}
    return {"role": "assistant", **told, **here, **calls, "finish_reason": text(event.attributes.get("finish_reason"))}


def _content(read: Facts, side: Side) -> Json:
    """Return the content of a message: structured, or a text, which may hold parts as JSON."""
    told = read.text("content", side)
    return read.json("content", side) if told is None else typed_content(told)


DIALECT: Final = Dialect(_NAME, _is_spoken, _read)
