"""Large bodies stand in files of their own beside their cassette, named by their digest. Bytes in, digest out, and back."""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import threading
from collections.abc import Collection
from pathlib import Path
from typing import Final

__all__ = ["read_sidecar", "remove_unused", "sidecar_folder", "sidecars", "spilled", "write_private"]

_SPILL_FROM: Final = 1 << 20
"""Bodies above this many bytes stand in a file of their own."""

_WRITE: Final = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_NOFOLLOW", 0)
_DIGEST: Final = re.compile(r"[0-9a-f]{64}")
_NAMED: Final = re.compile(rb'"([0-9a-f]{64})"')


def sidecar_folder(path: Path) -> Path:
    """Return the folder that holds the large bodies of a cassette or of its partial."""
    return path.with_name(path.name.removesuffix(".zst").removesuffix(".partial") + ".bodies")


def spilled(path: Path, body: bytes) -> str | None:
    """Write a large body to its own file and return its digest; None for one that stands in its line.

    Raises:
        OSError: If it cannot be written.
    """
    if len(body) <= _SPILL_FROM:
        return None
    digest = hashlib.sha256(body).hexdigest()
    whole = sidecar_folder(path) / digest
    if not whole.exists():
        whole.parent.mkdir(mode=0o700, exist_ok=True)
        write_private(whole, body)
    return digest


def write_private(path: Path, content: bytes, mode: int = 0o600, *, durable: bool = False) -> None:
    """Write a file for its owner only, whole or not at all; no link is followed.

    Args:
        path: Its path; what stands there makes room when all is written.
        content: All of it.
        mode: Its permissions.
        durable: Whether it is on the disk, not only with the system, before it takes its place.

    Raises:
        OSError: If it cannot be written.
    """
    growing = path.with_name(f"{path.name}.{os.getpid()}.{threading.get_ident()}")
    try:
        with os.fdopen(os.open(growing, _WRITE, mode), "wb") as file:
            file.write(content)
            if durable:
                file.flush()
                os.fsync(file.fileno())
        growing.replace(path)
    finally:
        growing.unlink(missing_ok=True)


def read_sidecar(path: Path, digest: str) -> bytes:
    """Return a large body of a cassette.

    Raises:
        ValueError: If that is no digest.
        OSError: If there is no such file.
    """
    if not _DIGEST.fullmatch(digest):
        raise ValueError(f"{digest[:80]!r} is no digest")
    return (sidecar_folder(path) / digest).read_bytes()


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
