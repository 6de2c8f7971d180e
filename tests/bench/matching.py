"""What it costs to know a request, and to find its recording among many, beyond the key and beyond reading the answer."""

from __future__ import annotations

import hashlib
import json
import statistics
import tempfile
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final

from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.matching import Requested, requested
from otel_agenttrace.playback.player import Player
from otel_agenttrace.redact import Redactor, redactor
from tests.bench.calls import messages, recorded_calls
from tests.bench.figures import Figure, median_us

__all__ = ["hashing", "matching"]

_COUNT: Final = 10_000
_ROUNDS: Final = 9
_CLAIMED: Final = _COUNT // _ROUNDS
_PLAIN: Final = Redactor(())
_SIZES: Final = ((1, 200), (27, 20), (530, 3))
"""How often ten messages of 4 KB stand in a request, and how many requests are measured in a round."""


def _body(number: int, times: int = 1) -> bytes:
    said = [message for each in range(times) for message in messages(number + each)]
    return json.dumps({"model": "gpt-4o", "messages": said}, separators=(",", ":")).encode()  # as the SDK sends it


def _asked(number: int) -> Requested:
    return _requested(_body(number))


def _requested(body: bytes) -> Requested:
    return requested("POST", "https://api.openai.com/v1/chat/completions", "application/json", body, _PLAIN)


def hashing() -> list[Figure]:
    """A key costs at most 1.5 times what json and sha256 of the standard library cost, the digest of the bytes a fifth.

    No detector looks for secrets here. The redaction and its cost are another subject.
    """
    return [figure for times, count in _SIZES for figure in _hashing(times, count)]


def _hashing(times: int, count: int) -> list[Figure]:
    first = iter(range(0, 1_000_000, count))

    def bodies() -> Sequence[bytes]:
        begin = next(first)
        return [_body(begin + number, times) for number in range(count)]

    def timed(hashed: Callable[[bytes], object]) -> float:
        given = bodies()
        return median_us(lambda number: hashed(given[number]), count)

    rounds = [tuple(map(timed, (_plain, _raw_key, _key))) for _ in range(_ROUNDS)]
    plain, raw, key = (statistics.median(figures) for figures in zip(*rounds, strict=True))
    told = partial(Figure, unit="×", bare=f"{plain:,.0f} µs")
    size = f"{len(_body(0, times)) / 1e3:,.0f} KB"
    return [
        told(f"key of {size}, paired with json + sha256", _ratio(rounds, 2), 1.5, ours=f"{key:,.0f} µs"),
        told(f"digest of {size} as sent, paired with the same", _ratio(rounds, 1), 0.25, ours=f"{raw:,.0f} µs"),
    ]


def _ratio(rounds: Sequence[Sequence[float]], place: int) -> float:
    return statistics.median(each[place] / each[0] for each in rounds)


def _plain(body: bytes) -> str:
    return hashlib.sha256(json.dumps(json.loads(body), sort_keys=True).encode()).hexdigest()


def _raw_key(body: bytes) -> str | None:
    return _requested(body).raw_key


def _key(body: bytes) -> str:
    return _requested(body).key


def matching() -> list[Figure]:
    """Among 10,000 recorded calls a hit is found in 20 µs, beyond the digest of its bytes and the reading of its answer."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "c.otlp.jsonl")
        recorded_calls(path, _COUNT)
        cassette = open_cassette(path, strict=True)
        player = Player(cassette, redactor({}))
        entries = cassette.index.calls
        begun = iter(range(_ROUNDS))

        def keyed() -> float:
            return median_us(lambda number: _asked(number).raw_key, _CLAIMED)

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
        Figure("find a hit among 10,000 calls, beyond hashing", found, 20, "µs", f"{key:,.0f} µs", f"{ours:,.0f} µs"),
        Figure("read the answer of a hit", reading, None, "µs"),
    ]
