"""What many runs have in common, held against counts by hand and against plain counting in files of others."""

from __future__ import annotations

import json
import os
from collections import Counter
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import pytest

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.analyze.behaviour import patterns_of
from otel_agenttrace.analyze.clusters import clusters_of, edits
from otel_agenttrace.analyze.pattern_report import Ngram, Order, Patterns
from otel_agenttrace.analyze.percentiles import Amounts
from otel_agenttrace.analyze.repetitions import Repeats, Retries
from otel_agenttrace.analyze.sequences import runs_in, tool_steps
from otel_agenttrace.analyze.streams import SpanStream, streamed
from otel_agenttrace.model import Span
from otel_agenttrace.report.plain import plain
from tests.support import tau_bench
from tests.support.agent_runs import Tool, agent_run, traced
from tests.support.corpus import CORPORA

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "behaviour"
_ANY_AGENT: Final = CORPORA / "otel-traces-any-agent" / "docs" / "traces"


def _patterns(*runs: tuple[Span, ...], window: int = 3, top: int = 10) -> Patterns:
    return patterns_of([streamed(traced(*runs), "runs")], window=window, top=top)


def _calls(names: str) -> list[Tool]:
    return [(name, {"place": place}) for place, name in enumerate(names)]


def _names(*spans: Span) -> list[list[str]]:
    return [[step.name for step in tool_steps(run)] for run in runs_in(streamed(traced(spans)))]


# --- order ------------------------------------------------------------------------------------------------------------


def test_tools_are_in_order_of_their_start_however_the_file_has_them() -> None:
    spans = agent_run(0, _calls("cab"))
    assert _names(*spans) == _names(*reversed(spans)) == [["c", "a", "b"]]


def test_tools_that_ran_at_the_same_time_are_in_order_of_their_names() -> None:
    spans = agent_run(0, _calls("xcab"))
    tools = [span for span in spans if span.operation == semconv.OPERATION_EXECUTE_TOOL]
    begin, end = tools[1].start_ns, tools[3].end_ns
    together = [replace(span, end_ns=end) if span.start_ns >= begin else span for span in tools]
    assert _names(*together) == [["x", "a", "b", "c"]]


def test_a_tool_comes_before_those_inside_it() -> None:
    outer, *inner = (span for span in agent_run(0, _calls("zab")) if span.operation == semconv.OPERATION_EXECUTE_TOOL)
    outer = replace(outer, end_ns=(inner[-1].end_ns or 0) + 1)
    inside = [replace(span, parent_span_id=outer.span_id) for span in inner]
    assert _names(outer, *inside) == [["z", "a", "b"]]


def test_traces_of_one_recording_are_one_run_and_of_another_file_one_each() -> None:
    spans = (*agent_run(0, _calls("ab")), *agent_run(1, _calls("c")))
    assert _names(*spans) == [["a", "b"], ["c"]]
    recorded = [replace(span, resource={semconv.AGENTTRACE_RUN_ID: "r"}) for span in spans]
    assert _names(*recorded) == [["a", "b", "c"]]


def test_a_trace_in_which_no_agent_works_is_no_run() -> None:
    web = Span("f" * 32, "f" * 16, "GET /", 1, 2)
    assert _patterns(agent_run(0), (web,)).trace_count == 1


# --- tools that only models tell --------------------------------------------------------------------------------------


def _asking(span: Span, *tools: str) -> Span:
    parts = [{"type": "tool_call", "id": f"c{name}", "name": name, "arguments": {"q": name}} for name in tools]
    told = json.dumps([{"role": "assistant", "parts": parts}])
    return replace(span, attributes={**span.attributes, semconv.GEN_AI_OUTPUT_MESSAGES: told})


def _models(number: int, tools: str) -> list[Span]:
    return [span for span in agent_run(number, _calls(tools)) if span.is_inference]


def test_tools_without_spans_count_by_what_models_ask_for() -> None:
    first, second, last = _models(0, "ab")
    assert _names(_asking(first, "look", "find"), _asking(second, "look"), last) == [["find", "look", "look"]]
    assert _patterns((_asking(first, "look"), _asking(second, "look"), last)).repeats[0].repeated == 1


def test_a_tool_that_ran_counts_once_though_a_model_asked_for_it() -> None:
    spans = [_asking(span, "a") if span.is_inference else span for span in agent_run(0, _calls("a"))]
    assert _names(*spans[:2]) == [["a"]]


def test_a_model_that_asks_for_tools_nobody_tells_is_counted_as_such() -> None:
    report = _patterns(tuple(_models(0, "ab")))
    assert (report.untold_calls, report.tool_counts) == (2, {})
    assert _patterns(agent_run(0)).untold_calls == 0


# --- counts -----------------------------------------------------------------------------------------------------------


def test_sequences_are_counted_up_to_the_window_and_by_run() -> None:
    report = _patterns(agent_run(0, _calls("abab")), agent_run(1, _calls("ab")))
    assert report.trace_count == 2
    assert report.tool_counts == {"a": 3, "b": 3}
    assert report.ngrams == (
        Ngram(("a", "b"), 3, 2),
        Ngram(("a", "b", "a"), 1, 1),
        Ngram(("b", "a"), 1, 1),
        Ngram(("b", "a", "b"), 1, 1),
    )
    assert {len(each.sequence) for each in _patterns(agent_run(0, _calls("abab")), window=2).ngrams} == {2}


def test_a_transition_has_its_share_of_what_follows_the_same_tool() -> None:
    report = _patterns(agent_run(0, _calls("abac")), agent_run(1, _calls("ab")))
    shares = {(each.source, each.target): (each.count, each.probability) for each in report.transitions}
    assert shares == {
        (None, "a"): (2, 1.0),
        ("a", "b"): (2, 0.6667),
        ("a", "c"): (1, 0.3333),
        ("b", "a"): (1, 0.5),
        ("b", None): (1, 0.5),
        ("c", None): (1, 1.0),
    }


def test_rows_beyond_the_top_are_counted_as_dropped() -> None:
    report = _patterns(agent_run(0, _calls("abcdef")), top=2)
    assert (len(report.ngrams), report.dropped["ngrams"]) == (2, 7)


def test_what_came_before_an_error_is_told_with_how_often_it_went_well() -> None:
    report = _patterns(agent_run(0, _calls("xab"), failing={2}), agent_run(1, _calls("ab")))
    rows = {each.sequence: (each.kind, each.errors, each.times) for each in report.before_errors}
    assert rows == {("a", "b"): ("tool", 1, 2), ("x", "a", "b"): ("tool", 1, 1)}
    assert (report.errors.tool, report.errors.model, report.errors.traces) == (1, 0, 1)
    assert report.errors.by_type == {"timeout": 1}


def test_a_model_that_fails_has_the_tools_before_it() -> None:
    report = _patterns(agent_run(0, _calls("ab"), model="m", failing_model={2}))
    assert {each.sequence: each.kind for each in report.before_errors} == {
        ("b", "m"): "model",
        ("a", "b", "m"): "model",
    }
    assert all(each.times is None for each in report.before_errors)
    longer = _patterns(agent_run(0, _calls("xab"), model="m", failing_model={3}))
    assert [each.sequence for each in longer.before_errors] == [each.sequence for each in report.before_errors]


def test_a_model_that_fails_has_no_tool_before_it_that_began_later() -> None:
    spans = agent_run(0, _calls("ba"), model="m", failing_model={1})
    end = max(span.start_ns for span in spans)
    together = tuple(replace(span, end_ns=end) if span.name == "execute_tool b" else span for span in spans)
    assert _names(*together) == [["a", "b"]]
    assert [each.sequence for each in _patterns(together).before_errors] == [("b", "m")]


def test_a_retry_is_the_same_tool_right_after_it_failed() -> None:
    report = _patterns(agent_run(0, _calls("aabac"), failing={0, 3}), agent_run(1, _calls("cc"), failing={0, 1}))
    assert report.retries == (Retries("a", 2, 1, 1), Retries("c", 2, 1, 0))


def test_a_call_after_one_that_did_not_fail_is_no_retry() -> None:
    report = _patterns(agent_run(0, _calls("aaa"), failing={2}))
    assert report.retries == (Retries("a", 1, 0, 0),)


def test_a_run_of_which_the_agent_alone_failed_is_no_run_with_a_failed_call() -> None:
    spans = agent_run(0, _calls("a"))
    told = {semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_INVOKE_AGENT}
    agent = Span(spans[0].trace_id, "f" * 16, "agent", spans[0].start_ns, attributes=told, status="ERROR")
    report = _patterns((agent, *spans))
    assert (report.errors.agent, report.errors.traces) == (1, 0)


def test_a_repeat_has_the_arguments_of_an_earlier_call_of_its_run() -> None:
    same: list[Tool] = [("a", {"q": 1, "p": 2}), ("b", {}), ("a", {"p": 2, "q": 1}), ("a", None)]
    report = _patterns(agent_run(0, same), agent_run(1, same[:1]))
    (repeats,) = (each for each in report.repeats if each.tool == "a")
    assert replace(repeats, span_id="") == Repeats("a", 4, 1, 1, 1, "")


def test_calls_that_go_in_circles_are_loops() -> None:
    circle = _patterns(agent_run(0, _calls("zababab")), agent_run(1, _calls("ababababab")))
    (loop,) = circle.loops
    assert (loop.sequence, loop.traces, loop.most_rounds) == (("a", "b"), 2, 5)
    (again,) = _patterns(agent_run(0, [("a", {"q": 1})] * 4)).loops
    assert (again.sequence, again.most_rounds) == (("a",), 4)
    assert _patterns(agent_run(0, _calls("aaaa"))).loops == ()
    assert _patterns(agent_run(0, _calls("abab"))).loops == ()


def test_the_order_of_tools_is_that_of_runs_without_an_error() -> None:
    runs = [agent_run(number, _calls("ab")) for number in range(4)]
    wrong = agent_run(9, _calls("ba"), failing={0})
    assert _patterns(*runs, wrong, agent_run(10, _calls("ba"))).orders == (Order("a", "b", 4, 5),)


def test_amounts_of_a_run_of_which_a_part_is_not_known_are_not_known() -> None:
    report = _patterns(agent_run(0, tokens=(100, 10)), agent_run(1, tokens=None))
    total, call = report.per_run["total_tokens"], report.per_call["input_tokens"]
    assert (total.n, total.unknown, total.total) == (1, 1, 330)
    assert (call.n, call.unknown, call.p50, call.p90, call.most) == (3, 3, 100, None, 100)
    assert report.per_run["cost_usd"].total == pytest.approx(0.33)
    assert report.per_run["llm_calls"].total == 6


def test_percentiles_are_those_of_the_statistics_module_where_it_has_them() -> None:
    amounts = Amounts()
    for amount in range(1, 101):
        amounts.add(float(amount))
    found = amounts.percentiles
    assert (found.p50, found.most, found.total) == (50.5, 100, 5050)
    assert found.p90 == pytest.approx(90.633, abs=0.001)  # 0.9 (100 + 1/3) + 1/3
    assert found.p99 == pytest.approx(99.663, abs=0.001)


# --- clusters ---------------------------------------------------------------------------------------------------------


def test_runs_that_go_nearly_the_same_way_are_one_cluster_in_any_order() -> None:
    ways = [
        (tuple("abcd"), "1"),
        (tuple("abbbcd"), "2"),
        (tuple("abxd"), "3"),
        (tuple("qr"), "4"),
        (tuple("abcd"), "5"),
    ]
    found = clusters_of(ways)
    assert [(each.sequence, each.traces, each.variants) for each in found] == [
        (tuple("abcd"), 4, 2),
        (("q", "r"), 1, 1),
    ]
    assert found[0].files == ("1", "2", "5")
    assert clusters_of(reversed(ways)) == found


@pytest.mark.parametrize(
    ("left", "right", "most", "count"),
    [
        ("kitten", "sitting", 3, 3),
        ("kitten", "sitting", 2, None),
        ("", "ab", 2, 2),
        ("ab", "ab", 0, 0),
        ("ab", "ba", 2, 2),
    ],
)
def test_edits_are_the_distance_of_levenshtein_up_to_a_limit(
    left: str, right: str, most: int, count: int | None
) -> None:
    assert edits(tuple(left), tuple(right), most) == count


def test_many_different_ways_take_time_by_their_number() -> None:
    ways = [(tuple(f"{number:012b}") * 3, str(number)) for number in range(3_000)]
    assert sum(each.traces for each in clusters_of(ways)) == 3_000


# --- files of others --------------------------------------------------------------------------------------------------


def _like_golden(report: Patterns, name: str) -> None:
    """Hold a report against its golden file; UPDATE_GOLDEN=1 writes that anew. Span ids and paths are left out."""
    told: Any = json.loads(json.dumps(plain(report)))
    text = json.dumps(_without(told), indent=1, ensure_ascii=False) + "\n"
    golden = _GOLDEN / name
    if os.environ.get("UPDATE_GOLDEN"):
        golden.parent.mkdir(exist_ok=True)
        golden.write_text(text, encoding="utf-8")
    assert golden.read_text(encoding="utf-8") == text


def _without(told: Any) -> Any:
    if isinstance(told, dict):
        return {name: _without(value) for name, value in told.items() if name != "span_id"}
    if isinstance(told, list):
        return [_without(each) for each in told]
    return told


@pytest.mark.skipif(not tau_bench.is_there(), reason="the corpus traj-tau-bench is not on this machine")
def test_patterns_of_tau_bench_are_what_plain_counting_finds(tmp_path: Path) -> None:
    """What is counted by hand: `name` of the messages whose `role` is `tool`, in the order of the file."""
    files = tau_bench.write_runs(tmp_path)
    report = patterns_of(SpanStream(file.name, at.load(file).spans, lambda _: None) for file in files)
    called = [[message["name"] for message in run["traj"] if message["role"] == "tool"] for run in tau_bench.runs()]
    assert report.trace_count == 24
    assert report.tool_counts == Counter(name for names in called for name in names)
    assert report.tool_counts["get_reservation_details"] == 59
    pairs = Counter(pair for names in called for pair in pairwise(names))
    (top, *_) = report.ngrams
    assert (top.sequence, top.count) == pairs.most_common(1)[0]
    assert (top.sequence, top.count) == (("get_reservation_details", "get_reservation_details"), 44)
    firsts = Counter(names[0] for names in called if names)
    assert {each.target: each.count for each in report.transitions if each.source is None} == firsts
    answers = sum(message["role"] == "assistant" for run in tau_bench.runs() for message in run["traj"])
    assert report.per_run["llm_calls"].total == answers == 350
    _like_golden(report, "tau-bench.json")


@pytest.mark.skipif(not _ANY_AGENT.exists(), reason="the corpus otel-traces-any-agent is not on this machine")
def test_patterns_of_any_agent_are_what_plain_counting_finds() -> None:
    """What is counted by hand: in each file, `attributes` of spans with `gen_ai.tool.name` and `gen_ai.usage.*`."""
    files = sorted(_ANY_AGENT.glob("*.json"))
    report = patterns_of(streamed(replace(at.load(file), cost_of=lambda _: None), file.name) for file in files)
    spans = [span for file in files for span in json.loads(file.read_bytes())["spans"]]
    tools = Counter(
        span["attributes"]["gen_ai.tool.name"] for span in spans if "gen_ai.tool.name" in span["attributes"]
    )
    assert report.tool_counts == tools
    assert tools["write_file"] == 3
    assert report.per_run["input_tokens"].total == sum(
        span["attributes"].get("gen_ai.usage.input_tokens", 0) for span in spans
    )
    assert report.ngrams[0] == Ngram(("get_current_time", "write_file"), 3, 3)
    assert report.errors.tool == sum(span["status"]["status_code"] == "error" for span in spans) == 0
    _like_golden(report, "any-agent.json")
