"""Facts about comparisons of real runs: one task by two frameworks, and two trials of one task, checked by hand in the files.

What stands in `tests/golden/diff` was read beside the files: see the text above each test. UPDATE_GOLDEN=1 writes it anew.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.analyze.diffs import TraceDiff, diff_of
from otel_agenttrace.analyze.folders import runs_diff
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.report.diffed import diff_page
from otel_agenttrace.report.page import page_markdown
from tests.support.corpus import CORPORA

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "diff"
_FRAMEWORKS: Final = CORPORA / "otel-traces-any-agent" / "docs" / "traces"
_TAU: Final = CORPORA / "traj-tau-bench" / "historical_trajectories" / "gpt-4o-airline.first6tasks.json"


def _held_to(name: str, diff: TraceDiff) -> None:
    path = _GOLDEN / f"{name}.md"
    told = page_markdown(diff_page(diff))
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_text(told, encoding="utf-8")
    assert told == path.read_text(encoding="utf-8")


# --- one task, two frameworks -----------------------------------------------------------------------------------------


def _framework(name: str) -> Trace:
    return at.load(_FRAMEWORKS / f"{name}_trace.json")


@pytest.mark.skipif(not _FRAMEWORKS.exists(), reason="the corpora are not here")
def test_two_frameworks_on_one_task_part_where_one_of_them_ends_in_its_own_way() -> None:
    """By hand: `jq -r '.spans[].name'` tells the steps, and `gen_ai.usage.input_tokens` of each what it was given.

    In both files: call, get_current_time, call, write_file, call. Then TinyAgent runs final_answer and calls the model once
    more, Google's ADK runs final_output and is done. The system message of ADK goes on after "Use the available tools to
    answer.", that of TinyAgent does not.
    """
    diff = diff_of(_framework("TINYAGENT"), _framework("GOOGLE"), names=("tinyagent", "google"))
    assert [(change.kind, change.step) for change in diff.changes] == [
        ("system", 2),
        ("removed", 7),
        ("removed", 8),
        ("added", 9),
    ]
    assert [step.new for step in diff.steps if step.mark == "same"] == [
        "agent any_agent",
        "tool get_current_time",
        "inference mistral/mistral-small-latest",
        "tool write_file",
        "inference mistral/mistral-small-latest",
    ]
    assert (diff.figures["input_tokens"].old, diff.figures["input_tokens"].new) == (
        328 + 414 + 449 + 178,
        672 + 770 + 809,
    )
    _held_to("tinyagent-google", diff)


@pytest.mark.skipif(not _FRAMEWORKS.exists(), reason="the corpora are not here")
def test_a_framework_that_asks_once_more_has_one_call_more() -> None:
    """By hand: LlamaIndex makes five calls, TinyAgent four; the last answers differ by step 3, "Return the list of steps taken."."""
    diff = diff_of(_framework("TINYAGENT"), _framework("LLAMA_INDEX"), names=("tinyagent", "llama_index"))
    assert (diff.figures["llm_calls"].old, diff.figures["llm_calls"].new) == (4, 5)
    (answer,) = [change for change in diff.changes if change.kind == "text"]
    assert '"description": "Return the list of steps taken."' in answer.words
    assert "{+" not in answer.words
    _held_to("tinyagent-llama_index", diff)


@pytest.mark.skipif(not _FRAMEWORKS.exists(), reason="the corpora are not here")
@pytest.mark.parametrize("name", ["TINYAGENT", "GOOGLE", "LLAMA_INDEX"])
def test_a_real_run_is_the_same_as_itself(name: str) -> None:
    assert diff_of(_framework(name), _framework(name)).is_same


# --- several trials of one task ---------------------------------------------------------------------------------------


def _trials(task: int) -> list[tuple[Trace, float]]:
    told: list[dict[str, Any]] = json.loads(_TAU.read_bytes())
    ours = sorted((each for each in told if each["task_id"] == task), key=lambda each: each["trial"])
    return [(Trace(tuple(_spans(each["traj"]))), each["reward"]) for each in ours]


def _spans(said: list[dict[str, Any]]) -> Iterator[Span]:
    called: dict[str, dict[str, Any]] = {}
    for number, message in enumerate(said):
        if message["role"] == "assistant":
            asked = [_message(each) for each in said[:number]]
            told = {
                "gen_ai.operation.name": "chat",
                "gen_ai.request.model": "gpt-4o",
                "gen_ai.input.messages": json.dumps(asked),
                "gen_ai.output.messages": json.dumps([_message(message)]),
            }
            called |= {each["id"]: each["function"] for each in message.get("tool_calls") or ()}
            yield _span(number, "chat gpt-4o", told)
        elif message["role"] == "tool":
            told = {
                "gen_ai.operation.name": "execute_tool",
                "gen_ai.tool.name": message["name"],
                "gen_ai.tool.call.arguments": called[message["tool_call_id"]]["arguments"],
                "gen_ai.tool.call.result": message["content"],
            }
            yield _span(number, f"execute_tool {message['name']}", told)


def _span(number: int, name: str, told: dict[str, Any]) -> Span:
    return Span("a" * 32, f"{number + 1:016x}", name, number * 10, number * 10 + 5, attributes=told)


def _message(message: dict[str, Any]) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if message["role"] == "tool":
        parts.append({"type": "tool_call_response", "id": message["tool_call_id"], "response": message["content"]})
    elif message.get("content"):
        parts.append({"type": "text", "content": message["content"]})
    for call in message.get("tool_calls") or ():
        arguments = json.loads(call["function"]["arguments"])
        parts.append({"type": "tool_call", "id": call["id"], "name": call["function"]["name"], "arguments": arguments})
    return {"role": message["role"], "parts": parts}


@pytest.mark.skipif(not _TAU.exists(), reason="the corpora are not here")
@pytest.mark.parametrize("task", range(6))
def test_each_trial_is_compared_with_each_of_its_task(task: int) -> None:
    traces = [trace for trace, _ in _trials(task)]
    for old in traces:
        for new in traces:
            diff = diff_of(old, new)
            assert diff.is_same == (old is new)
            count = len([step for step in diff.steps if step.old is not None])
            assert count == len(old.spans)


@pytest.mark.skipif(not _TAU.exists(), reason="the corpora are not here")
def test_two_trials_of_a_task_part_where_the_user_says_something_else() -> None:
    """By hand: `jq '.[] | select(.task_id == 5 and .trial < 2) | .traj[].tool_calls[]?.function'` tells the tools of both.

    Trial 0 looks up UM3OG5, 5RJ7UH and FQ8APE, thinks, and updates the flights. Trial 1 does not look up 5RJ7UH, does not
    think, and updates the passengers before the flights, the baggage after them. Each asks the model twelve times.
    """
    diff = diff_of(_trials(5)[0][0], _trials(5)[1][0], names=("trial 0", "trial 1"))
    tools = [(change.kind, str(change.old or change.new).partition("(")[0]) for change in diff.changes]
    assert [each for each in tools if each[0] in ("added", "removed") and "inference" not in each[1]] == [
        ("removed", "tool get_reservation_details"),
        ("removed", "tool think"),
        ("added", "tool update_reservation_passengers"),
        ("added", "tool update_reservation_baggages"),
    ]
    assert (diff.figures["llm_calls"].old, diff.figures["llm_calls"].new) == (12, 12)
    _held_to("tau-bench-task-5", diff)


@pytest.mark.skipif(not _TAU.exists(), reason="the corpora are not here")
def test_trials_that_split_by_chance_are_within() -> None:
    traces = [trace for trace, _ in _trials(0)]
    diff = runs_diff(traces[:2], traces[2:], ("trials 0 and 1", "trials 2 and 3"))
    assert diff.measures["llm_calls"].verdict == "within"
    assert diff.measures["cost_usd"].verdict == "too few runs to tell"
