"""What the span of one call says. Where a request goes, what it asks and what came in; attributes out. Pure: no spans."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, compact, obj, parse
from otel_agenttrace.model import AttributeValue, InferenceRequest, InferenceResponse, Message
from otel_agenttrace.wire.routes import Route, route
from otel_agenttrace.wire.sse import json_events

__all__ = [
    "EVENT_STREAM",
    "Place",
    "asked_of",
    "content_attributes",
    "decoded",
    "message_json",
    "place_of",
    "response_attributes",
    "span_name",
    "start_attributes",
]

EVENT_STREAM: Final = "text/event-stream"
_CONTENT: Final = frozenset({"messages", "input", "prompt", "system", "instructions", "tools"})


@dataclass(frozen=True, slots=True)
class Place:
    """Where a request goes, and the model API that is there, if one is."""

    route: Route | None
    address: str
    port: int
    path: str


@lru_cache(maxsize=256)
def place_of(method: str, url: str) -> Place:
    """Return where a request goes."""
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return Place(route(method, url), parts.hostname or "", port, parts.path)


def asked_of(found: Route | None, body: Json, *, with_content: bool) -> InferenceRequest | None:
    """Return what a request asks, with its messages only where they are wanted; None for one that is no inference."""
    if found is None or not found.codec.operation:
        return None
    asked = obj(body)
    if not with_content:
        asked = {name: value for name, value in asked.items() if name not in _CONTENT}
    return found.codec.decode_request(asked)


def span_name(method: str, place: Place, asked: InferenceRequest | None) -> str:
    """Return the name of a call's span."""
    if asked is None:
        return f"{method} {place.path}" if place.route else method
    return f"{asked.operation} {asked.model}" if asked.model else asked.operation


def start_attributes(method: str, place: Place, asked: InferenceRequest | None) -> Mapping[str, AttributeValue]:
    """Return what is known when a call starts; what is not known is None."""
    server: dict[str, AttributeValue] = {semconv.SERVER_ADDRESS: place.address, semconv.SERVER_PORT: place.port}
    if asked is None or place.route is None:
        return {**server, "http.request.method": method}
    return {
        semconv.GEN_AI_OPERATION_NAME: asked.operation,
        semconv.GEN_AI_PROVIDER_NAME: place.route.provider,
        semconv.GEN_AI_REQUEST_MODEL: asked.model,
        semconv.GEN_AI_REQUEST_STREAM: True if asked.stream else None,
        **server,
        **asked.parameters,
    }


def decoded(found: Route, content_type: str, body: bytes) -> InferenceResponse:
    """Return what a body without content-encoding says; nothing, if it is cut off or not what its type promises."""
    if content_type == EVENT_STREAM:
        return found.codec.decode_stream(json_events(body))
    if "json" not in content_type:
        return InferenceResponse()
    try:
        return found.codec.decode_response(obj(parse(body)))
    except ValueError:  # cut off, or not what it says it is
        return InferenceResponse()


def response_attributes(response: InferenceResponse) -> Mapping[str, AttributeValue]:
    """Return what a response tells; what is not known is None."""
    usage = response.usage
    return {
        semconv.GEN_AI_RESPONSE_ID: response.id,
        semconv.GEN_AI_RESPONSE_MODEL: response.model,
        semconv.GEN_AI_RESPONSE_FINISH_REASONS: response.finish_reasons or None,
        semconv.GEN_AI_USAGE_INPUT_TOKENS: usage.input_tokens,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: usage.output_tokens,
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: usage.cache_read_input_tokens,
        semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: usage.cache_write_input_tokens,
        semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: usage.reasoning_output_tokens,
        semconv.AGENTTRACE_USAGE_CACHE_WRITE_1H_INPUT_TOKENS: usage.cache_write_1h_input_tokens or None,
        **response.attributes,
    }


def content_attributes(asked: InferenceRequest, response: InferenceResponse) -> dict[str, str]:
    """Return the four content attributes as JSON strings, leaving out what is empty."""
    values: dict[str, Json] = {
        semconv.GEN_AI_INPUT_MESSAGES: [message_json(message) for message in asked.input_messages],
        semconv.GEN_AI_OUTPUT_MESSAGES: [message_json(message) for message in response.output_messages],
        semconv.GEN_AI_SYSTEM_INSTRUCTIONS: list(asked.system_instructions),
        semconv.GEN_AI_TOOL_DEFINITIONS: list(asked.tool_definitions),
    }
    return {name: compact(value) for name, value in values.items() if value}


def message_json(message: Message) -> Json:
    """Return a message in the form of the conventions."""
    told: dict[str, Json] = {"role": message.role, "parts": list(message.parts)}
    if message.name is not None:
        told["name"] = message.name
    if message.finish_reason is not None:
        told["finish_reason"] = message.finish_reason
    return told
