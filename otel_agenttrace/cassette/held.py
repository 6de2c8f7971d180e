"""A file that is held open for a whole run. What cannot be opened is named; what is no longer ours is never touched."""

from __future__ import annotations

import errno
import os
import weakref
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from otel_agenttrace.cassette.private import open_private, refuse_link
from otel_agenttrace.errors import CassetteInaccessible, CassetteNotFound

__all__ = ["FileTooLarge", "HeldFile", "check_is_file", "make_folder", "recordable", "whole_file"]


def check_is_file(path: Path, purpose: str) -> None:
    """Refuse a folder, a pipe or a device; there may be nothing at the path.

    Raises:
        CassetteInaccessible: If something else than a file is there.
        OSError: If the system does not let us look.
    """
    if not path.is_file() and path.exists():
        raise CassetteInaccessible(path, purpose, "it is a directory" if path.is_dir() else "it is no regular file")


_LARGEST: Final = 512 << 20


class FileTooLarge(ValueError):
    """A file that would have to be in memory as a whole, and is too large for that."""


def whole_file(path: Path) -> bytes:
    """Return the bytes of a file that can only be read as a whole.

    Raises:
        FileTooLarge: If they are too many.
        OSError: If it cannot be read.
    """
    size = path.stat().st_size
    if size > _LARGEST:
        raise FileTooLarge(f"a file of {size:,} bytes; one that is read as a whole has at most {_LARGEST:,}")
    return path.read_bytes()


@contextmanager
def recordable(path: Path) -> Generator[None]:
    """Name a path that nothing can be recorded to; what the system says inside the block is told the same way.

    Raises:
        CassetteInaccessible: If there is something else than a file at the path, be it a link, or it cannot be opened.
        CassetteNotFound: If there is nothing and it may not be made.
    """
    try:
        refuse_link(path)
        check_is_file(path, "recorded to")
        yield
    except FileNotFoundError as error:
        raise CassetteNotFound(path, "name a file in a folder that is there") from error
    except OSError as error:
        raise CassetteInaccessible(path, "recorded to", f"{error.strerror}: {error.filename}") from error


def make_folder(folder: Path) -> None:
    """Make a folder and those above it.

    Raises:
        OSError: If that cannot be done, or nothing could be made in it.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except FileExistsError as error:
        raise NotADirectoryError(errno.ENOTDIR, os.strerror(errno.ENOTDIR), str(error.filename)) from error
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(errno.EACCES, os.strerror(errno.EACCES), str(folder))


class HeldFile:
    """An open file. Its descriptor is checked at each use: a program that turns into a daemon closes all descriptors.

    The number then soon is that of another file, which must neither be written to nor closed.
    """

    def __init__(self, path: Path, flags: int) -> None:
        self._path = path
        self._flags = flags
        self._take(open_private(path, flags))

    def _take(self, descriptor: int) -> None:
        self._descriptor = descriptor
        self._status = os.fstat(descriptor)
        self._closer = weakref.finalize(self, _close, descriptor, self._status)
        self._closer.atexit = False  # a session that ends at exit still writes

    def descriptor(self) -> int:
        """Return the descriptor, a new one if the old one was closed.

        Raises:
            OSError: If the file cannot be found again.
        """
        if not _is_file(self._descriptor, self._status):
            self._closer.detach()
            self._take(self._opened_again())
        return self._descriptor

    def _opened_again(self) -> int:
        named = self._path.with_name(self._path.name.removesuffix(".partial"))
        path = self._path if self.is_at(self._path) else named
        descriptor = open_private(path, self._flags & ~os.O_CREAT)
        if _is_file(descriptor, self._status):
            return descriptor
        os.close(descriptor)
        raise FileNotFoundError(errno.ENOENT, "The file was replaced by another one", str(path))

    def is_at(self, path: Path) -> bool:
        """Whether this very file has that name."""
        try:
            return os.path.samestat(path.stat(), self._status)
        except OSError:
            return False

    def is_removed(self, path: Path) -> bool:
        """Whether no name leads to the file any more: what is written to it is lost with the last process that has it."""
        return os.fstat(self.descriptor()).st_nlink == 0 and not self.is_at(path)

    def close(self) -> None:
        """Release the file."""
        self._closer()


def _is_file(descriptor: int, status: os.stat_result) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), status)
    except OSError:
        return False


def _close(descriptor: int, status: os.stat_result) -> None:
    if _is_file(descriptor, status):
        os.close(descriptor)
