"""Show a review on a terminal. Review in, rich renderables out; nothing is left out here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from otel_agenttrace.analyze.changes import Change
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.report.review import Review, change_line, headline, step_lines, suite_facts, total_rows
from otel_agenttrace.report.text import escaped, escaped_lines

__all__ = ["review_renderables"]

_STYLES: Final[Mapping[str, str]] = {"-": "red", "+": "green", "f": "yellow"}


def review_renderables(review: Review) -> Iterator[RenderableType]:
    """Yield the headline, the figures, then tests, rules and recordings, each with what was found."""
    told = headline(review)
    yield Text(told, "bold red" if told.startswith("✗") else "bold green")
    if review.suite is not None:
        yield _columns(suite_facts(review.suite))
    if review.changes is not None:
        head = ("all recordings", "base", "now", "change")
        rows = [head, *total_rows(review.changes)]
        yield _columns(rows if review.changes.is_compared else [(row[0], row[2]) for row in rows])
    yield from _tests(review)
    for file in review.broken:
        yield _found("", file.path, [file.problem] if file.problem else file.findings)
    if review.changes is not None:
        for each in review.changes.unreadable:
            where = "unreadable on the base" if each.is_of_base else "unreadable"
            yield _named(where, each.name, "red").append(f": {escaped(each.reason)}")
        yield from map(_change, review.changes.changes)


def _columns(rows: Iterator[tuple[str, ...]] | Sequence[tuple[str, ...]]) -> Table:
    table = Table(box=None, show_header=False, pad_edge=False)
    for row in rows:
        table.add_row(*row)
    return table


def _tests(review: Review) -> Iterator[RenderableType]:
    if review.suite is None:
        return
    yield from (_found(case.outcome, case.id, case.findings) for case in review.told)
    yield from (_named("expired", name, "yellow") for name in review.suite.expired)
    yield from (_named("no test uses", name, "yellow") for name in review.suite.orphans)


def _found(what: str, name: str, findings: Sequence[Finding | str]) -> Text:
    line = _named(what, name, "red")
    for finding in findings:
        line.append("".join(f"\n  {told}" for told in escaped_lines(str(finding)).splitlines()))
    return line


def _named(what: str, name: str, style: str) -> Text:
    return Text.assemble((f"{what} " if what else "", style), (escaped(name), "bold"))


def _change(change: Change) -> Text:
    line = _named(change.kind, change.name, "cyan").append(f"\n  {change_line(change)}", "dim")
    for told in step_lines(change):
        line.append(f"\n  {told}", _STYLES.get(told[:1], ""))
    return line
