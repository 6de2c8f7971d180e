"""What it takes to count what many files, or one large one, tell: time, how it grows, and memory."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from otel_agenttrace.analyze.costs import costs_of
from otel_agenttrace.analyze.streams import SpanStream
from otel_agenttrace.api import pricing_here
from otel_agenttrace.library.streaming import opened_stream
from otel_agenttrace.pricing import Pricing
from tests.bench.figures import Figure
from tests.support.many_spans import write_cassette, write_otlp

__all__ = ["growing", "large_files", "many_files"]

_ROUNDS: Final = 5
_LARGE: Final = 100_000


def _cost(streams: Iterator[SpanStream]) -> object:
    return costs_of(streams, Pricing())


_COUNTED: Final[Sequence[tuple[str, Callable[[Iterator[SpanStream]], object]]]] = (("cost", _cost),)


def _streams(paths: Sequence[Path]) -> Iterator[SpanStream]:
    prices = pricing_here()
    return (opened_stream(path, prices, print) for path in paths)


def _seconds(count: Callable[[Iterator[SpanStream]], object], paths: Sequence[Path], rounds: int = _ROUNDS) -> float:
    times: list[float] = []
    for _ in range(rounds):
        begin = time.perf_counter()
        count(_streams(paths))
        times.append(time.perf_counter() - begin)
    return statistics.median(times)


def many_files() -> list[Figure]:
    """1,000 cassettes of 5 calls each are read and counted in 0.7 s."""
    with TemporaryDirectory() as folder:
        paths = [Path(folder, f"{number}.otlp.jsonl") for number in range(1_000)]
        for path in paths:
            write_cassette(path, 10)
        return [
            Figure(f"1,000 cassettes × 5 calls, {name}", _seconds(count, paths), 0.7, "s") for name, count in _COUNTED
        ]


def growing() -> list[Figure]:
    """Ten times the spans take ten times as long, and ten times those a hundred times: at most a fifth more than that."""
    figures: list[Figure] = []
    with TemporaryDirectory() as folder:
        paths = [Path(folder, f"{count}.otlp.jsonl") for count in (400, 4_000, 40_000)]
        for path in paths:
            write_cassette(path, int(path.name.partition(".")[0]))
        for name, count in _COUNTED:
            one, ten, hundred = (_seconds(count, [path], 3) for path in paths)
            told = f"{one * 1e3:,.0f} ms", f"{ten * 1e3:,.0f}, {hundred * 1e3:,.0f} ms"
            figures.append(
                Figure(f"{name} at 100 × the spans of 400, over 100 × the time", hundred / one / 100, 1.2, "×", *told)
            )
    return figures


_COUNTING: Final = """
import resource, sys
from pathlib import Path
from tests.bench import library
from genai_prices import calc_price, Usage
calc_price(Usage(input_tokens=1), "gpt-4o-mini")
counts = dict(library._COUNTED)
if len(sys.argv) > 2:
    counts[sys.argv[1]](library._streams([Path(sys.argv[2])]))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""
_BARE: Final = "import resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"


def _megabytes(*arguments: str) -> float:
    """Return the most memory that Python had for a script; a shell between keeps ours from being counted."""
    command = ["sh", "-c", '"$@"; exit $?', "sh", sys.executable, "-c", *arguments]
    return int(subprocess.run(command, capture_output=True, check=True, text=True).stdout) / 1024


def large_files() -> list[Figure]:
    """A file of 100,000 spans is counted in 64 MB above the interpreter that has read the same modules and prices."""
    figures: list[Figure] = []
    bare, loaded = _megabytes(_BARE), _megabytes(_COUNTING)
    with TemporaryDirectory() as folder:
        for kind, write in (("cassette", write_cassette), ("OTLP of others", write_otlp)):
            path = Path(folder, f"{kind}.jsonl")
            write(path, _LARGE)
            for name, _ in _COUNTED:
                used = _megabytes(_COUNTING, name, str(path))
                told = f"{loaded:,.0f} MB, Python {bare:,.0f}", f"{used:,.0f} MB"
                figures.append(
                    Figure(f"{name} of 100,000 spans, {kind}, adds to modules", used - loaded, 64, "MB", *told)
                )
                figures.append(Figure("the same, above Python without a module", used - bare, None, "MB"))
            path.unlink()
    return figures
