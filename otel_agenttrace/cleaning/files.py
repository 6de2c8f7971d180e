"""Clean a file that was written already. Path and rules in, the file written anew and what leaked out."""

from __future__ import annotations

import os
import stat
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from shlex import quote
from typing import Final

from otel_agenttrace.cassette.appending import kept_still
from otel_agenttrace.cassette.beginning import check_may_be_replaced, is_ours
from otel_agenttrace.cassette.held import check_is_file
from otel_agenttrace.cassette.pack import SUFFIX as PACKED
from otel_agenttrace.cassette.places import files_in
from otel_agenttrace.cassette.private import refuse_link, write_private
from otel_agenttrace.cassette.reader import Cassette, open_cassette
from otel_agenttrace.cassette.recording import is_held
from otel_agenttrace.cassette.rewriting import rewrite
from otel_agenttrace.cassette.sidecars import (
    NOTES,
    notes_path,
    read_sidecar,
    remove_unused,
    sidecar_folder,
    sidecars,
    spilled,
)
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.cleaning.cassettes import CleanedCassette, cleaned_cassette
from otel_agenttrace.cleaning.documents import cleaned_documents
from otel_agenttrace.cleaning.leaks import Leak
from otel_agenttrace.cleaning.texts import leaks_of_text
from otel_agenttrace.errors import CassetteCorrupt, CassetteError, CassetteInaccessible
from otel_agenttrace.redact import Redactor

__all__ = [
    "CASSETTES",
    "CleanedFile",
    "clean",
    "cleanable_files",
    "cleaned",
    "cure",
    "open_own",
    "torn_leaks",
]

CASSETTES: Final = (".otlp.jsonl", ".otlp.jsonl.partial")
"""How the names of cassettes end."""
_NOTED: Final = CASSETTES[0] + NOTES

_SPANS: Final = b"resourceSpans"


@dataclass(frozen=True, slots=True)
class CleanedFile:
    """What was found in a file, and what became of it.

    Attributes:
        path: The file.
        leaks: What was found.
        written: Where it stands without that; None where nothing was written.
        left: Large bodies that hold a secret still: another file names them, or a run records beside it.
        problem: Why it could not be cleaned.
    """

    path: Path
    leaks: tuple[Leak, ...] = ()
    written: Path | None = None
    left: tuple[Path, ...] = ()
    problem: str = ""


def cleanable_files(path: Path) -> tuple[Path, ...]:
    """Return the file itself and the notes beside it, or those in and below a folder, and folders there that cannot be read.

    Raises:
        CassetteError: If no cassette is in the folder.
    """
    if not path.is_dir():
        notes = notes_path(path)
        return (path, notes) if notes.is_file() else (path,)
    files, unread = files_in(path)
    found = sorted((*(each for each in files if each.name.endswith((*CASSETTES, _NOTED))), *unread))
    if not found:
        raise CassetteError(
            f"There is no cassette in {path}.\n"
            f"  to fix   name a file, or a folder with files whose names end in {' or '.join(CASSETTES)}"
        )
    return tuple(found)


def cure(path: Path) -> str:
    """Return the command that cleans a cassette or a trace."""
    if path.suffix != PACKED:
        return f"otel-agenttrace redact {quote(str(path))}"
    plain = quote(str(path.with_suffix("")))
    return (
        f"zstd -d {quote(str(path))} && rm -f {quote(str(path))} && otel-agenttrace redact {plain} && "
        f"otel-agenttrace pack {plain}"
    )


def cleaned(path: Path, redactor: Redactor, *, to: Path | None = None, dry_run: bool = False) -> CleanedFile:
    """Clean a file as `clean` does, and return its problem if that cannot be done.

    Raises:
        CassetteInaccessible: If the clean file cannot be written to another place.
    """
    try:
        return clean(path, redactor, to=to, dry_run=dry_run)
    except CassetteError as error:
        if to is not None and isinstance(error, CassetteInaccessible) and error.is_output:
            raise
        return CleanedFile(path, problem=str(error))


def clean(path: Path, redactor: Redactor, *, to: Path | None = None, dry_run: bool = False) -> CleanedFile:
    """Remove from a cassette, or from a trace of others, what these rules redact, and return what that was.

    Args:
        path: The file; it keeps its mode, and stays as it is if nothing is found.
        redactor: The rules.
        to: Where the clean file goes; None is its own place. What is no cassette is not replaced there.
        dry_run: Whether nothing is written.

    Raises:
        CassetteError: If it cannot be read or written, is packed, or is still recorded to.
    """
    if path.suffix == PACKED:
        raise CassetteError(f"{path} is packed, and is not written to.\n  to fix   {cure(path)}")
    try:
        if to is not None and to.resolve() == path.resolve():
            to = None
        if not dry_run:
            refuse_link(to or path)
        if to is not None and not to.name.endswith(NOTES):
            check_may_be_replaced(to, "written")
        cassette = open_own(path)
        return (
            _clean_trace(path, redactor, to, dry_run=dry_run)
            if cassette is None
            else _clean_cassette(path, cassette, redactor, to, dry_run=dry_run)
        )
    except OSError as error:
        if isinstance(error, CassetteError):
            raise
        raise CassetteInaccessible(path, "cleaned", f"{error.strerror}") from error


def open_own(path: Path) -> Cassette | None:
    """Return the cassette at a path, and None if it is a file that others wrote.

    Raises:
        CassetteError: If it cannot be read.
        OSError: If the system does not let us look.
    """
    if path.is_dir():
        next(path.iterdir(), None)  # tells why it could not be looked through
    check_is_file(path, "read")
    if path.exists() and path.suffix != PACKED and not is_ours(path):
        return None
    return open_cassette(path, strict=True, warn=_unheard)


def _unheard(_: str) -> None:
    """Stay silent: a torn line is looked at, and goes if anything does."""


def torn_leaks(path: Path, cassette: Cassette, redactor: Redactor) -> tuple[Leak, ...]:
    """Return what leaks in a last line that its killed writer left torn."""
    if not cassette.index.torn or path.suffix == PACKED:
        return ()
    whole, _, torn = path.read_bytes().rpartition(b"\n")
    line = whole.count(b"\n") + 2 if whole else 1
    return tuple(leaks_of_text(torn.decode("utf-8", "replace"), redactor, line))


def _clean_trace(path: Path, redactor: Redactor, to: Path | None, *, dry_run: bool) -> CleanedFile:
    content = path.read_bytes()
    try:
        written, leaks = cleaned_documents(path, content, redactor)
    except CassetteCorrupt as error:
        if _SPANS in content:
            raise
        place = f"see where: otel-agenttrace doctor --scan {quote(str(path))}"
        reason = "it is neither a cassette nor OTLP/JSON"
        raise CassetteInaccessible(path, "cleaned", reason, f"take secrets out by hand; {place}") from error
    if dry_run or not (leaks or to is not None):
        return CleanedFile(path, leaks)
    # Somebody may annotate in this very moment, unless nobody may write there.
    is_appended_to = to is None and path.name.endswith(NOTES) and os.access(path, os.W_OK)
    with kept_still(path) if is_appended_to else nullcontext(content) as now:
        if now != content:
            written, leaks = cleaned_documents(path, now, redactor)
        write_private(to or path, written, stat.S_IMODE(path.stat().st_mode), durable=True)
    return CleanedFile(path, leaks, to or path)


def _clean_cassette(
    path: Path, cassette: Cassette, redactor: Redactor, to: Path | None, *, dry_run: bool
) -> CleanedFile:
    if path.suffix == ".partial" and not dry_run and is_held(path):
        raise CassetteInaccessible(path, "cleaned", "a run records to it", "wait for its end")
    found = cleaned_cassette(cassette, redactor)
    leaks = (*found.leaks, *torn_leaks(path, cassette, redactor))
    if dry_run or not (leaks or to is not None):
        return CleanedFile(path, leaks)
    left = _write(path, to, found)
    return CleanedFile(path, leaks, to or path, tuple(sidecar_folder(path) / digest for digest in sorted(left)))


def _write(path: Path, to: Path | None, found: CleanedCassette) -> frozenset[str]:
    """Write the clean cassette, and return the large bodies with a secret that had to stay in its place."""
    place = to or path
    older = sidecars(place)
    for body in found.bodies:
        spilled(place, body)
    if to is not None:
        for digest in found.kept:
            spilled(to, read_sidecar(path, digest))
    partial = partial_path(place)
    is_recorded = partial.exists() and is_held(partial)
    left = rewrite(path, found.changes, spans=found.spans, to=to, keeps_bodies=is_recorded)
    if to is not None:  # those of an older copy
        remove_unused(to, older, keeps=is_recorded)
    return left
