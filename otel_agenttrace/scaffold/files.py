"""Files of a project that `init` looks at and writes. Folder and a path below it in; content, or why it is left alone, out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from otel_agenttrace.cassette.private import read_regular, write_private
from otel_agenttrace.errors import ConfigError

__all__ = ["Found", "look", "write"]


@dataclass(frozen=True, slots=True)
class Found:
    """What stands at a path.

    Attributes:
        content: What the file holds; None if there is no file.
        obstacle: Why nothing is written there; empty if nothing speaks against it.
    """

    content: bytes | None = None
    obstacle: str = ""


def look(folder: Path, path: str) -> Found:
    """Return what stands at a path below a folder. No link is followed out of the folder, and none to a file."""
    place = folder / path
    if place.is_symlink():
        return Found(obstacle="it is a symbolic link")
    if not _is_within(folder, place.parent):
        return Found(obstacle="a symbolic link leads out of the folder")
    try:
        return Found(read_regular(place))
    except FileNotFoundError:
        return Found()
    except OSError as error:
        return Found(obstacle=f"it cannot be read: {error.strerror}")
    except ValueError:
        return Found(obstacle="it is no regular file")


def _is_within(folder: Path, place: Path) -> bool:
    return place.resolve().is_relative_to(folder.resolve())


def write(folder: Path, path: str, content: bytes) -> None:
    """Write a file below a folder, whole or not at all; a file that makes room hands its mode on.

    Raises:
        ConfigError: If the system does not let us, or a link has come in the way.
    """
    place = folder / path
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        if not _is_within(folder, place.parent):
            raise ConfigError(f"{place} is not written: a symbolic link leads out of {folder}.")
        write_private(place, content, None if place.exists() else _usual_mode())
    except OSError as error:
        raise ConfigError(
            f"{place} cannot be written: {error.strerror}.\n  to fix   name a folder that you may write to"
        ) from error


def _usual_mode() -> int:
    """Return the mode of a new file as the umask has it: a source file is not its owner's alone."""
    umask = os.umask(0)
    os.umask(umask)
    return 0o666 & ~umask
