"""Find the files a user means. Names and folders in, paths out."""

from __future__ import annotations

from pathlib import Path

from otel_agenttrace.cassette.places import ENDINGS
from otel_agenttrace.cleaning.files import files_in
from otel_agenttrace.errors import CassetteError

__all__ = ["traces_at"]


def traces_at(path: Path) -> tuple[Path, ...]:
    """Return the file itself, or the cassettes in and below a folder, packed ones too, and folders there that cannot be read.

    Raises:
        CassetteError: If no cassette is in the folder.
    """
    if not path.is_dir():
        return (path,)
    files, unread = files_in(path)
    found = sorted((*(each for each in files if each.name.endswith(ENDINGS)), *unread))
    if not found:
        raise CassetteError(
            f"There is no cassette in {path}.\n  to fix   name a trace, or a folder with files whose names end in {' or '.join(ENDINGS)}"
        )
    return tuple(found)
