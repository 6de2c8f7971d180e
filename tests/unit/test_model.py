"""What a trace says of its calls: who is counted, how much was used, what it cost, what failed."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import FrozenInstanceError, replace
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agenttrace import semconv
from otel_agenttrace.model import (
    AttributeValue,
    Call,
    Exchange,
    HttpRequest,
    Message,
    Outcome,
    Span,
    SpanStatus,
    Trace,
    Usage,
)
from otel_agenttrace.report.family import family

_ONE, _OTHER = "a" * 32, "b" * 32
_CALL: Final = Call("0" * 64, ())
_numbers = itertools.count(1)


def _span(
    operation: AttributeValue = semconv.OPERATION_CHAT,
    *,
    id: str | None = None,  # noqa: A002 - as `respond` calls it
    trace: str = _ONE,
    is_recorded: bool = False,
    usage: Sequence[int | None] = (),
    parent: Span | None = None,
    start_ns: int = 0,
    end_ns: int | None = 0,
    status: SpanStatus = "UNSET",
) -> Span:
    names = (semconv.GEN_AI_USAGE_INPUT_TOKENS, semconv.GEN_AI_USAGE_OUTPUT_TOKENS)
    attributes: dict[str, AttributeValue] = {
        semconv.GEN_AI_OPERATION_NAME: operation,
        semconv.GEN_AI_RESPONSE_ID: id,
        **dict(zip(names, usage, strict=False)),
    }
    number = next(_numbers)
    return Span(
        trace,
        f"{number:016x}",
        f"span {number}",
        start_ns or number * 100,
        number * 100 + 50 if end_ns == 0 else end_ns,
        None if parent is None else parent.span_id,
        attributes={name: value for name, value in attributes.items() if value is not None},
        status=status,
        read_call=(lambda: _CALL) if is_recorded else None,
    )


# --- one call, told twice -----------------------------------------------------------------------------------------------


def test_a_call_that_two_instrumentations_tell_counts_once() -> None:
    first, second = _span(id="r1"), _span(id="r1")
    assert Trace((first, second)).inferences == (first,)


def test_a_recorded_call_counts_and_not_the_span_that_also_tells_it() -> None:
    told, recorded = _span(id="r1"), _span(id="r1", is_recorded=True)
    assert Trace((told, recorded)).inferences == (recorded,)
    assert Trace((recorded, told)).inferences == (recorded,)


def test_a_span_of_another_trace_tells_a_recorded_call_too() -> None:
    recorded, told = _span(id="r1", is_recorded=True), _span(id="r1", trace=_OTHER)
    assert Trace((recorded, told)).inferences == (recorded,)


def test_each_recorded_call_counts_even_if_a_provider_gives_an_id_twice() -> None:
    calls = (_span(id="r1", is_recorded=True), _span(id="r1", is_recorded=True))
    assert Trace(calls).inferences == calls


def test_the_same_id_in_two_traces_is_two_calls_where_none_is_recorded() -> None:
    calls = (_span(id="r1"), _span(id="r1", trace=_OTHER))
    assert Trace(calls).inferences == calls


@pytest.mark.parametrize("id", [None, ""])
def test_calls_without_a_response_id_count_each(id: str | None) -> None:  # noqa: A002 - as `respond` calls it
    calls = (_span(id=id), _span(id=id), _span(id=id, is_recorded=True))
    assert Trace(calls).inferences == calls


def test_only_calls_to_a_model_are_inferences() -> None:
    spans = tuple(_span(operation) for operation in (None, 7, "", "invoke_agent", "execute_tool", "retrieval", "chat"))
    assert Trace(spans).inferences == spans[-1:]


@pytest.mark.parametrize("operation", sorted(semconv.INFERENCE_OPERATIONS))
def test_each_inference_operation_of_the_conventions_counts(operation: str) -> None:
    span = _span(operation)
    assert span.is_inference
    assert span.operation == operation
    assert Trace((span,)).inferences == (span,)


_CALLS = st.lists(
    st.builds(
        _span,
        st.sampled_from(["chat", "execute_tool"]),
        id=st.sampled_from([None, "r1", "r2"]),
        trace=st.sampled_from([_ONE, _OTHER]),
        is_recorded=st.booleans(),
        usage=st.tuples(st.none() | st.integers(0, 9), st.none() | st.integers(0, 9)),
    ),
    max_size=7,
).map(tuple)


@settings(max_examples=40)
@given(_CALLS)
def test_inferences_keep_their_order_and_counting_them_again_changes_nothing(spans: tuple[Span, ...]) -> None:
    counted = Trace(spans).inferences
    assert list(counted) == [span for span in spans if span in counted]
    assert Trace(counted).inferences == counted


@settings(max_examples=40)
@given(_CALLS)
def test_what_is_told_twice_changes_neither_usage_nor_cost(spans: tuple[Span, ...]) -> None:
    identified = tuple(span for span in spans if span.attributes.get(semconv.GEN_AI_RESPONSE_ID))
    again = tuple(replace(span, span_id="f" * 16, read_call=None) for span in identified)
    once = Trace(spans, _tokens_as_dollars)
    twice = Trace((*spans, *again), _tokens_as_dollars)
    assert (once.usage, once.cost) == (twice.usage, twice.cost)


def _tokens_as_dollars(span: Span) -> float | None:
    return span.usage.total_tokens


# --- tokens -------------------------------------------------------------------------------------------------------------

_COUNTS = st.none() | st.integers(0, 10**12)
_USAGES = st.builds(Usage, *[_COUNTS] * 6)


@given(_USAGES, _USAGES, _USAGES)
def test_usages_are_added_in_any_order(one: Usage, other: Usage, third: Usage) -> None:
    assert one + other == other + one
    assert (one + other) + third == one + (other + third)
    assert one + Usage() == one


def test_tokens_that_nobody_knows_stay_unknown() -> None:
    assert Usage() + Usage() == Usage(None, None, None, None, None, None)
    assert Usage(1, None, 2) + Usage(None, None, 3) == Usage(1, None, 5)
    assert Usage(1, 2, 3, 4, 5, 6) + Usage(1, 1, 1, 1, 1, 1) == Usage(2, 3, 4, 5, 6, 7)
    assert Usage().total_tokens is None
    assert Usage(input_tokens=0).total_tokens == 0


def test_all_tokens_are_input_and_output_which_include_the_rest() -> None:
    assert Usage(100, 20, 80, 10, 15).total_tokens == 120
    assert Usage(100).total_tokens == 100
    assert Usage(None, 20).total_tokens == 20


def test_the_usage_of_a_trace_is_that_of_its_inferences() -> None:
    twice = {"id": "r1", "usage": (10, 5)}
    spans = (_span(**twice), _span(**twice), _span(usage=(1, None)), _span("invoke_agent", usage=(99, 99)))
    assert Trace(spans).usage == Usage(11, 5)


def test_a_trace_without_inferences_has_no_known_usage() -> None:
    assert Trace().usage == Usage()
    assert Trace((_span("invoke_agent", usage=(9, 9)),)).usage == Usage()


def test_a_span_tells_each_kind_of_token() -> None:
    attributes: dict[str, AttributeValue] = {
        semconv.GEN_AI_USAGE_INPUT_TOKENS: 1,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: 2,
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: 3,
        semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: 4,
        semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: 5,
        semconv.AGENTTRACE_USAGE_CACHE_WRITE_1H_INPUT_TOKENS: 6,
    }
    assert replace(_span(), attributes=attributes).usage == Usage(1, 2, 3, 4, 5, 6)


@pytest.mark.parametrize("count", ["7", True, None, 7.5, (7,)])
def test_a_count_that_is_no_whole_number_is_not_known(count: AttributeValue) -> None:
    span = replace(_span(), attributes={semconv.GEN_AI_USAGE_INPUT_TOKENS: count})
    assert span.usage == Usage()


# --- money --------------------------------------------------------------------------------------------------------------


def test_without_prices_a_trace_costs_none_and_not_zero() -> None:
    assert Trace().cost is None
    assert Trace((_span(usage=(10, 5)),)).cost is None


def test_the_cost_of_a_trace_is_that_of_the_inferences_that_have_a_price() -> None:
    priced, unpriced, free = _span(usage=(10, 5)), _span(), _span(usage=(0, 0))
    assert Trace((priced, unpriced), _tokens_as_dollars).cost == 15
    assert Trace((unpriced,), _tokens_as_dollars).cost is None
    assert Trace((free, unpriced), _tokens_as_dollars).cost == 0


def test_only_inferences_are_priced_and_each_once() -> None:
    asked: list[Span] = []

    def cost_of(span: Span) -> float:
        asked.append(span)
        return 1.0

    first, again, tool = _span(id="r1"), _span(id="r1"), _span("execute_tool")
    assert Trace((first, again, tool), cost_of).cost == 1.0
    assert asked == [first]


# --- time, errors, tools ------------------------------------------------------------------------------------------------


def test_a_trace_lasts_from_the_first_start_to_the_last_end() -> None:
    spans = (_span(start_ns=200, end_ns=900), _span(start_ns=100, end_ns=300))
    assert Trace(spans).duration_ns == 800


def test_a_trace_in_which_something_has_not_ended_has_no_duration() -> None:
    assert Trace().duration_ns is None
    assert Trace((_span(start_ns=100, end_ns=300), _span(start_ns=400, end_ns=None))).duration_ns is None
    assert Trace((_span(end_ns=None),)).duration_ns is None


def test_a_span_lasts_until_it_ends() -> None:
    assert _span(start_ns=100, end_ns=350).duration_ns == 250
    assert _span(start_ns=100, end_ns=None).duration_ns is None


def test_the_spans_that_failed_are_told_in_their_order() -> None:
    spans = (_span(status="ERROR"), _span(status="OK"), _span("execute_tool", status="ERROR"), _span())
    assert Trace(spans).errors == (spans[0], spans[2])
    assert [span.is_error for span in spans] == [True, False, True, False]


def test_tool_calls_are_the_executed_tools() -> None:
    spans = (_span("execute_tool"), _span("invoke_agent"), _span("chat"), _span(None), _span("execute_tool"))
    assert Trace(spans).tool_calls == (spans[0], spans[4])


# --- the tree -----------------------------------------------------------------------------------------------------------


def _depths(*spans: Span) -> list[tuple[int, int]]:
    """Return the spans as the tree has them: their place among those given, and their depth."""
    return [(spans.index(span), depth) for span, depth in family(spans).members]


def test_children_stand_under_their_parents_in_order_of_their_start() -> None:
    root = _span("invoke_agent", start_ns=10)
    late, early = _span(parent=root, start_ns=30), _span(parent=root, start_ns=20)
    grandchild = _span(parent=late, start_ns=5)
    assert _depths(grandchild, late, early, root) == [(3, 0), (2, 1), (1, 1), (0, 2)]
    assert family((grandchild, late, early, root)).is_whole


def test_a_run_that_was_killed_before_it_wrote_its_root_is_not_whole() -> None:
    lost = _span("invoke_agent")
    left = (_span(parent=lost), _span(parent=lost))
    assert _depths(*left) == [(0, 0), (1, 0)]
    assert not family(left).is_whole
    assert not family(left[:1]).is_whole
    assert family(left).roots == left


def test_several_roots_are_not_whole_and_no_span_is_neither() -> None:
    assert not family((_span(), _span())).is_whole
    assert not family(()).is_whole


def test_a_parent_of_the_same_id_in_another_trace_is_none() -> None:
    parent = _span(trace=_OTHER)
    assert _depths(parent, _span(parent=parent)) == [(0, 0), (1, 0)]


_FORESTS = st.lists(st.tuples(st.integers(0, 5), st.none() | st.integers(0, 7), st.integers(0, 3)), max_size=8)


@settings(max_examples=50)
@given(_FORESTS)
def test_whatever_the_parents_are_each_span_is_shown_once_and_below_its_parent(
    forest: list[tuple[int, int | None, int]],
) -> None:
    spans = [
        Span(_ONE, f"{id:016x}", str(place), start, start, None if parent is None else f"{parent:016x}")
        for place, (id, parent, start) in enumerate(forest)  # noqa: A001 - as `respond` calls it
    ]
    shown = family(spans)
    assert sorted(span.name for span, _ in shown.members) == sorted(span.name for span in spans)
    path: list[str] = []
    for span, depth in shown.members:
        del path[depth:]
        assert depth == len(path)
        assert depth == 0 or span.parent_span_id == path[-1]
        path.append(span.span_id)


# --- what the shapes are ------------------------------------------------------------------------------------------------


def test_a_recorded_call_is_read_when_it_is_asked_for() -> None:
    reads: list[int] = []

    def read() -> Call:
        reads.append(1)
        return _CALL

    span = replace(_span(), read_call=read)
    assert Trace((span,)).inferences == (span,)
    assert "read" not in repr(span)
    assert not reads
    assert span.call is _CALL
    assert reads == [1]
    assert _span().call is None


def test_spans_are_equal_by_what_they_tell_and_not_by_where_it_is_read() -> None:
    span = _span()
    assert replace(span, read_call=lambda: _CALL) == span
    assert Trace((span,), _tokens_as_dollars) == Trace((span,))


@pytest.mark.parametrize(
    ("make", "name"),
    [
        (Trace, "spans"),
        (Usage, "input_tokens"),
        (_span, "name"),
        (lambda: Message("user"), "role"),
        (lambda: Outcome("hit"), "kind"),
        (lambda: HttpRequest("GET", "https://a.test", "/"), "body"),
        (lambda: Exchange(HttpRequest("GET", "", ""), 1, 2, "complete"), "status"),
    ],
)
def test_what_flows_cannot_be_changed(make: Callable[[], object], name: str) -> None:
    value: Any = make()
    with pytest.raises(FrozenInstanceError):
        setattr(value, name, "other")


def test_the_address_of_a_request_is_origin_and_target() -> None:
    assert HttpRequest("GET", "https://a.test:81", "/v1?x=1").url == "https://a.test:81/v1?x=1"
