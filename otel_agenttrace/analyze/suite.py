"""What became of a suite of tests that replay cassettes. One result a test, as data and as JSON; nothing is judged here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias, cast, get_args

from otel_agenttrace.analyze.findings import Finding, finding_of
from otel_agenttrace.jsonvalue import Json, JsonObject, array, integer, number, obj, text
from otel_agenttrace.model import OutcomeKind

__all__ = ["SUITE_VERSION", "CaseOutcome", "CaseResult", "SuiteResult", "case_of", "suite_of"]

SUITE_VERSION: Final = 1
CaseOutcome: TypeAlias = Literal["passed", "failed", "skipped"]

_OUTCOMES: Final = get_args(CaseOutcome)
_KINDS: Final[tuple[OutcomeKind, ...]] = get_args(OutcomeKind)


@dataclass(frozen=True, slots=True)
class CaseResult:
    """One test that had a session of ours.

    Attributes:
        id: As pytest names it: `tests/test_agent.py::test_weather[Lisbon]`.
        outcome: How the test ended.
        cassette: The cassette, relative to the root of the project, with `/`; empty for a trace in memory.
        mode: The mode in force: `none`, `new` or `all`.
        calls: How many calls were a hit, drift, miss or live; frozen tools count too.
        unplayed: Recordings that nobody asked for.
        llm_calls: Calls to models.
        tool_calls: Calls of tools.
        input_tokens: Of all calls to models; None if not known.
        output_tokens: The same.
        cost: In US dollars; None if that of a call is not known.
        duration_s: Of the test's trace, in seconds; None without spans.
        findings: What failed the test on our side: budgets, misses, drift.
    """

    id: str
    outcome: CaseOutcome
    cassette: str = ""
    mode: str = "none"
    calls: Mapping[OutcomeKind, int] = field(default_factory=dict[OutcomeKind, int])
    unplayed: int = 0
    llm_calls: int = 0
    tool_calls: int = 0
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost: float | None = None
    duration_s: float | None = None
    findings: tuple[Finding, ...] = ()

    @property
    def total_tokens(self) -> int | None:
        """Input and output tokens together, or None if neither is known."""
        known = [count for count in (self.input_tokens, self.output_tokens) if count is not None]
        return sum(known) if known else None

    def to_json(self) -> JsonObject:
        """Return the result as JSON, by the names of its attributes."""
        return {
            "id": self.id,
            "outcome": self.outcome,
            "cassette": self.cassette,
            "mode": self.mode,
            "calls": {kind: self.calls.get(kind, 0) for kind in _KINDS},
            "unplayed": self.unplayed,
            "llm_calls": self.llm_calls,
            "tool_calls": self.tool_calls,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "cost": self.cost,
            "duration_s": self.duration_s,
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True, slots=True)
class SuiteResult:
    """All tests of a run that had a session of ours, in the order they ended.

    Attributes:
        cases: One for each test.
        expired: Cassettes older than they may be, relative to the root of the project.
        orphans: Cassettes that belong to no test that was collected.
    """

    cases: tuple[CaseResult, ...] = ()
    expired: tuple[str, ...] = ()
    orphans: tuple[str, ...] = ()

    def to_json(self) -> JsonObject:
        """Return the results as JSON: `version`, `cases`, `expired`, `orphans`."""
        return {
            "version": SUITE_VERSION,
            "cases": [case.to_json() for case in self.cases],
            "expired": list(self.expired),
            "orphans": list(self.orphans),
        }


def suite_of(document: Json) -> SuiteResult:
    """Return the results that a JSON value tells, as `SuiteResult.to_json` writes them.

    Raises:
        ValueError: If it is none, or was written by a later release.
    """
    told = obj(document)
    version = integer(told.get("version"))
    if version is None or "cases" not in told:
        raise ValueError("no report of a test run: it has no `version` and `cases`")
    if version > SUITE_VERSION:
        raise ValueError(f"a report of version {version}; this release reads up to {SUITE_VERSION}")
    return SuiteResult(
        tuple(map(case_of, array(told.get("cases")))),
        tuple(filter(None, map(text, array(told.get("expired"))))),
        tuple(filter(None, map(text, array(told.get("orphans"))))),
    )


def case_of(document: Json) -> CaseResult:
    """Return the result of one test that a JSON value tells.

    Raises:
        ValueError: If it is none.
    """
    told = obj(document)
    outcome = told.get("outcome")
    if outcome not in _OUTCOMES:
        raise ValueError(f"the outcome of a test is {outcome!r}, not one of {', '.join(_OUTCOMES)}")
    counts = obj(told.get("calls"))
    cost, seconds = number(told.get("cost")), number(told.get("duration_s"))
    return CaseResult(
        id=text(told.get("id")) or "",
        outcome=cast("CaseOutcome", outcome),
        cassette=text(told.get("cassette")) or "",
        mode=text(told.get("mode")) or "none",
        calls={kind: integer(counts.get(kind)) or 0 for kind in _KINDS},
        unplayed=integer(told.get("unplayed")) or 0,
        llm_calls=integer(told.get("llm_calls")) or 0,
        tool_calls=integer(told.get("tool_calls")) or 0,
        input_tokens=integer(told.get("input_tokens")),
        output_tokens=integer(told.get("output_tokens")),
        cost=None if cost is None else float(cost),
        duration_s=None if seconds is None else float(seconds),
        findings=tuple(map(finding_of, array(told.get("findings")))),
    )
