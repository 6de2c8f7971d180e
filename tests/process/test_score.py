"""The command `score`: judged by the real SDKs over a provider on this machine, then again from the cassette alone."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.analyze.evaluations import evaluation_results
from tests.support.agent_runs import DOCUMENT, record_answer
from tests.support.clients import fake_key
from tests.support.processes import instrumented_environment
from tests.support.provider import Provider

_COMMAND: Final = Path(sys.executable).with_name("otel-agenttrace")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return record_answer(tmp_path)


def _score(folder: Path, provider: Provider, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = instrumented_environment(None, None, provider)
    addresses = {"OPENAI_BASE_URL": provider.openai_url, "ANTHROPIC_BASE_URL": provider.anthropic_url}
    keys = {"OPENAI_API_KEY": fake_key(), "ANTHROPIC_API_KEY": fake_key()}
    environment = {**environment, **addresses, **keys, "NO_COLOR": "1"}
    return subprocess.run(
        [_COMMAND, "score", "run.otlp.jsonl", *arguments],
        cwd=folder,
        env={name: value for name, value in environment.items() if name != "CI"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


_CRITERIA: Final = ("--criterion", "faithfulness", "--criterion", "relevance", "--criterion", "polite=Is it polite?")


@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
def test_judging_is_recorded_and_replays_with_equal_scores_and_no_network(
    vendor: str, folder: Path, provider: Provider
) -> None:
    arguments = ("--model", "judge-1", "--provider", vendor, *_CRITERIA, "--json")
    live = _score(folder, provider, *arguments)
    assert (live.returncode, live.stderr) == (0, "")
    assert provider.hits == 3
    told = json.loads(live.stdout)
    # the provider fills whole numbers of a schema with the number of the request: 1, 2, 3 of 1 to 5
    assert [(each["criterion"], each["score"]) for each in told["scores"]] == [
        ("faithfulness", 0.0),
        ("relevance", 0.25),
        ("polite", 0.5),
    ]
    assert told["means"] == {"faithfulness": 0.0, "relevance": 0.25, "polite": 0.5}
    provider.stop()
    again = _score(folder, provider, *arguments, "--mode", "none")
    assert again.returncode == 0, again.stderr
    assert json.loads(again.stdout) == told


def test_the_judge_gets_question_answer_and_documents_as_data(folder: Path, provider: Provider) -> None:
    _score(folder, provider, "--model", "judge-1", "--criterion", "faithfulness")
    asked: Any = json.loads(provider.requests[-1].body)
    assert json.loads(asked["messages"][-1]["content"]) == {
        "criterion": "Is all that the answer claims supported by the documents?",
        "question": f"{DOCUMENT} What do I pack?",
        "answer": "A hat.",
        "documents": [DOCUMENT],
    }


def test_scores_are_written_as_evaluations_of_the_call_that_answered(folder: Path, provider: Provider) -> None:
    result = _score(folder, provider, "--model", "judge-1", *_CRITERIA, "--min-score", "0.3", "-o", "scored.otlp.jsonl")
    assert result.returncode == 1
    assert "2 scores below 0.3" in result.stdout
    (answered,) = at.load(folder / "run.otlp.jsonl").inferences
    written = evaluation_results(at.load(folder / "scored.otlp.jsonl"))
    assert [(each.name, each.score, each.label) for each in written] == [
        ("faithfulness", 0.0, "fail"),
        ("relevance", 0.25, "fail"),
        ("polite", 0.5, "pass"),
    ]
    assert {(each.trace_id, each.judged_span_id) for each in written} == {(answered.trace_id, answered.span_id)}


def test_what_has_no_score_is_told_and_does_not_pass(folder: Path, provider: Provider) -> None:
    result = _score(folder, provider, "--model", "judge-1", "--criterion", "correctness", "--min-score", "0")
    assert result.returncode == 1
    assert "there is no reference for its question" in result.stdout
    assert "1 score below 0, 1 of them not known" in result.stdout
    assert provider.hits == 0
    right = ("--reference", "run.otlp.jsonl")
    assert _score(folder, provider, "--model", "judge-1", "--criterion", "correctness", *right).returncode == 0
    assert json.loads(json.loads(provider.requests[-1].body)["messages"][-1]["content"])["reference"] == "A hat."


def test_a_number_outside_of_the_scale_is_no_score(folder: Path, provider: Provider) -> None:
    criteria = [argument for number in range(6) for argument in ("--criterion", f"c{number}=Is it {number}?")]
    told = json.loads(_score(folder, provider, "--model", "judge-1", *criteria, "--json").stdout)
    assert [each["score"] for each in told["scores"]] == [0.0, 0.25, 0.5, 0.75, 1.0, None]
    assert told["scores"][5]["reason"].startswith("the judge gave no score from 1 to 5:")
    assert told["means"]["c5"] is None


def test_a_judge_that_is_not_there_is_an_error_that_says_so(folder: Path, provider: Provider) -> None:
    provider.stop()
    result = _score(folder, provider, "--model", "judge-1")
    assert result.returncode == 2
    assert "The judge judge-1 does not answer: " in result.stderr
    missed = _score(folder, provider, "--model", "judge-1", "--mode", "none", "--cassette", "other.otlp.jsonl")
    assert missed.returncode != 0
    unknown = _score(folder, provider, "--model", "judge-1", "--criterion", "relevence")
    assert unknown.returncode == 2
    assert "There is no criterion 'relevence'" in unknown.stderr
