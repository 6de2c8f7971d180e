"""`redact` and `doctor --scan` in processes of their own; and which rules the processes of a run redact by."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.cassette.writer import RecordedCall, Writer
from otel_agenttrace.matching import requested
from otel_agenttrace.model import Call, Exchange, Span
from otel_agenttrace.redact import Redactor
from otel_agenttrace.redaction import RedactionRules
from tests.support.processes import instrumented_environment
from tests.support.provider import Provider

_KEY: Final = "sk-proj-" + hashlib.sha256(b"of a command").hexdigest()
_JANE: Final = "jane" + "@" + "corp.example"
_COMMAND: Final = (sys.executable, "-m", "otel_agenttrace")
_NO_RULES: Final = RedactionRules(allow=("(?s).*",))
_CASSETTE: Final = "run.otlp.jsonl"

_ASK: Final = """
import os, sys, httpx
for text in sys.argv[1:]:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    httpx.post(os.environ["PROVIDER_URL"] + "/chat/completions", json=body).raise_for_status()
"""
_PARENT: Final = """
import subprocess, sys
subprocess.run([sys.executable, "ask.py", "parent says " + sys.argv[1]], check=True)
import runpy
runpy.run_path("ask.py", run_name="__main__")
"""
_BY_ARGUMENT: Final = """
import runpy
import otel_agenttrace as at
from otel_agenttrace.redaction import RedactionRules
with at.record("run.otlp.jsonl", redact=RedactionRules(personal=("email",)), quiet=True):
    runpy.run_path("parent.py", run_name="__main__")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name, code in {"ask": _ASK, "parent": _PARENT, "by_argument": _BY_ARGUMENT}.items():
        (tmp_path / f"{name}.py").write_text(code, encoding="utf-8")
    return tmp_path


def _run(folder: Path, *command: str, provider: Provider | None = None) -> subprocess.CompletedProcess[str]:
    environment = instrumented_environment(None, None, provider)
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


def _recorded(folder: Path, provider: Provider, *texts: str) -> Path:
    """Record in the way of a release that redacted nothing."""
    (folder / "pyproject.toml").write_text('[tool.otel-agenttrace.redact]\nallow = ["(?s).*"]\n', encoding="utf-8")
    result = _run(folder, *_COMMAND, "record", _CASSETTE, "--", sys.executable, "ask.py", *texts, provider=provider)
    assert result.returncode == 0, result.stderr
    (folder / "pyproject.toml").unlink()
    path = folder / _CASSETTE
    assert _KEY in path.read_text(encoding="utf-8")
    return path


# --- the commands -------------------------------------------------------------------------------------------------------


def test_a_cleaned_cassette_replays_the_same_program_as_a_hit(folder: Path, provider: Provider) -> None:
    texts = ("hello", f"my key is {_KEY}", f"and again: {_KEY}")
    path = _recorded(folder, provider, *texts)
    first = path.read_bytes().splitlines()[0]
    dry = _run(folder, *_COMMAND, "redact", "--dry-run", _CASSETTE)
    assert (dry.returncode, "would be removed" in dry.stdout) == (1, True), dry.stdout + dry.stderr
    done = _run(folder, *_COMMAND, "redact", _CASSETTE)
    assert done.returncode == 0, done.stderr
    assert "token: " in done.stdout
    assert "line 2, 3" in done.stdout
    assert _KEY not in path.read_text(encoding="utf-8") + dry.stdout + done.stdout
    assert path.read_bytes().splitlines()[0] == first
    replayed = _run(folder, *_COMMAND, "replay", _CASSETTE, "--", sys.executable, "ask.py", *texts, provider=provider)
    assert "replayed 3 calls: 3 hit" in replayed.stderr
    again = _run(folder, *_COMMAND, "redact", "--dry-run", ".")
    assert (again.returncode, again.stdout) == (0, f"{_CASSETTE}: clean\n")


def test_the_json_of_redact_names_kinds_and_lines_and_no_secret(folder: Path, provider: Provider) -> None:
    _recorded(folder, provider, f"my key is {_KEY}")
    done = _run(folder, *_COMMAND, "redact", "--json", _CASSETTE, "-o", "clean.otlp.jsonl")
    told = json.loads(done.stdout)
    (file,) = told["files"]
    assert (file["path"], file["written"]) == (_CASSETTE, "clean.otlp.jsonl")
    assert file["kinds"] == {"token": told["secrets"]}
    assert {leak["line"] for leak in file["leaks"]} == {1}
    assert _KEY not in done.stdout + (folder / "clean.otlp.jsonl").read_text(encoding="utf-8")


def test_notes_are_cleaned_with_their_cassette_and_go_with_a_copy(folder: Path, provider: Provider) -> None:
    notes = _recorded(folder, provider, f"key {_KEY}").with_name(f"{_CASSETTE}.notes.jsonl")
    remark = {"trace_id": "a" * 32, "span_id": "b" * 16, "name": "POST", "place": "#1", "mark": "note"}
    lines = [json.dumps({**remark, "text": text}) + "\n" for text in ("clean", f"key {_KEY}")]
    notes.write_text("".join(lines), encoding="utf-8")
    asked = _run(folder, *_COMMAND, "redact", _CASSETTE, "--dry-run")
    assert (asked.returncode, notes.read_text(encoding="utf-8")) == (1, "".join(lines))
    for _ in range(2):
        copied = _run(folder, *_COMMAND, "redact", _CASSETTE, "-o", "copy.otlp.jsonl")
        assert copied.returncode == 0, copied.stderr
    cleaned = _run(folder, *_COMMAND, "redact", ".")
    assert cleaned.returncode == 0, cleaned.stderr
    assert f"{notes.name}: 1 secret removed → {notes.name}" in cleaned.stdout
    for path in (notes, folder / "copy.otlp.jsonl.notes.jsonl"):
        kept, changed = path.read_text(encoding="utf-8").splitlines(keepends=True)
        assert kept == lines[0]
        assert json.loads(changed)["text"].startswith("key [REDACTED:")
        assert {**json.loads(changed), "text": ""} == {**remark, "text": ""}


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("none.otlp.jsonl",), 3),
        (("ask.py",), 3),
        ((), 2),
        (("ask.py", "parent.py", "-o", "x.otlp.jsonl"), 2),
        (("c.otlp.jsonl.zst",), 3),
    ],
)
def test_what_cannot_be_cleaned_says_so(folder: Path, arguments: tuple[str, ...], code: int) -> None:
    (folder / "c.otlp.jsonl.zst").write_bytes(b"x")
    result = _run(folder, *_COMMAND, "redact", *arguments)
    assert (result.returncode, bool(result.stderr)) == (code, True)
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_a_file_that_cannot_be_cleaned_is_told_after_those_that_were_and_exits_3(
    folder: Path, provider: Provider, options: tuple[str, ...]
) -> None:
    path = _recorded(folder, provider, f"my key is {_KEY}")
    (folder / "a.otlp.jsonl").write_text("damaged\n", encoding="utf-8")
    result = _run(folder, *_COMMAND, "redact", *options, ".")
    assert result.returncode == 3
    assert "a.otlp.jsonl" in result.stderr
    assert _KEY not in path.read_text(encoding="utf-8")
    if options:
        assert [bool(file["problem"]) for file in json.loads(result.stdout)["files"]] == [True, False]
    else:
        assert result.stdout.startswith(f"{_CASSETTE}: ")


def test_a_large_body_that_stays_for_another_file_is_told_and_exits_1(folder: Path) -> None:
    asked = requested("POST", "https://api.test/v1/x", "application/json", b"{}", Redactor(()))
    body = json.dumps({"text": "word " * 300_000 + _KEY}).encode()
    call = Call(asked.key, (Exchange(asked.request, 5, 900, "complete", 200, body=body),), "", 0)
    for name in (_CASSETTE, f"{_CASSETTE}.partial"):
        Writer(folder / name, {}).write(Span("0" * 31 + "1", "0" * 15 + "1", "x", 1, 2), RecordedCall(call, asked))
    first = _run(folder, *_COMMAND, "redact", _CASSETTE)
    assert (first.returncode, "left with a secret" in first.stdout) == (1, True), first.stdout + first.stderr
    second = _run(folder, *_COMMAND, "redact", f"{_CASSETTE}.partial")
    assert (second.returncode, "left with" in second.stdout) == (0, False), second.stdout + second.stderr


def test_the_doctor_finds_leaks_and_exits_1_and_0_once_they_are_gone(folder: Path, provider: Provider) -> None:
    _recorded(folder, provider, f"my key is {_KEY}")
    (folder / "app.log").write_text(f"one\n\x1b[2Jtoken={_KEY}\n", encoding="utf-8")
    found = _run(folder, *_COMMAND, "doctor", "--scan", ".")
    assert found.returncode == 1, found.stderr
    assert f"{_CASSETTE}:1: token request/messages/0/content: my key is [REDACTED:token:" in found.stdout
    assert "app.log:2: token: \\x1b[2Jtoken=[REDACTED:token:" in found.stdout
    assert f"to fix   otel-agenttrace redact {_CASSETTE}" in found.stdout
    assert _KEY not in found.stdout
    told = json.loads(_run(folder, *_COMMAND, "doctor", "--scan", ".", "--json").stdout)
    assert {file["path"] for file in told["files"]} == {_CASSETTE, "app.log"}
    (folder / "app.log").unlink()
    assert _run(folder, *_COMMAND, "redact", ".").returncode == 0
    clean = _run(folder, *_COMMAND, "doctor", "--scan", ".")
    assert (clean.returncode, "no secret found" in clean.stdout) == (0, True), clean.stdout


def test_personal_data_is_looked_for_where_it_is_asked_for(folder: Path) -> None:
    (folder / "notes.txt").write_text(f"ask {_JANE}\n", encoding="utf-8")
    assert _run(folder, *_COMMAND, "doctor", "--scan", ".").returncode == 0
    found = _run(folder, *_COMMAND, "doctor", "--scan", ".", "--personal")
    assert (found.returncode, "notes.txt:1: email: ask [REDACTED:email]" in found.stdout) == (1, True)


# --- the processes of a run ---------------------------------------------------------------------------------------------


def test_children_have_the_rules_of_pyproject(folder: Path, provider: Provider) -> None:
    (folder / "pyproject.toml").write_text(
        '[tool.otel-agenttrace]\nredact = { personal = ["email"] }\n', encoding="utf-8"
    )
    command = (*_COMMAND, "record", _CASSETTE, "--", sys.executable, "parent.py", f"write to {_JANE}")
    _assert_both_redacted(folder, _run(folder, *command, provider=provider))


def test_children_have_the_rules_of_the_argument(folder: Path, provider: Provider) -> None:
    command = (sys.executable, "by_argument.py", f"write to {_JANE}")
    _assert_both_redacted(folder, _run(folder, *command, provider=provider))


def _assert_both_redacted(folder: Path, result: subprocess.CompletedProcess[str]) -> None:
    assert result.returncode == 0, result.stderr
    path = folder / _CASSETTE
    assert len(at.load(path).inferences) == 2
    text = path.read_text(encoding="utf-8")
    assert _JANE not in text
    assert "parent says write to [REDACTED:email]" in text
