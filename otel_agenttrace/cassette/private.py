"""Files that are their owner's alone: made so whatever the umask, and no link is followed on writing. Path in, file out.

A link is refused at the path itself; the folders above may be links, as homes often are. A file that is there keeps its mode.
"""

from __future__ import annotations

import os
import stat
import threading
from pathlib import Path
from typing import Final

from otel_agenttrace.errors import CassetteInaccessible

__all__ = ["make_private_folder", "open_private", "read_regular", "refuse_link", "take_place", "write_private"]

_MODE: Final = 0o600
_NOFOLLOW: Final = getattr(os, "O_NOFOLLOW", 0)
_NONBLOCK: Final = getattr(os, "O_NONBLOCK", 0)


def refuse_link(path: Path) -> None:
    """Refuse a symbolic link where something is to be written.

    Raises:
        CassetteInaccessible: If one is there.
    """
    if path.is_symlink():
        raise CassetteInaccessible(
            path,
            "written",
            "it is a symbolic link, and none is followed on writing",
            "remove the link, or name what it leads to by its own path",
        )


def open_private(path: Path, flags: int) -> int:
    """Return a descriptor; with `O_CREAT`, a file that is made here is its owner's alone.

    Raises:
        CassetteInaccessible: If it is to be written, and a link is there.
        OSError: If it cannot be opened.
    """
    if not flags & (os.O_WRONLY | os.O_RDWR):
        return os.open(path, flags)
    refuse_link(path)
    flags |= _NOFOLLOW
    while flags & os.O_CREAT:
        try:
            descriptor = os.open(path, flags | os.O_EXCL, _MODE)
        except FileExistsError:
            try:
                return os.open(path, flags & ~os.O_CREAT)
            except FileNotFoundError:  # removed in between
                continue
        if hasattr(os, "fchmod"):
            os.fchmod(descriptor, _MODE)  # a umask may have lessened it
        return descriptor
    return os.open(path, flags)


def make_private_folder(folder: Path) -> None:
    """Make a folder for its owner only; one that is there stays as it is.

    Raises:
        CassetteInaccessible: If a link is there.
        OSError: If it cannot be made.
    """
    refuse_link(folder)
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        return
    folder.chmod(0o700)


def write_private(path: Path, content: bytes, mode: int | None = None, *, durable: bool = False) -> None:
    """Write a file, whole or not at all.

    Args:
        path: Its path; what stands there makes room when all is written.
        content: All of it.
        mode: Its permissions; None are those of the file that makes room, or its owner's alone.
        durable: Whether it is on the disk, not only with the system, before it takes its place.

    Raises:
        CassetteInaccessible: If a link is there.
        OSError: If it cannot be written.
    """
    growing = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    refuse_link(path)
    try:
        with os.fdopen(open_private(growing, os.O_WRONLY | os.O_CREAT | os.O_TRUNC), "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        take_place(growing, path, mode)
    finally:
        growing.unlink(missing_ok=True)


def take_place(growing: Path, path: Path, mode: int | None = None) -> None:
    """Give a file that is done its name; it has this mode, or that of the file that makes room.

    Raises:
        CassetteInaccessible: If a link is there.
        OSError: If it cannot be renamed.
    """
    refuse_link(path)
    refuse_link(growing)
    if mode is None and path.is_file():
        mode = stat.S_IMODE(path.stat().st_mode) & 0o777
    if mode is not None:
        growing.chmod(mode)
    growing.replace(path)


def read_regular(path: Path) -> bytes:
    """Return the content of a regular file: no link is followed, and nobody waits for a pipe.

    Raises:
        OSError: If it cannot be read.
        ValueError: If something else than a file is there.
    """
    if path.is_symlink():
        raise ValueError(f"{path} is a symbolic link")
    with os.fdopen(os.open(path, os.O_RDONLY | _NOFOLLOW | _NONBLOCK), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise ValueError(f"{path} is no regular file")
        return file.read()
