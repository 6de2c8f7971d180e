"""The command `learn` in processes of its own: record twice, learn, write, replay."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

from tests.support.processes import instrumented_environment
from tests.support.provider import Provider

_COMMAND: Final = Path(sys.executable).with_name("otel-agenttrace")
_AGENT: Final = """
import json, os, random, sys, openai

client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"])
question = sys.argv[1]
revision, host = random.randint(1, 10**6), f"host-{random.randint(10, 10**6)}"
session = f"s-{random.randint(10, 10**6)}"
messages = [{"role": "user", "content": question}]
for turn in range(3):
    answer = client.chat.completions.create(
        model="gpt-4o", messages=messages, metadata={"session": session, "team": "travel"}
    )
    print(answer.choices[0].message.content)
    call = {"id": f"call_{turn}", "type": "function", "function": {"name": "search", "arguments": "{}"}}
    result = {"hits": [{"title": "Rome", "revision": revision}], "host": host, "turn": turn}
    messages.append({"role": "assistant", "tool_calls": [call]})
    messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})
"""
_PYPROJECT: Final = "# ours\n[tool.other]\nkept = true"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "agent.py").write_text(_AGENT, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text(_PYPROJECT, encoding="utf-8")
    return tmp_path


def _run(folder: Path, *arguments: str, provider: Provider | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [_COMMAND, *arguments],
        cwd=folder,
        env=instrumented_environment(None, None, provider),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _record(folder: Path, provider: Provider, name: str, question: str = "Where to?") -> str:
    ran = _run(folder, "record", name, "--", sys.executable, "agent.py", question, provider=provider)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_what_is_learned_from_two_runs_lets_a_third_replay(folder: Path, provider: Provider) -> None:
    answers = _record(folder, provider, "a.otlp.jsonl")
    _record(folder, provider, "b.otlp.jsonl")
    assert provider.hits == 6
    provider.stop()
    replay = ("replay", "a.otlp.jsonl", "--", sys.executable, "agent.py", "Where to?")
    assert _run(folder, *replay, provider=provider).returncode != 0

    shown = _run(folder, "learn", "a.otlp.jsonl", "b.otlp.jsonl")
    assert shown.returncode == 1, shown.stderr
    assert shown.stdout.startswith("compared 3 pairs of calls: 3 rules proposed, 0 not\n")
    assert shown.stdout.count("[[tool.otel-agenttrace.match]]") == 3
    assert (folder / "pyproject.toml").read_text(encoding="utf-8") == _PYPROJECT

    written = _run(folder, "learn", "a.otlp.jsonl", "b.otlp.jsonl", "--write")
    assert written.returncode == 0, written.stderr
    assert written.stdout == f"{shown.stdout}written to {folder / 'pyproject.toml'}\n"
    snippet = shown.stdout.partition("(--write appends it):\n\n")[2].rstrip("\n")
    assert (folder / "pyproject.toml").read_text(encoding="utf-8") == f"{_PYPROJECT}\n\n{snippet}\n"

    again = _run(folder, "learn", "a.otlp.jsonl", "b.otlp.jsonl")
    assert (again.returncode, again.stdout) == (
        0,
        "compared 3 pairs of calls: nothing moved beyond what is known to move\n",
    )
    replayed = _run(folder, *replay, provider=provider)
    assert (replayed.returncode, replayed.stdout) == (0, answers), replayed.stderr
    assert "replayed 3 calls: 0 hit, 3 drift, 0 miss" in replayed.stderr


def test_two_recordings_of_the_same_propose_nothing(folder: Path, provider: Provider) -> None:
    _record(folder, provider, "a.otlp.jsonl")
    shown = _run(folder, "learn", "a.otlp.jsonl", "a.otlp.jsonl", "--write")
    assert (shown.returncode, shown.stdout) == (
        0,
        "compared 3 pairs of calls: nothing moved beyond what is known to move\n",
    )
    assert (folder / "pyproject.toml").read_text(encoding="utf-8") == _PYPROJECT


def test_a_changed_question_is_told_and_proposed_only_when_asked(folder: Path, provider: Provider) -> None:
    _record(folder, provider, "a.otlp.jsonl")
    _record(folder, provider, "b.otlp.jsonl", "Where from?")
    shown = _run(folder, "learn", "a.otlp.jsonl", "b.otlp.jsonl")
    (line,) = [line for line in shown.stdout.splitlines() if "Where" in line]
    assert line.split()[0] == "/messages/0/content"
    assert line.rstrip().endswith("not proposed: content")
    told = json.loads(_run(folder, "learn", "a.otlp.jsonl", "b.otlp.jsonl", "--json").stdout)
    assert {move["pointer"]: (move["action"], move["refused"]) for move in told["moves"]} == {
        "/messages/0/content": (None, "content"),
        "/messages/*/content/hits/*/revision": ("ignore", None),
        "/messages/*/content/host": ("ignore", None),
        "/metadata/session": ("ignore", None),
    }
    everything = _run(folder, "learn", "a.otlp.jsonl", "b.otlp.jsonl", "--all")
    assert "4 rules proposed, 0 not" in everything.stdout


def test_a_recording_that_is_not_there_is_named(folder: Path) -> None:
    shown = _run(folder, "learn", "a.otlp.jsonl", "b.otlp.jsonl")
    assert shown.returncode == 3
    assert "No cassette at a.otlp.jsonl" in shown.stderr
