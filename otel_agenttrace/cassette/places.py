"""Where recordings stand that nobody named. A working directory in, paths out."""

from __future__ import annotations

import os
from datetime import datetime
from pathlib import Path
from typing import Final

from otel_agenttrace.errors import CassetteNotFound

__all__ = ["ENDINGS", "cassettes_below", "fresh_cassette", "newest_cassette"]

_FOLDER: Final = ".agenttrace"
"""Where recordings go that nobody named, below the working directory."""

ENDINGS: Final = (".otlp.jsonl", ".otlp.jsonl.zst")
"""How the name of a cassette ends, plain and packed."""
_PATTERNS: Final = tuple(f"*{end}" for end in ENDINGS)


def fresh_cassette(folder: Path, begun: datetime, pid: int) -> Path:
    """Return the path of a new recording nobody named; its name sorts by time."""
    return folder / _FOLDER / f"{begun:%Y%m%d-%H%M%S}-{pid}.otlp.jsonl"


def newest_cassette(folder: Path) -> Path:
    """Return the newest cassette in a folder and in its folder of unnamed recordings.

    Raises:
        CassetteNotFound: If there is none.
    """
    found = [path for place in (folder, folder / _FOLDER) for pattern in _PATTERNS for path in place.glob(pattern)]
    if not found:
        raise CassetteNotFound(
            folder / _PATTERNS[0], "record a run: otel-agenttrace record run.otlp.jsonl -- python agent.py"
        )
    return max(found, key=lambda path: path.stat().st_mtime_ns)


def cassettes_below(folder: Path) -> tuple[Path, ...]:
    """Return the cassettes in and below a folder, sorted, but for those in hidden folders; none where there is no folder."""
    found: list[Path] = []
    for place, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        found += [Path(place, name) for name in files if name.endswith(ENDINGS)]
    return tuple(sorted(found))
