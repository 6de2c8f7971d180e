"""Files that anybody may have written, as a user of the command line meets them: named, bounded, and shown harmlessly."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

_GOLDEN: Final = (Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl").read_bytes()
_FIRST: Final = _GOLDEN.splitlines(keepends=True)[0]

# --- lines and files without measure ------------------------------------------------------------------------------------

_HUGE: Final = 1_181_116_006
_ROOM_KB: Final = 300_000
_MEASURED: Final = """
import pathlib, resource, sys
from otel_agenttrace.cli import main
sys.argv[1:] = {arguments!r}
try:
    main()
finally:
    status = pathlib.Path("/proc/self/status")
    if status.exists():  # what getrusage tells there, a large parent has left to its children
        print(status.read_text().partition("VmHWM:")[2].split()[0], file=sys.stderr)
    else:
        print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, file=sys.stderr)
"""


def _measured(*arguments: str) -> tuple[subprocess.CompletedProcess[str], int]:
    """Run a command, and return with it the most memory it had, in kilobytes."""
    result = _run([sys.executable, "-c", _MEASURED.format(arguments=list(arguments))])
    *_, peak = result.stderr.splitlines()
    return result, int(peak) if sys.platform != "darwin" else int(peak) // 1024


def _run(command: list[str], **variables: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1", **variables}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def huge(tmp_path: Path) -> Path:
    """Give a cassette whose second line is more than a gigabyte of nothing; the disk holds none of it."""
    path = tmp_path / "run.otlp.jsonl"
    path.write_bytes(_FIRST)
    os.truncate(path, _HUGE)
    with path.open("ab") as file:
        file.write(b"\n" + _FIRST.replace(b"1e2feb89414c343c", b"1e2feb89414c343d"))
    return path


def test_a_line_of_a_gigabyte_is_named_and_skipped_and_never_in_memory(huge: Path) -> None:
    result, peak = _measured("show", str(huge))
    assert result.returncode == 0
    assert result.stdout.count("chat gpt-4o-mini") == 2
    assert f"{huge}:2: a line of 1,181,1" in result.stderr
    assert "lines above 268,435,456 bytes are not read" in result.stderr
    assert peak < _ROOM_KB


def test_a_line_of_a_gigabyte_spoils_a_replay_and_is_named(huge: Path) -> None:
    result, peak = _measured("replay", str(huge), "--", sys.executable, "-c", "")
    assert result.returncode == 3
    assert f"otel-agenttrace: {huge}:2: a line of" in result.stderr
    assert "Traceback" not in result.stderr
    assert peak < _ROOM_KB


def test_a_line_of_some_megabytes_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    path.write_bytes(_FIRST.replace(b'"name":"chat', b'"name":"' + b"x" * (5 << 20) + b"chat") + _FIRST)
    result, _ = _measured("validate", str(path))
    assert (result.returncode, result.stdout) == (0, f"{path}: 2 spans, 2 recorded calls, all readable\n")


@pytest.mark.parametrize("arguments", [("grade",), ("ingest", "har", "-o", "out"), ("ingest", "vcr", "-o", "out")])
def test_a_foreign_file_of_a_gigabyte_is_refused_unread(arguments: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "huge.har"
    path.write_bytes(b"[")
    os.truncate(path, _HUGE)
    result, peak = _measured(*arguments, str(path))
    assert result.returncode == 3
    assert re.search(r"a (line|file) of 1,181,116,006 bytes", f"{result.stdout}{result.stderr}")
    assert peak < _ROOM_KB


# --- text that means harm ------------------------------------------------------------------------------------------------

_EVIL: Final = (
    "\x1b]0;title\x07\x1b[2J\x9b31m\x7f\u202e\u2066\u2028\u200b\U000e0041\ud800[bold][link=file:///etc]x[/link] \\[/"
)
_INNER: Final = json.dumps(json.dumps(_EVIL, ensure_ascii=False)[1:-1])[1:-1]
"""The same in JSON that is a text in JSON, escaped no more than it has to be."""
_HARMFUL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\u200b\U000e0000-\U000e007f]")


def _evil(value: Any) -> Any:
    """Return a JSON value in which each text of people says something evil, and what is read stays as it is."""
    if isinstance(value, dict):
        return {name: member if name in _KEPT else _evil(member) for name, member in value.items()}
    if isinstance(value, list):
        return [each if isinstance(each, dict) and each.get("key") in _KEPT else _evil(each) for each in value]
    return f"{value}{_EVIL}" if isinstance(value, str) else value


_KEPT: Final = frozenset(
    {"traceId", "spanId", "parentSpanId", "startTimeUnixNano", "endTimeUnixNano", "timeUnixNano", "key", "intValue"}
    | {"agenttrace.call.key", "agenttrace.request.body", "agenttrace.request.shared", "agenttrace.call.defines"}
    | {"agenttrace.exchange.chunks", "agenttrace.exchange.headers", "gen_ai.operation.name", "agenttrace.exchange.body"}
    | {"agenttrace.request.target", "agenttrace.request.method", "agenttrace.call.origin", "gen_ai.usage.input_tokens"}
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Give a folder with files that say evil things wherever text may stand, and bear an evil name."""
    lines = [_evil(json.loads(line)) for line in _GOLDEN.splitlines()]
    good = "".join(json.dumps(line) + "\n" for line in lines).replace("You are", f"You {_INNER}")
    (tmp_path / "evil.otlp.jsonl").write_text(good)
    (tmp_path / "other.otlp.jsonl").write_text(good.replace("Z\\u00fcrich", _INNER))
    (tmp_path / "bad.otlp.jsonl").write_text(good.replace('"traceId": "', f'"traceId": {json.dumps(_EVIL)[:-1]}'))
    (tmp_path / "\x1b[2J\u202e.otlp.jsonl").write_text('{"a": "' + "\x1b")
    span = {
        "name": _EVIL,
        "trace_id": "t",
        "span_id": "s",
        "start_time": 1,
        "end_time": 2,
        "status": {"status_code": "ERROR"},
    }
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": _EVIL,
        "error.type": _EVIL,
        "gen_ai.response.id": _EVIL,
    }
    (tmp_path / "prod.json").write_text(json.dumps([{**span, "attributes": told}]))
    entry = {"request": {"method": "POST", "url": f"evil:{_EVIL}"}, "response": {"statusText": _EVIL}}
    (tmp_path / "evil.har").write_text(json.dumps({"log": {"entries": [entry]}}))
    (tmp_path / "evil.yaml").write_bytes(
        b'interactions:\n- {request: {method: "\\e[2J\\u202e"}, response: {code: 1}}\n- {request: !evil%1B%E2%80%AE {}}\n'
    )
    return tmp_path


_ASKS: Final = """
import openai
client = openai.OpenAI(base_url="https://api.openai.com/v1", api_key="none")
client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "something else"}])
"""
_COMMANDS: Final[dict[str, tuple[str, ...]]] = {
    "show": ("show", "evil.otlp.jsonl"),
    "show a foreign one": ("show", "prod.json"),
    "show one with a bad name": ("show", "\x1b[2J\u202e.otlp.jsonl"),
    "show a damaged one": ("show", "bad.otlp.jsonl"),
    "validate": ("validate", "evil.otlp.jsonl", "bad.otlp.jsonl", "\x1b[2J\u202e.otlp.jsonl"),
    "grade": ("grade", "evil.otlp.jsonl"),
    "grade a foreign one": ("grade", "prod.json"),
    "learn": ("learn", "evil.otlp.jsonl", "other.otlp.jsonl"),
    "ingest har": ("ingest", "har", "evil.har", "-o", "\x1b[2J"),
    "ingest vcr": ("ingest", "vcr", "evil.yaml", "-o", "out"),
    "ingest govcr": ("ingest", "govcr", "evil.yaml", "-o", "out"),
    "replay": ("replay", "evil.otlp.jsonl", "--", sys.executable, "-c", _ASKS),
    "replay a foreign one": ("replay", "prod.json", "--", sys.executable, "-c", _ASKS),
    "replay a damaged one": ("replay", "bad.otlp.jsonl", "--", sys.executable, "-c", _ASKS),
    "refresh": ("refresh", "evil.otlp.jsonl", "--older-than", "1000000w", "--", "true"),
    "pack": ("pack", "bad.otlp.jsonl"),
    "doctor": ("doctor",),
}


@pytest.mark.parametrize("name", _COMMANDS)
def test_nothing_that_a_file_holds_steers_the_terminal(name: str, folder: Path) -> None:
    if name == "doctor":
        (folder / "pyproject.toml").write_text('[tool.otel-agenttrace]\nmode = "\\u001b[2J\\u202e"\n')
    command = [sys.executable, "-m", "otel_agenttrace", *_COMMANDS[name]]
    environment = {**os.environ, "NO_COLOR": "1", "PYTHONUTF8": "1"}
    result = subprocess.run(command, cwd=folder, env=environment, capture_output=True, timeout=60, check=False)
    shown = (result.stdout + result.stderr).decode("utf-8", "surrogatepass")
    assert shown
    assert _HARMFUL.findall(shown) == []
    assert result.returncode in (0, 1, 3) or name in ("doctor", "pack")
    if not name.startswith("replay"):
        assert "Traceback" not in shown
    if name in ("show", "grade", "learn", "replay"):
        assert r"\u202e" in shown
    if name in ("show", "grade"):
        assert "[bold][link=file:///etc]x[/link]" in shown


@pytest.mark.parametrize("command", ["show", "grade", "validate"])
def test_an_output_that_cannot_hold_a_character_gets_its_escape(command: str, tmp_path: Path) -> None:
    path = tmp_path / "Zürich.otlp.jsonl"
    path.write_bytes(_GOLDEN)
    result = _run([sys.executable, "-m", "otel_agenttrace", command, str(path)], PYTHONIOENCODING="ascii")
    assert (result.returncode, result.stderr) == (0, "")
