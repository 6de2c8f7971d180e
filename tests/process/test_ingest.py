"""The command `otel-agenttrace ingest`, as a new user meets it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import openai
import pytest
import yaml

import otel_agenttrace as at
from tests.support.clients import fake_key
from tests.support.network import watched_network
from tests.support.peers import peer_folder
from tests.support.processes import instrumented_environment
from tests.support.provider import Provider

COMMAND: Final = Path(sys.executable).with_name("otel-agenttrace")
HAR: Final = {
    "log": {
        "version": "1.2",
        "entries": [
            {
                "startedDateTime": "2025-03-01T12:00:00.250Z",
                "time": 1500,
                "request": {
                    "method": "POST",
                    "url": "https://api.openai.com/v1/chat/completions",
                    "headers": [{"name": "content-type", "value": "application/json"}],
                    "postData": {
                        "mimeType": "application/json",
                        "text": '{"messages":[{"role":"user","content":"Hello"}],"model":"gpt-4o"}',
                    },
                },
                "response": {
                    "status": 200,
                    "headers": [
                        {"name": "content-type", "value": "application/json"},
                        {"name": "content-encoding", "value": "br"},
                    ],
                    "content": {
                        "mimeType": "application/json",
                        "text": '{"id":"c","object":"chat.completion","created":1,"model":"gpt-4o","choices":[{"index":0,'
                        '"finish_reason":"stop","message":{"role":"assistant","content":"Hi there"}}]}',
                    },
                },
            }
        ],
    }
}
_VCR: Final = """
import contextlib, os, sys, openai

@contextlib.contextmanager
def recorded():
    import vcr
    path, serializer = sys.argv[1:]
    library = vcr.VCR(serializer=serializer, decode_compressed_response=serializer == "json")
    with library.use_cassette(path, filter_headers=["authorization"]):
        yield

client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"], max_retries=0)
question = [{"role": "user", "content": "Grüße, 世界"}]
with recorded() if len(sys.argv) > 1 else contextlib.nullcontext():
    for more in ({}, {}, {"stream": True}, {"extra_headers": {"x-fake": "gzip"}}):
        answer = client.chat.completions.create(model="gpt-4o", messages=question, **more)
        print([event.model_dump_json() for event in answer] if more.get("stream") else answer.model_dump_json())
    try:
        client.chat.completions.create(model="gpt-4o", messages=question, temperature=1, extra_headers={"x-fake": "429"})
    except openai.APIError as error:
        print(type(error).__name__, error.body)
"""
GOOD: Final = {
    "request": {"method": "GET", "uri": "http://host/"},
    "response": {"status": {"code": 200}, "body": {"string": "ok"}},
}
FRAME: Final = {"kind": "message", "direction": "received", "data": {}}


def run(*words: str | Path, folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([COMMAND, "ingest", *words], cwd=folder, capture_output=True, text=True, check=False)


def written(path: Path, *entries: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(yaml.dump({"version": 1, "interactions": list(entries)}))
    return path


def test_an_imported_archive_answers_the_sdk(tmp_path: Path) -> None:
    (tmp_path / "browser.har").write_text(json.dumps(HAR))
    ended = run("har", "browser.har", "-o", "made", folder=tmp_path)
    assert (ended.returncode, ended.stdout, ended.stderr) == (
        0,
        "imported 1 call of 1 file into 1 cassette → made\n",
        "",
    )
    with at.replay(tmp_path / "made" / "browser.otlp.jsonl", quiet=True) as session, watched_network() as network:
        client = openai.OpenAI(api_key=fake_key(), max_retries=0)
        answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "Hello"}])
    assert answer.choices[0].message.content == "Hi there"
    assert [outcome.kind for outcome in session.outcomes] == ["hit"]
    assert network == []


@pytest.mark.parametrize("serializer", ["yaml", "json"])
def test_what_vcrpy_records_today_answers_the_same_program(serializer: str, tmp_path: Path) -> None:
    program = written_program(tmp_path)
    source = tmp_path / f"run.{serializer}"
    with Provider() as provider:
        environment = instrumented_environment(None, None, provider, PYTHONPATH=str(peer_folder("vcr")))
        live = said([sys.executable, program, source, serializer], environment)
        assert provider.hits == 5
    assert len(live.splitlines()) == 5
    assert run("vcr", source.name, "-o", "made", "--strict", folder=tmp_path).returncode == 0
    environment = instrumented_environment(None, None, PROVIDER_URL=provider.openai_url, OPENAI_API_KEY=fake_key())
    replay = [COMMAND, "replay", tmp_path / "made" / "run.otlp.jsonl", "--", sys.executable, program]
    assert said(replay, environment) == live


def written_program(folder: Path) -> Path:
    program = folder / "program.py"
    program.write_text(_VCR)
    return program


def said(command: list[Any], environment: dict[str, str]) -> str:
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def test_what_was_left_out_is_named_with_file_and_place(tmp_path: Path) -> None:
    written(tmp_path / "in" / "sub" / "ws.yaml", GOOD, FRAME, FRAME, GOOD, FRAME)
    written(tmp_path / "in" / "good.yaml", GOOD)
    ended = run("vcr", "in", "-o", "made", folder=tmp_path)
    assert ended.returncode == 0
    rows = [" ".join(line.split()) for line in ended.stdout.splitlines()]
    assert rows == [
        "left out of entry because",
        "in/sub/ws.yaml 2-3, 5 a websocket frame, no HTTP exchange",
        "imported 3 calls of 2 files into 2 cassettes → made · 3 left out",
    ]


def test_json_tells_every_file_and_every_entry_that_was_left_out(tmp_path: Path) -> None:
    written(tmp_path / "in" / "ws.yaml", FRAME, GOOD)
    ended = run("vcr", "in", "-o", "made", "--json", folder=tmp_path)
    assert json.loads(ended.stdout) == {
        "calls": 1,
        "spans": 1,
        "cassettes": 1,
        "left_out": 1,
        "files": [
            {
                "path": "in/ws.yaml",
                "cassette": "made/ws.otlp.jsonl",
                "calls": 1,
                "spans": 1,
                "left_out": [{"interaction": 1, "reason": "a websocket frame, no HTTP exchange"}],
            }
        ],
    }


@pytest.mark.parametrize(
    ("entries", "words", "code"),
    [
        ([GOOD], [], 0),
        ([GOOD], ["--strict"], 0),
        ([GOOD, FRAME], [], 0),
        ([GOOD, FRAME], ["--strict"], 1),
        ([FRAME], [], 3),
        ([], [], 3),
    ],
)
def test_the_exit_code_tells_what_was_left_out(entries: list[Any], words: list[str], code: int, tmp_path: Path) -> None:
    written(tmp_path / "one.yaml", *entries)
    assert run("vcr", "one.yaml", "-o", "made", *words, folder=tmp_path).returncode == code


def test_a_second_import_keeps_what_is_there(tmp_path: Path) -> None:
    written(tmp_path / "one.yaml", GOOD)
    codes = [run("vcr", "one.yaml", "-o", "made", *more, folder=tmp_path).returncode for more in ([], [], ["--force"])]
    assert codes == [0, 1, 0]


def test_wrong_use_says_what_there_is(tmp_path: Path) -> None:
    ended = run("betamax", ".", "-o", "made", folder=tmp_path)
    assert ended.returncode == 2
    assert "'tool-calls', 'traceforge', 'traceops', 'vcr', 'vercel'" in ended.stderr
    ended = run("vcr", "nowhere", "-o", "made", folder=tmp_path)
    assert ended.returncode == 3
    assert ended.stderr == "otel-agenttrace: nowhere: there is no such file or folder\n"


def test_without_pyyaml_the_extra_is_named(tmp_path: Path) -> None:
    written(tmp_path / "one.yaml", GOOD)
    code = (
        "import sys; sys.modules['yaml'] = None; from otel_agenttrace.cli import main; "
        "sys.argv[1:] = ['ingest', 'vcr', 'one.yaml', '-o', 'made']; main()"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert ended.returncode == 2
    assert "pip install 'otel-agenttrace[vcr]'" in ended.stderr


_HOSTILE: Final = (
    "!!python/object/apply:os.system ['touch {marker}']",
    "!!python/object/apply:subprocess.check_output [['touch', '{marker}']]",
    "!!python/object/new:os.system ['touch {marker}']",
    "!!python/object/apply:builtins.eval ['open({marker!r}, \"w\")']",
    "!!python/object/apply:builtins.exec ['open({marker!r}, \"w\")']",
    "!!python/name:os.system",
    "!!python/module:antigravity",
    "!!python/object:subprocess.Popen {{args: ['touch', '{marker}']}}",
    "!!python/object/new:type [x, !!python/tuple [], {{extend: !!python/name:builtins.exec}}]",
    "!!python/object/new:str {{state: !!python/tuple ['open({marker!r}, \"w\")', !!python/object/new:Warning {{state: {{update: !!python/name:builtins.exec }}}}]}}",
    "!!javax.script.ScriptEngineManager []",
    "!ruby/object:Gem::Installer {{i: x}}",
)


@pytest.mark.parametrize("name", ["vcr", "govcr"])
def test_a_hostile_file_runs_nothing(name: str, tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    (tmp_path / "in").mkdir()
    for number, hostile in enumerate(_HOSTILE):
        value = hostile.format(marker=str(marker))
        (tmp_path / "in" / f"whole{number}.yaml").write_text(value)
        entry = f"request: {{uri: 'http://h/', method: POST, body: {value}}}, response: {value}"
        (tmp_path / "in" / f"part{number}.yaml").write_text(f"version: 2\ninteractions:\n- {{{entry}}}\n")
    ended = run(name, "in", "-o", "made", folder=tmp_path)
    assert not marker.exists()
    assert "Traceback" not in ended.stderr
    assert ended.returncode == 3
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in"]
