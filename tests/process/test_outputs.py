"""A file that cannot be written is told the same way by every command that writes one: exit code 2, and the name of the file."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import click
import pytest

from otel_agenttrace import cli
from otel_agenttrace.analyze.pull_requests import pull_request_of, stored_form
from tests.support.github import changed, pull

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_RUN: Final = "run.otlp.jsonl"
_LOG: Final = "calls.jsonl"
_WORDS: Final[dict[str, tuple[str, ...]]] = {
    "dataset": (_RUN, "--format", "csv"),
    "export": (_RUN, "--format", "json"),
    "gaps": (_RUN, _RUN),
    "guidance": (_RUN,),
    "ingest": ("tool-calls", _LOG),
    "merge": (_RUN,),
    "open": (_RUN, "--no-browser"),
    "patterns": (_RUN,),
    "pr": ("7.json",),
    "record": (),
    "redact": (_RUN,),
    "report": ("--base", "."),
    "retrieval": ("snapshot", "queries.txt", "--with", "search:find"),
    "score": (_LOG, "--model", "gpt-4o", "--cassette", "judge.otlp.jsonl", "--mode", "once"),
    "slice": (_RUN, "inference"),
    "split": (_RUN,),
}
"""What each command is asked with, but for its output."""


def _commands_with_output() -> set[str]:
    root = next(value for value in vars(cli).values() if isinstance(value, click.Group))
    context = click.Context(root)
    commands = {name: root.get_command(context, name) for name in root.list_commands(context)}
    return {name for name, command in commands.items() if command and any("-o" in each.opts for each in command.params)}


def test_every_command_with_an_output_is_tried_here() -> None:
    assert _commands_with_output() <= _WORDS.keys()


@pytest.mark.parametrize("command", _WORDS)
def test_a_file_that_cannot_be_written_is_wrong_use(command: str, tmp_path: Path) -> None:
    (tmp_path / _RUN).write_bytes(_GOLDEN.read_bytes())
    (tmp_path / _LOG).write_text(json.dumps({"tool": "search", "args": {}, "result": "found"}))
    (tmp_path / "7.json").write_bytes(stored_form(pull_request_of(pull(7, "2026-07-01T10:00:00Z"), [changed("a.py")])))
    (tmp_path / "search.py").write_text("def find(query):\n    return [query]\n")
    (tmp_path / "queries.txt").write_text("what\n")
    (tmp_path / "file").write_text("kept")
    before = sorted(path.name for path in tmp_path.iterdir())
    output = ("file/made", "--", sys.executable, "-c", "") if command == "record" else ("-o", "file/made")
    ended = subprocess.run(
        [sys.executable, "-m", "otel_agenttrace", command, *_WORDS[command], *output],
        cwd=tmp_path,
        env={**os.environ, "OPENAI_API_KEY": "none", "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert "Usage:" not in ended.stderr
    assert "file/made" in ended.stderr
    assert "Not a directory" in ended.stderr
    assert "to fix" in ended.stderr
    assert (tmp_path / "file").read_text() == "kept"
    assert {path.name for path in tmp_path.iterdir()} - {"judge.otlp.jsonl"} == set(before)


def test_a_data_set_takes_no_place_of_a_pipe(tmp_path: Path) -> None:
    (tmp_path / _RUN).write_bytes(_GOLDEN.read_bytes())
    os.mkfifo(tmp_path / "pipe")
    command = ("dataset", _RUN, "--format", "ndjson", "-o", "pipe")
    ended = subprocess.run(
        [sys.executable, "-m", "otel_agenttrace", *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 2, ended.stderr
    assert "it is no regular file" in ended.stderr
    assert (tmp_path / "pipe").is_fifo()


def test_a_text_that_names_our_attributes_is_no_recording(tmp_path: Path) -> None:
    (tmp_path / _RUN).write_bytes(_GOLDEN.read_bytes())
    (tmp_path / "AGENTS.md").write_text("see `agenttrace.format.version`\n")
    command = ("guidance", _RUN, "-o", "AGENTS.md")
    ended = subprocess.run(
        [sys.executable, "-m", "otel_agenttrace", *command], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert ended.returncode == 0, ended.stderr
    assert (tmp_path / "AGENTS.md").read_text().startswith("see `agenttrace.format.version`\n")
