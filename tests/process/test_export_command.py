"""The command `export`, its files, and a receiver that takes what it wrote."""

from __future__ import annotations

import json
import os
import pty
import secrets
import stat
import subprocess
import sys
import urllib.request
from contextlib import suppress
from pathlib import Path
from typing import Final

import pytest

from tests.support.foreign_spans import genai_attributes, said
from tests.support.peers import TestAgent
from tests.support.processes import instrumented_environment

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_RUN: Final = "run.otlp.jsonl"


def _export(folder: Path, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "otel_agenttrace", "export", *arguments]
    environment = instrumented_environment(None, None)
    return subprocess.run(
        command, input=given, env=environment, cwd=folder, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / _RUN).write_bytes(_GOLDEN.read_bytes())
    return tmp_path


def test_a_file_is_written_for_its_owner_alone_and_nothing_is_printed(folder: Path) -> None:
    done = _export(folder, _RUN, "--format", "otlp", "-o", "out.jsonl")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len((folder / "out.jsonl").read_text(encoding="utf-8").splitlines()) == 4
    assert stat.S_IMODE((folder / "out.jsonl").stat().st_mode) == 0o600


def test_of_a_folder_with_a_damaged_file_the_rest_is_written_and_the_file_is_named(folder: Path) -> None:
    (folder / "bad.otlp.jsonl").write_text("no trace\n")
    done = _export(folder, ".", "--format", "ndjson")
    assert done.returncode == 0
    assert {json.loads(line)["file"] for line in done.stdout.splitlines()} == {_RUN}
    assert "otel-agenttrace: not read: bad.otlp.jsonl" in done.stderr


def test_a_terminal_shows_what_is_written_as_it_is(folder: Path) -> None:
    (folder / "again.otlp.jsonl").write_bytes(_GOLDEN.read_bytes())
    ours, theirs = pty.openpty()
    words = [sys.executable, "-m", "otel_agenttrace", "export", ".", "--format", "ndjson"]
    environment = instrumented_environment(None, None)
    with subprocess.Popen(words, cwd=folder, env=environment, stdout=theirs, stderr=theirs) as writing:
        os.close(theirs)
        told = b""
        with suppress(OSError):  # how a terminal ends here
            while piece := os.read(ours, 1 << 16):
                told += piece
        os.close(ours)
    assert writing.returncode == 0
    assert [json.loads(line)["file"] for line in told.splitlines()] == ["again.otlp.jsonl"] * 4 + [_RUN] * 4


def test_where_nothing_can_be_read_no_file_is_left(folder: Path) -> None:
    (folder / "bad.otlp.jsonl").write_text("no trace\n")
    done = _export(folder, "bad.otlp.jsonl", "--format", "json", "-o", "out.json")
    assert done.returncode == 3
    assert sorted(path.name for path in folder.iterdir()) == ["bad.otlp.jsonl", _RUN]


def test_what_is_read_is_never_written_over(folder: Path) -> None:
    done = _export(folder, _RUN, "--format", "otlp", "-o", f"./{_RUN}")
    assert done.returncode == 2
    assert "is one of the files that are read" in done.stderr
    assert (folder / _RUN).read_bytes() == _GOLDEN.read_bytes()


def test_the_standard_input_is_a_run_too(folder: Path) -> None:
    done = _export(folder, "-", "--format", "csv", given=_GOLDEN.read_text(encoding="utf-8"))
    assert [line.split(",")[0] for line in done.stdout.splitlines()] == ["file", "-", "-"]


def test_a_secret_in_a_trace_of_others_does_not_leave_and_is_told(folder: Path) -> None:
    secret = "ghp_" + secrets.token_hex(18)
    attributes = genai_attributes([said("user", secret)], [said("assistant", "ho")])
    span = {"name": "chat", "trace_id": "t", "span_id": "5", "start_time": 1, "end_time": 2, "attributes": attributes}
    (folder / "foreign.json").write_text(json.dumps([span]), encoding="utf-8")
    done = _export(folder, "foreign.json", "--format", "otlp")
    assert done.returncode == 0
    assert secret not in done.stdout
    assert "1 span held secrets" in done.stderr


def test_a_receiver_takes_each_line_as_otlp(folder: Path) -> None:
    text = _export(folder, _RUN, "--format", "otlp").stdout
    with TestAgent(folder / "log") as receiver:
        for line in text.splitlines():
            request = urllib.request.Request(
                f"{receiver.endpoint('http/json')}/v1/traces", line.encode(), {"Content-Type": "application/json"}
            )
            with urllib.request.urlopen(request, timeout=10) as answer:
                assert answer.status == 200
        told = json.dumps(receiver.traces())
    assert told.count("gen_ai.input.messages") == 2
    assert "What do I pack for" in told
