"""Nothing phones home: every command, an import, recordings, replays and prices need no machine but this one."""

from __future__ import annotations

import json
import sys
from importlib import import_module
from pathlib import Path
from typing import Final

import click
import pytest

from otel_agenttrace.analyze.pull_requests import pull_request_of, stored_form
from tests.support.github import changed, pull
from tests.support.unreachable import ended_by_watch, is_namespace_there, run_unreachable

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_CLI: Final = (sys.executable, "-m", "otel_agenttrace")
_AGENT: Final = (sys.executable, "-m", "otel_agenttrace.demo.agent", "{url}")
_RECORD: Final = (*_CLI, "record", "made.otlp.jsonl", "--", *_AGENT)
_JUDGED: Final = f"OPENAI_BASE_URL={{url}} OPENAI_API_KEY='none is needed' {sys.executable} -m otel_agenttrace score made.otlp.jsonl --model m"
_SERVED: Final = f"{sys.executable} -m otel_agenttrace.demo.agent $OPENAI_BASE_URL"

_COMMANDS: Final[dict[str, tuple[tuple[str, ...], ...]]] = {
    "annotate": ((*_CLI, "annotate", "run.otlp.jsonl", "tool", "--note", "see"),),
    "check": ((*_CLI, "check", "run.otlp.jsonl"),),
    "completion": ((*_CLI, "completion", "zsh"),),
    "cost": ((*_CLI, "cost", "run.otlp.jsonl"),),
    "dataset": ((*_CLI, "dataset", "run.otlp.jsonl", "--format", "csv", "-o", "calls.csv"),),
    "demo": ((*_CLI, "demo"),),
    "diff": ((*_CLI, "diff", "run.otlp.jsonl", "run.otlp.jsonl", "--semantic"),),
    "doctor": ((*_CLI, "doctor"), (*_CLI, "doctor", "--scan", "."), (*_CLI, "doctor", ".")),
    "explain": ((*_CLI, "explain", "run.otlp.jsonl"),),
    "export": ((*_CLI, "export", "run.otlp.jsonl", "--format", "otlp", "-o", "out.jsonl"),),
    "fingerprint": ((*_CLI, "fingerprint", "run"),),
    "gaps": ((*_CLI, "gaps", "run.otlp.jsonl", "run.otlp.jsonl"),),
    "grade": ((*_CLI, "grade", "run.otlp.jsonl"),),
    "guidance": ((*_CLI, "guidance", "run.otlp.jsonl", "-o", "AGENTS.md"),),
    "ingest": (
        (*_CLI, "ingest", "tool-calls", "calls.jsonl", "-o", "out"),
        (*_CLI, "ingest", "har", "a.har", "-o", "out"),
    ),
    "init": ((*_CLI, "init", "made"),),
    "learn": ((*_CLI, "learn", "run.otlp.jsonl", "run.otlp.jsonl"),),
    "ls": ((*_CLI, "ls"),),
    "merge": ((*_CLI, "merge", "run", "-o", "merged.otlp.jsonl"),),
    "migrate": ((*_CLI, "migrate", "run"),),
    "open": ((*_CLI, "open", "run.otlp.jsonl", "--no-browser"),),
    "pack": ((*_CLI, "pack", "run.otlp.jsonl"),),
    "patterns": ((*_CLI, "patterns", "run.otlp.jsonl"),),
    "play": ((*_CLI, "play", "run.otlp.jsonl", "--speed", "0"),),
    "pr": ((*_CLI, "pr", "baselines", "--run", "run.otlp.jsonl"),),
    "prune": ((*_CLI, "prune", ".", "--older-than", "1m", "--yes"),),
    "record": (_RECORD,),
    "redact": ((*_CLI, "redact", "run.otlp.jsonl"),),
    "refresh": (_RECORD, (*_CLI, "refresh", "made.otlp.jsonl", "--older-than", "0m", "--", *_AGENT)),
    "replay": (_RECORD, (*_CLI, "replay", "made.otlp.jsonl", "--", *_AGENT)),
    "report": ((*_CLI, "report", "--cassettes", "."),),
    "retrieval": ((*_CLI, "retrieval", "run.otlp.jsonl"),),
    "score": (_RECORD, ("sh", "-c", _JUDGED)),
    "serve": (_RECORD, (*_CLI, "serve", "made.otlp.jsonl", "--", "sh", "-c", _SERVED)),
    "show": ((*_CLI, "show", "run.otlp.jsonl"), (*_CLI, "show", "--conversation", "run.otlp.jsonl")),
    "slice": ((*_CLI, "slice", "run", "inference", "-o", "sliced.otlp.jsonl"),),
    "split": ((*_CLI, "split", "run", "-o", "runs"),),
    "stats": ((*_CLI, "stats", "run.otlp.jsonl"),),
    "timeline": ((*_CLI, "timeline", "run.otlp.jsonl"),),
    "tokens": ((*_CLI, "tokens", "run.otlp.jsonl"),),
    "tree": ((*_CLI, "tree", "run.otlp.jsonl"),),
    "validate": ((*_CLI, "validate", "run.otlp.jsonl"),),
    "why": ((*_CLI, "why", "run.otlp.jsonl", "last"),),
}
"""What is run for each command, the command itself at the end."""

_PROGRAMS: Final = {
    "an import": "import otel_agenttrace",
    "a recording, a replay and what they cost": """
import sys, openai
import otel_agenttrace as at
def ask(url):
    with openai.OpenAI(base_url=url, api_key="none is needed") as client:
        client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
with at.record("made.otlp.jsonl"):
    ask(sys.argv[1])
assert at.load("made.otlp.jsonl").cost is not None
with at.replay("made.otlp.jsonl") as session:
    ask(sys.argv[1])
assert [outcome.kind for outcome in session.outcomes] == ["hit"]
""",
    "a comparison of answers by meaning": """
from otel_agenttrace.semantic import semantic_similarity
assert semantic_similarity("The light is on.", "The lamp is on.") > 0.5
""",
    "zero code": """
import os
from opentelemetry.instrumentation import auto_instrumentation
auto_instrumentation.initialize()
""",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "run.otlp.jsonl").write_bytes(_GOLDEN.read_bytes())
    (tmp_path / "agent-checks.yaml").write_text("min_llm_calls: 1\nmax_cost_usd: 10\n")
    content = {"mimeType": "application/json", "text": "{}"}
    entry = {
        "request": {"method": "GET", "url": "https://api.openai.com/v1/models", "headers": []},
        "response": {"status": 200, "headers": [], "content": content},
    }
    (tmp_path / "baselines").mkdir()
    kept = pull_request_of(pull(7, "2026-07-01T10:00:00Z"), [changed("a.py")])
    (tmp_path / "baselines" / "7.json").write_bytes(stored_form(kept))
    (tmp_path / "a.har").write_text(json.dumps({"log": {"entries": [entry]}}))
    (tmp_path / "calls.jsonl").write_text(json.dumps({"tool": "search", "args": {}, "result": "found"}))
    return tmp_path


def test_each_command_is_tried() -> None:
    command = vars(import_module("otel_agenttrace.cli"))["_cli"]
    assert isinstance(command, click.Group)
    assert sorted(_COMMANDS) == sorted(command.list_commands(click.Context(command)))


@pytest.mark.parametrize("name", _COMMANDS)
def test_a_command_works_without_a_network_and_asks_for_none(name: str, folder: Path) -> None:
    result, asked = run_unreachable(_COMMANDS[name], folder, {})
    assert asked == ""
    assert result.returncode == 0, f"{result.stdout}{result.stderr}"


@pytest.mark.parametrize("name", _PROGRAMS)
def test_a_program_asks_for_no_other_machine(name: str, folder: Path) -> None:
    result, asked = run_unreachable([[sys.executable, "-c", _PROGRAMS[name], "{url}"]], folder, {})
    assert asked == ""
    assert result.returncode == 0, f"{result.stdout}{result.stderr}"


@pytest.mark.parametrize(
    "leak",
    [
        "import socket; socket.create_connection(('192.0.2.1', 80), timeout=5)",
        "import socket; socket.getaddrinfo('example.test', 443)",
        "import socket; socket.socket(type=socket.SOCK_DGRAM).sendto(b'x', ('192.0.2.1', 53))",
        "import asyncio; asyncio.run(asyncio.open_connection('192.0.2.1', 80))",
    ],
)
def test_the_watch_hears_who_does(leak: str, folder: Path) -> None:
    result, asked = run_unreachable([[sys.executable, "-c", leak]], folder, {})
    assert result.returncode == ended_by_watch
    assert len(asked.splitlines()) == 1


@pytest.mark.skipif(not is_namespace_there(), reason="no namespace may be made here; the watch is the proof then")
def test_in_the_namespace_there_is_no_way_out(folder: Path) -> None:
    unheard = "import errno, socket\ntry: socket.create_connection(('192.0.2.1', 80), timeout=5)\nexcept OSError as error: raise SystemExit(error.errno == errno.ENETUNREACH)"
    result, asked = run_unreachable([[sys.executable, "-S", "-E", "-c", unheard]], folder, {})
    assert (result.returncode, asked) == (1, "")
