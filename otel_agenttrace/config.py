"""The settings of a run as data. Argument, environment and pyproject.toml in, one `Config` out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast, get_args
from urllib.parse import urlsplit

from otel_agenttrace.egress import AllowList
from otel_agenttrace.environment import (
    CI,
    OTEL_AGENTTRACE_ALLOW,
    OTEL_AGENTTRACE_CASSETTE,
    OTEL_AGENTTRACE_EXPORT_REPLAY,
    OTEL_AGENTTRACE_MODE,
    OTEL_AGENTTRACE_REDACT,
)
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.redaction import BUILT_IN, RedactionRules, redaction_rules
from otel_agenttrace.volatile import MATCH_ACTIONS, NO_RULES, MatchRule, MatchRules

__all__ = ["Config", "RecordMode", "UrlPolicy", "Verdict", "is_true", "record_mode", "redaction_settings", "resolve"]

RecordMode: TypeAlias = Literal["none", "once", "new", "all"]
"""VCR's four: replay only; record if there is no cassette; record what is missing; record everything anew."""

Verdict: TypeAlias = Literal["record", "pass", "block"]

_MODES: Final = get_args(RecordMode)
_KINDS: Final[Mapping[str, type]] = {
    "allow": list,
    "block": list,
    "cassette": str,
    "context-windows": dict,
    "export-replay": bool,
    "gaps": dict,
    "match": list,
    "pass": list,
    "prices": dict,
    "redact": dict,
}
_PYPROJECT_KEYS: Final = tuple(sorted((*_KINDS, "mode")))
_RULE_KEYS: Final = ("action", "pattern", "pointer", "url")
_TOLD_RULE: Final = f'a table with pointer = "/metadata/session" and action = one of {", ".join(MATCH_ACTIONS)}'
_TOLD_KINDS: Final[Mapping[type, str]] = {
    bool: "true or false",
    dict: 'a table: [tool.otel-agenttrace.prices."my-model"], [tool.otel-agenttrace.redact]',
    list: "a list of patterns: ['*.example.com/*']",
    str: "a text in quotes",
}


@dataclass(frozen=True, slots=True)
class UrlPolicy:
    """Which requests are none of our business, and which may not be made. Patterns match host and path: `*.test/v1/*`."""

    passed: tuple[str, ...] = ()
    blocked: tuple[str, ...] = ()

    def verdict(self, url: str) -> Verdict:
        """Return what is to happen to a request: `block` before `pass` before `record`."""
        if not (self.passed or self.blocked):
            return "record"
        parts = urlsplit(url)
        place = f"{parts.hostname or ''}{parts.path or '/'}"
        if any(fnmatchcase(place, pattern) for pattern in self.blocked):
            return "block"
        return "pass" if any(fnmatchcase(place, pattern) for pattern in self.passed) else "record"

    @property
    def passed_hosts(self) -> tuple[str, ...]:
        """The hosts of what passes, as patterns."""
        return tuple(pattern.partition("/")[0] for pattern in self.passed)


@dataclass(frozen=True, slots=True)
class Config:
    """What a run was told: None means that nobody said."""

    cassette: Path | None = None
    mode: RecordMode = "once"
    export_replay: bool = False
    policy: UrlPolicy = UrlPolicy()
    prices: Mapping[str, object] = field(default_factory=dict[str, object])
    match: MatchRules = NO_RULES
    redact: RedactionRules = BUILT_IN
    allow: tuple[str, ...] = ()
    context_windows: Mapping[str, int] = field(default_factory=dict[str, int])


def resolve(
    environ: Mapping[str, str],
    pyproject: Mapping[str, object],
    *,
    cassette: Path | None = None,
    mode: str | None = None,
    match: Sequence[MatchRule] = (),
    redact: RedactionRules | None = None,
) -> Config:
    """Return the settings in force: argument before environment before the table `[tool.otel-agenttrace]`.

    Rules of `match` are added up, those of the argument first, and so are the hosts of `allow`.

    Raises:
        ConfigError: If a mode or a key of the table has no meaning.
    """
    for key in pyproject:
        if key not in _PYPROJECT_KEYS:
            known = f"one of {', '.join(_PYPROJECT_KEYS)}.{_nearest(key, _PYPROJECT_KEYS)}"
            raise ConfigError(f"[tool.otel-agenttrace] has no key {key!r}.\n  to fix   {known}")
        kind = _KINDS.get(key)
        if kind is not None and not isinstance(pyproject[key], kind):
            told = f"[[tool.otel-agenttrace.match]], {_TOLD_RULE}" if key == "match" else _TOLD_KINDS[kind]
            raise ConfigError(f"[tool.otel-agenttrace] {key} is {pyproject[key]!r}.\n  to fix   {told}")
    path = cassette or environ.get(OTEL_AGENTTRACE_CASSETTE) or pyproject.get("cassette")
    said = (
        (mode, "the argument mode"),
        (environ.get(OTEL_AGENTTRACE_MODE), OTEL_AGENTTRACE_MODE),
        (pyproject.get("mode"), "[tool.otel-agenttrace] mode"),
        ("none" if is_true(environ.get(CI)) else "once", "the default"),
    )
    value, source = next((value, source) for value, source in said if value)
    exported = environ.get(OTEL_AGENTTRACE_EXPORT_REPLAY)
    return Config(
        cassette=Path(str(path)) if path else None,
        mode=record_mode(value, source),
        export_replay=is_true(exported) if exported else pyproject.get("export-replay") is True,
        policy=UrlPolicy(_patterns(pyproject, "pass"), _patterns(pyproject, "block")),
        prices=cast("Mapping[str, object]", pyproject.get("prices", {})),
        match=MatchRules((*match, *_match_rules(cast("list[object]", pyproject.get("match", []))))),
        redact=redact or redaction_settings(environ, pyproject),
        context_windows=_context_windows(cast("Mapping[str, object]", pyproject.get("context-windows", {}))),
        allow=_allowed(environ.get(OTEL_AGENTTRACE_ALLOW, ""), _patterns(pyproject, "allow")),
    )


def _context_windows(told: Mapping[str, object]) -> Mapping[str, int]:
    """Return tokens by the beginning of a model's name.

    Raises:
        ConfigError: If one is no number of tokens.
    """
    for model, tokens in told.items():
        if not isinstance(tokens, int) or isinstance(tokens, bool) or tokens < 1:
            place = f"[tool.otel-agenttrace.context-windows] {model!r} is {tokens!r}"
            raise ConfigError(f'{place}.\n  to fix   a number of tokens: "{model}" = 128000; names with dots in quotes')
    return cast("Mapping[str, int]", told)


def _allowed(told: str, listed: tuple[str, ...]) -> tuple[str, ...]:
    """Return the hosts of the environment and of pyproject.toml.

    Raises:
        ConfigError: If one is no host.
    """
    named = (host.strip() for host in told.split(","))
    return AllowList((*filter(None, named), *listed)).entries


def redaction_settings(environ: Mapping[str, str], pyproject: Mapping[str, object]) -> RedactionRules:
    """Return what the environment, else the table `[tool.otel-agenttrace]`, says of redaction.

    Raises:
        ConfigError: If that has no meaning.
    """
    written = environ.get(OTEL_AGENTTRACE_REDACT)
    if written:
        return redaction_rules(written, OTEL_AGENTTRACE_REDACT)
    return redaction_rules(pyproject.get("redact", {}), "[tool.otel-agenttrace.redact]")


def _match_rules(tables: list[object]) -> Iterator[MatchRule]:
    for number, table in enumerate(tables, 1):
        place = f"[[tool.otel-agenttrace.match]] number {number}"
        if not isinstance(table, dict):
            raise ConfigError(f"{place} is {table!r}.\n  to fix   {_TOLD_RULE}")
        rule = cast("dict[str, object]", table)
        for key, value in rule.items():
            if key not in _RULE_KEYS:
                known = f"one of {', '.join(_RULE_KEYS)}.{_nearest(key, _RULE_KEYS)}"
                raise ConfigError(f"{place} has no key {key!r}.\n  to fix   {known}")
            if not isinstance(value, str):
                raise ConfigError(f"{place}: {key} is {value!r}.\n  to fix   {_TOLD_KINDS[str]}")
        if "pointer" not in rule:
            raise ConfigError(f"{place} has no pointer.\n  to fix   {_TOLD_RULE}")
        try:
            yield MatchRule(**cast("dict[str, Any]", rule))
        except ConfigError as error:
            raise ConfigError(f"{place}: {error}") from None


def _patterns(pyproject: Mapping[str, object], key: str) -> tuple[str, ...]:
    values = cast("list[object]", pyproject.get(key, []))
    if not all(isinstance(value, str) for value in values):
        raise ConfigError(f"[tool.otel-agenttrace] {key} is {values!r}.\n  to fix   {_TOLD_KINDS[list]}")
    return tuple(cast("list[str]", values))


def record_mode(value: object, source: str) -> RecordMode:
    """Return the mode a value of a setting names.

    Raises:
        ConfigError: If it names none.
    """
    if value not in _MODES:
        raise ConfigError(
            f"{source} is {value!r}.\n  to fix   one of {', '.join(_MODES)}.{_nearest(str(value), _MODES)}"
        )
    return cast("RecordMode", value)


def is_true(value: str | None) -> bool:
    """Whether an environment variable says yes."""
    return (value or "").strip().lower() in {"1", "true", "yes", "on"}


def _nearest(word: str, known: tuple[str, ...]) -> str:
    import difflib  # only a typing error pays for it

    near = difflib.get_close_matches(word, known, n=1)
    return f" Did you mean {near[0]!r}?" if near else ""
