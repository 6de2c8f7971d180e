"""The steps of the GitHub Action, run as GitHub runs them: a shallow clone of a real repository, real recordings, a stand-in
for GitHub's API on the loopback."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.action import ROOT, FakeGitHub, Job, action
from tests.support.branches import PRICES
from tests.support.provider import Provider

_GOLDEN: Final = ROOT / "tests" / "golden" / "comment.md"
_MARKER: Final = "<!-- otel-agenttrace report -->"
_DROPPED: Final = ("OTEL_", "_OTEL_", "OPENAI_", "CI", "GIT", "PYTEST", "AGENTTRACE_", "NO_COLOR", "COLUMNS")
_AGENT: Final = """
import os
import openai
import otel_agenttrace as at

@at.tool
def search(city):
    return f"a hotel in {city}"

def plan(city):
    with openai.OpenAI(base_url=os.environ["PROVIDER_URL"], max_retries=0) as client:
        def ask(text):
            asked = [{"role": "user", "content": text}]
            answer = client.chat.completions.create(model="gpt-4o-mini", messages=asked)
            return answer.choices[0].message.content
        ask(f"Where in {city}?")
        search(city)
        return ask("Which one?")
"""
_TESTS: Final = """
import agent

def test_trip(cassette):
    assert agent.plan("Rome")
"""
_MORE_TESTS: Final = """
def test_hike(cassette):
    assert agent.plan("Bern")
"""
_PYPROJECT: Final = f"""{PRICES}
[tool.pytest.ini_options]
pythonpath = ["."]
testpaths = ["tests"]
asyncio_default_fixture_loop_scope = "function"
"""


def _environment(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    names = {f"GIT_{who}_{what}": "ci" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    told = {
        "HOME": str(home),
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_CONFIG_NOSYSTEM": "1",
        "COLUMNS": "150",
        "PYTHONDONTWRITEBYTECODE": "1",
    }
    return {**kept, **names, **told, "OPENAI_API_KEY": secrets.token_hex(8)}


class Origin:
    """A repository with an agent in the folder `service`: on `main` as it was, on `change` as a pull request has it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "origin"
        self.service = self.folder / "service"
        self.environment = _environment(folder)
        (self.service / "tests").mkdir(parents=True)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("commit", "--quiet", "--allow-empty", "--message=empty")
        self.git("branch", "empty")
        self.write("pyproject.toml", _PYPROJECT)
        self.write("agent.py", _AGENT)
        self.write("tests/test_agent.py", _TESTS)
        self.record("first")
        self.git("switch", "--quiet", "--create", "change")
        changed = _AGENT.replace("Which one?", "Which one, and why?").replace(
            "        search(city)", "        search('Ostia')"
        )
        self.write("agent.py", changed)
        self.write("tests/test_agent.py", _TESTS + _MORE_TESTS)
        self.record("second", "--agenttrace-record-mode=all")

    def git(self, *words: str) -> None:
        subprocess.run(["git", *words], cwd=self.folder, env=self.environment, check=True, stdin=subprocess.DEVNULL)

    def write(self, name: str, text: str) -> None:
        (self.service / name).write_text(text, encoding="utf-8")

    def record(self, message: str, mode: str = "--record") -> None:
        with Provider() as provider:
            command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", mode]
            told = {**self.environment, "PROVIDER_URL": provider.openai_url}
            ran = subprocess.run(command, cwd=self.service, env=told, capture_output=True, text=True, check=False)
        assert ran.returncode == 0, ran.stdout + ran.stderr
        self.git(
            "add",
            "service/pyproject.toml",
            "service/agent.py",
            "service/tests/test_agent.py",
            "service/tests/cassettes",
        )
        self.git("commit", "--quiet", f"--message={message}")


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Origin:
    return Origin(tmp_path_factory.mktemp("repository"))


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with FakeGitHub(secrets.token_hex(8)) as running:
        yield running


@pytest.fixture
def job(origin: Origin, github: FakeGitHub, tmp_path: Path) -> Callable[..., Job]:
    """Give what checks the pull request out, as a shallow clone, and makes a job in it."""

    def make(*clone: str, event: str = "pull_request", base: str = "main", **inputs: str) -> Job:
        workspace = tmp_path / "workspace"
        how = clone or ("--depth=1",)
        origin.git("clone", "--quiet", *how, "--branch=change", f"file://{origin.folder}", str(workspace))
        (tmp_path / "event.json").write_text(json.dumps({"pull_request": {"number": 7}}), encoding="utf-8")
        (tmp_path / "temp").mkdir()
        told = {
            "GITHUB_API_URL": github.url,
            "GITHUB_EVENT_NAME": event,
            "GITHUB_EVENT_PATH": str(tmp_path / "event.json"),
            "GITHUB_OUTPUT": str(tmp_path / "output"),
            "GITHUB_REPOSITORY": "acme/agent",
            "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md"),
            "PROVIDER_URL": "http://127.0.0.1:9/v1",
        }
        contexts = {"github.base_ref": base, "github.token": github.token, "runner.temp": str(tmp_path / "temp")}
        given = {
            "working-directory": "service",
            "python": f"'{sys.executable}'",
            **{k.replace("_", "-"): v for k, v in inputs.items()},
        }
        return Job(workspace, contexts, {**origin.environment, **told}, given)

    return make


def _summary(job: Job) -> str:
    return Path(job.environment["GITHUB_STEP_SUMMARY"]).read_text(encoding="utf-8")


# --- the whole ----------------------------------------------------------------------------------------------------------


def test_a_pull_request_gets_one_comment_and_a_later_run_updates_it(
    job: Callable[..., Job], github: FakeGitHub, tmp_path: Path
) -> None:
    others = [
        github.add("mallory", f"{_MARKER}\nnot ours")["body"],
        *(github.add("x", "y")["body"] for _ in range(120)),
    ]
    running = job(report="report.md")
    assert running.run() == 0, running.printed
    assert len(github.comments) == 122
    comment = github.comments[-1]["body"]
    assert comment == _GOLDEN.read_text(encoding="utf-8")
    assert _summary(running) == comment
    assert (running.workspace / "service" / "report.md").read_text(encoding="utf-8") == comment
    (output,) = (tmp_path / "output").read_text(encoding="utf-8").splitlines()
    assert Path(output.removeprefix("report=")).read_text(encoding="utf-8") == comment

    github.comments[-1]["body"] = f"{_MARKER}\nof an earlier run"
    assert running.run() == 0, running.printed
    assert [each["body"] for each in github.comments] == [*others, comment]
    assert running.printed[-2] == "updated: comment/122\n"


def test_a_test_that_misses_fails_the_job_after_the_comment(job: Callable[..., Job], github: FakeGitHub) -> None:
    running = job()
    agent = running.workspace / "service" / "agent.py"
    agent.write_text(agent.read_text(encoding="utf-8").replace("Where in", "Where near"), encoding="utf-8")
    assert running.run() == 1
    assert running.printed[-1] == "replay ended with 1\n"
    (comment,) = github.comments
    assert "### ✗ 2 of 2 tests failed" in comment["body"]
    assert "**failed** `tests/test_agent.py::test_trip`" in comment["body"]
    assert str(running.workspace) not in comment["body"]


def test_recordings_that_nobody_asks_for_fail_the_job_where_that_is_wanted(job: Callable[..., Job]) -> None:
    running = job(fail_on="drift, unplayed", pytest_args="-k 'trip and not hike'", comment="false")
    test = running.workspace / "service" / "tests" / "test_agent.py"
    test.write_text(
        test.read_text(encoding="utf-8")
        .replace("assert agent.plan('Rome')", "pass")
        .replace('agent.plan("Rome")', "cassette")
    )
    assert running.run() == 1
    assert "1 of 1 test failed" in _summary(running)
    assert "never asked for** 2 recordings" in _summary(running)


# --- the base -----------------------------------------------------------------------------------------------------------

_COMPARE: Final = ("Lay out the base", "Report", "Result")


def test_a_base_that_is_there_is_not_fetched(job: Callable[..., Job]) -> None:
    running = job("--no-single-branch")
    subprocess.run(["git", "remote", "set-url", "origin", "nowhere"], cwd=running.workspace, check=True)
    assert running.run(*_COMPARE) == 0, running.printed
    assert "1 changed, 1 new" in _summary(running)


@pytest.mark.parametrize(("base", "told"), [("empty", "2 new"), ("change", "2 as before")])
def test_a_base_without_this_folder_or_the_same_one_is_a_base(base: str, told: str, job: Callable[..., Job]) -> None:
    running = job(base=base)
    assert running.run(*_COMPARE) == 0, running.printed
    assert f"cassettes: {told}\n" in _summary(running)


@pytest.mark.parametrize("base", ["gone", "--upload-pack=touch pwned", "main:refs/heads/pwned", "a b; touch pwned"])
def test_a_base_that_cannot_be_had_is_a_warning(base: str, job: Callable[..., Job]) -> None:
    running = job(base=base)
    assert running.run(*_COMPARE) == 0, running.printed
    assert "::warning title=otel-agenttrace::the base " in running.printed[0]
    assert "### ✓ 2 cassettes\n" in _summary(running)
    _assert_nothing_ran(running)


def test_nothing_is_left_in_the_checkout(job: Callable[..., Job]) -> None:
    running = job()
    assert running.run(*_COMPARE) == 0, running.printed
    command = ["git", "status", "--porcelain", "--ignored"]
    left = subprocess.run(command, cwd=running.workspace, capture_output=True, text=True, check=True)
    assert left.stdout == ""


# --- the comment --------------------------------------------------------------------------------------------------------


@pytest.fixture
def reported(job: Callable[..., Job], tmp_path: Path) -> Callable[..., Job]:
    """Give what makes a job that has come as far as the report."""

    def make(**told: str) -> Job:
        running = job(**told)
        (tmp_path / "temp" / "otel-agenttrace").mkdir()
        (tmp_path / "temp" / "otel-agenttrace" / "report.md").write_text(f"{_MARKER}\n", encoding="utf-8")
        return running

    return make


def test_a_push_gets_no_comment(reported: Callable[..., Job], github: FakeGitHub) -> None:
    running = reported(event="push", base="")
    assert running.run("Lay out the base", "Comment") == 0
    assert running.printed == [
        "no base branch: the recordings are compared with nothing\n",
        "no pull request, no comment\n",
    ]
    assert github.comments == []


def test_a_comment_that_is_not_wanted_is_not_written(reported: Callable[..., Job], github: FakeGitHub) -> None:
    running = reported(comment="false")
    assert (running.run("Comment"), running.printed, github.comments) == (0, ["no comment is asked for\n"], [])


def test_a_token_that_may_not_write_is_a_warning(reported: Callable[..., Job], github: FakeGitHub) -> None:
    github.may_write = False
    running = reported()
    assert running.run("Comment") == 0
    assert running.printed[0].startswith("::warning title=otel-agenttrace::the token may not write comments.")
    assert github.comments == []


def test_an_api_that_is_not_there_is_a_warning(reported: Callable[..., Job]) -> None:
    running = reported()
    running.environment = {**running.environment, "GITHUB_API_URL": "http://127.0.0.1:9"}
    assert running.run("Comment") == 0
    assert running.printed[0].startswith("::warning title=otel-agenttrace::no comment was written: ")


# --- the check ----------------------------------------------------------------------------------------------------------


def test_rules_that_are_broken_fail_the_job_and_stand_in_the_report(job: Callable[..., Job]) -> None:
    running = job(cassettes="tests/cassettes")
    (running.workspace / "service" / "agent-checks.yaml").write_text("llm_calls: 1\n", encoding="utf-8")
    assert running.run("Check", "Report", "Result") == 1
    assert running.printed[-1] == "check ended with 1\n"
    names = [f"tests/cassettes/test_agent/test_{name}.otlp.jsonl" for name in ("hike", "trip")]
    assert [name for name in names if f"\n`{name}`\n\n```\nllm_calls: " not in _summary(running)] == []


def test_rules_that_have_no_meaning_fail_the_job_and_the_rest_is_reported(job: Callable[..., Job]) -> None:
    running = job()
    (running.workspace / "service" / "agent-checks.yaml").write_text("llm_cals: 1\n", encoding="utf-8")
    assert running.run("Check", "Report", "Result") == 2
    assert "llm_calls" in running.printed[0]
    assert "### ✓ 2 cassettes\n" in _summary(running)


# --- safety -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text", ["$(touch pwned)", "`touch pwned`", "; touch pwned #", "x'; touch pwned; '", "| touch pwned", "* ~ $HOME"]
)
def test_no_input_is_run(text: str, job: Callable[..., Job]) -> None:
    names = ("pytest-args", "rules", "cassettes", "fail-on", "base-ref", "report", "comment", "comment-author", "token")
    running = job(python="true", **dict.fromkeys(names, text))
    (running.workspace / "service" / text.replace("/", "")).touch()
    for step in action()["runs"]["steps"]:
        running.run(step["name"])
    _assert_nothing_ran(running)
    running.inputs = {**running.inputs, "python": text}
    assert running.run("Replay") + running.run("Result") > 0
    _assert_nothing_ran(running)


def _assert_nothing_ran(running: Job) -> None:
    assert [path for path in running.workspace.parent.rglob("*") if path.name == "pwned"] == []


def test_no_expression_stands_in_a_script() -> None:
    for step in action()["runs"]["steps"]:
        assert "${{" not in step["run"]
        assert "uses" not in step
    for script in (ROOT / "action").iterdir():
        assert "${{" not in script.read_text(encoding="utf-8")


def test_each_input_reaches_a_step_and_each_variable_a_script() -> None:
    told = json.dumps([[step["env"], step["working-directory"]] for step in action()["runs"]["steps"]])
    assert [name for name in action()["inputs"] if f"inputs.{name} " not in told] == []
    scripts = "".join(path.read_text(encoding="utf-8") for path in (ROOT / "action").iterdir())
    given = {name for step in action()["runs"]["steps"] for name in step["env"]}
    assert [name for name in given if f"{name}" not in scripts] == []


def test_only_the_comment_is_given_the_token() -> None:
    given = [step["name"] for step in action()["runs"]["steps"] if "token" in json.dumps(step["env"]).lower()]
    assert given == ["Comment"]
