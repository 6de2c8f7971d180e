"""Tell by a digest whether two runs did the same. Trace in, fingerprints of the run and of each of its tools out.

What changes from run to run is not in it: ids, times, durations, tokens, and in texts whatever `volatile` knows of; nor the
order of what ran at the same time. What is in it: which agents, models and tools, what they were asked, what they gave.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from otel_agenttrace.analyze.kinship import kinship
from otel_agenttrace.analyze.tool_calls import ToolCall, shape_of, tool_calls
from otel_agenttrace.analyze.trajectories import parallel_groups, steps
from otel_agenttrace.jsonvalue import Json, canonical, compact
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.volatile import steady_value

__all__ = ["Fingerprint", "ToolFingerprint", "fingerprint"]


@dataclass(frozen=True, slots=True)
class ToolFingerprint:
    """What one tool was called with.

    Attributes:
        name: Of the tool.
        calls: How often it was called.
        arguments: A digest of the arguments of all calls, in their order.
        shape: A digest of `shapes`.
        shapes: What the arguments look like, keys and JSON types, each form once; `?` where they are not known.
    """

    name: str
    calls: int
    arguments: str
    shape: str
    shapes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """What a run did, as digests.

    Attributes:
        run: Of all it did: equal for two runs that did the same.
        tool_sequence: Of the names of the tools that were called, in their order.
        steps: How many agents, calls to models and calls of tools there are.
        tools: What each tool was called with, in order of their names.
    """

    run: str
    tool_sequence: str
    steps: int
    tools: tuple[ToolFingerprint, ...]


def fingerprint(trace: Trace) -> Fingerprint:
    """Return the fingerprints of a run.

    Raises:
        CassetteError: If a recorded call cannot be read.
    """
    calls = tool_calls(trace)
    by_name: defaultdict[str, list[ToolCall]] = defaultdict(list)
    for call in calls:
        by_name[call.name].append(call)
    keys = {id(span): _keys(span) for span in _counted(trace)}
    return Fingerprint(
        run=_run_digest(trace, keys),
        tool_sequence=_digest([call.name for call in calls]),
        steps=sum(map(bool, keys.values())),
        tools=tuple(_of_tool(name, by_name[name]) for name in sorted(by_name)),
    )


def _of_tool(name: str, calls: Sequence[ToolCall]) -> ToolFingerprint:
    told = [steady_value(call.arguments) for call in calls]
    shapes = sorted({"?" if each is None else shape_of(each) for each in told})
    return ToolFingerprint(
        name, len(calls), _digest([canonical(each) for each in told]), _digest(shapes), tuple(shapes)
    )


def _digest(value: Json) -> str:
    return hashlib.sha256(compact(value).encode("utf-8", "surrogatepass")).hexdigest()


# --- the run ----------------------------------------------------------------------------------------------------------


def _counted(trace: Trace) -> Iterable[Span]:
    """Yield the spans of a run, a call to a model that two instrumentations tell once."""
    once = {id(span) for span in trace.inferences}
    return (span for span in trace.spans if not span.is_inference or id(span) in once)


def _keys(span: Span) -> list[Json]:
    return [list(step.key) for step in steps(Trace((span,)))]


def _run_digest(trace: Trace, keys: Mapping[int, list[Json]]) -> str:
    """Return the digest of the tree of a run, made from its leaves up; a span that is no step is what is below it."""
    children = kinship(trace.spans).children(trace.spans)
    order = [*children[0]]
    for span in order:  # grows while it is read
        order += children.get(id(span), ())
    told: dict[int, list[Json]] = {}
    for span in reversed(order):
        below = _told(children.get(id(span), ()), told)
        own = keys.get(id(span))
        told[id(span)] = [_digest([own, below])] if own else below
    return _digest(_told(children[0], told))


def _told(siblings: Iterable[Span], told: Mapping[int, list[Json]]) -> list[Json]:
    """Return what some siblings did, those that ran at the same time in the order of their digests."""
    groups = (
        sorted(str(each) for span in group for each in told.get(id(span), ())) for group in parallel_groups(siblings)
    )
    return [each for group in groups for each in group]
