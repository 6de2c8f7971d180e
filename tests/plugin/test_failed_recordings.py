"""What a failed test recorded: no error of an unreachable provider answers later runs, and no good cassette is lost to it."""

from __future__ import annotations

from typing import Final

import pytest

from tests.plugin.conftest import Project
from tests.support.provider import Provider

_NAME: Final = "tests/cassettes/test_a/test_one.otlp.jsonl"
_PARTIAL: Final = f"{_NAME}.partial"
_ONE: Final = "import agent\ndef test_one(cassette):\n    assert agent.ask('one') {}\n"
_ALL: Final = ("--agenttrace-record-mode", "all")


def _down() -> str:
    """Return the address of a provider that is down."""
    with Provider() as provider:
        return provider.openai_url


def test_an_unreachable_provider_leaves_no_cassette_and_the_next_record_records(project: Project) -> None:
    project.write(test_a=_ONE.format(""))
    down = project.pytest("--record", PROVIDER_URL=_down())
    assert down.returncode == 1
    assert list(project.cassettes()) == [_PARTIAL]
    assert f"set aside: {_PARTIAL} holds what a test recorded that did not pass; there is no {_NAME}" in down.stdout
    assert (
        f"look: otel-agenttrace show {_PARTIAL}; record again: pytest --record tests/test_a.py::test_one" in down.stdout
    )
    assert "take it all the same" not in down.stdout
    replayed = project.pytest()
    assert f"No cassette at {_NAME}" in replayed.stdout
    assert f"(a run that did not end, or failed, left {_PARTIAL})" in replayed.stdout
    up = project.pytest("--record")
    assert up.returncode == 0, up.stdout
    assert project.provider.hits == 1
    assert list(project.cassettes()) == [_NAME]
    assert project.pytest(unreachable=True).returncode == 0


@pytest.mark.parametrize("mode", ["all", "new"])
def test_an_unreachable_provider_leaves_a_good_cassette_as_it_was(project: Project, mode: str) -> None:
    project.write(test_a=_ONE.format(""))
    project.pytest("--record")
    before = project.cassettes()
    more = "" if mode == "all" else "and agent.ask('two')"
    project.write(test_a=_ONE.format(more))
    result = project.pytest("--agenttrace-record-mode", mode, PROVIDER_URL=_down())
    assert result.returncode == 1
    assert f"{_NAME} is as it was" in result.stdout, result.stdout
    assert f"record again: pytest --agenttrace-record-mode {mode} tests/test_a.py::test_one" in result.stdout
    assert list(project.cassettes()) == [_NAME, _PARTIAL]
    assert project.cassettes()[_NAME] == before[_NAME]
    assert project.pytest("--record").returncode == 0
    assert project.pytest(unreachable=True).returncode == 0


@pytest.mark.parametrize(
    ("mode", "calls", "command"), [("all", "", "mv {} {}"), ("new", "and agent.ask('two')", "cat {} >> {}")]
)
def test_what_was_paid_for_in_a_failed_test_can_be_taken_all_the_same(
    project: Project, mode: str, calls: str, command: str
) -> None:
    project.write(test_a=_ONE.format(""))
    project.pytest("--record")
    before = project.cassettes()[_NAME]
    project.write(test_a=_ONE.format(f"{calls} and False"))
    result = project.pytest("--agenttrace-record-mode", mode)
    assert f"or take it all the same: {command.format(_PARTIAL, _NAME)}" in result.stdout, result.stdout
    after = project.cassettes()
    assert after[_NAME] == before
    assert project.provider.hits == 2
    partial, cassette = project.folder / _PARTIAL, project.folder / _NAME
    cassette.write_bytes(after[_PARTIAL] if mode == "all" else before + after[_PARTIAL])
    partial.unlink()
    project.write(test_a=_ONE.format(calls))
    assert project.pytest(unreachable=True).returncode == 0


def test_a_failed_test_without_an_older_cassette_keeps_what_was_answered(project: Project) -> None:
    project.write(test_a="import agent\ndef test_one(cassette):\n    agent.ask('[fake 500] one')\n")
    result = project.pytest("--record")
    assert "InternalServerError" in result.stdout
    assert "set aside" not in result.stdout
    assert list(project.cassettes()) == [_NAME]


_ELSEWHERE: Final = {
    "setup": "@pytest.fixture\ndef used(cassette):\n    yield agent.ask('one')\n\ndef test_one(used): pass\n",
    "teardown": "@pytest.fixture\ndef used(cassette):\n    yield agent.ask('zero')\n    agent.ask('one')\n\ndef test_one(used): pass\n",
    "class": """
class TestOne:
    @pytest.fixture(autouse=True, scope="class")
    def used(self, class_cassette):
        pass

    def test_one(self):
        agent.ask('one')

    def test_two(self):
        pass
""",
    "module": "def test_one(module_cassette):\n    agent.ask('one')\ndef test_two(module_cassette): pass\ndef test_three(): pass\n",
}


@pytest.mark.parametrize("place", list(_ELSEWHERE))
def test_wherever_a_test_fails_the_older_cassette_stays(project: Project, place: str) -> None:
    project.write(test_a=f"import agent, pytest\n{_ELSEWHERE[place]}")
    recorded = project.pytest(*_ALL)
    assert recorded.returncode == 0, recorded.stdout
    ((name, before),) = project.cassettes().items()
    result = project.pytest(*_ALL, PROVIDER_URL=_down())
    assert "is as it was" in result.stdout, result.stdout
    assert project.cassettes()[name] == before
    assert list(project.cassettes()) == [name, f"{name}.partial"]


def test_what_a_shared_cassette_holds_of_other_tests_stays(project: Project) -> None:
    project.write(
        test_a="""
import agent, pytest

pytestmark = pytest.mark.cassette("calls.otlp.jsonl")

def test_one():
    agent.ask("one")

def test_two(monkeypatch):
    monkeypatch.setenv("PROVIDER_URL", "DOWN")
    agent.ask("two")

def test_three():
    agent.ask("three")
""".replace("DOWN", _down())
    )
    result = project.pytest("--record")
    assert "1 failed, 2 passed" in result.stdout, result.stdout
    cassette, partial = project.cassettes().values()
    assert (cassette.count(b"\n"), partial.count(b"\n")) == (2, 1)
    assert b"two" not in cassette


def test_a_test_that_is_run_again_and_passes_is_recorded(project: Project) -> None:
    project.write(
        test_a="""
import agent
urls = ["DOWN"]

def test_one(cassette, monkeypatch):
    if urls:
        monkeypatch.setenv("PROVIDER_URL", urls.pop())
    agent.ask("one")
""".replace("DOWN", _down())
    )
    result = project.pytest("--record", "--reruns", "1")
    assert "1 passed, 1 rerun" in result.stdout, result.stdout
    assert "set aside" not in result.stdout
    assert list(project.cassettes()) == [_NAME]


def test_workers_tell_what_was_set_aside(project: Project) -> None:
    project.write(test_a=_ONE.format(""))
    result = project.pytest("--record", "-n", "1", PROVIDER_URL=_down())
    assert f"set aside: {_PARTIAL}" in result.stdout, result.stdout


def test_the_trials_that_fail_are_part_of_the_envelope(project: Project) -> None:
    project.write(
        test_a="import agent\nasked = []\ndef test_one(cassette):\n    asked.append(agent.ask('one'))\n    assert len(asked) > 1\n"
    )
    for _ in range(2):
        result = project.pytest("--agenttrace-trials", "2")
        assert "set aside" not in result.stdout
        assert not list(project.folder.rglob("*.partial"))
