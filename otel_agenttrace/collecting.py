"""Let the garbage collector wait while a run is read, compared or explained: what is made then stays, so it finds nothing to free."""

from __future__ import annotations

import gc
import os
from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

__all__ = ["uncollected"]

_open: Final[set[object]] = set()
"""The blocks that hold it off, in any thread."""


@contextmanager
def uncollected() -> Generator[None]:
    """Hold the garbage collector off for the time of a block or of the calls of a function, unless it is off anyway.

    Objects that nothing refers to are freed all the same, those in a circle at its next run after the block. It is off for
    the whole process: so this is for what is held in memory as a whole, never for what records, and never for a stream.
    """
    if not gc.isenabled():
        yield
        return
    block = object()
    try:
        _open.add(block)
        gc.disable()
        yield
    finally:
        gc.enable()
        _open.discard(block)


def _after_fork_in_child() -> None:
    """Let it go on: the thread whose block holds it off may not be there to end it."""
    if _open:
        _open.clear()
        gc.enable()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
