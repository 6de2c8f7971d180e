"""The garbage collector waits while runs are read and compared, and for nothing else."""

from __future__ import annotations

import gc
import os
import subprocess
import sys
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


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork here")
def test_the_collector_goes_on_in_a_child_that_is_forked_meanwhile() -> None:
    told = """
import gc, os, threading
from otel_agenttrace.collecting import uncollected

begun, over = threading.Event(), threading.Event()

def hold():
    with uncollected():
        begun.set()
        over.wait()

thread = threading.Thread(target=hold)
thread.start()
begun.wait()
before = gc.isenabled()
child = os.fork()
if not child:
    os._exit(gc.isenabled())
status = os.waitpid(child, 0)[1]
meanwhile = gc.isenabled()
over.set()
thread.join()
print(before, os.waitstatus_to_exitcode(status), meanwhile, gc.isenabled())
"""
    ran = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True, timeout=60)
    assert ran.stdout.split() == ["False", "1", "False", "True"]


def test_one_block_in_another_leaves_the_collector_to_the_outer_one() -> None:
    with uncollected():
        with uncollected():
            pass
        assert not gc.isenabled()
    assert gc.isenabled()
