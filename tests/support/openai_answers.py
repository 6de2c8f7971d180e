"""Answers of the fake OpenAI, by method and path. Chat, Responses and assistants have modules of their own."""

from __future__ import annotations

import base64
import hashlib
import json
import struct
from email import message_from_bytes, policy
from typing import Any, Final

from tests.support import openai_assistants_answers as assistants
from tests.support import openai_chat_answers as chat
from tests.support import openai_responses_answers as responses
from tests.support.answers import Handler, Question, binary_answer, json_answer, routed, sse_answer, words_of
from tests.support.loopback import Answer

__all__ = ["answer"]

_SPEECH_SIZE: Final = 20_000
_SPEECH_PIECE: Final = 4096
_MODELS: Final = ("gpt-4o", "gpt-4o-mini", "text-embedding-3-small")


def answer(question: Question) -> Answer | None:
    """Return the answer to a question, or None where the API has no such path."""
    return routed(_TABLE, question)


# --- embeddings, moderations, models --------------------------------------------------------------------------------


def _embeddings(question: Question, _: tuple[str, ...]) -> Answer:
    body = question.body
    inputs = body["input"] if isinstance(body["input"], list) else [body["input"]]
    size = body.get("dimensions") or 4
    encode = _base64_floats if body.get("encoding_format") == "base64" else list[float]
    data = [
        {"object": "embedding", "index": index, "embedding": encode(_vector(text, size, question.number))}
        for index, text in enumerate(inputs)
    ]
    usage = {"prompt_tokens": len(inputs), "total_tokens": len(inputs)}
    return json_answer({"object": "list", "model": body.get("model", "deployed"), "data": data, "usage": usage})


def _vector(text: str, size: int, number: int) -> list[float]:
    """Return floats that 32 bits can hold, so that each encoding carries the same."""
    digest = hashlib.sha256(f"{number} {text}".encode()).digest()
    return [byte / 256 - 0.5 for byte in (digest * (size // 32 + 1))[:size]]


def _base64_floats(vector: list[float]) -> str:
    return base64.b64encode(struct.pack(f"<{len(vector)}f", *vector)).decode()


def _moderation(question: Question, _: tuple[str, ...]) -> Answer:
    categories = {"violence": False, "self-harm": False, "sexual": False}
    scores = dict.fromkeys(categories, question.number / 1000)
    result = {
        "flagged": "kill" in json.dumps(question.body["input"]),
        "categories": categories,
        "category_scores": scores,
        "category_applied_input_types": {name: ["text"] for name in categories},
    }
    return json_answer({"id": question.id("modr-"), "model": "omni-moderation-latest", "results": [result]})


def _model(name: str, number: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": chat.CREATED + number, "owned_by": "fake"}


def _list_models(question: Question, _: tuple[str, ...]) -> Answer:
    return json_answer({"object": "list", "data": [_model(name, question.number) for name in _MODELS]})


def _retrieve_model(question: Question, found: tuple[str, ...]) -> Answer:
    return json_answer(_model(found[0], question.number))


# --- images and audio -----------------------------------------------------------------------------------------------


def _image_bytes(question: Question) -> bytes:
    return b"\x89PNG\r\n\x1a\n" + hashlib.sha256(f"image {question.number}".encode()).digest() * 8


def _generate_image(question: Question, _: tuple[str, ...]) -> Answer:
    body = question.body
    picture = base64.b64encode(_image_bytes(question)).decode()
    if body.get("stream"):
        return sse_answer(_image_events(question, picture))
    image = {"url": f"https://images.invalid/{question.number}.png"}
    if body.get("response_format") == "b64_json":
        image = {"b64_json": picture}
    revised = {"revised_prompt": question.echo(body["prompt"])}
    return json_answer({"created": chat.CREATED, "data": [{**image, **revised} for _ in range(body.get("n") or 1)]})


def _image_events(question: Question, picture: str) -> list[str]:
    frame = {
        "b64_json": picture,
        "background": "opaque",
        "created_at": chat.CREATED,
        "output_format": "png",
        "quality": "low",
        "size": "1024x1024",
    }
    details = {"image_tokens": 10, "text_tokens": 3}
    usage = {"input_tokens": 13, "input_tokens_details": details, "output_tokens": question.number, "total_tokens": 20}
    partial = {"type": "image_generation.partial_image", "partial_image_index": 0, **frame}
    done = {"type": "image_generation.completed", **frame, "usage": usage}
    return [f"event: {event['type']}\ndata: {json.dumps(event)}" for event in (partial, done)]


def _edit_image(question: Question, _: tuple[str, ...]) -> Answer:
    parts = _multipart(question)
    picture = base64.b64encode(hashlib.sha256(parts["image"]).digest()).decode()
    revised = question.echo(parts["prompt"].decode())
    return json_answer({"created": chat.CREATED, "data": [{"b64_json": picture, "revised_prompt": revised}]})


def _speech(question: Question, _: tuple[str, ...]) -> Answer:
    seed = hashlib.sha256(f"{question.number} {question.body['input']}".encode()).digest()
    audio = b"ID3\x04" + (seed * (_SPEECH_SIZE // len(seed)))
    return binary_answer(audio, "audio/mpeg", piece_size=_SPEECH_PIECE)


def _transcription(question: Question, _: tuple[str, ...]) -> Answer:
    parts = _multipart(question)
    text = question.echo(f"heard {len(parts['file'])} bytes of {hashlib.sha256(parts['file']).hexdigest()[:8]}")
    if parts.get("stream") in (b"true", b"True"):
        deltas = [{"type": "transcript.text.delta", "delta": word} for word in words_of(text)]
        events = [*deltas, {"type": "transcript.text.done", "text": text}]
        return sse_answer([f"data: {json.dumps(event, ensure_ascii=False)}" for event in events])
    if parts.get("response_format") == b"text":
        return Answer(200, (("content-type", "text/plain; charset=utf-8"),), (text.encode(),))
    usage = {
        "type": "tokens",
        "input_tokens": 14,
        "output_tokens": question.number,
        "total_tokens": 14 + question.number,
    }
    return json_answer({"text": text, "usage": usage})


def _multipart(question: Question) -> dict[str, bytes]:
    """Return the fields of a form and the contents of its files, by name."""
    head = f"content-type: {question.request.header('content-type')}\r\n\r\n".encode("latin-1")
    form = message_from_bytes(head + question.request.body, policy=policy.HTTP)
    parts: dict[str, bytes] = {}
    for part in form.iter_parts():
        name = str(part.get_param("name", header="content-disposition")).removesuffix("[]")
        content = part.get_payload(decode=True)
        parts[name] = content if isinstance(content, bytes) else b""
    return parts


# --- files and batches ----------------------------------------------------------------------------------------------


def _file(question: Question, name: str, size: int) -> dict[str, Any]:
    return {
        "id": name,
        "object": "file",
        "bytes": size,
        "created_at": chat.CREATED + question.number,
        "filename": "asked.jsonl",
        "purpose": "batch",
        "status": "processed",
    }


def _upload(question: Question, _: tuple[str, ...]) -> Answer:
    return json_answer(_file(question, question.id("file-"), len(_multipart(question)["file"])))


def _retrieve_file(question: Question, found: tuple[str, ...]) -> Answer:
    return json_answer(_file(question, found[0], 100 + question.number))


def _list_files(question: Question, _: tuple[str, ...]) -> Answer:
    """Answer with one of two pages; the second is asked for by `after`."""
    is_first = "after" not in question.request.query
    names = ("file-a", "file-b") if is_first else ("file-c",)
    return json_answer({"object": "list", "data": [_file(question, name, 1) for name in names], "has_more": is_first})


def _file_content(question: Question, found: tuple[str, ...]) -> Answer:
    digest = hashlib.sha256(f"{found[0]} {question.number}".encode()).digest()
    return binary_answer(bytes(range(256)) + digest * 40, "application/octet-stream")


def _delete_file(question: Question, found: tuple[str, ...]) -> Answer:
    return json_answer({"id": found[0], "object": "file", "deleted": True})


def _batch(question: Question, name: str, status: str, **more: object) -> dict[str, Any]:
    return {
        "id": name,
        "object": "batch",
        "endpoint": "/v1/chat/completions",
        "errors": None,
        "input_file_id": "file-input",
        "completion_window": "24h",
        "status": status,
        "output_file_id": "file-output" if status == "completed" else None,
        "created_at": chat.CREATED + question.number,
        "request_counts": {"total": 2, "completed": 2 if status == "completed" else 0, "failed": 0},
        "metadata": {},
        **more,
    }


def _create_batch(question: Question, _: tuple[str, ...]) -> Answer:
    body = question.body
    return json_answer(_batch(question, question.id("batch_"), "validating", input_file_id=body["input_file_id"]))


def _retrieve_batch(question: Question, found: tuple[str, ...]) -> Answer:
    return json_answer(_batch(question, found[0], "completed" if question.again else "in_progress"))


def _cancel_batch(question: Question, found: tuple[str, ...]) -> Answer:
    return json_answer(_batch(question, found[0], "cancelling"))


def _list_batches(question: Question, _: tuple[str, ...]) -> Answer:
    data = [_batch(question, name, "completed") for name in ("batch_a", "batch_b")]
    return json_answer({"object": "list", "data": data, "first_id": "batch_a", "last_id": "batch_b", "has_more": False})


_TABLE: Final[tuple[tuple[str, Handler], ...]] = (
    ("POST /chat/completions", chat.chat),
    ("POST /completions", chat.completion),
    ("POST /responses", responses.create_response),
    ("POST /responses/input_tokens", responses.count_input),
    ("GET /responses/([^/]+)", responses.retrieve_response),
    ("DELETE /responses/([^/]+)", responses.delete_response),
    ("POST /responses/([^/]+)/cancel", responses.cancel_response),
    ("GET /responses/([^/]+)/input_items", responses.list_input),
    ("POST /embeddings", _embeddings),
    ("POST /moderations", _moderation),
    ("GET /models", _list_models),
    ("GET /models/([^/]+)", _retrieve_model),
    ("POST /images/generations", _generate_image),
    ("POST /images/edits", _edit_image),
    ("POST /audio/speech", _speech),
    ("POST /audio/(?:transcriptions|translations)", _transcription),
    ("POST /files", _upload),
    ("GET /files", _list_files),
    ("GET /files/([^/]+)", _retrieve_file),
    ("GET /files/([^/]+)/content", _file_content),
    ("DELETE /files/([^/]+)", _delete_file),
    ("POST /batches", _create_batch),
    ("GET /batches", _list_batches),
    ("GET /batches/([^/]+)", _retrieve_batch),
    ("POST /batches/([^/]+)/cancel", _cancel_batch),
    ("POST /assistants", assistants.create_assistant),
    ("POST /threads", assistants.create_thread),
    ("POST /threads/([^/]+)/messages", assistants.create_message),
    ("GET /threads/([^/]+)/messages", assistants.list_messages),
    ("POST /threads/([^/]+)/runs", assistants.create_run),
    ("GET /threads/([^/]+)/runs/([^/]+)", assistants.retrieve_run),
)
