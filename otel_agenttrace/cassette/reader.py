"""Read a cassette: the calls it can answer, and the trace it tells. Path in, content on demand out."""

from __future__ import annotations

import logging
import os
import threading
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.cassette.exchanges import (
    Definition,
    Reference,
    read_attempts,
    reference_of,
    stored_request,
    whole_body,
)
from otel_agenttrace.cassette.format import decode_spans
from otel_agenttrace.cassette.index import Entry, Index, Line, scan
from otel_agenttrace.cassette.pack import SUFFIX, unpacked
from otel_agenttrace.cassette.writer import sidecar_folder
from otel_agenttrace.errors import CassetteCorrupt, CassetteNotFound
from otel_agenttrace.jsonvalue import parse
from otel_agenttrace.matching import Body
from otel_agenttrace.model import Call, Exchange, HttpRequest, Span, Trace

__all__ = ["Cassette", "open_cassette"]

_log = logging.getLogger("otel_agenttrace")
_READ: Final = os.O_RDONLY | getattr(os, "O_CLOEXEC", 0)
_OWN: Final = ("agenttrace.call.", "agenttrace.request.", "agenttrace.content")


def open_cassette(path: Path, *, strict: bool = False, offset: int = 0) -> Cassette:
    """Return the cassette at a path, indexed from a byte offset on. A torn last line is a warning.

    Args:
        path: The cassette or its partial.
        strict: Whether one bad line spoils it all (replay), or is named and skipped (analysis).
        offset: Where to begin, in bytes.

    Raises:
        CassetteNotFound: If there is no file.
        CassetteCorrupt: If nothing is readable, or, when strict, if one line is not.
        CassetteTooNew: If a later release wrote it.
    """
    try:
        descriptor = _unpacked(path) if path.suffix == SUFFIX else os.open(path, _READ)
    except (FileNotFoundError, NotADirectoryError):
        raise CassetteNotFound(path, _not_found_hint(path)) from None
    except OSError as error:
        raise CassetteCorrupt(path, 0, f"cannot be opened: {error.strerror}") from error
    cassette = Cassette(path, descriptor, offset)
    cassette.check(strict=strict)
    return cassette


def _unpacked(path: Path) -> int:
    """Return a descriptor of a packed cassette's content, in a file without a name."""
    with TemporaryFile() as file:
        file.write(unpacked(path))
        file.flush()
        return os.dup(file.fileno())


def _not_found_hint(path: Path) -> str:
    partial = path.with_name(path.name + ".partial")
    if partial.exists():
        return f"a run that did not end left {partial}: use it by that name"
    return f"record it: otel-agenttrace record {path} -- python agent.py"


class Cassette:
    """An open cassette. Thread-safe; content is read from disk when it is asked for."""

    def __init__(self, path: Path, descriptor: int, offset: int) -> None:
        self.path = path
        self._descriptor = descriptor
        self._closer = weakref.finalize(self, os.close, descriptor)
        self._bodies: dict[tuple[int, int], Body] = {}
        self._lock = threading.RLock()
        with open(descriptor, "rb", closefd=False) as file:
            file.seek(offset)
            self.index: Index = scan(path, file, offset)

    def check(self, *, strict: bool) -> None:
        """Raise what makes the cassette useless, warn of the rest."""
        problems = self.index.problems
        if not self.index.lines:
            raise problems[0] if problems else CassetteCorrupt(self.path, 1, self._nothing())
        if problems and strict:
            raise problems[0]
        for problem in problems:
            _log.warning("line skipped: %s", problem)
        if self.index.torn:
            _log.warning("%s: the last line is torn (the recording process was killed); it is left out", self.path)

    def _nothing(self) -> str:
        return "only a torn line" if self.index.torn else "the file is empty"

    def close(self) -> None:
        """Release the file."""
        self._closer()

    def trace(self, cost_of: Callable[[Span], float | None] | None = None) -> Trace:
        """Return all spans in order of their start, their content still on disk."""
        spans = sorted(self.spans(), key=lambda span: span.start_ns)
        return Trace(tuple(spans), cost_of) if cost_of is not None else Trace(tuple(spans))

    def spans(self) -> Iterator[Span]:
        """Yield the spans in the order of the file, without the content of recorded calls."""
        entries = {(entry.line.offset, entry.position): entry for entry in self.index.calls}
        for line in self.index.lines:
            for position, span in enumerate(self._decoded(line)):
                entry = entries.get((line.offset, position))
                yield span if entry is None else self._light(span, entry)

    def _light(self, span: Span, entry: Entry) -> Span:
        attributes = {name: value for name, value in span.attributes.items() if not name.startswith(_OWN)}
        events = tuple(event for event in span.events if event.name != semconv.EVENT_AGENTTRACE_EXCHANGE)
        return replace(span, attributes=attributes, events=events, read_call=lambda: self.call(entry))

    def call(self, entry: Entry) -> Call:
        """Return a recorded call.

        Raises:
            CassetteCorrupt: If its line is not what the format promises.
        """
        span = self._span(entry)
        try:
            request = stored_request(span, self._body(entry))
            attempts = read_attempts(span.events, request, self._sidecar)
        except (ValueError, KeyError, OSError, RecursionError) as error:
            raise CassetteCorrupt(self.path, entry.line.number, f"the recorded call is damaged: {error}") from error
        return Call(entry.key, attempts, entry.lane, entry.ticket)

    def damaged_calls(self) -> list[str]:
        """Return what is wrong with each recorded call that cannot be read."""
        return [damage for entry in self.index.calls if (damage := self._damage(entry))]

    def _damage(self, entry: Entry) -> str | None:
        try:
            self.call(entry)
        except CassetteCorrupt as error:
            return str(error)
        return None

    def answers(self, entry: Entry) -> tuple[Exchange, ...]:
        """Return the attempts of a recorded call, their requests told only where they differ from the first.

        Raises:
            CassetteCorrupt: If its line is not what the format promises.
        """
        try:
            return read_attempts(self._span(entry).events, HttpRequest("", entry.origin, ""), self._sidecar)
        except (ValueError, OSError) as error:
            raise CassetteCorrupt(self.path, entry.line.number, f"the recorded call is damaged: {error}") from error

    def request(self, entry: Entry) -> HttpRequest:
        """Return the first request of a recorded call.

        Raises:
            CassetteCorrupt: If its line is not what the format promises.
        """
        try:
            return stored_request(self._span(entry), self._body(entry))
        except (ValueError, KeyError, RecursionError) as error:
            raise CassetteCorrupt(self.path, entry.line.number, f"the recorded request is damaged: {error}") from error

    def _sidecar(self, digest: str) -> bytes:
        if len(digest) != 64 or digest.strip("0123456789abcdef"):
            raise ValueError(f"{digest[:80]!r} is no digest")
        return (sidecar_folder(self.path) / digest).read_bytes()

    def _span(self, entry: Entry) -> Span:
        return self._decoded(entry.line)[entry.position]

    def _decoded(self, line: Line) -> list[Span]:
        try:
            return list(decode_spans(parse(os.pread(self._descriptor, line.size, line.offset))))
        except (ValueError, RecursionError) as error:
            raise CassetteCorrupt(self.path, line.number, f"damaged: {error}") from error

    def _body(self, wanted: Entry) -> Body:
        """Return the whole body of a call, from the bottom of the chain of lines it refers to."""
        with self._lock:
            waiting = [wanted]
            while waiting:
                entry = waiting[-1]
                span = self._span(entry)
                reference = reference_of(span)
                missing = [holder for holder in self._holders(reference) if self._place(holder) not in self._bodies]
                if missing:
                    waiting += missing
                    if len(waiting) > 2 * len(self.index.calls) + 2:
                        raise ValueError("lines refer to each other in a circle")
                    continue
                waiting.pop()
                self._bodies[self._place(entry)] = whole_body(span, reference, self._held(reference))
            return self._bodies[self._place(wanted)]

    def _holders(self, reference: Reference) -> list[Entry]:
        return [self.index.holders[digest][1] for digest in reference.digests]

    def _held(self, reference: Reference) -> dict[str, tuple[Definition, Body]]:
        held: dict[str, tuple[Definition, Body]] = {}
        for digest in reference.digests:
            definition, holder = self.index.holders[digest]
            held[digest] = (definition, self._bodies[self._place(holder)])
        return held

    def _place(self, entry: Entry) -> tuple[int, int]:
        return entry.line.offset, entry.position
