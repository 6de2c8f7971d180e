"""Read what a model was asked. Span of a call in, its text out."""

from __future__ import annotations

from collections.abc import Iterator

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import array, inner_json, obj, text
from otel_agenttrace.model import Part, Span
from otel_agenttrace.wire.recorded import asked_of

__all__ = ["question_of", "told_question"]


def question_of(span: Span) -> str | None:
    """Return the texts of all messages and instructions of a call, a line each; None where they are not recorded."""
    asked = asked_of(span)
    parts = (*asked.system_instructions, *(part for message in asked.input_messages for part in message.parts))
    texts = [content for part in parts for content in _texts(part)]
    return "\n".join(texts) if texts else None


def told_question(span: Span) -> str | None:
    """Return the messages of a request as the span tells them; None where it does not, or not whole: cut off, or taken out.

    Requests that were cut off or emptied look alike, and are not.
    """
    told = text(span.attributes.get(semconv.GEN_AI_INPUT_MESSAGES))
    messages = array(inner_json(told)) if told else ()
    return told if any(obj(each).get("parts") or obj(each).get("content") for each in messages) else None


def _texts(part: Part) -> Iterator[str]:
    """Yield the text of a part: what is said, or what a tool gave, which may be parts again."""
    for name in ("content", "response"):
        told = part.get(name)
        if content := text(told):
            yield content
        else:
            yield from (
                said for each in map(obj, array(told)) if (said := text(each.get("text") or each.get("content")))
            )
