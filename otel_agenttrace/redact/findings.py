"""Find secrets in a text and replace them once. Detectors and a text in, merged findings and the new text out."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Final, TypeAlias

__all__ = ["Detector", "Finding", "find", "is_placeholder", "replaced", "replaced_bytes"]

# A closed list: with an open one, a secret inside of brackets could pass for a placeholder.
_KINDS: Final = ("env", "query")
_MARK: Final = "[REDACTED:"
_PLACEHOLDER: Final = re.compile(rf"\[REDACTED:(?:{'|'.join(_KINDS)}):[0-9a-f]{{8}}\]")


@dataclass(frozen=True, slots=True)
class Finding:
    """A secret in a text, from `start` to before `end`. `value` is its plain form, the text may hold an escaped one."""

    start: int
    end: int
    kind: str
    value: str

    @property
    def placeholder(self) -> str:
        """What stands in the secret's place: kind and digest, the same for every form of the value."""
        digest = hashlib.sha256(self.value.encode("utf-8", "surrogatepass")).hexdigest()[:8]
        return f"{_MARK}{self.kind}:{digest}]"


Detector: TypeAlias = Callable[[str], Sequence[Finding]]
"""Returns the findings in a text, in any order; they may overlap. Its kind stands in the closed list above."""


def is_placeholder(text: str) -> bool:
    """Whether a text is what stands in the place of a secret."""
    return _PLACEHOLDER.fullmatch(text) is not None


def find(text: str, detectors: Iterable[Detector]) -> list[Finding]:
    """Return what the detectors find outside of placeholders, in order, overlaps merged."""
    if _MARK not in text:
        return _detected(text, detectors)
    gaps = ((start, _detected(text[start:end], detectors)) for start, end in _gaps(text))
    return [replace(each, start=start + each.start, end=start + each.end) for start, found in gaps for each in found]


def _detected(text: str, detectors: Iterable[Detector]) -> list[Finding]:
    found: list[Finding] = []
    for detector in detectors:
        found += detector(text)
    return _merged(found) if found else found


def _gaps(text: str) -> Iterator[tuple[int, int]]:
    bounds = [bound for placeholder in _PLACEHOLDER.finditer(text) for bound in placeholder.span()]
    edges = [0, *bounds, len(text)]
    return zip(edges[::2], edges[1::2], strict=True)


def _merged(found: Iterable[Finding]) -> list[Finding]:
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
