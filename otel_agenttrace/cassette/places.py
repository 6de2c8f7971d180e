"""Where recordings stand that nobody named. A working directory in, paths out."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Final

from otel_agenttrace.errors import CassetteNotFound

__all__ = ["ENDINGS", "NO_PLACE", "UNNAMED", "cassettes_below", "fresh_cassette", "newest_cassette", "runs_below"]

UNNAMED: Final = ".agenttrace"
"""Where recordings go that nobody named, below the working directory."""

NO_PLACE: Final = ("__pycache__", "node_modules")
"""Folders without cassettes, besides hidden ones."""

ENDINGS: Final = (".otlp.jsonl", ".otlp.jsonl.zst")
"""How the name of a cassette ends, plain and packed."""


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
