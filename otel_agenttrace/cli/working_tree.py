"""What a working tree changed, as git tells it. A revision in, change out; git is the user's own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from otel_agenttrace.analyze.overlaps import Change
from otel_agenttrace.analyze.pull_requests import ChangedFile, is_test
from otel_agenttrace.errors import ConfigError

__all__ = ["change_since"]

_PIECE: Final = 1 << 20


def change_since(base: str, folder: Path) -> Change:
    """Return what changed within a range `A..B`, or since the work left a revision: files that git does not know yet, too.

    Raises:
        ConfigError: If git is not there, the folder is in no repository, or there is no such revision.
    """
    top = Path(_git(folder, "rev-parse", "--show-toplevel").rstrip("\n"))
    plainly = ("--no-ext-diff", "--no-textconv", "--no-relative", "--find-renames", "--numstat", "-z")
    if ".." in base:
        told, new = _git(top, "diff", *plainly, "--end-of-options", base, "--"), ""
    else:
        told = _git(top, "diff", *plainly, "--merge-base", "--end-of-options", base, "--")
        new = _git(top, "ls-files", "--others", "--exclude-standard", "-z")
    return Change(base, (*_counted(told), *(_new_file(top, path) for path in new.split("\0") if path)))


def _git(folder: Path, *arguments: str) -> str:
    try:
        ended = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, check=False)
    except OSError as error:
        raise ConfigError(
            f"git cannot be run: {error.strerror}.\n  to fix   install git, or compare with --run"
        ) from error
    if ended.returncode:
        told = ended.stderr.decode(errors="replace").strip()
        raise ConfigError(f"git does not tell what changed: {told}\n  to fix   look at --diff and --root")
    return ended.stdout.decode(errors="surrogateescape")


def _counted(told: str) -> Iterator[ChangedFile]:
    """Yield the files of `git diff --numstat -z`; one that was renamed has an empty path there, and two after it."""
    fields = iter(told.split("\0"))
    for field in fields:
        if not field:
            continue
        added, deleted, path = field.split("\t", 2)
        previous = None if path else next(fields)
        path = path or next(fields)
        yield ChangedFile(
            path=path,
            status="renamed" if previous else "modified",
            additions=_lines(added),
            deletions=_lines(deleted),
            previous_path=previous,
            is_test=is_test(path),
        )


def _lines(told: str) -> int:
    """Return a number of lines; a binary file has none, as GitHub counts, too."""
    return 0 if told == "-" else int(told)


def _new_file(top: Path, path: str) -> ChangedFile:
    place = top / path
    lines = 0 if place.is_symlink() or not place.is_file() else _lines_of(place)
    return ChangedFile(path, "added", lines, 0, previous_path=None, is_test=is_test(path))


def _lines_of(place: Path) -> int:
    """Return the lines of a file, of a binary one none; piece by piece, whatever it is that git does not know."""
    count, last = 0, b"\n"
    try:
        with place.open("rb") as file:
            while piece := file.read(_PIECE):
                if b"\0" in piece:
                    return 0
                count, last = count + piece.count(b"\n"), piece[-1:]
    except OSError as error:
        raise ConfigError(
            f"{place} cannot be read: {error.strerror}.\n  to fix   look at its rights, or let git ignore it"
        ) from error
    return count + (last != b"\n")
