"""What a run did: phases, retries, lost time, files, the folded tree, the timeline, context windows; against runs made by hand."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path
from typing import Final

import pytest
from rich.console import Console

from otel_agenttrace import load
from otel_agenttrace.analyze.activities import activity_of, touches
from otel_agenttrace.analyze.branching import run_tree
from otel_agenttrace.analyze.contexts import Window, context_use, windows
from otel_agenttrace.analyze.naming import span_named
from otel_agenttrace.analyze.phases import explain
from otel_agenttrace.analyze.retries import attempts
from otel_agenttrace.analyze.timelines import timeline
from otel_agenttrace.analyze.tool_calls import executed_tool
from otel_agenttrace.errors import SpanNotFound
from otel_agenttrace.model import Trace
from otel_agenttrace.report.page import page_markdown
from otel_agenttrace.report.screen import page_text
from otel_agenttrace.report.terminal import span_line
from otel_agenttrace.report.timeline import timeline_page
from otel_agenttrace.report.tree import tree_page
from tests.support.made_runs import Made, asks, gave, said

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_MS: Final = 1_000_000


def _coding() -> Trace:
    run = Made()
    agent = run.agent("coder")
    run.chat("m1", [said("user", "fix it")], asks(("c1", "Read", {"file_path": "a.py"})), inside=agent)
    run.tool("t1", "Read", {"file_path": "a.py"}, "x = 1", call_id="c1", inside=agent)
    run.tool("t2", "Bash", {"command": "pytest"}, "failed", inside=agent, status="ERROR", status_message="exit 1")
    run.tool("t3", "Edit", {"file_path": "a.py", "new_string": "x = 2"}, "ok", inside=agent)
    run.tool("t4", "Bash", {"command": "pytest"}, "passed", inside=agent)
    task = run.tool("t5", "Task", {"prompt": "look around"}, "done", inside=agent)
    sub = run.agent("scout", inside=task)
    run.chat("m2", [said("user", "look around")], said("assistant", "seen"), inside=sub)
    run.chat(
        "m3",
        [said("user", "fix it"), said("assistant", "done"), said("user", "thanks")],
        said("assistant", "!"),
        inside=agent,
    )
    return run.trace


def test_a_run_is_told_by_agent_turn_and_activity() -> None:
    told = explain(_coding())
    assert [(agent.name, agent.depth) for agent in told.agents] == [("coder", 0), ("scout", 1)]
    coder, scout = told.agents
    assert [turn.prompt for turn in coder.turns] == ["fix it", "thanks"]
    phases = coder.turns[0].phases
    assert [phase.activity for phase in phases] == ["exploring", "running", "editing", "running", "delegating"]
    assert [phase.failed for phase in phases] == [0, 1, 0, 0, 0]
    assert [turn.prompt for turn in scout.turns] == ["look around"]
    assert (coder.totals.model_calls, scout.totals.model_calls) == (3, 1)


def test_retries_lost_time_and_files_are_those_of_the_run() -> None:
    told = explain(_coding())
    assert [(each.previous.name, each.span.name, each.likeness) for each in told.retries] == [("t2", "t4", 1.0)]
    assert told.wasted.failed_ns == 10 * _MS
    assert (told.files.read, told.files.written, told.files.run) == (("a.py",), ("a.py",), ("pytest",))


def test_the_next_of_many_is_no_retry_of_the_one_that_failed() -> None:
    run = Made()
    run.tool("t1", "get", {"url": "https://shop.test/v1/customers/1001"}, status="ERROR", status_message="404")
    run.tool("t2", "get", {"url": "https://shop.test/v1/customers/1002"}, "found")
    run.tool("t3", "order", {"id": "W1001"}, "Error: order not found")
    run.tool("t4", "order", {"id": "#W1001"}, "found")
    run.tool("t5", "days", {"from": "2026-5-01"}, "Error: no date")
    run.tool("t6", "days", {"from": "2026-05-01"}, "found")
    assert [(each.previous.name, each.span.name) for each in explain(run.trace).retries] == [("t3", "t4"), ("t5", "t6")]


@pytest.mark.parametrize(
    ("result", "failed"),
    [
        ("Error: no such file", 1),
        ("error code 404", 1),
        ("Error", 1),
        ("Error executing tool", 1),
        ("Error log of Monday: nothing", 0),
        ("Error handling in Go is by values.", 0),
    ],
)
def test_a_text_about_errors_is_no_failure(result: str, failed: int) -> None:
    run = Made()
    run.tool("t1", "read", {"path": "log.txt"}, result)
    run.tool("t2", "read", {"path": "log.txt"}, "nothing")
    assert len(explain(run.trace).retries) == failed


def test_a_model_that_is_asked_again_is_found_beside_one_that_ran_with_the_failed_call() -> None:
    run = Made()
    run.chat("m1", [said("user", "hi")], status="ERROR", status_message="overloaded")
    run.together()
    run.chat("m2", [said("user", "hi")], said("assistant", "hello"))
    run.chat("m3", [said("user", "hi")], said("assistant", "hello"))
    assert [(each.previous.name, each.span.name) for each in explain(run.trace).retries] == [("m1", "m3")]


def test_requests_that_were_taken_out_are_not_told_as_the_same() -> None:
    run = Made()
    run.chat("m1", told={"gen_ai.input.messages": "[REDACTED]"}, status="ERROR", status_message="overloaded")
    run.chat("m2", told={"gen_ai.input.messages": "[REDACTED]"})
    assert [each.likeness for each in explain(run.trace).retries] == [None]


def test_the_attempts_inside_a_call_are_told_with_what_was_lost() -> None:
    """In the file each call has two attempts that begin 1.5 ms apart: one broke off, one was a 429."""
    found = attempts(load(_GOLDEN))
    assert [each.outcomes for each in found] == [("RemoteProtocolError", "200"), ("429", "200")]
    assert [each.wasted_ns for each in found] == [1_500_000, 1_500_000]


@pytest.mark.parametrize(
    ("name", "arguments", "activity", "touched"),
    [
        ("Read", {"file_path": "a.py"}, "exploring", [("read", "a.py")]),
        ("mcp__fs__write_file", {"path": "b.py"}, "editing", [("written", "b.py")]),
        ("Bash", {"command": "git log | head"}, "exploring", [("run", "git log | head")]),
        ("Bash", {"command": "cat a > b"}, "running", [("run", "cat a > b")]),
        ("str_replace_editor", {"command": "view", "path": "a.py"}, "exploring", [("read", "a.py")]),
        ("str_replace_editor", {"command": "create", "path": "a.py"}, "editing", [("written", "a.py")]),
        ("apply_patch", {"input": "*** Begin Patch\n*** Update File: c.py\n"}, "editing", [("written", "c.py")]),
        ("TodoWrite", {"todos": []}, "planning", []),
        ("web_search", {"query": "x"}, "searching", []),
        ("create_order", {"id": 7}, None, []),
        ("weather", {"city": "Bern"}, None, []),
        ("final_answer", {"answer": "x"}, "answering", []),
    ],
)
def test_a_tool_has_an_activity_by_its_name_and_arguments(
    name: str, arguments: object, activity: str | None, touched: list[tuple[str, str]]
) -> None:
    call = executed_tool(Made().tool("t", name, arguments))
    assert activity_of(call) == activity
    assert [(each.kind, each.target) for each in touches(call)] == touched


@pytest.mark.parametrize(
    ("command", "activity"),
    [
        ("cd x && ls; git diff", "exploring"),
        ("find . -name '*.py'", "exploring"),
        ("find . -name '*.pyc' -delete", "running"),
        ("fd -x rm", "running"),
        ("ls & rm -rf x", "running"),
        ("cat $(make)", "running"),
        ("env python agent.py", "running"),
        ("git branch -D x", "running"),
        (";", "running"),
    ],
)
def test_a_command_only_looks_where_nothing_in_it_can_do_more(command: str, activity: str) -> None:
    assert activity_of(executed_tool(Made().tool("t", "Bash", {"command": command}))) == activity


def test_siblings_that_are_the_same_are_one_branch_with_their_sums() -> None:
    run = Made()
    agent = run.agent("agent")
    for number in range(12):
        run.tool(f"s{number}", "search", {"q": number}, inside=agent)
    run.chat("m", inside=agent, told={"gen_ai.usage.input_tokens": 7, "gen_ai.usage.output_tokens": 3})
    told = run_tree(run.trace)
    assert [(each.kind, each.name, each.depth, each.count) for each in told.branches] == [
        ("agent", "agent", 0, 1),
        ("tool", "search", 1, 12),
        ("model", "gpt-4o", 1, 1),
    ]
    assert told.branches[0].totals.tool_calls == 12
    assert told.branches[0].totals.input_tokens == 7
    assert run_tree(run.trace, depth=1).branches[0].hidden == 13


def _drawn(trace: Trace, width: int) -> list[str]:
    console = Console(file=io.StringIO(), width=width, force_terminal=False)
    for each in page_text(timeline_page(timeline(trace, name="run"), width)):
        console.print(each)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def test_a_branch_names_the_task_and_the_try_of_its_runs() -> None:
    run = Made()
    for agent, trial in ("solver", 0), ("solver", 1), ("judge", 1):
        span = run.agent(agent)
        run.spans[-1] = replace(
            span, attributes={**span.attributes, "agenttrace.task.id": "3", "agenttrace.task.trial": trial}
        )
    tree = run_tree(run.trace)
    assert [(branch.name, branch.count, branch.task) for branch in tree.branches] == [
        ("solver", 2, None),
        ("judge", 1, "task 3, trial 1"),
    ]
    assert "agent judge  task 3, trial 1" in page_markdown(tree_page(tree))
    shown = (span_line(span, 1, run.trace).plain for span in run.spans)
    assert [line.split("  ")[:2] for line in shown] == [
        ["solver", "task 3, trial 0"],
        ["solver", "task 3, trial 1"],
        ["judge", "task 3, trial 1"],
    ]


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_timeline_is_no_wider_than_the_terminal(width: int) -> None:
    lines = _drawn(load(_GOLDEN), width)
    assert max(map(len, lines)) <= width
    bars = [line for line in lines if "█" in line and "critical" not in line]
    assert len(bars) == 4


def test_a_timeline_marks_the_wait_the_failure_the_gap_and_the_critical_path() -> None:
    run = Made()
    run.chat("fast")
    run.together()
    run.tool("slow", "slow", took_ms=50)
    run.chat(
        "late",
        told={"gen_ai.response.time_to_first_chunk": 0.005},
        status="ERROR",
        start_ns=100 * _MS,
        end_ns=110 * _MS,
    )
    told = timeline(run.trace)
    assert [(bar.span.name, bar.is_critical) for bar in told.bars] == [("fast", False), ("slow", True), ("late", True)]
    assert told.bars[-1].first_chunk_ns == 5 * _MS
    assert [(gap.offset_ns, gap.duration_ns) for gap in told.gaps] == [(50 * _MS, 50 * _MS)]
    late = next(line for line in _drawn(run.trace, 80) if line.startswith("late"))
    assert "░" in late
    assert late.endswith("!")


def test_a_run_that_tells_no_times_has_no_critical_path() -> None:
    run = Made()
    run.chat("m1", told={"agenttrace.time.unknown": "all"})
    assert [bar.is_critical for bar in timeline(run.trace).bars] == [False]


def _filled(used: int) -> Trace:
    run = Made()
    history = [said("system", "s" * 10), said("user", "u" * 30), gave("c1", "r" * 60)]
    for given in (used // 2, used):
        run.chat("m", history, told={"gen_ai.usage.input_tokens": given - 10, "gen_ai.usage.output_tokens": 10})
    return run.trace


@pytest.mark.parametrize(("used", "level"), [(749, "ok"), (750, "warning"), (899, "warning"), (900, "critical")])
def test_a_window_has_the_level_of_its_share(used: int, level: str) -> None:
    report = context_use(_filled(used), lambda _: Window(1_000, "--limit"))
    assert report.level == level
    assert [use.growth for use in report.calls] == [None, used - used // 2]


def test_how_full_the_window_was_of_a_call_that_the_provider_refused_is_not_known() -> None:
    run = Made()
    tokens = {"gen_ai.usage.input_tokens": 700, "gen_ai.usage.output_tokens": 10}
    run.chat("m1", told=tokens)
    run.chat("m2", told={"error.type": "400"}, status="ERROR")  # the window may be why
    run.chat("m3", told=tokens)
    report = context_use(run.trace, lambda _: Window(1_000, "--limit"))
    assert [(use.used, use.level, use.growth) for use in report.calls] == [
        (710, "ok", None),
        (None, "unknown", None),
        (710, "ok", 0),
    ]


def test_what_fills_the_window_adds_up_to_the_recorded_input() -> None:
    filling = context_use(_filled(1010), lambda _: None).calls[-1].filling
    assert filling is not None
    assert (filling.system, filling.history, filling.tool_results) == (100, 300, 600)


def test_the_window_is_the_given_one_then_the_configured_one_then_the_known_one() -> None:
    span = Made().chat("m")
    for given, configured, wanted in (
        ({"gpt-4": 5}, {"gpt-4o": 6}, Window(5, "--limit")),
        ({"claude": 5}, {"gpt-4o": 6, "gpt": 7}, Window(6, "pyproject.toml")),
        ({"": 9}, {}, Window(9, "--limit")),
        ({}, {}, Window(128_000, "genai-prices")),
    ):
        assert windows(given, configured)(span) == wanted
    unknown = Made().chat("m", told={"gen_ai.request.model": "my-own-model"})
    assert windows({}, {})(unknown) is None
    assert context_use(_filled(900), windows({}, {"claude": 1})).level == "ok"


def test_a_span_is_found_by_id_name_place_and_word() -> None:
    trace = _coding()
    assert span_named(trace, "last").name == "m3"
    assert span_named(trace, "last-error").name == "t2"
    assert span_named(trace, "Edit").name == "t3"
    assert span_named(trace, "tool[1]").name == "t1"
    assert span_named(trace, trace.spans[2].span_id).name == "t1"
    with pytest.raises(SpanNotFound, match=r"2 spans are meant by it: #4 .*, #6 "):
        span_named(trace, "Bash")
    with pytest.raises(SpanNotFound, match="nearest  scout"):
        span_named(trace, "scoot")


def test_nothing_is_told_of_a_run_without_spans() -> None:
    empty = Trace()
    assert explain(empty).agents[0].turns == ()
    assert timeline(empty).bars == ()
    assert run_tree(empty).branches == ()
    assert context_use(empty, lambda _: None).level == "unknown"
