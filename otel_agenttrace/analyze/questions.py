"""Read what a model was asked. Span of a call in, its text out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, array, obj, parse, text
from otel_agenttrace.model import Span
from otel_agenttrace.wire.routes import route

__all__ = ["question_of"]


def question_of(span: Span) -> str | None:
    """Return the texts of all messages and instructions of a call, a line each; None where they are not recorded."""
    parts = _recorded(span) if span.call is not None else _told(span)
    texts = [content for part in parts for content in _texts(part)]
    return "\n".join(texts) if texts else None


def _recorded(span: Span) -> Iterator[Mapping[str, Json]]:
    call = span.call
    if call is None or not call.attempts:
        return
    request = call.attempts[0].request
    found = route(request.method, request.url)
    try:
        body = obj(parse(request.body))
    except ValueError:
        return
    if found is not None:
        asked = found.codec.decode_request(body)
        yield from asked.system_instructions
        yield from (part for message in asked.input_messages for part in message.parts)


def _told(span: Span) -> Iterator[Mapping[str, Json]]:
    yield from map(obj, _attribute(span, semconv.GEN_AI_SYSTEM_INSTRUCTIONS))
    for message in map(obj, _attribute(span, semconv.GEN_AI_INPUT_MESSAGES)):
        yield from map(obj, array(message.get("parts")))


def _attribute(span: Span, name: str) -> Iterator[Json]:
    told = span.attributes.get(name)
    try:
        yield from array(parse(told)) if isinstance(told, str) else array(told)
    except ValueError:
        return


def _texts(part: Mapping[str, Json]) -> Iterator[str]:
    """Yield the text of a part: what is said, or what a tool gave, which may be parts again."""
    for name in ("content", "response"):
        told = part.get(name)
        if content := text(told):
            yield content
        else:
            yield from (
                said for each in map(obj, array(told)) if (said := text(each.get("text") or each.get("content")))
            )
