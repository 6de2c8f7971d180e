"""OpenAI Responses: items in, items out; the last event of a stream carries the whole response."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, array, integer, obj, text
from otel_agenttrace.model import InferenceRequest, InferenceResponse, Message, Part, Usage
from otel_agenttrace.wire.codec import (
    Codec,
    count,
    custom_call,
    error_type,
    joined,
    output,
    parameters,
    text_part,
    tool_call,
)
from otel_agenttrace.wire.openai_chat import media_part, response_attributes, tool_definition
from otel_agenttrace.wire.openai_responses_encode import encode_response, encode_stream
from otel_agenttrace.wire.openai_responses_events import ARGUMENTS, TEXTS

__all__ = ["CODEC", "FETCH"]

_PARAMETERS: Final[Mapping[str, str]] = {
    "max_output_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "temperature": semconv.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": semconv.GEN_AI_REQUEST_TOP_P,
    "previous_response_id": semconv.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID,
}
_OUTPUT_TYPES: Final = {"text": "text", "json_object": "json", "json_schema": "json"}
_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
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
    elif kind == "function_call":
        yield tool_call(item.get("call_id"), item.get("name"), item.get("arguments"))
    elif kind == "custom_tool_call":
        yield custom_call(item.get("call_id"), item.get("name"), item.get("input"))
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
        return "tool_calls" if any(text(item.get("type")) in _CALLS for item in items) else "stop"
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


@dataclass(slots=True)
class _Item:
    """An item as far as a stream has told it: itself, and the texts of its lists, by their member and place."""

    told: JsonObject = field(default_factory=dict[str, Json])
    texts: dict[tuple[str, int], dict[str, Json]] = field(default_factory=dict[tuple[str, int], "dict[str, Json]"])

    def whole(self) -> JsonObject:
        lists: dict[str, list[Json]] = {}
        for member, place in sorted(self.texts):
            lists.setdefault(member, [*array(self.told.get(member))]).append(self.texts[member, place])
        return {**self.told, **lists}


_TEXTS: Final = {f"{told.event}.delta": told for told in TEXTS}
_ARGUMENTS: Final = {f"{told.event}.delta": told for told in ARGUMENTS}


def _decode_stream(events: Sequence[Json]) -> InferenceResponse:
    """Return the response of the last event that carries it, or what the items tell of one that was cut off."""
    whole: JsonObject = {}
    items: dict[int, _Item] = {}
    for event in map(obj, events):
        kind = text(event.get("type")) or ""
        if obj(event.get("response")):
            whole = obj(event["response"])
        elif kind == "error":
            failure = error_type(event) or text(event.get("code")) or "error"
            whole = {**whole, "error": {"type": failure}}
        else:
            _extend(items, kind, event)
    if not array(whole.get("output")):
        whole = {**whole, "output": [items[index].whole() for index in sorted(items)]}
    return _decode_response(whole)


def _extend(items: dict[int, _Item], kind: str, event: JsonObject) -> None:
    index, delta = integer(event.get("output_index")) or 0, event.get("delta")
    if kind in ("response.output_item.added", "response.output_item.done"):
        items[index] = _Item(obj(event.get("item")))
    elif kind in _TEXTS and isinstance(delta, str):
        told = _TEXTS[kind]
        held = items.setdefault(index, _Item({"type": told.item}))
        part = held.texts.setdefault((told.member, integer(event.get(told.index)) or 0), {"type": told.part})
        part[told.text] = joined(part.get(told.text), delta)
    elif kind in _ARGUMENTS and isinstance(delta, str):
        streamed = _ARGUMENTS[kind]
        held = items.setdefault(index, _Item({"type": streamed.item}))
        held.told = {**held.told, streamed.member: joined(held.told.get(streamed.member), delta)}


# --- fetching one that was made ---------------------------------------------------------------------------------------


def _decode_fetch(body: JsonObject) -> InferenceRequest:
    return InferenceRequest(semconv.OPERATION_FETCH_RESPONSE)


def _fetched(response: InferenceResponse) -> InferenceResponse:
    """Return what a fetch tells: its tokens belong to the call that made it, and count there."""
    return replace(response, usage=Usage())


CODEC: Final = Codec(
    "openai.responses",
    semconv.OPERATION_CHAT,
    _decode_request,
    _decode_response,
    _decode_stream,
    encode_response,
    encode_stream,
)
FETCH: Final = Codec(
    "openai.responses.retrieve",
    semconv.OPERATION_FETCH_RESPONSE,
    _decode_fetch,
    lambda body: _fetched(_decode_response(body)),
    lambda events: _fetched(_decode_stream(events)),
    encode_response,
    encode_stream,
)
