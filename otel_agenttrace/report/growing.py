"""Grow a tree of lines from the spans of a run. Spans in any order and what each says in, nodes out."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, TypeAlias

from otel_agenttrace.model import Span
from otel_agenttrace.report.family import Family
from otel_agenttrace.report.node import Node

__all__ = ["Grown", "grown", "joined"]

Grown: TypeAlias = "tuple[tuple[Span, tuple[Node, ...]], ...]"
"""Spans of one parent in order of their start, each with its nodes."""

_DEEPEST: Final = 60
"""Spans below stand beside their parent: a file can be nested deeper than anybody can read, or a program walk."""


def grown(of: Family, made: Callable[[Span, Grown], tuple[Node, ...]]) -> Grown:
    """Return the roots of a family with their nodes; `made` gives those of a span, from the ones of its children."""
    pending: list[list[tuple[Span, tuple[Node, ...]]]] = [[] for _ in range(_DEEPEST + 2)]
    for span, deep in reversed(of.members):
        depth = min(deep, _DEEPEST)
        children = tuple(reversed(pending[depth + 1]))
        pending[depth + 1] = []
        pending[depth].append((span, made(span, children)))
    return tuple(reversed(pending[0]))


def joined(spans: Grown) -> tuple[Node, ...]:
    """Return the nodes of some spans, in their order."""
    return tuple(node for _, nodes in spans for node in nodes)
