"""The distribution as it would be published. The tree in; its sdist and wheels out."""

from __future__ import annotations

import sys
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import ZipFile

from build import ProjectBuilder
from pyproject_hooks import quiet_subprocess_runner

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

__all__ = ["PYPROJECT", "ROOT", "Distribution", "built", "files_of"]

ROOT = Path(__file__).parents[2]
PYPROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class Distribution:
    """What is built from the tree: the sdist, the wheel, and the wheel built from the unpacked sdist."""

    sdist: Path
    wheel: Path
    wheel_of_sdist: Path


def built(folder: Path) -> Distribution:
    """Return the distribution, built into a folder with the installed hatchling: no network."""
    tree = ProjectBuilder(ROOT, runner=quiet_subprocess_runner)
    sdist = Path(tree.build("sdist", folder))
    wheel = Path(tree.build("wheel", folder))
    with tarfile.open(sdist) as archive:
        archive.extraction_filter = getattr(
            tarfile, "data_filter", None
        )  # the first releases of 3.10 and 3.11 have none
        archive.extractall(folder / "unpacked")
    (unpacked,) = (folder / "unpacked").iterdir()
    again = ProjectBuilder(unpacked, runner=quiet_subprocess_runner)
    return Distribution(sdist, wheel, Path(again.build("wheel", folder / "again")))


def files_of(wheel: Path) -> dict[str, bytes]:
    """Return the files of a wheel by name."""
    with ZipFile(wheel) as archive:
        return {name: archive.read(name) for name in archive.namelist()}
