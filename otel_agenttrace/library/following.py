"""Follow a cassette that is being written. Path in, the spans that came since the last look out. No clock: who looks decides when."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.recording import is_held
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.errors import CassetteCorrupt
from otel_agenttrace.library.pruning import PARTIAL
from otel_agenttrace.model import Span

__all__ = ["Followed"]


class Followed:
    """A run as it goes on: in its partial until it gets its name, or in a file that others append to.

    Args:
        path: The cassette or its partial; it may not be there yet.
        warn: Is told of lines that are left out, when the run is over.
    """

    def __init__(self, path: Path, warn: Callable[[str], object]) -> None:
        named = path.with_name(path.name.removesuffix(PARTIAL))
        self._named = named
        self._partial = partial_path(named)
        self._warn = warn
        self._is_run = path.suffix == PARTIAL or self._partial.exists() or not path.exists()
        self._has_begun = False
        self._is_left = False
        self._lines = 0
        self._size = -1
        self.spans: tuple[Span, ...] = ()
        """All that came so far, in the order they ended."""
        self.is_over = False
        """Whether the run has ended, or was killed."""

    @property
    def is_there(self) -> bool:
        """Whether there is anything to follow yet."""
        return self._partial.exists() or self._named.exists()

    @property
    def was_killed(self) -> bool:
        """Whether the run is over and did not give its recording a name."""
        return self.is_over and self._partial.exists()

    def look(self) -> tuple[Span, ...]:
        """Return the spans that came since the last look.

        Raises:
            CassetteError: If the run is over, and nothing of it can be read.
        """
        if not self._is_run:
            return self._new(self._named)
        if not self._partial.exists():
            self.is_over = self._has_begun or self._named.exists()
            return self._new(self._named) if self.is_over else ()
        self._has_begun = True
        was_left, self._is_left = self._is_left, self._is_nobodys()
        self.is_over = was_left and self._is_left  # a run that begins holds its partial a moment after it made it
        return self._new(self._partial)

    def _is_nobodys(self) -> bool:
        try:
            return not is_held(self._partial)
        except FileNotFoundError:  # it got its name right now
            return False

    def _new(self, path: Path) -> tuple[Span, ...]:
        try:
            size = path.stat().st_size
            if size == self._size and not self.is_over:
                return ()
            cassette = open_cassette(path, warn=self._warn if self.is_over else _unheard)
        except FileNotFoundError:  # it got its name right now
            return ()
        except CassetteCorrupt:  # no line is whole yet
            if self.is_over:
                raise
            return ()
        with closing(cassette):
            new = tuple(cassette.spans(self._lines))
            self._size, self._lines = size, len(cassette.index.lines)
        self.spans += new
        return new


def _unheard(_: str) -> None:
    """Hear of a line that is torn because it is being written."""
