"""What it takes to count what many files, or one large one, tell: time, how it grows, and memory."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from otel_agenttrace.analyze.behaviour import patterns_of
from otel_agenttrace.analyze.costs import costs_of
from otel_agenttrace.analyze.stats import stats_of
from otel_agenttrace.analyze.streams import SpanStream
from otel_agenttrace.library.streaming import opened_stream
from otel_agenttrace.pricing import Pricing
from otel_agenttrace_instrumentation.loading import pricing_here
from tests.bench.figures import Figure, interleaved
from tests.support.many_spans import write_cassette, write_otlp, write_recording

__all__ = ["growing", "large_files", "many_files"]

_ROUNDS: Final = 5
_LARGE: Final = 100_000


def _cost(streams: Iterator[SpanStream]) -> object:
    return costs_of(streams, Pricing())


_COUNTED: Final[Sequence[tuple[str, Callable[[Iterator[SpanStream]], object]]]] = (
    ("cost", _cost),
    ("patterns", patterns_of),
    ("stats", stats_of),
)


def _streams(paths: Sequence[Path]) -> Iterator[SpanStream]:
    prices = pricing_here()
    return (opened_stream(path, prices, print) for path in paths)


def _seconds(step: Callable[[], object]) -> float:
    begin = time.perf_counter()
    step()
    return time.perf_counter() - begin


def many_files() -> list[Figure]:
    """1,000 cassettes of 5 calls each are read and counted in 0.7 s; beside it, the same files by `json.loads` alone."""
    figures: list[Figure] = []
    with TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.otlp.jsonl") for number in range(1_000)]
        for path in paths:
            write_recording(path, 10)

        def bare() -> float:
            return _seconds(lambda: [json.loads(line) for path in paths for line in path.read_bytes().splitlines()])

        for name, count in _COUNTED:
            parsed, ours, _ = interleaved(bare, lambda count=count: _seconds(lambda: count(_streams(paths))), _ROUNDS)
            told = f"{parsed:.2f} s", f"{ours:.2f} s"
            figures.append(Figure(f"1,000 cassettes × 5 calls, {name}; json.loads", ours, 0.7, "s", *told))
    return figures


def growing() -> list[Figure]:
    """Ten times the spans take ten times as long, and ten times those a hundred times: at most a fifth more than that."""
    figures: list[Figure] = []
    with TemporaryDirectory() as folder:
        paths = [Path(folder, f"{count}.otlp.jsonl") for count in (400, 4_000, 40_000)]
        for path in paths:
            write_recording(path, int(path.name.partition(".")[0]))
        for name, count in _COUNTED:
            one, ten, hundred = (_median(count, path) for path in paths)
            told = f"{one * 1e3:,.0f} ms", f"{ten * 1e3:,.0f}, {hundred * 1e3:,.0f} ms"
            figures.append(
                Figure(f"{name} at 100 × the spans of 400, over 100 × the time", hundred / one / 100, 1.2, "×", *told)
            )
    return figures


def _median(count: Callable[[Iterator[SpanStream]], object], path: Path) -> float:
    return statistics.median(_seconds(lambda: count(_streams([path]))) for _ in range(3))


_COMMAND: Final = """
import re, sys
from pathlib import Path
from otel_agenttrace.cli import main
try:
    main()
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
"""
_BARE: Final = r"""print(__import__("re").search(r"VmHWM:\s+(\d+)", open("/proc/self/status").read())[1], file=__import__("sys").stderr)"""
"""The peak is that of the program: `ru_maxrss` would be that of whoever started it, if that is greater."""


def _megabytes(*arguments: str) -> float:
    """Return the most memory that Python had for a script."""
    command = [sys.executable, "-c", *arguments]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stderr.split()[-1]) / 1024


def large_files() -> list[Figure]:
    """A command counts a file of 100,000 spans in 64 MB above the interpreter, its modules and the prices included."""
    figures: list[Figure] = []
    bare = _megabytes(_BARE)
    with TemporaryDirectory() as folder:
        for kind, write in (("cassette", write_cassette), ("OTLP of others", write_otlp), ("one run", write_recording)):
            path = Path(folder, f"{kind}.jsonl")
            write(path, _LARGE)
            for name, _ in _COUNTED:
                used = _megabytes(_COMMAND, name, str(path))
                told = f"Python {bare:,.0f} MB", f"{used:,.0f} MB"
                figures.append(Figure(f"{name} of 100,000 spans, {kind}, above Python", used - bare, 64, "MB", *told))
            path.unlink()
    return figures
