"""What the answers of both fake APIs share: the question, samples for schemas, JSON and event-stream framing."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from tests.support.loopback import Answer, Received

__all__ = [
    "Handler",
    "Question",
    "binary_answer",
    "error_answer",
    "json_answer",
    "routed",
    "sample",
    "sse_answer",
    "text_of",
    "words_of",
]


@dataclass(frozen=True, slots=True)
class Question:
    """A request with its place among all: `number` counts from 1, `again` how often the very same one came before."""

    request: Received
    path: str
    number: int
    again: int

    @property
    def is_anthropic(self) -> bool:
        """Whether it speaks Anthropic's API; some paths are the same in both."""
        return bool(self.request.header("anthropic-version"))

    @property
    def body(self) -> Any:
        """The JSON body, or an empty object."""
        return self.request.json()

    def id(self, prefix: str) -> str:
        """Return an id no other answer has."""
        return f"{prefix}{self.number:06}"

    def echo(self, text: str) -> str:
        """Return what a model says to a text: the number of the request, the text, and letters of several bytes."""
        return f"echo {self.number}: {text} — ça va 🦊"


Handler: TypeAlias = Callable[[Question, tuple[str, ...]], Answer]
"""Gives the answer to a question; the texts are the variable parts of its path."""


def routed(table: Iterable[tuple[str, Handler]], question: Question) -> Answer | None:
    """Return what the handler for a method and path answers, or None; a row is `POST /files/([^/]+)` and its handler."""
    asked = f"{question.request.method} {question.path}"
    for pattern, handler in table:
        if found := re.fullmatch(pattern, asked):
            return handler(question, found.groups())
    return None


_JSON: Final = (("content-type", "application/json"),)


def json_answer(value: object, status: int = 200) -> Answer:
    """Return a JSON body in one piece."""
    return Answer(status, _JSON, (json.dumps(value, ensure_ascii=False).encode(),))


def binary_answer(content: bytes, kind: str, *, piece_size: int | None = None) -> Answer:
    """Return a binary body, chunked when a size of its pieces is given."""
    headers = (("content-type", kind),)
    if piece_size is None:
        return Answer(200, headers, (content,))
    pieces = tuple(content[at : at + piece_size] for at in range(0, len(content), piece_size))
    return Answer(200, headers, pieces, is_chunked=True)


def sse_answer(events: Iterable[str]) -> Answer:
    """Return an event stream, one chunk per event. One event comes in two chunks, cut inside a letter if it has one of several bytes."""
    pieces = [f"{event}\n\n".encode() for event in events]
    index = next((at for at, piece in enumerate(pieces) if not piece.isascii()), 0)
    split = next((at for at, byte in enumerate(pieces[index]) if byte & 0xC0 == 0x80), 5)
    pieces[index : index + 1] = [pieces[index][:split], pieces[index][split:]]
    return Answer(200, (("content-type", "text/event-stream; charset=utf-8"),), tuple(pieces), is_chunked=True)


_ERRORS: Final[Mapping[int, tuple[str, str]]] = {
    400: ("invalid_request_error", "The request is not valid."),
    401: ("authentication_error", "The API key is not valid."),
    404: ("not_found_error", "There is no such thing."),
    429: ("rate_limit_error", "Too many requests."),
    500: ("api_error", "The server had an error."),
    529: ("overloaded_error", "Overloaded."),
}


def error_answer(question: Question, status: int) -> Answer:
    """Return an error as the API of the question words it; where a retry makes sense, at once."""
    kind, message = _ERRORS.get(status, ("api_error", f"Status {status}."))
    error: dict[str, object] = {"type": kind, "message": f"{message} (request {question.number})"}
    if question.is_anthropic:
        plain = json_answer({"type": "error", "error": error, "request_id": question.id("req_")}, status)
    else:
        plain = json_answer({"error": {**error, "param": None, "code": f"fake_{status}"}}, status)
    retry = (("retry-after-ms", "2"),) if status in (408, 409, 429) or status >= 500 else ()
    return Answer(status, (*plain.headers, *retry), plain.pieces)


def text_of(content: Any) -> str:
    """Return the text of a message's content: a string, or parts with text in them."""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content or () if isinstance(part.get("text"), str))


def words_of(text: str) -> list[str]:
    """Return the pieces a model streams a text in; joined, they are the text."""
    first, *others = text.split(" ")
    return [first, *(f" {word}" for word in others)]


def sample(schema: Mapping[str, Any], text: str, number: int, root: Mapping[str, Any] | None = None) -> Any:
    """Return a value that fits a JSON schema: strings are the text, numbers the number."""
    root = root or schema
    if "$ref" in schema:
        return sample(root["$defs"][schema["$ref"].rpartition("/")[2]], text, number, root)
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return sample(schema["anyOf"][0], text, number, root)
    if schema.get("type") == "object":
        return {name: sample(member, text, number, root) for name, member in schema.get("properties", {}).items()}
    if schema.get("type") == "array":
        return [sample(schema["items"], text, number, root)]
    return {"string": text, "integer": number, "number": number + 0.5, "boolean": True}.get(schema.get("type", ""))
