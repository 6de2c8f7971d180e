"""The golden cassette of format version 1: as long as the project lives, it is read like this.

It was recorded once, with a fixed clock, from an agent that asks the fake provider twice and calls a tool in between.
The first answer came after a dropped connection, the second is a stream that came after a 429. Never write it anew: a
change of the format gets a version and a golden file of its own.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, Final

import openai
import pytest

import otel_agenttrace as at
from otel_agenttrace.cassette.format import decode_spans, encode_line, encode_resource
from tests.support.network import watched_network

GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
LOADED: Final = GOLDEN.with_name("cassette_v1.loaded.json")
SHA256: Final = "f6ed2313873e09c3adde0050434c2e31a91ef05e2b58e32b5bc76ee295354335"
ANSWER: Final = 'echo 4: {"city":"Zürich","celsius":21} — ça va 🦊'
_STORED: Final = ("agenttrace.call.", "agenttrace.request.")
"""Attributes of a recorded call, which a line holds before all others."""


def _shape(span: at.Span) -> dict[str, Any]:
    """Return everything a span holds, its recorded call included, as JSON knows it."""
    held = {**asdict(replace(span, read_call=None)), "call": asdict(span.call) if span.call is not None else None}
    del held["read_call"]
    return json.loads(json.dumps(held, default=bytes.decode))


def test_the_golden_file_is_the_one_that_was_recorded() -> None:
    assert hashlib.sha256(GOLDEN.read_bytes()).hexdigest() == SHA256


def test_it_tells_nothing_of_the_machine_it_was_recorded_on() -> None:
    assert re.findall(rb"127\.0\.0\.1|localhost|/home|/root|/tmp|/work|host\.|\bsk-", GOLDEN.read_bytes()) == []


def test_it_is_loaded_as_it_always_was() -> None:
    assert [_shape(span) for span in at.load(GOLDEN).spans] == json.loads(LOADED.read_text(encoding="utf-8"))


@pytest.mark.parametrize("number", range(4))
def test_each_of_its_lines_is_encoded_as_it_always_was(number: int) -> None:
    line = GOLDEN.read_bytes().splitlines(keepends=True)[number]
    (span,) = decode_spans(json.loads(line))
    stored = [(name, value) for name, value in span.attributes.items() if name.startswith(_STORED)]
    others = {name: value for name, value in span.attributes.items() if not name.startswith(_STORED)}
    assert encode_line(replace(span, attributes=others), encode_resource(span.resource), stored) == line


def test_it_answers_the_streamed_call_after_its_429_with_no_network() -> None:
    call = at.load(GOLDEN).inferences[1].call
    assert call is not None
    asked = json.loads(call.attempts[0].request.body)
    client: Any = openai.OpenAI(base_url="https://api.openai.com/v1", api_key="none is needed")
    with at.replay(GOLDEN, quiet=True) as session, watched_network() as network:
        chunks = list(client.chat.completions.create(**asked))
    assert "".join(chunk.choices[0].delta.content or "" for chunk in chunks[:-1]) == ANSWER
    assert chunks[-1].usage.completion_tokens == 38
    assert [outcome.kind for outcome in session.outcomes] == ["hit"]
    assert session.unplayed == 1
    assert network == []
