"""The command `otel-agenttrace` in processes of its own, as a new user meets it."""

from __future__ import annotations

import json
import os
import pty
import re
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import click
import pytest

import otel_agenttrace as at
from otel_agenttrace import cli
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.report.text import cost
from tests.support.processes import instrumented_environment
from tests.support.provider import Provider

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
COMMAND: Final = Path(sys.executable).with_name("otel-agenttrace")
CASSETTE: Final = "run.otlp.jsonl"

_AGENT: Final = """
import os, openai
import otel_agenttrace as at

@at.tool
def weather(city):
    return {"city": city}

@at.agent("advisor")
def advise(client):
    for text in ("hello", "hello", "what do I pack?"):
        answer = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
        print(answer.choices[0].message.content)
    print(weather("Zürich"))

advise(openai.OpenAI(base_url=os.environ["PROVIDER_URL"]))
"""
_ASK: Final = """
import os, sys, httpx

def ask(text):
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": text}]}
    return httpx.post(os.environ["PROVIDER_URL"] + "/chat/completions", json=body).json()["choices"][0]["message"]

if __name__ == "__main__":
    for text in sys.argv[1:]:
        print(ask(text)["content"])
"""
_SESSION: Final = """
import sys, ask
import otel_agenttrace as at

path, mode = sys.argv[1:3]
with at.session(path or None, mode or None):
    print(ask.ask("in a session")["content"])
"""
_SWALLOWS: Final = """
import ask
try:
    ask.ask("never recorded")
except Exception as error:
    print(type(error).__name__)
"""
_THREE_PLACES: Final = """
import os, httpx
url = os.environ["PROVIDER_URL"]
for place, body in {"/models/passed": {}, "/embeddings": {"model": "m", "input": "blocked"}}.items():
    try:
        print(httpx.post(url + place, json=body).status_code)
    except Exception as error:
        print(type(error).__name__, error)
import ask
print(ask.ask("recorded")["content"])
"""


def _run(
    folder: Path, *arguments: str | Path, environment: dict[str, str] | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command in a folder; without an environment there is no provider and no key."""
    variables = environment if environment is not None else instrumented_environment(None, None)
    return subprocess.run(
        [COMMAND, *arguments],
        cwd=folder,
        env=variables,
        input=stdin,
        stdin=None if stdin is not None else subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def _fill(folder: Path) -> Path:
    """Write the programs that the tests run into a folder."""
    scripts = {"agent": _AGENT, "ask": _ASK, "session": _SESSION, "swallows": _SWALLOWS, "places": _THREE_PLACES}
    for name, code in scripts.items():
        (folder / f"{name}.py").write_text(code, encoding="utf-8")
    return folder


def _written(folder: Path) -> list[str]:
    """Return what stands in a folder besides our programs."""
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".py" and path.name != "__pycache__")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return _fill(tmp_path)


@pytest.fixture
def golden(folder: Path) -> Path:
    """Give the golden cassette, 2 calls, under the name that everybody uses."""
    return Path(shutil.copy(GOLDEN, folder / CASSETTE))


# --- the help -----------------------------------------------------------------------------------------------------------


def _tree(path: tuple[str, ...], command: click.Command) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _tree((*path, name), below)


def _commands() -> dict[str, click.Command]:
    root = next(value for value in vars(cli).values() if isinstance(value, click.Group))
    return {" ".join(path): command for path, command in _tree(("otel-agenttrace",), root)}


@pytest.mark.parametrize("name", _commands())
def test_every_command_and_option_has_a_help_text_and_an_example(name: str) -> None:
    command = _commands()[name]
    shown = command.get_help(click.Context(command, info_name=name))
    assert f"Usage: {name} " in shown
    assert command.help
    assert re.search(rf"^  Example: {name} ?", shown, re.MULTILINE)
    options = [option for option in command.params if isinstance(option, click.Option)]
    assert [option.name for option in options if not option.help] == []


def test_the_module_is_the_command() -> None:
    command = [sys.executable, "-m", "otel_agenttrace", "--help"]
    environment = instrumented_environment(None, None)
    shown = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
    assert shown.stdout.startswith("Usage: otel-agenttrace [OPTIONS] COMMAND [ARGS]...")
    assert shown.stderr == ""


# --- record, then replay ------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Runs:
    folder: Path
    live: subprocess.CompletedProcess[str]
    replayed: subprocess.CompletedProcess[str]
    hits: int


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> _Runs:
    """Record an agent, stop the provider, and replay the agent without a key."""
    folder = _fill(tmp_path_factory.mktemp("runs"))
    with Provider() as provider:
        environment = instrumented_environment(None, None, provider)
        live = _run(folder, "record", CASSETTE, "--", sys.executable, "agent.py", environment=environment)
    environment = instrumented_environment(None, None, PROVIDER_URL=provider.openai_url)
    assert "OPENAI_API_KEY" not in environment
    replayed = _run(folder, "replay", CASSETTE, "--", sys.executable, "agent.py", environment=environment)
    return _Runs(folder, live, replayed, provider.hits)


def test_a_replay_says_what_the_recorded_run_said_with_no_provider_and_no_key(runs: _Runs) -> None:
    assert runs.live.returncode == 0, runs.live.stderr
    assert len(runs.live.stdout.splitlines()) == 4
    assert (runs.replayed.returncode, runs.replayed.stdout) == (0, runs.live.stdout), runs.replayed.stderr
    assert runs.hits == 3


def test_the_last_line_of_a_recording_tells_calls_tokens_cost_file_and_what_is_next(runs: _Runs) -> None:
    trace = at.load(runs.folder / CASSETTE)
    assert trace.cost is not None
    assert runs.live.stderr == (
        f"recorded 3 calls, {trace.usage.total_tokens} tokens, {cost(trace.cost)} → run.otlp.jsonl"
        " · next: otel-agenttrace replay run.otlp.jsonl -- …\n"
    )


def test_the_last_line_of_a_replay_counts_outcomes(runs: _Runs) -> None:
    assert runs.replayed.stderr == "replayed 3 calls: 3 hit, 0 drift, 0 miss · run.otlp.jsonl\n"


def test_a_run_leaves_nothing_but_its_cassette(runs: _Runs) -> None:
    assert _written(runs.folder) == [CASSETTE]


def test_a_recording_without_an_sdk_says_so(folder: Path) -> None:
    result = _run(folder, "record", CASSETTE, "--", "true")
    assert result.returncode == 0
    assert result.stderr.startswith("recorded 0 calls: no supported SDK was imported (openai, anthropic)")
    assert result.stderr.count("\n") == 1
    assert _written(folder) == []


def test_a_recording_that_made_no_file_names_none_that_is_not_there(folder: Path) -> None:
    assert ".partial" not in _run(folder, "record", CASSETTE, "--", "true").stderr


def test_a_recording_with_an_sdk_but_no_call_says_so(folder: Path) -> None:
    result = _run(folder, "record", CASSETTE, "--", sys.executable, "-c", "import httpx")
    assert result.stderr.startswith("recorded 0 calls: no call was made through a supported SDK")


def test_recording_nothing_keeps_the_cassette_and_does_not_claim_its_calls(golden: Path) -> None:
    result = _run(golden.parent, "record", CASSETTE, "--", "true")
    assert golden.read_bytes() == GOLDEN.read_bytes()
    assert result.stderr.startswith("recorded 0 calls: no supported SDK was imported (openai, anthropic)")


def test_a_replay_without_a_call_says_why(golden: Path) -> None:
    result = _run(golden.parent, "replay", CASSETTE, "--", sys.executable, "-c", "")
    assert result.returncode == 0
    assert result.stderr == ("replayed 0 calls: no supported SDK was imported (openai, anthropic) · run.otlp.jsonl\n")


@pytest.mark.parametrize(
    "command",
    [("true",), ("--allow", "python -I", CASSETTE, sys.executable, "-I", "-c", "")],
    ids=["no Python", "isolated"],
)
def test_a_replay_that_reaches_no_python_process_fails(command: tuple[str, ...], golden: Path) -> None:
    cassette = () if CASSETTE in command else (CASSETTE, "--")
    result = _run(golden.parent, "replay", *cassette, *command)
    assert result.returncode == 1
    assert "no Python process of the command was under replay" in result.stderr


def test_a_python_that_no_guard_goes_with_is_not_replayed(golden: Path) -> None:
    result = _run(golden.parent, "replay", CASSETTE, "--", sys.executable, "-I", "-c", "print('ran')")
    assert (result.returncode, result.stdout) == (2, "")
    assert "python -I is kept from starting: no guard of a replay goes with it" in result.stderr
    assert "--allow 'python -I'" in result.stderr


# --- exit codes ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("verb", "ends", "code"),
    [("record", "exit 7", 7), ("replay", "exit 7", 7), ("replay", "kill -TERM $$", 128 + signal.SIGTERM)],
)
def test_how_the_command_ends_passes_through(verb: str, ends: str, code: int, golden: Path) -> None:
    result = _run(golden.parent, verb, CASSETTE, "--", "sh", "-c", f"echo said; {ends}")
    assert (result.returncode, result.stdout) == (code, "said\n")
    assert golden.read_bytes() == GOLDEN.read_bytes()


def test_a_miss_that_the_agent_swallows_makes_exit_code_1(golden: Path) -> None:
    environment = instrumented_environment(None, None, PROVIDER_URL="http://127.0.0.1:9/v1")
    result = _run(golden.parent, "replay", CASSETTE, "--", sys.executable, "swallows.py", environment=environment)
    assert (result.returncode, result.stdout) == (1, "ReplayMiss\n")
    assert "replayed 1 call: 0 hit, 0 drift, 1 miss · run.otlp.jsonl · 2 recordings never asked for" in result.stderr


def test_a_miss_tells_where_what_is_nearest_and_what_to_do(golden: Path) -> None:
    environment = instrumented_environment(None, None, PROVIDER_URL="http://127.0.0.1:9/v1")
    result = _run(golden.parent, "replay", CASSETTE, "--", sys.executable, "ask.py", "hi", environment=environment)
    assert result.returncode == 1
    _, _, told = result.stderr.partition("No recording answers this call.\n")
    assert re.search(r"^  at       .*ask\.py:6", told, re.MULTILINE), result.stderr
    assert re.search(r"^  nearest  recording 1 \(line 1\), differs at /", told, re.MULTILINE)
    assert re.search(r"^  to fix   ", told, re.MULTILINE)


def test_a_recording_that_nobody_asked_for_fails_only_on_demand(golden: Path) -> None:
    result = _run(golden.parent, "replay", "--fail-on", "unplayed", CASSETTE, "--", "true")
    assert result.returncode == 1


_WRONG: Final = {
    "an unknown command": ("recrod", CASSETTE),
    "an unknown mode": ("record", "--mode", "always", CASSETTE, "--", "touch", "started"),
    "a mode that does not record": ("record", "--mode", "none", CASSETTE, "--", "touch", "started"),
    "a mode for a replay": ("replay", "--mode", "all", CASSETTE, "--", "touch", "started"),
    "no command": ("record", CASSETTE),
    "no command after the dashes": ("replay", CASSETTE, "--"),
    "no cassette": ("record", "--", "python", "agent.py"),
    "an option that is spelt wrong": ("record", "--mod", "touch", "started"),
    "a folder": ("record", ".", "--", "touch", "started"),
    "a program that is not there": ("record", "new.otlp.jsonl", "--", "./no-such-program"),
    "nothing to validate": ("validate",),
}


@pytest.mark.parametrize("use", _WRONG)
def test_wrong_use_is_exit_code_2_and_starts_and_writes_nothing(use: str, golden: Path) -> None:
    result = _run(golden.parent, *_WRONG[use])
    assert (result.returncode, result.stdout) == (2, ""), result.stderr
    assert "Usage: otel-agenttrace" in result.stderr
    assert "Traceback" not in result.stderr
    assert _written(golden.parent) == [CASSETTE]
    assert golden.read_bytes() == GOLDEN.read_bytes()


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("[tool.otel-agenttrace]\nmood = 'all'\n", "has no key 'mood'.\n  to fix   "),
        ("[tool.otel-agenttrace\n", "pyproject.toml is no TOML"),
        ("[tool.otel-agenttrace]\nblock = 'a.test'\n", "block is 'a.test'.\n  to fix   "),
    ],
)
def test_a_setting_without_meaning_is_exit_code_2_before_the_start(text: str, told: str, golden: Path) -> None:
    (golden.parent / "pyproject.toml").write_text(text)
    result = _run(golden.parent, "replay", CASSETTE, "--", "touch", "started")
    assert result.returncode == 2
    assert told in result.stderr
    assert _written(golden.parent) == ["pyproject.toml", CASSETTE]


_NEWER: Final = GOLDEN.read_bytes().replace(
    b'format.version","value":{"intValue":"1"', b'format.version","value":{"intValue":"2"'
)
_UNREADABLE: Final = {
    "missing": (None, "No cassette at run.otlp.jsonl.\n"),
    "empty": (b"", "run.otlp.jsonl:1: the file is empty\n"),
    "binary": (b"\x7fELF\0\0\n", "run.otlp.jsonl:1: binary data, not a line of OTLP/JSON\n"),
    "newer": (_NEWER, "run.otlp.jsonl has format version 2; this release reads up to 1.\n"),
    "damaged": (GOLDEN.read_bytes() + b"{\n", "run.otlp.jsonl:5: not JSON"),
}


@pytest.mark.parametrize("name", _UNREADABLE)
def test_an_unreadable_cassette_is_exit_code_3_before_the_start(name: str, folder: Path) -> None:
    content, told = _UNREADABLE[name]
    if content is not None:
        (folder / CASSETTE).write_bytes(content)
    before = _written(folder)
    result = _run(folder, "replay", CASSETTE, "--", "touch", "started")
    assert (result.returncode, result.stdout) == (3, "")
    assert result.stderr.startswith(f"otel-agenttrace: {told}")
    assert "\n  to fix   " in result.stderr
    assert "Traceback" not in result.stderr
    assert _written(folder) == before


@pytest.mark.parametrize(
    "arguments",
    [
        ("show", CASSETTE),
        ("show",),
        ("validate", CASSETTE),
        ("pack", CASSETTE),
        ("replay", f"file/{CASSETTE}", "--", "touch", "started"),
    ],
    ids=" ".join,
)
def test_a_cassette_that_cannot_be_there_is_exit_code_3_everywhere(arguments: tuple[str, ...], folder: Path) -> None:
    _refused(folder, 3, *arguments)


def test_a_cassette_that_cannot_be_written_there_is_exit_code_2(folder: Path) -> None:
    _refused(folder, 2, "record", f"file/{CASSETTE}", "--", "touch", "started")


def _refused(folder: Path, code: int, *arguments: str) -> None:
    (folder / "file").touch()
    result = _run(folder, *arguments)
    assert result.returncode == code, result.stderr
    assert result.stderr.startswith("otel-agenttrace: ")
    assert "\n  to fix   " in result.stderr
    assert _written(folder) == ["file"]


# --- record over a cassette ---------------------------------------------------------------------------------------------


def test_once_replays_a_cassette_that_is_there(folder: Path, provider: Provider) -> None:
    environment = instrumented_environment(None, None, provider)
    ask = ("--", sys.executable, "ask.py", "one")
    live = _run(folder, "record", "--mode", "once", CASSETTE, *ask, environment=environment)
    assert live.stderr.startswith("recorded 1 call, ")
    before = (folder / CASSETTE).read_bytes()
    again = _run(folder, "record", "--mode", "once", CASSETTE, *ask, environment=environment)
    assert (again.returncode, again.stdout) == (0, live.stdout)
    assert again.stderr == "replayed 1 call: 1 hit, 0 drift, 0 miss · run.otlp.jsonl\n"
    assert provider.hits == 1
    assert (folder / CASSETTE).read_bytes() == before


def test_new_answers_what_is_there_and_appends_the_rest(folder: Path, provider: Provider) -> None:
    environment = instrumented_environment(None, None, provider)
    new = ("record", "--mode", "new", CASSETTE, "--", sys.executable, "ask.py")
    live = _run(folder, *new, "one", environment=environment)
    before = (folder / CASSETTE).read_bytes()
    both = _run(folder, *new, "one", "two", environment=environment)
    assert both.stdout.startswith(live.stdout)
    assert provider.hits == 2
    assert (folder / CASSETTE).read_bytes().startswith(before)
    assert len(at.load(folder / CASSETTE).inferences) == 2
    assert both.stderr.startswith("recorded 1 call, ")
    assert both.stderr.endswith("-- … · 1 answered from it\n")
    all_of_it = (folder / CASSETTE).read_bytes()
    nothing_new = _run(folder, *new, "one", "two", environment=environment)
    assert nothing_new.stdout == both.stdout
    assert (folder / CASSETTE).read_bytes() == all_of_it
    assert provider.hits == 2
    assert "2 answered from it" in nothing_new.stderr
    assert "no call was made" not in nothing_new.stderr


def test_all_replaces_the_cassette_at_the_end_of_the_run(golden: Path, provider: Provider) -> None:
    environment = instrumented_environment(None, None, provider)
    look = "import os, ask; print(ask.ask('anew')['content'], os.path.getsize('run.otlp.jsonl'))"
    result = _run(golden.parent, "record", CASSETTE, "--", sys.executable, "-c", look, environment=environment)
    assert result.stdout == f"echo 1: anew — ça va 🦊 {GOLDEN.stat().st_size}\n"
    assert provider.hits == len(at.load(golden).spans) == 1
    assert _written(golden.parent) == [CASSETTE]


def test_what_a_killed_run_left_is_replayed_and_shown_by_its_name(golden: Path) -> None:
    left = golden.rename(partial_path(golden))
    named = _run(golden.parent, "replay", CASSETTE, "--", "true")
    assert named.returncode == 3
    assert f"left {left.name}: use it by that name" in named.stderr
    assert _run(golden.parent, "replay", left.name, "--", sys.executable, "-c", "").returncode == 0
    assert _run(golden.parent, "show", left.name).stdout.startswith("invoke_agent packing-advisor")
    assert _written(golden.parent) == [left.name]


# --- show, validate, pack -----------------------------------------------------------------------------------------------


def test_show_without_a_name_shows_the_newest_run(runs: _Runs, tmp_path: Path) -> None:
    unnamed = tmp_path / ".agenttrace" / "20261120-100000-1.otlp.jsonl"
    unnamed.parent.mkdir()
    for number, (source, target) in enumerate(
        [(GOLDEN, tmp_path / "older.otlp.jsonl"), (runs.folder / CASSETTE, unnamed), (GOLDEN, tmp_path / "notes.txt")]
    ):
        os.utime(shutil.copy(source, target), (number, number))
    shown = _run(tmp_path, "show")
    assert (shown.returncode, shown.stderr) == (0, "")
    head, *below = shown.stdout.splitlines()
    assert head.startswith("invoke_agent advisor  ")
    assert "  3 calls  " in head
    assert "\x1b" not in shown.stdout
    assert len(below) == 4
    assert "echo 3: what do I pack? — ça va 🦊" in below[2]
    assert below[3].startswith("└── execute_tool weather  ")


def test_show_reads_the_standard_input_and_prints_json(runs: _Runs) -> None:
    content = (runs.folder / CASSETTE).read_text(encoding="utf-8")
    shown = json.loads(_run(runs.folder, "show", "-", "--json", stdin=content).stdout)
    trace = at.load(runs.folder / CASSETTE)
    assert (shown["calls"], shown["cost"], shown["errors"]) == (3, trace.cost, 0)
    assert [span["name"] for span in shown["spans"]] == [span.name for span in trace.spans]


def _on_a_terminal(folder: Path, *arguments: str, **more: str) -> str:
    """Return what the command prints on a terminal."""
    ours, theirs = pty.openpty()
    environment = instrumented_environment(None, None, None, TERM="xterm-256color", **more)
    with subprocess.Popen([COMMAND, *arguments], cwd=folder, env=environment, stdout=theirs, stdin=theirs):
        os.close(theirs)
        told = b"".join(iter(lambda: _read(ours), b""))
    os.close(ours)
    return told.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # how Linux tells the end of a terminal
        return b""


_COLOUR: Final = re.compile(r"\x1b\[(?:\d+;)*(?:3\d|4\d|9\d|10\d)[;m]")


def test_colours_are_shown_on_a_terminal_unless_no_color_is_set(golden: Path) -> None:
    assert _COLOUR.search(_on_a_terminal(golden.parent, "show", CASSETTE))
    assert not _COLOUR.search(_on_a_terminal(golden.parent, "show", CASSETTE, NO_COLOR="1"))


def test_validate_says_that_a_good_cassette_is_readable(golden: Path) -> None:
    result = _run(golden.parent, "validate", CASSETTE)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == "run.otlp.jsonl: 4 spans, 2 recorded calls, all readable\n"


def test_validate_names_each_bad_line_once_and_exits_1(golden: Path) -> None:
    lines = GOLDEN.read_bytes().splitlines(keepends=True)
    golden.write_bytes(b"".join([lines[0], b"{broken\n", *lines[1:3], b"{}\n", lines[3]]))
    result = _run(golden.parent, "validate", CASSETTE)
    assert result.returncode == 1
    told = result.stdout + result.stderr
    assert told.count("run.otlp.jsonl:2: not JSON") == 1
    assert told.count("run.otlp.jsonl:5: no resourceSpans") == 1
    assert "otel-agenttrace validate" not in told  # it was just done


def test_validate_warns_of_a_torn_last_line_and_exits_0(golden: Path) -> None:
    golden.write_bytes(GOLDEN.read_bytes()[:-100])
    result = _run(golden.parent, "validate", CASSETTE)
    assert result.returncode == 0
    assert (result.stdout + result.stderr).count("the last line is torn") == 1


def test_validate_prints_json_and_reads_the_standard_input(golden: Path) -> None:
    (golden.parent / "bad.otlp.jsonl").write_bytes(GOLDEN.read_bytes() + b"{}\n")
    arguments = ("validate", "--json", CASSETTE, "bad.otlp.jsonl", "-")
    result = _run(golden.parent, *arguments, stdin=GOLDEN.read_text(encoding="utf-8"))
    assert result.returncode == 1
    good, bad, stdin = json.loads(result.stdout)
    assert (good["path"], good["spans"], good["calls"], good["problems"]) == (CASSETTE, 4, 2, [])
    assert bad["path"] == "bad.otlp.jsonl"
    assert len(bad["problems"]) == 1
    assert "bad.otlp.jsonl:5: " in bad["problems"][0]
    assert (stdin["path"], stdin["problems"]) == ("-", [])


def test_validate_tells_of_the_good_ones_though_one_is_missing(golden: Path) -> None:
    result = _run(golden.parent, "validate", "missing.otlp.jsonl", CASSETTE)
    assert result.returncode == 3
    assert "No cassette at missing.otlp.jsonl." in result.stdout + result.stderr
    assert "run.otlp.jsonl: 4 spans, 2 recorded calls, all readable" in result.stdout


def test_pack_tells_the_new_file_which_can_be_shown(golden: Path) -> None:
    packed = _run(golden.parent, "pack", CASSETTE)
    assert packed.returncode == 0
    assert re.fullmatch(r"run\.otlp\.jsonl\.zst: [\d,]+ bytes, \d+ times smaller\n", packed.stdout)
    shown = _run(golden.parent, "show", f"{CASSETTE}.zst")
    assert shown.stdout.startswith("invoke_agent packing-advisor  "), shown.stderr


def test_nothing_is_recorded_into_a_packed_cassette(golden: Path) -> None:
    result = _run(golden.parent, "record", f"{CASSETTE}.zst", "--", "touch", "started")
    assert result.returncode in (2, 3), result.stderr
    assert "run.otlp.jsonl.zst" in result.stderr
    assert _written(golden.parent) == [CASSETTE]


# --- doctor and demo ----------------------------------------------------------------------------------------------------


def test_doctor_finds_nothing_wrong_here_and_says_so_in_json(folder: Path) -> None:
    result = _run(folder, "doctor", "--json")
    checks = json.loads(result.stdout)
    assert (result.returncode, result.stderr) == (0, "")
    assert {check["area"] for check in checks} == {"hooks", "packages", "SDKs", "settings"}
    assert [check for check in checks if check["verdict"] == "problem"] == []
    assert {check["subject"].split()[0] for check in checks if check["area"] == "SDKs"} >= {"openai", "anthropic"}


def test_doctor_exits_1_and_names_the_cassette_that_a_replay_lacks(folder: Path) -> None:
    environment = instrumented_environment(folder / CASSETTE, "none")
    del environment["PYTHONPATH"]
    result = _run(folder, "doctor", environment=environment)
    assert (result.returncode, result.stderr) == (1, "")
    assert "\x1b" not in result.stdout
    assert re.search(r"^settings  +✓  +mode +none *$", result.stdout, re.MULTILINE)
    assert re.search(r"^ +✗  +cassette +No cassette at ", result.stdout, re.MULTILINE)


def test_the_demo_succeeds_and_shows_each_step(tmp_path: Path) -> None:
    result = _run(tmp_path, "demo")
    assert result.returncode == 0, result.stderr
    assert re.findall(r"^(\d)\. (\w+)", result.stdout, re.MULTILINE) == [
        ("1", "record"),
        ("2", "replay"),
        ("3", "look"),
        ("4", "compare"),
    ]
    assert "the two runs said the same" in result.stdout
    assert [path.name for path in tmp_path.iterdir()] == [".agenttrace"]


# --- settings -----------------------------------------------------------------------------------------------------------


def _session(folder: Path, path: str, mode: str, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    """Run a program that opens a session with these arguments; an empty one is not given."""
    command = [sys.executable, folder / "session.py", path, mode]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60, check=False)


_TABLE: Final = f'[tool.otel-agenttrace]\ncassette = "tapes/{CASSETTE}"\nmode = "all"\n'


def test_the_table_of_pyproject_names_cassette_and_mode_from_its_own_folder(folder: Path, provider: Provider) -> None:
    (folder / "pyproject.toml").write_text(_TABLE)
    below = folder / "below"
    below.mkdir()
    _fill(below)
    for _ in range(2):
        result = _session(below, "", "", instrumented_environment(None, None, provider))
        assert result.returncode == 0, result.stderr
    assert provider.hits == 2
    assert len(at.load(folder / "tapes" / CASSETTE).inferences) == 1
    assert _written(below) == []


def test_the_environment_comes_before_pyproject_and_arguments_before_both(folder: Path, provider: Provider) -> None:
    (folder / "pyproject.toml").write_text(_TABLE)
    environment = instrumented_environment(
        None, None, provider, OTEL_AGENTTRACE_CASSETTE="variable.otlp.jsonl", OTEL_AGENTTRACE_MODE="once"
    )
    first = _session(folder, "", "", environment)
    second = _session(folder, "", "", environment)
    assert "replayed 1 call: 1 hit" in second.stderr, second.stderr
    assert second.stdout == first.stdout == "echo 1: in a session — ça va 🦊\n"
    third = _session(folder, "argument.otlp.jsonl", "all", environment)
    assert third.stdout == "echo 2: in a session — ça va 🦊\n"
    assert _written(folder) == ["argument.otlp.jsonl", "pyproject.toml", "variable.otlp.jsonl"]


def test_what_the_command_line_names_comes_before_the_environment(golden: Path) -> None:
    environment = instrumented_environment(
        None, None, OTEL_AGENTTRACE_CASSETTE="variable.otlp.jsonl", OTEL_AGENTTRACE_MODE="all"
    )
    result = _run(golden.parent, "replay", CASSETTE, "--", "true", environment=environment)
    assert result.stderr.startswith("replayed 0 calls: ")
    assert _written(golden.parent) == [CASSETTE]


def test_in_ci_nothing_is_recorded_unless_it_is_asked_for(folder: Path, provider: Provider) -> None:
    environment = instrumented_environment(None, None, provider, CI="true")
    refused = _session(folder, CASSETTE, "", environment)
    assert refused.returncode == 1
    assert refused.stderr.rstrip().splitlines()[-2:] == [
        "otel_agenttrace.errors.CassetteNotFound: No cassette at run.otlp.jsonl.",
        "  to fix   record it: otel-agenttrace record run.otlp.jsonl -- python agent.py",
    ]
    assert provider.hits == 0
    assert _written(folder) == []
    recorded = _run(folder, "record", CASSETTE, "--", sys.executable, "ask.py", "hi", environment=environment)
    assert recorded.stderr.startswith("recorded 1 call, ")


def test_patterns_of_pyproject_let_requests_pass_and_block_others(folder: Path, provider: Provider) -> None:
    (folder / "pyproject.toml").write_text(
        textwrap.dedent("""
            [tool.otel-agenttrace]
            pass = ["127.0.0.1/v1/models/*"]
            block = ["127.0.0.1/v1/embeddings"]
        """)
    )
    environment = instrumented_environment(None, None, provider)
    command = (CASSETTE, "--", sys.executable, "places.py")
    live = _run(folder, "record", *command, environment=environment)
    passed, blocked, *_, recorded = live.stdout.splitlines()
    assert passed == "404"
    assert blocked.startswith("EgressBlocked A request to 127.0.0.1 ")
    assert recorded.startswith("echo 2: recorded")
    assert [request.path for request in provider.requests] == ["/v1/models/passed", "/v1/chat/completions"]
    assert len(at.load(folder / CASSETTE).spans) == 1
    replayed = _run(folder, "replay", *command, environment=environment)
    assert replayed.stdout == live.stdout
    assert [request.path for request in provider.requests][2:] == ["/v1/models/passed"]
