"""Spans as SDKs and tools dump them, each in its own JSON: hex, decimal or free ids, times in three forms."""

from __future__ import annotations

import hashlib
import math
import reprlib
from collections.abc import Iterator, Sequence
from datetime import datetime, timezone
from typing import Final, TypeVar

from otel_agenttrace.jsonvalue import Json, JsonObject, array, first_of, integer, number, obj, text
from otel_agenttrace.model import AttributeValue, Event, Span, SpanKind, SpanStatus

__all__ = ["dumped_spans"]

_Word = TypeVar("_Word", bound=str)
_KINDS: Final[tuple[SpanKind, ...]] = ("INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES: Final[tuple[SpanStatus, ...]] = ("UNSET", "OK", "ERROR")


def dumped_spans(document: Json) -> Iterator[Span]:
    """Yield the spans of a list, of an object with `spans`, or of an object whose members are spans or lists of them.

    Known forms: `ReadableSpan.to_json` of Python, `ReadableSpan` of JavaScript, dumps with `trace_id` and `start_time`.

    Raises:
        ValueError: If there is no span, or one has no id.
    """
    records = list(_records(document))
    if not records:
        raise ValueError("no spans: this is neither an OTLP trace nor a dump of spans")
    for record in records:
        yield _span(record)


def _records(document: Json) -> Iterator[JsonObject]:
    record = obj(document)
    if _is_span(record):
        yield record
    elif isinstance(record.get("spans"), list):
        yield from _records(record["spans"])
    else:
        for member in (*record.values(), *array(document)):
            if _is_span(obj(member)):
                yield obj(member)
            elif isinstance(member, list) and all(_is_span(obj(each)) for each in member):
                yield from map(obj, member)


def _is_span(record: JsonObject) -> bool:
    return isinstance(record.get("attributes"), dict) and "name" in record and _context(record) is not None


def _context(record: JsonObject) -> JsonObject | None:
    for place in (obj(record.get("spanContext")), obj(record.get("context")), record):
        if first_of(place, "spanId", "span_id") is not None:
            return place
    return None


def _span(record: JsonObject) -> Span:
    context = _context(record) or {}
    status = obj(record.get("status"))
    scope = obj(first_of(record, "instrumentationScope", "instrumentation_scope", "scope"))
    end_ns = _time(first_of(record, "endTime", "end_time"))
    return Span(
        trace_id=_id(first_of(context, "traceId", "trace_id"), 32),
        span_id=_id(first_of(context, "spanId", "span_id"), 16),
        parent_span_id=_parent(record),
        name=text(record.get("name")) or "",
        kind=_word(record.get("kind"), _KINDS),
        start_ns=_time(first_of(record, "startTime", "start_time")) or 0,
        end_ns=end_ns,
        attributes={**_attributes(record.get("attributes")), **_dropped(record)},
        events=tuple(_event(obj(event)) for event in array(record.get("events"))),
        status=_word(first_of(status, "code", "status_code"), _STATUSES),
        status_message=text(first_of(status, "message", "description")) or "",
        scope=text(scope.get("name")) or "",
        scope_version=text(scope.get("version")) or "",
        resource=_attributes(first_of(obj(record.get("resource")), "attributes") or record.get("resource_attributes")),
    )


def _dropped(record: JsonObject) -> dict[str, AttributeValue]:
    """Return how many attributes JavaScript's SDK left out."""
    count = integer(record.get("droppedAttributesCount"))
    return {"otel.dropped_attributes_count": count} if count else {}


def _parent(record: JsonObject) -> str | None:
    above = obj(first_of(record, "parent", "parentSpanContext"))
    told = first_of(above, "spanId", "span_id") or first_of(record, "parentSpanId", "parent_span_id", "parent_id")
    return _id(told, 16) if told else None


def _event(record: JsonObject) -> Event:
    time_ns = _time(first_of(record, "time", "timestamp", "time_unix_nano")) or 0
    return Event(text(record.get("name")) or "", time_ns, _attributes(record.get("attributes")))


def _attributes(told: Json) -> dict[str, AttributeValue]:
    return dict(obj(told))


def _id(told: Json, digits: int) -> str:
    """Return an id as hex: hex as it is, a number in hex, any other text by its digest."""
    if (value := integer(told)) is not None:
        return f"{value:0{digits}x}"[-digits:]
    written = (text(told) or "").lower().removeprefix("0x")
    if not written:
        raise ValueError("a span has no id")
    if len(written) == digits and not written.strip("0123456789abcdef"):
        return written
    return hashlib.sha256(written.encode()).hexdigest()[:digits]


def _time(told: Json) -> int | None:
    """Return nanoseconds since 1970: of a number of them, of [seconds, nanoseconds], or of an ISO 8601 text."""
    moment_ns = _moment_ns(told)
    if moment_ns is not None and not 0 <= moment_ns < 1 << 63:
        raise ValueError(f"{reprlib.repr(told)} is no time")
    return moment_ns


def _moment_ns(told: Json) -> int | None:
    if (value := integer(told)) is not None:
        return value
    if isinstance(told, list):
        seconds, nanos = (*(integer(each) or 0 for each in told), 0, 0)[:2]
        return seconds * 10**9 + nanos
    if isinstance(told, str):
        moment = datetime.fromisoformat(told.replace("Z", "+00:00"))
        moment = moment if moment.tzinfo is not None else moment.replace(tzinfo=timezone.utc)
        return int(moment.timestamp()) * 10**9 + moment.microsecond * 1000
    fraction = number(told)
    return int(fraction) if fraction is not None and math.isfinite(fraction) else None


def _word(told: Json, words: Sequence[_Word]) -> _Word:
    index = integer(told)
    if index is not None:
        return words[index] if 0 <= index < len(words) else words[0]
    written = (text(told) or "").rpartition(".")[2].upper()
    return next((word for word in words if written.endswith(word)), words[0])
