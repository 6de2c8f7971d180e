"""What a recorded span says through the codec of its API. Span in, response and messages out; odd content says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import array, obj, parse, text
from otel_agenttrace.model import Exchange, InferenceResponse, Message, Span
from otel_agenttrace.wire.routes import route
from otel_agenttrace.wire.sse import DONE, events, json_events

__all__ = ["decoded", "is_whole", "output_messages", "response_of"]

_LAST_EVENTS: Final = frozenset({"message_stop", "response.completed", "response.incomplete", "response.failed"})


def response_of(span: Span) -> InferenceResponse | None:
    """Return what a model answered in a recorded call, or None where that is not recorded."""
    call = span.call
    answered = [attempt for attempt in call.attempts if attempt.status is not None] if call is not None else []
    if not answered:
        return None
    return decoded(answered[-1])


def decoded(exchange: Exchange) -> InferenceResponse | None:
    """Return what a model answered in one exchange, or None if its API has no codec or its body is not what it says."""
    found = route(exchange.request.method, exchange.request.url)
    if found is None:
        return None
    kind = next((value for name, value in exchange.headers if name.lower() == "content-type"), "")
    if kind.startswith("text/event-stream"):
        return found.codec.decode_stream(json_events(exchange.body))
    try:
        return found.codec.decode_response(obj(parse(exchange.body)))
    except ValueError:
        return None


def output_messages(span: Span) -> tuple[Message, ...]:
    """Return the messages a model answered with: those of its recorded call, else those the span tells."""
    response = response_of(span)
    return response.output_messages if response is not None else tuple(_told_messages(span))


def _told_messages(span: Span) -> Iterator[Message]:
    told = span.attributes.get(semconv.GEN_AI_OUTPUT_MESSAGES)
    try:
        messages = array(parse(told)) if isinstance(told, str) else ()
    except ValueError:
        return
    for message in map(obj, messages):
        yield Message(text(message.get("role")) or "", tuple(obj(part) for part in array(message.get("parts"))))


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
