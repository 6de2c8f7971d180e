"""Put spans under their parents. Spans in any order in, one forest out, whatever is missing, double or in a circle."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeAlias

from otel_agenttrace.model import Span

__all__ = ["Family", "family"]

_Key: TypeAlias = "tuple[str, str | None]"


@dataclass(frozen=True, slots=True)
class Family:
    """Spans in the order they are shown, parents before children, each with its depth. Roots have depth 0."""

    members: tuple[tuple[Span, int], ...]
    roots: tuple[Span, ...]

    @property
    def is_whole(self) -> bool:
        """Whether one root stands above all, and no parent is missing."""
        return len(self.roots) == 1 and not self.roots[0].parent_span_id


def family(spans: Iterable[Span]) -> Family:
    """Return the forest of the spans, siblings in order of their start.

    A span without a parent among the spans is a root, and so is the first span of a circle of parents.
    """
    ordered = sorted(spans, key=lambda span: span.start_ns)
    known = {(span.trace_id, span.span_id) for span in ordered}
    children: defaultdict[_Key, list[Span]] = defaultdict(list)
    for span in ordered:
        parent = (span.trace_id, span.parent_span_id)
        children[parent if parent in known else _NOWHERE].append(span)
    seen: set[int] = set()
    members = list(_below(children[_NOWHERE], children, seen))
    for span in ordered:
        if id(span) not in seen:
            members += _below([span], children, seen)
    return Family(tuple(members), tuple(span for span, depth in members if depth == 0))


_NOWHERE: _Key = ("", None)


def _below(roots: list[Span], children: defaultdict[_Key, list[Span]], seen: set[int]) -> Iterator[tuple[Span, int]]:
    """Yield the spans below some roots, each once: the second of two with the same id has no children."""
    waiting = [(root, 0) for root in reversed(roots)]
    while waiting:
        span, depth = waiting.pop()
        if id(span) in seen:
            continue
        seen.add(id(span))
        yield span, depth
        waiting += [(child, depth + 1) for child in reversed(children.pop((span.trace_id, span.span_id), []))]
