"""Whether a call is tried again or is the next of many, by what changed in its arguments and by what the failure speaks of."""

from __future__ import annotations

from typing import Any

import pytest

from otel_agenttrace.analyze.phases import explain
from otel_agenttrace.report.explained import explained_page
from otel_agenttrace.report.page import page_markdown
from tests.support.made_runs import Made

_BOOKED: dict[str, Any] = {
    "user_id": "mia_li_3668",
    "flights": [{"flight_number": "HAT136", "date": "2024-05-20"}],
    "payment_methods": [{"payment_id": "certificate_4856", "amount": 100}, {"payment_id": "card_4421", "amount": 155}],
}
_SHORT = "Error: payment amount does not add up, total price is 305, but paid 255"


def _paid(*entries: tuple[str, float]) -> dict[str, Any]:
    return _BOOKED | {"payment_methods": [{"payment_id": name, "amount": amount} for name, amount in entries]}


def _is_again(failed: object, failure: str, again: object) -> bool:
    run = Made()
    run.tool("t1", "call", failed, status="ERROR", status_message=failure)
    run.tool("t2", "call", again, "done")
    return bool(explain(run.trace).retries)


@pytest.mark.parametrize(
    ("failed", "failure", "again"),
    [
        (_BOOKED, _SHORT, _paid(("certificate_4856", 100), ("card_4421", 205))),
        (_BOOKED, _SHORT, _paid(("certificate_4856", 100), ("certificate_7504", 205))),
        (_paid(("card_4421", 5), ("gift_7", 0)), _SHORT, _paid(("card_4421", 305))),
        ({"query": "shoes", "limit": 500}, "limit is above 100", {"query": "shoes", "limit": 100}),
        ({"limit": 500}, "500", {"limit": 100}),
        ({"timeout": 5}, "timed out", {"timeout": 8}),
        ({"url": "https://shop.test/v1/orders/7", "timeout_ms": 100}, "timed out", {"url": "https://shop.test/v1/orders/7", "timeout_ms": 9000}),
        ({"file": "a1.py", "viewRange": [1, 900]}, "a1.py has 700 lines", {"file": "a1.py", "viewRange": [1, 700]}),
        ({"account": "A17", "price": "12.50"}, "too low", {"account": "A17", "price": "13.75"}),
        ({"filter": '{"shop": "s1", "maxResults": 5000}'}, "too many", {"filter": '{"shop": "s1", "maxResults": 900}'}),
        ({"hotel": "h1", "check_in": "2023-05-01"}, "the date is in the past", {"hotel": "h1", "check_in": "2026-05-01"}),
        ({"sku": "B7", "quantity": 12}, "500", {"sku": "B7", "quantity": 3}),
        ({"retries": 0, "budget_usd": 1e-05}, "no budget", {"retries": 2, "budget_usd": 0.5}),
    ],
)  # fmt: skip
def test_another_amount_for_the_same_thing_is_a_retry(failed: object, failure: str, again: object) -> None:
    assert _is_again(failed, failure, again)


@pytest.mark.parametrize(
    ("failed", "failure", "again"),
    [
        ({"url": "https://shop.test/customers/1001"}, "404", {"url": "https://shop.test/customers/1002"}),
        ({"customer": 1001}, "customer 1001 not found", {"customer": 1002}),
        ({"id": 0}, "not found", {"id": 1}),
        ({"tenant": "t1", "customer_id": 1001}, "customer_id is archived", {"tenant": "t1", "customer_id": 1002}),
        ({"repository": "shop", "issue": 17}, "issue is locked", {"repository": "shop", "issue": 18}),
        ({"price_id": 17}, "the price is gone", {"price_id": 18}),
        ({"customer": 1001, "limit": 50}, "limit reached", {"customer": 1002, "limit": 10}),
        ({"query": "shoes", "page": 7}, "500", {"query": "shoes", "page": 8}),
        ({"city": "Bern", "date": "2026-05-01"}, "500", {"city": "Bern", "date": "2026-05-02"}),
        ({"city": "Bern", "date": "2026-05-01"}, "no data for date 2026-05-01", {"city": "Bern", "date": "2026-05-02"}),
        ({"payments": [{"to": "acct10", "amount": 100}]}, "amount too high", {"payments": [{"to": "acct11", "amount": 100.5}]}),
        ({"payment": {"to": "acct10", "amount": 100}, "user": "u1"}, "amount too high", {"payment": {"to": "acct11", "amount": 90}, "user": "u1"}),
        (_BOOKED, "Error: try again later", _paid(("certificate_4856", 100), ("card_4422", 155))),
        (_BOOKED, _SHORT, _paid(("certificate_4856", 100), ("card_4421", 205)) | {"user_id": "mia_li_3669"}),
        ({"command": "sleep 10"}, "timed out", {"command": "sleep 20"}),
    ],
)  # fmt: skip
def test_another_thing_of_its_kind_is_no_retry(failed: object, failure: str, again: object) -> None:
    assert not _is_again(failed, failure, again)


def test_a_retry_that_has_nothing_but_an_amount_is_told_without_a_likeness() -> None:
    run = Made()
    run.tool("wait", "wait", {"timeout": 5}, status="ERROR", status_message="timed out")
    run.tool("wait", "wait", {"timeout": 8})
    report = explain(run.trace)
    assert "the same call with other amounts after" in page_markdown(explained_page(report))
