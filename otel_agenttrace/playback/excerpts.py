"""What a span is about, in one line. Span in, text out."""

from __future__ import annotations

from collections.abc import Iterator

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import compact, text
from otel_agenttrace.model import Message, Span
from otel_agenttrace.wire.recorded import output_messages

__all__ = ["excerpt"]


def excerpt(span: Span) -> str | None:
    """Return one line that tells what a span is about: the answer of a model, or the arguments of a tool."""
    arguments = span.attributes.get(semconv.GEN_AI_TOOL_CALL_ARGUMENTS)
    if isinstance(arguments, str):
        return arguments
    return next((line for message in output_messages(span) for line in _lines(message)), None)


def _lines(message: Message) -> Iterator[str]:
    for part in message.parts:
        if part.get("type") == "tool_call":
            yield f"{part.get('name')}({compact(part.get('arguments'))})"
        elif content := text(part.get("content")):
            yield content.strip().partition("\n")[0]
