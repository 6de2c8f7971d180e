"""What a run could not write. Errors of the system in, one warning while it runs and a count for its end out."""

from __future__ import annotations

import errno
import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from otel_agenttrace.errors import CassetteInaccessible

__all__ = ["Losses"]

_log = logging.getLogger("otel_agenttrace")
_NO_ROOM: Final = "free some room, or name a cassette on another disk"
_NO_RIGHT: Final = "make the file and its folder writable, or name a cassette elsewhere"
_CURES: Final[Mapping[int, str]] = {
    errno.ENOSPC: _NO_ROOM,
    errno.EDQUOT: _NO_ROOM,
    errno.EFBIG: "raise the limit of the size of a file (ulimit -f)",
    errno.EACCES: _NO_RIGHT,
    errno.EPERM: _NO_RIGHT,
    errno.EROFS: _NO_RIGHT,
    errno.ENOENT: "record again, and leave the file where it is until the run ends",
}
_ELSE: Final = "look after the disk, or name a cassette on another one"


class Losses:
    """Counts the calls and other spans that could not be written. Its first one is told, as the others of a run may follow."""

    def __init__(self) -> None:
        self.calls = 0
        self.spans = 0
        self.is_file_gone = False
        self._has_told = False

    def note(self, path: Path, error: OSError | CassetteInaccessible, *, is_call: bool) -> None:
        """Take note that a span, of a recorded call or another, could not be written to a file."""
        self.add(int(is_call), int(not is_call))
        if isinstance(error, OSError):
            reason, cure = f"{error.strerror or error}", _CURES.get(error.errno or 0, _ELSE)
        else:
            reason, cure = str(error).split("\n  to fix   ", 1)
        self._tell(path, f"cannot be written: {reason}", cure)

    def add(self, calls: int, spans: int) -> None:
        """Take note of what another process of the run could not write: it has told why."""
        self.calls += calls
        self.spans += spans

    def file_is_gone(self, path: Path) -> None:
        """Take note that somebody has taken away what was recorded."""
        self.is_file_gone = True
        if not self.calls + self.spans:
            self._tell(path, "was removed or moved while it was recorded to", _CURES[errno.ENOENT])

    def _tell(self, path: Path, what: str, cure: str) -> None:
        if not self._has_told:
            self._has_told = True
            _log.warning(
                "%s %s. The application goes on; each call that cannot be written is lost, what was written before stays."
                "\n  to fix   %s",
                path,
                what,
                cure,
            )
