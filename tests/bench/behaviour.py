"""What it takes to look for patterns in many cassettes, beside parsing the same files as JSON; and in one large file."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Final

import otel_agenttrace as at
from otel_agenttrace.analyze.behaviour import patterns_of
from otel_agenttrace.analyze.streams import SpanStream, streamed
from otel_agenttrace.cassette.format import encode_line, encode_resource
from tests.bench.figures import Figure, interleaved
from tests.support.agent_runs import Tool, agent_run

__all__ = ["large_file", "patterns"]

_FILES: Final = 1_000
_SPANS: Final = 100_000
_TOOLS: Final = ("search", "read", "write", "list")


def _write(paths: Sequence[Path], runs: int) -> None:
    """Write files of runs with five calls to a model and four of tools each."""
    resource = encode_resource({"service.name": "bench"})
    for place, path in enumerate(paths):
        with path.open("wb") as file:
            for run in range(place * runs, (place + 1) * runs):
                tools: list[Tool] = [(_TOOLS[(run * step + step) % 4], {"q": run % 7}) for step in range(1, 5)]
                file.writelines(encode_line(span, resource) for span in agent_run(run, tools))


def _seconds(step: Callable[[], object]) -> float:
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def patterns() -> list[Figure]:
    """Patterns over 1,000 cassettes of 5 calls take 0.7 s with loading; what is counted, without it, 0.35 s."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.otlp.jsonl") for number in range(_FILES)]
        _write(paths, 1)
        held = [at.load(path).spans for path in paths]

        def bare() -> float:
            return _seconds(lambda: [json.loads(line) for path in paths for line in path.read_bytes().splitlines()])

        def ours() -> float:
            return _seconds(lambda: patterns_of(streamed(at.load(path)) for path in paths))

        def counting() -> float:
            return _seconds(lambda: patterns_of(_unpriced(spans) for spans in held))

        told = f"{_FILES:,} cassettes × 5 calls"
        naive, whole, _ = interleaved(bare, ours, 3)
        _, alone, _ = interleaved(bare, counting, 3)
    both = f"{naive:.2f} s json.loads", f"{whole:.2f} s"
    return [
        Figure(f"patterns of {told}, with loading", whole, 0.7, "s", *both),
        Figure(f"patterns of {told}, loaded", alone, 0.35, "s", both[0], f"{alone:.2f} s"),
    ]


def _unpriced(spans: Iterable[at.Span]) -> SpanStream:
    return SpanStream("held", spans, lambda _: None)


_MEASURED: Final = """
import re, sys
from pathlib import Path
from otel_agenttrace.analyze.behaviour import patterns_of
from otel_agenttrace.analyze.stats import stats_of
from otel_agenttrace.analyze.streams import SpanStream
from otel_agenttrace.cassette.format import decode_spans
from otel_agenttrace.jsonvalue import parse
class Lines:
    def __iter__(self):
        with open(sys.argv[2], "rb") as file:
            for line in file:
                yield from decode_spans(parse(line))
def peak():
    return int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
before = peak()
{"patterns": patterns_of, "stats": stats_of}[sys.argv[1]]([SpanStream("large", Lines(), lambda _: 0.01)])
print(peak() - before)
"""
"""The peak is that of the program: `ru_maxrss` would be that of whoever started it, if that is greater."""


def large_file() -> list[Figure]:
    """Patterns and stats of a file with 100,000 spans, read line by line, take 64 MB above the interpreter."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "large.otlp.jsonl")
        _write([path], _SPANS // 10)
        for name in ("patterns", "stats"):
            command = [sys.executable, "-c", _MEASURED, name, str(path)]
            told = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            figures.append(Figure(f"{name} of {_SPANS:,} spans, memory", int(told) / 1024, 64, "MB"))
    return figures
