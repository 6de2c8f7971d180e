"""What a run of pytest says of its sessions when it ends. Results of tests in, lines and report files out."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from otel_agenttrace.analyze.suite import CaseResult, SuiteResult, case_of
from otel_agenttrace.model import OutcomeKind
from otel_agenttrace.report.markdown import suite_markdown
from otel_agenttrace.report.text import counted, escaped

__all__ = ["Told", "told_lines", "write_reports"]


@dataclass(slots=True)
class Told:
    """What the tests told, wherever they ran. A test that was run again counts by its last run."""

    cases: dict[str, CaseResult] = field(default_factory=dict[str, CaseResult])
    unplayed: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])
    orphans: set[str] = field(default_factory=set[str])
    unused: set[str] | None = None
    problems: list[str] = field(default_factory=list[str])
    aside: dict[str, list[str]] = field(default_factory=dict[str, "list[str]"])
    trials: dict[str, list[CaseResult]] = field(default_factory=dict[str, "list[CaseResult]"])
    envelopes: list[str] = field(default_factory=list[str])

    def take(self, data: Mapping[str, Any]) -> None:
        """Take note of one test. A recording of a shared cassette is unplayed if no test asked for it."""
        case = case_of(data["case"])
        self.cases[case.id] = case
        if "envelope" in data:
            self.trials.setdefault(data["envelope"], []).append(case)
        if case.mode == "none" and case.cassette:
            before = self.unplayed.get(case.cassette)
            self.unplayed[case.cassette] = [name for name in data["unplayed"] if before is None or name in before]

    def take_unused(self, snapshots: Iterable[str]) -> None:
        """Take note of the snapshots that one process did not ask for; unused are those that none did."""
        self.unused = set(snapshots) if self.unused is None else self.unused & set(snapshots)

    def suite(self) -> SuiteResult:
        """Return all of it as one result."""
        cases = tuple(self.cases.values())
        expired = {case.cassette for case in cases for finding in case.findings if finding.rule == "expired"}
        return SuiteResult(cases, tuple(sorted(expired)), tuple(sorted(self.orphans)))


def told_lines(told: Told, *, is_quiet: bool) -> Iterator[str]:
    """Yield the lines at the end of a run: one that counts, and what wants a look."""
    suite = told.suite()
    if suite.cases and not is_quiet:
        yield _totals(suite.cases)
    failed = {case.cassette for case in suite.cases if case.outcome == "failed"}  # they may not have come so far
    for name, waiting in sorted(told.unplayed.items()):
        if waiting and name not in failed:
            yield f"never asked for: {counted(len(waiting), 'recording')} of {escaped(name)}: {escaped(', '.join(waiting))}"
    yield from (f"expired: {escaped(name)}" for name in suite.expired)
    if suite.orphans:
        yield f"orphaned: {counted(len(suite.orphans), 'cassette')} that no test uses; remove them, or give them back their tests:"
        yield from (f"  {escaped(name)}" for name in suite.orphans)
    if told.unused:
        yield f"unused: {counted(len(told.unused), 'snapshot')} that no test asked for; remove them, or give them back their tests:"
        yield from (f"  {escaped(name)}" for name in sorted(told.unused))
    yield from (line for lines in told.aside.values() for line in lines)
    yield from told.envelopes
    yield from told.problems


def _totals(cases: Iterable[CaseResult]) -> str:
    cases = tuple(cases)
    counts: Counter[OutcomeKind] = Counter()
    for case in cases:
        counts.update(case.calls)
    kinds: tuple[OutcomeKind, ...] = ("hit", "drift", "miss", *(("live",) if counts["live"] else ()))
    told = ", ".join(f"{counts[kind]:,} {kind}" for kind in kinds)
    tokens = sum(case.total_tokens or 0 for case in cases)
    spent = f" · {counted(tokens, 'token')}" if tokens else ""
    return f"{counted(len(cases), 'test')}, {counted(counts.total(), 'call')}: {told}{spent}"


def write_reports(suite: SuiteResult, paths: Iterable[Path]) -> None:
    """Write the results to files, as JSON or as Markdown by their names."""
    for path in paths:
        text = json.dumps(suite.to_json(), indent=2) + "\n" if path.suffix == ".json" else suite_markdown(suite)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
