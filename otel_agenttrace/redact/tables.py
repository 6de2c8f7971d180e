"""Detect what stands below a telling name in a table: CSV, Markdown, what a database prints, `INSERT INTO`. Scanned text in."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from otel_agenttrace.redact.findings import Finding, plain
from otel_agenttrace.redact.scanned import Scanned

__all__ = ["column_findings"]

_BREAK: Final = re.compile(rb"\r?\n|(?:\\+r)?\\+n")
_END: Final = re.compile(_BREAK.pattern + rb"|\\*\"(?=[ \t]*[,}\]]|\Z)")
"""Where a row ends that has no quotes of its own: in JSON, where its text ends."""

_TAB: Final = rb"\t|\\+t"
_SEPARATORS: Final = (re.compile(rb"\|"), re.compile(_TAB), re.compile(rb","), re.compile(rb";"))
_RULE: Final = re.compile(rb"[-+=|: \t]*")
_CELL: Final = re.compile(rb"[ \t]*\\*[\"'`]?([^\"'`\\]*(?:\\+/[^\"'`\\]*)*)")
_AFTER: Final = re.compile(rb"\\*[\"'`]?[ \t]*(?:[,|;\t)]|\\+[tnr]|\r?\n|\Z)")
_VALUES: Final = re.compile(rb"[^()]{0,400}\)(?:\s|\\+n)*(?i:values)(?:\s|\\+n)*\(([^()]{0,2000})")
_ROWS: Final = 200
_WIDEST: Final = 2000


def column_findings(
    scanned: Scanned, start: int, end: int, is_secret: Callable[[bytes], bool], kind: str
) -> Iterator[Finding]:
    """Yield the cells below a name that heads a column, as far as they are secrets.

    Args:
        scanned: The text.
        start: Where the name begins.
        end: Where it ends.
        is_secret: Whether a value may be what the name tells.
        kind: The kind of the findings.
    """
    raw = scanned.raw
    if _AFTER.match(raw, end) is None:
        return
    listed = _VALUES.match(raw, end)
    if listed is not None:
        yield from _in_row(scanned, listed.span(1), _SEPARATORS[2], _listed_before(raw, start), is_secret, kind)
        return
    first = _line_start(raw, start)
    last = _BREAK.search(raw, end, end + _WIDEST)
    if last is None:
        return
    separator = next((each for each in _SEPARATORS if each.search(raw, first, last.start())), None)
    if separator is None:
        return
    count = len(separator.findall(raw, first, last.start()))
    column = len(separator.findall(raw, first, start))
    ends = _BREAK if b'"' in raw[first : last.start()] else _END
    for row in _rows(raw, last.end(), ends):
        if _RULE.fullmatch(raw, *row):
            continue
        if len(separator.findall(raw, *row)) != count:
            return
        yield from _in_row(scanned, row, separator, column, is_secret, kind)


def _listed_before(raw: bytes, start: int) -> int:
    """Return the number of commas between the parenthesis of a list of columns and a name in it."""
    return raw.count(b",", max(raw.rfind(b"(", 0, start), 0), start)


def _line_start(raw: bytes, start: int) -> int:
    """Return where the line of a place begins, in a text or in JSON's form of it."""
    begin = max(0, start - _WIDEST)
    breaks = [found.end() for found in _BREAK.finditer(raw, begin, start)]
    opened = raw.rfind(b'"', begin, start)
    while opened >= 0 and raw[opened - 1 : opened] == b"\\":
        opened = raw.rfind(b'"', begin, opened)
    return max([begin, opened + 1 if opened >= 0 and raw.count(b",", opened, start) else 0, *breaks[-1:]])


def _rows(raw: bytes, begin: int, ends: re.Pattern[bytes]) -> Iterator[tuple[int, int]]:
    for _ in range(_ROWS):
        found = ends.search(raw, begin, begin + _WIDEST)
        end = found.start() if found is not None else min(len(raw), begin + _WIDEST)
        if end > begin:
            yield begin, end
        if found is None:
            return
        begin = found.end()


def _in_row(
    scanned: Scanned,
    row: tuple[int, int],
    separator: re.Pattern[bytes],
    column: int,
    is_secret: Callable[[bytes], bool],
    kind: str,
) -> Iterator[Finding]:
    bounds = [row[0], *(found.end() for found in separator.finditer(scanned.raw, *row))]
    ends = [*(found.start() for found in separator.finditer(scanned.raw, *row)), row[1]]
    if column >= len(bounds):
        return
    cell = _CELL.match(scanned.raw, bounds[column], ends[column])
    if cell is None:
        return
    begin, end = cell.start(1), cell.start(1) + len(cell[1].rstrip())
    if end > begin and is_secret(plain(scanned.text[begin:end]).encode("ascii", "replace")):
        yield Finding.of(scanned.text, begin, end, kind)
