"""The error a failed span tells: which status the provider answered with, and in which words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, cast

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, digits, obj, text
from otel_agenttrace.model import Event, Span

__all__ = ["Failure", "failure_of"]

_CODE: Final = re.compile(r"Error code: ([45]\d\d)(?: - (.*))?", re.DOTALL)
"""How the SDKs of OpenAI and Anthropic begin the text of a status error."""
_STATUSES: Final[Mapping[str, int]] = {
    "BadRequestError": 400,
    "AuthenticationError": 401,
    "PermissionDeniedError": 403,
    "NotFoundError": 404,
    "ConflictError": 409,
    "UnprocessableEntityError": 422,
    "RateLimitError": 429,
}
"""Exceptions that stand for one status each."""
_KINDS: Final[Mapping[int, str]] = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    429: "rate_limit_error",
    500: "api_error",
    529: "overloaded_error",
}


@dataclass(frozen=True, slots=True)
class Failure:
    """A provider's refusal: its status, the type of the error, its words, and its body where the trace has it."""

    status: int
    kind: str
    message: str
    body: JsonObject | None = None


def failure_of(span: Span) -> Failure | None:
    """Return the refusal a failed span tells, or None if it tells no status."""
    said = next((found for line in _lines(span) if (found := _CODE.search(line))), None)
    status = _status(span, said)
    if status is None:
        return None
    words = (said[2] or "").strip() if said is not None else next(_lines(span), "")
    body = _body(words)
    told = text(obj(body.get("error")).get("message")) if body else None
    return Failure(status, _kind(span, status), told or words, body or None)


def _lines(span: Span) -> Iterator[str]:
    for event in _exceptions(span):
        yield text(event.attributes.get("exception.message")) or ""
    yield span.status_message


def _exceptions(span: Span) -> Iterator[Event]:
    return (event for event in span.events if event.name == "exception")


def _status(span: Span, said: re.Match[str] | None) -> int | None:
    told = span.attributes.get("http.response.status_code")
    if isinstance(told, int) and told >= 400:
        return told
    kinds = [
        span.attributes.get(semconv.ERROR_TYPE),
        *(each.attributes.get("exception.type") for each in _exceptions(span)),
    ]
    names = [kind.rpartition(".")[2] for kind in kinds if isinstance(kind, str)]
    numbers = [number for name in names if 400 <= (number := digits(name) or 0) < 600]
    if numbers:
        return numbers[0]
    if said is not None:
        return int(said[1])
    return next((_STATUSES[name] for name in names if name in _STATUSES), None)


def _kind(span: Span, status: int) -> str:
    told = text(span.attributes.get(semconv.ERROR_TYPE)) or ""
    return told if re.fullmatch(r"[a-z]+(_[a-z]+)+", told) else _KINDS.get(status, "api_error")


def _body(words: str) -> JsonObject:
    """Return the body that an SDK wrote into the text of its exception as a Python literal, or an empty one."""
    if not words.startswith("{"):
        return {}
    try:
        return obj(cast("Json", ast.literal_eval(words)))
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return {}
