"""What pytest was told about cassettes. Option before mark before fixture before ini file; settings in, frozen data out."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, cast

import pytest

from otel_agenttrace.config import RecordMode, record_mode
from otel_agenttrace.errors import ConfigError, SelectorError
from otel_agenttrace.playback.plan import ReplayPlan
from otel_agenttrace.redaction import RedactionRules, redaction_rules
from otel_agenttrace.selectors import Selector, parse_selector
from otel_agenttrace.volatile import MatchRule

__all__ = ["Asked", "Settings", "asked_of", "settings_of"]

_FAIL_ON: Final = ("drift", "unplayed")
_SUFFIXES: Final = (".md", ".json")


@dataclass(frozen=True, slots=True)
class Settings:
    """What the options and the ini file say.

    Attributes:
        mode: What an option says; it has the last word.
        ini_mode: What the ini file says; it has the first.
        fail_on: What fails a test besides a miss.
        expire: The age that a cassette may have, as text; empty for any.
        expired: Chooses the recorded calls that are older.
        reports: Files to write a report to.
        cassette_dir: The name of the folder of cassettes.
        snapshot_dir: The name of the folder of snapshots, or its path.
        updates_snapshots: Whether snapshots are written anew.
        trials: How often a test is run; 0 for once, and no trial.
    """

    mode: RecordMode | None
    ini_mode: RecordMode
    fail_on: tuple[str, ...]
    expire: str
    expired: Selector | None
    reports: tuple[Path, ...]
    cassette_dir: str
    snapshot_dir: str
    updates_snapshots: bool
    trials: int


def settings_of(config: pytest.Config) -> Settings:
    """Return what pytest was told.

    Raises:
        pytest.UsageError: If a word has no meaning.
    """

    def told(name: str) -> Any:
        given = config.getoption(f"agenttrace_{name}", None)
        return given if given not in (None, False) else config.getini(f"agenttrace_{name}")

    try:
        return Settings(
            mode=config.getoption("agenttrace_record_mode"),
            ini_mode=record_mode(config.getini("agenttrace_record_mode") or "none", "agenttrace_record_mode"),
            fail_on=tuple(_known("agenttrace_fail_on", word) for word in told("fail_on") or ()),
            expire=told("expire") or "",
            expired=_older_than(told("expire")) if told("expire") else None,
            reports=tuple(_report(config, path) for path in told("report") or ()),
            cassette_dir=config.getini("agenttrace_cassette_dir") or "cassettes",
            snapshot_dir=told("snapshot_dir") or "__snapshots__",
            updates_snapshots=bool(told("update_snapshots")),
            trials=_trials(told("trials") or 0),
        )
    except ConfigError as error:
        raise pytest.UsageError(str(error)) from error


def _known(name: str, word: str) -> str:
    if word not in _FAIL_ON:
        raise ConfigError(f"{name} has no {word!r}.\n  to fix   {' or '.join(_FAIL_ON)}")
    return word


def _older_than(age: str) -> Selector:
    try:
        return parse_selector(f"age>{age}")
    except SelectorError:
        raise ConfigError(f"{age!r} is no age.\n  to fix   a number and a unit: 12h, 30d, 2w") from None


def _report(config: pytest.Config, path: str) -> Path:
    if not path.endswith(_SUFFIXES):
        raise ConfigError(
            f"A report to {path} has no known form.\n"
            "  to fix   a name that ends in .md or .json; properties for JUnit stand in --junitxml by themselves"
        )
    return config.invocation_params.dir / path


def _trials(told: object) -> int:
    try:
        count = int(str(told))
    except ValueError:
        count = -1
    if count < 0 or count == 1:
        raise ConfigError(f"{told!r} trials tell nothing of how a test varies.\n  to fix   2 or more; 5 is a beginning")
    return count


# --- what a mark and the fixture `cassette_options` say -----------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Asked:
    """What one test asks of its session. None: it does not say."""

    path: str | None = None
    mode: RecordMode | None = None
    match: tuple[MatchRule, ...] = ()
    redact: RedactionRules | None = None
    plan: ReplayPlan = field(default_factory=ReplayPlan)


def asked_of(mark: pytest.Mark | None, options: Mapping[str, object]) -> Asked:
    """Return what a mark says, and where it is silent what the fixture `cassette_options` says.

    Raises:
        ConfigError: If a word has no meaning; it says which of the two it stands in.
    """
    asked = _told(Asked(), options, "cassette_options")
    if mark is None:
        return asked
    place = "@pytest.mark.cassette"
    if len(mark.args) > 1:
        raise ConfigError(f"{place} has {len(mark.args)} paths.\n  to fix   one; the rest by name: mode='once'")
    named: Mapping[str, object] = {**({"path": mark.args[0]} if mark.args else {}), **mark.kwargs}
    return _told(asked, named, place)


def _told(asked: Asked, given: Mapping[str, object], place: str) -> Asked:
    for name, value in given.items():
        if name not in _TAKES:
            near = difflib.get_close_matches(name, _TAKES, n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise ConfigError(f"{place} has no {name!r}.\n  to fix   one of {', '.join(sorted(_TAKES))}.{hint}")
        asked = _TAKES[name](asked, value, f"{place}, {name}")
    return asked


def _path(asked: Asked, value: object, place: str) -> Asked:
    if not isinstance(value, str | Path) or not str(value):
        raise ConfigError(f"{place} is {value!r}.\n  to fix   a path, relative to the test file")
    return replace(asked, path=str(value))


def _mode(asked: Asked, value: object, place: str) -> Asked:
    return replace(asked, mode=record_mode(value, place))


def _match(asked: Asked, value: object, place: str) -> Asked:
    rules = cast("Sequence[object]", value if isinstance(value, list | tuple) else (value,))
    return replace(asked, match=tuple(_rule(rule, place) for rule in rules))


def _rule(rule: object, place: str) -> MatchRule:
    if isinstance(rule, MatchRule):
        return rule
    try:
        return MatchRule(**cast("dict[str, Any]", rule))
    except (TypeError, AttributeError, ConfigError) as error:
        raise ConfigError(
            f"{place}: {rule!r} is no rule: {error}\n  to fix   {{'pointer': '/metadata/session', 'action': 'ignore'}}"
        ) from None


def _redact(asked: Asked, value: object, place: str) -> Asked:
    rules = value if isinstance(value, RedactionRules) else redaction_rules(cast("Any", value), place)
    return replace(asked, redact=rules)


def _several(name: str) -> Callable[[Asked, object, str], Asked]:
    def take(asked: Asked, value: object, place: str) -> Asked:
        words = tuple(
            cast("Iterable[object]", value if isinstance(value, list | tuple | set | frozenset) else (value,))
        )
        if not all(isinstance(word, str) for word in words):
            raise ConfigError(f"{place} is {value!r}.\n  to fix   a text, or a list of texts")
        return replace(asked, plan=replace(asked.plan, **cast("dict[str, Any]", {name: words})))

    return take


def _one(name: str, kind: type, told: str) -> Callable[[Asked, object, str], Asked]:
    def take(asked: Asked, value: object, place: str) -> Asked:
        if not isinstance(value, kind):
            raise ConfigError(f"{place} is {value!r}.\n  to fix   {told}")
        return replace(asked, plan=replace(asked.plan, **cast("dict[str, Any]", {name: value})))

    return take


_TAKES: Final[Mapping[str, Callable[[Asked, object, str], Asked]]] = {
    "allow": _several("allow"),
    "faults": _several("faults"),
    "freeze": _several("freeze"),
    "match": _match,
    "mode": _mode,
    "path": _path,
    "redact": _redact,
    "run_tools": _several("run_tools"),
    "seed": _one("seed", int, "a whole number"),
    "timing": _one("timing", str, "a text: instant, real, x2, first-token"),
}
