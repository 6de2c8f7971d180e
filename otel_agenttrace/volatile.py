"""What of a request changes from run to run: presets and rules of the user's own. Stored request in, its steady text out.

It serves the second look only, after no exact key was found: whoever is answered through it is told so, as a drift. So
the presets are tight: what may be a word, a number, a price or a date of a question stays.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, TypeAlias, cast
from urllib.parse import urlsplit

from otel_agenttrace.errors import ConfigError
from otel_agenttrace.jsonvalue import Json, canonical, inner_json, parse
from otel_agenttrace.patterns import expression

if TYPE_CHECKING:
    from otel_agenttrace.model import HttpRequest

__all__ = [
    "MATCH_ACTIONS",
    "NO_RULES",
    "RANDOM_ID",
    "MatchRule",
    "MatchRules",
    "is_random",
    "steady_target",
    "steady_value",
    "steps_of",
    "tool_result_of",
]

MATCH_ACTIONS: Final = ("ignore", "pattern")


# --- presets --------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Preset:
    """What is known of an API: how its ids begin, and where its requests hold what a tool gave.

    A result is the member `held` of an object whose member `marker` is `value`.
    """

    ids: tuple[str, ...] = ()
    results: tuple[tuple[str, str, str], ...] = ()


_PRESETS: Final[Mapping[str, _Preset]] = {
    "openai": _Preset(
        ("call", "resp", "msg", "req", "rs", "fc", "chatcmpl", "run", "thread", "batch"),
        (
            ("role", "tool", "content"),
            ("role", "function", "content"),
            ("type", "function_call_output", "output"),
            ("type", "custom_tool_call_output", "output"),
            ("type", "local_shell_call_output", "output"),
            ("type", "shell_call_output", "output"),
        ),
    ),
    "anthropic": _Preset(
        ("toolu", "srvtoolu", "msg", "req", "msgbatch"),
        (("type", "tool_result", "content"), ("type", "mcp_tool_result", "content")),
    ),
    "generic": _Preset(("gen",)),
}
"""All of them hold for every request: gateways speak one API and hand on the ids of another."""

_RESULTS: Final = {(marker, value): held for preset in _PRESETS.values() for marker, value, held in preset.results}
_MARKERS: Final = tuple(sorted({marker for marker, _ in _RESULTS}))
# The expressions stay texts until one is used: a start that meets no drift pays for none of them.
_PREFIXED: Final = rf"(?:{'|'.join(sorted({prefix for preset in _PRESETS.values() for prefix in preset.ids}))})[-_]"
RANDOM_ID: Final = rf"{_PREFIXED}(?=[a-zA-Z]*\d)(?=\d*[a-zA-Z])[a-zA-Z0-9]{{16,}}"
"""An id that a provider draws by lot, as an expression; wherever it stands in a text, it is no difference."""
_DAYS: Final = "(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_MONTHS: Final = "(?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec)"
# What stands before a path is looked at behind its first sign: so most places of a text are passed at once.
_TEMPORARY: Final = (
    r"/(?<![\w.-]/)(?:private/)?(?:var/folders/[^/\s\"']+/[^/\s\"']+/\w/|(?:var/)?tmp/)"
    r"(?:pytest-of-[^/\s\"']+/pytest-\d+|tmp[\w-]{6,}(?:\.\w+)?|(?=[^/\s\"'\\]*\d)[^/\s\"'\\]+(?=/))"
    r"|[A-Za-z]:\\(?<!\w\w:\\)Users\\[^\\\s\"']+\\AppData\\Local\\Temp\\(?:tmp[\w-]{6,}|(?=[^\\\s\"']*\d)[^\\\s\"']+(?=\\))"
)
_ANYWHERE: Final = (
    r"(?P<time>\d{4}-\d\d-\d\d(?:T\d\d:\d\d(?:Z|[+-]\d\d:?\d\d)|[T ]\d\d:\d\d:\d\d(?:[.,]\d+)?(?: ?(?:Z|UTC|[+-]\d\d:?\d\d))?)"
    r"|\b\d{8}T\d{6}Z?\b"
    rf"|\b(?:{_DAYS}, )?\d\d? {_MONTHS} \d{{4}} \d\d:\d\d:\d\d(?: (?:[+-]\d{{4}}|[A-Z]{{1,4}}\b))?)"
    r"|(?P<uuid>\b[0-9a-fA-F]{8}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{4}-[0-9a-fA-F]{12}\b)"
    rf"|(?P<id>\b{RANDOM_ID}\b)"
    rf"|(?P<path>{_TEMPORARY})"
    r"|\[REDACTED:(?P<secret>[\w-]+)(?P<digest>:[0-9a-f]{8})?\]"
)
_SIGN: Final = (
    r"[-_/\\\[:T](?:(?<=\d[:T])\d|(?<=[-_])[a-zA-Z0-9]{16}|(?<=-)[0-9a-fA-F]{4}-|(?<=/)(?:tmp|var/folders)/|(?<=\\)Temp\\"
    r"|(?<=\[)REDACTED:)"
)
"""What each of them has in it: where it is not, and that is known in a tenth of the time, none of them is."""
_HUMAN: Final = "batch|gen|req|run|thread"
"""What people call things too: `run_42` is one of theirs, unless it is long."""

_ID_MEMBERS: Final = frozenset({"id", "call_id", "tool_call_id", "tool_use_id", "previous_response_id"})
_ID_VALUE: Final = rf"(?!(?:{_HUMAN})[-_][\w-]{{1,15}}$){_PREFIXED}(?=[\w-]*\d)[\w-]+"

# What follows holds only where a name tells what a value is; the names are compared in snake_case.
_TIME_NAME: Final = (
    r"(?:\w+_)?(?:timestamp|ts|epoch|iat|exp|nbf|datetime|time|created|updated|modified|expires)(?:_(?:s|ms|us|ns|seconds|millis))?"
    r"|\w+_at(?:_(?:s|ms|us|ns))?"
)
_EPOCHS: Final = tuple((10 * unit, 26 * unit) for unit in (10**8, 10**11, 10**14, 10**17))
"""From 2001 to 2052 in seconds, milliseconds, microseconds and nanoseconds."""

# In what a tool gave, and only there, because a question may be about an id.
_ID_NAME: Final = r"(?:\w+_)?(?:id|uuid|guid|ulid|nonce|etag)"
_TOLD: Final = r"(?P<name>\b[A-Za-z][\w-]*)(?P<between>[\"']?\s?[:=]\s?[\"']?)(?P<value>[\w-]{8,64}(?:\.\d+)?)(?![\w-])"
_TOLD_SIGN: Final = r"[:=]\s?[\"']?[\w-]{8}"
_HEX: Final = r"(?=[0-9a-fA-F]*[0-9])(?=[0-9a-fA-F]*[a-fA-F])[0-9a-fA-F]{8,}"
_DIGITS: Final = r"\d{10,19}(?:\.\d+)?"


_REMEMBERED: Final = 1 << 13
"""Texts up to this length are remembered, so that all of them together take little memory."""


@lru_cache(maxsize=4096)
def _is_steady(text: str) -> bool:
    """Whether nothing in a text changes from run to run. A conversation hands on what was said, so most texts come again."""
    return re.search(_SIGN, text) is None or re.search(_ANYWHERE, text) is None


class _Ids:
    """The ids of one request, numbered as they come: two runs may call them otherwise, but not mix them up."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def name(self, value: str, kind: str = "id") -> str:
        """Return what stands for an id."""
        return f"<{kind} {self._numbers.setdefault(value, len(self._numbers) + 1)}>"

    def steady(self, text: str) -> str:
        """Return a text without times, ids, temporary paths and digests of secrets."""
        is_steady = len(text) <= _REMEMBERED and _is_steady(text)
        return text if is_steady else re.sub(_ANYWHERE, self._stand_in, text)

    def _stand_in(self, found: re.Match[str]) -> str:
        if found.lastgroup in ("id", "uuid"):
            return self.name(found[0], found.lastgroup)
        if found.lastgroup == "path" and re.split(r"[/\\]", found[0])[-1].isdecimal():  # a year, the number of a case
            return found[0]
        if found["secret"]:  # what a digest tells apart may have been found as another kind, by other rules
            return "<secret>" if found["digest"] else f"<{found['secret']}>"
        return f"<{found.lastgroup}>"


def _snake(name: str) -> str:
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).replace("-", "_").lower()


def _is_epoch(name: str, value: float) -> bool:
    return any(begin <= value < end for begin, end in _EPOCHS) and re.fullmatch(_TIME_NAME, _snake(name)) is not None


def is_random(value: str) -> bool:
    """Whether a value has a piece that no person would write: hex, or letters and digits that change three times."""
    return any(
        len(piece) >= 8 and (re.fullmatch(_HEX, piece) is not None or len(re.findall(r"\d+|[A-Za-z]+", piece)) > 3)
        for piece in re.split(r"[-_.:]", value)
    )


def _named(name: str, value: str, ids: _Ids, *, of_tool: bool) -> str | None:
    """Return what stands for the text of a member whose name tells what it is, or None where it stays."""
    if name in _ID_MEMBERS and re.fullmatch(_ID_VALUE, value):
        return ids.name(value)
    if re.fullmatch(_DIGITS, value) and _is_epoch(name, float(value)):
        return "<time>"
    return ids.name(value) if of_tool and re.fullmatch(_ID_NAME, _snake(name)) and is_random(value) else None


def _steady(value: Json, ids: _Ids, name: str = "", *, of_tool: bool = False) -> Json:
    """Return a value without what changes from run to run; `of_tool` says whether a tool gave it."""
    if isinstance(value, str):
        return _steady_string(value, ids, name, of_tool=of_tool)
    if isinstance(value, dict):
        return _steady_object(value, ids, of_tool=of_tool)
    if isinstance(value, list):
        return [_steady(element, ids, name, of_tool=of_tool) for element in value]
    if isinstance(value, int | float) and not isinstance(value, bool) and _is_epoch(name, value):
        return "<time>"
    return value


def tool_result_of(value: Mapping[str, Json]) -> frozenset[str | None]:
    """Return the names of the members of an object that hold what a tool gave."""
    return frozenset(_RESULTS.get((marker, str(value[marker]))) for marker in _MARKERS if marker in value)


def _steady_object(value: dict[str, Json], ids: _Ids, *, of_tool: bool) -> dict[str, Json]:
    held = tool_result_of(value)
    members: dict[str, Json] = {}
    for key, member in value.items():
        steady = _Ids().steady(key)
        if steady in members:  # two ids as names are two members
            steady = f"{steady} {len(members)}"
        members[steady] = _steady(member, ids, key, of_tool=of_tool or key in held)
    return members


def _steady_string(value: str, ids: _Ids, name: str, *, of_tool: bool) -> str:
    named = _named(name, value, ids, of_tool=of_tool)
    if named is not None:
        return named
    if not of_tool:
        return ids.steady(value)
    inner = inner_json(value)
    if inner is None:
        steady = ids.steady(value)
        return re.sub(_TOLD, lambda found: _told(found, ids), steady) if re.search(_TOLD_SIGN, steady) else steady
    steady = _steady(inner, ids, name, of_tool=True)
    return value if steady == inner else canonical(steady)


def _told(found: re.Match[str], ids: _Ids) -> str:
    named = _named(found["name"], found["value"], ids, of_tool=True)
    return found[0] if named is None else f"{found['name']}{found['between']}{named}"


# --- rules of the user's own ----------------------------------------------------------------------------------------

Action: TypeAlias = "Literal['ignore', 'pattern'] | Callable[[Json], Json]"


@dataclass(frozen=True, slots=True)
class MatchRule:
    """A place of request bodies that may change from run to run.

    `pointer` is a JSON pointer into the body, in which `*` stands for one key or index and `**` for any number of them;
    it goes on into a string that holds JSON: `/messages/*/content/id`. `url` is a pattern of host and path,
    `api.example.com/v1/*`; without it the rule holds everywhere.

    `action` says what is done there before two requests are compared: `ignore` leaves the place out, `pattern` takes what
    the regular expression `pattern` finds out of its text, a function gives the value that counts instead.

    Raises:
        ConfigError: If the rule has no meaning.
    """

    pointer: str
    action: Action = "ignore"
    pattern: str | None = None
    url: str | None = None

    def __post_init__(self) -> None:
        steps_of(self.pointer)
        if not callable(self.action) and self.action not in MATCH_ACTIONS:
            raise ConfigError(f"action is {self.action!r}.\n  to fix   one of {', '.join(MATCH_ACTIONS)}")
        if (self.action == "pattern") != (self.pattern is not None):
            meant = "pattern is missing" if self.pattern is None else f"pattern is not read by action {self.action!r}"
            raise ConfigError(f'{meant}.\n  to fix   action = "pattern" and pattern = a regular expression, or neither')
        try:
            expression(self.pattern or "")
        except ValueError as error:
            raise ConfigError(
                f"pattern is {self.pattern!r}, no regular expression: {error}.\n  to fix   mend it, as in '[0-9]+'"
            ) from None


@dataclass(frozen=True, slots=True)
class MatchRules:
    """The rules of a run, on top of the presets."""

    rules: tuple[MatchRule, ...] = ()

    def normalise(self, request: HttpRequest) -> str:
        """Return the text of a request that stays the same from run to run: method, target and body, a line each."""
        return f"{request.method}\n{steady_target(request)}\n{canonical(self.steady_body(request))}"

    def steady_body(self, request: HttpRequest) -> Json:
        """Return the body of a request without what changes from run to run; one nested too deep as steady text."""
        if not request.body:
            return None
        try:
            value = parse(request.body)
        except ValueError:
            return _Ids().steady(request.body)
        try:
            for rule in self.rules:
                if rule.url is None or fnmatchcase(_place(request), rule.url):
                    value = _applied(value, steps_of(rule.pointer), rule)
            return _steady(None if value is _GONE else value, _Ids())
        except RecursionError:
            return _Ids().steady(request.body)


NO_RULES: Final = MatchRules()


def steady_target(request: HttpRequest) -> str:
    """Return path and query of a request without what changes from run to run."""
    return _Ids().steady(request.target)


def steady_value(value: Json) -> Json:
    """Return a text, or another JSON value, without what changes from run to run."""
    return _steady(value, _Ids())


def _place(request: HttpRequest) -> str:
    parts = urlsplit(request.url)
    return f"{parts.hostname or ''}{parts.path}"


def steps_of(pointer: str) -> tuple[str, ...]:
    """Return the keys and indexes of a JSON pointer.

    Raises:
        ConfigError: If it is none.
    """
    if not pointer.startswith("/") or re.search(r"~(?![01])", pointer):
        raise ConfigError(
            f"pointer is {pointer!r}, no JSON pointer.\n  to fix   /metadata/session or /messages/*/content, ~1 for / and ~0 for ~"
        )
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in pointer.split("/")[1:])


_GONE: Final = cast("Json", object())
"""What an ignored place leaves behind: a member is left out, an element of a list stays as null."""


def _applied(value: Json, steps: tuple[str, ...], rule: MatchRule) -> Json:
    """Return a value with a rule applied wherever the steps lead."""
    if not steps:
        return _acted(value, rule)
    step, rest = steps[0], steps[1:]
    if step == "**":
        value = _applied(value, rest, rule)
        rest = steps
    if isinstance(value, dict):
        members = value
        changed = {
            key: _applied(member, rest, rule) if step in ("*", "**", key) else member for key, member in members.items()
        }
        return {key: member for key, member in changed.items() if member is not _GONE}
    if isinstance(value, list):
        elements = [
            _applied(element, rest, rule) if step in ("*", "**", str(index)) else element
            for index, element in enumerate(value)
        ]
        return [None if element is _GONE else element for element in elements]
    inner = inner_json(value)
    if inner is None:
        return value
    changed = _applied(inner, steps, rule)
    return value if changed == inner else canonical(changed)


def _acted(value: Json, rule: MatchRule) -> Json:
    if callable(rule.action):
        return rule.action(value)
    if rule.action == "ignore":
        return _GONE
    if isinstance(value, dict | list):
        return value
    text = value if isinstance(value, str) else canonical(value)
    changed = re.sub(rule.pattern or "", "<pattern>", text)
    return value if changed == text else changed
