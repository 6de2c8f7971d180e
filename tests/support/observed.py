"""What a caller of an SDK can see of an answer, as plain data: objects and errors in, facts that compare with == out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, cast

from pydantic import BaseModel

__all__ = ["DROPPED_HEADERS", "Eyes", "Facts", "Observed", "type_name"]

Facts: TypeAlias = "Mapping[str, object]"

DROPPED_HEADERS: Final = frozenset(
    {
        "set-cookie",
        "openai-organization",
        "openai-project",
        "anthropic-organization-id",
        "content-encoding",
        "content-length",
        "transfer-encoding",
    }
)
"""What a cassette does not hold, and so a replay cannot show: account ids, and what describes the wire."""


@dataclass(frozen=True, slots=True)
class Observed:
    """All a surface showed: its results in order, and the error that ended it, if one did."""

    results: tuple[Any, ...] = ()
    error: Any = None


class Eyes:
    """Takes what a scenario shows. Nothing of the SDK is kept, so that a dropped stream is really dropped."""

    def __init__(self) -> None:
        self._results: list[object] = []

    def __call__(self, value: object) -> None:
        """Note the facts of a value."""
        self._results.append(_facts_of(value))

    def observed(self, error: BaseException | None = None) -> Observed:
        """Return everything that was shown."""
        return Observed(tuple(self._results), None if error is None else _error_facts(error))


def type_name(value: object) -> str:
    """Return module and name of a value's class; of a generic model, with its arguments."""
    return f"{type(value).__module__}.{type(value).__qualname__}"


# --- facts ----------------------------------------------------------------------------------------------------------


def _facts_of(value: object) -> object:
    if value is None or isinstance(value, str | bytes | int | float):
        return value
    if isinstance(value, BaseModel):
        return _model_facts(value)
    if isinstance(value, Mapping):
        return {str(key): _facts_of(member) for key, member in cast("Mapping[object, object]", value).items()}
    if isinstance(value, list | tuple):
        return [_facts_of(member) for member in cast("list[object]", value)]
    if _is_http_response(value):
        return _response_facts(value)
    return _wrapper_facts(value)


def _model_facts(model: BaseModel) -> Facts:
    return {
        "class": type_name(model),
        "request_id": getattr(model, "_request_id", None),
        "dump": model.model_dump(warnings=False),
        "shape": _shape_of(model),
    }


def _shape_of(value: object) -> object:
    """Return the classes inside a value, with the fields that were set and those the class does not know."""
    if isinstance(value, BaseModel):
        members = {name: _shape_of(getattr(value, name, None)) for name in type(value).model_fields}
        return {
            "class": type_name(value),
            "set": sorted(value.model_fields_set),
            "extra": sorted(value.model_extra or ()),
            "fields": {name: shape for name, shape in members.items() if shape},
        }
    if isinstance(value, list | tuple):
        shapes = [_shape_of(member) for member in cast("list[object]", value)]
        return shapes if any(shapes) else None
    if value is None or isinstance(value, str | bytes | int | float | Mapping):
        return None
    return type_name(value)


def _is_http_response(value: object) -> bool:
    return type(value).__module__.partition(".")[0] in ("httpx", "httpx2") and hasattr(value, "status_code")


def _response_facts(response: Any) -> Facts:
    return {
        "class": type_name(response),
        "status": response.status_code,
        "headers": _header_facts(response.headers),
        "method": response.request.method,
        "url": str(response.request.url),
        "content": response.content if response.is_closed and hasattr(response, "_content") else None,
    }


def _header_facts(headers: Any) -> list[list[str]]:
    pairs: list[tuple[str, str]] = list(headers.multi_items())
    return sorted([name.lower(), value] for name, value in pairs if name.lower() not in DROPPED_HEADERS)


def _wrapper_facts(value: Any) -> Facts:
    """Return the facts of what wraps a response: raw and binary responses, streams."""
    facts: dict[str, object] = {"class": type_name(value)}
    response = getattr(value, "http_response", None) or getattr(value, "response", None)
    if response is not None and _is_http_response(response):
        facts["response"] = _response_facts(response)
    for name in ("status_code", "retries_taken", "request_id"):
        if isinstance(told := getattr(value, name, None), int | str):
            facts[name] = told
    return facts


def _error_facts(error: BaseException) -> Facts:
    facts: dict[str, object] = {"class": type_name(error), "message": str(error)}
    for name in ("status_code", "body", "code", "param", "type", "request_id"):
        if (told := getattr(error, name, None)) is not None:
            facts[f"error_{name}"] = _facts_of(told)
    if (response := getattr(error, "response", None)) is not None:
        facts["response"] = _response_facts(response)
    facts["cause"] = type_name(error.__cause__) if error.__cause__ is not None else None
    return facts
