"""Rules on which tools a run calls, and with what. Names may be patterns with `*`; ids of calls are never compared."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase

from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.tool_calls import ToolCall, tool_calls
from otel_agenttrace.checks.wanted import WantedCall, nearest_call
from otel_agenttrace.checks.wording import finding, listed, nearest_of, places, short, unknown_calls
from otel_agenttrace.counting import counted
from otel_agenttrace.model import Trace

__all__ = ["Called", "CalledWith", "NotCalled"]


@dataclass(frozen=True, slots=True)
class Called:
    """Each of these tools is called, once or more."""

    tools: tuple[str, ...]
    name: str = "called"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield each tool that is not."""
        called = [call.name for call in tool_calls(trace)]
        for tool in self.tools:
            if not any(fnmatchcase(each, tool) for each in called):
                yield finding(
                    self.name,
                    trace,
                    (),
                    f"{short(tool)} was not called; called {_names(called)}",
                    nearest=nearest_of(tool, called),
                    fix="see why the agent did not call it, or name the tool that it calls",
                )


@dataclass(frozen=True, slots=True)
class NotCalled:
    """None of these tools is called."""

    tools: tuple[str, ...]
    name: str = "not_called"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield each tool that is."""
        calls = tool_calls(trace)
        for tool in self.tools:
            found = [call.span for call in calls if fnmatchcase(call.name, tool)]
            if found:
                times = counted(len(found), "time")
                fix = "take the tool from the agent, or take it out of the rule"
                yield finding(self.name, trace, found, f"{short(tool)} was called {times}, wanted never", fix=fix)
        yield from unknown_calls(self.name, trace)


@dataclass(frozen=True, slots=True)
class CalledWith:
    """A tool is called with these arguments: `least` times or more, `most` times or less.

    Where `is_every`, no call of the tool may have others. Arguments that are not recorded count as the wrong ones.
    """

    wanted: WantedCall
    least: int = 1
    most: int | None = None
    is_every: bool = False
    name: str = "called_with"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that there are fewer or more such calls, and each other call where none may be."""
        calls = tool_calls(trace)
        fitting = [call for call in calls if self.wanted.fits(call)]
        possible = [call for call in calls if self.wanted.fits(call) is not False]
        if len(fitting) < self.least:
            yield self._finding(
                trace, fitting, f"{self.least} at least", nearest_call(self.wanted, _others(calls, fitting))
            )
        if self.most is not None and len(possible) > self.most:
            yield self._finding(trace, possible, f"{self.most} at most")
        for call in _others(calls, fitting) if self.is_every else ():
            if self.wanted.is_named(call):
                yield finding(
                    self.name,
                    trace,
                    [call.span],
                    f"every call of {self.wanted.tool} must be {self.wanted}; one is not",
                    at=f"{places(trace, [call.span])[0]}: {nearest_call(self.wanted, [call])}",
                    fix="mend what the agent is told of the tool, or the rule",
                )
        if self.is_every or self.most is not None:
            yield from unknown_calls(self.name, trace)

    def _finding(self, trace: Trace, calls: Sequence[ToolCall], wanted: str, nearest: str = "") -> Finding:
        untold = sum(self.wanted.fits(call) is None for call in calls)
        more = f", {untold} of them with arguments that are not recorded" if untold else ""
        return finding(
            self.name,
            trace,
            [call.span for call in calls],
            f"{self.wanted} was called {counted(len(calls), 'time')}{more}, wanted {wanted}",
            nearest=nearest,
            fix="see what the agent asks the tool, or mend the rule",
        )


def _others(calls: Sequence[ToolCall], fitting: Sequence[ToolCall]) -> list[ToolCall]:
    known = {id(call) for call in fitting}
    return [call for call in calls if id(call) not in known]


def _names(called: Sequence[str]) -> str:
    return listed([short(name) for name in dict.fromkeys(called)]) or "no tool at all"
