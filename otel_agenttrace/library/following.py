"""Follow a cassette that is being written. Path in, the spans that came since the last look out. No clock: who looks decides when."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.recording import is_held
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.errors import CassetteCorrupt, CassetteNotFound
from otel_agenttrace.model import Span

__all__ = ["Followed"]

_PARTIAL = ".partial"


class Followed:
    """A run as it goes on: in its partial until it gets its name, or in a file that others append to.

    Args:
        path: The cassette or its partial; it may not be there yet.
        warn: Is told of lines that are left out.
    """

    def __init__(self, path: Path, warn: Callable[[str], object]) -> None:
        named = path.with_name(path.name.removesuffix(_PARTIAL))
        self._named = named
        self._partial = partial_path(named)
        self._warn = warn
        self._is_run = path.suffix == _PARTIAL or self._partial.exists() or not path.exists()
        self._lines = 0
        self._size = -1
        self.spans: tuple[Span, ...] = ()
        """All that came so far, in the order they ended."""
        self.is_over = False
        """Whether the run has ended, or was killed."""

    def look(self) -> tuple[Span, ...]:
        """Return the spans that came since the last look.

        Raises:
            CassetteCorrupt: If a line is damaged and nothing before it was read.
            CassetteTooNew: If a later release writes it.
        """
        is_over = self._is_run and self._begun() and not self._goes_on()  # before reading: what came last is read then
        path = self._partial if self._is_run and self._partial.exists() else self._named
        new = self._new(path)
        self.spans += new
        self.is_over = is_over
        return new
