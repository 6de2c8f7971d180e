"""Facts about the tools of a run, counted."""

from __future__ import annotations

import json
from typing import Final

import pytest

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.analyze.tool_usage import ToolShape, ToolUsage, tools_used
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.report.page import page_markdown
from otel_agenttrace.report.tool_usage import tools_used_page
from tests.support.corpus import CORPORA
from tests.support.foreign_spans import genai_attributes, said, span

_ANY_AGENT: Final = CORPORA / "otel-traces-any-agent" / "docs" / "traces" / "TINYAGENT_trace.json"


def _tool(number: int, name: str, arguments: object, **more: object) -> Span:
    told = {
        semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_EXECUTE_TOOL,
        semconv.GEN_AI_TOOL_NAME: name,
        semconv.GEN_AI_TOOL_CALL_ARGUMENTS: json.dumps(arguments),
    }
    return span(number, told, name=f"execute_tool {name}", **more)


def test_calls_errors_and_forms_of_arguments_are_counted_by_tool() -> None:
    trace = Trace(
        (
            _tool(1, "book", {"city": "Bern", "nights": 2}),
            _tool(2, "book", {"nights": 3, "city": "Rome"}, status="ERROR"),
            _tool(3, "book", {"city": "Rome", "guests": [{"name": "a"}, {"name": "b"}], "vip": True}),
            _tool(4, "weather", {"city": "Bern"}),
        )
    )
    assert tools_used(trace).tools == (
        ToolUsage(
            "book",
            calls=3,
            executed=3,
            errors=1,
            duration_ns=1500,
            shapes=(
                ToolShape("{city: string, nights: number}", 2),
                ToolShape("{city: string, guests: [{…}], vip: boolean}", 1),
            ),
        ),
        ToolUsage("weather", 1, 1, 0, 500, (ToolShape("{city: string}", 1),)),
    )


def test_a_tool_without_spans_is_known_from_what_models_asked_for_and_its_errors_are_not() -> None:
    call = {"type": "tool_call", "id": "1", "name": "search", "arguments": {"q": "x"}}
    trace = Trace((span(1, genai_attributes([said("user", "hi")], [said("assistant", call)])),))
    (used,) = tools_used(trace).tools
    assert (used.calls, used.executed, used.duration_ns) == (1, 0, None)
    page = page_markdown(tools_used_page(tools_used(trace)))
    assert "| `search` | 1 | ? | ? | `{q: string}` |" in page
    assert "1 call of tools without spans of their own" in page


def test_a_run_without_tools_says_so() -> None:
    assert page_markdown(tools_used_page(tools_used(Trace()))) == "no call of a tool is told\n"


@pytest.mark.skipif(not _ANY_AGENT.exists(), reason="the corpora are no part of the project")
def test_a_real_run_of_any_agent_called_three_tools_once() -> None:
    """To verify: the file has three spans `execute_tool …`, none failed; their attribute for arguments is of another name."""
    used = tools_used(at.load(_ANY_AGENT))
    assert {each.tool: (each.calls, each.errors) for each in used.tools} == {
        "final_answer": (1, 0),
        "get_current_time": (1, 0),
        "write_file": (1, 0),
    }
