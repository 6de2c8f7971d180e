"""Examples for fine-tuning by Anthropic's messages: blocks, tool use and results. Example in, row out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import groupby, pairwise
from typing import Final

from otel_agenttrace.analyze.conversations import text_of_value
from otel_agenttrace.datasets.examples import Example
from otel_agenttrace.datasets.formats import Format
from otel_agenttrace.datasets.shapes import Turn, tool_problems
from otel_agenttrace.errors import NotEncodable
from otel_agenttrace.jsonvalue import Json, JsonObject, array, obj, text
from otel_agenttrace.model import InferenceResponse, Message, Part
from otel_agenttrace.wire.anthropic_messages_encode import encode_response

__all__ = ["FORMAT", "problems"]

_API: Final = "anthropic.messages"
_INSTRUCTING: Final = frozenset({"system", "developer"})


def row(example: Example, _: Example | None = None) -> JsonObject:
    """Return `system`, `messages` and `tools`; roles take turns, and the last message is the answer.

    Raises:
        NotEncodable: If something in it has no place in this API.
    """
    answer = [] if example.answer is None else [example.answer]
    said = [*example.messages, *answer]
    instructions = [*example.system, *(part for each in said if each.role in _INSTRUCTING for part in each.parts)]
    system = "\n\n".join(filter(None, (text(part.get("content")) for part in instructions)))
    tools = [_tool(tool) for tool in example.tools]
    return {
        **({"system": system} if system else {}),
        "messages": list(_messages(each for each in said if each.role not in _INSTRUCTING)),
        **({"tools": tools} if tools else {}),
    }


def _tool(tool: JsonObject) -> JsonObject:
    if tool.get("type", "function") != "function":
        raise NotEncodable(_API, f"tool {tool.get('type')}")
    described = {"description": tool["description"]} if "description" in tool else {}
    return {"name": tool.get("name"), **described, "input_schema": tool.get("parameters") or {"type": "object"}}


def _role(message: Message) -> str:
    return "assistant" if message.role in ("assistant", "model") else "user"


def _messages(messages: Iterable[Message]) -> Iterator[JsonObject]:
    """Yield messages; those of one side that follow each other are one, results of tools first."""
    for role, group in groupby(messages, _role):
        parts = [part for message in group for part in message.parts]
        blocks = _assistant(parts) if role == "assistant" else _user(parts)
        if blocks:
            yield {"role": role, "content": _plain(blocks)}


def _plain(blocks: list[JsonObject]) -> Json:
    return blocks[0]["text"] if len(blocks) == 1 and set(blocks[0]) == {"type", "text"} else blocks


def _assistant(parts: Iterable[Part]) -> list[JsonObject]:
    spoken = tuple(part for part in parts if part.get("type") != "reasoning" and not _is_blank(part))
    whole = encode_response(InferenceResponse(output_messages=(Message("assistant", spoken),)))
    return [obj(block) for block in array(whole["content"])]


def _is_blank(part: Part) -> bool:
    return part.get("type") == "text" and not (text(part.get("content")) or "").strip()


def _user(parts: Iterable[Part]) -> list[JsonObject]:
    blocks = [_user_block(part) for part in parts if not _is_blank(part)]
    return sorted(blocks, key=lambda block: block["type"] != "tool_result")


def _user_block(part: Part) -> JsonObject:
    kind, modality = part.get("type"), text(part.get("modality"))
    if kind == "text":
        return {"type": "text", "text": part.get("content")}
    if kind == "tool_call_response":
        content = text_of_value(part.get("response"))
        return {"type": "tool_result", "tool_use_id": part.get("id"), "content": content}
    if modality in ("image", "document") and kind in _SOURCES:
        return {"type": modality, "source": _source(str(kind), part)}
    raise NotEncodable(_API, str(kind))


_SOURCES: Final[Mapping[str, tuple[str, str]]] = {
    "blob": ("base64", "data"),
    "uri": ("url", "url"),
    "file": ("file", "file_id"),
}
_HELD: Final = {"blob": "content", "uri": "uri", "file": "file_id"}


def _source(kind: str, part: Part) -> JsonObject:
    told, member = _SOURCES[kind]
    typed = {"media_type": part.get("mime_type")} if kind == "blob" else {}
    return {"type": told, **typed, member: part.get(_HELD[kind])}


# --- what the provider asks of it ---------------------------------------------------------------------------------------


def problems(row: JsonObject) -> Iterator[str]:
    """Yield what Anthropic would not take of a row, or not learn from."""
    messages = [obj(each) for each in array(row.get("messages"))]
    roles = [text(each.get("role")) or "" for each in messages]
    if not roles or roles[0] != "user":
        yield "the first message is not the user's"
    if any(one == other for one, other in pairwise(roles)):
        yield "the roles do not take turns"
    if not roles or roles[-1] != "assistant":
        yield "the last message is not the assistant's"
    names = [text(obj(tool).get("name")) or "" for tool in array(row.get("tools"))]
    yield from tool_problems([_turn(message) for message in messages], names)


def _turn(message: JsonObject) -> Turn:
    blocks = [obj(each) for each in array(message.get("content"))]
    return Turn(
        tuple(
            (text(each.get("id")) or "", text(each.get("name")) or "")
            for each in blocks
            if each.get("type") == "tool_use"
        ),
        tuple(text(each.get("tool_use_id")) or "" for each in blocks if each.get("type") == "tool_result"),
    )


FORMAT: Final = Format(row, problems)
