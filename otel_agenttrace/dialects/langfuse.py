"""Langfuse: `langfuse.observation.*` on its generations; input and output are what the program gave it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from otel_agenttrace.dialects.told import (
    GENAI,
    Dialect,
    Facts,
    Told,
    content_codec,
    messages_of,
    request_of,
    response_of,
    tools_of,
)
from otel_agenttrace.jsonvalue import Json, JsonObject, array, integer, obj
from otel_agenttrace.model import InferenceResponse, Message, Span, Usage

__all__ = ["DIALECT"]

_NAME: Final = "langfuse"
_PREFIX: Final = "langfuse.observation"
_NAMES: Final = replace(GENAI, model=(f"{_PREFIX}.model.name", *GENAI.model))
_USAGE: Final = (
    ("input", "prompt_tokens", "input_tokens"),
    ("output", "completion_tokens", "output_tokens"),
    ("input_cached_tokens", "cache_read_input_tokens"),
    ("cache_creation_input_tokens",),
    ("output_reasoning_tokens", "output_reasoning"),
)
"""The names of counts in the order of `Usage`."""


_ASKED: Final = object()
_UNASKED: Final[Mapping[str, Json]] = {
    "temperature": 1,
    "max_tokens": "inf",
    "top_p": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
}
"""What its wrapper of OpenAI's SDK tells where nobody asked for anything."""


def _is_spoken(span: Span) -> bool:
    return span.attributes.get(f"{_PREFIX}.type") == "generation"


def _read(facts: Facts) -> Told:
    given = facts.loose(f"{_PREFIX}.input", "asked", (list, dict))
    asked = obj(given)
    is_body = "messages" in asked
    messages: tuple[Message, ...] = messages_of(asked["messages"] if is_body else given, "user")
    request = request_of(facts, _NAMES, messages, tools=tools_of(asked.get("tools")))
    settings = {
        name: value
        for name, value in obj(facts.json(f"{_PREFIX}.model.parameters", "beside")).items()
        if _UNASKED.get(name, _ASKED) != value
    }
    decoded = content_codec(None).decode_request({**settings, **({} if not is_body else asked)})
    request = replace(request, parameters={**decoded.parameters, **request.parameters})
    return Told(_NAME, request, _response(facts), gaps=tuple(facts.gaps))


def _response(facts: Facts) -> InferenceResponse:
    said = facts.loose(f"{_PREFIX}.output", "answered", (list, dict))
    if obj(said) and not _is_message(obj(said)):
        facts.gaps.append(("answered", f"no message of a model: {_PREFIX}.output"))
        said = None
    response = response_of(facts, _NAMES, messages_of(said, "assistant") if said else ())
    counts = obj(facts.json(f"{_PREFIX}.usage_details", "beside"))
    return replace(response, usage=_usage(counts)) if counts else response


def _is_message(told: JsonObject) -> bool:
    return "role" in told or "content" in told or bool(array(told.get("tool_calls")))


def _usage(counts: JsonObject) -> Usage:
    found = (next((integer(counts[name]) for name in names if name in counts), None) for names in _USAGE)
    given, made, read, written, thought = found
    return Usage(given, made, read, written, thought)


DIALECT: Final = Dialect(_NAME, _is_spoken, _read)
