"""Where in the user's program we are: for the text of an error."""

from __future__ import annotations

import inspect
import os
import sys
import threading
from pathlib import Path
from types import FrameType
from typing import Final

from otel_agenttrace.spans import active_span

__all__ = ["call_site"]

_OURS: Final = (str(Path(__file__).parent), "<")
_LIBRARIES: Final = (
    "site-packages",
    "dist-packages",
    f"{os.sep}lib{os.sep}python",
    f"{os.sep}otel_agenttrace_instrumentation{os.sep}",
)


def call_site() -> str:
    """Return file and line of the code that made the call, the innermost frame that is no library's, and its span.

    A thread in which no code of the user's is running works for another one: then it is where the main thread stands.
    """
    owner = active_span()
    told = f", span {owner.head.name!r}" if owner is not None else ""
    found = _innermost(inspect.currentframe())
    if found is None:
        frames = sys._current_frames()  # pyright: ignore[reportPrivateUsage] - documented, and the only way there
        main = _innermost(frames.get(threading.main_thread().ident or 0))
        found = f"{main}, in thread {threading.current_thread().name!r}" if main is not None else "(no frame of yours)"
    return found + told


def _innermost(frame: FrameType | None) -> str | None:
    while frame is not None:
        path = frame.f_code.co_filename
        if not _is_library(path):
            return f"{_shown(path)}:{frame.f_lineno}"
        frame = frame.f_back
    return None


def _shown(path: str) -> str:
    try:
        return os.path.relpath(path)
    except (ValueError, OSError):  # another drive, or the working directory is gone
        return path


def _is_library(path: str) -> bool:
    return path.startswith(_OURS) or any(place in path for place in _LIBRARIES)
