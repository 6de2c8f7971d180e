"""The command `grade`, as a user sees it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.foreign_spans import genai_attributes, said

_GOLDEN = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"


def _grade(*arguments: str, given: bytes | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "otel_agenttrace", "grade", *arguments]
    environment = {**os.environ, "NO_COLOR": "1"}
    text = given.decode() if given is not None else None
    return subprocess.run(command, input=text, env=environment, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def trace(tmp_path: Path) -> Path:
    whole = genai_attributes([said("user", "hi")], [said("assistant", "Hello.")])
    off = {name: value for name, value in whole.items() if not name.endswith(".messages")}
    spans = [
        {
            "name": "chat gpt-4o",
            "trace_id": "t",
            "span_id": str(number),
            "start_time": number,
            "end_time": 9,
            "attributes": told,
        }
        for number, told in enumerate((whole, {**off, "gen_ai.response.id": "chatcmpl-2"}), 1)
    ]
    path = tmp_path / "prod.json"
    path.write_text(json.dumps(spans), encoding="utf-8")
    return path


def test_each_call_has_a_line_with_its_grade_and_the_reason(trace: Path) -> None:
    result = _grade(str(trace))
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout.splitlines() == [
        "1  reconstructable  chat gpt-4o  gen_ai",
        "2  no-content       chat gpt-4o  gen_ai  content is off: neither messages nor answer are recorded",
        f"{trace}: 2 calls to models in 2 spans: 1 reconstructable, 1 no-content",
    ]


def test_a_grade_below_the_least_is_a_finding(trace: Path) -> None:
    assert _grade(str(trace), "--min-grade", "reconstructable").returncode == 1
    assert _grade(str(trace), "--min-grade", "no-content").returncode == 0
    assert _grade(str(trace), "--min-grade", "perfect").returncode == 2
    assert _grade(str(_GOLDEN), "--min-grade", "exact").returncode == 0


def test_machines_read_the_grades_from_JSON_and_from_the_standard_input(trace: Path) -> None:
    result = _grade("-", "--json", given=trace.read_bytes())
    report = json.loads(result.stdout)
    assert (result.returncode, report["path"], report["spans"]) == (0, "-", 2)
    assert report["counts"] == {"exact": 0, "reconstructable": 1, "hash-only": 0, "no-content": 1}
    assert [(call["number"], call["grade"], call["model"], call["dialect"]) for call in report["calls"]] == [
        (1, "reconstructable", "gpt-4o", "gen_ai"),
        (2, "no-content", "gpt-4o", "gen_ai"),
    ]
    assert report["calls"][1]["reasons"] == ["content is off: neither messages nor answer are recorded"]


def test_what_is_no_trace_cannot_be_read(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text('{\n "a": 1\n}\n', encoding="utf-8")
    result = _grade(str(path))
    assert (result.returncode, result.stdout) == (3, "")
    assert "no spans: this is neither an OTLP trace nor a dump of spans" in result.stderr
    assert _grade(str(tmp_path / "absent.json")).returncode == 3
