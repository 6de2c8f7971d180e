"""A file that several processes append lines to, so that a killed one loses nothing. Lines in, bytes on disk.

Each line goes out in one `write` to a descriptor opened for appending, under an advisory lock. Nothing is buffered.
A line of which only the beginning could be written is taken away again.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from otel_agenttrace.cassette.held import HeldFile

try:
    import fcntl
except ImportError:  # no advisory locks on this system: appending alone keeps lines whole on a local disk
    fcntl = None

__all__ = ["AppendedFile", "kept_still"]

_BLOCK: Final = 1 << 16


class AppendedFile:
    """A file of lines. It is made with its first line; whoever uses it in several threads holds a lock of their own."""

    def __init__(self, path: Path, *, create: bool) -> None:
        self._path = path
        self._flags = os.O_RDWR | os.O_APPEND
        self._held = HeldFile(path, self._flags) if path.exists() or not create else None

    def append(self, line: bytes) -> None:
        """Append a line, which ends with its newline, or nothing at all.

        Raises:
            OSError: If it cannot be written, or the file was removed.
        """
        if self._held is None:
            self._held = HeldFile(self._path, self._flags | os.O_CREAT)
        with self._locked_there(self._held) as descriptor:
            if _is_torn(descriptor):
                _mend(descriptor)
            _write(descriptor, line)

    @contextmanager
    def _locked_there(self, held: HeldFile) -> Generator[int]:
        """Lock the file that stands at the path now: a cassette may have been rewritten since it was opened."""
        while True:
            with _locked(held) as descriptor:
                if self._path.suffix == ".partial" or held.is_at(self._path) or not self._path.exists():
                    if held.is_removed(self._path):
                        raise FileNotFoundError(
                            errno.ENOENT, "it was removed while it was recorded to", str(self._path)
                        )
                    yield descriptor
                    return
            held.close()
            self._held = held = HeldFile(self._path, self._flags)

    def is_gone(self) -> bool:
        """Whether what was written stands neither at the path nor, where that is a partial, under its name."""
        if self._path.suffix != ".partial":  # what was rewritten has its lines
            return self._held is not None and not self._path.exists()
        return self._held is not None and not any(
            self._held.is_at(path) for path in (self._path, self._path.with_suffix(""))
        )

    def size(self) -> int:
        """Return how many bytes of whole lines there are: where the next line will stand."""
        if self._held is None and self._path.exists():
            self._held = HeldFile(self._path, self._flags)
        if self._held is None:
            return 0
        with _locked(self._held) as descriptor:
            end = os.lseek(descriptor, 0, os.SEEK_END)
            return end - len(_torn(_last_line(descriptor, end))) if _is_torn(descriptor) else end


@contextmanager
def kept_still(path: Path) -> Generator[bytes]:
    """Give the content of a file to a block that puts another one in its place; nobody appends to it meanwhile.

    The content is read here: the system lets go of the lock as soon as the process closes the file by any descriptor.

    Raises:
        OSError: If the file cannot be opened.
    """
    held = HeldFile(path, os.O_RDWR)
    try:
        with _locked(held) as descriptor, open(descriptor, "rb", closefd=False) as file:
            yield file.read()
    finally:
        held.close()


@contextmanager
def _locked(held: HeldFile) -> Generator[int]:
    descriptor = held.descriptor()
    if fcntl is None:
        yield descriptor
        return
    fcntl.lockf(descriptor, fcntl.LOCK_EX)
    try:
        yield descriptor
    finally:
        fcntl.lockf(descriptor, fcntl.LOCK_UN)


def _write(descriptor: int, line: bytes) -> None:
    """Write all of a line; what a full disk leaves of it would spoil the line that comes next.

    It is taken away again unless another process has written behind it, or the system refuses that, too: then the next
    writer deals with it.
    """
    before = os.lseek(descriptor, 0, os.SEEK_END)
    left = line
    try:
        while left:
            left = left[os.write(descriptor, left) :]
    finally:
        written = len(line) - len(left)
        if left and written and os.lseek(descriptor, 0, os.SEEK_END) == before + written:
            with contextlib.suppress(OSError):
                os.ftruncate(descriptor, before)


def _is_torn(descriptor: int) -> bool:
    size = os.lseek(descriptor, 0, os.SEEK_END)
    return size > 0 and os.pread(descriptor, 1, size - 1) != b"\n"


def _mend(descriptor: int) -> None:
    """End the last line, or take it away if its writer was killed before it was whole."""
    os.write(descriptor, b"\n")  # waits for a line that is being written right now, which only looks torn
    end = os.lseek(descriptor, 0, os.SEEK_END) - 1
    torn = _torn(_last_line(descriptor, end))
    if torn:
        os.ftruncate(descriptor, end - len(torn))


def _torn(line: bytes) -> bytes:
    """Return a line that is no JSON, and nothing of one that is."""
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return line
    return b""


def _last_line(descriptor: int, end: int) -> bytes:
    """Return what stands between the last newline before an offset and the offset."""
    size = _BLOCK
    while True:
        begin = max(end - size, 0)
        held = os.pread(descriptor, end - begin, begin)
        if b"\n" in held or not begin:
            return held.rpartition(b"\n")[2]
        size *= 4
