"""OpenAI Responses: items in, items out; the last event of a stream carries the whole response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, array, integer, obj, text
from otel_agenttrace.model import InferenceRequest, InferenceResponse, Message, Part, Usage
from otel_agenttrace.wire.codec import Codec, count, error_type, output, parameters, text_part, tool_call
from otel_agenttrace.wire.openai_chat import media_part, response_attributes, tool_definition

__all__ = ["CODEC", "FETCH"]

_PARAMETERS: Final[Mapping[str, str]] = {
    "max_output_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "temperature": semconv.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": semconv.GEN_AI_REQUEST_TOP_P,
    "previous_response_id": semconv.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID,
}
_OUTPUT_TYPES: Final = {"text": "text", "json_object": "json", "json_schema": "json"}
_CALLS: Final = {"function_call": "arguments", "custom_tool_call": "input"}
_CALL_OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})


# --- requests ---------------------------------------------------------------------------------------------------------


def _decode_request(body: JsonObject) -> InferenceRequest:
    found = parameters(body, _PARAMETERS)
    found[semconv.OPENAI_API_TYPE] = "responses"
    kind = _OUTPUT_TYPES.get(text(obj(obj(body.get("text")).get("format")).get("type")) or "")
    effort = text(obj(body.get("reasoning")).get("effort"))
    tier = text(body.get("service_tier"))
    told = {
        semconv.GEN_AI_OUTPUT_TYPE: kind,
        semconv.GEN_AI_REQUEST_REASONING_LEVEL: effort,
        semconv.OPENAI_REQUEST_SERVICE_TIER: tier if tier != "auto" else None,
    }
    found.update({name: value for name, value in told.items() if value})
    instructions = text(body.get("instructions"))
    return InferenceRequest(
        operation=semconv.OPERATION_CHAT,
        model=text(body.get("model")),
        stream=body.get("stream") is True,
        input_messages=tuple(_input(body.get("input"))),
        system_instructions=(text_part(instructions),) if instructions else (),
        tool_definitions=tuple(tool_definition(obj(tool)) for tool in array(body.get("tools"))),
        parameters=found,
    )


def _input(given: Json) -> Iterator[Message]:
    if isinstance(given, str):
        yield Message("user", (text_part(given),))
    for item in map(obj, array(given)):
        yield _item(item)


def _item(item: JsonObject) -> Message:
    kind = text(item.get("type")) or "message"
    if kind in _CALL_OUTPUTS:
        part: dict[str, Json] = {"type": "tool_call_response", "response": item.get("output")}
        call_id = text(item.get("call_id"))
        return Message("tool", ({**part, "id": call_id} if call_id else part,))
    role = text(item.get("role")) or "assistant"
    return Message(role, tuple(_parts(item, kind)))


def _parts(item: JsonObject, kind: str) -> Iterator[Part]:
    content = item.get("content")
    if kind == "message":
        if isinstance(content, str):
            yield text_part(content)
        for part in array(content):
            yield media_part(obj(part))
    elif kind in _CALLS:
        yield tool_call(item.get("call_id"), item.get("name"), item.get(_CALLS[kind]))
    elif kind == "reasoning":
        pieces = (*array(item.get("summary")), *array(content))
        kept = {name: item[name] for name in ("id", "encrypted_content") if item.get(name)}
        yield {
            **kept,
            "type": "reasoning",
            "content": "\n".join(text(obj(piece).get("text")) or "" for piece in pieces),
        }
    elif kind.endswith("_call"):
        yield {
            "type": "server_tool_call",
            "name": kind.removesuffix("_call"),
            "server_tool_call": {**item, "type": kind},
        }
    else:
        yield item


# --- responses --------------------------------------------------------------------------------------------------------


def _decode_response(body: JsonObject) -> InferenceResponse:
    items = [obj(item) for item in array(body.get("output"))]
    parts = [part for item in items for part in _parts(item, text(item.get("type")) or "")]
    reason = _finish_reason(body, items)
    return InferenceResponse(
        id=text(body.get("id")),
        model=text(body.get("model")),
        finish_reasons=(reason,) if reason else (),
        output_messages=(output("assistant", parts, reason),) if parts else (),
        usage=_usage(obj(body.get("usage"))),
        attributes=response_attributes(body),
        error_type=error_type(body),
    )


def _finish_reason(body: JsonObject, items: Sequence[JsonObject]) -> str | None:
    """Return why generation ended. The API tells a status; `completed` is told as chat completions would."""
    status = text(body.get("status"))
    if status == "completed":
        return "tool_calls" if any(item.get("type") in _CALLS for item in items) else "stop"
    if status == "incomplete":
        return text(obj(body.get("incomplete_details")).get("reason")) or "incomplete"
    return status if status in ("failed", "cancelled") else None


def _usage(usage: JsonObject) -> Usage:
    given, made = obj(usage.get("input_tokens_details")), obj(usage.get("output_tokens_details"))
    return Usage(
        count(usage.get("input_tokens")),
        count(usage.get("output_tokens")),
        count(given.get("cached_tokens")),
        count(given.get("cache_write_tokens")),
        count(made.get("reasoning_tokens")),
    )


# --- streams ----------------------------------------------------------------------------------------------------------


def _decode_stream(events: Sequence[Json]) -> InferenceResponse:
    whole: JsonObject = {}
    items: dict[int, dict[str, Json]] = {}
    for event in map(obj, events):
        kind = text(event.get("type")) or ""
        if obj(event.get("response")):
            whole = obj(event["response"])
        elif kind == "error":
            whole = {**whole, "error": {"type": text(event.get("code")) or "error"}}
        else:
            _extend(items, kind, event)
    if not array(whole.get("output")):
        whole = {**whole, "output": [items[index] for index in sorted(items)]}
    return _decode_response(whole)


def _extend(items: dict[int, dict[str, Json]], kind: str, event: JsonObject) -> None:
    index = integer(event.get("output_index")) or 0
    if kind in ("response.output_item.added", "response.output_item.done"):
        items[index] = dict(obj(event.get("item")))
        return
    held = items.setdefault(index, {"type": "message"}) if kind.endswith(".delta") else {}
    delta = text(event.get("delta")) or ""
    if kind == "response.output_text.delta":
        before = text(obj(next(iter(array(held.get("content"))), None)).get("text")) or ""
        held["content"] = [{"type": "output_text", "text": before + delta}]
    elif kind == "response.function_call_arguments.delta":
        held["arguments"] = f"{held.get('arguments') or ''}{delta}"


def _decode_fetch(body: JsonObject) -> InferenceRequest:
    return InferenceRequest(semconv.OPERATION_FETCH_RESPONSE)


CODEC: Final = Codec("openai.responses", semconv.OPERATION_CHAT, _decode_request, _decode_response, _decode_stream)
FETCH: Final = Codec(
    "openai.responses.retrieve", semconv.OPERATION_FETCH_RESPONSE, _decode_fetch, _decode_response, _decode_stream
)
