"""The command `report`, as a user and a CI job see it: real recordings of two branches, and what tests told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.suite import CaseResult, SuiteResult
from tests.support.branches import PRICES, record_branches, record_run

_GOLDEN: Final = Path(__file__).parents[1] / "golden"
_SUITE: Final = SuiteResult(
    cases=(
        CaseResult(
            "tests/test_agent.py::test_trip[Rome]",
            "passed",
            "tests/cassettes/same.otlp.jsonl",
            calls={"hit": 2},
            llm_calls=2,
            tool_calls=2,
            input_tokens=40,
            output_tokens=58,
            cost=0.00004,
        ),
        CaseResult(
            "tests/test_agent.py::test_budget",
            "failed",
            "tests/cassettes/call_more.otlp.jsonl",
            calls={"hit": 2, "drift": 1},
            unplayed=1,
            llm_calls=3,
            tool_calls=2,
            input_tokens=60,
            output_tokens=87,
            findings=(
                Finding("max_llm_calls", "3 calls to models, 2 wanted\n  to fix   ask less, or raise max_llm_calls"),
                Finding("drift", "1 call is answered by an inexact recording", "warning"),
            ),
        ),
        CaseResult("tests/test_agent.py::test_text", "failed", calls={"miss": 1}),
        CaseResult("tests/test_agent.py::test_later", "skipped"),
    ),
    expired=("tests/cassettes/prompt.otlp.jsonl",),
    orphans=("tests/cassettes/new.otlp.jsonl",),
)
_CHECKS: Final = {
    "files": [
        {"path": "tests/cassettes/same.otlp.jsonl", "findings": []},
        {
            "path": "tests/cassettes/order.otlp.jsonl",
            "findings": [Finding("order", "book before search").to_json()],
        },
    ]
}


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Give a folder with the recordings of both branches, recorded once."""
    folder = tmp_path_factory.mktemp("branches")
    with pytest.MonkeyPatch.context() as patch:
        for name in ("CI", "OTEL_AGENTTRACE_CASSETTE", "OTEL_AGENTTRACE_MODE"):
            patch.delenv(name, raising=False)
        record_branches(folder / "base", folder / "branch")
    (folder / "branch" / "pyproject.toml").write_text(PRICES, encoding="utf-8")
    (folder / "branch" / "run.json").write_text(json.dumps(_SUITE.to_json()), encoding="utf-8")
    (folder / "branch" / "checks.json").write_text(json.dumps(_CHECKS), encoding="utf-8")
    return folder


@pytest.fixture
def branch(recorded: Path, tmp_path: Path) -> Path:
    """Give a copy, with the base beside it."""
    shutil.copytree(recorded, tmp_path, dirs_exist_ok=True)
    return tmp_path / "branch"


def _report(folder: Path, *arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "otel_agenttrace", "report", *arguments],
        cwd=folder,
        env={**os.environ, "NO_COLOR": "1"},
        input=given,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _changes(folder: Path, *arguments: str) -> dict[str, Any]:
    ran = _report(folder, "--base", "../base", "--json", *arguments)
    return json.loads(ran.stdout)["changes"]


_ALL: Final = ("run.json", "--cassettes", "tests", "--base", "../base", "--checks", "checks.json")


@pytest.mark.parametrize(("form", "golden"), [("md", "report.md"), ("text", "report.txt")])
def test_a_whole_report_is_what_it_was(form: str, golden: str, branch: Path) -> None:
    ran = _report(branch, *_ALL, "--format", form)
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout == (_GOLDEN / golden).read_text(encoding="utf-8")


def test_a_report_into_a_file_is_the_same_bytes_each_time(branch: Path) -> None:
    for name in ("one.md", "two.md"):
        ran = _report(branch, *_ALL, "--format", "md", "-o", name)
        assert (ran.returncode, ran.stdout) == (0, "")
    assert (branch / "one.md").read_bytes() == (branch / "two.md").read_bytes()
    assert (branch / "one.md").read_text(encoding="utf-8") == (_GOLDEN / "report.md").read_text(encoding="utf-8")


def test_json_tells_each_change_with_its_steps(branch: Path) -> None:
    changes = _changes(branch)
    kinds = {Path(each["name"]).name.partition(".")[0]: each["kind"] for each in changes["cassettes"]}
    assert kinds == {
        "call_less": "changed",
        "call_more": "changed",
        "gone": "removed",
        "model": "changed",
        "new": "new",
        "order": "changed",
        "prompt": "changed",
        "tool_less": "changed",
    }
    assert changes["unchanged"] == 1
    by_name = {Path(each["name"]).name.partition(".")[0]: each for each in changes["cassettes"]}
    assert by_name["prompt"]["divergence"]["difference"].startswith("/messages/0/content: ")
    assert (by_name["prompt"]["added"], by_name["prompt"]["removed"]) == ([], [])
    assert len(by_name["call_more"]["added"]) == 1
    assert by_name["tool_less"]["removed"] == ['tool book({"city":"Rome"}) → booked in Rome']
    assert by_name["new"]["before"] is None


def test_a_model_without_a_price_costs_null_and_is_counted(branch: Path) -> None:
    changes = _changes(branch)
    (new,) = (each for each in changes["cassettes"] if each["kind"] == "new")
    assert (new["now"]["cost"], new["now"]["unpriced"]) == (None, 2)
    assert (changes["now"]["unpriced"], changes["before"]["unpriced"]) == (2, 0)


def test_a_cassette_recorded_again_that_does_the_same_is_no_change(branch: Path) -> None:
    shutil.copytree(branch.parent / "base" / "tests", branch / "tests", dirs_exist_ok=True)
    (branch / "tests" / "cassettes" / "new.otlp.jsonl").unlink()
    record_run(branch / "tests" / "cassettes" / "same.otlp.jsonl")
    before = (branch.parent / "base" / "tests" / "cassettes" / "same.otlp.jsonl").read_bytes()
    assert (branch / "tests" / "cassettes" / "same.otlp.jsonl").read_bytes() != before
    changes = _changes(branch)
    assert (changes["cassettes"], changes["unchanged"]) == ([], 8)


def test_without_a_base_nothing_is_new_and_what_runs_take_is_told(branch: Path) -> None:
    ran = _report(branch, "--cassettes", "tests", "--format", "md")
    assert ran.returncode == 0
    assert ran.stdout.splitlines()[:3] == ["<!-- otel-agenttrace report -->", "### ✓ 8 cassettes", ""]
    assert "| calls to models | 16 |" in ran.stdout
    assert "#### " not in ran.stdout


def test_a_base_without_cassettes_makes_all_of_them_new(branch: Path) -> None:
    (branch / "nothing").mkdir()
    ran = _report(branch, "--cassettes", "tests", "--base", "nothing", "--json")
    assert {each["kind"] for each in json.loads(ran.stdout)["changes"]["cassettes"]} == {"new"}


def test_a_folder_that_is_gone_with_all_its_cassettes_is_compared(branch: Path) -> None:
    shutil.rmtree(branch / "tests")
    changes = _changes(branch, "--cassettes", "tests")
    assert [each["kind"] for each in changes["cassettes"]] == ["removed"] * 8


def test_a_damaged_cassette_is_named_and_exits_3_with_the_rest_told(branch: Path) -> None:
    (branch / "tests" / "cassettes" / "same.otlp.jsonl").write_text("{}x\n", encoding="utf-8")
    ran = _report(branch, "--base", "../base", "--format", "md")
    assert ran.returncode == 3
    assert "- `tests/cassettes/same.otlp.jsonl: not JSON" in ran.stdout
    assert "**changed** `tests/cassettes/prompt.otlp.jsonl`" in ran.stdout


def test_a_damaged_cassette_of_the_base_is_told_and_fails_nobody(branch: Path) -> None:
    (branch.parent / "base" / "tests" / "cassettes" / "same.otlp.jsonl").write_text("{}x\n", encoding="utf-8")
    ran = _report(branch, "--base", "../base", "--format", "md")
    assert ran.returncode == 0
    assert "- `tests/cassettes/same.otlp.jsonl (on the base): not JSON" in ran.stdout


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "cannot be read: No such file"),
        ("not json", "Expecting value"),
        ("{}", "no report of a test run"),
        ('{"version": 99, "cases": []}', "version 99"),
    ],
)
def test_a_run_that_cannot_be_read_exits_3(content: str | None, told: str, tmp_path: Path) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content, encoding="utf-8")
    ran = _report(tmp_path, "run.json")
    assert (ran.returncode, ran.stdout) == (3, "")
    assert ran.stderr.startswith("otel-agenttrace: run.json: ")
    assert told in ran.stderr


def test_a_run_comes_from_the_standard_input_too(tmp_path: Path) -> None:
    ran = _report(tmp_path, "-", "--json", given=json.dumps(_SUITE.to_json()))
    assert ran.returncode == 0
    assert json.loads(ran.stdout) == {"suite": _SUITE.to_json(), "checks": None, "changes": None}


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ((), "nothing to report on"),
        (("--cassettes", ".."), "not below the working directory"),
        (("--cassettes", "nowhere"), "no such folder"),
        (("--base", "nowhere"), "does not exist"),
        (("--cassettes", ".", "-o", "nowhere/report.md"), "cannot be written"),
    ],
)
def test_wrong_use_exits_2(arguments: tuple[str, ...], told: str, tmp_path: Path) -> None:
    ran = _report(tmp_path, *arguments)
    assert ran.returncode == 2
    assert told in " ".join(ran.stderr.split())
