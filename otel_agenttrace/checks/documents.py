"""Read a file of rules, `agent-checks.yaml`: which traces are held to which rules. Bytes in, checks out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final, cast

from otel_agenttrace.checks.checking import Rule
from otel_agenttrace.checks.reading import Told
from otel_agenttrace.checks.rules import rules_from
from otel_agenttrace.checks.wording import short
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.model import Trace
from otel_agenttrace.safe_yaml import NotYaml, Unbuilt, parsed_yaml

__all__ = ["RULES_FILE", "Check", "checks_in"]

RULES_FILE: Final = "agent-checks.yaml"
"""The name of a file of rules that nobody named otherwise."""

_KEYS: Final = ("name", "files", "rules")
_SHAPE: Final = (
    "rules by their names, or `checks:`, a list of {name: …, files: […], rules: {…}}; docs/checks.md tells them"
)


@dataclass(frozen=True, slots=True)
class Check:
    """Rules, and the traces they are for.

    Attributes:
        name: What people call it; empty where there is one only.
        files: Patterns of paths, as `is_for` compares them; empty for every trace.
        rules: What those traces are held to.
    """

    name: str
    files: tuple[str, ...]
    rules: tuple[Rule, ...]

    def is_for(self, path: Path) -> bool:
        """Whether a trace is meant: a pattern fits its path from some folder on. `*` stands for anything, `/` included.

        What ends as the pattern is spelt fits as well: the cassette of a test with parameters has `[…]` in its name.
        """
        told = f"/{path.absolute().as_posix().lstrip('/')}"
        ends = [f"/{pattern.removeprefix('./')}" for pattern in self.files]
        return not ends or any(told.endswith(end) or fnmatchcase(told, f"*{end}") for end in ends)


def checks_in(content: bytes, source: str, load: Callable[[object], Trace]) -> tuple[Check, ...]:
    """Return the checks of a file.

    Args:
        content: The file, as YAML: a mapping of rules, or one with `checks`, a list of checks.
        source: Its path, for errors.
        load: Gives the trace of a baseline, by the path that the file tells.

    Raises:
        ConfigError: If it is no YAML, or a rule has no meaning, or PyYAML is not there.
    """
    try:
        document = parsed_yaml(content, extra="checks", unique_keys=True)
    except NotYaml as error:
        raise ConfigError(f"{source}: {error}\n  to fix   {_SHAPE}") from None
    _check_plain(document, source)
    told = Told("the file", document if document is not None else {}, source, load)
    if told.mapping is None:
        raise told.wrong(_SHAPE)
    if "checks" not in told.mapping:
        return (Check("", (), rules_from(told.mapping, source, load)),)
    listed = told.members(("checks",))["checks"]
    if listed.is_empty:
        return (Check("", (), rules_from({}, source)),)
    return tuple(_check(each, number) for number, each in enumerate(listed.items(), 1))


def _check(told: Told, number: int) -> Check:
    members = told.members(_KEYS, ("rules",))
    name = members.get("name")
    if name is not None and not isinstance(name.value, str):
        raise name.wrong("a text")
    called = str(name.value) if name is not None and name.value else f"check {number}"
    files = members["files"].texts() if "files" in members else ()
    rules = members["rules"]
    if rules.mapping is None and not rules.is_empty:
        raise rules.wrong("a mapping of rules by their names")
    return Check(called, files, rules_from(rules.mapping or {}, f"{told.source}: {short(called)}", told.load))


def _check_plain(document: object, source: str) -> None:
    """Refuse what JSON has not: keys that are no texts, bytes, and objects of some class."""
    waiting = [document]
    while waiting:
        value = waiting.pop()
        keys, held = _inner(value)
        wrong = [key for key in keys if not isinstance(key, str)]
        if isinstance(value, bytes | Unbuilt):
            wrong = [value]
        if wrong:
            raise ConfigError(f"{source} has {short(repr(wrong[0]))}.\n  to fix   write keys and values in quotes")
        waiting += held


def _inner(value: object) -> tuple[list[object], list[object]]:
    """Return the keys and the values, or elements, that a value holds."""
    if isinstance(value, dict):
        mapping = cast("dict[object, object]", value)
        return list(mapping), list(mapping.values())
    return [], cast("list[object]", value) if isinstance(value, list) else []
