"""Read the single values of a JSON value, each with its place. JSON in, texts with JSON pointers out."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from otel_agenttrace.jsonvalue import Json, array, canonical, inner_json, obj

__all__ = ["Leaf", "leaf_texts"]


@dataclass(frozen=True, slots=True)
class Leaf:
    """A text or a number, and the JSON pointer to it; that of a whole text is empty."""

    text: str
    pointer: str


def leaf_texts(value: Json) -> Iterator[Leaf]:
    """Yield the texts and numbers of a value, in order; JSON inside a text is walked too."""
    waiting: list[tuple[Json, str]] = [(value, "")]
    while waiting:
        each, pointer = waiting.pop()
        inner = inner_json(each)
        if inner is not None:
            waiting.append((inner, pointer))
        elif isinstance(each, str):
            yield Leaf(each, pointer)
        elif isinstance(each, int | float) and not isinstance(each, bool):
            yield Leaf(canonical(each), pointer)
        elif members := obj(each):
            told = ((member, f"{pointer}/{_written(name)}") for name, member in members.items())
            waiting += reversed(list(told))
        else:
            waiting += reversed([(item, f"{pointer}/{place}") for place, item in enumerate(array(each))])


def _written(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
