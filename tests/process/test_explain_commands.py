"""The commands `explain`, `why`, `tree`, `timeline` and `tokens`, as a user sees them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.corpus import CORPORA

_GOLDEN: Final = Path(__file__).parents[1] / "golden"
_RUN: Final = "cassette_v1.otlp.jsonl"
_COMMANDS: Final = {
    "explain": ("explain", _RUN),
    "why": ("why", _RUN, "last"),
    "tree": ("tree", _RUN),
    "timeline": ("timeline", _RUN, "--width", "80"),
    "tokens": ("tokens", _RUN),
}
_FOREIGN: Final = (
    "otel-traces-any-agent/docs/traces/GOOGLE_trace.json",
    "otel-spans-vercel-ai-v6/js/packages/openinference-vercel/test/__fixtures__/v6-spans/all-spans.json",
    "otel-traces-inference-perf/examples/otel/test_traces/advanced/multi_agent_research.json",
)


def _run(*arguments: str, at: Path = _GOLDEN) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "otel_agenttrace", *arguments)
    return subprocess.run(command, cwd=at, capture_output=True, text=True, check=False)


@pytest.mark.parametrize("name", _COMMANDS)
def test_the_golden_cassette_is_told_as_it_was(name: str) -> None:
    """The figures are those of the file: 191 + 61 and 275 + 38 tokens; attempts that begin 1.5 ms apart, twice."""
    done = _run(*_COMMANDS[name])
    assert (done.returncode, done.stderr) == (0, "")
    golden = _GOLDEN / "explained" / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(done.stdout, "utf-8")
    assert done.stdout == golden.read_text("utf-8")


@pytest.mark.parametrize("name", _COMMANDS)
def test_markdown_and_json_tell_the_same_run(name: str) -> None:
    assert "`" in _run(*_COMMANDS[name], "--format", "md").stdout
    told: Any = json.loads(_run(*_COMMANDS[name], "--json").stdout)
    assert (told if name == "why" else told["runs"][0])["name"] == _RUN


@pytest.mark.parametrize("file", _FOREIGN)
def test_every_command_reads_what_others_exported(file: str) -> None:
    if not (CORPORA / file).is_file():
        pytest.skip("needs the corpora")
    for name, (command, _, *more) in _COMMANDS.items():
        done = _run(command, str(CORPORA / file), *more)
        assert (done.returncode, done.stderr) == (0, ""), name
        assert done.stdout


def test_a_gate_on_the_context_window_fails_only_what_is_that_full() -> None:
    """The fuller call of the file used 275 + 38 tokens."""
    assert _run("tokens", _RUN, "--limit", "400", "--fail-on", "warning").returncode == 1
    assert _run("tokens", _RUN, "--limit", "400", "--fail-on", "critical").returncode == 0
    assert _run("tokens", _RUN, "--limit", "gpt-4o-mini=320", "--fail-on", "critical").returncode == 1
    assert _run("tokens", _RUN, "--limit", "none").returncode == 2


def test_a_span_that_is_not_there_is_wrong_use_and_a_file_that_is_not_is_unreadable(tmp_path: Path) -> None:
    done = _run("why", _RUN, "wether")
    assert done.returncode == 2
    assert "no span is meant by it" in done.stderr
    (tmp_path / "bad.otlp.jsonl").write_text("no trace\n")
    for name in ("explain", "tree", "timeline", "tokens"):
        assert _run(name, "bad.otlp.jsonl", at=tmp_path).returncode == 3
