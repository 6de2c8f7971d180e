"""Find the table `[tool.otel-agenttrace]` of the project one stands in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import cast

from otel_agenttrace.errors import ConfigError

__all__ = ["append_settings", "pyproject_settings", "toml_of"]

_NAME = "pyproject.toml"


def pyproject_settings(folder: Path) -> Mapping[str, object]:
    """Return the table of the nearest pyproject.toml at or above a folder, or an empty one.

    Raises:
        ConfigError: If that file cannot be read, or is no TOML.
    """
    path = _nearest(folder)
    return {} if path is None else _anchored(_table(path, _text(path)), path.parent)


def append_settings(folder: Path, tables: str) -> Path:
    """Write tables of settings behind the nearest pyproject.toml at or above a folder, else into a new one there.

    What the file holds stays as it is, byte by byte.

    Returns:
        The file.

    Raises:
        ConfigError: If the file cannot be read, or would be no TOML then: nothing is written.
    """
    path = _nearest(folder) or folder / _NAME
    before = _text(path) if path.exists() else ""
    gap = "" if not before else "\n" if before.endswith("\n") else "\n\n"
    _table(path, f"{before}{gap}{tables}")
    try:
        with path.open("a", encoding="utf-8", newline="") as file:
            file.write(f"{gap}{tables}")
    except OSError as error:
        raise ConfigError(f"{path} cannot be written: {error}") from error
    return path


def _nearest(folder: Path) -> Path | None:
    return next((path for place in (folder, *folder.parents) if (path := place / _NAME).is_file()), None)


@lru_cache(maxsize=4)  # whoever loads many files reads the same settings for each
def _table(path: Path, text: str) -> Mapping[str, object]:
    if "otel-agenttrace" not in text:
        return {}
    table = cast("object", toml_of(path, text))
    for name in ("tool", "otel-agenttrace"):
        table = cast("dict[str, object]", table).get(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name} is no table.\n  to fix   [tool.otel-agenttrace]")
    return cast("dict[str, object]", table)


def toml_of(path: Path, text: str) -> dict[str, object]:
    """Return what a text of TOML tells.

    Raises:
        ConfigError: If it is none; it names the path.
    """
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        return tomllib.loads(text)
    except (ValueError, RecursionError) as error:  # an int of ten thousand digits is the former, and no TOMLDecodeError
        raise ConfigError(f"{path} is no TOML: {error}") from error


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _anchored(table: Mapping[str, object], place: Path) -> Mapping[str, object]:
    """Return the table with its cassette below the folder of the file."""
    cassette = table.get("cassette")
    return {**table, "cassette": str(place / cassette)} if isinstance(cassette, str) else table
