"""Which setting is in force, and what is said of one that has no meaning."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agenttrace.config import Config, RecordMode, UrlPolicy, is_true, record_mode, resolve
from otel_agenttrace.environment import (
    CI,
    OTEL_AGENTTRACE_CASSETTE,
    OTEL_AGENTTRACE_EXPORT_REPLAY,
    OTEL_AGENTTRACE_MODE,
)
from otel_agenttrace.errors import AgentTraceError, ConfigError
from otel_agenttrace.pricing import price_table
from otel_agenttrace.volatile import MatchRule, MatchRules
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

MODES = get_args(RecordMode)

# --- precedence ---------------------------------------------------------------------------------------------------------


def test_where_nobody_says_anything_there_is_no_cassette_and_the_mode_is_once() -> None:
    assert resolve({}, {}) == Config(
        cassette=None, mode="once", export_replay=False, policy=UrlPolicy((), ()), prices={}
    )


@pytest.mark.parametrize(
    ("argument", "environ", "pyproject", "expected"),
    [
        ("a", "b", "c", "a"),
        (None, "b", "c", "b"),
        (None, None, "c", "c"),
        (None, "", "c", "c"),
        ("a", None, None, "a"),
        (None, None, None, None),
    ],
)
def test_the_cassette_is_that_of_the_argument_then_of_the_environment_then_of_pyproject(
    argument: str | None, environ: str | None, pyproject: str | None, expected: str | None
) -> None:
    found = resolve(
        _present({OTEL_AGENTTRACE_CASSETTE: environ}),
        _present({"cassette": pyproject}),
        cassette=None if argument is None else Path(argument),
    )
    assert found.cassette == (None if expected is None else Path(expected))


@pytest.mark.parametrize(
    ("argument", "environ", "pyproject", "ci", "expected"),
    [
        ("all", "new", "none", "true", "all"),
        (None, "new", "none", "true", "new"),
        (None, "", "all", "true", "all"),
        (None, None, "all", None, "all"),
        (None, None, None, "true", "none"),
        (None, None, None, "false", "once"),
        (None, None, None, None, "once"),
        ("once", None, None, "true", "once"),
    ],
)
def test_the_mode_is_that_of_the_argument_then_of_the_environment_then_of_pyproject_then_the_default(
    argument: str | None, environ: str | None, pyproject: str | None, ci: str | None, expected: str
) -> None:
    told = _present({OTEL_AGENTTRACE_MODE: environ, CI: ci})
    assert resolve(told, _present({"mode": pyproject}), mode=argument).mode == expected


@pytest.mark.parametrize(
    ("environ", "pyproject", "expected"),
    [("true", False, True), ("false", True, False), ("", True, True), (None, True, True), (None, None, False)],
)
def test_exporting_replays_is_said_by_the_environment_then_by_pyproject(
    environ: str | None, pyproject: bool | None, expected: bool
) -> None:
    told = _present({OTEL_AGENTTRACE_EXPORT_REPLAY: environ})
    assert resolve(told, _present({"export-replay": pyproject})).export_replay is expected


def _present(settings: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in settings.items() if value is not None}


@pytest.mark.parametrize("ci", ["true", "TRUE", "1", "yes", "on", " true "])
def test_under_ci_the_default_is_to_record_nothing(ci: str) -> None:
    assert resolve({CI: ci}, {}).mode == "none"


@given(st.text(st.characters(exclude_categories=("Cs",)), max_size=8))
def test_only_a_clear_yes_is_true(said: str) -> None:
    assert is_true(said) == (said.strip().lower() in {"1", "true", "yes", "on"})


def test_what_is_not_set_is_not_true() -> None:
    assert not is_true(None)


@pytest.mark.parametrize("mode", MODES)
def test_each_mode_is_taken_from_every_source(mode: RecordMode) -> None:
    assert resolve({}, {}, mode=mode).mode == mode
    assert resolve({OTEL_AGENTTRACE_MODE: mode}, {}).mode == mode
    assert resolve({}, {"mode": mode}).mode == mode
    assert record_mode(mode, "here") == mode


def test_settings_cannot_be_changed() -> None:
    settings: Any = resolve({}, {})
    with pytest.raises(FrozenInstanceError):
        settings.mode = "all"


# --- what has no meaning ------------------------------------------------------------------------------------------------


def _error_of(environ: Mapping[str, str], pyproject: Mapping[str, object], mode: str | None = None) -> str:
    with pytest.raises(ConfigError) as raised:
        resolve(environ, pyproject, mode=mode)
    assert isinstance(raised.value, AgentTraceError)
    assert isinstance(raised.value, ValueError)
    return str(raised.value)


@pytest.mark.parametrize(
    ("environ", "pyproject", "mode", "where"),
    [
        ({}, {}, "nowhere", "argument mode"),
        ({OTEL_AGENTTRACE_MODE: "nowhere"}, {}, None, OTEL_AGENTTRACE_MODE),
        ({}, {"mode": "nowhere"}, None, "[tool.otel-agenttrace] mode"),
    ],
)
def test_a_mode_without_meaning_is_told_with_its_source_and_the_four_there_are(
    environ: Mapping[str, str], pyproject: Mapping[str, object], mode: str | None, where: str
) -> None:
    told = _error_of(environ, pyproject, mode)
    assert where in told
    assert "to fix   one of none, once, new, all" in told


@pytest.mark.parametrize(("typed", "meant"), [("onec", "once"), ("al", "all"), ("non", "none"), ("news", "new")])
def test_a_mode_that_is_nearly_one_is_told_which(typed: str, meant: str) -> None:
    assert f"Did you mean {meant!r}?" in _error_of({}, {}, typed)


def test_a_mode_that_is_like_none_is_not_guessed_at() -> None:
    assert "Did you mean" not in _error_of({}, {}, "strict")


@given(st.text(max_size=12).filter(lambda word: word not in MODES))
def test_any_other_word_is_no_mode_and_is_quoted(word: str) -> None:
    with pytest.raises(ConfigError) as raised:
        record_mode(word, "here")
    assert str(raised.value).startswith(f"here is {word!r}.")


def test_a_bad_mode_of_less_weight_does_not_count() -> None:
    assert resolve({OTEL_AGENTTRACE_MODE: "all"}, {"mode": "nowhere"}).mode == "all"


@pytest.mark.parametrize("key", ["casette", "cassete", "block_", "export_replay", "something"])
def test_a_key_without_meaning_is_told_with_its_table_and_the_keys_there_are(key: str) -> None:
    told = _error_of({}, {key: "x"})
    assert f"[tool.otel-agenttrace] has no key {key!r}" in told
    assert "to fix" in told
    assert "cassette" in told
    assert "mode" in told


@pytest.mark.parametrize(("typed", "meant"), [("casette", "cassette"), ("blocks", "block"), ("price", "prices")])
def test_a_key_that_is_nearly_one_is_told_which(typed: str, meant: str) -> None:
    assert f"Did you mean {meant!r}?" in _error_of({}, {typed: "x"})


@pytest.mark.parametrize("key", ["pass", "block"])
@pytest.mark.parametrize("value", ["*.test/*", ["*.test/*", 7], {"*.test": True}, 1, None, True])
def test_patterns_that_are_no_list_of_texts_are_told_with_their_key_and_an_example(key: str, value: object) -> None:
    told = _error_of({}, {key: value})
    assert f"[tool.otel-agenttrace] {key} is {value!r}" in told
    assert "to fix   a list of patterns: ['*.example.com/*']" in told


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("export-replay", "yes"),
        ("export-replay", 1),
        ("cassette", 7),
        ("cassette", ["a"]),
        ("prices", 7),
        ("mode", 7),
        ("mode", ["all"]),
    ],
)
def test_a_value_of_another_kind_is_told_with_its_key(key: str, value: object) -> None:
    told = _error_of({}, {key: value})
    assert f"[tool.otel-agenttrace] {key} is {value!r}" in told
    assert "to fix" in told


@pytest.mark.parametrize("value", [7, ["all"], {"all": True}])
def test_a_mode_of_another_kind_is_told_with_its_key(value: object) -> None:
    told = _error_of({}, {"mode": value})
    assert "[tool.otel-agenttrace] mode is " in told
    assert "to fix" in told


# --- requests that are none of our business, or may not be made -----------------------------------------------------------


def test_without_patterns_each_request_is_recorded() -> None:
    assert UrlPolicy().verdict("https://api.openai.com/v1/chat/completions") == "record"


@pytest.mark.parametrize(
    ("pattern", "url", "is_matched"),
    [
        ("*.example.com/*", "https://telemetry.example.com/v1/traces", True),
        ("*.example.com/*", "https://a.b.example.com/", True),
        ("*.example.com/*", "https://example.com/v1", False),
        ("*.example.com/*", "https://example.com.evil.test/v1", False),
        ("api.test/admin/*", "https://api.test/admin/users", True),
        ("api.test/admin/*", "https://api.test/admin/users/7/keys", True),
        ("api.test/admin/*", "https://api.test/v1/admin/users", False),
        ("api.test/admin/*", "https://api.test/v1?next=api.test/admin/x", False),
        ("api.test/v1", "https://api.test/v1?page=2#top", True),
        ("api.test/*", "https://api.test:8443/v1", True),
        ("api.test/*", "https://user:word@api.test/v1", True),
        ("api.test/*", "https://API.test/v1", True),
        ("api.test/*", "https://api.test/", True),
        ("api.test/*", "https://api.test", True),
        ("api.test/Admin", "https://api.test/admin", False),
        ("api.test/v?/x", "https://api.test/v2/x", True),
        ("api.test/v[12]/x", "https://api.test/v3/x", False),
        ("127.0.0.1/*", "http://127.0.0.1:4318/v1/traces", True),
        ("::1/*", "http://[::1]:4318/v1/traces", True),
        ("*", "https://anything.test/at/all", True),
    ],
)
def test_a_pattern_matches_host_and_path(pattern: str, url: str, is_matched: bool) -> None:
    assert UrlPolicy(passed=(pattern,)).verdict(url) == ("pass" if is_matched else "record")
    assert UrlPolicy(blocked=(pattern,)).verdict(url) == ("block" if is_matched else "record")


def test_what_is_blocked_and_passed_is_blocked() -> None:
    policy = UrlPolicy(passed=("api.test/*",), blocked=("api.test/admin/*",))
    assert policy.verdict("https://api.test/admin/users") == "block"
    assert policy.verdict("https://api.test/v1") == "pass"
    assert policy.verdict("https://other.test/v1") == "record"


_PATTERNS = st.lists(st.sampled_from(["*", "a.test/*", "*.test/v1/*", "b.test/v1/x", "nothing"]), max_size=3).map(tuple)
_URLS = st.sampled_from(["https://a.test/v1/x", "https://b.test/v1/x", "http://c.test:81/", "https://d.org/v1/x?y=z"])


@given(_PATTERNS, _PATTERNS, _URLS)
def test_passing_more_never_frees_what_is_blocked(blocked: tuple[str, ...], passed: tuple[str, ...], url: str) -> None:
    alone = UrlPolicy(blocked=blocked).verdict(url)
    assert (UrlPolicy(passed, blocked).verdict(url) == "block") == (alone == "block")


def test_patterns_come_from_pyproject() -> None:
    policy = resolve({}, {"pass": ["telemetry.test/*"], "block": ["api.test/*", "b.test/*"]}).policy
    assert policy == UrlPolicy(passed=("telemetry.test/*",), blocked=("api.test/*", "b.test/*"))


# --- prices and the file ------------------------------------------------------------------------------------------------


def test_prices_come_from_pyproject_as_they_stand() -> None:
    prices = {"my-model": {"input_per_mtok": 1.0, "output_per_mtok": 3.0}}
    found = resolve({}, {"prices": prices}).prices
    assert found == prices
    assert price_table(found).prices["my-model"].output_per_mtok == 3.0


def test_the_table_of_the_nearest_pyproject_counts_and_its_cassette_stands_beside_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.otel-agenttrace]\ncassette = 'outer'\n")
    inner = tmp_path / "inner"
    (inner / "deep").mkdir(parents=True)
    (inner / "pyproject.toml").write_text("[tool.otel-agenttrace]\ncassette = 'runs/c'\nmode = 'new'\n")
    assert resolve({}, pyproject_settings(inner / "deep")) == Config(cassette=inner / "runs" / "c", mode="new")


def test_an_absolute_cassette_stays_where_it_is(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(f"[tool.otel-agenttrace]\ncassette = '{tmp_path / 'abs'}'\n")
    assert pyproject_settings(tmp_path)["cassette"] == str(tmp_path / "abs")


@pytest.mark.parametrize("text", ["", "[tool.ruff]\n", "[project]\nname = 'otel-agenttrace-user'\n"])
def test_a_pyproject_without_the_table_says_nothing(tmp_path: Path, text: str) -> None:
    (tmp_path / "pyproject.toml").write_text(text)
    assert pyproject_settings(tmp_path) == {}


@pytest.mark.parametrize(
    "content",
    [
        b"[tool.otel-agenttrace\nmode = 'all'\n",
        b"[tool]\notel-agenttrace = 7\n",
        b"[tool.otel-agenttrace]\nmode = '\xff'\n",
        b"tool = 'otel-agenttrace'\n",
    ],
    ids=["no TOML", "no table", "no UTF-8", "no tool table"],
)
def test_a_pyproject_that_cannot_be_understood_is_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "pyproject.toml").write_bytes(content)
    with pytest.raises(ConfigError, match=r"pyproject\.toml"):
        pyproject_settings(tmp_path)


# --- match rules --------------------------------------------------------------------------------------------------------


def test_match_rules_of_pyproject_are_read_in_order_after_those_of_the_argument(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text(
        "[[tool.otel-agenttrace.match]]\npointer = '/user'\n"
        "[[tool.otel-agenttrace.match]]\npointer = '/a/*'\naction = 'pattern'\npattern = '[0-9]+'\nurl = 'api.test/*'\n"
    )
    config = resolve({}, pyproject_settings(tmp_path), match=[MatchRule("/first")])
    assert config.match == MatchRules(
        (MatchRule("/first"), MatchRule("/user"), MatchRule("/a/*", "pattern", "[0-9]+", "api.test/*"))
    )


@pytest.mark.parametrize(
    ("table", "told"),
    [
        ({"pointer": "/a"}, r"match is .*\n  to fix   \[\[tool\.otel-agenttrace\.match\]\], a table with pointer"),
        ("/a", r"match is '/a'"),
        (["/a"], r"\[\[tool\.otel-agenttrace\.match\]\] number 1 is '/a'"),
        ([{"pointer": "/a"}, {"ponter": "/a"}], r"number 2 has no key 'ponter'.*\n.*one of action, .* mean 'pointer'"),
        ([{"action": "ignore"}], r"number 1 has no pointer"),
        ([{"pointer": 7}], r"number 1: pointer is 7.\n  to fix   a text"),
        ([{"pointer": "a"}], r"number 1: pointer is 'a', no JSON pointer"),
        ([{"pointer": "/a", "action": "drop"}], r"number 1: action is 'drop'.\n  to fix   one of ignore, pattern"),
        ([{"pointer": "/a", "action": "pattern", "pattern": "("}], r"number 1: pattern is '\(', no regular expression"),
    ],
)
def test_a_match_rule_without_meaning_is_named_with_what_may_stand_there(table: object, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        resolve({}, {"match": table})
