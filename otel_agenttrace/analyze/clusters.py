"""Put runs together that went the same way. Sequences of tools in, clusters out, the same for the same runs in any order.

Runs with the same sequence, a tool that is called again at once counted once, are a cluster. Then, most frequent first, a
sequence joins the first cluster that it is near to: at most a quarter of the longer one is to be inserted, left out or replaced.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final, TypeAlias

__all__ = ["Cluster", "clusters_of", "edits"]

_NEAR: Final = 0.25
_COMPARED: Final = 300
"""The most frequent sequences are compared with others; rarer ones are clusters of their own."""
_CENTRES: Final = 40
_LONGEST: Final = 60
"""Longer sequences are not compared: they are near to none."""

_Sequence: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Cluster:
    """Runs that went the same way, or nearly.

    Attributes:
        sequence: The most frequent one of them, a tool that is called again at once told once.
        traces: How many runs.
        variants: How many sequences.
        files: The files of some of the runs, at most three.
    """

    sequence: _Sequence
    traces: int
    variants: int
    files: tuple[str, ...]


def clusters_of(runs: Iterable[tuple[_Sequence, str]]) -> tuple[Cluster, ...]:
    """Return the clusters of runs, given by the tools they called and their file, the largest first."""
    found: dict[_Sequence, list[str]] = {}
    for names, file in runs:
        found.setdefault(tuple(name for name, _ in groupby(names)), []).append(file)
    members: dict[_Sequence, list[_Sequence]] = {}
    ranked = sorted(found, key=lambda names: (-len(found[names]), names))
    for place, names in enumerate(ranked):
        centre = _centre(names, members) if place < _COMPARED else None
        members.setdefault(names if centre is None else centre, []).append(names)
    clusters = (_cluster(centre, each, found) for centre, each in members.items())
    return tuple(sorted(clusters, key=lambda cluster: (-cluster.traces, cluster.sequence)))


def _centre(names: _Sequence, members: Mapping[_Sequence, object]) -> _Sequence | None:
    for centre, _ in zip(members, range(_CENTRES), strict=False):
        longest = max(len(names), len(centre))
        if longest <= _LONGEST and edits(names, centre, int(longest * _NEAR)) is not None:
            return centre
    return None


def _cluster(centre: _Sequence, variants: Sequence[_Sequence], found: Mapping[_Sequence, Sequence[str]]) -> Cluster:
    files = [file for names in variants for file in sorted(found[names])]
    return Cluster(centre, len(files), len(variants), tuple(dict.fromkeys(files))[:3])


def edits(left: _Sequence, right: _Sequence, most: int) -> int | None:
    """Return how many names are to be inserted, left out or replaced to make one of the other; None if more than `most`."""
    if max(len(left), len(right)) - (Counter(left) & Counter(right)).total() > most:
        return None
    row = list(range(len(right) + 1))
    for line, name in enumerate(left, 1):
        above, row = row, [line]
        for column, other in enumerate(right, 1):
            row.append(min(above[column] + 1, row[-1] + 1, above[column - 1] + (name != other)))
        if min(row) > most:
            return None
    return row[-1] if row[-1] <= most else None
