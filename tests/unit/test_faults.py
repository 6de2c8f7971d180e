"""Texts of faults, the calls they strike, and how they spoil a body."""

from __future__ import annotations

import threading
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agenttrace.errors import ConfigError, SelectorError
from otel_agenttrace.model import Span
from otel_agenttrace.playback.faults import Faults, Spoiler, parse_fault, spoiler_of

_CHAT = Span(
    "0" * 32, "1" * 16, "chat m", 1, attributes={"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
)
_TOOL = Span(
    "0" * 32,
    "2" * 16,
    "execute_tool weather",
    1,
    attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "weather"},
)


# --- texts --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("inference[2] 429", {"name": "429", "kind": "status", "status": 429, "times": None, "rate": 1.0}),
        ("inference 503 retry-after=2 times=1", {"status": 503, "retry_after": "2", "times": 1}),
        ("529 rate=0.3", {"status": 529, "rate": 0.3}),
        ("timeout", {"name": "timeout", "kind": "timeout", "phase": "read"}),
        ("timeout=pool", {"name": "timeout=pool", "phase": "pool"}),
        ("reset", {"kind": "reset"}),
        ("refused", {"kind": "refused"}),
        ("malformed", {"kind": "malformed"}),
        ("model=gpt* inference[1] cut=3", {"name": "cut=3", "kind": "cut", "pieces": 3}),
        ("slow=2s", {"kind": "slow", "delay_s": 2.0}),
        ("slow=250ms", {"delay_s": 0.25}),
        ("slow=.5", {"delay_s": 0.5}),
        ("tool=weather tool-error", {"kind": "tool-error", "message": "injected fault"}),
        ("""tool="my tool" tool-error message="it's \\"down\\"" """, {"message": 'it\'s "down"'}),
        ("""429 retry-after="Thu, 20 Nov 2026 10:00:00 GMT" """, {"retry_after": "Thu, 20 Nov 2026 10:00:00 GMT"}),
    ],
)
def test_a_text_says_what_goes_wrong(text: str, told: dict[str, Any]) -> None:
    fault = parse_fault(text)
    assert {name: getattr(fault, name) for name in told} == told
    assert fault.text == text


@pytest.mark.parametrize(
    ("text", "selector"),
    [
        ("inference[2] 429", "inference[2]"),
        ("(model=a | model=b) !error 429 times=1", "(model=a | model=b) !error"),
        ('name="429 or so" timeout', 'name="429 or so"'),
        ("status=429 reset", "status=429"),
        ("429", "inference"),
        ("tool-error", "tool"),
    ],
)
def test_what_stands_before_the_kind_is_the_selector(text: str, selector: str) -> None:
    assert parse_fault(text).selector.text == selector


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "names no kind"),
        ("inference[1]", "names no kind"),
        ("inference 42x", "names no kind"),
        ("inference 200", "status 200 tells of no error"),
        ("inference 600", "status 600"),
        ("429 retry-after", "'retry-after' says nothing of a status fault"),
        ("429 message=x", "says nothing of a status fault"),
        ("reset retry-after=1", "says nothing of a reset fault"),
        ("429 429", "'429' says nothing"),
        ("cut", "cut needs a number"),
        ("cut=-1", "cut needs a number"),
        ("429 times=x", "times needs a number"),
        ("slow", "slow needs a time"),
        ("slow=2h", "slow needs a time"),
        ("timeout=write", "no timeout of 'write'"),
        ("429 rate=2", "rate is a probability"),
        ("429 rate=nan", "rate is a probability"),
        ("429 rate=often", "rate is a probability"),
        ("reset=1", "reset takes no value"),
    ],
)
def test_a_text_that_is_no_fault_is_told_with_the_cure(text: str, reason: str) -> None:
    with pytest.raises(ConfigError, match="is no fault") as raised:
        parse_fault(text)
    assert reason in str(raised.value)
    assert "\n  to fix   " in str(raised.value)


def test_a_selector_that_is_none_is_told_by_its_own_error() -> None:
    with pytest.raises(SelectorError):
        parse_fault("infrence 429")


# --- which calls ----------------------------------------------------------------------------------------------------------


def _struck(faults: Faults, *spans: Span, lane: str = "") -> list[int]:
    return [index for index, span in enumerate(spans, 1) if faults.of(span, lane)]


def test_a_place_counts_calls_of_its_kind_and_a_number_all_spans() -> None:
    assert _struck(Faults(["inference[2] 429"]), _CHAT, _TOOL, _CHAT) == [3]
    assert _struck(Faults(["#2 429"]), _CHAT, _CHAT, _CHAT) == [2]
    assert _struck(Faults(["tool[1] tool-error"]), _CHAT, _TOOL, _TOOL) == [2]


def test_a_fault_of_tools_strikes_no_call_and_one_of_calls_no_tool() -> None:
    assert _struck(Faults(["inference | tool tool-error"]), _CHAT, _TOOL) == [2]
    assert _struck(Faults(["inference | tool 429"]), _CHAT, _TOOL) == [1]


def test_the_path_of_a_call_is_that_of_its_lane() -> None:
    faults = Faults(["path=/plan/chat* 429"])
    assert faults.of(_CHAT, "/plan")
    assert faults.of(_CHAT, "/plan#1")
    assert not faults.of(_CHAT, "/agent/plan#0/other")


def test_times_counts_the_attempts_of_a_call() -> None:
    fault = parse_fault("429 times=2")
    assert [fault.strikes(attempt) for attempt in range(4)] == [True, True, False, False]
    assert parse_fault("429").strikes(99)


def test_a_rate_strikes_about_as_many_calls_as_it_says() -> None:
    struck = _struck(Faults(["429 rate=0.3"], seed=1), *[_CHAT] * 2000)
    assert 500 < len(struck) < 700
    assert _struck(Faults(["429 rate=0"]), *[_CHAT] * 100) == []
    assert len(_struck(Faults(["429 rate=1"]), *[_CHAT] * 100)) == 100


def test_a_seed_decides_alone_what_a_rate_strikes() -> None:
    runs = [_struck(Faults(["429 rate=0.5"], seed), *[_CHAT] * 50) for seed in (1, 1, 2)]
    assert runs[0] == runs[1] != runs[2]


def test_threads_do_not_change_what_a_rate_strikes_in_their_lanes() -> None:
    def run(*, is_parallel: bool) -> dict[str, list[int]]:
        faults = Faults(["429 rate=0.5"], seed=3)
        struck: dict[str, list[int]] = {}

        def one(lane: str) -> None:
            struck[lane] = _struck(faults, *[_CHAT] * 200, lane=lane)

        threads = [threading.Thread(target=one, args=(f"/branch#{number}",)) for number in range(8)]
        for thread in threads:
            thread.start()
            if not is_parallel:
                thread.join()
        for thread in threads:
            thread.join()
        return struck

    alone = run(is_parallel=False)
    assert run(is_parallel=True) == alone
    assert len({tuple(places) for places in alone.values()}) == 8


def test_of_two_faults_with_a_rate_each_is_decided_alone() -> None:
    faults = Faults(["429 rate=0.5", "500 rate=0.5"], seed=1)
    drawn = {tuple(fault.name for fault in faults.of(_CHAT)) for _ in range(100)}
    assert drawn == {(), ("429",), ("500",), ("429", "500")}


# --- bodies -----------------------------------------------------------------------------------------------------------------

_EVENTS = [b'event: a\ndata: {"text":"x\xc3\xa9"}\n\n', b": ping\n\n", b'data: {"n":1}\r\n\r\n', b"data: [DONE]\n\n"]


def _passed(spoiler: Spoiler, chunks: list[bytes]) -> bytes:
    passed = b""
    for chunk in chunks:
        passed += spoiler.feed(chunk)
        if spoiler.error is not None:
            return passed
    return passed + spoiler.end()


def _split(body: bytes, at: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(body) + 1) for place in at), len(body)]
    return [body[start:end] for start, end in pairwise(edges) if end > start]


@given(st.integers(0, 5), st.lists(st.integers(0, 200), max_size=8))
def test_a_cut_counts_events_however_they_are_split(count: int, at: list[int]) -> None:
    spoiler = spoiler_of(parse_fault(f"cut={count}"), is_events=True, length=None)
    assert _passed(spoiler, _split(b"".join(_EVENTS), at)) == b"".join(_EVENTS[:count])
    assert spoiler.has_struck is (spoiler.error is not None) is (count <= len(_EVENTS))


def test_a_line_end_that_is_split_ends_no_event() -> None:
    spoiler = spoiler_of(parse_fault("cut=1"), is_events=True, length=None)
    assert _passed(spoiler, [b"data: 1\r\n\r", b"\ndata: 2\r\n\r\n"]) == b"data: 1\r\n\r\n"


@given(st.lists(st.integers(0, 200), max_size=8))
def test_the_first_event_is_broken_in_its_data_however_it_is_split(at: list[int]) -> None:
    spoiler = spoiler_of(parse_fault("malformed"), is_events=True, length=None)
    expected = b'event: a\ndata: {"text"' + b"\n\n" + b"".join(_EVENTS[1:])
    assert _passed(spoiler, _split(b"".join(_EVENTS), at)) == expected
    assert spoiler.has_struck


@given(st.binary(min_size=2, max_size=50), st.lists(st.integers(0, 60), max_size=5))
def test_half_of_a_body_of_known_length_comes_however_it_is_split(body: bytes, at: list[int]) -> None:
    cut = spoiler_of(parse_fault("cut=1"), is_events=False, length=len(body))
    malformed = spoiler_of(parse_fault("malformed"), is_events=False, length=len(body))
    half = body[: len(body) // 2]
    assert _passed(cut, _split(body, at)) == half
    assert cut.error is not None
    assert f"(received {len(half)} bytes, expected {len(body)})" in cut.error.message
    assert _passed(malformed, _split(body, at)) == half
    assert malformed.error is None


def test_a_chunked_body_that_is_no_stream_of_events_is_cut_after_chunks() -> None:
    spoiler = spoiler_of(parse_fault("cut=2"), is_events=False, length=None)
    assert _passed(spoiler, [b"ab", b"c", b"d"]) == b"abc"
    assert spoiler.error is not None
    assert "incomplete chunked read" in spoiler.error.message


def test_a_body_without_events_or_bytes_is_not_spoiled() -> None:
    for chunks in ([], [b": comment\n\n"]):
        spoiler = spoiler_of(parse_fault("malformed"), is_events=True, length=None)
        assert _passed(spoiler, chunks) == b"".join(chunks)
        assert not spoiler.has_struck
    assert not spoiler_of(parse_fault("malformed"), is_events=False, length=0).has_struck
