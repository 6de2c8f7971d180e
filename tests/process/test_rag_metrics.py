"""The command `score` with metrics of ragas and of deepeval: the real packages where they are, over a provider on this machine."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.analyze.evaluations import evaluation_results
from otel_agenttrace.rag_metrics import METRICS, Package
from tests.support.agent_runs import record_answer
from tests.support.clients import fake_key
from tests.support.provider import Provider
from tests.support.unreachable import watched

_INSTALLED: Final = tuple(
    pytest.param(package, marks=pytest.mark.skipif(find_spec(package) is None, reason=f"{package} is not installed"))
    for package in METRICS
)
_OUTSIDE: Final = tuple(f"ragas.{name}" for name in ("context_precision", "context_recall", "context_utilization"))
"""The provider says 2 and more for a number, which ragas takes for a verdict of 0 or 1."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return record_answer(tmp_path)


def _score(
    folder: Path, provider: Provider, package: Package, *more: str, metrics: Sequence[str] = ()
) -> subprocess.CompletedProcess[str]:
    command = ["score", "run.otlp.jsonl", "--model", "judge-1", "--scorer", package, *more]
    command += [argument for metric in metrics for argument in ("--metric", metric)]
    addresses = {"OPENAI_BASE_URL": provider.openai_url, "ANTHROPIC_BASE_URL": provider.anthropic_url}
    keys = {name: fake_key() for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "CONFIDENT_API_KEY")}
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    return subprocess.run(
        [sys.executable, "-m", "otel_agenttrace", *command],
        cwd=folder,
        env={**environment, **addresses, **keys, **watched(folder), "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.slow
@pytest.mark.parametrize("vendor", ["openai", "anthropic"])
@pytest.mark.parametrize("package", _INSTALLED)
def test_all_that_a_metric_asks_is_recorded_and_replays_and_nothing_else_is_told_to_anybody(
    package: Package, vendor: str, folder: Path, provider: Provider
) -> None:
    arguments = ("--provider", vendor, "--reference", "run.otlp.jsonl", "--json")
    live = _score(folder, provider, package, *arguments, "-o", "scored.otlp.jsonl", metrics=tuple(METRICS[package]))
    assert (live.returncode, live.stderr.strip()) == (0, "")
    told = json.loads(live.stdout)
    scores = {each["criterion"]: each["score"] for each in told["scores"]}
    assert list(scores) == [f"{package}.{name}" for name in METRICS[package]]
    assert scores[f"{package}.faithfulness"] == 1.0  # the provider fills each verdict of the schema with yes, or 1
    assert {scores[name] for name in _OUTSIDE if name in scores} <= {None}
    assert all(score is None or 0 <= score <= 1 for score in scores.values())
    assert len(at.load(folder / "judge.otlp.jsonl").inferences) == provider.hits > 0
    written = evaluation_results(at.load(folder / "scored.otlp.jsonl"))
    assert {each.name: each.score for each in written} == {
        name: score for name, score in scores.items() if score is not None
    }
    provider.stop()
    again = _score(folder, provider, package, *arguments, "--mode", "none", metrics=tuple(METRICS[package]))
    assert (again.returncode, again.stderr.strip()) == (0, "")
    assert json.loads(again.stdout) == told
    assert (folder / "network-events").read_text(encoding="utf-8") == ""
    assert {path.name for path in folder.iterdir() if path.is_dir()} == {"watch"}  # neither leaves a folder behind


@pytest.mark.slow
@pytest.mark.parametrize("package", _INSTALLED)
def test_a_judge_that_does_not_answer_is_an_error_and_no_score(
    package: Package, folder: Path, provider: Provider
) -> None:
    metric = {"ragas": "context_relevance", "deepeval": "faithfulness"}[package]  # one that asks on
    missed = _score(folder, provider, package, "--mode", "none", metrics=(metric,))
    assert missed.returncode != 0
    assert missed.stdout == ""
    assert provider.hits == 0


@pytest.mark.parametrize("package", METRICS)
def test_a_metric_that_is_not_known_is_named_with_those_that_are(
    package: Package, folder: Path, provider: Provider
) -> None:
    result = _score(folder, provider, package, metrics=("faithfullness",))
    assert result.returncode == 2
    assert f"{package} has no metric 'faithfullness' here." in result.stderr
    assert "faithfulness" in result.stderr
    assert not (folder / "judge.otlp.jsonl").exists()


@pytest.mark.parametrize("package", METRICS)
def test_a_package_that_is_not_there_is_named_with_what_installs_it(
    package: Package, folder: Path, provider: Provider
) -> None:
    if find_spec(package) is not None:
        pytest.skip(f"{package} is installed")
    result = _score(folder, provider, package)
    assert result.returncode == 2
    assert f"{package} cannot be used: No module named '{package}'" in result.stderr
    assert "pip install 'otel-agenttrace[rag]'" in result.stderr
