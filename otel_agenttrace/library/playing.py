"""Which cassettes the tests of a project use. The report of a test run in, what was not asked for out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from otel_agenttrace.analyze.suite import CaseResult, SuiteResult

__all__ = ["Played", "played_in"]

_ANSWERED = ("hit", "drift")


@dataclass(frozen=True, slots=True)
class Played:
    """What a run of tests left of cassettes.

    Attributes:
        unplayed: Recorded calls that nobody asked for, by cassette: of several tests, what the most thorough one left.
        unused: Cassettes that belong to no test, and those of which the tests that passed asked for nothing.
    """

    unplayed: Mapping[Path, int] = field(default_factory=dict[Path, int])
    unused: frozenset[Path] = frozenset()

    def left_of(self, path: Path) -> int | None:
        """Return how many recorded calls of a cassette nobody asked for; None where the tests do not tell."""
        return self.unplayed.get(_place(path))

    def is_unused(self, path: Path) -> bool:
        """Whether no test uses a cassette."""
        return _place(path) in self.unused


def played_in(suite: SuiteResult, root: Path) -> Played:
    """Return which cassettes a run of tests left, given the root of the project that it names them from."""
    cases: dict[Path, list[CaseResult]] = {}
    for case in suite.cases:
        if case.cassette:
            cases.setdefault(_place(root / case.cassette), []).append(case)
    unplayed = {path: min(case.unplayed for case in told) for path, told in cases.items()}
    unused = {path for path, told in cases.items() if unplayed[path] and all(map(_asked_nothing, told))}
    return Played(unplayed, frozenset({*unused, *(_place(root / orphan) for orphan in suite.orphans)}))


def _asked_nothing(case: CaseResult) -> bool:
    """Whether a test passed without its cassette; one that failed or was skipped may need it."""
    return case.outcome == "passed" and case.mode == "none" and not any(case.calls.get(kind) for kind in _ANSWERED)


def _place(path: Path) -> Path:
    """Return a path by which two that lead to the same file are one."""
    return path.resolve()
