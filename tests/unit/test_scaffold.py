"""What `init` makes of a pyproject.toml, a .gitignore and a .gitattributes that are there."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import pytest

from otel_agenttrace.errors import ConfigError
from otel_agenttrace.scaffold.plan import Step, carry_out, steps_for, verdict_on

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib


def _step(folder: Path, name: str) -> Step:
    return next(step for step in steps_for(folder, "none") if step.path == name)


def _written(folder: Path, name: str, *, force: bool = False) -> Step:
    """Do what is to be done to a file where all but a replacement is agreed to, or all."""
    step = _step(folder, name)
    if verdict_on(step, yes=True, force=force, asks=False) == "write":
        carry_out(folder, step)
    return step


# --- a pyproject.toml that is there ---------------------------------------------------------------------------------------

_PROJECTS: Final = {
    "comments": b'# mine\n[project]\nname   =   "x"  # keep\n\n\n[tool.black] # too\nline-length=99\n',
    "CRLF": b'[project]\r\nname = "x"\r\n',
    "no newline at its end": b"[tool.black]\nline-length = 99",
    "empty": b"",
    "a dotted key": b"[tool]\nblack.line-length = 99\n",
    "other alphabets": '[project]\nauthors = [{name = "Zoë 🦊"}]\n'.encode(),
}


@pytest.mark.parametrize("name", _PROJECTS)
def test_tables_go_to_the_end_of_a_pyproject_and_its_bytes_stay(name: str, tmp_path: Path) -> None:
    before = _PROJECTS[name]
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_bytes(before)
    step = _written(tmp_path, "pyproject.toml")
    assert (step.state, verdict_on(step, yes=False, force=False, asks=False)) == ("add", "keep")
    after = pyproject.read_bytes()
    assert after.startswith(before)
    assert (after.count(b"\n") == after.count(b"\r\n")) == (b"\r\n" in before)
    tool = tomllib.loads(after.decode())["tool"]
    assert {"otel-agenttrace", "pytest"} <= set(tool)
    assert _step(tmp_path, "pyproject.toml").state == "same"


_TABLES: Final = {
    "ours": (
        b'[tool.otel-agenttrace]\ncassette = "run.otlp.jsonl"\nmode = "once"\n',
        ["[tool.otel-agenttrace] is there with cassette, mode: left as it is"],
    ),
    "ours, by its prices": (
        b'[tool.otel-agenttrace.prices."my-model"]\ninput_per_mtok = 1.0\n',
        ["[tool.otel-agenttrace] is there with prices: left as it is"],
    ),
    "that of pytest": (
        b'[tool.pytest.ini_options]\naddopts = "-q"\n',
        [
            "[tool.pytest.ini_options] is there with addopts: left as it is",
            '[tool.pytest.ini_options] needs pythonpath = ["."], so that the test finds agent.py',
        ],
    ),
    "that of pytest, with the path": (
        b'[tool.pytest.ini_options]\npythonpath = ". src"\n',
        ["[tool.pytest.ini_options] is there with pythonpath: left as it is"],
    ),
    "that of pytest 9": (
        b'[tool.pytest]\npythonpath = ["src", "."]\n',
        ["[tool.pytest] is there with pythonpath: left as it is"],
    ),
}


@pytest.mark.parametrize("name", _TABLES)
def test_a_table_that_is_there_is_told_and_left_even_with_force(name: str, tmp_path: Path) -> None:
    before, notes = _TABLES[name]
    pyproject = tmp_path / "pyproject.toml"
    pyproject.write_bytes(before)
    step = _written(tmp_path, "pyproject.toml", force=True)
    assert list(step.notes) == notes
    after = pyproject.read_bytes()
    assert after.startswith(before)
    assert set(tomllib.loads(after.decode())["tool"]) == {"otel-agenttrace", "pytest"}
    assert after.count(b"[tool.otel-agenttrace]") + after.count(b"[tool.pytest.ini_options]") == 2 - (
        b"prices" in before or b"[tool.pytest]" in before
    )


@pytest.mark.parametrize(
    ("name", "content", "is_read"),
    [
        ("pytest.ini", "[pytest]\n", True),
        ("pytest.toml", "[pytest]\n", True),
        ("tox.ini", "[tox]\n", False),
        ("tox.ini", "[pytest]\n", True),
        ("setup.cfg", "[tool:pytest]\n", True),
        ("setup.cfg", "[metadata]\n", False),
    ],
)
def test_settings_of_pytest_in_another_file_are_not_put_out_by_a_table(
    name: str, content: str, is_read: bool, tmp_path: Path
) -> None:
    (tmp_path / name).write_text(content)
    notes = _written(tmp_path, "pyproject.toml").notes
    tool = tomllib.loads((tmp_path / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    told = (f"pytest reads {name} here: it needs pythonpath = ., so that the test finds agent.py",)
    assert ("pytest" not in tool, notes) == (is_read, told if is_read else ())


# --- lines of git's files -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"", b".agenttrace/\n*.partial\n"),
        (b"build", b"build\n.agenttrace/\n*.partial\n"),
        (b"build\n", b"build\n.agenttrace/\n*.partial\n"),
        (b"build\r\n", b"build\r\n.agenttrace/\r\n*.partial\r\n"),
        (b"# \xff\n/.agenttrace\n", b"# \xff\n/.agenttrace\n*.partial\n"),
        (b"*.partial\n.agenttrace/ \n", b"*.partial\n.agenttrace/ \n"),
    ],
)
def test_a_gitignore_gets_the_lines_it_lacks(before: bytes, after: bytes, tmp_path: Path) -> None:
    ignore = tmp_path / ".gitignore"
    ignore.write_bytes(before)
    ignore.chmod(0o640)
    _written(tmp_path, ".gitignore")
    assert ignore.read_bytes() == after
    assert ignore.stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (b"*.png binary", b"*.png binary\n*.otlp.jsonl diff=agenttrace\n"),
        (b"*.otlp.jsonl  text diff=agenttrace\n", b"*.otlp.jsonl  text diff=agenttrace\n"),
        (b"*.otlp.jsonl -diff\n", b"*.otlp.jsonl -diff\n"),
    ],
)
def test_attributes_that_others_gave_to_cassettes_stay(before: bytes, after: bytes, tmp_path: Path) -> None:
    (tmp_path / ".gitattributes").write_bytes(before)
    step = _written(tmp_path, ".gitattributes", force=True)
    assert (tmp_path / ".gitattributes").read_bytes() == after
    told = ("it gives *.otlp.jsonl -diff; for readable diffs: diff=agenttrace",)
    assert step.notes == (told if b"-diff" in before else ())


@pytest.mark.parametrize("name", [".gitignore", "agent.py"])
def test_a_file_that_changes_while_questions_stand_is_kept(name: str, tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"build\n")
    step = _step(tmp_path, name)
    (tmp_path / name).write_bytes(b"mine\n")
    with pytest.raises(ConfigError, match="has changed meanwhile: it is kept"):
        carry_out(tmp_path, step)
    assert (tmp_path / name).read_bytes() == b"mine\n"
