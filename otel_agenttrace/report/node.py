"""A tree of lines: what every text about a run is made of. Nodes in, indented text out, and back."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.report.text import escaped

__all__ = ["INDENT", "Node", "block", "flat", "forest_of", "one_line", "text_of"]

INDENT: Final = "  "


@dataclass(frozen=True, slots=True)
class Node:
    """One line, without its indentation, and what stands below it."""

    line: str
    below: tuple[Node, ...] = ()


def one_line(text: str) -> str:
    """Return foreign text for a line: it cannot end the line, steer a terminal, nor end with a space that editors remove."""
    line = escaped(text)
    return f"{line[:-1]}\\x20" if line.endswith(" ") else line


def block(text: str, written: Callable[[str], str] = one_line) -> tuple[Node, ...]:
    """Return foreign text of several lines, each behind a bar: none of them can be taken for a line of ours."""
    return tuple(Node(f"| {written(line)}" if line else "|") for line in text.split("\n"))


def flat(nodes: Iterable[Node]) -> Iterator[tuple[int, str]]:
    """Yield the lines of a forest from top to bottom, each with its depth."""
    waiting = [iter(nodes)]
    while waiting:
        node = next(waiting[-1], None)
        if node is None:
            waiting.pop()
            continue
        yield len(waiting) - 1, node.line
        waiting.append(iter(node.below))


def text_of(nodes: Iterable[Node]) -> str:
    """Return a forest as text, a line for each node, two spaces for each depth."""
    return "".join(f"{INDENT * depth}{line}\n" for depth, line in flat(nodes))


def forest_of(lines: Sequence[str]) -> tuple[Node, ...]:
    """Return the forest that lines of text tell by their indentation, whatever it is: the way back from `text_of`."""
    told = [(len(line) - len(line.lstrip(" ")), line.strip(" ")) for line in lines if line.strip(" ")]
    pending: list[tuple[int, Node]] = []
    for depth, line in reversed(told):
        inside = 0
        while inside < len(pending) and pending[-1 - inside][0] > depth:
            inside += 1
        below = [node for _, node in pending[len(pending) - inside :][::-1]]
        del pending[len(pending) - inside :]
        pending.append((depth, Node(line, tuple(below))))
    return tuple(node for _, node in reversed(pending))
