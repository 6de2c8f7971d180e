"""Read spans line by line, without the content of recorded calls. Path in, spans in the order of the file out.

What a line holds of requests and answers is cut away before it is parsed: it is most of the line.
"""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Final, NamedTuple

from otel_agenttrace import semconv
from otel_agenttrace.cassette.cutting import OWN, LineDecoder, cut_call
from otel_agenttrace.cassette.exchanges import read_attempts, stored_request
from otel_agenttrace.cassette.format import decode_spans
from otel_agenttrace.cassette.index import Entry, check_version, damage_of, is_torn, raw_lines, too_long
from otel_agenttrace.cassette.reader import TORN, Cassette, open_cassette, opened_file
from otel_agenttrace.cassette.sidecars import read_sidecar
from otel_agenttrace.errors import CassetteCorrupt, CassetteError
from otel_agenttrace.escaping import escaped
from otel_agenttrace.jsonvalue import parse
from otel_agenttrace.matching import EMPTY
from otel_agenttrace.model import Call, CallReader, Event, Exchange, Span

__all__ = ["SpanLines"]

_CALL: Final = b'"agenttrace.call.key"'
_SPANS: Final = (b'"resourceSpans"', b'"resource_spans"')
_LOGS: Final = b'"resourceLogs"'
_SIGNALS: Final = (_LOGS, b'"resourceMetrics"')
_BUFFER: Final = 1 << 16


class _Place(NamedTuple):
    """Where a recorded call stands, and the names in its answers, if they are known."""

    number: int
    offset: int
    size: int
    position: int
    names: frozenset[str] | None


class SpanLines:
    """The spans of a file that has an OTLP object on each line. They are read from disk each time they are asked for.

    Recorded calls keep their key, and an event for each attempt with its time and status; the rest `Span.call` reads. One
    that turns out to be damaged is told and then not known.

    Attributes:
        has_lines: Whether it is such a file; else it has to be read as a whole.
        has_calls: Whether calls are recorded in it.
        size: In bytes.
        damage: The first line that could not be read, as far as it was read; a torn one is none.
    """

    def __init__(self, path: Path, warn: Callable[[str], object]) -> None:
        """Look the file through, without parsing it, as far as it takes to know what it is.

        Args:
            path: The file.
            warn: Is told once of each line that is left out, and of each damaged call.

        Raises:
            CassetteError: As `open_cassette` does, if the file cannot be opened.
        """
        self._path = path
        self._file = opened_file(path)
        self._sidecar = partial(read_sidecar, path.absolute())
        self._warn = warn
        self._told: set[int | str] = set()
        self._decoder = LineDecoder()
        self.size = os.fstat(self._file.descriptor()).st_size
        self.damage: CassetteCorrupt | None = None
        self.has_calls = has_spans = has_logs = False
        for _, raw in self._lines():
            if raw is not None:
                has_spans = has_spans or _is_whole(raw)
                has_logs = has_logs or _LOGS in raw
                self.has_calls = self.has_calls or _CALL in raw
            if has_spans and self.has_calls:
                break
        self.has_lines = has_spans and (self.has_calls or not has_logs)

    def __iter__(self) -> Iterator[Span]:
        offset = 0
        for number, (size, raw) in enumerate(self._lines(), 1):
            if raw is None:
                self._skip(too_long(self._path, number, size))
            elif raw.strip():
                yield from self._spans(number, offset, raw)
            offset += size

    def _lines(self) -> Iterator[tuple[int, bytes | None]]:
        return raw_lines(io.BufferedReader(_Placed(self._file.descriptor()), _BUFFER))

    def _spans(self, number: int, offset: int, raw: bytes) -> Iterator[Span]:
        try:
            spans = self._decoded(number, offset, raw)
        except (ValueError, RecursionError) as error:
            self._leave_out(number, raw, error)
            return
        for position, span in enumerate(spans):
            version = span.resource.get(semconv.AGENTTRACE_FORMAT_VERSION)
            check_version(self._path, version if isinstance(version, int) else None)
            if semconv.AGENTTRACE_CALL_KEY in span.attributes:
                place = _Place(number, offset, len(raw), position, None)
                yield span if span.read_call is not None else _light(span, CallReader(self, place, None))
            elif semconv.AGENTTRACE_CALL_DEFINES not in span.attributes:
                yield span

    def _decoded(self, number: int, offset: int, raw: bytes) -> list[Span]:
        """Return the spans of a line: of one as we write it by its span alone, if what is around it is known."""
        try:
            record = self._decoder.record(raw)
            if record is None:
                return list(decode_spans(parse(raw)))
            cut = cut_call(record)
            if cut is None:
                return [self._decoder.span(record)]
            place = _Place(number, offset, len(raw), 0, cut.content.names)
            return [self._decoder.span(cut.with_status, CallReader(self, place, None))]
        except (
            ValueError,
            LookupError,
        ):  # another line, or damaged: what is wrong is told by its place in the whole line
            return list(decode_spans(parse(raw)))

    def _leave_out(self, number: int, raw: bytes, error: Exception) -> None:
        if is_torn(raw, error):
            self._tell(number, f"{escaped(str(self._path))}: {TORN}")
        elif self.has_calls or not any(signal in raw for signal in _SIGNALS):
            self._skip(damage_of(self._path, number, raw, error))

    def _skip(self, damage: CassetteCorrupt) -> None:
        self.damage = self.damage or damage
        self._tell(damage.line or 0, f"line skipped: {damage}")

    def _tell(self, key: int | str, told: str) -> None:
        if key not in self._told:
            self._told.add(key)
            self._warn(told)

    def call(self, place: _Place) -> Call | None:
        """Return a recorded call; None if it is damaged."""
        try:
            entry = self._entries.get((place.offset, place.position))
            if entry is None:
                raise CassetteCorrupt(self._path, None, f"the call at byte {place.offset:,} is damaged")
            return self._cassette.call(entry)
        except CassetteError as damage:
            self._tell(str(damage), f"content skipped: {damage}")
            return None

    def attempts(self, place: _Place) -> tuple[Exchange, ...]:
        """Return its attempts, whose request has no body, from its own line; nothing if it is damaged."""
        try:
            spans = list(decode_spans(parse(os.pread(self._file.descriptor(), place.size, place.offset))))
            told = spans[place.position].attributes
            request = stored_request(told, str(told.get(semconv.AGENTTRACE_CALL_ORIGIN) or ""), EMPTY)
            return read_attempts(spans[place.position].events, request, self._sidecar)
        except (CassetteError, ValueError, LookupError, OSError, RecursionError) as error:
            is_named = isinstance(error, CassetteError)
            what = f"the recorded call is damaged: {error}"
            damage = error if is_named else CassetteCorrupt(self._path, place.number, what)
            self._tell(str(damage), f"content skipped: {damage}")
            return ()

    def pieces(self, _: _Place) -> None:
        """Say that the request is to be read whole: it may refer to other lines."""

    def names(self, place: _Place) -> frozenset[str] | None:
        """Return names that stand in the answers to a call."""
        return place.names

    def gist(self, _: _Place) -> None:
        """Say that calls are not to be compared by what they add: the calls before them are not at hand."""

    @cached_property
    def _cassette(self) -> Cassette:
        return open_cassette(self._path, warn=_is_told)

    @cached_property
    def _entries(self) -> Mapping[tuple[int, int], Entry]:
        return {(entry.line.offset, entry.position): entry for entry in self._cassette.index.calls}


def _is_told(_: str) -> None:
    """Say nothing: the lines were named when they were read."""


def _is_whole(raw: bytes) -> bool:
    """Whether a line is a whole JSON object with spans in it: of a document in several lines, none is."""
    return raw.startswith(b"{") and raw.rstrip().endswith(b"}") and any(name in raw for name in _SPANS)


def _light(span: Span, read_call: CallReader) -> Span:
    attributes = {
        name: value
        for name, value in span.attributes.items()
        if not name.startswith(OWN) or name == semconv.AGENTTRACE_CALL_KEY
    }
    return replace(span, attributes=attributes, events=tuple(map(_light_event, span.events)), read_call=read_call)


def _light_event(event: Event) -> Event:
    if event.name != semconv.EVENT_AGENTTRACE_EXCHANGE:
        return event
    status = event.attributes.get(semconv.AGENTTRACE_EXCHANGE_STATUS)
    return Event(event.name, event.time_ns, {} if status is None else {semconv.AGENTTRACE_EXCHANGE_STATUS: status})


class _Placed(io.RawIOBase):
    """Reads a file from a place of its own: others read it by the same descriptor."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._at = 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        piece = os.pread(self._descriptor, len(buffer), self._at)
        buffer[: len(piece)] = piece
        self._at += len(piece)
        return len(piece)

    def seek(self, offset: int, whence: int = os.SEEK_SET) -> int:
        self._at = offset + (self._at if whence == os.SEEK_CUR else 0)
        return self._at
