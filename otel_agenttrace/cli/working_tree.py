"""What a working tree changed, as git tells it. A revision in, change out; git is the user's own."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

from otel_agenttrace.analyze.overlaps import Change
from otel_agenttrace.analyze.pull_requests import ChangedFile, is_test
from otel_agenttrace.errors import ConfigError

__all__ = ["change_since"]


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
    content = b"" if place.is_symlink() or not place.is_file() else place.read_bytes()
    lines = 0 if b"\0" in content else content.count(b"\n") + (content[-1:] not in (b"", b"\n"))
    return ChangedFile(path, "added", lines, 0, previous_path=None, is_test=is_test(path))
