"""Hold the traces of files to the checks that are for them. Paths and checks in, one result a file out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from otel_agenttrace.analyze.findings import Finding, finding_of
from otel_agenttrace.cassette.lines import lines_of
from otel_agenttrace.checks.checking import check_trace
from otel_agenttrace.checks.documents import Check
from otel_agenttrace.errors import CassetteError, IngestError
from otel_agenttrace.jsonvalue import Json, JsonObject, array, obj, text
from otel_agenttrace.model import Trace

__all__ = ["CheckedFile", "checked_file", "checked_files_of", "lines_found", "unmatched", "with_vacuous"]


@dataclass(frozen=True, slots=True)
class CheckedFile:
    """What a file was held to, and what was found.

    Attributes:
        path: The file, as it was named; `-` for the standard input.
        checks: The names of the checks that are for it.
        rules: The names of their rules, in order, each once.
        findings: What breaks them.
        problem: Why the file cannot be read; empty where it can.
    """

    path: str
    checks: tuple[str, ...] = ()
    rules: tuple[str, ...] = ()
    findings: tuple[Finding, ...] = ()
    problem: str = ""

    def to_json(self) -> JsonObject:
        """Return the result as JSON, by the names of its attributes; `problem` is null where there is none."""
        return {
            "path": self.path,
            "checks": list(self.checks),
            "rules": list(self.rules),
            "findings": [finding.to_json() for finding in self.findings],
            "problem": self.problem or None,
        }


def checked_files_of(document: Json) -> tuple[CheckedFile, ...]:
    """Return the results that a JSON value tells, as `otel-agenttrace check --json` prints them.

    Raises:
        ValueError: If it tells none.
    """
    files = obj(document).get("files")
    if not isinstance(files, list):
        raise ValueError("no report of checks: it has no `files`")
    return tuple(_checked_of(obj(each)) for each in array(files))


def _checked_of(told: JsonObject) -> CheckedFile:
    return CheckedFile(
        path=text(told.get("path")) or "",
        checks=tuple(filter(None, map(text, array(told.get("checks"))))),
        rules=tuple(filter(None, map(text, array(told.get("rules"))))),
        findings=tuple(map(finding_of, array(told.get("findings")))),
        problem=text(told.get("problem")) or "",
    )


def checked_file(path: Path, checks: Sequence[Check], load: Callable[[Path], Trace], *, named: str = "") -> CheckedFile:
    """Return what became of a file.

    Args:
        path: The file.
        checks: All checks; those that are for it are made.
        load: Reads its trace.
        named: What it is called; its path if nothing is told.
    """
    name = named or str(path)
    meant = [check for check in checks if check.is_for(Path(name))]
    rules = [rule for check in meant for rule in check.rules]
    told = tuple(dict.fromkeys(rule.name for rule in rules))
    called = tuple(check.name for check in meant if check.name)
    try:
        findings = check_trace(load(path), rules) if rules else ()
    except (CassetteError, IngestError) as error:
        return CheckedFile(name, called, told, problem=str(error))
    return CheckedFile(name, called, told, findings)


def with_vacuous(files: Sequence[CheckedFile], rules_file: str) -> tuple[CheckedFile, ...]:
    """Return the results, and behind them a finding in the file of rules if no file is held to any of them."""
    if any(file.rules for file in files):
        return tuple(files)
    told = (
        "vacuous: no file is held to a rule\n  to fix   mend `files` of the checks, or name the traces that are meant"
    )
    return (*files, CheckedFile(rules_file, rules=("files",), findings=(Finding("files", told, "warning"),)))


def unmatched(checks: Sequence[Check], names: Sequence[str]) -> Iterator[Check]:
    """Yield the checks that are for none of these files."""
    return (check for check in checks if not any(check.is_for(Path(name)) for name in names))


def lines_found(files: Sequence[CheckedFile]) -> Mapping[str, Mapping[str, int]]:
    """Return for each file the lines on which the first span of its findings stand, as far as they have one."""
    first = {file.path: {each for finding in file.findings for each in finding.span_ids[:1]} for file in files}
    return {path: lines_of(Path(path), span_ids) for path, span_ids in first.items()}
