"""The command `dataset`, as a user sees it: on a recording of the real SDK, on a trace of others, on one with a secret."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.redaction import RedactionRules
from tests.support.clients import openai_client
from tests.support.corpus import CORPORA
from tests.support.provider import Provider

_KEY: Final = "sk-proj-" + hashlib.sha256(b"a key of before").hexdigest()
_TOOL: Final[Any] = {
    "type": "function",
    "function": {"name": "weather", "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}},
}


def _dataset(folder: Path, *arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "otel_agenttrace", "dataset", *arguments]
    environment = {**os.environ, "NO_COLOR": "1"}
    text = given.decode() if given is not None else None
    return subprocess.run(
        command, cwd=folder, input=text, env=environment, capture_output=True, text=True, timeout=60, check=False
    )


def _rows(path: Path) -> list[Any]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def _recorded(path: Path, provider: Provider, *questions: str, redact: RedactionRules | None = None) -> None:
    """Record an agent that calls a tool for each question: two calls each."""
    with at.record(path, quiet=True, redact=redact), openai_client(provider, is_async=False) as client:
        for question in questions:
            said: list[Any] = [{"role": "user", "content": question}]
            answer = client.chat.completions.create(
                model="gpt-4o", messages=said, tools=[_TOOL], parallel_tool_calls=True
            )
            said.append(answer.choices[0].message.model_dump(exclude_none=True))
            (call,) = answer.choices[0].message.tool_calls
            said.append({"role": "tool", "tool_call_id": call.id, "content": "21 degrees"})
            client.chat.completions.create(model="gpt-4o", messages=said, tools=[_TOOL], parallel_tool_calls=True)


def test_what_the_sdk_said_comes_out_as_it_went_in(tmp_path: Path, provider: Provider) -> None:
    _recorded(tmp_path / "run.otlp.jsonl", provider, "How warm is Bern?")
    asked = json.loads(provider.requests[-1].body)
    result = _dataset(tmp_path, "run.otlp.jsonl", "--format", "openai", "-o", "train.jsonl")
    assert (result.returncode, result.stderr) == (0, "")
    (row,) = _rows(tmp_path / "train.jsonl")
    called = asked["messages"][1]
    del called["annotations"]  # of an answer, and no part of an example
    function = called["tool_calls"][0]["function"]
    function["arguments"] = json.dumps(json.loads(function["arguments"]), separators=(",", ":"))
    assert row["messages"][:-1] == asked["messages"]
    assert row["messages"][-1]["role"] == "assistant"
    assert (row["tools"], row["parallel_tool_calls"]) == (asked["tools"], True)
    assert "warning: 1 example, and the provider asks for 10 at least" in result.stdout
    assert (tmp_path / "train.jsonl").stat().st_mode & 0o077 == 0


def test_a_split_writes_two_files_and_the_report_names_each_example(tmp_path: Path, provider: Provider) -> None:
    _recorded(tmp_path / "run.otlp.jsonl", provider, *(f"How warm is place {number}?" for number in range(12)))
    arguments = ("run.otlp.jsonl", "--format", "anthropic", "--split", "0.6", "-o", "a.jsonl", "--json")
    report = json.loads(_dataset(tmp_path, *arguments).stdout)
    assert report["files"] == {"train": "a.train.jsonl", "test": "a.test.jsonl"}
    for side, name in report["files"].items():
        assert len(_rows(tmp_path / name)) == [each["side"] for each in report["examples"]].count(side) > 0
    assert json.loads(_dataset(tmp_path, *arguments).stdout) == report


def test_a_label_chooses_what_somebody_put_it_on_and_what_is_inside(tmp_path: Path) -> None:
    with at.record(tmp_path / "run.otlp.jsonl", quiet=True):
        for city in ("Bern", "Rome", "Oslo"):
            asked = [at.Message("user", ({"type": "text", "content": f"How warm is {city}?"},))]
            with (
                at.span(f"trip {city}"),
                at.span("day"),
                at.inference("gpt-4o", provider="openai", messages=asked) as call,
            ):
                call.respond("21 degrees", finish_reason="stop")
    for meant, label in (("trip Rome", "good"), ("inference[3]", "good"), ("inference[1]", "bad")):
        command = [sys.executable, "-m", "otel_agenttrace", "annotate", "run.otlp.jsonl", meant, "--label", label]
        subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, timeout=60)

    def cities(*labels: str) -> list[str]:
        wanted = [each for label in labels for each in ("--label", label)]
        result = _dataset(tmp_path, "run.otlp.jsonl", "--format", "openai", *wanted, "-o", "out.jsonl")
        assert result.returncode == 0, result.stderr
        return [row["messages"][0]["content"][12:-1] for row in _rows(tmp_path / "out.jsonl")]

    assert cities("good") == ["Rome", "Oslo"]
    assert cities("bad", "other") == ["Bern"]
    assert cities() == ["Bern", "Rome", "Oslo"]


def test_a_secret_of_an_old_cassette_is_removed_and_told(tmp_path: Path, provider: Provider) -> None:
    path = tmp_path / "run.otlp.jsonl"
    _recorded(path, provider, f"My key is {_KEY}, how warm is Bern?", redact=RedactionRules(allow=(re.escape(_KEY),)))
    assert _KEY in path.read_text(encoding="utf-8")
    result = _dataset(tmp_path, path.name, "--format", "openai", "-o", "out.jsonl")
    assert result.returncode == 0, result.stderr
    assert "removed that the recordings still held" in result.stdout
    written = (tmp_path / "out.jsonl").read_text(encoding="utf-8")
    assert _KEY not in written
    assert "[REDACTED:" in written


def test_nothing_is_written_where_a_rule_finds_what_cannot_be_removed(tmp_path: Path, provider: Provider) -> None:
    _recorded(tmp_path / "run.otlp.jsonl", provider, "How warm is Bern?")
    (tmp_path / "rule.py").write_text(
        'def find(text):\n    at = text.find(\'"role":"user"\')\n    return [(at, at + 13)] if at >= 0 else []\n'
    )
    (tmp_path / "pyproject.toml").write_text('[tool.otel-agenttrace.redact]\nhook = "rule:find"\n')
    result = _dataset(tmp_path, "run.otlp.jsonl", "--format", "openai", "-o", "out.jsonl")
    assert result.returncode == 2
    assert "cannot be cleaned" in result.stderr
    assert not (tmp_path / "out.jsonl").exists()


def test_broken_examples_are_named_and_fail_only_where_that_is_asked_for(tmp_path: Path) -> None:
    said = [{"role": "user", "parts": [{"type": "text", "content": "hi"}]}]
    answered = [{"role": "assistant", "parts": [{"type": "tool_call", "id": "1", "name": "rain", "arguments": {}}]}]
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps(said),
        "gen_ai.output.messages": json.dumps(answered),
    }
    span = {"name": "chat", "trace_id": "t", "span_id": "1", "start_time": 1, "end_time": 2, "attributes": told}
    arguments = ("-", "--format", "openai", "-o", "out.jsonl")
    given = json.dumps([span]).encode()
    lenient = _dataset(tmp_path, *arguments, given=given)
    assert lenient.returncode == 0
    assert "'rain' is called, and is not among the tools" in lenient.stdout
    assert "no example is left, and nothing was written" in lenient.stdout
    assert not (tmp_path / "out.jsonl").exists()
    assert _dataset(tmp_path, *arguments, "--strict", given=given).returncode == 1


def test_what_cannot_be_read_is_named_and_the_rest_is_made(tmp_path: Path, provider: Provider) -> None:
    _recorded(tmp_path / "run.otlp.jsonl", provider, "How warm is Bern?")
    (tmp_path / "torn.otlp.jsonl").write_text("{")
    result = _dataset(tmp_path, ".", "--format", "ndjson", "-o", "calls.ndjson")
    assert result.returncode == 0
    assert "not read: torn.otlp.jsonl" in result.stderr
    assert len(_rows(tmp_path / "calls.ndjson")) == 2
    assert _dataset(tmp_path, "torn.otlp.jsonl", "--format", "ndjson", "-o", "x").returncode == 3
    assert not (tmp_path / "x").exists()


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not here")
def test_real_traffic_is_what_its_file_says(tmp_path: Path) -> None:
    # to be read in the file: the question, the call of list_directory, its result and the streamed answer "1"
    recording = CORPORA / "govcr-cagent/e2e/testdata/cassettes/TestExec_OpenAI_HideToolCalls.yaml"
    command = [sys.executable, "-m", "otel_agenttrace", "ingest", "govcr", str(recording), "-o", "in"]
    subprocess.run(command, cwd=tmp_path, capture_output=True, timeout=60, check=True)
    assert _dataset(tmp_path, "in", "--format", "agentevals", "-o", "out.jsonl").returncode == 0
    (row,) = _rows(tmp_path / "out.jsonl")
    question, asked, result, answer = row["outputs"]
    assert question == {"role": "user", "content": "How many files in testdata/working_dir? Only output the number."}
    (call,) = asked["tool_calls"]
    assert call["function"] == {"name": "list_directory", "arguments": '{"path":"testdata/working_dir"}'}
    assert result == {"role": "tool", "tool_call_id": call["id"], "content": "FILE README.me\n"}
    assert answer == {"role": "assistant", "content": "1"}


@pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not here")
def test_a_real_trace_of_others_is_what_its_file_says(tmp_path: Path) -> None:
    # to be read in the file: four inferences, their messages in ai.prompt.messages and gen_ai.*; the second a conversation
    folder = "otel-spans-vercel-ai-v6/js/packages/openinference-vercel/test/__fixtures__/v6-spans"
    spans = CORPORA / folder / "all-spans.json"
    assert _dataset(tmp_path, str(spans), "--format", "openai", "-o", "out.jsonl").returncode == 0
    rows = _rows(tmp_path / "out.jsonl")
    assert [len(row["messages"]) for row in rows] == [2, 5, 2, 2]
    assert [message["content"] for message in rows[1]["messages"]] == [
        "You are a helpful assistant.",
        "What is 2 + 2?",
        "2 + 2 equals 4.",
        "And what is 3 + 3?",
        "3 + 3 equals 6.",
    ]
