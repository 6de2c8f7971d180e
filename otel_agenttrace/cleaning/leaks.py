"""What a file holds that redaction would remove. The value before and after in, leaks with their places out; never a secret."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, cast

from otel_agenttrace.redact.findings import placeholders_in

__all__ = ["Leak", "excerpt", "leaks_between"]

_AROUND: Final = 32
"""So many characters of an excerpt stand on each side of the placeholder."""


@dataclass(frozen=True, slots=True)
class Leak:
    """A secret in a file.

    Attributes:
        line: The line, from 1.
        place: Where on it, as a pointer: `request/messages/0/content`; empty in a text of no known form.
        kind: What it is, as in its placeholder; `dropped` is left out without one.
        excerpt: What stands around it, redacted.
    """

    line: int
    place: str
    kind: str
    excerpt: str


def leaks_between(line: int, place: str, before: object, after: object) -> Iterator[Leak]:
    """Yield what redaction has removed from a value: a text, or mappings and sequences of texts."""
    if isinstance(before, str):
        told = after.decode() if isinstance(after, bytes) else cast("str", after)  # what was base64 of a text
        yield from _in_text(line, place, before, told)
    elif isinstance(before, Mapping):
        members = cast("Mapping[str, object]", before), cast("Mapping[str, object]", after)
        for (name, old), (key, new) in zip(*(each.items() for each in members), strict=False):
            yield from _in_text(line, f"{place}/{key}", name, key)
            yield from leaks_between(line, f"{place}/{key}", old, new)
    elif isinstance(before, Sequence) and not isinstance(before, bytes):
        items = cast("Sequence[object]", before), cast("Sequence[object]", after)
        for index, (old, new) in enumerate(zip(*items, strict=False)):
            yield from leaks_between(line, f"{place}/{index}", old, new)
    elif before != after:  # what was no text is one now
        yield from _in_text(line, place, str(before), str(after))


def _in_text(line: int, place: str, before: str, after: str) -> Iterator[Leak]:
    if before == after:
        return
    known = Counter(text for _, text, _ in placeholders_in(before))
    seen: Counter[str] = Counter()
    is_told = False
    for at, text, kind in placeholders_in(after):
        seen[text] += 1
        if seen[text] > known[text]:
            is_told = True
            yield Leak(line, place, kind, excerpt(after, at, len(text)))
    if not is_told:
        yield Leak(line, place, "dropped", excerpt(after, 0, 0))


def excerpt(text: str, at: int, size: int) -> str:
    """Return what stands around a place of a redacted text, on its line."""
    begin, end = max(0, at - _AROUND), at + size + _AROUND
    before = text[begin:at].rpartition("\n")[2]
    return before + text[at : at + size] + text[at + size : end].partition("\n")[0]
