"""Tell what was found to what shows it beside code: SARIF 2.1.0. Checked files and lines of spans in, JSON out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final
from urllib.parse import quote

from otel_agenttrace.analyze.findings import Finding, Severity
from otel_agenttrace.checks.files import CheckedFile
from otel_agenttrace.checks.rules import RULES
from otel_agenttrace.jsonvalue import JsonObject
from otel_agenttrace.model import VERSION
from otel_agenttrace.report.text import escaped_lines

__all__ = ["sarif"]

_SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
_LEVELS: Final[Mapping[Severity, str]] = {"info": "note", "warning": "warning", "critical": "error"}


def sarif(files: Sequence[CheckedFile], lines: Mapping[str, Mapping[str, int]]) -> JsonObject:
    """Return one run of the tool: each finding with its file, and the line of the first of its spans that has one.

    Args:
        files: What was checked.
        lines: Of each path the lines of its spans, by their ids, as far as they are known.
    """
    ids = sorted({finding.rule for file in files for finding in file.findings})
    driver: JsonObject = {
        "name": "otel-agenttrace",
        "semanticVersion": VERSION,
        "rules": [{"id": rule, "shortDescription": {"text": RULES.get(rule, rule)}} for rule in ids],
    }
    results = [
        _result(file.path, finding, ids.index(finding.rule), lines.get(file.path, {}))
        for file in files
        for finding in file.findings
    ]
    problems = list(_problems(files))
    run: JsonObject = {
        "tool": {"driver": driver},
        "invocations": [{"executionSuccessful": not problems, "toolExecutionNotifications": problems}],
        "results": results,
    }
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}


def _result(path: str, finding: Finding, index: int, lines: Mapping[str, int]) -> JsonObject:
    line = next((lines[span_id] for span_id in finding.span_ids if span_id in lines), None)
    return {
        "ruleId": finding.rule,
        "ruleIndex": index,
        "level": _LEVELS[finding.severity],
        "message": {"text": escaped_lines(finding.message)},
        "locations": [_location(path, line)],
    }


def _problems(files: Sequence[CheckedFile]) -> Iterator[JsonObject]:
    for file in files:
        if file.problem:
            text = {"text": escaped_lines(file.problem)}
            yield {"level": "error", "message": text, "locations": [_location(file.path, None)]}


def _location(path: str, line: int | None) -> JsonObject:
    place: JsonObject = {"artifactLocation": {"uri": _uri(path)}}
    return {"physicalLocation": place if line is None else {**place, "region": {"startLine": line}}}


def _uri(path: str) -> str:
    told = Path(path)
    return told.as_uri() if told.is_absolute() else quote(told.as_posix())
