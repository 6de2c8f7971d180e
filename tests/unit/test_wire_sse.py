"""Server-sent events: what a body tells, however its lines end and wherever it is cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agenttrace.wire.sse import DONE, SseEvent, event_bytes, events, json_events

_LINE = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\r\n"), max_size=8)
_EVENTS = st.builds(SseEvent, _LINE, st.lists(_LINE, min_size=1, max_size=3).map("\n".join))


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"], ids=repr)
def test_lines_end_in_three_ways(end: str) -> None:
    body = end.join(["event: a", 'data: {"n":1}', "", 'data: {"n":2}', "", ""])
    assert events(body.encode()) == [SseEvent("a", '{"n":1}'), SseEvent("", '{"n":2}')]


def test_lines_may_end_in_several_ways_in_one_body() -> None:
    assert json_events(b"data: 1\n\r\ndata: 2\r\n\ndata: 3\r\r\ndata: 4\n\n") == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b": ping\n\ndata: 1\n\n", [1]),
        (b"data: 1\n: OPENROUTER PROCESSING\n\n", [1]),
        (b"id: 7\nretry: 10\ndata: 1\n\n", [1]),
        (b'data: {"a":\ndata: 1}\n\n', [{"a": 1}]),
        (b"data:1\n\n", [1]),
        (b"data:  1\n\n", [1]),
        (b"\xef\xbb\xbfdata: 1\n\n", [1]),
        (b"event: ping\n\n", []),
        (b"data\n\n", []),
        (b"data: [DONE]\n\n", []),
        (b"data: nonsense\n\ndata: 1\n\n", [1]),
        (b'data: "\xff"\n\n', ["\N{REPLACEMENT CHARACTER}"]),
        (b"data: " + b"[" * 100_000 + b"\n\ndata: 1\n\n", [1]),
        (b"", []),
        (b"\n\n\n\n", []),
    ],
    ids=[
        "comment",
        "comment within",
        "id and retry",
        "data in two lines",
        "no space",
        "two spaces",
        "byte order mark",
        "no data",
        "empty data",
        "end mark",
        "no JSON",
        "no UTF-8",
        "too deep",
        "nothing",
        "empty lines",
    ],
)
def test_data_is_read_as_the_format_says(body: bytes, told: list[object]) -> None:
    assert json_events(body) == told


@pytest.mark.parametrize("tail", [b'data: {"n":2}', b'data: {"n":2}\n', b"data: [DONE]"], ids=repr)
def test_a_whole_last_event_counts_without_its_empty_line(tail: bytes) -> None:
    assert len(events(b'data: {"n":1}\n\n' + tail)) == 2


@pytest.mark.parametrize("tail", [b'data: {"n":', b"data: [DO", b"data", b"event: a", b": c"], ids=repr)
def test_a_cut_last_event_is_left_out(tail: bytes) -> None:
    assert events(b'data: {"n":1}\n\n' + tail) == [SseEvent("", '{"n":1}')]


@given(st.lists(_EVENTS, max_size=4))
def test_written_events_are_read_again(told: list[SseEvent]) -> None:
    assert events(event_bytes(told)) == told


@given(st.binary(max_size=60))
def test_any_bytes_are_read(body: bytes) -> None:
    assert isinstance(events(body), list)


def test_half_a_surrogate_pair_is_written_as_json_escapes_it() -> None:
    assert event_bytes([SseEvent("", '"\ud800"')]) == b'data: "\\ud800"\n\n'
    assert json_events(event_bytes([SseEvent("", '"\ud800"')])) == ["\ud800"]


def test_the_end_mark_is_an_event() -> None:
    assert event_bytes([DONE]) == b"data: [DONE]\n\n"
