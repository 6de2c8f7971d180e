"""What has to hold of bytes that a provider, a program or a user gives. Bytes in; nothing, or the broken law, out."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, cast

from otel_agenttrace.api import load
from otel_agenttrace.errors import ConfigError, NotEncodable
from otel_agenttrace.jsonvalue import Json, obj, parse
from otel_agenttrace.matching import key_of, normalised_key, requested
from otel_agenttrace.playback.faults import parse_fault
from otel_agenttrace.playback.meaning import asked_of, form_of
from otel_agenttrace.playback.patches import parse_patch
from otel_agenttrace.redact import redactor
from otel_agenttrace.selectors import parse_selector, select
from otel_agenttrace.wire.routes import route
from otel_agenttrace.wire.sse import EVENT_END, event_bytes, events, json_events
from otel_agenttrace.wire.telling import decoded, place_of, response_attributes, span_name, start_attributes

__all__ = ["redaction", "request", "selector", "sse", "wire"]

_SECRET: Final = f"fuzz-{0x0123456789ABCDEF:x}-secret"
_REDACTOR: Final = redactor({"SOME_API_KEY": _SECRET})
_TRACE: Final = load(Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl")
_URLS: Final = (
    "https://api.openai.com/v1/chat/completions",
    "https://api.openai.com/v1/completions",
    "https://api.openai.com/v1/responses",
    "https://api.openai.com/v1/embeddings",
    "https://api.anthropic.com/v1/messages",
)


def sse(body: bytes) -> None:
    """Events are the same, wherever the body was cut before it was whole, and whatever ends its lines."""
    told = events(body)
    json_events(body)
    again = events(event_bytes(told))
    assert [event.data for event in again] == [event.data.replace("\r\n", "\n").replace("\r", "\n") for event in told]
    for place in {len(body) // 3, len(body) // 2, len(body) - 1} - {-1}:
        blocks = EVENT_END.split(body[:place])
        begun = events(b"".join(block + b"\n\n" for block in blocks[:-1]))
        assert told[: len(begun)] == begun


def wire(content: bytes) -> None:
    """Whatever a provider answers is told, and what was told can be written and is the same when it is read."""
    url, body = _URLS[content[0] % len(_URLS)] if content else _URLS[0], content[1:]
    found = route("POST", url)
    assert found is not None
    for kind in ("application/json", "text/event-stream", "text/plain"):
        response_attributes(decoded(found, kind, body))
    value = _json(body)
    place = place_of("POST", url)
    asked = found.codec.decode_request(obj(value))
    start_attributes("POST", place, asked)
    span_name("POST", place, asked)
    if found.codec.encode_response is None or found.codec.encode_stream is None:
        return
    form_of(asked_of(found.codec, obj(value)).request)
    try:
        response = found.codec.decode_response(obj(value))
        found.codec.encode_response(response)
        event_bytes(found.codec.encode_stream(response))
    except (NotEncodable, RecursionError):
        pass


def _json(body: bytes) -> Json:
    try:
        return parse(body)
    except (ValueError, RecursionError):
        return None


_KINDS: Final = (
    "application/json",
    "application/x-www-form-urlencoded",
    "multipart/form-data; boundary=b",
    "text/plain",
)


def request(content: bytes) -> None:
    """A request has one key, whatever the order of its members, and the key of what is stored is the same."""
    which, body = content[0] if content else 0, content[1:]
    url, kind = _URLS[which % len(_URLS)], _KINDS[which // len(_URLS) % len(_KINDS)]
    asked = requested("POST", url, kind, body, _REDACTOR)
    assert key_of(asked.request) == asked.key
    assert asked.body.text() == asked.request.body
    assert _SECRET not in asked.request.body
    steady = normalised_key(asked.request)
    value = _json(body)
    if which // len(_URLS) % len(_KINDS) or value is None:
        return
    try:
        other = json.dumps(_reversed(value)).encode()
    except RecursionError:
        return
    again = requested("POST", url, kind, other, _REDACTOR)
    assert again.key == asked.key
    assert normalised_key(again.request) == steady


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {key: _reversed(members[key]) for key in reversed(members)}
    return [_reversed(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def redaction(content: bytes) -> None:
    """Redacting twice is redacting once, chunks go on partitioning the body, and what has no finding stays as it is."""
    sizes, body = _chunks(content)
    new, new_sizes = _REDACTOR.redact_bytes(body, sizes)
    assert _SECRET.encode() not in new
    assert (sum(new_sizes), len(new_sizes)) == (len(new), len(sizes))
    assert _REDACTOR.redact_bytes(new, new_sizes) == (new, new_sizes)
    text = body.decode("utf-8", "replace")
    once = _REDACTOR.redact_text(text)
    assert _REDACTOR.redact_text(once) == once
    assert _SECRET not in once
    if b"REDACTED" not in new:
        assert new == body
    if "REDACTED" not in once:
        assert once == text


def _chunks(content: bytes) -> tuple[tuple[int, ...], bytes]:
    """Return sizes that partition the rest: the first byte says how large chunks are."""
    size, body = 1 + (content[0] % 17 if content else 0), content[1:]
    sizes = [size] * (len(body) // size)
    return (*sizes, len(body) - sum(sizes)), body


_LONGEST_SELECTOR: Final = 1_000
"""A pattern of 32,000 brackets takes half a minute to translate, and is its author's own."""


def selector(content: bytes) -> None:
    """A selector, a patch or a fault has a meaning, or the text of the error says where it has none."""
    text = content[:_LONGEST_SELECTOR].decode("utf-8", "surrogateescape")
    with suppress(ConfigError):
        chosen = parse_selector(text)
        if "~=" not in text:  # an expression that takes for ever is its author's own
            select(_TRACE, chosen, 10**18)
    for parsed in (parse_patch, parse_fault):
        with suppress(ConfigError):
            parsed(text)
