"""Find the table `[tool.otel-agenttrace]` of the project one stands in."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import cast

from otel_agenttrace.errors import ConfigError

__all__ = ["pyproject_settings"]


def pyproject_settings(folder: Path) -> Mapping[str, object]:
    """Return the table of the nearest pyproject.toml at or above a folder, or an empty one.

    Raises:
        ConfigError: If that file cannot be read, or is no TOML.
    """
    for place in (folder, *folder.parents):
        path = place / "pyproject.toml"
        if path.is_file():
            table = _table(path)
            return _anchored(table, place)
    return {}


def _table(path: Path) -> dict[str, object]:
    text = _text(path)
    if "otel-agenttrace" not in text:
        return {}
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        loaded = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path} is no TOML: {error}") from error
    table: object = loaded
    for name in ("tool", "otel-agenttrace"):
        table = cast("dict[str, object]", table).get(name, {})
        if not isinstance(table, dict):
            raise ConfigError(f"{path}: {name} is no table.\n  to fix   [tool.otel-agenttrace]")
    return cast("dict[str, object]", table)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} cannot be read: {error}") from error


def _anchored(table: dict[str, object], place: Path) -> dict[str, object]:
    """Return the table with its cassette below the folder of the file."""
    cassette = table.get("cassette")
    return {**table, "cassette": str(place / cassette)} if isinstance(cassette, str) else table
