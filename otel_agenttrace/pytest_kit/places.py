"""Which file belongs to a test. Its place in the project in, the path of its cassette out."""

from __future__ import annotations

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from otel_agenttrace.cassette.places import ENDINGS

__all__ = ["cassette_path", "file_name", "one_name", "shown", "told", "without_trial"]

_UNSAFE: Final = re.compile(r"[^\w.,=+@()\[\]-]+")
_LONGEST: Final = 120
"""In bytes: most file systems take 255, and the names of what stands beside a cassette are longer."""
_DIGEST: Final = 8


def cassette_path(test_file: Path, folder: str, name: str) -> Path:
    """Return `<folder>/<module>/<name>.otlp.jsonl` beside a test file; the packed file, if only that is there."""
    plain = one_name(test_file.parent / folder / test_file.stem / f"{file_name(name)}{ENDINGS[0]}")
    packed = plain.with_name(f"{plain.name}.zst")
    return packed if packed.exists() and not plain.exists() else plain


def file_name(name: str) -> str:
    """Return a name that any file system takes; where something had to go, a digest keeps it apart from its like."""
    safe = _UNSAFE.sub("_", name)
    as_bytes = safe.encode("utf-8", "surrogatepass")
    if safe == name and len(as_bytes) <= _LONGEST:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGEST]
    return f"{as_bytes[:_LONGEST].decode('utf-8', 'ignore')}-{digest}"


def one_name(path: Path) -> Path:
    """Return a path without `..`: the same file has the same path, from whatever folder a test names it."""
    return Path(os.path.normpath(path))


def without_trial(name: str, number: int) -> str:
    """Return the name of a test without the number of its trial: `test_a[trial-2]` is `test_a`; 0 for no trial."""
    if number == 0:
        return name
    told = rf"trial-{number}"
    return re.sub(rf"-{told}(?=[\]-])|(?<=\[){told}-|\[{told}\]$", "", name, count=1)


def shown(path: Path) -> Path:
    """Return a path as one would type it here: relative, if it is below the working directory."""
    try:
        return path.relative_to(Path.cwd())
    except (ValueError, OSError):  # elsewhere, or the working directory is gone
        return path


def told(path: Path, root: Path) -> str:
    """Return a path as reports name it: relative to the root of the project, with `/`."""
    return os.path.relpath(path, root).replace(os.sep, "/")
