"""What a cassette weighs and how long it takes to open."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import otel_agenttrace as at
from otel_agenttrace.cassette.pack import pack
from otel_agenttrace.cassette.reader import open_cassette
from tests.bench.calls import ANSWER, messages, recorded_calls
from tests.bench.figures import Figure
from tests.support.peers import peer_folder

__all__ = ["loading", "sizes"]


def _milliseconds(path: Path) -> float:
    times: list[float] = []
    for _ in range(5):
        begin = time.perf_counter()
        open_cassette(path, strict=True)
        times.append((time.perf_counter() - begin) * 1e3)
    return sorted(times)[2]


def loading() -> list[Figure]:
    """1,000 calls of 4 KB open in 30 ms, 10,000 in 300 ms."""
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for count, bound in ((1_000, 30), (10_000, 300)):
            path = Path(folder, f"{count}.otlp.jsonl")
            recorded_calls(path, count)
            size = f"{path.stat().st_size / 1e6:,.0f} MB"
            figures.append(Figure(f"open {count:,} calls for replay", _milliseconds(path), bound, "ms", "", size))
    return figures


def sizes() -> list[Figure]:
    """A call takes at most 1.1 × its payload, 2,000 bytes and its headers; a 20-turn loop a fifth of VCR.py's YAML."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "c.otlp.jsonl")
        count = 100
        recorded_calls(path, count)
        payload = len(json.dumps({"model": "gpt-4o", "messages": messages(0)})) + len(ANSWER)
        headers = len(json.dumps([["content-type", "application/json"], ["x-request-id", "req_0"]]))
        allowed = 1.1 * payload + 2_000 + headers
        a_call = path.stat().st_size / count
        figures = [Figure("bytes of a call", a_call, allowed, "B", f"{payload:,} B", "")]
        figures += [_loop(Path(folder), tools=True, bound=5), _loop(Path(folder), tools=False, bound=4)]
        packed = pack(Path(folder, "loop-True.otlp.jsonl"))
        yaml = Path(folder, "loop-True.yaml").stat().st_size
        ratio = yaml / packed.stat().st_size
        figures.append(Figure("20 turns after pack, VCR.py over ours", ratio, 20, "×", at_least=True))
    return figures


def _loop(folder: Path, *, tools: bool, bound: float) -> Figure:
    ours, vcr = folder / f"loop-{tools}.otlp.jsonl", folder / f"loop-{tools}.yaml"
    for recorder, path in (("ours", ours), ("vcr", vcr)):
        environment = os.environ | {"PYTHONPATH": str(peer_folder("vcr"))}
        command = [sys.executable, str(Path(__file__).with_name("loop.py")), recorder, str(path), str(int(tools))]
        subprocess.run(command, env=environment, check=True, capture_output=True)
    assert len(at.load(ours).inferences) == 20
    ratio = vcr.stat().st_size / ours.stat().st_size
    told = f"20 turns{', 10 tools' if tools else ''}, VCR.py over ours"
    sizes = f"{vcr.stat().st_size:,} B", f"{ours.stat().st_size:,} B"
    return Figure(told, ratio, bound, "×", *sizes, at_least=True)
