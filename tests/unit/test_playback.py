"""Which recorded call answers a request, what a miss says, and what a recorded call tells."""

from __future__ import annotations

import json
import re
import shlex
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import openai
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.writer import RecordedCall, Writer
from otel_agenttrace.errors import AgentTraceError, ReplayExhausted, ReplayMiss
from otel_agenttrace.jsonvalue import Json
from otel_agenttrace.matching import Requested, requested
from otel_agenttrace.model import AttributeValue, Call, Exchange, HttpRequest, Span
from otel_agenttrace.playback.excerpts import excerpt
from otel_agenttrace.playback.player import Claim, Player
from otel_agenttrace.redact import RULES_VERSION, redactor
from otel_agenttrace.volatile import MatchRule, MatchRules
from otel_agenttrace.wire.recorded import response_of
from tests.support.clients import openai_client
from tests.support.provider import Provider

_TRACE_ID: Final = "0af7651916cd43dd8448eb211c80319c"
_HOME: Final = "https://api.test"
_OTHER: Final = "https://other.test"
_PLAIN: Final = redactor({})


def _asked(text: str, *, origin: str = _HOME, path: str = "/v1/chat/completions") -> Requested:
    body = {"model": "m", "messages": [{"role": "user", "content": text}]}
    return requested("POST", f"{origin}{path}", "application/json", json.dumps(body).encode(), _PLAIN)


class _Shelf:
    """Writes recorded calls to one cassette; their answers are numbered in the order they are written."""

    def __init__(self, path: Path, resource: dict[str, AttributeValue] | None = None) -> None:
        self.path = path
        self._writer = Writer(path, {"service.name": "s", **(resource or {})})
        self._number = 0

    def put(
        self,
        text: str,
        *,
        start: int = 0,
        ticket: int = 0,
        lane: str = "",
        origin: str = _HOME,
        statuses: Sequence[int] = (200,),
        key: str | None = None,
    ) -> str:
        """Write a call, by default after all others, and return the id of its span."""
        self._number += 1
        asked = _asked(text, origin=origin)
        begun = start or self._number * 1_000
        attempts = tuple(
            Exchange(
                request=asked.request,
                start_ns=begun,
                end_ns=begun + 10,
                end="complete",
                status=status,
                headers=(("content-type", "application/json"),),
                body=b'{"number":%d}' % self._number,
            )
            for status in statuses
        )
        span = Span(_TRACE_ID, f"{self._number:016x}", "chat m", begun, begun + 10)
        self._writer.write(span, RecordedCall(Call(key or asked.key, attempts, lane, ticket), asked))
        return span.span_id

    def player(self, rules_version: int = RULES_VERSION) -> Player:
        """Return a player of what is written."""
        return Player(open_cassette(self.path, strict=True), replace(_PLAIN, rules_version=rules_version))


@pytest.fixture
def shelf(tmp_path: Path) -> _Shelf:
    return _Shelf(tmp_path / "c.otlp.jsonl")


def _number(claim: Claim | None) -> int | None:
    """Return the number of the answer, as its body tells it."""
    return None if claim is None else json.loads(claim.attempts[-1].body)["number"]


def _numbers(player: Player, *questions: Requested, lane: str = "") -> list[int | None]:
    return [_number(player.claim(question, lane)) for question in questions]


# --- first in, first out ------------------------------------------------------------------------------------------------


def test_second_identical_call_gets_the_second_answer_and_the_third_none(shelf: _Shelf) -> None:
    shelf.put("hello")
    shelf.put("hello")
    assert _numbers(shelf.player(), *[_asked("hello")] * 3) == [1, 2, None]


def test_answers_are_given_by_start_and_not_by_their_order_in_the_file(shelf: _Shelf) -> None:
    for start in (30, 10, 20):
        shelf.put("hello", start=start)
    assert _numbers(shelf.player(), *[_asked("hello")] * 3) == [2, 3, 1]


def test_of_calls_with_one_start_the_lower_ticket_is_the_first(shelf: _Shelf) -> None:
    for ticket in (2, 0, 1):
        shelf.put("hello", start=10, ticket=ticket)
    assert _numbers(shelf.player(), *[_asked("hello")] * 3) == [2, 3, 1]


def test_an_earlier_start_counts_more_than_a_lower_ticket(shelf: _Shelf) -> None:
    shelf.put("hello", start=20, ticket=0)
    shelf.put("hello", start=10, ticket=9)
    assert _numbers(shelf.player(), *[_asked("hello")] * 2) == [2, 1]


def test_other_calls_do_not_use_up_answers(shelf: _Shelf) -> None:
    shelf.put("a")
    shelf.put("b")
    shelf.put("a")
    assert _numbers(shelf.player(), _asked("b"), _asked("a"), _asked("a"), _asked("b")) == [2, 1, 3, None]


def test_a_new_player_begins_anew(shelf: _Shelf) -> None:
    shelf.put("hello")
    assert _numbers(shelf.player(), _asked("hello")) == _numbers(shelf.player(), _asked("hello")) == [1]


@settings(max_examples=25)
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 3), st.integers(0, 3)), min_size=1, max_size=8),
    st.lists(st.sampled_from("abc"), max_size=10),
)
def test_the_nth_question_gets_the_nth_answer_of_its_kind(recorded: list[tuple[str, int, int]], asked: str) -> None:
    with TemporaryDirectory() as folder:
        shelf = _Shelf(Path(folder, "c"))
        for text, start, ticket in recorded:
            shelf.put(text, start=start, ticket=ticket)
        player = shelf.player()
        left = {
            text: sorted(
                (start, ticket, number) for number, (told, start, ticket) in enumerate(recorded, 1) if told == text
            )
            for text in "abc"
        }
        for text in asked:
            expected = left[text].pop(0)[2] if left[text] else None
            assert _number(player.claim(_asked(text), "")) == expected
        assert len(player.unplayed()) == sum(map(len, left.values()))


def test_each_answer_is_given_once_however_many_threads_ask(shelf: _Shelf) -> None:
    for _ in range(40):
        shelf.put("hello")
    player, together = shelf.player(), threading.Barrier(8)

    def ask_eight_times() -> list[int | None]:
        together.wait()
        return _numbers(player, *[_asked("hello")] * 8)

    with ThreadPoolExecutor(8) as threads:
        answers = [
            number for asking in [threads.submit(ask_eight_times) for _ in range(8)] for number in asking.result()
        ]
    assert sorted(number for number in answers if number is not None) == list(range(1, 41))
    assert answers.count(None) == 24


def test_a_claim_tells_the_recorded_call_and_all_its_attempts(shelf: _Shelf) -> None:
    span_id = shelf.put("hello", lane="/agent#0", statuses=(429, 500, 200))
    claim = shelf.player().claim(_asked("hello"), "")
    assert claim is not None
    assert (claim.outcome, claim.detail) == ("hit", "")
    assert (claim.entry.span_id, claim.entry.trace_id, claim.entry.lane) == (span_id, _TRACE_ID, "/agent#0")
    assert [attempt.status for attempt in claim.attempts] == [429, 500, 200]


# --- lanes --------------------------------------------------------------------------------------------------------------


def test_a_lane_gets_its_own_answers_first_then_those_of_any_other(shelf: _Shelf) -> None:
    shelf.put("hello", lane="/a#0")
    shelf.put("hello", lane="/b#0")
    shelf.put("hello", lane="/a#0")
    shelf.put("hello", lane="/b#0")
    assert _numbers(shelf.player(), *[_asked("hello")] * 5, lane="/b#0") == [2, 4, 1, 3, None]


def test_a_lane_that_was_not_recorded_gets_the_first_answer_that_is_left(shelf: _Shelf) -> None:
    shelf.put("hello", lane="/b#0")
    shelf.put("hello", lane="/a#0")
    assert _numbers(shelf.player(), *[_asked("hello")] * 2, lane="/c#0") == [1, 2]


def test_lanes_that_ask_in_turns_get_their_own_answers(shelf: _Shelf) -> None:
    for lane in ("/a#0", "/a#0", "/b#0", "/b#0"):
        shelf.put("hello", lane=lane)
    player = shelf.player()
    asked = [_number(player.claim(_asked("hello"), lane)) for lane in ("/b#0", "/a#0", "/b#0", "/a#0")]
    assert asked == [3, 1, 4, 2]


# --- origins ------------------------------------------------------------------------------------------------------------


def test_another_origin_is_answered_where_all_recordings_of_the_call_come_from_one(shelf: _Shelf) -> None:
    shelf.put("hello")
    shelf.put("hello", lane="/a#0")
    player = shelf.player()
    moved = _asked("hello", origin="http://127.0.0.1:8080")
    assert _numbers(player, moved, moved, moved) == [1, 2, None]


def test_the_same_origin_is_answered_by_its_own_recordings_only(shelf: _Shelf) -> None:
    shelf.put("hello", origin=_OTHER)
    shelf.put("hello", origin=_HOME)
    assert _numbers(shelf.player(), _asked("hello"), _asked("hello")) == [2, None]


def test_the_lane_does_not_lead_to_another_origin(shelf: _Shelf) -> None:
    shelf.put("hello", origin=_OTHER, lane="/a#0")
    shelf.put("hello", origin=_HOME, lane="/b#0")
    assert _numbers(shelf.player(), _asked("hello"), lane="/a#0") == [2]


def test_a_third_origin_is_not_answered_where_recordings_come_from_two(shelf: _Shelf) -> None:
    shelf.put("hello", origin=_HOME)
    shelf.put("hello", origin=_OTHER)
    player = shelf.player()
    assert player.claim(_asked("hello", origin="https://third.test"), "") is None
    assert len(player.unplayed()) == 2


def test_a_third_origin_is_not_told_that_answers_were_used_up(shelf: _Shelf) -> None:
    shelf.put("hello", origin=_HOME)
    shelf.put("hello", origin=_OTHER)
    player, asked = shelf.player(), _asked("hello", origin="https://third.test")
    assert player.claim(asked, "") is None
    miss = player.miss(asked, "agent.py:1")
    assert type(miss) is ReplayMiss
    assert _HOME in str(miss)
    assert _OTHER in str(miss)


def test_whether_origins_are_mixed_is_told_for_each_call_alone(shelf: _Shelf) -> None:
    shelf.put("a", origin=_HOME)
    shelf.put("b", origin=_OTHER)
    third = "https://third.test"
    assert _numbers(shelf.player(), _asked("a", origin=third), _asked("b", origin=third)) == [1, 2]


_AT_TEN: Final = "it is 2026-10-01T10:00:00Z"
_AT_ELEVEN: Final = "it is 2026-10-01T11:00:00Z"
_AT_NOON: Final = "it is 2026-10-01T12:00:00Z"


@pytest.mark.parametrize("is_first_played", [False, True])
def test_drift_does_not_lead_to_another_origin_where_recordings_come_from_two(
    shelf: _Shelf, is_first_played: bool
) -> None:
    shelf.put(_AT_TEN, origin=_HOME)
    shelf.put(_AT_ELEVEN, origin=_OTHER)
    player = shelf.player()
    if is_first_played:
        assert _numbers(player, _asked(_AT_TEN)) == [1]
    assert player.claim(_asked(_AT_NOON, origin="https://third.test"), "") is None


def test_drift_at_an_origin_whose_recordings_are_played_does_not_lead_to_another(shelf: _Shelf) -> None:
    shelf.put(_AT_TEN, origin=_HOME)
    shelf.put(_AT_ELEVEN, origin=_OTHER)
    assert _numbers(shelf.player(), _asked(_AT_TEN), _asked(_AT_NOON)) == [1, None]


# --- drift --------------------------------------------------------------------------------------------------------------


def test_a_call_that_differs_by_what_changes_from_run_to_run_is_answered_as_drift(shelf: _Shelf) -> None:
    shelf.put(_AT_TEN)
    claim = shelf.player().claim(_asked(_AT_ELEVEN), "")
    assert claim is not None
    assert (claim.outcome, _number(claim)) == ("drift", 1)
    assert claim.detail == f'/messages/0/content: "{_AT_TEN}" → "{_AT_ELEVEN}"'


def test_the_exact_recording_is_preferred_to_an_earlier_one_that_drifts(shelf: _Shelf) -> None:
    shelf.put(_AT_TEN)
    shelf.put(_AT_ELEVEN)
    player = shelf.player()
    claims = [player.claim(_asked(text), "") for text in (_AT_ELEVEN, _AT_NOON, _AT_NOON)]
    assert [(claim.outcome, _number(claim)) if claim else None for claim in claims] == [("hit", 2), ("drift", 1), None]


def test_drifting_calls_are_answered_first_in_first_out_and_by_lane(shelf: _Shelf) -> None:
    shelf.put(_AT_TEN, start=20, lane="/a#0")
    shelf.put(_AT_TEN, start=10, lane="/b#0")
    shelf.put(_AT_TEN, start=30, lane="/b#0")
    assert _numbers(shelf.player(), *[_asked(_AT_NOON)] * 4, lane="/b#0") == [2, 3, 1, None]


def test_what_drift_has_used_up_is_no_hit_any_more(shelf: _Shelf) -> None:
    shelf.put(_AT_TEN)
    player = shelf.player()
    assert _numbers(player, _asked(_AT_NOON), _asked(_AT_TEN)) == [1, None]
    assert isinstance(player.miss(_asked(_AT_TEN), "agent.py:1"), ReplayExhausted)


def test_a_call_that_differs_by_anything_else_is_no_drift(shelf: _Shelf) -> None:
    shelf.put(_AT_TEN)
    player = shelf.player()
    assert player.claim(_asked(_AT_TEN + "."), "") is None
    assert player.claim(_asked(_AT_TEN, path="/v2/chat/completions"), "") is None


def test_keys_of_another_rule_set_are_made_again_from_the_stored_request(tmp_path: Path) -> None:
    old: dict[str, AttributeValue] = {semconv.AGENTTRACE_RULES_VERSION: RULES_VERSION - 1}
    shelf = _Shelf(tmp_path / "c", old)
    shelf.put("hello", key="0" * 64)
    shelf.path.write_text(re.sub(r',\{"key":"agenttrace\.call\.raw_key",[^}]*\}\}', "", shelf.path.read_text()))
    claim = shelf.player().claim(_asked("hello"), "")
    assert claim is not None
    assert (claim.outcome, _number(claim)) == ("hit", 1)


def test_a_cassette_that_holds_a_large_blob_itself_answers_a_call_with_that_blob(tmp_path: Path) -> None:
    shelf = _Shelf(tmp_path / "c", {semconv.AGENTTRACE_RULES_VERSION: 1})
    asked = _asked("QUJD" * 400)
    shelf.put("QUJD" * 400, key="1" * 64)
    written = re.sub(r"\[sha256:[0-9a-f]{64}:1600\]", "QUJD" * 400, shelf.path.read_text())
    shelf.path.write_text(re.sub(r',\{"key":"agenttrace\.call\.raw_key",[^}]*\}\}', "", written))
    assert shelf.path.read_text().count("QUJD" * 400) == 1
    player = shelf.player()
    assert player.claim(_asked("QUJD" * 401), "") is None
    assert player.miss(_asked("QUJD" * 401), "agent.py:1").first_difference == "/messages/0/content"
    claim = player.claim(asked, "")
    assert claim is not None
    assert (claim.outcome, _number(claim)) == ("hit", 1)


def test_a_drift_names_each_place_that_moved(shelf: _Shelf) -> None:
    shelf.put(f"{_AT_TEN} /tmp/a1/x")
    shelf.put("other")
    claim = shelf.player().claim(_asked(f"{_AT_NOON} /tmp/b2/x", path="/v1/chat/completions"), "")
    assert claim is not None
    assert claim.detail.startswith("/messages/0/content: ")
    result = {"id": 1, "at": "2026-10-01T10:00:00Z", "in": "/tmp/a1/x"}
    moved = {"id": 1, "at": "2026-10-01T12:00:00Z", "in": "/tmp/b2/x"}
    shelf.put(json.dumps(result))
    claim = shelf.player().claim(_asked(json.dumps(moved)), "")
    assert claim is not None
    assert claim.detail == (
        '/messages/0/content/at: "2026-10-01T10:00:00Z" → "2026-10-01T12:00:00Z"; '
        '/messages/0/content/in: "/tmp/a1/x" → "/tmp/b2/x"'
    )


def test_a_drift_of_many_places_names_the_first_and_counts_the_rest(shelf: _Shelf) -> None:
    one, other = (json.dumps([f"2026-10-01T1{hour}:00:00Z"] * 30) for hour in (0, 2))
    shelf.put(one)
    claim = shelf.player().claim(_asked(other), "")
    assert claim is not None
    assert claim.detail.count("/messages/0/content/") == 8
    assert claim.detail.endswith("; and 22 more")


def test_rules_of_the_user_let_a_call_drift_and_never_hit(shelf: _Shelf) -> None:
    shelf.put("session 17: hello")
    shelf.put("session 18: hello")
    rules = MatchRules((MatchRule("/messages/*/content", "pattern", r"session \d+"),))
    player = Player(open_cassette(shelf.path), _PLAIN, rules=rules)
    claims = [player.claim(_asked(text), "") for text in ("session 99: hello", "session 18: hello", "session 99: bye")]
    assert [(claim.outcome, _number(claim)) if claim else None for claim in claims] == [("drift", 1), ("hit", 2), None]
    assert _numbers(shelf.player(), _asked("session 99: hello")) == [None]


# --- what was not asked for ---------------------------------------------------------------------------------------------


def test_recordings_that_nobody_asked_for_are_told_in_their_order(shelf: _Shelf) -> None:
    ids = [shelf.put(text, start=start) for text, start in (("a", 30), ("b", 10), ("c", 20))]
    player = shelf.player()
    player.claim(_asked("b"), "")
    assert [entry.span_id for entry in player.unplayed()] == [ids[2], ids[0]]


def test_what_another_process_has_taken_is_not_answered_again(shelf: _Shelf) -> None:
    shelf.put("hello")
    shelf.put("hello")
    taken: set[str] = set()

    def take(place: str) -> bool:
        is_free = place not in taken
        taken.add(place)
        return is_free

    cassettes = [open_cassette(shelf.path) for _ in range(2)]
    one, other = (Player(cassette, _PLAIN, take) for cassette in cassettes)
    assert _numbers(one, _asked("hello")) == [1]
    assert _numbers(other, _asked("hello"), _asked("hello")) == [2, None]
    assert _numbers(one, _asked("hello")) == [None]


def test_what_another_process_has_played_is_not_unplayed(shelf: _Shelf) -> None:
    shelf.put("hello")
    left = shelf.put("hello")
    taken: list[str] = []
    Player(open_cassette(shelf.path), _PLAIN, lambda place: not taken.append(place)).claim(_asked("hello"), "")
    player = shelf.player()
    player.mark_played(taken)
    assert [entry.span_id for entry in player.unplayed()] == [left]


# --- misses -------------------------------------------------------------------------------------------------------------


def test_a_miss_tells_where_what_is_nearest_where_it_differs_and_the_cure(shelf: _Shelf) -> None:
    nearest = shelf.put("hello world")
    asked = _asked("hello there")
    miss = shelf.player().miss(asked, "agent.py:41, span 'chat m'")
    assert type(miss) is ReplayMiss
    assert isinstance(miss, LookupError)
    assert isinstance(miss, AgentTraceError)
    assert miss.request == asked.request.body
    assert miss.first_difference == "/messages/0/content"
    assert miss.nearest == nearest
    lines = str(miss).splitlines()
    assert lines[0] == "No recording answers this call."
    assert [line[:11].strip() for line in lines[1:]] == ["at", "cassette", "nearest", "recorded", "asked", "to fix", ""]
    assert lines[1] == "  at       agent.py:41, span 'chat m'"
    assert lines[2] == f"  cassette {shelf.path}"
    assert lines[3] == "  nearest  recording 1 (line 1), differs at /messages/0/content"
    assert lines[4:6] == ['  recorded "hello world"', '  asked    "hello there"']
    assert f"otel-agenttrace record --mode new {shelf.path}" in lines[6]


def test_the_nearest_recording_is_the_one_that_shares_most(shelf: _Shelf) -> None:
    shelf.put("hello", origin=_OTHER)
    body = {"model": "m", "messages": [{"role": "user", "content": "hello"}, {"role": "assistant", "content": "hi"}]}
    url = f"{_HOME}/v1/chat/completions"
    longer = requested("POST", url, "application/json", json.dumps(body).encode(), _PLAIN)
    shelf.put("entirely different")
    player = shelf.player()
    miss = player.miss(longer, "agent.py:1")
    assert miss.nearest == "0000000000000001"
    assert miss.first_difference == "/messages/1"
    assert "nearest  recording 1 (line 1), differs at /messages/1" in str(miss)


def test_of_equally_near_recordings_one_that_is_left_is_named_then_the_earliest(shelf: _Shelf) -> None:
    for text in ("a", "b", "c"):
        shelf.put(text)
    player = shelf.player()
    assert player.miss(_asked("x"), "agent.py:1").nearest == "0000000000000001"
    player.claim(_asked("a"), "")
    assert player.miss(_asked("x"), "agent.py:1").nearest == "0000000000000002"


def test_recordings_are_numbered_by_their_start_and_lines_by_the_file(shelf: _Shelf) -> None:
    shelf.put("entirely different", start=20)
    shelf.put("hello", start=10)
    asked = requested("PUT", f"{_HOME}/v1/chat/completions", "", _asked("hello").request.body.encode(), _PLAIN)
    miss = shelf.player().miss(asked, "agent.py:1")
    assert "recording 1 (line 2), differs at method" in str(miss)
    assert miss.first_difference == "method"


@pytest.mark.parametrize(("times", "told"), [(1, "once"), (3, "3 times")])
def test_a_call_that_was_asked_for_too_often_is_told_apart(shelf: _Shelf, times: int, told: str) -> None:
    for _ in range(times):
        shelf.put("hello")
    player = shelf.player()
    _numbers(player, *[_asked("hello")] * times)
    miss = player.miss(_asked("hello"), "agent.py:41")
    assert isinstance(miss, ReplayExhausted)
    assert str(miss).startswith(f"This call was recorded {told} and asked for once more.\n  at       agent.py:41\n")
    assert "to fix" in str(miss)


def test_a_miss_in_a_cassette_without_calls_says_so(tmp_path: Path) -> None:
    path = tmp_path / "c"
    Writer(path, {"service.name": "s"}).write(Span(_TRACE_ID, "1" * 16, "plan", 1, 2))
    miss = Player(open_cassette(path), _PLAIN).miss(_asked("hello"), "agent.py:1")
    assert "nearest  none: the cassette has no call to compare with" in str(miss)
    assert (miss.nearest, miss.first_difference) == (None, None)


def test_the_command_of_a_miss_can_be_pasted(tmp_path: Path) -> None:
    shelf = _Shelf(tmp_path / "my runs; here" / "c.otlp.jsonl")
    shelf.put("hello")
    told = str(shelf.player().miss(_asked("x"), "agent.py:1"))
    commands = [line[line.index("otel-agenttrace") :] for line in told.splitlines() if "otel-agenttrace" in line]
    assert [shlex.split(command)[1:5] for command in commands] == [
        ["record", "--mode", "new", str(shelf.path)],
        ["replay", "--on-miss", "live", str(shelf.path)],
    ]


# --- attempts, asked by an SDK ------------------------------------------------------------------------------------------


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder without settings."""
    for name in ("CI", "OTEL_AGENTTRACE_CASSETTE", "OTEL_AGENTTRACE_MODE", "OTEL_AGENTTRACE_EXPORT_REPLAY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def _ask(provider: Provider, text: str = "hello", *, fake: str = "", max_retries: int = 0) -> str:
    with openai_client(provider, is_async=False, max_retries=max_retries) as client:
        answer = client.chat.completions.create(
            model="gpt-4o", messages=[{"role": "user", "content": text}], extra_headers={"x-fake": fake}
        )
    return answer.choices[0].message.content


def test_the_attempts_of_a_call_are_answered_in_their_order(provider: Provider) -> None:
    with at.record("c", quiet=True) as session:
        recorded = _ask(provider, fake="429*1, 500*2", max_retries=3)
    assert provider.hits == 3
    assert session.counts == {"live": 1}
    provider.stop()
    with at.replay("c", quiet=True) as session:
        assert _ask(provider, max_retries=3) == recorded
    assert [outcome.kind for outcome in session.outcomes] == ["hit"]
    assert session.unplayed == 0


def test_fewer_attempts_than_recorded_are_drift(provider: Provider) -> None:
    with at.record("c", quiet=True):
        _ask(provider, fake="429*1", max_retries=1)
    with at.replay("c", quiet=True) as session, pytest.raises(openai.RateLimitError):
        _ask(provider, max_retries=0)
    (outcome,) = session.outcomes
    assert (outcome.kind, outcome.detail) == ("drift", "1 recorded attempts were not asked for")
    assert provider.hits == 2


def test_more_attempts_than_recorded_find_no_answer(provider: Provider) -> None:
    with at.record("c", quiet=True), pytest.raises(openai.RateLimitError):
        _ask(provider, fake="429*1")
    with at.replay("c", quiet=True) as session, pytest.raises(ReplayExhausted) as raised:
        _ask(provider, max_retries=2)
    assert provider.hits == 1
    assert [(type(miss), str(miss)) for miss in session.misses] == [(ReplayExhausted, str(raised.value))]
    told = str(raised.value)
    assert "1 attempt" in told
    assert re.search(r"at {7}.*test_playback\.py:\d+", told)
    assert "to fix" in told


def test_more_attempts_than_recorded_count_as_a_miss(provider: Provider) -> None:
    with at.record("c", quiet=True), pytest.raises(openai.RateLimitError):
        _ask(provider, fake="429*1")
    with at.replay("c", quiet=True) as session, pytest.raises(ReplayExhausted):
        _ask(provider, max_retries=2)
    assert [outcome.kind for outcome in session.outcomes] == ["miss"]
    assert session.counts == {"miss": 1}


def test_a_miss_is_told_once_and_is_not_tried_again(provider: Provider) -> None:
    with at.record("c", quiet=True):
        _ask(provider)
    with at.replay("c", quiet=True) as session, pytest.raises(ReplayMiss):
        _ask(provider, "something else", max_retries=3)
    assert provider.hits == 1
    assert len(session.misses) == 1
    assert session.counts == {"miss": 1}


def test_a_miss_names_the_line_that_called_and_the_span_it_stands_in(provider: Provider) -> None:
    with at.record("c", quiet=True):
        _ask(provider)
    with at.replay("c", quiet=True), at.span("plan"), pytest.raises(ReplayMiss) as raised:
        _ask(provider, "something else")
    assert re.search(r"^  at {7}\S*test_playback\.py:\d+, span 'plan'$", str(raised.value), re.MULTILINE)


# --- recordings of this session -----------------------------------------------------------------------------------------


def test_what_a_session_has_recorded_does_not_answer_it(provider: Provider) -> None:
    with at.session("c", "new", quiet=True) as session:
        first, second = _ask(provider), _ask(provider)
    assert first != second
    assert provider.hits == 2
    assert session.counts == {"live": 2}
    provider.stop()
    with at.replay("c", quiet=True):
        assert [_ask(provider), _ask(provider)] == [first, second]


def test_in_mode_new_what_is_used_up_goes_live_and_is_added(provider: Provider) -> None:
    with at.record("c", quiet=True):
        first = _ask(provider)
    for calls in (2, 3):
        with at.session("c", "new", quiet=True) as session:
            answers = [_ask(provider) for _ in range(calls)]
        assert answers[0] == first
        assert session.counts == {"hit": calls - 1, "live": 1}
    assert provider.hits == 3
    assert len(at.load("c").inferences) == 3


def test_recordings_that_nobody_asked_for_are_reported(provider: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    with at.record("c", quiet=True):
        for text in "abc":
            _ask(provider, text)
    with at.replay("c") as session:
        _ask(provider, "b")
    assert session.unplayed == 2
    assert "2 recordings never asked for" in capsys.readouterr().err


# --- what a recorded call tells -----------------------------------------------------------------------------------------


def _span(
    body: bytes = b"",
    path: str = "/v1/chat/completions",
    *,
    kind: str = "application/json",
    statuses: Sequence[int | None] = (200,),
    attributes: dict[str, AttributeValue] | None = None,
    origin: str = "https://api.openai.com",
) -> Span:
    request = HttpRequest("POST", origin, path)
    attempts = tuple(
        Exchange(request, 1, 2, "complete", status, (("Content-Type", kind),), body if status == 200 else b"{}")
        for status in statuses
    )
    call = Call("0" * 64, attempts)
    return Span(_TRACE_ID, "1" * 16, "chat m", 1, 2, attributes=attributes or {}, read_call=lambda: call)


def _told_span(**attributes: AttributeValue) -> Span:
    return Span(_TRACE_ID, "1" * 16, "x", 1, 2, attributes={k.replace("__", "."): v for k, v in attributes.items()})


def _chat(message: Json) -> bytes:
    return json.dumps({"id": "r1", "model": "m", "choices": [{"index": 0, "message": message}]}).encode()


def test_the_answer_of_a_model_is_told_by_its_first_line() -> None:
    span = _span(_chat({"role": "assistant", "content": "\n Hello.\nHow are you?"}))
    assert excerpt(span) == "Hello."
    response = response_of(span)
    assert response is not None
    assert (response.id, response.model) == ("r1", "m")


def test_a_tool_call_is_told_by_its_name_and_arguments() -> None:
    call = {"id": "call_1", "type": "function", "function": {"name": "search", "arguments": '{"q": "é"}'}}
    assert excerpt(_span(_chat({"role": "assistant", "content": None, "tool_calls": [call]}))) == 'search({"q":"é"})'


def test_a_streamed_answer_is_told_whole() -> None:
    pieces = [{"id": "r1", "choices": [{"index": 0, "delta": {"content": text}}]} for text in ("Hel", "lo.")]
    body = b"".join(b"data: %s\n\n" % json.dumps(piece).encode() for piece in pieces) + b"data: [DONE]\n\n"
    assert excerpt(_span(body, kind="text/event-stream; charset=utf-8")) == "Hello."


def test_an_answer_of_anthropic_is_told() -> None:
    body = b'{"type":"message","role":"assistant","content":[{"type":"text","text":"Hello."}]}'
    assert excerpt(_span(body, "/v1/messages")) == "Hello."


def test_of_several_attempts_the_last_that_was_answered_is_told() -> None:
    answered = _chat({"role": "assistant", "content": "Hello."})
    assert excerpt(_span(answered, statuses=(429, 200))) == "Hello."
    assert excerpt(_span(answered, statuses=(429, 200, None))) == "Hello."
    assert excerpt(_span(answered, statuses=(None,))) is None


def test_arguments_of_a_tool_are_told_before_anything_else() -> None:
    told: Any = {semconv.GEN_AI_TOOL_CALL_ARGUMENTS: '{"q":1}'}
    assert excerpt(_span(_chat({"role": "assistant", "content": "Hello."}), attributes=told)) == '{"q":1}'


def test_without_a_recorded_call_the_messages_of_the_span_are_told() -> None:
    messages = '[{"role":"assistant","parts":[{"type":"text","content":"Hello."}]}]'
    assert excerpt(_told_span(gen_ai__output__messages=messages)) == "Hello."
    assert response_of(_told_span(gen_ai__output__messages=messages)) is None


@pytest.mark.parametrize(
    "told", ["", "Hello.", "{}", "7", "null", "[7]", '[{"parts":7}]', '[{"parts":[7]}]', "[" * 100_000, 7, ()]
)
def test_messages_that_cannot_be_read_tell_nothing(told: AttributeValue) -> None:
    assert excerpt(_told_span(gen_ai__output__messages=told)) is None


def test_a_span_that_is_no_call_tells_nothing() -> None:
    assert excerpt(_told_span(a="b")) is None


@pytest.mark.parametrize("body", [b"", b"{", b"\xff", b"[" * 100_000, b"null", b"7", b"[]", b'"Hello."', b"{}"])
def test_an_answer_that_cannot_be_read_tells_nothing(body: bytes) -> None:
    assert excerpt(_span(body)) is None
    assert excerpt(_span(b"data: %s\n\n" % body, kind="text/event-stream")) is None


def test_an_address_that_is_no_known_api_tells_nothing() -> None:
    span = _span(_chat({"role": "assistant", "content": "Hello."}), "/healthz", origin="https://app.test")
    assert response_of(span) is None
    assert excerpt(span) is None


_NAMES = st.sampled_from(
    [
        *("choices", "message", "delta", "content", "tool_calls", "function", "name", "arguments", "usage", "output"),
        *(
            "type",
            "text",
            "id",
            "model",
            "role",
            "parts",
            "data",
            "finish_reason",
            "index",
            "item",
            "response",
            "error",
        ),
    ]
)
_VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-2, 9) | st.sampled_from(["", "text", "message", "function_call", "x"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_NAMES, inner, max_size=4),
    max_leaves=12,
)
_PATHS = st.sampled_from(
    ["/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/embeddings", "/v1/completions", "/v1/files"]
)


@settings(max_examples=60)
@given(_PATHS, st.dictionaries(_NAMES, _VALUES, max_size=5))
def test_whatever_an_answer_looks_like_it_is_told_or_not_without_an_error(path: str, answer: dict[str, Json]) -> None:
    body = json.dumps(answer).encode()
    assert isinstance(excerpt(_span(body, path)), str | None)
    streamed = b"event: x\ndata: %s\n\n" % body
    assert isinstance(excerpt(_span(streamed, path, kind="text/event-stream")), str | None)
