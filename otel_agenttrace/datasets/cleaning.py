"""Look at each row again before it is written: today's rules may know what those of its recording did not. Row in, clean row out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from otel_agenttrace.errors import NotClean
from otel_agenttrace.jsonvalue import Json, JsonObject, compact, obj, parse
from otel_agenttrace.model import Span
from otel_agenttrace.redact import Redactor
from otel_agenttrace.redact.findings import placeholders_in

__all__ = ["clean_row"]


def clean_row(row: JsonObject, redactor: Redactor, span: Span) -> tuple[JsonObject, int]:
    """Return a row without secrets, and how many were removed: text by text, then as the line that is written.

    Raises:
        NotClean: If the rules find something in the line still, or if what they leave is no row any more.
    """
    before = compact(row)
    line = redactor.redact_text(compact(_clean(row, redactor)))
    found = redactor.findings(line)
    if found:
        raise NotClean(span.span_id, found[0].kind)
    try:
        clean = obj(parse(line))
    except ValueError as error:
        raise NotClean(span.span_id, "text") from error
    if clean.keys() != row.keys():
        raise NotClean(span.span_id, "text")
    return clean, max(_placeholders(line) - _placeholders(before), int(line != before))


def _clean(value: Json, redactor: Redactor, name: str = "") -> Json:
    if isinstance(value, str):
        return redactor.redact_named(name, value)
    if isinstance(value, Mapping):
        return {redactor.redact_text(key): _clean(member, redactor, key) for key, member in value.items()}
    if isinstance(value, Sequence):
        return [_clean(item, redactor, name) for item in value]
    return value


def _placeholders(text: str) -> int:
    return sum(1 for _ in placeholders_in(text))
