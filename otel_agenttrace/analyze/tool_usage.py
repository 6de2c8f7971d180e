"""Count the tools of a run: calls, failures, time, and which arguments they were given. Trace in, figures by tool out."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.analyze.tool_calls import ToolCall, shape_of, tool_calls, untold_calls
from otel_agenttrace.model import Trace

__all__ = ["ToolShape", "ToolUsage", "ToolsUsed", "tools_used"]

_LEVELS: Final = 2
"""Of arguments that are told."""


@dataclass(frozen=True, slots=True)
class ToolShape:
    """One form of arguments, like `{city: string, days: number}`, and how many calls had it; `?` where none are told."""

    arguments: str
    calls: int


@dataclass(frozen=True, slots=True)
class ToolUsage:
    """What a run did with one tool.

    Attributes:
        tool: Its name.
        calls: How often it was called.
        executed: How many of these have a span of the tool; the others are known from what models asked for.
        errors: How many of the executed ones failed.
        duration_ns: How long the executed ones took together; None where one does not tell.
        shapes: The forms of its arguments, the most frequent first.
    """

    tool: str
    calls: int
    executed: int
    errors: int
    duration_ns: int | None
    shapes: tuple[ToolShape, ...]


@dataclass(frozen=True, slots=True)
class ToolsUsed:
    """What a run did with its tools.

    Attributes:
        tools: The most called first.
        untold: Calls to models that asked for tools nobody tells: their content is not recorded.
    """

    tools: tuple[ToolUsage, ...]
    untold: int


def tools_used(trace: Trace) -> ToolsUsed:
    """Return how often a run called each tool, how often it failed, and with what."""
    of_tool: defaultdict[str, list[ToolCall]] = defaultdict(list)
    for call in tool_calls(trace):
        of_tool[call.name].append(call)
    usages = [_usage(name, calls) for name, calls in of_tool.items()]
    return ToolsUsed(tuple(sorted(usages, key=lambda each: (-each.calls, each.tool))), len(untold_calls(trace)))


def _usage(name: str, calls: Sequence[ToolCall]) -> ToolUsage:
    executed = [call.span for call in calls if call.is_executed]
    durations = [span.duration_ns for span in executed]
    known = [duration for duration in durations if duration is not None]
    shapes = Counter("?" if call.arguments is None else shape_of(call.arguments, _LEVELS) for call in calls)
    return ToolUsage(
        tool=name,
        calls=len(calls),
        executed=len(executed),
        errors=sum(span.is_error for span in executed),
        duration_ns=sum(known) if known and len(known) == len(durations) else None,
        shapes=tuple(
            ToolShape(shape, count) for shape, count in sorted(shapes.items(), key=lambda each: (-each[1], each[0]))
        ),
    )
