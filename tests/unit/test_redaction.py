"""What a user adds to redaction: personal data, rules of their own, what is let through; and what that means for matching."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.config import resolve
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.matching import requested
from otel_agenttrace.model import Outcome
from otel_agenttrace.redact import RULES_VERSION, redactor
from otel_agenttrace.redact.gitleaks import gitleaks_finder
from otel_agenttrace.redaction import BUILT_IN, PERSONAL, RedactionRule, RedactionRules, SpanFinder, redaction_rules
from otel_agenttrace_instrumentation.redacting import loaded_rules
from tests.support.clients import openai_client
from tests.support.provider import Provider

_JANE: Final = "jane" + "@" + "corp.example"
_JOHN: Final = "john.smith" + "@" + "corp.example"
_EMAIL: Final = RedactionRules(personal=("email",))


# --- settings -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("written", "rules"),
    [
        ("", BUILT_IN),
        ("email", RedactionRules(personal=("email",))),
        ("email, phone", RedactionRules(personal=("email", "phone"))),
        ("personal", RedactionRules(personal=PERSONAL)),
        ({"personal": True}, RedactionRules(personal=PERSONAL)),
        ('{"allow": ["a.*"]}', RedactionRules(allow=("a.*",))),
        ({"rules": [{"name": "a", "pattern": "b"}]}, RedactionRules(rules=(RedactionRule("a", "b"),))),
        ({"hook": "m:f", "gitleaks": "g.toml"}, RedactionRules(hook="m:f", gitleaks="g.toml")),
    ],
    ids=str,
)
def test_a_setting_tells_the_rules(written: object, rules: RedactionRules) -> None:
    assert redaction_rules(written, "here") == rules


@pytest.mark.parametrize(
    ("written", "told"),
    [
        ("e-mail", "no kind of personal data is called 'e-mail'"),
        ({"personal": ["name"]}, "no kind of personal data is called 'name'"),
        ('{"allow": ', "here is no JSON"),
        ("{}x", "here is no JSON"),
        (3, "here is 3"),
        ({"alow": []}, "here has no key 'alow'"),
        ({"functions": 1}, "by functions, which this process does not have"),
        ({"rules": [{"name": "a"}]}, "here is"),
        ({"rules": [{"name": "A B", "pattern": "x"}]}, "needs a name of small letters"),
        ({"rules": [{"name": "a", "pattern": "("}]}, "the redaction rule a"),
        ({"allow": ["["]}, "the redaction allow-list"),
    ],
    ids=str,
)
def test_a_setting_without_a_meaning_says_so(written: object, told: str) -> None:
    with pytest.raises(ConfigError) as raised:
        redaction_rules(written, "here")
    assert told in str(raised.value)


def test_the_argument_comes_before_the_environment_and_that_before_pyproject() -> None:
    environ = {"OTEL_AGENTTRACE_REDACT": "phone"}
    table: dict[str, object] = {"redact": {"personal": ["ip"]}}
    assert resolve({}, table).redact.personal == ("ip",)
    assert resolve(environ, table).redact.personal == ("phone",)
    assert resolve(environ, table, redact=_EMAIL).redact.personal == ("email",)


@pytest.mark.parametrize(
    "rules",
    [
        BUILT_IN,
        _EMAIL,
        RedactionRules(PERSONAL, (RedactionRule("a", "b+"), RedactionRule("c", "d")), ("e",), "m:f", "g.toml"),
    ],
)
def test_what_is_told_to_children_is_read_as_the_same_rules(rules: RedactionRules) -> None:
    assert redaction_rules(rules.told(), "a child") == rules


def test_children_of_a_run_with_functions_are_told_that_they_cannot_have_them() -> None:
    with pytest.raises(ConfigError, match="by functions"):
        redaction_rules(RedactionRules(finders=(lambda _: (),)).told(), "a child")


def test_each_set_of_rules_has_a_number_of_its_own() -> None:
    sets = [BUILT_IN, _EMAIL, RedactionRules(("ip",)), RedactionRules(allow=("a",)), RedactionRules(hook="a:b")]
    versions = [redactor({}, rules).rules_version for rules in sets]
    assert versions[0] == RULES_VERSION
    assert len(set(versions)) == len(sets)


def test_a_hook_is_loaded_by_its_name() -> None:
    rules = loaded_rules(RedactionRules(hook=f"{__name__}:{_words_of_staff.__name__}"))
    assert redactor({}, rules).redact_text("ask STAFF now").startswith("ask [REDACTED:x-found:")


def _words_of_staff(text: str) -> Sequence[tuple[int, int]]:
    at_ = text.find("STAFF")
    return [(at_, at_ + 5)] if at_ >= 0 else []


@pytest.mark.parametrize(
    "rules",
    [
        RedactionRules(hook="no_such_module:f"),
        RedactionRules(hook="json:no_such_function"),
        RedactionRules(hook="json"),
        RedactionRules(hook="json:__name__"),
        RedactionRules(gitleaks="no-such-file.toml"),
    ],
    ids=repr,
)
def test_what_cannot_be_loaded_keeps_a_run_from_beginning(rules: RedactionRules, tmp_path: Path) -> None:
    with pytest.raises(ConfigError), at.record(tmp_path / "c.otlp.jsonl", redact=rules, quiet=True):
        pytest.fail("it has begun")


# --- personal data ------------------------------------------------------------------------------------------------------

_CARD: Final = "4111 1111 " + "1111 1111"
_IBAN: Final = "DE89 3704 0044 " + "0532 0130 00"
_FOUND: Final = {
    "email": [_JANE, "a.b+c" + "@" + "mail.corp.example", "jane" + "%40" + "corp.example"],
    "phone": ["+49 30 " + "1234567", "(212) 555" + "-0143", "212-555" + "-0143", "+1 (415) 555" + "-2671"],
    "card": [_CARD, _CARD.replace(" ", "-"), _CARD.replace(" ", ""), "3782 822463 " + "10005"],
    "ssn": ["536-22-" + "8714"],
    "iban": [_IBAN, _IBAN.replace(" ", ""), "GB29 NWBK 6016 " + "1331 9268 19"],
    "ip": ["10.11.12.13", "2001:4860:4860::8888"],
    "arn": ["arn:aws:iam::" + "123456789012" + ":user/jane"],
}
_LEFT: Final = {
    "email": ["@decorator", "user@localhost", "a @ b.example", "git@v1.2", "1@2.com"],
    "phone": ["2026-11-20", "1,234,567", "v1.2.3.4", "3.14159265", "id 12345678", "2026.11.20 10:20"],
    "card": [_CARD[:-1] + "2", "1234 5678 9012", "0000 0000 0000 0000", "1790000001123"],
    "ssn": ["000-12-3456", "666-12-3456", "912-12-3456", "536-00-8714", "2026-11-20"],
    "iban": ["DE89 3704 0044 0532 0130 01", "AB12 CDEF", "THIS IS A SENTENCE"],
    "ip": ["127.0.0.1", "0.0.0.0", "255.255.255.0", "1.2.3", "10:20:30", "300.1.2.3"],
    "arn": ["arn:aws", "arn:aws:s3:::bucket", "barn:aws:iam::123456789012:user/x"],
}


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in _FOUND.items() for value in values])
def test_personal_data_is_removed_where_its_kind_is_asked_for(kind: str, value: str) -> None:
    text = f"before {value}, after"
    assert redactor({}, RedactionRules((kind,))).redact_text(text) == f"before [REDACTED:{kind}], after"
    assert redactor({}).redact_text(text) == text


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in _LEFT.items() for value in values])
def test_what_only_looks_like_personal_data_stays(kind: str, value: str) -> None:
    text = f"before {value}, after"
    assert redactor({}, RedactionRules((kind,))).redact_text(text) == text


def test_every_kind_is_tried() -> None:
    assert set(_FOUND) == set(_LEFT) == set(PERSONAL)


# --- rules of one's own -------------------------------------------------------------------------------------------------


def test_an_expression_removes_what_it_matches_or_its_first_group() -> None:
    rules = RedactionRules(rules=(RedactionRule("staff", "EMP-[0-9]{6}"), RedactionRule("pin", "pin is ([0-9]+)")))
    written = redactor({}, rules).redact_text("EMP-204817, the pin is 4711.")
    staff, pin = written.split(", the pin is ")
    assert staff.startswith("[REDACTED:x-staff:")
    assert pin.startswith("[REDACTED:x-pin:")
    assert redactor({}, rules).redact_text(written) == written


def test_what_is_allowed_is_let_through_as_a_whole_only() -> None:
    rules = RedactionRules(personal=("email",), allow=(r"jane@.*",))
    assert redactor({}, rules).redact_text(f"{_JANE} {_JOHN}") == f"{_JANE} [REDACTED:email]"
    assert redactor({}, RedactionRules(("email",), allow=("jane",))).redact_text(_JANE) == "[REDACTED:email]"


def test_an_allowed_expression_may_begin_with_flags() -> None:
    rules = RedactionRules(("email",), allow=("(?i)JANE@.*", "x"))
    assert redactor({}, rules).redact_text(f"{_JANE} {_JOHN}") == f"{_JANE} [REDACTED:email]"


def test_spans_outside_of_a_text_are_no_findings() -> None:
    rules = RedactionRules(finders=(lambda _: [(-1, 3), (2, 2), (5, 3), (0, 99)],))
    assert redactor({}, rules).redact_text("hello") == "hello"


_GITLEAKS: Final = """
[allowlist]
regexes = ["EXAMPLE"]
[[rules]]
id = "badge"
regex = '''badge:([a-z]{2})([0-9]{6})'''
secretGroup = 2
keywords = ["BADGE"]
[[rules]]
id = "random"
regex = '''rnd_[a-z0-9]{12}'''
entropy = 3.0
[rules.allowlist]
regexes = ["^rnd_abc"]
[[rules]]
id = "path only"
path = "secrets/.*"
"""


def _gitleaks(text: str) -> list[str]:
    found: SpanFinder = gitleaks_finder(_GITLEAKS, "rules.toml")
    return [text[start:end] for start, end in found(text)]


@pytest.mark.parametrize(
    ("text", "secrets"),
    [
        ("a badge:ab204817 b", ["204817"]),
        ("a Badge:ab204817 b", []),
        ("see rnd_k3x9q7m2v8z1 now", ["rnd_k3x9q7m2v8z1"]),
        ("see rnd_aaaaaaaaaaaa now", []),
        ("see rnd_abcx9q7m2v8z now", []),
        ("badge:ab204817 é rnd_k3x9q7m2v8z1", ["204817", "rnd_k3x9q7m2v8z1"]),
    ],
)
def test_rules_of_gitleaks_have_groups_keywords_entropy_and_lists(text: str, secrets: list[str]) -> None:
    assert _gitleaks(text) == secrets


@pytest.mark.parametrize("text", ["[[rules]", "[[rules]]\nregex = '('", "rules = 3", "title = 'none'"])
def test_a_file_that_is_no_gitleaks_configuration_says_so(text: str) -> None:
    with pytest.raises(ConfigError, match=r"rules\.toml"):
        gitleaks_finder(text, "rules.toml")


def test_a_gitleaks_file_is_read_by_its_path(tmp_path: Path) -> None:
    path = tmp_path / "rules.toml"
    path.write_text(_GITLEAKS, encoding="utf-8")
    rules = loaded_rules(RedactionRules(gitleaks=str(path)))
    assert redactor({}, rules).redact_text("badge:ab204817").startswith("badge:ab[REDACTED:x-found:")


# --- a history that grows, streams --------------------------------------------------------------------------------------


def test_a_history_that_grows_is_not_looked_at_again() -> None:
    looked_at: list[int] = []

    def count(text: str) -> Sequence[tuple[int, int]]:
        looked_at.append(len(text))
        return ()

    one = redactor({}, RedactionRules(finders=(count,)))
    messages: list[dict[str, str]] = []
    for turn in range(20):
        messages.append({"role": "user", "content": f"turn {turn} " + "word " * 400})
        body = json.dumps({"model": "m", "messages": messages}).encode()
        assert requested("POST", "https://api.test/v1/chat/completions", "application/json", body, one).key
    size = len(json.dumps(messages))
    assert sum(looked_at) < 1.2 * size


def _event(text: str, index: int = 0) -> str:
    return f"data: {json.dumps({'choices': [{'index': index, 'delta': {'content': text}}]})}\n\n"


def _told(body: str, index: int = 0) -> str:
    choices = [json.loads(line[6:])["choices"][0] for line in body.splitlines() if line]
    return "".join(choice["delta"]["content"] for choice in choices if choice["index"] == index)


def test_a_secret_over_two_events_is_removed_and_each_event_stays_json() -> None:
    key = "sk-proj-" + "a1b2C3d4" * 6
    text = f"use {key} now"
    body = "".join(_event(text[at_ : at_ + 7]) for at_ in range(0, len(text), 7))
    after, _ = redactor({}).redact_bytes(body.encode(), ())
    told = _told(after.decode())
    assert told.startswith("use [REDACTED:token:")
    assert told.endswith("] now")


def test_choices_that_come_in_turns_are_joined_each_by_itself() -> None:
    keys = ["sk-proj-" + piece * 6 for piece in ("a1b2C3d4", "z9Y8x7w6")]
    body = "".join(_event(keys[index][at_ : at_ + 9], index) for at_ in range(0, len(keys[0]), 9) for index in (0, 1))
    after, _ = redactor({}).redact_bytes(body.encode(), ())
    assert [_told(after.decode(), index)[:16] for index in (0, 1)] == ["[REDACTED:token:"] * 2


# --- fail closed --------------------------------------------------------------------------------------------------------


def _fails(_: str) -> Sequence[tuple[int, int]]:
    raise RuntimeError("the finder is broken")


def test_a_finder_that_raises_drops_the_content_and_the_run_goes_on(tmp_path: Path, provider: Provider) -> None:
    path = tmp_path / "c.otlp.jsonl"
    with at.record(path, redact=RedactionRules(finders=(_fails,)), quiet=True):
        answer = _ask(provider, "a word that is nowhere else")
    assert answer
    cassette = open_cassette(path, strict=True)
    (entry,) = cassette.index.calls
    assert json.loads(cassette.request(entry).body)
    assert "a word that is nowhere else" not in path.read_text(encoding="utf-8")
    assert "[REDACTED:failed]" in path.read_text(encoding="utf-8")


# --- recordings and requests of different people and rules --------------------------------------------------------------


def _ask(provider: Provider, text: str) -> str:
    client = openai_client(provider, is_async=False)
    made: Any = client.chat.completions.create(model="gpt-5", messages=[{"role": "user", "content": text}])
    return str(made.choices[0].message.content)


def _recorded(path: Path, provider: Provider, texts: Sequence[str], rules: RedactionRules) -> list[str]:
    with at.record(path, redact=rules, quiet=True):
        return [_ask(provider, text) for text in texts]


def _replayed(path: Path, provider: Provider, texts: Sequence[str], rules: RedactionRules) -> tuple[Outcome, ...]:
    with at.replay(path, redact=rules, quiet=True) as session:
        for text in texts:
            _ask(provider, text)
    return session.outcomes


def _letter(to: str) -> str:
    return f"write a letter to {to}"


def test_an_address_is_not_written_and_another_ones_answers_as_drift(tmp_path: Path, provider: Provider) -> None:
    path = tmp_path / "c.otlp.jsonl"
    _recorded(path, provider, [_letter(_JANE)], _EMAIL)
    assert _JANE not in path.read_text(encoding="utf-8")
    for name in (_JANE, _JOHN):
        assert [each.kind for each in _replayed(path, provider, [_letter(name)], _EMAIL)] == ["drift"]


def test_of_recordings_that_differ_only_in_an_address_none_is_a_hit(tmp_path: Path, provider: Provider) -> None:
    path = tmp_path / "c.otlp.jsonl"
    _recorded(path, provider, [_letter(_JANE), _letter(_JOHN)], _EMAIL)
    outcomes = _replayed(path, provider, [_letter(_JOHN), _letter(_JANE)], _EMAIL)
    assert [each.kind for each in outcomes] == ["drift", "drift"]


def test_personal_data_that_was_recorded_is_answered_after_it_is_switched_on(
    tmp_path: Path, provider: Provider
) -> None:
    path = tmp_path / "c.otlp.jsonl"
    _recorded(path, provider, [_letter(_JANE), "hello"], BUILT_IN)
    asked = [_letter(_JOHN), "hello"]
    assert [each.kind for each in _replayed(path, provider, asked, _EMAIL)] == ["drift", "hit"]


def test_personal_data_that_was_removed_is_answered_after_it_is_switched_off(
    tmp_path: Path, provider: Provider
) -> None:
    path = tmp_path / "c.otlp.jsonl"
    _recorded(path, provider, [_letter(_JANE), "hello"], _EMAIL)
    asked = [_letter(_JANE), "hello"]
    assert [each.kind for each in _replayed(path, provider, asked, BUILT_IN)] == ["drift", "hit"]


def test_rules_of_ones_own_that_come_or_go_still_answer(tmp_path: Path, provider: Provider) -> None:
    staff = RedactionRules(rules=(RedactionRule("staff", "EMP-[0-9]{6}"),))
    path = tmp_path / "c.otlp.jsonl"
    _recorded(path, provider, ["who is EMP-204817", "hello"], BUILT_IN)
    assert [each.kind for each in _replayed(path, provider, ["who is EMP-204817", "hello"], staff)] == ["hit", "hit"]
