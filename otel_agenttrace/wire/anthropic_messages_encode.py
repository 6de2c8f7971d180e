"""A response of the model as Anthropic's messages tell it: one JSON body, or its events.

The model does not hold the stop sequence that was met, the container, details of a refusal and the service tier.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from otel_agenttrace.jsonvalue import Json, JsonObject, array, obj, text
from otel_agenttrace.model import InferenceResponse, Part, Usage
from otel_agenttrace.wire.codec import arguments
from otel_agenttrace.wire.encoding import (
    content,
    event,
    finish_reason,
    is_only_an_error,
    kind_of,
    known,
    own_part,
    parts,
    without,
    written,
)
from otel_agenttrace.wire.sse import SseEvent

__all__ = ["encode_response", "encode_stream"]

_API: Final = "anthropic.messages"
_STOP_WORDS: Final[Mapping[str, str]] = {
    "stop": "end_turn",
    "completed": "end_turn",
    "tool_call": "tool_use",
    "tool_calls": "tool_use",
    "function_call": "tool_use",
    "length": "max_tokens",
    "max_output_tokens": "max_tokens",
    "content_filter": "refusal",
}
"""Words of the conventions and of other providers for what Anthropic calls otherwise."""


# --- the body ---------------------------------------------------------------------------------------------------------


def encode_response(response: InferenceResponse) -> JsonObject:
    """Return the body of a message.

    Raises:
        NotEncodable: If a part is no text, reasoning, tool call, or call or answer of a server's tool.
    """
    if is_only_an_error(response):
        return _error(response)
    failed: JsonObject = {"error": _error(response)["error"]} if response.error_type is not None else {}
    return {
        "id": response.id,
        "type": "message",
        "role": next((message.role for message in response.output_messages), "assistant"),
        "model": response.model,
        "content": [_block(part) for part in parts(response)],
        "stop_reason": _stop_word(finish_reason(response)),
        "stop_sequence": None,
        "usage": _usage(response.usage),
        **failed,
    }


def _error(response: InferenceResponse) -> JsonObject:
    """Return the error a response tells; the model holds its type alone."""
    return {"type": "error", "error": {"type": response.error_type, "message": ""}}


def _stop_word(reason: str | None) -> str | None:
    return _STOP_WORDS.get(reason, reason) if reason is not None else None


def _usage(usage: Usage) -> JsonObject:
    """Return the tokens; this API counts cache reads and writes beside its input tokens."""
    cached = (usage.cache_read_input_tokens or 0) + (usage.cache_write_input_tokens or 0)
    more = {
        "cache_creation_input_tokens": usage.cache_write_input_tokens,
        "cache_read_input_tokens": usage.cache_read_input_tokens,
    }
    thought = usage.reasoning_output_tokens
    kept = usage.cache_write_1h_input_tokens
    return {
        "input_tokens": max(usage.input_tokens - cached, 0) if usage.input_tokens is not None else None,
        **known(more),
        **({"cache_creation": _by_age(usage.cache_write_input_tokens or 0, kept)} if kept is not None else {}),
        "output_tokens": usage.output_tokens,
        **({"output_tokens_details": {"thinking_tokens": thought}} if thought is not None else {}),
    }


def _by_age(written: int, kept: int) -> JsonObject:
    return {"ephemeral_1h_input_tokens": kept, "ephemeral_5m_input_tokens": max(written - kept, 0)}


# --- blocks -----------------------------------------------------------------------------------------------------------


def _block(part: Part) -> JsonObject:
    made = _BLOCKS.get(kind_of(part))
    return own_part(_API, part) if made is None else made(part)


def _text(part: Part) -> JsonObject:
    return {**without(part, ("content",)), "text": content(part)}


def _thinking(part: Part) -> JsonObject:
    if "redacted" in part:
        return {"type": "redacted_thinking", "data": part["redacted"]}
    return {"type": "thinking", "thinking": content(part), "signature": part.get("signature") or ""}


def _tool_use(part: Part) -> JsonObject:
    return {"type": "tool_use", "id": part.get("id"), "name": part.get("name"), "input": _input(part.get("arguments"))}


def _input(given: Json) -> Json:
    """Return the input of a call: JSON here, so that a text stays one only where it was cut off."""
    return {} if given in (None, "") else arguments(given)


def _server_tool_use(part: Part) -> JsonObject:
    called = obj(part.get("server_tool_call"))
    given = called["input"] if "input" in called else without(called, ("type",))
    return {"type": "server_tool_use", "id": part.get("id"), "name": part.get("name"), "input": given}


def _server_tool_result(part: Part) -> JsonObject:
    answer = obj(part.get("server_tool_call_response"))
    kind = f"{text(answer.get('type')) or ''}_tool_result"
    return {**answer, "type": kind, "tool_use_id": part.get("id")}


_BLOCKS: Final[Mapping[str, Callable[[Part], JsonObject]]] = {
    "text": _text,
    "reasoning": _thinking,
    "tool_call": _tool_use,
    "server_tool_call": _server_tool_use,
    "server_tool_call_response": _server_tool_result,
}


# --- the stream -------------------------------------------------------------------------------------------------------


def encode_stream(response: InferenceResponse) -> list[SseEvent]:
    """Return the events of a message, each under its name.

    Raises:
        NotEncodable: As for the body.
    """
    return [event(told, text(told["type"]) or "") for told in _told(response)]


def _told(response: InferenceResponse) -> Iterator[JsonObject]:
    if is_only_an_error(response):
        yield _error(response)
        return
    whole = without(encode_response(response), ("error",))
    usage = obj(whole["usage"])
    nothing: tuple[Json, ...] = ()
    begun = {**whole, "content": nothing, "stop_reason": None, "usage": {**usage, "output_tokens": _begun(usage)}}
    yield {"type": "message_start", "message": begun}
    for index, block in enumerate(map(obj, array(whole["content"]))):
        yield from _block_events(index, block)
    ending = {"stop_reason": whole["stop_reason"], "stop_sequence": None}
    yield {"type": "message_delta", "delta": ending, "usage": usage}
    yield {"type": "message_stop"} if response.error_type is None else _error(response)


def _begun(usage: JsonObject) -> int | None:
    """Return the output tokens at the start of a message."""
    return None if usage["output_tokens"] is None else 0


def _block_events(index: int, block: JsonObject) -> Iterator[JsonObject]:
    empty, deltas = _STREAMED.get(text(block.get("type")) or "", _at_once)(block)
    yield {"type": "content_block_start", "index": index, "content_block": empty}
    for delta in deltas:
        yield {"type": "content_block_delta", "index": index, "delta": delta}
    yield {"type": "content_block_stop", "index": index}


_Streamed = tuple[JsonObject, list[JsonObject]]


def _at_once(block: JsonObject) -> _Streamed:
    return block, []


def _text_deltas(block: JsonObject) -> _Streamed:
    notes = array(block.get("citations"))
    told: list[JsonObject] = [{"type": "citations_delta", "citation": note} for note in notes]
    if block["text"]:
        told.append({"type": "text_delta", "text": block["text"]})
    return {**block, "text": "", **({"citations": []} if notes else {})}, told


def _thinking_deltas(block: JsonObject) -> _Streamed:
    told: list[JsonObject] = [{"type": "thinking_delta", "thinking": block["thinking"]}] if block["thinking"] else []
    if block["signature"]:
        told.append({"type": "signature_delta", "signature": block["signature"]})
    return {**block, "thinking": "", "signature": ""}, told


def _input_deltas(block: JsonObject) -> _Streamed:
    pieces: Json = "" if block["input"] == {} else written(block["input"])
    return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": pieces}]


_STREAMED: Final[Mapping[str, Callable[[JsonObject], _Streamed]]] = {
    "text": _text_deltas,
    "thinking": _thinking_deltas,
    "tool_use": _input_deltas,
    "server_tool_use": _input_deltas,
}
