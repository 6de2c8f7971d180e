"""Show where two outlines differ. Two forests of lines in, a unified text out, with the lines above each change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import zip_longest
from typing import Final, Literal, TypeAlias

from otel_agenttrace.report.node import INDENT, Node, flat, text_of

__all__ = ["tree_diff"]

_Mark: TypeAlias = Literal[" ", "-", "+"]
_Pair: TypeAlias = "tuple[Node | None, Node | None]"

_MOST: Final = 200
_COLOURS: Final[dict[_Mark, str]] = {"-": "31", "+": "32"}


@dataclass(frozen=True, slots=True)
class _Line:
    mark: _Mark
    depth: int
    text: str

    def written(self, *, colour: bool) -> str:
        line = f"{self.mark} {INDENT * self.depth}{self.text}"
        return f"\x1b[{_COLOURS[self.mark]}m{line}\x1b[0m" if colour and self.mark in _COLOURS else line


def tree_diff(was: Sequence[Node], now: Sequence[Node], *, colour: bool = False) -> str:
    """Return what is gone (`-`) and new (`+`), below the lines it stands under and beside its neighbours.

    `…` stands for lines that are the same. After 200 lines the rest is only counted.
    """
    lines = list(_told(was, now, 0))
    shown = [line.written(colour=colour) for line in lines[:_MOST]]
    return "\n".join([*shown, *([f"… {len(lines) - _MOST:,} more lines"] if len(lines) > _MOST else [])])


def _told(was: Sequence[Node], now: Sequence[Node], depth: int) -> Iterator[_Line]:
    pairs = list(_pairs(was, now))
    changed = [left is None or right is None or _whole(left) != _whole(right) for left, right in pairs]
    is_left_out = False
    for place, (left, right) in enumerate(pairs):
        if changed[place]:
            yield from _change(left, right, depth)
        elif any(changed[max(place - 1, 0) : place + 2]) and left is not None:
            yield _Line(" ", depth, f"{left.line} …" if left.below else left.line)
        elif not is_left_out:
            yield _Line(" ", depth, "…")
            is_left_out = True
            continue
        else:
            continue
        is_left_out = False


def _change(left: Node | None, right: Node | None, depth: int) -> Iterator[_Line]:
    if left is None or right is None:
        mark: _Mark = "+" if left is None else "-"
        yield from (_Line(mark, depth + deeper, line) for deeper, line in flat(filter(None, (left, right))))
        return
    if left.line == right.line:
        yield _Line(" ", depth, left.line)
    else:
        yield _Line("-", depth, left.line)
        yield _Line("+", depth, right.line)
    yield from _told(left.below, right.below, depth + 1)


# --- which nodes belong together ----------------------------------------------------------------------------------------


def _whole(node: Node) -> str:
    return text_of((node,))


def _line(node: Node) -> str:
    return node.line


def _kind(node: Node) -> str:
    return node.line.partition(" ")[0]


_KEYS: Final[tuple[Callable[[Node], str], ...]] = (_whole, _line, _kind)
"""By what siblings are the same: all of it, else the line, else the word it begins with."""


def _pairs(was: Sequence[Node], now: Sequence[Node], keys: Sequence[Callable[[Node], str]] = _KEYS) -> Iterator[_Pair]:
    if not keys:
        yield from zip_longest(was, ())
        yield from zip_longest((), now)
        return
    key, *others = keys
    matcher = SequenceMatcher(None, list(map(key, was)), list(map(key, now)), autojunk=False)
    for tag, left, left_end, right, right_end in matcher.get_opcodes():
        if tag == "equal":
            yield from zip(was[left:left_end], now[right:right_end], strict=True)
        else:
            yield from _pairs(was[left:left_end], now[right:right_end], others)
