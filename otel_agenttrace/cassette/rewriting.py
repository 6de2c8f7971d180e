"""Put other lines in the place of recorded calls. Cassette and new lines in, the cassette written anew, whole or not at all.

Lines that are not touched stay byte-identical. What they share with a line that goes, and no other line holds, moves to a
carrier in its place: a line with content and no call, which no reader of spans shows.
"""

from __future__ import annotations

import contextlib
import io
import stat
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Final, NamedTuple

from otel_agenttrace import semconv
from otel_agenttrace.cassette.appending import kept_still
from otel_agenttrace.cassette.exchanges import Definition, Reference, definitions, reference_of
from otel_agenttrace.cassette.format import decode_spans, encode_line, encode_resource
from otel_agenttrace.cassette.index import Entry, Index, Line, scan
from otel_agenttrace.cassette.private import write_private
from otel_agenttrace.cassette.reader import Cassette
from otel_agenttrace.cassette.sidecars import remove_unused, sidecars
from otel_agenttrace.cassette.writer import small_resource
from otel_agenttrace.errors import CassetteCorrupt, CassetteError, CassetteInaccessible
from otel_agenttrace.jsonvalue import compact, parse
from otel_agenttrace.matching import Body, body_of
from otel_agenttrace.model import AttributeValue, Span

__all__ = ["Change", "Changes", "changes_of", "ended", "rewrite", "without"]

_CARRIER: Final = "shared content"
_OF_RUN: Final = (semconv.AGENTTRACE_CALL_REPLACES, "agenttrace.replay.")
_OF_CALL: Final = ("agenttrace.call.", "agenttrace.request.")
_NO_SPANS: Final[Mapping[tuple[int, int], bytes]] = {}


@dataclass(frozen=True, slots=True)
class Change:
    """A recorded call and the lines that stand in its place from now on: none removes it."""

    entry: Entry
    lines: tuple[bytes, ...] = ()


_OUT_OF_REACH: Final = frozenset({401, 402, 403, 407, 408, 429})
"""Statuses that say something of the account or the moment, nothing of the call."""

# --- the lines of a run in the place of older ones ----------------------------------------------------------------------


class Changes(NamedTuple):
    """What a run makes of a cassette: calls in the place of older ones, new lines, and how many got no answer."""

    changes: tuple[Change, ...] = ()
    appended: tuple[bytes, ...] = ()
    failed: int = 0


def changes_of(partial: Path, cassette: Cassette) -> Changes:
    """Return what the lines of a partial replace among the recorded calls of a cassette, and those that are new.

    A call that was answered replaces any; one that failed for want of a network, a key or a quota replaces only another
    that failed.

    Raises:
        CassetteCorrupt: If a line of the partial is not what the format promises; a torn last one is left out.
    """
    entries = {entry.place: entry for entry in cassette.index.calls}
    content = partial.read_bytes()
    changes: list[Change] = []
    appended: list[bytes] = []
    failed = 0
    for line in _sound(scan(partial, io.BytesIO(content))).lines:
        raw = ended(content[line.offset : line.offset + line.size])
        (span,) = decode_spans(parse(raw))
        place = span.attributes.get(semconv.AGENTTRACE_CALL_REPLACES)
        if place is None:
            appended.append(raw)
        else:
            entry = entries[str(place)]
            older = cassette.decoded(entry.line)[entry.position]
            if not _is_out_of_reach(span) or _is_out_of_reach(older):
                changes.append(Change(entry, (_in_place_of(entry, older, span),)))
            else:
                failed += 1
    return Changes(tuple(changes), tuple(appended), failed)


def _is_out_of_reach(span: Span) -> bool:
    """Whether the last attempt of a call got no answer that tells of the call."""
    attempts = [event for event in span.events if event.name == semconv.EVENT_AGENTTRACE_EXCHANGE]
    status = attempts[-1].attributes.get(semconv.AGENTTRACE_EXCHANGE_STATUS) if attempts else None
    return not isinstance(status, int) or status in _OUT_OF_REACH or status >= 500


def _sound(index: Index) -> Index:
    for problem in index.problems:
        raise problem
    return index


def ended(raw: bytes) -> bytes:
    """Return lines whose last one has its end."""
    return raw if raw.endswith(b"\n") else raw + b"\n"


def _in_place_of(entry: Entry, older: Span, span: Span) -> bytes:
    """Return the line of a call that takes the place of an older one: in the tree, in time, among calls of its key."""
    shift_ns = older.start_ns - span.start_ns
    own = {name: value for name, value in span.attributes.items() if not name.startswith(_OF_RUN)}
    moved = replace(
        span,
        trace_id=older.trace_id,
        span_id=older.span_id,
        parent_span_id=older.parent_span_id,
        start_ns=older.start_ns,
        end_ns=None if span.end_ns is None else span.end_ns + shift_ns,
        attributes={
            **own,
            semconv.AGENTTRACE_CALL_TICKET: entry.ticket,
            semconv.AGENTTRACE_RECORDED_TIME_UNIX_NANO: span.start_ns,
        },
        events=tuple(replace(event, time_ns=event.time_ns + shift_ns) for event in span.events),
    )
    return _line(moved)


def _line(span: Span) -> bytes:
    """Return the line of a span as its writer made it: what the index reads stands first, in its order."""
    first = [(name, value) for name, value in span.attributes.items() if name.startswith(_OF_CALL)]
    others = {name: value for name, value in span.attributes.items() if not name.startswith(_OF_CALL)}
    return encode_line(replace(span, attributes=others), encode_resource(span.resource), first)


# --- writing ------------------------------------------------------------------------------------------------------------


def rewrite(
    path: Path,
    changes: Sequence[Change],
    appended: Sequence[bytes] = (),
    *,
    spans: Mapping[tuple[int, int], bytes] = _NO_SPANS,
    to: Path | None = None,
    keeps_bodies: bool = False,
) -> frozenset[str]:
    """Write a cassette anew with these changes, and these lines after all others; its mode stays. Large bodies nobody names any more go.

    Args:
        path: The cassette.
        changes: What to put in the place of which recorded call.
        appended: Further lines, each with its newline.
        spans: Lines in the place of spans that are no calls, by offset of the line and position in it.
        to: Where the changed cassette goes; None is its own place. Large bodies are not copied there.
        keeps_bodies: Whether no large body goes: a run that records beside it may need any.

    Returns:
        The large bodies of calls that were replaced or removed which stay, for the sake of another file.

    Raises:
        CassetteError: If a call to be changed does not stand where it stood when the cassette was read.
        CassetteCorrupt: If a line is not what the format promises.
        CassetteInaccessible: If the cassette cannot be read or written, or is a link; it stays as it was.
    """
    try:
        with kept_still(path) if to is None else contextlib.nullcontext(path.read_bytes()) as content:
            sheet = _Sheet(path, content)
            mode = None if to is None else stat.S_IMODE(path.stat().st_mode)
            placed = {at: (line,) for at, line in spans.items()}
            write_private(to or path, sheet.rewritten(changes, appended, placed), mode, durable=True)
    except OSError as error:
        raise CassetteInaccessible(to or path, "written", f"{error.strerror}") from error
    if to is not None:
        return frozenset()
    try:
        return remove_unused(path, sheet.unnamed, keeps=keeps_bodies)
    except OSError:  # one that is not removed takes room, no more, unless it is one to be cleaned
        return sidecars(path).intersection(sheet.unnamed)


def without(path: Path, content: bytes, removed: Collection[tuple[int, int]]) -> bytes:
    """Return the content of a cassette without some of its spans, by offset of the line and position in it.

    Raises:
        CassetteCorrupt: If a line is not what the format promises.
    """
    return _Sheet(path, content).rewritten((), (), dict.fromkeys(removed, ()))


@dataclass(slots=True)
class _Source:
    """A span that goes, or a carrier: content that others may need."""

    line: Line
    span: Span
    defined: Mapping[str, Definition]
    reference: Reference
    needed: dict[str, Definition] = field(default_factory=dict[str, Definition])


class _Sheet:
    """The lines of a cassette while they are changed. `unnamed` are large bodies of calls that go."""

    def __init__(self, path: Path, content: bytes) -> None:
        self._path = path
        self._content = content
        self._index = _sound(scan(path, io.BytesIO(content)))
        self.unnamed: set[str] = set()
        self._touched: set[int] = set()
        self._sources: dict[tuple[int, int], _Source] = {}
        self._defined: set[str] = set()
        self._referred: list[str] = []

    def rewritten(
        self, changes: Sequence[Change], appended: Sequence[bytes], spans: Mapping[tuple[int, int], tuple[bytes, ...]]
    ) -> bytes:
        """Return the content of the changed cassette."""
        placed = {**self._placed(changes), **spans}
        for line in self._index.lines:
            self._look_at(line, placed)
        new = [*(line for lines in placed.values() for line in lines), *appended]
        for span in (span for line in new for span in decode_spans(parse(line))):
            self._keep(span)
        self._find_needed()
        lines = [piece for line in self._lines() for piece in self._pieces(line, placed)]
        return b"".join([*lines, *appended])

    def _placed(self, changes: Sequence[Change]) -> Mapping[tuple[int, int], tuple[bytes, ...]]:
        found = {entry.place: entry for entry in self._index.calls}
        placed: dict[tuple[int, int], tuple[bytes, ...]] = {}
        for change in changes:
            entry = found.get(change.entry.place)
            if entry is None or (entry.key, entry.span_id) != (change.entry.key, change.entry.span_id):
                raise CassetteError(
                    f"{self._path} was changed while it was being recorded to again: line {change.entry.line.number} "
                    f"is another one.\n  to fix   look at it, then record again: otel-agenttrace show {quote(str(self._path))}"
                )
            at = (entry.line.offset, entry.position)
            placed[at] = (*placed.get(at, ()), *change.lines)
        return placed

    def _lines(self) -> Iterator[Line]:
        """Yield all lines but a torn last one, with those between them that say nothing."""
        end = 0
        for line in self._index.lines:
            if line.offset > end:
                yield Line(0, end, line.offset - end)
            yield line
            end = line.offset + line.size
        if not self._index.torn and end < len(self._content):
            yield Line(0, end, len(self._content) - end)

    def _raw(self, line: Line) -> bytes:
        return self._content[line.offset : line.offset + line.size]

    def _spans(self, line: Line) -> list[Span]:
        try:
            return list(decode_spans(parse(self._raw(line))))
        except (ValueError, RecursionError) as error:
            raise CassetteCorrupt(self._path, line.number, f"damaged: {error}") from error

    # --- shared content ---------------------------------------------------------------------------------------------

    def _look_at(self, line: Line, placed: Mapping[tuple[int, int], object]) -> None:
        for position, span in enumerate(self._spans(line)):
            at = (line.offset, position)
            if at in placed or at in self._index.carriers:
                defined = {definition.digest: definition for definition in _definitions(span)}
                self._sources[at] = _Source(line, span, defined, reference_of(span.attributes))
                self._touched.add(line.offset)
            else:
                self._keep(span)
            if at in placed:
                self.unnamed.update(_sidecars(span))

    def _keep(self, span: Span) -> None:
        self._defined.update(definition.digest for definition in _definitions(span))
        self._referred += reference_of(span.attributes).digests

    def _find_needed(self) -> None:
        """Find out what of the content that goes is referred to, by lines that stay or by what they need."""
        held = {digest: source for source in self._sources.values() for digest in source.defined}
        waiting = list(self._referred)
        while waiting:
            digest = waiting.pop()
            source = held.get(digest)
            if digest in self._defined or source is None:
                continue
            self._defined.add(digest)
            definition = source.needed[digest] = source.defined[digest]
            if definition.count is not None and source.reference.prefix:
                waiting.append(source.reference.prefix)

    # --- new lines --------------------------------------------------------------------------------------------------

    def _pieces(self, line: Line, placed: Mapping[tuple[int, int], tuple[bytes, ...]]) -> Iterator[bytes]:
        raw = ended(self._raw(line))
        if line.offset not in self._touched:
            yield raw
            return
        spans = self._spans(line)
        for position, span in enumerate(spans):
            at = (line.offset, position)
            source = self._sources.get(at)
            if source is None:
                yield _line(span)
                continue
            yield from placed.get(at, ())
            if source.needed:
                is_as_before = len(spans) == 1 and at not in placed and source.needed == source.defined
                yield raw if is_as_before else self._carrier(source)

    def _carrier(self, source: _Source) -> bytes:
        span = source.span
        try:
            body, shared = _pared(source)
        except (ValueError, LookupError, RecursionError) as error:
            raise CassetteCorrupt(self._path, source.line.number, f"the recorded call is damaged: {error}") from error
        attributes: dict[str, AttributeValue] = {
            semconv.AGENTTRACE_CALL_DEFINES: " ".join(map(str, source.needed.values())),
            semconv.AGENTTRACE_REQUEST_BODY: body.text(),
        }
        if shared:
            attributes[semconv.AGENTTRACE_REQUEST_SHARED] = shared
        carrier = Span(
            trace_id=span.trace_id,
            span_id=span.span_id,
            name=_CARRIER,
            start_ns=span.start_ns,
            end_ns=span.start_ns,
            parent_span_id=span.parent_span_id,
            attributes=attributes,
            scope=span.scope,
            scope_version=span.scope_version,
            schema_url=span.schema_url,
        )
        return encode_line(carrier, encode_resource(small_resource(span.resource)))


def _definitions(span: Span) -> Iterable[Definition]:
    return definitions(str(span.attributes.get(semconv.AGENTTRACE_CALL_DEFINES) or ""))


def _sidecars(span: Span) -> Iterator[str]:
    for event in span.events:
        digest = event.attributes.get(semconv.AGENTTRACE_EXCHANGE_SIDECAR)
        if isinstance(digest, str):
            yield digest


def _pared(source: _Source) -> tuple[Body, str]:
    """Return what is needed of a body and nothing else, and what it leaves to others."""
    whole = body_of(parse(str(source.span.attributes.get(semconv.AGENTTRACE_REQUEST_BODY) or "")))
    needed = source.needed.values()
    members = {definition.member: whole.members[definition.member] for definition in needed if definition.count is None}
    count = max((definition.count for definition in needed if definition.count is not None), default=0)
    if not count:
        return Body(members), ""
    reference = source.reference
    shared = compact({"prefix": {"digest": reference.prefix, "count": reference.count}}) if reference.prefix else ""
    own = whole.elements[: max(count - reference.count, 0)]
    return Body(members, whole.conversation, own), shared
