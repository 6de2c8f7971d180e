"""Answers of the fake Anthropic, by method and path: messages whole and streamed, tokens, models, batches, files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import Any, Final

from tests.support.answers import (
    Handler,
    Question,
    binary_answer,
    json_answer,
    routed,
    sample,
    sse_answer,
    text_of,
    words_of,
)
from tests.support.loopback import Answer

__all__ = ["answer"]

_CREATED: Final = "2026-11-20T10:00:00Z"
_MODELS: Final = ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5")
_JSON_PIECE: Final = 9


def answer(question: Question) -> Answer | None:
    """Return the answer to a question, or None where the API has no such path."""
    return routed(_TABLE, question)


# --- messages -------------------------------------------------------------------------------------------------------


def _messages(question: Question, _: tuple[str, ...]) -> Answer:
    """Answer a message: tools are called until a result has come, a JSON schema is filled, else an echo."""
    content = list(_content(question))
    if question.body.get("stream"):
        return sse_answer(_events(question, content))
    frame = _message_frame(question)
    return json_answer({**frame, "content": content, "stop_reason": _stop_reason(content), "usage": _usage(question)})


def _message_frame(question: Question) -> dict[str, Any]:
    return {
        "id": question.id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": question.body["model"],
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "x_added_later": {"number": question.number},
    }


def _usage(question: Question) -> dict[str, Any]:
    return {
        "input_tokens": 12,
        "cache_creation_input_tokens": 4 if b"cache_control" in question.request.body else 0,
        "cache_read_input_tokens": 3,
        "cache_creation": {"ephemeral_5m_input_tokens": 4, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 20 + question.number,
        "service_tier": "standard",
    }


def _content(question: Question) -> Iterator[dict[str, Any]]:
    body = question.body
    last = body["messages"][-1]["content"]
    text = text_of(last)
    thinking: Mapping[str, Any] = body.get("thinking") or {}
    if thinking.get("type") in ("enabled", "adaptive"):
        signature = hashlib.sha256(f"{question.number}".encode()).hexdigest()
        yield {"type": "thinking", "thinking": f"Thinking of {question.number} and {text}.", "signature": signature}
    tools = [tool for tool in body.get("tools") or () if "input_schema" in tool]
    if tools and not _has_result(last):
        yield {"type": "text", "text": question.echo("asking the tools")}
        for index, tool in enumerate(tools):
            arguments = sample(tool["input_schema"], text, question.number)
            yield {
                "type": "tool_use",
                "id": f"{question.id('toolu_')}{index}",
                "name": tool["name"],
                "input": arguments,
            }
        return
    schema = _output_schema(body)
    said = json.dumps(sample(schema, question.echo(text), question.number), ensure_ascii=False) if schema else None
    yield {"type": "text", "text": said or question.echo(text or _results(last))}


def _output_schema(body: Mapping[str, Any]) -> Mapping[str, Any] | None:
    config: Mapping[str, Any] = body.get("output_config") or {}
    form: Mapping[str, Any] = body.get("output_format") or config.get("format") or {}
    return form.get("schema")


def _has_result(content: Any) -> bool:
    return not isinstance(content, str) and any(part["type"] == "tool_result" for part in content)


def _results(content: Any) -> str:
    return " ".join(text_of(part.get("content")) for part in content if part["type"] == "tool_result")


def _stop_reason(content: list[dict[str, Any]]) -> str:
    return "tool_use" if content[-1]["type"] == "tool_use" else "end_turn"


# --- stream ---------------------------------------------------------------------------------------------------------


def _events(question: Question, content: list[dict[str, Any]]) -> list[str]:
    return [
        f"event: {event['type']}\ndata: {json.dumps(event, ensure_ascii=False)}" for event in _stream(question, content)
    ]


def _stream(question: Question, content: list[dict[str, Any]]) -> Iterator[dict[str, Any]]:
    usage = _usage(question)
    yield {"type": "message_start", "message": {**_message_frame(question), "usage": {**usage, "output_tokens": 1}}}
    yield {"type": "ping"}
    for index, block in enumerate(content):
        empty, deltas = _block_events(block)
        yield {"type": "content_block_start", "index": index, "content_block": empty}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    delta = {"stop_reason": _stop_reason(content), "stop_sequence": None}
    yield {"type": "message_delta", "delta": delta, "usage": {"output_tokens": usage["output_tokens"]}}
    yield {"type": "message_stop"}


def _block_events(block: dict[str, Any]) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return the block as it starts, and the deltas that fill it."""
    if block["type"] == "tool_use":
        written = json.dumps(block["input"], ensure_ascii=False)
        pieces = [written[at : at + _JSON_PIECE] for at in range(0, len(written), _JSON_PIECE)]
        return {**block, "input": {}}, [{"type": "input_json_delta", "partial_json": piece} for piece in ("", *pieces)]
    kind = block["type"]
    deltas = [{"type": f"{kind}_delta", kind: word} for word in words_of(block[kind])]
    if kind == "thinking":
        deltas.append({"type": "signature_delta", "signature": block["signature"]})
        return {**block, "thinking": "", "signature": ""}, deltas
    return {**block, "text": ""}, deltas


# --- what else there is ---------------------------------------------------------------------------------------------


def _count_tokens(question: Question, _: tuple[str, ...]) -> Answer:
    return json_answer({"input_tokens": len(question.request.body) + question.number})


def _legacy_completion(question: Question, _: tuple[str, ...]) -> Answer:
    body = question.body
    frame = {"id": question.id("compl_"), "type": "completion", "model": body["model"]}
    return json_answer({**frame, "completion": question.echo(body["prompt"]), "stop_reason": "stop_sequence"})


def _model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name.title(), "created_at": _CREATED}


def _list_models(question: Question, _: tuple[str, ...]) -> Answer:
    """Answer with one page of models; more are asked for by `after_id`."""
    query = question.request.query
    start = _MODELS.index(query["after_id"]) + 1 if "after_id" in query else 0
    names = _MODELS[start : start + int(query.get("limit", "2"))]
    has_more = start + len(names) < len(_MODELS)
    page = {"has_more": has_more, "first_id": names[0], "last_id": names[-1]}
    return json_answer({"data": [_model(name) for name in names], **page})


def _retrieve_model(question: Question, found: tuple[str, ...]) -> Answer:
    return json_answer(_model(found[0]))


def _batch(question: Question, name: str, status: str) -> dict[str, Any]:
    done = status == "ended"
    counts = {"processing": 0 if done else 2, "succeeded": 1 if done else 0, "errored": 1 if done else 0}
    return {
        "id": name,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {**counts, "canceled": 0, "expired": 0},
        "created_at": _CREATED,
        "expires_at": "2026-11-21T10:00:00Z",
        "ended_at": _CREATED if done else None,
        "archived_at": None,
        "cancel_initiated_at": None,
        "results_url": f"http://{question.request.header('host')}/v1/messages/batches/{name}/results" if done else None,
    }


def _create_batch(question: Question, _: tuple[str, ...]) -> Answer:
    return json_answer(_batch(question, question.id("msgbatch_"), "in_progress"))


def _retrieve_batch(question: Question, found: tuple[str, ...]) -> Answer:
    return json_answer(_batch(question, found[0], "ended"))


def _cancel_batch(question: Question, found: tuple[str, ...]) -> Answer:
    return json_answer(_batch(question, found[0], "canceling"))


def _list_batches(question: Question, _: tuple[str, ...]) -> Answer:
    names = ("msgbatch_a", "msgbatch_b")
    data = [_batch(question, name, "ended") for name in names]
    return json_answer({"data": data, "has_more": False, "first_id": names[0], "last_id": names[1]})


def _batch_results(question: Question, found: tuple[str, ...]) -> Answer:
    """Answer with JSON lines, chunked so that a line comes in two pieces."""
    usage = {"input_tokens": 3, "output_tokens": 4, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 0}
    message = {
        "id": question.id("msg_"),
        "type": "message",
        "role": "assistant",
        "model": _MODELS[1],
        "content": [{"type": "text", "text": question.echo(found[0])}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
        "usage": usage,
    }
    error = {"type": "error", "error": {"type": "invalid_request_error", "message": "No."}}
    results = (
        {"custom_id": "one", "result": {"type": "succeeded", "message": message}},
        {"custom_id": "two", "result": {"type": "errored", "error": error}},
    )
    lines = "".join(f"{json.dumps(result, ensure_ascii=False)}\n" for result in results).encode()
    return binary_answer(lines, "application/x-jsonl", piece_size=100)


def _file(question: Question, name: str) -> dict[str, Any]:
    frame = {"id": name, "type": "file", "filename": "asked.txt", "mime_type": "text/plain", "created_at": _CREATED}
    return {**frame, "size_bytes": len(question.request.body), "downloadable": True}


def _upload(question: Question, _: tuple[str, ...]) -> Answer:
    return json_answer(_file(question, question.id("file_")))


def _retrieve_file(question: Question, found: tuple[str, ...]) -> Answer:
    return json_answer(_file(question, found[0]))


def _list_files(question: Question, _: tuple[str, ...]) -> Answer:
    page = {"has_more": False, "first_id": "file_a", "last_id": "file_a"}
    return json_answer({"data": [_file(question, "file_a")], **page})


def _file_content(question: Question, found: tuple[str, ...]) -> Answer:
    digest = hashlib.sha256(f"{found[0]} {question.number}".encode()).digest()
    return binary_answer(bytes(range(256)) + digest * 10, "application/octet-stream")


def _delete_file(question: Question, found: tuple[str, ...]) -> Answer:
    return json_answer({"id": found[0], "type": "file_deleted"})


_TABLE: Final[tuple[tuple[str, Handler], ...]] = (
    ("POST /messages", _messages),
    ("POST /messages/count_tokens", _count_tokens),
    ("POST /complete", _legacy_completion),
    ("GET /models", _list_models),
    ("GET /models/([^/]+)", _retrieve_model),
    ("POST /messages/batches", _create_batch),
    ("GET /messages/batches", _list_batches),
    ("GET /messages/batches/([^/]+)", _retrieve_batch),
    ("POST /messages/batches/([^/]+)/cancel", _cancel_batch),
    ("GET /messages/batches/([^/]+)/results", _batch_results),
    ("POST /files", _upload),
    ("GET /files", _list_files),
    ("GET /files/([^/]+)", _retrieve_file),
    ("GET /files/([^/]+)/content", _file_content),
    ("DELETE /files/([^/]+)", _delete_file),
)
