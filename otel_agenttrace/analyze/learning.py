"""Learn match rules from two recordings of the same run. Requests of both in, the places that moved and their rules out."""

from __future__ import annotations

import json
import re
from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias, cast

from otel_agenttrace.differing import differences_of, similarity
from otel_agenttrace.jsonvalue import Json, canonical, digits, inner_json, parse
from otel_agenttrace.matching import key_of, normalised_key
from otel_agenttrace.model import HttpRequest
from otel_agenttrace.volatile import (
    NO_RULES,
    MatchRule,
    MatchRules,
    is_random,
    steady_target,
    steps_of,
    tool_result_of,
)

__all__ = ["Learning", "Move", "learn", "rules_toml"]

Refusal: TypeAlias = Literal["content", "length", "address"]
"""Why a place that moved is not proposed: it says what is asked for; a list is longer; it is method or path."""

_Steps: TypeAlias = "tuple[str, ...]"
_Pair: TypeAlias = "tuple[HttpRequest, HttpRequest]"


@dataclass(frozen=True, slots=True)
class Move:
    """A place that differs between two runs: how often, an example of each (shortened JSON), and the rule for it."""

    pointer: str
    left: str
    right: str
    times: int
    refused: Refusal | None = None
    rule: MatchRule | None = None


@dataclass(frozen=True, slots=True)
class Learning:
    """What two recordings teach: `pairs` of calls compared, how many of each have no partner, and what moved."""

    pairs: int
    unpaired: tuple[int, int]
    moves: tuple[Move, ...]

    @property
    def proposed(self) -> tuple[Move, ...]:
        """The moves that a rule is proposed for."""
        return tuple(move for move in self.moves if move.rule is not None)

    @property
    def rules(self) -> tuple[MatchRule, ...]:
        """The proposed rules."""
        return tuple(move.rule for move in self.moves if move.rule is not None)


def learn(
    left: Sequence[HttpRequest], right: Sequence[HttpRequest], rules: MatchRules = NO_RULES, *, everything: bool = False
) -> Learning:
    """Return what moved between two recordings of the same run, beyond the presets and the rules there are.

    Args:
        left: The requests of one recording, in order of their start.
        right: Those of the other.
        rules: What is known to move.
        everything: Whether rules are proposed for content too: for what says what is asked for.
    """
    pairs = list(_pairs(left, right, rules))
    bodies = [(_body(one), _body(other)) for one, other in pairs]
    found: defaultdict[_Steps, list[_Found]] = defaultdict(list)
    addresses: list[Move] = []
    for (one, other), (body, other_body) in zip(pairs, bodies, strict=True):
        if steady_target(one) != steady_target(other):
            addresses.append(Move("target", one.target, other.target, 1, "address"))
        for difference in differences_of(rules.steady_body(one), rules.steady_body(other)):
            steps = steps_of(difference.pointer) if difference.pointer != "/" else ()
            found[_shape(body, steps)].append(_Found(steps, body, other_body))
    moves = [move for shape, group in found.items() for move in _moves(shape, group, bodies, everything=everything)]
    paired = len(pairs)
    return Learning(paired, (len(left) - paired, len(right) - paired), (*dict.fromkeys(addresses), *moves))


# --- which calls belong together --------------------------------------------------------------------------------------


def _pairs(left: Sequence[HttpRequest], right: Sequence[HttpRequest], rules: MatchRules) -> Iterator[_Pair]:
    """Yield the calls that belong together: by exact key, then by normalised key, then the nearest in order."""
    rest, others = list(left), list(right)
    keys: tuple[Callable[[HttpRequest], str], ...] = (key_of, lambda request: normalised_key(request, rules))
    for key in keys:
        waiting: defaultdict[str, deque[HttpRequest]] = defaultdict(deque)
        for request in others:
            waiting[key(request)].append(request)
        unmatched: list[HttpRequest] = []
        for request in rest:
            same = waiting[key(request)]
            if same:
                yield request, same.popleft()
            else:
                unmatched.append(request)
        kept = {id(request) for queue in waiting.values() for request in queue}
        rest, others = unmatched, [request for request in others if id(request) in kept]
    for place, request in enumerate(rest):
        near = [
            (similarity(request, other), -abs(place - index), index)
            for index, other in enumerate(others)
            if (other.method, _path(other)) == (request.method, _path(request))
        ]
        if near:
            yield request, others.pop(max(near)[2])


def _path(request: HttpRequest) -> str:
    return request.target.partition("?")[0]


def _body(request: HttpRequest) -> Json:
    return parse(request.body) if request.body else None


# --- where they moved -------------------------------------------------------------------------------------------------

_STAR: Final = "*"
_NOWHERE: Final = cast("Json", object())


@dataclass(frozen=True, slots=True)
class _Found:
    """One place that differs between a pair of request bodies."""

    steps: _Steps
    left: Json
    right: Json

    @property
    def values(self) -> tuple[Json, Json]:
        """What stands there in both bodies."""
        return _at(self.left, self.steps), _at(self.right, self.steps)


def _below(value: Json, step: str) -> Json:
    """Return what stands one step below a value, or below the JSON that a string holds."""
    inner = inner_json(value)
    held = value if inner is None else inner
    if isinstance(held, dict):
        return held.get(step, _NOWHERE)
    if isinstance(held, list) and (at := digits(step)) is not None and at < len(held):
        return held[at]
    return _NOWHERE


def _is_list(value: Json) -> bool:
    return isinstance(value, list) or isinstance(inner_json(value), list)


def _at(value: Json, steps: _Steps) -> Json:
    for step in steps:
        value = _below(value, step)
    return value


def _shape(body: Json, steps: _Steps) -> _Steps:
    """Return the steps with a star for each index of a list."""
    return tuple(_STAR if _is_list(_at(body, steps[:place])) else step for place, step in enumerate(steps))


def _places(body: Json, shape: _Steps) -> Iterator[_Steps]:
    """Yield each place of a body that has a shape."""
    found: list[tuple[_Steps, Json]] = [((), body)]
    for step in shape:
        below: list[tuple[_Steps, Json]] = []
        for steps, value in found:
            inner = inner_json(value)
            held = value if inner is None else inner
            names = map(str, range(len(held))) if step == _STAR and isinstance(held, list) else (step,)
            below += [((*steps, name), _below(held, name)) for name in names]
        found = [(steps, value) for steps, value in below if value is not _NOWHERE]
    return (steps for steps, _ in found)


def _moves(
    shape: _Steps, group: list[_Found], bodies: Iterable[tuple[Json, Json]], *, everything: bool
) -> Iterator[Move]:
    """Yield one move for all places of a shape, if each of them moved alike, else one for each that did."""
    moved = {found.steps for found in group}
    is_everywhere = len(set(map(_refused, group))) == 1 and all(
        steps in moved for body, _ in bodies for steps in _places(body, shape)
    )
    by_pointer: defaultdict[_Steps, list[_Found]] = defaultdict(list)
    for found in group:
        by_pointer[shape if is_everywhere else found.steps].append(found)
    for steps, alike in by_pointer.items():
        yield _move(steps, alike, everything=everything)


def _move(steps: _Steps, alike: list[_Found], *, everything: bool) -> Move:
    pointer = "".join(f"/{step.replace('~', '~0').replace('/', '~1')}" for step in steps) or "/"
    examples = [each.values for each in alike]
    refused = _refused(alike[0])
    left, right = map(_told, examples[0])
    if refused is None or (refused == "content" and everything and steps):
        return Move(pointer, left, right, len(alike), rule=_rule(pointer, examples))
    return Move(pointer, left, right, len(alike), refused)


def _rule(pointer: str, examples: list[tuple[Json, Json]]) -> MatchRule:
    patterns = [pattern for values in examples if (pattern := _pattern(*values)) is not None]
    if len(patterns) < len(examples):
        return MatchRule(pointer)
    return MatchRule(pointer, "pattern", "|".join(dict.fromkeys(patterns)))


def _told(value: Json, limit: int = 60) -> str:
    text = "(absent)" if value is _NOWHERE else canonical(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


# --- what may be proposed ---------------------------------------------------------------------------------------------

_CONVERSATIONS: Final = ("messages", "input", "contents")
_OWN: Final = frozenset(
    {
        "conversation",
        "metadata",
        "previous_response_id",
        "prompt_cache_key",
        "safety_identifier",
        "seed",
        "session_id",
        "user",
    }
)
"""Members of a request that tell who asks, or when: whatever stands there is not what is asked for."""


def _refused(found: _Found) -> Refusal | None:
    """Return why no rule is proposed for a place, or None if one is."""
    left, right = found.values
    if _ends_a_list(found):
        return "length"
    if not found.steps:
        return "content"
    if _is_in_tool_result(found.left, found.steps):
        has_blanks = any(isinstance(value, str) and re.search(r"\s", value) for value in (left, right))
        return "content" if has_blanks and _pattern(left, right) is None else None
    if found.steps[0] in _OWN:
        return None
    return None if _is_token(left) and _is_token(right) and found.steps[0] not in _CONVERSATIONS else "content"


def _ends_a_list(found: _Found) -> bool:
    above = [_at(body, found.steps[:-1]) for body in (found.left, found.right)]
    return bool(found.steps) and all(map(_is_list, above)) and any(value is _NOWHERE for value in found.values)


def _is_in_tool_result(body: Json, steps: _Steps) -> bool:
    value = body
    for step in steps:
        if isinstance(value, dict) and step in tool_result_of(value):
            return True
        value = _below(value, step)
    return False


def _is_token(value: Json) -> bool:
    """Whether a value looks made by a machine: it is random, and no number or word that may be meant."""
    return isinstance(value, str) and is_random(value)


def _pattern(left: Json, right: Json) -> str | None:
    """Return what finds the words with digits by which two texts differ, or None if they differ by more."""
    if not isinstance(left, str) or not isinstance(right, str):
        return None
    words, others = (re.findall(r"\S+|\s+", text) for text in (left, right))
    if len(words) != len(others) or len(words) < 3:
        return None
    found: dict[str, None] = {}
    for place, (word, other) in enumerate(zip(words, others, strict=True)):
        if word == other:
            continue
        if not (re.search(r"\d", word) and re.search(r"\d", other)):
            return None
        before = _escaped("".join(words[max(place - 2, 0) : place])) if place else "^"
        found[f"{before}{_general(word, other)}"] = None
    pattern = "|".join(found)
    is_enough = re.sub(pattern, "", left) == re.sub(pattern, "", right)
    return pattern if is_enough else None


def _general(word: str, other: str) -> str:
    """Return an expression for both words: piece by piece where they are built alike, else anything."""
    pieces, others = (re.findall(r"\d+|[A-Za-z]+|[^A-Za-z\d]+", each) for each in (word, other))
    if len(pieces) != len(others):
        return r"\S+"
    return "".join(map(_general_piece, pieces, others))


def _general_piece(piece: str, other: str) -> str:
    if piece == other:
        return _escaped(piece)
    if piece.isdecimal() and other.isdecimal():
        return r"\d+"
    return "[A-Za-z]+" if piece.isalpha() and other.isalpha() else r"\S+"


def _escaped(text: str) -> str:
    return re.escape(text).replace(r"\ ", " ").replace(r"\-", "-")


# --- as settings ------------------------------------------------------------------------------------------------------


def rules_toml(rules: Iterable[MatchRule]) -> str:
    """Return rules as tables of pyproject.toml; actions that are functions have no place there."""
    return "\n".join(_table(rule) for rule in rules)


def _table(rule: MatchRule) -> str:
    members = {"pointer": rule.pointer, "action": str(rule.action), "pattern": rule.pattern, "url": rule.url}
    lines = [f"{name} = {_quoted(value)}" for name, value in members.items() if value is not None]
    return "\n".join(("[[tool.otel-agenttrace.match]]", *lines, ""))


def _quoted(value: str) -> str:
    """Return a TOML string: a literal one where its backslashes would be doubled else."""
    is_literal = "\\" in value and "'" not in value and value.isprintable()
    return f"'{value}'" if is_literal else json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
