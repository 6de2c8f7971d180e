"""Facts about what tokens cost. Expected figures are computed by hand from the providers' prices of mid-2025."""

from __future__ import annotations

import logging
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timezone

import pytest

from otel_agenttrace import semconv
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.model import AttributeValue, Span, Usage
from otel_agenttrace.pricing import Price, PriceTable, cost_of_span, price_of, price_table

AT = datetime(2025, 6, 1, tzinfo=timezone.utc)
PLAIN = Usage(input_tokens=1000, output_tokens=100)
CACHED = Usage(input_tokens=1000, output_tokens=100, cache_read_input_tokens=400, cache_write_input_tokens=100)


def cost(usage: Usage, provider: str | None, model: str | None, table: PriceTable | None = None) -> float | None:
    price = price_of(usage, provider=provider, model=model, at=AT, table=table)
    return None if price is None else price.total_cost


def span(attributes: Mapping[str, AttributeValue]) -> Span:
    told: dict[str, AttributeValue] = {
        semconv.GEN_AI_OPERATION_NAME: "chat",
        semconv.GEN_AI_PROVIDER_NAME: "openai",
        semconv.GEN_AI_USAGE_INPUT_TOKENS: 1000,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: 100,
    }
    start_ns = int(AT.timestamp()) * 1_000_000_000
    return Span("1" * 32, "2" * 16, "chat", start_ns, attributes={**told, **attributes})


# --- genai-prices ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("provider", "model", "dollars"),
    [
        ("openai", "gpt-4o", 0.0025 + 0.001),
        ("openai", "gpt-4o-2024-08-06", 0.0025 + 0.001),
        ("openai", "gpt-4o-2024-05-13", 0.005 + 0.0015),
        ("openai", "gpt-4o-mini", 0.00015 + 0.00006),
        ("azure.ai.openai", "gpt-4o-2024-08-06", 0.0025 + 0.001),
        ("openrouter", "openai/gpt-4o", 0.0025 + 0.001),
        ("openai", "openai/gpt-4o", 0.0025 + 0.001),
        (None, "openai/gpt-4o", 0.0025 + 0.001),
        (None, "gpt-4o", 0.0025 + 0.001),
        ("anthropic", "claude-3-5-sonnet-20241022", 0.003 + 0.0015),
        ("aws.bedrock", "anthropic.claude-3-5-sonnet-20241022-v2:0", 0.003 + 0.0015),
        ("gcp.gemini", "models/gemini-2.5-pro", 0.00125 + 0.001),
    ],
)
def test_a_model_has_the_price_of_its_provider(provider: str | None, model: str, dollars: float) -> None:
    assert cost(PLAIN, provider, model) == pytest.approx(dollars)


def test_input_tokens_include_cache_reads_which_openai_sells_at_half_price() -> None:
    usage = Usage(input_tokens=1000, output_tokens=100, cache_read_input_tokens=400)
    price = price_of(usage, provider="openai", model="gpt-4o", at=AT)
    assert price is not None
    assert price.input_cost == pytest.approx((600 * 2.5 + 400 * 1.25) / 1e6)
    assert price.output_cost == pytest.approx(100 * 10 / 1e6)
    assert (price.model, price.source) == ("gpt-4o", "genai-prices")


def test_cache_reads_and_writes_count_by_their_own_price() -> None:
    dollars = (500 * 3 + 400 * 0.3 + 100 * 3.75 + 100 * 15) / 1e6
    assert cost(CACHED, "anthropic", "claude-3-5-sonnet-20241022") == pytest.approx(dollars)


def test_what_a_cache_keeps_for_an_hour_costs_more_where_it_is_sold() -> None:
    usage = Usage(1000, 0, cache_write_input_tokens=500, cache_write_1h_input_tokens=200)
    assert cost(usage, "anthropic", "claude-3-5-haiku-20241022") == pytest.approx((500 * 0.8 + 300 + 200 * 1.6) / 1e6)
    assert cost(usage, "openai", "gpt-4o") == cost(replace(usage, cache_write_1h_input_tokens=None), "openai", "gpt-4o")
    two = {"input_per_mtok": 1, "output_per_mtok": 2, "cache_write_per_mtok": 3}
    assert cost(usage, None, "m", price_table({"m": two})) == pytest.approx((500 + 500 * 3) / 1e6)
    three = {**two, "cache_write_1h_per_mtok": 5}
    assert cost(usage, None, "m", price_table({"m": three})) == pytest.approx((500 + 300 * 3 + 200 * 5) / 1e6)


def test_tokens_kept_for_an_hour_are_of_those_written_to_the_cache() -> None:
    usage = Usage(1000, 0, cache_write_1h_input_tokens=200)
    assert cost(usage, "anthropic", "claude-3-5-haiku-20241022") == pytest.approx(1000 * 0.8 / 1e6)


def test_cached_tokens_without_a_price_of_their_own_count_as_input() -> None:
    # OpenAI has no price for cache writes; Phoenix and MLflow compute the same
    assert cost(CACHED, "openai", "gpt-4o") == pytest.approx((600 * 2.5 + 400 * 1.25 + 100 * 10) / 1e6)


def test_a_call_has_the_price_of_its_day() -> None:
    days = (datetime(2025, 6, 1, tzinfo=timezone.utc), datetime(2025, 7, 1, tzinfo=timezone.utc), None)
    prices = [price_of(PLAIN, provider="openai", model="o3", at=day) for day in days]
    assert [price and price.total_cost for price in prices] == pytest.approx([0.014, 0.0028, 0.0028])


def test_azure_is_not_taken_for_openai() -> None:
    assert cost(PLAIN, "azure.ai.openai", "claude-3-5-sonnet-20241022") == pytest.approx(0.0045)


def test_embeddings_need_no_output_tokens() -> None:
    assert cost(Usage(input_tokens=1000), "openai", "text-embedding-3-small") == pytest.approx(0.00002)


# --- what is not known ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("usage", "provider", "model"),
    [
        (PLAIN, "openai", None),
        (PLAIN, "openai", "gpt-from-tomorrow"),
        (PLAIN, "vllm", "gpt-4o"),
        (PLAIN, None, "no-such-vendor/no-such-model"),
        (Usage(), "openai", "gpt-4o"),
        (Usage(output_tokens=100), "openai", "gpt-4o"),
        (Usage(input_tokens=1000), "openai", "gpt-4o"),
        (Usage(input_tokens=10, output_tokens=1, cache_read_input_tokens=400), "openai", "gpt-4o"),
    ],
    ids=str,
)
def test_what_is_not_known_costs_none(usage: Usage, provider: str | None, model: str | None) -> None:
    assert cost(usage, provider, model) is None


def test_no_tokens_cost_nothing() -> None:
    assert cost(Usage(0, 0), "openai", "gpt-4o") == 0


def test_a_model_without_a_price_is_told_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "otel_agenttrace"):
        assert [cost(PLAIN, "openai", "told-once") for _ in range(3)] == [None] * 3
    assert [record.getMessage() for record in caplog.records] == [
        "no price is known for model 'told-once' of provider 'openai': its calls cost None, not 0"
    ]


# --- spans ----------------------------------------------------------------------------------------------------------


def test_a_recorded_cost_comes_first() -> None:
    recorded = span({semconv.GEN_AI_REQUEST_MODEL: "gpt-4o", semconv.AGENTTRACE_COST_AMOUNT: 0.5})
    assert cost_of_span(recorded) == 0.5


def test_a_recorded_cost_in_another_currency_does_not_count() -> None:
    euros = {semconv.AGENTTRACE_COST_AMOUNT: 0.5, semconv.AGENTTRACE_COST_CURRENCY: "EUR"}
    assert cost_of_span(span({semconv.GEN_AI_REQUEST_MODEL: "gpt-4o", **euros})) == pytest.approx(0.0035)


def test_the_model_that_answered_comes_before_the_one_that_was_asked_for() -> None:
    models = {semconv.GEN_AI_REQUEST_MODEL: "gpt-4o", semconv.GEN_AI_RESPONSE_MODEL: "gpt-4o-2024-05-13"}
    assert cost_of_span(span(models)) == pytest.approx(0.0065)


def test_an_answering_model_without_a_price_falls_back_to_the_one_asked_for(caplog: pytest.LogCaptureFixture) -> None:
    models = {semconv.GEN_AI_REQUEST_MODEL: "gpt-4o", semconv.GEN_AI_RESPONSE_MODEL: "gateway-name-of-it"}
    assert cost_of_span(span(models)) == pytest.approx(0.0035)
    assert caplog.records == []


def test_only_inference_spans_are_priced() -> None:
    agent = {semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_INVOKE_AGENT, semconv.GEN_AI_REQUEST_MODEL: "gpt-4o"}
    assert cost_of_span(span(agent)) is None


# --- the user's own table -------------------------------------------------------------------------------------------

TABLE = price_table(
    {
        "gpt-4o": {"input_per_mtok": 1, "output_per_mtok": 2},
        "gpt-4o-mini": {
            "input_per_mtok": 10,
            "output_per_mtok": 20,
            "cache_read_per_mtok": 5,
            "cache_write_per_mtok": 0,
        },
        "local": {"input_per_mtok": 0, "output_per_mtok": 0},
    }
)


@pytest.mark.parametrize(
    ("model", "dollars"),
    [
        ("gpt-4o", (1000 * 1 + 100 * 2) / 1e6),
        ("gpt-4o-2024-08-06", (1000 * 1 + 100 * 2) / 1e6),
        ("gpt-4o-mini-2024-07-18", (500 * 10 + 400 * 5 + 100 * 20) / 1e6),
        ("local", 0),
        ("claude-3-5-sonnet-20241022", 0.003495),
    ],
)
def test_the_own_table_comes_first_by_the_longest_beginning(model: str, dollars: float) -> None:
    assert cost(CACHED, "openai" if model.startswith("gpt") else "anthropic", model, TABLE) == pytest.approx(dollars)


def test_a_price_of_the_own_table_names_its_entry() -> None:
    price = price_of(PLAIN, provider=None, model="gpt-4o-2024-08-06", at=None, table=TABLE)
    assert price == Price(
        input_cost=0.001, output_cost=0.0002, total_cost=0.001 + 0.0002, model="gpt-4o", source="table"
    )


def test_the_own_table_prices_spans() -> None:
    assert cost_of_span(span({semconv.GEN_AI_REQUEST_MODEL: "gpt-4o"}), TABLE) == pytest.approx(0.0012)


BOTH = {"input_per_mtok": 1, "output_per_mtok": 2}


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (
            {"input_per_mtk": 1, "output_per_mtok": 2},
            (
                "[tool.otel-agenttrace.prices] 'm' has no key 'input_per_mtk'.\n  to fix   one of input_per_mtok,"
                " output_per_mtok, cache_read_per_mtok, cache_write_per_mtok, cache_write_1h_per_mtok. Did you mean 'input_per_mtok'?"
            ),
        ),
        (
            {"1": BOTH},
            (
                "[tool.otel-agenttrace.prices] 'm' has no key '1'.\n"
                '  to fix   write a name with dots in quotes: "gpt-4.1" = { … }'
            ),
        ),
        (
            {"input_per_mtok": 1},
            "[tool.otel-agenttrace.prices] 'm' lacks output_per_mtok.\n  to fix   US dollars per million tokens",
        ),
        (
            {**BOTH, "output_per_mtok": "2"},
            (
                "[tool.otel-agenttrace.prices] 'm' output_per_mtok is '2'.\n"
                "  to fix   US dollars per million tokens, 0 or more"
            ),
        ),
        (
            {**BOTH, "cache_read_per_mtok": -1},
            (
                "[tool.otel-agenttrace.prices] 'm' cache_read_per_mtok is -1.\n"
                "  to fix   US dollars per million tokens, 0 or more"
            ),
        ),
        (
            3,
            (
                "[tool.otel-agenttrace.prices] 'm' is 3.\n  to fix   a table of input_per_mtok, output_per_mtok,"
                " cache_read_per_mtok, cache_write_per_mtok, cache_write_1h_per_mtok"
            ),
        ),
    ],
)
def test_a_wrong_entry_is_named_with_what_would_be_right(entry: object, message: str) -> None:
    with pytest.raises(ConfigError) as raised:
        price_table({"m": entry})
    assert str(raised.value) == message


# --- what it does not do --------------------------------------------------------------------------------------------

ALONE = """
import sys, threading
def hear(event, arguments):
    if event in {"socket.connect", "socket.getaddrinfo", "socket.gethostbyname"}:
        raise SystemExit(f"{event} {arguments}")
sys.addaudithook(hear)
from otel_agenttrace.model import Usage
from otel_agenttrace.pricing import price_of
assert "genai_prices" not in sys.modules
assert price_of(Usage(1000, 100), provider="openai", model="gpt-4o", at=None) is not None
assert "genai_prices" in sys.modules
assert threading.active_count() == 1, threading.enumerate()
"""


def test_prices_load_on_first_use_and_never_from_the_network() -> None:
    subprocess.run([sys.executable, "-c", ALONE], check=True, timeout=60)
