"""Compare two runs: where they part, what changed, what each took. Two traces in, a frozen report out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import takewhile
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.analyze.acts import Act, acts_of
from otel_agenttrace.analyze.contents import Contents
from otel_agenttrace.analyze.diffing import KINDS, Changed, Differ, DiffKind, told_once
from otel_agenttrace.analyze.measures import MEASURES, run_figures
from otel_agenttrace.analyze.outcomes import SameOutcome, same_outcome
from otel_agenttrace.analyze.pairing import Row, paired
from otel_agenttrace.analyze.tool_calls import ToolCall, tool_calls
from otel_agenttrace.collecting import uncollected
from otel_agenttrace.counting import counted
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.selectors import Selector, subjects

__all__ = ["FIGURES", "PATH", "Amounts", "DiffSettings", "StepDiff", "ToolCount", "TraceDiff", "diff_of", "outcome_of"]

PATH: Final[frozenset[DiffKind]] = frozenset({"added", "removed", "order", "agent"})
"""Changes of the path that a run takes."""
FIGURES: Final[Mapping[str, tuple[str, ...]]] = {
    "tokens": ("input_tokens", "output_tokens", "total_tokens"),
    "cost": ("cost_usd",),
    "latency": ("duration_s",),
}
"""What may be ignored, or failed on, of the figures: names for people, and the figures they are of."""
_SLOWER: Final = 1.5
Mark: TypeAlias = Literal["same", "changed", "added", "removed", "moved"]


@dataclass(frozen=True, slots=True)
class DiffSettings:
    """What counts in a comparison.

    Attributes:
        ignored: Kinds of changes, and names of `FIGURES`, that do not count.
        left_out: Spans that are not looked at, nor is what they were asked for.
        exact: Whether ids, times and temporary paths count.
    """

    ignored: frozenset[str] = frozenset()
    left_out: tuple[Selector, ...] = ()
    exact: bool = False


@dataclass(frozen=True, slots=True)
class Amounts:
    """How much of one thing the two runs took; None where a run does not tell all of it."""

    old: float | None
    new: float | None


@dataclass(frozen=True, slots=True)
class ToolCount:
    """How often a tool was called in the two runs."""

    old: int
    new: int


@dataclass(frozen=True, slots=True)
class StepDiff:
    """One row of the two runs side by side.

    Attributes:
        step: Its number, from 1.
        mark: What became of it.
        old: The act of the old run in words; None if it has none.
        new: That of the new run.
        changes: The kinds of what changed, those that last only where they came up first.
    """

    step: int
    mark: Mark
    old: str | None
    new: str | None
    changes: tuple[DiffKind, ...]


@dataclass(frozen=True, slots=True)
class TraceDiff:
    """How two runs differ.

    Attributes:
        old: Name of the old run.
        new: Name of the new run.
        outcome: The whole in a line.
        is_same: Whether nothing changed that counts. Figures do not.
        first_divergence: The first row that is not the same.
        counts: How many changes there are of each kind.
        changes: What changed, in the order of the rows.
        figures: By the names of `measures.MEASURES`, and `errors`.
        tools: The tools that were not called equally often, by name.
        steps: Both runs side by side.
        unknown: What could not be compared, in words.
        semantic: Whether the outcome is the same, if that was asked for.
    """

    old: str
    new: str
    outcome: str
    is_same: bool
    first_divergence: StepDiff | None
    counts: Mapping[DiffKind, int]
    changes: tuple[Changed, ...]
    figures: Mapping[str, Amounts]
    tools: Mapping[str, ToolCount]
    steps: tuple[StepDiff, ...]
    unknown: tuple[str, ...] = ()
    semantic: SameOutcome | None = None

    def has(self, kinds: frozenset[str]) -> bool:
        """Whether there is a change of one of these kinds: `any`, `outcome`, those of `KINDS`, the names of `FIGURES`."""
        if "any" in kinds and not self.is_same:
            return True
        if "outcome" in kinds and self.semantic is not None and not self.semantic.is_same:
            return True
        return bool(kinds.intersection(self.counts)) or any(self._is_other(name) for name in FIGURES if name in kinds)

    def _is_other(self, name: str) -> bool:
        found = [self.figures[figure] for figure in FIGURES[name] if figure in self.figures]
        if name == "latency":
            return any(_is_slower(each) for each in found)
        return any(each.old != each.new for each in found)


def _is_slower(seconds: Amounts) -> bool:
    """Whether a run took longer than noise explains: half as long again, and a second."""
    if seconds.old is None or seconds.new is None:
        return False
    return seconds.new > seconds.old * _SLOWER and seconds.new - seconds.old >= MEASURES["duration_s"].noticed


@uncollected()
def diff_of(
    old: Trace,
    new: Trace,
    settings: DiffSettings = DiffSettings(),
    *,
    names: tuple[str, str] = ("old", "new"),
    similarity: Callable[[str, str], float] | None = None,
    threshold: float = 0.0,
    measured_by: str = "",
) -> TraceDiff:
    """Return how two runs differ.

    Args:
        old: One run.
        new: Another run of the same task, perhaps by another framework or told in another dialect.
        settings: What counts.
        names: What the runs are called.
        similarity: How near two answers are, 0 to 1, if it is asked whether the outcome is the same.
        threshold: From which similarity on it is.
        measured_by: What the similarity is, in words.
    """
    contents = Contents(exact=settings.exact)
    called = tool_calls(old, contents.answered), tool_calls(new, contents.answered)
    left, right = (
        acts_of(trace, calls, (contents.given, contents.question, contents.answer), _chosen(trace, settings.left_out))
        for trace, calls in zip((old, new), called, strict=True)
    )
    rows = paired(left, right, contents)
    differ = Differ(contents)
    in_turn = sorted(enumerate(rows, 1), key=lambda each: each[1].turn)
    told = {number: found for number, row in in_turn if (found := list(differ.changes(row, number)))}
    in_order = (change for number in sorted(told) for change in told[number])
    changes = told_once(change for change in in_order if change.kind not in settings.ignored)
    steps = tuple(_steps(rows, changes))
    outcome = None if similarity is None else same_outcome(old, new, similarity, threshold, measured_by)
    counts: Counter[DiffKind] = Counter(change.kind for change in changes)
    return TraceDiff(
        old=names[0],
        new=names[1],
        outcome=outcome_of(steps, counts, outcome),
        is_same=not changes,
        first_divergence=next((step for step in steps if step.changes), None),
        counts={kind: counts[kind] for kind in KINDS if counts[kind]},
        changes=changes,
        figures=_figures(old, new, called, settings.ignored),
        tools=_tools(left, right),
        steps=steps,
        unknown=tuple(_unknown(rows, contents)),
        semantic=outcome,
    )


def _chosen(trace: Trace, left_out: Sequence[Selector]) -> Callable[[Span], bool]:
    if not left_out:
        return lambda _: True
    gone = {id(subject.span) for subject in subjects(trace) if any(selector.matches(subject) for selector in left_out)}
    return lambda span: id(span) not in gone


# --- rows -------------------------------------------------------------------------------------------------------------


def _steps(rows: Sequence[Row], changes: Sequence[Changed]) -> Iterator[StepDiff]:
    kinds: dict[int, list[DiffKind]] = {}
    for change in changes:
        kinds.setdefault(change.step, []).append(change.kind)
    for number, row in enumerate(rows, 1):
        found = tuple(dict.fromkeys(kinds[number])) if number in kinds else ()
        yield StepDiff(number, _mark(row, found), _words(row.old), _words(row.new), found)


def _mark(row: Row, kinds: Sequence[DiffKind]) -> Mark:
    if "added" in kinds or "removed" in kinds:
        return "added" if row.old is None else "removed"
    return "moved" if "order" in kinds else "changed" if kinds else "same"


def _words(act: Act | None) -> str | None:
    return None if act is None else f"{act.kind} {act.name}" + (" (failed)" if act.is_error else "")


# --- the line that says it --------------------------------------------------------------------------------------------

_NOUNS: Final[Mapping[DiffKind, str]] = {
    "added": "act added",
    "removed": "act removed",
    "order": "act moved",
    "agent": "other agent",
    "model": "other model",
    "parameters": "changed parameter",
    "system": "changed system prompt",
    "definitions": "changed tool definition",
    "messages": "changed message",
    "arguments": "changed argument",
    "result": "changed result",
    "text": "changed answer",
    "finish": "other end",
    "error": "changed error",
    "attempts": "changed number of attempts",
}


def outcome_of(steps: Sequence[StepDiff], counts: Mapping[DiffKind, int], semantic: SameOutcome | None) -> str:
    """Return what is to be known first, in a line."""
    if semantic is not None:
        return semantic.told
    told = ", ".join(_many(counts[kind], noun) for kind, noun in _NOUNS.items() if counts.get(kind))
    path = next((step for step in steps if not PATH.isdisjoint(step.changes)), None)
    if not told:
        return f"the same: {counted(len(steps), 'step')}, nothing changed"
    if path is None:
        return f"the same path of {counted(len(steps), 'step')}: {told}"
    parts = list(takewhile(lambda step: not PATH.isdisjoint(step.changes), steps[path.step - 1 :]))
    was, now = (next(filter(None, sides), "nothing") for sides in ([s.old for s in parts], [s.new for s in parts]))
    return f"parted at step {path.step}, {was if was == now else f'{was} → {now}'}: {told}"


def _many(count: int, noun: str) -> str:
    """Return `2 acts added`, `3 changed answers`."""
    head, _, tail = noun.partition(" ")
    if count == 1:
        return f"1 {noun}"
    if head == "act":
        return f"{count:,} acts {tail}"
    return f"{count:,} changed numbers of attempts" if noun.endswith("of attempts") else f"{count:,} {noun}s"


# --- figures ----------------------------------------------------------------------------------------------------------


def _figures(
    old: Trace, new: Trace, called: tuple[Sequence[ToolCall], Sequence[ToolCall]], ignored: frozenset[str]
) -> dict[str, Amounts]:
    was, now = run_figures(old, called[0]), run_figures(new, called[1])
    left_out = {figure for name, figures in FIGURES.items() if name in ignored for figure in figures}
    amounts = {name: Amounts(was.amounts[name], now.amounts[name]) for name in was.amounts if name not in left_out}
    return {**amounts, "errors": Amounts(len(old.errors), len(new.errors))}


def _tools(old: Sequence[Act], new: Sequence[Act]) -> dict[str, ToolCount]:
    was, now = (Counter(act.name for act in acts if act.kind == "tool") for acts in (old, new))
    return {name: ToolCount(was[name], now[name]) for name in sorted({*was, *now}) if was[name] != now[name]}


def _unknown(rows: Sequence[Row], contents: Contents) -> Iterator[str]:
    """Yield what could not be compared since only one run tells it; of models, also what neither does."""
    pairs = [(row.old, row.new) for row in rows if row.old is not None and row.new is not None]
    tools = [(old.call, new.call) for old, new in pairs if old.call is not None and new.call is not None]
    models = [pair for pair in pairs if pair[0].kind == "inference" and None in [act.span.call_digests for act in pair]]
    said = [
        pair
        for pair in models
        if not any(act.is_error or act.span.operation == semconv.OPERATION_EMBEDDINGS for act in pair)
    ]
    results = sum((old.result is None) != (new.result is None) for old, new in tools)
    arguments = sum((old.arguments is None) != (new.arguments is None) for old, new in tools)
    questions = sum(not all(contents.messages(act.span) for act in pair) for pair in models)
    answers = sum(not all(contents.output(act.span) for act in pair) for pair in said)
    if results:
        yield f"{counted(results, 'result')} of tools that one run does not tell"
    if arguments:
        yield f"what {counted(arguments, 'call')} of tools got, which one run does not tell"
    if questions:
        yield f"what {counted(questions, 'call')} to models asked, which a run does not tell"
    if answers:
        yield f"what {counted(answers, 'call')} to models answered, which a run does not tell"
