"""Whether a run passed by its evaluations, and runs that stand in one file."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.analyze.evaluations import passed_by_evaluation
from otel_agenttrace.analyze.sequences import runs_in
from otel_agenttrace.analyze.streams import streamed
from otel_agenttrace.errors import CassetteError
from otel_agenttrace.library.finding import run_named, traces_at
from otel_agenttrace.model import AttributeValue, Event, Span, Trace

_AGENT = {semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_INVOKE_AGENT}
_LINE = {semconv.AGENTTRACE_OPERATION: "evaluation"}


def _span(name: str, parent: str | None, attributes: Mapping[str, AttributeValue], **result: AttributeValue) -> Span:
    told = {f"gen_ai.evaluation.score.{key}": value for key, value in result.items()}
    events = (Event(semconv.EVENT_GEN_AI_EVALUATION_RESULT, 1, told),) if result else ()
    return Span("t", name, name, 1, 2, parent_span_id=parent, attributes=attributes, events=events)


def _passed(*spans: Span) -> bool | None:
    """Return what the trace says, which is what the stream says, in whatever order it comes."""
    passed = passed_by_evaluation(Trace(spans))
    for order in (spans, spans[::-1]):
        (run,) = runs_in(streamed(Trace(order)))
        assert run.passed is passed
    return passed


def _run(*spans: Span) -> bool | None:
    return _passed(_span("test", None, {}), _span("agent", "test", _AGENT), _span("sub", "agent", _AGENT), *spans)


@pytest.mark.parametrize(
    ("label", "passed"), [("pass", True), ("Passed", True), ("FAIL", False), ("incorrect", False), ("polite", None)]
)
@pytest.mark.parametrize("judged", ["test", "agent"])
def test_the_label_of_what_stands_above_all_tells(judged: str, label: str, passed: bool | None) -> None:
    assert _run(_span("e", judged, _LINE, label=label)) is passed


def test_a_score_alone_and_what_was_judged_within_a_run_tell_nothing_of_it() -> None:
    assert _run(_span("e", "agent", _LINE, value=1.0)) is None
    assert _run(_span("e", "sub", _LINE, label="fail")) is None
    assert (
        _run(_span("tool", "agent", {semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_EXECUTE_TOOL}, label="fail"))
        is None
    )


def test_of_several_evaluations_all_have_to_pass() -> None:
    good, bad = _span("e1", "agent", _LINE, label="pass"), _span("e2", "agent", _LINE, label="fail")
    assert (_run(good), _run(good, bad)) == (True, False)


def test_an_event_on_the_agent_itself_counts_as_well() -> None:
    assert _passed(_span("agent", None, _AGENT, label="pass")) is True


def test_spans_in_a_circle_of_parents_end() -> None:
    circle = _span("a", "b", _AGENT), _span("b", "a", {})
    assert _passed(*circle, _span("e", "a", _LINE, label="pass")) is True


# --- runs in one file ---------------------------------------------------------------------------------------------------


def _tau(path: Path) -> Path:
    said = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "hello"}]
    runs: list[dict[str, Any]] = [{"task_id": 7, "trial": trial, "reward": trial, "traj": said} for trial in (0, 1)]
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(runs))
    return path


def test_a_run_of_a_log_is_named_behind_the_file(tmp_path: Path) -> None:
    file = _tau(tmp_path / "results.json")
    assert [passed_by_evaluation(at.load(f"{file}#7-{trial}")) for trial in (0, 1)] == [False, True]
    assert len(at.load(file).spans) == sum(len(at.load(f"{file}#7-{trial}").spans) for trial in (0, 1))
    with pytest.raises(CassetteError, match=r"there is no run '7-2'; there are 7-0, 7-1"):
        at.load(f"{file}#7-2")


def test_a_run_is_named_by_the_beginning_of_its_trace_id(tmp_path: Path) -> None:
    file = _tau(tmp_path / "results.json")
    whole = at.load(f"{file}#7-1")
    assert at.load(f"{file}#{whole.spans[0].trace_id[:12]}").spans == whole.spans
    runs = [{"task_id": 7, "trial": trial, "traj": [{"role": "user", "content": "hi"}]} for trial in range(17)]
    file.write_text(json.dumps(runs))
    first = Counter(trace.spans[0].trace_id[0] for trial in range(17) if (trace := at.load(f"{file}#7-{trial}")))
    shared, count = first.most_common(1)[0]  # of 17 runs two begin alike
    with pytest.raises(
        CassetteError, match=f"there is no run '{shared}', and {count} trace ids begin so; there are 7-0, "
    ):
        at.load(f"{file}#{shared}")
    with pytest.raises(CassetteError, match="there is no run"):
        at.load(f"{file}#")


def test_a_file_that_has_the_sign_in_its_name_is_that_file(tmp_path: Path) -> None:
    _tau(tmp_path / "results.json")
    file = _tau(tmp_path / "results.json#7-1")
    assert len(at.load(file).spans) == 6
    assert run_named("results.json#7-0", tmp_path) == Path("results.json#7-0")


def test_a_folder_without_cassettes_stands_for_the_logs_in_it(tmp_path: Path) -> None:
    file = _tau(tmp_path / "logs" / "results.json")
    (tmp_path / "logs" / "package.json").write_text('{"name": "x"}')
    assert traces_at(tmp_path, as_runs=True) == (file,)
    with pytest.raises(CassetteError, match="otel-agenttrace ingest"):
        traces_at(tmp_path)
    cassette = tmp_path / "run.otlp.jsonl"
    cassette.write_text("{}\n")
    assert traces_at(tmp_path, as_runs=True) == (cassette,)


def test_a_folder_without_cassettes_stands_for_the_spans_that_others_exported(tmp_path: Path) -> None:
    """Spans as OTLP and as SDKs dump them; no other JSON, of logs and metrics or of our own reports."""
    span = {"traceId": "0" * 31 + "1", "spanId": "0" * 15 + "1", "name": "a", "startTimeUnixNano": "1"}
    dumped = {"trace_id": 1, "span_id": 2, "name": "a", "start_time": 3, "attributes": {"k": "v"}}
    files = {
        "a/collector.jsonl": {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]},
        "dump.json": {"run": "x", "spans": [dumped]},
        "list.json": [dumped],
        "snake.json": [{"resource_spans": [{"scope_spans": [{"spans": [span]}]}]}],
    }
    others = {
        "log.json": {key: value for key, value in dumped.items() if key != "start_time"},
        "logs.jsonl": {"resourceLogs": [{"scopeLogs": []}]},
        "package.json": {"name": "x", "attributes": {}},
        "patterns.json": {"ngrams": [], "evidence": [{"trace_id": "1", "span_id": "2", "name": "a"}]},
    }
    for name, document in {**files, **others}.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(json.dumps(document) + "\n")
    found = traces_at(tmp_path, as_runs=True)
    assert found == tuple(tmp_path / name for name in files)
    assert [len(at.load(file).spans) for file in found] == [1, 1, 1, 1]


def test_what_a_log_tells_no_time_of_has_no_duration(tmp_path: Path) -> None:
    (run, _) = runs_in(streamed(at.load(_tau(tmp_path / "results.json"))))
    assert run.duration_s is None
    assert {act.duration_s for act in run.acts} == {None}
