"""Write what a run recorded as lines of a cassette. Spans and finished calls in, lines out."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from otel_agenttrace import semconv
from otel_agenttrace.cassette.appending import AppendedFile
from otel_agenttrace.cassette.exchanges import Sharing, call_attributes, exchange_event
from otel_agenttrace.cassette.format import FORMAT_VERSION, encode_line, encode_resource
from otel_agenttrace.cassette.held import make_folder, recordable
from otel_agenttrace.cassette.private import refuse_link
from otel_agenttrace.cassette.sidecars import sidecar_folder, spilled
from otel_agenttrace.matching import Requested
from otel_agenttrace.model import AttributeValue, Call, Span

__all__ = ["RecordedCall", "Writer", "partial_path", "small_resource"]


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A finished call on its way to disk: its first request in pieces, its attempts, and what it is recorded in place of.

    `replaces` is the place of a recorded call in the cassette.
    """

    call: Call
    requested: Requested
    replaces: str | None = None


def partial_path(path: Path) -> Path:
    """Return the file a recording grows in until its run ends."""
    return path.with_name(path.name + ".partial")


class Writer:
    """Appends to one file. One per path and process; `resource` stands in full on the first line this writer writes.

    Raises:
        CassetteInaccessible: If nothing can be recorded to the path: it is no file, or a link.
        CassetteNotFound: If there is no file, and none may be made.
    """

    def __init__(self, path: Path, resource: Mapping[str, AttributeValue], *, create: bool = True) -> None:
        self.path = path
        with recordable(path):
            if create and not path.exists():
                make_folder(path.parent)
            refuse_link(sidecar_folder(path))
            self._file = AppendedFile(path, create=create)
        self._sharing = Sharing()
        small = small_resource(resource)
        self._resource = encode_resource(small)
        self._first_resource: str | None = encode_resource({**resource, **small})
        self.renew_lock()

    def renew_lock(self) -> None:
        """Take a new lock: after a fork the old one may be held by a thread that is not there."""
        self._lock = threading.RLock()
        self._waiting: deque[tuple[Span, RecordedCall | None]] = deque()
        self._is_writing = False

    def write(self, span: Span, recorded: RecordedCall | None = None) -> None:
        """Append a span, with its exchanges if it is a recorded call.

        What a signal handler writes, inside a write of the same thread, follows when that one is done.

        Raises:
            CassetteInaccessible: If a link stands in the place of a file.
            OSError: If the file cannot be written; it is as it was before.
        """
        with self._lock:
            self._waiting.append((span, recorded))
            if self._is_writing:
                return
            self._is_writing = True
            try:
                while self._waiting:
                    self._write(*self._waiting.popleft())
            finally:
                self._is_writing = False

    def _write(self, span: Span, recorded: RecordedCall | None) -> None:
        if recorded is None:
            self._append(encode_line(span, self._first_resource or self._resource))
        else:
            self._write_call(span, recorded)
        self._first_resource = None

    def is_gone(self) -> bool:
        """Whether somebody has removed or moved the file, and all that was written with it."""
        with self._lock:
            return self._file.is_gone()

    def size(self) -> int:
        """Return how many bytes of whole lines the file has."""
        with self._lock:
            return self._file.size()

    def _write_call(self, span: Span, recorded: RecordedCall) -> None:
        request, raw_key = recorded.requested.request, recorded.requested.stored_raw_key
        plan = self._sharing.plan(recorded.requested.body, request.body)
        events = [
            exchange_event(attempt, request, spilled(self.path, attempt.body)) for attempt in recorded.call.attempts
        ]
        attributes = call_attributes(recorded.call, request, raw_key, plan, recorded.replaces)
        self._append(encode_line(span, self._first_resource or self._resource, attributes, events))
        self._sharing.commit(plan)

    def _append(self, line: bytes) -> None:
        self._file.append(line)


def small_resource(resource: Mapping[str, AttributeValue]) -> Mapping[str, AttributeValue]:
    """Return what each line says of its resource: the service, the format and the run."""
    service = resource.get("service.name")
    return {
        semconv.AGENTTRACE_FORMAT_VERSION: FORMAT_VERSION,
        **{key: value for key, value in resource.items() if key.startswith("agenttrace.")},
        **({"service.name": service} if service else {}),
    }
