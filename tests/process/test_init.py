"""`otel-agenttrace init` in processes of its own: what it writes, what it leaves alone, what it asks on a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

import otel_agenttrace as at
from otel_agenttrace.config import resolve
from otel_agenttrace.demo.provider import DemoProvider
from otel_agenttrace.scaffold.plan import CI_FILES
from tests.support.processes import instrumented_environment
from tests.support.provider import Provider

if sys.version_info >= (3, 11):
    import tomllib
else:
    import tomli as tomllib

BIN: Final = Path(sys.executable).parent
GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
COMMAND: Final = BIN / "otel-agenttrace"
FILES: Final = [
    ".gitattributes",
    ".github/workflows/agent-tests.yml",
    ".gitignore",
    "agent.py",
    "pyproject.toml",
    "tests/test_agent.py",
]
SETTING: Final = "diff.agenttrace.textconv"
TEXTCONV: Final = "otel-agenttrace show --conversation"
ANSWER: Final = "In Lisbon it is 21 °C and sunny: take sunglasses, leave the umbrella."


def _environment(**more: str) -> dict[str, str]:
    """Return the environment of a user without a key, whose git has no settings outside the project."""
    nothing = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_NOSYSTEM": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    path = os.pathsep.join([str(BIN), os.environ.get("PATH", os.defpath)])
    return instrumented_environment(None, None, None, **{"PATH": path, **nothing, **more})


def _run(folder: Path, *command: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command,
        cwd=folder,
        env=_environment(**more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


def _init(folder: Path, *arguments: str) -> str:
    """Run the command as a script would, and return what it printed."""
    result = _run(folder, COMMAND, "init", *arguments)
    assert (result.returncode, result.stderr) == (0, "")
    return result.stdout


def _content(folder: Path) -> dict[str, bytes]:
    """Return all files below a folder, those of git left out."""
    paths = (path for path in folder.rglob("*") if path.is_file() and ".git" not in path.parts)
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def _git(folder: Path, *arguments: str) -> str:
    return _run(folder, "git", *arguments).stdout.rstrip("\n")


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Give the scaffold as it is written into a new folder."""
    _init(tmp_path, "project")
    return tmp_path / "project"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    assert _run(tmp_path, "git", "init", "--quiet").returncode == 0
    return tmp_path


# --- what is written ----------------------------------------------------------------------------------------------------


def test_a_new_folder_gets_the_files_and_nothing_else(tmp_path: Path) -> None:
    told = _init(tmp_path, "project")
    assert sorted(_content(tmp_path / "project")) == FILES
    assert [line.split() for line in told.splitlines()[: len(FILES)]] == [
        ["+", path, "written"]
        for path in ("pyproject.toml", "agent.py", "tests/test_agent.py", FILES[1], ".gitignore", ".gitattributes")
    ]


def test_the_end_tells_what_to_do_next(tmp_path: Path) -> None:
    told = _init(tmp_path, "a project")
    _, _, after = told.partition("\nnext:\n")
    assert [line.split("#")[0].strip() for line in after.splitlines()] == [
        "cd 'a project'",
        "pip install 'otel-agenttrace[openai]' pytest",
        "pytest --record",
        "pytest",
        "with a key, for answers of a model:",
        "OPENAI_API_KEY=… pytest --agenttrace-record-mode all",
        "in a git repository, once per clone, for diffs of cassettes that read as conversations:",
        f"git config {SETTING} '{TEXTCONV}'",
    ]


@pytest.mark.parametrize("arguments", [(), ("--yes",), ("--force",)], ids=["plain", "yes", "force"])
def test_a_second_run_changes_nothing_and_says_so(arguments: tuple[str, ...], repository: Path) -> None:
    _init(repository, "--yes")
    before = {path: path.stat().st_mtime_ns for path in repository.rglob("*")}
    told = _init(repository, *arguments)
    assert {path: path.stat().st_mtime_ns for path in repository.rglob("*")} == before
    assert told.endswith("\nnothing to do: all of it is there\n")
    assert told.count("there already") == len(FILES) + 1


def test_source_files_have_the_mode_of_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        _init(tmp_path)
    finally:
        os.umask(before)
    assert {oct((tmp_path / name).stat().st_mode & 0o777) for name in FILES} == {"0o640"}


def test_the_settings_are_those_that_are_read(project: Path) -> None:
    tool = tomllib.loads((project / "pyproject.toml").read_text(encoding="utf-8"))["tool"]
    resolve({}, tool["otel-agenttrace"])
    assert tool["pytest"]["ini_options"]["agenttrace_record_mode"] == "none"


def test_the_agent_is_recorded_and_replayed_without_provider_and_key(project: Path) -> None:
    agent = ("--", sys.executable, "agent.py")
    with DemoProvider() as provider:
        key = "no-key-at-all"
        live = _run(
            project, COMMAND, "record", "run.otlp.jsonl", *agent, OPENAI_BASE_URL=provider.url, OPENAI_API_KEY=key
        )
    assert (live.returncode, live.stdout) == (0, f"{ANSWER}\n"), live.stderr
    replayed = _run(project, COMMAND, "replay", "run.otlp.jsonl", *agent)
    assert (replayed.returncode, replayed.stdout) == (0, live.stdout), replayed.stderr
    names = [span.name for span in at.load(project / "run.otlp.jsonl").spans]
    assert sorted(names) == ["chat gpt-4o-mini"] * 2 + ["execute_tool weather", "invoke_agent packing-advisor"]


def test_the_agent_asks_the_model_and_the_question_it_is_told(project: Path) -> None:
    with Provider() as provider:
        variables = {"OPENAI_BASE_URL": provider.openai_url, "OPENAI_API_KEY": "none", "OPENAI_MODEL": "another"}
        result = _run(project, sys.executable, "agent.py", "what", "now?", **variables)
        asked = json.loads(provider.requests[0].body)
    assert result.returncode == 0, result.stderr
    assert (asked["model"], asked["messages"]) == ("another", [{"role": "user", "content": "what now?"}])


@pytest.mark.parametrize(
    "tool",
    [
        ("ruff", "check", "--isolated", "--select", "E,F,W,I,B,UP,C4,SIM,PT,RET,PL", "--ignore", "PLR2004"),
        ("ruff", "format", "--isolated", "--check"),
        ("pyright", "--pythonpath", sys.executable),
    ],
    ids=["lint", "format", "types"],
)
def test_the_scaffold_is_clean(tool: tuple[str, ...], project: Path) -> None:
    result = _run(project, BIN / tool[0], *tool[1:], ".")
    assert result.returncode == 0, result.stdout


def test_the_test_records_without_a_key_and_then_passes_with_no_provider(project: Path) -> None:
    pytest_ = (sys.executable, "-m", "pytest")
    unrecorded = _run(project, *pytest_)
    assert unrecorded.returncode == 1, unrecorded.stdout
    assert "pytest --record" in unrecorded.stdout
    recorded = _run(project, *pytest_, "--record")
    assert recorded.returncode == 0, recorded.stdout
    name = "test_the_agent_looks_the_weather_up_and_answers"
    cassette = project / "tests" / "cassettes" / "test_agent" / f"{name}.otlp.jsonl"
    before = cassette.read_bytes()
    # a provider that answers nobody: nothing listens on port 9 of this machine
    replayed = _run(project, *pytest_, OPENAI_BASE_URL="http://127.0.0.1:9/v1", OPENAI_API_KEY="none", CI="true")
    assert replayed.returncode == 0, replayed.stdout
    assert cassette.read_bytes() == before
    assert _run(project, COMMAND, "doctor", "--scan", "tests").returncode == 0
    for ci in ("github", "gitlab"):
        _init(project, "--ci", ci)
        report, summary = project / "agent-tests.md", project / "summary.md"
        for step in _steps(ci, project)[1:]:  # all but the installation
            done = _run(project, "sh", "-euc", step, CI="true", GITHUB_STEP_SUMMARY=str(summary))
            assert done.returncode == 0, done.stdout + done.stderr
        assert "1 test, none failed" in report.read_text(encoding="utf-8")
        report.unlink()
    assert "1 test, none failed" in summary.read_text(encoding="utf-8")
    agent = _run(project, COMMAND, "replay", cassette, "--", sys.executable, "agent.py")
    assert (agent.returncode, agent.stdout) == (0, f"{ANSWER}\n"), agent.stderr


def _steps(ci: str, project: Path) -> list[str]:
    parsed: Any = yaml.safe_load((project / CI_FILES[ci]).read_bytes())
    if ci == "gitlab":
        return parsed["agent-tests"]["script"]
    return [step["run"] for step in parsed["jobs"]["replay"]["steps"] if "run" in step]


@pytest.mark.parametrize("ci", CI_FILES)
def test_the_ci_file_scans_and_replays_and_never_records(ci: str, tmp_path: Path) -> None:
    _init(tmp_path, "--ci", ci)
    steps = _steps(ci, tmp_path)
    words = [step.split()[0] for step in steps]
    assert words[:3] == ["pip", "otel-agenttrace", "pytest"]
    assert not any("--record" in step for step in steps)


def test_no_ci_file_is_written_where_none_is_wanted(tmp_path: Path) -> None:
    _init(tmp_path, "--ci", "none")
    assert sorted(_content(tmp_path)) == [name for name in FILES if not name.endswith(".yml")]


# --- a pyproject.toml that is there ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"[tool.otel-agenttrace\n", "pyproject.toml is no TOML: "),
        (b"\xff\xfe", "pyproject.toml is no TOML: "),
        (b"tool = {black = {line-length = 99}}\n", "pyproject.toml takes no table at its end: "),
        (b"tool = 1\n", "pyproject.toml takes no table at its end: "),
    ],
)
def test_a_pyproject_that_takes_no_table_is_named_and_nothing_is_written(
    content: bytes, told: str, tmp_path: Path
) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    result = _run(tmp_path, COMMAND, "init", "--force")
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr.startswith(f"otel-agenttrace: {told}")
    assert "Traceback" not in result.stderr
    assert _content(tmp_path) == {"pyproject.toml": content}


# --- git ------------------------------------------------------------------------------------------------------------------


def test_git_ignores_what_a_run_leaves_behind_and_not_the_cassettes(repository: Path) -> None:
    _init(repository, "--yes")
    names = [".agenttrace/a.otlp.jsonl", "tests/cassettes/a.otlp.jsonl.partial", "tests/cassettes/a.otlp.jsonl"]
    assert _git(repository, "check-ignore", *names).splitlines() == names[:2]


def test_the_setting_of_git_is_made_where_it_is_agreed_to(repository: Path) -> None:
    told = _init(repository)
    assert f"not set; --yes sets it, or: git config {SETTING} '{TEXTCONV}'" in told
    assert _git(repository, "config", "--get", SETTING) == ""
    _init(repository, "below", "--yes")
    assert _git(repository, "config", "--local", "--get", SETTING) == TEXTCONV
    assert _git(repository / "below", "check-attr", "diff", "x.otlp.jsonl") == "x.otlp.jsonl: diff: agenttrace"


def test_git_diff_shows_a_cassette_as_a_conversation(repository: Path) -> None:
    _init(repository, "--yes")
    cassette = repository / "run.otlp.jsonl"
    before = GOLDEN.read_bytes()
    cassette.write_bytes(before)
    assert _run(repository, "git", "add", ".").returncode == 0
    cassette.write_bytes(before.replace(b"five things", b"six things"))
    removed, added = (line for line in _git(repository, "diff").splitlines() if re.match(r"[-+](?![-+])", line))
    assert removed.startswith("-    | You are a packing advisor.")
    assert removed.replace("five things", "six things")[1:] == added[1:]


def test_another_setting_of_git_stays(repository: Path) -> None:
    _git(repository, "config", SETTING, "cat")
    assert "it is 'cat'" in _init(repository, "--force")
    assert _git(repository, "config", "--get", SETTING) == "cat"


def test_a_variable_that_leads_git_elsewhere_is_not_followed(tmp_path: Path) -> None:
    for name in ("here", "elsewhere"):
        _run(tmp_path, "git", "init", "--quiet", name)
    result = _run(tmp_path / "here", COMMAND, "init", "--yes", GIT_DIR=str(tmp_path / "elsewhere" / ".git"))
    assert result.returncode == 0
    assert _git(tmp_path / "here", "config", "--get", SETTING) == TEXTCONV
    assert _git(tmp_path / "elsewhere", "config", "--get", SETTING) == ""


def test_without_git_all_else_is_done(repository: Path) -> None:
    result = _run(repository, COMMAND, "init", "--yes", PATH=str(BIN))
    assert result.returncode == 0
    assert sorted(_content(repository)) == FILES


# --- files that are there -------------------------------------------------------------------------------------------------

_OWN: Final = b"print('mine')\n"


@pytest.mark.parametrize("name", ["agent.py", "tests/test_agent.py", FILES[1]])
def test_a_file_with_other_content_is_replaced_by_force_only(name: str, tmp_path: Path) -> None:
    own = tmp_path / name
    own.parent.mkdir(parents=True, exist_ok=True)
    own.write_bytes(_OWN)
    for arguments in ((), ("--yes",)):
        told = _init(tmp_path, *arguments)
        assert own.read_bytes() == _OWN
        assert re.search(rf"^! {re.escape(name)} +kept; --force replaces it$", told, re.MULTILINE)
    told = _init(tmp_path, "--force")
    assert own.read_bytes() != _OWN
    assert re.search(rf"^\+ {re.escape(name)} +replaced$", told, re.MULTILINE)


def test_who_has_an_agent_is_told_that_the_test_asks_for_another(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_bytes(_OWN)
    hint = "agent.py is your own: let tests/test_agent.py import what it has, in the place of `advise`"
    assert hint in _init(tmp_path)
    _init(tmp_path, "--force")
    with (tmp_path / "agent.py").open("a") as file:
        file.write("# mine now\n")
    assert hint not in _init(tmp_path)


def test_a_dry_run_shows_what_would_be_done_and_does_nothing(repository: Path) -> None:
    (repository / "agent.py").write_bytes(_OWN)
    (repository / ".gitignore").write_bytes(b"build\n")
    before = _content(repository)
    told = _init(repository, "new", "--dry-run")
    assert not (repository / "new").exists()
    assert told.count("would be written") == len(FILES)
    told = _init(repository, "--dry-run", "--yes")
    assert _content(repository) == before
    assert _git(repository, "config", "--get", SETTING) == ""
    lines = told.splitlines()
    assert {"    +.agenttrace/", "    -print('mine')", "    +import openai"} <= set(lines)
    assert re.search(r"^! agent\.py +would be kept; --force replaces it$", told, re.MULTILINE)
    assert re.search(r"^\+ \.gitignore +would get lines at its end$", told, re.MULTILINE)
    assert re.search(rf"^\+ git config {SETTING} +would be set$", told, re.MULTILINE)


def test_json_tells_each_step(tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_bytes(_OWN)
    told = json.loads(_init(tmp_path, "--json"))
    assert told["folder"] == "."
    assert {step["path"]: (step["state"], step["written"], step["notes"]) for step in told["steps"]} == {
        **{name: ("new", True, []) for name in FILES},
        "agent.py": ("differs", False, []),
    }


@pytest.mark.parametrize("target", ["outside", "inside", "nowhere"])
def test_a_file_that_is_a_link_is_not_written(target: str, tmp_path: Path) -> None:
    folder, outside = tmp_path / "project", tmp_path / "outside"
    folder.mkdir()
    outside.write_bytes(_OWN)
    (folder / "inside").write_bytes(_OWN)
    (folder / "agent.py").symlink_to({"outside": outside, "inside": folder / "inside"}.get(target, tmp_path / "no"))
    (folder / ".gitignore").symlink_to(outside)
    told = _init(folder, "--force")
    assert told.count("it is a symbolic link") == 2
    assert (folder / "agent.py").is_symlink()
    assert outside.read_bytes() == (folder / "inside").read_bytes() == _OWN
    assert not (tmp_path / "no").exists()


def test_a_folder_that_leads_out_of_the_project_is_not_written_to(tmp_path: Path) -> None:
    folder, outside = tmp_path / "project", tmp_path / "outside"
    for each in (folder / "checks", outside):
        each.mkdir(parents=True)
    (folder / ".github").symlink_to(outside)
    (folder / "tests").symlink_to("checks")
    told = _init(folder, "--force")
    assert told.count("a symbolic link leads out of the folder") == 1
    assert list(outside.iterdir()) == []
    assert (folder / "checks" / "test_agent.py").is_file()


def test_what_is_no_file_is_left_and_the_rest_is_written(tmp_path: Path) -> None:
    (tmp_path / "agent.py").mkdir()
    (tmp_path / "tests").touch()
    os.mkfifo(tmp_path / ".gitignore")
    told = _init(tmp_path, "--force")
    obstacles = ["it cannot be read: Is a directory", "it cannot be read: Not a directory", "it is no regular file"]
    assert [line.strip() for line in told.splitlines() if line.startswith(" " * 30)] == obstacles
    assert sorted(_content(tmp_path)) == [".gitattributes", FILES[1], "pyproject.toml", "tests"]


@pytest.mark.parametrize("folder", ["file", "file/below", os.devnull])
def test_a_folder_that_cannot_be_is_exit_code_2(folder: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = _run(tmp_path, COMMAND, "init", folder)
    assert (result.returncode, result.stdout) == (2, "")
    assert "Traceback" not in result.stderr
    assert _content(tmp_path) == {"file": b""}


# --- questions ------------------------------------------------------------------------------------------------------------

_ON_ITS_TERMINAL: Final = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)  # else Ctrl-C reaches nobody
os.execv(sys.argv[1], sys.argv[1:])
"""
_PROMPT: Final = re.compile(r"^(?P<question>.*\?[^\n]*): (?:\x1b\[[\d;?]*[a-zA-Z])*\Z", re.MULTILINE)


def _on_a_terminal(folder: Path, answers: Mapping[str, str] | Sequence[str], *arguments: str) -> str:
    """Answer the questions on a terminal, by what is shown before each of them; return all that was shown.

    Args:
        folder: Where it runs.
        answers: Words of what is shown → answer, all others by Enter; or the answers in turn, and then Enter.
        arguments: The arguments of `init`.
    """
    ours, theirs = pty.openpty()
    environment = _environment(TERM="dumb", COLUMNS="200")
    shown, since = "", ""
    turn = iter(() if isinstance(answers, Mapping) else answers)
    command = [sys.executable, "-c", _ON_ITS_TERMINAL, COMMAND, "init", *arguments]
    with subprocess.Popen(
        command, cwd=folder, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True
    ) as process:
        os.close(theirs)
        while told := _read(ours, process):
            since += told.decode(errors="replace").replace("\r\n", "\n")
            if _PROMPT.search(since):
                given = _answer(since, answers) if isinstance(answers, Mapping) else next(turn, "")
                # an interrupt between prompt and reading is seen when the reading ends, hence a line behind it
                os.write(ours, given.encode() if given == "\x04" else f"{given}\n".encode())
                shown, since = shown + since, ""
    os.close(ours)
    return f"{shown}{since}\nexit code {process.returncode}\n"


def _answer(since: str, answers: Mapping[str, str]) -> str:
    return next((answer for words, answer in answers.items() if words in since), "")


def _read(descriptor: int, process: subprocess.Popen[bytes]) -> bytes:
    """Return what was shown since; nothing at the end. A process that waits for an answer nobody gives is ended."""
    if not select.select([descriptor], [], [], 60)[0]:
        process.kill()
    try:
        return os.read(descriptor, 65_536)
    except OSError:  # how Linux tells the end of a terminal
        return b""


def test_enter_writes_what_is_new_and_adds_lines_but_replaces_nothing(repository: Path) -> None:
    (repository / "agent.py").write_bytes(_OWN)
    (repository / ".gitignore").write_bytes(b"build\n")
    shown = _on_a_terminal(repository, {})
    assert shown.endswith("exit code 0\n"), shown
    assert sorted(_content(repository)) == FILES
    assert (repository / "agent.py").read_bytes() == _OWN
    assert (repository / ".gitignore").read_bytes() == b"build\n.agenttrace/\n*.partial\n"
    assert _git(repository, "config", "--get", SETTING) == TEXTCONV
    questions = [match.strip() for match in re.findall(r"^(?:write|add|replace|set) .*\?.*\]:", shown, re.MULTILINE)]
    assert [question.split("?")[0] for question in questions] == [
        "write it", "replace it", "write it", "write it", "add them", "write it", "set it",
    ]  # fmt: skip


def test_each_file_is_shown_before_it_is_asked_for(repository: Path) -> None:
    (repository / "agent.py").write_bytes(b"print('\x1b[31mmine')\n")
    (repository / ".gitignore").write_bytes(b"build\n")
    shown = _on_a_terminal(repository, {})
    _, _, rest = shown.partition("agent.py is there with other content; replacing it would do this\n")
    before, _, _ = rest.partition("replace it? [y/N]: ")
    assert r"    -print('\x1b[31mmine')" in before
    assert "    +import openai" in before
    _, _, rest = shown.partition(".gitignore is there; these lines would be added\n")
    assert rest.startswith("    +.agenttrace/\n    +*.partial\nadd them? [Y/n]: ")
    assert re.search(
        r"^tests/test_agent\.py, new: its test: cassette, budget, check \(\d+ lines\)$", shown, re.MULTILINE
    )
    assert f"git config {SETTING} '{TEXTCONV}', in this repository\nset it? [Y/n]: " in shown


def test_no_keeps_the_file_says_so_and_goes_on(repository: Path) -> None:
    (repository / ".gitignore").write_bytes(b"build\n")
    answers = {"tests/test_agent.py, new": "n", ".gitignore is there": "n", "git config": "n"}
    shown = _on_a_terminal(repository, answers)
    assert sorted(_content(repository)) == [name for name in FILES if name != "tests/test_agent.py"]
    assert (repository / ".gitignore").read_bytes() == b"build\n"
    assert _git(repository, "config", "--get", SETTING) == ""
    assert re.search(r"^! tests/test_agent\.py +not written$", shown, re.MULTILINE)
    assert re.search(r"^! \.gitignore +kept; --yes adds the lines$", shown, re.MULTILINE)


def test_yes_replaces_the_one_file(tmp_path: Path) -> None:
    for name in ("agent.py", FILES[1]):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(_OWN)
    _on_a_terminal(tmp_path, {"agent.py is there": "y"})
    assert (tmp_path / "agent.py").read_bytes() != _OWN
    assert (tmp_path / FILES[1]).read_bytes() == _OWN


def test_a_new_file_is_shown_whole_when_that_is_asked_for(tmp_path: Path) -> None:
    shown = _on_a_terminal(tmp_path, ["s", "", "what?", "n"])
    assert shown.index("    +[tool.otel-agenttrace]") < shown.index("agent.py, new: ")
    assert "Error: 'what?' is not one of" in shown
    assert sorted(_content(tmp_path)) == [name for name in FILES if name != "agent.py"]


@pytest.mark.parametrize("key", ["\x03", "\x04"], ids=["interrupt", "end of input"])
def test_who_leaves_in_the_middle_has_written_nothing(key: str, repository: Path) -> None:
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a job in the background hands its deafness on
    shown = _on_a_terminal(repository, ["y", "y", key])
    assert shown.endswith("Aborted!\n\nexit code 1\n"), shown
    assert _content(repository) == {}
    assert _git(repository, "config", "--get", SETTING) == ""


@pytest.mark.parametrize("option", ["--yes", "--force", "--json", "--dry-run"])
def test_nobody_is_asked_where_an_option_says_it_all(option: str, tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_bytes(_OWN)
    shown = _on_a_terminal(tmp_path, {}, option)
    assert "it?" not in shown
    assert shown.endswith("exit code 0\n")


def test_a_dry_run_on_a_terminal_tells_what_would_be_asked(tmp_path: Path) -> None:
    shown = _on_a_terminal(tmp_path, {}, "--dry-run")
    assert shown.count("you would be asked") == len(FILES)
    assert _content(tmp_path) == {}
