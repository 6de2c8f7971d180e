"""Large bodies stand in files of their own beside their cassette, named by their digest. Bytes in, digest out, and back."""

from __future__ import annotations

import contextlib
import hashlib
import re
import stat
from collections.abc import Collection
from pathlib import Path
from typing import Final

from otel_agenttrace.cassette.private import make_private_folder, read_regular, refuse_link, write_private

__all__ = ["read_sidecar", "remove_unused", "sidecar_digest", "sidecar_folder", "sidecars", "spilled"]

_SPILL_FROM: Final = 1 << 20
"""Bodies above this many bytes stand in a file of their own."""

_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NAMED: Final = re.compile(rb'"([0-9a-f]{64})"')


def sidecar_folder(path: Path) -> Path:
    """Return the folder that holds the large bodies of a cassette or of its partial."""
    return path.with_name(path.name.removesuffix(".zst").removesuffix(".partial") + ".bodies")


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


def remove_unused(path: Path, digests: Collection[str]) -> None:
    """Remove those of these large bodies that the cassette, or its packed form, does not name.

    Raises:
        OSError: If the cassette cannot be read or a file not be removed.
    """
    if not digests or path.with_name(f"{path.name}.zst").exists():
        return
    with path.open("rb") as lines:
        named = {digest.decode() for line in lines for digest in _NAMED.findall(line)}
    folder = sidecar_folder(path)
    for digest in sidecars(path).intersection(digests).difference(named):
        (folder / digest).unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # it still holds something
        folder.rmdir()
