"""Find the recorded calls of a cassette in one pass. Lines in, one small `Entry` per call out; content stays on disk.

Lines this release writes are read by their fixed beginning and end, without parsing what they hold. Any other line is
parsed as JSON.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, Final, NamedTuple, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.cassette.exchanges import Definition, definitions
from otel_agenttrace.cassette.format import (
    FORMAT_VERSION,
    decode_spans,
    format_version,
)
from otel_agenttrace.cassette.written import LAST_MEMBERS, STRING, unescaped
from otel_agenttrace.errors import CassetteCorrupt, CassetteTooNew
from otel_agenttrace.jsonvalue import parse
from otel_agenttrace.model import Span

__all__ = [
    "LONGEST",
    "Entry",
    "Holder",
    "Index",
    "Line",
    "check_version",
    "damage_of",
    "is_torn",
    "raw_lines",
    "scan",
    "too_long",
]

_OURS: Final = re.compile(
    rb'\{"resourceSpans":\[\{"resource":\{"attributes":\[\{"key":"agenttrace\.format\.version","value":\{"intValue":"(\d{1,9})"\}\}'
    rb'(?:,\{"key":"agenttrace\.rules\.version","value":\{"intValue":"(\d{1,9})"\}\})?'
)
_SPAN: Final = b'"spans":[{"attributes":['
_CALL: Final = re.compile(
    rb'\{"key":"agenttrace\.call\.key","value":\{"stringValue":"([0-9a-f]{64})"\}\}'
    rb',\{"key":"agenttrace\.call\.ticket","value":\{"intValue":"(-?\d{1,19})"\}\}'
    rb',\{"key":"agenttrace\.call\.origin","value":\{"stringValue":' + STRING + rb"\}\}"
    rb',\{"key":"agenttrace\.call\.lane","value":\{"stringValue":' + STRING + rb"\}\}"
    rb',\{"key":"agenttrace\.call\.defines","value":\{"stringValue":' + STRING + rb"\}\}"
    rb'(?:,\{"key":"agenttrace\.call\.raw_key","value":\{"stringValue":"([0-9a-f]{32})"\}\})?'
)
_OF_CALL: Final = b'{"key":"agenttrace.call.'
_CARRIER: Final = re.compile(
    rb'\{"key":"agenttrace\.call\.defines","value":\{"stringValue":'
    + STRING
    + rb'\}\},\{"key":"agenttrace\.request\.body"'
)
_SPAN_ID: Final = b'"spanId":"'
_TAIL: Final = re.compile(LAST_MEMBERS + rb"\]\}\]\}\]\}\n")
LONGEST: Final = 256 << 20
"""Bytes of a line. Bodies above 1 MiB stand in files of their own, and no request of this size is recorded."""
_PIECE: Final = 1 << 20
_TORN: Final = "unexpected end of data"
"""What Python says of a text that ends within a character."""


class Line(NamedTuple):
    """Where a line stands in its file; `number` starts at 1, `offset` and `size` are bytes."""

    number: int
    offset: int
    size: int


@dataclass(slots=True)
class Entry:
    """A recorded call and where it stands. `position` is the place of its span among the spans of the line.

    `raw_key` is that of the bytes it was asked with; None where they held a secret, or a release of before recorded it.
    """

    line: Line
    key: str
    ticket: int
    origin: str
    lane: str
    start_ns: int
    span_id: str
    trace_id: str
    rules: int | None
    raw_key: str | None = None
    position: int = 0
    claimed: bool = False

    @property
    def place(self) -> str:
        """A name of the call that is its own in this cassette: span ids may be there twice."""
        return f"{self.line.offset:012x}{self.position:04x}"


class Holder(NamedTuple):
    """Where a piece of shared content stands: in a member of the body of a recorded call, or of a carrier."""

    member: str
    line: Line
    position: int


@dataclass(slots=True)
class Index:
    """What one pass found: lines, calls, who defines shared content, and what was wrong.

    `carriers` are offset of the line and position of the spans that only hold shared content, and are no part of the run.
    """

    lines: list[Line] = field(default_factory=list["Line"])
    calls: list[Entry] = field(default_factory=list["Entry"])
    carriers: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])
    holders: dict[str, Holder] = field(default_factory=dict[str, "Holder"])
    problems: list[CassetteCorrupt] = field(default_factory=list["CassetteCorrupt"])
    torn: bool = False


_Found: TypeAlias = "Iterable[tuple[Entry | None, int, tuple[Definition, ...]]]"
"""Recorded calls, and None for carriers, with their position in the line and what they define."""


def scan(path: Path, source: BinaryIO) -> Index:
    """Return the index of the lines of a file from where it stands; the last one may be torn.

    A line that is longer than any that is written is a problem of the index, and never in memory as a whole.

    Raises:
        CassetteTooNew: If a line was written in a later format.
    """
    index = Index()
    offset = source.tell()
    for number, (size, raw) in enumerate(raw_lines(source), 1):
        line = Line(number, offset, size)
        offset += size
        if raw is None:
            index.problems.append(too_long(path, number, size))
        elif raw.strip():
            _add(index, path, line, raw)
    return index


def too_long(path: Path, number: int, size: int) -> CassetteCorrupt:
    """Return what is said of a line that is not read."""
    return CassetteCorrupt(path, number, f"a line of {size:,} bytes; lines above {LONGEST:,} bytes are not read")


def raw_lines(source: BinaryIO) -> Iterator[tuple[int, bytes | None]]:
    """Yield the size of each line, and the line itself unless it is too long."""
    while raw := source.readline(_PIECE):
        size = len(raw)
        if size == _PIECE and not raw.endswith(b"\n"):
            size += _rest(source)
            raw = _read_again(source, size) if size <= LONGEST else None
        yield size, raw


def _rest(source: BinaryIO) -> int:
    size = 0
    while piece := source.readline(_PIECE):
        size += len(piece)
        if piece.endswith(b"\n"):
            break
    return size


def _read_again(source: BinaryIO, size: int) -> bytes:
    source.seek(-size, os.SEEK_CUR)
    return source.read(size)


def _add(index: Index, path: Path, line: Line, raw: bytes) -> None:
    try:
        found = _own(path, line, raw)
        if found is None:
            found = _parsed(path, line, raw)
    except (ValueError, RecursionError) as error:
        if is_torn(raw, error):
            index.torn = True
        else:
            index.problems.append(damage_of(path, line.number, raw, error))
        return
    index.lines.append(line)
    for entry, position, defined in found:
        if entry is None:
            index.carriers.add((line.offset, position))
        else:
            index.calls.append(entry)
        for definition in defined:
            index.holders.setdefault(definition.digest, Holder(definition.member, line, position))


def _own(path: Path, line: Line, raw: bytes) -> _Found | None:
    """Return what a line as this release writes it holds for others or a replay; None if it is another line."""
    ours = _OURS.match(raw)
    begin = raw.find(_SPAN)
    tail = _TAIL.fullmatch(raw, raw.rfind(_SPAN_ID))
    if ours is None or begin < 0 or tail is None:
        return None
    check_version(path, int(ours[1]))
    found = _CALL.match(raw, begin + len(_SPAN))
    try:
        if found is None:
            carrier = _CARRIER.match(raw, begin + len(_SPAN))
            if carrier is None:
                return None if raw.startswith(_OF_CALL, begin + len(_SPAN)) else []
            return [(None, 0, tuple(definitions(unescaped(carrier[1]))))]
        key, ticket, origin, lane, defines, raw_key = found.groups()
        entry = Entry(
            line,
            key.decode(),
            int(ticket),
            unescaped(origin),
            unescaped(lane),
            int(tail[2]),
            tail[1].decode(),
            tail[5].decode(),
            int(ours[2]) if ours[2] else None,
            raw_key.decode() if raw_key else None,
        )
        return [(entry, 0, tuple(definitions(unescaped(defines))))]
    except ValueError:
        return None


def check_version(path: Path, version: int | None) -> None:
    """Refuse a line of a later format.

    Raises:
        CassetteTooNew: If this release does not know the version.
    """
    if version is not None and version > FORMAT_VERSION:
        raise CassetteTooNew(path, version, FORMAT_VERSION)


def _parsed(path: Path, line: Line, raw: bytes) -> _Found:
    document = parse(raw)
    check_version(path, format_version(document))
    return list(_entries(line, decode_spans(document)))


def is_torn(raw: bytes, error: Exception) -> bool:
    """Whether a line is the beginning of a JSON object and no more, as a killed process leaves it."""
    if raw.endswith(b"\n") or not raw.lstrip().startswith(b"{") or b"\0" in raw:
        return False
    if isinstance(error, UnicodeDecodeError):
        return error.reason == _TORN
    return isinstance(error, json.JSONDecodeError) and error.msg != "Extra data"


def damage_of(path: Path, number: int, raw: bytes, error: Exception) -> CassetteCorrupt:
    """Return what is said of a line that could not be read."""
    return CassetteCorrupt(path, number, _reason(raw, error))


def _reason(raw: bytes, error: Exception) -> str:
    if b"\0" in raw or (isinstance(error, UnicodeDecodeError) and not raw.lstrip().startswith(b"{")):
        return "binary data, not a line of OTLP/JSON"
    if isinstance(error, json.JSONDecodeError):
        return f"not JSON: {error.msg} at column {error.colno}"
    return str(error)


def _entries(line: Line, spans: Iterable[Span]) -> _Found:
    for position, span in enumerate(spans):
        key = span.attributes.get(semconv.AGENTTRACE_CALL_KEY)
        defined = tuple(definitions(str(span.attributes.get(semconv.AGENTTRACE_CALL_DEFINES) or "")))
        if isinstance(key, str):
            ticket = span.attributes.get(semconv.AGENTTRACE_CALL_TICKET)
            raw_key = span.attributes.get(semconv.AGENTTRACE_CALL_RAW_KEY)
            rules = span.resource.get(semconv.AGENTTRACE_RULES_VERSION)
            entry = Entry(
                line=line,
                key=key,
                ticket=ticket if isinstance(ticket, int) else 0,
                origin=str(span.attributes.get(semconv.AGENTTRACE_CALL_ORIGIN) or ""),
                lane=str(span.attributes.get(semconv.AGENTTRACE_CALL_LANE) or ""),
                start_ns=span.start_ns,
                span_id=span.span_id,
                trace_id=span.trace_id,
                rules=rules if isinstance(rules, int) else None,
                raw_key=raw_key if isinstance(raw_key, str) else None,
                position=position,
            )
            yield entry, position, defined
        elif defined:
            yield None, position, defined
