"""`record --only`, `refresh` and `replay --verify` as a user runs them, and killed in the middle."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.cassette.validation import validated
from otel_agenttrace.cassette.writer import partial_path
from tests.support.processes import instrumented_environment
from tests.support.provider import Provider

COMMAND: Final = Path(sys.executable).with_name("otel-agenttrace")
CASSETTE: Final = "run.otlp.jsonl"

_AGENT: Final = """
import os, signal, sys, openai
import otel_agenttrace as at

@at.tool
def weather(city):
    return {"city": city}

@at.agent("advisor")
def advise(client, turns):
    messages = [{"role": "system", "content": "You give advice. " * 40}]
    for turn in range(turns):
        messages.append({"role": "user", "content": f"turn {turn}"})
        client.chat.completions.create(model="gpt-4o", messages=messages, tools=TOOLS)
        weather(f"city {turn}")
        if os.environ.get("KILLED_AFTER") == str(turn):
            for victim in os.environ["VICTIMS"].split():
                os.kill(os.getppid() if victim == "root" else os.getpid(), signal.SIGKILL)

TOOLS = [{"type": "function", "function": {"name": "weather", "description": "d" * 400, "parameters": {}}}]
advise(openai.OpenAI(base_url=os.environ["PROVIDER_URL"], max_retries=0), int(sys.argv[1]))
"""


@pytest.fixture
def folder(tmp_path: Path, provider: Provider) -> Path:
    """Return a folder with the agent and its recording of five turns."""
    (tmp_path / "agent.py").write_text(_AGENT, encoding="utf-8")
    assert _run(tmp_path, provider, "record", CASSETTE, "--", sys.executable, "agent.py", "5").returncode == 0
    return tmp_path


def _run(folder: Path, provider: Provider, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=instrumented_environment(None, None, provider, **more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _agent(folder: Path, provider: Provider, *arguments: str, turns: int = 5, **more: str) -> str:
    """Run the agent under the command, which must succeed, and return what that says."""
    result = _run(folder, provider, *arguments, CASSETTE, "--", sys.executable, "agent.py", str(turns), **more)
    assert result.returncode == 0, result.stderr
    return result.stderr


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-c", "user.name=n", "-c", "user.email=e@example.com", *arguments]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True, timeout=60).stdout


@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_git_shows_exactly_the_line_of_the_call_that_was_recorded_again(folder: Path, provider: Provider) -> None:
    _git(folder, "init", "-q")
    _git(folder, "add", CASSETTE)
    _git(folder, "commit", "-qm", "recorded")
    hits = provider.hits
    said = _agent(folder, provider, "record", "--only", "inference[2]")
    assert said.strip() == f"re-recorded 1 of 5 calls, 4 kept byte for byte → {CASSETTE}"
    assert provider.hits == hits + 1
    diff = _git(folder, "diff", "--unified=0", CASSETTE).splitlines()
    assert [line[:2] for line in diff[4:]] == ["@@", "-{", "+{"]
    assert "turn 1" in diff[5]
    assert "turn 1" in diff[6]
    assert validated(folder / CASSETTE, CASSETTE).problems == ()
    assert "5 hit, 0 drift, 0 miss" in _agent(folder, provider, "replay")


@pytest.mark.parametrize("victims", ["root", "root agent", "agent"])
def test_a_kill_in_the_middle_leaves_the_cassette_as_it_was(folder: Path, provider: Provider, victims: str) -> None:
    before = (folder / CASSETTE).read_bytes()
    command = ["record", "--only", "inference[2] | inference[4]", CASSETTE, "--", sys.executable, "agent.py", "5"]
    result = _run(folder, provider, *command, KILLED_AFTER="2", VICTIMS=victims)
    assert result.returncode != 0
    assert (folder / CASSETTE).read_bytes() == before
    partial = partial_path(folder / CASSETTE)
    assert "turn 1" in partial.read_text()
    assert validated(partial, "partial").calls >= 1
    said = _agent(folder, provider, "record", "--only", "inference[2] | inference[4]")
    assert said.strip() == f"re-recorded 2 of 5 calls, 3 kept byte for byte → {CASSETTE}"
    assert not partial.exists()


def test_what_is_not_asked_for_is_told_and_pruned_when_asked(folder: Path, provider: Provider) -> None:
    said = _agent(folder, provider, "record", "--only", "inference[1]", turns=3)
    assert said.strip() == (
        f"re-recorded 1 of 5 calls, 4 kept byte for byte → {CASSETTE}"
        " · 2 recorded calls not asked for: kept; --prune removes them"
    )
    said = _agent(folder, provider, "record", "--only", "inference[1]", "--prune", turns=3)
    assert said.strip() == (
        f"re-recorded 1 of 5 calls, 2 kept byte for byte → {CASSETTE} · 2 recorded calls not asked for: removed"
    )
    assert len(at.load(folder / CASSETTE).inferences) == 3
    said = _agent(folder, provider, "record", "--only", "inference[-1]", turns=4)
    assert said.strip() == f"re-recorded 1 of 3 calls, 2 kept byte for byte → {CASSETTE} · 1 new call added"


def test_wrong_use_is_named_before_anything_starts(folder: Path, provider: Provider) -> None:
    before, hits = (folder / CASSETTE).read_bytes(), provider.hits
    for arguments, said in (
        (["record", "--only", "inference[9]"], "chooses no recorded call"),
        (["record", "--only", "infrence"], "did you mean 'inference'?"),
        (["record", "--only", "inference", "--mode", "once"], "Leave one of them out"),
        (["record", "--prune"], "name its calls with only (--only)"),
        (["refresh", "--older-than", "soon"], "12h, 30d or 2w"),
        (["refresh", "--older-than", "30"], "12h, 30d or 2w"),
    ):
        result = _run(folder, provider, *arguments, CASSETTE, "--", sys.executable, "agent.py", "5")
        assert (result.returncode, provider.hits) == (2, hits)
        assert said in result.stderr
        assert (folder / CASSETTE).read_bytes() == before
        assert not partial_path(folder / CASSETTE).exists()


def test_refresh_makes_old_calls_again_and_only_these(folder: Path, provider: Provider) -> None:
    hits = provider.hits
    assert _agent(folder, provider, "refresh", "--older-than", "30d").strip() == (
        f"refreshed nothing: no call of {CASSETTE} is older than 30d"
    )
    assert provider.hits == hits
    lines = [json.loads(line) for line in (folder / CASSETTE).read_text().splitlines()]
    for line in lines[:4]:  # two turns of a month ago
        (span,) = line["resourceSpans"][0]["scopeSpans"][0]["spans"]
        span["startTimeUnixNano"] = str(int(span["startTimeUnixNano"]) - 31 * 86_400 * 10**9)
    (folder / CASSETTE).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert _agent(folder, provider, "refresh", "--older-than", "30d").startswith("re-recorded 2 of 5 calls")
    assert provider.hits == hits + 2
    assert _agent(folder, provider, "refresh", "--older-than", "30d").startswith("refreshed nothing")


def test_verify_names_the_call_that_differs_and_writes_nothing(folder: Path, provider: Provider) -> None:
    hits = provider.hits
    assert _agent(folder, provider, "replay", "--verify").strip() == (
        f"verified 5 calls: 5 as recorded, 0 drift, 0 miss · {CASSETTE}"
    )
    assert provider.hits == hits + 5
    lines = (folder / CASSETTE).read_bytes().splitlines(keepends=True)
    lines[2] = lines[2].replace(b"gpt-4o-2026-10-01", b"gpt-4o-2024-01-01")
    (folder / CASSETTE).write_bytes(b"".join(lines))
    command = ["replay", "--verify", "--fail-on", "drift", CASSETTE, "--", sys.executable, "agent.py", "5"]
    result = _run(folder, provider, *command)
    assert result.returncode == 1
    assert result.stderr.splitlines() == [
        f"verified 5 calls: 4 as recorded, 1 drift, 0 miss · {CASSETTE}",
        '  inference[2] chat gpt-4o  live answer differs at /model: "gpt-4o-2024-01-01" → "gpt-4o-2026-10-01"',
    ]
    assert (folder / CASSETTE).read_bytes() == b"".join(lines)
