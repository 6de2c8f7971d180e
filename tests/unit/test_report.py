"""Facts about what people and programs are shown of a run."""

from __future__ import annotations

import io
import itertools
import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Console

from otel_agenttrace import semconv
from otel_agenttrace.model import AttributeValue, Call, OutcomeKind, Span, Trace, Usage
from otel_agenttrace.report.screen import console
from otel_agenttrace.report.terminal import Excerpt, recorded_line, replayed_line, trace_json, trace_tree
from otel_agenttrace.report.text import cost, counted, duration, escaped, first_line, flow, tokens

MS = 1_000_000
TRACE_ID = "a" * 32


def span(
    number: int,
    name: str,
    parent: int | None = None,
    attributes: Mapping[str, AttributeValue] | None = None,
    *,
    ms: float | None = 1200,
    error: str | None = None,
) -> Span:
    start = number * 10 * MS
    return Span(
        TRACE_ID,
        f"{number:016x}",
        name,
        start,
        None if ms is None else start + int(ms * MS),
        None if parent is None else f"{parent:016x}",
        attributes=attributes or {},
        status="UNSET" if error is None else "ERROR",
        status_message=error or "",
    )


def agent(number: int, name: str, parent: int | None = None) -> Span:
    told = {semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_INVOKE_AGENT, semconv.GEN_AI_AGENT_NAME: name}
    return span(number, f"invoke_agent {name}", parent, told, ms=12_300)


def chat(
    number: int,
    parent: int | None = None,
    usage: tuple[int, ...] = (1200, 310),
    more: Mapping[str, AttributeValue] | None = None,
    *,
    error: str | None = None,
) -> Span:
    names = (
        semconv.GEN_AI_USAGE_INPUT_TOKENS,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS,
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS,
    )
    told = {
        semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_CHAT,
        semconv.GEN_AI_PROVIDER_NAME: "openai",
        semconv.GEN_AI_REQUEST_MODEL: "gpt-4o",
        **dict(zip(names, usage, strict=False)),
        **(more or {}),
    }
    return span(number, "chat gpt-4o", parent, told, error=error)


def tool(number: int, name: str, parent: int | None = None) -> Span:
    told = {semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_EXECUTE_TOOL, semconv.GEN_AI_TOOL_NAME: name}
    return span(number, f"execute_tool {name}", parent, told, ms=2.4)


def outcome(kind: str) -> dict[str, AttributeValue]:
    return {semconv.AGENTTRACE_REPLAY_OUTCOME: kind}


def shown(trace: Trace, excerpt: Excerpt | None = None, width: int = 110) -> str:
    out = Console(file=io.StringIO(), width=width, highlight=False)
    out.print(trace_tree(trace, excerpt=excerpt))
    assert isinstance(out.file, io.StringIO)
    return "\n" + out.file.getvalue()


RUN = (
    agent(1, "planner"),
    chat(2, 1, (1200, 310, 800)),
    tool(3, "search", 1),
    agent(4, "writer", 1),
    chat(5, 4, (700, 100)),
)
TEXTS = {2: "Let me look.\nThen …", 3: '{"query": "weather in Paris"}', 5: "It rains."}


def excerpt(told: Span) -> str | None:
    return TEXTS.get(int(told.span_id, 16))


# --- the tree -------------------------------------------------------------------------------------------------------


def test_a_run_is_a_tree_with_model_tokens_cost_time_and_text() -> None:
    assert (
        shown(Trace(RUN, lambda _: 0.0041), excerpt)
        == """
invoke_agent planner  12.3 s  2 calls  2,310 tokens  $0.0082
├── chat gpt-4o  1,200→310 (800 cached)  $0.0041  1.2 s  Let me look.
├── execute_tool search  2 ms  {"query": "weather in Paris"}
└── invoke_agent writer  12.3 s
    └── chat gpt-4o  700→100  $0.0041  1.2 s  It rains.
"""
    )


def test_a_run_without_its_root_has_a_virtual_one() -> None:
    assert (
        shown(Trace(RUN[1:]))
        == """
run (not all parents are recorded)  2 calls  2,310 tokens  cost unknown  12.3 s
├── chat gpt-4o  1,200→310 (800 cached)  $?  1.2 s
├── execute_tool search  2 ms
└── invoke_agent writer  12.3 s
    └── chat gpt-4o  700→100  $?  1.2 s
"""
    )


def test_several_roots_stand_under_a_virtual_one() -> None:
    assert (
        shown(Trace((chat(1), chat(2)), lambda told: 0.5 if told.span_id.endswith("1") else None))
        == """
run  2 calls  3,020 tokens  $0.5000 (1 of 2 without a price)  1.2 s
├── chat gpt-4o  1,200→310  $0.5000  1.2 s
└── chat gpt-4o  1,200→310  $?  1.2 s
"""
    )


def test_a_run_without_spans_says_so() -> None:
    assert shown(Trace()) == "\nrun  no spans\n"


def test_the_order_of_the_input_does_not_count() -> None:
    trees = {shown(Trace(order), excerpt) for order in itertools.permutations(RUN)}
    assert trees == {shown(Trace(RUN), excerpt)}


def test_circles_of_parents_and_double_ids_are_shown_once_each() -> None:
    circle = (span(1, "a", 2), span(2, "b", 1), span(3, "own parent", 3), span(4, "one", 1), span(4, "other", 1))
    assert (
        shown(Trace(circle))
        == """
run (not all parents are recorded)  1.2 s
├── a  1.2 s
│   ├── b  1.2 s
│   ├── one  1.2 s
│   └── other  1.2 s
└── own parent  1.2 s
"""
    )


@given(st.lists(st.tuples(st.integers(0, 6), st.none() | st.integers(0, 6)), max_size=12))
def test_each_span_is_one_line_whatever_the_parents(ids: list[tuple[int, int | None]]) -> None:
    spans = tuple(span(number, "name", parent) for number, parent in ids)
    lines = shown(Trace(spans)).splitlines()[1:]
    assert sum("name" in line for line in lines) == len(spans)
    assert len(lines) - len(spans) in {0, 1}


def test_errors_are_named_with_type_and_first_line_of_the_message() -> None:
    failed = chat(2, 1, (), {semconv.ERROR_TYPE: "RateLimitError"}, error="Too many requests\ntry later")
    silent = span(3, "execute_tool search", 1, error="")
    assert (
        shown(Trace((agent(1, "planner"), failed, silent)), width=80)
        == """
invoke_agent planner  12.3 s  1 call  cost unknown
├── chat gpt-4o  1.2 s  RateLimitError: Too many requests
└── execute_tool search  1.2 s  error
"""
    )


def test_replayed_calls_carry_the_mark_of_their_outcome() -> None:
    kinds = ("hit", "drift", "miss", "live", "of tomorrow")
    calls = (chat(number, 1, (), outcome(kind)) for number, kind in enumerate(kinds, 2))
    assert (
        shown(Trace((agent(1, "planner"), *calls)))
        == """
invoke_agent planner  12.3 s  5 calls  $0 (4 of 5 without a price)
├── ✓ chat gpt-4o  1.2 s
├── ~ chat gpt-4o  1.2 s
├── ✗ chat gpt-4o  1.2 s
├── • chat gpt-4o  1.2 s
└── chat gpt-4o  1.2 s
"""
    )


def test_names_that_a_span_does_not_tell_are_added() -> None:
    told = {semconv.GEN_AI_OPERATION_NAME: "chat", semconv.GEN_AI_RESPONSE_MODEL: "gpt-4o-2024-08-06"}
    used = {semconv.GEN_AI_OPERATION_NAME: "execute_tool", semconv.GEN_AI_TOOL_NAME: "search"}
    assert (
        shown(Trace((span(1, "ChatOpenAI", None, told), span(2, "run", 1, used, ms=None))))
        == """
ChatOpenAI  gpt-4o-2024-08-06  1.2 s
└── run  search  not ended
"""
    )


def test_lines_are_cut_at_the_width_text_first() -> None:
    assert (
        shown(Trace(RUN[:2]), lambda _: "word " * 50, width=64)
        == """
invoke_agent planner  12.3 s  1 call  1,510 tokens  cost unknow…
└── chat gpt-4o  1,200→310 (800 cached)  $?  1.2 s  word word w…
"""
    )


def test_control_characters_of_content_do_not_reach_the_terminal() -> None:
    evil = "\x1b]0;title\x07 [red]not markup[/] \u202egnp.exe \udc80 \x9b2J"
    failed = span(1, evil, None, {semconv.ERROR_TYPE: "\x1b[2J"}, error="\x1b[H")
    safe = r"\x1b]0;title\x07 [red]not markup[/] \u202egnp.exe \udc80 \x9b2J"
    assert (
        shown(Trace((failed,)), lambda _: f"{evil}\nsecond", width=200)
        == rf"""
{safe}  1.2 s  \x1b[2J: \x1b[H  {safe}
"""
    )


def test_deep_spans_stand_on_the_last_level_with_their_own() -> None:
    lines = shown(Trace(tuple(span(n, f"s{n}", n - 1 if n else None) for n in range(2000)))).splitlines()
    assert lines[12:16] == [
        " " * 40 + "└── s11  1.2 s",
        " " * 44 + "├── s12  1.2 s",
        " " * 44 + "├── (13) s13  1.2 s",
        " " * 44 + "├── (14) s14  1.2 s",
    ]
    assert len(lines) == 2001


# --- colours --------------------------------------------------------------------------------------------------------


class _Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    for name in ("NO_COLOR", "FORCE_COLOR", "TTY_COMPATIBLE", "TTY_INTERACTIVE", "COLORTERM", "COLUMNS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("TERM", "xterm-256color")
    return monkeypatch


def printed(file: io.StringIO) -> str:
    console(file).print(trace_tree(Trace((chat(1, None, (), outcome("miss"), error="no"),))))
    return file.getvalue()


@pytest.mark.usefixtures("plain_environment")
def test_a_terminal_gets_colours_and_a_pipe_gets_none() -> None:
    assert "\x1b[31m✗ " in printed(_Terminal())
    assert printed(io.StringIO()) == "✗ chat gpt-4o  1.2 s  error: no\n"


def test_no_color_is_kept(plain_environment: pytest.MonkeyPatch) -> None:
    plain_environment.setenv("NO_COLOR", "1")
    assert "\x1b[31m" not in printed(_Terminal())


@pytest.mark.usefixtures("plain_environment")
def test_a_pipe_is_not_cut_at_the_width_of_a_terminal() -> None:
    file = io.StringIO()
    console(file).print(trace_tree(Trace((chat(1),)), excerpt=lambda _: "x" * 120))
    assert "x" * 120 in file.getvalue()


# --- closing lines --------------------------------------------------------------------------------------------------

PATH = Path("run.otlp.jsonl")


def test_a_recording_ends_with_what_was_recorded_and_how_to_replay_it() -> None:
    assert recorded_line(Trace(RUN, lambda _: 0.00205), PATH) == (
        "recorded 2 calls, 2,310 tokens, $0.0041 → run.otlp.jsonl · next: otel-agenttrace replay run.otlp.jsonl -- …"
    )


def test_a_cost_that_is_not_known_is_not_zero() -> None:
    assert recorded_line(Trace(RUN), PATH).startswith("recorded 2 calls, 2,310 tokens, cost unknown → ")


def test_a_recorded_exchange_that_is_no_inference_is_a_call_too() -> None:
    other = Span(TRACE_ID, "f" * 16, "GET /v1/models", 0, read_call=lambda: Call("key", ()))
    assert recorded_line(Trace((other,)), Path("my run.jsonl")) == (
        "recorded 1 call → my run.jsonl · next: otel-agenttrace replay 'my run.jsonl' -- …"
    )


def test_a_recording_without_calls_says_so() -> None:
    assert recorded_line(Trace(RUN[:1]), PATH).startswith("recorded 1 span, no call to a model → run.otlp.jsonl")


@pytest.mark.parametrize(
    ("counts", "unplayed", "line"),
    [
        ({"hit": 4}, 0, "replayed 4 calls: 4 hit, 0 drift, 0 miss · run.otlp.jsonl"),
        (
            {"hit": 1, "drift": 1, "miss": 1, "live": 1},
            2,
            "replayed 4 calls: 1 hit, 1 drift, 1 miss, 1 live · run.otlp.jsonl · 2 recordings never asked for",
        ),
        ({"miss": 1}, 1, "replayed 1 call: 0 hit, 0 drift, 1 miss · run.otlp.jsonl · 1 recording never asked for"),
    ],
)
def test_a_replay_ends_with_its_outcomes_and_what_nobody_asked_for(
    counts: dict[OutcomeKind, int], unplayed: int, line: str
) -> None:
    assert replayed_line(counts, unplayed, PATH) == line


def test_frozen_tools_are_counted_apart_from_calls_and_answered_like_them() -> None:
    tools: dict[OutcomeKind, int] = {"hit": 2, "live": 1}
    assert replayed_line({"hit": 4}, 0, PATH, tools) == (
        "replayed 4 calls, 3 tools: 6 hit, 0 drift, 0 miss, 1 live · run.otlp.jsonl"
    )
    assert replayed_line({}, 0, PATH, {"miss": 1}) == (
        "replayed 0 calls, 1 tool: 0 hit, 0 drift, 1 miss · run.otlp.jsonl"
    )


# --- JSON -----------------------------------------------------------------------------------------------------------


def test_a_run_as_json_has_stable_keys_and_null_for_what_is_not_known() -> None:
    failed = chat(2, 1, (1200, 310, 800), {semconv.ERROR_TYPE: "429", **outcome("hit")}, error="no")
    told = trace_json(Trace((failed, agent(1, "planner")), lambda _: 0.0041))
    usage = {
        "input_tokens": 1200,
        "output_tokens": 310,
        "cache_read_input_tokens": 800,
        "cache_write_input_tokens": None,
        "reasoning_output_tokens": None,
    }
    assert json.loads(json.dumps(told)) == {
        "calls": 1,
        "usage": usage,
        "cost": 0.0041,
        "duration_ns": 12_300 * MS,
        "errors": 1,
        "spans": [
            {
                "trace_id": TRACE_ID,
                "span_id": "0000000000000001",
                "parent_span_id": None,
                "name": "invoke_agent planner",
                "operation": "invoke_agent",
                "provider": None,
                "model": None,
                "start_unix_nano": "10000000",
                "duration_ns": 12_300 * MS,
                "usage": dict.fromkeys(usage),
                "cost": None,
                "error": None,
                "message": None,
                "outcome": None,
                "annotation": None,
            },
            {
                "trace_id": TRACE_ID,
                "span_id": "0000000000000002",
                "parent_span_id": "0000000000000001",
                "name": "chat gpt-4o",
                "operation": "chat",
                "provider": "openai",
                "model": "gpt-4o",
                "start_unix_nano": "20000000",
                "duration_ns": 1200 * MS,
                "usage": usage,
                "cost": 0.0041,
                "error": "429",
                "message": "no",
                "outcome": "hit",
                "annotation": None,
            },
        ],
    }


# --- figures --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "expected"),
    [
        (tokens(2310), "2,310"),
        (tokens(None), "?"),
        (flow(Usage()), ""),
        (flow(Usage(output_tokens=5)), "?→5"),
        (flow(Usage(1200, 310, 0)), "1,200→310"),
        (cost(None), "$?"),
        (cost(0), "$0"),
        (cost(0.0041), "$0.0041"),
        (cost(0.1), "$0.1000"),
        (cost(12.3), "$12.30"),
        (cost(1234.5), "$1,234.50"),
        (cost(0.00005565), "$0.00005565"),
        (cost(0.000028), "$0.000028"),
        (cost(1e-12), "<$0.00000001"),
        (duration(None), "?"),
        (duration(0), "<1 ms"),
        (duration(340 * MS), "340 ms"),
        (duration(int(999.7 * MS)), "1.0 s"),
        (duration(1200 * MS), "1.2 s"),
        (duration(59_960 * MS), "1 min 00 s"),
        (duration(125_000 * MS), "2 min 05 s"),
        (duration(3_599_800 * MS), "1 h 00 min"),
        (duration(3_780_000 * MS), "1 h 03 min"),
        (counted(1, "call"), "1 call"),
        (counted(1000, "call"), "1,000 calls"),
        (escaped("a\tb\x00é"), r"a\tb\x00é"),
        (first_line("\n\n  one \r\ntwo"), "one"),
        (first_line("x" * 300, 10), "xxxxxxxxx…"),
        (first_line(" \n"), ""),
    ],
)
def test_figures_are_written_for_people(told: str, expected: str) -> None:
    assert told == expected
