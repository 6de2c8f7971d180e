"""Where in the user's program we are: for the text of an error."""

from __future__ import annotations

import inspect
import os
import sys
import sysconfig
import threading
from pathlib import Path
from types import FrameType
from typing import Final

from otel_agenttrace.spans import active_span

__all__ = ["call_site"]

_LIBRARIES: Final = tuple(
    f"{folder}{os.sep}"
    for folder in (Path(__file__).parent, *(sysconfig.get_path(kind) for kind in ("stdlib", "platstdlib")))
)
_INSTALLED: Final = frozenset({"site-packages", "dist-packages", "otel_agenttrace_instrumentation"})
_TYPED: Final = ("<stdin>", "<console>", "<ipython-input", "<python-input")
"""What code is called that somebody types."""


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
        if not _is_library(frame):
            return f"{_shown(frame.f_code.co_filename)}:{frame.f_lineno}"
        frame = frame.f_back
    return None


def _shown(path: str) -> str:
    try:
        return os.path.relpath(path)
    except (ValueError, OSError):  # another drive, or the working directory is gone
        return path


def _is_library(frame: FrameType) -> bool:
    path = frame.f_code.co_filename
    if path == "<string>":  # of `python -c`, or what a module has compiled, which stands further out
        return "__file__" in frame.f_globals
    if path.startswith("<"):
        return not path.startswith(_TYPED)
    return path.startswith(_LIBRARIES) or not _INSTALLED.isdisjoint(Path(path).parts)
