"""What commands say to somebody who does not know them yet: a folder for a file, `-` where it is not read, a log without times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_CALLS: Final = (
    {"type": "tool_call", "id": "1", "tool": "look", "arguments": {"at": "a"}},
    {"type": "tool_result", "id": "1", "result": {"found": 1}},
    {"type": "tool_call", "id": "2", "tool": "look", "arguments": {"at": "b"}},
    {"type": "tool_result", "id": "2", "result": {"found": 2}},
)


def _run(folder: Path, *words: str, given: str = "") -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "otel_agenttrace", *words],
        cwd=folder,
        env={**os.environ, "COLUMNS": "100"},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "runs").mkdir()
    (tmp_path / "runs/one.otlp.jsonl").write_bytes(_GOLDEN.read_bytes())
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [
        ("show", "runs"),
        ("grade", "runs"),
        ("why", "runs", "last"),
        ("split", "runs", "-o", "made"),
        ("slice", "runs", "error", "-o", "made.otlp.jsonl"),
        ("annotate", "runs"),
        ("learn", "runs", "runs"),
    ],
    ids=lambda words: words[0],
)
def test_a_folder_where_one_file_is_wanted_names_a_file_in_it(words: tuple[str, ...], folder: Path) -> None:
    result = _run(folder, *words)
    assert result.returncode == 2
    assert "runs is a folder, and one file is wanted: 1 cassette in it, such as runs/one.otlp.jsonl" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("annotate", "-"),
        ("merge", "-", "-o", "made.otlp.jsonl"),
        ("learn", "-", "-"),
        ("split", "-", "-o", "made"),
        ("migrate", "-"),
    ],
    ids=lambda words: words[0],
)
def test_a_command_that_does_not_read_the_standard_input_says_so(words: tuple[str, ...], folder: Path) -> None:
    result = _run(folder, *words)
    assert result.returncode == 2
    assert "the standard input is not read here: name a file" in result.stderr


@pytest.mark.parametrize(
    "words",
    [
        ("dataset", "runs", "--format", "openai", "-o", "runs/one.otlp.jsonl"),
        ("export", "runs", "--format", "otlp", "-o", "runs/one.otlp.jsonl"),
        ("gaps", "runs", "runs", "-o", "runs/one.otlp.jsonl"),
        ("gaps", "runs", "runs", "--skills", "runs/one.otlp.jsonl"),
        ("guidance", "runs/one.otlp.jsonl", "-o", "runs/one.otlp.jsonl"),
        ("patterns", "runs", "-o", "runs/one.otlp.jsonl"),
        ("patterns", "runs/one.otlp.jsonl", "--skills", "runs/one.otlp.jsonl"),
        ("score", "runs", "--model", "m", "-o", "runs/one.otlp.jsonl"),
    ],
    ids=" ".join,
)
def test_no_command_writes_over_a_file_that_it_reads(words: tuple[str, ...], folder: Path) -> None:
    result = _run(folder, *words)
    assert result.returncode == 2
    assert "runs/one.otlp.jsonl is one of the files that are read" in result.stderr
    assert (folder / "runs/one.otlp.jsonl").read_bytes() == _GOLDEN.read_bytes()


@pytest.mark.parametrize(
    "words",
    [
        ("dataset", "runs", "--format", "ndjson", "-o", "kept.otlp.jsonl"),
        ("export", "runs", "--format", "otlp", "-o", "kept.otlp.jsonl"),
        ("gaps", "runs", "runs", "-o", "kept.otlp.jsonl"),
        ("guidance", "runs", "-o", "kept.otlp.jsonl"),
        ("patterns", "runs", "-o", "kept.otlp.jsonl"),
    ],
    ids=lambda words: words[0],
)
def test_no_report_takes_the_place_of_a_recording(words: tuple[str, ...], folder: Path) -> None:
    (folder / "kept.otlp.jsonl").write_bytes(_GOLDEN.read_bytes())
    result = _run(folder, *words)
    assert result.returncode == 2
    assert "kept.otlp.jsonl is a recording, which would be gone" in result.stderr
    assert (folder / "kept.otlp.jsonl").read_bytes() == _GOLDEN.read_bytes()


@pytest.mark.parametrize("command", ["diff", "gaps"])
def test_both_sides_cannot_come_from_the_standard_input(command: str, folder: Path) -> None:
    result = _run(folder, command, "-", "-", given=_GOLDEN.read_text("utf-8"))
    assert result.returncode == 2
    assert "only one of the two can come from the standard input" in result.stderr


def test_an_empty_standard_input_is_told_by_its_own_name(folder: Path) -> None:
    result = _run(folder, "stats", "-")
    assert (result.returncode, result.stderr) == (3, "otel-agenttrace: not read: -:1: the file is empty\n")


def test_validate_takes_a_folder(folder: Path) -> None:
    result = _run(folder, "validate", "runs")
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.startswith("runs/one.otlp.jsonl: ")


def test_a_foreign_trace_where_a_cassette_is_wanted_is_said_to_be_imported_first(folder: Path) -> None:
    (folder / "others.json").write_text('{\n "resourceSpans": []\n}\n')
    result = _run(folder, "merge", "others.json", "-o", "made.otlp.jsonl")
    assert result.returncode == 3
    assert result.stderr.endswith("if another tool wrote it: otel-agenttrace ingest otlp others.json -o FOLDER\n")


@pytest.mark.parametrize(
    "words",
    [
        ("cost", "runs", "--output-price", "1", "--input-price"),
        ("tokens", "runs", "--warn"),
        ("diff", "runs", "runs", "--semantic", "--threshold"),
        ("dataset", "runs", "--format", "csv", "-o", "made.csv", "--split"),
        ("dataset", "runs", "--format", "csv", "-o", "made.csv", "--max-cost"),
        ("dataset", "runs", "--format", "csv", "-o", "made.csv", "--min-reward"),
        ("play", "runs/one.otlp.jsonl", "--speed"),
        ("retrieval", "runs", "--baseline", "runs", "--score-tolerance"),
    ],
    ids=lambda words: f"{words[0]} {words[-1]}",
)
def test_what_is_no_number_is_no_limit(words: tuple[str, ...], folder: Path) -> None:
    result = _run(folder, *words, "nan")
    assert result.returncode == 2
    assert "'nan' is not a number" in result.stderr


@pytest.mark.parametrize("words", [("pr", "p.json"), ("report", "p.json")], ids=lambda words: words[0])
def test_what_is_no_json_is_told_in_words(words: tuple[str, ...], folder: Path) -> None:
    (folder / "p.json").write_bytes(b"\x89PNG\r\n")
    result = _run(folder, *words)
    assert result.returncode == 3
    assert "p.json: it is not JSON, but binary" in result.stderr


@pytest.fixture
def timeless(folder: Path) -> Path:
    (folder / "log.jsonl").write_text("".join(json.dumps(each) + "\n" for each in _CALLS))
    done = _run(folder, "ingest", "tool-calls", "log.jsonl", "-o", "made")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize("command", ["cost", "explain", "ls", "patterns", "stats", "timeline", "tree"])
def test_no_command_tells_a_time_that_a_log_does_not(command: str, timeless: Path) -> None:
    """The log has no time at all; its spans stand a millisecond apart from 2000-01-01, for their order."""
    told = _run(timeless, command, "made").stdout
    assert told
    assert not [each for each in ("2000", "<1 ms", " ms ", " d ") if each in told], told


def test_json_has_null_for_what_is_not_told(timeless: Path) -> None:
    told: Any = json.loads(_run(timeless, "explain", "made", "--json").stdout)
    phases = [phase for agent in told["runs"][0]["agents"] for turn in agent["turns"] for phase in turn["phases"]]
    assert phases
    assert {(phase["offset_ns"], phase["duration_ns"]) for phase in phases} == {(None, None)}
    drawn: Any = json.loads(_run(timeless, "timeline", "made", "--json").stdout)
    assert (drawn["runs"][0]["duration_ns"], drawn["runs"][0]["gaps"]) == (None, [])
    listed: Any = json.loads(_run(timeless, "ls", "made", "--json").stdout)
    assert {(each["recorded_at"], each["age_s"]) for each in listed["cassettes"]} == {(None, None)}


def test_a_folder_that_cannot_be_made_is_told(folder: Path) -> None:
    (folder / "file").touch()
    result = _run(folder, "split", "runs/one.otlp.jsonl", "-o", "file/below")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith("otel-agenttrace: file/below cannot be made: Not a directory.")


@pytest.mark.parametrize(
    "command", ["cost", "explain", "ls", "patterns", "retrieval", "stats", "timeline", "tokens", "tree"]
)
def test_nothing_is_told_of_files_that_could_not_be_read(command: str, folder: Path) -> None:
    (folder / "bad.otlp.jsonl").write_text("nonsense\n")
    result = _run(folder, command, "bad.otlp.jsonl")
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith("otel-agenttrace: not read: bad.otlp.jsonl")


def test_a_list_of_no_cassettes_is_one_line(folder: Path) -> None:
    case = {"id": "t", "outcome": "passed", "cassette": "runs/one.otlp.jsonl", "unplayed": 0, "calls": {"hit": 2}}
    (folder / "suite.json").write_text(json.dumps({"version": 1, "cases": [case]}))
    result = _run(folder, "ls", "runs", "--unplayed", "suite.json")
    assert [line.split(" · ")[0] for line in result.stdout.splitlines()] == ["0 cassettes"]
