"""Read a trace that others exported: OTLP as JSON, JSON Lines or protobuf, or a dump of spans. Path in, spans out."""

from __future__ import annotations

import json
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any, Final, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.cassette.conversations import with_conversations
from otel_agenttrace.cassette.dumps import dumped_spans
from otel_agenttrace.cassette.format import decode_attributes, decode_id, decode_spans
from otel_agenttrace.cassette.forms import form_of
from otel_agenttrace.cassette.held import FileTooLarge, whole_file
from otel_agenttrace.cassette.pack import SUFFIX, unpacked
from otel_agenttrace.cassette.reader import Cassette, open_cassette
from otel_agenttrace.errors import CassetteCorrupt, IngestError, LogOfAnotherTool
from otel_agenttrace.jsonvalue import Json, JsonObject, array, obj, parse, text
from otel_agenttrace.model import Event, Span, Trace

__all__ = ["Opened", "foreign_spans", "open_trace", "refuse_log", "spans_in"]

_JSON: Final = b"{["
_MESSAGE: Final = 0x0A
"""The first byte of an OTLP message: its first field, `resource_spans`, with a length."""


@dataclass(frozen=True, slots=True)
class Opened:
    """A file that tells a trace: as a cassette where its lines are readable, and its spans where no call is recorded."""

    path: Path
    cassette: Cassette | None
    foreign: tuple[Span, ...] | None = None

    def trace(self, cost_of: Callable[[Span], float | None] | None = None) -> Trace:
        """Return all spans in order of their start."""
        if self.foreign is None and self.cassette is not None:
            return self.cassette.trace(cost_of)
        trace = Trace(tuple(sorted(self.foreign or (), key=lambda span: span.start_ns)), path=self.path)
        return trace if cost_of is None else replace(trace, cost_of=cost_of)


def open_trace(path: Path, *, strict: bool = False) -> Opened:
    """Return the cassette at a path; where it records no call, the spans that others may have exported.

    Raises:
        CassetteError: As `open_cassette` does, if the file can be read in no way.
    """
    failure: CassetteCorrupt | None = None
    cassette: Cassette | None = None
    refuse_log(path)
    try:
        cassette = open_cassette(path, strict=strict)
        if cassette.index.calls:
            return Opened(path, cassette)
    except CassetteCorrupt as error:
        failure = error
    try:
        spans = foreign_spans(path)
    except IngestError as error:
        if cassette is not None:
            return Opened(path, cassette)
        raise _told(path, failure, error) from error
    if failure is not None and any(semconv.AGENTTRACE_CALL_KEY in span.attributes for span in spans):
        raise failure  # a cassette of ours, damaged
    return Opened(path, cassette, spans)


def refuse_log(path: Path) -> None:
    """Say what to do with a log of another tool: it is no trace, but can be made one.

    Raises:
        LogOfAnotherTool: If the file is one.
    """
    try:
        form = form_of(path) if path.suffix != SUFFIX else None
    except OSError:
        return  # whoever opens it says why it cannot be read
    if form is not None:
        raise LogOfAnotherTool(path, form)


_UNREAD: Final = ("not JSON", "binary")
"""How the reason begins where a line could not be read: the file need not have lines."""


def _told(path: Path, failure: CassetteCorrupt | None, error: IngestError) -> CassetteCorrupt:
    """Return which of two failures tells more: that of the lines, unless the file is sound but no trace."""
    is_whole = isinstance(error, _NoTrace) and failure is not None and failure.reason.startswith(_UNREAD)
    if failure is not None and not is_whole:
        return failure
    return CassetteCorrupt(path, error.line, error.reason)


class _NoTrace(IngestError):
    """The file is readable as a whole, or would be with the library for it."""


def foreign_spans(path: Path) -> tuple[Span, ...]:
    """Return the spans of a file, in the order it has them; log records of a span are events on it.

    Raises:
        IngestError: If it is no trace in a known form, or a line of it is damaged.
        CassetteError: If it is protobuf, and the library to read it is not installed.
    """
    try:
        content = b"".join(unpacked(path)) if path.suffix == SUFFIX else whole_file(path)
    except FileTooLarge as error:
        raise IngestError(path, None, str(error)) from error
    return spans_in(path, content)


def spans_in(path: Path, content: bytes, odd: list[tuple[int, str]] | None = None) -> tuple[Span, ...]:
    """Return the spans that the content of a file tells.

    Args:
        path: Where it is from, for errors.
        content: What the file holds, unpacked.
        odd: Takes the lines that cannot be read, each with the reason; without it the first one is an error.

    Raises:
        IngestError: As `foreign_spans` does.
        CassetteError: As `foreign_spans` does.
    """
    documents = _json_documents(path, content) if content.lstrip()[:1] in _parts(_JSON) else _messages(path, content)
    spans: list[Span] = []
    logged: list[tuple[tuple[str, str], Event]] = []
    for line, told in documents:
        document = _document(path, line, told, odd)
        if document is not None:
            spans += document[0]
            logged += document[1]
    if not spans:
        raise IngestError(path, None, "there are no spans in it")
    return with_conversations(_with_events(spans, logged))


@contextmanager
def _named(path: Path, line: int | None, what: str = "") -> Generator[None]:
    """Turn what is wrong with a document into an error that names the file and the line."""
    try:
        yield
    except IngestError:
        raise
    except (ValueError, TypeError, RecursionError, OverflowError) as error:
        kind = IngestError if line is not None or what else _NoTrace
        raise kind(path, line, f"{what}{error}") from error


def _parts(letters: bytes) -> frozenset[bytes]:
    return frozenset(bytes([letter]) for letter in letters)


def _spans(document: Json) -> Iterator[Span]:
    record = obj(document)
    if isinstance(document, list) and any(_is_otlp(obj(each)) for each in array(document)):
        for each in array(document):
            yield from _spans(each)
    elif "resourceSpans" in record or "resource_spans" in record:
        yield from decode_spans(document)
    elif not _is_otlp(record):
        yield from dumped_spans(document)


_SIGNALS: Final = frozenset({"resourceSpans", "resource_spans", "resourceLogs", "resourceMetrics"})


def _is_otlp(record: JsonObject) -> bool:
    return not _SIGNALS.isdisjoint(record)


# --- JSON -------------------------------------------------------------------------------------------------------------


def _document(
    path: Path, line: int | None, told: Callable[[], Json], odd: list[tuple[int, str]] | None
) -> tuple[list[Span], list[tuple[tuple[str, str], Event]]] | None:
    """Return the spans and the log records of a document, None for one that is odd and may be."""
    try:
        with _named(path, line):
            document = told()
            return list(_spans(document)), list(_logged(document))
    except IngestError as error:
        if odd is None or line is None:
            raise
        odd.append((line, error.reason))
        return None


_Document: TypeAlias = "tuple[int | None, Callable[[], Json]]"
"""A document, as it is when it is parsed, and the line it stands in."""


def _json_documents(path: Path, content: bytes) -> Iterator[_Document]:
    try:
        whole = parse(content)
        yield None, lambda: whole
        return
    except json.JSONDecodeError as error:
        if error.msg != "Extra data":
            raise IngestError(path, error.lineno, f"not JSON: {error.msg} at column {error.colno}") from error
    except ValueError as error:
        raise IngestError(path, None, f"not JSON: {error}") from error
    lines = content.splitlines(keepends=True)
    for number, line in enumerate(lines, 1):
        is_torn = number == len(lines) and not line.endswith(b"\n")  # `open_cassette` has warned of it
        if line.strip() and not (is_torn and _is_broken(line)):
            yield number, partial(_parsed, path, number, line)


def _parsed(path: Path, number: int, line: bytes) -> Json:
    with _named(path, number, "not JSON: "):
        return parse(line)


def _is_broken(line: bytes) -> bool:
    try:
        parse(line)
    except ValueError:
        return True
    return False


# --- protobuf -----------------------------------------------------------------------------------------------------------


def _messages(path: Path, content: bytes) -> Iterator[_Document]:
    """Yield OTLP messages as their JSON: one alone, or several, each after its length.

    The length is four bytes, as the Collector's file exporter writes it, or a varint, as protobuf's own tools do.
    """
    decoded = _protobuf(path)
    for frame in _fixed_frames(content) or _varint_frames(content) or [content]:
        yield None, partial(decoded, frame)


def _protobuf(path: Path) -> Callable[[bytes], Json]:
    """Return the function that reads one message, from the library that the extra `otlp` brings."""
    try:
        message: Any = import_module("opentelemetry.proto.trace.v1.trace_pb2")
        json_format: Any = import_module("google.protobuf.json_format")
        errors: Any = import_module("google.protobuf.message")
    except ImportError:
        raise _NoTrace(
            path,
            None,
            "no JSON, and OTLP protobuf is not readable here\n  to fix   pip install 'otel-agenttrace[otlp]'",
        ) from None

    def decoded(frame: bytes) -> Json:
        try:
            told = message.TracesData.FromString(frame)
        except errors.DecodeError as error:
            raise IngestError(path, None, "neither JSON nor OTLP protobuf") from error
        if not told.resource_spans:  # the fields of any other message are passed over
            raise IngestError(path, None, "neither JSON nor OTLP protobuf")
        return json_format.MessageToDict(told)

    return decoded


def _fixed_frames(content: bytes) -> Sequence[bytes]:
    return _frames(content, lambda at: (int.from_bytes(content[at : at + 4], "big"), at + 4))


def _varint_frames(content: bytes) -> Sequence[bytes]:
    return (
        []
        if content[:1] == bytes([_MESSAGE]) and _is_message(content)
        else _frames(content, lambda at: _varint(content, at))
    )


def _is_message(content: bytes) -> bool:
    """Whether the fields of one message fill a content: each begins with its tag and its length."""
    at = 0
    while at < len(content):
        if content[at] != _MESSAGE:
            return False
        size, at = _varint(content, at + 1)
        at += size
    return at == len(content)


def _frames(content: bytes, length_at: Callable[[int], tuple[int, int]]) -> Sequence[bytes]:
    """Return the pieces that lengths divide a content into, none if they do not fit it."""
    found: list[bytes] = []
    at = 0
    while at < len(content):
        size, begin = length_at(at)
        if begin + size > len(content) or not size:
            return []
        found.append(content[begin : begin + size])
        at = begin + size
    return found


_VARINT_BITS: Final = 64


def _varint(content: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(content) and shift < _VARINT_BITS:
        byte = content[at]
        at += 1
        value |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            break
    return value, at


# --- log records -------------------------------------------------------------------------------------------------------


def _logged(document: Json) -> Iterator[tuple[tuple[str, str], Event]]:
    """Yield the log records that belong to spans, as events: instrumentations write content there too."""
    for each in array(document) if isinstance(document, list) else (document,):
        for resource_logs in map(obj, array(obj(each).get("resourceLogs"))):
            for scope_logs in map(obj, array(resource_logs.get("scopeLogs"))):
                for record in map(obj, array(scope_logs.get("logRecords"))):
                    if record.get("spanId") and record.get("traceId"):
                        yield _log_event(record)


def _log_event(record: JsonObject) -> tuple[tuple[str, str], Event]:
    attributes = decode_attributes(record.get("attributes"))
    body = decode_attributes([{"key": "body", "value": record.get("body")}])["body"]
    told = {**body, **attributes} if isinstance(body, Mapping) else attributes
    name = text(record.get("eventName")) or text(attributes.get("event.name")) or ""
    time_ns = int(text(record.get("timeUnixNano")) or 0) or int(text(record.get("observedTimeUnixNano")) or 0)
    place = (decode_id(record.get("traceId"), 16, "traceId"), decode_id(record.get("spanId"), 8, "spanId"))
    return place, Event(name, time_ns, told)


def _with_events(spans: Iterable[Span], logged: Iterable[tuple[tuple[str, str], Event]]) -> Iterator[Span]:
    of_span: dict[tuple[str, str], list[Event]] = {}
    for place, event in logged:
        of_span.setdefault(place, []).append(event)
    for span in spans:
        more = of_span.get((span.trace_id, span.span_id), ())
        yield replace(span, events=(*span.events, *sorted(more, key=lambda event: event.time_ns))) if more else span
