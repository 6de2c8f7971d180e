"""Facts about what is removed before anything is written."""

from __future__ import annotations

import hashlib
import json
from itertools import accumulate
from urllib.parse import quote, quote_plus

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agenttrace.redact import RULES_VERSION, Redactor, redactor

KEY = "zk-" + hashlib.sha256(b"a key").hexdigest()[:32]
AWKWARD = 'pa"ss\\wo/rd\n+= &é' + hashlib.sha256(b"a password").hexdigest()[:12]


def placeholder(value: str) -> str:
    return f"[REDACTED:env:{hashlib.sha256(value.encode()).hexdigest()[:8]}]"


@pytest.fixture
def one() -> Redactor:
    return redactor({"OPENAI_API_KEY": KEY, "DB_PASSWORD": AWKWARD, "HOME": "/srv/someone/long-enough"})


# --- which values ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    [
        "OPENAI_API_KEY",
        "GITHUB_TOKEN",
        "client_secret",
        "DB_PASSWORD",
        "DB_PWD",
        "GCP_CREDENTIALS",
        "BASIC_AUTH",
        "AUTHORIZATION",
    ],
)
def test_the_value_of_a_variable_with_a_telling_name_is_redacted(name: str) -> None:
    assert redactor({name: KEY}).redact_text(f"<{KEY}>") == f"<{placeholder(KEY)}>"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("HOME", KEY),
        ("PWD", KEY),
        ("GIT_AUTHOR_NAME", KEY),
        ("AUTH_METHOD", "client-credentials"),
        ("SSH_AUTH_SOCK", "/run/agent/socket.4711"),
        ("API_KEY", KEY[:11]),
        ("API_KEY", "sk-" + "x" * 30),
        ("API_KEY", "test-test-test"),
        ("API_KEY", "314159265358979"),
    ],
    ids=str,
)
def test_a_value_that_is_no_secret_stays(name: str, value: str) -> None:
    text = f"<{value}>"
    assert redactor({name: value}).redact_text(text) == text


def test_a_text_without_secrets_is_the_same_object(one: Redactor) -> None:
    text = "nothing to see " * 100
    assert one.redact_text(text) is text


def test_the_repr_of_a_redactor_shows_no_secret(one: Redactor) -> None:
    assert repr(one) == f"Redactor(rules_version={RULES_VERSION})"


# --- text -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "form",
    [
        AWKWARD,
        json.dumps(AWKWARD)[1:-1],
        json.dumps(AWKWARD, ensure_ascii=False)[1:-1],
        json.dumps(json.dumps(json.dumps(AWKWARD)[1:-1])[1:-1])[1:-1],
        json.dumps(AWKWARD)[1:-1].replace("/", "\\/"),
        quote(AWKWARD, safe=""),
        quote(AWKWARD),
        quote_plus(AWKWARD),
        quote(quote(AWKWARD, safe=""), safe=""),
        quote(AWKWARD, safe="").replace("%2F", "%2f"),
    ],
)
def test_escaped_forms_of_a_value_have_the_same_placeholder(one: Redactor, form: str) -> None:
    assert one.redact_text(f"a {form} b") == f"a {placeholder(AWKWARD)} b"


def test_json_stays_json_when_a_string_in_it_is_redacted(one: Redactor) -> None:
    text = json.dumps({"outer": json.dumps({"password": AWKWARD, "key": KEY})})
    inner = json.loads(json.loads(one.redact_text(text))["outer"])
    assert inner == {"password": placeholder(AWKWARD), "key": placeholder(KEY)}


def test_overlapping_secrets_leave_no_rest() -> None:
    left, right = KEY, KEY[-12:] + "0123456789abcdef"
    redacted = redactor({"A_KEY": left, "B_KEY": right}).redact_text(f"<{left}{right[12:]}>")
    assert redacted == f"<{placeholder(left)}>"


def test_of_nested_secrets_the_wider_one_gives_the_placeholder() -> None:
    redacted = redactor({"A_KEY": KEY, "B_KEY": KEY[5:25]}).redact_text(f"{KEY} {KEY[5:25]}")
    assert redacted == f"{placeholder(KEY)} {placeholder(KEY[5:25])}"


def test_a_placeholder_is_not_redacted_again() -> None:
    text = placeholder("anything")
    assert redactor({"A_KEY": text[1:-1]}).redact_text(text) == text


def test_brackets_do_not_make_a_secret_a_placeholder(one: Redactor) -> None:
    assert one.redact_text(f"[REDACTED:{KEY}]") == f"[REDACTED:{placeholder(KEY)}]"


PIECES = st.lists(
    st.sampled_from([*KEY[:8], "[REDACTED:", "env:", "0123abcd", "]", "\\", '"', "%22", "é"]), max_size=40
)


@given(st.lists(PIECES.map("".join), min_size=1, max_size=3), st.lists(st.integers(0, 5), max_size=8), PIECES)
def test_redacting_twice_is_redacting_once(values: list[str], places: list[int], noise: list[str]) -> None:
    both = redactor({f"KEY_{index}": value for index, value in enumerate(values)})
    text = (
        "".join(noise) + "".join(values[place % len(values)][place // 3 :] for place in places) + "".join(noise[::-1])
    )
    once = both.redact_text(text)
    assert both.redact_text(once) == once


@given(st.text(alphabet='ab"\\/ \n%+é', min_size=2, max_size=8), st.integers(0, 3))
def test_no_form_of_a_value_survives(tail: str, depth: int) -> None:
    value = KEY + tail + KEY
    text = value
    for _ in range(depth):
        text = json.dumps(text)
    redacted = redactor({"A_KEY": value}).redact_text(text)
    assert KEY not in redacted
    assert placeholder(value) in redacted


# --- bodies ---------------------------------------------------------------------------------------------------------


def test_a_secret_across_two_chunks_moves_the_boundary_to_its_end(one: Redactor) -> None:
    body = f"before {KEY} after".encode()
    redacted, sizes = one.redact_bytes(body, (10, 10, len(body) - 20))
    assert redacted == f"before {placeholder(KEY)} after".encode()
    assert sizes == (7 + len(placeholder(KEY)), 0, len(" after"))


def test_chunks_at_the_edges_of_a_secret_stay_there(one: Redactor) -> None:
    _, sizes = one.redact_bytes(f"é{KEY}é".encode(), (2, len(KEY), 2))
    assert sizes == (2, len(placeholder(KEY)), 2)


def test_a_body_in_one_piece_has_no_chunks(one: Redactor) -> None:
    assert one.redact_bytes(KEY.encode(), ()) == (placeholder(KEY).encode(), ())


def test_bytes_that_are_no_text_stay(one: Redactor) -> None:
    body = b"\xff\x00\xed\xa0\x80" + KEY.encode() + b"\xfe"
    redacted, sizes = one.redact_bytes(body, (3, len(body) - 3))
    assert redacted == b"\xff\x00\xed\xa0\x80" + placeholder(KEY).encode() + b"\xfe"
    assert sizes == (3, len(redacted) - 3)


@given(st.lists(st.one_of(st.just(KEY.encode()), st.binary(max_size=6)), max_size=6), st.data())
def test_chunks_partition_the_redacted_body(pieces: list[bytes], data: st.DataObject) -> None:
    body = b"".join(pieces)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(body)), max_size=8)))
    sizes = [right - left for left, right in zip([0, *cuts], [*cuts, len(body)], strict=True)]
    one = redactor({"A_KEY": KEY})
    redacted, mapped = one.redact_bytes(body, sizes)
    assert len(mapped) == len(sizes)
    assert min(mapped) >= 0
    assert sum(mapped) == len(redacted)
    # no chunk begins inside of a placeholder
    starts = {index for index in range(len(redacted)) if redacted.startswith(placeholder(KEY).encode(), index)}
    inside = {start + step for start in starts for step in range(1, len(placeholder(KEY)))}
    assert not inside & set(accumulate(mapped))
    assert one.redact_bytes(redacted, mapped) == (redacted, mapped)


# --- addresses, headers ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("target", "kept"),
    [
        ("/v1/chat/completions", "/v1/chat/completions"),
        (f"/v1/models/m:generate?key={'AI'}za-0f-16-letters&alt=sse", "/v1/models/m:generate?alt=sse"),
        ("/deployments/d/chat?api-version=2024-10-21&Api_Key=x", "/deployments/d/chat?api-version=2024-10-21"),
        (
            "/f?code=3rt5-9xkq-77ab",
            "/f?code=[REDACTED:query:" + hashlib.sha256(b"3rt5-9xkq-77ab").hexdigest()[:8] + "]",
        ),
        ("/rates?code=EUR&key=name&token=12345678901234", "/rates?code=EUR&key=name&token=12345678901234"),
        ("/f?key=purchase_order_number", "/f?key=purchase_order_number"),
        ("/f?a=1&X-Amz-Signature=s&X-Amz-Date=d&b=%2F", "/f?a=1&b=%2F"),
        ("/f?sig=aB3%2FdE5fG7hJ9&subscription-key=k&access%5Ftoken=t&signature=v1v2v3v4v5v6", "/f"),
        ("/list?pageToken=abc&max_tokens=5", "/list?pageToken=abc&max_tokens=5"),
        ("/f?flag&empty=", "/f?flag&empty="),
        ("/f?a=1#access_token=t", "/f?a=1"),
    ],
)
def test_credential_parameters_are_dropped_and_the_rest_stays_as_it_was(one: Redactor, target: str, kept: str) -> None:
    assert one.redact_target(target) == kept


def test_a_secret_in_a_path_is_redacted(one: Redactor) -> None:
    assert (
        one.redact_target(f"/bot{KEY}/send?q={quote(AWKWARD)}")
        == f"/bot{placeholder(KEY)}/send?q={placeholder(AWKWARD)}"
    )


@pytest.mark.parametrize(
    ("url", "kept"),
    [
        ("https://user:pa%40ss@host.example:8443/a?sig=k&b=1", "https://host.example:8443/a?b=1"),
        ("//user@host.example/a", "//host.example/a"),
        ("http://[::1/a@b", "http://[::1/a@b"),
        ("/a@b?c=d@e", "/a@b?c=d@e"),
    ],
)
def test_user_info_of_an_address_is_dropped(one: Redactor, url: str, kept: str) -> None:
    assert one.redact_url(url) == kept


def test_headers_of_credentials_accounts_and_the_wire_are_not_stored(one: Redactor) -> None:
    kept = (
        ("Content-Type", "application/json"),
        ("x-request-id", "req_1"),
        ("retry-after", "2"),
        ("x-ratelimit-remaining-tokens", "100"),
        ("anthropic-ratelimit-tokens-reset", "soon"),
        ("openai-processing-ms", "12"),
        ("www-authenticate", "Bearer"),
        ("access-control-allow-credentials", "true"),
    )
    dropped = (
        "Set-Cookie",
        "cookie",
        "Authorization",
        "proxy-authorization",
        "X-Api-Key",
        "api-key",
        "x-goog-api-key",
        "x-amz-security-token",
        "openai-organization",
        "openai-project",
        "anthropic-organization-id",
        "anthropic-workspace-id",
        "Content-Encoding",
        "transfer-encoding",
        "content-length",
    )
    assert one.stored_headers([*kept, *((name, "x") for name in dropped)]) == kept


def test_a_secret_in_the_value_of_a_header_is_redacted(one: Redactor) -> None:
    assert one.stored_headers([("x-echo", f"a {KEY}")]) == (("x-echo", f"a {placeholder(KEY)}"),)
