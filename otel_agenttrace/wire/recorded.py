"""What a recorded span says through the codec of its API. Span in, request, response, messages out; odd content says nothing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import JsonArray, array, obj, parse, text
from otel_agenttrace.model import Exchange, InferenceRequest, InferenceResponse, Message, Part, Span
from otel_agenttrace.wire.routes import route
from otel_agenttrace.wire.sse import DONE, events, json_events

__all__ = ["asked_of", "decoded", "is_whole", "output_messages", "response_of"]

_LAST_EVENTS: Final = frozenset({"message_stop", "response.completed", "response.incomplete", "response.failed"})
_STREAM_BEGINS: Final = (b"event:", b"data:")
"""How a stream begins that came without its type: recordings of others may keep no headers."""


def response_of(span: Span) -> InferenceResponse | None:
    """Return what a model answered in a recorded call, or None where that is not recorded."""
    return _response_in(span.attempts)


def _response_in(attempts: Iterable[Exchange]) -> InferenceResponse | None:
    answered = [attempt for attempt in attempts if attempt.status is not None]
    return decoded(answered[-1]) if answered else None


def decoded(exchange: Exchange) -> InferenceResponse | None:
    """Return what a model answered in one exchange, or None if its API has no codec or its body is not what it says."""
    found = route(exchange.request.method, exchange.request.url)
    if found is None:
        return None
    kind = next((value for name, value in exchange.headers if name.lower() == "content-type"), "")
    is_stream = exchange.body.startswith(_STREAM_BEGINS) if not kind else kind.startswith("text/event-stream")
    if is_stream:
        return found.codec.decode_stream(json_events(exchange.body))
    try:
        return found.codec.decode_response(obj(parse(exchange.body)))
    except ValueError:
        return None


def output_messages(span: Span, attempts: Iterable[Exchange] | None = None) -> tuple[Message, ...]:
    """Return the messages a model answered with: those of its recorded call, else those the span tells.

    Args:
        span: The span.
        attempts: Its attempts, if the caller has read them.
    """
    response = response_of(span) if attempts is None else _response_in(attempts)
    if response is not None:
        return response.output_messages
    return tuple(_told_messages(span, semconv.GEN_AI_OUTPUT_MESSAGES))


def asked_of(span: Span) -> InferenceRequest:
    """Return what a model was asked, with the messages: that of the recorded call, else what the span tells."""
    call = span.call
    request = call.attempts[-1].request if call is not None and call.attempts else None
    found = route(request.method, request.url) if request is not None else None
    if request is not None and found is not None:
        with suppress(ValueError):
            return found.codec.decode_request(obj(parse(request.body)))
    return InferenceRequest(
        operation=span.operation or "",
        input_messages=tuple(_told_messages(span, semconv.GEN_AI_INPUT_MESSAGES)),
        system_instructions=tuple(_parts(_told(span, semconv.GEN_AI_SYSTEM_INSTRUCTIONS))),
        tool_definitions=tuple(_parts(_told(span, semconv.GEN_AI_TOOL_DEFINITIONS))),
    )


def _told_messages(span: Span, name: str) -> Iterator[Message]:
    for message in map(obj, _told(span, name)):
        parts = tuple(_parts(array(message.get("parts"))))
        said = text(message.get("content"))  # some write messages as providers do, without parts
        yield Message(text(message.get("role")) or "", parts or (() if said is None else (_text_part(said),)))


def _text_part(said: str) -> Part:
    return {"type": "text", "content": said}


def _parts(told: JsonArray) -> Iterator[Part]:
    return map(obj, told)


def _told(span: Span, name: str) -> JsonArray:
    """Return what an attribute tells as JSON, nothing if it is none."""
    told = span.attributes.get(name)
    try:
        return array(parse(told)) if isinstance(told, str) else ()
    except ValueError:
        return ()


def is_whole(exchange: Exchange) -> bool:
    """Whether a recorded body is all that the provider sent: read to its end, or left after the last event of its API."""
    if exchange.end == "complete":
        return True
    if exchange.end not in ("closed", "abandoned"):
        return False
    last = events(exchange.body)[-1:]
    return any(event == DONE or _type_of(event.data) in _LAST_EVENTS for event in last)


def _type_of(data: str) -> object:
    try:
        return obj(parse(data)).get("type")
    except ValueError:
        return None
