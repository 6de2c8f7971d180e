"""Detect what stands below a telling name in a table: CSV, Markdown, what a database prints, `INSERT INTO`. Scanned text in.

A table is walked once, however many names its head has, and a name in its rows heads no other table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from otel_agenttrace.redact.findings import Finding, plain
from otel_agenttrace.redact.scanned import Row, Scanned

__all__ = ["column_findings"]

_SEPARATORS: Final = (re.compile(rb"\|"), re.compile(rb"\t|\\+t"), re.compile(rb","), re.compile(rb";"))
_RULE: Final = re.compile(rb"[-+=|: \t]*")
_CELL: Final = re.compile(rb"[ \t]*\\*[\"'`]?([^\"'`\\]*(?:\\+/[^\"'`\\]*)*)")
_AFTER: Final = re.compile(rb"\\*[\"'`]?[ \t]*(?:[,|;\t)]|\\+[tnr]|\r?\n|\Z)")
_END_OF_TEXT: Final = re.compile(rb"\\*\"(?=[ \t]*[,}\]]|\Z)")
"""Where a row ends in JSON, if it has no quotes of its own."""

_EVENT: Final = re.compile(rb"\s*(?:data:|event:|[{\[])")
"""The beginning of a line of JSON, or of an event: no head of a table."""

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
    listed = _VALUES.match(raw, end) if b"values" in scanned.words else None
    if listed is not None:
        column = raw.count(b",", max(raw.rfind(b"(", 0, start), 0), start)
        yield from _in_row(scanned, _cells(raw, *listed.span(1), _SEPARATORS[2]), column, is_secret, kind)
        return
    first = _line_start(raw, start)
    if _EVENT.match(raw, first):
        return
    if first not in scanned.tables:
        if start < scanned.walked:
            return
        scanned.tables[first] = _table(scanned, first, end)
    head, rows = scanned.tables[first]
    column = sum(begin <= start for begin, _ in head) - 1
    for row in rows:
        yield from _in_row(scanned, row, column, is_secret, kind)


def _table(scanned: Scanned, first: int, end: int) -> tuple[Row, list[Row]]:
    """Return the cells of the head of a table and of its rows; no rows if it is none."""
    raw = scanned.raw
    last, begin = _line_end(raw, end)
    if raw[first - 1 : first] == b'"' and b'"' in raw[first:last]:  # a text of JSON, which ends in its first line
        return [], []
    separator = next((each for each in _SEPARATORS if each.search(raw, first, last)), None)
    if separator is None or begin > len(raw):
        return [], []
    head = _cells(raw, first, last, separator)
    is_quoted = b'"' in raw[first:last]
    rows: list[Row] = []
    while begin < len(raw) and len(rows) < _ROWS:
        last, following = _line_end(raw, begin)
        if not is_quoted:
            ended = _END_OF_TEXT.search(raw, begin, last)
            last, following = (ended.start(), len(raw)) if ended is not None else (last, following)
        if not _RULE.fullmatch(raw, begin, last):
            row = _cells(raw, begin, last, separator)
            if len(row) != len(head):
                break
            rows.append(row)
            scanned.walked = last
        begin = following
    return head, rows


def _cells(raw: bytes, first: int, last: int, separator: re.Pattern[bytes]) -> Row:
    """Return where each cell of a row begins and ends."""
    bounds = [found.span() for found in separator.finditer(raw, first, last)]
    return list(zip([first, *(end for _, end in bounds)], [*(start for start, _ in bounds), last], strict=True))


def _line_start(raw: bytes, start: int) -> int:
    """Return where the line of a place begins, in a text or in JSON's form of it."""
    begin = max(0, start - _WIDEST)
    opened = raw.rfind(b'"', begin, start)
    while opened >= 0 and raw[opened - 1 : opened] == b"\\":
        opened = raw.rfind(b'"', begin, opened)
    opens_text = opened >= 0 and start - opened > 1
    escaped = raw.rfind(b"\\n", begin, start)
    return max(
        begin, opened + 1 if opens_text else 0, raw.rfind(b"\n", begin, start) + 1, escaped + 2 if escaped >= 0 else 0
    )


def _line_end(raw: bytes, begin: int) -> tuple[int, int]:
    """Return where the line of a place ends, and where the next one begins."""
    limit = min(len(raw), begin + _WIDEST)
    plain_break, escaped = raw.find(b"\n", begin, limit), raw.find(b"\\n", begin, limit)
    if escaped >= 0 and (plain_break < 0 or escaped < plain_break):
        return len(raw[begin:escaped].rstrip(b"\\")) + begin, escaped + 2
    if plain_break >= 0:
        return plain_break - (raw[plain_break - 1 : plain_break] == b"\r"), plain_break + 1
    return limit, len(raw) + 1


def _in_row(
    scanned: Scanned, row: Row, column: int, is_secret: Callable[[bytes], bool], kind: str
) -> Iterator[Finding]:
    if not 0 <= column < len(row):
        return
    cell = _CELL.match(scanned.raw, *row[column])
    if cell is None:
        return
    begin, end = cell.start(1), cell.start(1) + len(cell[1].rstrip())
    if end > begin and is_secret(plain(scanned.raw[begin:end].decode()).encode("ascii", "replace")):
        yield Finding.of(scanned.text, begin, end, kind)
