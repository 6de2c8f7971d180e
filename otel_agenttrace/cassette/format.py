"""One span as one line of OTLP/JSON, and back. Pure: no files.

A line is a complete `TracesData` object: keys sorted, ids in lower-case hex, 64-bit integers as strings, enums as
numbers. Reading is tolerant: ids in base64, named enums, numbers for integers, several spans in one object.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeVar, cast

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, array, integer, obj, text
from otel_agenttrace.model import AttributeValue, Event, Link, Span, SpanKind, SpanStatus

__all__ = ["FORMAT_VERSION", "decode_spans", "encode_line", "format_version"]

FORMAT_VERSION: Final = 1
"""The version this release writes."""

_KINDS: Final[tuple[SpanKind, ...]] = ("INTERNAL", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
_STATUSES: Final[tuple[SpanStatus, ...]] = ("UNSET", "OK", "ERROR")
_Name = TypeVar("_Name", bound=str)
_SAMPLED: Final = 0x101
"""Trace flags: sampled, and the bit that says so of the parent being known to be local."""


# --- writing --------------------------------------------------------------------------------------------------------


def encode_line(span: Span, first: Sequence[tuple[str, AttributeValue]] = ()) -> bytes:
    """Return the line of a span with its newline; the attributes `first` stand first, in their order."""
    attributes = [_key_value(key, value) for key, value in first]
    attributes += [_key_value(key, span.attributes[key]) for key in sorted(span.attributes)]
    record: dict[str, object] = {
        "attributes": attributes,
        "flags": _SAMPLED,
        "kind": _KINDS.index(span.kind, 1),
        "name": span.name,
        "spanId": span.span_id,
        "startTimeUnixNano": str(span.start_ns),
        "status": _status(span),
        "traceId": span.trace_id,
    }
    if span.end_ns is not None:
        record["endTimeUnixNano"] = str(span.end_ns)
    if span.parent_span_id:
        record["parentSpanId"] = span.parent_span_id
    if span.events:
        record["events"] = [_event(event) for event in span.events]
    if span.links:
        record["links"] = [_link(link) for link in span.links]
    return _line(span, record)


def _line(span: Span, record: dict[str, object]) -> bytes:
    scope_spans: dict[str, object] = {"scope": {"name": span.scope, "version": span.scope_version}, "spans": [record]}
    if span.schema_url:
        scope_spans["schemaUrl"] = span.schema_url
    resource = {"attributes": [_key_value(key, span.resource[key]) for key in sorted(span.resource)]}
    document = {"resourceSpans": [{"resource": resource, "scopeSpans": [scope_spans]}]}
    line = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=False) + "\n"
    try:
        return line.encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8 form, only an escape
        return (json.dumps(document, sort_keys=True, separators=(",", ":")) + "\n").encode()


def _status(span: Span) -> dict[str, object]:
    code = _STATUSES.index(span.status)
    status: dict[str, object] = {"code": code} if code else {}
    return {**status, "message": span.status_message} if span.status_message else status


def _event(event: Event) -> dict[str, object]:
    attributes = [_key_value(key, event.attributes[key]) for key in sorted(event.attributes)]
    return {"attributes": attributes, "name": event.name, "timeUnixNano": str(event.time_ns)}


def _link(link: Link) -> dict[str, object]:
    attributes = [_key_value(key, link.attributes[key]) for key in sorted(link.attributes)]
    return {"attributes": attributes, "spanId": link.span_id, "traceId": link.trace_id}


def _key_value(key: str, value: AttributeValue) -> dict[str, object]:
    return {"key": key, "value": _any_value(value)}


def _any_value(value: AttributeValue) -> dict[str, object]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else _special(value)}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        return {"kvlistValue": {"values": [_key_value(key, member) for key, member in value.items()]}}
    return {"arrayValue": {"values": [_any_value(item) for item in value]}} if value is not None else {}


def _special(value: float) -> str:
    return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"


# --- reading --------------------------------------------------------------------------------------------------------


def format_version(document: Json) -> int | None:
    """Return the cassette format a document says it has, or None for a foreign one."""
    for resource_spans in array(obj(document).get("resourceSpans")):
        attributes = _attributes(obj(obj(resource_spans).get("resource")).get("attributes"))
        version = attributes.get(semconv.AGENTTRACE_FORMAT_VERSION)
        if isinstance(version, int):
            return version
    return None


def decode_spans(document: Json) -> Iterator[Span]:
    """Yield the spans of a `TracesData` object.

    Raises:
        ValueError: If the document is no `TracesData` object or a span has no usable id.
    """
    listed = _member(obj(document), "resourceSpans")
    if not isinstance(listed, list):
        raise ValueError("no resourceSpans: this is not an OTLP trace")
    for resource_spans in map(obj, array(listed)):
        resource = _attributes(obj(resource_spans.get("resource")).get("attributes"))
        for scope_spans in map(obj, array(_member(resource_spans, "scopeSpans"))):
            for record in map(obj, array(scope_spans.get("spans"))):
                yield _span(record, scope_spans, resource)


def _member(record: JsonObject, name: str) -> Json:
    """Return a member under its camelCase or its snake_case name."""
    if name in record:
        return record[name]
    return record.get("".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name))


def _span(record: JsonObject, scope_spans: JsonObject, resource: Mapping[str, AttributeValue]) -> Span:
    scope = obj(scope_spans.get("scope"))
    status = obj(record.get("status"))
    return Span(
        trace_id=_id(_member(record, "traceId"), 16, "traceId"),
        span_id=_id(_member(record, "spanId"), 8, "spanId"),
        parent_span_id=_parent_id(_member(record, "parentSpanId")),
        name=text(record.get("name")) or "",
        kind=_named(record.get("kind"), _KINDS, "SPAN_KIND_"),
        start_ns=_int(_member(record, "startTimeUnixNano")) or 0,
        end_ns=_int(_member(record, "endTimeUnixNano")) or None,
        attributes=_attributes(record.get("attributes")),
        events=tuple(_read_event(obj(event)) for event in array(record.get("events"))),
        links=tuple(_read_link(obj(link)) for link in array(record.get("links"))),
        status=_named(status.get("code"), _STATUSES, "STATUS_CODE_"),
        status_message=text(status.get("message")) or "",
        scope=text(scope.get("name")) or "",
        scope_version=text(scope.get("version")) or "",
        schema_url=text(_member(scope_spans, "schemaUrl")) or "",
        resource=resource,
    )


def _read_event(record: JsonObject) -> Event:
    name = text(record.get("name")) or ""
    return Event(name, _int(_member(record, "timeUnixNano")) or 0, _attributes(record.get("attributes")))


def _read_link(record: JsonObject) -> Link:
    return Link(
        _id(_member(record, "traceId"), 16, "traceId"),
        _id(_member(record, "spanId"), 8, "spanId"),
        _attributes(record.get("attributes")),
    )


def _id(value: Json, size: int, name: str) -> str:
    """Return an id as hex: hex as it is, base64 (protobuf's JSON) decoded."""
    written = text(value) or ""
    if len(written) == 2 * size:
        try:
            return bytes.fromhex(written).hex()
        except ValueError:
            pass
    try:
        decoded = base64.b64decode(written, validate=True)
    except binascii.Error:
        decoded = b""
    if len(decoded) != size:
        raise ValueError(f"{name} {written[:40]!r} is neither {2 * size} hex digits nor base64 of {size} bytes")
    return decoded.hex()


def _parent_id(value: Json) -> str | None:
    found = _id(value, 8, "parentSpanId") if value else None
    return found if found and found.strip("0") else None


def _named(value: Json, names: tuple[_Name, ...], prefix: str) -> _Name:
    index = integer(value)
    if index is not None:
        return names[index] if 0 <= index < len(names) else names[0]
    written = (text(value) or "").removeprefix(prefix)
    return cast("_Name", written) if written in names else names[0]


def _int(value: Json) -> int | None:
    try:
        return int(value) if isinstance(value, str | int) else None
    except ValueError:
        return None


def _attributes(values: Json) -> dict[str, AttributeValue]:
    return {text(pair.get("key")) or "": _read_value(obj(pair.get("value"))) for pair in map(obj, array(values))}


def _read_value(value: JsonObject) -> AttributeValue:
    for kind, member in value.items():
        reader = _READERS.get(kind)
        if reader is not None:
            return reader(member)
    return None


def _read_double(value: Json) -> float | None:
    try:
        return float(value) if isinstance(value, str | int | float) else None
    except ValueError:
        return None


def _read_bytes(value: Json) -> bytes | None:
    try:
        return base64.b64decode(text(value) or "", validate=True)
    except binascii.Error:
        return None


def _read_array(value: Json) -> tuple[AttributeValue, ...]:
    return tuple(_read_value(obj(item)) for item in array(obj(value).get("values")))


_READERS: Final = {
    "stringValue": text,
    "string_value": text,
    "boolValue": lambda value: value is True,
    "bool_value": lambda value: value is True,
    "intValue": _int,
    "int_value": _int,
    "doubleValue": _read_double,
    "double_value": _read_double,
    "bytesValue": _read_bytes,
    "bytes_value": _read_bytes,
    "arrayValue": _read_array,
    "array_value": _read_array,
    "kvlistValue": lambda value: _attributes(obj(value).get("values")),
    "kvlist_value": lambda value: _attributes(obj(value).get("values")),
}
