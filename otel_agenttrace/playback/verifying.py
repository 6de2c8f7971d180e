"""Compare what the network answers today with what is recorded. Two exchanges in, what differs out."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Final

from otel_agenttrace.differing import differences_of
from otel_agenttrace.jsonvalue import Json, JsonObject, array, canonical, digits, obj
from otel_agenttrace.model import Exchange, InferenceResponse
from otel_agenttrace.wire.recorded import decoded
from otel_agenttrace.wire.routes import route

__all__ = ["difference_of", "expected_of"]

_FAILED: Final = 400
_BEFORE: Final = 20
_SHOWN: Final = 80
"""How many characters of a text are told before the place where it differs, and in all."""
_PASSING: Final = frozenset({"id", "signature", "encrypted_content"})
"""Members of a part that are made anew with each answer."""


def expected_of(attempts: Sequence[Exchange], served: Exchange) -> Exchange | None:
    """Return what the live answer to an attempt is compared with, or None if it is not recorded, or was compared before.

    The live call is made once for all attempts in a row that asked for the same, and compared with the last of them.
    """
    index = next((index for index, attempt in enumerate(attempts) if attempt is served), None)
    if index is None:
        return None
    if index and attempts[index - 1].request == served.request:
        return None
    return [*takewhile(lambda attempt: attempt.request == served.request, attempts[index:])][-1]


def difference_of(recorded: Exchange, live: Exchange) -> str | None:
    """Return where a live answer differs from a recorded one in what matters, or None if it does not.

    Of an API with a codec these are status, model, messages, tool calls and finish reasons; ids, times, usage and the
    cut of a stream into chunks are not compared. Of any other API it is the status and the bytes of the body.
    """
    if live.status is None:
        return _failure(recorded, live)
    if live.status != recorded.status:
        is_failing = live.status >= _FAILED and (recorded.status or 0) < _FAILED
        return f"live call failed: status {live.status}" if is_failing else _differs("/status", recorded, live)
    found = route(live.request.method, live.request.url)
    if found is None or not found.codec.operation:
        return _difference_of_bytes(recorded.body, live.body)
    one, other = decoded(recorded), decoded(live)
    if one is None or other is None:
        return _difference_of_bytes(recorded.body, live.body)
    left, right = _compared(one), _compared(other)
    difference = next(differences_of(left, right), None)
    if difference is None:
        return None
    texts = _at(left, difference.pointer), _at(right, difference.pointer)
    told = _told_texts(*texts) or f"{difference.recorded} → {difference.asked}"
    return f"live answer differs at {difference.pointer}: {told}"


def _at(value: Json, pointer: str) -> Json:
    """Return what stands at a JSON pointer whose names have no `/`, or None where nothing does."""
    for step in pointer.split("/")[1:]:
        elements = array(value)
        at = digits(step)
        value = elements[at] if at is not None and at < len(elements) else obj(value).get(step)
    return value


def _told_texts(recorded: Json, live: Json) -> str | None:
    """Return where two texts part, with some of what stands around; None if one is no text."""
    if not isinstance(recorded, str) or not isinstance(live, str):
        return None
    begin = max(_parting(recorded, live) - _BEFORE, 0)
    shown = [
        ("…" if begin else "") + text[begin : begin + _SHOWN] + ("…" if len(text) > begin + _SHOWN else "")
        for text in (recorded, live)
    ]
    return " → ".join(map(canonical, shown))


def _failure(recorded: Exchange, live: Exchange) -> str | None:
    error = live.error
    if error is None:
        return "live call failed"
    if recorded.status is None and recorded.error is not None and recorded.error.name == error.name:
        return None
    return f"live call failed: {error.name}: {error.message}" if error.message else f"live call failed: {error.name}"


def _differs(pointer: str, recorded: Exchange, live: Exchange) -> str:
    told = recorded.error.name if recorded.status is None and recorded.error is not None else recorded.status
    return f"live answer differs at {pointer}: {told} → {live.status}"


def _difference_of_bytes(recorded: bytes, live: bytes) -> str | None:
    if recorded == live:
        return None
    return f"live answer differs at byte {_parting(recorded, live):,} of {len(recorded):,}"


def _parting(one: Sequence[object], other: Sequence[object]) -> int:
    """Return the first index at which two sequences are not the same."""
    pairs = enumerate(zip(one, other, strict=False))
    return next((index for index, (left, right) in pairs if left != right), min(len(one), len(other)))


def _compared(response: InferenceResponse) -> JsonObject:
    messages: list[Json] = [
        {
            "role": message.role,
            "finish_reason": message.finish_reason,
            "parts": [{name: value for name, value in part.items() if name not in _PASSING} for part in message.parts],
        }
        for message in response.output_messages
    ]
    return {
        "error_type": response.error_type,
        "finish_reasons": list(response.finish_reasons),
        "model": response.model,
        "output_messages": messages,
    }
