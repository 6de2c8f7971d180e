"""Rules on the order of calls of tools. What is wanted is a list of names or of names with arguments.

Calls stand in order of their start. A call whose arguments matter and are not recorded is not the one that is wanted, and
may be the one that is forbidden: what is not known never passes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import Final, Literal, TypeAlias, get_args

from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.tool_calls import ToolCall, tool_calls
from otel_agenttrace.checks.wanted import WantedCall, nearest_call
from otel_agenttrace.checks.wording import finding, listed, short, unknown_calls
from otel_agenttrace.model import Trace

__all__ = ["ORDER_MODES", "After", "Before", "Never", "Order", "OrderMode"]

OrderMode: TypeAlias = Literal["strict", "in_order", "unordered", "subset", "superset"]
ORDER_MODES: Final[tuple[OrderMode, ...]] = get_args(OrderMode)
_FIX: Final = "mend the agent, or write the order that is meant"


@dataclass(frozen=True, slots=True)
class Order:
    """The calls of a run beside those that are wanted.

    `strict`: these calls, in this order, no others. `in_order`: these in this order, others may stand between.
    `unordered`: these, no others, in any order. `subset`: no other than these, some may be missing. `superset`: all of
    these in any order, and others.
    """

    mode: OrderMode
    wanted: tuple[WantedCall, ...]
    name: str = "order"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that the calls are others, with the first that differs."""
        calls = tool_calls(trace)
        problem, nearest = self._problem(calls)
        if problem:
            called = _sequence([call.name for call in calls])
            yield finding(
                self.name,
                trace,
                [call.span for call in calls],
                f"{self.mode}: called {called}; wanted {_sequence(list(map(str, self.wanted)))}",
                at=problem,
                nearest=nearest,
                fix=_FIX,
            )
        if self.mode not in ("in_order", "superset"):
            yield from unknown_calls(self.name, trace)

    def _problem(self, calls: Sequence[ToolCall]) -> tuple[str, str]:
        match self.mode:
            case "strict":
                return _first_other(calls, self.wanted)
            case "in_order":
                return _first_late(calls, self.wanted)
            case "unordered":
                return _first_missing(calls, self.wanted) or _first_more(calls, self.wanted) or ("", "")
            case "subset":
                return _first_more(calls, self.wanted) or ("", "")
            case "superset":
                return _first_missing(calls, self.wanted) or ("", "")


def _first_other(calls: Sequence[ToolCall], wanted: Sequence[WantedCall]) -> tuple[str, str]:
    for number, (call, each) in enumerate(zip_longest(calls, wanted), 1):
        if call is None or each is None or not each.fits(call):
            told = "not there: the run was over" if call is None else short(call.name)
            near = "" if call is None or each is None else nearest_call(each, [call])
            return f"call {number} is {told}, wanted {each or 'no more'}", near
    return "", ""


def _first_late(calls: Sequence[ToolCall], wanted: Sequence[WantedCall]) -> tuple[str, str]:
    left = iter(calls)
    for each in wanted:
        if not any(each.fits(call) for call in left):
            return f"{each} does not come when it should", nearest_call(each, calls)
    return "", ""


def _first_missing(calls: Sequence[ToolCall], wanted: Sequence[WantedCall]) -> tuple[str, str] | None:
    pairs = _pairs(calls, wanted)
    left = [call for number, call in enumerate(calls) if number not in pairs.values()]
    missing = (each for place, each in enumerate(wanted) if place not in pairs)
    return next(((f"{each} is missing", nearest_call(each, left)) for each in missing), None)


def _first_more(calls: Sequence[ToolCall], wanted: Sequence[WantedCall]) -> tuple[str, str] | None:
    taken = set(_pairs(calls, wanted).values())
    more = ((number, call) for number, call in enumerate(calls) if number not in taken)
    told = ((f"call {number + 1}, {short(call.name)}, is one too many", _why(call, wanted)) for number, call in more)
    return next(told, None)


def _why(call: ToolCall, wanted: Sequence[WantedCall]) -> str:
    return next((nearest_call(each, [call]) for each in wanted if each.is_named(call) and not each.fits(call)), "")


def _pairs(calls: Sequence[ToolCall], wanted: Sequence[WantedCall]) -> dict[int, int]:
    """Return for each wanted place its call, in as many pairs as there can be (augmenting paths)."""
    fitting = [[number for number, call in enumerate(calls) if each.fits(call)] for each in wanted]
    owner: dict[int, int] = {}

    def placed_anew(place: int, tried: set[int]) -> bool:
        for number in fitting[place]:
            if number not in tried:
                tried.add(number)
                if number not in owner or placed_anew(owner[number], tried):
                    owner[number] = place
                    return True
        return False

    for place in range(len(wanted)):
        placed_anew(place, set())
    return {place: number for number, place in owner.items()}


def _sequence(names: Sequence[str]) -> str:
    return listed([short(name) for name in names], " → ") or "nothing"


# --- pairs and sequences ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Before:
    """Each call of `second` has one of `first` before it. It holds where `second` is not called."""

    first: WantedCall
    second: WantedCall
    name: str = "before"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield the calls that came too early."""
        calls = tool_calls(trace)
        until = next((place for place, call in enumerate(calls) if self.first.fits(call)), len(calls))
        early = [call for call in calls[: until + 1] if self.second.fits(call) is not False]
        if early:
            when = "comes later only" if until < len(calls) else "is not called"
            found = f"{self.second} was called before {self.first}, which {when}"
            yield _told(self, trace, early, found, f"let the agent call {self.first} first")
        yield from unknown_calls(self.name, trace)


@dataclass(frozen=True, slots=True)
class After:
    """Each call of `first` has one of `second` after it. It holds where `first` is not called."""

    first: WantedCall
    second: WantedCall
    name: str = "after"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield the calls that nothing followed."""
        calls = tool_calls(trace)
        last = max((place for place, call in enumerate(calls) if self.second.fits(call)), default=-1)
        late = [call for call in calls[max(last, 0) :] if self.first.fits(call) is not False]
        if late:
            found = f"{self.first} was called and {self.second} was not called after it"
            yield _told(self, trace, late, found, f"let the agent call {self.second} then")
        yield from unknown_calls(self.name, trace)


@dataclass(frozen=True, slots=True)
class Never:
    """These calls never come in this order, whatever stands between; a single one never comes at all."""

    wanted: tuple[WantedCall, ...]
    name: str = "never"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield the first calls that do."""
        found: list[ToolCall] = []
        for call in tool_calls(trace):
            if len(found) < len(self.wanted) and self.wanted[len(found)].fits(call) is not False:
                found.append(call)
        if len(found) == len(self.wanted):
            told = _sequence(list(map(str, self.wanted)))
            untold = any(each.fits(call) is None for each, call in zip(self.wanted, found, strict=True))
            more = ", if the arguments that are not recorded are these" if untold else ""
            yield _told(self, trace, found, f"{told} came{more}, wanted never", "keep the agent from it")
        yield from unknown_calls(self.name, trace)


def _told(rule: Before | After | Never, trace: Trace, calls: Sequence[ToolCall], found: str, fix: str) -> Finding:
    return finding(rule.name, trace, [call.span for call in calls], found, fix=f"{fix}, or mend the rule")
