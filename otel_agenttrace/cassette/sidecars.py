"""Large bodies stand in files of their own beside their cassette, named by their digest. Bytes in, digest out, and back."""

from __future__ import annotations

import contextlib
import hashlib
import re
import stat
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Final

from otel_agenttrace.cassette.pack import SUFFIX as PACKED
from otel_agenttrace.cassette.pack import unpacked
from otel_agenttrace.cassette.private import make_private_folder, read_regular, refuse_link, write_private
from otel_agenttrace.errors import CassetteError

__all__ = [
    "BODIES",
    "NOTES",
    "bodies_size",
    "copy_named",
    "notes_path",
    "other_forms",
    "plain_name",
    "read_sidecar",
    "remove_cassette",
    "remove_unused",
    "sidecar_digest",
    "sidecar_folder",
    "sidecars",
    "spilled",
    "unnamed",
]

_SPILL_FROM: Final = 1 << 20
"""Bodies above this many bytes stand in a file of their own."""

BODIES: Final = ".bodies"
"""How the name of a folder of large bodies ends."""

NOTES: Final = ".notes.jsonl"
"""How the name of the file ends that holds what people put on the spans of a cassette."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NAMED: Final = re.compile(rb'"([0-9a-f]{64})"')
_OVERLAP: Final = 65
"""A name that two pieces divide ends within so many bytes."""


def sidecar_folder(path: Path) -> Path:
    """Return the folder that holds the large bodies of a cassette or of its partial."""
    return path.with_name(plain_name(path) + BODIES)


def notes_path(path: Path) -> Path:
    """Return where what people put on the spans of a cassette is kept; its partial and its packed form share that."""
    return path.with_name(plain_name(path) + NOTES)


def plain_name(path: Path) -> str:
    """Return the name that a cassette, its partial and its packed form have in common."""
    return path.name.removesuffix(PACKED).removesuffix(".partial")


def sidecar_digest(body: bytes) -> str | None:
    """Return the name of the file that a large body stands in; None for one that stands in its line."""
    return None if len(body) <= _SPILL_FROM else hashlib.sha256(body).hexdigest()


def spilled(path: Path, body: bytes) -> str | None:
    """Write a large body to its own file and return its digest; None for one that stands in its line.

    Raises:
        CassetteInaccessible: If a link stands in the place of the file or its folder.
        OSError: If it cannot be written.
    """
    digest = sidecar_digest(body)
    if digest is None:
        return None
    whole = sidecar_folder(path) / digest
    make_private_folder(whole.parent)
    refuse_link(whole)
    if not _holds(whole, len(body)):
        write_private(whole, body)
    return digest


def _holds(path: Path, size: int) -> bool:
    try:
        status = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISREG(status.st_mode) and status.st_size == size


def read_sidecar(path: Path, digest: str) -> bytes:
    """Return a large body of a cassette: a regular file in its folder, opened by its digest alone, with that content.

    Raises:
        ValueError: If that is no digest, no file, or a file with another content.
        OSError: If there is no such file.
    """
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest[:80]!r} is no digest")
    folder = sidecar_folder(path)
    if folder.is_symlink():
        raise ValueError(f"{folder} is a symbolic link")
    body = read_regular(folder / digest)
    if hashlib.sha256(body).hexdigest() != digest:
        raise ValueError(f"{folder / digest} has another content than its name says")
    return body


def sidecars(path: Path) -> frozenset[str]:
    """Return the digests of the large bodies that stand beside a cassette."""
    folder = sidecar_folder(path)
    if not folder.is_dir() or folder.is_symlink():
        return frozenset()
    return frozenset(file.name for file in folder.iterdir() if _DIGEST.fullmatch(file.name))


def remove_unused(path: Path, digests: Collection[str], *, keeps: bool = False) -> frozenset[str]:
    """Remove those of these large bodies that no file names which shares them: the cassette, its partial, packed forms.

    Args:
        path: One of these files.
        digests: The bodies in question.
        keeps: Whether none is removed: a run that records may name any in a moment.

    Returns:
        Those that the file at the path does not name, and that stay because another one does or cannot be read.

    Raises:
        OSError: If the file at the path cannot be read or a body not be removed.
    """
    loose = sidecars(path).intersection(digests)
    if not loose:
        return loose
    loose -= _named(path)
    if keeps:
        return loose
    try:
        kept = loose & frozenset(digest for other in other_forms(path) for digest in _named(other))
    except (OSError, CassetteError):
        return loose
    folder = sidecar_folder(path)
    for digest in loose - kept:
        (folder / digest).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it still holds something
        folder.rmdir()
    return kept


def copy_named(content: bytes, source: Path, to: Path) -> None:
    """Copy the large bodies that the content of a cassette names from beside one cassette to beside another.

    Raises:
        ValueError: If one of them has another content than its name says.
        OSError: If one cannot be read or written.
    """
    for digest in _digests(content) & sidecars(source):
        spilled(to, read_sidecar(source, digest))


def remove_cassette(path: Path) -> None:
    """Remove a cassette, or its partial, and the large bodies beside it that no other file names.

    Raises:
        OSError: If something cannot be removed.
    """
    digests = sidecars(path)
    path.unlink()
    other = next(other_forms(path), None)
    if other is not None:
        remove_unused(other, digests)
        return
    folder = sidecar_folder(path)
    for digest in digests:
        (folder / digest).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it is not there, or holds something else
        folder.rmdir()


def unnamed(folder: Path) -> frozenset[str]:
    """Return the large bodies in a folder of them that no file names; none where a file that shares them cannot be read."""
    path = folder.with_name(folder.name.removesuffix(BODIES))
    sharing = (*((path,) if path.exists() else ()), *other_forms(path))
    try:
        return sidecars(path) - frozenset(digest for each in sharing for digest in _named(each))
    except (OSError, CassetteError):
        return frozenset()


def bodies_size(path: Path) -> int:
    """Return how many bytes the large bodies beside a cassette have."""
    folder = sidecar_folder(path)
    return sum((folder / digest).lstat().st_size for digest in sidecars(path))


def other_forms(path: Path) -> Iterator[Path]:
    """Yield the files that share large bodies with the one at a path."""
    name = plain_name(path)
    for other in (name, f"{name}.partial", f"{name}{PACKED}", f"{name}.partial{PACKED}"):
        if other != path.name and path.with_name(other).exists():
            yield path.with_name(other)


def _named(path: Path) -> frozenset[str]:
    """Return the digests that a file names, packed or not."""
    named: set[str] = set()
    held = b""
    for piece in unpacked(path) if path.suffix == PACKED else _pieces(path):
        held += piece
        named |= _digests(held)
        held = held[-_OVERLAP:]
    return frozenset(named)


def _digests(content: bytes) -> frozenset[str]:
    return frozenset(digest.decode() for digest in _NAMED.findall(content))


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_SPILL_FROM):
            yield piece
