"""Find secrets in a text and replace them once. Detectors and a text in, merged findings and the new text out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Final, TypeAlias
from urllib.parse import unquote

from otel_agenttrace.redaction import PERSONAL

__all__ = [
    "FAILED_TEXT",
    "Detector",
    "Finding",
    "as_json",
    "find",
    "is_blind",
    "is_placeholder",
    "merged",
    "placeholders_in",
    "plain",
    "replaced",
    "replaced_bytes",
]

_FAILED: Final = "failed"

_BLIND: Final = frozenset({*PERSONAL, _FAILED, "password"})
"""Kinds without a digest: what people choose, or what is one of so few that a digest could be turned back."""

# A closed list: with an open one, a secret inside of brackets could pass for a placeholder. A user's kinds begin with x-.
_KIND: Final = r"(?:env|query|token|secret|key|jwt|pem|url|auth|x-[a-z0-9-]{1,32})"
_MARK: Final = "[REDACTED:"
FAILED_TEXT: Final = f"{_MARK}{_FAILED}]"
"""What is left of a text in which a detector failed."""

_PLACEHOLDER: Final = re.compile(rf"\[REDACTED:(?:{_KIND}:[0-9a-f]{{8}}|{'|'.join(sorted(_BLIND))})\]")

_SHORTEST: Final = 6
"""No detector finds anything in less, in characters."""

_UNICODE: Final = re.compile(r"\\+u([0-9a-fA-F]{4})")
_ESCAPE: Final = re.compile(r"\\+([nrt]?)")
_SHORT: Final = {"n": "\n", "r": "\r", "t": "\t"}


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret in a text, from `start` to before `end`. `value` is its plain form, the text may hold an escaped one.

    A secret in several places of a stream has one finding for each: the first is replaced, those that `continue` it are
    dropped. `quote` stands on both sides of the placeholder, where a number becomes a text. `instead` is what stands there,
    if that is no placeholder.
    """

    start: int
    end: int
    kind: str
    value: str
    continues: bool = False
    quote: str = ""
    instead: str | None = None

    @classmethod
    def of(cls, text: str, start: int, end: int, kind: str, quote: str = "") -> Finding:
        """Return the finding of what stands in a text, its value without JSON's and a URL's escapes, however deep."""
        return cls(start, end, kind, plain(text[start:end]), quote=quote)

    @property
    def is_blind(self) -> bool:
        """Whether its placeholder does not tell it from another of its kind."""
        return self.kind in _BLIND

    @property
    def placeholder(self) -> str:
        """What stands in the secret's place: kind and digest, the same for every form of the value."""
        if self.continues or self.instead is not None:
            return self.instead or ""
        if self.is_blind:
            return f"{self.quote}{_MARK}{self.kind}]{self.quote}"
        digest = hashlib.sha256(self.value.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{self.quote}{_MARK}{self.kind}:{digest}]{self.quote}"


def plain(value: str) -> str:
    """Return a value without JSON's and a URL's escapes, however deep."""
    if "\\" in value:
        value = _UNICODE.sub(lambda found: chr(int(found[1], 16)), value)
        value = _ESCAPE.sub(lambda found: _SHORT.get(found[1], ""), value)
    return unquote(value) if "%" in value else value


Detector: TypeAlias = Callable[[str], Sequence[Finding]]
"""Returns the findings in a text, in any order; they may overlap. Its kind stands in the closed list above."""


def placeholders_in(text: str) -> Iterator[tuple[int, str, str]]:
    """Yield place, text and kind of each placeholder."""
    for found in _PLACEHOLDER.finditer(text):
        yield found.start(), found[0], found[0].strip("[]").split(":")[1]


def is_blind(text: str) -> bool:
    """Whether a text holds a placeholder that does not tell one value from another."""
    return _MARK in text and any(kind in _BLIND for _, _, kind in placeholders_in(text))


def is_placeholder(text: str) -> bool:
    """Whether a text is what stands in the place of a secret."""
    return _PLACEHOLDER.fullmatch(text) is not None


def find(text: str, detectors: Iterable[Detector]) -> list[Finding]:
    """Return what the detectors find outside of placeholders, in order, overlaps merged.

    Where a detector fails, the whole text is the finding: what it would have found is not known.
    """
    if len(text) < _SHORTEST:
        return []
    try:
        if _MARK not in text:
            return _detected(text, detectors)
        gaps = [(start, _detected(text[start:end], detectors)) for start, end in _gaps(text)]
    except Exception:  # noqa: BLE001 - fail closed: the user's own detector may raise anything
        return [Finding(0, len(text), _FAILED, "")]
    return [replace(each, start=start + each.start, end=start + each.end) for start, found in gaps for each in found]


def _detected(text: str, detectors: Iterable[Detector]) -> list[Finding]:
    found: list[Finding] = []
    for detector in detectors:
        found += detector(text)
    return merged(found) if found else found


def _gaps(text: str) -> Iterator[tuple[int, int]]:
    bounds = [bound for placeholder in _PLACEHOLDER.finditer(text) for bound in placeholder.span()]
    edges = [0, *bounds, len(text)]
    return zip(edges[::2], edges[1::2], strict=True)


def merged(found: Iterable[Finding]) -> list[Finding]:
    """Join overlapping findings; the widest one gives its kind and value."""
    merged: list[Finding] = []
    for each in sorted(found, key=lambda finding: (finding.start, -finding.end)):
        if merged and each.start < merged[-1].end:
            merged[-1] = _joined(merged[-1], each)
        else:
            merged.append(each)
    return merged


def _joined(left: Finding, right: Finding) -> Finding:
    wider = right if right.end - right.start > left.end - left.start else left
    return replace(wider, start=left.start, end=max(left.end, right.end))


_NUMBER_BEFORE: Final = re.compile(r'(\\*")\s*:\s*(-?[\d.eE+]*)$|[\[,]\s*(-?[\d.eE+]*)$')
_NUMBER_AFTER: Final = re.compile(r"[\d.eE+-]*(?=\s*[,}\]\\])")


def as_json(text: str, found: Sequence[Finding]) -> list[Finding]:
    """Return findings of which those within a number of JSON are all of the number, and quoted: a placeholder is none."""
    if text.lstrip()[:1] not in ("{", "[") and '":' not in text:
        return list(found)
    return [_quoted(text, each) if each.value[:1].isdigit() and not each.continues else each for each in found]


def _quoted(text: str, found: Finding) -> Finding:
    before = _NUMBER_BEFORE.search(text, max(0, found.start - 60), found.start)
    after = _NUMBER_AFTER.match(text, found.end)
    if before is None or after is None or (before[1] is None and text.lstrip()[:1] not in ("{", "[")):
        return found
    start = before.start(2) if before[1] is not None else before.start(3)
    return replace(found, start=start, end=after.end(), quote=before[1] or '"')


def replaced(text: str, found: Iterable[Finding]) -> str:
    """Return the text with each finding replaced by its placeholder."""
    pieces: list[str] = []
    position = 0
    for each in found:
        pieces += (text[position : each.start], each.placeholder)
        position = each.end
    return "".join((*pieces, text[position:]))


def replaced_bytes(text: str, found: Sequence[Finding], sizes: Iterable[int]) -> tuple[bytes, tuple[int, ...]]:
    """Return the bytes of the text with its findings replaced, and the chunk sizes that partition them.

    `sizes` partition the bytes of the text before.
    """
    offsets = _byte_offsets(text, found)
    boundaries = [0, *_moved(accumulate(sizes), offsets)]
    return _bytes(replaced(text, found)), tuple(right - left for left, right in pairwise(boundaries))


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def _byte_offsets(text: str, found: Iterable[Finding]) -> list[tuple[int, int, int]]:
    """Return start and end of each finding in bytes, and the bytes of its placeholder."""
    offsets: list[tuple[int, int, int]] = []
    position = size = 0
    for each in found:
        start = size + len(_bytes(text[position : each.start]))
        size = start + len(_bytes(text[each.start : each.end]))
        position = each.end
        offsets.append((start, size, len(each.placeholder)))
    return offsets


def _moved(boundaries: Iterable[int], offsets: Sequence[tuple[int, int, int]]) -> Iterator[int]:
    """Yield where each boundary of the old bytes stands in the new ones."""
    index = shift = last_end = 0
    for boundary in boundaries:
        while index < len(offsets) and offsets[index][0] < boundary:
            start, last_end, size = offsets[index]
            shift += size - (last_end - start)
            index += 1
        yield max(boundary, last_end) + shift
