"""Read many files one after another. Paths in, traces or streams of spans out; what cannot be read is named, the rest is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from otel_agenttrace.errors import CassetteError, IngestError
from otel_agenttrace.model import Call, CallGist, CallReader, Exchange, RequestPieces, Span

__all__ = ["Source", "Unread", "forgiven", "read_each"]

_Read = TypeVar("_Read")


@dataclass(frozen=True, slots=True)
class Source:
    """A file that tells runs.

    Attributes:
        name: What the user calls it; `-` for the standard input.
        path: Where it can be read.
    """

    name: str
    path: Path


@dataclass(frozen=True, slots=True)
class Unread:
    """A file that cannot be read, and why."""

    name: str
    reason: str


def read_each(
    sources: Iterable[Source], read: Callable[[Path], _Read], unread: list[Unread]
) -> Iterator[tuple[str, _Read]]:
    """Yield the name of each file and what was read of it; those that cannot be read are added to `unread`."""
    for source in sources:
        found = _read(source, read, unread)
        if found is not None:
            yield found


def _read(source: Source, read: Callable[[Path], _Read], unread: list[Unread]) -> tuple[str, _Read] | None:
    try:
        return source.name, read(source.path)
    except (CassetteError, IngestError) as error:
        unread.append(Unread(source.name, _told(error, source)))
        return None


def _told(error: Exception, source: Source) -> str:
    """Return what is wrong; of the standard input without the file that it is kept in, which is gone when somebody reads this."""
    told = str(error)
    return told if source.name == str(source.path) else told.partition("\n")[0].replace(str(source.path), source.name)


def forgiven(spans: Iterable[Span], tell: Callable[[str], object]) -> Iterator[Span]:
    """Yield spans whose recorded calls, where they turn out to be damaged, are told and then not known, instead of raised.

    Args:
        spans: The spans.
        tell: Is told once of each damage.
    """
    source = _Forgiving(tell)
    for span in spans:
        yield span if span.read_call is None else replace(span, read_call=source.reader(span.read_call))


class _Forgiving:
    """Reads calls by the readers they have; those that are damaged are told and then not known."""

    def __init__(self, tell: Callable[[str], object]) -> None:
        self._tell = tell
        self._told: set[str] = set()

    def reader(self, read: Callable[[], Call | None]) -> Callable[[], Call | None]:
        """Return what reads a call so."""
        return CallReader(self, read, read.digests) if isinstance(read, CallReader) else partial(self.call, read)

    def call(self, read: Callable[[], Call | None]) -> Call | None:
        return self._or_else(read, None)

    def attempts(self, read: CallReader) -> tuple[Exchange, ...]:
        return self._or_else(read.attempts, ())

    def pieces(self, read: CallReader) -> RequestPieces | None:
        found = self._or_else(read.pieces, None)
        return found and replace(found, elements=partial(self._or_else, found.elements, None))

    def names(self, read: CallReader) -> frozenset[str] | None:
        return read.names()

    def gist(self, read: CallReader) -> CallGist | None:
        return read.gist()

    def _or_else(self, read: Callable[[], _Read], damaged: _Read) -> _Read:
        try:
            return read()
        except CassetteError as damage:
            if str(damage) not in self._told:
                self._told.add(str(damage))
                self._tell(f"content skipped: {damage}")
            return damaged
