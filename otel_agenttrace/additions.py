"""Which spans belong into a cassette that has the beginning of the run already. Ended spans in, those to be written out.

As long as each call is answered, the run is the recorded one, and nothing is added to it. From the first call on that has
no recording it is another run: spans that end after that moment are written, in all processes. What follows a call that
was made again is held back: the next call shows whether it is as recorded.
"""

from __future__ import annotations

import contextlib
import os
from collections import deque
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from otel_agenttrace.model import Span

__all__ = ["Additions"]

_HELD: Final = 10_000
"""How many spans are held back."""
_MARK: Final = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_CLOEXEC", 0)


class Additions:
    """What one process knows of it. The mark is a file that is made when the first call goes live: it tells the others."""

    def __init__(self, mark: Path) -> None:
        self._mark = mark
        self._since_ns: int | None = None
        self._again_ns: int | None = None
        self._held: deque[Span] = deque(maxlen=_HELD)

    def made_again(self, now_ns: int) -> None:
        """Take note that a recorded call is made again: what follows may differ from what is recorded."""
        if self._again_ns is None:
            self._again_ns = now_ns

    def answered(self) -> None:
        """Take note that a call is answered from its recording: so far all is as recorded."""
        self._again_ns = None

    def went_live(self, now_ns: int) -> Sequence[Span]:
        """Take note that a call without a recording goes live, and return the spans held back that belong to its run."""
        if self._since_ns is not None:
            return ()
        self._since_ns = self._again_ns or now_ns
        with contextlib.suppress(FileExistsError):  # another process was first
            descriptor = os.open(self._mark, _MARK, 0o600)
            os.write(descriptor, str(self._since_ns).encode())
            os.close(descriptor)
        held: list[Span] = []
        with contextlib.suppress(IndexError):  # until it is empty; another thread may help
            while True:
                held.append(self._held.popleft())
        return [span for span in held if self._is_later(span, self._since_ns)]

    def takes(self, span: Span) -> bool:
        """Whether an ended span is to be written; else it is held back."""
        since_ns = self._since_ns if self._since_ns is not None else self._marked_ns()
        if since_ns is not None and self._is_later(span, since_ns):
            return True
        self._held.append(span)
        return False

    def _marked_ns(self) -> int | None:
        try:
            return int(self._mark.read_bytes() or 0) or None
        except FileNotFoundError:
            return None

    def _is_later(self, span: Span, since_ns: int) -> bool:
        return span.end_ns is None or span.end_ns >= since_ns
