"""Server-sent events: bytes of a body in, data of each event out. A tail that is cut off is left out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.jsonvalue import Json, parse

__all__ = ["SseEvent", "events", "json_events"]

_BETWEEN: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r")
_LINES: Final = re.compile(rb"\r\n|\n|\r")


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: its name, empty for the default, and its data."""

    name: str
    data: str


def events(body: bytes) -> list[SseEvent]:
    """Return the events of a body; a last one without its empty line counts if it is whole JSON or a marker."""
    return [event for block in _BETWEEN.split(body) if (event := _event(block)) is not None]


def _event(block: bytes) -> SseEvent | None:
    name = ""
    data: list[str] = []
    for line in _LINES.split(block):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value.decode("utf-8", "replace"))
        elif field == b"event":
            name = value.decode("utf-8", "replace")
    return SseEvent(name, "\n".join(data)) if data else None


def json_events(body: bytes) -> list[Json]:
    """Return the data of the events that is JSON."""
    return [value for event in events(body) for value in _parsed(event.data)]


def _parsed(data: str) -> tuple[Json, ...]:
    try:
        return (parse(data),)
    except (ValueError, RecursionError):  # `[DONE]`, or cut off
        return ()
