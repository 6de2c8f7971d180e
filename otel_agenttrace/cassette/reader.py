"""Read a cassette: the calls it can answer, and the trace it tells. Path in, content on demand out."""

from __future__ import annotations

import difflib
import logging
import os
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial, wraps
from pathlib import Path
from shlex import quote
from tempfile import TemporaryFile
from typing import Concatenate, Final, ParamSpec, TypeVar
from weakref import WeakMethod

from otel_agenttrace import semconv
from otel_agenttrace.cassette.conversations import with_conversations
from otel_agenttrace.cassette.cutting import OWN, Content, LineDecoder, Told, call_digests, cut_call, record_of
from otel_agenttrace.cassette.exchanges import (
    Reference,
    defined_digest,
    own_body,
    read_attempts,
    reference_of,
    stored_request,
    whole_body,
)
from otel_agenttrace.cassette.format import decode_spans
from otel_agenttrace.cassette.held import HeldFile, check_is_file
from otel_agenttrace.cassette.index import Entry, Holder, Index, Line, scan
from otel_agenttrace.cassette.pack import SUFFIX, unpacked
from otel_agenttrace.cassette.sidecars import read_sidecar
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.errors import CassetteCorrupt, CassetteError, CassetteInaccessible, CassetteNotFound
from otel_agenttrace.escaping import escaped
from otel_agenttrace.jsonvalue import parse
from otel_agenttrace.matching import EMPTY, Body
from otel_agenttrace.model import Call, CallGist, CallReader, Exchange, HttpRequest, RequestPieces, Span, Trace

__all__ = ["TORN", "Cassette", "open_cassette", "opened_file", "with_calls"]

_Read = TypeVar("_Read")
_How = ParamSpec("_How")
_log = logging.getLogger("otel_agenttrace")
TORN: Final = "the last line is torn (the recording process was killed); it is left out"
_BUFFER: Final = 1 << 16
"""Bytes that are read at once: more than most lines have."""
_KEPT: Final = 16 << 20
"""Of a file up to this size, in bytes, the content of calls that a trace was made of is kept as it stands there."""


def open_cassette(
    path: Path, *, strict: bool = False, offset: int = 0, warn: Callable[[str], object] = _log.warning
) -> Cassette:
    """Return the cassette at a path, indexed from a byte offset on. A torn last line is a warning.

    Args:
        path: The cassette or its partial.
        strict: Whether one bad line spoils it all (replay), or is named and skipped (analysis).
        offset: Where to begin, in bytes.
        warn: Is told of each line that is left out.

    Raises:
        CassetteNotFound: If there is no file.
        CassetteInaccessible: If it cannot be opened.
        CassetteCorrupt: If nothing is readable, or, when strict, if one line is not.
        CassetteTooLarge: If it is packed and unpacks to far too much.
        CassetteTooNew: If a later release wrote it.
    """
    file = opened_file(path)
    try:
        cassette = Cassette(path, file, offset, None if strict else warn)
    except OSError as error:
        raise CassetteCorrupt(path, None, f"cannot be read: {error.strerror}") from error
    cassette.check()
    if cassette.index.torn:
        warn(f"{escaped(str(path))}: {TORN}")
    return cassette


def opened_file(path: Path) -> HeldFile:
    """Return the file at a path, open for reading; of a packed cassette what it unpacks to.

    Raises:
        CassetteError: If that cannot be done.
    """
    try:
        check_is_file(path, "read")
        return _UnpackedFile(path.absolute()) if path.suffix == SUFFIX else HeldFile(path.absolute(), os.O_RDONLY)
    except (FileNotFoundError, NotADirectoryError):
        raise CassetteNotFound(path, _not_found_hint(path)) from None
    except OSError as error:
        raise CassetteInaccessible(path, "read", f"{error.strerror}") from error


class _UnpackedFile(HeldFile):
    """The content of a packed cassette, in a file without a name."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._take(self._opened_again())

    def _opened_again(self) -> int:
        with TemporaryFile() as file:
            file.writelines(unpacked(self._path))
            file.flush()
            return os.dup(file.fileno())


def _not_found_hint(path: Path) -> str:
    partial = partial_path(path)
    if partial.exists():
        return f"a run that did not end, or failed, left {partial}: use it by that name"
    with suppress(OSError):
        there = [each.name for each in path.parent.iterdir() if each.is_file()]
        if near := difflib.get_close_matches(path.name, there, n=1):
            return f"did you mean {path.with_name(near[0])}?"
    return f"record it: otel-agenttrace record {quote(str(path))} -- python agent.py"


def with_calls(cassette: Cassette) -> Cassette:
    """Return a cassette that has recorded calls.

    Raises:
        CassetteError: If it has none: it may be a trace that others exported.
    """
    if not cassette.index.calls:
        path = quote(str(cassette.path))
        raise CassetteError(
            f"{cassette.path} holds no recorded call; a trace that others exported can be replayed, not more.\n"
            f"  to fix   otel-agenttrace replay {path} -- …; how far it goes: otel-agenttrace grade {path}"
        )
    return cassette


def _naming_damage(
    read: Callable[Concatenate[Cassette, Entry, _How], _Read],
) -> Callable[Concatenate[Cassette, Entry, _How], _Read]:
    """Turn what damage inside a line leads to into an error that names the line."""

    @wraps(read)
    def named(cassette: Cassette, entry: Entry, *how: _How.args, **more: _How.kwargs) -> _Read:
        try:
            return read(cassette, entry, *how, **more)
        except CassetteCorrupt:
            raise
        except (ValueError, LookupError, OSError, RecursionError) as error:
            raise CassetteCorrupt(cassette.path, entry.line.number, f"the recorded call is damaged: {error}") from error

    return named


class Cassette:
    """An open cassette. Thread-safe; content is read from disk when it is asked for."""

    def __init__(self, path: Path, file: HeldFile, offset: int, warn: Callable[[str], object] | None) -> None:
        self.path = path
        self._absolute = path.absolute()
        self._file = file
        self._warn = warn
        self._bodies: dict[tuple[int, int], Body] = {}
        self._contents: dict[int, Content] = {}
        self._gists: dict[int, CallGist | None] = {}
        self.renew_lock()
        with open(file.descriptor(), "rb", buffering=_BUFFER, closefd=False) as content:
            content.seek(offset)
            self.index: Index = scan(path, content)

    def renew_lock(self) -> None:
        """Take a new lock: after a fork the old one may be held by a thread that is not there."""
        self._lock = threading.RLock()

    def check(self) -> None:
        """Raise what makes the cassette useless, warn of the rest."""
        problems = self.index.problems
        if not self.index.lines:
            raise problems[0] if problems else CassetteCorrupt(self.path, 1, self._nothing())
        for problem in problems:
            self._skip(problem)

    def _skip(self, damage: CassetteCorrupt) -> None:
        if self._warn is None:
            raise damage
        self._warn(f"line skipped: {damage}")

    def _nothing(self) -> str:
        return "only a torn line" if self.index.torn else "the file is empty"

    def close(self) -> None:
        """Release the file."""
        self._file.close()

    def trace(self, cost_of: Callable[[Span], float | None] | None = None) -> Trace:
        """Return all spans in order of their start, their content still on disk."""
        ordered = sorted(self.spans(), key=lambda span: span.start_ns)
        trace = Trace(with_conversations(ordered), path=self.path)
        return trace if cost_of is None else replace(trace, cost_of=cost_of)

    def spans(self, since: int = 0) -> Iterator[Span]:
        """Yield the spans in the order of the file, without the content of recorded calls.

        Args:
            since: The number of lines that are left out at the beginning.

        Raises:
            CassetteCorrupt: If the cassette was opened strictly and a line is not what the format promises.
        """
        entries = {(entry.line.offset, entry.position): entry for entry in self.index.calls}
        decoder = LineDecoder()
        lines = self.index.lines[since:]
        keeps = _extent(self.index.lines)[1] <= _KEPT
        for line, raw in zip(lines, self._together(lines) if keeps else map(self._raw, lines), strict=True):
            entry = entries.get((line.offset, 0))
            span = self._cut(line, raw, entry, decoder, keeps)
            if span is None:
                yield from self._uncut(line, entries)
            elif entry is not None or (line.offset, 0) not in self.index.carriers:
                yield span

    def _uncut(self, line: Line, entries: Mapping[tuple[int, int], Entry]) -> Iterator[Span]:
        try:
            found = self.decoded(line)
        except CassetteCorrupt as damage:
            self._skip(damage)
            return
        for position, span in enumerate(found):
            entry = entries.get((line.offset, position))
            if entry is not None:
                yield self._light(span, entry)
            elif (line.offset, position) not in self.index.carriers:
                yield span

    def _cut(self, line: Line, raw: bytes, entry: Entry | None, decoder: LineDecoder, keeps: bool) -> Span | None:
        """Return the span of a line as we write it, its content left out unparsed; None of any other line, or a damaged one."""
        if self._warn is None:  # opened strictly: its content may not be damaged
            return None
        try:
            record = decoder.record(raw)
            if record is None or entry is None:
                return None if record is None else decoder.span(record)
            cut = cut_call(record)
            if cut is None:
                return None
            if keeps:
                self._contents[line.offset] = cut.content
            digests = cut.content.digests(entry.key)
            return None if digests is None else decoder.span(cut.alone, CallReader(self, entry, digests))
        except (ValueError, LookupError):  # what is wrong is told of the whole line
            return None

    def _light(self, span: Span, entry: Entry) -> Span:
        attributes = {name: value for name, value in span.attributes.items() if not name.startswith(OWN)}
        events = tuple(event for event in span.events if event.name != semconv.EVENT_AGENTTRACE_EXCHANGE)
        reader = CallReader(self, entry, call_digests(entry.key, span.events))
        return replace(span, attributes=attributes, events=events, read_call=reader)

    @_naming_damage
    def pieces(self, entry: Entry) -> RequestPieces | None:
        """Return what all attempts of a recorded call asked; None of a line that others wrote, or of a body without members.

        Raises:
            CassetteCorrupt: If its line is not what the format promises.
        """
        content = self._content(entry.line)
        if content is None or not content.is_asked_alike:
            return None
        told = self._told(entry, Content.asking).attributes
        own, reference = own_body(told), reference_of(told)
        if own.whole is not None:
            return None
        address = stored_request(told, entry.origin, EMPTY)
        members = {**own.members, **{name: self._member(digest) for name, digest in reference.members.items()}}
        digest = defined_digest(told, reference.count + len(own.elements))
        read = partial(self._elements, entry, own, reference)
        return RequestPieces(address, members, own.conversation, reference.prefix, own.elements, digest, read)

    def _member(self, digest: str) -> str:
        (holder,) = self._holders((digest,))
        return self._whole_body(holder).members[holder.member]

    @_naming_damage
    def _elements(self, entry: Entry, own: Body, reference: Reference) -> tuple[str, ...]:
        return self._body(entry, own, reference).elements

    @_naming_damage
    def attempts(self, entry: Entry) -> tuple[Exchange, ...]:
        """Return the attempts of a recorded call without the body of its request.

        Raises:
            CassetteCorrupt: If its line is not what the format promises.
        """
        told, events = self._told(entry, Content.answered)
        request = stored_request(told, entry.origin, EMPTY)
        return read_attempts(events, request, self._sidecar)

    def names(self, entry: Entry) -> frozenset[str] | None:
        """Return names that stand in the answers to a call; None of a line that others wrote, or where they are not plain to see."""
        content = self._contents.get(entry.line.offset)
        return None if content is None else content.names

    def gist(self, entry: Entry) -> CallGist | None:
        """Return what a call adds to the one before it.

        None where that is not plain to see: of a line that others wrote, or that `spans` has not passed, of a carrier, of a
        large file, of one opened strictly.
        """
        return self._gist(entry.line)

    def _gist(self, line: Line) -> CallGist | None:
        content = self._contents.get(line.offset)
        if content is not None and line.offset not in self._gists:
            self._gists[line.offset] = content.gist(_weakly(self._gist_of))
        return self._gists.get(line.offset)

    def _gist_of(self, digest: str) -> CallGist | None:
        holder = self.index.holders.get(digest)
        return None if holder is None else self._gist(holder.line)

    @_naming_damage
    def call(self, entry: Entry) -> Call:
        """Return a recorded call.

        Raises:
            CassetteCorrupt: If its line is not what the format promises.
        """
        told, events = self._told(entry, Content.answered)
        request = stored_request(told, entry.origin, self._whole_body(entry))
        return Call(entry.key, read_attempts(events, request, self._sidecar), entry.lane, entry.ticket)

    def damages(self) -> Iterator[CassetteCorrupt]:
        """Yield what is wrong with the lines and their recorded calls, the first of each line, in their order."""
        found = {problem.line: problem for problem in self.index.problems}
        for damage in (
            *(_damage(self.decoded, line) for line in self.index.lines),
            *(_damage(self.call, entry) for entry in self.index.calls),
        ):
            if damage is not None:
                found.setdefault(damage.line, damage)
        yield from (found[line] for line in sorted(found, key=lambda line: line or 0))

    @_naming_damage
    def answers(self, entry: Entry) -> tuple[Exchange, ...]:
        """Return the attempts of a recorded call, their requests told only where they differ from the first.

        Raises:
            CassetteCorrupt: If its line is not what the format promises.
        """
        return read_attempts(
            self._told(entry, Content.answered).events, HttpRequest("", entry.origin, ""), self._sidecar
        )

    @_naming_damage
    def request(self, entry: Entry) -> HttpRequest:
        """Return the first request of a recorded call.

        Raises:
            CassetteCorrupt: If its line is not what the format promises.
        """
        told = self._told(entry, Content.asking).attributes
        return stored_request(told, entry.origin, self._whole_body(entry))

    def _sidecar(self, digest: str) -> bytes:
        return read_sidecar(self._absolute, digest)

    def _told(self, entry: Entry | Holder, part: Callable[[Content], Told]) -> Told:
        """Return what the span of a call or a carrier tells; of a call on a line as we write it only the part that is wanted."""
        content = self._content(entry.line)
        if content is not None:
            with suppress(ValueError):  # what is wrong is told of the whole line
                return part(content)
        spans = self.decoded(entry.line)
        if entry.position >= len(spans):
            raise ValueError("the line holds no span")
        return Told(spans[entry.position].attributes, spans[entry.position].events)

    def _content(self, line: Line) -> Content | None:
        """Return the content of a line as we write it; None of any other, and where the rest of it may not be damaged."""
        found = self._contents.get(line.offset)
        if found is not None or self._warn is None:
            return found
        record = record_of(self._raw(line))
        cut = None if record is None else cut_call(record)
        return None if cut is None else cut.content

    def _raw(self, line: Line) -> bytes:
        return os.pread(self._file.descriptor(), line.size, line.offset)

    def _together(self, lines: Sequence[Line]) -> Iterator[bytes]:
        """Yield these lines, read at once."""
        begin, size = _extent(lines)
        content = os.pread(self._file.descriptor(), size, begin)
        for line in lines:
            yield content[line.offset - begin : line.offset - begin + line.size]

    def decoded(self, line: Line) -> list[Span]:
        """Return the spans of a line with all that stands on it.

        Raises:
            CassetteCorrupt: If it is not what the format promises.
        """
        try:
            return list(decode_spans(parse(self._raw(line))))
        except (ValueError, RecursionError) as error:
            raise CassetteCorrupt(self.path, line.number, f"damaged: {error}") from error

    def _whole_body(self, entry: Entry | Holder) -> Body:
        return self._bodies.get(self._place(entry)) or self._body(*self._referring(entry))

    def _body(self, wanted: Entry | Holder, own: Body, reference: Reference) -> Body:
        """Return the whole body of a call, from the bottom of the chain of lines it refers to."""
        with self._lock:
            waiting = [(wanted, own, reference)]
            while waiting and self._place(wanted) not in self._bodies:
                entry, own, reference = waiting[-1]
                holders = self._holders(reference.digests)
                missing = next((each for each in holders if self._place(each) not in self._bodies), None)
                if missing is not None:
                    if len(waiting) > len(self.index.calls) + len(self.index.carriers):
                        raise ValueError("lines refer to each other in a circle")
                    waiting.append(self._referring(missing))
                    continue
                waiting.pop()
                self._bodies[self._place(entry)] = whole_body(own, reference, self._held(reference.digests))
            return self._bodies[self._place(wanted)]

    def _referring(self, entry: Entry | Holder) -> tuple[Entry | Holder, Body, Reference]:
        told = self._told(entry, Content.asking).attributes
        return entry, own_body(told), reference_of(told)

    def _holders(self, digests: Sequence[str]) -> list[Holder]:
        missing = [digest for digest in digests if digest not in self.index.holders]
        if missing:
            raise ValueError(f"it shares content with a line that is not there ({missing[0][:40]})")
        return [self.index.holders[digest] for digest in digests]

    def _held(self, digests: Sequence[str]) -> dict[str, tuple[str, Body]]:
        bodies = ((holder.member, self._bodies[self._place(holder)]) for holder in self._holders(digests))
        return dict(zip(digests, bodies, strict=True))

    def _place(self, entry: Entry | Holder) -> tuple[int, int]:
        return entry.line.offset, entry.position


def _weakly(method: Callable[[str], CallGist | None]) -> Callable[[str], CallGist | None]:
    """Return what calls a method as long as its object is there: what the object keeps may hold it, and makes no circle."""
    held = WeakMethod(method)

    def called(digest: str) -> CallGist | None:
        found = held()
        return None if found is None else found(digest)

    return called


def _extent(lines: Sequence[Line]) -> tuple[int, int]:
    """Return where lines begin, and how many bytes it is to their end, with what is left out between them."""
    if not lines:
        return 0, 0
    return lines[0].offset, lines[-1].offset + lines[-1].size - lines[0].offset


def _damage(read: Callable[[_Read], object], item: _Read) -> CassetteCorrupt | None:
    try:
        read(item)
    except CassetteCorrupt as damage:
        return damage
    return None
