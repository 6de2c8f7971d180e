"""The garbage collector waits while runs are read and compared, and for nothing else."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from pathlib import Path

import pytest

import otel_agenttrace as at
from otel_agenttrace.analyze.diffs import diff_of
from otel_agenttrace.collecting import uncollected
from otel_agenttrace.errors import CassetteNotFound
from otel_agenttrace.model import Span, Trace


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """Leave the collector as it was."""
    yield
    gc.enable()


def test_the_collector_waits_while_two_runs_are_compared() -> None:
    seen: list[bool] = []

    def priced(_: Span) -> float:
        seen.append(gc.isenabled())
        return 1.0

    trace = Trace((Span("1" * 32, "2" * 16, "chat", 1, 2, attributes={"gen_ai.operation.name": "chat"}),), priced)
    diff_of(trace, trace)
    assert (seen, gc.isenabled()) == ([False, False], True)


def test_the_collector_goes_on_after_an_error(tmp_path: Path) -> None:
    with pytest.raises(CassetteNotFound):
        at.load(tmp_path / "none.otlp.jsonl")
    assert gc.isenabled()


def test_a_collector_that_is_off_stays_off() -> None:
    gc.disable()
    with uncollected():
        assert not gc.isenabled()
    assert not gc.isenabled()


def test_one_block_in_another_leaves_the_collector_to_the_outer_one() -> None:
    with uncollected():
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
