"""What a project lacks to record and test an agent. Folder in, one step per file out; nothing is written yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Final, Literal, TypeAlias

from otel_agenttrace.errors import ConfigError
from otel_agenttrace.scaffold import git
from otel_agenttrace.scaffold.entries import attributes_of, with_ignored, with_lines
from otel_agenttrace.scaffold.files import Found, look, write
from otel_agenttrace.scaffold.tables import with_tables

__all__ = ["AGENT", "CI_FILES", "TEST", "State", "Step", "Verdict", "carry_out", "steps_for", "verdict_on"]

State: TypeAlias = Literal["new", "add", "differs", "same", "left"]
"""Not there; there, and gets lines at its end; there with other content; there as we would write it; not to be touched."""

Verdict: TypeAlias = Literal["write", "keep", "ask"]

AGENT: Final = "agent.py"
TEST: Final = "tests/test_agent.py"
CI_FILES: Final = {"github": ".github/workflows/agent-tests.yml", "gitlab": ".gitlab-ci.yml"}

_PYPROJECT: Final = "pyproject.toml"
_IGNORED: Final = (".agenttrace/", "*.partial")
_CASSETTES: Final = "*.otlp.jsonl"
_DRIVER: Final = "diff=agenttrace"
_PYTEST_FILES: Final = {
    "pytest.toml": b"",
    ".pytest.toml": b"",
    "pytest.ini": b"",
    ".pytest.ini": b"",
    "tox.ini": b"[pytest]",
    "setup.cfg": b"[tool:pytest]",
}
"""Other files that tell pytest, with what must stand in them: a table in pyproject.toml would put out, or be put out by, them."""


@dataclass(frozen=True, slots=True)
class Step:
    """What one file needs, or the setting of git.

    Attributes:
        path: Its path below the folder, or the command of the setting.
        state: How it is found.
        content: What it would hold.
        before: What it holds; nothing where that is no file.
        notes: What is left to the user, or why it is not touched.
        is_setting: Whether it is the setting of git.
    """

    path: str
    state: State
    content: bytes = b""
    before: bytes = b""
    notes: tuple[str, ...] = ()
    is_setting: bool = False


def steps_for(folder: Path, ci: str) -> tuple[Step, ...]:
    """Return the steps for a folder, which need not be there.

    Args:
        folder: The folder of the project.
        ci: Whose CI file it gets, one of `CI_FILES`; any other word for none.

    Raises:
        ConfigError: If it cannot be a folder, or its pyproject.toml is no TOML.
    """
    there = next(place for place in (folder, *folder.absolute().parents) if place.exists())
    if not there.is_dir():
        raise ConfigError(f"{folder} cannot be a folder: {there} is none.\n  to fix   name a folder, new or not")
    return tuple(_steps(folder, ci))


def _steps(folder: Path, ci: str) -> Iterator[Step]:
    yield _pyproject(folder)
    yield _whole(folder, AGENT, "agent.py.txt")
    yield _whole(folder, TEST, "test_agent.py.txt")
    if ci in CI_FILES:
        yield _whole(folder, CI_FILES[ci], f"{ci}.yml")
    yield _ignored(folder)
    yield _attributes(folder)
    if git.is_repository(folder):
        yield _setting(folder)


def _template(name: str) -> bytes:
    return (files("otel_agenttrace.scaffold") / "templates" / name).read_bytes()


def _whole(folder: Path, path: str, template: str) -> Step:
    return _step(path, look(folder, path), _template(template), grows=False)


def _step(path: str, found: Found, content: bytes, *, grows: bool = True, notes: tuple[str, ...] = ()) -> Step:
    if found.obstacle:
        return Step(path, "left", notes=(found.obstacle,))
    if found.content is None:
        return Step(path, "new", content, notes=notes)
    state = "same" if found.content == content else "add" if grows else "differs"
    return Step(path, state, content, found.content, notes)


def _pyproject(folder: Path) -> Step:
    found = look(folder, _PYPROJECT)
    if found.obstacle:
        return _step(_PYPROJECT, found, b"")
    settings, pytest_settings = (_template(name).decode() for name in ("settings.toml", "pytest.toml"))
    before = found.content or b""
    tables = with_tables(folder / _PYPROJECT, before, settings, pytest_settings, _pytest_file(folder))
    return _step(_PYPROJECT, found, tables.content, notes=tables.notes)


def _pytest_file(folder: Path) -> str:
    """Return the name of another file that pytest takes its settings from; empty if there is none."""
    for name, section in _PYTEST_FILES.items():
        content = look(folder, name).content
        if content is not None and section in content:
            return name
    return ""


def _ignored(folder: Path) -> Step:
    found = look(folder, ".gitignore")
    return _step(".gitignore", found, with_ignored(found.content or b"", _IGNORED))


def _attributes(folder: Path) -> Step:
    path = ".gitattributes"
    found = look(folder, path)
    content = found.content or b""
    told = attributes_of(content, _CASSETTES)
    if _DRIVER in told:
        return _step(path, found, content)
    if told:
        return Step(path, "left", notes=(f"it gives {_CASSETTES} {' '.join(told)}; for readable diffs: {_DRIVER}",))
    return _step(path, found, with_lines(content, [f"{_CASSETTES} {_DRIVER}"]))


def _setting(folder: Path) -> Step:
    path = f"git config {git.SETTING}"
    told = git.textconv(folder)
    if told is None:
        return Step(path, "new", git.TEXTCONV.encode(), is_setting=True)
    if told == git.TEXTCONV:
        return Step(path, "same", is_setting=True)
    return Step(path, "left", notes=(f"it is {told!r}",), is_setting=True)


def verdict_on(step: Step, *, yes: bool, force: bool, asks: bool) -> Verdict:
    """Return what becomes of a step.

    Args:
        step: The step.
        yes: Whether all that replaces nothing is agreed to.
        force: Whether that holds of files with other content, too.
        asks: Whether there is somebody to ask.
    """
    if step.state in ("same", "left"):
        return "keep"
    if force or (yes and step.state != "differs"):
        return "write"
    if asks and not yes:
        return "ask"
    return "write" if step.state == "new" and not step.is_setting else "keep"


def carry_out(folder: Path, step: Step) -> None:
    """Write the file, or make the setting.

    Raises:
        ConfigError: If that cannot be done, or the file has changed since it was looked at.
    """
    if step.is_setting:
        git.use_textconv(folder)
        return
    found = look(folder, step.path)
    if found.obstacle or (found.content or b"") != step.before:
        raise ConfigError(f"{folder / step.path} has changed meanwhile: it is kept.\n  to fix   run the command again")
    write(folder, step.path, step.content)
