"""Where in the user's program we are: for the text of an error."""

from __future__ import annotations

import inspect
import os
from pathlib import Path
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.spans import active_span

__all__ = ["call_site"]

_OURS: Final = (str(Path(__file__).parent), str(Path(semconv.__file__).parent), "<")


def call_site() -> str:
    """Return file and line of the code that made the call, the innermost frame that is no library's, and its span."""
    frame = inspect.currentframe()
    found = ""
    while frame is not None:
        path = frame.f_code.co_filename
        if not _is_library(path):
            found = f"{_shown(path)}:{frame.f_lineno}"
            break
        frame = frame.f_back
    owner = active_span()
    told = f", span {owner.head.name!r}" if owner is not None else ""
    return (found or "(no frame of yours)") + told


def _shown(path: str) -> str:
    try:
        return os.path.relpath(path)
    except (ValueError, OSError):  # another drive, or the working directory is gone
        return path


def _is_library(path: str) -> bool:
    return (
        path.startswith(_OURS)
        or "site-packages" in path
        or "dist-packages" in path
        or (f"{os.sep}lib{os.sep}python" in path)
    )
