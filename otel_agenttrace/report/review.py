"""Say of a change what a reviewer wants to know, in words that any form of the report has. Review in, words and JSON out.

Foreign text stands in the lines of steps only, and cannot leave its line there; what a form makes of it is the form's.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from otel_agenttrace.analyze.branches import Changes
from otel_agenttrace.analyze.changes import Change, Figures, together
from otel_agenttrace.analyze.suite import CaseResult, SuiteResult
from otel_agenttrace.checks.files import CheckedFile
from otel_agenttrace.jsonvalue import JsonObject
from otel_agenttrace.model import OutcomeKind
from otel_agenttrace.report.text import cost, counted, escaped, tokens

__all__ = ["Review", "at_most", "change_line", "headline", "review_json", "step_lines", "suite_facts", "total_rows"]

_KINDS: Final[tuple[OutcomeKind, ...]] = ("hit", "drift", "miss", "live")
_UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Review:
    """What is told of a change. None: nobody looked.

    Attributes:
        suite: How the tests went.
        checks: The traces that were held to rules.
        changes: How the recordings differ from those of the base branch.
    """

    suite: SuiteResult | None = None
    checks: tuple[CheckedFile, ...] | None = None
    changes: Changes | None = None

    @property
    def failed(self) -> tuple[CaseResult, ...]:
        """The tests that failed."""
        return tuple(case for case in self.suite.cases if case.outcome == "failed") if self.suite is not None else ()

    @property
    def told(self) -> tuple[CaseResult, ...]:
        """The tests that failed or found something."""
        cases = self.suite.cases if self.suite is not None else ()
        return tuple(case for case in cases if case.outcome == "failed" or case.findings)

    @property
    def broken(self) -> tuple[CheckedFile, ...]:
        """The traces that break a rule, or cannot be read."""
        return tuple(file for file in self.checks or () if file.findings or file.problem)

    @property
    def damaged(self) -> tuple[str, ...]:
        """The cassettes of the branch that cannot be read."""
        found = self.changes.unreadable if self.changes is not None else ()
        return tuple(each.name for each in found if not each.is_of_base)


def headline(review: Review) -> str:
    """Return the whole in a line: a mark, the tests, the rules, the recordings."""
    is_clean = not (review.failed or review.broken or review.damaged)
    told: list[str] = []
    if review.suite is not None:
        tests = counted(len(review.suite.cases), "test")
        told.append(f"{len(review.failed):,} of {tests} failed" if review.failed else f"{tests}, none failed")
    if review.checks is not None:
        broken = sum(len(file.findings) for file in review.broken)
        told.append(f"{counted(broken, 'finding')} of rules")
    if review.changes is not None:
        told.append(_compared(review.changes))
    return f"{'✓' if is_clean else '✗'} {' · '.join(told)}"


def _compared(changes: Changes) -> str:
    if not changes.is_compared:
        return counted(len(changes.now), "cassette")
    counts = Counter[str](change.kind for change in changes.changes)
    counts |= {"unreadable": len(changes.unreadable), "as before": changes.unchanged}
    return "cassettes: " + (", ".join(f"{counts[kind]:,} {kind}" for kind in _BECAME if counts[kind]) or "none")


_BECAME: Final = ("changed", "new", "removed", "unreadable", "as before")


def suite_facts(suite: SuiteResult) -> Iterator[tuple[str, str]]:
    """Yield what the tests did, each fact with its name."""
    outcomes = Counter(case.outcome for case in suite.cases)
    told = ", ".join(f"{outcomes[kind]:,} {kind}" for kind in ("passed", "failed", "skipped") if outcomes[kind])
    yield "tests", told or "none"
    calls: Counter[OutcomeKind] = Counter()
    for case in suite.cases:
        calls.update(case.calls)
    told = ", ".join(f"{calls[kind]:,} {kind}" for kind in _KINDS)
    yield "calls", f"{calls.total():,}: {told}"
    yield "never asked for", counted(sum(case.unplayed for case in suite.cases), "recording")
    took = together([_figures(case) for case in suite.cases])
    yield "tokens", _tokens(took)
    yield "cost", _suite_cost(suite.cases)


def _figures(case: CaseResult) -> Figures:
    return Figures(case.llm_calls, case.tool_calls, case.total_tokens, case.cost)


def _suite_cost(cases: Sequence[CaseResult]) -> str:
    asking = [case for case in cases if case.llm_calls]
    return _priced(
        together([_figures(case) for case in asking]).cost, sum(c.cost is None for c in asking), len(asking), "tests"
    )


def _priced(dollars: float | None, unpriced: int, total: int, of: str) -> str:
    if not total:
        return cost(0)
    if dollars is None:
        return _UNKNOWN
    return cost(dollars) + (f" ({unpriced:,} of {total:,} {of} without a price)" if unpriced else "")


def step_lines(change: Change) -> list[str]:
    """Return where two runs part, then the steps that only one of them has, one line each."""
    lines: list[str] = []
    if (parted := change.divergence) is not None:
        lines += [
            f"first difference at step {parted.step}",
            f"  base  {parted.baseline or '(the run was over)'}",
            f"  now   {parted.candidate or '(the run was over)'}",
            *([f"  differs at {parted.difference}"] if parted.difference else []),
        ]
    lines += [
        f"{mark} {step}" for mark, steps in (("-", change.removed), ("+", change.added)) for step in at_most(steps)
    ]
    return list(map(escaped, lines))


def at_most(texts: Sequence[str], most: int = 20) -> Iterator[str]:
    """Yield the first texts, and how many more there are."""
    yield from texts[:most]
    if len(texts) > most:
        yield f"… {len(texts) - most:,} more"


# --- figures beside those of the base -----------------------------------------------------------------------------------


def total_rows(changes: Changes) -> Iterator[tuple[str, str, str, str]]:
    """Yield what all recordings take together: a name, the base, now, the change."""
    before, now = together(changes.before), together(changes.now)
    yield "cassettes", *_counts(len(changes.before), len(changes.now))
    yield "calls to models", *_counts(before.llm_calls, now.llm_calls)
    yield "tool calls", *_counts(before.tool_calls, now.tool_calls)
    yield "tokens", _tokens(before), _tokens(now), _tokens_change(before, now)
    yield "cost", _cost(before), _cost(now), _cost_change(before, now)


def change_line(change: Change) -> str:
    """Return what a run took and takes: `calls 2 → 3 · tools 1 · tokens 565 → 610 (+45, +8.0 %) · cost $0.0001`."""
    before, now = change.before, change.now
    if before is None or now is None:
        only = before or now or Figures()
        told = (f"{only.llm_calls:,}", f"{only.tool_calls:,}", _tokens(only), _cost(only))
    else:
        told = (
            _arrow(*_counts(before.llm_calls, now.llm_calls)[:2]),
            _arrow(*_counts(before.tool_calls, now.tool_calls)[:2]),
            _arrow(_tokens(before), _tokens(now), _tokens_change(before, now)),
            _arrow(_cost(before), _cost(now), _cost_change(before, now)),
        )
    return " · ".join(f"{name} {each}" for name, each in zip(("calls", "tools", "tokens", "cost"), told, strict=True))


def _arrow(before: str, now: str, change: str = "") -> str:
    if before == now and change in {"", _UNKNOWN}:
        return now
    return f"{before} → {now}" + (f" ({change})" if change else "")


def _counts(before: int, now: int) -> tuple[str, str, str]:
    return f"{before:,}", f"{now:,}", f"{now - before:+,}" if now != before else ""


def _tokens(figures: Figures) -> str:
    return tokens(figures.tokens) if figures.llm_calls else "0"


def _cost(figures: Figures) -> str:
    return _priced(figures.cost, figures.unpriced, figures.llm_calls, "calls")


def _tokens_change(before: Figures, now: Figures) -> str:
    was, does = (each.tokens if each.llm_calls else 0 for each in (before, now))
    if was is None or does is None:
        return _UNKNOWN
    return f"{does - was:+,}{_share(was, does)}" if does != was else ""


def _cost_change(before: Figures, now: Figures) -> str:
    """Return the difference, which is known only where each call has a price."""
    if before.unpriced or now.unpriced:
        return _UNKNOWN
    was, does = before.cost or 0.0, now.cost or 0.0
    if abs(does - was) < _NO_MONEY:
        return ""
    return f"{'+' if does > was else '-'}{cost(abs(does - was))}{_share(was, does)}"


_NO_MONEY: Final = 1e-12
"""Sums of the same prices in another order may differ by less."""


def _share(was: float, does: float) -> str:
    return f", {(does - was) / was:+.1%}".replace("%", " %") if was else ""


# --- JSON ---------------------------------------------------------------------------------------------------------------


def review_json(review: Review) -> JsonObject:
    """Return it as JSON with stable keys; null where nobody looked.

    At the top: `suite` (as the pytest plugin writes it), `checks` (the files of `otel-agenttrace check --json`) and `changes`:
    `is_compared`, `before` and `now` (what all recordings take together: `cassettes`, `llm_calls`, `tool_calls`, `tokens`,
    `cost`, `unpriced`), `unchanged`, `cassettes` and `unreadable`. Of each cassette: `name`, `kind` (`new`, `removed`,
    `changed`), `before` and `now` (null for none), `divergence` (`step`, `baseline`, `candidate`, `difference`), `added`
    and `removed`, steps in words.
    """
    return {
        "suite": None if review.suite is None else review.suite.to_json(),
        "checks": None if review.checks is None else [file.to_json() for file in review.checks],
        "changes": None if review.changes is None else _changes_json(review.changes),
    }


def _changes_json(changes: Changes) -> JsonObject:
    return {
        "is_compared": changes.is_compared,
        "before": {"cassettes": len(changes.before), **asdict(together(changes.before))}
        if changes.is_compared
        else None,
        "now": {"cassettes": len(changes.now), **asdict(together(changes.now))},
        "unchanged": changes.unchanged,
        "cassettes": [{"kind": change.kind, **asdict(change)} for change in changes.changes],
        "unreadable": [asdict(each) for each in changes.unreadable],
    }
