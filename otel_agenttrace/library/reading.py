"""Read many files one after another. Paths in, traces or streams of spans out; what cannot be read is named, the rest is read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from otel_agenttrace.errors import CassetteError, IngestError

__all__ = ["Source", "Unread", "read_each"]

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
        unread.append(Unread(source.name, str(error)))
        return None
