"""When two requests are the same call, when nearly so, and where they part."""

from __future__ import annotations

import base64
import hashlib
import json
import random
import string
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from otel_agenttrace.differing import Difference, differences, first_difference, similarity
from otel_agenttrace.jsonvalue import Json, canonical, canonical_each, parse
from otel_agenttrace.matching import (
    EMPTY,
    Body,
    Requested,
    body_of,
    key_of,
    normalised_key,
    requested,
    stored_again,
)
from otel_agenttrace.model import HttpRequest
from otel_agenttrace.redact import Redactor, redactor

_URL: Final = "https://api.test/v1/chat/completions"
_PLAIN: Final = redactor({})

_few = settings(max_examples=40)
"""For laws about several bodies, which take their time to make."""

_TEXT = st.text(st.characters(exclude_categories=()), max_size=8)
_NUMBERS = st.integers() | st.floats()
_JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=5,
)
_BODIES = st.dictionaries(_TEXT | st.sampled_from(["messages", "input", "contents", "model"]), _JSON, max_size=4)


def _asked(
    body: object = None,
    *,
    method: str = "POST",
    url: str = _URL,
    content_type: str = "application/json",
    content: bytes | None = None,
    with_redactor: Redactor = _PLAIN,
) -> Requested:
    sent = json.dumps(body).encode() if content is None else content
    return requested(method, url, content_type, sent, with_redactor)


def _key(body: object = None, **wanted: Any) -> str:
    return _asked(body, **wanted).key


def _request(body: object, target: str = "/v1/x", method: str = "POST") -> HttpRequest:
    return HttpRequest(method, "https://api.test", target, canonical(body))


def _shuffled(value: object, order: random.Random) -> object:
    """Return the same JSON value with the members of each object in another order."""
    if isinstance(value, dict):
        members = [(key, _shuffled(member, order)) for key, member in value.items()]
        order.shuffle(members)
        return dict(members)
    return [_shuffled(element, order) for element in value] if isinstance(value, list) else value


# --- the key is the same ------------------------------------------------------------------------------------------------


@_few
@given(_BODIES, st.randoms(use_true_random=False), st.sampled_from([None, 1, "\t"]), st.booleans())
def test_key_is_stable_under_order_of_members_whitespace_and_escapes(
    body: Mapping[str, Json], order: random.Random, indent: int | str | None, is_escaped: bool
) -> None:
    written = json.dumps(_shuffled(body, order), indent=indent, ensure_ascii=is_escaped)
    assert _key(content=written.encode("utf-8", "surrogatepass")) == _key(body) or _has_lone_surrogate(written)


def _has_lone_surrogate(text: str) -> bool:
    return any("\ud800" <= character <= "\udfff" for character in text)


@pytest.mark.parametrize(
    "content_type", ["application/json", "application/json; charset=utf-8", "Application/JSON", ""]
)
def test_key_does_not_look_at_headers(content_type: str) -> None:
    assert _key({"a": 1}, content_type=content_type) == _key({"a": 1})


@_few
@given(_BODIES)
def test_a_body_that_the_caller_has_parsed_has_the_same_key(body: dict[str, Json]) -> None:
    written = json.dumps(body).encode()
    parsed = parse(written)
    given_with_it = requested("POST", _URL, "application/json; charset=utf-8", written, _PLAIN, parsed)
    assert given_with_it.stored == requested("POST", _URL, "application/json", written, _PLAIN).stored


def test_key_is_sha256_of_method_target_and_body_as_they_are_stored() -> None:
    asked = _asked({"b": 1, "a": [True, None]}, method="post", url="https://api.test/v1/x?page=2")
    assert asked.request == HttpRequest("POST", "https://api.test", "/v1/x?page=2", '{"a":[true,null],"b":1}')
    assert asked.key == key_of(asked.request)
    assert len(asked.key) == 64


def test_key_does_not_depend_on_the_origin() -> None:
    assert _key({}, url="https://one.test:8443/v1") == _key({}, url="http://127.0.0.1/v1")


def test_user_and_password_of_an_address_are_not_stored() -> None:
    asked = _asked({}, url="https://me:word@api.test:8443/v1")
    assert (asked.request.origin, asked.request.target) == ("https://api.test:8443", "/v1")


@pytest.mark.parametrize(
    ("query", "kept"),
    [
        ("key=AIzaSyD3x4mpl3S3cret", ""),
        ("api-key=abc&api-version=2024-10-21", "?api-version=2024-10-21"),
        ("api-version=2024-10-21&api_key=abc", "?api-version=2024-10-21"),
        ("X-Amz-Signature=abc&X-Amz-Date=now&alt=sse", "?alt=sse"),
        ("page=2&page_token=xyz&code=EUR", "?page=2&page_token=xyz&code=EUR"),
    ],
)
def test_credentials_in_the_query_are_dropped_and_nothing_else(query: str, kept: str) -> None:
    asked = _asked({}, url=f"https://api.test/v1/x?{query}")
    assert asked.request.target == f"/v1/x{kept}"
    assert asked.key == _key({}, url=f"https://api.test/v1/x{kept}")


def test_another_credential_in_the_query_is_the_same_call() -> None:
    assert _key({}, url="https://a.test/v1?key=AIzaSyD3x4mpl3") == _key({}, url="https://a.test/v1?key=AIzaSyOth3r0ne")


def test_a_multipart_body_has_the_same_key_whatever_its_boundary() -> None:
    def sent(boundary: str) -> str:
        part = f'--{boundary}\r\ncontent-disposition: form-data; name="file"; filename="a.txt"\r\n\r\nhello\r\n'
        content = f"{part}--{boundary}--\r\n".encode()
        return _key(content=content, content_type=f"multipart/form-data; boundary={boundary}")

    assert sent("one") == sent("another-boundary")


def _multipart(*contents: bytes, boundary: str = "one-boundary") -> str:
    parts = (b"--%s\r\ncontent-disposition: form-data\r\n\r\n%s\r\n" % (boundary.encode(), each) for each in contents)
    content = b"".join(parts) + b"--%s--\r\n" % boundary.encode()
    return _key(content=content, content_type=f'multipart/form-data; boundary="{boundary}"')


@_few
@given(st.lists(st.binary(max_size=9) | st.sampled_from([b"x--one-boundary", b"\r\n", b"a\r\n"]), max_size=3))
def test_parts_are_the_same_whatever_the_boundary_and_what_they_hold(contents: list[bytes]) -> None:
    assert _multipart(*contents) == _multipart(*contents, boundary="another-boundary")


@_few
@given(st.lists(st.binary(max_size=3), max_size=3), st.lists(st.binary(max_size=3), max_size=3))
def test_other_parts_or_another_order_of_them_are_another_call(one: list[bytes], other: list[bytes]) -> None:
    assert (_multipart(*one) == _multipart(*other)) == (one == other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b"no delimiter 1", b"no delimiter 2"),
        (b"--b\r\n\r\nx\r\n--b\r\n\r\ncut 1", b"--b\r\n\r\nx\r\n--b\r\n\r\ncut 2"),
        (b"--b\n\n1\n--b--\n", b"--b\n\n2\n--b--\n"),
        (b"before 1\r\n--b\r\n\r\nx\r\n--b--", b"before 2\r\n--b\r\n\r\nx\r\n--b--"),
        (b"--b\r\n\r\nx\r\n--b--\r\nbehind 1", b"--b\r\n\r\nx\r\n--b--\r\nbehind 2"),
    ],
)
def test_a_multipart_body_that_is_cut_off_or_odd_is_told_apart_byte_by_byte(one: bytes, other: bytes) -> None:
    kind = "multipart/form-data; boundary=b"
    assert _key(content=one, content_type=kind) != _key(content=other, content_type=kind)


# --- the key differs ----------------------------------------------------------------------------------------------------


@_few
@given(_BODIES, _BODIES)
def test_key_differs_as_soon_as_the_bodies_do(one: Mapping[str, Json], other: Mapping[str, Json]) -> None:
    assert (_key(one) == _key(other)) == (canonical(one) == canonical(other))


@_few
@given(_BODIES, _TEXT, _JSON)
def test_one_member_more_is_another_call(body: Mapping[str, Json], name: str, member: Json) -> None:
    assume(name not in body)
    assert _key({**body, name: member}) != _key(body)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"n": 1}, {"n": 1.0}),
        ({"n": 1}, {"n": "1"}),
        ({"n": 1}, {"n": True}),
        ({"n": None}, {}),
        ({"n": []}, {"n": {}}),
        ({"n": 0.1}, {"n": 0.10000000000000002}),
        ({"n": 2**64}, {"n": 2**64 + 1}),
        ({"n": 10**400}, {"n": 10**400 + 1}),
        ({"t": "\u00e9"}, {"t": "e\u0301"}),
        ({"t": "a"}, {"t": "a "}),
        ({"t": "A"}, {"t": "a"}),
        ({"t": "\ud800"}, {"t": "\ud801"}),
        ({"messages": [1, 2]}, {"messages": [2, 1]}),
        ({"messages": [{"a": 1}]}, {"messages": [{"a": 1}, {}]}),
        ({"messages": []}, {"input": []}),
        (None, {}),
        ("", None),
    ],
)
def test_values_that_look_alike_are_other_calls(one: object, other: object) -> None:
    assert _key(one) != _key(other)


def test_another_method_is_another_call() -> None:
    assert _key({}, method="POST") != _key({}, method="PUT")
    assert _key({}, method="post") == _key({}, method="POST")


@pytest.mark.parametrize(
    "url",
    [
        "https://api.test/v1/chat/completions/",
        "https://api.test/v2/chat/completions",
        "https://api.test/v1/chat/completions?api-version=1",
        "https://api.test/openai/deployments/gpt-4o/chat/completions",
    ],
)
def test_another_path_or_query_is_another_call(url: str) -> None:
    assert _key({}, url=url) != _key({}, url=_URL)


def test_another_deployment_is_another_call() -> None:
    path = "https://me.openai.azure.com/openai/deployments/{}/chat/completions?api-version=2024-10-21"
    assert _key({"messages": []}, url=path.format("gpt-4o")) != _key({"messages": []}, url=path.format("gpt-4.1"))


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ('name="file"; filename="a.txt"\r\n\r\nhello', 'name="file"; filename="a.txt"\r\n\r\nHello'),
        ('name="file"; filename="a.txt"\r\n\r\nhello', 'name="file"; filename="b.txt"\r\n\r\nhello'),
        ('name="file"; filename="a.txt"\r\n\r\nhello', 'name="file"; filename="A.txt"\r\n\r\nhello'),
        ('name="user"\r\n\r\nhello', 'name="User"\r\n\r\nhello'),
    ],
)
def test_another_part_of_a_multipart_body_is_another_call(one: str, other: str) -> None:
    def sent(part: str) -> str:
        content = f"--b\r\ncontent-disposition: form-data; {part}\r\n--b--\r\n".encode()
        return _key(content=content, content_type="multipart/form-data; boundary=b")

    assert sent(one) != sent(other)


@given(st.binary(max_size=40), st.binary(max_size=40))
def test_bodies_that_are_no_json_are_told_apart(one: bytes, other: bytes) -> None:
    assume(not _is_json(one) and not _is_json(other))
    kind = "application/octet-stream"
    assert (_key(content=one, content_type=kind) == _key(content=other, content_type=kind)) == (one == other)


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def test_a_form_is_told_apart_by_its_fields() -> None:
    def sent(form: str) -> str:
        return _key(content=form.encode(), content_type="application/x-www-form-urlencoded")

    assert sent("a=1&b=2") == sent("a=1&b=%32")
    assert len({sent("a=1&b=2"), sent("a=1&b=3"), sent("b=2&a=1"), sent("a=1&b="), sent("a=1")}) == 5


def test_no_body_is_neither_an_empty_object_nor_an_empty_text() -> None:
    assert len({_key(content=b""), _key(content=b"{}"), _key(content=b'""'), _key(content=b"null")}) == 4
    assert _asked(content=b"").body == EMPTY


# --- the canonical body -------------------------------------------------------------------------------------------------


@_few
@given(_JSON | _BODIES)
def test_the_pieces_of_a_body_make_its_canonical_text(value: Json) -> None:
    assert body_of(value).text() == canonical(value)


@_few
@given(_BODIES)
def test_the_stored_text_is_the_body(body: Mapping[str, Json]) -> None:
    stored = _asked(body).request.body
    assert canonical(parse(stored)) == stored == canonical(body)


@pytest.mark.parametrize("name", ["messages", "input", "contents"])
def test_a_conversation_is_kept_by_its_messages(name: str) -> None:
    body = body_of({"model": "m", name: [{"b": 1, "a": "x"}, "y"], "n": 1})
    assert body == Body({"model": '"m"', "n": "1"}, name, ('{"a":"x","b":1}', '"y"'))


def test_only_a_list_is_a_conversation() -> None:
    assert body_of({"input": "hello", "messages": {"a": 1}}) == Body({"input": '"hello"', "messages": '{"a":1}'})


def test_of_two_conversations_the_first_kind_is_kept_by_its_messages() -> None:
    body = body_of({"input": [1], "messages": [2]})
    assert (body.conversation, body.elements, body.members) == ("messages", ("2",), {"input": "[1]"})
    assert body.text() == '{"input":[1],"messages":[2]}'


def test_of_two_members_with_one_name_the_last_counts_as_it_does_for_a_provider() -> None:
    assert _key(content=b'{"a":1,"a":2}') == _key({"a": 2})


def test_big_integers_keep_each_digit() -> None:
    digits = "9" * 4000
    assert _asked(content=f'{{"n":{digits}}}'.encode()).request.body == f'{{"n":{digits}}}'


def test_an_integer_too_big_to_parse_is_kept_as_it_came() -> None:
    content = b'{"n":' + b"9" * 10_000 + b"}"
    assert parse(_asked(content=content).request.body) == {"text": content.decode()}


@pytest.mark.parametrize(
    ("written", "kept"),
    [("1.50", "1.5"), ("1E3", "1000.0"), ("-0.0", "-0.0"), ("1e400", "Infinity"), ("NaN", "NaN"), ("5e-324", "5e-324")],
)
def test_floats_have_one_text(written: str, kept: str) -> None:
    assert _asked(content=f'{{"n":{written}}}'.encode()).request.body == f'{{"n":{kept}}}'


def test_unicode_is_written_plain_and_lone_surrogates_survive() -> None:
    asked = _asked(content=rb'{"t":"\u00e9\ud834\udd1e\ud800\u2028"}')
    assert asked.request.body == '{"t":"é𝄞\ud800\u2028"}'
    assert parse(asked.request.body) == {"t": "é𝄞\ud800\u2028"}


@pytest.mark.parametrize("depth", [1, 100, 400, 900, 990, 1000, 5_000, 100_000])
def test_deep_nesting_is_no_error_and_is_told_apart(depth: int) -> None:
    def nested(leaf: bytes) -> Requested:
        return _asked(content=b'{"a":[' * depth + leaf + b"]}" * depth)

    assert nested(b"1").key == nested(b"1").key != nested(b"2").key


def test_large_bodies_that_are_no_text_are_kept_by_their_digest() -> None:
    content = b"\xff" * 100
    stored: Any = parse(_asked(content=content, content_type="audio/wav").request.body)
    assert stored["size"] == 100
    assert len(stored["sha256"]) == 64


_SECRET: Final = "sk-proj-aB3dE5fG7hJ9kL1mN2"


@pytest.mark.parametrize(
    "body",
    [
        {"user": _SECRET},
        {"messages": [{"content": f"my key is {_SECRET}"}]},
        {"messages": [{_SECRET: 1}]},
        {"metadata": {_SECRET: {"a": 1}}},
        {_SECRET: 1},
        [_SECRET],
        _SECRET,
    ],
)
def test_a_secret_is_stored_nowhere_in_a_request(body: object) -> None:
    asked = _asked(body, with_redactor=redactor({"MY_API_KEY": _SECRET}))
    assert _SECRET not in asked.request.body
    assert _SECRET not in asked.body.text()
    assert _SECRET not in repr(asked)
    assert asked.key == key_of(asked.request)


def test_a_secret_in_the_path_is_not_stored() -> None:
    asked = _asked({}, url=f"https://api.test/bot{_SECRET}/x?q={_SECRET}", with_redactor=redactor({"TOKEN": _SECRET}))
    assert _SECRET not in repr(asked)


# --- large values -------------------------------------------------------------------------------------------------------

_BASE64 = st.integers(1024, 4000).flatmap(
    lambda size: st.integers(0, 2**32).map(lambda seed: base64.b64encode(random.Random(seed).randbytes(size)).decode())
)


@_few
@given(_BASE64, st.text('ab "\\\n\x01/+é', max_size=5), st.text('ab "\\\n\x01/+é', max_size=5), st.integers(0, 700))
def test_a_large_blob_is_stored_by_its_digest_wherever_it_stands(
    blob: str, before: str, after: str, shift: int
) -> None:
    wrapped = f"{before},{blob}{after}"
    body = {"pad": "x y " * shift, "model": "m", "messages": [{"role": "user", "content": wrapped}]}
    asked = _asked(body)
    stored: Any = parse(asked.request.body)
    assert blob not in asked.request.body
    assert len(asked.request.body) < len(blob) // 2 + 4 * shift + 600
    assert stored["messages"][0]["content"].startswith(f"{before},"[:1])
    assert asked.body.text() == asked.request.body
    assert asked.key == key_of(asked.request) == key_of(_request(body, "/v1/chat/completions"))


@pytest.mark.parametrize("before", ["", "\n", "\x01", "\\", '"', "\\u", "é"])
@pytest.mark.parametrize("shift", [0, 1, 511, 512, 513])
def test_a_blob_behind_an_escape_leaves_the_escape_whole(before: str, shift: int) -> None:
    stored: Any = parse(_asked([" " * shift, before + "QUJD" * 400]).request.body)
    assert stored[1].startswith(before)
    assert stored[1].endswith("]")
    assert len(stored[1]) < 100


def test_a_blob_is_named_by_its_digest_and_size_and_keeps_what_stands_before_it() -> None:
    blob = "QUJD" * 400
    stored: Any = parse(_asked({"messages": [{"url": f"data:image/png;base64,{blob}=="}]}).request.body)
    digest = hashlib.sha256(f"{blob}==".encode()).hexdigest()
    assert stored["messages"][0]["url"] == f"data:image/png;base64,[sha256:{digest}:1602]"


@_few
@given(_BASE64, st.integers(0, 1023), st.sampled_from("ABCD"))
def test_another_blob_is_another_call(blob: str, place: int, letter: str) -> None:
    other = f"{blob[:place]}{letter}{blob[place + 1 :]}"
    assert (_key({"data": blob}) == _key({"data": other})) == (blob == other)


def test_a_blob_within_json_in_a_string_is_stored_by_its_digest() -> None:
    blob = "QUJD" * 400
    result = json.dumps({"content": json.dumps({"png": blob, "note": "a\nb"})})
    stored: Any = parse(_asked({"messages": [{"role": "tool", "content": result}]}).request.body)
    inner = json.loads(json.loads(stored["messages"][0]["content"])["content"])
    assert inner["png"].startswith("[sha256:")
    assert inner["note"] == "a\nb"


@pytest.mark.parametrize("value", ["word " * 2000, "9" * 1023, "QUJD" * 255, {"n": int("9" * 4000)}, [10**1500, 1.5]])
def test_prose_numbers_and_short_values_are_stored_as_they_are(value: object) -> None:
    assert parse(_asked({"value": value}).request.body) == {"value": value}


def test_a_recorded_request_with_the_blob_itself_has_the_key_of_one_with_its_digest() -> None:
    blob = "QUJD" * 400
    as_it_was_stored = _request({"model": "m", "data": blob}, "/v1/chat/completions")
    assert key_of(as_it_was_stored) == _asked({"model": "m", "data": blob}).key
    assert body_of(parse(as_it_was_stored.body)).text() == _asked({"model": "m", "data": blob}).request.body


@_few
@given(st.lists(_JSON | st.sampled_from(["\0", ["\0"], ["a", "\0", "b"], {"a": ["\0", "\0", "\0"]}]), max_size=5))
def test_values_that_are_written_together_have_the_texts_they_have_alone(values: list[Json]) -> None:
    assert canonical_each(values) == list(map(canonical, values))


# --- asked again --------------------------------------------------------------------------------------------------------


def test_the_same_bytes_asked_again_are_the_same_request() -> None:
    first = _asked({"a": 1})
    assert _asked({"a": 1}) is first


@pytest.mark.parametrize(
    "other",
    [
        {"method": "PUT"},
        {"url": "https://api.test/v2"},
        {"url": "https://other.test/v1/chat/completions"},
        {"content_type": "multipart/form-data; boundary=x"},
        {"with_redactor": redactor({"MY_API_KEY": "hello-hello-hello-1234"})},
    ],
)
def test_the_same_bytes_asked_in_another_way_are_another_request(other: Mapping[str, Any]) -> None:
    body = {"a": "hello-hello-hello-1234"}
    assert _asked(body).request != _asked(body, **other).request
    part = requested("POST", _URL, "application/json", json.dumps(body).encode(), _PLAIN, part="bytes=0-9")
    assert part.request.target == "/v1/chat/completions#bytes=0-9"


# --- requests that are nearly the same ----------------------------------------------------------------------------------

_UUIDS = st.uuids().map(str)
_TIMES = st.datetimes().map(lambda at: at.replace(year=2000 + at.year % 100).isoformat(timespec="seconds") + "Z")
_IDS = st.builds(
    "{}{}".format,
    st.sampled_from(["call_", "toolu_", "msg_", "resp_", "req_", "run-", "fc_", "chatcmpl-"]),
    st.text(string.ascii_letters + string.digits, min_size=20, max_size=24).filter(
        lambda told: not told.isalpha() and not told.isdecimal()
    ),
)
_TEMPORARY = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=9).map("/tmp/run-7{}/x.txt".format)
_DIGESTS = st.text("0123456789abcdef", min_size=8, max_size=8).map("[REDACTED:env:{}]".format)
_VOLATILE = st.one_of(*(st.tuples(kind, kind) for kind in (_UUIDS, _TIMES, _IDS, _TEMPORARY, _DIGESTS)))
_AROUND = st.text('abXY 0,.:\n"é', max_size=6)


def _told(before: str, told: str, after: str) -> HttpRequest:
    return _request({"messages": [{"role": "user", "content": f"{before} {told} {after}"}]})


@_few
@given(_VOLATILE, _AROUND, _AROUND)
def test_what_changes_from_run_to_run_does_not_change_the_normalised_key(
    pair: tuple[str, str], before: str, after: str
) -> None:
    one, other = (_told(before, told, after) for told in pair)
    assert normalised_key(one) == normalised_key(other)
    assert (key_of(one) == key_of(other)) == (pair[0] == pair[1])


@_few
@given(_VOLATILE, _AROUND, _AROUND)
def test_what_stands_around_it_changes_the_normalised_key(pair: tuple[str, str], one: str, other: str) -> None:
    assume(one != other)
    assert normalised_key(_told(one, pair[0], "x")) != normalised_key(_told(other, pair[1], "x"))


_STEADY_JSON: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**6), 10**6) | st.floats() | st.text('abc {}[],:"\\é', max_size=9),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=3), inner, max_size=3),
    max_leaves=8,
)


@_few
@given(_STEADY_JSON, _STEADY_JSON)
def test_where_nothing_is_volatile_the_normalised_key_tells_apart_what_the_key_does(one: Json, other: Json) -> None:
    left, right = _request(one), _request(other)
    assert (normalised_key(left) == normalised_key(right)) == (key_of(left) == key_of(right))


@_few
@given(_VOLATILE)
def test_volatile_values_are_dropped_in_the_target_and_in_names_of_members_too(pair: tuple[str, str]) -> None:
    one, other = (_request({told: 1}) for told in pair)
    assert normalised_key(one) == normalised_key(other)


def test_ids_in_the_path_are_dropped() -> None:
    one, other = (_request({}, f"/v1/responses/resp_{number:031x}a") for number in (1, 2))
    assert normalised_key(one) == normalised_key(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("2026-10-01", "2026-10-02"),
        ("10:30", "10:31"),
        ("1764000000", "1764000001"),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20"),
        ("run 12345678", "run 87654321"),
        ("2026-10-01 19:00", "2026-10-01 20:00"),
        ("2026-10-01T19:00", "2026-10-01T20:00"),
        ("call_1", "call_2"),
        ("/tmp/january.csv", "/tmp/february.csv"),
        ("/data/tmp/a/x", "/data/tmp/b/x"),
        ("/tmp/run-1/january.csv", "/tmp/run-1/february.csv"),
        ('{"id": "8f14e45f"}', '{"id": "c9f0f895"}'),
        ('{"ts": 1764000000}', '{"ts": 1764000001}'),
        ("/srv/a.txt", "/srv/b.txt"),
        ("run_shell_command", "run_python_script"),
        ("call_customer_support", "call_a_colleague"),
        ("req_is_missing_a_field", "req_has_no_body"),
        ("msg_attachment_reader", "msg_attachment_writer"),
        (str(UUID(int=7)), "run_0123456789abcdef"),
        (str(UUID(int=7)), "2026-10-01T10:00:00Z"),
        ("[REDACTED:email]", "[REDACTED:iban]"),
        ("[REDACTED:env:01234567]", "0123456789abcdef"),
    ],
)
def test_words_and_numbers_that_mean_something_are_no_volatile_values(one: str, other: str) -> None:
    assert normalised_key(_told("", one, "")) != normalised_key(_told("", other, ""))


def test_another_method_or_model_is_not_nearly_the_same() -> None:
    assert normalised_key(_request({}, method="GET")) != normalised_key(_request({}, method="POST"))
    assert normalised_key(_request({"model": "a"})) != normalised_key(_request({"model": "b"}))


# --- where two requests part --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("recorded", "asked", "difference"),
    [
        ({"a": 1}, {"a": 2}, Difference("/a", "1", "2")),
        ({"a": 1}, {"a": "1"}, Difference("/a", "1", '"1"')),
        ({"a": 1}, {"a": 1.0}, Difference("/a", "1", "1.0")),
        ({"a": 1}, {"a": True}, Difference("/a", "1", "true")),
        ({"a": 1}, {}, Difference("/a", "1", "(absent)")),
        ({}, {"a": None}, Difference("/a", "(absent)", "null")),
        ({"b": 1, "a": 1}, {"b": 2, "a": 2}, Difference("/a", "1", "2")),
        ({"m": [{"c": "x"}, {"c": "y"}]}, {"m": [{"c": "x"}, {"c": "z"}]}, Difference("/m/1/c", '"y"', '"z"')),
        ({"m": [1, 2]}, {"m": [1]}, Difference("/m/1", "2 items", "1 items")),
        ({"m": [1]}, {"m": [2, 3]}, Difference("/m/0", "1", "2")),
        ({"m": []}, {"m": {}}, Difference("/m", "[]", "{}")),
        ({"a/b~c": 1}, {"a/b~c": 2}, Difference("/a~1b~0c", "1", "2")),
        ({"": {"": 1}}, {"": {"": 2}}, Difference("//", "1", "2")),
    ],
)
def test_the_first_difference_is_a_json_pointer_with_both_values(
    recorded: object, asked: object, difference: Difference
) -> None:
    assert first_difference(_request(recorded), _request(asked)) == difference


def test_all_differences_are_told_in_order() -> None:
    recorded = {"model": "m", "messages": [{"content": "a"}, {"content": "b"}], "n": 1}
    asked = {"model": "n", "messages": [{"content": "c"}, {"content": "b"}, {}]}
    assert list(differences(_request(recorded, "/v1/x", "GET"), _request(asked, "/v1/y", "GET"))) == [
        Difference("target", "/v1/x", "/v1/y"),
        Difference("/messages/0/content", '"a"', '"c"'),
        Difference("/messages/2", "2 items", "3 items"),
        Difference("/model", '"m"', '"n"'),
        Difference("/n", "1", "(absent)"),
    ]


def test_a_pointer_goes_on_into_json_that_stands_in_a_string() -> None:
    recorded, asked = (_request({"c": json.dumps({"a": 1, "b": json.dumps([number])})}) for number in (1, 2))
    assert list(differences(recorded, asked)) == [Difference("/c/b/0", "1", "2")]


def test_json_in_a_string_that_is_only_written_in_another_way_differs_at_the_string() -> None:
    recorded, asked = _request({"c": '{"a":1}'}), _request({"c": '{"a": 1}'})
    assert [each.pointer for each in differences(recorded, asked)] == ["/c"]


def test_method_and_target_are_compared_before_the_body() -> None:
    recorded, asked = _request({"a": 1}, "/v1/x", "GET"), _request({"a": 2}, "/v1/y", "POST")
    assert first_difference(recorded, asked) == Difference("method", "GET", "POST")
    assert first_difference(recorded, replace(asked, method="GET")) == Difference("target", "/v1/x", "/v1/y")


def test_the_origin_is_no_difference() -> None:
    assert first_difference(_request({}), replace(_request({}), origin="http://127.0.0.1:1")) is None


def test_no_body_differs_from_one() -> None:
    found = first_difference(replace(_request({}), body=""), _request({"a": 1}))
    assert found is not None
    assert (found.recorded, found.asked) == ("null", '{"a":1}')


def test_long_values_are_shortened() -> None:
    found = first_difference(_request({"a": "x" * 500}), _request({"a": "y" * 500}))
    assert found is not None
    assert found.recorded == f'"{"x" * 78}…'
    assert found.asked == f'"{"y" * 78}…'


@_few
@given(_BODIES, _BODIES)
def test_there_is_a_first_difference_where_the_keys_differ(one: Mapping[str, Json], other: Mapping[str, Json]) -> None:
    left, right = _request(one), _request(other)
    assert (first_difference(left, right) is None) == (key_of(left) == key_of(right))
    assert first_difference(left, left) is None


@_few
@given(_BODIES, _BODIES)
def test_the_first_difference_is_the_same_from_the_other_side(
    one: Mapping[str, Json], other: Mapping[str, Json]
) -> None:
    found = first_difference(_request(one), _request(other))
    back = first_difference(_request(other), _request(one))
    assert back == (None if found is None else Difference(found.pointer, found.asked, found.recorded))


@_few
@given(_BODIES, _BODIES)
def test_the_pointer_of_the_first_difference_leads_to_its_values(
    one: Mapping[str, Json], other: Mapping[str, Json]
) -> None:
    found = first_difference(_request(one), _request(other))
    assume(found is not None and not found.recorded.endswith(" items"))
    assert found is not None
    for body, told in ((one, found.recorded), (other, found.asked)):
        assert _at(body, found.pointer)[:79] == told[:79]


def _at(body: object, pointer: str) -> str:
    value: Any = json.loads(canonical(body))
    try:
        for step in pointer.split("/")[1:]:
            name = step.replace("~1", "/").replace("~0", "~")
            value = value[int(name)] if isinstance(value, list) else value[name]
    except KeyError:
        return "(absent)"
    return canonical(value)


@pytest.mark.parametrize("depth", [100, 200])
def test_a_difference_is_found_however_deep_it_is(depth: int) -> None:
    recorded, asked = (_asked(content=b'{"a":' * depth + leaf + b"}" * depth).request for leaf in (b"1", b"2"))
    assert first_difference(recorded, asked) == Difference("/a" * depth, "1", "2")


# --- how much of two requests is the same -------------------------------------------------------------------------------


@_few
@given(_BODIES, _BODIES)
def test_similarity_is_between_0_and_1_and_the_same_from_both_sides(
    one: Mapping[str, Json], other: Mapping[str, Json]
) -> None:
    left, right = _request(one), _request(other)
    assert 0 <= similarity(left, right) == similarity(right, left) <= 1
    assert similarity(left, left) == 1


def test_a_request_that_shares_more_is_more_similar() -> None:
    asked = _request({"model": "m", "messages": [{"role": "user", "content": "new"}], "temperature": 0})
    near = _request({"model": "m", "messages": [{"role": "user", "content": "old"}], "temperature": 0})
    far = _request({"model": "n", "messages": [{"role": "user", "content": "old"}], "temperature": 1})
    farthest = _request({"input": "old"}, "/v1/embeddings", "GET")
    order = [similarity(each, asked) for each in (asked, near, far, farthest)]
    assert order == sorted(order, reverse=True)
    assert len(set(order)) == 4
    assert order[-1] == 0


@pytest.mark.parametrize("depth", [100, 400, 800])
def test_similarity_is_told_however_deep_a_body_is(depth: int) -> None:
    asked = _asked(content=b'{"a":' * depth + b"1" + b"}" * depth).request
    assert similarity(asked, asked) == 1


@pytest.mark.parametrize("name", ["note", "token", "key", "access_token"])
def test_another_secret_in_the_query_changes_the_normalised_key_no_more_than_one_in_the_body(name: str) -> None:
    one, other = ("ghp_" + hashlib.sha256(word).hexdigest()[:36] for word in (b"one", b"other"))
    asked = [_asked({}, url=f"{_URL}?{name}={each}&page=2").request for each in (one, other)]
    assert not any(one in each.target or other in each.target for each in asked)
    assert normalised_key(asked[0]) == normalised_key(asked[1])
    assert normalised_key(asked[0]) != normalised_key(_asked({}, url=f"{_URL}?{name}={one}&page=3").request)


def test_a_stored_request_is_stored_again_by_other_rules_in_its_target_and_body() -> None:
    secret = "ghp_" + hashlib.sha256(b"stored before").hexdigest()[:36]
    url = f"{_URL}?note={secret}"
    before = requested(
        "POST", url, "application/json", json.dumps({"a": secret}).encode(), Redactor(()), part="bytes=0-9"
    )
    again = stored_again(before.request, _PLAIN)
    today = requested("POST", url, "application/json", json.dumps({"a": secret}).encode(), _PLAIN, part="bytes=0-9")
    assert secret in before.target
    assert (again.request, again.key) == (today.request, today.key)
    assert again.is_redacted
