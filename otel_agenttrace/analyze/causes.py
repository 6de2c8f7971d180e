"""Tell why a span happened: what led to it, backwards. Trace and span in, edges out, the certain apart from the inferred.

A certain edge rests on ids that are the only ones of their kind in their trace, and that nothing in the file contradicts.
Everything that rests on texts, names, order, or on ids that several calls share is inferred.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.analyze.inferring import inferred_edges
from otel_agenttrace.analyze.linking import certain_edges
from otel_agenttrace.analyze.run_index import Edge, RunIndex
from otel_agenttrace.collecting import uncollected
from otel_agenttrace.model import Span, Trace

__all__ = ["Causes", "Prompt", "why"]

_LONGEST: Final = 300


@dataclass(frozen=True, slots=True)
class Prompt:
    """What the user said last in the request of a call to a model, where nothing came after it."""

    span: Span
    text: str


@dataclass(frozen=True, slots=True)
class Causes:
    """Why a span happened.

    Attributes:
        name: The file.
        span: The span that is asked about.
        edges: What led to it and to what led to it, the nearest first; of one span the certain ones first.
        prompts: What the user had said to the calls to models among them.
        is_cut: Whether there are further ones below the depth that was asked for.
    """

    name: str
    span: Span
    edges: tuple[Edge, ...]
    prompts: tuple[Prompt, ...]
    is_cut: bool


@uncollected()
def why(trace: Trace, span: Span, *, depth: int = 0, name: str = "") -> Causes:
    """Return what led to a span of a trace.

    Args:
        trace: The run.
        span: One of its spans.
        depth: How many steps back; 0 for all.
        name: Of the file, for the report.
    """
    index = RunIndex(trace)
    edges: list[Edge] = []
    prompts: list[Prompt] = []
    seen = {id(span)}
    level = [span]
    steps = 0
    while level and (not depth or steps < depth):
        found = [edge for each in level for edge in _edges(index, each)]
        prompts += [prompt for each in level for prompt in _prompts(index, each)]
        edges += found
        level = _unseen((edge.from_ for edge in found), seen)
        steps += 1
    is_cut = any(True for each in level for _ in _edges(index, each))
    return Causes(name, span, tuple(edges), tuple(prompts), is_cut)


def _unseen(spans: Iterable[Span], seen: set[int]) -> list[Span]:
    found: list[Span] = []
    for span in spans:
        if id(span) not in seen:
            seen.add(id(span))
            found.append(span)
    return found


def _edges(index: RunIndex, span: Span) -> Iterator[Edge]:
    certain = tuple(certain_edges(index, span))
    known = {(id(edge.from_), edge.kind) for edge in certain}
    yield from certain
    for edge in inferred_edges(index, span, certain):
        place = (id(edge.from_), "answer" if edge.kind == "text" else edge.kind)
        if place not in known and edge.from_ is not span:
            known.add(place)
            yield edge


def _prompts(index: RunIndex, span: Span) -> Iterator[Prompt]:
    if span.is_inference:
        conversation = index.conversation(span)
        new = [each for each in conversation.prompts if each.place >= conversation.new_from]
        yield from (Prompt(span, each.text[:_LONGEST]) for each in new[-1:])
