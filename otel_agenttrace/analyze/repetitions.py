"""Tell where a run calls a tool again: after an error, with the same arguments, in circles. Steps of runs in, counts out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Final

from otel_agenttrace.analyze.cycles import cycle
from otel_agenttrace.analyze.sequences import Act

__all__ = ["ROUNDS", "Loop", "Repeats", "Repetitions", "Retries", "RunRepetitions"]

ROUNDS: Final = 3
"""So often a sequence of calls comes again at once before it is a loop."""


@dataclass(frozen=True, slots=True)
class Retries:
    """Calls of a tool right after it had failed, and how many of them did not fail."""

    tool: str
    failed: int
    retried: int
    recovered: int


@dataclass(frozen=True, slots=True)
class Repeats:
    """Calls of a tool with arguments it had been called with in the same run.

    Attributes:
        tool: The tool.
        calls: All calls.
        repeated: Those that are not the first with their arguments in their run.
        unknown: Calls whose arguments are not told: they may be repeats too.
        traces: Runs with such a call.
        span_id: One of them.
    """

    tool: str
    calls: int
    repeated: int
    unknown: int
    traces: int
    span_id: str


@dataclass(frozen=True, slots=True)
class Loop:
    """A sequence that came again at once, three times or more: of several tools, or of one with the same arguments."""

    sequence: tuple[str, ...]
    traces: int
    most_rounds: int
    span_id: str


@dataclass(slots=True)
class _Calls:
    """What is counted of the calls of one tool in one run."""

    tool: str
    calls: int = 0
    repeated: int = 0
    unknown: int = 0
    span_id: str = ""
    failed: int = 0
    retried: int = 0
    recovered: int = 0
    seen: set[int] = field(default_factory=set[int])

    def take(self, step: Act, *, is_retry: bool) -> None:
        self.calls += 1
        self.failed += step.error is not None
        self.retried += is_retry
        self.recovered += is_retry and step.error is None
        if step.arguments is None:
            self.unknown += 1
        elif step.arguments in self.seen:
            self.repeated += 1
            self.span_id = self.span_id or step.span_id
        else:
            self.seen.add(step.arguments)


class RunRepetitions:
    """What is counted of the calls of one run, given in order.

    Attributes:
        names: The tools.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self._of_tool: dict[str, _Calls] = {}
        self._longest: dict[str, tuple[int, str]] = {}
        self._same, self._first = 0, ""
        self._last: Act | None = None

    def take(self, step: Act) -> None:
        """Take one more call."""
        last = self._last if self._last is not None and self._last.name == step.name else None
        calls = self._of_tool.get(step.name)
        if calls is None:
            calls = self._of_tool[step.name] = _Calls(step.name)
        calls.take(step, is_retry=last is not None and last.error is not None)
        if last is None or last.arguments != step.arguments:
            self._same, self._first = 0, step.span_id
        self._same += 1
        if step.arguments is not None and self._same >= ROUNDS:
            longest, _ = self._longest.get(step.name, (0, ""))
            if self._same > longest:
                self._longest[step.name] = self._same, self._first
        self.names.append(step.name)
        self._last = step

    def loops(self, steps: Iterable[Act]) -> Iterator[Loop]:
        """Yield where they go in circles: the first sequence of different tools, and each call made again and again.

        Args:
            steps: The same calls once more.
        """
        found = cycle(self.names, ROUNDS)
        if found is not None:
            begin, length, rounds = found
            (first,) = islice(steps, begin, begin + 1)
            yield Loop(tuple(self.names[begin : begin + length]), 1, rounds, first.span_id)
        for name, (rounds, span_id) in self._longest.items():
            yield Loop((name,), 1, rounds, span_id)

    @property
    def repeats(self) -> Iterator[Repeats]:
        """For each tool how many of its calls are not the first with their arguments."""
        for each in self._of_tool.values():
            traces = int(each.repeated > 0)
            yield Repeats(each.tool, each.calls, each.repeated, each.unknown, traces, each.span_id)

    @property
    def retries(self) -> Iterator[Retries]:
        """For each tool that failed, after how many failures it was the next tool, and how often that call did not fail."""
        for each in self._of_tool.values():
            if each.failed:
                yield Retries(each.tool, each.failed, each.retried, each.recovered)


class Repetitions:
    """What was counted over several runs, by tool or by sequence."""

    def __init__(self) -> None:
        self._loops: dict[tuple[str, ...], Loop] = {}
        self._repeats: dict[str, Repeats] = {}
        self._retries: dict[str, Retries] = {}

    def take(self, run: RunRepetitions, steps: Iterable[Act]) -> None:
        """Take what was counted of one more run, and its calls once more."""
        for loop in run.loops(steps):
            known = self._loops.get(loop.sequence, replace(loop, traces=0))
            most = max(known.most_rounds, loop.most_rounds)
            self._loops[loop.sequence] = replace(known, traces=known.traces + 1, most_rounds=most)
        for more in run.repeats:
            self._repeats[more.tool] = _joined(self._repeats.get(more.tool), more)
        for retry in run.retries:
            known_retries = self._retries.get(retry.tool, Retries(retry.tool, 0, 0, 0))
            self._retries[retry.tool] = Retries(
                retry.tool,
                known_retries.failed + retry.failed,
                known_retries.retried + retry.retried,
                known_retries.recovered + retry.recovered,
            )

    @property
    def loops(self) -> tuple[Loop, ...]:
        """Sequences that came again and again, those of most runs first."""
        return tuple(sorted(self._loops.values(), key=lambda loop: (-loop.traces, loop.sequence)))

    @property
    def repeats(self) -> tuple[Repeats, ...]:
        """Tools that were called again with the same arguments, or may have been, most repeats first."""
        found = (each for each in self._repeats.values() if each.repeated or each.unknown)
        return tuple(sorted(found, key=lambda each: (-each.repeated, each.tool)))

    @property
    def retries(self) -> tuple[Retries, ...]:
        """Tools that failed, most failures first."""
        return tuple(sorted(self._retries.values(), key=lambda each: (-each.failed, each.tool)))


def _joined(known: Repeats | None, more: Repeats) -> Repeats:
    if known is None:
        return more
    return Repeats(
        more.tool,
        known.calls + more.calls,
        known.repeated + more.repeated,
        known.unknown + more.unknown,
        known.traces + more.traces,
        known.span_id or more.span_id,
    )
