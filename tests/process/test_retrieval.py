"""The command `retrieval`, as a user sees it: snapshots of a retriever, compared."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Final

import pytest

_COMMAND: Final = Path(sys.executable).with_name("otel-agenttrace")
_SEARCH: Final = """
def before(query):
    return [("Refunds take five days.", 0.9), ("Shipping is free.", 0.4)]

def after(query):
    return before(query) if "refund" in query else [("Shipping costs 5 francs.", 0.9)]
"""


def _run(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "NO_COLOR": "1"}
    return subprocess.run(
        [_COMMAND, "retrieval", *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "search.py").write_text(_SEARCH, encoding="utf-8")
    (tmp_path / "queries.txt").write_text("how long is a refund?\n\nwhat is shipping?\n", encoding="utf-8")
    for name in ("before", "after"):
        told = _run(tmp_path, "snapshot", "queries.txt", "--with", f"search:{name}", "-o", f"{name}.otlp.jsonl")
        assert (told.returncode, told.stdout) == (0, f"{name}.otlp.jsonl: 2 queries\n"), told.stderr
    return tmp_path


def test_two_versions_of_a_retriever_are_compared_query_by_query(folder: Path) -> None:
    same = _run(folder, "before.otlp.jsonl", "--baseline", "before.otlp.jsonl", "--fail-on", "drift")
    assert same.returncode == 0, same.stderr
    assert "0 of 2 retrievals drifted" in same.stdout
    other = _run(folder, "after.otlp.jsonl", "--baseline", "before.otlp.jsonl", "--fail-on", "drift")
    assert other.returncode == 1
    assert "1 of 2 retrievals drifted" in other.stdout
    assert "what is shipping?: new: Shipping costs 5 francs." in other.stdout
    assert _run(folder, "after.otlp.jsonl", "--baseline", "before.otlp.jsonl", "--fail-on", "order").returncode == 0
    assert _run(folder, "after.otlp.jsonl", "--baseline", "before.otlp.jsonl").returncode == 0


def test_the_report_has_its_documented_keys(folder: Path) -> None:
    told = json.loads(_run(folder, "after.otlp.jsonl", "--baseline", "before.otlp.jsonl", "--json").stdout)
    assert [(each["query"], each["documents"], each["score_max"]) for each in told["retrievals"]] == [
        ("how long is a refund?", 2, 0.9),
        ("what is shipping?", 1, 0.9),
    ]
    assert [each["drifted"] for each in told["drift"]] == [[], ["set"]]
    assert told["tolerances"] == {"set": 0.1, "order": 0.1, "score": 0.01}


def test_a_gate_does_not_pass_where_nothing_was_retrieved_or_the_baseline_is_not_readable(folder: Path) -> None:
    golden = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
    assert _run(folder, str(golden), "--baseline", str(golden), "--fail-on", "drift").returncode == 1
    assert _run(folder, "after.otlp.jsonl", "--baseline", "search.py", "--fail-on", "drift").returncode == 3
    assert _run(folder, "after.otlp.jsonl", "--fail-on", "drift").returncode == 2


def test_a_retriever_that_is_not_there_is_named(folder: Path) -> None:
    result = _run(folder, "snapshot", "queries.txt", "--with", "serch:find", "-o", "x.otlp.jsonl")
    assert result.returncode == 2
    assert "the retriever 'serch:find' cannot be loaded: No module named 'serch'" in result.stderr
