"""The file a run records to, from its first line to its name. Several processes may share it.

A named cassette grows in a partial beside it. Each root of a run holds a shared lock on the partial while it lives; the
last one that ends gives the file its name. A partial that nobody holds was left by a killed run and is begun anew.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from otel_agenttrace.cassette.writer import partial_path

try:
    import fcntl
except ImportError:  # no advisory locks on this system: one root per cassette
    fcntl = None

__all__ = ["Recording"]


class Recording:
    """A partial that is being recorded to, held by one root process."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.partial = partial_path(path)
        self._life = self._open()
        while not self._is_named():  # another root gave it its name between our open and our lock
            os.close(self._life)
            self._life = self._open()

    def _open(self) -> int:
        flags = os.O_RDWR | os.O_CREAT | getattr(os, "O_CLOEXEC", 0)
        life = os.open(self.partial, flags, 0o600)
        if _lock(life, exclusive=True, wait=False) and self._is_named(life):
            os.ftruncate(life, 0)
        _lock(life, exclusive=False, wait=True)
        return life

    def _is_named(self, life: int | None = None) -> bool:
        try:
            return os.path.samestat(self.partial.stat(), os.fstat(self._life if life is None else life))
        except FileNotFoundError:
            return False

    def finish(self) -> Path:
        """Give the recording its name if no other root is alive, and return where it stands.

        A run that recorded nothing leaves an older cassette as it is.
        """
        alone = _lock(self._life, exclusive=True, wait=False)
        if alone:
            with contextlib.suppress(FileNotFoundError):
                if self.partial.stat().st_size:
                    self.partial.replace(self.path)
                else:
                    self.partial.unlink()
        self.leave()
        return self.path if alone else self.partial

    def leave(self) -> None:
        """Let go without a rename: the partial stays."""
        with contextlib.suppress(OSError):
            os.close(self._life)


def _lock(descriptor: int, *, exclusive: bool, wait: bool) -> bool:
    if fcntl is None:
        return True
    kind = fcntl.LOCK_EX if exclusive else fcntl.LOCK_SH
    try:
        fcntl.flock(descriptor, kind if wait else kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
