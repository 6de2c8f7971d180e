"""Why a span happened, against runs with known causes: no certain edge is false, and the inferred ones hold what was planted."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import pytest

from otel_agenttrace import load
from otel_agenttrace.analyze.causes import why
from otel_agenttrace.analyze.quoting import Quotes
from otel_agenttrace.dialects.translating import translated
from otel_agenttrace.model import Span, Trace
from tests.support.corpus import CORPORA
from tests.support.made_runs import Made, asks, gave, linked, said

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_EXAMPLE: Final = Path(__file__).parents[2] / "examples" / "trip_advisor" / "tests" / "cassettes"


@dataclass(frozen=True, slots=True)
class Case:
    """A run, all its certain edges, some of its inferred ones, and edges that would be false: cause, kind, what it led to."""

    trace: Trace
    certain: set[tuple[str, str, str]]
    inferred: set[tuple[str, str, str]]
    never: set[tuple[str, str, str]]


def _edges(trace: Trace, certainty: str) -> set[tuple[str, str, str]]:
    found = (edge for span in trace.spans for edge in why(trace, span, depth=1).edges)
    return {(edge.from_.name, edge.kind, edge.to.name) for edge in found if edge.certainty == certainty}


_CASES: dict[str, Callable[[], Case]] = {}


def _case(build: Callable[[], Case]) -> Callable[[], Case]:
    _CASES[build.__name__.strip("_").replace("_", " ")] = build
    return build


@_case
def _a_tool_call_with_ids() -> Case:
    run = Made()
    agent = run.agent("agent")
    run.chat("m1", [said("user", "how is Bern?")], asks(("c1", "weather", {"city": "Bern"})), inside=agent)
    run.tool("t1", "weather", {"city": "Bern"}, {"sky": "rain"}, call_id="c1", inside=agent)
    history = [said("user", "how is Bern?"), asks(("c1", "weather", {"city": "Bern"})), gave("c1", {"sky": "rain"})]
    run.chat("m2", history, said("assistant", "it rains"), inside=agent)
    return Case(
        run.trace,
        {
            ("agent", "parent", "m1"),
            ("agent", "parent", "t1"),
            ("agent", "parent", "m2"),
            ("m1", "asked", "t1"),
            ("t1", "result", "m2"),
            ("m1", "answer", "m2"),
        },
        set(),
        set(),
    )


def _parallel(ids: tuple[str | None, str | None]) -> Made:
    run = Made()
    calls = [(ids[0], "weather", {"city": "Bern"}), (ids[1], "weather", {"city": "Rome"})]
    run.chat("m1", [said("user", "both")], asks(*calls))
    run.tool("t1", "weather", {"city": "Bern"}, "all is sunny and warm", call_id=ids[0])
    run.together()
    run.tool("t2", "weather", {"city": "Rome"}, "all is sunny and warm", call_id=ids[1])
    results = [gave(call_id, "all is sunny and warm") for call_id in ids]
    run.chat("m2", [said("user", "both"), asks(*calls), *results])
    return run


@_case
def _parallel_calls_with_the_same_result() -> Case:
    certain = {
        ("m1", "asked", "t1"),
        ("m1", "asked", "t2"),
        ("t1", "result", "m2"),
        ("t2", "result", "m2"),
        ("m1", "answer", "m2"),
    }
    return Case(_parallel(("c1", "c2")).trace, certain, set(), set())


@_case
def _parallel_calls_with_the_same_result_and_no_ids() -> Case:
    inferred = {("m1", "asked", "t1"), ("m1", "asked", "t2"), ("t1", "result", "m2"), ("t2", "result", "m2")}
    return Case(_parallel((None, None)).trace, set(), inferred, set())


@_case
def _parallel_calls_that_share_an_id() -> Case:
    inferred = {("m1", "asked", "t1"), ("m1", "asked", "t2"), ("t1", "result", "m2"), ("t2", "result", "m2")}
    return Case(_parallel(("c1", "c1")).trace, set(), inferred | {("m1", "answer", "m2")}, set())


@_case
def _the_same_ids_in_two_traces() -> Case:
    one, other = Made("a" * 32), Made("b" * 32, begins=5)
    for run, mark in ((one, "a"), (other, "b")):
        call = ("c1", "weather", {"city": "Bern"})
        run.chat(f"m1{mark}", [said("user", "how is Bern?")], asks(call))
        run.tool(f"t1{mark}", "weather", {"city": "Bern"}, {"sky": "rain"}, call_id="c1")
        run.chat(f"m2{mark}", [said("user", "how is Bern?"), asks(call), gave("c1", {"sky": "rain"})])
    trace = Trace(tuple(sorted((*one.spans, *other.spans), key=lambda span: span.start_ns)))
    certain = (
        {(f"m1{mark}", "asked", f"t1{mark}") for mark in "ab"}
        | {(f"t1{mark}", "result", f"m2{mark}") for mark in "ab"}
        | {(f"m1{mark}", "answer", f"m2{mark}") for mark in "ab"}
    )
    return Case(trace, certain, set(), {("t1a", "result", "m2b"), ("m1a", "asked", "t1b")})


@_case
def _an_id_in_another_trace_only() -> Case:
    one, other = Made("a" * 32), Made("b" * 32, begins=50)
    one.chat("m1", [said("user", "how is Bern?")], asks(("c1", "weather", {})))
    other.tool("t1", "weather", {"city": "Bern"}, "rain", call_id="c1")
    return Case(Trace((*one.spans, *other.spans)), set(), {("m1", "asked", "t1")}, set())


@_case
def _an_id_that_is_used_again_in_a_later_turn() -> Case:
    run = Made()
    first, second = ("call_0", "weather", {"city": "Bern"}), ("call_0", "weather", {"city": "Rome"})
    run.chat("m1", [said("user", "Bern")], asks(first))
    run.tool("t1", "weather", {"city": "Bern"}, "rain over all of it", call_id="call_0")
    run.chat("m2", [said("user", "Bern"), asks(first), gave("call_0", "rain over all of it")], asks(second))
    run.tool("t2", "weather", {"city": "Rome"}, "sun over all of it", call_id="call_0")
    later = [asks(second), gave("call_0", "sun over all of it")]
    run.chat("m3", [said("user", "Bern"), asks(first), gave("call_0", "rain over all of it"), *later])
    inferred = {("m1", "asked", "t1"), ("m2", "asked", "t2"), ("t1", "result", "m2"), ("t2", "result", "m3")}
    return Case(run.trace, set(), inferred | {("m1", "answer", "m2"), ("m2", "answer", "m3")}, {("m1", "asked", "t2")})


@_case
def _a_result_that_looks_alike_and_has_another_id() -> Case:
    run = Made()
    told = asks(("c1", "sky", {"city": "Bern"}), ("c2", "weather", {"city": "Bern"}))
    run.chat("m1", [said("user", "Bern?")], told)
    run.tool("t1", "weather", {"city": "Bern"}, "it is raining there now", call_id="c2")
    run.chat("m2", [said("user", "Bern?"), told, gave("c1", "it is raining there now")])
    certain = {("m1", "asked", "t1"), ("m1", "answer", "m2")}
    return Case(run.trace, certain, set(), {("t1", "result", "m2")})


@_case
def _a_tool_of_another_name_with_the_id() -> Case:
    run = Made()
    told = asks(("c1", "weather", {"city": "Bern"}))
    run.chat("m1", [said("user", "Bern?")], told)
    run.tool("t1", "clock", {"city": "Bern"}, "noon", call_id="c1")
    run.chat("m2", [said("user", "Bern?"), told, gave("c1", "it is raining there now")])
    return Case(run.trace, {("m1", "answer", "m2")}, set(), {("m1", "asked", "t1"), ("t1", "result", "m2")})


@_case
def _a_result_that_stands_in_a_request_before_the_tool_ended() -> Case:
    run = Made()
    told = asks(("c1", "build", {"target": "all"}))
    run.chat("m1", [said("user", "build")], told)
    run.tool("t1", "build", {"target": "all"}, "built everything in the end", call_id="c1", took_ms=90)
    run.together()
    run.chat("m2", [said("user", "build"), told, gave("c1", "it has been started")])
    return Case(run.trace, {("m1", "asked", "t1"), ("m1", "answer", "m2")}, set(), {("t1", "result", "m2")})


@_case
def _a_later_request_that_holds_the_older_results_too() -> Case:
    run = Made()
    first, second = ("c1", "list", {}), ("c2", "read", {"path": "src/main.py"})
    begun = [said("user", "go"), asks(first), gave("c1", "src/main.py")]
    run.chat("m1", [said("user", "go")], asks(first))
    run.tool("t1", "list", {}, "src/main.py", call_id="c1")
    run.chat("m2", begun, asks(second))
    run.tool("t2", "read", {"path": "src/main.py"}, "print('hello')", call_id="c2")
    run.chat("m3", [*begun, asks(second), gave("c2", "print('hello')")])
    certain = {
        ("m1", "asked", "t1"),
        ("t1", "result", "m2"),
        ("m1", "answer", "m2"),
        ("m2", "asked", "t2"),
        ("t2", "result", "m3"),
        ("m2", "answer", "m3"),
    }
    return Case(run.trace, certain, {("t1", "value", "t2")}, set())


@_case
def _a_tool_that_is_tried_again() -> Case:
    run = Made()
    run.chat("m1", [said("user", "test")], asks(("c1", "bash", {"command": "pytest -q tests"})))
    run.tool(
        "t1", "bash", {"command": "pytest -q tests"}, "no module", call_id="c1", status="ERROR", status_message="exit 1"
    )
    run.chat(
        "m2",
        [said("user", "test"), asks(("c1", "bash", {"command": "pytest -q tests"})), gave("c1", "no module")],
        asks(("c2", "bash", {"command": "pytest -q tests/unit"})),
    )
    run.tool("t2", "bash", {"command": "pytest -q tests/unit"}, "2 passed", call_id="c2")
    certain = {("m1", "asked", "t1"), ("t1", "result", "m2"), ("m1", "answer", "m2"), ("m2", "asked", "t2")}
    return Case(run.trace, certain, {("t1", "retry", "t2")}, set())


@_case
def _another_intent_after_a_failure() -> Case:
    run = Made()
    run.tool("t1", "fetch", {"url": "https://a.test/weather"}, {"error": "not found"})
    run.tool("t2", "fetch", {"url": "https://shop.test/orders/77"}, "found")
    run.tool("t3", "fetch", {"url": "https://a.test/weather"}, "found")
    run.tool("t4", "fetch", {"url": "https://a.test/weather"}, "found")
    return Case(
        run.trace, set(), {("t1", "retry", "t3")}, {("t1", "retry", "t2"), ("t3", "retry", "t4"), ("t1", "retry", "t4")}
    )


@_case
def _a_model_that_is_asked_again() -> Case:
    run = Made()
    run.chat("m1", [said("user", "hi")], status="ERROR", status_message="overloaded")
    run.chat("m2", [said("user", "something else")], said("assistant", "well"))
    run.chat("m3", [said("user", "hi")], said("assistant", "hello"))
    return Case(run.trace, set(), {("m1", "retry", "m3")}, {("m1", "retry", "m2")})


@_case
def _two_subagents_that_do_the_same() -> Case:
    run = Made()
    agent = run.agent("agent")
    for mark in "ab":
        task = run.tool(f"task {mark}", "task", {"for": mark}, inside=agent)
        sub = run.agent(f"sub {mark}", inside=task)
        run.chat(f"m {mark}", [said("user", "look")], asks((None, "search", {"q": "the same words"})), inside=sub)
    subs = {span.name: span for span in run.spans}
    for mark in "ab":
        run.tool(f"t {mark}", "search", {"q": "the same words"}, "nothing", inside=subs[f"sub {mark}"])
    certain = {
        edge
        for mark in "ab"
        for edge in (
            ("agent", "parent", f"task {mark}"),
            (f"task {mark}", "subagent", f"sub {mark}"),
            (f"sub {mark}", "parent", f"m {mark}"),
            (f"sub {mark}", "parent", f"t {mark}"),
        )
    }
    inferred = {("m a", "asked", "t a"), ("m b", "asked", "t b")}
    return Case(run.trace, certain, inferred, {("m a", "asked", "t b"), ("m b", "asked", "t a")})


@_case
def _a_result_that_was_cut_off_on_its_way() -> Case:
    run = Made()
    long = " ".join(f"line {number} of the report says nothing new" for number in range(60))
    run.tool("t1", "read", {"name": "report"}, long)
    run.tool("t2", "read", {"name": "other"}, "line 0 of the other report is short")
    run.chat("m1", [said("user", "read"), asks((None, "read", {"name": "report"})), gave(None, long[:90])])
    return Case(run.trace, set(), {("t1", "result", "m1")}, {("t2", "result", "m1")})


@_case
def _messages_that_were_cut_off() -> Case:
    run = Made()
    told = json.dumps([asks(("c1", "weather", {"city": "Bern"}))])[:40]
    run.chat("m1", told={"gen_ai.output.messages": told, "gen_ai.response.finish_reasons": ("tool_calls",)})
    run.tool("t1", "weather", {"city": "Bern"}, "rain", call_id="c1")
    run.chat("m2", told={"gen_ai.input.messages": told})
    return Case(run.trace, set(), {("m1", "order", "t1"), ("t1", "order", "m2")}, {("m1", "asked", "t1")})


@_case
def _no_content_at_all() -> Case:
    run = Made()
    agent = run.agent("agent")
    run.chat("m1", inside=agent, told={"gen_ai.response.finish_reasons": ("tool_calls",)})
    run.tool("t1", "weather", inside=agent)
    run.chat("m2", inside=agent, told={"gen_ai.response.finish_reasons": ("stop",)})
    certain = {("agent", "parent", "m1"), ("agent", "parent", "t1"), ("agent", "parent", "m2")}
    return Case(run.trace, certain, {("m1", "order", "t1"), ("t1", "order", "m2")}, set())


@_case
def _openinference_spans() -> Case:
    run = Made()
    call = {"name": "weather", "arguments": '{"city": "Bern"}'}
    asked = {f"tool_call.function.{key}": value for key, value in call.items()} | {"tool_call.id": "c1"}
    output = "llm.output_messages.0.message"
    given = "llm.input_messages"
    _foreign(
        run,
        "m1",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o",
            f"{given}.0.message.role": "user",
            f"{given}.0.message.content": "Bern?",
            f"{output}.role": "assistant",
            **{f"{output}.tool_calls.0.{key}": value for key, value in asked.items()},
        },
    )
    _foreign(
        run,
        "t1",
        {
            "openinference.span.kind": "TOOL",
            "tool.name": "weather",
            "input.value": '{"city": "Bern"}',
            "output.value": "rain",
            "tool_call.id": "c1",
        },
    )
    _foreign(
        run,
        "m2",
        {
            "openinference.span.kind": "LLM",
            "llm.model_name": "gpt-4o",
            f"{given}.0.message.role": "assistant",
            **{f"{given}.0.message.tool_calls.0.{key}": value for key, value in asked.items()},
            f"{given}.1.message.role": "tool",
            f"{given}.1.message.content": "rain",
            f"{given}.1.message.tool_call_id": "c1",
        },
    )
    certain = {("m1", "asked", "t1"), ("t1", "result", "m2"), ("m1", "answer", "m2")}
    return Case(Trace(translated(run.spans)), certain, set(), set())


@_case
def _spans_of_the_vercel_sdk() -> Case:
    run = Made()
    call = {"toolCallId": "c1", "toolName": "weather", "input": {"city": "Bern"}}
    _foreign(
        run,
        "m1",
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.id": "gpt-4o",
            "ai.prompt.messages": json.dumps([{"role": "user", "content": [{"type": "text", "text": "Bern?"}]}]),
            "ai.response.toolCalls": json.dumps([call]),
        },
    )
    _foreign(
        run,
        "t1",
        {
            "ai.operationId": "ai.toolCall",
            "ai.toolCall.name": "weather",
            "ai.toolCall.id": "c1",
            "ai.toolCall.args": '{"city": "Bern"}',
            "ai.toolCall.result": '"rain"',
        },
    )
    return Case(Trace(translated(run.spans)), {("m1", "asked", "t1")}, set(), set())


def _foreign(run: Made, name: str, attributes: dict[str, str]) -> None:
    span = run.tool(name, "")
    run.spans[-1] = replace(span, attributes=attributes)


@_case
def _parents_in_a_circle_and_ids_that_two_spans_have() -> Case:
    run = Made()
    run.chat("a", parent_span_id=f"{2:016x}")
    run.chat("b", parent_span_id=f"{1:016x}")
    run.chat("c", parent_span_id=f"{3:016x}")
    run.agent("d", span_id="d" * 16)
    run.agent("e", span_id="d" * 16)
    run.chat("f", parent_span_id="d" * 16)
    run.chat("g", parent_span_id="9" * 16)
    return Case(run.trace, set(), set(), set())


@_case
def _a_counted_id_where_another_call_does_not_tell_what_it_asked_for() -> Case:
    run = Made()
    one, other = run.agent("one"), run.agent("other")
    call = ("call_0", "weather", {"city": "Bern"})
    run.chat("m1", [said("user", "Bern?")], asks(call), inside=one)
    run.chat("m2", inside=other, told={"gen_ai.response.finish_reasons": ("tool_calls",)})
    run.tool("t2", "weather", {"city": "Bern"}, "sun over all of it", call_id="call_0", inside=other)
    run.chat("m3", [said("user", "Bern?"), asks(call), gave("call_0", "sun over all of it")], inside=other)
    parents = {
        (agent, "parent", each) for agent, of in (("one", ("m1",)), ("other", ("m2", "t2", "m3"))) for each in of
    }
    return Case(run.trace, parents, {("m1", "asked", "t2")}, set())


@_case
def _an_id_that_is_drawn_by_lot_where_another_call_does_not_tell_what_it_asked_for() -> Case:
    run = Made()
    call_id = "call_" + "x7Qa" * 6
    call = (call_id, "weather", {"city": "Bern"})
    run.chat("m1", told={"gen_ai.response.finish_reasons": ("tool_calls",)})
    run.chat("m2", [said("user", "Bern?")], asks(call))
    run.tool("t2", "weather", {"city": "Bern", "unit": "C"}, "sun over all of it", call_id=call_id)
    run.chat("m3", [said("user", "Bern?"), asks(call), gave(call_id, "Result: sun over all of it")])
    certain = {("m2", "asked", "t2"), ("t2", "result", "m3"), ("m2", "answer", "m3")}
    return Case(run.trace, certain, set(), {("m1", "asked", "t2")})


@_case
def _a_tool_that_ran_with_other_arguments_than_were_asked_for() -> Case:
    run = Made()
    run.chat("m1", [said("user", "Bern?")], asks(("call_0", "weather", {"city": "Bern"})))
    run.tool("t1", "weather", {"city": "Rome"}, "sun", call_id="call_0")
    return Case(run.trace, set(), {("m1", "asked", "t1")}, set())


@_case
def _a_conversation_that_began_elsewhere_and_counts_its_calls_the_same() -> Case:
    run = Made()
    call = ("call_0", "clock", {})
    run.chat("m1", [said("user", "time?")], asks(call))
    run.tool("t1", "clock", {}, "it is twelve noon", call_id="call_0")
    run.chat("m2", [said("user", "else"), asks(call), gave("call_0", "midnight has just passed")])
    return Case(run.trace, {("m1", "asked", "t1")}, set(), {("t1", "result", "m2")})


@_case
def _a_request_that_goes_on_from_a_later_response() -> Case:
    run = Made()
    run.chat("m2", [said("user", "and?")], told={"gen_ai.request.previous_response.id": "resp_1"})
    run.chat("m1", [said("user", "hi")], said("assistant", "hello"), told={"gen_ai.response.id": "resp_1"})
    return Case(run.trace, set(), set(), {("m1", "answer", "m2")})


@_case
def _links() -> Case:
    run = Made()
    first = run.chat("m1")
    run.tool("t1", "weather", links=(linked(first), linked(replace(first, span_id="9" * 16))))
    later = run.chat("m2")
    run.spans[0] = replace(first, links=(linked(later),))
    return Case(run.trace, {("m1", "link", "t1")}, set(), {("m2", "link", "m1")})


@_case
def _a_response_that_is_gone_on_from() -> Case:
    run = Made()
    run.chat("m1", [said("user", "hi")], said("assistant", "hello"), told={"gen_ai.response.id": "resp_1"})
    run.chat("m2", [said("user", "and now?")], told={"gen_ai.request.previous_response.id": "resp_1"})
    run.chat("m3", [said("user", "else?")], told={"gen_ai.request.previous_response.id": "resp_9"})
    return Case(run.trace, {("m1", "answer", "m2")}, set(), {("m1", "answer", "m3")})


@_case
def _a_call_that_two_instrumentations_tell() -> Case:
    run = Made()
    told = asks(("c1", "weather", {"city": "Bern"}))
    outer = run.chat("m1", [said("user", "Bern?")], told, told={"gen_ai.response.id": "r1"})
    run.together()
    run.chat("m1 again", [said("user", "Bern?")], told, inside=outer, told={"gen_ai.response.id": "r1"})
    run.tool("t1", "weather", {"city": "Bern"}, "rain", call_id="c1")
    return Case(run.trace, {("m1", "parent", "m1 again"), ("m1 again", "asked", "t1")}, set(), {("m1", "asked", "t1")})


@_case
def _a_value_that_the_model_had_not_seen() -> Case:
    run = Made()
    told = asks(("c1", "orders", {"user": "u-4711"}), ("c2", "refunds", {"order": "order-9912"}))
    run.chat("m1", [said("user", "for order-9912")], told)
    run.tool("t1", "orders", {"user": "u-4711"}, ["order-9912"], call_id="c1")
    run.tool("t2", "refunds", {"order": "order-9912"}, [], call_id="c2")
    return Case(run.trace, {("m1", "asked", "t1"), ("m1", "asked", "t2")}, set(), {("t1", "value", "t2")})


@_case
def _a_file_that_was_written_before() -> Case:
    run = Made()
    run.tool("t1", "Write", {"file_path": "/repo/a.py", "content": "x = 1"}, "ok")
    run.tool("t2", "Read", {"file_path": "/repo/b.py"}, "y = 2")
    run.tool("t3", "Read", {"file_path": "/repo/a.py"}, "x = 1")
    return Case(run.trace, set(), {("t1", "file", "t3")}, {("t2", "file", "t3"), ("t1", "file", "t2")})


@_case
def _answers_that_come_together() -> Case:
    run = Made()
    run.chat("m1", [said("user", "Rust?")], said("assistant", "Rust has ownership, traits and no collector."))
    run.chat("m2", [said("user", "Go?")], said("assistant", "Go has goroutines, interfaces and a collector."))
    both = "Compare: Rust has ownership, traits and no collector. - Go has goroutines, interfaces and a collector."
    run.chat("m3", [said("user", both)])
    return Case(run.trace, set(), {("m1", "text", "m3"), ("m2", "text", "m3")}, set())


@_case
def _a_second_run_of_a_call_in_the_framework() -> Case:
    run = Made()
    run.chat("m1", [said("user", "book")], asks(("c1", "book", {"room": 7})))
    run.tool("t1", "book", {"room": 7}, call_id="c1", status="ERROR", status_message="busy")
    run.tool("t2", "book", {"room": 7}, "booked", call_id="c1")
    return Case(run.trace, set(), {("m1", "asked", "t1"), ("m1", "asked", "t2"), ("t1", "retry", "t2")}, set())


@_case
def _an_id_that_is_used_again_by_a_tool_without_a_span() -> Case:
    run = Made()
    call = ("call_0", "weather", {"city": "Bern"})
    run.chat("m1", [said("user", "Bern")], asks(call))
    run.tool("t1", "weather", {"city": "Bern"}, "rain over all of it", call_id="call_0")
    run.chat("m2", [said("user", "again")], asks(call))
    run.chat("m3", [said("user", "again"), asks(call), gave("call_0", "sun over all of it")])
    return Case(run.trace, set(), {("m1", "asked", "t1")}, {("t1", "result", "m3")})


@_case
def _an_id_that_stands_twice_in_a_request() -> Case:
    run = Made()
    run.chat("m1", [said("user", "Bern")], asks(("call_0", "weather", {"city": "Bern"})))
    run.tool("t1", "weather", {"city": "Bern"}, "rain over all of it", call_id="call_0")
    later = [asks(("call_0", "weather", {"city": "Rome"})), gave("call_0", "sun over all of it")]
    first = [asks(("call_0", "weather", {"city": "Bern"})), gave("call_0", "something else entirely now")]
    run.chat("m2", [said("user", "Bern"), *first, *later])
    return Case(run.trace, {("m1", "asked", "t1")}, set(), {("t1", "result", "m2")})


@_case
def _an_id_that_two_calls_in_a_request_have() -> Case:
    run = Made()
    run.chat("m1", [said("user", "Bern")], asks(("call_0", "weather", {"city": "Bern"})))
    other = ("call_0", "weather", {"city": "Bern"})
    run.chat("m2", [said("user", "Bern"), asks(other), asks(other)])
    return Case(run.trace, set(), {("m1", "answer", "m2")}, set())


@_case
def _a_link_to_an_id_that_two_spans_have() -> Case:
    run = Made()
    one = run.chat("m1", span_id="d" * 16)
    run.chat("m2", span_id="d" * 16)
    run.tool("t1", "weather", links=(linked(one),))
    return Case(run.trace, set(), set(), {("m1", "link", "t1"), ("m2", "link", "t1")})


@pytest.mark.parametrize("name", _CASES)
def test_the_certain_edges_are_these_and_the_planted_ones_are_inferred(name: str) -> None:
    case = _CASES[name]()
    assert _edges(case.trace, "certain") == case.certain
    assert case.inferred <= _edges(case.trace, "inferred")
    assert not case.never & (case.certain | _edges(case.trace, "inferred"))


def test_there_are_twenty_runs_with_known_causes_and_more() -> None:
    assert len(_CASES) >= 20


@pytest.mark.parametrize("name", _CASES)
def test_nothing_is_its_own_cause_and_no_edge_is_told_twice(name: str) -> None:
    trace = _CASES[name]().trace
    for span in trace.spans:
        edges = [(id(edge.from_), edge.kind, id(edge.to)) for edge in why(trace, span).edges]
        assert len(set(edges)) == len(edges)
        assert all(cause != led_to for cause, _, led_to in edges)


@pytest.mark.parametrize("name", _CASES)
def test_without_ids_of_calls_and_responses_only_spans_are_certain(name: str) -> None:
    trace = _CASES[name]().trace
    bare = replace(trace, spans=tuple(_without_ids(span) for span in trace.spans))
    assert {kind for _, kind, _ in _edges(bare, "certain")} <= {"parent", "subagent", "link"}


def _without_ids(span: Span) -> Span:
    kept = {name: value for name, value in span.attributes.items() if not name.endswith(".id")}
    for name in ("gen_ai.input.messages", "gen_ai.output.messages"):
        if name in kept and str(kept[name]).endswith("]"):
            messages = json.loads(str(kept[name]))
            for part in (part for message in messages for part in message["parts"]):
                part.pop("id", None)
            kept[name] = json.dumps(messages)
    return replace(span, attributes=kept)


def test_the_depth_ends_the_walk_and_says_so() -> None:
    trace = _CASES["a later request that holds the older results too"]().trace
    last = trace.spans[-1]
    assert {edge.to.name for edge in why(trace, last, depth=1).edges} == {"m3"}
    assert why(trace, last, depth=1).is_cut
    assert not why(trace, last).is_cut
    assert [(each.span.name, each.text) for each in why(trace, last).prompts] == [("m1", "go")]


# --- questions whose truth stands in a file ---------------------------------------------------------------------------


def test_the_example_asks_for_opening_hours_of_what_the_sights_named() -> None:
    """In the file, `sights` gave ["the old town of Lisbon","Gulbenkian Museum"]; `opening_hours` got the second of them."""
    trace = load(_EXAMPLE / "test_agent/test_plans_a_day.otlp.jsonl")
    span = next(span for span in trace.tool_calls if span.name.endswith("opening_hours"))
    edges = why(trace, span, depth=1).edges
    value = next(edge for edge in edges if edge.kind == "value")
    assert value.from_.name == "execute_tool sights"
    assert (value.evidence.text, value.evidence.where) == (
        "Gulbenkian Museum",
        "/1 of the result, and /sight of the arguments",
    )


def test_the_second_call_of_the_golden_cassette_goes_on_from_the_first() -> None:
    """In the file, the first response asks for `call_0000020`, and that id stands in the second request."""
    trace = load(_GOLDEN)
    first, second = trace.inferences
    certain = [edge for edge in why(trace, second, depth=1).edges if edge.certainty == "certain"]
    assert [(edge.kind, edge.from_.span_id) for edge in certain] == [
        ("answer", first.span_id),
        ("parent", trace.spans[0].span_id),
    ]
    assert certain[0].evidence.text == "call_0000020"


_ANY_AGENT = CORPORA / "otel-traces-any-agent" / "docs" / "traces"
_FAN_IN = CORPORA / "otel-traces-inference-perf/examples/otel/test_traces/advanced/fan_in_dependencies.json"


@pytest.mark.skipif(not _ANY_AGENT.is_dir(), reason="needs the corpus otel-traces-any-agent")
@pytest.mark.parametrize("framework", ["GOOGLE", "LLAMA_INDEX", "TINYAGENT"])
def test_three_frameworks_write_the_year_that_the_clock_gave(framework: str) -> None:
    """In each file `write_file` got {"text": "2025"}, and `get_current_time` gave a `datetime` that begins with 2025."""
    trace = load(_ANY_AGENT / f"{framework}_trace.json")
    span = next(span for span in trace.tool_calls if span.name.endswith("write_file"))
    value = next(edge for edge in why(trace, span, depth=1).edges if edge.kind == "value")
    assert (value.from_.name, value.evidence.text) == ("execute_tool get_current_time", "2025")
    assert value.evidence.where == "/datetime of the result, and /text of the arguments"


@pytest.mark.skipif(not _FAN_IN.is_file(), reason="needs the corpus otel-traces-inference-perf")
def test_a_comparison_holds_the_three_answers_it_compares() -> None:
    """In the file, `span_004` holds the answers of `span_001`, `span_002` and `span_003` as messages of the assistant."""
    trace = load(_FAN_IN)
    *asked, last = trace.inferences
    edges = why(trace, last, depth=1).edges
    assert {edge.from_.span_id for edge in edges} == {span.span_id for span in asked}
    assert {edge.certainty for edge in edges} == {"inferred"}


def test_of_many_texts_that_begin_alike_the_latest_before_a_moment_are_looked_at() -> None:
    """A run of 10,000 spans reads one file thousands of times: what is compared for each may not grow with the run."""
    quotes: Quotes[int] = Quotes()
    for number in range(5_000):
        quotes.add(number, number, f"contents of one file, {number}" if number % 2 else "contents of one file, all")
    same = [quote.source for quote in quotes.whole("contents of one file, all", 4_000)]
    assert (len(same), same[-1]) == (100, 4_000)
    alike = [quote.source for quote in quotes.cut_off("contents of one file, the third", 4_000)]
    assert (len(alike), alike[-1]) == (100, 4_000)
    within = [quote.source for quote in quotes.within("he said: contents of one file, 17", 4_000)]
    assert within == []
    assert [quote.source for quote in quotes.whole("contents of one file, 17", 4_000)] == [17]
