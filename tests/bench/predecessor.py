"""What the same questions take TraceOps, from its package as it is: the same runs, in its own cassettes."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import otel_agenttrace as at
from otel_agenttrace.analyze.costs import costs_of
from otel_agenttrace.analyze.diffs import diff_of
from otel_agenttrace.library.streaming import opened_stream
from otel_agenttrace.pricing import Pricing
from tests.bench.diffing import record_run
from tests.bench.figures import Figure, cpu_seconds
from tests.support.many_spans import write_cassette
from tests.support.peers import peer_folder

__all__ = ["beside_traceops"]

_CASSETTES: Final = 1_000
_TALKS: Final = 5
_THEIRS: Final = """
import json, sys, time
from pathlib import Path
import otel_agenttrace as at
from trace_ops._types import EventType, Trace, TraceEvent
from trace_ops.cassette import load_cassette, save_cassette
from trace_ops.diff import diff_traces
from trace_ops.reporters.cost_dashboard import CostDashboard

def events(span):
    told = span.attributes.get
    if span.is_inference:
        sent = span.call.attempts[0]
        asked = json.loads(sent.request.body)
        yield TraceEvent(EventType.LLM_REQUEST, span.start_ns / 1e9, provider="openai", model=told("gen_ai.request.model"),
                         messages=asked["messages"], tools=asked.get("tools"))
        yield TraceEvent(EventType.LLM_RESPONSE, span.end_ns / 1e9, provider="openai", model=told("gen_ai.response.model"),
                         response=json.loads(sent.body), input_tokens=span.usage.input_tokens,
                         output_tokens=span.usage.output_tokens, cost_usd=told("agenttrace.cost.amount"))
    elif span.operation == "execute_tool":
        given = json.loads(told("gen_ai.tool.call.arguments"))
        yield TraceEvent(EventType.TOOL_CALL, span.start_ns / 1e9, tool_name=told("gen_ai.tool.name"), tool_input=given)
        yield TraceEvent(EventType.TOOL_RESULT, span.end_ns / 1e9, tool_name=told("gen_ai.tool.name"),
                         tool_output=told("gen_ai.tool.call.result"))

def converted(path):
    trace = Trace()
    for span in at.load(path).spans:
        for event in events(span):
            trace.add_event(event)
    return save_cassette(trace, Path(path).with_suffix(".yaml"))

def seconds(step):
    begin = time.process_time()
    told = step()
    return time.process_time() - begin, told

folder = Path(sys.argv[1])
for path in sorted((folder / "library").glob("*.jsonl")):
    converted(path)
old, new = converted(folder / "old.otlp.jsonl"), converted(folder / "new.otlp.jsonl")
cost, counted = seconds(lambda: CostDashboard(folder / "library").data)
diff, found = seconds(lambda: diff_traces(load_cassette(old), load_cassette(new)))
print(json.dumps({"cost": cost, "calls": counted.total_llm_calls, "diff": diff, "found": found.has_changes}))
"""


_MEASURED_S: Final = 10.7
"""What TraceOps' code took for 1,000 cassettes of 5 calls on the machine for which the bounds in seconds were set."""


def beside_traceops() -> list[Figure]:
    """Cost of 1,000 cassettes of 5 calls, and a diff of two runs of 100 calls that differ in five results of tools.

    A diff of two runs of 1,000 calls has 0.2 s of the 10.7 s that TraceOps took for the former: whatever the machine, that share.
    """
    with TemporaryDirectory() as written:
        folder = Path(written)
        (folder / "library").mkdir()
        paths = [folder / "library" / f"{number}.otlp.jsonl" for number in range(_CASSETTES)]
        for path in paths:
            write_cassette(path, 10)
        old, new = folder / "old.otlp.jsonl", folder / "new.otlp.jsonl"
        record_run(old, seed=1, own_ids=False, talks=_TALKS)
        record_run(new, seed=2, own_ids=False, talks=_TALKS)
        cost = cpu_seconds(lambda: costs_of((opened_stream(path, _unpriced, print) for path in paths), Pricing()))
        diff = cpu_seconds(lambda: diff_of(at.load(old), at.load(new)))
        assert not diff_of(at.load(old), at.load(new)).is_same
        theirs = _theirs(folder)
        long = folder / "long_old.otlp.jsonl", folder / "long_new.otlp.jsonl"
        for seed, path in enumerate(long, 1):
            record_run(path, seed=seed, own_ids=False)
        compared = _in_its_own_process(*long)
    assert theirs["calls"] == 5 * _CASSETTES
    seen = "" if theirs["found"] else ", and says there are none"
    return [
        Figure(
            "1,000 cassettes × 5 calls, cost; TraceOps", cost, None, "s", f"{theirs['cost']:.1f} s", f"{cost:.2f} s"
        ),
        Figure(
            f"diff of 100 calls with 5 changes; TraceOps{seen}",
            diff,
            None,
            "s",
            f"{theirs['diff']:.1f} s",
            f"{diff:.2f} s",
        ),
        Figure(
            "diff of two runs of 1,000 calls, over TraceOps' cost of 1,000 cassettes",
            100 * compared / theirs["cost"],
            round(100 * 0.2 / _MEASURED_S, 2),
            "%",
            f"{theirs['cost']:.1f} s",
            f"{compared:.2f} s",
        ),
    ]


_OURS: Final = """
import sys
from statistics import median
import otel_agenttrace as at
from otel_agenttrace.analyze.diffs import diff_of
from tests.bench.figures import cpu_seconds
old, new = sys.argv[1:]
print(median(cpu_seconds(lambda: diff_of(at.load(old), at.load(new))) for _ in range(9)))
"""


def _in_its_own_process(old: Path, new: Path) -> float:
    """Return what a diff takes where the collector has nothing to look through but what it made itself."""
    command = [sys.executable, "-c", _OURS, str(old), str(new)]
    return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)


def _unpriced(_: object) -> None:
    return None


def _theirs(folder: Path) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPATH": str(peer_folder("traceops"))}
    command = [sys.executable, "-c", _THEIRS, str(folder)]
    return json.loads(subprocess.run(command, env=environment, capture_output=True, check=True, text=True).stdout)
