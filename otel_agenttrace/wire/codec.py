"""What every API's codec offers: JSON of the wire in, shapes of the model out, and back. Odd input never raises."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from otel_agenttrace.jsonvalue import Json, JsonObject, integer, number, obj, parse, text
from otel_agenttrace.model import AttributeValue, InferenceRequest, InferenceResponse, Message, Part

__all__ = ["Codec", "arguments", "parameters", "text_part", "tool_call"]


@dataclass(frozen=True, slots=True)
class Codec:
    """How one API is read. `operation` is that of the GenAI conventions, or empty for an API that is no inference.

    `decode_stream` takes the parsed data of the server-sent events, in order, cut off anywhere.
    """

    name: str
    operation: str
    decode_request: Callable[[JsonObject], InferenceRequest]
    decode_response: Callable[[JsonObject], InferenceResponse]
    decode_stream: Callable[[Sequence[Json]], InferenceResponse]


def parameters(body: JsonObject, table: Mapping[str, str]) -> dict[str, AttributeValue]:
    """Return the request parameters that have an attribute; `table` maps a member of the body to it."""
    found: dict[str, AttributeValue] = {}
    for member, attribute in table.items():
        value = body.get(member)
        if value is not None:
            plain = _plain(value)
            if plain is not None:
                found[attribute] = plain
    return found


def _plain(value: Json) -> AttributeValue:
    if isinstance(value, str) or number(value) is not None:
        return value
    if isinstance(value, list):
        return tuple(item for item in value if isinstance(item, str)) or None
    return None


def text_part(content: str) -> Part:
    """Return a text part."""
    return {"type": "text", "content": content}


def tool_call(call_id: Json, name: Json, written: Json) -> Part:
    """Return a tool call; its arguments are parsed if they are JSON."""
    part: dict[str, Json] = {"type": "tool_call", "name": text(name) or "", "arguments": arguments(written)}
    return {**part, "id": call_id} if isinstance(call_id, str) else part


def arguments(written: Json) -> Json:
    """Return the arguments of a tool call: the object a text stands for, else the text."""
    if not isinstance(written, str):
        return written
    try:
        return parse(written)
    except (ValueError, RecursionError):
        return written


def error_type(body: JsonObject) -> str | None:
    """Return the type or code of an error payload, or None if the body is none."""
    error = body.get("error")
    if isinstance(error, str):
        return error
    told = obj(error)
    return text(told.get("type")) or text(told.get("code")) or ("error" if told else None)


def count(value: Json) -> int | None:
    """Return a number of tokens, or None."""
    return integer(value)


def output(role: Json, parts: Sequence[Part], finish_reason: str | None) -> Message:
    """Return a message of a response."""
    return Message(text(role) or "assistant", tuple(parts), None, finish_reason)
