"""`otel-agenttrace cost`, run as a user runs it: the report's three forms, what it cannot read, and what it refuses."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

_ROOT = Path(__file__).parents[2]
_GOLDEN = _ROOT / "tests" / "golden" / "cassette_v1.otlp.jsonl"


def _run(*arguments: object, folder: Path, given: bytes = b"") -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "otel_agenttrace", "cost", *map(str, arguments)]
    ran = subprocess.run(command, cwd=folder, input=given, capture_output=True, timeout=60, check=False)
    return subprocess.CompletedProcess(command, ran.returncode, ran.stdout.decode(), ran.stderr.decode())


def test_the_report_of_the_golden_cassette(tmp_path: Path) -> None:
    """The file tells 466 tokens in, 232 of them cached, and 99 out; gpt-4o-mini costs 0.15, 0.075 and 0.60 a million."""
    result = _run(_GOLDEN, folder=tmp_path)
    assert (result.returncode, result.stderr) == (0, "")
    assert result.stdout == (
        "$0.0001119 for 2 calls to models\n"
        "466 tokens in (232 from a cache), 99 out (49 of reasoning), 2026-09-21, 1 file\n"
        "Priced: 2 by published prices\n"
        "\n"
        "By model\n"
        "model                   calls  input  cache read  output  reasoning        cost   share\n"
        "gpt-4o-mini-2026-10-01      2    466         232      99         49  $0.0001119  100.0%\n"
        "\n"
        "Spent in vain\n"
        "2 attempts beyond the first within calls: none tells tokens of its own\n"
    )
    total = json.loads(_run("-", "--json", folder=tmp_path, given=_GOLDEN.read_bytes()).stdout)["total"]
    assert abs(total["cost_usd"] - (234 * 0.15 + 232 * 0.075 + 99 * 0.60) / 1e6) < 1e-12


def test_each_key_of_the_json_is_documented(tmp_path: Path) -> None:
    documented = set(re.findall(r"`(\w+)`", (_ROOT / "docs" / "cost.md").read_text(encoding="utf-8")))
    report = json.loads(_run(_GOLDEN, "--by", "call", "--by", "day", "--model", "x", "--json", folder=tmp_path).stdout)
    assert set(_keys(report)) <= documented


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, member in value.items():
            yield str(key)
            yield from _keys(member)
    elif isinstance(value, list):
        for each in value:
            yield from _keys(each)


def test_a_file_that_cannot_be_read_is_named_and_the_rest_is_counted(tmp_path: Path) -> None:
    (tmp_path / "good.otlp.jsonl").write_bytes(_GOLDEN.read_bytes())
    (tmp_path / "bad.otlp.jsonl").write_bytes(b"nonsense\n")
    result = _run(".", "--by", "file", folder=tmp_path)
    assert result.returncode == 0
    assert "for 2 calls" in result.stdout
    assert "not read: bad.otlp.jsonl" in result.stderr


def test_only_where_nothing_can_be_read_the_code_is_3(tmp_path: Path) -> None:
    (tmp_path / "bad.otlp.jsonl").write_bytes(b"nonsense\n")
    result = _run("bad.otlp.jsonl", folder=tmp_path)
    assert (result.returncode, result.stdout) == (3, "")


def test_one_price_without_the_other_is_wrong_use(tmp_path: Path) -> None:
    result = _run(_GOLDEN, "--input-price", "1", folder=tmp_path)
    assert result.returncode == 2
    assert "go together" in result.stderr


def test_a_model_without_a_price_is_told_with_what_to_write(tmp_path: Path) -> None:
    result = _run(_GOLDEN, "--model", "house-model", folder=tmp_path)
    assert "no call has a price" in result.stdout
    assert "as it was: $0.0001119" in result.stdout
    assert '[tool.otel-agenttrace.prices."house-model"]' in result.stdout
    (tmp_path / "pyproject.toml").write_text(
        '[tool.otel-agenttrace.prices."house-model"]\ninput_per_mtok = 1\noutput_per_mtok = 10\n', encoding="utf-8"
    )
    total = json.loads(_run(_GOLDEN, "--model", "house-model", "--json", folder=tmp_path).stdout)["total"]
    assert abs(total["cost_usd"] - (466 + 99 * 10) / 1e6) < 1e-12
