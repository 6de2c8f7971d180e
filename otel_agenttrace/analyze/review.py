"""All that a reviewer of a change is told: how its tests went, what broke rules, how recordings changed. Data only."""

from __future__ import annotations

from dataclasses import dataclass

from otel_agenttrace.analyze.branches import Changes
from otel_agenttrace.analyze.findings import Finding, finding_of
from otel_agenttrace.analyze.suite import CaseResult, SuiteResult
from otel_agenttrace.jsonvalue import Json, array, obj, text

__all__ = ["CheckedFile", "Review", "checked_of"]


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """A trace that was held to rules, and what breaks them."""

    path: str
    findings: tuple[Finding, ...] = ()


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
    def broken(self) -> tuple[CheckedFile, ...]:
        """The traces that break a rule."""
        return tuple(file for file in self.checks or () if file.findings)

    @property
    def damaged(self) -> tuple[str, ...]:
        """The cassettes of the branch that cannot be read."""
        found = self.changes.unreadable if self.changes is not None else ()
        return tuple(each.name for each in found if not each.is_of_base)


def checked_of(document: Json) -> tuple[CheckedFile, ...]:
    """Return what `otel-agenttrace check --json` tells: `files`, each with `path` and `findings`.

    Raises:
        ValueError: If it is nothing of the kind.
    """
    if not isinstance(obj(document).get("files"), list):
        raise ValueError("no report of checks: it has no `files`")
    files = map(obj, array(obj(document).get("files")))
    return tuple(
        CheckedFile(text(file.get("path")) or "", tuple(map(finding_of, array(file.get("findings"))))) for file in files
    )
