"""Spans as other instrumentations make them, by hand, for what the installed ones no longer write."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from otel_agenttrace.model import AttributeValue, Event, Span

__all__ = ["Watched", "event", "genai_attributes", "said", "span"]

_TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


class Watched(tuple[Span, ...]):  # noqa: SLOT001 - a tuple has no room for slots
    """Spans that count how often somebody goes through all of them."""

    times = 0

    def __iter__(self) -> Iterator[Span]:
        self.times += 1
        return super().__iter__()


def span(number: int, attributes: Mapping[str, AttributeValue], *events: Event, **more: Any) -> Span:
    """Return the span of a call; numbers order them."""
    begun = 1_000 * number
    made = Span(_TRACE_ID, f"{number:016x}", "chat gpt-4o", begun, begun + 500, attributes=attributes, events=events)
    return replace(made, **more)


def event(name: str, **attributes: AttributeValue) -> Event:
    """Return an event of a span."""
    return Event(name, 1, attributes)


def said(role: str, *parts: str | Mapping[str, Any], **more: Any) -> dict[str, Any]:
    """Return a message of the conventions; a text stands for a text part."""
    told = [{"type": "text", "content": part} if isinstance(part, str) else part for part in parts]
    return {"role": role, "parts": told, **more}


def genai_attributes(
    asked: Sequence[Mapping[str, Any]], answered: Sequence[Mapping[str, Any]], **more: AttributeValue
) -> dict[str, AttributeValue]:
    """Return the attributes of a call by today's conventions; in further names `__` stands for a dot."""
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.id": "chatcmpl-1",
        "gen_ai.response.model": "gpt-4o-2024",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.usage.output_tokens": 3,
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps(answered),
        **{name.replace("__", "."): value for name, value in more.items()},
    }
