"""Read records, line by line or of a list, of which some may be odd or cut off. Bytes in, records with their numbers out."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import cast

from otel_agenttrace.ingest.encodings import GZIP, gunzipped
from otel_agenttrace.ingest.interactions import LeftOut, NotReadable, kind_of
from otel_agenttrace.jsonvalue import JsonObject, obj, parse

__all__ = ["Records", "json_lines", "listed"]


@dataclass(slots=True)
class Records:
    """The records of a file, each with its number from 1, and what was left out."""

    found: list[tuple[int, JsonObject]] = field(default_factory=list[tuple[int, JsonObject]])
    left_out: list[LeftOut] = field(default_factory=list[LeftOut])

    def add(self, number: int, value: object) -> None:
        """Add a record, if it is one."""
        if isinstance(value, dict):
            self.found.append((number, obj(cast("object", value))))
        else:
            self.left_out.append(LeftOut(number, f"no record, but {kind_of(value)}"))

    def give(self, take: Callable[[JsonObject], object]) -> Sequence[LeftOut]:
        """Give each record to `take`, and return all that was left out, those among it of which it makes nothing."""
        return sorted([*self.left_out, *self._refused(take)], key=lambda each: each.index or 0)

    def _refused(self, take: Callable[[JsonObject], object]) -> Iterator[LeftOut]:
        for number, record in self.found:
            reason = _why_not(take, record)
            if reason:
                yield LeftOut(number, reason)


def _why_not(take: Callable[[JsonObject], object], record: JsonObject) -> str:
    try:
        take(record)
    except NotReadable as error:
        return str(error)
    return ""


def listed(values: Iterable[object]) -> Records:
    """Return the records of a list."""
    records = Records()
    for number, value in enumerate(values, 1):
        records.add(number, value)
    return records


def json_lines(content: bytes, what: str) -> Records:
    """Return the records of a file of JSON Lines.

    Args:
        content: The file.
        what: What it should be, for the error.

    Raises:
        NotReadable: If no line holds a record.
    """
    content = (gunzipped(content) if content.startswith(GZIP) else content).removeprefix(codecs.BOM_UTF8)
    records = Records()
    lines = content.split(b"\n")
    for number, line in enumerate(lines, 1):
        if line.strip():
            _read(number, line, records, "no JSON" if number < len(lines) else "the file is cut off in this line")
    if not records.found:
        raise NotReadable(f"no {what}: no line of it is a JSON object")
    return records


def _read(number: int, line: bytes, records: Records, otherwise: str) -> None:
    try:
        value = parse(line)
    except ValueError as error:
        records.left_out.append(LeftOut(number, str(error) if "nested" in str(error) else otherwise))
        return
    records.add(number, value)
