"""What the encoders of all APIs share: a response of the model in, the pieces its JSON is made of out."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Final

from otel_agenttrace.errors import NotEncodable
from otel_agenttrace.jsonvalue import Json, JsonObject, compact, text
from otel_agenttrace.model import InferenceResponse, Message, Part
from otel_agenttrace.wire.sse import SseEvent

__all__ = [
    "choices",
    "content",
    "event",
    "finish_reason",
    "is_only_an_error",
    "kind_of",
    "known",
    "own_part",
    "parts",
    "without",
    "written",
]

_OF_THE_CONVENTIONS: Final = frozenset(
    {
        "text",
        "reasoning",
        "tool_call",
        "tool_call_response",
        "server_tool_call",
        "server_tool_call_response",
        "blob",
        "file",
        "uri",
    }
)


# --- what is told -----------------------------------------------------------------------------------------------------


def choices(response: InferenceResponse) -> tuple[Message, ...]:
    """Return one message for each choice, with why it ended; a reason without a message is an empty one."""
    told, reasons = response.output_messages, response.finish_reasons
    if not told:
        return tuple(Message("assistant", finish_reason=reason) for reason in reasons)
    if len(told) != len(reasons):
        return told
    return tuple(
        replace(each, finish_reason=each.finish_reason or why) for each, why in zip(told, reasons, strict=True)
    )


def parts(response: InferenceResponse) -> tuple[Part, ...]:
    """Return all that was answered, for an API that answers with one message."""
    return tuple(part for message in response.output_messages for part in message.parts)


def finish_reason(response: InferenceResponse) -> str | None:
    """Return why generation ended, for an API that answers with one message."""
    told = (*response.finish_reasons, *(message.finish_reason for message in response.output_messages))
    return next(filter(None, told), None)


def is_only_an_error(response: InferenceResponse) -> bool:
    """Whether nothing was answered but an error."""
    return response == InferenceResponse(error_type=response.error_type) and response.error_type is not None


# --- parts ------------------------------------------------------------------------------------------------------------


def kind_of(part: Part) -> str:
    """Return the type of a part."""
    return text(part.get("type")) or ""


def content(part: Part) -> str:
    """Return the text of a part."""
    return text(part.get("content")) or ""


def own_part(api: str, part: Part) -> JsonObject:
    """Return a part the conventions do not know as it is: it is the provider's own.

    Raises:
        NotEncodable: If the conventions know it, for then the API has no place for it.
    """
    if kind_of(part) in _OF_THE_CONVENTIONS:
        raise NotEncodable(api, kind_of(part))
    return part


def written(value: Json) -> str:
    """Return the text that stands for the arguments of a tool call; none told is none given, a text is written already."""
    return "{}" if value is None else value if isinstance(value, str) else compact(value)


# --- JSON -------------------------------------------------------------------------------------------------------------


def known(values: Mapping[str, Json]) -> dict[str, Json]:
    """Return the members that have a value."""
    return {name: value for name, value in values.items() if value is not None}


def without(values: Mapping[str, Json], names: Iterable[str]) -> dict[str, Json]:
    """Return the other members."""
    left_out = frozenset(names)
    return {name: value for name, value in values.items() if name not in left_out}


def event(data: JsonObject, name: str = "") -> SseEvent:
    """Return a server-sent event with JSON in it."""
    return SseEvent(name, compact(data))
