"""The commands for a shelf of cassettes, as a user and a CI see them."""

from __future__ import annotations

import json
import os
import pty
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from otel_agenttrace.cassette.sidecars import spilled

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_CLI: Final = (sys.executable, "-m", "otel_agenttrace")


def _run(folder: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", "COLUMNS": "120"}
    return subprocess.run(
        [*_CLI, *words], cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a project with two cassettes, of which one has a large body beside it, and an unnamed recording."""
    for name in ("cassettes/weather", "cassettes/packing", ".agenttrace/20261001-120000-7"):
        path = tmp_path / f"{name}.otlp.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(_GOLDEN.read_bytes())
    spilled(tmp_path / "cassettes/packing.otlp.jsonl", b"x" * (1 << 21))
    return tmp_path


@pytest.mark.parametrize(
    "words",
    [("show",), ("validate",), ("grade",), ("fingerprint",), ("pack",), ("ls",), ("check",), ("learn", "weather")],
)
def test_each_command_that_reads_takes_a_name(words: tuple[str, ...], folder: Path) -> None:
    (folder / "agent-checks.yaml").write_text("min_llm_calls: 1\n")
    result = _run(folder, *words, "weather")
    assert (result.returncode, result.stderr) == (0, "")
    assert _run(folder, *words, "weathr").returncode == 3


def test_a_name_that_several_have_is_wrong_use_and_lists_them(folder: Path) -> None:
    trace_id = json.loads(_GOLDEN.read_bytes().splitlines()[0])["resourceSpans"][0]["scopeSpans"][0]["spans"][0][
        "traceId"
    ]
    result = _run(folder, "show", trace_id[:6])
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.splitlines()[1:3] == [
        "  these    .agenttrace/20261001-120000-7.otlp.jsonl",
        "           cassettes/packing.otlp.jsonl",
    ]


def test_the_list_tells_what_the_files_hold(folder: Path) -> None:
    result = _run(folder, "ls", "cassettes", "--sort", "name", "--json")
    report = json.loads(result.stdout)
    rows = report["cassettes"]
    assert [row["name"] for row in rows] == ["cassettes/packing.otlp.jsonl", "cassettes/weather.otlp.jsonl"]
    # the two calls of the golden file tell 191 + 61 and 275 + 38 tokens: "prompt_tokens", "completion_tokens" in its lines
    assert [(row["calls"], row["tokens"], row["errors"]) for row in rows] == [(2, 565, 0)] * 2
    assert [row["size_bytes"] - len(_GOLDEN.read_bytes()) for row in rows] == [1 << 21, 0]
    assert (report["calls"], report["tokens"]) == (4, 1130)
    text = _run(folder, "list", "cassettes", "--sort", "name").stdout.splitlines()
    assert text[0] == "cassettes/"
    assert [line.split()[0] for line in text[1:4]] == ["name", "packing", "weather"]
    assert text[-1].startswith("2 cassettes · 4 calls")


def test_the_list_counts_as_files_what_is_not_all_cassettes(folder: Path) -> None:
    (folder / "theirs.jsonl").write_bytes(_GOLDEN.read_bytes())
    assert _run(folder, "ls", "weather", "theirs.jsonl").stdout.splitlines()[-1].startswith("2 files · 4 calls")


@pytest.mark.parametrize(
    ("here", "named", "shared"), [("", ".agenttrace", ".agenttrace/"), ("cassettes", "../runs", "../runs/")]
)
def test_the_list_leaves_out_the_folder_that_all_are_in(here: str, named: str, shared: str, folder: Path) -> None:
    for path in (".agenttrace/20261002-120000-8.otlp.jsonl", "runs/a.otlp.jsonl", "runs/b.otlp.jsonl"):
        (folder / path).parent.mkdir(exist_ok=True)
        (folder / path).write_bytes(_GOLDEN.read_bytes())
    result = _run(folder / here, "ls", named)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines()[0] == shared


def test_a_damaged_cassette_is_named_and_the_rest_is_read(folder: Path) -> None:
    shared = [line for line in _GOLDEN.read_bytes().splitlines(keepends=True) if b"agenttrace.request.shared" in line]
    (folder / "cassettes/dangling.otlp.jsonl").write_bytes(b"".join(shared))
    (folder / "noise.otlp.jsonl").write_bytes(b"\x00")
    listed = _run(folder, "ls", ".agenttrace", "noise", "--json")
    assert (listed.returncode, len(json.loads(listed.stdout)["cassettes"])) == (0, 1)
    assert "otel-agenttrace: not read: noise.otlp.jsonl" in listed.stderr
    known = _run(folder, "fingerprint", "cassettes", "--json")  # what a call was asked is read here only
    assert (known.returncode, len(json.loads(known.stdout)["runs"])) == (0, 2)
    assert "otel-agenttrace: not read: cassettes/dangling.otlp.jsonl" in known.stderr


def test_an_empty_folder_is_not_readable(tmp_path: Path) -> None:
    assert _run(tmp_path, "ls").returncode == 3
    assert _run(tmp_path, "doctor", ".").returncode == 3
    assert _run(tmp_path, "prune", "--older-than", "30d").stdout == "nothing to prune\n"


def test_the_report_of_a_test_run_tells_what_is_not_used(folder: Path) -> None:
    calls = {"hit": 2, "drift": 0, "miss": 0, "live": 0}
    case = {"id": "t", "outcome": "passed", "cassette": "cassettes/weather.otlp.jsonl", "unplayed": 1, "calls": calls}
    report = {"version": 1, "cases": [case], "orphans": ["cassettes/packing.otlp.jsonl"]}
    (folder / "report.json").write_text(json.dumps(report))
    rows = json.loads(_run(folder, "ls", "--unplayed", "report.json", "--json").stdout)["cassettes"]
    assert {row["name"]: row["unplayed"] for row in rows} == {
        "cassettes/packing.otlp.jsonl": None,
        "cassettes/weather.otlp.jsonl": 1,
    }
    result = _run(folder, "prune", "--unplayed", "report.json", "--yes", "--json")
    assert [row["path"] for row in json.loads(result.stdout)["cassettes"]] == ["cassettes/packing.otlp.jsonl"]
    assert sorted(path.name for path in (folder / "cassettes").iterdir()) == ["weather.otlp.jsonl"]
    (folder / "report.json").write_text("[]")
    assert _run(folder, "ls", "--unplayed", "report.json").returncode == 2


def test_nothing_is_deleted_without_a_yes(folder: Path) -> None:
    there = sorted(folder.rglob("*"))
    for words, code in (((), 2), (("--dry-run",), 0), (("--dry-run", "--yes"), 0)):
        result = _run(folder, "prune", ".", "--older-than", "1d", *words)
        assert (result.returncode, "3 files, 2.1 MB would be deleted" in result.stdout) == (code, True)
        assert sorted(folder.rglob("*")) == there
    assert _run(folder, "prune", "--yes").returncode == 2  # says not what
    unnamed = _run(folder, "prune", "--older-than", "1d", "--dry-run", "--json")
    assert [each["path"] for each in json.loads(unnamed.stdout)["cassettes"]] == [
        ".agenttrace/20261001-120000-7.otlp.jsonl"
    ]
    done = _run(folder, "prune", ".", "--older-than", "1d", "--yes")
    assert (done.returncode, "3 files, 2.1 MB deleted" in done.stdout) == (0, True)
    assert [path.name for path in sorted(folder.rglob("*"))] == [".agenttrace", "cassettes"]


@pytest.mark.parametrize(("answer", "is_left"), [("n", True), ("y", False)])
def test_a_terminal_is_asked(answer: str, is_left: bool, folder: Path) -> None:
    ours, theirs = pty.openpty()
    try:
        os.write(ours, f"{answer}\n".encode())
        words = [*_CLI, "prune", "cassettes", "--older-than", "1d"]
        ended = subprocess.run(words, cwd=folder, stdin=theirs, stdout=theirs, stderr=theirs, timeout=60, check=False)
    finally:
        os.close(theirs)
        os.close(ours)
    assert (folder / "cassettes/weather.otlp.jsonl").exists() is is_left
    assert ended.returncode == (2 if is_left else 0)


def test_merge_split_and_slice_write_what_they_say(folder: Path) -> None:
    merged = _run(folder, "merge", "cassettes", "-o", "all.otlp.jsonl")
    assert (merged.returncode, merged.stdout) == (0, "all.otlp.jsonl: 4 spans; 4 spans of an earlier file left out\n")
    assert (folder / "all.otlp.jsonl").read_bytes() == _GOLDEN.read_bytes()
    assert _run(folder, "merge", "weather", "-o", "all.otlp.jsonl").returncode == 2
    sliced = _run(folder, "slice", "all", "inference[2]", "-o", "second.otlp.jsonl")
    assert sliced.stdout == "second.otlp.jsonl: 2 spans of 4\n"
    assert _run(folder, "validate", "second").stdout == "second.otlp.jsonl: 2 spans, 1 recorded call, all readable\n"
    split = _run(folder, "split", "all", "-o", "runs", "--by", "agent")
    assert split.stdout == "runs/all-packing-advisor.otlp.jsonl: 4 spans\n"
    assert _run(folder, "slice", "all", "inferenc", "-o", "x.otlp.jsonl").returncode == 2
    assert not (folder / "x.otlp.jsonl").exists()


def test_the_fingerprint_is_for_people_and_programs(folder: Path) -> None:
    text = _run(folder, "fingerprint", "weather").stdout.splitlines()
    (run,) = json.loads(_run(folder, "fingerprint", "packing", "--json").stdout)["runs"]
    assert text[0] == "cassettes/weather.otlp.jsonl"
    assert text[1] == f"run    {run['fingerprint']['run']}  (4 steps)"
    assert run["fingerprint"]["tools"][0]["shapes"] == ["{city: string}"]


def test_a_doctor_of_cassettes_fails_on_what_is_critical_only(folder: Path) -> None:
    old = _run(folder, "doctor", "cassettes", "--older-than", "1d")
    assert old.returncode == 0
    assert "! stale" in old.stdout
    assert "! loose-bodies" in old.stdout
    (folder / "cassettes/weather.otlp.jsonl").write_bytes(b"{]\n" + _GOLDEN.read_bytes())
    result = _run(folder, "doctor", "cassettes", "--json")
    found = {(each["rule"], each["severity"]) for each in json.loads(result.stdout)["findings"]}
    assert result.returncode == 1
    assert ("damaged", "critical") in found
    assert result.stderr == ""
    assert _run(folder, "doctor", "cassettes", "--scan", ".").returncode == 2


def test_a_current_cassette_needs_no_migration(folder: Path) -> None:
    result = _run(folder, "migrate", "cassettes")
    assert result.stdout.splitlines() == [
        "cassettes/packing.otlp.jsonl: already current, version 1",
        "cassettes/weather.otlp.jsonl: already current, version 1",
    ]
