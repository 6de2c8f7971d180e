"""`show --conversation`: a run as people read it, and cassettes in `git diff`."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

import otel_agenttrace as at
from tests.support.clients import anthropic_client, openai_client
from tests.support.foreign_spans import genai_attributes, said
from tests.support.provider import Provider

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
COMMAND: Final = (sys.executable, "-m", "otel_agenttrace", "show", "--conversation")
CITY: Final = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def show(path: Path | str, *more: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name != "FORCE_COLOR"}
    command = [*COMMAND, *more, str(path)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def cassette(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two agents, one in the other, each with a tool: one is a span, the other only stands in messages."""
    monkeypatch.delenv("CI", raising=False)
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "run.otlp.jsonl"
    with (
        Provider() as provider,
        openai_client(provider, is_async=False) as client,
        anthropic_client(provider, is_async=False) as claude,
        at.record(path, quiet=True),
    ):
        _run(client, claude)
    return path


def _run(client: Any, claude: Any) -> None:
    @at.tool
    def weather(city: str) -> dict[str, str]:
        return {"city": city, "sky": "blue"}

    @at.agent("packer")
    def pack() -> None:
        asked = {"model": "claude-opus-4-8", "max_tokens": 99, "system": "You pack."}
        tools = [{"name": "shelf", "input_schema": CITY}]
        messages: list[Any] = [{"role": "user", "content": "A coat."}]
        with claude.messages.stream(messages=messages, tools=tools, **asked) as stream:
            answer = stream.get_final_message()
        messages.append({"role": "assistant", "content": answer.to_dict()["content"]})
        used = [{"type": "tool_result", "tool_use_id": answer.content[1].id, "content": "top shelf"}]
        messages.append({"role": "user", "content": used})
        claude.messages.create(messages=messages, tools=tools, **asked)

    @at.agent("advisor")
    def advise() -> None:
        messages: list[Any] = [
            {"role": "system", "content": "Be brief.\nBe kind."},
            {"role": "user", "content": "Bern?"},
        ]
        tools: list[Any] = [{"type": "function", "function": {"name": "weather", "parameters": CITY}}]
        asked = client.chat.completions.create(model="gpt-4o", messages=messages, tools=tools).choices[0].message
        messages.append(asked)
        for call in asked.tool_calls or ():
            given = weather(**json.loads(call.function.arguments))
            messages.append({"role": "tool", "tool_call_id": call.id, "content": json.dumps(given)})
        answer = client.chat.completions.create(model="gpt-4o", messages=messages, tools=tools).choices[0].message
        messages += [answer, {"role": "user", "content": "And shoes?"}]
        pack()
        client.chat.completions.create(model="gpt-4o", messages=messages)

    advise()


CONVERSATION: Final = """\
agent advisor
  system
    | Be brief.
    | Be kind.
  user
    | Bern?
  assistant gpt-4o
    calls weather({"city":"Bern?"})
  tool weather({"city":"Bern?"})
    | {"city":"Bern?","sky":"blue"}
  assistant gpt-4o
    | echo 2: {"city": "Bern?", "sky": "blue"} — ça va 🦊
  agent packer
    system
      | You pack.
    user
      | A coat.
    assistant claude-opus-4-8
      | echo 3: asking the tools — ça va 🦊
      calls shelf({"city":"A coat."})
    tool shelf
      | top shelf
    assistant claude-opus-4-8
      | echo 4: top shelf — ça va 🦊
  user
    | And shoes?
  assistant gpt-4o
    | echo 5: And shoes? — ça va 🦊
"""


def test_each_turn_tells_what_is_new_in_it_without_ids_and_times(cassette: Path) -> None:
    result = show(cassette)
    assert (result.returncode, result.stderr, result.stdout) == (0, "", CONVERSATION)


def test_a_packed_file_or_one_of_any_name_or_without_its_last_line_is_read(cassette: Path, tmp_path: Path) -> None:
    odd = tmp_path / "Xy12_blob"
    odd.write_bytes(cassette.read_bytes())
    assert show(odd).stdout == CONVERSATION
    odd.write_bytes(cassette.read_bytes()[:-20])
    torn = show(odd)
    assert (torn.returncode, "the last line is torn" in torn.stderr) == (0, True)
    assert "echo 2" in torn.stdout
    at_work = subprocess.run([sys.executable, "-m", "otel_agenttrace", "pack", str(cassette)], check=True, timeout=60)
    assert at_work.returncode == 0
    assert show(f"{cassette}.zst").stdout == CONVERSATION


def test_a_foreign_trace_is_a_conversation_too(tmp_path: Path) -> None:
    asked = [said("system", "Be brief."), said("user", "hi")]
    told = {"name": "chat gpt-4o", "trace_id": "t", "start_time": 1, "end_time": 9}
    spans = [
        {**told, "span_id": "1", "attributes": genai_attributes(asked, [said("assistant", "Hello.")])},
        {
            **told,
            "span_id": "2",
            "start_time": 10,
            "end_time": 12,
            "attributes": genai_attributes(
                [*asked, said("assistant", "Hello."), said("user", "bye\x1b[2J")],
                [said("assistant", "Bye.")],
                gen_ai__response__id="chatcmpl-2",
            ),
        },
    ]
    path = tmp_path / "prod.json"
    path.write_text(json.dumps(spans), encoding="utf-8")
    assert show(path).stdout == (
        "system\n  | Be brief.\nuser\n  | hi\nassistant gpt-4o\n  | Hello.\nuser\n  | bye\\x1b[2J\nassistant gpt-4o\n  | Bye.\n"
    )


_DIGEST: Final = hashlib.sha256(b"a\0b").hexdigest()


@pytest.mark.parametrize(
    ("content", "shown"),
    [
        (b"", ""),
        (b"not a trace\n\x1b[2Jat all\n", "not a trace\n\\x1b[2Jat all\n"),
        (b'{"a": 1}\n', '{"a": 1}\n'),
        (b"\xff\xfe\n", "\\xff\\xfe\n"),
        (b"a\0b", f"3 bytes, sha256 {_DIGEST}\n"),
    ],
    ids=["empty", "text", "other JSON", "no UTF-8", "binary"],
)
def test_a_file_that_is_no_trace_is_shown_as_it_is(content: bytes, shown: str, tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(content)
    result = show(path)
    assert (result.returncode, result.stdout) == (0, shown)


def test_what_of_a_call_cannot_be_read_is_said_in_its_place(cassette: Path) -> None:
    lines = cassette.read_text(encoding="utf-8").splitlines(keepends=True)
    kept = [line.replace('"agenttrace.exchange.body"', '"agenttrace.exchange.sidecar"') for line in lines]
    cassette.write_text("".join(kept), encoding="utf-8")
    result = show(cassette)
    assert result.returncode == 0
    assert "  chat gpt-4o: not readable: " in result.stdout
    assert '  tool weather({"city":"Bern?"})' in result.stdout


def test_what_is_not_there_and_two_ways_to_show_it_are_refused(tmp_path: Path) -> None:
    assert show(tmp_path / "absent.otlp.jsonl").returncode == 3
    assert show(GOLDEN, "--json").returncode == 2


# --- git ----------------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not here")
def test_git_diff_of_a_cassette_reads_as_a_conversation(cassette: Path) -> None:
    folder = cassette.parent
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("GIT_")},
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_SYSTEM": os.devnull,
    }

    def git(*arguments: str) -> str:
        command = ["git", "-c", "user.name=a", "-c", "user.email=a@localhost", *arguments]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=120, check=False)
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    git("init", "-q")
    (folder / ".gitattributes").write_text("*.otlp.jsonl diff=agenttrace\n")
    git("config", "diff.agenttrace.textconv", " ".join(COMMAND))
    git("add", ".")
    git("commit", "-q", "-m", "recorded")
    assert git("diff") == ""

    content = cassette.read_text(encoding="utf-8")
    cassette.write_text(content.replace("echo 4: top shelf", "echo 4: on the chair"), encoding="utf-8")
    diff = git("diff", "-U3").splitlines()
    assert [line for line in diff if line[:1] in ("-", "+")][2:] == [
        "-      | echo 4: top shelf — ça va 🦊",
        "+      | echo 4: on the chair — ça va 🦊",
    ]
    assert "     assistant claude-opus-4-8" in diff

    (folder / "new.otlp.jsonl").write_text(content, encoding="utf-8")
    cassette.write_text("", encoding="utf-8")
    git("add", ".")
    git("commit", "-q", "-m", "emptied and added")
    told = git("show")
    assert "+  | Bern?" not in told
    assert "+    | Bern?" in told
    assert "-    | Bern?" in told
