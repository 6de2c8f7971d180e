"""Write rows as the text of a file: lines of JSON, or a table. Rows in, bytes out."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from otel_agenttrace.datasets.formats import format_named
from otel_agenttrace.jsonvalue import JsonObject, compact

__all__ = ["content_of"]


def content_of(rows: Sequence[JsonObject], form: str) -> bytes:
    """Return what a file of these rows holds."""
    written = _table(rows) if format_named(form).is_table else "".join(f"{compact(row)}\n" for row in rows)
    return written.encode("utf-8", "backslashreplace")


def _table(rows: Sequence[JsonObject]) -> str:
    table = io.StringIO(newline="")
    if rows:
        writer = csv.DictWriter(table, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return table.getvalue()
