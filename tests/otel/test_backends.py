"""The same trace in Phoenix, in MLflow and in `cost`: they count the same tokens, and the same money."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from otel_agenttrace import semconv
from otel_agenttrace.analyze.costs import costs_of
from otel_agenttrace.cassette.format import encode_line, encode_resource
from otel_agenttrace.library.streaming import opened_stream
from otel_agenttrace.model import AttributeValue, Span
from otel_agenttrace.pricing import Pricing
from tests.support.backends import MLflow, Phoenix, is_installed

pytestmark = pytest.mark.slow

_BEGIN = 1_790_000_000_000_000_000
_ROOT = "d" * 16


def _call(number: int, model: str, given: int, got: int, cached: int) -> Span:
    told: dict[str, AttributeValue] = {
        semconv.GEN_AI_OPERATION_NAME: "chat",
        semconv.GEN_AI_PROVIDER_NAME: "openai",
        semconv.GEN_AI_REQUEST_MODEL: model,
        semconv.GEN_AI_RESPONSE_MODEL: model,
        semconv.GEN_AI_RESPONSE_ID: f"chatcmpl-{number}",
        semconv.GEN_AI_USAGE_INPUT_TOKENS: given,
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: got,
        semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: cached,
    }
    begun = _BEGIN + number * 1_000_000
    return Span("e" * 32, f"{number:016x}", f"chat {model}", begun, begun + 500, _ROOT, "CLIENT", told)


_AGENT = Span(
    "e" * 32,
    _ROOT,
    "invoke_agent planner",
    _BEGIN,
    _BEGIN + 9_000_000,
    attributes={semconv.GEN_AI_OPERATION_NAME: "invoke_agent", semconv.GEN_AI_AGENT_NAME: "planner"},
)
_SPANS = (
    _call(1, "gpt-4o-mini", 1_000, 100, 0),
    _call(2, "gpt-4o-mini", 2_000, 200, 1_024),
    _call(3, "gpt-4o", 3_000, 300, 2_048),
    _AGENT,
)


@pytest.mark.parametrize(("name", "backend"), [("phoenix", Phoenix), ("mlflow", MLflow)])
def test_a_backend_counts_the_tokens_and_the_money_that_cost_counts(name: str, backend: Any, tmp_path: Path) -> None:
    if not is_installed(name):
        pytest.skip(f"{name} is not set up: make backends")
    path = tmp_path / "trace.jsonl"
    path.write_bytes(b"".join(encode_line(span, encode_resource({"service.name": "costs"})) for span in _SPANS))
    total = costs_of((opened_stream(path, lambda _: None, print),), Pricing()).total
    by_hand = (1_976 * 0.15 + 1_024 * 0.075 + 300 * 0.6 + 952 * 2.5 + 2_048 * 1.25 + 300 * 10) / 1e6
    assert (total.input_tokens, total.output_tokens, total.cost_usd) == (6_000, 600, pytest.approx(by_hand))
    folder = tmp_path / "server"
    folder.mkdir()
    with backend(folder) as running:
        counted = running.counted(path.read_bytes())
    assert (counted.input_tokens, counted.output_tokens, counted.cost_usd) == (6_000, 600, pytest.approx(by_hand))
