"""Keep pull requests as files, a file each, and read them again with no network. Folder in or out."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from otel_agenttrace.analyze.pull_requests import PullRequest, stored_form, stored_pull_request
from otel_agenttrace.cassette.private import write_private
from otel_agenttrace.errors import ConfigError, IngestError
from otel_agenttrace.jsonvalue import told_wrong

__all__ = ["read_stored", "store", "stored_files"]


def store(pull: PullRequest, folder: Path, redact: Callable[[str], str]) -> Path:
    """Write a pull request to `HOST/OWNER/NAME/NUMBER.json` below a folder, and return the path.

    Args:
        pull: The pull request.
        folder: Made where it is not there.
        redact: Removes secrets from what people wrote.

    Raises:
        ConfigError: If it cannot be written.
        CassetteInaccessible: If a link is at its path.
    """
    path = folder.joinpath(_host(pull.url), *pull.repository.split("/"), f"{pull.number}.json")
    clean = replace(pull, title=redact(pull.title), body=redact(pull.body), head_branch=redact(pull.head_branch))
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_private(path, stored_form(clean))
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error.strerror}.\n  to fix   give another folder with -o"
        ) from error
    return path


def _host(url: str) -> str:
    name = re.sub(r"[^\w.-]", "_", urlsplit(url).netloc, flags=re.ASCII)
    return name if name.strip(".") else "_"


def stored_files(place: Path) -> tuple[Path, ...]:
    """Return the file, or the JSON files below a folder, in order of their names, numbers by their value."""
    if not place.is_dir():
        return (place,)
    return tuple(sorted(place.rglob("*.json"), key=_by_number))


def _by_number(path: Path) -> tuple[str, int, str]:
    return str(path.parent), -int(path.stem) if path.stem.isdecimal() else 0, path.name


def read_stored(path: Path) -> PullRequest:
    """Return a stored pull request.

    Raises:
        IngestError: If it cannot be read, or is none.
    """
    try:
        return stored_pull_request(path.read_bytes())
    except OSError as error:
        raise IngestError(path, None, f"it cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise IngestError(path, None, told_wrong(error)) from error
