"""Tell two texts as one, word by word. Texts in, `the [-old-]{+new+} text` out."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Final

from otel_agenttrace.analyze.alignment import Places, common

__all__ = ["word_diff"]

_WORDS: Final = r"\s+|\w+|[^\w\s]"
_LEAST: Final = 0.25
"""Texts that have less of their words in common are told one after the other."""
_AROUND: Final = 12
"""Words that stay on each side of a change; those further away are told as `…`."""


def word_diff(old: str, new: str) -> str:
    """Return two texts as one: what is gone as `[-…-]`, what came as `{+…+}`, far from both only `…`."""
    left, right = re.findall(_WORDS, old), re.findall(_WORDS, new)
    pairs = common(left, right)
    if _words([left[one] for one, _ in pairs]) < _LEAST * min(_words(left), _words(right)):
        pairs = ()
    return "".join(_told(left, right, _joined(left, pairs)))


def _words(tokens: Sequence[str]) -> int:
    return len(tokens) - sum(map(str.isspace, tokens))


def _joined(left: Sequence[str], pairs: Sequence[Places]) -> Iterator[Places]:
    """Yield the pairs but for spaces between two changes: they belong to the change."""
    beside = {(-1, -1), *pairs}
    for one, other in pairs:
        if not left[one].isspace() or (one - 1, other - 1) in beside or (one + 1, other + 1) in beside:
            yield one, other


def _told(left: Sequence[str], right: Sequence[str], pairs: Iterable[Places]) -> Iterator[str]:
    begin = first = 0
    same: list[str] = []
    is_first = True
    for one, other in (*pairs, (len(left), len(right))):
        if begin < one or first < other:
            gone, came = "".join(left[begin:one]), "".join(right[first:other])
            yield _kept(same, at_begin=not is_first, at_end=True)
            yield (f"[-{gone}-]" if gone else "") + (f"{{+{came}+}}" if came else "")
            same, is_first = [], False
        same += left[one : one + 1]
        begin, first = one + 1, other + 1
    yield _kept(same, at_begin=not is_first, at_end=False)


def _kept(words: Sequence[str], *, at_begin: bool, at_end: bool) -> str:
    """Return words between two changes, those far from both left out."""
    head, tail = _AROUND if at_begin else 0, _AROUND if at_end else 0
    if len(words) <= head + tail + 1:
        return "".join(words)
    return f"{''.join(words[:head])}…{''.join(words[len(words) - tail :])}"
