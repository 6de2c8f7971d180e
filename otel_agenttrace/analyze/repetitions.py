"""Tell where a run calls a tool again: after an error, with the same arguments, in circles. Steps of runs in, counts out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import groupby, zip_longest
from typing import Final

from otel_agenttrace.analyze.cycles import cycle
from otel_agenttrace.analyze.sequences import Act

__all__ = ["ROUNDS", "Loop", "Repeats", "Repetitions", "Retries", "loops_in", "repeats_in", "retries_in"]

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


class Repetitions:
    """What was counted over several runs, by tool or by sequence."""

    def __init__(self) -> None:
        self._loops: dict[tuple[str, ...], Loop] = {}
        self._repeats: dict[str, Repeats] = {}
        self._retries: dict[str, Retries] = {}

    def take(self, steps: Sequence[Act]) -> None:
        """Take the calls of one more run."""
        for loop in loops_in(steps):
            known = self._loops.get(loop.sequence, replace(loop, traces=0))
            most = max(known.most_rounds, loop.most_rounds)
            self._loops[loop.sequence] = replace(known, traces=known.traces + 1, most_rounds=most)
        for more in repeats_in(steps):
            self._repeats[more.tool] = _joined(self._repeats.get(more.tool), more)
        for retry in retries_in(steps):
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


def loops_in(steps: Sequence[Act]) -> Iterator[Loop]:
    """Yield where calls go in circles: the first sequence of different tools, and each call made again and again."""
    names = [step.name for step in steps]
    found = cycle(names, ROUNDS)
    if found is not None:
        begin, length, rounds = found
        yield Loop(tuple(names[begin : begin + length]), 1, rounds, steps[begin].span_id)
    longest: dict[str, Loop] = {}
    for (name, arguments), row in groupby(steps, key=lambda step: (step.name, step.arguments)):
        same = tuple(row)
        if (
            arguments is not None
            and len(same) >= ROUNDS
            and (name not in longest or longest[name].most_rounds < len(same))
        ):
            longest[name] = Loop((name,), 1, len(same), same[0].span_id)
    yield from longest.values()


def repeats_in(steps: Sequence[Act]) -> Iterator[Repeats]:
    """Yield for each tool of a run how many of its calls are not the first with their arguments."""
    of_tool: dict[str, list[Act]] = {}
    for step in steps:
        of_tool.setdefault(step.name, []).append(step)
    for tool, calls in of_tool.items():
        seen: set[int] = set()
        again = [call for call in calls if call.arguments is not None and _is_seen(call.arguments, seen)]
        unknown = sum(call.arguments is None for call in calls)
        yield Repeats(tool, len(calls), len(again), unknown, int(bool(again)), again[0].span_id if again else "")


def retries_in(steps: Iterable[Act]) -> Iterator[Retries]:
    """Yield each failed call: whether the next call is to the same tool, and whether that one did not fail."""
    each = tuple(steps)
    for step, following in zip_longest(each, each[1:]):
        if step.error is not None:
            again = following if following is not None and following.name == step.name else None
            yield Retries(step.name, 1, int(again is not None), int(again is not None and again.error is None))


def _is_seen(arguments: int, seen: set[int]) -> bool:
    is_seen = arguments in seen
    seen.add(arguments)
    return is_seen


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
