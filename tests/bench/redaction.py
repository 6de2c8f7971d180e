"""What it costs to look for secrets where there are none."""

from __future__ import annotations

import json
import statistics
import time
from pathlib import Path
from typing import Final

from otel_agenttrace.matching import requested
from otel_agenttrace.redact import Redactor, redactor
from tests.bench.calls import ANSWER, messages
from tests.bench.figures import Figure, median_us

__all__ = ["conversation", "exchange"]

_CORPORA: Final = Path(__file__).parents[3] / "shared" / "corpora"
_CHUNK: Final = 4096
_ROUNDS: Final = 5
_COUNT: Final = 200


def _texts() -> list[str]:
    """Return recorded conversations in pieces of 4 KB; where there are none, made ones."""
    files = [path for folder in ("traj-tau-bench", "traj-swe-agent") for path in sorted((_CORPORA / folder).rglob("*"))]
    text = "".join(path.read_text(encoding="utf-8", errors="replace") for path in files if path.is_file())
    text = text or json.dumps([messages(number) for number in range(200)])
    return [text[start : start + _CHUNK] for start in range(0, len(text), _CHUNK)]


def conversation() -> list[Figure]:
    """Conversation text that was not seen before is looked at with at least 20 MB/s."""
    texts = _texts()
    speeds: list[float] = []
    for _ in range(_ROUNDS):
        fresh = redactor({})
        begin = time.process_time()
        for text in texts:
            fresh.redact_text(text)
        speeds.append(sum(map(len, texts)) / 1e6 / (time.process_time() - begin))
    return [Figure("secrets looked for in conversations", statistics.median(speeds), 20, "MB/s", at_least=True)]


def exchange() -> list[Figure]:
    """The question and the answer of a 4 KB exchange cost 100 µs more than without detectors; the history is known."""
    bodies = [json.dumps({"model": "gpt-4o", "messages": messages(number)}).encode() for number in range(_COUNT)]
    url = "https://api.openai.com/v1/chat/completions"
    plain, looking = Redactor(()), redactor({})

    def keyed(number: int, by: Redactor) -> None:
        assert requested("POST", url, "application/json", bodies[number], by).key

    def looked(number: int) -> None:
        keyed(number, looking)
        looking.redact_bytes(ANSWER, ())

    def bare(number: int) -> None:
        keyed(number, plain)
        plain.redact_bytes(ANSWER, ())

    rounds = [(median_us(bare, _COUNT), median_us(looked, _COUNT)) for _ in range(_ROUNDS)]
    added = statistics.median(ours - without for without, ours in rounds)
    return [Figure("secrets looked for in a 4 KB exchange whose history is known, added", added, 100, "µs")]
