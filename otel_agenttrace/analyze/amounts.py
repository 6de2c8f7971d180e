"""Tell whether a call only asks for other amounts than one that failed. The arguments of both and the failure in, yes or no out."""

from __future__ import annotations

import re
from collections.abc import Set
from typing import Final

from otel_agenttrace.analyze.leaves import leaf_texts
from otel_agenttrace.jsonvalue import Json

__all__ = ["only_amounts_differ"]

_WORDS: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_DIGIT: Final = re.compile(r"\d")
_NUMBER: Final = re.compile(r"[+-]?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?")
_DATE: Final = re.compile(r"\d{4}-\d\d?-\d\d?(?:[T ]\S+)?")
_AMOUNTS: Final = frozenset(
    [
        "amount",
        "amounts",
        "attempts",
        "balance",
        "budget",
        "bytes",
        "cents",
        "chars",
        "cost",
        "count",
        "days",
        "delay",
        "depth",
        "duration",
        "fee",
        "fees",
        "height",
        "hours",
        "length",
        "limit",
        "lines",
        "max",
        "maximum",
        "min",
        "minimum",
        "minutes",
        "money",
        "ms",
        "nights",
        "percent",
        "price",
        "quantity",
        "qty",
        "radius",
        "range",
        "rate",
        "results",
        "retries",
        "score",
        "seconds",
        "size",
        "sum",
        "temperature",
        "threshold",
        "timeout",
        "tokens",
        "top",
        "total",
        "usd",
        "volume",
        "wait",
        "weight",
        "width",
    ]
)
"""Words in the name of an argument that is so much of something."""
_NAMES: Final = frozenset({"code", "id", "ids", "key", "ref", "uuid"})
"""Words in the name of an argument that is one thing of many, whatever else the name says: `price_id`."""
_DATES: Final = frozenset({"date", "dates", "future", "past"})
_ENTRY: Final = re.compile(r".*/\d+")


def only_amounts_differ(failed: Json, again: Json, failure: str) -> bool:
    """Whether a call means what the failed one meant, with other amounts: its ids and places are the same.

    An amount is a number by the name of its argument, or a date if the failure speaks of dates and not of this one. Where
    the failure speaks of an amount in an entry of a list, the entry counts as one: the rest of a price, paid by another card.
    """
    before, after = ({leaf.pointer: leaf.text for leaf in leaf_texts(each)} for each in (failed, again))
    places = {*before, *after}
    changed = {place for place in places if before.get(place) != after.get(place)}
    amounts = {
        place
        for place in changed
        if all(_is_amount(place, side[place], failure) for side in (before, after) if place in side)
    }
    entries = {_holder(place) for place in amounts if _words(_name(place)) & _AMOUNTS & _words(failure)}
    entries = {entry for entry in entries if _ENTRY.fullmatch(entry)}
    others = changed - amounts
    has_kept_id = any(_DIGIT.search(before[place]) for place in places - changed if _holder(place) not in entries)
    return not others or (has_kept_id and all(_holder(place) in entries for place in others))


def _is_amount(place: str, value: str, failure: str) -> bool:
    if _DATE.fullmatch(value):
        return value not in failure and not _words(failure).isdisjoint(_DATES)
    words = _words(_name(place))
    return _NUMBER.fullmatch(value) is not None and not words.isdisjoint(_AMOUNTS) and words.isdisjoint(_NAMES)


def _holder(place: str) -> str:
    return place.rpartition("/")[0]


def _name(place: str) -> str:
    """Return the name of an argument, for an item of a list that of the list."""
    return next((piece for piece in reversed(place.split("/")) if not piece.isdigit()), "")


def _words(text: str) -> Set[str]:
    return {word.lower() for word in _WORDS.findall(text)}
