"""The file a run records to, from its first line to its name. Several processes may share it.

A named cassette grows in a partial beside it. Each root of a run holds a shared lock on the partial while it lives; the
last one that ends gives the file its name. A partial that nobody holds was left by a killed run and makes room.
"""

from __future__ import annotations

import contextlib
import logging
import os
from pathlib import Path
from shlex import quote

from otel_agenttrace.cassette.beginning import check_may_be_replaced
from otel_agenttrace.cassette.held import HeldFile, make_folder, recordable
from otel_agenttrace.cassette.private import take_place
from otel_agenttrace.cassette.sidecars import remove_unused, sidecars
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.errors import CassetteInaccessible

try:
    import fcntl
except ImportError:  # no advisory locks on this system: one root per cassette
    fcntl = None

__all__ = ["Recording", "is_held"]

_log = logging.getLogger("otel_agenttrace")


class Recording:
    """A partial that is being recorded to, held by one root process.

    Args:
        path: The cassette it becomes.
        goes_on: Whether this process began it before it replaced its program by another.
        is_fork: Whether a replay goes on in it.
        alone: Whether no other root may record to it: what is in the partial is put into the cassette, line by line.

    Raises:
        CassetteInaccessible: If nothing can be recorded to the path.
    """

    def __init__(self, path: Path, *, goes_on: bool = False, alone: bool = False, is_fork: bool = False) -> None:
        self.path = path
        self.partial = partial_path(path)
        with recordable(path):
            check_may_be_replaced(path, "recorded to", is_fork=is_fork)
            make_folder(path.parent)
            self._older_bodies = sidecars(path)
            self._life = _begun(self.partial, goes_on=goes_on)
        if alone and not _lock(self._life.descriptor(), exclusive=True, wait=False):
            self._life.close()
            raise CassetteInaccessible(path, "recorded to", "another run is recording to it")
        self._pid = os.getpid()

    def finish(self) -> Path:
        """Give the recording its name if no other root is alive, and return where it stands.

        A run that recorded nothing leaves an older cassette as it is.
        """
        alone = self._is_alone()
        if alone and not self._is_empty():
            alone = self._name()
        self.leave()
        return self.path if alone else self.partial

    def _is_alone(self) -> bool:
        try:
            alone = _lock(self._life.descriptor(), exclusive=True, wait=False)
        except OSError:  # the partial was removed, and with it what could be named
            return False
        return alone and self._life.is_at(self.partial)

    def _is_empty(self) -> bool:
        return os.fstat(self._life.descriptor()).st_size == 0

    def _name(self) -> bool:
        try:
            take_place(self.partial, self.path)
        except (OSError, CassetteInaccessible) as error:
            _log.warning(
                "the recording stays in %s: %s cannot be written: %s\n  to fix   mv %s %s",
                self.partial,
                self.path,
                _reason(error),
                quote(str(self.partial)),
                quote(str(self.path)),
            )
            return False
        with contextlib.suppress(OSError):  # what is left over takes room, no more
            remove_unused(self.path, self._older_bodies)
        return True

    def remove(self) -> None:
        """Remove the partial: what was in it stands in the cassette."""
        self.partial.unlink(missing_ok=True)
        self._life.close()

    def leave(self) -> None:
        """Let go without a rename: the partial stays if there is something in it and the process is not a fork."""
        if os.getpid() == self._pid and self._is_alone() and self._is_empty():
            with contextlib.suppress(OSError):
                self.partial.unlink()
        self._life.close()


def _reason(error: OSError | CassetteInaccessible) -> str:
    return f"{error.strerror if isinstance(error, OSError) else error.reason}"


def _begun(partial: Path, *, goes_on: bool) -> HeldFile:
    """Return the partial of the living roots, or a new one; a root that has replaced its program goes on in its own."""
    while True:
        existed = partial.exists() and not goes_on
        life = HeldFile(partial, os.O_RDWR | os.O_CREAT)
        if existed and _lock(life.descriptor(), exclusive=True, wait=False) and life.is_at(partial):
            partial.unlink()  # not emptied: a child that has outlived its killed run would go on in it
        _lock(life.descriptor(), exclusive=False, wait=True)
        if life.is_at(partial):
            return life
        life.close()  # another root removed it, or gave it its name, between our open and our lock


def is_held(partial: Path) -> bool:
    """Whether a run that is alive records to a partial.

    Raises:
        OSError: If it cannot be opened.
    """
    held = HeldFile(partial, os.O_RDWR)
    try:
        return not _lock(held.descriptor(), exclusive=True, wait=False)
    finally:
        held.close()


def _lock(descriptor: int, *, exclusive: bool, wait: bool) -> bool:
    if fcntl is None:
        return True
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
