"""Which spans tell a call to a model once more. What each tells of its call in, the places of those not to be counted out.

Several instrumentations may tell one call: a provider's SDK, ours, one that tells it after the fact, or a framework whose
span stands around that of the SDK.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Final, NamedTuple

__all__ = ["Telling", "doubled"]


class Telling(NamedTuple):
    """What the span of a call to a model says of which call it is.

    Attributes:
        trace_id: Of the span.
        span_id: Of the span.
        parent_span_id: Of the span around it.
        start_ns: When it began.
        response_id: The provider's name of the answer.
        is_recorded: Whether what went over the wire is there: such a call counts for itself.
        is_counted: Whether it tells tokens.
        is_embedding: Whether it asked for vectors.
    """

    trace_id: str
    span_id: str
    parent_span_id: str | None
    start_ns: int
    response_id: str | None
    is_recorded: bool
    is_counted: bool
    is_embedding: bool


def doubled(tellings: Iterable[Telling]) -> frozenset[int]:
    """Return the places, from 0, of those that are not to be counted, in the memory of a few numbers for each.

    - A span around others of the same kind, each the parent of the next, tells their calls together: it is left out,
      unless it alone tells tokens. Then they are. What is recorded stays.
    - Of those with the same response id in a trace the first one counts; none, where a recorded call has that id.
    """
    seen = _Seen()
    for telling in tellings:
        seen.add(telling)
    if all(seen.is_recorded):
        return frozenset()
    around = frozenset(seen.around())
    return around | frozenset(seen.again(around))


def _numbers() -> array[int]:
    return array("q")


_UNNAMED: Final = 0
"""Stands for no response id, and for no span around."""
_TIMES: Final = 1 << 64
"""A time has 64 bits in OTLP."""


@dataclass(slots=True)
class _Seen:
    """The tellings as hashes: a name is as good as gone once it is compared."""

    spans: array[int] = field(default_factory=_numbers)
    parents: array[int] = field(default_factory=_numbers)
    starts: array[int] = field(default_factory=lambda: array("Q"))
    named: array[int] = field(default_factory=_numbers)
    """By response id and trace; `_UNNAMED` where they count for themselves."""
    names: array[int] = field(default_factory=_numbers)
    """By response id alone."""
    is_recorded: bytearray = field(default_factory=bytearray)
    is_counted: bytearray = field(default_factory=bytearray)

    def add(self, telling: Telling) -> None:
        name = telling.response_id
        is_compared = name is not None and not telling.is_recorded
        self.named.append(hash((telling.trace_id, name)) if is_compared else _UNNAMED)
        self.names.append(_UNNAMED if name is None else hash(name))
        self.spans.append(hash((telling.trace_id, telling.span_id, telling.is_embedding)))
        parent = telling.parent_span_id
        self.parents.append(hash((telling.trace_id, parent, telling.is_embedding)) if parent else _UNNAMED)
        self.starts.append(telling.start_ns % _TIMES)
        self.is_recorded.append(telling.is_recorded)
        self.is_counted.append(telling.is_counted or telling.is_recorded)

    def around(self) -> Iterator[int]:
        """Yield the places of those that stand around calls which are counted, or within one that alone tells tokens."""
        parents = set(self.parents).intersection(self.spans)
        inner = [place for place, parent in enumerate(self.parents) if parent in parents]
        circles = _circles({self.spans[place]: self.parents[place] for place in inner})
        above = {self.spans[place]: self.parents[place] for place in inner if self.spans[place] not in circles}
        around = set(above.values())
        around_counted = _all_above((self.spans[place] for place in inner if self.is_counted[place]), above)
        alone = {span for place, span in enumerate(self.spans) if self.is_counted[place] and span in around}
        within = _all_within(alone - around_counted, above)
        for place, span in enumerate(self.spans):
            is_told = span in around_counted or span in within or (span in around and not self.is_counted[place])
            if is_told and not self.is_recorded[place]:
                yield place

    def again(self, left_out: frozenset[int]) -> Iterator[int]:
        """Yield the places of those whose response another one tells."""
        first: dict[int, int] = {}
        recorded = {name for name, is_recorded in zip(self.names, self.is_recorded, strict=True) if is_recorded}
        told_again = {name for name, following in pairwise(sorted(self.named)) if name == following}
        for place in (place for place, name in enumerate(self.named) if name != _UNNAMED and place not in left_out):
            if self.names[place] in recorded:
                yield place
                continue
            if self.named[place] not in told_again:
                continue
            held = first.setdefault(self.named[place], place)
            if self.starts[place] < self.starts[held]:
                first[self.named[place]] = place
                yield held
            elif held != place:
                yield place


def _all_above(spans: Iterable[int], above: Mapping[int, int]) -> set[int]:
    found: set[int] = set()
    for span in spans:
        place = above.get(span)
        while place is not None and place not in found:
            found.add(place)
            place = above.get(place)
    return found


def _all_within(spans: Iterable[int], above: Mapping[int, int]) -> set[int]:
    inside: dict[int, list[int]] = {}
    for span, parent in above.items():
        inside.setdefault(parent, []).append(span)
    found: set[int] = set()
    waiting = list(spans)
    while waiting:
        below = inside.pop(waiting.pop(), [])
        found.update(below)
        waiting += below
    return found


def _circles(parents: Mapping[int, int]) -> frozenset[int]:
    """Return the spans whose parents go in a circle, or into one: nobody can say which of them stands around which."""
    ends: dict[int, bool] = {}
    for span in parents:
        passed: list[int] = []
        while span in parents and span not in ends:
            ends[span] = True  # until the walk is over: met again, it is a circle
            passed.append(span)
            span = parents[span]
        is_circle = ends.get(span, False)
        ends.update(dict.fromkeys(passed, is_circle))
    return frozenset(span for span, is_circle in ends.items() if is_circle)
