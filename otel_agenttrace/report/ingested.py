"""Show what an import made of foreign files. Files in, text and JSON values out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.table import Table
from rich.text import Text

from otel_agenttrace.ingest.importing import IngestedFile
from otel_agenttrace.jsonvalue import JsonObject
from otel_agenttrace.report.text import counted, escaped

__all__ = ["ingested_json", "ingested_line", "left_out_table"]


def left_out_table(files: Sequence[IngestedFile]) -> Table | None:
    """Return what could not be converted, with the reason; None if that is nothing."""
    table = Table(box=None, pad_edge=False)
    table.add_column("left out of", overflow="fold")
    table.add_column("entry", overflow="fold")
    table.add_column("because", overflow="fold")
    for file in files:
        for reason, indexes in _by_reason(file).items():
            cells = (escaped(str(file.path)), ", ".join(_ranges(indexes)) or "all", escaped(reason))
            table.add_row(*map(Text, cells))
    return table if table.row_count else None


def _by_reason(file: IngestedFile) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for each in file.left_out:
        held = found.setdefault(each.reason, [])
        if each.index is not None:
            held.append(each.index)
    return found


def _ranges(indexes: Sequence[int]) -> Iterator[str]:
    """Yield `3`, or `5-9` for numbers that follow one another."""
    start = 0
    for at in range(1, len(indexes) + 1):
        if at == len(indexes) or indexes[at] != indexes[at - 1] + 1:
            first, last = indexes[start], indexes[at - 1]
            yield f"{first}" if first == last else f"{first}-{last}"
            start = at


def ingested_line(files: Sequence[IngestedFile], folder: str) -> str:
    """Return how much was imported, how much was not, and where it is."""
    spans, calls = (sum(counts) for counts in ([file.spans for file in files], [file.calls for file in files]))
    told = counted(calls, "call") if calls == spans else counted(spans, "span")
    cassettes = sum(file.cassette is not None for file in files)
    paths = len({file.path for file in files})
    line = f"imported {told} of {counted(paths, 'file')} into {counted(cassettes, 'cassette')}"
    left_out = sum(len(file.left_out) for file in files)
    where = f" → {escaped(folder)}" if cassettes else ""
    return f"{line}{where}" + (f" · {left_out:,} left out" if left_out else "")


def ingested_json(files: Sequence[IngestedFile]) -> JsonObject:
    """Return what an import did as JSON with stable keys.

    At the top: `calls`, `spans`, `cassettes` and `left_out`, which are numbers, and `files`. Of each file, or each run of
    it where it tells several: `path`, `cassette` (null if none was written), `calls` (recorded ones), `spans`, and
    `left_out`, a list of `interaction` (the entry or line, from 1, null for the whole file) and `reason`.
    """
    return {
        "calls": sum(file.calls for file in files),
        "spans": sum(file.spans for file in files),
        "cassettes": sum(file.cassette is not None for file in files),
        "left_out": sum(len(file.left_out) for file in files),
        "files": [
            {
                "path": str(file.path),
                "cassette": None if file.cassette is None else str(file.cassette),
                "calls": file.calls,
                "spans": file.spans,
                "left_out": [{"interaction": each.index, "reason": each.reason} for each in file.left_out],
            }
            for file in files
        ],
    }
