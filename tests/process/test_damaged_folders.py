"""A folder with files that cannot be read: each command tells of the rest and names them, and exits 3 only without a rest."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "cost": ("cost", "{}"),
    "dataset": ("dataset", "{}", "--format", "ndjson", "-o", "made.jsonl"),
    "diff": ("diff", "{}", "{}"),
    "explain": ("explain", "{}"),
    "export": ("export", "{}", "--format", "ndjson"),
    "fingerprint": ("fingerprint", "{}"),
    "gaps": ("gaps", "{}", "{}"),
    "guidance": ("guidance", "{}"),
    "ls": ("ls", "{}"),
    "migrate": ("migrate", "{}"),
    "patterns": ("patterns", "{}"),
    "retrieval": ("retrieval", "{}"),
    "stats": ("stats", "{}"),
    "timeline": ("timeline", "{}"),
    "tokens": ("tokens", "{}"),
    "tree": ("tree", "{}"),
}
_READS_CONTENT: Final = ("dataset", "explain", "fingerprint", "gaps", "tokens")


def _run(folder: Path, name: str) -> subprocess.CompletedProcess[str]:
    command = [part.format("runs") for part in _COMMANDS[name]]
    program = [sys.executable, "-m", "otel_agenttrace", *command]
    return subprocess.run(program, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    return tmp_path


@pytest.mark.parametrize("name", _COMMANDS)
def test_the_rest_is_read_and_the_bad_file_is_named(name: str, folder: Path) -> None:
    (folder / "runs" / "good.otlp.jsonl").write_bytes(_GOLDEN.read_bytes())
    alone = _run(folder, name)
    (folder / "runs" / "bad.otlp.jsonl").write_text("garbage\n")
    result = _run(folder, name)
    assert result.returncode == 0, result.stderr
    assert "not read: runs/bad.otlp.jsonl:1: not JSON" in result.stderr
    assert "Traceback" not in result.stderr
    if name not in ("dataset", "ls"):  # which tell times and files
        assert result.stdout == alone.stdout


@pytest.mark.parametrize("name", _COMMANDS)
def test_without_a_rest_it_exits_3(name: str, folder: Path) -> None:
    (folder / "runs" / "bad.otlp.jsonl").write_text("garbage\n")
    result = _run(folder, name)
    assert result.returncode == 3, result.stdout
    assert "bad.otlp.jsonl" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("name", _COMMANDS)
def test_a_call_that_is_damaged_inside_keeps_nobody_from_the_rest(name: str, folder: Path) -> None:
    lines = _GOLDEN.read_bytes().splitlines(keepends=True)
    (folder / "runs" / "good.otlp.jsonl").write_bytes(_GOLDEN.read_bytes())
    (folder / "runs" / "inside.otlp.jsonl").write_bytes(b"".join(lines[1:]))  # the first holds what others share
    result = _run(folder, name)
    assert result.returncode == 0, result.stderr
    if name in _READS_CONTENT:
        assert "inside.otlp.jsonl:2: the recorded call is damaged" in result.stderr


@pytest.mark.parametrize("name", ["guidance", "patterns", "stats"])
def test_a_call_whose_key_is_damaged_is_left_out(name: str, folder: Path) -> None:
    first, second, *rest = _GOLDEN.read_bytes().splitlines(keepends=True)
    key = b'{"key":"agenttrace.call.key","value":{"str'
    asks = b'{"key":"gen_ai.response.finish_reasons","value":{"arrayValue":{"values":[{"stringValue":"tool_calls"}]}}}'
    damaged = [line.replace(key + b"ing", key + b"inx") for line in (first, second, *rest) if key in line]
    assert any(asks in line for line in damaged)
    (folder / "runs" / "inside.otlp.jsonl").write_bytes(b"".join([first, *damaged, *rest]))
    result = _run(folder, name)
    assert result.returncode == 0, result.stderr
    assert "Traceback" not in result.stderr
