"""What presets and rules leave out of a request, and what they never do."""

from __future__ import annotations

import json
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import Json, canonical
from otel_agenttrace.matching import are_alike, key_of, normalised_key
from otel_agenttrace.model import HttpRequest
from otel_agenttrace.volatile import NO_RULES, MatchRule, MatchRules, steady_value, steps_of

_few = settings(max_examples=40)


def _request(body: object, path: str = "/v1/chat/completions") -> HttpRequest:
    return HttpRequest("POST", "https://api.test", path, canonical(body))


def _asked(content: object) -> HttpRequest:
    return _request({"model": "m", "messages": [{"role": "user", "content": content}]})


def _chat_result(content: object) -> HttpRequest:
    return _request({"messages": [{"role": "tool", "tool_call_id": "call_1", "content": content}]})


def _responses_result(content: object) -> HttpRequest:
    return _request({"input": [{"type": "function_call_output", "call_id": "call_1", "output": content}]})


def _anthropic_result(content: object) -> HttpRequest:
    block = {"type": "tool_result", "tool_use_id": "toolu_1", "content": [{"type": "text", "text": content}]}
    return _request({"messages": [{"role": "user", "content": [block]}]})


_RESULTS: Final = (_chat_result, _responses_result, _anthropic_result)


def _is_steady(one: HttpRequest, other: HttpRequest, rules: MatchRules = NO_RULES) -> bool:
    assert key_of(one) != key_of(other)
    return normalised_key(one, rules) == normalised_key(other, rules)


# --- in what a tool gave ------------------------------------------------------------------------------------------------

_IN_A_RESULT: Final = (
    ({"id": "8f14e45f"}, {"id": "c9f0f895"}),
    ({"id": "8f14e45fceea167a5a36dedd4bea2543"}, {"id": "c9f0f895fb98ab9159f51fd0297e236d"}),
    ({"request_id": "a1B2c3D4e5"}, {"request_id": "Z9y8X7w6V5"}),
    ({"requestId": "a1B2c3D4e5"}, {"requestId": "Z9y8X7w6V5"}),
    ({"order_id": "ord_8f3k2j1l9d"}, {"order_id": "ord_7a6b5c4d3e"}),
    ({"rows": [{"id": "V1StGXR8_Z5jdHi6B-myT"}]}, {"rows": [{"id": "a9Bc8De7_f6Gh5Ij4-klM"}]}),
    ({"created_at": 1764000000}, {"created_at": 1764000999}),
    ({"createdAt": 1764000000123}, {"createdAt": 1764000999456}),
    ({"timestamp": 1764000000.25}, {"timestamp": 1764000999.5}),
    ({"ts": "1764000000"}, {"ts": "1764000999"}),
    ({"at": "2026-10-01T10:00:00.123456+00:00"}, {"at": "2026-10-01T12:30:00.654321+00:00"}),
    ({"date": "Tue, 21 Nov 2026 10:00:00 GMT"}, {"date": "Wed, 22 Nov 2026 11:00:00 GMT"}),
    ({"nested": json.dumps({"id": "8f14e45f"})}, {"nested": json.dumps({"id": "c9f0f895"})}),
)


@pytest.mark.parametrize("result", _RESULTS)
@pytest.mark.parametrize(("one", "other"), _IN_A_RESULT)
def test_random_ids_and_times_in_the_json_of_a_tool_result_are_left_out(
    result: Any, one: dict[str, Any], other: dict[str, Any]
) -> None:
    assert _is_steady(result(json.dumps(one)), result(json.dumps(other)))
    assert _is_steady(
        result(json.dumps({"n": 1, "a": [one]}, indent=1)), result(json.dumps({"n": 1, "a": [other]}, indent=1))
    )


@pytest.mark.parametrize("result", _RESULTS)
@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("{'id': '8f14e45f', 'n': 1}", "{'id': 'c9f0f895', 'n': 1}"),
        ("saved, request_id=a1B2c3D4e5.", "saved, request_id=Z9y8X7w6V5."),
        ("ts: 1764000000 done", "ts: 1764000999 done"),
        ("log is in /tmp/tmpab12cd34/x.log", "log is in /tmp/tmpzz98yy76/x.log"),
        ("log is in /private/var/folders/ab/c1/T/tmpab12cd34", "log is in /private/var/folders/zz/d2/T/tmpzz98yy76"),
        (
            "log is in C:\\Users\\me\\AppData\\Local\\Temp\\x1\\a",
            "log is in C:\\Users\\me\\AppData\\Local\\Temp\\y2\\a",
        ),
        ("trace 123e4567-e89b-12d3-a456-426614174000", "trace 00000000-e89b-12d3-a456-426614174fff"),
        ("at 20261001T100000Z", "at 20261001T110000Z"),
    ],
)
def test_random_ids_and_times_in_the_text_of_a_tool_result_are_left_out(result: Any, one: str, other: str) -> None:
    assert _is_steady(result(one), result(other))


_MEANT: Final = (
    ({"n": 1, "city": "Rome"}, {"n": 1, "city": "Oslo"}),
    ({"price": 19.99}, {"price": 24.99}),
    ({"total": 1764000000}, {"total": 1764000999}),
    ({"id": "12345678"}, {"id": "87654321"}),
    ({"id": 41}, {"id": 42}),
    ({"id": "gpt-4o-2024-08-06"}, {"id": "gpt-4o-2024-11-20"}),
    ({"model_id": "claude-3-5-sonnet-20241022"}, {"model_id": "claude-3-7-sonnet-20250219"}),
    ({"product_id": "iphone15pro"}, {"product_id": "galaxy24ultra"}),
    ({"name": "8f14e45f"}, {"name": "c9f0f895"}),
    ({"created_at": 17}, {"created_at": 18}),
    ({"created_at": "2026-10-01"}, {"created_at": "2026-10-02"}),
    ({"date": "2026-10-01"}, {"date": "2026-10-02"}),
    ({"id": "8f14e45f", "status": "paid"}, {"id": "c9f0f895", "status": "open"}),
    ({"8f14e45f": 1}, {"c9f0f895": 1}),
    ({"id": None}, {"id": "8f14e45f"}),
)


@pytest.mark.parametrize("result", _RESULTS)
@pytest.mark.parametrize(("one", "other"), _MEANT)
def test_what_a_tool_result_means_is_kept(result: Any, one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not _is_steady(result(json.dumps(one)), result(json.dumps(other)))


@pytest.mark.parametrize(("one", "other"), _IN_A_RESULT[:10])
def test_the_same_in_a_question_is_another_question(one: dict[str, Any], other: dict[str, Any]) -> None:
    assert not _is_steady(_asked(json.dumps(one)), _asked(json.dumps(other)))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("order 8f14e45f", "order c9f0f895"),
        ("order_id: 8f14e45f", "order_id: c9f0f895"),
        ("Is 1764000000 a prime?", "Is 1764000999 a prime?"),
        ("It costs $19.99", "It costs $24.99"),
        ("on 2026-10-01", "on 2026-10-02"),
        ("on 1 Oct 2026", "on 2 Oct 2026"),
        ("at 10:30", "at 11:30"),
        ("book 2026-10-01 19:00", "book 2026-10-01 20:00"),
        ("read /tmp/january.csv", "read /tmp/february.csv"),
        ("read /tmp/inbox/january.csv", "read /tmp/outbox/january.csv"),
        ("read /tmp/run-1/january.csv", "read /tmp/run-1/february.csv"),
        ("d41d8cd98f00b204e9800998ecf8427e", "0cc175b9c0f1b6a831c399e269772661"),
    ],
)
def test_a_changed_question_is_no_drift(one: str, other: str) -> None:
    assert not _is_steady(_asked(one), _asked(other))


def test_json_in_a_tool_result_that_is_written_in_another_way_is_another_result() -> None:
    assert not _is_steady(_chat_result('{"a":1}'), _chat_result('{"a": 1}'))


def test_ids_of_calls_are_left_out_in_their_members_only() -> None:
    def turn(call: str) -> HttpRequest:
        return _request({"messages": [{"tool_calls": [{"id": call}]}, {"role": "tool", "tool_call_id": call}]})

    assert _is_steady(turn("call_1"), turn("call_2"))
    assert not _is_steady(turn("call_1"), turn("weather"))


def test_a_time_in_a_member_that_tells_so_is_left_out_wherever_it_stands() -> None:
    one, other = (_request({"metadata": {"timestamp": 1764000000 + number}}) for number in (0, 1))
    assert _is_steady(one, other)


def test_two_ids_as_names_of_members_are_two_members() -> None:
    names = ("123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174001")
    both, one = _request(dict.fromkeys(names, 1)), _request({names[0]: 1})
    assert not _is_steady(both, one)


def test_a_body_nested_too_deep_to_walk_is_left_out_by_its_text() -> None:
    def nested(at: str) -> HttpRequest:
        return HttpRequest("POST", "https://api.test", "/v1", '{"a":' * 900 + f'"{at}"' + "}" * 900)

    assert normalised_key(nested("2026-10-01T10:00:00Z")) == normalised_key(nested("2026-10-01T11:00:00Z"))
    assert normalised_key(nested("a")) != normalised_key(nested("b"))


# --- rules of the user's own --------------------------------------------------------------------------------------------


def _rules(*rules: MatchRule) -> MatchRules:
    return MatchRules(rules)


@pytest.mark.parametrize(
    ("pointer", "one", "other"),
    [
        ("/user", {"user": "a", "n": 1}, {"user": "b", "n": 1}),
        ("/user", {"user": "a", "n": 1}, {"n": 1}),
        ("/metadata/session", {"metadata": {"session": "a"}}, {"metadata": {"session": "b"}}),
        ("/metadata/*", {"metadata": {"a": 1}}, {"metadata": {"b": 2, "c": 3}}),
        ("/metadata/**", {"metadata": {"a": {"b": 1}}}, {"metadata": 7}),
        ("/**/etag", {"a": [{"b": {"etag": 1}}], "etag": 1}, {"a": [{"b": {"etag": 2}}], "etag": 2}),
        ("/messages/*/name", {"messages": [{"name": "a"}, {"name": "b"}]}, {"messages": [{"name": "c"}, {}]}),
        ("/messages/1", {"messages": [1, 2]}, {"messages": [1, {"a": 3}]}),
        ("/a~1b/~0c", {"a/b": {"~c": 1}}, {"a/b": {"~c": 2}}),
        ("/r/content/v", {"r": {"content": '{"v": 1, "w": 2}'}}, {"r": {"content": '{"v": 9, "w": 2}'}}),
        ("/r/*/0/v", {"r": {"content": '[{"v": 1}]'}}, {"r": {"content": '[{"v": 2}]'}}),
    ],
)
def test_an_ignored_place_may_change_or_be_absent(pointer: str, one: object, other: object) -> None:
    assert not _is_steady(_request(one), _request(other))
    assert _is_steady(_request(one), _request(other), _rules(MatchRule(pointer)))


@pytest.mark.parametrize(
    ("pointer", "one", "other"),
    [
        ("/user", {"user": "a", "n": 1}, {"user": "a", "n": 2}),
        ("/user", {"metadata": {"user": "a"}}, {"metadata": {"user": "b"}}),
        ("/metadata/*", {"metadata": {"a": {"b": 1}}, "b": 1}, {"metadata": {"a": {"b": 1}}, "b": 2}),
        ("/messages/0", {"messages": [1, 2]}, {"messages": [1, 3]}),
        ("/messages/0", {"messages": [1, 2]}, {"messages": [2]}),
        ("/r/content/v", {"r": {"content": '{"v": 1, "w": 2}'}}, {"r": {"content": '{"v": 1, "w": 3}'}}),
        ("/r/content/v", {"r": {"content": "v=1"}}, {"r": {"content": "v=2"}}),
    ],
)
def test_a_rule_leaves_alone_what_its_pointer_does_not_lead_to(pointer: str, one: object, other: object) -> None:
    assert not _is_steady(_request(one), _request(other), _rules(MatchRule(pointer)))


def test_a_pattern_takes_what_it_finds_and_leaves_the_rest() -> None:
    rules = _rules(MatchRule("/messages/*/content", "pattern", r"session \d+"))
    assert _is_steady(_asked("session 17: hello"), _asked("session 18: hello"), rules)
    assert not _is_steady(_asked("session 17: hello"), _asked("session 18: bye"), rules)
    number = _rules(MatchRule("/seed", "pattern", r"^\d+$"))
    assert _is_steady(_request({"seed": 17}), _request({"seed": 18}), number)
    assert not _is_steady(_request({"seed": 5.5}), _request({"seed": "5.5"}), number)


def test_a_function_gives_the_value_that_counts() -> None:
    def lower(value: Json) -> Json:
        return value.lower() if isinstance(value, str) else value

    rules = _rules(MatchRule("/messages/*/content", lower))
    assert _is_steady(_asked("Hello"), _asked("hello"), rules)
    assert not _is_steady(_asked("Hello"), _asked("bye"), rules)


def test_an_error_of_such_a_function_is_not_hidden() -> None:
    def broken(_: Json) -> Json:
        raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        normalised_key(_asked("x"), _rules(MatchRule("/model", broken)))


def test_a_rule_with_an_address_holds_there_only() -> None:
    one, other = _request({"user": "a"}), _request({"user": "b"})
    assert _is_steady(one, other, _rules(MatchRule("/user", url="api.test/v1/*")))
    assert not _is_steady(one, other, _rules(MatchRule("/user", url="api.test/v2/*")))


def test_rules_hold_for_later_attempts_of_a_call_too() -> None:
    one, other = _request({"user": "a"}), _request({"user": "b"})
    assert not are_alike(one, other)
    assert are_alike(one, other, _rules(MatchRule("/user")))


@_few
@given(
    st.recursive(
        st.none() | st.integers() | st.text('ab{}[]": 1', max_size=9),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    ),
    st.sampled_from(["/a", "/*", "/**", "/a/*/b", "/**/c", "/0"]),
)
def test_an_ignored_place_is_ignored_whatever_the_body(body: Json, pointer: str) -> None:
    rules = _rules(MatchRule(pointer))
    steady = rules.steady_body(_request(body))
    assert rules.steady_body(_request(steady)) == steady


@pytest.mark.parametrize(
    ("rule", "told"),
    [
        ({"pointer": "user"}, "pointer is 'user', no JSON pointer"),
        ({"pointer": ""}, "no JSON pointer"),
        ({"pointer": "/a~2"}, "~1 for / and ~0 for ~"),
        ({"pointer": "/a", "action": "drop"}, "one of ignore, pattern"),
        ({"pointer": "/a", "action": "pattern"}, "pattern is missing"),
        ({"pointer": "/a", "pattern": "x"}, "pattern is not read by action 'ignore'"),
        ({"pointer": "/a", "action": "pattern", "pattern": "("}, "no regular expression"),
    ],
)
def test_a_rule_without_meaning_is_refused_with_what_may_stand_there(rule: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        MatchRule(**rule)
    assert told in str(raised.value)
    assert "\n  to fix   " in str(raised.value)


def test_a_pointer_has_its_steps() -> None:
    assert steps_of("/a~1b/*/0/~0/") == ("a/b", "*", "0", "~", "")


def test_two_ids_may_be_called_otherwise_but_not_change_places() -> None:
    def told(first: str, second: str, result: str) -> HttpRequest:
        messages = [
            {"role": "assistant", "tool_calls": [{"id": first}, {"id": second}]},
            {"role": "tool", "tool_call_id": result, "content": "30 C"},
        ]
        return HttpRequest("POST", "https://api.test", "/v1/x", canonical({"messages": messages}))

    recorded = normalised_key(told("call_a1", "call_b2", "call_a1"))
    assert normalised_key(told("call_c3", "call_d4", "call_c3")) == recorded
    assert normalised_key(told("call_c3", "call_d4", "call_d4")) != recorded


@pytest.mark.parametrize("member", ["id", "call_id"])
@pytest.mark.parametrize("value", ["run_{}", "thread_{}", "batch_{}", "req_{}"])
def test_a_short_id_that_a_person_may_have_given_stays(member: str, value: str) -> None:
    one, other = (
        HttpRequest("POST", "https://api.test", "/v1/x", canonical({member: value.format(number)}))
        for number in (41, 42)
    )
    assert normalised_key(one) != normalised_key(other)


@pytest.mark.parametrize("length", [10, 10_000])
def test_a_text_that_came_before_is_steady_in_the_same_way(length: int) -> None:
    plain = "a" * length
    told = f"{plain} on 2026-01-01T00:00:00Z"
    assert [steady_value(text) for text in (plain, told, plain, told)] == [plain, f"{plain} on <time>"] * 2


_ALONE: Final = (
    "2026-10-01T10:00Z",
    "2026-10-01 10:00:00,250 UTC",
    "20261001T100000Z",
    "Thu, 1 Oct 2026 10:00:00 GMT",
    "0f8fad5b-d9cb-469f-a165-70867728950e",
    "call-0aaaaaaaaaaaaaaa",
    "fc_aaaaaaaaaaaaaaa1",
    "/tmp/pytest-of-me/pytest-1/x",
    "/private/var/tmp/tmpabc123.txt",
    "/var/folders/ab/cd/T/tmpabc123",
    r"C:\Users\me\AppData\Local\Temp\tmpabc123",
    "[REDACTED:a:00000000]",
    "[REDACTED:a]",
)


@pytest.mark.parametrize("changing", _ALONE)
@pytest.mark.parametrize("beside", ["", "a"])
def test_what_changes_is_found_where_nothing_else_in_the_text_does(changing: str, beside: str) -> None:
    assert changing not in str(steady_value(f"it was {changing} {beside}".strip()))


@pytest.mark.parametrize(
    "told", ["trace_id=a1B2c3D4", "nonce: 8f14e45f", "\"etag\" = '8f14e45f'", "created:1764000000"]
)
def test_what_a_text_of_a_tool_names_is_found_where_nothing_else_in_it_changes(told: str) -> None:
    result = {"role": "tool", "content": f"it was {told}"}
    assert steady_value(result) != result
