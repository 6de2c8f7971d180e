"""Each rule passes, fails, checks nothing and meets what is not known; and the parser of rules."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agenttrace import semconv
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.checks.checking import check_trace, failure
from otel_agenttrace.checks.rules import ALIASES, RULES, rules_from
from otel_agenttrace.checks.wanted import mismatch
from otel_agenttrace.errors import BudgetExceeded, CheckFailed, ConfigError, RegressionFound
from otel_agenttrace.model import AttributeValue, Call, Exchange, HttpRequest, RaisedError, Span, Trace

_S: Final = 1_000_000_000
_URL: Final = "https://api.openai.com"
_UNSET: Final[Any] = object()


def _span(name: str, operation: str | None = None, *, seconds: float | None = 0.5, **more: Any) -> Span:
    attributes: dict[str, AttributeValue] = {**more.pop("attributes", {})}
    if operation is not None:
        attributes[semconv.GEN_AI_OPERATION_NAME] = operation
    end = None if seconds is None else int(seconds * _S)
    return Span("a" * 32, "", name, 0, end, attributes=attributes, **more)


def _model(
    text: str | None = "It is 21 degrees.",
    *,
    model: str = "gpt-4o",
    usage: tuple[int | None, int | None] = (100, 20),
    asked: str | None = None,
    calls: Sequence[tuple[str, Any]] = (),
    **more: Any,
) -> Span:
    parts: list[Any] = [{"type": "text", "content": text}] if text is not None else []
    parts += [{"type": "tool_call", "id": f"call_{name}", "name": name, "arguments": args} for name, args in calls]
    question = [{"role": "user", "parts": [{"type": "text", "content": asked}]}]
    told: dict[str, AttributeValue] = {
        semconv.GEN_AI_REQUEST_MODEL: model,
        semconv.GEN_AI_USAGE_INPUT_TOKENS: usage[0],
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: usage[1],
        semconv.GEN_AI_OUTPUT_MESSAGES: json.dumps([{"role": "assistant", "parts": parts}]) if parts else None,
        semconv.GEN_AI_INPUT_MESSAGES: json.dumps(question) if asked is not None else None,
    }
    known = {name: value for name, value in told.items() if value is not None}
    return _span(f"chat {model}", "chat", attributes={**known, **more.pop("attributes", {})}, **more)


def _tool(name: str, arguments: Any = _UNSET, call_id: str = "call_1", **more: Any) -> Span:
    told: dict[str, AttributeValue] = {semconv.GEN_AI_TOOL_NAME: name, semconv.GEN_AI_TOOL_CALL_ID: call_id}
    if arguments is not _UNSET:
        told[semconv.GEN_AI_TOOL_CALL_ARGUMENTS] = json.dumps(arguments)
    return _span(f"execute_tool {name}", "execute_tool", attributes=told, **more)


def _found(*documents: Any, **more: Any) -> Span:
    told = {semconv.GEN_AI_RETRIEVAL_DOCUMENTS: json.dumps(documents)}
    return _span("retrieval docs", "retrieval", attributes=more.pop("attributes", told), **more)


def _run(*spans: Span, prices: Callable[[Span], float | None] = lambda _: 0.01) -> Trace:
    """Return a run of these spans, one second after another, each with an id of its own."""
    placed = (
        replace(
            span,
            span_id=f"{number:016x}",
            start_ns=number * _S,
            end_ns=None if span.end_ns is None else number * _S + span.end_ns,
        )
        for number, span in enumerate(spans, 1)
    )
    return Trace(tuple(placed), cost_of=prices)


def _tools(*names: str) -> Trace:
    return _run(*(_tool(name, {"step": number}) for number, name in enumerate(names)))


def _check(trace: Trace, **rules: Any) -> tuple[Finding, ...]:
    return check_trace(trace, rules_from(rules, "the test"))


def _texts(trace: Trace, **rules: Any) -> list[str]:
    return [finding.message.partition("\n")[0] for finding in _check(trace, **rules)]


_ADVICE: Final = _run(
    _span("invoke_agent advisor", "invoke_agent", attributes={semconv.GEN_AI_AGENT_NAME: "advisor"}),
    _model(None, calls=[("weather", {"city": "Bern"})]),
    _tool("weather", {"city": "Bern", "days": 3}),
    _span("plan", attributes={semconv.AGENTTRACE_NODE_NAME: "plan"}),
    _model('```json\n{"sky": "blue", "celsius": 21}\n```', kind="CLIENT"),
)
_DOCUMENTS: Final = _run(
    _found(
        {"id": "a", "score": 0.9, "content": "Refunds take 5 days."}, {"id": "b", "score": 0.7, "content": "Ask us."}
    ),
    _model("5 days", asked="Refunds take 5 days.\nHow long do refunds take?"),
)

# rule, what passes, what fails on the same run
_CASES: Final[list[tuple[str, Trace, Any, Any]]] = [
    ("max_cost_usd", _ADVICE, 0.02, 0.0199),
    ("max_tokens", _ADVICE, 240, 239),
    ("max_input_tokens", _ADVICE, 200, 199),
    ("max_output_tokens", _ADVICE, 40, 39),
    ("llm_calls", _ADVICE, 2, 3),
    ("max_llm_calls", _ADVICE, 2, 0),
    ("min_llm_calls", _ADVICE, 2, 3),
    ("tool_calls", _ADVICE, 1, 0),
    ("max_tool_calls", _ADVICE, 1, 0),
    ("min_tool_calls", _ADVICE, 1, 2),
    ("max_duration_s", _ADVICE, 4.5, 4.4),
    ("max_consecutive_same_tool", _tools("a", "a", "b", "a"), 2, 1),
    ("max_identical_calls", _run(_tool("a", {"x": 1}, "call_1"), _tool("a", {"x": 1}, "call_2")), 2, 1),
    ("no_cycles", _tools("a", "b", "a", "b", "a"), True, 2),
    ("called", _ADVICE, ["weather", "wea*"], ["weather", "search"]),
    ("not_called", _ADVICE, ["search", "book_*"], "wea*"),
    (
        "called_with",
        _ADVICE,
        {"tool": "weather", "args": {"city": "Bern"}},
        {"tool": "weather", "args": {"city": "Rome"}},
    ),
    ("order", _tools("a", "b", "c"), ["a", "c"], ["c", "a"]),
    ("before", _tools("login", "search"), ["login", "search"], ["search", "login"]),
    ("after", _tools("book", "confirm"), ["book", "confirm"], ["confirm", "book"]),
    ("never", _tools("read", "think", "send"), ["send", "read"], ["read", "send"]),
    ("min_spans", _ADVICE, 5, 6),
    ("has_span", _ADVICE, ["plan", "weather", "advisor", "chat *", "inference[2] !error"], "serch"),
    ("has_span_kind", _ADVICE, ["execute_tool", "CLIENT", "client"], "SERVER"),
    ("models", _ADVICE, ["gpt-*"], ["claude-*"]),
    ("output_contains", _ADVICE, ["blue", "21"], "grey"),
    ("output_not_contains", _ADVICE, "grey", ["grey", "blue"]),
    ("output_matches", _ADVICE, r"\b2\d\b", r"\b3\d\b"),
    ("output_json", _ADVICE, {"required": ["sky"]}, {"required": ["rain"]}),
    ("similar_to", _ADVICE, _ADVICE, _DOCUMENTS),
    ("min_chunks", _DOCUMENTS, 2, 3),
    ("max_chunks", _DOCUMENTS, 2, 1),
    ("min_score", _DOCUMENTS, 0.7, 0.75),
    ("max_retrieval_latency_s", _DOCUMENTS, 0.5, 0.4),
    ("max_context_share", _DOCUMENTS, 0.5, 0.4),
    ("no_retrieval_drift", _DOCUMENTS, _DOCUMENTS, _run(_found({"id": "a"}, {"id": "c"}))),
]


@pytest.mark.parametrize(("rule", "trace", "kept", "broken"), _CASES, ids=[case[0] for case in _CASES])
def test_a_rule_that_is_kept_finds_nothing_and_one_that_is_broken_says_so(
    rule: str, trace: Trace, kept: Any, broken: Any
) -> None:
    assert _check(trace, **{rule: kept}) == ()
    (finding,) = _check(trace, **{rule: broken})
    assert (finding.rule, finding.severity) == (rule, "critical")
    assert "\n  to fix   " in finding.message
    known = {span.span_id for span in trace.spans}
    assert set(finding.span_ids) <= known


def test_a_failed_span_breaks_no_errors_and_is_told_with_its_error() -> None:
    failed = _tool("weather", status="ERROR", status_message="it rains")
    failed = replace(failed, attributes={**failed.attributes, semconv.ERROR_TYPE: "TimeoutError"})
    assert _check(_ADVICE, no_errors=True) == ()
    (finding,) = _check(_run(_model(), failed), no_errors=True)
    assert finding.message.splitlines()[:2] == [
        "1 span failed, wanted none",
        "  at       execute_tool weather (#2) TimeoutError: it rains",
    ]


def test_every_rule_has_a_case() -> None:
    assert {case[0] for case in _CASES} | {"no_errors"} == set(RULES)


@pytest.mark.parametrize(
    "other", [_model("No.", asked="Go?"), _model("Yes.", asked="Stay?"), _model(None, asked="Go?")]
)
def test_what_a_span_tells_of_its_messages_is_compared_where_no_request_was_recorded(other: Span) -> None:
    baseline = _run(_model("Yes.", asked="Go?"))
    assert _check(baseline, similar_to={"baseline": baseline, "threshold": 1}) == ()
    assert _texts(_run(other), similar_to={"baseline": baseline, "threshold": 1}) == [
        "0.50 of the baseline is the same, wanted 1 at least"
    ]
    assert _check(_run(other), similar_to={"baseline": baseline, "threshold": 1, "content": False}) == ()


def test_ids_of_calls_that_a_span_tells_do_not_make_another_step() -> None:
    def asked(call_id: str) -> Trace:
        told = [{"role": "assistant", "parts": [{"type": "tool_call", "id": call_id, "name": "a", "arguments": {}}]}]
        return _run(_model(None, attributes={semconv.GEN_AI_OUTPUT_MESSAGES: json.dumps(told)}))

    first, second = asked(f"call_{'Ab1' * 8}"), asked(f"call_{'Cd2' * 8}")
    assert _check(second, similar_to={"baseline": first, "threshold": 1}) == ()


# --- rules that check nothing -----------------------------------------------------------------------------------------

_EMPTY: Final[list[tuple[str, Any]]] = [
    *((rule, None) for rule in RULES),
    *((rule, 0) for rule in ("min_llm_calls", "min_tool_calls", "min_spans", "min_chunks")),
    *(
        (rule, empty)
        for rule in ("called", "not_called", "output_contains", "has_span", "models")
        for empty in ([], "", [""])
    ),
    ("output_matches", ""),
    ("output_json", {}),
    ("output_json", True),
    ("order", []),
    ("order", {"mode": "superset", "tools": []}),
    ("never", []),
    ("called_with", {"tool": "a", "args": {}}),
    ("called_with", {"tool": "a", "schema": {}}),
    ("called_with", {"tool": "a", "min": 0}),
    ("models", ["*"]),
    ("no_errors", False),
    ("no_cycles", False),
    ("max_context_share", 1),
    ("similar_to", {"baseline": _ADVICE, "threshold": 0}),
    ("no_retrieval_drift", {"baseline": _ADVICE, "tolerance": 1}),
]


@pytest.mark.parametrize(("rule", "value"), _EMPTY)
def test_a_rule_that_can_never_fail_is_a_finding(rule: str, value: Any) -> None:
    (finding,) = _check(_ADVICE, **{rule: value})
    assert (finding.rule, finding.severity) == (rule, "warning")
    assert finding.message.startswith("vacuous: ")
    assert "checks nothing\n  to fix   " in finding.message


def test_no_rule_at_all_is_a_finding() -> None:
    assert [finding.rule for finding in _check(_ADVICE)] == ["rules"]


def test_a_strict_order_of_nothing_forbids_every_tool() -> None:
    assert _check(_run(_model()), order={"mode": "strict", "tools": []}) == ()
    assert len(_check(_ADVICE, order={"mode": "strict", "tools": []})) == 1


# --- money and tokens -------------------------------------------------------------------------------------------------


def _unpriced(span: Span) -> float | None:
    return None if span.attributes.get(semconv.GEN_AI_REQUEST_MODEL) == "ours" else 0.01


def test_a_cost_that_is_not_known_is_no_pass_and_the_price_is_asked_for() -> None:
    run = _run(_model(), _model(model="ours"), prices=_unpriced)
    (finding,) = _check(run, max_cost_usd=5)
    assert finding.message.splitlines() == [
        "the cost is not known: 1 of 2 calls to models tell none; known are $0.01, of $5",
        "  at       chat ours (#2)",
        '  to fix   give the price in pyproject.toml: [tool.otel-agenttrace.prices."ours"] with input_per_mtok and output_per_mtok',
    ]
    assert finding.span_ids == ("0000000000000002",)


def test_what_is_known_of_a_cost_exceeds_a_budget_alone() -> None:
    run = _run(_model(), _model(model="ours"), prices=_unpriced)
    assert _texts(run, max_cost_usd=0.009) == ["the run cost at least $0.01, $0.001 above $0.009"]


def test_a_call_without_usage_is_asked_for_its_usage_not_for_a_price() -> None:
    run = _run(_model(usage=(None, None)), prices=lambda _: None)
    (finding,) = _check(run, max_cost_usd=5)
    assert "stream_options" in finding.message
    assert "prices" not in finding.message


@pytest.mark.parametrize(
    ("usage", "rule"), [((100, None), "max_tokens"), ((None, 3), "max_input_tokens"), ((7, None), "max_output_tokens")]
)
def test_tokens_that_are_not_known_are_no_pass(usage: tuple[int | None, int | None], rule: str) -> None:
    (text,) = _texts(_run(_model(), _model(usage=usage)), **{rule: 10_000})
    assert "is not known: 1 of 2 calls to models do not tell it" in text


def test_tokens_that_are_known_exceed_a_budget_alone() -> None:
    assert _texts(_run(_model(), _model(usage=(None, None))), max_tokens=100) == ["at least 120 tokens, 20 above 100"]


def test_embeddings_give_no_tokens_and_that_is_known() -> None:
    told = {semconv.GEN_AI_USAGE_INPUT_TOKENS: 9}
    assert _check(_run(_span("embeddings", "embeddings", attributes=told)), max_tokens=9, max_output_tokens=0) == ()


def _attempt(status: int | None, error: str = "") -> Exchange:
    request = HttpRequest("POST", _URL, "/v1/chat/completions")
    raised = RaisedError(error, "", "httpx") if error else None
    return Exchange(request, 1, 2, "complete" if status else "noresponse", status, error=raised)


@pytest.mark.parametrize(
    ("attempts", "is_known"),
    [
        ([_attempt(401)], True),
        ([_attempt(429), _attempt(500)], True),
        ([_attempt(None, "ConnectError")], True),
        ([_attempt(None, "ReadTimeout")], False),
        ([_attempt(429), _attempt(None, "ReadTimeout")], False),
        ([_attempt(200)], False),
        ([], False),
    ],
)
def test_a_call_that_was_refused_or_never_sent_costs_nothing_one_without_an_answer_may(
    attempts: list[Exchange], is_known: bool
) -> None:
    call = Call("0" * 64, tuple(attempts))
    failed = _model(None, usage=(None, None), status="ERROR", read_call=lambda: call)
    assert (_check(_run(failed, prices=lambda _: None), max_cost_usd=1, max_tokens=1) == ()) is is_known


def test_a_foreign_call_that_was_refused_costs_nothing_and_so_does_a_miss() -> None:
    refused = _model(None, usage=(None, None), attributes={semconv.ERROR_TYPE: "429"})
    missed = _model(None, usage=(None, None), attributes={semconv.AGENTTRACE_REPLAY_OUTCOME: "miss"})
    broken = _model(None, usage=(None, None), attributes={semconv.ERROR_TYPE: "ReadError"})
    assert _check(_run(refused, missed, prices=lambda _: None), max_cost_usd=0, max_tokens=0) == ()
    assert len(_check(_run(broken, prices=lambda _: None), max_cost_usd=0, max_tokens=0)) == 2


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6)), max_size=8), st.integers(0, 10**7))
def test_a_budget_of_tokens_is_kept_exactly_when_the_sum_is_within_it(
    usages: list[tuple[int, int]], limit: int
) -> None:
    run = _run(*(_model(usage=usage) for usage in usages))
    assert (_check(run, max_tokens=limit) == ()) is (sum(map(sum, usages)) <= limit)


def test_a_run_without_an_end_has_no_known_duration() -> None:
    run = _run(_model(), _model(seconds=None))
    assert _texts(run, max_duration_s=60) == [
        "how long the run took is not known: 1 span without an end; the limit is 60 s"
    ]
    assert _texts(run, max_duration_s=0.2) == ["the run took at least 0.500 s, 0.300 s above 0.2 s"]
    assert _texts(_run(), max_duration_s=60) == [
        "how long the run took is not known: no span tells a time; the limit is 60 s"
    ]


# --- loops ------------------------------------------------------------------------------------------------------------


def test_each_row_of_the_same_tool_is_told() -> None:
    found = _texts(_tools("a", "a", "b", "c", "c", "c"), max_consecutive_same_tool=1)
    assert found == [
        "a was called 2 times in a row, wanted 1 at most",
        "c was called 3 times in a row, wanted 1 at most",
    ]


def test_identical_calls_are_those_with_the_same_arguments_in_whatever_order_of_keys() -> None:
    run = _run(
        _tool("a", {"x": 1, "y": 2}),
        _tool("a", {"y": 2, "x": 1}),
        _tool("a", {"x": 2, "y": 2}),
        _tool("b", {"x": 1, "y": 2}),
    )
    assert _texts(run, max_identical_calls=1) == ['a({"x":1,"y":2}) was called 2 times, wanted 1 at most']


def test_calls_whose_arguments_are_not_recorded_may_be_identical() -> None:
    run = _run(_tool("a", {"x": 1}), _tool("a"), _tool("b"))
    assert _texts(run, max_identical_calls=1) == ["how often a was called with the same arguments is not known"]
    assert _check(run, max_identical_calls=2) == ()


def test_a_cycle_is_told_by_its_shortest_sequence() -> None:
    assert _texts(_tools("x", *"abcabcabc"), no_cycles=True) == ["a → b → c came 3 times in a row, wanted less than 3"]
    assert _check(_tools(*"aaaaaa"), no_cycles=True) == ()
    assert _texts(_tools(*"aabaabaab"), no_cycles=True) == ["a → a → b came 3 times in a row, wanted less than 3"]


@given(st.lists(st.sampled_from("abc"), max_size=14), st.integers(2, 4))
def test_a_cycle_is_found_exactly_when_there_is_one(names: list[str], rounds: int) -> None:
    there = any(
        len(set(names[at : at + size])) > 1 and names[at : at + size * rounds] == names[at : at + size] * rounds
        for size in range(2, len(names))
        for at in range(len(names) - size * rounds + 1)
    )
    assert (len(_check(_tools(*names), no_cycles=rounds)) == 1) is there


# --- calls of tools ---------------------------------------------------------------------------------------------------


def test_a_tool_that_is_not_called_is_told_with_the_nearest_one() -> None:
    (finding,) = _check(_ADVICE, called="wether")
    assert finding.message.splitlines()[:2] == ["wether was not called; called weather", "  nearest  weather"]


def test_wrong_arguments_are_told_by_their_place() -> None:
    (finding,) = _check(_ADVICE, called_with={"tool": "weather", "args": {"city": "Bern", "days": 4}})
    assert "  nearest  weather: /days is 3, wanted 4" in finding.message.splitlines()


@pytest.mark.parametrize(
    ("wanted", "is_kept"),
    [
        ({"min": 2}, True),
        ({"min": 3}, False),
        ({"max": 1}, False),
        ({"max": 2}, True),
        ({"args": {"n": 1}, "max": 1}, True),
        ({"args": {"n": 3}, "max": 0}, True),
        ({"args": {"n": 1}, "max": 0}, False),
        ({"schema": {"properties": {"n": {"type": "integer"}}}, "every": True}, True),
        ({"schema": {"properties": {"n": {"maximum": 1}}}}, True),
        ({"schema": {"properties": {"n": {"maximum": 1}}}, "every": True}, False),
    ],
)
def test_how_often_a_tool_is_called_so_and_whether_always(wanted: dict[str, Any], is_kept: bool) -> None:
    run = _run(_tool("a", {"n": 1}), _tool("a", {"n": 2}), _tool("b", {}))
    assert (_check(run, called_with={"tool": "a", **wanted}) == ()) is is_kept


def test_several_calls_are_wanted_by_a_list() -> None:
    wanted = [{"tool": "weather", "args": {"city": "Bern"}}, {"tool": "book"}]
    assert _texts(_ADVICE, called_with=wanted) == ["book was called 0 times, wanted 1 at least"]


_OF_NO_CALL: Final[list[tuple[str, Any]]] = [
    ("max_tool_calls", 0),
    ("tool_calls", 0),
    ("max_consecutive_same_tool", 1),
    ("max_identical_calls", 1),
    ("no_cycles", True),
    ("not_called", "book"),
    ("called_with", {"tool": "book", "max": 0}),
    ("order", {"mode": "strict", "tools": []}),
    ("order", {"mode": "subset", "tools": ["search"]}),
    ("before", ["search", "book"]),
    ("after", ["book", "search"]),
    ("never", ["book"]),
]


@pytest.mark.parametrize(("rule", "wanted"), _OF_NO_CALL)
def test_tools_that_a_model_asked_for_and_nobody_tells_are_no_pass(rule: str, wanted: Any) -> None:
    asks = _model(None, attributes={semconv.GEN_AI_RESPONSE_FINISH_REASONS: ("tool_calls",)})
    assert _texts(_run(_model(), asks), **{rule: wanted}) == [
        "which tools were called is not known: 1 call to models asked for some"
    ]
    ran = _run(asks, _tool("search", {}))
    if rule not in ("max_tool_calls", "tool_calls", "order"):
        assert _check(ran, **{rule: wanted}) == ()


def test_what_is_known_of_calls_is_enough_for_a_rule_that_wants_them() -> None:
    asks = _model(None, attributes={semconv.GEN_AI_RESPONSE_FINISH_REASONS: ("tool_use",)})
    run = _run(_tool("search", {}), asks)
    assert _check(run, called="search", min_tool_calls=1, order=["search"], called_with={"tool": "search"}) == ()


@pytest.mark.parametrize("wanted", [{"min": 1}, {"max": 0}, {"every": True}])
def test_arguments_that_are_not_recorded_are_no_pass(wanted: dict[str, Any]) -> None:
    assert _check(_run(_tool("a")), called_with={"tool": "a", "args": {"n": 1}, **wanted}) != ()


_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=4),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)


@given(_JSON)
def test_a_value_has_all_that_is_its_own(value: Any) -> None:
    assert mismatch(value, value) == ""


@given(st.dictionaries(st.text(max_size=3), _JSON, max_size=4), st.dictionaries(st.text(max_size=3), _JSON, max_size=4))
def test_members_that_are_not_wanted_do_not_matter(wanted: dict[str, Any], more: dict[str, Any]) -> None:
    assert mismatch(wanted, {**more, **wanted}) == ""


@pytest.mark.parametrize(
    ("wanted", "found", "told"),
    [
        ({"a": 1}, {}, "/a is not there"),
        ({"a": {"b": [1, 2]}}, {"a": {"b": [1, 3]}}, "/a/b/1 is 3, wanted 2"),
        ([1], [1, 2], "/ is [1,2], wanted [1]"),
        (1, True, "/ is true, wanted 1"),
        (1, 1.0, ""),
        ({}, "text", '/ is "text", wanted {}'),
    ],
)
def test_the_first_place_that_differs_is_told(wanted: Any, found: Any, told: str) -> None:
    assert mismatch(wanted, found) == told


# --- order ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("mode", "calls", "wanted", "is_kept"),
    [
        ("strict", "abc", "abc", True),
        ("strict", "abc", "ab", False),
        ("strict", "ab", "abc", False),
        ("strict", "acb", "abc", False),
        ("in_order", "axbxc", "abc", True),
        ("in_order", "acb", "abc", False),
        ("in_order", "ab", "aab", False),
        ("unordered", "cab", "abc", True),
        ("unordered", "cabb", "abc", False),
        ("unordered", "ca", "abc", False),
        ("subset", "ca", "abc", True),
        ("subset", "aa", "abc", False),
        ("superset", "caxb", "abc", True),
        ("superset", "cab", "aabc", False),
        ("unordered", "ab", "*a", True),
    ],
)
def test_modes_of_order(mode: str, calls: str, wanted: str, is_kept: bool) -> None:
    assert (_check(_tools(*calls), order={"mode": mode, "tools": list(wanted)}) == ()) is is_kept


@given(st.permutations(list("aabcd")), st.sampled_from(["unordered", "subset", "superset"]))
def test_some_modes_do_not_look_at_the_order(calls: list[str], mode: str) -> None:
    assert _check(_tools(*calls), order={"mode": mode, "tools": list("aabcd")}) == ()


@given(st.lists(st.sampled_from("abc"), max_size=6), st.lists(st.sampled_from("abc"), min_size=1, max_size=6))
def test_in_order_is_kept_exactly_by_subsequences(calls: list[str], wanted: list[str]) -> None:
    left = iter(calls)
    assert (_check(_tools(*calls), order=wanted) == ()) is all(each in left for each in wanted)


def test_the_ids_of_the_provider_never_matter_and_arguments_do_where_they_are_told() -> None:
    run = _run(_tool("a", {"n": 1}, "call_x"), _tool("a", {"n": 2}, "call_y"))
    assert _check(run, order={"mode": "strict", "tools": ["a", {"tool": "a", "args": {"n": 2}}]}) == ()
    (finding,) = _check(run, order={"mode": "strict", "tools": [{"tool": "a", "args": {"n": 2}}, "a"]})
    assert finding.message.splitlines()[:3] == [
        'strict: called a → a; wanted a({"n":2}) → a',
        '  at       call 1 is a, wanted a({"n":2})',
        "  nearest  a: /n is 1, wanted 2",
    ]


def test_pairs_of_tools_may_be_several() -> None:
    run = _tools("login", "search", "pay", "logout")
    assert _check(run, before=[["login", "search"], ["search", "pay"]], after=[["login", "logout"]]) == ()
    assert _texts(run, before=[["login", "search"], ["pay", "search"]]) == [
        "search was called before pay, which comes later only"
    ]
    assert _texts(run, after=["logout", "login"]) == ["logout was called and login was not called after it"]


def test_a_pair_whose_second_or_first_is_not_called_is_kept() -> None:
    assert _check(_tools("login"), before=["login", "search"], after=["search", "login"]) == ()


def test_a_call_is_neither_before_nor_after_itself() -> None:
    assert _texts(_tools("search"), before=["sea*", "search"]) == [
        "search was called before sea*, which comes later only"
    ]
    assert _texts(_tools("search"), after=["search", "sea*"]) == ["search was called and sea* was not called after it"]
    assert _check(_tools("search", "search"), after=["book", "sea*"]) == ()


def test_a_single_call_that_never_may_be_is_told_with_its_arguments() -> None:
    run = _run(_tool("delete", {"all": True}))
    assert _check(run, never={"tool": "delete", "args": {"all": False}}) == ()
    assert _texts(run, never={"tool": "delete", "args": {"all": True}}) == ['delete({"all":true}) came, wanted never']


def test_what_may_be_the_forbidden_call_is_a_finding() -> None:
    wanted = {"tool": "delete", "args": {"all": True}}
    (text,) = _texts(_run(_tool("delete")), never=wanted)
    assert text == 'delete({"all":true}) came, if the arguments that are not recorded are these, wanted never'
    assert len(_check(_run(_tool("delete")), order=[wanted])) == 1
    assert len(_check(_run(_tool("delete"), _tool("ask")), before=["ask", wanted])) == 1


# --- spans, models, answers -------------------------------------------------------------------------------------------


def test_a_name_that_is_spelt_like_a_selector_must_be_one() -> None:
    assert _check(_ADVICE, has_span="tool=weather args~=Bern") == ()
    with pytest.raises(ConfigError, match="'toll' is no field") as told:
        rules_from({"has_span": "toll=weather"}, "rules.yaml")
    assert "rules.yaml: has_span" in str(told.value)


def test_a_span_may_have_the_name_of_a_term_of_selectors() -> None:
    assert _check(_run(_span("tool")), has_span="tool") == ()


@pytest.mark.parametrize(
    ("model", "is_allowed"),
    [("gpt-4o", True), ("gpt-4o-2024-08-06", True), ("gpt-4o-20240806", True), ("gpt-4o-mini", False), ("o1", False)],
)
def test_a_dated_name_of_an_allowed_model_is_allowed_and_no_longer_one(model: str, is_allowed: bool) -> None:
    told = {semconv.GEN_AI_RESPONSE_MODEL: model}
    assert (_check(_run(_model(attributes=told)), models="gpt-4o") == ()) is is_allowed


def test_a_call_that_tells_no_model_is_a_finding() -> None:
    assert _texts(_run(_span("chat", "chat")), models="gpt-4o") == ["which model was used is not known, wanted gpt-4o"]


@pytest.mark.parametrize("rule", ["output_contains", "output_not_contains", "output_matches", "output_json"])
def test_an_answer_that_is_not_recorded_is_no_pass(rule: str) -> None:
    wanted: Any = {"type": "object"} if rule == "output_json" else "x"
    (text,) = _texts(_run(_model(None)), **{rule: wanted})
    assert text == "what the run answered is not known: the last answer is empty or not recorded"
    (text,) = _texts(_run(_tool("a")), **{rule: wanted})
    assert text == "what the run answered is not known: the trace tells no answer of a model"


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        ('{"n": 1}', ""),
        ('Here:\n```\n{"n": 1}\n```\nDone.', ""),
        ('{"n": "1"}', "$.n: '1' is not of type 'integer'"),
        ("n is 1", "it is no JSON"),
        ("```json\n{}\n```\n```json\n{}\n```", "it is no JSON"),
        ('Here: ```JSON \r\n  {"n": 1}\r\n  ``` and that was it', ""),
        pytest.param("a```\n" * 300_000, "it is no JSON", id="many fences"),
    ],
)
def test_the_answer_is_read_as_JSON(answer: str, told: str) -> None:
    found = _texts(_run(_model(answer)), output_json={"properties": {"n": {"type": "integer"}}})
    assert found == [] if not told else told in found[0]


def test_a_schema_fetches_nothing() -> None:
    with pytest.raises(ConfigError, match="nothing is fetched"):
        _check(_run(_model("{}")), output_json={"$ref": "https://schemas.example.test/answer.json"})
    with pytest.raises(ConfigError, match="without an end"):
        _check(_run(_model("{}")), output_json={"$ref": "#"})


# --- baselines and retrieval ------------------------------------------------------------------------------------------


def test_a_run_that_parts_from_its_baseline_is_told_where() -> None:
    other = _run(*_ADVICE.spans[:2], _tool("weather", {"city": "Rome"}), *_ADVICE.spans[3:])
    (finding,) = _check(other, similar_to={"baseline": _ADVICE, "threshold": 1})
    assert finding.message.startswith("0.88 of the baseline is the same, wanted 1 at least\n  at       step 3")
    assert _check(other, similar_to={"baseline": _ADVICE, "threshold": 0.8}) == ()


def test_a_baseline_without_a_step_is_a_finding() -> None:
    assert _texts(_ADVICE, similar_to=_run(_span("x"))) == [
        "the baseline has no step: no agent, no call to a model, no tool"
    ]


_RETRIEVAL: Final[dict[str, Any]] = {
    "min_chunks": 1,
    "max_chunks": 9,
    "min_score": 0.1,
    "max_context_share": 0.9,
    "no_retrieval_drift": _DOCUMENTS,
}


@pytest.mark.parametrize("rule", _RETRIEVAL)
def test_a_retrieval_rule_wants_a_retrieval_whose_documents_are_told(rule: str) -> None:
    wanted = {rule: _RETRIEVAL[rule]}
    assert _texts(_run(_model()), **wanted) == ["the run has no retrieval"]
    assert _texts(_run(_found(attributes={})), **wanted) == ["what 1 of 1 retrieval of the run found is not recorded"]


def test_how_long_a_retrieval_took_wants_one_with_an_end() -> None:
    assert _texts(_run(_model()), max_retrieval_latency_s=1) == ["the run has no retrieval"]
    (text,) = _texts(_run(_found(seconds=None)), max_retrieval_latency_s=1)
    assert text == "how long a retrieval took is not known: it has no end"


def test_a_document_without_a_score_is_no_pass() -> None:
    run = _run(_found({"id": "a"}, {"id": "b", "score": 0.2}))
    assert _texts(run, min_score=0.1) == ["the score of 1 of 2 documents is not known"]
    assert len(_check(run, min_score=0.3)) == 2


def test_the_share_of_retrieved_text_counts_each_character_once() -> None:
    run = _run(_found({"content": "abcd"}, {"content": "cdef"}, {"content": "zz"}), _model(asked="abcdef1234"))
    assert _check(run, max_context_share=0.6) == ()
    assert _texts(run, max_context_share=0.59) == [
        "60% of what a model was asked is retrieved text, wanted 59% at most"
    ]


@pytest.mark.parametrize(
    ("spans", "reason"),
    [
        ([_found({"id": "a"}), _model(asked="x")], "the content of a document is not recorded"),
        ([_found({"content": "abc"}), _model()], "a question after it is not recorded"),
        ([_model(asked="abc"), _found({"content": "abc"})], "no call to a model comes after a retrieval"),
        (
            [_found({"content": "abc"}), _model(asked="a b c")],
            "no document stands word for word in what was asked after it",
        ),
    ],
)
def test_a_share_that_is_not_known_is_no_pass(spans: list[Span], reason: str) -> None:
    assert _texts(_run(*spans), max_context_share=0.9) == [f"the share of retrieved text is not known: {reason}"]


def test_a_retrieval_that_finds_nothing_has_a_share_of_nothing() -> None:
    assert _check(_run(_found(), _model(asked="x")), max_context_share=0.1) == ()


@given(st.sets(st.sampled_from("abcdef"), min_size=1), st.sets(st.sampled_from("abcdef")), st.floats(0, 0.99))
def test_drift_is_the_share_of_documents_that_only_one_run_found(
    was: set[str], now: set[str], tolerance: float
) -> None:
    before, after = (_run(_found(*({"id": each} for each in found))) for found in (was, now))
    rules = {"no_retrieval_drift": {"baseline": before, "tolerance": tolerance}}
    assert (_check(after, **rules) == ()) is (len(was ^ now) / len(was | now) <= tolerance)
    assert _check(before, **rules) == ()


def test_drift_tells_what_came_and_went() -> None:
    (finding,) = _check(_run(_found({"id": "a"}, {"content": "new"})), no_retrieval_drift=_DOCUMENTS)
    assert finding.message.splitlines()[:2] == [
        "the documents drifted by 0.67, wanted 0.1 at most",
        "  at       gone: b; new: new",
    ]
    assert _texts(_DOCUMENTS, no_retrieval_drift=_ADVICE) == ["the baseline has no retrieval"]


# --- the parser -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({"max_cost": 1}, "has no rule 'max_cost'.\n  to fix   Did you mean 'max_cost_usd'?"),
        ({"contains": "x"}, "Did you mean 'output_contains'?"),
        ({"zzz": 1}, "The rules are max_cost_usd, "),
        ({"max_cost_usd": "much"}, "rules.yaml: max_cost_usd is 'much'"),
        ({"max_cost_usd": -1}, "a number, 0 or more"),
        ({"max_cost_usd": float("nan")}, "a number, 0 or more"),
        ({"max_tokens": 1.5}, "a whole number, 0 or more"),
        ({"max_tokens": True}, "a whole number, 0 or more"),
        ({"max_consecutive_same_tool": 0}, "a whole number, 1 or more"),
        ({"no_cycles": 1}, "a whole number, 2 or more"),
        ({"called": {"a": 1}}, "a text, or a list of texts"),
        ({"called": [1]}, "a text, or a list of texts"),
        ({"no_errors": "yes"}, "true"),
        ({"called_with": "a"}, "a mapping with tool, args, schema, min, max, every"),
        ({"called_with": {"args": {"a": 1}}}, "lacks tool"),
        ({"called_with": {"tool": "a", "arg": {}}}, "Did you mean 'args'?"),
        ({"called_with": {"tool": "a", "args": [1]}}, "a mapping of what the arguments must have"),
        ({"called_with": {"tool": "a", "min": 3, "max": 2}}, "a max that is not below min"),
        ({"called_with": {"tool": "a", "schema": {"type": "objet"}}}, "is no JSON Schema"),
        ({"order": {"mode": "strikt", "tools": ["a"]}}, "Did you mean 'strict'?"),
        ({"order": {"mode": "strict"}}, "lacks tools"),
        ({"order": [1]}, "the name of a tool"),
        ({"before": ["a"]}, "two tools: [first, second]"),
        ({"output_matches": "("}, "is no regular expression"),
        ({"max_context_share": 2}, "a number from 0 to 1"),
        ({"similar_to": "base.otlp.jsonl"}, "'base.otlp.jsonl' is no trace"),
        ({"similar_to": {"threshold": 1}}, "lacks baseline"),
    ],
)
def test_what_has_no_meaning_is_told_with_its_place_and_the_nearest(told: dict[str, Any], text: str) -> None:
    with pytest.raises(ConfigError) as raised:
        rules_from(told, "rules.yaml")
    assert str(raised.value).startswith("rules.yaml") or "similar_to" in told
    assert text in str(raised.value)
    assert "\n  to fix   " in str(raised.value)


@pytest.mark.parametrize(("alias", "rule"), ALIASES.items())
def test_other_names_of_a_rule_are_the_rule(alias: str, rule: str) -> None:
    value: Any = 0.001 if rule == "max_cost_usd" else "SERVER"
    assert [finding.rule for finding in _check(_ADVICE, **{alias: value})] == [rule]


def test_a_baseline_that_is_no_trace_is_loaded_by_who_asks() -> None:
    rules = rules_from({"similar_to": "base.otlp.jsonl"}, "rules.yaml", {"base.otlp.jsonl": _ADVICE}.__getitem__)  # pyright: ignore[reportArgumentType] - any key
    assert check_trace(_ADVICE, rules) == ()


@pytest.mark.parametrize(
    ("rules", "kind"),
    [
        (["max_cost_usd", "max_tokens"], BudgetExceeded),
        (["similar_to"], RegressionFound),
        (["max_cost_usd", "called"], CheckFailed),
    ],
)
def test_the_error_is_of_the_class_of_its_findings(rules: list[str], kind: type[CheckFailed]) -> None:
    error = failure([Finding(rule, "no") for rule in rules])
    assert type(error) is kind
    assert [finding.rule for finding in error.findings if isinstance(finding, Finding)] == rules


def test_what_a_trace_says_cannot_steer_a_terminal() -> None:
    run = _run(_tool("\x1b[2Jweather\n", {"city": "\x1b[31m"}), _model("\x1b]0;title\x07"))
    rules = {
        "called": "a",
        "max_tool_calls": 0,
        "output_contains": "x",
        "order": {"mode": "strict", "tools": ["a"]},
        "has_span": "a",
    }
    for finding in _check(run, **rules):
        assert not any(ord(letter) < 32 and letter != "\n" for letter in finding.message), finding
        assert all(line.startswith("  ") for line in finding.message.splitlines()[1:])
