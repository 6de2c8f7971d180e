"""Know what others wrote by its content: the beginning of a file in, the name of the format that `ingest` reads out."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from itertools import islice
from pathlib import Path
from typing import Final

from otel_agenttrace.jsonvalue import JsonObject, obj, parse

__all__ = ["form_of", "is_export"]

_HEAD: Final = 1 << 16
_LINES: Final = 20
"""How many lines are looked at: the first ones of a transcript may be notes of its client."""

_OTLP: Final = re.compile(rb"\s*\[?\s*\{\s*\"resource_?(spans|logs|metrics)\"", re.IGNORECASE)
_SPANS: Final = re.compile(rb"\s*\[?\s*\{\s*\"resource_?spans\"", re.IGNORECASE)
_DUMPED: Final = tuple(
    re.compile(rb'"%b"\s*:' % name)
    for name in (b"(trace_id|traceId)", b"(span_id|spanId)", b"attributes", b"(start_time|startTime)", b"name")
)
"""Keys that stand near the beginning of a dump of spans, and together in hardly another file."""
_YAML: Final = re.compile(rb"^trace_id:.*^events:", re.MULTILINE | re.DOTALL)


def form_of(path: Path) -> str | None:
    """Return the format of a log of another tool, None for any other file, a trace above all.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
        if _OTLP.match(head):
            return None
        if _YAML.search(head):
            return "traceops"
        if head.lstrip()[:1] not in (b"{", b"["):
            return None
        return _of_lines(head) or _of_document(head)


def is_export(path: Path) -> bool:
    """Whether a file begins as JSON of spans that others exported: as OTLP, or as SDKs dump them.

    Raises:
        OSError: If the file cannot be read.
    """
    with path.open("rb") as file:
        head = file.read(_HEAD)
    is_json = head.lstrip()[:1] in (b"{", b"[")
    return _SPANS.match(head) is not None or (is_json and all(key.search(head) for key in _DUMPED))


def _of_lines(head: bytes) -> str | None:
    """Return what the first lines are; the very first one is a whole record, as in no file that holds one document."""
    records = map(_record, islice(filter(bytes.strip, head.splitlines()), _LINES))
    first = next(records, None)
    if first is None:
        return None
    each = (record for record in (first, *records) if record is not None)
    return next((name for record in each for name, is_it in _RECORDS.items() if is_it(record)), None)


def _record(line: bytes) -> JsonObject | None:
    try:
        value = parse(line)
    except ValueError:
        return None
    return obj(value) if isinstance(value, dict) else None


def _is_transcript(record: JsonObject) -> bool:
    said = obj(record.get("message"))
    return record.get("type") in ("user", "assistant") and ("content" in said or "sessionId" in record)


def _is_tool_line(record: JsonObject) -> bool:
    if record.get("type") in ("tool_call", "tool_result", "episode_start"):
        return True
    named, given = {"tool", "tool_name"} & record.keys(), {"arguments", "args", "input", "tool_input"} & record.keys()
    return "type" not in record and bool(named) and bool(given)


_RECORDS: Final[Mapping[str, Callable[[JsonObject], bool]]] = {
    "traceforge": lambda record: "span_type" in record and "run_id" in record,
    "agent-strace": lambda record: "event_type" in record and "event_id" in record,
    "claude-code": _is_transcript,
    "tool-calls": _is_tool_line,
}
"""What a line of JSON Lines has, of each format."""


def _of_document(head: bytes) -> str | None:
    """Return what a file is that holds one document, by names that stand near its beginning."""
    return next((name for name, mark in _DOCUMENTS.items() if mark.match(head)), None)


_DOCUMENTS: Final[Mapping[str, re.Pattern[bytes]]] = {
    "claude-code": re.compile(rb"\s*\{.*(?<!\\)\"loglines\"\s*:\s*\[", re.DOTALL),
    "swe-agent": re.compile(rb"\s*\{\s*\"(environment\"\s*:\s*\"[^\"]*\"\s*,\s*\")?(trajectory|replay_config)\"\s*:"),
    "tau-bench": re.compile(rb"\s*\[\s*\{\s*\"(task_id|traj|trial)\"\s*:"),
}
"""How a document begins, of each format."""
