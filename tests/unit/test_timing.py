"""When recorded chunks come again, by each timing."""

from __future__ import annotations

import pytest

from otel_agenttrace.errors import ConfigError
from otel_agenttrace.model import Chunk, End, Exchange, HttpRequest
from otel_agenttrace.playback.timing import INSTANT, Timing, parse_timing

_REQUEST = HttpRequest("POST", "https://api.openai.com", "/v1/chat/completions")


def _recorded(*offsets: int, lasts: int = 100, end: End = "complete", body: bytes = b"") -> Exchange:
    chunks = tuple(Chunk(offset, 1) for offset in offsets)
    return Exchange(_REQUEST, 1000, 1000 + lasts, end, 200, body=body or b"x" * len(chunks), chunks=chunks)


@pytest.mark.parametrize(
    ("text", "timing"),
    [
        ("instant", INSTANT),
        ("real", Timing(1, 1)),
        ("first-token", Timing(1, 0)),
        ("x4", Timing(0.25, 0.25)),
        ("x0.5", Timing(2, 2)),
        ("x.5", Timing(2, 2)),
    ],
)
def test_a_word_names_a_timing(text: str, timing: Timing) -> None:
    assert parse_timing(text) == timing


@pytest.mark.parametrize("text", ["", "fast", "x", "x0", "x-1", "4", "x4s", "Real", "xinf"])
def test_another_word_is_told_with_those_there_are(text: str) -> None:
    with pytest.raises(ConfigError, match="is no timing") as raised:
        parse_timing(text)
    assert "instant, real, first-token" in str(raised.value)


@pytest.mark.parametrize(
    ("timing", "offsets"),
    [
        ("instant", (0, 0, 0, 0)),
        ("real", (40, 60, 90, 100)),
        ("x2", (20, 30, 45, 50)),
        ("x0.5", (80, 120, 180, 200)),
        ("first-token", (40, 40, 40, 40)),
    ],
)
def test_chunks_come_at_their_times_and_the_body_ends_at_its(timing: str, offsets: tuple[int, ...]) -> None:
    assert parse_timing(timing).offsets_ns(_recorded(40, 60, 90)) == offsets


def test_a_body_of_one_piece_comes_when_it_was_there() -> None:
    whole = _recorded(body=b"{}")
    assert parse_timing("real").offsets_ns(whole) == (100, 100)
    assert parse_timing("first-token").offsets_ns(whole) == (100, 100)
    assert INSTANT.offsets_ns(whole) == (0, 0)


def test_a_response_without_a_body_ends_when_it_ended() -> None:
    assert parse_timing("x4").offsets_ns(_recorded()) == (25,)


@pytest.mark.parametrize("end", ["closed", "abandoned", "cancelled"])
def test_an_end_that_the_reader_made_is_not_waited_for(end: End) -> None:
    assert parse_timing("real").offsets_ns(_recorded(40, 60, end=end)) == (40, 60, 60)
    assert parse_timing("real").offsets_ns(_recorded(end=end)) == (0,)


def test_a_body_breaks_when_it_broke() -> None:
    assert parse_timing("real").offsets_ns(_recorded(40, end="error")) == (40, 100)


def test_an_attempt_without_a_response_fails_when_it_failed() -> None:
    failed = _recorded(end="noresponse", lasts=80)
    assert [parse_timing(text).answer_after_ns(failed) for text in ("real", "x2", "first-token", "instant")] == [
        *(80, 40, 80, 0)
    ]
    assert parse_timing("real").answer_after_ns(_recorded(40)) == 0
