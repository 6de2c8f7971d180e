"""Align two sequences by what makes their elements the same, the sharpest sense first. Elements in, pairs of places out.

In each sense it is a patience diff: what stands once on both sides holds the rest in place, and between two such places
the shortest edit is looked for (Myers, An O(ND) difference algorithm and its variations, Algorithmica 1 (1986), 251-266),
within a bound, so that the time is near linear for runs that are alike, and never quadratic.
"""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Hashable, Iterator, Sequence
from typing import Final, TypeAlias, TypeVar

__all__ = ["Places", "aligned", "common"]

_Element = TypeVar("_Element")
Places: TypeAlias = "tuple[int, int]"
"""Where an element stands on the left and on the right."""
_Gap: TypeAlias = "tuple[int, int, int, int]"
_MOST_EDITS: Final = 200


def aligned(
    left: Sequence[_Element], right: Sequence[_Element], senses: Sequence[Callable[[_Element], Hashable]]
) -> tuple[Places, ...]:
    """Return the places of the elements that belong together, in order; the rest stands on one side alone.

    Args:
        left: The elements of one side.
        right: Those of the other.
        senses: What makes two elements the same, the sharpest sense first, the wider ones behind it; each is asked only for
            elements that are not paired yet, and holds between its neighbours that are. An element for which it says None
            is like no other. Of two that stand alone between others, the widest is asked first.
    """
    found: list[Places] = []
    gaps: list[_Gap] = [(0, len(left), 0, len(right))]
    for number, sense in enumerate(senses):
        waiting, gaps = gaps, []
        for gap in waiting:
            begin, end, first, last = gap
            if end - begin == last - first == 1:  # in which sense makes no difference, and a wide one is cheap
                if any(_is_same(left[begin], right[first], each) for each in reversed(senses[number:])):
                    found.append((begin, first))
                continue
            numbers: dict[Hashable, int] = {}  # they are compared and counted many times
            ours, theirs = (
                [numbers.setdefault(object() if (key := sense(each)) is None else key, len(numbers)) for each in row]
                for row in (left[begin:end], right[first:last])
            )
            pairs = common(ours, theirs)
            if begin or first:
                pairs = [(begin + one, first + other) for one, other in pairs]
            found += pairs
            gaps += _between(pairs, gap)
    return tuple(sorted(found))


def _is_same(one: _Element, other: _Element, sense: Callable[[_Element], Hashable]) -> bool:
    key = sense(one)
    return key is not None and key == sense(other)


def _between(pairs: Sequence[Places], gap: _Gap) -> Iterator[_Gap]:
    """Yield what of a gap is left between the pairs found in it, where both sides have something there."""
    begin, end, first, last = gap
    for one, other in (*pairs, (end, last)):
        if begin < one and first < other:
            yield begin, one, first, other
        begin, first = one + 1, other + 1


def common(left: Sequence[Hashable], right: Sequence[Hashable]) -> tuple[Places, ...]:
    """Return where a common subsequence of two sequences stands: the longest, or nearly."""
    found: list[Places] = []
    waiting: list[_Gap] = [(0, len(left), 0, len(right))]
    while waiting:
        begin, end, first, last = waiting.pop()
        while begin < end and first < last and left[begin] == right[first]:
            found.append((begin, first))
            begin, first = begin + 1, first + 1
        while begin < end and first < last and left[end - 1] == right[last - 1]:
            end, last = end - 1, last - 1
            found.append((end, last))
        if {*left[begin:end]}.isdisjoint(right[first:last]):
            continue
        inner = [(begin + one, first + other) for one, other in _anchors(left[begin:end], right[first:last])]
        if inner:
            found += inner
            waiting += _between(inner, (begin, end, first, last))
        else:
            edited = _edited(left[begin:end], right[first:last])
            found += [(begin + one, first + other) for one, other in edited]
    return tuple(sorted(found))


def _anchors(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[Places]:
    """Return the longest rising run of elements that stand once on each side."""
    ours, theirs = Counter(left), Counter(right)
    place_of = {key: place for place, key in enumerate(right) if theirs[key] == 1}
    pairs = [(place, place_of[key]) for place, key in enumerate(left) if ours[key] == 1 and key in place_of]
    ends: list[int] = []
    best: list[int] = []
    before: list[int | None] = []
    for number, (_, other) in enumerate(pairs):
        length = bisect_left(ends, other)
        before.append(best[length - 1] if length else None)
        ends[length : length + 1] = [other]
        best[length : length + 1] = [number]
    run: list[Places] = []
    at = best[-1] if best else None
    while at is not None:
        run.append(pairs[at])
        at = before[at]
    return run[::-1]


def _edited(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[Places]:
    """Return what the shortest edit keeps; where it is longer than the bound, what can be kept going on in both."""
    reached = {1: 0}
    steps: list[dict[int, int]] = []
    for edits in range(min(len(left) + len(right), _MOST_EDITS) + 1):
        steps.append(dict(reached))
        for diagonal in range(-edits, edits + 1, 2):
            place = _further(reached, diagonal, edits)
            while place < len(left) and 0 <= place - diagonal < len(right) and left[place] == right[place - diagonal]:
                place += 1
            reached[diagonal] = place
            if place >= len(left) and place - diagonal >= len(right):
                return _kept(steps, len(left), len(right))
    return _in_step(left, right)


def _further(reached: dict[int, int], diagonal: int, edits: int) -> int:
    if diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1]):
        return reached[diagonal + 1]
    return reached[diagonal - 1] + 1


def _kept(steps: Sequence[dict[int, int]], end: int, last: int) -> list[Places]:
    kept: list[Places] = []
    for edits in range(len(steps) - 1, -1, -1):
        reached, diagonal = steps[edits], end - last
        if edits == 0:
            begin, first = 0, 0
        else:
            is_down = diagonal == -edits or (diagonal != edits and reached[diagonal - 1] < reached[diagonal + 1])
            came = diagonal + 1 if is_down else diagonal - 1
            begin, first = reached[came], reached[came] - came
        while end > begin and last > first:
            end, last = end - 1, last - 1
            kept.append((end, last))
        end, last = begin, first
    return kept[::-1]


def _in_step(left: Sequence[Hashable], right: Sequence[Hashable]) -> list[Places]:
    places: dict[Hashable, list[int]] = {}
    for place, key in enumerate(right):
        places.setdefault(key, []).append(place)
    kept: list[Places] = []
    first = 0
    for place, key in enumerate(left):
        at = places.get(key, [])
        found = bisect_left(at, first)
        if found < len(at):
            kept.append((place, at[found]))
            first = at[found] + 1
    return kept
