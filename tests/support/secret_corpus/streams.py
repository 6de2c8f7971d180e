"""Bodies that arrive in pieces: a secret cut by the transport, or spread over the deltas of a model's answer."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from random import Random
from typing import Any, Final, cast

from tests.support.secret_corpus.contexts import tool_arguments

__all__ = ["STREAMS", "Body", "Stream", "told_texts"]

_OTHER: Final = "The second answer says nothing that anybody would hide, in about as many words as the first."


@dataclass(frozen=True, slots=True)
class Body:
    """A body as it came, and the sizes of its chunks."""

    content: bytes
    chunk_sizes: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Stream:
    """A way to stream what is told; the generator chooses where it is cut."""

    name: str
    render: Callable[[str, Random], Body]


def _pieces(text: str, random: Random) -> list[str]:
    """Return a text cut as tokens are, the longest seven characters."""
    cut: list[str] = []
    while text:
        size = random.randint(1, 7)
        cut.append(text[:size])
        text = text[size:]
    return cut


def _interleaved(first: list[Any], second: list[Any]) -> Iterator[Any]:
    for index in range(max(len(first), len(second))):
        yield from first[index : index + 1]
        yield from second[index : index + 1]


def _answer(told: str) -> str:
    return f"Sure, it is this:\n{told}\nAnything else?"


def _body(pieces: list[str], random: Random) -> Body:
    """Return a body of one chunk per piece, some of them cut once more."""
    sizes: list[int] = []
    for piece in (piece.encode() for piece in pieces):
        cut = random.randrange(1, len(piece)) if random.random() < 0.2 else len(piece)
        sizes += [size for size in (cut, len(piece) - cut) if size]
    return Body("".join(pieces).encode(), tuple(sizes))


def _sse(events: list[dict[str, Any]], random: Random, *, named: bool, done: bool = False) -> Body:
    written = [f"event: {event['type']}\n" if named else "" for event in events]
    pieces = [f"{name}data: {json.dumps(event)}\n\n" for name, event in zip(written, events, strict=True)]
    return _body([*pieces, "data: [DONE]\n\n"] if done else pieces, random)


# --- cut by the transport -------------------------------------------------------------------------------------------


def _cut(text: str, told: str, random: Random) -> Body:
    """Return a body in chunks, with a boundary inside of what is told."""
    written = json.dumps(told)[1:-1]
    start = text.index(written)
    places = sorted(
        {random.randrange(1, len(text)), start + random.randrange(1, len(written)), start + len(written) // 2}
    )
    bounds = [0, *places, len(text)]
    return Body(text.encode(), tuple(right - left for left, right in pairwise(bounds)))


def _cut_json(told: str, random: Random) -> Body:
    message = {"role": "assistant", "content": _answer(told)}
    return _cut(json.dumps({"id": "chatcmpl-1", "choices": [{"index": 0, "message": message}]}), told, random)


def _cut_event(told: str, random: Random) -> Body:
    delta = {"type": "text_delta", "text": _answer(told)}
    event = json.dumps({"type": "content_block_delta", "index": 0, "delta": delta})
    return _cut(f"event: content_block_delta\ndata: {event}\n\nevent: ping\ndata: {{}}\n\n", told, random)


# --- OpenAI ---------------------------------------------------------------------------------------------------------


def _chat_chunk(index: int, delta: dict[str, Any]) -> dict[str, Any]:
    choice = {"index": index, "delta": delta, "finish_reason": None}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "model": "gpt-5", "choices": [choice]}


def _chat_text(told: str, random: Random) -> Body:
    first = [_chat_chunk(0, {"content": piece}) for piece in _pieces(_answer(told), random)]
    second = [_chat_chunk(1, {"content": piece}) for piece in _pieces(_OTHER, random)]
    return _sse(list(_interleaved(first, second)), random, named=False, done=True)


def _chat_tools(told: str, random: Random) -> Body:
    def chunk(index: int, piece: str) -> dict[str, Any]:
        return _chat_chunk(0, {"tool_calls": [{"index": index, "function": {"arguments": piece}}]})

    first = [chunk(0, piece) for piece in _pieces(tool_arguments(told), random)]
    second = [chunk(1, piece) for piece in _pieces(json.dumps({"query": _OTHER}), random)]
    begun = [
        _chat_chunk(0, {"tool_calls": [{"index": at, "id": f"call_{at}", "function": {"name": "f", "arguments": ""}}]})
        for at in (0, 1)
    ]
    return _sse([*begun, *_interleaved(first, second)], random, named=False, done=True)


def _responses_text(told: str, random: Random) -> Body:
    def events(index: int, text: str) -> list[dict[str, Any]]:
        at = {"item_id": f"msg_{index}", "output_index": index, "content_index": 0}
        kind = "response.output_text"
        return [{"type": f"{kind}.delta", **at, "delta": piece} for piece in _pieces(text, random)]

    text = _answer(told)
    content = [{"type": "output_text", "text": text, "logprobs": None}]
    item = {"id": "msg_0", "type": "message", "role": "assistant", "content": content}
    done = {
        "type": "response.output_text.done",
        "item_id": "msg_0",
        "output_index": 0,
        "content_index": 0,
        "text": text,
    }
    ended = [
        done,
        {"type": "response.content_part.done", "item_id": "msg_0", "output_index": 0, "part": content[0]},
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": [item]}},
    ]
    return _sse([*_interleaved(events(0, text), events(1, _OTHER)), *ended], random, named=True)


def _responses_tools(told: str, random: Random) -> Body:
    kind = "response.function_call_arguments"

    def events(index: int, text: str) -> list[dict[str, Any]]:
        at = {"item_id": f"fc_{index}", "output_index": index}
        deltas = [{"type": f"{kind}.delta", **at, "delta": piece} for piece in _pieces(text, random)]
        return [*deltas, {"type": f"{kind}.done", **at, "arguments": text}]

    written = tool_arguments(told)
    item = {"id": "fc_0", "type": "function_call", "call_id": "call_0", "name": "f", "arguments": written}
    ended = [
        {"type": "response.output_item.done", "output_index": 0, "item": item},
        {"type": "response.completed", "response": {"id": "resp_1", "status": "completed", "output": [item]}},
    ]
    other = json.dumps({"query": _OTHER})
    return _sse([*_interleaved(events(0, written), events(1, other)), *ended], random, named=True)


# --- Anthropic, Google, Ollama --------------------------------------------------------------------------------------


def _anthropic(kind: str, member: str, text: str, random: Random) -> Body:
    def events(index: int, kind: str, member: str, text: str) -> list[dict[str, Any]]:
        at = {"type": "content_block_delta", "index": index}
        return [{**at, "delta": {"type": kind, member: piece}} for piece in _pieces(text, random)]

    start = {"type": "message_start", "message": {"id": "msg_1", "model": "claude-opus-4-5"}}
    first = events(0, kind, member, text)
    return _sse(
        [start, *_interleaved(first, events(1, "text_delta", "text", _OTHER)), {"type": "message_stop"}],
        random,
        named=True,
    )


def _anthropic_text(told: str, random: Random) -> Body:
    return _anthropic("text_delta", "text", _answer(told), random)


def _anthropic_thinking(told: str, random: Random) -> Body:
    return _anthropic("thinking_delta", "thinking", _answer(told), random)


def _anthropic_tools(told: str, random: Random) -> Body:
    return _anthropic("input_json_delta", "partial_json", tool_arguments(told), random)


def _gemini_text(told: str, random: Random) -> Body:
    def event(piece: str) -> dict[str, Any]:
        content = {"role": "model", "parts": [{"text": piece}]}
        return {"candidates": [{"index": 0, "content": content}], "modelVersion": "gemini-3-pro"}

    return _sse([event(piece) for piece in _pieces(_answer(told), random)], random, named=False)


def _ndjson_text(told: str, random: Random) -> Body:
    rows = [
        {"model": "llama3", "message": {"role": "assistant", "content": piece}, "done": False}
        for piece in _pieces(_answer(told), random)
    ]
    return _body([f"{json.dumps(row)}\n" for row in [*rows, {"model": "llama3", "done": True}]], random)


STREAMS: Final[tuple[Stream, ...]] = (
    Stream("JSON cut by the transport", _cut_json),
    Stream("event cut by the transport", _cut_event),
    Stream("openai chat text", _chat_text),
    Stream("openai chat tools", _chat_tools),
    Stream("openai responses text", _responses_text),
    Stream("openai responses tools", _responses_tools),
    Stream("anthropic text", _anthropic_text),
    Stream("anthropic thinking", _anthropic_thinking),
    Stream("anthropic tools", _anthropic_tools),
    Stream("gemini text", _gemini_text),
    Stream("ndjson text", _ndjson_text),
)


# --- reading them again ---------------------------------------------------------------------------------------------

_PLACES: Final = ("type", "index", "output_index", "content_index")


def told_texts(content: bytes) -> dict[str, str]:
    """Return what a body tells, the deltas of each place joined: by event type, indexes and path.

    Raises:
        json.JSONDecodeError: If a line that should hold JSON does not.
    """
    texts: dict[str, str] = {}
    for event in _events(content.decode()):
        place = " ".join(str(event[name]) for name in _PLACES if name in event)
        for path, text in _strings(event):
            texts[f"{place} {path}"] = texts.get(f"{place} {path}", "") + text
    return texts


def _events(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        data = line.removeprefix("data: ")
        if data.startswith("{"):
            yield json.loads(data)


def _strings(value: Any, path: str = "") -> Iterator[tuple[str, str]]:
    if isinstance(value, str):
        yield path, value
    for name, member in _members(value):
        yield from _strings(member, f"{path}/{name}")


def _members(value: Any) -> Iterator[tuple[Any, Any]]:
    """Give the members of an object, and of a list those by their own index where they have one."""
    if isinstance(value, dict):
        yield from cast("dict[str, Any]", value).items()
    if isinstance(value, list):
        for at, item in enumerate(cast("list[Any]", value)):
            yield cast("dict[str, Any]", item).get("index", at) if isinstance(item, dict) else at, item
