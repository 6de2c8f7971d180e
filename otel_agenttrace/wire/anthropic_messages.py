"""Anthropic messages: content blocks, thinking, tools, cache usage; JSON and server-sent events."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, array, integer, obj, text, without
from otel_agenttrace.model import AttributeValue, InferenceRequest, InferenceResponse, Message, Part, Usage
from otel_agenttrace.wire.anthropic_messages_encode import encode_response, encode_stream
from otel_agenttrace.wire.codec import (
    Codec,
    arguments,
    count,
    error_type,
    generic_tool,
    joined,
    output,
    parameters,
    text_part,
)

__all__ = ["CODEC"]

_PARAMETERS: Final[Mapping[str, str]] = {
    "max_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "temperature": semconv.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": semconv.GEN_AI_REQUEST_TOP_P,
    "top_k": semconv.GEN_AI_REQUEST_TOP_K,
    "stop_sequences": semconv.GEN_AI_REQUEST_STOP_SEQUENCES,
}
_MODALITIES: Final = {"image": "image", "document": "document"}


# --- requests ---------------------------------------------------------------------------------------------------------


def _decode_request(body: JsonObject) -> InferenceRequest:
    found = parameters(body, _PARAMETERS)
    config = obj(body.get("output_config"))
    effort = text(config.get("effort"))
    if effort:
        found[semconv.GEN_AI_REQUEST_REASONING_LEVEL] = effort
    if obj(config.get("format") or body.get("output_format")):
        found[semconv.GEN_AI_OUTPUT_TYPE] = "json"
    return InferenceRequest(
        operation=semconv.OPERATION_CHAT,
        model=text(body.get("model")),
        stream=body.get("stream") is True,
        input_messages=tuple(_message(obj(message)) for message in array(body.get("messages"))),
        system_instructions=tuple(_blocks(body.get("system"))),
        tool_definitions=tuple(_tool(obj(tool)) for tool in array(body.get("tools"))),
        parameters=found,
    )


def _message(message: JsonObject) -> Message:
    return Message(text(message.get("role")) or "", tuple(_blocks(message.get("content"))))


def _tool(tool: JsonObject) -> JsonObject:
    if "input_schema" not in tool:
        return generic_tool(tool)
    described = {"description": tool["description"]} if "description" in tool else {}
    return {"type": "function", "name": tool.get("name"), **described, "parameters": tool["input_schema"]}


def _blocks(content: Json) -> Iterator[Part]:
    if isinstance(content, str):
        yield text_part(content)
    for block in map(obj, array(content)):
        yield _part(block)


def _part(block: JsonObject) -> Part:
    kind = text(block.get("type")) or ""
    if kind == "text":
        return {**without(block, "text"), "content": text(block.get("text")) or ""}
    if kind == "thinking":
        signed = {"signature": block["signature"]} if block.get("signature") else {}
        return {"type": "reasoning", "content": text(block.get("thinking")) or "", **signed}
    if kind == "redacted_thinking":
        return {"type": "reasoning", "content": "", "redacted": block.get("data")}
    if kind == "tool_use":
        return _tool_use(block)
    if kind == "tool_result":
        return _tool_result(block)
    if kind == "server_tool_use":
        called = {"type": text(block.get("name")) or "", "input": block.get("input")}
        return {
            "type": "server_tool_call",
            "id": block.get("id"),
            "name": block.get("name"),
            "server_tool_call": called,
        }
    if kind.endswith("_tool_result"):
        answer = {**without(block, "tool_use_id"), "type": kind.removesuffix("_tool_result")}
        return {
            "type": "server_tool_call_response",
            "id": block.get("tool_use_id"),
            "server_tool_call_response": answer,
        }
    if kind in _MODALITIES:
        return _media(block, _MODALITIES[kind])
    return block


def _tool_use(block: JsonObject) -> Part:
    """Return a call; its input is JSON, and text in it stays text."""
    part: dict[str, Json] = {
        "type": "tool_call",
        "name": text(block.get("name")) or "",
        "arguments": block.get("input"),
    }
    call_id = text(block.get("id"))
    return part if call_id is None else {**part, "id": call_id}


def _tool_result(block: JsonObject) -> Part:
    content = block.get("content")
    response: Json = content if isinstance(content, str) else [dict(_flat(part)) for part in map(obj, array(content))]
    failed = {"is_error": True} if block.get("is_error") is True else {}
    return {"type": "tool_call_response", "id": block.get("tool_use_id"), "response": response, **failed}


def _flat(block: JsonObject) -> Part:
    """Return a block of a result; a result within stays as it is, however deep."""
    return block if block.get("type") == "tool_result" else _part(block)


def _media(block: JsonObject, modality: str) -> Part:
    source = obj(block.get("source"))
    kind = source.get("type")
    if kind == "base64":
        return {
            "type": "blob",
            "modality": modality,
            "mime_type": source.get("media_type"),
            "content": source.get("data"),
        }
    if kind == "url":
        return {"type": "uri", "modality": modality, "uri": source.get("url")}
    if kind == "file":
        return {"type": "file", "modality": modality, "file_id": source.get("file_id")}
    return block


# --- responses --------------------------------------------------------------------------------------------------------


def _decode_response(body: JsonObject) -> InferenceResponse:
    reason = text(body.get("stop_reason"))
    parts = list(_blocks(body.get("content")))
    return InferenceResponse(
        id=text(body.get("id")),
        model=text(body.get("model")),
        finish_reasons=(reason,) if reason else (),
        output_messages=(output(body.get("role"), parts, reason),) if parts or reason else (),
        usage=_usage(obj(body.get("usage"))),
        attributes=_tier(obj(body.get("usage"))),
        error_type=error_type(body),
    )


def _tier(usage: JsonObject) -> Mapping[str, AttributeValue]:
    tier = text(usage.get("service_tier"))
    return {} if tier in (None, "standard") else {semconv.AGENTTRACE_RESPONSE_SERVICE_TIER: tier}


def _usage(usage: JsonObject) -> Usage:
    """Return the tokens; the API counts cache reads and writes beside its input tokens, the conventions within."""
    plain = count(usage.get("input_tokens"))
    read, written = count(usage.get("cache_read_input_tokens")), count(usage.get("cache_creation_input_tokens"))
    together = plain + (read or 0) + (written or 0) if plain is not None else None
    thought = count(obj(usage.get("output_tokens_details")).get("thinking_tokens"))
    kept = count(obj(usage.get("cache_creation")).get("ephemeral_1h_input_tokens"))
    return Usage(together, count(usage.get("output_tokens")), read, written, thought, kept)


# --- streams ----------------------------------------------------------------------------------------------------------


def _decode_stream(events: Sequence[Json]) -> InferenceResponse:
    whole: dict[str, Json] = {}
    blocks: dict[int, dict[str, Json]] = {}
    for event in map(obj, events):
        kind = event.get("type")
        if kind == "message_start":
            whole = dict(obj(event.get("message")))
        elif kind == "message_delta":
            whole.update({name: value for name, value in obj(event.get("delta")).items() if value is not None})
            whole["usage"] = {**obj(whole.get("usage")), **_known(obj(event.get("usage")))}
        elif kind == "content_block_start":
            blocks[integer(event.get("index")) or 0] = dict(obj(event.get("content_block")))
        elif kind == "content_block_delta":
            _extend(blocks.setdefault(integer(event.get("index")) or 0, {"type": "text"}), obj(event.get("delta")))
        elif kind == "error":
            whole["error"] = event.get("error")
    return _decode_response({**whole, "content": [_finished(blocks[index]) for index in sorted(blocks)]})


def _known(usage: JsonObject) -> JsonObject:
    return {name: value for name, value in usage.items() if value is not None}


_DELTAS: Final = {
    "text_delta": "text",
    "thinking_delta": "thinking",
    "input_json_delta": "partial_json",
    "compaction_delta": "content",
}


def _extend(block: dict[str, Json], delta: JsonObject) -> None:
    kind = text(delta.get("type")) or ""
    name = _DELTAS.get(kind)
    if name is not None:
        block[name] = joined(block.get(name), text(delta.get(name)))
    elif kind == "signature_delta":
        block["signature"] = delta.get("signature")
    elif kind == "citations_delta":
        block["citations"] = [*array(block.get("citations")), delta.get("citation")]


def _finished(block: Mapping[str, Json]) -> JsonObject:
    """Return a block with the input that its pieces stand for; the text of them where they were cut off."""
    if "partial_json" not in block:
        return block
    return {**without(block, "partial_json"), "input": arguments(block["partial_json"] or "{}")}


CODEC: Final = Codec(
    "anthropic.messages",
    semconv.OPERATION_CHAT,
    _decode_request,
    _decode_response,
    _decode_stream,
    encode_response,
    encode_stream,
)
