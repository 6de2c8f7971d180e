"""What it costs to find a recording among many, beyond the key and beyond reading the answer."""

from __future__ import annotations

import json
import statistics
import tempfile
from pathlib import Path
from typing import Final

from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.matching import Requested, requested
from otel_agenttrace.playback.player import Player
from otel_agenttrace.redact import RULES_VERSION, redactor
from tests.bench.calls import messages, recorded_calls
from tests.bench.figures import Figure, median_us

__all__ = ["matching"]

_COUNT: Final = 10_000
_ROUNDS: Final = 9
_CLAIMED: Final = _COUNT // _ROUNDS
_PLAIN: Final = redactor({})


def _asked(number: int) -> Requested:
    body = json.dumps({"model": "gpt-4o", "messages": messages(number)}).encode()
    return requested("POST", "https://api.openai.com/v1/chat/completions", "application/json", body, _PLAIN)


def matching() -> list[Figure]:
    """Among 10,000 recorded calls a hit is found in 20 µs, beyond its key and the reading of its answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "c.otlp.jsonl")
        recorded_calls(path, _COUNT)
        cassette = open_cassette(path, strict=True)
        player = Player(cassette, RULES_VERSION)
        entries = cassette.index.calls
        begun = iter(range(_ROUNDS))

        def keyed() -> float:
            return median_us(_asked, _CLAIMED)

        def read() -> float:
            return median_us(lambda number: cassette.answers(entries[number]), _CLAIMED)

        def claimed() -> float:
            first = next(begun) * _CLAIMED

            def claim(number: int) -> None:
                found = player.claim(_asked(first + number), "")
                assert found is not None
                assert found.outcome == "hit"

            return median_us(claim, _CLAIMED)

        rounds = [(keyed(), read(), claimed()) for _ in range(_ROUNDS)]
    key, reading, ours = (statistics.median(figures) for figures in zip(*rounds, strict=True))
    found = statistics.median(claim - read - key for key, read, claim in rounds)
    return [
        Figure("find a hit among 10,000 calls, beyond its key", found, 20, "µs", f"{key:,.0f} µs", f"{ours:,.0f} µs"),
        Figure("read the answer of a hit", reading, None, "µs"),
    ]
