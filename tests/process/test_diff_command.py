"""The command `diff`, as a user sees it: exit codes, folders, the standard input, what cannot be read."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"


def _diff(*arguments: str | Path, given: bytes | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "otel_agenttrace", "diff", *map(str, arguments)]
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "120"}
    text = given.decode() if given is not None else None
    return subprocess.run(command, input=text, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def changed(tmp_path: Path) -> Path:
    """Return a cassette in which the answers are others, none of the same length."""
    path = tmp_path / "changed.otlp.jsonl"
    lines = _GOLDEN.read_text(encoding="utf-8")
    assert "gpt-4o-mini" in lines
    path.write_text(lines.replace('"gpt-4o-mini"', '"gpt-5-mini"'), encoding="utf-8")
    return path


def test_the_same_run_is_the_same_and_a_gate_on_anything_lets_it_pass() -> None:
    told = _diff(_GOLDEN, _GOLDEN, "--fail-on", "any")
    assert (told.returncode, told.stderr) == (0, "")
    assert told.stdout.startswith("the same: ")


def test_a_difference_is_no_failure_unless_it_is_asked_to_be(changed: Path) -> None:
    assert _diff(_GOLDEN, changed).returncode == 0
    told = _diff(_GOLDEN, changed, "--fail-on", "model")
    assert told.returncode == 1
    assert "model: gpt-4o-mini → gpt-5-mini" in told.stdout
    assert _diff(_GOLDEN, changed, "--fail-on", "removed").returncode == 0
    assert _diff(_GOLDEN, changed, "--fail-on", "any", "--ignore", "model").returncode == 0


def test_json_and_markdown_tell_the_same(changed: Path) -> None:
    report: dict[str, Any] = json.loads(_diff(_GOLDEN, changed, "--json").stdout)
    assert report["outcome"] in _diff(_GOLDEN, changed, "--format", "md").stdout
    assert report["counts"] == {"model": 1}


def test_one_of_the_two_comes_from_the_standard_input(changed: Path) -> None:
    told = _diff("-", changed, given=_GOLDEN.read_bytes())
    assert told.returncode == 0
    assert "model: gpt-4o-mini → gpt-5-mini" in told.stdout
    assert _diff("-", "-", given=b"").returncode == 2


def test_folders_are_compared_by_name_and_what_is_damaged_is_named(tmp_path: Path, changed: Path) -> None:
    old, new = tmp_path / "old", tmp_path / "new"
    for folder, names in ((old, ("same", "other", "gone")), (new, ("same", "came"))):
        folder.mkdir()
        for name in names:
            shutil.copy(_GOLDEN, folder / f"{name}.otlp.jsonl")
    shutil.copy(changed, new / "other.otlp.jsonl")
    shutil.copy(_GOLDEN, old / "broken.otlp.jsonl")
    (new / "broken.otlp.jsonl").write_text("{", encoding="utf-8")
    told = _diff(old, new, "--json", "--fail-on", "removed")
    files = {file["name"]: file["kind"] for file in json.loads(told.stdout)["files"]}
    assert files == {"same": "same", "other": "changed", "gone": "removed", "came": "new"}
    assert told.returncode == 1
    assert "broken.otlp.jsonl" in told.stderr
    shown = _diff(old, new)
    assert shown.stdout.startswith("4 runs: 1 same, 1 changed, 1 new, 1 removed")


def test_runs_of_a_task_are_compared_by_their_figures(tmp_path: Path) -> None:
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
        for number in range(3):
            shutil.copy(_GOLDEN, tmp_path / side / f"{number}.otlp.jsonl")
    told = _diff("--runs", tmp_path / "old", tmp_path / "new", "--fail-on", "any")
    assert told.returncode == 0
    assert told.stdout.startswith("3 runs → 3 runs: no measure differs beyond chance")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("missing.otlp.jsonl", str(_GOLDEN)), 3),
        ((str(_GOLDEN), str(_GOLDEN.parent.parent)), 2),
        ((str(_GOLDEN), str(_GOLDEN), "--ignore", "nothing like it"), 2),
        ((str(_GOLDEN), str(_GOLDEN), "--fail-on", "texts"), 2),
        ((str(_GOLDEN), str(_GOLDEN), "--fail-on", "outcome"), 2),
        (("--runs", str(_GOLDEN.parent), str(_GOLDEN.parent), "--fail-on", "text"), 2),
    ],
)
def test_wrong_use_and_what_cannot_be_read_have_their_exit_codes(arguments: tuple[str, ...], code: int) -> None:
    told = _diff(*arguments)
    assert told.returncode == code, told.stderr
    assert told.stderr
