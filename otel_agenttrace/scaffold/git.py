"""The one setting of git that `init` makes: how a cassette reads in `git diff`. Folder in, value in force out."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Final

from otel_agenttrace.errors import ConfigError

__all__ = ["SETTING", "TEXTCONV", "is_repository", "textconv", "use_textconv"]

SETTING: Final = "diff.agenttrace.textconv"
TEXTCONV: Final = "otel-agenttrace show --conversation"

_PLACES: Final = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_CONFIG")
"""Variables that lead git to another repository than that of the folder, as within a hook."""


def is_repository(folder: Path) -> bool:
    """Whether a folder, which need not be there yet, stands in the work tree of a git repository."""
    return _git(folder, "rev-parse", "--is-inside-work-tree") == "true"


def textconv(folder: Path) -> str | None:
    """Return what the repository of a folder says of cassettes; None if it says nothing."""
    return _git(folder, "config", "--local", "--get", SETTING)


def use_textconv(folder: Path) -> None:
    """Let the repository of a folder show cassettes as conversations.

    Raises:
        ConfigError: If git does not do it.
    """
    if _git(folder, "config", "--local", SETTING, TEXTCONV) is None:
        raise ConfigError(
            f"git config {SETTING} cannot be set in {folder}.\n  to fix   git config {SETTING} '{TEXTCONV}'"
        )


def _git(folder: Path, *arguments: str) -> str | None:
    """Return what git says in a folder, or in the nearest above it that is there; None if it says no, or is not there."""
    there = next(place for place in (folder.absolute(), *folder.absolute().parents) if place.is_dir())
    environment = {name: value for name, value in os.environ.items() if name not in _PLACES}
    try:
        told = subprocess.run(
            ["git", "-C", there, *arguments],
            env=environment,
            capture_output=True,
            check=True,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return told.stdout.decode("utf-8", "replace").rstrip("\n")
