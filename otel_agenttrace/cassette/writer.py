"""Append lines to a cassette so that a killed process loses nothing. Spans in, bytes on disk.

Each line goes out in one `write` to a descriptor opened for appending, under an advisory lock, and on a new line even
after a torn one. Nothing is buffered.
"""

from __future__ import annotations

import hashlib
import os
import threading
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.cassette.exchanges import Sharing, call_attributes, exchange_event
from otel_agenttrace.cassette.format import FORMAT_VERSION, encode_line, encode_resource
from otel_agenttrace.matching import Requested
from otel_agenttrace.model import AttributeValue, Call, Exchange, Span

try:
    import fcntl
except ImportError:  # no advisory locks on this system: appending alone keeps lines whole on a local disk
    fcntl = None

__all__ = ["RecordedCall", "Writer", "partial_path", "sidecar_folder"]

_SPILL_FROM: Final = 1 << 20
"""Bodies above this many bytes stand in a file of their own."""


@dataclass(frozen=True, slots=True)
class RecordedCall:
    """A finished call on its way to disk: its first request in pieces, and its attempts."""

    call: Call
    requested: Requested


def partial_path(path: Path) -> Path:
    """Return the file a recording grows in until its run ends."""
    return path.with_name(path.name + ".partial")


def sidecar_folder(path: Path) -> Path:
    """Return the folder that holds the large bodies of a cassette or of its partial."""
    return path.with_name(path.name.removesuffix(".zst").removesuffix(".partial") + ".bodies")


class Writer:
    """Appends to one file. One per path and process; `resource` stands in full on the first line this writer writes."""

    def __init__(self, path: Path, resource: Mapping[str, AttributeValue], *, create: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self._descriptor = _open(path, create=create)
        weakref.finalize(self, os.close, self._descriptor)
        self._sharing = Sharing()
        small = _small(resource)
        self._resource = encode_resource(small)
        self._first_resource: str | None = encode_resource({**resource, **small})
        self.renew_lock()

    def renew_lock(self) -> None:
        """Take a new lock: after a fork the old one may be held by a thread that is not there."""
        self._lock = threading.Lock()

    def write(self, span: Span, recorded: RecordedCall | None = None) -> None:
        """Append a span, with its exchanges if it is a recorded call.

        Raises:
            OSError: If the file cannot be written.
        """
        with self._lock:
            if recorded is None:
                self._append(encode_line(span, self._first_resource or self._resource))
            else:
                self._write_call(span, recorded)
            self._first_resource = None

    def size(self) -> int:
        """Return how many bytes the file has."""
        return os.fstat(self._descriptor).st_size

    def _write_call(self, span: Span, recorded: RecordedCall) -> None:
        request = recorded.requested.request
        plan = self._sharing.plan(recorded.requested.body, request.body)
        events = [exchange_event(attempt, request, self._spilled(attempt)) for attempt in recorded.call.attempts]
        attributes = call_attributes(recorded.call, recorded.requested, plan)
        self._append(encode_line(span, self._first_resource or self._resource, attributes, events))
        self._sharing.commit(plan)

    def _spilled(self, exchange: Exchange) -> str | None:
        """Write a large body to its own file and return its digest."""
        if len(exchange.body) <= _SPILL_FROM:
            return None
        digest = hashlib.sha256(exchange.body).hexdigest()
        folder = sidecar_folder(self.path)
        folder.mkdir(mode=0o700, exist_ok=True)
        whole = folder / digest
        if not whole.exists():
            growing = folder / f"{digest}.{os.getpid()}.{threading.get_ident()}"
            growing.write_bytes(exchange.body)
            growing.chmod(0o600)
            growing.rename(whole)
        return digest

    def _append(self, line: bytes) -> None:
        descriptor = self._descriptor
        _lock(descriptor)
        try:
            if _ends_torn(descriptor):
                line = b"\n" + line
            while line:
                line = line[os.write(descriptor, line) :]
        finally:
            _unlock(descriptor)


def _small(resource: Mapping[str, AttributeValue]) -> Mapping[str, AttributeValue]:
    service = resource.get("service.name")
    return {
        semconv.AGENTTRACE_FORMAT_VERSION: FORMAT_VERSION,
        **{key: value for key, value in resource.items() if key.startswith("agenttrace.")},
        **({"service.name": service} if service else {}),
    }


def _open(path: Path, *, create: bool) -> int:
    flags = os.O_RDWR | os.O_APPEND | getattr(os, "O_CLOEXEC", 0)
    return os.open(path, flags | (os.O_CREAT if create else 0), 0o600)


def _lock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.lockf(descriptor, fcntl.LOCK_EX)


def _unlock(descriptor: int) -> None:
    if fcntl is not None:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)


def _ends_torn(descriptor: int) -> bool:
    size = os.fstat(descriptor).st_size
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"
