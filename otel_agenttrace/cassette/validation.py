"""Read all of a cassette and say what is wrong with it. Path in, frozen report out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from otel_agenttrace.cassette.reader import open_cassette

__all__ = ["Validation", "validated"]


@dataclass(frozen=True, slots=True)
class Validation:
    """What reading a whole cassette has shown; each problem names path and line."""

    path: str
    spans: int
    calls: int
    problems: tuple[str, ...]


def validated(path: Path) -> Validation:
    """Return what each line and each recorded call of a cassette is worth.

    Raises:
        CassetteNotFound: If there is no file.
        CassetteCorrupt: If nothing in it is readable.
        CassetteTooNew: If a later release wrote it.
    """
    cassette = open_cassette(path)
    problems = [*map(str, cassette.index.problems), *cassette.damaged_calls()]
    if cassette.index.torn:
        problems.append(f"{path}: the last line is torn")
    return Validation(str(path), sum(1 for _ in cassette.spans()), len(cassette.index.calls), tuple(problems))
