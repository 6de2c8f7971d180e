"""Write why a span happened as a page. Causes in, a tree from the span backwards out, the certain before the inferred."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from otel_agenttrace.analyze.causes import Causes
from otel_agenttrace.analyze.run_index import Edge, EdgeKind, Evidence
from otel_agenttrace.model import Span
from otel_agenttrace.report.page import Block, Line, Lines, Told
from otel_agenttrace.report.text import first_line

__all__ = ["causes_page"]

_WORDS: Final[dict[EdgeKind, str]] = {
    "asked": "asked for by",
    "result": "was given the result of",
    "answer": "goes on from the answer of",
    "parent": "inside",
    "subagent": "subagent of",
    "link": "linked to",
    "retry": "tried again after",
    "value": "uses a value from",
    "file": "same file as",
    "text": "holds the answer of",
    "order": "comes after",
}
_AROUND: Final = ("parent", "subagent")
"""Kinds that are told once, and whose evidence is the id of the parent."""
_LONGEST: Final = 50
_DEEPEST: Final = 24
"""Levels of indentation; what is deeper stands on the last one."""


def causes_page(of: Causes) -> Iterator[Block]:
    """Yield the question, the tree, and what its marks mean."""
    yield Line(("Why ", Told(of.span.name), f" ({of.span.span_id})?"), "bold")
    if not of.edges and not of.prompts:
        yield Line(("Nothing in the file tells what led to it: no parent, no link, no recorded content.",))
        return
    told = tuple(_told(of))
    yield Lines(tuple(line for line, _ in told), styles=tuple(style for _, style in told))
    kinds = {edge.certainty for edge in of.edges}
    if "inferred" in kinds:
        yield Line(("← ids in the file say so, ⇠? inferred from texts and order",), "dim")
    if of.is_cut:
        yield Line(("There is more below: --depth 0 follows everything.",), "dim")


def _told(of: Causes) -> Iterator[tuple[str, str]]:
    """Yield the lines of the tree with their styles: each span is followed once, where it comes first."""
    causes: defaultdict[int, list[Edge]] = defaultdict(list)
    for edge in of.edges:
        causes[id(edge.to)].append(edge)
    prompts = {id(each.span): each.text for each in of.prompts}
    waiting: list[tuple[Edge | None, Span, int]] = [(None, of.span, 0)]
    followed: set[int] = set()
    while waiting:
        edge, span, depth = waiting.pop()
        indent = "  " * min(depth, _DEEPEST)
        is_again = id(span) in followed
        if is_again and edge is not None and edge.kind in _AROUND:
            continue
        followed.add(id(span))
        yield f"{indent}{_head(edge, span)}{'  (above)' if is_again else ''}", _style(edge, span)
        if edge is not None and edge.kind not in _AROUND:
            yield f"{indent}   {_evidence(edge.evidence)}", "dim"
        if is_again:
            continue
        if id(span) in prompts:
            yield f"{indent}  the user: {first_line(prompts[id(span)], _LONGEST)}", "cyan"
        waiting += [(each, each.from_, depth + 1) for each in reversed(causes[id(span)])]


def _style(edge: Edge | None, span: Span) -> str:
    if span.is_error:
        return "red"
    return "dim" if edge is not None and edge.certainty == "inferred" else ""


def _head(edge: Edge | None, span: Span) -> str:
    named = f"{first_line(span.name)}  {span.span_id[:8]}"
    if edge is None:
        return named
    return f"{'←' if edge.certainty == 'certain' else '⇠?'} {_WORDS[edge.kind]} {named}"


def _evidence(of: Evidence) -> str:
    return f"{first_line(of.text, _LONGEST)}: {first_line(of.where)}"
