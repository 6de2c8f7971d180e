"""Pair the acts of two runs that did the same work. Acts in, rows out: a pair, or an act of one run alone.

Acts are compared by all they say first, then by what they were given, as it was sent and then as it reads without ids, then by
what was said newest, then by name, each time under the same agents, and at last whoever they stand under. An attempt that
failed is not taken for one that did not while there is a better one: so a retry is what stands alone.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Sequence
from itertools import count
from typing import Any, NamedTuple, TypeAlias

from otel_agenttrace.analyze.acts import Act
from otel_agenttrace.analyze.alignment import Places, aligned
from otel_agenttrace.analyze.contents import Contents, given_by, given_to, written

__all__ = ["Row", "paired"]


class Row(NamedTuple):
    """An act of two runs, or of one.

    Attributes:
        old: The act of the old run.
        new: That of the new one.
        is_moved: Whether it stands at another place among the others.
        turn: Its place in an order that is the same from both sides, which is that of the rows of one of them.
    """

    old: Act | None
    new: Act | None
    is_moved: bool = False
    turn: int = 0


def paired(old: Sequence[Act], new: Sequence[Act], contents: Contents) -> tuple[Row, ...]:
    """Return the acts of two runs in the order of the old one, those of the new one alone where they came in."""
    senses = _senses(contents)
    # The shortest edit is not the same from both sides: which side is left may not depend on who asks.
    is_turned = list(map(senses[0], new)) < list(map(senses[0], old))
    left, right = (new, old) if is_turned else (old, new)
    pairs = list(aligned(left, right, senses))
    pairs += _of_same_groups(left, right, pairs)
    moved = _moved(left, right, pairs, contents)
    found = {pair: place >= len(pairs) for place, pair in enumerate([*pairs, *moved])}
    rows = _rows(left, right, found)
    if not is_turned:
        return tuple(rows)
    turns = {(row.new, row.old): row.turn for row in rows}
    turned = _rows(old, new, {(other, one): is_moved for (one, other), is_moved in found.items()})
    return tuple(Row(row.old, row.new, row.is_moved, turns[row.old, row.new]) for row in turned)


_Sense: TypeAlias = "Callable[[Act], tuple[Any, ...] | None]"


def _once(sense: _Sense) -> _Sense:
    kept: dict[int, tuple[Any, ...] | None] = {}

    def remembered(act: Act) -> tuple[Any, ...] | None:
        key = id(act)
        if key not in kept:
            kept[key] = sense(act)
        return kept[key]

    return remembered


def _senses(contents: Contents) -> tuple[_Sense, ...]:
    def given(act: Act) -> str:
        digests = act.span.call_digests if act.kind == "inference" else None
        return _question(act, contents) if digests is None else digests[0]

    def all_of(act: Act) -> tuple[Any, ...]:
        if act.kind != "inference":
            return *_named(act), written(given_to(act)), written(given_by(act))
        return *_named(act), *(act.span.call_digests or (given(act), _answer(act, contents)))

    def read(act: Act) -> tuple[Any, ...] | None:
        said = _question(act, contents) if act.kind == "inference" else ""  # of a tool that is what it was given
        return (*_named(act), said) if said else None

    def newest(act: Act) -> tuple[Any, ...] | None:
        said = contents.newest(act.span) if act.kind == "inference" else given(act)
        return None if said is None else (act.scope, act.kind, act.name, said)

    senses: tuple[_Sense, ...] = (
        all_of,
        lambda act: (*_named(act), given(act)),
        read,
        newest,
        _named,
        lambda act: (act.scope, act.kind, act.name),
        lambda act: (act.kind, act.name, given(act)),
        lambda act: (act.kind, act.name),
        lambda act: None if act.kind == "tool" else (act.kind,),
    )
    return tuple(map(_once, senses))


def _named(act: Act) -> tuple[Any, ...]:
    return act.scope, act.kind, act.name, act.is_error


def _question(act: Act, contents: Contents) -> str:
    """Return what an act was given, as it reads; "" of a model where it is not recorded."""
    return contents.question(act.span) if act.kind == "inference" else written(contents.arguments(act))


def _answer(act: Act, contents: Contents) -> str:
    return contents.answer(act.span) if act.kind == "inference" else written(contents.result(act))


def _of_same_groups(left: Sequence[Act], right: Sequence[Act], pairs: Sequence[Places]) -> Iterator[Places]:
    """Yield pairs of what stands alone in two groups that belong together: within a group the order means nothing."""
    partner = {left[one].group: right[other].group for one, other in pairs}
    taken = {other for _, other in pairs}
    alone: dict[Hashable, list[int]] = {}
    for place, act in enumerate(right):
        if place not in taken:
            alone.setdefault((act.group, act.kind, act.name), []).append(place)
    held = {one for one, _ in pairs}
    for place, act in enumerate(left):
        found = alone.get((partner.get(act.group), act.kind, act.name)) if place not in held else None
        if found:
            yield place, found.pop(0)


def _moved(left: Sequence[Act], right: Sequence[Act], pairs: Sequence[Places], contents: Contents) -> Iterator[Places]:
    """Yield pairs of what stands alone on both sides and says the same."""
    if len(pairs) == min(len(left), len(right)):
        return  # nothing stands alone on both, and to read it would be in vain

    def said(act: Act) -> Hashable:
        return *_named(act), _question(act, contents), _answer(act, contents)

    held, taken = {one for one, _ in pairs}, {other for _, other in pairs}
    alone: dict[Hashable, list[int]] = {}
    for place, act in enumerate(right):
        if place not in taken:
            alone.setdefault(said(act), []).append(place)
    for place, act in enumerate(left):
        found = alone.get(said(act)) if place not in held else None
        if found:
            yield place, found.pop(0)


def _rows(old: Sequence[Act], new: Sequence[Act], found: dict[Places, bool]) -> Iterator[Row]:
    partner = {one: (other, is_moved) for (one, other), is_moved in found.items()}
    came = sorted({*range(len(new))} - {other for _, other in found})
    turn = count()
    for place, act in enumerate(old):
        pair = partner.get(place)
        if pair is None:
            yield Row(act, None, False, next(turn))
            continue
        while came and came[0] < pair[0] and not pair[1]:
            yield Row(None, new[came.pop(0)], False, next(turn))
        yield Row(act, new[pair[0]], pair[1], next(turn))
    yield from (Row(None, new[place], False, next(turn)) for place in came)
