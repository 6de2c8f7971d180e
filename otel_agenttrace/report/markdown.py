"""Write a review as Markdown for a pull request. Review in, one comment out, the same for the same input.

What others wrote (names of tests, findings, steps of a run) stands in code spans and fences only, and in no table: there
it can be no link, no image, no mention, no HTML, whatever it says.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from otel_agenttrace.analyze.changes import Change
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.suite import CaseResult, SuiteResult
from otel_agenttrace.checks.files import CheckedFile
from otel_agenttrace.report.fencing import code, fence
from otel_agenttrace.report.review import Review, at_most, change_line, headline, step_lines, suite_facts, total_rows
from otel_agenttrace.report.text import counted

__all__ = ["MARKER", "review_markdown", "suite_markdown"]

MARKER: Final = "<!-- otel-agenttrace report -->"
"""The first line of a comment, by which the one to update is found. No reader sees it."""

_LARGEST: Final = 65_000
"""Bytes of a comment. GitHub takes 65,536 characters; bytes are the count that no host's own way of counting exceeds."""
_RESERVED: Final = 300


def review_markdown(review: Review) -> str:
    """Return the comment. Where it would be too large, its last blocks are left out, and it says how many of what."""
    head = "\n\n".join([f"{MARKER}\n### {headline(review)}", *_summary(review)])
    blocks = [*_tests(review), *_checks(review), *_changes(review)]
    kept: list[str] = [head]
    left_out: Counter[str] = Counter()
    room = _LARGEST - _RESERVED - len(head.encode())
    for noun, block in blocks:
        room -= len(block.encode()) + len("\n\n")
        if room < 0:
            left_out[noun] += 1
        else:
            kept.append(block)
    if left_out:
        told = ", ".join(counted(count, noun) for noun, count in left_out.items())
        kept.append(f"_Left out, for a comment may be no larger: {told}. `--format text` shows all._")
    return "\n\n".join(kept) + "\n"


def suite_markdown(suite: SuiteResult) -> str:
    """Return the comment of a run of tests alone."""
    return review_markdown(Review(suite=suite))


def _summary(review: Review) -> Iterator[str]:
    if review.suite is not None:
        yield "\n".join(f"- **{name}** {fact}" for name, fact in suite_facts(review.suite))
    if review.changes is not None:
        rows = list(total_rows(review.changes))
        if review.changes.is_compared:
            lines = ["| all recordings | base | now | change |", "| --- | ---: | ---: | ---: |"]
            yield "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
        else:
            yield "\n".join(
                ["| all recordings | now |", "| --- | ---: |", *(f"| {row[0]} | {row[2]} |" for row in rows)]
            )


# --- blocks: what each is one of, and its text --------------------------------------------------------------------------


def _tests(review: Review) -> Iterator[tuple[str, str]]:
    if review.suite is None:
        return
    yield from _section("Tests", "test", map(_test, review.told))
    yield from _names("Expired cassettes", review.suite.expired)
    yield from _names("Cassettes that no test uses", review.suite.orphans)


def _test(case: CaseResult) -> str:
    why = _findings(case.findings) if case.findings else "No finding of ours: the output of the test tells why."
    return f"**{case.outcome}** {code(case.id)}\n\n{why}"


def _checks(review: Review) -> Iterator[tuple[str, str]]:
    return _section("Rules", "checked file", map(_checked, review.broken))


def _checked(file: CheckedFile) -> str:
    return f"{code(file.path)}\n\n{fence([file.problem]) if file.problem else _findings(file.findings)}"


def _changes(review: Review) -> Iterator[tuple[str, str]]:
    if review.changes is None:
        return
    damaged = [
        each.name + (" (on the base)" if each.is_of_base else "") + f": {each.reason}"
        for each in review.changes.unreadable
    ]
    yield from _names("Cassettes that cannot be read", damaged)
    yield from _section(
        "Recordings, beside those of the base branch", "changed cassette", map(_change, review.changes.changes)
    )


def _change(change: Change) -> str:
    told = f"**{change.kind}** {code(change.name)}\\\n{change_line(change)}"
    lines = step_lines(change)
    return f"{told}\n\n{fence(lines, 'diff')}" if lines else told


def _section(title: str, noun: str, blocks: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Yield the blocks, the first of them below the title."""
    for place, block in enumerate(blocks):
        yield noun, block if place else f"#### {title}\n\n{block}"


def _names(title: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    if names:
        yield "list", f"#### {title}\n\n" + "\n".join(f"- {code(name)}" for name in at_most(names))


def _findings(findings: Sequence[Finding]) -> str:
    return fence(at_most([str(finding) for finding in findings]))
