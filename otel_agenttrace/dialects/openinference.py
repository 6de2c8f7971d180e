"""OpenInference: messages by place, and beside them the request and the response as JSON."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from otel_agenttrace.dialects.indexed import gathered
from otel_agenttrace.dialects.told import (
    Dialect,
    Facts,
    Names,
    Told,
    messages_of,
    response_of,
)
from otel_agenttrace.jsonvalue import JsonObject, array, obj, text
from otel_agenttrace.model import InferenceRequest, InferenceResponse, Span
from otel_agenttrace.wire import anthropic_messages, openai_chat, openai_completions, openai_responses
from otel_agenttrace.wire.codec import Codec

__all__ = ["DIALECT"]

_NAME: Final = "openinference"
_NAMES: Final = Names(
    model=(),
    response_model=("llm.model_name",),
    response_id=("llm.response.id",),
    finish_reasons=("llm.finish_reason",),
    stream=(),
    input_tokens=("llm.token_count.prompt",),
    output_tokens=("llm.token_count.completion",),
    cache_read=("llm.token_count.prompt_details.cache_read",),
    cache_write=("llm.token_count.prompt_details.cache_write",),
    reasoning=("llm.token_count.completion_details.reasoning",),
    parameters={},
)


def _is_spoken(span: Span) -> bool:
    return span.attributes.get("openinference.span.kind") == "LLM"


def _read(facts: Facts) -> Told:
    """Return what is told: by the JSON of a provider where it is whole, else by the messages one by one."""
    answer = obj(facts.loose("output.value", "beside", (dict,)))
    asked = obj(facts.loose("input.value", "beside", (dict,)))
    codec = _codec_of(facts, asked, answer)
    if _is_request(asked):
        facts.note_hidden("input.value", "asked")
        request, body = codec.decode_request(asked), asked
    else:
        request, body = _request(facts, codec)
    if _is_answer(answer):
        facts.note_hidden("output.value", "answered")
        response = codec.decode_response(answer)
    else:
        response = _response(facts)
    return Told(_NAME, request, response, body, codec.name, tuple(facts.gaps))


def _codec_of(facts: Facts, asked: JsonObject, answer: JsonObject) -> Codec:
    system = text(facts.value("llm.system")) or text(facts.value("llm.provider"))
    if answer.get("type") == "message" or (system == "anthropic" and "choices" not in answer):
        return anthropic_messages.CODEC
    if answer.get("object") == "response" or ("input" in asked and "messages" not in asked):
        return openai_responses.CODEC
    return openai_completions.CODEC if "prompt" in asked and "messages" not in asked else openai_chat.CODEC


def _is_request(told: JsonObject) -> bool:
    messages = array(told.get("messages"))
    is_chat = bool(messages) and all(text(obj(message).get("role")) for message in messages)
    return isinstance(told.get("model"), str) and (is_chat or "input" in told or "prompt" in told)


def _is_answer(told: JsonObject) -> bool:
    is_message = told.get("type") == "message" and isinstance(told.get("content"), list)
    choices = [obj(each) for each in array(told.get("choices"))]
    is_choices = bool(choices) and all("message" in each or "text" in each for each in choices)
    return is_message or is_choices or (told.get("object") == "response" and isinstance(told.get("output"), list))


# --- one by one -------------------------------------------------------------------------------------------------------


def _request(facts: Facts, codec: Codec) -> tuple[InferenceRequest, JsonObject | None]:
    """Return what was asked, and the request's other members where the invocation parameters are whole."""
    asked = messages_of([_raw(each) for each in gathered(facts, "llm.input_messages", "asked")])
    tools = [
        facts.parsed("llm.tools", schema, "tools")
        for each in gathered(facts, "llm.tools", "tools")
        if (schema := text(obj(each.get("tool")).get("json_schema"))) is not None
    ]
    told = facts.json("llm.invocation_parameters", "beside")
    body = obj(told)
    request = codec.decode_request({**body, **({"tools": tools} if tools else {})})
    return replace(request, input_messages=asked), ({**body, "tools": tools} if tools else body) if body else None


def _response(facts: Facts) -> InferenceResponse:
    answered = [_raw(each) for each in gathered(facts, "llm.output_messages", "answered")]
    return response_of(facts, _NAMES, messages_of(answered, "assistant"))


def _raw(told: JsonObject) -> JsonObject:
    """Return a message as chat completions have it, from its pieces."""
    message = obj(told.get("message"))
    calls = [
        {"type": "function", "id": called.get("id"), "function": called.get("function")}
        for called in (obj(obj(each).get("tool_call")) for each in array(message.get("tool_calls")))
    ]
    parts = [_part(obj(obj(each).get("message_content"))) for each in array(message.get("contents"))]
    return {
        **{name: message[name] for name in ("role", "content", "tool_call_id", "name") if message.get(name)},
        **({"content": parts} if parts else {}),
        **({"tool_calls": calls} if calls else {}),
    }


def _part(told: JsonObject) -> JsonObject:
    address = text(obj(obj(told.get("image")).get("image")).get("url"))
    return {"type": "image_url", "image_url": {"url": address}} if address is not None else told


DIALECT: Final = Dialect(_NAME, _is_spoken, _read)
