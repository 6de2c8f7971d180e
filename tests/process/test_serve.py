"""The command `serve`: programs in any language get recorded answers by a base URL, and nothing of ours runs in them."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

import otel_agenttrace as at
from tests.support.processes import instrumented_environment, run_python
from tests.support.provider import Provider

COMMAND: Final = Path(sys.executable).with_name("otel-agenttrace")

_AGENT: Final = """
import os, sys
import anthropic, openai

openai_client = openai.OpenAI(max_retries=2)
claude = anthropic.Anthropic(max_retries=2)
model = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
tools = [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}]

def shown(value):
    print(type(value).__name__, value.model_dump_json(warnings=False))

shown(openai_client.chat.completions.create(**model))
for chunk in openai_client.chat.completions.create(**model, stream=True):
    shown(chunk)
shown(openai_client.chat.completions.create(**model, tools=tools))
shown(openai_client.responses.create(model="gpt-4o", input="hello"))
shown(openai_client.embeddings.create(model="text-embedding-3-small", input="hello"))
print(openai_client.audio.speech.create(model="tts-1", voice="alloy", input="hello").read())
print(openai_client.chat.completions.with_raw_response.create(**model, extra_headers={"x-fake": "429*1"}).retries_taken)
shown(claude.messages.create(**model, max_tokens=9))
with claude.messages.stream(**model, max_tokens=9) as stream:
    for event in stream:
        shown(event)
try:
    openai_client.chat.completions.create(**model, n=2, extra_headers={"x-fake": "401"})
except openai.AuthenticationError as error:
    print(error)
print(sorted(name for name in sys.modules if "agenttrace" in name))
"""
_ASK: Final = """
import os, sys, openai
for text in sys.argv[1:]:
    try:
        answer = openai.OpenAI().chat.completions.create(model="m", messages=[{"role": "user", "content": text}])
        print(answer.choices[0].message.content)
    except openai.OpenAIError as error:
        print(type(error).__name__)
"""
_NODE: Final = """
const ask = async (base, path, body) => {
  const answer = await fetch(base + path, {method: "POST", headers: {"content-type": "application/json"}, body: JSON.stringify(body)});
  return [answer.status, await answer.text()];
};
const hello = {model: "gpt-4o", messages: [{role: "user", content: "hello"}]};
const out = [];
for (const body of [hello, {...hello, stream: true}]) out.push(await ask(process.env.OPENAI_BASE_URL, "/chat/completions", body));
out.push(await ask(process.env.ANTHROPIC_BASE_URL, "/v1/messages", {...hello, max_tokens: 9}));
console.log(JSON.stringify(out));
"""


def _environment() -> dict[str, str]:
    """Return an environment without a provider, a key or anything of ours."""
    return instrumented_environment(None, None)


def _live(provider: Provider) -> dict[str, str]:
    keys = {"OPENAI_API_KEY": "none", "ANTHROPIC_API_KEY": "none"}
    return {"OPENAI_BASE_URL": provider.openai_url, "ANTHROPIC_BASE_URL": provider.anthropic_url, **keys}


def _record(cassette: Path, provider: Provider, *command: str) -> str:
    environment = _environment() | _live(provider)
    told = subprocess.run(
        [COMMAND, "record", cassette, "--", *command], env=environment, capture_output=True, text=True, check=True
    )
    return told.stdout


def _serve(cassette: Path, *arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [COMMAND, "serve", cassette, *arguments],
        env=_environment(),
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@contextmanager
def _serving(cassette: Path, *arguments: str) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """Give a server under way, and its URL."""
    command: Sequence[str | Path] = [COMMAND, "serve", cassette, "--json", *arguments]
    with subprocess.Popen(
        command, env=_environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            assert line, process.stderr and process.stderr.read()
            yield process, json.loads(line)["url"]
        finally:
            process.kill()


def _ask(url: str, text: str) -> int:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return httpx.post(f"{url}/v1/chat/completions", json=body, trust_env=False).status_code


def _lines(process: subprocess.Popen[str]) -> list[dict[str, Any]]:
    out, _ = process.communicate(timeout=10)
    return [json.loads(line) for line in out.splitlines()]


@pytest.fixture
def asked(tmp_path: Path, provider: Provider) -> Path:
    """A cassette with the answers to "one" and "two"."""
    cassette = tmp_path / "asked.otlp.jsonl"
    with at.record(cassette, quiet=True):
        assert [_ask(provider.url, text) for text in ("one", "two")] == [200, 200]
    return cassette


def test_the_sdks_show_what_they_showed_live_without_anything_of_ours_in_their_process(
    tmp_path: Path, provider: Provider
) -> None:
    cassette = tmp_path / "run.otlp.jsonl"
    live = run_python(_AGENT, _environment() | _live(provider)).stdout
    assert all(word in live for word in ("ChatCompletion {", "RawMessage", "weather", "Error code: 401", "[]"))
    before = provider.hits
    assert before == 11
    with Provider() as again:  # counts from 1, as the one above did
        _record(cassette, again, sys.executable, "-c", _AGENT)
    provider.stop()
    served = _serve(
        cassette, "--fail-on", "miss", "--fail-on", "drift", "--fail-on", "unplayed", "--", sys.executable, "-c", _AGENT
    )
    assert served.stdout == live
    assert served.returncode == 0, served.stderr
    assert "served 10 calls: 10 hit, 0 drift, 0 miss" in served.stderr
    assert provider.hits == before


@pytest.mark.skipif(shutil.which("node") is None, reason="there is no node")
def test_a_program_in_another_language_gets_the_recorded_answers(tmp_path: Path, provider: Provider) -> None:
    cassette = tmp_path / "run.otlp.jsonl"
    hello = {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}]}
    version = {"anthropic-version": "2023-06-01"}
    with at.record(cassette, quiet=True):
        live = [
            httpx.post(f"{provider.openai_url}/chat/completions", json=hello),
            httpx.post(f"{provider.openai_url}/chat/completions", json={**hello, "stream": True}),
            httpx.post(f"{provider.anthropic_url}/v1/messages", json={**hello, "max_tokens": 9}, headers=version),
        ]
    assert [answer.status_code for answer in live] == [200, 200, 200]
    program = tmp_path / "agent.mjs"
    program.write_text(_NODE)
    served = _serve(cassette, "--", "node", program)
    assert served.returncode == 0, served.stderr
    assert json.loads(served.stdout) == [[200, answer.text] for answer in live]


def test_the_command_gets_keys_that_open_nothing_and_no_proxy(asked: Path) -> None:
    code = "import os; print(*(os.environ[name] for name in ('OPENAI_API_KEY', 'NO_PROXY', 'AZURE_OPENAI_ENDPOINT')))"
    environment = _environment() | {"OPENAI_API_KEY": "a key that costs", "NO_PROXY": "intern.test"}
    told = subprocess.run(
        [COMMAND, "serve", asked, "--", sys.executable, "-c", code],
        env=environment, capture_output=True, text=True, check=True,
    )  # fmt: skip
    key, proxies, endpoint = told.stdout.split()
    assert key == "agenttrace-replay"
    assert proxies == "intern.test,127.0.0.1"
    assert f"serving {asked} at {endpoint}" in told.stderr


@pytest.mark.parametrize(
    ("texts", "options", "code"),
    [
        (("one", "two"), (), 0),
        (("one", "three"), (), 1),
        (("one", "three"), ("--fail-on", "unplayed"), 1),
        (("one",), (), 0),
        (("one",), ("--fail-on", "unplayed"), 1),
    ],
)
def test_the_exit_code_tells_how_it_went(
    asked: Path, texts: tuple[str, ...], options: tuple[str, ...], code: int
) -> None:
    served = _serve(asked, *options, "--", sys.executable, "-c", _ASK, *texts)
    assert served.returncode == code, served.stderr
    assert ("✗ POST /v1/chat/completions  400" in served.stderr) == ("three" in texts)
    assert ("BadRequestError" in served.stdout) == ("three" in texts)
    assert ('asked    "three"' in served.stderr) == ("three" in texts)


def test_the_exit_code_of_the_command_goes_through(asked: Path) -> None:
    assert _serve(asked, "--", sys.executable, "-c", "import sys; sys.exit(7)").returncode == 7
    missing = _serve(asked, "--", "no-such-command")
    assert missing.returncode == 2
    assert "no-such-command cannot be started: No such file" in missing.stderr


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_ends_the_server_with_the_closing_line(asked: Path, number: signal.Signals) -> None:
    with _serving(asked) as (process, url):
        assert _ask(url, "one") == 200
        process.send_signal(number)
        *calls, last = _lines(process)
        assert [call["outcome"] for call in calls] == ["hit"]
        assert (last["event"], last["counts"], last["unplayed"]) == ("end", {"hit": 1}, 1)
        assert process.returncode == 0


def test_once_ends_when_every_recording_has_been_asked_for(asked: Path) -> None:
    with _serving(asked, "--once", "--fail-on", "unplayed") as (process, url):
        assert [_ask(url, text) for text in ("one", "two")] == [200, 200]
        assert _lines(process)[-1]["unplayed"] == 0
        assert process.returncode == 0


def test_a_port_that_is_taken_is_told(asked: Path) -> None:
    with _serving(asked) as (_, url):
        second = _serve(asked, "--port", url.rpartition(":")[2])
    assert second.returncode == 2
    assert "cannot be listened at: Address already in use" in second.stderr


def test_an_address_that_others_reach_is_warned_of(asked: Path) -> None:
    told = _serve(asked, "--host", "0.0.0.0", "--", sys.executable, "-c", _ASK, "one")
    assert "warning: not a loopback address" in told.stderr
    assert told.returncode == 0
    assert "warning" not in _serve(asked, "--", sys.executable, "-c", "").stderr


def test_calls_are_answered_though_nobody_reads_what_is_told(asked: Path) -> None:
    with _serving(asked) as (process, url):
        assert process.stdout is not None
        process.stdout.close()
        assert [_ask(url, text) for text in ("one", "two")] == [200, 200]


def test_a_file_that_is_no_cassette_exits_3(tmp_path: Path) -> None:
    assert _serve(tmp_path / "none.otlp.jsonl").returncode == 3
