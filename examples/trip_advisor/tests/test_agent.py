"""What the trip advisor has to do. The calls to models are answered from `cassettes/`: no network, no key, no bill."""

from __future__ import annotations

import pytest
from agent import advise

import otel_agenttrace as at
from otel_agenttrace.testing import assert_models, assert_tool_order, check


@pytest.mark.budget(max_usd=0.01, max_tokens=1_000, max_llm_calls=6)
def test_plans_a_day(cassette: at.Session) -> None:
    advise("What shall we do in Lisbon tomorrow?")
    assert_tool_order(cassette, ["weather", "sights", "opening_hours"], mode="strict")
    assert_models(cassette, "gpt-4o-mini", "gpt-4o")
    check(cassette, no_errors=True, output_contains="Gulbenkian Museum", output_matches=r"10:00 (to|-) 18:00")


@pytest.mark.budget(max_usd=0.001, max_llm_calls=1)
def test_refuses_other_questions(cassette: at.Session) -> None:
    assert advise("What is the square root of 1764?") == "I only know about trips."
    check(cassette, tool_calls=0)
