"""Show what files were held to, and what was found. Checked files in, lines of text and JSON values out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from otel_agenttrace.checks.documents import Check
from otel_agenttrace.checks.files import CheckedFile
from otel_agenttrace.jsonvalue import JsonObject
from otel_agenttrace.report.text import counted, escaped, escaped_lines

__all__ = ["checked_json", "checked_lines"]


def checked_lines(files: Sequence[CheckedFile], unused: Sequence[Check], rules_file: str) -> Iterator[str]:
    """Yield a line for each file, its findings below it, checks that no file is for, and a sum."""
    for file in files:
        name = escaped(file.path)
        if file.problem:
            continue
        if not file.rules:
            yield f"{name}: not checked, no check is for it"
            continue
        told = counted(len(file.findings), "finding") if file.findings else "clean"
        yield f"{name}: {told} · {counted(len(file.rules), 'rule')}"
        for finding in file.findings:
            yield "  " + escaped_lines(str(finding)).replace("\n", "\n  ")
    for check in unused:
        yield f"{escaped(rules_file)}: {escaped(check.name)} is for none of these files"
    yield _sum(files)


def _sum(files: Sequence[CheckedFile]) -> str:
    findings = sum(len(file.findings) for file in files)
    failed, unread = sum(bool(file.findings) for file in files), sum(bool(file.problem) for file in files)
    left = sum(not (file.rules or file.problem) for file in files)
    told = f"{counted(findings, 'finding')} in {counted(failed, 'file')}" if findings else "no finding"
    checked = counted(len(files) - unread - left, "file")
    more = (f" · {unread} not readable" if unread else "") + (f" · {left} not checked" if left else "")
    return f"{told} · {checked} checked{more}"


def checked_json(files: Sequence[CheckedFile], unused: Sequence[Check]) -> JsonObject:
    """Return the results as JSON: `findings`, a number, `files`, and the names of the checks that no file is for, `unused`."""
    return {
        "findings": sum(len(file.findings) for file in files),
        "files": [file.to_json() for file in files],
        "unused": [check.name for check in unused],
    }
