"""Answers of the fake OpenAI's Responses API: created, streamed, in the background, retrieved, cancelled."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from tests.support.answers import Question, json_answer, sample, sse_answer, text_of, words_of
from tests.support.loopback import Answer
from tests.support.openai_chat_answers import CREATED

__all__ = ["cancel_response", "count_input", "create_response", "delete_response", "list_input", "retrieve_response"]


def create_response(question: Question, _: tuple[str, ...]) -> Answer:
    """Answer with an echo, a call of each tool, or a filled schema; in the background, with no output yet."""
    body = question.body
    if body.get("background"):
        return json_answer(_response(question, question.id("resp_"), "queued", []))
    output = _output(question)
    if body.get("stream"):
        return sse_answer(_events(list(_stream(question, output))))
    return json_answer(_response(question, question.id("resp_"), "completed", output))


def retrieve_response(question: Question, found: tuple[str, ...]) -> Answer:
    """Answer that a background response is under way when it is first asked for, then that it is done."""
    if question.again == 0:
        return json_answer(_response(question, found[0], "in_progress", []))
    message = _message(question, f"the background work of {found[0]}")
    return json_answer(_response(question, found[0], "completed", [message]))


def cancel_response(question: Question, found: tuple[str, ...]) -> Answer:
    """Answer that a response is cancelled."""
    return json_answer(_response(question, found[0], "cancelled", []))


def delete_response(question: Question, found: tuple[str, ...]) -> Answer:
    """Answer that a response is gone."""
    return json_answer({"id": found[0], "object": "response.deleted", "deleted": True})


def list_input(question: Question, found: tuple[str, ...]) -> Answer:
    """Answer with the one message a response was asked with."""
    content = [{"type": "input_text", "text": f"the input of {found[0]}"}]
    item = {"id": question.id("msg_"), "type": "message", "role": "user", "status": "completed", "content": content}
    return json_answer(
        {"object": "list", "data": [item], "first_id": item["id"], "last_id": item["id"], "has_more": False}
    )


def count_input(question: Question, _: tuple[str, ...]) -> Answer:
    """Answer with the number of tokens of an input."""
    return json_answer({"object": "response.input_tokens", "input_tokens": len(question.request.body)})


def _response(question: Question, name: str, status: str, output: list[dict[str, Any]]) -> dict[str, Any]:
    body = question.body
    is_done = status == "completed"
    return {
        "id": name,
        "object": "response",
        "created_at": float(CREATED + question.number),
        "status": status,
        "background": bool(body.get("background")) or question.path != "/responses",
        "error": None,
        "incomplete_details": None,
        "instructions": body.get("instructions"),
        "metadata": body.get("metadata") or {},
        "model": body.get("model", "gpt-4o"),
        "output": output,
        "parallel_tool_calls": True,
        "previous_response_id": body.get("previous_response_id"),
        "reasoning": {"effort": None, "summary": None},
        "store": True,
        "temperature": 1.0,
        "text": body.get("text") or {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": body.get("tools") or [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": _usage(question) if is_done else None,
        "user": None,
        "x_added_later": {"number": question.number},
    }


def _usage(question: Question) -> dict[str, Any]:
    read, written = 40 + question.number, 20 + question.number
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": 16, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": 8},
        "total_tokens": read + written,
    }


# --- output ---------------------------------------------------------------------------------------------------------


def _output(question: Question) -> list[dict[str, Any]]:
    body = question.body
    items = body["input"] if isinstance(body["input"], list) else [{"role": "user", "content": body["input"]}]
    last = items[-1]
    text = text_of(last.get("content") or last.get("output"))
    tools = [tool for tool in body.get("tools") or () if tool.get("type") == "function"]
    if tools and last.get("type") != "function_call_output":
        return [_reasoning(question), *(_tool_call(question, at, tool, text) for at, tool in enumerate(tools))]
    text_options: dict[str, Any] = body.get("text") or {}
    form: dict[str, Any] = text_options.get("format") or {}
    if form.get("type") == "json_schema":
        filled = sample(form["schema"], question.echo(text), question.number)
        return [_message(question, json.dumps(filled, ensure_ascii=False))]
    return [_message(question, question.echo(text))]


def _reasoning(question: Question) -> dict[str, Any]:
    summary = [{"type": "summary_text", "text": f"Thinking of {question.number}."}]
    return {"id": question.id("rs_"), "type": "reasoning", "summary": summary, "encrypted_content": None}


def _tool_call(question: Question, index: int, tool: Mapping[str, Any], text: str) -> dict[str, Any]:
    arguments = json.dumps(sample(tool["parameters"], text, question.number), ensure_ascii=False)
    return {
        "id": f"{question.id('fc_')}{index}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"{question.id('call_')}{index}",
        "name": tool["name"],
        "arguments": arguments,
    }


def _message(question: Question, text: str) -> dict[str, Any]:
    part: dict[str, Any] = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"id": question.id("msg_"), "type": "message", "role": "assistant", "status": "completed", "content": [part]}


# --- stream ---------------------------------------------------------------------------------------------------------


def _events(events: list[dict[str, Any]]) -> list[str]:
    numbered = [{**event, "sequence_number": number} for number, event in enumerate(events)]
    return [f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}" for event in numbered]


def _stream(question: Question, output: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    name = question.id("resp_")
    begun = _response(question, name, "in_progress", [])
    yield {"type": "response.created", "response": begun}
    yield {"type": "response.in_progress", "response": begun}
    for index, item in enumerate(output):
        yield from _item_events(index, item)
    yield {"type": "response.completed", "response": _response(question, name, "completed", output)}


def _item_events(index: int, item: dict[str, Any]) -> Iterator[dict[str, Any]]:
    added: dict[str, Any] = {
        **item,
        **({"content": []} if "content" in item else {}),
        **({"arguments": ""} if "arguments" in item else {}),
    }
    if "status" in item:
        added["status"] = "in_progress"
    at = {"output_index": index, "item_id": item["id"]}
    yield {"type": "response.output_item.added", "output_index": index, "item": added}
    if item["type"] == "message":
        yield from _text_events({**at, "content_index": 0}, item["content"][0])
    elif item["type"] == "function_call":
        kind = "response.function_call_arguments"
        for word in words_of(item["arguments"]):
            yield {"type": f"{kind}.delta", **at, "delta": word}
        yield {"type": f"{kind}.done", **at, "name": item["name"], "arguments": item["arguments"]}
    yield {"type": "response.output_item.done", "output_index": index, "item": item}


def _text_events(at: dict[str, Any], part: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"type": "response.content_part.added", **at, "part": {**part, "text": ""}}
    for word in words_of(part["text"]):
        yield {"type": "response.output_text.delta", **at, "delta": word, "logprobs": []}
    yield {"type": "response.output_text.done", **at, "text": part["text"], "logprobs": []}
    yield {"type": "response.content_part.done", **at, "part": part}
