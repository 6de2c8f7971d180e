"""What a span is about, in one line. Span in, text out."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import compact, text
from otel_agenttrace.model import Event, Message, Span
from otel_agenttrace.wire.recorded import output_messages

__all__ = ["excerpt"]


def excerpt(span: Span) -> str | None:
    """Return one line that tells what a span is about: a model's answer, a tool's arguments, an evaluation's result."""
    arguments = span.attributes.get(semconv.GEN_AI_TOOL_CALL_ARGUMENTS)
    if isinstance(arguments, str):
        return arguments
    results = (_result(event) for event in span.events if event.name == semconv.EVENT_GEN_AI_EVALUATION_RESULT)
    answers = (line for message in output_messages(span) for line in _lines(message))
    return next(chain(results, answers), None)


def _result(event: Event) -> str:
    told = event.attributes
    score, threshold = (
        told.get(semconv.GEN_AI_EVALUATION_SCORE_VALUE),
        told.get(semconv.AGENTTRACE_EVALUATION_THRESHOLD),
    )
    figures = [f"{score:.3f}"] if isinstance(score, float) else []
    figures += [f"(threshold {threshold:g})"] if isinstance(threshold, float) else []
    return " ".join([str(told.get(semconv.GEN_AI_EVALUATION_SCORE_LABEL) or ""), *figures]).strip()


def _lines(message: Message) -> Iterator[str]:
    for part in message.parts:
        if part.get("type") == "tool_call":
            yield f"{part.get('name')}({compact(part.get('arguments'))})"
        elif content := text(part.get("content")):
            yield content.strip().partition("\n")[0]
