"""Answers of the fake OpenAI to chat completions and legacy completions, in one piece or as a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.support.answers import Question, json_answer, sample, sse_answer, text_of, words_of
from tests.support.loopback import Answer

__all__ = ["CREATED", "chat", "completion", "data_events"]

CREATED: Final = 1_790_000_000
_ROUTER_COMMENT: Final = ": ROUTER PROCESSING"
_ARGUMENT_PIECE: Final = 9


def data_events(values: list[Mapping[str, Any]]) -> list[str]:
    """Return the events of a stream that ends with [DONE]."""
    return [*(f"data: {json.dumps(value, ensure_ascii=False)}" for value in values), "data: [DONE]"]


# --- chat -----------------------------------------------------------------------------------------------------------


def chat(question: Question, _: tuple[str, ...]) -> Answer:
    """Answer a chat completion: tools are called until a tool has answered, a JSON schema is filled, else an echo."""
    body = question.body
    messages = [_message(question, index) for index in range(body.get("n") or 1)]
    if body.get("stream"):
        comments = [_ROUTER_COMMENT] if question.request.path.startswith("/api/") else []
        return sse_answer([*comments, *data_events(list(_chat_chunks(question, messages)))])
    return json_answer(
        {
            **_chat_frame(question, "chat.completion"),
            "choices": [_choice(question, index, message) for index, message in enumerate(messages)],
            "usage": _usage(question, messages),
            "x_router": {"name": "fake", "number": question.number},
        }
    )


def _chat_frame(question: Question, kind: str) -> dict[str, Any]:
    return {
        "id": question.id("chatcmpl-"),
        "object": kind,
        "created": CREATED + question.number,
        "model": f"{question.body.get('model', 'deployed')}-2026-10-01",
        "service_tier": "default",
        "system_fingerprint": "fp_fake",
    }


def _message(question: Question, index: int) -> dict[str, Any]:
    body = question.body
    text = text_of(body["messages"][-1].get("content"))
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None, "annotations": []}
    tools = [tool["function"] for tool in body.get("tools") or () if tool.get("type") == "function"]
    if tools and body["messages"][-1]["role"] != "tool" and body.get("tool_choice") != "none":
        calls = [_tool_call(question, at, tool, text) for at, tool in enumerate(tools)]
        return {**message, "tool_calls": calls}
    form: dict[str, Any] = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        filled = sample(form["json_schema"]["schema"], question.echo(text), question.number)
        return {**message, "content": json.dumps(filled, ensure_ascii=False)}
    if form.get("type") == "json_object":
        return {**message, "content": json.dumps({"echo": question.echo(text)}, ensure_ascii=False)}
    return {**message, "content": question.echo(text) + (f" (choice {index})" if index else "")}


def _tool_call(question: Question, index: int, tool: Mapping[str, Any], text: str) -> dict[str, Any]:
    arguments = sample(tool.get("parameters") or {}, text, question.number)
    function = {"name": tool["name"], "arguments": json.dumps(arguments, ensure_ascii=False)}
    return {"id": f"{question.id('call_')}{index}", "type": "function", "function": function}


def _choice(question: Question, index: int, message: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "index": index,
        "message": message,
        "logprobs": _logprobs(words_of(message["content"])) if _wants_logprobs(question, message) else None,
        "finish_reason": _finish_reason(message),
    }


def _wants_logprobs(question: Question, message: Mapping[str, Any]) -> bool:
    return bool(question.body.get("logprobs")) and isinstance(message["content"], str)


def _finish_reason(message: Mapping[str, Any]) -> str:
    return "tool_calls" if message.get("tool_calls") else "stop"


def _logprobs(words: list[str]) -> dict[str, Any]:
    tokens = [
        {"token": word, "logprob": -0.125 * (at + 1), "bytes": list(word.encode()), "top_logprobs": []}
        for at, word in enumerate(words)
    ]
    return {"content": tokens, "refusal": None}


def _usage(question: Question, messages: list[dict[str, Any]]) -> dict[str, Any]:
    read = len(question.request.body) // 4
    written = sum(len(json.dumps(message)) for message in messages) // 4
    return {
        "prompt_tokens": read,
        "completion_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens_details": {"cached_tokens": read // 2, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": written // 2, "audio_tokens": 0},
    }


def _chat_chunks(question: Question, messages: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    frame = _chat_frame(question, "chat.completion.chunk")
    options: dict[str, Any] = question.body.get("stream_options") or {}
    wants_usage = bool(options.get("include_usage"))
    usage = {"usage": None} if wants_usage else {}
    for index, message in enumerate(messages):
        for delta in _deltas(message):
            words = [delta["content"]] if delta.get("content") else []
            logprobs = _logprobs(words) if words and _wants_logprobs(question, message) else None
            choice: dict[str, Any] = {"index": index, "delta": delta, "logprobs": logprobs, "finish_reason": None}
            yield {**frame, "choices": [choice], **usage}
        last: dict[str, Any] = {"index": index, "delta": {}, "logprobs": None, "finish_reason": _finish_reason(message)}
        yield {**frame, "choices": [last], **usage}
    if wants_usage:
        yield {**frame, "choices": [], "usage": _usage(question, messages)}


def _deltas(message: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": "" if message["content"] is not None else None, "refusal": None}
    for word in words_of(message["content"]) if message["content"] is not None else ():
        yield {"content": word}
    for index, call in enumerate(message.get("tool_calls") or ()):
        arguments: str = call["function"]["arguments"]
        begun: dict[str, Any] = {**call, "index": index, "function": {**call["function"], "arguments": ""}}
        yield {"tool_calls": [begun]}
        for at in range(0, len(arguments), _ARGUMENT_PIECE):
            piece = {"arguments": arguments[at : at + _ARGUMENT_PIECE]}
            yield {"tool_calls": [{"index": index, "function": piece}]}


# --- legacy completions ---------------------------------------------------------------------------------------------


def completion(question: Question, _: tuple[str, ...]) -> Answer:
    """Answer a legacy completion with an echo of its prompt."""
    body = question.body
    prompt = body["prompt"] if isinstance(body["prompt"], str) else json.dumps(body["prompt"])
    text = question.echo(prompt)
    frame = {
        "id": question.id("cmpl-"),
        "object": "text_completion",
        "created": CREATED + question.number,
        "model": body["model"],
    }
    if body.get("stream"):
        pieces = [{**frame, "choices": [_text_choice(word, None)]} for word in words_of(text)]
        return sse_answer(data_events([*pieces, {**frame, "choices": [_text_choice("", "stop")]}]))
    usage = {"prompt_tokens": len(prompt), "completion_tokens": len(text), "total_tokens": len(prompt) + len(text)}
    return json_answer({**frame, "choices": [_text_choice(text, "stop")], "usage": usage})


def _text_choice(text: str, finish_reason: str | None) -> dict[str, Any]:
    return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish_reason}
