"""Redact OTLP/JSON that others wrote: one document, or one on each line. Bytes in, what leaks and the new bytes out; pure.

A line without a finding stays byte for byte; of one with a finding the values change, and how it is spaced. Numbers keep
their text: what a float does not hold is not lost.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

from otel_agenttrace.cleaning.leaks import Leak, leaks_between
from otel_agenttrace.errors import CassetteCorrupt
from otel_agenttrace.jsonvalue import Json, parse, quoted, text
from otel_agenttrace.redact import Redactor

__all__ = ["cleaned_documents"]

_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_BINARY: Final = frozenset({"bytesValue", "bytes_value"})
_INDENT: Final = "  "
_ESCAPED: Final = "backslashreplace"
"""A lone surrogate has no UTF-8 form, only an escape, which is that of JSON."""


@dataclass(frozen=True, slots=True)
class _Number:
    """A number as it is written."""

    text: str


def cleaned_documents(path: Path, content: bytes, redactor: Redactor) -> tuple[bytes, tuple[Leak, ...]]:
    """Return the content without secrets, and what they were.

    Raises:
        CassetteCorrupt: If it is neither a JSON document nor lines of JSON.
    """
    try:
        whole = parse(content, _Number)
    except (ValueError, RecursionError):
        return _cleaned_lines(path, content, redactor)
    try:
        clean, leaks = _cleaned(1, whole, redactor)
    except RecursionError as error:
        raise CassetteCorrupt(path, 1, "nested too deep") from error
    return (_written(clean, content), leaks) if leaks else (content, ())


def _cleaned_lines(path: Path, content: bytes, redactor: Redactor) -> tuple[bytes, tuple[Leak, ...]]:
    lines = content.splitlines(keepends=True)
    found: list[Leak] = []
    for index, line in enumerate(lines):
        if not line.strip():
            continue
        try:
            clean, leaks = _cleaned(index + 1, parse(line, _Number), redactor)
        except (ValueError, RecursionError) as error:
            raise CassetteCorrupt(path, index + 1, f"not JSON, or nested too deep: {error}") from error
        if leaks:
            found += leaks
            lines[index] = _json(clean).encode("utf-8", _ESCAPED) + line[len(line.rstrip(b"\r\n")) :]
    return b"".join(lines), tuple(found)


def _cleaned(line: int, value: Json, redactor: Redactor) -> tuple[object, tuple[Leak, ...]]:
    clean = _redacted(value, redactor)
    return clean, tuple(leaks_between(line, "", value, clean))


def _written(value: object, before: bytes) -> bytes:
    written = _json(value, "\n" if b"\n" in before.strip() else "")
    return written.encode("utf-8", _ESCAPED) + before[len(before.rstrip()) :]


def _json(value: object, begin: str = "") -> str:
    """Return the JSON text of a value; `begin` is the newline and the indent of its line, if it is written on several."""
    if isinstance(value, _Number):
        return value.text
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, bytes):
        return quoted(base64.b64encode(value).decode())
    inner = begin and begin + _INDENT
    colon = ": " if begin else ":"
    if isinstance(value, Mapping):
        members = cast("Mapping[str, object]", value).items()
        return _joined("{}", (f"{quoted(key)}{colon}{_json(member, inner)}" for key, member in members), begin, inner)
    if isinstance(value, Sequence):
        return _joined("[]", (_json(item, inner) for item in cast("Sequence[object]", value)), begin, inner)
    return json.dumps(value)


def _joined(brackets: str, parts: Iterable[str], begin: str, inner: str) -> str:
    told = f",{inner}".join(parts)
    return f"{brackets[0]}{inner}{told}{begin}{brackets[1]}" if told else brackets


def _redacted(value: Json, redactor: Redactor, name: str = "") -> object:
    """Return a value without secrets; `name` is that of the attribute or member it is the value of."""
    if isinstance(value, str):
        return value if name in _IDS else redactor.redact_named(name, value)
    if isinstance(value, Mapping):
        return _redacted_object(value, redactor, name)
    if isinstance(value, Sequence):
        return [_redacted(item, redactor, name) for item in value]
    return value


def _redacted_bytes(value: str, redactor: Redactor, name: str) -> str | bytes:
    """Return base64 as it is, or without secrets the text that it is of."""
    try:
        told = base64.b64decode(value).decode()
    except ValueError:
        return value
    clean = redactor.redact_named(name, told)
    return value if clean == told else clean.encode()


def _redacted_object(value: Mapping[str, Json], redactor: Redactor, name: str) -> dict[str, object]:
    attribute = text(value.get("key")) if "value" in value and isinstance(value.get("key"), str) else None
    if attribute is not None:
        own = redactor.redact_text(attribute)
        return {**value, "key": own, "value": _redacted(value["value"], redactor, attribute)}
    is_any_value = len(value) == 1 and next(iter(value)).endswith(("Value", "_value"))
    return {
        redactor.redact_text(key): _redacted_bytes(member, redactor, name)
        if is_any_value and key in _BINARY and isinstance(member, str)
        else _redacted(member, redactor, name if is_any_value or key == "values" else key)
        for key, member in value.items()
    }
