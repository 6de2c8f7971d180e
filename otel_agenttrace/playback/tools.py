"""Find the recorded call of a tool that answers a new one. Cassette and call in, claim or miss out.

Tools are compared by the same means as requests: a call is written as a request whose body are its arguments.
"""

from __future__ import annotations

import re
import shlex
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final, Literal

from otel_agenttrace import semconv
from otel_agenttrace.differing import first_difference, similarity
from otel_agenttrace.errors import ReplayExhausted, ReplayMiss, ToolNotRestorable
from otel_agenttrace.jsonvalue import canonical, parse
from otel_agenttrace.jsonvalue import text as as_text
from otel_agenttrace.matching import key_of, normalised_key
from otel_agenttrace.model import HttpRequest, Span

__all__ = ["AskedTool", "ToolClaim", "ToolPlayer"]

_OURS: Final = "otel_agenttrace"
_NEAREST_OF: Final = 200
"""How many recordings a miss is compared with."""
_ADDRESS: Final = re.compile(r" at 0x[0-9a-fA-F]+")
"""What Python says of an object that has no text of its own: where it lies in memory."""


_GIVE_DATA: Final = (
    "let it return JSON values, data classes or pydantic models, of classes that its return annotation names,\n"
    "           and record again"
)


@dataclass(frozen=True, slots=True)
class AskedTool:
    """A tool's call.

    Attributes:
        name: The tool.
        arguments: Its arguments as they are told.
        lane: The path of the span it is made under.
        typed: The arguments with their types, where what is told leaves some of them out.
        is_known: Whether one of the two is all of the arguments, not the `repr` of one.
        is_blind: Whether something was removed from them of which nothing is left to compare.
    """

    name: str
    arguments: str
    lane: str = ""
    typed: str = ""
    is_known: bool = True
    is_blind: bool = False

    @property
    def request(self) -> HttpRequest:
        """The call in the form in which calls are compared."""
        try:
            body = canonical(parse(self.typed or self.arguments))
        except ValueError:
            body = canonical(self.arguments)
        return HttpRequest("execute_tool", "", self.name, body)


@dataclass(frozen=True, slots=True)
class ToolClaim:
    """A recorded tool call that answers: hit by its arguments, drift by the normalised ones, `detail` what differed."""

    span: Span
    outcome: Literal["hit", "drift"]
    detail: str = ""


@dataclass(slots=True, eq=False)
class _Recorded:
    """A recorded tool call. It is claimed once; one that was let run in spite of its recording has answered nothing."""

    place: str
    span: Span
    asked: AskedTool
    key: str
    claimed: bool = False
    answered: bool = False


class _Queues:
    """Recorded calls by key, first in, first out: those of a lane, then any."""

    def __init__(self, keyed: Iterable[tuple[str, _Recorded]]) -> None:
        self._queues: dict[tuple[str, ...], deque[_Recorded]] = {}
        for key, recorded in keyed:
            self._queues.setdefault((key, recorded.asked.lane), deque()).append(recorded)
            self._queues.setdefault((key,), deque()).append(recorded)

    def __contains__(self, key: str) -> bool:
        return (key,) in self._queues

    def take(self, key: str, lane: str, is_free: Callable[[str], bool]) -> _Recorded | None:
        for place in ((key, lane), (key,)):
            queue = self._queues.get(place)
            while queue:
                recorded = queue.popleft()
                if not recorded.claimed:
                    recorded.claimed = True
                    if is_free(recorded.place):
                        return recorded
        return None


class ToolPlayer:
    """Hands out the recorded tool calls of a cassette or of a foreign trace, each once in a run. Thread-safe.

    `take` says whether no other process of the run has taken the recording of this name, and takes it.
    """

    def __init__(self, path: Path, spans: Iterable[Span], take: Callable[[str], bool] = lambda _: True) -> None:
        self._path = path
        self._take = take
        self._spans = {_id(span): span for span in spans}
        self._calls = sorted(_recorded_tools(self._spans.values()), key=lambda call: call.span.start_ns)
        self._exact = _Queues((call.key, call) for call in self._calls)
        self._normalised: _Queues | None = None
        self.renew_lock()

    def renew_lock(self) -> None:
        """Take a new lock: after a fork the old one may be held by a thread that is not there."""
        self._lock = threading.Lock()

    def claim(self, asked: AskedTool) -> ToolClaim | None:
        """Return the recorded call that answers a tool's, or None if there is none left."""
        with self._lock:
            taken = self._next(asked)
            if taken is None:
                return None
            taken.answered = True
        difference = first_difference(taken.asked.request, asked.request)
        if difference is None and asked.is_blind:
            return ToolClaim(taken.span, "drift", "a password or personal data was removed from its arguments")
        if difference is None and asked.is_known:
            return ToolClaim(taken.span, "hit")
        if difference is None:
            return ToolClaim(taken.span, "drift", "an argument is compared by its repr")
        return ToolClaim(taken.span, "drift", f"{difference.pointer}: {difference.recorded} → {difference.asked}")

    def pass_by(self, asked: AskedTool) -> None:
        """Take note of a call that is made in spite of its recording."""
        with self._lock:
            self._next(asked)

    def _next(self, asked: AskedTool) -> _Recorded | None:
        key = key_of(asked.request)
        if key in self._exact:
            return self._exact.take(key, asked.lane, self._take)
        if self._normalised is None:
            self._normalised = _Queues((_normalised_key(call.asked), call) for call in self._calls)
        return self._normalised.take(_normalised_key(asked), asked.lane, self._take)

    def mark_played(self, places: Collection[str]) -> None:
        """Take note that other processes of the run have served these recorded calls."""
        for call in self._calls:
            if call.place in places and not call.claimed:
                call.claimed = call.answered = True

    def unplayed(self) -> tuple[Span, ...]:
        """Return the recorded calls that nobody asked for; what a tool did inside belongs to it."""
        answered = self._answered()
        return tuple(call.span for call in self._calls if not call.claimed and not self._is_inside(call.span, answered))

    def covers(self, trace_id: str, span_id: str) -> bool:
        """Whether a recorded span was part of a tool that was answered, so that nobody asks for it."""
        span = self._spans.get((trace_id, span_id))
        return span is not None and self._is_inside(span, self._answered())

    def _answered(self) -> set[tuple[str, str]]:
        return {_id(call.span) for call in self._calls if call.answered}

    def _is_inside(self, span: Span, tools: Collection[tuple[str, str]]) -> bool:
        seen: set[tuple[str, str]] = set()
        above = (span.trace_id, span.parent_span_id or "")
        while above in self._spans and above not in seen:
            if above in tools:
                return True
            seen.add(above)
            above = (span.trace_id, self._spans[above].parent_span_id or "")
        return False

    # --- misses -----------------------------------------------------------------------------------------------------

    def miss(self, asked: AskedTool, site: str) -> ReplayMiss:
        """Return the error that says why a tool's call has no answer and what to do."""
        request = asked.request
        called = f"{asked.name}({asked.arguments})"
        times = sum(1 for call in self._calls if call.key == key_of(request))
        if times:
            recorded = "once" if times == 1 else f"{times} times"
            told = (
                f"The tool call {called} was recorded {recorded} and made once more.\n{self._place(asked.name, site)}"
            )
            return ReplayExhausted(told, request=asked.arguments)
        same = [(number, call) for number, call in enumerate(self._calls, 1) if call.asked.name == asked.name]
        if not same:
            names = ", ".join(sorted({call.asked.name for call in self._calls})) or "no tool"
            nearest = f"none: {asked.name} was never called; the recording has {names}"
            return ReplayMiss(
                f"No recording answers the tool call {called}.\n{self._place(asked.name, site, nearest)}",
                request=asked.arguments,
            )
        number, near = max(
            same[:_NEAREST_OF], key=lambda row: (similarity(row[1].asked.request, request), not row[1].claimed, -row[0])
        )
        difference = first_difference(near.asked.request, request)
        nearest = f"tool call {number}, {near.asked.name}" + (
            f", differs at {difference.pointer}" if difference else ""
        )
        values = f"\n  recorded {difference.recorded}\n  asked    {difference.asked}" if difference else ""
        return ReplayMiss(
            f"No recording answers the tool call {called}.\n{self._place(asked.name, site, nearest + values)}",
            request=asked.arguments,
            nearest=near.span.span_id,
            first_difference=difference.pointer if difference else None,
        )

    def not_restorable(self, asked: AskedTool, reason: str, site: str) -> ToolNotRestorable:
        """Return the error that says why a recorded call cannot answer."""
        told = f"What the tool {asked.name} gave cannot be given again: {reason}.\n{self._place(asked.name, site, fix=_GIVE_DATA)}"
        return ToolNotRestorable(told, tool=asked.name, reason=reason)

    def _place(self, name: str, site: str, nearest: str = "", fix: str = "record again") -> str:
        told = f"  nearest  {nearest}\n" if nearest else ""
        path = self._path
        return (
            f"  at       {site}\n  cassette {path}\n{told}"
            f"  to fix   {fix}: otel-agenttrace record {shlex.quote(str(path))} -- …\n"
            f'           or let it run: --run-tool {shlex.quote(name)}, or @at.tool(on_replay="run")'
        )


def _id(span: Span) -> tuple[str, str]:
    return span.trace_id, span.span_id


def _recorded_tools(spans: Iterable[Span]) -> Iterator[_Recorded]:
    """Yield the tool calls of a recording; where it has ours, those of others tell the same calls again."""
    told = [span for span in spans if span.operation == semconv.OPERATION_EXECUTE_TOOL]
    ours = [span for span in told if span.scope == _OURS]
    for number, span in enumerate(ours or told):
        asked = _asked(span)
        if asked is not None:
            yield _Recorded(f"t{number:015x}", span, asked, key_of(asked.request))


def _asked(span: Span) -> AskedTool | None:
    name = span.attributes.get(semconv.GEN_AI_TOOL_NAME)
    arguments = span.attributes.get(semconv.GEN_AI_TOOL_CALL_ARGUMENTS)
    lane = span.attributes.get(semconv.AGENTTRACE_TOOL_LANE)
    if not isinstance(name, str) or not isinstance(arguments, str):
        return None
    typed = span.attributes.get(semconv.AGENTTRACE_TOOL_ARGUMENTS)
    return AskedTool(name, arguments, as_text(lane) or "", as_text(typed) or "")


def _normalised_key(asked: AskedTool) -> str:
    request = asked.request
    return normalised_key(replace(request, body=_ADDRESS.sub(" at <address>", request.body)))
