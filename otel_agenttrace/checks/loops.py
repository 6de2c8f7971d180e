"""Rules against runs that go in circles: the same tool again and again, the same call, the same sequence of tools."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby

from otel_agenttrace.analyze.cycles import cycle
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.tool_calls import ToolCall, tool_calls
from otel_agenttrace.checks.wording import finding, listed, short, shown, unknown_calls
from otel_agenttrace.jsonvalue import canonical
from otel_agenttrace.model import Span, Trace

__all__ = ["MaxConsecutive", "MaxIdentical", "NoCycles"]


@dataclass(frozen=True, slots=True)
class MaxConsecutive:
    """How often one tool may be called in a row, whatever its arguments; calls at the same time count one by one."""

    limit: int
    name: str = "max_consecutive_same_tool"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield each row that is longer."""
        for tool, row in groupby(tool_calls(trace), key=lambda call: call.name):
            calls = tuple(row)
            if len(calls) > self.limit:
                found = f"{short(tool)} was called {len(calls)} times in a row, wanted {self.limit} at most"
                fix = f"let the agent stop, or tell it what it has already; or allow it: {self.name}: {len(calls)}"
                yield finding(self.name, trace, _spans(calls), found, fix=fix)
        yield from unknown_calls(self.name, trace)


@dataclass(frozen=True, slots=True)
class MaxIdentical:
    """How often a tool may be called with the same arguments in a run. The provider's ids of calls do not count.

    Calls whose arguments are not recorded may all be the same: where that could be too many, it is a finding.
    """

    limit: int
    name: str = "max_identical_calls"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield each call that was made more often."""
        same: dict[tuple[str, str], list[ToolCall]] = {}
        untold: dict[str, list[ToolCall]] = {}
        for call in tool_calls(trace):
            if call.arguments is None:
                untold.setdefault(call.name, []).append(call)
            else:
                same.setdefault((call.name, canonical(call.arguments)), []).append(call)
        for (tool, _), calls in same.items():
            if len(calls) > self.limit:
                told = f"{short(tool)}({shown(calls[0].arguments)})"
                found = f"{told} was called {len(calls)} times, wanted {self.limit} at most"
                fix = f"keep what the tool gave, or allow it: {self.name}: {len(calls)}"
                yield finding(self.name, trace, _spans(calls), found, fix=fix)
        for tool, calls in untold.items():
            known = max((len(each) for (named, _), each in same.items() if named == tool), default=0)
            if known <= self.limit < known + len(calls):
                found = f"how often {short(tool)} was called with the same arguments is not known"
                yield finding(self.name, trace, _spans(calls), found, fix="record the arguments: @at.tool does")
        yield from unknown_calls(self.name, trace)


@dataclass(frozen=True, slots=True)
class NoCycles:
    """No sequence of two or more different tools that comes again at once, `rounds` times or more: a, b, a, b, a, b."""

    rounds: int = 3
    name: str = "no_cycles"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield the shortest such sequence, where it is first."""
        calls = tool_calls(trace)
        found = cycle([call.name for call in calls], self.rounds)
        if found is not None:
            begin, length, times = found
            sequence = listed([short(call.name) for call in calls[begin : begin + length]], " → ")
            yield finding(
                self.name,
                trace,
                _spans(calls[begin : begin + length * times]),
                f"{sequence} came {times} times in a row, wanted less than {self.rounds}",
                fix=f"let the agent stop, or tell it what it has already; or allow it: {self.name}: {times + 1}",
            )
        yield from unknown_calls(self.name, trace)


def _spans(calls: Sequence[ToolCall]) -> list[Span]:
    return [call.span for call in calls]
