"""What a recorded call says, through the codec of its API. Span in, messages or one line of text out."""

from __future__ import annotations

from collections.abc import Iterator

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import array, compact, obj, parse, text
from otel_agenttrace.model import Exchange, InferenceResponse, Message, Span
from otel_agenttrace.wire.routes import route
from otel_agenttrace.wire.sse import json_events

__all__ = ["excerpt", "response_of"]


def response_of(span: Span) -> InferenceResponse | None:
    """Return what a model answered in a recorded call, or None where that is not recorded."""
    call = span.call
    answered = [attempt for attempt in call.attempts if attempt.status is not None] if call is not None else []
    if not answered:
        return None
    return _decoded(answered[-1])


def _decoded(exchange: Exchange) -> InferenceResponse | None:
    found = route(exchange.request.method, exchange.request.url)
    if found is None:
        return None
    kind = next((value for name, value in exchange.headers if name.lower() == "content-type"), "")
    if kind.startswith("text/event-stream"):
        return found.codec.decode_stream(json_events(exchange.body))
    try:
        return found.codec.decode_response(obj(parse(exchange.body)))
    except (ValueError, RecursionError):
        return None


def excerpt(span: Span) -> str | None:
    """Return one line that tells what a span is about: the answer of a model, or the arguments of a tool."""
    arguments = span.attributes.get(semconv.GEN_AI_TOOL_CALL_ARGUMENTS)
    if isinstance(arguments, str):
        return arguments
    response = response_of(span)
    messages = response.output_messages if response is not None else tuple(_told_messages(span))
    return next((line for message in messages for line in _lines(message)), None)


def _told_messages(span: Span) -> Iterator[Message]:
    told = span.attributes.get(semconv.GEN_AI_OUTPUT_MESSAGES)
    try:
        messages = array(parse(told)) if isinstance(told, str) else ()
    except (ValueError, RecursionError):
        return
    for message in map(obj, messages):
        yield Message(text(message.get("role")) or "", tuple(obj(part) for part in array(message.get("parts"))))


def _lines(message: Message) -> Iterator[str]:
    for part in message.parts:
        if part.get("type") == "tool_call":
            yield f"{part.get('name')}({compact(part.get('arguments'))})"
        elif content := text(part.get("content")):
            yield content.strip().partition("\n")[0]
