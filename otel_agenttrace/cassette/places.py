"""Where files stand: recordings that nobody named, and whatever there is. A folder in, paths out."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

from otel_agenttrace.errors import CassetteNotFound

__all__ = [
    "ENDINGS",
    "NO_PLACE",
    "UNNAMED",
    "cassettes_below",
    "files_in",
    "fresh_cassette",
    "newest_cassette",
    "runs_below",
]

UNNAMED: Final = ".agenttrace"
"""Where recordings go that nobody named, below the working directory."""

NO_PLACE: Final = ("__pycache__", "node_modules")
"""Folders without cassettes, besides hidden ones."""

ENDINGS: Final = (".otlp.jsonl", ".otlp.jsonl.zst")
"""How the name of a cassette ends, plain and packed."""

_LEFT_OUT: Final = frozenset({".git", "__pycache__"})


def fresh_cassette(folder: Path, begun: datetime, pid: int) -> Path:
    """Return the path of a new recording nobody named; its name sorts by time."""
    return folder / UNNAMED / f"{begun:%Y%m%d-%H%M%S}-{pid}.otlp.jsonl"


def newest_cassette(folder: Path) -> Path:
    """Return the cassette that was written last in and below a folder, unnamed recordings included.

    Raises:
        CassetteNotFound: If there is none.
    """
    found = runs_below(folder)
    if not found:
        raise CassetteNotFound(
            folder / f"*{ENDINGS[0]}", "record a run: otel-agenttrace record run.otlp.jsonl -- python agent.py"
        )
    return max(found, key=_written_ns)


def _written_ns(path: Path) -> int:
    try:
        return path.stat().st_mtime_ns
    except OSError:  # a link that leads nowhere, or removed in between
        return -1


def runs_below(folder: Path) -> tuple[Path, ...]:
    """Return the cassettes in and below a folder, and the unnamed recordings in it; other hidden folders are left out."""
    return (*cassettes_below(folder), *cassettes_below(folder / UNNAMED))


def cassettes_below(folder: Path) -> tuple[Path, ...]:
    """Return the cassettes in and below a folder, sorted, but for those in hidden folders; none where there is no folder.

    A pipe of such a name is none: who opens it waits for ever.
    """
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".") and name not in NO_PLACE]
        found += [Path(place, name) for name in files if name.endswith(ENDINGS)]
    return tuple(sorted(path for path in found if not path.is_fifo()))


def files_in(
    folder: Path, is_left_out: Callable[[str], bool] = _LEFT_OUT.__contains__
) -> tuple[tuple[Path, ...], tuple[Path, ...]]:
    """Return the regular files in and below a folder, links left out; and the folders there that cannot be read."""
    unread: list[OSError] = []
    found: list[Path] = []
    for where, folders, names in os.walk(folder, onerror=unread.append):
        folders[:] = [name for name in folders if not is_left_out(name)]
        found += filter(_is_regular, (Path(where, name) for name in names if not is_left_out(name)))
    return tuple(found), tuple(Path(str(error.filename)) for error in unread)


def _is_regular(path: Path) -> bool:
    try:
        return stat.S_ISREG(path.lstat().st_mode)
    except OSError:  # whoever opens it hears why not
        return True
