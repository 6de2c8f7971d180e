"""Fingerprints: the same for what did the same, whenever and however it ran; another one for each thing that is done otherwise."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.analyze.fingerprints import fingerprint
from otel_agenttrace.demo.agent import advise
from otel_agenttrace.demo.provider import DemoProvider
from otel_agenttrace.model import Span, Trace

_QUESTION: Final = "What do I pack for Lisbon tomorrow?"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _demo(question: str = _QUESTION, **session: Any) -> Trace:
    """Run the demo's agent against its provider, in a session of its own."""
    import httpx2

    with DemoProvider() as provider, httpx2.Client(base_url=provider.url) as client, at.session(quiet=True, **session):
        advise(client, question)
    return at.load(session.get("fork") or session["path"])


def test_two_recordings_and_a_replay_of_the_same_run_have_the_same_fingerprint() -> None:
    one = fingerprint(_demo(path="one.otlp.jsonl", mode="all"))
    two = fingerprint(_demo(path="two.otlp.jsonl", mode="all"))
    replayed = fingerprint(_demo(path="one.otlp.jsonl", mode="none", fork="replayed.otlp.jsonl"))
    assert one == two == replayed
    assert one.steps == 4
    assert [(tool.name, tool.calls, tool.shapes) for tool in one.tools] == [("weather", 1, ("{city: string}",))]


def test_a_changed_prompt_has_another_fingerprint_and_calls_its_tools_the_same() -> None:
    one = fingerprint(_demo(path="one.otlp.jsonl", mode="all"))
    two = fingerprint(_demo("And for Bern?", path="two.otlp.jsonl", mode="all"))
    assert one.run != two.run
    assert (one.tool_sequence, one.tools) == (two.tool_sequence, two.tools)


def test_the_digests_can_be_made_by_hand() -> None:
    run = fingerprint(_run([("weather", {"city": "Bern"}), ("book", {"to": "Bern"}), ("weather", {"city": "Rome"})]))
    names = json.dumps(["weather", "book", "weather"], separators=(",", ":"))
    arguments = json.dumps(['{"city":"Bern"}', '{"city":"Rome"}'], separators=(",", ":"))
    assert run.tool_sequence == hashlib.sha256(names.encode()).hexdigest()
    assert run.tools[1].arguments == hashlib.sha256(arguments.encode()).hexdigest()


def _tool(number: int, name: str, arguments: object, start_ns: int, end_ns: int, parent: str = "f" * 16) -> Span:
    attributes = {
        semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_EXECUTE_TOOL,
        semconv.GEN_AI_TOOL_NAME: name,
        semconv.GEN_AI_TOOL_CALL_ARGUMENTS: json.dumps(arguments),
        semconv.GEN_AI_TOOL_CALL_RESULT: '"done"',
    }
    return Span("a" * 32, f"{number:016x}", f"tool {name}", start_ns, end_ns, parent, attributes=attributes)


def _root(end_ns: int) -> Span:
    attributes = {
        semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_INVOKE_AGENT,
        semconv.GEN_AI_AGENT_NAME: "a",
    }
    return Span("a" * 32, "f" * 16, "invoke_agent a", 1, end_ns, attributes=attributes)


def _run(called: Sequence[tuple[str, object]]) -> Trace:
    """Return an agent that calls tools one after another."""
    spans = [_tool(n, name, arguments, 10 * n, 10 * n + 5) for n, (name, arguments) in enumerate(called, 1)]
    return Trace((_root(10_000), *spans))


_CALLS: Final = st.lists(
    st.tuples(st.sampled_from("abc"), st.dictionaries(st.sampled_from("xy"), st.integers(0, 2))), min_size=1, max_size=6
)


@given(_CALLS, _CALLS)
def test_runs_are_the_same_if_and_only_if_they_called_the_same_in_the_same_order(
    one: list[tuple[str, object]], two: list[tuple[str, object]]
) -> None:
    assert (fingerprint(_run(one)).run == fingerprint(_run(two)).run) == (one == two)


@given(_CALLS, st.integers(1, 10**12), st.integers(1, 1_000), st.randoms())
def test_ids_times_and_the_order_in_the_file_do_not_count(
    called: list[tuple[str, object]], shift: int, factor: int, random: Any
) -> None:
    trace = _run(called)
    moved = [
        replace(
            span,
            trace_id="c" * 32,
            span_id=span.span_id[::-1],
            parent_span_id=span.parent_span_id and span.parent_span_id[::-1],
            start_ns=span.start_ns * factor + shift,
            end_ns=span.end_ns and span.end_ns * factor + shift,
        )
        for span in trace.spans
    ]
    random.shuffle(moved)
    assert fingerprint(Trace(tuple(sorted(moved, key=lambda span: span.start_ns)))) == fingerprint(trace)


@given(st.permutations([1, 2, 3]))
def test_of_what_ran_at_the_same_time_the_order_does_not_count_with_what_is_inside(order: list[int]) -> None:
    def ran(starts: Sequence[int]) -> Trace:
        outer = [_tool(n, "outer", {"n": n}, 10 + start, 90) for n, start in zip((1, 2, 3), starts, strict=True)]
        inner = [_tool(9 + n, f"inner{n}", {}, 40 + n, 80, parent=f"{n:016x}") for n in (1, 2, 3)]
        return Trace(tuple(sorted((_root(100), *outer, *inner), key=lambda span: span.start_ns)))

    assert fingerprint(ran(order)).run == fingerprint(ran([1, 2, 3])).run
    swapped = [(9 + n, m) for n, m in ((1, 2), (2, 1), (3, 3))]
    trace = ran([1, 2, 3])
    parents = {f"{number:016x}": f"{parent:016x}" for number, parent in swapped}
    moved = Trace(
        tuple(replace(span, parent_span_id=parents.get(span.span_id, span.parent_span_id)) for span in trace.spans)
    )
    assert fingerprint(moved).run != fingerprint(trace).run  # another tool did what was inside


def test_a_call_that_two_instrumentations_tell_counts_once() -> None:
    attributes = {
        semconv.GEN_AI_OPERATION_NAME: "chat",
        semconv.GEN_AI_REQUEST_MODEL: "m",
        semconv.GEN_AI_RESPONSE_ID: "r1",
    }
    once = Span("a" * 32, "1" * 16, "chat m", 10, 20, "f" * 16, attributes=attributes)
    again = replace(once, span_id="2" * 16, parent_span_id=once.span_id, start_ns=11)
    assert fingerprint(Trace((_root(100), once, again))) == fingerprint(Trace((_root(100), once)))


def test_parents_in_a_circle_end() -> None:
    one, two = _tool(1, "a", {}, 10, 20, parent=f"{2:016x}"), _tool(2, "b", {}, 11, 19, parent=f"{1:016x}")
    assert fingerprint(Trace((one, two))).steps == 2
