"""Facts about redaction where it is easily wrong: streams that only speak of secrets, repeated ones, numbers, other kinds."""

from __future__ import annotations

import json
import string
import time
from pathlib import Path
from random import Random
from typing import Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.matching import normalised_key, requested
from otel_agenttrace.model import HttpRequest
from otel_agenttrace.redact import Redactor, redactor
from otel_agenttrace.redaction import RedactionRule, RedactionRules

ONE: Final = redactor({})
PERSONAL: Final = redactor({}, RedactionRules(personal=("card", "email")))


def _drawn(seed: str, length: int = 26) -> str:
    random = Random(seed)
    return "aB3" + "".join(random.choice(string.ascii_letters + string.digits) for _ in range(length - 3))


VALUE: Final = _drawn("a value")


def _events(*contents: str) -> bytes:
    deltas = ({"choices": [{"index": 0, "delta": {"content": each, "reasoning_content": None}}]} for each in contents)
    return "".join(f"data: {json.dumps(each)}\n\n" for each in deltas).encode()


def test_a_stream_that_speaks_of_passwords_stays() -> None:
    body = _events("Your", " password", " resets", " in", " ten", " minutes")
    lines = b"".join(
        json.dumps({"response": each, "done": False}).encode() + b"\n" for each in (" password", " resets")
    )
    assert ONE.redact_bytes(body, ()) == (body, ())
    assert ONE.redact_bytes(lines, ()) == (lines, ())


def test_a_secret_that_is_repeated_over_deltas_is_removed_there_too() -> None:
    text = f"Set api_key: {VALUE} in the file, then send {VALUE} as a header."
    body, _ = ONE.redact_bytes(_events(*(text[at : at + 4] for at in range(0, len(text), 4))), ())
    events = [json.loads(line[6:]) for line in body.decode().splitlines() if line]
    joined = "".join(event["choices"][0]["delta"]["content"] for event in events)
    assert "aB3" not in joined
    assert joined.count("[REDACTED:") == 2


def test_a_part_of_a_form_is_removed_by_its_name() -> None:
    content = f'--x\r\ncontent-disposition: form-data; name="client_secret"\r\n\r\n{VALUE}\r\n--x--\r\n'.encode()
    asked = requested("POST", "https://api.test/token", "multipart/form-data; boundary=x", content, ONE)
    assert VALUE not in asked.request.body
    assert json.loads(asked.request.body)["parts"][0]["text"].startswith("[REDACTED:secret:")


def test_a_rule_for_whole_texts_sees_whole_texts() -> None:
    looking = redactor({}, RedactionRules(rules=(RedactionRule("staff", "^EMP-[0-9]{6}$"),)))
    assert not looking.is_clean([("user.id", "EMP-123456"), ("x", "other")])
    assert looking.stored_headers([("x-user", "EMP-123456"), ("x-other", "1")])[0][1].startswith("[REDACTED:x-staff:")


@pytest.mark.parametrize("redact", [PERSONAL, redactor({}, RedactionRules(rules=(RedactionRule("n", "[0-9]{9,}"),)))])
@pytest.mark.parametrize(
    "text", ['{"order":4111111111111111}', '{"a":[4111111111111111,2]}', '{"order": 4111111111111111 }']
)
def test_a_number_that_is_removed_becomes_a_text(text: str, redact: Redactor) -> None:
    assert "4111" not in json.dumps(json.loads(redact.redact_text(text)))


def test_a_character_cut_in_two_within_a_secret_is_no_fault() -> None:
    body = f'{{"api_key":"{VALUE}\\ud800pQ"}}'.encode()
    assert VALUE.encode() not in ONE.redact_bytes(body, ())[0]
    assert VALUE not in ONE.redact_text(f"my api key: {VALUE[:10]}\ud83d{VALUE}")


def test_the_order_of_members_does_not_change_the_key() -> None:
    members = [("a", f"code={VALUE}&x"), ("b", f"api_key={VALUE}"), ("c", f"seen {VALUE} there")]
    keys = {
        requested("POST", "https://api.test/v1", "application/json", json.dumps(dict(order)).encode(), ONE).key
        for order in (members, members[::-1])
    }
    assert len(keys) == 1


def test_a_secret_of_another_kind_by_other_rules_is_the_same_question_but_for_its_digest() -> None:
    keys = {
        normalised_key(HttpRequest("POST", "https://api.test", "/v1", f'{{"input":"use [REDACTED:{kind}:0123abcd]"}}'))
        for kind in ("env", "token", "secret")
    }
    assert len(keys) == 1


def test_what_is_removed_last_is_removed_without_a_digest_all_the_same() -> None:
    key = "AKIA" + "QZ7BX2MD" * 2
    body = json.dumps({"passphrase": f"Hunter2!x is {key}"}).encode()
    asked = requested("POST", "https://api.test/v1", "application/json", body, ONE)
    assert asked.request.body.startswith('{"passphrase":"[REDACTED:password] is [REDACTED:token:')
    assert asked.stored.is_blind


def test_probabilities_end_where_their_event_ends() -> None:
    told = json.dumps(
        {"choices": [{"message": {"content": f"api_key: {VALUE}"}, "logprobs": {"content": [{"token": VALUE}]}}]}
    )
    answer = json.loads(ONE.redact_bytes(told.encode(), ())[0])
    assert answer["choices"][0]["logprobs"] is None
    prose = f'docs: send {{"logprobs": {{x and more words. api_key: {VALUE} the end of the text'
    assert ONE.redact_bytes(prose.encode(), ())[0].endswith(b"the end of the text")


def test_a_tool_that_is_given_another_password_is_answered_as_drift(tmp_path: Path) -> None:
    @at.tool
    def login(password: str) -> str:
        return f"welcome, {len(password)}"

    with at.record(tmp_path / "c", quiet=True):
        login("hunter2!x")
    with at.replay(tmp_path / "c", freeze=("llm", "tools"), quiet=True) as session:
        assert login("other0ne!zz") == "welcome, 9"
    assert session.tool_counts == {"drift": 1}


def test_names_that_become_alike_stay_members() -> None:
    body = b'{"alice@example.org":1,"bob@example.org":2}'
    asked = requested("POST", "https://api.test/v1", "application/json", body, PERSONAL)
    assert sorted(json.loads(asked.request.body).values()) == [1, 2]


def test_what_an_environment_held_stays_known_whatever_is_looked_at_in_between() -> None:
    from otel_agenttrace.redact import environment_redactor

    mine, other = {"MY_PASSWORD": VALUE}, {"OTHER": "x"}
    assert VALUE not in environment_redactor(mine).redact_text(f"x {VALUE}")
    mine.clear()
    environment_redactor(other)
    assert VALUE not in environment_redactor(mine).redact_text(f"x {VALUE}")


@pytest.mark.parametrize(
    "piece",
    ["password\ttoken\tx\n", "| password | token | x |\n", "i,GET,/reset-password,200,token,i\n", "token=", "password=",
     "A_KEY=", "otpauth://", 'kind: Secret\ndata:\n', "cookie: a=b; ", '"logprobs":{', "b.password==c.token||fetch(x);"],
)  # fmt: skip
def test_the_time_a_look_takes_grows_with_the_text_and_no_faster(piece: str) -> None:
    def seconds(size: int) -> float:
        text = piece * (size // len(piece))
        begin = time.process_time()
        redactor({}).redact_bytes(text.encode(), ())
        return time.process_time() - begin

    assert seconds(40_000) < 0.5 + 12 * seconds(10_000)


def test_a_table_is_cleaned_below_its_head() -> None:
    table = f"| user | api_key |\n|---|---|\n| bob | {VALUE} |\n| ann | {_drawn('other')} |\n"
    assert "aB3" not in ONE.redact_text(table)
    assert "aB3" not in ONE.redact_text(json.dumps({"content": table}))
