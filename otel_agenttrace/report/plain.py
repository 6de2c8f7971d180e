"""Write a report as JSON. Frozen dataclasses in, plain values out; the keys are the names of their attributes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from pathlib import PurePath
from typing import cast

from otel_agenttrace.jsonvalue import Json
from otel_agenttrace.model import Span

__all__ = ["plain"]


def plain(report: object) -> Json:
    """Return a report as JSON: dataclasses by their attributes, spans by `trace_id`, `span_id` and `name`, sets sorted.

    The underscore at the end of an attribute that would be a word of Python, `from_`, is no part of its key. Keys keep their order. What is not known is null, and so is a figure that is not finite.

    Raises:
        TypeError: If something in it is none of these and no plain value.
    """
    if report is None or isinstance(report, bool | int | str):
        return report
    if isinstance(report, float):
        return report if math.isfinite(report) else None
    if isinstance(report, Span):
        return {"trace_id": report.trace_id, "span_id": report.span_id, "name": report.name}
    if isinstance(report, PurePath):
        return str(report)
    if is_dataclass(report):
        return {field.name.rstrip("_"): plain(getattr(report, field.name)) for field in fields(report)}
    if isinstance(report, Mapping):
        return {_key(name): plain(value) for name, value in cast("Mapping[object, object]", report).items()}
    if isinstance(report, Set):
        return sorted((plain(each) for each in cast("Set[object]", report)), key=str)
    if isinstance(report, Sequence) and not isinstance(report, bytes):
        return [plain(each) for each in cast("Sequence[object]", report)]
    raise TypeError(f"{type(report).__name__} has no JSON form in a report")


def _key(name: object) -> str:
    if not isinstance(name, str):
        raise TypeError(f"a key of a report is {name!r}, no text")
    return name
