"""Find the recorded calls of a cassette in one pass. Lines in, one small `Entry` per call out; content stays on disk.

Lines this release writes are read by their fixed beginning and end, without parsing what they hold. Any other line is
parsed as JSON.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.cassette.exchanges import Definition, definitions
from otel_agenttrace.cassette.format import FORMAT_VERSION, decode_spans, format_version
from otel_agenttrace.errors import CassetteCorrupt, CassetteTooNew
from otel_agenttrace.jsonvalue import Json, parse
from otel_agenttrace.model import Span

__all__ = ["Entry", "Index", "Line", "scan"]

_END: Final = b"}]}]}]}\n"
_STRING: Final = rb'"((?:[^"\\]|\\.)*)"'
_OURS: Final = re.compile(
    rb'\{"resourceSpans":\[\{"resource":\{"attributes":\[\{"key":"agenttrace\.format\.version","value":\{"intValue":"(\d+)"\}\}'
    rb'(?:,\{"key":"agenttrace\.rules\.version","value":\{"intValue":"(\d+)"\}\})?'
)
_SPAN: Final = b'"spans":[{"attributes":['
_CALL: Final = re.compile(
    rb'\{"key":"agenttrace\.call\.key","value":\{"stringValue":"([0-9a-f]{64})"\}\}'
    rb',\{"key":"agenttrace\.call\.ticket","value":\{"intValue":"(-?\d+)"\}\}'
    rb',\{"key":"agenttrace\.call\.origin","value":\{"stringValue":' + _STRING + rb"\}\}"
    rb',\{"key":"agenttrace\.call\.lane","value":\{"stringValue":' + _STRING + rb"\}\}"
    rb',\{"key":"agenttrace\.call\.defines","value":\{"stringValue":' + _STRING + rb"\}\}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """Where a line stands in its file; `number` starts at 1, `offset` and `size` are bytes."""

    number: int
    offset: int
    size: int


@dataclass(slots=True)
class Entry:
    """A recorded call and where it stands. `position` is the place of its span among the spans of the line."""

    line: Line
    key: str
    ticket: int
    origin: str
    lane: str
    start_ns: int
    span_id: str
    trace_id: str
    rules: int | None
    position: int = 0
    claimed: bool = False


@dataclass(slots=True)
class Index:
    """What one pass found: lines, calls, who defines shared content, and what was wrong."""

    lines: list[Line] = field(default_factory=list["Line"])
    calls: list[Entry] = field(default_factory=list["Entry"])
    holders: dict[str, tuple[Definition, Entry]] = field(default_factory=dict[str, "tuple[Definition, Entry]"])
    problems: list[CassetteCorrupt] = field(default_factory=list["CassetteCorrupt"])
    torn: bool = False


def scan(path: Path, source: Iterable[bytes], offset: int = 0) -> Index:
    """Return the index of the lines of a file; the last one may be torn.

    Raises:
        CassetteTooNew: If a line was written in a later format.
    """
    index = Index()
    for number, raw in enumerate(source, 1):
        line = Line(number, offset, len(raw))
        offset += len(raw)
        if raw.strip():
            _add(index, path, line, raw)
    return index


def _add(index: Index, path: Path, line: Line, raw: bytes) -> None:
    ours = _OURS.match(raw)
    if ours is None or not raw.endswith(_END):
        _add_parsed(index, path, line, raw)
        return
    _check_version(path, int(ours[1]))
    index.lines.append(line)
    found = _CALL.match(raw, raw.find(_SPAN) + len(_SPAN))
    if found is not None:
        rules = int(ours[2]) if ours[2] else None
        key, ticket, origin, lane, defines = found.groups()
        span_at = raw.rfind(b'"spanId":"') + 10
        start_at = raw.find(b'"startTimeUnixNano":"', span_at) + 21
        trace_at = raw.rfind(b'"traceId":"') + 11
        entry = Entry(
            line=line,
            key=key.decode(),
            ticket=int(ticket),
            origin=_unescaped(origin),
            lane=_unescaped(lane),
            start_ns=int(raw[start_at : raw.index(b'"', start_at)]),
            span_id=raw[span_at : span_at + 16].decode(),
            trace_id=raw[trace_at : trace_at + 32].decode(),
            rules=rules,
        )
        _add_call(index, entry, _unescaped(defines))


def _unescaped(inner: bytes) -> str:
    return json.loads(b'"' + inner + b'"') if b"\\" in inner else inner.decode()


def _add_call(index: Index, entry: Entry, defines: str) -> None:
    index.calls.append(entry)
    if defines:
        for definition in definitions(defines):
            index.holders.setdefault(definition.digest, (definition, entry))


def _check_version(path: Path, version: int | None) -> None:
    if version is not None and version > FORMAT_VERSION:
        raise CassetteTooNew(path, version, FORMAT_VERSION)


def _add_parsed(index: Index, path: Path, line: Line, raw: bytes) -> None:
    try:
        document = parse(raw)
        _check_version(path, format_version(document))
        spans = list(decode_spans(document))
    except (ValueError, RecursionError) as error:
        _add_problem(index, path, line, raw, error)
        return
    index.lines.append(line)
    rules = _rules(document)
    for entry, defines in _entries(line, spans, rules):
        _add_call(index, entry, defines)


def _add_problem(index: Index, path: Path, line: Line, raw: bytes, error: Exception) -> None:
    if not raw.endswith(b"\n"):
        index.torn = True
    else:
        index.problems.append(CassetteCorrupt(path, line.number, _reason(raw, error)))


def _reason(raw: bytes, error: Exception) -> str:
    if b"\0" in raw[:1024] or isinstance(error, UnicodeDecodeError):
        return "binary data, not a line of OTLP/JSON"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at column {error.colno}"
    return str(error)


def _rules(document: Json) -> int | None:
    for span in decode_spans(document):
        rules = span.resource.get(semconv.AGENTTRACE_RULES_VERSION)
        return rules if isinstance(rules, int) else None
    return None


def _entries(line: Line, spans: list[Span], rules: int | None) -> Iterator[tuple[Entry, str]]:
    for position, span in enumerate(spans):
        key = span.attributes.get(semconv.AGENTTRACE_CALL_KEY)
        if isinstance(key, str):
            ticket = span.attributes.get(semconv.AGENTTRACE_CALL_TICKET)
            entry = Entry(
                line=line,
                key=key,
                ticket=ticket if isinstance(ticket, int) else 0,
                origin=str(span.attributes.get(semconv.AGENTTRACE_CALL_ORIGIN) or ""),
                lane=str(span.attributes.get(semconv.AGENTTRACE_CALL_LANE) or ""),
                start_ns=span.start_ns,
                span_id=span.span_id,
                trace_id=span.trace_id,
                rules=rules,
                position=position,
            )
            yield entry, str(span.attributes.get(semconv.AGENTTRACE_CALL_DEFINES) or "")
