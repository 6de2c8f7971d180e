"""Read all of a cassette and say what is wrong with it. Path in, frozen report out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from otel_agenttrace.cassette.reader import Cassette, open_cassette
from otel_agenttrace.errors import CassetteCorrupt, CassetteError

__all__ = ["Validation", "validated"]


@dataclass(frozen=True, slots=True)
class Validation:
    """What reading a whole cassette has shown; each problem of a line names path and line.

    If `readable` is false, nothing could be read, and the one problem says why.
    """

    path: str
    readable: bool
    spans: int
    calls: int
    problems: tuple[str, ...]
    warnings: tuple[str, ...]


def validated(path: Path, name: str) -> Validation:
    """Return what each line and each recorded call of a cassette is worth; the report calls it by this name."""
    try:
        cassette = open_cassette(path, warn=_unheard)
    except CassetteError as error:
        return Validation(name, readable=False, spans=0, calls=0, problems=(_told(error, name),), warnings=())
    try:
        return _of_lines(cassette, name)
    finally:
        cassette.close()


def _of_lines(cassette: Cassette, name: str) -> Validation:
    return Validation(
        name,
        readable=True,
        spans=sum(1 for _ in cassette.spans()),
        calls=len(cassette.index.calls),
        problems=tuple(_told(damage, name) for damage in cassette.damages()),
        warnings=(f"{name}: the last line is torn; it is left out",) if cassette.index.torn else (),
    )


def _unheard(_: str) -> None:
    """Stay silent: the report tells it."""


def _told(error: CassetteError, name: str) -> str:
    """Return what is wrong; a corrupt cassette's advice is to validate it, which was just done."""
    if not isinstance(error, CassetteCorrupt):
        return str(error)
    return f"{name}: {error.reason}" if error.line is None else f"{name}:{error.line}: {error.reason}"
