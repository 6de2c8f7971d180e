"""Put an outline in the order of another one, where the order means nothing. Two outlines in, the first in new order out.

Whether calls overlap is luck: a replay answers at once what took its time when it was recorded. So what ran in parallel in
one of two runs may stand in any order in both.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from otel_agenttrace.analyze.answers import word_similarity
from otel_agenttrace.report.node import Node, text_of
from otel_agenttrace.report.outline import PARALLEL

__all__ = ["arranged"]


@dataclass(frozen=True, slots=True)
class _Member:
    """A node among its siblings, the group it ran with, and how many of that follow, itself included."""

    node: Node
    group: int | None = None
    left: int = 1


def arranged(nodes: Sequence[Node], like: Sequence[Node]) -> tuple[Node, ...]:
    """Return a forest in the order and the groups of another, as far as both do the same; what differs keeps its place."""
    waiting = list(_members(nodes, first=len(like)))
    placed: list[_Member] = []
    for wanted in _members(like):
        window = max(wanted.left, waiting[0].left if waiting else 0)
        found = _most_alike(wanted.node, waiting[:window]) or _next_alike(wanted.node, waiting)
        if found is None:
            continue
        if waiting.index(found) >= window:
            placed += waiting[: waiting.index(found)]
            del waiting[: waiting.index(found)]
        waiting.remove(found)
        placed.append(_Member(Node(found.node.line, arranged(found.node.below, wanted.node.below)), wanted.group))
    return tuple(_grouped([*placed, *waiting]))


def _members(nodes: Sequence[Node], first: int = 0) -> Iterator[_Member]:
    for group, node in enumerate(nodes, first):
        if node.line != PARALLEL:
            yield _Member(node)
            continue
        for place, member in enumerate(node.below):
            yield _Member(member, group, len(node.below) - place)


def _most_alike(wanted: Node, choices: Sequence[_Member]) -> _Member | None:
    same = [each for each in choices if each.node.line == wanted.line]
    if len(same) < 2:
        return same[0] if same else None
    text = text_of((wanted,))
    return max(same, key=lambda each: word_similarity(text, text_of((each.node,))))


def _next_alike(wanted: Node, choices: Iterable[_Member]) -> _Member | None:
    return next((each for each in choices if each.node.line == wanted.line), None)


def _grouped(members: Iterable[_Member]) -> Iterator[Node]:
    for group, found in groupby(members, key=lambda member: member.group):
        nodes = tuple(member.node for member in found)
        if group is None or len(nodes) < 2:
            yield from nodes
        else:
            yield Node(PARALLEL, nodes)
