"""Tell what many runs have in common: which tools follow which, where they fail, repeat, go in circles. Streams in, report out."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate, islice, pairwise
from typing import Any, Final, TypeAlias, TypeVar

from otel_agenttrace.analyze.clusters import clusters_of
from otel_agenttrace.analyze.measures import whole
from otel_agenttrace.analyze.pattern_report import BeforeError, Errors, Ngram, Order, Patterns, Transition
from otel_agenttrace.analyze.percentiles import Amounts, Percentiles
from otel_agenttrace.analyze.repetitions import Repetitions, RunRepetitions
from otel_agenttrace.analyze.sequences import Act, ActKind, Run, runs_in, tool_steps
from otel_agenttrace.analyze.stats import ModelTally
from otel_agenttrace.analyze.streams import SpanStream

__all__ = ["patterns_of"]

_Sequence: TypeAlias = tuple[str, ...]
_Key = TypeVar("_Key", str, tuple[str, ...])

_CUT: Final = ("ngrams", "orders", "before_errors", "retries", "repeats", "loops", "clusters")
"""Of these only the first rows are kept."""
_ORDERED_TOOLS: Final = 30
"""Of a run with more different tools than this, no order is counted."""
_LEAST_RUNS: Final = 3
_LEAST_SHARE: Final = 0.8


def patterns_of(streams: Iterable[SpanStream], *, window: int = 3, top: int = 10) -> Patterns:
    """Return what runs have in common.

    Args:
        streams: Files of runs, read one after another.
        window: The longest sequence that is counted, two or more.
        top: How many rows of a kind are kept.
    """
    counted = _Counted(window)
    for stream in streams:
        counted.files += 1
        for run in runs_in(stream):
            counted.take(run)
    return counted.report(top)


_PER_RUN: Final = ("llm_calls", "tool_calls", "input_tokens", "output_tokens", "total_tokens", "cost_usd", "duration_s")


class _Counted:
    """What was counted so far: figures and sequences of names, no spans."""

    def __init__(self, window: int) -> None:
        self.files = self.traces = self.untold = self.failed_runs = self.passed = self.evaluated = 0
        self.window = window
        self.tools = Counter[str]()
        self.ngrams, self.ngram_runs = Counter[_Sequence](), Counter[_Sequence]()
        self.transitions = Counter[tuple[str | None, str | None]]()
        self.orders, self.good_runs = Counter[tuple[str, str]](), Counter[str]()
        self.models = defaultdict[str, ModelTally](ModelTally)
        self.tool_latency = Amounts()
        self.failed, self.types = Counter[str](), Counter[str]()
        self.before: dict[tuple[_Sequence, str], tuple[int, str]] = {}
        self.repetitions = Repetitions()
        self.per_run = {name: Amounts() for name in _PER_RUN}
        self.runs: list[tuple[_Sequence, str]] = []

    def take(self, run: Run) -> None:
        self.traces += 1
        self.untold += run.untold
        self.passed += run.passed is True
        self.evaluated += run.passed is not None
        calls = RunRepetitions()
        starts: list[int] = []
        for step in tool_steps(run):
            calls.take(step)
            starts.append(step.start_ns)
            self.tool_latency.add(step.duration_s)
            if step.error is not None:
                self._failed_tool(step, calls.names)
        self.repetitions.take(calls, tool_steps(run))
        names = tuple(calls.names)
        self.runs.append((names, run.file))
        self._sequences(names)
        failed = self._acts(run, len(names))
        self.failed_runs += not failed <= {"agent"}
        if "model" in failed:
            self._failed_models(run, names, starts)
        is_good = failed <= {"agent"} if run.passed is None else run.passed
        if is_good:
            self._orders(names)

    def _sequences(self, names: _Sequence) -> None:
        self.tools.update(names)
        self.ngrams.update(self._windows(names))
        self.ngram_runs.update(set(self._windows(names)))
        if names:
            self.transitions.update(pairwise((None, *names, None)))

    def _windows(self, names: _Sequence) -> Iterator[_Sequence]:
        return (names[i : i + size] for size in range(2, self.window + 1) for i in range(len(names) - size + 1))

    def _acts(self, run: Run, tool_calls: int) -> set[ActKind]:
        """Count what the calls to models took and what failed, and return of which kinds that was."""
        models = ModelTally()
        failed: set[ActKind] = set()
        for act in run.acts:
            if act.kind == "model":
                models.take(act)
                self.models[act.name].take(act)
            if act.error is not None:
                failed.add(act.kind)
                self.failed[act.kind] += 1
                if act.kind != "agent":
                    self.types[act.error] += 1
        given, got, cost = models.given.whole, models.got.whole, models.cost.whole
        amounts = (models.calls, tool_calls, given, got, whole((given, got)), cost, run.duration_s)
        for name, amount in zip(_PER_RUN, amounts, strict=True):
            self.per_run[name].add(amount)
        return failed

    def _failed_tool(self, step: Act, names: Sequence[str]) -> None:
        """Take a call that failed, the last one of some."""
        for size in range(2, min(self.window, len(names)) + 1):
            self._failed_after(tuple(names[-size:]), step)

    def _failed_models(self, run: Run, names: _Sequence, starts: Sequence[int]) -> None:
        least = list(accumulate(reversed(starts), min))[::-1]
        for act in run.of("model"):
            if act.error is not None:
                places = range(bisect_left(least, act.start_ns) - 1, -1, -1)  # what stands after them began later
                earlier = (names[place] for place in places if starts[place] < act.start_ns)
                before: _Sequence = ()
                for name in islice(earlier, self.window - 1):
                    before = (name, *before)
                    self._failed_after((*before, act.name), act)

    def _failed_after(self, sequence: _Sequence, failed: Act) -> None:
        errors, span_id = self.before.get((sequence, failed.kind), (0, failed.span_id))
        self.before[(sequence, failed.kind)] = (errors + 1, span_id)

    def _orders(self, names: _Sequence) -> None:
        first = tuple(dict.fromkeys(names))
        if len(first) <= _ORDERED_TOOLS:
            self.good_runs.update(first)
            self.orders.update((one, then) for place, then in enumerate(first) for one in first[:place])

    def report(self, top: int) -> Patterns:
        out_of = Counter[str | None]()
        for (source, _), count in self.transitions.items():
            out_of[source] += count
        report = Patterns(
            trace_count=self.traces,
            passed=self.passed,
            evaluated=self.evaluated,
            files=self.files,
            window=self.window,
            top=top,
            tool_counts=dict(_most(self.tools)),
            ngrams=tuple(Ngram(names, count, self.ngram_runs[names]) for names, count in _most(self.ngrams)),
            transitions=tuple(
                Transition(*pair, count, round(count / out_of[pair[0]], 4))
                for pair, count in sorted(self.transitions.items(), key=_rank)
            ),
            orders=tuple(self._kept_orders()),
            models=tuple(
                counts.figures(model)
                for model, counts in sorted(self.models.items(), key=lambda each: (-each[1].calls, each[0]))
            ),
            errors=Errors(
                self.failed["model"],
                self.failed["tool"],
                self.failed["agent"],
                self.failed_runs,
                dict(_most(self.types)),
            ),
            before_errors=tuple(self._kept_before()),
            retries=self.repetitions.retries,
            repeats=self.repetitions.repeats,
            loops=self.repetitions.loops,
            per_run={name: amounts.percentiles for name, amounts in self.per_run.items()},
            per_call=self._per_call(),
            clusters=clusters_of(self.runs),
            untold_calls=self.untold,
            dropped={},
        )
        rows: dict[str, tuple[object, ...]] = {name: getattr(report, name) for name in _CUT}
        dropped = {name: len(each) - top for name, each in rows.items() if len(each) > top}
        cut: dict[str, Any] = {name: each[:top] for name, each in rows.items()}
        return replace(report, **cut, dropped=dropped)

    def _per_call(self) -> dict[str, Percentiles]:
        every = ModelTally()
        for each in self.models.values():
            every.join(each)
        amounts = (every.given, every.got, every.cost, every.latency, self.tool_latency)
        names = ("input_tokens", "output_tokens", "cost_usd", "latency_s", "tool_latency_s")
        return {name: each.percentiles for name, each in zip(names, amounts, strict=True)}

    def _kept_orders(self) -> Iterator[Order]:
        for (first, then), traces in sorted(self.orders.items(), key=lambda each: (-each[1], each[0])):
            among = self.good_runs[then]
            if traces >= _LEAST_RUNS and traces >= _LEAST_SHARE * among:
                yield Order(first, then, traces, among)

    def _kept_before(self) -> Iterator[BeforeError]:
        found = sorted(self.before.items(), key=lambda each: (-each[1][0], -len(each[0][0]), each[0]))
        for (sequence, kind), (errors, span_id) in found:
            yield BeforeError(sequence, kind, errors, self.ngrams[sequence] if kind == "tool" else None, span_id)


def _rank(each: tuple[tuple[str | None, str | None], int]) -> tuple[int, str, str]:
    (source, target), count = each
    return -count, source or "", target or ""


def _most(counts: Counter[_Key]) -> list[tuple[_Key, int]]:
    return sorted(counts.items(), key=lambda each: (-each[1], each[0]))
