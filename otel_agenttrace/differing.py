"""Where two requests part, and how much of them is the same. Stored requests in, JSON pointers and shares out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final

from otel_agenttrace.jsonvalue import Json, canonical, inner_json, parse
from otel_agenttrace.model import HttpRequest

__all__ = ["Difference", "differences", "differences_of", "first_difference", "similarity"]


@dataclass(frozen=True, slots=True)
class Difference:
    """A place where two JSON values differ; texts are shortened JSON.

    The pointer goes on into a string that holds JSON: `/messages/3/content/id`. Where a list is longer or a string's JSON
    is only written in another way, it is the place of the list's end or of the string. `method` and `target` are no
    pointers.
    """

    pointer: str
    recorded: str
    asked: str


def first_difference(recorded: HttpRequest, asked: HttpRequest) -> Difference | None:
    """Return the first place where two requests differ, or None if they do not."""
    return next(differences(recorded, asked), None)


def differences(recorded: HttpRequest, asked: HttpRequest) -> Iterator[Difference]:
    """Yield each place where two requests differ: method and target, then the body in order of its pointers."""
    for name in ("method", "target"):
        left, right = getattr(recorded, name), getattr(asked, name)
        if left != right:
            yield Difference(name, left, right)
    yield from differences_of(_value(recorded.body), _value(asked.body))


def _value(text: str) -> Json:
    return parse(text) if text else None


def differences_of(recorded: Json, asked: Json) -> Iterator[Difference]:
    """Yield each place where two JSON values differ, in order of the pointers."""
    waiting: list[tuple[str, Json, Json]] = [("", recorded, asked)]
    while waiting:
        at, left, right = waiting.pop()
        if isinstance(left, dict) and isinstance(right, dict):
            waiting += reversed([_member(at, left, right, key) for key in sorted({*left, *right})])
        elif isinstance(left, list) and isinstance(right, list):
            if len(left) != len(right):
                end = min(len(left), len(right))
                waiting.append((f"{at}/{end}", _Told(f"{len(left)} items"), _Told(f"{len(right)} items")))
            both = zip(left, right, strict=False)
            waiting += reversed([(f"{at}/{index}", one, other) for index, (one, other) in enumerate(both)])
        elif canonical(left) != canonical(right):
            inner = _inner(left, right)
            if inner is None:
                yield Difference(at or "/", _short(left), _short(right))
            else:
                waiting.append((at, *inner))


def _inner(left: Json, right: Json) -> tuple[Json, Json] | None:
    """Return what two strings of JSON hold, if both do, of the same kind, and not the same."""
    one, other = inner_json(left), inner_json(right)
    if one is None or type(one) is not type(other) or canonical(one) == canonical(other):
        return None
    return one, other


class _Told(str):
    """What is shown in the place of a value, as it is."""

    __slots__ = ()


_NOTHING: Final = _Told("(absent)")


def _member(at: str, left: Mapping[str, Json], right: Mapping[str, Json], key: str) -> tuple[str, Json, Json]:
    pointer = f"{at}/{key.replace('~', '~0').replace('/', '~1')}"
    return pointer, left.get(key, _NOTHING), right.get(key, _NOTHING)


def _short(value: Json, limit: int = 80) -> str:
    text = value if isinstance(value, _Told) else canonical(value)
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def similarity(left: HttpRequest, right: HttpRequest) -> float:
    """Return how much of two requests is the same, 0 to 1, by their lines of canonical JSON members."""
    one, other = _leaves(left), _leaves(right)
    return len(one & other) / max(len(one | other), 1)


@lru_cache(maxsize=512)
def _leaves(request: HttpRequest) -> frozenset[str]:
    return frozenset((request.method, request.target, *_walk(_value(request.body), "")))


def _walk(value: Json, at: str) -> Iterator[str]:
    if isinstance(value, dict):
        for key, member in value.items():
            yield from _walk(member, f"{at}/{key}")
    elif isinstance(value, list):
        for index, element in enumerate(value):
            yield from _walk(element, f"{at}/{index}")
    else:
        yield f"{at}={canonical(value)}"
