"""Traffic that other projects recorded from real providers: vcrpy files in, interactions out, and a server that plays them."""

from __future__ import annotations

import gzip
import json
import re
import threading
from collections import defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast
from urllib.parse import urlsplit

import yaml

from tests.support.loopback import Answer, Received, Service

__all__ = ["CORPORA", "CorpusServer", "Interaction", "Recording", "Unserved", "recordings"]

CORPORA: Final = Path(__file__).parents[3] / "shared" / "corpora"
"""Where the files are, if they are there; they are no part of the project."""

Api: TypeAlias = Literal["openai", "azure", "anthropic"]

_HOSTS: Final[Mapping[str, Api]] = {
    "api.openai.com": "openai",
    "openrouter.ai": "openai",
    "api.groq.com": "openai",
    "api.cerebras.ai": "openai",
    "api.mistral.ai": "openai",
    "localhost:8000": "openai",
    "test-resource.openai.azure.com": "azure",
    "api.anthropic.com": "anthropic",
}
_LOADER: Final[Any] = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Interaction:
    """One request and its answer. `body` is what came over the wire, `content` the same without gzip."""

    api: Api
    origin: str
    method: str
    target: str
    content_type: str
    asked: bytes
    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def content(self) -> bytes:
        """The body without content-encoding."""
        return gzip.decompress(self.body) if _is_gzip(self.body) else self.body

    @property
    def request(self) -> Any:
        """The JSON body of the request, or None where it is something else."""
        return _json_or_none(self.asked)


@dataclass(frozen=True, slots=True)
class Unserved:
    """An entry of a file that is no exchange with one of the two APIs, and why."""

    number: int
    reason: str


@dataclass(frozen=True, slots=True)
class Recording:
    """One file: what of it can be served, and what cannot."""

    name: str
    interactions: tuple[Interaction, ...]
    unserved: tuple[Unserved, ...]


# --- reading --------------------------------------------------------------------------------------------------------


@cache
def recordings() -> tuple[Recording, ...]:
    """Return every vcrpy file of the corpora, or none where they are absent."""
    return tuple(_recording(path) for path in sorted(CORPORA.glob("vcr-*/**/*.yaml")))


def _recording(path: Path) -> Recording:
    name = str(path.relative_to(CORPORA))
    try:
        loaded: Any = yaml.load(path.read_bytes(), _LOADER)
    except yaml.YAMLError as error:
        return Recording(name, (), (Unserved(0, f"not YAML: {error}"),))
    entries = [_entry(number, entry) for number, entry in enumerate(loaded.get("interactions") or ())]
    served = tuple(entry for entry in entries if isinstance(entry, Interaction))
    return Recording(name, served, tuple(entry for entry in entries if isinstance(entry, Unserved)))


def _entry(number: int, entry: Mapping[str, Any]) -> Interaction | Unserved:
    if "request" not in entry:
        return Unserved(number, f"no HTTP exchange, but {', '.join(sorted(entry))}")
    asked: Mapping[str, Any] = entry["request"]
    answered: Mapping[str, Any] = entry["response"]
    address = urlsplit(str(asked["uri"]))
    api = _HOSTS.get(address.netloc)
    if api is None:
        return Unserved(number, f"{address.netloc} speaks another API")
    body = _response_body(answered)
    return Interaction(
        api=api,
        origin=f"{address.scheme}://{address.netloc}",
        method=asked["method"].upper(),
        target=address.path + (f"?{address.query}" if address.query else ""),
        content_type=_header(asked, "content-type"),
        asked=_request_body(asked),
        status=answered["status"]["code"],
        headers=tuple(_kept_headers(answered, body)),
        body=body,
    )


def _header(message: Mapping[str, Any], name: str) -> str:
    return next((value for key, value in _headers(message) if key == name), "")


def _headers(message: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Yield the headers one by one; a file holds one value or a list of them."""
    held: Mapping[str, Any] = message.get("headers") or {}
    for name, values in held.items():
        for value in cast("list[object]", values) if isinstance(values, list) else [values]:
            yield name.lower(), str(value)


def _request_body(request: Mapping[str, Any]) -> bytes:
    if "parsed_body" in request:
        return json.dumps(request["parsed_body"]).encode()
    return _as_bytes(request.get("body"))


def _response_body(response: Mapping[str, Any]) -> bytes:
    """Return the body: bytes that may be compressed, a text, or an object the file's writer has parsed."""
    if "parsed_body" in response:
        return json.dumps(response["parsed_body"], ensure_ascii=False).encode()
    held: Any = response.get("body")
    return _as_bytes(cast("Mapping[str, Any]", held).get("string") if isinstance(held, Mapping) else held)


def _as_bytes(value: object) -> bytes:
    if value is None:
        return b""
    return value if isinstance(value, bytes) else str(value).encode()


_WIRE: Final = frozenset({"content-length", "transfer-encoding", "connection", "content-encoding"})


def _kept_headers(response: Mapping[str, Any], body: bytes) -> Iterator[tuple[str, str]]:
    """Yield the headers that still hold for the body, and its type where the file's writer has left it out."""
    headers = [(name, value) for name, value in _headers(response) if name not in _WIRE]
    yield from headers
    if _is_gzip(body):
        yield "content-encoding", "gzip"
    if body and not any(name == "content-type" for name, _ in headers):
        yield "content-type", "application/json" if body.lstrip().startswith(b"{") else "text/event-stream"


def _is_gzip(body: bytes) -> bool:
    return body.startswith(b"\x1f\x8b")


def _json_or_none(body: bytes) -> Any:
    try:
        return json.loads(body)
    except ValueError:
        return None


# --- serving --------------------------------------------------------------------------------------------------------


class CorpusServer(Service):
    """Serves recorded answers to the requests they answered; identical requests are answered in recorded order."""

    def __init__(self, interactions: Sequence[Interaction]) -> None:
        self.hits = 0
        self.unmatched: list[Received] = []
        self._lock = threading.Lock()
        self._answers: defaultdict[object, deque[Interaction]] = defaultdict(deque)
        for interaction in interactions:
            self._answers[_key(interaction.method, interaction.target, interaction.asked)].append(interaction)
        super().__init__(self._answer)

    def _answer(self, request: Received) -> Answer:
        with self._lock:
            self.hits += 1
            waiting = self._answers[_key(request.method, request.target, request.body)]
            if not waiting:
                self.unmatched.append(request)
                return Answer(404, (("content-type", "text/plain"),), (b"nothing was recorded for this request",))
            return _answer_of(waiting.popleft())


def _key(method: str, target: str, body: bytes) -> object:
    value = _json_or_none(body)
    return method, target, body if value is None else json.dumps(value, sort_keys=True)


def _answer_of(interaction: Interaction) -> Answer:
    """Return the recorded bytes; a stream comes in one chunk per event, for the file does not tell."""
    is_stream = any(name == "content-type" and "event-stream" in value for name, value in interaction.headers)
    pieces = _events(interaction.body) if is_stream else (interaction.body,)
    return Answer(interaction.status, interaction.headers, pieces, is_chunked=is_stream)


def _events(body: bytes) -> tuple[bytes, ...]:
    return (body,) if _is_gzip(body) else tuple(re.split(rb"(?<=\n\n)", body))
