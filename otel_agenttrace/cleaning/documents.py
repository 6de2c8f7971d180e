"""Redact OTLP/JSON that others wrote: one document, or one on each line. Bytes in, what leaks and the new bytes out; pure.

A line without a finding stays byte for byte; of one with a finding the values change, and how it is spaced.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from otel_agenttrace.cleaning.leaks import Leak, leaks_between
from otel_agenttrace.errors import CassetteCorrupt
from otel_agenttrace.jsonvalue import Json, compact, obj, parse, text
from otel_agenttrace.redact import Redactor

__all__ = ["cleaned_documents"]

_IDS: Final = frozenset({"traceId", "spanId", "parentSpanId", "trace_id", "span_id", "parent_span_id"})
_BINARY: Final = frozenset({"bytesValue", "bytes_value"})


def cleaned_documents(path: Path, content: bytes, redactor: Redactor) -> tuple[bytes, tuple[Leak, ...]]:
    """Return the content without secrets, and what they were.

    Raises:
        CassetteCorrupt: If it is neither a JSON document nor lines of JSON.
    """
    try:
        whole = parse(content)
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
            clean, leaks = _cleaned(index + 1, parse(line), redactor)
        except (ValueError, RecursionError) as error:
            raise CassetteCorrupt(path, index + 1, f"not JSON, or nested too deep: {error}") from error
        if leaks:
            found += leaks
            lines[index] = _bytes(compact(clean)) + line[len(line.rstrip(b"\r\n")) :]
    return b"".join(lines), tuple(found)


def _cleaned(line: int, value: Json, redactor: Redactor) -> tuple[Json, tuple[Leak, ...]]:
    clean = _redacted(value, redactor)
    return clean, tuple(leaks_between(line, "", value, clean))


def _written(value: Json, before: bytes) -> bytes:
    is_indented = b"\n" in before.strip()
    written = json.dumps(value, ensure_ascii=False, indent=2) if is_indented else compact(value)
    return _bytes(written) + before[len(before.rstrip()) :]


def _bytes(written: str) -> bytes:
    try:
        return written.encode()
    except UnicodeEncodeError:  # a lone surrogate has no UTF-8 form, only an escape
        return json.dumps(json.loads(written)).encode()


def _redacted(value: Json, redactor: Redactor, name: str = "") -> Json:
    """Return a value without secrets; `name` is that of the attribute or member it is the value of."""
    if isinstance(value, str):
        return value if name in _IDS or name in _BINARY else redactor.redact_named(name, value)
    if isinstance(value, Mapping):
        return _redacted_object(value, redactor, name)
    if isinstance(value, Sequence):
        return [_redacted(item, redactor, name) for item in value]
    return value


def _redacted_object(value: Mapping[str, Json], redactor: Redactor, name: str) -> dict[str, Json]:
    attribute = text(value.get("key")) if "value" in value and isinstance(value.get("key"), str) else None
    if attribute is not None:
        own = redactor.redact_text(attribute)
        return {**value, "key": own, "value": _redacted(obj(value["value"]), redactor, attribute)}
    is_any_value = len(value) == 1 and next(iter(value)).endswith(("Value", "_value"))
    return {
        redactor.redact_text(key): _redacted(
            member, redactor, name if (is_any_value and key not in _BINARY) or key == "values" else key
        )
        for key, member in value.items()
    }
