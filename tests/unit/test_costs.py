"""What calls cost, by hand-computed sums: cached, reasoning and doubled tokens, tiers, what-ifs, and what was in vain.

Prices that the sums are made of, in US dollars per million tokens: gpt-4o-mini 0.15 in, 0.075 of those cached, 0.60 out.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from inspect import signature
from pathlib import Path
from typing import Any, Final

import pytest
from genai_prices import Usage as Tokens
from genai_prices import calc_price

from otel_agenttrace import semconv
from otel_agenttrace.analyze.costs import Costs, Grouping, costs_of
from otel_agenttrace.analyze.streams import SpanStream
from otel_agenttrace.library.streaming import opened_stream
from otel_agenttrace.model import AttributeValue, Call, Event, Span
from otel_agenttrace.pricing import ModelPrice, Pricing, price_table
from tests.support.corpus import CORPORA
from tests.support.made_runs import said

_DAY = datetime(2026, 11, 1, tzinfo=timezone.utc)
_BEGIN = int(_DAY.timestamp()) * 1_000_000_000
_TIERED: Final = pytest.mark.skipif(
    "price_context" not in signature(calc_price).parameters, reason="genai-prices for Python 3.10 knows no tiers"
)
_ANY_AGENT = CORPORA / "otel-traces-any-agent" / "docs" / "traces"


def _no_call() -> Call:
    raise AssertionError("the content of a call is not needed")


def _call(number: int, given: int | None = 1_000, got: int | None = 100, **more: AttributeValue) -> Span:
    told: Mapping[str, AttributeValue] = {
        semconv.GEN_AI_OPERATION_NAME: "chat",
        semconv.GEN_AI_PROVIDER_NAME: "openai",
        semconv.GEN_AI_RESPONSE_MODEL: "gpt-4o-mini",
        semconv.GEN_AI_USAGE_INPUT_TOKENS: given,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: got,
        **{name.replace("__", "."): value for name, value in more.items()},
    }
    known = {name: value for name, value in told.items() if value is not None}
    begun = _BEGIN + number * 1_000_000_000
    return Span("a" * 32, f"{number:016x}", "chat", begun, begun + 1, attributes=known)


def _failed(span: Span, kind: str = "500") -> Span:
    return replace(span, status="ERROR", attributes={**span.attributes, semconv.ERROR_TYPE: kind})


def _costs(
    *spans: Span, pricing: Pricing | None = None, by: Sequence[Grouping] = (), with_calls: bool = False
) -> Costs:
    stream = SpanStream("run.otlp.jsonl", spans, lambda _: None)
    return costs_of((stream,), pricing or Pricing(), by, with_calls=with_calls)


_CACHED = {"gen_ai__usage__cache_read__input_tokens": 400, "gen_ai__usage__reasoning__output_tokens": 60}


def test_cached_and_reasoning_tokens_count_within_input_and_output() -> None:
    total = _costs(_call(1, **_CACHED)).total
    assert (total.input_tokens, total.cache_read_tokens, total.output_tokens, total.reasoning_tokens) == (
        1000,
        400,
        100,
        60,
    )
    assert total.cost_usd == pytest.approx((600 * 0.15 + 400 * 0.075 + 100 * 0.60) / 1e6, abs=1e-12)


def test_a_call_that_three_instrumentations_tell_is_paid_once() -> None:
    native = _call(1, gen_ai__response__id="chatcmpl-1", **_CACHED)
    ours = replace(native, span_id="b" * 16, parent_span_id=native.span_id, read_call=_no_call)
    afterwards = replace(
        native, span_id="c" * 16, start_ns=native.start_ns + 9, scope="opentelemetry.instrumentation.openai"
    )
    total = _costs(native, ours, afterwards, _call(2, gen_ai__response__id="chatcmpl-2")).total
    assert (total.calls, total.input_tokens, total.output_tokens) == (2, 2_000, 200)
    assert total.cost_usd == pytest.approx((180 + (1_000 * 0.15 + 60)) / 1e6, abs=1e-12)


def test_costs_agree_with_genai_prices_asked_directly() -> None:
    spans = [
        _call(number, 900 + 7 * number, 10 * number, **{**_CACHED, "gen_ai__response__model": model})
        for number, model in enumerate(("gpt-4o", "gpt-5", "gpt-5-mini", "o4-mini", "gpt-4.1-nano"), 1)
    ]
    asked = [
        calc_price(
            Tokens(input_tokens=900 + 7 * number, output_tokens=10 * number, cache_read_tokens=400),
            str(span.attributes[semconv.GEN_AI_RESPONSE_MODEL]),
            provider_id="openai",
            genai_request_timestamp=_DAY,
        ).total_price
        for number, span in enumerate(spans, 1)
    ]
    assert _costs(*spans).total.cost_usd == pytest.approx(float(sum(asked)), abs=1e-12)


def test_sums_say_how_many_calls_do_not_tell_their_part(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    report = _costs(_call(1), _call(2, None, None), _call(3, gen_ai__response__model="own-model"))
    total = report.total
    assert (total.calls, total.uncounted_calls, total.unpriced_calls) == (3, 1, 2)
    assert (total.input_tokens, total.output_tokens) == (2_000, 200)
    assert total.cost_usd == pytest.approx(0.00021)
    assert [(each.model, each.why, each.calls, each.input_tokens) for each in report.unpriced] == [
        ("gpt-4o-mini", "no tokens", 1, None),
        ("own-model", "no price", 1, 1_000),
    ]


def test_nothing_known_is_none_and_not_0() -> None:
    total = _costs(_call(1, None, None)).total
    assert (total.input_tokens, total.output_tokens, total.cost_usd) == (None, None, None)


# --- tiers --------------------------------------------------------------------------------------------------------------


@_TIERED
@pytest.mark.parametrize(
    ("tier", "model", "dollars"),
    [
        ("default", "gpt-5", (1_000 * 1.25 + 100 * 10) / 1e6),
        ("flex", "gpt-5", (1_000 * 0.625 + 100 * 5) / 1e6),
        ("priority", "gpt-5", (1_000 * 2.50 + 100 * 20) / 1e6),
        ("scale", "gpt-5", None),
    ],
)
def test_a_service_tier_has_its_own_price_or_none(
    tier: str, model: str, dollars: float | None, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.ERROR)
    report = _costs(_call(1, gen_ai__response__model=model, openai__response__service_tier=tier))
    assert report.total.cost_usd == (None if dollars is None else pytest.approx(dollars, abs=1e-12))
    assert [(each.tier, each.why) for each in report.unpriced] == ([("scale", "no price")] if dollars is None else [])


def test_the_tier_that_answered_counts_not_the_one_asked_for() -> None:
    told: dict[str, Any] = {"openai__request__service_tier": "flex", "openai__response__service_tier": "default"}
    assert _costs(_call(1, **told)).total.cost_usd == pytest.approx(0.00021)


@_TIERED
def test_a_batch_of_anthropic_costs_half() -> None:
    told: dict[str, Any] = {"gen_ai__provider__name": "anthropic", "gen_ai__response__model": "claude-sonnet-4-5"}
    whole = _costs(_call(1, **told)).total.cost_usd
    half = _costs(_call(1, **told, agenttrace__response__service_tier="batch")).total.cost_usd
    assert whole == pytest.approx((1_000 * 3 + 100 * 15) / 1e6)
    assert half == pytest.approx(0.00225)


def test_the_own_table_names_a_tier_in_parentheses(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.ERROR)
    table = price_table(
        {
            "house": {"input_per_mtok": 1, "output_per_mtok": 1},
            "house (fast)": {"input_per_mtok": 3, "output_per_mtok": 3},
        }
    )
    costs = [
        _costs(
            _call(1, gen_ai__response__model="house-2", openai__response__service_tier=tier), pricing=Pricing(table)
        ).total
        for tier in (None, "fast", "slow")
    ]
    assert [each.cost_usd for each in costs] == [pytest.approx(0.0011), pytest.approx(0.0033), None]


# --- other prices -------------------------------------------------------------------------------------------------------


def test_a_recorded_cost_is_kept_until_other_prices_are_asked_for() -> None:
    span = _call(1, agenttrace__cost__amount=0.5, agenttrace__cost__currency="USD")
    kept = _costs(span)
    assert (kept.total.cost_usd, kept.priced_by, kept.as_called) == (0.5, {"recorded": 1}, None)
    for pricing, dollars in (
        (Pricing(at=_DAY), 0.00021),
        (Pricing(model="gpt-5"), 0.00225),
        (Pricing(flat=ModelPrice(2, 3)), 0.0023),
    ):
        report = _costs(span, pricing=pricing)
        assert report.total.cost_usd == pytest.approx(dollars)
        assert report.as_called is not None
        assert report.as_called.cost_usd == 0.5


def test_prices_are_those_of_the_day_of_the_call_unless_another_is_named() -> None:
    model: dict[str, Any] = {
        "gen_ai__response__model": "o3"
    }  # 10 and 40 dollars until 2025-06-09, 2 and 8 from then on
    early = replace(_call(1, **model), start_ns=int(datetime(2025, 5, 1, tzinfo=timezone.utc).timestamp()) * 10**9)
    assert _costs(early).total.cost_usd == pytest.approx(0.014)
    assert _costs(early, pricing=Pricing(at=_DAY)).total.cost_usd == pytest.approx(0.0028)
    assert _costs(early, pricing=Pricing(at=_DAY)).prices_of == "2026-11-01"


# --- groups -------------------------------------------------------------------------------------------------------------


def test_calls_are_grouped_by_agent_phase_and_turn_whatever_the_order_in_the_file() -> None:
    agent = {semconv.GEN_AI_OPERATION_NAME: "invoke_agent", semconv.GEN_AI_AGENT_NAME: "planner"}
    around = [
        Span("a" * 32, "d" * 16, "invoke_agent planner", _BEGIN, attributes=agent),
        Span(
            "a" * 32,
            "e" * 16,
            "think",
            _BEGIN,
            parent_span_id="d" * 16,
            attributes={semconv.AGENTTRACE_NODE_NAME: "think"},
        ),
        Span("a" * 32, "f" * 16, "step", _BEGIN, parent_span_id="e" * 16),
    ]
    calls = [replace(_call(1), parent_span_id="f" * 16), replace(_call(2), parent_span_id="d" * 16), _call(3)]
    report = _costs(*calls, *around, by=("agent", "phase", "turn"))
    assert {name: [(each.name, each.spent.calls) for each in groups] for name, groups in report.by.items()} == {
        "agent": [("planner", 2), (None, 1)],
        "phase": [(None, 2), ("think", 1)],
        "turn": [("1", 1), ("2", 1), ("3", 1)],
    }
    assert [each.share for each in report.by["agent"]] == [pytest.approx(2 / 3), pytest.approx(1 / 3)]
    assert _costs(*reversed((*calls, *around)), by=("agent", "phase")).by == {
        name: report.by[name] for name in ("agent", "phase")
    }


def test_the_agent_of_a_call_is_known_through_a_span_that_tells_the_same_call() -> None:
    agent = {semconv.GEN_AI_OPERATION_NAME: "invoke_agent", semconv.GEN_AI_AGENT_NAME: "planner"}
    run = Span("a" * 32, "d" * 16, "invoke_agent planner", _BEGIN, attributes=agent)
    framework = replace(_call(1, None, None), parent_span_id=run.span_id)
    report = _costs(run, framework, replace(_call(2), parent_span_id=framework.span_id), by=("agent",))
    assert [(each.name, each.spent.calls) for each in report.by["agent"]] == [("planner", 1)]


@pytest.mark.parametrize("amount", [float("nan"), float("inf"), -1.0])
def test_a_recorded_cost_that_is_none_is_not_kept(amount: float) -> None:
    report = _costs(_call(1, agenttrace__cost__amount=amount, agenttrace__cost__currency="USD"))
    assert report.priced_by == {"genai-prices": 1}
    assert report.total.cost_usd == pytest.approx(0.00021)


@pytest.mark.parametrize("tokens", [-1, 1 << 63])
def test_tokens_that_can_be_no_count_are_not_known(tokens: int) -> None:
    total = _costs(_call(1, got=tokens)).total
    assert (total.output_tokens, total.uncounted_calls, total.cost_usd) == (None, 1, None)


def test_spans_that_go_round_in_a_circle_end() -> None:
    one = Span("a" * 32, "d" * 16, "one", _BEGIN, parent_span_id="e" * 16)
    other = Span(
        "a" * 32, "e" * 16, "other", _BEGIN, parent_span_id="d" * 16, attributes={semconv.GEN_AI_AGENT_NAME: "x"}
    )
    report = _costs(one, other, replace(_call(1), parent_span_id="d" * 16), by=("agent",))
    assert [each.name for each in report.by["agent"]] == ["x"]


def test_each_call_is_listed_where_that_is_asked_for() -> None:
    report = _costs(_call(1, **_CACHED), with_calls=True)
    assert report.calls is not None
    (call,) = report.calls
    assert (call.file, call.span_id, call.time) == ("run.otlp.jsonl", f"{1:016x}", "2026-11-01T00:00:01+00:00")
    assert (call.cost_usd, call.cache_read_tokens, call.priced_by) == (pytest.approx(0.00018), 400, "genai-prices")


# --- in vain ------------------------------------------------------------------------------------------------------------


def _keyed(span: Span, key: str) -> Span:
    return replace(span, attributes={**span.attributes, semconv.AGENTTRACE_CALL_KEY: key})


def test_what_is_in_vain_is_counted_once_by_its_kind() -> None:
    attempts = tuple(Event(semconv.EVENT_AGENTTRACE_EXCHANGE, 1) for _ in range(3))
    spans = [
        _failed(_keyed(_call(1), "a")),  # made again
        _failed(_keyed(_call(2), "a")),  # made again
        replace(_keyed(_call(3), "a"), events=attempts),
        _keyed(_call(4), "a"),  # answered before
        _keyed(_call(5), "b"),
        _failed(_keyed(_call(6), "c")),  # failed, and that was it
        _failed(_keyed(_call(7, None, None), "d")),  # refused: costs nothing
    ]
    wasted = _costs(*spans).wasted
    assert [(kind.spent.calls, kind.spent.cost_usd) for kind in (wasted.failed, wasted.retried, wasted.repeated)] == [
        (2, pytest.approx(0.00021)),
        (2, pytest.approx(0.00042)),
        (1, pytest.approx(0.00021)),
    ]
    assert [each.span_id[-1] for each in wasted.failed.evidence] == ["6", "7"]
    assert (wasted.together.calls, wasted.share, wasted.further_attempts) == (5, pytest.approx(4 / 6), 2)


def test_the_same_request_in_another_file_is_another_run() -> None:
    streams = [SpanStream(name, (_keyed(_call(1), "a"),), lambda _: None) for name in ("one", "two")]
    assert costs_of(streams, Pricing()).wasted.together.calls == 0


def test_a_request_of_others_is_known_by_its_messages() -> None:
    one, two = _said("one"), _said("two")
    spans = [_call(1, gen_ai__input__messages=one), _call(2, gen_ai__input__messages=one), _call(3)]
    wasted = _costs(*spans, _call(4, gen_ai__input__messages=two)).wasted
    assert ([each.span_id[-1] for each in wasted.repeated.evidence], wasted.unjudged_calls) == (["2"], 1)


def _said(text: str) -> str:
    return json.dumps([said("user", text)])


@pytest.mark.parametrize("messages", ["[REDACTED]", _said("a long text")[:30], "[]", '[{"role": "user", "parts": []}]'])
def test_requests_that_were_cut_off_or_taken_out_are_not_told_as_the_same(messages: str) -> None:
    spans = [_call(number, gen_ai__input__messages=messages) for number in (1, 2, 3)]
    wasted = _costs(_failed(spans[0]), *spans[1:]).wasted
    assert (wasted.failed.spent.calls, wasted.together.calls, wasted.unjudged_calls) == (1, 1, 3)


@pytest.mark.parametrize("name", [semconv.GEN_AI_CONVERSATION_ID, semconv.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID])
def test_the_same_words_in_another_conversation_are_another_request(name: str) -> None:
    spans = [_call(number, gen_ai__input__messages=_said("go on")) for number in (1, 2)]
    told = (replace(span, attributes={**span.attributes, name: span.span_id}) for span in spans)
    assert _costs(*told).wasted.together.calls == 0


def test_a_call_beside_a_failed_one_does_not_make_it_again() -> None:
    first = _failed(_keyed(_call(1), "a"))
    beside, after = _keyed(_call(2), "a"), _keyed(_call(9), "a")
    first = replace(first, end_ns=beside.start_ns + 5)
    wasted = _costs(first, beside).wasted
    assert (wasted.failed.spent.calls, wasted.retried.spent.calls) == (1, 0)
    wasted = _costs(first, _failed(beside), after).wasted
    assert (wasted.failed.spent.calls, wasted.retried.spent.calls, wasted.together.calls) == (1, 1, 2)


# --- real traces --------------------------------------------------------------------------------------------------------


@pytest.mark.skipif(not _ANY_AGENT.is_dir(), reason="the corpora are not here")
def test_a_trace_of_any_agent_costs_what_it_says_itself() -> None:
    """Any-agent writes `gen_ai.usage.input_cost` and `output_cost` on each `call_llm`; mistral-small is 0.1 in, 0.3 out.

    By hand, from the four `call_llm` spans of TINYAGENT_trace.json: 1,369 tokens in, 156 out.
    """
    stream = opened_stream(Path(_ANY_AGENT, "TINYAGENT_trace.json"), lambda _: None, print)
    total = costs_of((stream,), Pricing()).total
    assert (total.calls, total.input_tokens, total.output_tokens) == (4, 1_369, 156)
    assert total.cost_usd == pytest.approx((1_369 * 0.1 + 156 * 0.3) / 1e6)
