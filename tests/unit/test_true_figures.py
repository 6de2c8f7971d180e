"""The same file, the same figures: each report says what the others say, and what is not told is told by none of them."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from click.testing import CliRunner

from otel_agenttrace import semconv
from otel_agenttrace.cassette.format import encode_line, encode_resource
from otel_agenttrace.cli import _cli
from otel_agenttrace.model import Span
from otel_agenttrace.report.text import cost
from tests.support.made_runs import Made

_UNKNOWN: Final = ("input_tokens", "output_tokens", "cost", "seconds", "whole tokens", "whole cost")
_BEGIN_MS: Final = 1_764_000_000_000
_USAGE: Final = {semconv.GEN_AI_USAGE_INPUT_TOKENS: 1_000, semconv.GEN_AI_USAGE_OUTPUT_TOKENS: 100}


def _told(*arguments: object) -> Any:
    return json.loads(_said(*arguments, "--json"))


def _said(*arguments: object) -> str:
    ran = CliRunner().invoke(_cli, [str(each) for each in arguments])
    assert ran.exit_code == 0, ran.output
    return ran.stdout


def _file(folder: Path, spans: list[Span]) -> Path:
    path = folder / "run.otlp.jsonl"
    path.write_bytes(b"".join(encode_line(span, encode_resource({})) for span in spans))
    return path


def _run() -> Made:
    made = Made(begins=_BEGIN_MS)
    made.agent("planner")
    return made


def _figures(path: Path) -> dict[str, set[Any]]:
    """Return by the name of a figure what the reports say; one value means that they agree."""
    costs, stats, listed = (_told(name, path) for name in ("cost", "stats", "ls"))
    tree, explained = (_told(name, path)["runs"][0] for name in ("tree", "explain"))
    per_run, per_call = (_told("patterns", path)[name] for name in ("per_run", "per_call"))
    shown, figures = _told("show", path), _told("diff", path, path)["figures"]
    rows = list(csv.DictReader(_said("export", "--format", "csv", path).splitlines()))
    (file,), sums, both = listed["cassettes"], stats["total"], (tree["totals"], explained["totals"])
    spent: list[Any] = [float(row["cost_usd"]) for row in rows if row["cost_usd"]]
    total, usage = costs["total"], shown["usage"]
    found: dict[str, tuple[Any, ...]] = {
        "calls": (
            *(total["calls"], sums["llm_calls"], file["calls"], shown["calls"], len(rows)),
            *(per_run["llm_calls"]["total"], figures["llm_calls"]["old"], *(each["model_calls"] for each in both)),
        ),
        **{
            name: (
                *(total[name], sums[name]["total"], usage[name], per_call[name]["total"]),
                *(each[name] for each in both),
            )
            for name in ("input_tokens", "output_tokens")
        },
        "cost": (
            *(total["cost_usd"], sums["cost_usd"]["total"], file["cost"], shown["cost"], sum(spent) if spent else None),
            *(per_call["cost_usd"]["total"], *(each["cost"] for each in both)),
        ),
        "untold": (total["uncounted_calls"], file["calls_without_tokens"], *(each["untold_calls"] for each in both)),
        "unpriced": (
            *(total["unpriced_calls"], sums["cost_usd"]["unknown"], file["calls_without_price"]),
            *(each["unpriced_calls"] for each in both),
        ),
        "seconds": (
            *(stats["duration_s"]["total"], per_run["duration_s"]["total"], figures["duration_s"]["old"]),
            *(each["duration_ns"] and each["duration_ns"] / 1e9 for each in (tree, explained, shown)),
        ),
        "whole tokens": (per_run["total_tokens"]["total"], figures["total_tokens"]["old"]),
        "whole cost": (per_run["cost_usd"]["total"], figures["cost_usd"]["old"]),
        "day": (costs["first_day"], file["recorded_at"] and file["recorded_at"][:10]),
    }
    return {
        name: {round(each, 9) if isinstance(each, float) else each for each in told} for name, told in found.items()
    }


def test_all_reports_say_the_same_of_a_run_of_which_all_is_told(tmp_path: Path) -> None:
    made = _run()
    made.chat("chat", told=_USAGE)
    made.chat("embeddings", told={"gen_ai.operation.name": "embeddings", semconv.GEN_AI_USAGE_INPUT_TOKENS: 10})
    # gpt-4o: 2.50 dollars in and 10.00 out per million tokens; there are no output tokens of embeddings
    assert _figures(_file(tmp_path, made.spans)) == {
        "calls": {2},
        "input_tokens": {1_010},
        "output_tokens": {100},
        "cost": {0.003525},
        "untold": {0},
        "unpriced": {0},
        "seconds": {1.0},
        "whole tokens": {1_110},
        "whole cost": {0.003525},
        "day": {"2025-11-24"},
    }


def test_a_refused_call_costs_nothing_everywhere(tmp_path: Path) -> None:
    made = _run()
    made.chat("chat", told={semconv.ERROR_TYPE: "429"}, status="ERROR")
    found = _figures(_file(tmp_path, made.spans))
    assert {name: found[name] for name in ("calls", "input_tokens", "output_tokens", "cost", "unpriced", "untold")} == {
        "calls": {1},
        "input_tokens": {0},
        "output_tokens": {0},
        "cost": {0},
        "unpriced": {0},
        "untold": {0},
    }


def test_what_is_not_told_is_null_everywhere(tmp_path: Path) -> None:
    """A call without tokens, one that tells its input alone, and a span without an end."""
    made = _run()
    made.chat("chat")
    made.chat("chat", end_ns=None)
    found = _figures(_file(tmp_path, made.spans))
    assert {name: found[name] for name in _UNKNOWN} == {name: {None} for name in _UNKNOWN}
    assert found["untold"] == found["unpriced"] == {2}
    made.chat("chat", told={semconv.GEN_AI_USAGE_INPUT_TOKENS: 7})
    found = _figures(_file(tmp_path, made.spans))
    assert (found["input_tokens"], found["output_tokens"], found["untold"]) == ({7}, {None}, {3})


def test_times_that_only_give_the_order_are_no_times(tmp_path: Path) -> None:
    """They are no days, no ages, no durations, and the prices are the newest, not those of that day."""
    made = _run()
    made.chat("chat", told={**_USAGE, semconv.GEN_AI_REQUEST_MODEL: "gemini-2.5-pro"})
    made.tool("look", "look", {}, "nothing")
    untimed = [
        replace(span, attributes={**span.attributes, semconv.AGENTTRACE_TIME_UNKNOWN: "all"}) for span in made.spans
    ]
    path = _file(tmp_path, untimed)
    found = _figures(path)
    assert (found["seconds"], found["day"]) == ({None}, {None})
    stats, patterns = _told("stats", path), _told("patterns", path)
    for latency in (stats["total"]["latency_s"], stats["tools"][0]["time_s"]):
        assert (latency["total"], latency["n"], latency["unknown"]) == (None, 0, 1)
    assert {patterns["per_call"][name]["unknown"] for name in ("latency_s", "tool_latency_s")} == {1}
    (call,) = _told("cost", path, "--by", "call")["calls"]
    assert call["time"] is None
    assert call["cost_usd"] == _told("cost", path, "--as-of", "2100-01-01")["total"]["cost_usd"]
    assert _told("explain", path)["runs"][0]["wasted"] == {"failed_ns": None, "resent_ns": None, "idle_ns": None}
    assert "3 spans, time unknown" in _said("timeline", path)
    assert next(csv.DictReader(_said("export", "--format", "csv", path).splitlines()))["start"] == ""


def test_a_call_that_has_not_ended_may_run_until_the_end(tmp_path: Path) -> None:
    made = Made(begins=_BEGIN_MS)
    made.chat("chat", end_ns=None)
    made.tool("look", "look")
    path = _file(tmp_path, made.spans)
    (run,) = _told("timeline", path)["runs"]
    assert (run["duration_ns"], run["drawn_ns"], run["gaps"]) == (None, 21_000_000, [])
    assert "not ended" in _said("timeline", path)


@pytest.mark.parametrize(
    ("dollars", "text"),
    [
        (0, "$0"),
        (0.000_207_3, "$0.0002073"),
        (0.000_15, "$0.00015"),
        (0.004_1, "$0.0041"),
        (0.000_000_001, "<$0.00000001"),
        (1_234_567.891, "$1,234,567.89"),
    ],
)
def test_money_has_two_digits_that_say_something(dollars: float, text: str) -> None:
    assert cost(dollars) == text


_OLD_CALL: Final = {
    "llm.request.type": "chat",
    "gen_ai.system": "OpenAI",
    "gen_ai.request.model": "gpt-4o",
    "gen_ai.usage.prompt_tokens": 1_000,
    "gen_ai.usage.completion_tokens": 100,
}
"""What OpenLLMetry tells of a call where content is switched off."""


def test_a_trace_of_others_with_one_bad_line_says_the_same_as_without_it(tmp_path: Path) -> None:
    made = Made(begins=_BEGIN_MS)
    for _ in range(3):
        made.tool("openai.chat", "")
    spans = [replace(span, attributes=_OLD_CALL) for span in made.spans]
    path = _file(tmp_path, spans)
    whole = _figures(path)
    assert (whole["calls"], whole["input_tokens"], whole["cost"]) == ({3}, {3_000}, {0.0105})
    good, *others = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join((good, b'{"resourceSpans": [oops\n', *others)))
    assert _figures(path) == whole
