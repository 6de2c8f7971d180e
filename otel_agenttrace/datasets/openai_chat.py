"""Examples for fine-tuning chat models of OpenAI, and messages as its API has them. Example in, row out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.analyze.conversations import text_of_value
from otel_agenttrace.datasets.examples import Example
from otel_agenttrace.datasets.formats import Format
from otel_agenttrace.datasets.shapes import Turn, tool_problems
from otel_agenttrace.errors import NotEncodable
from otel_agenttrace.jsonvalue import Json, JsonObject, array, obj, text
from otel_agenttrace.model import InferenceResponse, Message, Part, Span
from otel_agenttrace.wire.openai_chat_encode import encode_response

__all__ = ["FORMAT", "asked_messages", "problems", "said_messages"]

_API: Final = "openai.chat"
_ROLES: Final = frozenset({"system", "developer", "user", "assistant", "tool"})
_ASSISTANT: Final = frozenset({"assistant", "model"})


def row(example: Example, _: Example | None = None) -> JsonObject:
    """Return `messages`, `tools` and `parallel_tool_calls`; the last message is the answer.

    Raises:
        NotEncodable: If something in it has no place in this API.
    """
    tools = [_tool(tool) for tool in example.tools]
    is_parallel = example.is_parallel if tools else None
    return {
        "messages": said_messages(example),
        **({"tools": tools} if tools else {}),
        **({} if is_parallel is None else {"parallel_tool_calls": is_parallel}),
    }


def _tool(tool: JsonObject) -> JsonObject:
    if tool.get("type", "function") != "function":
        raise NotEncodable(_API, f"tool {tool.get('type')}")
    return {"type": "function", "function": {name: value for name, value in tool.items() if name != "type"}}


def said_messages(example: Example) -> list[JsonObject]:
    """Return the whole conversation, the answer last."""
    asked, answer = list(example.messages), example.answer
    if answer is not None and asked and asked[-1].role in _ASSISTANT and _goes_on(example.span):
        answer = Message(answer.role, (*asked.pop().parts, *answer.parts))
    return [*_instructions(example.system), *_messages((*asked, *([] if answer is None else [answer])))]


def _goes_on(span: Span) -> bool:
    """Whether an answer goes on in the middle of a last message of the assistant, as Anthropic's do."""
    return span.attributes.get(semconv.GEN_AI_PROVIDER_NAME) == semconv.PROVIDER_ANTHROPIC


def asked_messages(example: Example) -> list[JsonObject]:
    """Return the conversation without the answer."""
    return [*_instructions(example.system), *_messages(example.messages)]


def _instructions(parts: Sequence[Part]) -> Iterator[JsonObject]:
    if parts:
        yield {"role": "system", "content": _content(parts)}


def _messages(messages: Iterable[Message]) -> Iterator[JsonObject]:
    """Yield messages; a text of the assistant and its calls, which are items of the Responses API, are one."""
    for is_assistant, group in groupby(messages, lambda message: message.role in _ASSISTANT):
        if is_assistant:
            for parts in _together(group):
                yield from _assistant(parts)
        else:
            for message in group:
                yield from _others(message)


def _together(messages: Iterable[Message]) -> Iterator[Sequence[Part]]:
    """Yield the parts of each message: every text begins one, but after a call, whose result comes next, it goes on below."""
    parts: list[Part] = []
    for message in messages:
        if _has("text", message.parts) and _has("text", parts):
            if _has("tool_call", parts):
                parts.append({"type": "text", "content": "\n\n"})
            else:
                yield parts
                parts = []
        parts += message.parts
    yield parts


def _has(kind: str, parts: Iterable[Part]) -> bool:
    return any(part.get("type") == kind for part in parts)


def _assistant(parts: Sequence[Part]) -> Iterator[JsonObject]:
    spoken = tuple(part for part in parts if part.get("type") != "reasoning")
    if spoken:
        (choice,) = array(
            encode_response(InferenceResponse(output_messages=(Message("assistant", spoken),)))["choices"]
        )
        message = obj(obj(choice)["message"])
        yield {name: value for name, value in message.items() if value is not None or name == "role"}


def _others(message: Message) -> Iterator[JsonObject]:
    """Yield the results of tools, which are messages of their own here, then what is said beside them."""
    said: list[Part] = []
    for part in message.parts:
        if part.get("type") == "tool_call_response":
            yield {"role": "tool", "tool_call_id": part.get("id"), "content": text_of_value(part.get("response"))}
        else:
            said.append(part)
    if said:
        yield {"role": message.role, **({"name": message.name} if message.name else {}), "content": _content(said)}


def _content(parts: Sequence[Part]) -> Json:
    told = [_content_part(part) for part in parts]
    return told[0]["text"] if len(told) == 1 and set(told[0]) == {"type", "text"} else told


def _content_part(part: Part) -> JsonObject:
    kind, modality = part.get("type"), part.get("modality")
    if kind == "text":
        return {"type": "text", "text": text(part.get("content")) or ""}
    if modality == "image" and kind == "uri":
        return {"type": "image_url", "image_url": {"url": part.get("uri")}}
    held = f"data:{text(part.get('mime_type')) or 'application/octet-stream'};base64,{text(part.get('content')) or ''}"
    if modality == "image" and kind == "blob":
        return {"type": "image_url", "image_url": {"url": held}}
    if modality == "document" and kind in ("blob", "file"):
        return {"type": "file", "file": {"file_data": held} if kind == "blob" else {"file_id": part.get("file_id")}}
    raise NotEncodable(_API, str(kind))


# --- what the provider asks of it ---------------------------------------------------------------------------------------


def problems(row: JsonObject) -> Iterator[str]:
    """Yield what OpenAI would not take of a row, or not learn from."""
    messages = [obj(each) for each in array(row.get("messages"))]
    roles = [text(each.get("role")) or "" for each in messages]
    for role in dict.fromkeys(roles):
        if role not in _ROLES:
            yield f"there is no role {role!r}"
    if "user" not in roles:
        yield "no message of a user"
    if not roles or roles[-1] != "assistant":
        yield "the last message is not the assistant's"
    for place, message in enumerate(messages):
        if message.get("role") == "assistant" and not (message.get("content") or message.get("tool_calls")):
            yield f"message {place + 1}, of the assistant, says nothing and calls no tool"
    names = [text(obj(obj(tool).get("function")).get("name")) or "" for tool in array(row.get("tools"))]
    yield from tool_problems([_turn(message) for message in messages], names)


def _turn(message: JsonObject) -> Turn:
    calls = [obj(each) for each in array(message.get("tool_calls"))]
    return Turn(
        tuple((text(call.get("id")) or "", text(obj(call.get("function")).get("name")) or "") for call in calls),
        (text(message.get("tool_call_id")) or "",) if message.get("role") == "tool" else (),
    )


FORMAT: Final = Format(row, problems, least=10)
