"""Answers of the fake OpenAI's assistants (beta): assistants, threads, messages, runs and their streams."""

from __future__ import annotations

import json
from typing import Any

from tests.support.answers import Question, json_answer, sse_answer, text_of, words_of
from tests.support.loopback import Answer
from tests.support.openai_chat_answers import CREATED

__all__ = ["create_assistant", "create_message", "create_run", "create_thread", "list_messages", "retrieve_run"]


def create_assistant(question: Question, _: tuple[str, ...]) -> Answer:
    """Answer with an assistant as it was asked for."""
    body = question.body
    kept = {name: body.get(name) for name in ("model", "name", "instructions", "description")}
    frame = {"id": question.id("asst_"), "object": "assistant", "created_at": CREATED + question.number}
    return json_answer({**frame, **kept, "tools": body.get("tools") or [], "metadata": {}})


def create_thread(question: Question, _: tuple[str, ...]) -> Answer:
    """Answer with an empty thread."""
    return json_answer({"id": question.id("thread_"), "object": "thread", "created_at": CREATED, "metadata": {}})


def create_message(question: Question, found: tuple[str, ...]) -> Answer:
    """Answer with the message as a part of its thread."""
    body = question.body
    return json_answer(_message(question, found[0], body["role"], text_of(body["content"])))


def list_messages(question: Question, found: tuple[str, ...]) -> Answer:
    """Answer with the one message of an assistant."""
    message = _message(question, found[0], "assistant", question.echo("the thread"))
    page = {"data": [message], "first_id": message["id"], "last_id": message["id"], "has_more": False}
    return json_answer({"object": "list", **page})


def create_run(question: Question, found: tuple[str, ...]) -> Answer:
    """Answer with a queued run, or stream the run to its end."""
    name = question.id("run_")
    if not question.body.get("stream"):
        return json_answer(_run(question, found[0], name, "queued"))
    return sse_answer(_run_events(question, found[0], name))


def retrieve_run(question: Question, found: tuple[str, ...]) -> Answer:
    """Answer that a run is under way when it is first asked for, then that it is done."""
    return json_answer(_run(question, found[0], found[1], "completed" if question.again else "in_progress"))


def _message(question: Question, thread: str, role: str, text: str) -> dict[str, Any]:
    return {
        "id": question.id("msg_"),
        "object": "thread.message",
        "created_at": CREATED + question.number,
        "thread_id": thread,
        "role": role,
        "status": "completed",
        "content": [{"type": "text", "text": {"value": text, "annotations": []}}],
        "assistant_id": None,
        "run_id": None,
        "attachments": [],
        "metadata": {},
    }


def _run(question: Question, thread: str, name: str, status: str) -> dict[str, Any]:
    usage = {"prompt_tokens": 20, "completion_tokens": question.number, "total_tokens": 20 + question.number}
    return {
        "id": name,
        "object": "thread.run",
        "created_at": CREATED + question.number,
        "assistant_id": question.body.get("assistant_id", "asst_fake"),
        "thread_id": thread,
        "status": status,
        "model": "gpt-4o",
        "instructions": "",
        "tools": [],
        "metadata": {},
        "parallel_tool_calls": True,
        "usage": usage if status == "completed" else None,
    }


def _run_events(question: Question, thread: str, name: str) -> list[str]:
    text = question.echo("the thread")
    message = _message(question, thread, "assistant", text)
    deltas: list[dict[str, Any]] = [
        {
            "id": message["id"],
            "object": "thread.message.delta",
            "delta": {"content": [{"index": 0, "type": "text", "text": {"value": word, "annotations": []}}]},
        }
        for word in words_of(text)
    ]
    events: list[tuple[str, dict[str, Any]]] = [
        ("thread.run.created", _run(question, thread, name, "queued")),
        ("thread.run.in_progress", _run(question, thread, name, "in_progress")),
        ("thread.message.created", {**message, "content": [], "status": "in_progress"}),
        *(("thread.message.delta", delta) for delta in deltas),
        ("thread.message.completed", message),
        ("thread.run.completed", _run(question, thread, name, "completed")),
    ]
    named = [f"event: {kind}\ndata: {json.dumps(data, ensure_ascii=False)}" for kind, data in events]
    return [*named, "event: done\ndata: [DONE]"]
