"""Trials: how a test varies is learned from live runs, and later runs are held against it."""

from __future__ import annotations

import json

import pytest

from tests.plugin.conftest import Project

_TEST = """
import agent, os

def test_advice(cassette):
    agent.advise("Lisbon")
    if os.environ.get("SEARCHES"):
        agent.search("Lisbon")
    assert os.environ.get("GOES_WRONG") != "yes"

def test_plain():
    pass
"""


@pytest.fixture
def varied(project: Project) -> Project:
    agent = (project.folder / "agent.py").read_text(encoding="utf-8")
    project.write(agent=f"{agent}\n@at.tool\ndef search(city):\n    return city\n", test_a=_TEST)
    return project


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_trials_run_live_and_leave_an_envelope(varied: Project, workers: list[str]) -> None:
    result = varied.pytest("--agenttrace-trials", "5", *workers)
    assert "6 passed" in result.stdout, result.stdout
    assert varied.provider.hits == 10
    assert "5 of 5 trials succeeded" in result.stdout
    envelope = json.loads((varied.folder / "tests/cassettes/test_a/test_advice.envelope.json").read_text())
    assert (envelope["trials"], envelope["successes"]) == (5, 5)
    assert [name for name in varied.cassettes() if not name.startswith(".agenttrace/trials/")] == []
    assert len(varied.cassettes()) == 5


def test_a_later_run_is_held_against_the_envelope(varied: Project) -> None:
    varied.pytest("--agenttrace-trials", "5")
    assert varied.pytest("--record").returncode == 0
    within = varied.pytest()
    assert within.returncode == 0, within.stdout
    outside = varied.pytest(SEARCHES="yes")
    assert outside.returncode == 1
    assert "search" in outside.stdout
    assert "pytest --agenttrace-trials 5" in outside.stdout


def test_a_trial_that_fails_counts_for_success(varied: Project) -> None:
    varied.pytest("--agenttrace-trials", "5")
    result = varied.pytest("--agenttrace-trials", "5", GOES_WRONG="yes")
    assert result.returncode == 1
    assert "0 of 5 trials succeeded" in result.stdout
    assert "envelope_success" in result.stdout


def test_an_envelope_that_is_none_is_named(varied: Project) -> None:
    varied.pytest("--record")
    (varied.folder / "tests/cassettes/test_a/test_advice.envelope.json").write_text("{", encoding="utf-8")
    result = varied.pytest()
    assert result.returncode == 1
    assert "test_advice.envelope.json" in result.stdout
    assert "INTERNALERROR" not in result.stdout
