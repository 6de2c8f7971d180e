"""Which rules two recordings of the same run propose, and which places are told and not proposed."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agenttrace.analyze.learning import Learning, learn, rules_toml
from otel_agenttrace.config import resolve
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import canonical
from otel_agenttrace.matching import normalised_key
from otel_agenttrace.model import HttpRequest
from otel_agenttrace.volatile import MatchRule, MatchRules
from otel_agenttrace_instrumentation.pyproject import append_settings, pyproject_settings


def _request(body: object, target: str = "/v1/chat/completions") -> HttpRequest:
    return HttpRequest("POST", "https://api.test", target, canonical(body))


def _chat(result: object, *, question: str = "Where to?", **members: object) -> HttpRequest:
    content = result if isinstance(result, str) else json.dumps(result)
    messages = [{"role": "user", "content": question}, {"role": "tool", "tool_call_id": "call_1", "content": content}]
    return _request({"model": "gpt-4o", "messages": messages, **members})


def _run(seed: int, turns: int = 3) -> list[HttpRequest]:
    """Return the requests of a loop in which each tool result has a revision and a host, and the run a session."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": "Where to?"}]
    requests: list[HttpRequest] = []
    for turn in range(turns):
        requests.append(_request({"messages": list(messages), "metadata": {"session": f"s{seed}", "team": "travel"}}))
        result = {"hits": [{"title": "Rome", "revision": seed + turn}], "host": f"host-{seed}", "turn": turn}
        messages.append({"role": "tool", "tool_call_id": f"call_{seed}{turn}", "content": json.dumps(result)})
    return requests


def _told(learning: Learning) -> list[tuple[str, str | None]]:
    return [(move.pointer, move.refused) for move in learning.moves]


def _learned(one: HttpRequest, other: HttpRequest, **options: Any) -> Learning:
    return learn([one], [other], **options)


# --- what is proposed ---------------------------------------------------------------------------------------------------


def test_three_volatile_fields_are_three_rules() -> None:
    learning = learn(_run(17), _run(4018))
    assert set(learning.rules) == {
        MatchRule("/metadata/session"),
        MatchRule("/messages/*/content/hits/*/revision"),
        MatchRule("/messages/*/content/host"),
    }
    assert len(learning.moves) == 3
    assert (learning.pairs, learning.unpaired) == (3, (0, 0))


def test_two_recordings_of_the_very_same_run_propose_nothing() -> None:
    assert learn(_run(17), _run(17)) == Learning(3, (0, 0), ())


def test_what_presets_know_is_not_proposed() -> None:
    one = _chat({"id": "8f14e45f", "at": "2026-10-01T10:00:00Z"})
    other = _chat({"id": "c9f0f895", "at": "2026-10-01T11:00:00Z"})
    assert _learned(one, other).moves == ()


@pytest.mark.parametrize("seed", [4018, 17])
def test_the_proposed_rules_make_the_runs_the_same(seed: int) -> None:
    left, right = _run(17), _run(seed)
    rules = MatchRules(learn(left, right).rules)
    assert [normalised_key(one, rules) for one in left] == [normalised_key(other, rules) for other in right]
    assert learn(left, right, rules).moves == ()


def test_indexes_become_a_star_only_where_all_moved_alike() -> None:
    def hits(*revisions: int) -> HttpRequest:
        return _chat({"hits": [{"revision": revision} for revision in revisions]})

    assert _learned(hits(1, 2), hits(3, 4)).rules == (MatchRule("/messages/*/content/hits/*/revision"),)
    assert _learned(hits(1, 2, 5), hits(3, 2, 6)).rules == (
        MatchRule("/messages/1/content/hits/0/revision"),
        MatchRule("/messages/1/content/hits/2/revision"),
    )


def test_a_call_in_which_the_field_stayed_keeps_the_index() -> None:
    steady = _request({"messages": [{"role": "tool", "content": '{"n": 1}'}], "n": 0})
    left, right = (_request({"messages": [{}, {"role": "tool", "content": f'{{"n": {n}}}'}]}) for n in (1, 2))
    assert learn([steady, left], [steady, right]).rules == (MatchRule("/messages/1/content/n"),)


def test_a_member_that_only_one_run_has_is_proposed() -> None:
    learning = _learned(_chat({"a": 1, "cached": True}), _chat({"a": 1}))
    assert [(move.pointer, move.left, move.right) for move in learning.proposed] == [
        ("/messages/*/content/cached", "true", "(absent)")
    ]


@pytest.mark.parametrize(
    ("one", "other", "pattern"),
    [
        ("Build 83 took 1.3 s", "Build 97 took 12.8 s", r"Build \d+|took \d+\.\d+"),
        ("saved as report-17.txt now", "saved as report-18.txt now", r"as report-\d+\.txt"),
        ("17 results for Rome", "18 results for Rome", r"^\d+"),
        ("host h17a: ok", "host h9b: ok", r"host h\d+[A-Za-z]+:"),
    ],
)
def test_words_with_digits_in_the_text_of_a_tool_are_proposed_as_a_pattern(one: str, other: str, pattern: str) -> None:
    (rule,) = _learned(_chat(one), _chat(other)).rules
    assert rule == MatchRule("/messages/1/content", "pattern", pattern)
    assert learn([_chat(one)], [_chat(other)], MatchRules((rule,))).moves == ()


@settings(max_examples=60)
@given(
    st.lists(st.sampled_from(["Build", "a-1", "1.3", "v2", "(7)", "x", "9%", "b\\2"]), min_size=3, max_size=6),
    st.lists(st.sampled_from(["Build", "a-2", "1.4", "v3", "(8)", "x", "9%", "b\\3"]), min_size=3, max_size=6),
)
def test_rules_of_tool_results_make_them_the_same(one: Sequence[str], other: Sequence[str]) -> None:
    left, right = _chat(" ".join(one)), _chat(" ".join(other))
    learning = _learned(left, right)
    rules = MatchRules(learning.rules)
    is_same = normalised_key(left, rules) == normalised_key(right, rules)
    assert is_same == (len(learning.proposed) == len(learning.moves))


# --- what is not --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other", "moved"),
    [
        (_chat({}, question="Where to?"), _chat({}, question="Where from?"), ("/messages/0/content", "content")),
        (_chat({}, model="a"), _chat({}, model="b"), ("/model", "content")),
        (_chat({}, temperature=0), _chat({}, temperature=1), ("/temperature", "content")),
        (_chat({}, tools=[{"name": "a"}]), _chat({}, tools=[{"name": "b"}]), ("/tools/*/name", "content")),
        (_chat({}, tools=[]), _chat({}, tools=[{}]), ("/tools/*", "length")),
        (_chat("It is sunny in Rome"), _chat("It is rainy in Rome"), ("/messages/1/content", "content")),
        (_request({"system": "Be kind"}), _request({"system": "Be terse"}), ("/system", "content")),
        (_request({"input": "a b"}), _request({"input": "a c"}), ("/input", "content")),
        (_request("a"), _request("b"), ("/", "content")),
        (_request({}, "/v1/x?page=1"), _request({}, "/v1/x?page=2"), ("target", "address")),
    ],
)
def test_what_says_what_is_asked_for_is_told_and_not_proposed(
    one: HttpRequest, other: HttpRequest, moved: tuple[str, str]
) -> None:
    learning = _learned(one, other)
    assert _told(learning) == [moved]
    assert learning.rules == ()


def test_with_everything_asked_for_content_is_proposed_too() -> None:
    one, other = _chat({}, question="Where to?"), _chat({}, question="Where from?")
    assert _learned(one, other, everything=True).rules == (MatchRule("/messages/0/content"),)
    longer = _learned(_chat({}, tools=[]), _chat({}, tools=[{}]), everything=True)
    assert longer.rules == ()


def test_a_field_that_moves_beside_a_changed_question_is_proposed() -> None:
    one, other = _chat({"host": "a 1"}, question="Where to?"), _chat({"host": "a 2"}, question="Where from?")
    learning = _learned(one, other)
    assert [move.pointer for move in learning.proposed] == ["/messages/*/content/host"]
    assert _told(learning)[0] == ("/messages/0/content", "content")


def test_a_text_of_a_tool_that_moves_beside_a_changed_question_is_proposed_alone() -> None:
    one, other = _chat("Build 17 ok", question="Where to?"), _chat("Build 18 ok", question="Where from?")
    assert _told(_learned(one, other)) == [("/messages/0/content", "content"), ("/messages/1/content", None)]


def test_a_volatile_address_is_not_told() -> None:
    one, other = (_request({"n": n}, f"/v1/x?at=2026-10-01T10:00:0{n}Z") for n in (1, 2))
    assert _told(_learned(one, other)) == [("/n", "content")]


# --- which calls belong together ----------------------------------------------------------------------------------------


def test_calls_are_compared_with_their_partners_whatever_their_order() -> None:
    left, right = _run(17), _run(4018)
    turned = learn(left, list(reversed(right)))
    assert set(turned.rules) == set(learn(left, right).rules)


def test_calls_without_a_partner_are_counted() -> None:
    assert learn(_run(17), _run(17, turns=5)).unpaired == (0, 2)
    other = _request({}, "/v1/embeddings")
    assert learn([other], [_chat({})]) == Learning(0, (1, 1), ())
    assert learn([], []) == Learning(0, (0, 0), ())


# --- as settings --------------------------------------------------------------------------------------------------------

_RULES = (
    MatchRule("/metadata/session"),
    MatchRule('/a"b~1c/é', "pattern", r"Build \d+"),
    MatchRule("/x", "pattern", r"it's \"\d", "api.test/*"),
)


def test_rules_that_are_written_are_read_again(tmp_path: Path) -> None:
    append_settings(tmp_path, rules_toml(_RULES))
    assert resolve({}, pyproject_settings(tmp_path)).match.rules == _RULES
    append_settings(tmp_path, rules_toml(_RULES[:1]))
    assert resolve({}, pyproject_settings(tmp_path)).match.rules == (*_RULES, _RULES[0])


@pytest.mark.parametrize(
    "before", [b"", b"[tool.other]\na = 1", b"# \xc3\xa9\r\n[tool.otel-agenttrace]\r\nmode = 'new'\r\n\r\n"]
)
def test_what_pyproject_holds_stays_byte_by_byte(tmp_path: Path, before: bytes) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_bytes(before)
    inner = tmp_path / "inner"
    inner.mkdir()
    assert append_settings(inner, rules_toml(_RULES)) == path
    assert path.read_bytes().startswith(before)
    assert resolve({}, pyproject_settings(inner)).match.rules == _RULES


@pytest.mark.parametrize(
    "before", ["[tool\n", "[tool]\notel-agenttrace = {}\n", "[tool.otel-agenttrace]\nmatch = []\n"]
)
def test_a_pyproject_that_would_be_no_toml_is_left_as_it_is(tmp_path: Path, before: str) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(before)
    with pytest.raises(ConfigError, match=r"pyproject\.toml"):
        append_settings(tmp_path, rules_toml(_RULES))
    assert path.read_text() == before
