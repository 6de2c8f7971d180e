"""Look for leaks in all files of a folder, whoever wrote them. Paths in, what leaks in each out; nothing is written."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from otel_agenttrace.cassette.pack import SUFFIX as PACKED
from otel_agenttrace.cleaning.cassettes import cleaned_cassette
from otel_agenttrace.cleaning.documents import cleaned_documents
from otel_agenttrace.cleaning.files import cure, open_own, torn_leaks
from otel_agenttrace.cleaning.leaks import Leak
from otel_agenttrace.cleaning.texts import leaks_of_texts
from otel_agenttrace.errors import CassetteCorrupt, CassetteError
from otel_agenttrace.redact import Redactor

__all__ = ["ScannedFile", "files_below", "scanned"]

_LEFT_OUT: Final = frozenset({".git", "__pycache__"})
_BODIES: Final = ".bodies"
_BINARY: Final = (".bz2", ".gz", ".jpeg", ".jpg", ".pdf", ".png", ".pyc", ".sqlite", ".whl", ".xz", ".zip")
_LOOKED_AT: Final = 8192
_MOST_DOCUMENT: Final = 64 << 20
"""A trace that others wrote is read whole up to this size; a larger one is looked at as text."""


@dataclass(frozen=True, slots=True)
class ScannedFile:
    """What leaks in a file.

    Attributes:
        path: The file.
        leaks: What redaction would remove.
        cure: The command that cleans it, empty where a person must.
        problem: Why it could not be looked at.
        is_binary: Whether it was left out, because it is no text.
    """

    path: Path
    leaks: tuple[Leak, ...] = ()
    cure: str = ""
    problem: str = ""
    is_binary: bool = False


def files_below(folder: Path) -> tuple[Path, ...]:
    """Return the regular files in and below a folder, or the file itself: large bodies last, links not followed."""
    if not folder.is_dir():
        return (folder,)
    inner = (path for path in folder.rglob("*") if not _LEFT_OUT.intersection(path.relative_to(folder).parts))
    found = [path for path in inner if path.is_file() and not path.is_symlink()]
    return tuple(sorted(found, key=lambda path: (path.parent.name.endswith(_BODIES), path)))


def scanned(paths: Sequence[Path], redactor: Redactor) -> Iterator[ScannedFile]:
    """Yield what leaks in each file. Large bodies that a cassette names are looked at with it."""
    seen: set[str] = set()
    for path in paths:
        if path.parent.name.endswith(_BODIES) and path.name in seen:
            continue
        try:
            yield _own(path, redactor, seen) or _foreign(path, redactor)
        except (OSError, CassetteError) as error:
            yield ScannedFile(path, problem=str(error))


def _own(path: Path, redactor: Redactor, seen: set[str]) -> ScannedFile | None:
    """Return what leaks in a cassette; None if it is none, or one that can be looked at as text only."""
    try:
        cassette = open_own(path)
        if cassette is None:
            return None
        found = cleaned_cassette(cassette, redactor)
    except CassetteCorrupt:
        if path.suffix == PACKED:
            raise
        return None
    seen.update(found.sidecars)
    leaks = (*found.leaks, *torn_leaks(path, cassette, redactor))
    cassette.close()
    return ScannedFile(path, leaks, cure(path))


def _foreign(path: Path, redactor: Redactor) -> ScannedFile:
    with path.open("rb") as file:
        beginning = file.read(_LOOKED_AT)
        if path.suffix.lower() in _BINARY or b"\0" in beginning:
            return ScannedFile(path, is_binary=True)
        if b'"resourceSpans"' in beginning and path.stat().st_size <= _MOST_DOCUMENT:
            try:
                return ScannedFile(path, cleaned_documents(path, path.read_bytes(), redactor)[1], cure(path))
            except CassetteCorrupt:  # no JSON after all
                pass
        file.seek(0)
        return ScannedFile(path, tuple(leaks_of_texts(file, redactor)))
