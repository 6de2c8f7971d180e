"""Read many files one after another. Paths in, traces or streams of spans out; what cannot be read is named, the rest is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

from otel_agenttrace.errors import CassetteError, IngestError
from otel_agenttrace.model import Call, CallReader, RequestPieces, Span

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
    told: set[str] = set()

    def named(damage: CassetteError) -> None:
        if str(damage) not in told:
            told.add(str(damage))
            tell(f"content skipped: {damage}")

    for span in spans:
        yield span if span.read_call is None else replace(span, read_call=_forgiving(span.read_call, named))


def _forgiving(
    read: Callable[[], Call | None], named: Callable[[CassetteError], None]
) -> CallReader | Callable[[], Call | None]:
    call = partial(_or_else, read, None, named)
    if not isinstance(read, CallReader):
        return call
    attempts, request = partial(_or_else, read.attempts, (), named), partial(_pieces, read.request, named)
    return CallReader(call, attempts, read.digests, request)


def _pieces(read: Callable[[], RequestPieces | None], named: Callable[[CassetteError], None]) -> RequestPieces | None:
    found = _or_else(read, None, named)
    return found and replace(found, elements=partial(_or_else, found.elements, None, named))


def _or_else(read: Callable[[], _Read], damaged: _Read, named: Callable[[CassetteError], None]) -> _Read:
    try:
        return read()
    except CassetteError as damage:
        named(damage)
        return damaged
