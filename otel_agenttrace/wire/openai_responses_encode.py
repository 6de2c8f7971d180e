"""A response of the model as OpenAI's Responses API tells it: one JSON body, or the events from `created` to `completed`.

The model does not hold when a response was made, what was asked, and the ids of messages and calls: times are 0, the
request's settings the API's defaults, and ids are made from the response's id and the place of an item.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, array, obj, text
from otel_agenttrace.model import InferenceResponse, Part, Usage
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
from otel_agenttrace.wire.openai_responses_events import ARGUMENTS, TEXTS, StreamedArguments, StreamedText
from otel_agenttrace.wire.sse import SseEvent

__all__ = ["encode_response", "encode_stream"]

_API: Final = "openai.responses"
_STATUS: Final[Mapping[str, str]] = {
    **dict.fromkeys(("stop", "stop_sequence", "end_turn", "completed"), "completed"),
    **dict.fromkeys(("tool_calls", "tool_call", "tool_use"), "completed"),
    **dict.fromkeys(("failed", "error"), "failed"),
    "cancelled": "cancelled",
    "incomplete": "incomplete",
}
"""The status that a finish reason stands for; any other is why a response is incomplete."""
_WHY_INCOMPLETE: Final = {"length": "max_output_tokens", "max_tokens": "max_output_tokens"}


# --- the body ---------------------------------------------------------------------------------------------------------


def encode_response(response: InferenceResponse) -> JsonObject:
    """Return the body of a response; each text is a message item of its own.

    Raises:
        NotEncodable: If a part is no text, refusal, reasoning, tool call or call of a server's tool.
    """
    if is_only_an_error(response):
        return {"error": {"message": "", "type": response.error_type, "param": None, "code": None}}
    return {
        "id": response.id,
        "object": "response",
        "created_at": 0,
        **_status(finish_reason(response)),
        "error": {"code": response.error_type, "message": ""} if response.error_type is not None else None,
        "instructions": None,
        "metadata": {},
        "model": response.model,
        "output": [_item(response, index, part) for index, part in enumerate(parts(response))],
        "parallel_tool_calls": True,
        "temperature": None,
        "tool_choice": "auto",
        "tools": [],
        "top_p": None,
        "usage": _usage(response.usage),
        **_attributes(response),
    }


def _status(reason: str | None) -> JsonObject:
    if reason is None or reason in _STATUS:
        return {"status": _STATUS[reason] if reason else None, "incomplete_details": None}
    return {"status": "incomplete", "incomplete_details": {"reason": _WHY_INCOMPLETE.get(reason, reason)}}


def _usage(usage: Usage) -> JsonObject | None:
    if usage == Usage():
        return None
    return {
        "input_tokens": usage.input_tokens,
        "input_tokens_details": {
            "cached_tokens": usage.cache_read_input_tokens,
            **known({"cache_write_tokens": usage.cache_write_input_tokens}),
        },
        "output_tokens": usage.output_tokens,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning_output_tokens},
        "total_tokens": usage.total_tokens,
    }


def _attributes(response: InferenceResponse) -> JsonObject:
    told = {
        "service_tier": text(response.attributes.get(semconv.OPENAI_RESPONSE_SERVICE_TIER)),
        "system_fingerprint": text(response.attributes.get(semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT)),
    }
    return known(told)


# --- items ------------------------------------------------------------------------------------------------------------


def _item(response: InferenceResponse, index: int, part: Part) -> JsonObject:
    made = _ITEMS.get(kind_of(part))
    if made is None:
        return own_part(_API, part)
    prefix, item = made(part)
    own_id = f"{prefix}_{(response.id or '').removeprefix('resp_')}_{index}"
    return {"id": own_id, **item} if prefix else item


def _message(told: JsonObject) -> tuple[str, JsonObject]:
    return "msg", {"type": "message", "status": "completed", "role": "assistant", "content": [told]}


def _text(part: Part) -> tuple[str, JsonObject]:
    more = without(part, ("type", "content"))
    return _message({"type": "output_text", "annotations": [], "logprobs": [], **more, "text": content(part)})


def _refusal(part: Part) -> tuple[str, JsonObject]:
    return _message({"type": "refusal", "refusal": content(part)})


def _call(part: Part) -> tuple[str, JsonObject]:
    who: dict[str, Json] = {"call_id": part.get("id"), "name": part.get("name"), "status": "completed"}
    if part.get("custom") is True:
        return "ctc", {"type": "custom_tool_call", **who, "input": part.get("arguments")}
    return "fc", {"type": "function_call", **who, "arguments": written(part.get("arguments"))}


def _reasoning(part: Part) -> tuple[str, JsonObject]:
    told = content(part)
    summary = [{"type": "summary_text", "text": told}] if told else []
    return "rs", {"type": "reasoning", "summary": summary, **_kept(part, "id", "encrypted_content")}


def _server_tool(part: Part) -> tuple[str, JsonObject]:
    """Return the item of a server's tool, which the part holds; the conventions leave the ending of its type out."""
    item = obj(part.get("server_tool_call"))
    kind = text(item.get("type")) or text(part.get("name")) or ""
    if kind.endswith("_call"):
        return "", item
    return "st", {"status": "completed", **_kept(part, "id"), **item, "type": f"{kind}_call"}


def _kept(part: Part, *names: str) -> JsonObject:
    return {name: part[name] for name in names if part.get(name)}


_ITEMS: Final[Mapping[str, Callable[[Part], tuple[str, JsonObject]]]] = {
    "text": _text,
    "refusal": _refusal,
    "tool_call": _call,
    "reasoning": _reasoning,
    "server_tool_call": _server_tool,
}
"""How a part becomes an item, and how the id of such an item begins; empty if the item has its own."""


# --- the stream -------------------------------------------------------------------------------------------------------

_ENDS: Final = {
    "incomplete": "response.incomplete",
    "cancelled": "response.incomplete",
    "failed": "response.failed",
}
_EMPTY: Final[tuple[Json, ...]] = ()
_TEXT_OF_PART: Final = {told.part: told for told in TEXTS}
_ARGUMENTS_OF_ITEM: Final = {told.item: told for told in ARGUMENTS}


def encode_stream(response: InferenceResponse) -> list[SseEvent]:
    """Return the events of a response; the last one carries all of it.

    Raises:
        NotEncodable: As for the body.
    """
    return [event({**told, "sequence_number": number}, _name(told)) for number, told in enumerate(_told(response))]


def _name(told: JsonObject) -> str:
    return text(told.get("type")) or ""


def _told(response: InferenceResponse) -> Iterator[JsonObject]:
    if is_only_an_error(response):
        yield {"type": "error", "code": response.error_type, "message": "", "param": None}
        return
    whole = encode_response(response)
    nothing: JsonObject = {"output": [], "usage": None, "error": None, "incomplete_details": None}
    begun: JsonObject = {**whole, **nothing, "status": "in_progress"}
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(map(obj, array(whole["output"]))):
        yield from _item_events(index, item)
    yield {"type": _end(whole), "response": whole}


def _end(whole: JsonObject) -> str:
    failed = "response.failed" if whole["error"] is not None else "response.completed"
    return _ENDS.get(text(whole["status"]) or "", failed)


def _item_events(index: int, item: JsonObject) -> Iterator[JsonObject]:
    """Yield the events of one item: an empty one is added, filled and done."""
    lists = {told.member: _EMPTY for told in TEXTS if told.item == item.get("type") and told.member in item}
    arguments = _ARGUMENTS_OF_ITEM.get(_name(item))
    empty = {**lists, **({arguments.member: ""} if arguments and arguments.member in item else {})}
    status = {"status": "in_progress"} if "status" in item else {}
    yield {"type": "response.output_item.added", "output_index": index, "item": {**item, **empty, **status}}
    where: JsonObject = {"item_id": item.get("id"), "output_index": index}
    for member in lists:
        for place, part in enumerate(map(obj, array(item[member]))):
            yield from _text_events(_TEXT_OF_PART.get(_name(part)), where, place, part)
    if arguments and isinstance(item.get(arguments.member), str):
        yield from _argument_events(arguments, where, item[arguments.member])
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _text_events(told: StreamedText | None, where: JsonObject, place: int, part: JsonObject) -> Iterator[JsonObject]:
    if told is None:
        return
    here: JsonObject = {**where, told.index: place}
    beside: JsonObject = {"logprobs": []} if told.part == "output_text" else {}
    notes = array(part.get("annotations"))
    empty = {**part, told.text: "", **({"annotations": _EMPTY} if notes else {})}
    yield {"type": f"{told.around}.added", **here, "part": empty}
    if part[told.text]:
        yield {"type": f"{told.event}.delta", **here, **beside, "delta": part[told.text]}
    for number, note in enumerate(notes):
        yield {
            "type": "response.output_text.annotation.added",
            **here,
            "annotation_index": number,
            "annotation": note,
        }
    yield {"type": f"{told.event}.done", **here, **beside, told.text: part[told.text]}
    yield {"type": f"{told.around}.done", **here, "part": part}


def _argument_events(told: StreamedArguments, where: JsonObject, value: Json) -> Iterator[JsonObject]:
    if value:
        yield {"type": f"{told.event}.delta", **where, "delta": value}
    yield {"type": f"{told.event}.done", **where, told.member: value}
