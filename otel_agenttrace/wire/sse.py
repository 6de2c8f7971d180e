"""Server-sent events: bytes of a body in, data of each event out, and back. A tail that is cut off is left out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.jsonvalue import Json, parse

__all__ = ["DONE", "EVENT_END", "SseEvent", "event_bytes", "events", "json_events"]

_LINE_END: Final = rb"(?:\r\n|\n|\r(?!\n))"
EVENT_END: Final = re.compile(_LINE_END + rb"{2}")
"""What stands between two events."""

_LINES: Final = re.compile(_LINE_END)
_BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class SseEvent:
    """One event: its name, empty for the default, and its data."""

    name: str
    data: str


DONE: Final = SseEvent("", "[DONE]")
"""How OpenAI's older streams end."""


def events(body: bytes) -> list[SseEvent]:
    """Return the events of a body; a last one without its empty line counts if it is whole JSON or the end mark."""
    *whole, tail = EVENT_END.split(body.removeprefix(_BYTE_ORDER_MARK))
    found = [event for block in whole if (event := _event(block)) is not None]
    last = _event(tail)
    return [*found, last] if last is not None and (last == DONE or _parsed(last.data)) else found


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
    except ValueError:  # `[DONE]`, or cut off
        return ()


def event_bytes(told: Iterable[SseEvent]) -> bytes:
    """Return the body that tells these events."""
    return b"".join(map(_written, told))


def _written(event: SseEvent) -> bytes:
    name = [f"event: {event.name}"] if event.name else []
    lines = [*name, *(f"data: {line}" for line in event.data.split("\n")), "", ""]
    # half a surrogate pair, as JSON can name it, has no UTF-8; this writes the escape JSON would
    return "\n".join(lines).encode("utf-8", "backslashreplace")
