"""Let the garbage collector wait while a run is read or compared: what is made then stays, and to look through it takes a fifth of the time."""

from __future__ import annotations

import gc
from collections.abc import Generator
from contextlib import contextmanager

__all__ = ["uncollected"]


@contextmanager
def uncollected() -> Generator[None]:
    """Hold the garbage collector off for the time of a block or of the calls of a function, unless it is off anyway.

    Objects that nothing refers to are freed all the same, those in a circle when it is over. It is off for the whole
    process: so this is for work that ends soon, and never for what records.
    """
    if not gc.isenabled():
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
