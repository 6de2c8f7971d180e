"""Look for leaks in all files of a folder, whoever wrote them. Paths in, what leaks in each out; nothing is written."""

from __future__ import annotations

import codecs
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import BinaryIO, Final

from otel_agenttrace.cassette.pack import SUFFIX as PACKED
from otel_agenttrace.cassette.pack import unpacked
from otel_agenttrace.cassette.places import files_in
from otel_agenttrace.cleaning.cassettes import cleaned_cassette
from otel_agenttrace.cleaning.documents import cleaned_documents
from otel_agenttrace.cleaning.files import CASSETTES, cure, open_own, torn_leaks
from otel_agenttrace.cleaning.leaks import Leak
from otel_agenttrace.cleaning.texts import leaks_of_texts
from otel_agenttrace.errors import CassetteCorrupt, CassetteError
from otel_agenttrace.redact import Redactor

__all__ = ["ScannedFile", "files_below", "scanned"]

_BODIES: Final = ".bodies"
_BINARY: Final = (".bz2", ".gz", ".jpeg", ".jpg", ".pdf", ".png", ".pyc", ".sqlite", ".whl", ".xz", ".zip")
_ENCODINGS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
"""Marks at the beginning of a text; those of UTF-32 begin like those of UTF-16."""
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
    """Return the file itself, or those in and below a folder: large bodies last, and folders that cannot be read too."""
    if not folder.is_dir():
        return (folder,)
    files, unread = files_in(folder)
    return tuple(sorted((*files, *unread), key=lambda path: (path.parent.name.endswith(_BODIES), path)))


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
        return None
    seen.update(found.sidecars)
    leaks = (*found.leaks, *torn_leaks(path, cassette, redactor))
    cassette.close()
    return ScannedFile(path, leaks, cure(path))


def _foreign(path: Path, redactor: Redactor) -> ScannedFile:
    if path.suffix != PACKED:
        with path.open("rb") as file:
            return _content(path, file, redactor)
    try:
        with TemporaryFile() as file:
            file.writelines(unpacked(path))
            return _content(path, file, redactor)
    except CassetteCorrupt:
        if path.with_suffix("").name.endswith(CASSETTES):
            raise
        return ScannedFile(path, is_binary=True)


def _content(path: Path, file: BinaryIO, redactor: Redactor) -> ScannedFile:
    file.seek(0)
    beginning = file.read(_LOOKED_AT)
    encoding = next((name for mark, name in _ENCODINGS if beginning.startswith(mark)), "utf-8")
    if path.suffix.lower() in _BINARY or (b"\0" in beginning and encoding == "utf-8"):
        return ScannedFile(path, is_binary=True)
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if b'"resourceSpans"' in beginning and size <= _MOST_DOCUMENT:
        try:
            return ScannedFile(path, cleaned_documents(path, file.read(), redactor)[1], cure(path))
        except CassetteCorrupt:  # no JSON after all
            file.seek(0)
    return ScannedFile(path, tuple(leaks_of_texts(file, redactor, encoding)))
