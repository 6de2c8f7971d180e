"""Find the lines of a file that spans stand on. Path and ids in, numbers of lines out."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

from otel_agenttrace.cassette.format import decode_spans
from otel_agenttrace.jsonvalue import parse

__all__ = ["lines_of"]


def lines_of(path: Path, span_ids: Collection[str]) -> Mapping[str, int]:
    """Return for each span the line it stands on, from 1; spans of a file without lines are left out."""
    wanted = {span_id.encode(): span_id for span_id in span_ids if span_id}
    found: dict[str, int] = {}
    try:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                if any(span_id in line for span_id in wanted):
                    for span_id in _ids(line):
                        if span_id in wanted.values():
                            found.setdefault(span_id, number)
    except OSError:  # it was read before: then it is not a file one can look up lines in
        return {}
    return found


def _ids(line: bytes) -> Iterator[str]:
    try:
        yield from (span.span_id for span in decode_spans(parse(line)))
    except ValueError:  # no line of its own: a part of a document, or torn
        return
