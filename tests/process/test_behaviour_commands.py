"""`patterns`, `stats`, `gaps` and `guidance` as a user runs them: what they print, write, and exit with."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from otel_agenttrace.cli import _cli
from tests.support.agent_runs import Tool, agent_run, write_run

_AGAIN: list[Tool] = [("search", {"q": "a"}), ("search", {"q": "a"}), ("answer", {})]


def _run(*arguments: str | Path, text: bytes | None = None) -> Result:
    return CliRunner().invoke(_cli, [str(each) for each in arguments], input=text)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for number in range(5):
        write_run(tmp_path / "golden" / f"t{number}.otlp.jsonl", agent_run(number))
        write_run(tmp_path / "runs" / f"t{number}.otlp.jsonl", agent_run(number, _AGAIN, tokens=(400, 40)))
    return tmp_path


def _damage(folder: Path) -> None:
    (folder / "runs" / "bad.otlp.jsonl").write_bytes(b"{not json\n")


def test_patterns_print_what_runs_have_in_common_and_write_it_as_json(folder: Path) -> None:
    result = _run("patterns", "golden", "runs", "-o", "patterns.json", "--skills", "AGENTS.md")
    assert result.exit_code == 0
    assert "10 runs in 10 files: no call failed" in result.stdout
    report: Any = json.loads((folder / "patterns.json").read_bytes())
    assert (report["trace_count"], report["tool_counts"]) == (10, {"search": 15, "answer": 10})
    assert report["ngrams"][0] == {"sequence": ["search", "answer"], "count": 10, "traces": 10}
    assert "Do not call `search` again with the same arguments: 5 of 15" in (folder / "AGENTS.md").read_text()


def test_names_of_other_tools_do_the_same(folder: Path) -> None:
    assert _run("analyze", "golden", "--json").stdout == _run("patterns", "golden", "--json").stdout
    assert _run("gap-report", "golden", "golden").stdout == _run("gaps", "golden", "golden").stdout


def test_stats_sum_up_in_each_form(folder: Path) -> None:
    report: Any = json.loads(_run("stats", "golden", "--json").stdout)
    assert (report["runs"], report["total"]["llm_calls"], report["total"]["input_tokens"]["total"]) == (5, 15, 1500)
    assert "| `search` | 5 |" in _run("stats", "golden", "--format", "md").stdout
    told = (folder / "golden" / "t0.otlp.jsonl").read_bytes()
    assert json.loads(_run("stats", "-", "--json", text=told).stdout)["files"][0]["file"] == "-"


@pytest.mark.parametrize("command", ["patterns", "stats"])
@pytest.mark.usefixtures("folder")
def test_a_damaged_file_is_named_and_the_rest_is_read(command: str, folder: Path) -> None:
    _damage(folder)
    result = _run(command, "runs")
    assert (result.exit_code, result.stderr.count("not read: runs/bad.otlp.jsonl")) == (0, 1)
    assert "5 runs in 5 files" in result.stdout
    alone = _run(command, "runs/bad.otlp.jsonl")
    assert (alone.exit_code, alone.stdout) == (3, "")


def test_a_critical_gap_exits_1_and_a_milder_limit_0(folder: Path) -> None:
    result = _run("gaps", "golden", "runs", "-o", "gaps.json", "--json")
    assert (result.exit_code, result.stdout) == (1, "")
    report: Any = json.loads((folder / "gaps.json").read_bytes())
    assert {gap["rule"]: gap["severity"] for gap in report["gaps"]} == {
        "token_inflation": "critical",
        "cost_inflation": "critical",
        "llm_call_inflation": "warning",
        "duplicate_calls": "critical",
    }
    assert report["gaps"][0]["evidence"][0]["file"].startswith("runs/t")
    milder = [f"--threshold={rule}=9" for rule in ("token_inflation", "cost_inflation", "duplicate_calls")]
    assert _run("gaps", "golden", "runs", *milder).exit_code == 0
    (folder / "pyproject.toml").write_text(
        "[tool.otel-agenttrace.gaps]\ntoken_inflation = 9\ncost_inflation = 9\nduplicate_calls = 9\n"
    )
    assert _run("gaps", "golden", "runs").exit_code == 0
    assert _run("gaps", "golden", "runs", "--threshold", "token_inflation=1.1").exit_code == 1


@pytest.mark.usefixtures("folder")
def test_gaps_with_a_side_that_has_no_run_exit_3_and_a_wrong_limit_2(folder: Path) -> None:
    (folder / "bad.otlp.jsonl").write_bytes(b"{not json\n")
    result = _run("gaps", "golden", "bad.otlp.jsonl")
    assert result.exit_code == 3
    assert "not read: bad.otlp.jsonl" in result.stderr
    assert type(_run("gaps", "golden", "runs", "--threshold", "token=1").exception).__name__ == "ConfigError"


def test_guidance_writes_one_block_from_reports_and_from_runs(folder: Path) -> None:
    mine = folder / "AGENTS.md"
    mine.write_bytes(b"# Mine\r\n\r\nKeep this.")
    assert _run("gaps", "golden", "runs", "-o", "gaps.json").exit_code == 1
    assert _run("guidance", "gaps.json", "runs", "-o", mine).exit_code == 0
    first = mine.read_bytes()
    assert first.startswith(b"# Mine\r\n\r\nKeep this.\r\n\r\n<!-- otel-agenttrace:begin")
    assert b"- Use fewer tokens: " in first
    assert b"- Do not call `search` again with the same arguments: 5 of 10 calls were repeats.\r\n" in first
    assert _run("guidance", "gaps.json", "runs", "-o", mine).exit_code == 0
    assert mine.read_bytes() == first
    assert "otel-agenttrace:begin" not in _run("guidance", "gaps.json").stdout


def test_guidance_follows_no_link_and_leaves_a_damaged_block_alone(folder: Path) -> None:
    (folder / "real.md").write_text("# Mine\n")
    (folder / "AGENTS.md").symlink_to(folder / "real.md")
    assert type(_run("guidance", "runs", "-o", "AGENTS.md").exception).__name__ == "ConfigError"
    damaged = folder / "CLAUDE.md"
    damaged.write_text("<!-- otel-agenttrace:begin guidance -->\n")
    assert type(_run("patterns", "runs", "--skills", damaged).exception).__name__ == "ConfigError"
    assert damaged.read_text() == "<!-- otel-agenttrace:begin guidance -->\n"
