"""What a user adds to redaction: personal data, rules of their own, what is let through. Settings in, one value out."""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias, cast

from otel_agenttrace.errors import ConfigError

__all__ = ["BUILT_IN", "PERSONAL", "RedactionRule", "RedactionRules", "SpanFinder", "redaction_rules"]

PERSONAL: Final = ("arn", "card", "email", "iban", "ip", "phone", "ssn")
"""Kinds of personal data that may be asked for."""

SpanFinder: TypeAlias = Callable[[str], Sequence[tuple[int, int]]]
"""Returns where in a text secrets stand, each from start to before end."""

_NAME: Final = re.compile(r"[a-z0-9-]{1,32}")
_KEYS: Final = ("allow", "functions", "gitleaks", "hook", "personal", "rules")
_TOLD: Final = 'a table such as { personal = ["email"], allow = ["pk_test_.*"], rules = [{ name = "staff", pattern = "EMP-[0-9]{6}" }] }'


@dataclass(frozen=True, slots=True)
class RedactionRule:
    """An expression of the user's own. What it finds becomes `[REDACTED:x-NAME:digest]`; of its group 1, if it has one.

    Raises:
        ConfigError: If the name is no name, or the pattern no expression.
    """

    name: str
    pattern: str

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            raise ConfigError(f"the redaction rule {self.name!r} needs a name of small letters, digits and hyphens")
        _compiled(self.pattern, f"the redaction rule {self.name}")


@dataclass(frozen=True, slots=True)
class RedactionRules:
    """What is redacted on top of secrets, and what is not. `finders` do not reach child processes: these do not record then.

    Attributes:
        personal: Kinds of `PERSONAL`.
        rules: The user's own expressions.
        allow: Expressions of values that are let through although a detector finds them; they match a value as a whole.
        hook: A function as `module:name` that finds spans in a text.
        gitleaks: The path of a TOML file with rules of gitleaks; needs the extra `redact`.
        finders: Functions that find spans in a text.
        loaded: What `hook` and `gitleaks` name, once it is loaded.

    Raises:
        ConfigError: If a kind is unknown or a pattern no expression.
    """

    personal: tuple[str, ...] = ()
    rules: tuple[RedactionRule, ...] = ()
    allow: tuple[str, ...] = ()
    hook: str = ""
    gitleaks: str = ""
    finders: tuple[SpanFinder, ...] = ()
    loaded: tuple[SpanFinder, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for kind in self.personal:
            if kind not in PERSONAL:
                raise ConfigError(
                    f"no kind of personal data is called {kind!r}.\n  to fix   one of {', '.join(PERSONAL)}"
                )
        for pattern in self.allow:
            _compiled(pattern, "the redaction allow-list")

    @property
    def looks_at_wholes(self) -> bool:
        """Whether a detector of the user's own has to see each text by itself."""
        return bool(self.rules or self.finders or self.loaded)

    @property
    def number(self) -> int:
        """A number that tells one set of rules from another, 0 for none; below one million."""
        told = self.told(with_functions=True)
        return zlib.crc32(told.encode()) % 999_999 + 1 if told else 0

    def told(self, *, with_functions: bool = False) -> str:
        """Return the rules as a JSON text for a child process, or an empty one; `with_functions` names those, too."""
        table: dict[str, object] = {
            "personal": list(self.personal),
            "rules": [{"name": rule.name, "pattern": rule.pattern} for rule in self.rules],
            "allow": list(self.allow),
            "hook": self.hook,
            "gitleaks": self.gitleaks,
            "functions": [getattr(finder, "__qualname__", "") for finder in self.finders]
            if with_functions
            else len(self.finders),
        }
        kept = {name: value for name, value in table.items() if value}
        return json.dumps(kept, sort_keys=True) if kept else ""


BUILT_IN: Final = RedactionRules()
"""Secrets that tell themselves, and nothing else."""


def redaction_rules(written: object, source: str) -> RedactionRules:
    """Return the rules that a setting tells: a table, or a text that lists kinds of personal data or is such a table in JSON.

    Raises:
        ConfigError: If it tells none.
    """
    if isinstance(written, str):
        text = written.strip()
        if not text.startswith("{"):
            kinds = tuple(word.strip() for word in text.split(",") if word.strip())
            return RedactionRules(personal=PERSONAL if kinds == ("personal",) else kinds)
        try:
            written = cast("object", json.loads(text))
        except ValueError as error:
            raise ConfigError(f"{source} is no JSON: {error}") from error
    if not isinstance(written, dict):
        raise ConfigError(f"{source} is {written!r}.\n  to fix   {_TOLD}")
    table = cast("Mapping[str, Any]", written)
    unknown = [key for key in table if key not in _KEYS]
    if unknown:
        raise ConfigError(f"{source} has no key {unknown[0]!r}.\n  to fix   one of {', '.join(_KEYS)}")
    if table.get("functions"):
        raise ConfigError(
            'the run redacts by functions, which this process does not have.\n  to fix   name one: hook = "module:function"'
        )
    try:
        personal = table.get("personal", ())
        return RedactionRules(
            personal=PERSONAL if personal is True else tuple(personal),
            rules=tuple(RedactionRule(**rule) for rule in table.get("rules", ())),
            allow=tuple(table.get("allow", ())),
            hook=str(table.get("hook", "")),
            gitleaks=str(table.get("gitleaks", "")),
        )
    except TypeError as error:
        raise ConfigError(f"{source} is {written!r}: {error}.\n  to fix   {_TOLD}") from error


def _compiled(pattern: object, place: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern if isinstance(pattern, str) else "(")
    except re.error as error:
        raise ConfigError(f"{place}: {pattern!r} is no expression: {error}") from error
