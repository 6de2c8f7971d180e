"""One span as one line of OTLP/JSON, and back. Pure: no files.

A line is a complete `TracesData` object: keys sorted, ids in lower-case hex, 64-bit integers as strings, enums as
numbers. Reading is tolerant: ids in base64, named enums, numbers for integers, several spans in one object.
"""

from __future__ import annotations

import base64
import contextlib
import json
import math
import re
import reprlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import Final, NamedTuple, TypeVar, cast

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, array, int64, integer, obj, quoted, text
from otel_agenttrace.model import AttributeValue, Call, Event, Link, Span, SpanKind, SpanStatus

__all__ = [
    "FORMAT_VERSION",
    "KINDS",
    "STATUSES",
    "Around",
    "around_of",
    "decode_attributes",
    "decode_events",
    "decode_id",
    "decode_span",
    "decode_spans",
    "encode_events",
    "encode_line",
    "encode_resource",
    "format_version",
    "resources",
]

FORMAT_VERSION: Final = 1
"""The version this release writes."""

KINDS: Final[tuple[SpanKind, ...]] = ("INTERNAL", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
STATUSES: Final[tuple[SpanStatus, ...]] = ("UNSET", "OK", "ERROR")
_Name = TypeVar("_Name", bound=str)
_SAMPLED: Final = 0x101
"""Trace flags: sampled, and the bit that says so of the parent being known to be local."""


# --- writing --------------------------------------------------------------------------------------------------------
# The line is put together as text: building a tree of dictionaries first costs three times as much.


def encode_resource(resource: Mapping[str, AttributeValue]) -> str:
    """Return the resource of a line, ready for `encode_line`."""
    return f'{{"attributes":[{",".join(_sorted_pairs(resource))}]}}'


def encode_line(
    span: Span, resource: str, first: Sequence[tuple[str, AttributeValue]] = (), more_events: Sequence[Event] = ()
) -> bytes:
    """Return the line of a span with its newline.

    Args:
        span: The span; its own resource is not looked at.
        resource: The resource as `encode_resource` gives it.
        first: Attributes that stand before those of the span, in their order.
        more_events: Events that follow those of the span.
    """
    pairs = [_pair(key, value) for key, value in first]
    pairs += _sorted_pairs(span.attributes)
    events = (*span.events, *more_events)
    ended = "" if span.end_ns is None else f'"endTimeUnixNano":"{span.end_ns}",'
    told = f'"events":[{encode_events(events)}],' if events else ""
    links = f'"links":[{",".join(map(_link, span.links))}],' if span.links else ""
    parent = f'"parentSpanId":"{span.parent_span_id}",' if span.parent_span_id else ""
    line = (
        f'{{"resourceSpans":[{{"resource":{resource},"scopeSpans":[{{{_scope(span)},"spans":[{{'
        f'"attributes":[{",".join(pairs)}],{ended}{told}"flags":{_SAMPLED},"kind":{KINDS.index(span.kind, 1)},{links}'
        f'"name":{quoted(span.name)},{parent}"spanId":"{span.span_id}","startTimeUnixNano":"{span.start_ns}",'
        f'"status":{_status(span)},"traceId":"{span.trace_id}"}}]}}]}}]}}\n'
    )
    try:
        return line.encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8 form, only an escape
        return _escaped(line)


def _escaped(line: str) -> bytes:
    """Return a line in which each character beyond ASCII is a JSON escape."""
    return (json.dumps(json.loads(line), sort_keys=True, separators=(",", ":")) + "\n").encode()


def _scope(span: Span) -> str:
    schema = f'"schemaUrl":{quoted(span.schema_url)},' if span.schema_url else ""
    return f'{schema}"scope":{{"name":{quoted(span.scope)},"version":{quoted(span.scope_version)}}}'


def _status(span: Span) -> str:
    code = STATUSES.index(span.status)
    told = [f'"code":{code}'] if code else []
    if span.status_message:
        told.append(f'"message":{quoted(span.status_message)}')
    return f"{{{','.join(told)}}}"


def encode_events(events: Iterable[Event]) -> str:
    """Return the elements of the list of events of a line."""
    return ",".join(map(_event, events))


def _event(event: Event) -> str:
    attributes = ",".join(_sorted_pairs(event.attributes))
    return f'{{"attributes":[{attributes}],"name":{quoted(event.name)},"timeUnixNano":"{event.time_ns}"}}'


def _link(link: Link) -> str:
    attributes = ",".join(_sorted_pairs(link.attributes))
    return f'{{"attributes":[{attributes}],"spanId":"{link.span_id}","traceId":"{link.trace_id}"}}'


def _sorted_pairs(attributes: Mapping[str, AttributeValue]) -> list[str]:
    return [_pair(key, attributes[key]) for key in sorted(attributes)]


def _pair(key: str, value: AttributeValue) -> str:
    return f'{{"key":{quoted(key)},"value":{_any_value(value)}}}'


def _any_value(value: AttributeValue) -> str:
    if isinstance(value, str):
        return f'{{"stringValue":{quoted(value)}}}'
    if isinstance(value, bool):
        return '{"boolValue":true}' if value else '{"boolValue":false}'
    if isinstance(value, int):
        return f'{{"intValue":"{value}"}}' if int64(value) is not None else _any_value(hex(value))
    if isinstance(value, float):
        finite = math.isfinite(value)
        return f'{{"doubleValue":{float.__repr__(value)}}}' if finite else f'{{"doubleValue":"{_special(value)}"}}'
    if isinstance(value, bytes):
        return f'{{"bytesValue":"{base64.b64encode(value).decode()}"}}'
    if isinstance(value, Mapping):
        members = ",".join(_pair(str(key), member) for key, member in value.items())
        return f'{{"kvlistValue":{{"values":[{members}]}}}}'
    if value is None:
        return "{}"
    if isinstance(value, Sequence):  # pyright: ignore[reportUnnecessaryIsInstance] - applications pass anything
        return f'{{"arrayValue":{{"values":[{",".join(map(_any_value, value))}]}}}}'
    return _any_value(str(value))


def _special(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


# --- reading --------------------------------------------------------------------------------------------------------


def format_version(document: Json) -> int | None:
    """Return the cassette format a document says it has, or None for a foreign one."""
    versions = (resource.get(semconv.AGENTTRACE_FORMAT_VERSION) for resource in resources(document))
    return next((version for version in versions if isinstance(version, int)), None)


def resources(document: Json) -> Iterator[Mapping[str, AttributeValue]]:
    """Yield the attributes of the resources of a `TracesData` object."""
    for resource_spans in array(_member(obj(document), "resourceSpans")):
        yield decode_attributes(obj(obj(resource_spans).get("resource")).get("attributes"))


def decode_spans(document: Json) -> Iterator[Span]:
    """Yield the spans of a `TracesData` object.

    Raises:
        ValueError: If the document is no `TracesData` object or a span has no usable id.
    """
    listed = _member(obj(document), "resourceSpans")
    if not isinstance(listed, list):
        raise ValueError("no resourceSpans: this is not an OTLP trace")
    for resource_spans in map(obj, array(listed)):
        resource = decode_attributes(obj(resource_spans.get("resource")).get("attributes"))
        for scope_spans in map(obj, array(_member(resource_spans, "scopeSpans"))):
            around = around_of(scope_spans, resource)
            for record in map(obj, array(scope_spans.get("spans"))):
                yield decode_span(record, around)


def _member(record: JsonObject, name: str) -> Json:
    """Return a member under its camelCase or its snake_case name."""
    return record[name] if name in record else record.get(_snake_case(name))


@cache
def _snake_case(name: str) -> str:
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)


class Around(NamedTuple):
    """What spans that are told together have in common."""

    scope: str
    scope_version: str
    schema_url: str
    resource: Mapping[str, AttributeValue]


def around_of(scope_spans: JsonObject, resource: Mapping[str, AttributeValue]) -> Around:
    """Return what stands around the spans of a scope, whose resource has these attributes."""
    scope = obj(scope_spans.get("scope"))
    name, version = text(scope.get("name")) or "", text(scope.get("version")) or ""
    return Around(name, version, text(_member(scope_spans, "schemaUrl")) or "", resource)


def decode_span(record: JsonObject, around: Around, read_call: Callable[[], Call | None] | None = None) -> Span:
    """Return the span of a record, given what stands around it and what reads its recorded call.

    Raises:
        ValueError: If it has no usable id, or what should be a time is none.
    """
    status = obj(record.get("status"))
    links = array(record.get("links"))
    return Span(
        decode_id(_member(record, "traceId"), 16, "traceId"),
        decode_id(_member(record, "spanId"), 8, "spanId"),
        text(record.get("name")) or "",
        _time(record, "startTimeUnixNano"),
        _time(record, "endTimeUnixNano") or None,
        _parent_id(_member(record, "parentSpanId")),
        _named(record.get("kind"), KINDS, "SPAN_KIND_"),
        _dropped(record, decode_attributes(record.get("attributes"))),
        decode_events(record.get("events")),
        tuple([_read_link(obj(link)) for link in links]) if links else (),
        _named(status.get("code"), STATUSES, "STATUS_CODE_"),
        text(status.get("message")) or "",
        *around,
        read_call,
    )


def decode_events(told: Json) -> tuple[Event, ...]:
    """Return the events of a list of records.

    Raises:
        ValueError: If what should be the time of one is none.
    """
    events = array(told)
    return tuple([decode_event(obj(event)) for event in events]) if events else ()


_DROPPED: Final = {
    "droppedAttributesCount": "otel.dropped_attributes_count",
    "dropped_attributes_count": "otel.dropped_attributes_count",
    "droppedEventsCount": "otel.dropped_events_count",
    "dropped_events_count": "otel.dropped_events_count",
}
"""What an SDK left out for its limits, under the names that OpenTelemetry has for it outside of OTLP."""


def _dropped(record: JsonObject, told: dict[str, AttributeValue]) -> dict[str, AttributeValue]:
    if _DROPPED.keys().isdisjoint(record):
        return told
    return {**told, **{name: count for member, name in _DROPPED.items() if (count := _int(record.get(member)))}}


def decode_event(record: JsonObject) -> Event:
    """Return the event of a record.

    Raises:
        ValueError: If what should be its time is none.
    """
    name = text(record.get("name")) or ""
    return Event(name, _time(record, "timeUnixNano"), decode_attributes(record.get("attributes")))


def _read_link(record: JsonObject) -> Link:
    return Link(
        decode_id(_member(record, "traceId"), 16, "traceId"),
        decode_id(_member(record, "spanId"), 8, "spanId"),
        decode_attributes(record.get("attributes")),
    )


_HEX: Final = re.compile("[0-9a-fA-F]+")


def decode_id(value: Json, size: int, name: str) -> str:
    """Return an id of so many bytes as hex: hex as it is, base64 (protobuf's JSON) decoded.

    Raises:
        ValueError: If it is neither.
    """
    written = text(value) or ""
    if len(written) == 2 * size and _HEX.fullmatch(written):
        return written.lower()
    with contextlib.suppress(ValueError):
        decoded = base64.b64decode(written, validate=True)
        if len(decoded) == size:
            return decoded.hex()
    raise ValueError(f"{name} {reprlib.repr(value)} is neither {2 * size} hex digits nor base64 of {size} bytes")


def _parent_id(value: Json) -> str | None:
    found = decode_id(value, 8, "parentSpanId") if value else None
    return found if found and found.strip("0") else None


def _named(value: Json, names: tuple[_Name, ...], prefix: str) -> _Name:
    index = integer(value)
    if index is not None:
        return names[index] if 0 <= index < len(names) else names[0]
    written = (text(value) or "").removeprefix(prefix)
    return cast("_Name", written) if written in names else names[0]


def _time(record: JsonObject, name: str) -> int:
    """Return a time in nanoseconds, 0 for none; a word is no time, and a sign that the line is damaged."""
    value = _member(record, name)
    time_ns = _whole(value)
    if time_ns is not None and 0 <= time_ns < _NO_TIME:
        return time_ns
    if value and isinstance(value, str | int):
        raise ValueError(f"{name} {reprlib.repr(value)} is no time")
    return 0


_NO_TIME: Final = 1 << 64
_WHOLE: Final = (str, int)


def _whole(value: Json) -> int | None:
    try:
        return int(value) if isinstance(value, _WHOLE) else None
    except ValueError:
        return None


_OUTSIDE: Final = 1 << 63
"""The first whole number that OTLP's integers, of 64 bits, do not hold."""


def _int(value: Json) -> int | None:
    whole = _whole(value)
    return whole if whole is not None and -_OUTSIDE <= whole < _OUTSIDE else None


def decode_attributes(values: Json) -> dict[str, AttributeValue]:
    """Return the values of a list of OTLP's key-value pairs."""
    found: dict[str, AttributeValue] = {}
    for pair in array(values):
        if isinstance(pair, dict):
            key, value = pair.get("key"), pair.get("value")
            told = value.get("stringValue") if isinstance(value, dict) else None
            found[key if isinstance(key, str) else ""] = told if isinstance(told, str) else _read_value(value)
    return found


def _read_value(value: Json) -> AttributeValue:
    for kind, member in obj(value).items():
        if kind in _READERS:
            return _READERS[kind](member)
    return None


_NUMBERS: Final = (float, int, str)


def _read_double(value: Json) -> float | None:
    try:
        return float(value) if isinstance(value, _NUMBERS) else None
    except (ValueError, OverflowError):
        return None


def _read_bytes(value: Json) -> bytes | None:
    try:
        return base64.b64decode(text(value) or "", validate=True)
    except ValueError:
        return None


def _read_array(value: Json) -> tuple[AttributeValue, ...]:
    return tuple(_read_value(item) for item in array(obj(value).get("values")))


def _read_bool(value: Json) -> bool:
    return value is True


def _read_mapping(value: Json) -> dict[str, AttributeValue]:
    return decode_attributes(obj(value).get("values"))


_READERS: Final[Mapping[str, Callable[[Json], AttributeValue]]] = {
    "stringValue": text,
    "string_value": text,
    "boolValue": _read_bool,
    "bool_value": _read_bool,
    "intValue": _int,
    "int_value": _int,
    "doubleValue": _read_double,
    "double_value": _read_double,
    "bytesValue": _read_bytes,
    "bytes_value": _read_bytes,
    "arrayValue": _read_array,
    "array_value": _read_array,
    "kvlistValue": _read_mapping,
    "kvlist_value": _read_mapping,
}
