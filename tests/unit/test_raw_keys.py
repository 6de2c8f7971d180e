"""A request whose very bytes were recorded is found by their digest, and the answer is the one its key would have found."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agenttrace import semconv
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.writer import RecordedCall, Writer
from otel_agenttrace.errors import ReplayMiss
from otel_agenttrace.matching import Requested, requested
from otel_agenttrace.model import Call, Exchange, Span
from otel_agenttrace.playback.player import Claim, Player
from otel_agenttrace.redact import RULES_VERSION, Finding, Redactor, redactor

_URL: Final = "https://api.test/v1/chat/completions"
_PLAIN: Final = redactor({})
_WORD: Final = hashlib.sha256(b"word").hexdigest()[:24]
_KNOWING: Final = redactor({"MY_API_KEY": _WORD})
_RAW_KEY: Final = re.compile(rb',\{"key":"agenttrace\.call\.raw_key","value":\{"stringValue":"[0-9a-f]{32}"\}\}')


def _content(text: str) -> bytes:
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()


def _asked(
    content: bytes, redact: Redactor = _PLAIN, *, url: str = _URL, kind: str = "application/json", part: str = ""
) -> Requested:
    return requested("POST", url, kind, content, redact, part=part)


def _record(path: Path, *calls: Requested, rules: int = RULES_VERSION, key: str | None = None) -> None:
    writer = Writer(path, {"service.name": "s", semconv.AGENTTRACE_RULES_VERSION: rules})
    for number, asked in enumerate(calls, 1):
        exchange = Exchange(asked.request, number, number + 1, "complete", 200, (), str(number).encode())
        span = Span("1" * 32, f"{number:016x}", "chat m", number, number + 1)
        writer.write(span, RecordedCall(Call(key or asked.key, (exchange,), "", number), asked))


def _player(path: Path) -> Player:
    return Player(open_cassette(path, strict=True), redactor({}))


def _answer(claim: Claim | None) -> str | None:
    return None if claim is None else f"{claim.outcome} {claim.attempts[0].body.decode()} {claim.detail}".strip()


class _Reader:
    """A detector that finds nothing, and remembers what it was given to read."""

    def __init__(self) -> None:
        self.read: list[str] = []

    def __call__(self, text: str) -> Sequence[Finding]:
        self.read.append(text)
        return ()


# --- what has a raw key -------------------------------------------------------------------------------------------------


def test_the_word_of_these_tests_is_redacted() -> None:
    assert _WORD not in _asked(_content(_WORD), _KNOWING).request.body


@pytest.mark.parametrize(
    "other",
    [
        {"content": b' {"a":1}'},
        {"url": "https://api.test/v1/other"},
        {"part": "bytes=0-9"},
        {"kind": "multipart/form-data; boundary=x"},
        {"kind": "application/x-www-form-urlencoded"},
    ],
)
def test_what_decides_the_request_decides_its_raw_key(other: dict[str, Any]) -> None:
    told: dict[str, Any] = {"content": b'{"a":1}', **other}
    assert _asked(**told).raw_key != _asked(b'{"a":1}').raw_key


def test_origin_credentials_and_the_type_of_json_do_not_decide_the_raw_key() -> None:
    plain = _asked(b'{"a":1}')
    assert _asked(b'{"a":1}', url=_URL.replace("api", "other")).raw_key == plain.raw_key
    assert _asked(b'{"a":1}', url=f"{_URL}?api_key={_WORD}").raw_key == _asked(b'{"a":1}', url=_URL).raw_key
    assert _asked(b'{"a":1}', kind="text/plain").raw_key == plain.raw_key


def test_a_request_without_a_body_has_no_raw_key() -> None:
    assert _asked(b"").raw_key is None


def test_of_bytes_that_hold_a_secret_no_digest_is_stored(tmp_path: Path) -> None:
    asked = _asked(_content(f"my word is {_WORD}"), _KNOWING)
    _record(tmp_path / "c", asked, _asked(_content("no word")))
    secret, plain = open_cassette(tmp_path / "c").index.calls
    assert secret.raw_key is None
    assert plain.raw_key is not None
    assert (asked.raw_key or "").encode() not in (tmp_path / "c").read_bytes()


def test_a_line_that_others_wrote_anew_keeps_its_raw_key(tmp_path: Path) -> None:
    _record(tmp_path / "c", _asked(_content("hello")))
    (ours,) = open_cassette(tmp_path / "c").index.calls
    (tmp_path / "c").write_text(json.dumps(json.loads((tmp_path / "c").read_bytes())))
    (theirs,) = open_cassette(tmp_path / "c").index.calls
    assert ours.raw_key == theirs.raw_key == _asked(_content("hello")).raw_key


# --- what it finds ------------------------------------------------------------------------------------------------------


def test_nothing_is_made_of_a_request_whose_bytes_were_recorded(tmp_path: Path) -> None:
    _record(tmp_path / "c", _asked(_content("hello")))
    player, reader = _player(tmp_path / "c"), _Reader()
    redact = Redactor((reader,))
    assert _answer(player.claim(_asked(_content("hello"), redact), "")) == "hit 1"
    assert reader.read == ["/v1/chat/completions"]
    assert player.claim(_asked(_content("hello") + b" ", redact), "") is None
    assert "hello" in reader.read[1]


def test_recordings_of_one_key_are_given_in_their_order_whatever_their_bytes(tmp_path: Path) -> None:
    spaced, plain = _content("hello") + b" ", _content("hello")
    _record(tmp_path / "c", _asked(spaced), _asked(plain))
    player = _player(tmp_path / "c")
    assert [_answer(player.claim(_asked(plain), "")) for _ in range(3)] == ["hit 1", "hit 2", None]


def test_bytes_that_were_recorded_answer_where_a_rule_of_today_redacts_them(tmp_path: Path) -> None:
    _record(tmp_path / "c", _asked(_content(_WORD)))
    player = _player(tmp_path / "c")
    assert _answer(player.claim(_asked(_content(_WORD), _KNOWING), "")) == "hit 1"
    assert str(player.miss(_asked(_content(_WORD), _KNOWING), "agent.py:1")).startswith("This call was recorded once")
    assert player.why_not(_asked(_content(_WORD), _KNOWING)) == "recorded, but each of its answers was given"


def test_bytes_that_were_recorded_under_other_rules_answer(tmp_path: Path) -> None:
    _record(tmp_path / "c", _asked(_content("hello")), rules=RULES_VERSION - 1, key="0" * 64)
    assert _answer(_player(tmp_path / "c").claim(_asked(_content("hello")), "")) == "hit 1"


_AT: Final = "It is 2026-10-01T1{}:00:00Z"
_TEXTS: Final = st.sampled_from([_AT.format(0), _AT.format(1), "hello", "else"])
_CALLS: Final = st.builds(
    lambda text, space, host: _asked(_content(text) + b" " * space, url=_URL.replace("api", host)),
    _TEXTS,
    st.integers(0, 1),
    st.sampled_from(["api", "other"]),
)


@settings(max_examples=60)
@given(st.lists(_CALLS, min_size=1, max_size=6), st.lists(_CALLS, max_size=8))
def test_with_and_without_raw_keys_the_same_recordings_answer(
    recorded: list[Requested], asked: list[Requested]
) -> None:
    with TemporaryDirectory() as folder:
        new, old = Path(folder, "new"), Path(folder, "old")
        _record(new, *recorded)
        content, removed = _RAW_KEY.subn(b"", new.read_bytes())
        old.write_bytes(content)
        assert removed == len(recorded)
        assert _told(_player(new), asked) == _told(_player(old), asked)


def _told(player: Player, asked: Sequence[Requested]) -> list[str]:
    return [_answer(player.claim(each, "")) or _missed(player, each) for each in asked]


def _missed(player: Player, asked: Requested) -> str:
    miss: ReplayMiss = player.miss(asked, "agent.py:1")
    return f"{type(miss).__name__} {miss} {miss.nearest} {player.why_not(asked)} {player.knows_another(asked)}".replace(
        str(player.cassette.path), ""
    )


def test_what_was_removed_from_a_target_without_a_digest_is_no_hit(tmp_path: Path) -> None:
    def asked(word: str) -> Requested:
        url = f"https://api.test/v1/login;password={word}"
        return requested("POST", url, "application/json", _content("hello"), redactor({}))

    one, other = asked("hunter2x"), asked("swordfish9")
    assert one.request.target == other.request.target == "/v1/login;password=[REDACTED:password]"
    assert one.raw_key is None
    _record(tmp_path / "c", one)
    claim = _player(tmp_path / "c").claim(other, "")
    assert claim is not None
    assert claim.outcome == "drift"
