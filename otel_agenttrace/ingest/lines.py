"""Read JSON Lines, of which some may be odd or cut off. Bytes in, objects with the number of their line out."""

from __future__ import annotations

import codecs
from collections.abc import Iterator

from otel_agenttrace.ingest.encodings import GZIP, gunzipped
from otel_agenttrace.ingest.interactions import LeftOut, NotReadable, kind_of
from otel_agenttrace.jsonvalue import JsonObject, obj, parse

__all__ = ["json_lines"]


def json_lines(content: bytes, what: str, found: list[tuple[int, JsonObject]]) -> Iterator[LeftOut]:
    """Add the object of each line to `found`, and yield the lines that are none.

    Args:
        content: The file.
        what: What it should be, for the error.
        found: Takes the objects, each with the number of its line from 1.

    Raises:
        NotReadable: If no line holds an object.
    """
    content = (gunzipped(content) if content.startswith(GZIP) else content).removeprefix(codecs.BOM_UTF8)
    lines = content.split(b"\n")
    odd: list[LeftOut] = []
    for number, line in enumerate(lines, 1):
        if line.strip():
            is_last = number == len(lines)  # a whole one ends with its line
            _read(number, line, found, odd, "the file is cut off here" if is_last else "no JSON")
    if not found:
        raise NotReadable(f"no {what}: no line of it is a JSON object")
    yield from odd


def _read(number: int, line: bytes, found: list[tuple[int, JsonObject]], odd: list[LeftOut], otherwise: str) -> None:
    try:
        value = parse(line)
    except ValueError as error:
        told = str(error) if "nested" in str(error) else otherwise
        odd.append(LeftOut(number, told))
        return
    if isinstance(value, dict):
        found.append((number, obj(value)))
    else:
        odd.append(LeftOut(number, f"no record, but {kind_of(value)}"))
