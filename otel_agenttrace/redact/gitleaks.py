"""Detect by rules of gitleaks that the user supplies, through google-re2. TOML text in, a finder of spans out.

Source of the format: the `[[rules]]` of a gitleaks configuration: `regex`, `secretGroup`, `keywords`, `entropy`, `allowlists`.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

from otel_agenttrace.errors import ConfigError
from otel_agenttrace.redact.entropy import bits_per_character
from otel_agenttrace.redaction import SpanFinder

__all__ = ["gitleaks_finder"]


@dataclass(frozen=True, slots=True)
class _Rule:
    name: str
    pattern: Any
    group: int
    keywords: tuple[str, ...]
    entropy: float
    allowed: tuple[Any, ...]

    def spans(self, text: str, lowered: str) -> Iterator[tuple[int, int]]:
        if self.keywords and not any(keyword in lowered for keyword in self.keywords):
            return
        for found in self.pattern.finditer(text):
            start, end = found.span(self.group or (1 if found.re.groups else 0))
            secret = text[start:end]
            if (
                secret
                and bits_per_character(secret) >= self.entropy
                and not any(each.search(secret) for each in self.allowed)
            ):
                yield start, end


def gitleaks_finder(text: str, path: str) -> SpanFinder:
    """Return the finder for the rules of a gitleaks TOML. Rules for names of files alone do not apply to texts.

    Raises:
        ConfigError: If the text is no such file, a pattern is no expression, or google-re2 is not installed.
    """
    try:
        re2: Any = importlib.import_module("re2")
    except ImportError as error:
        raise ConfigError(f"{path} needs google-re2.\n  to fix   pip install 'otel-agenttrace[redact]'") from error
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        table = cast("Mapping[str, Any]", tomllib.loads(text))
        rules = [_rule(rule, re2.compile) for rule in table.get("rules", ()) if "regex" in rule]
        allowed = _allowed(table, re2.compile)
    except (tomllib.TOMLDecodeError, re2.error, TypeError, AttributeError) as error:
        raise ConfigError(f"{path} is no file of gitleaks rules: {error}") from error
    if not rules:
        raise ConfigError(f"{path} has no [[rules]] with a regex")

    def spans(content: str) -> Sequence[tuple[int, int]]:
        lowered = content.lower()
        return [
            (start, end)
            for rule in rules
            for start, end in rule.spans(content, lowered)
            if not any(each.search(content[start:end]) for each in allowed)
        ]

    return spans


def _rule(table: Mapping[str, Any], compiled: Callable[[str], Any]) -> _Rule:
    return _Rule(
        name=str(table.get("id", "")),
        pattern=compiled(table["regex"]),
        group=int(table.get("secretGroup", 0)),
        keywords=tuple(str(keyword).lower() for keyword in table.get("keywords", ())),
        entropy=float(table.get("entropy", 0)),
        allowed=_allowed(table, compiled),
    )


def _allowed(table: Mapping[str, Any], compiled: Callable[[str], Any]) -> tuple[Any, ...]:
    """Return the expressions of what a rule, or the whole file, lets through."""
    lists: list[Mapping[str, Any]] = [
        *table.get("allowlists", ()),
        *([table["allowlist"]] if "allowlist" in table else []),
    ]
    return tuple(compiled(each) for entry in lists for each in entry.get("regexes", ()))
