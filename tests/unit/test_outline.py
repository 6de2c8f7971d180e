"""Facts about the readable text of a run: what stands in it, what does not, and that it stays the same."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from otel_agenttrace import semconv
from otel_agenttrace.model import AttributeValue, Event, Span, Trace
from otel_agenttrace.report.arranging import arranged
from otel_agenttrace.report.conversation import conversation
from otel_agenttrace.report.node import Node, block, forest_of, text_of
from otel_agenttrace.report.outline import outline
from otel_agenttrace.report.tree_diff import tree_diff
from otel_agenttrace.report.wording import ArgumentsShown
from tests.support.foreign_spans import genai_attributes, said

ASKED: Final = [said("system", "Be brief."), said("user", "What do I pack?")]
CALL: Final = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Bern"}}


def span(number: int, parent: int | None, name: str, attributes: Mapping[str, AttributeValue], **more: Any) -> Span:
    start = number * 100
    parent_id = None if parent is None else f"{parent:016x}"
    made = Span("a" * 32, f"{number:016x}", name, start, start + 50, parent_id, attributes=attributes)
    return replace(made, **more)


def chat(number: int, parent: int | None, *answered: str | Mapping[str, Any], **more: Any) -> Span:
    attributes = genai_attributes(ASKED, [said("assistant", *answered)], gen_ai__response__id=f"chatcmpl-{number}")
    return span(number, parent, "chat gpt-4o", attributes, **more)


def agent(number: int, parent: int | None = None, name: str = "advisor", **more: Any) -> Span:
    told = {semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_INVOKE_AGENT, semconv.GEN_AI_AGENT_NAME: name}
    return span(number, parent, f"invoke_agent {name}", told, **more)


def tool(number: int, parent: int | None, arguments: object, name: str = "weather", **more: Any) -> Span:
    told = {
        semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_EXECUTE_TOOL,
        semconv.GEN_AI_TOOL_NAME: name,
        semconv.GEN_AI_TOOL_CALL_ARGUMENTS: json.dumps(arguments),
        semconv.GEN_AI_TOOL_CALL_ID: f"call_{number}",
    }
    return span(number, parent, f"execute_tool {name}", told, **more)


def retrieval(number: int, parent: int | None) -> Span:
    told = {
        semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_RETRIEVAL,
        semconv.GEN_AI_DATA_SOURCE_ID: "docs",
        semconv.GEN_AI_RETRIEVAL_TOP_K: 3,
        semconv.GEN_AI_RETRIEVAL_QUERY_TEXT: "warm clothes",
        semconv.GEN_AI_RETRIEVAL_DOCUMENTS: json.dumps([{"id": "d1"}, {"id": "d2"}]),
    }
    return span(number, parent, "retrieval docs", told)


def spans() -> list[Span]:
    chosen = Event(semconv.EVENT_AGENTTRACE_DECISION, 5, {semconv.AGENTTRACE_DECISION_CHOICE: "ask first"})
    return [
        agent(1, end_ns=5_000, events=(chosen,)),
        retrieval(2, 1),
        chat(3, 1, "Let me look.", CALL),
        tool(4, 1, {"city": "Bern", "days": [1, 2.5], "where": {"x y": None}}, end_ns=1_000),
        span(5, 4, "fetch", {}, status="ERROR", status_message="no 4711"),
        chat(11, 1, "Pack a coat.\nAnd boots."),
    ]


def text(found: Sequence[Span], arguments: ArgumentsShown = "shape") -> str:
    return text_of(outline(Trace(tuple(found)), arguments=arguments))


def with_attribute(spans: Sequence[Span], number: int, name: str, value: AttributeValue) -> list[Span]:
    return [
        replace(each, attributes={**each.attributes, name: value}) if each.span_id == f"{number:016x}" else each
        for each in spans
    ]


# --- what stands in it --------------------------------------------------------------------------------------------------


def test_the_text_is_a_tree_of_what_the_run_did() -> None:
    assert text(spans()) == (
        "agent advisor\n"
        "  decided ask first\n"
        "  retrieval docs (top_k=3)\n"
        "    found 2 documents\n"
        "  chat gpt-4o\n"
        "    asks weather(city: string)\n"
        "    answer\n"
        "      | Let me look.\n"
        "    finish stop\n"
        '  tool weather(city: string, days: [number], where: {"x y": null})\n'
        "    step fetch\n"
        "      error ?\n"
        "  chat gpt-4o\n"
        "    answer\n"
        "      | Pack a coat.\n"
        "      | And boots.\n"
        "    finish stop\n"
    )


def test_values_stand_in_it_where_they_are_asked_for() -> None:
    told = text(spans(), "values")
    assert '  tool weather({"city":"Bern","days":[1,2.5],"where":{"x y":null}})\n' in told
    assert "    query\n      | warm clothes\n" in told


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        ({}, "weather()"),
        ("in words", "weather(string)"),
        ([1, "a", {"b": True}], "weather([number | string | {b: boolean}])"),
        ({"list": [], "a": None}, "weather(a: null, list: [])"),
        ({"a\nb": 1}, 'weather("a\\nb": number)'),
    ],
)
def test_the_shape_of_arguments_is_their_keys_and_types(arguments: object, shown: str) -> None:
    assert text([tool(1, None, arguments)]) == f"tool {shown}\n"


def test_a_tool_without_recorded_arguments_says_so() -> None:
    bare = tool(1, None, {})
    told = {name: value for name, value in bare.attributes.items() if not name.endswith("arguments")}
    assert text([replace(bare, attributes=told)]) == "tool weather(?)\n"


def test_a_call_that_two_instrumentations_tell_stands_in_it_once_and_keeps_what_is_below() -> None:
    outer = chat(1, None, "Hi.", end_ns=900)
    inner = replace(chat(2, 1, "Hi."), attributes=outer.attributes)
    assert text([outer, inner, tool(3, 2, {})]) == (
        "chat gpt-4o\n  answer\n    | Hi.\n  finish stop\n  tool weather()\n"
    )


# --- what does not change it --------------------------------------------------------------------------------------------

NAMES: Final = st.sampled_from(["weather", "search", "a b"])


@st.composite
def forests(draw: st.DrawFn) -> list[Span]:
    """Spans of a run: below each span some that follow each other, or overlap."""
    made: list[Span] = []
    clock = 0

    def grow(parent: int | None, depth: int) -> int:
        nonlocal clock
        number = len(made) + 1
        clock += draw(st.integers(1, 3))
        start = clock
        made.append(_drawn(draw, number, parent))
        for _ in range(draw(st.integers(0, 3)) if depth < 3 else 0):
            clock = grow(number, depth + 1) - draw(st.integers(0, 2))
        clock = max(clock, start) + 1
        made[number - 1] = replace(made[number - 1], start_ns=start, end_ns=clock)
        return clock

    for _ in range(draw(st.integers(1, 3))):
        grow(None, 0)
    return made


def _drawn(draw: st.DrawFn, number: int, parent: int | None) -> Span:
    kind = draw(st.sampled_from(["agent", "chat", "tool", "step"]))
    if kind == "agent":
        return agent(number, parent, draw(NAMES))
    if kind == "chat":
        return chat(number, parent, draw(st.sampled_from(["yes", "no\nmore", "maybe "])))
    if kind == "tool":
        return tool(number, parent, draw(st.sampled_from([{"a": 1}, {"b": "x"}, {}])), draw(NAMES))
    return span(number, parent, draw(NAMES), {})


@given(forests(), st.randoms(), st.integers(1, 1_000), st.integers(0, 10**18))
def test_order_ids_times_tokens_and_costs_do_not_change_the_text(
    run: list[Span], random: Any, slower: int, later: int
) -> None:
    places = random.sample(range(10_000), len(run))
    ids = {each.span_id: f"{place:016x}" for each, place in zip(run, places, strict=True)}

    def again(each: Span) -> Span:
        return replace(
            each,
            trace_id="b" * 32,
            span_id=ids[each.span_id],
            parent_span_id=ids.get(each.parent_span_id or ""),
            start_ns=each.start_ns * slower + later,
            end_ns=(each.end_ns or 0) * slower + later,
            attributes={name: _other(name, value, random) for name, value in reversed(list(each.attributes.items()))},
        )

    other = list(map(again, run))
    assert text_of(conversation(Trace(tuple(other)))) == text_of(conversation(Trace(tuple(run))))
    random.shuffle(other)
    assert text(other) == text(run)


def _other(name: str, value: AttributeValue, random: Any) -> AttributeValue:
    if name.endswith((".response.id", ".call.id")):
        return f"{value}-{random.getrandbits(32)}"
    return random.getrandbits(16) if "usage" in name else value


@given(forests())
def test_the_text_can_be_read_back(run: list[Span]) -> None:
    nodes = outline(Trace(tuple(run)))
    assert forest_of(text_of(nodes).splitlines()) == nodes


def test_what_changes_from_run_to_run_in_texts_has_a_stand_in() -> None:
    def told(moment: str, uuid: str) -> str:
        arguments = {"at": moment, "session": uuid}
        return text([chat(1, None, f"At {moment}: {uuid}."), tool(2, None, arguments)], "values")

    first = told("2026-10-01T10:00:00Z", "0b7a3f0e-1b2c-4d5e-8f90-a1b2c3d4e5f6")
    assert first == told("2027-01-31T23:59:59Z", "11111111-2222-4333-8444-555555555555")
    assert "| At <time>: <uuid 1>." in first


def test_siblings_that_overlap_stand_in_the_order_of_their_text() -> None:
    def run(first: str, second: str) -> list[Span]:
        return [agent(1, end_ns=900), tool(2, 1, {}, first, end_ns=500), tool(3, 1, {}, second, end_ns=500)]

    assert (
        text(run("weather", "search"))
        == text(run("search", "weather"))
        == ("agent advisor\n  in parallel\n    tool search()\n    tool weather()\n")
    )


def test_the_order_of_siblings_that_follow_each_other_counts() -> None:
    def run(first: str, second: str) -> list[Span]:
        return [agent(1, end_ns=900), tool(2, 1, {}, first), tool(3, 1, {}, second)]

    assert text(run("weather", "search")) != text(run("search", "weather"))


def test_a_run_without_a_root_or_in_a_circle_or_very_deep_has_a_text() -> None:
    assert text([tool(2, 1, {})]) == "tool weather()\n"
    assert text([agent(1, 2), tool(2, 1, {})]) == "agent advisor\n  tool weather()\n"
    deep = [span(number, number - 1 or None, f"s{number}", {}) for number in range(1, 3_000)]
    assert len(text(deep).splitlines()) >= 2_999
    assert len(text_of(conversation(Trace((*deep, chat(3_000, 2_999, "Hi."))))).splitlines()) == 6


# --- what does change it ------------------------------------------------------------------------------------------------

CHANGES: Final[Mapping[str, Callable[[list[Span]], list[Span]]]] = {
    "an answer": lambda run: with_attribute(
        run, 11, semconv.GEN_AI_OUTPUT_MESSAGES, json.dumps([said("assistant", "Pack a coat.\nAnd shoes.")])
    ),
    "a tool that is asked for": lambda run: with_attribute(
        run, 3, semconv.GEN_AI_OUTPUT_MESSAGES, json.dumps([said("assistant", "Let me look.", {**CALL, "name": "x"})])
    ),
    "a tool": lambda run: with_attribute(run, 4, semconv.GEN_AI_TOOL_NAME, "search"),
    "an argument's key": lambda run: with_attribute(run, 4, semconv.GEN_AI_TOOL_CALL_ARGUMENTS, '{"town":"Bern"}'),
    "the model": lambda run: with_attribute(run, 3, semconv.GEN_AI_REQUEST_MODEL, "gpt-5"),
    "a parameter": lambda run: with_attribute(run, 3, semconv.GEN_AI_REQUEST_TEMPERATURE, 0.5),
    "a finish reason": lambda run: with_attribute(run, 11, semconv.GEN_AI_RESPONSE_FINISH_REASONS, ("length",)),
    "the type of an error": lambda run: with_attribute(run, 5, semconv.ERROR_TYPE, "ValueError"),
    "the documents found": lambda run: with_attribute(run, 2, semconv.GEN_AI_RETRIEVAL_DOCUMENTS, "[]"),
    "an error": lambda run: [replace(each, status="UNSET") for each in run],
    "a decision": lambda run: [replace(each, events=()) for each in run],
    "the parent of a span": lambda run: [replace(each, parent_span_id=run[0].span_id) for each in run[1:]] + run[:1],
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_behaviour_changes_the_text(change: str) -> None:
    assert text(CHANGES[change](spans())) != text(spans())


@given(forests(), st.data())
def test_a_missing_span_changes_the_text(run: list[Span], data: st.DataObject) -> None:
    assume(len(Trace(tuple(run)).inferences) == sum(span.is_inference for span in run))  # else some tell a call again
    missing = data.draw(st.sampled_from(run))
    assert text([each for each in run if each is not missing]) != text(run)


# --- foreign text -------------------------------------------------------------------------------------------------------


@given(st.text() | st.sampled_from(["\x1b[2J", "a\n  finish stop", "a\r\nb", " ", "| x", "\u202eabc", "\ud800"]))
def test_foreign_text_stays_on_its_line_and_behind_its_bar(foreign: str) -> None:
    run = [
        agent(1, None, foreign),
        tool(2, None, {foreign: 1}, foreign),
        chat(3, None, foreign or "-"),
        span(4, None, foreign, {}),
    ]
    told = text(run)
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\ud800-\udfff]", told)
    assert told == text_of(forest_of(told.splitlines()))
    keywords = {line.strip(" ").partition(" ")[0] for line in told.splitlines()}
    assert keywords <= {"agent", "tool", "chat", "step", "answer", "|", "finish", "in"}
    assert not any(line.endswith(" ") for line in told.splitlines())


# --- arranging ----------------------------------------------------------------------------------------------------------


def forest(*lines: str) -> tuple[Node, ...]:
    return forest_of(lines)


PARALLEL: Final = forest("in parallel", "  a", "    x", "  a", "    y", "  b", "c")


@pytest.mark.parametrize(
    "lines",
    [
        ("b", "a", "  y", "a", "  x", "c"),
        ("in parallel", "  a", "    y", "  b", "a", "  x", "c"),
        ("a", "  x", "in parallel", "  a", "    y", "  b", "  c"),
    ],
)
def test_what_ran_in_parallel_in_one_of_two_runs_may_stand_in_any_order(lines: tuple[str, ...]) -> None:
    assert arranged(forest(*lines), PARALLEL) == PARALLEL
    assert arranged(PARALLEL, forest(*lines)) == forest(*lines)


def test_what_follows_each_other_in_both_runs_keeps_its_order() -> None:
    assert arranged(forest("a", "b"), forest("b", "a")) == forest("a", "b")
    assert arranged(forest("c", "b", "a", "  x", "a", "  y"), PARALLEL) != PARALLEL


@given(forests(), forests())
def test_arranging_loses_and_invents_nothing(left: list[Span], right: list[Span]) -> None:
    one, other = outline(Trace(tuple(left))), outline(Trace(tuple(right)))
    assert _lines(arranged(one, other)) == _lines(one)
    assert arranged(one, one) == one


def _lines(nodes: tuple[Node, ...]) -> list[str]:
    return sorted(line.strip() for line in text_of(nodes).splitlines() if line.strip() != "in parallel")


# --- differences --------------------------------------------------------------------------------------------------------


def test_a_difference_stands_below_the_lines_it_is_in() -> None:
    was = forest(
        "agent a", "  tool x()", "  tool y()", "  chat m", "    answer", "      | one", "    finish stop", "call"
    )
    now = forest(
        "agent a", "  tool x()", "  tool y()", "  chat m", "    answer", "      | two", "    finish stop", "call"
    )
    assert tree_diff(was, now).splitlines() == [
        "  agent a",
        "    …",
        "    tool y()",
        "    chat m",
        "      answer",
        "-       | one",
        "+       | two",
        "      finish stop",
        "  call",
    ]
    assert tree_diff(was, was) == "  …"


def test_a_renamed_span_keeps_what_is_the_same_below() -> None:
    was, now = (
        forest("chat gpt-4o", "  answer", "    | hi", "call"),
        forest("chat gpt-5", "  answer", "    | hi", "call"),
    )
    assert tree_diff(was, now).splitlines() == ["- chat gpt-4o", "+ chat gpt-5", "    …", "  call"]


def test_a_span_among_equal_ones_is_found_by_what_is_below_it() -> None:
    was = forest("chat m", "  | one", "chat m", "  | two")
    assert tree_diff(was, was[1:]).splitlines() == ["- chat m", "-   | one", "  chat m …"]


def test_differences_have_colours_where_they_are_asked_for_and_an_end() -> None:
    assert tree_diff(block("a"), block("b"), colour=True) == "\x1b[31m- | a\x1b[0m\n\x1b[32m+ | b\x1b[0m"
    many = block("\n".join(map(str, range(1_000))))
    assert tree_diff(many, ()).splitlines()[-1] == "… 800 more lines"
