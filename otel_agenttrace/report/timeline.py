"""Draw a run over time. Timeline and a width in, lines of bars out, as wide as the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from rich.cells import set_cell_size

from otel_agenttrace.analyze.timelines import Bar, Gap, Timeline
from otel_agenttrace.counting import counted
from otel_agenttrace.report.family import family
from otel_agenttrace.report.page import Block, Line, Lines, Told
from otel_agenttrace.report.sums import time_told
from otel_agenttrace.report.text import duration, first_line

__all__ = ["timeline_page"]

_NAMES: Final = 0.32
_TIME: Final = 11
_NARROWEST: Final = 40
_DEEPEST: Final = 8
_MOST_GAPS: Final = 3
_IDLE: Final = 0.01
"""Shares of the run from which on a gap is drawn."""


def timeline_page(of: Timeline, width: int, depth: int = 0) -> Iterator[Block]:
    """Yield the bars of a run, then what their signs mean and the longest gaps.

    Args:
        of: The run.
        width: Of a line, in cells of a terminal.
        depth: Levels that are drawn; 0 for all.
    """
    yield Line((Told(of.name), f": {counted(len(of.bars), 'span')}, {time_told(of.duration_ns)}"), "bold")
    if of.drawn_ns is None:
        if of.bars:
            yield Line(("not all of its spans tell when they were: tree and explain show them in order",), "yellow")
        return
    names = int(max(width, _NARROWEST) * _NAMES)
    room = max(width, _NARROWEST) - names - _TIME
    known = {id(bar.span): bar for bar in of.bars}
    shown = [(known[id(span)], level) for span, level in family(bar.span for bar in of.bars).members]
    rows = [(bar, level) for bar, level in shown if not depth or level < depth]
    texts = [_axis(of, names, room), *(_row(of, bar, level, names, room) for bar, level in rows)]
    styles = ["dim", *("red" if bar.is_error else "" for bar, _ in rows)]
    gaps = [gap for gap in of.gaps if gap.duration_ns >= of.drawn_ns * _IDLE]
    if gaps:
        texts.append(_idle(of, gaps, names, room))
        styles.append("dim")
    yield Lines(tuple(texts), styles=tuple(styles))
    if len(rows) < len(shown):
        yield Line((f"{counted(len(shown) - len(rows), 'span')} below: --depth 0 draws them",), "dim")
    yield from _legend(of, gaps)


def _axis(of: Timeline, names: int, room: int) -> str:
    end = duration(of.drawn_ns)
    middle = duration((of.drawn_ns or 0) // 2)
    place = room // 2 - len(middle) // 2
    line = "0".ljust(place) + middle
    return " " * names + line.ljust(room - len(end)) + end


def _row(of: Timeline, bar: Bar, level: int, names: int, room: int) -> str:
    name = set_cell_size(f"{'  ' * min(level, _DEEPEST)}{first_line(bar.span.name)}", names - 1) + " "
    took = "not ended" if bar.span.end_ns is None else duration(bar.duration_ns)
    return f"{name}{_bar(of, bar, room)} {took}{' !' if bar.is_error else ''}"


def _bar(of: Timeline, bar: Bar, room: int) -> str:
    until = (of.drawn_ns or 0) if bar.span.end_ns is None else bar.offset_ns
    end = until if bar.duration_ns is None else bar.offset_ns + bar.duration_ns
    first, last = _places(of, bar.offset_ns, end, room)
    sign = "█" if bar.is_critical else "▒"
    waited = 0
    if bar.first_chunk_ns is not None and bar.duration_ns:
        waited = round((last - first) * min(1.0, max(0.0, bar.first_chunk_ns / bar.duration_ns)))
    drawn = "░" * waited + sign * (last - first - waited)
    return (" " * first + drawn).ljust(room)


def _places(of: Timeline, start_ns: int, end_ns: int, room: int) -> tuple[int, int]:
    """Return the first cell and the one after the last: what is short has one cell all the same."""
    whole = max(of.drawn_ns or 0, 1)
    first = min(start_ns * room // whole, room - 1)
    return first, min(room, max(first + 1, round(end_ns * room / whole)))


def _idle(of: Timeline, gaps: list[Gap], names: int, room: int) -> str:
    cells = [" "] * room
    for gap in gaps:
        first, last = _places(of, gap.offset_ns, gap.offset_ns + gap.duration_ns, room)
        cells[first:last] = "·" * (last - first)
    total = sum(gap.duration_ns for gap in of.gaps)
    return set_cell_size("no call runs", names) + "".join(cells) + f" {duration(total)}"


def _legend(of: Timeline, gaps: list[Gap]) -> Iterator[Block]:
    signs = ["█ on the critical path", "▒ beside it"]
    signs += ["░ until the first chunk"] if any(bar.first_chunk_ns is not None for bar in of.bars) else []
    signs += ["! failed"] if any(bar.is_error for bar in of.bars) else []
    yield Line((", ".join(signs),), "dim")
    longest = sorted(gaps, key=lambda gap: -gap.duration_ns)[:_MOST_GAPS]
    if longest:
        told = (
            f"{duration(gap.duration_ns)} at {duration(gap.offset_ns) if gap.offset_ns else '0'}" for gap in longest
        )
        yield Line((f"the longest times in which no call ran: {', '.join(told)}",), "dim")
