"""Tables that are added to a pyproject.toml. Its text in; the text with those it lacks, and what it has of its own, out.

What is there stays as it is, byte for byte: comments, order and line ends.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from otel_agenttrace.errors import ConfigError
from otel_agenttrace.scaffold.entries import newline_of
from otel_agenttrace_instrumentation.pyproject import toml_of

__all__ = ["Tables", "with_tables"]


@dataclass(frozen=True, slots=True)
class Tables:
    """A pyproject.toml with our tables, and what is left to the user."""

    content: bytes
    notes: tuple[str, ...] = ()


def with_tables(path: Path, before: bytes, settings: str, pytest_settings: str, pytest_file: str) -> Tables:
    """Return a pyproject.toml with the tables it lacks at its end.

    Args:
        path: Its path, for messages.
        before: What it holds; nothing if it is new.
        settings: The table `[tool.otel-agenttrace]`.
        pytest_settings: The table `[tool.pytest.ini_options]`.
        pytest_file: Another file that pytest reads here, instead of this one; empty if there is none.

    Raises:
        ConfigError: If it is no TOML, or would be none with these tables.
    """
    text = _text(path, before)
    tool = _table(toml_of(path, text), "tool")
    blocks: dict[str, str] = {}
    notes: list[str] = []
    if "otel-agenttrace" not in tool:
        blocks["[tool.otel-agenttrace]"] = settings
    elif not _has(text, settings):
        notes.append(_there("[tool.otel-agenttrace]", _table(tool, "otel-agenttrace")))
    if pytest_file:
        notes.append(f"pytest reads {pytest_file} here: it needs pythonpath = ., so that the test finds agent.py")
    elif "pytest" not in tool:
        blocks["[tool.pytest.ini_options]"] = pytest_settings
    elif not _has(text, pytest_settings):
        notes.extend(_of_pytest(_table(tool, "pytest")))
    return Tables(_joined(path, text, blocks), tuple(notes))


def _text(path: Path, before: bytes) -> str:
    try:
        return before.decode("utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path} is no TOML: {error}") from error


def _table(table: Mapping[str, object], name: str) -> Mapping[str, object]:
    found = table.get(name, {})
    return cast("Mapping[str, object]", found) if isinstance(found, Mapping) else {}


def _has(text: str, block: str) -> bool:
    return block in text.replace("\r\n", "\n")


def _there(name: str, table: Mapping[str, object]) -> str:
    return f"{name} is there with {', '.join(table) or 'nothing in it'}: left as it is"


def _of_pytest(table: Mapping[str, object]) -> list[str]:
    """Return what pytest is told already; `[tool.pytest]` alone is the table of pytest 9."""
    name = "[tool.pytest.ini_options]" if "ini_options" in table else "[tool.pytest]"
    options = _table(table, "ini_options") if "ini_options" in table else table
    told = [_there(name, options)]
    paths = options.get("pythonpath", "")
    if "." not in (cast("list[object]", paths) if isinstance(paths, list) else str(paths).split()):
        told.append(f'{name} needs pythonpath = ["."], so that the test finds agent.py')
    return told


def _joined(path: Path, text: str, blocks: Mapping[str, str]) -> bytes:
    if not blocks:
        return text.encode()
    newline = newline_of(text.encode()).decode()
    gap = "" if not text else newline if text.endswith("\n") else newline * 2
    joined = text + gap + "\n".join(blocks.values()).replace("\n", newline)
    try:
        toml_of(path, joined)
    except ConfigError as error:
        raise ConfigError(
            f"{path} takes no table at its end: {str(error).partition(': ')[2]}\n"
            f"  to fix   give it {' and '.join(blocks)} by hand"
        ) from error
    return joined.encode()
