"""Fold a run into a small tree: what is the same under one parent is one branch. Trace in, branches with their sums out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.kinship import is_agent, kinship
from otel_agenttrace.analyze.totals import NOTHING, Tally, Totals
from otel_agenttrace.model import Span, Trace

__all__ = ["Branch", "RunTree", "run_tree", "task_of"]

BranchKind: TypeAlias = Literal["agent", "model", "tool", "retrieval", "span"]
_DEEPEST: Final = 200
"""Levels that are told; what is deeper counts into the last one."""


@dataclass(frozen=True, slots=True)
class Branch:
    """Spans of one name and kind under the same parents.

    Attributes:
        kind: What they are.
        name: Of the agent, tool or model, else of the span.
        depth: From 0 on.
        count: How many they are.
        failed: How many of them failed.
        totals: What they took with everything below them.
        duration_ns: Their times added up, which in parallel is more than the time that passed; None while one is open.
        hidden: How many spans stand below them and are not told, because of the depth that was asked for.
        task: Of a benchmark, and which try at it they are; None where none is told, or several are.
    """

    kind: BranchKind
    name: str
    depth: int
    count: int
    failed: int
    totals: Totals
    duration_ns: int | None
    hidden: int
    task: str | None


@dataclass(frozen=True, slots=True)
class RunTree:
    """The branches of a run, parents before children, in order of their first start."""

    name: str
    spans: int
    totals: Totals
    duration_ns: int | None
    branches: tuple[Branch, ...]


def run_tree(trace: Trace, *, depth: int = 0, name: str = "") -> RunTree:
    """Return the tree of a run.

    Args:
        trace: The run.
        depth: How many levels are told; 0 for all.
        name: Of the file, for the report.
    """
    children = kinship(trace.spans).children(trace.spans)
    tally = Tally(trace)
    below, counts = _sums(children, tally)
    deepest = min(depth or _DEEPEST, _DEEPEST)
    branches: list[Branch] = []
    waiting = [(group, 0) for group in reversed(tuple(_groups(children[0])))]
    while waiting:
        group, level = waiting.pop()
        inside = [child for span in group for child in children.get(id(span), ())]
        is_last = level + 1 >= deepest
        hidden = sum(counts[id(child)] for child in inside) if is_last else 0
        branches.append(_branch(group, level, below, hidden))
        if not is_last:
            waiting += [(each, level + 1) for each in reversed(tuple(_groups(inside)))]
    return RunTree(name, len(trace.spans), tally.of_all(trace.spans), trace.duration_ns, tuple(branches))


def task_of(span: Span) -> str | None:
    """Return the task of a benchmark that a run worked on, with the number of the try: `task 3, trial 0`."""
    told = (("task", semconv.AGENTTRACE_TASK_ID), ("trial", semconv.AGENTTRACE_TASK_TRIAL))
    known = [f"{word} {span.attributes[name]}" for word, name in told if span.attributes.get(name) is not None]
    return ", ".join(known) or None


def _sums(children: dict[int, list[Span]], tally: Tally) -> tuple[dict[int, Totals], dict[int, int]]:
    """Return what each span took with those below it, and how many they are: children before parents."""
    order: list[Span] = []
    waiting = list(children[0])
    while waiting:
        span = waiting.pop()
        order.append(span)
        waiting += children.get(id(span), ())
    below: dict[int, Totals] = {}
    counts: dict[int, int] = {}
    for span in reversed(order):
        inside = children.get(id(span), ())
        below[id(span)] = sum((below[id(child)] for child in inside), tally.of(span))
        counts[id(span)] = 1 + sum(counts[id(child)] for child in inside)
    return below, counts


def _groups(spans: Iterable[Span]) -> Iterator[list[Span]]:
    found: dict[tuple[str, str], list[Span]] = {}
    for span in spans:
        found.setdefault(_named(span), []).append(span)
    yield from found.values()


def _named(span: Span) -> tuple[BranchKind, str]:
    if is_agent(span):
        return "agent", _told(span, semconv.GEN_AI_AGENT_NAME)
    if span.is_inference:
        return "model", _told(span, semconv.GEN_AI_REQUEST_MODEL)
    if span.operation == semconv.OPERATION_EXECUTE_TOOL:
        return "tool", _told(span, semconv.GEN_AI_TOOL_NAME)
    return ("retrieval" if span.operation == semconv.OPERATION_RETRIEVAL else "span"), span.name


def _told(span: Span, attribute: str) -> str:
    told = span.attributes.get(attribute)
    return told if isinstance(told, str) and told else span.name


def _branch(group: list[Span], depth: int, below: dict[int, Totals], hidden: int) -> Branch:
    kind, name = _named(group[0])
    times = [span.duration_ns for span in group]
    tasks = {task_of(span) for span in group}
    known = [each for each in times if each is not None]
    return Branch(
        kind=kind,
        name=name,
        depth=depth,
        count=len(group),
        failed=sum(span.is_error for span in group),
        totals=sum((below[id(span)] for span in group), NOTHING),
        duration_ns=sum(known) if len(known) == len(times) else None,
        hidden=hidden,
        task=tasks.pop() if len(tasks) == 1 else None,
    )
