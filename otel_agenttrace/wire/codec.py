"""What every API's codec offers: JSON of the wire in, shapes of the model out, and back. Odd input never raises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, integer, number, obj, text, value_of
from otel_agenttrace.model import AttributeValue, InferenceRequest, InferenceResponse, Message, Part
from otel_agenttrace.wire.sse import SseEvent

__all__ = [
    "Codec",
    "arguments",
    "count",
    "custom_call",
    "error_type",
    "generic_tool",
    "joined",
    "output",
    "parameters",
    "text_part",
    "tool_call",
]


@dataclass(frozen=True, slots=True)
class Codec:
    """How one API is read and written. `operation` is that of the conventions, or empty for one that is no inference.

    `decode_stream` takes the parsed data of the server-sent events, in order, cut off anywhere. `encode_response` and
    `encode_stream` are the way back, for an answer that is known only by its meaning: what they write is decoded to the
    same response again, and read by the provider's SDK. They raise `NotEncodable` for a part the API has no place for,
    and are None where the model does not hold what the API tells (the vectors of embeddings, any other call).
    """

    name: str
    operation: str
    decode_request: Callable[[JsonObject], InferenceRequest]
    decode_response: Callable[[JsonObject], InferenceResponse]
    decode_stream: Callable[[Sequence[Json]], InferenceResponse]
    encode_response: Callable[[InferenceResponse], JsonObject] | None = None
    encode_stream: Callable[[InferenceResponse], list[SseEvent]] | None = None


def parameters(body: JsonObject, table: Mapping[str, str]) -> dict[str, AttributeValue]:
    """Return the request parameters that have an attribute; `table` maps a member of the body to it."""
    found: dict[str, AttributeValue] = {}
    for member, value in body.items():
        attribute = table.get(member)
        if attribute is None:
            continue
        plain = (_fraction if attribute in _FRACTIONS else _plain)(value)
        if plain is not None:
            found[attribute] = plain
    return found


_FRACTIONS: Final = frozenset(
    {
        semconv.GEN_AI_REQUEST_TEMPERATURE,
        semconv.GEN_AI_REQUEST_TOP_P,
        semconv.GEN_AI_REQUEST_FREQUENCY_PENALTY,
        semconv.GEN_AI_REQUEST_PRESENCE_PENALTY,
    }
)
"""Attributes of type double: a backend's column does not take a whole number for them."""


def _fraction(value: Json) -> float | None:
    told = number(value)
    return None if told is None else float(told)


def _plain(value: Json) -> AttributeValue:
    if isinstance(value, str) or number(value) is not None:
        return value
    if isinstance(value, list):
        return tuple(item for item in value if isinstance(item, str)) or None
    return None


def generic_tool(tool: JsonObject) -> JsonObject:
    """Return the definition of a tool that is no function: as it is, with a name, which the conventions ask for."""
    told = (
        tool.get("name"),
        obj(tool.get("custom")).get("name"),
        tool.get("mcp_server_name"),
        tool.get("server_label"),
    )
    name = next((each for each in told if isinstance(each, str)), tool.get("type"))
    return {**tool, "name": name} if tool else tool


def text_part(content: str) -> Part:
    """Return a text part."""
    return {"type": "text", "content": content}


def tool_call(call_id: Json, name: Json, written: Json) -> Part:
    """Return a tool call; its arguments are parsed if they are JSON."""
    return _called(call_id, {"type": "tool_call", "name": text(name) or "", "arguments": arguments(written)})


def custom_call(call_id: Json, name: Json, written: Json) -> Part:
    """Return a call of a custom tool: its input is free text, and stays text where it looks like JSON."""
    return _called(call_id, {"type": "tool_call", "name": text(name) or "", "arguments": written, "custom": True})


def _called(call_id: Json, part: dict[str, Json]) -> Part:
    return {**part, "id": call_id} if isinstance(call_id, str) else part


def arguments(written: Json) -> Json:
    """Return the arguments of a tool call: the object a text stands for, else the text."""
    return value_of(written) if isinstance(written, str) else written


def error_type(body: JsonObject) -> str | None:
    """Return the type or code of an error payload, or None if the body is none."""
    error = body.get("error")
    if isinstance(error, str):
        return error or None
    told = obj(error)
    code = integer(told.get("code"))  # OpenRouter's is a status
    return text(told.get("type")) or text(told.get("code")) or (str(code) if code else "error" if told else None)


def joined(before: Json, piece: Json) -> Json:
    """Return what a stream has told of a text so far; a piece that is no text stands for all of it."""
    if isinstance(piece, str):
        return f"{before}{piece}" if isinstance(before, str) else piece
    return before if piece is None else piece


def count(value: Json) -> int | None:
    """Return a number of tokens, or None."""
    return integer(value)


def output(role: Json, parts: Sequence[Part], finish_reason: str | None) -> Message:
    """Return a message of a response."""
    return Message(text(role) or "assistant", tuple(parts), None, finish_reason)
