"""Detect secrets that are spread over the events of a stream, piece by piece. Body text in, findings out.

A model's text comes as deltas: `{"delta":{"content":"sk-pr"}}`, then `{"delta":{"content":"oj-…"}}`. The deltas of one
choice, tool call or content block are joined, looked at as one text, and what is found is told in their places.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Sequence
from itertools import accumulate
from typing import Final, TypeAlias

from otel_agenttrace.redact.findings import Finding

__all__ = ["is_stream", "stream_findings", "told_by_token"]

_PIECE: Final = re.compile(
    r'"(?P<name>content|text|delta|arguments|partial_json|thinking|reasoning_content|reasoning|refusal|transcript|response|'
    r'completion|generated_text|output_text|value|code|input|query)"\s?:\s?"(?P<piece>(?:[^"\\\n]|\\.)+)"'
)
_PLACE: Final = re.compile(
    r'"(?:index|output_index|content_index|summary_index|item_id|choice|candidate)"\s?:\s?("[^"\n]*"|\d+)'
)
_EVENT: Final = re.compile(r"^(?:data:\s?)?\{.*$", re.MULTILINE)

_Pieces: TypeAlias = "list[tuple[int, str]]"
"""Where each piece stands in the body, and what it says, as JSON escapes it."""


def stream_findings(text: str, detect: Callable[[str], Sequence[Finding]]) -> Iterator[Finding]:
    """Yield what stands in joined deltas of a stream, the first place of each as the finding, the others as going on."""
    for pieces in _joinable(text).values():
        if len(pieces) > 1:
            for found in detect("".join(piece for _, piece in pieces)):
                yield from _spread(found, pieces)


def _joinable(text: str) -> dict[tuple[str, ...], _Pieces]:
    """Return the pieces of each text that comes in deltas, by the name and the indexes of its member."""
    found: dict[tuple[str, ...], _Pieces] = {}
    for event in _EVENT.finditer(text):
        pieces = list(_PIECE.finditer(text, event.start(), event.end()))
        if pieces:
            places = _PLACE.findall(text, event.start(), event.end())
            for piece in pieces:
                found.setdefault((piece["name"], *places), []).append((piece.start("piece"), piece["piece"]))
    return found


def _spread(found: Finding, pieces: _Pieces) -> Iterator[Finding]:
    ends = list(accumulate(len(piece) for _, piece in pieces))
    is_first = True
    for (place, piece), end in zip(pieces, ends, strict=True):
        begin = end - len(piece)
        first, last = max(found.start, begin), min(found.end, end)
        if first < last:
            yield Finding(
                place + first - begin,
                place + last - begin,
                found.kind,
                found.value,
                continues=not is_first,
                quote=found.quote if is_first else "",
            )
            is_first = False


_LOG_PROBABILITIES: Final = re.compile(r'"logprobs"\s?:\s?(?=[\[{])')
_decode: Final = json.JSONDecoder().raw_decode


def told_by_token(text: str) -> Iterator[Finding]:
    """Yield the log probabilities of a body of JSON: they say once more, by tokens, what a secret was removed from."""
    if text.lstrip()[:1] not in ("{", "[") and not is_stream(text):
        return
    place = 0
    while (found := _LOG_PROBABILITIES.search(text, place)) is not None:
        try:
            _, place = _decode(text, found.end())
        except (ValueError, RecursionError):  # cut off: all that is left of the event goes
            line = text.find("\n", found.end())
            place = line if line >= 0 else len(text)
        yield Finding(found.end(), place, "token", "", instead="[]" if text[found.end()] == "[" else "null")


def is_stream(text: str) -> bool:
    """Whether a body is a stream of events: server-sent events, or lines of JSON."""
    return text.startswith(("data:", "event:", "id:", ":")) or "\ndata:" in text or (text[:1] == "{" and "}\n{" in text)
