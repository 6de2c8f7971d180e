"""A report as blocks, written once and shown as terminal text or as Markdown. Blocks in, renderables or Markdown out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table as RichTable
from rich.text import Text

from otel_agenttrace.escaping import escaped, escaped_lines
from otel_agenttrace.report.fencing import code, fence

__all__ = ["Block", "Cell", "Column", "Heading", "Line", "Lines", "Page", "Table", "Told", "page_markdown", "page_text"]


@dataclass(frozen=True, slots=True)
class Told:
    """Text that others wrote: the name of a tool, of a file, a message. Shown so that nothing in it has a meaning."""

    text: str


Cell: TypeAlias = "str | Told"
"""What stands in a place of a line or a table: our own words and figures, or text of others."""


@dataclass(frozen=True, slots=True)
class Heading:
    """A title above what follows."""

    text: str


@dataclass(frozen=True, slots=True)
class Line:
    """One line of pieces, which are put together as they are. `style` colours it in a terminal."""

    pieces: tuple[Cell, ...]
    style: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of foreign text in a fixed font; with `language` `diff`, those that begin with `+` and `-` are coloured.

    `styles` colours each line in a terminal.
    """

    texts: tuple[str, ...]
    language: str = ""
    styles: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table; figures stand right."""

    title: str
    align: Literal["left", "right"] = "left"


@dataclass(frozen=True, slots=True)
class Table:
    """Rows below columns; each row has a cell for each column."""

    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]


Block: TypeAlias = "Heading | Line | Lines | Table"
Page: TypeAlias = "Iterable[Block]"

_DIFF_STYLES = {"+": "green", "-": "red", "~": "yellow"}


def page_text(page: Page) -> Iterator[RenderableType]:
    """Yield what a terminal shows."""
    for place, block in enumerate(page):
        if isinstance(block, Heading):
            yield Text(f"\n{block.text}" if place else block.text, "bold")
        elif isinstance(block, Line):
            yield Text("".join(map(_plain, block.pieces)), block.style)
        elif isinstance(block, Lines):
            yield _Written(block)
        else:
            yield _rich_table(block)


@dataclass(frozen=True, slots=True)
class _Written:
    """Lines in a terminal: what fits stands there at once, for `why` has tens of thousands; only what does not is wrapped."""

    lines: Lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        styles = self.lines.styles or tuple(map(_style(self.lines.language), self.lines.texts))
        width = options.max_width
        for told, style in zip(self.lines.texts, styles, strict=True):
            text = escaped_lines(told)
            if text.isprintable() and (2 * len(text) <= width or cell_len(text) <= width):
                yield Segment(text, console.get_style(style))
                yield Segment.line()
            else:
                yield Text(text, style)


def _style(language: str) -> Callable[[str], str]:
    return lambda text: _DIFF_STYLES.get(text[:1], "") if language == "diff" else ""


def _rich_table(table: Table) -> RichTable:
    shown = RichTable(box=None, pad_edge=False, header_style="dim")
    for column in table.columns:
        shown.add_column(column.title, justify=column.align, overflow="fold", no_wrap=column.align == "right")
    for row in table.rows:
        shown.add_row(*(Text(_plain(cell)) for cell in row))
    return shown


def _plain(cell: Cell) -> str:
    return escaped(cell.text) if isinstance(cell, Told) else cell


def page_markdown(page: Page) -> str:
    """Return the report as Markdown, the same for the same report."""
    return "\n\n".join(map(_markdown, page)) + "\n"


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"### {block.text}"
    if isinstance(block, Line):
        return "".join(code(piece.text) if isinstance(piece, Told) else piece for piece in block.pieces)
    if isinstance(block, Lines):
        return fence(block.texts, block.language)
    head = [f"| {' | '.join(column.title or ' ' for column in block.columns)} |"]
    head.append(f"| {' | '.join('---:' if column.align == 'right' else '---' for column in block.columns)} |")
    return "\n".join([*head, *(f"| {' | '.join(map(_cell, row))} |" for row in block.rows)])


def _cell(cell: Cell) -> str:
    """Return a cell of a table: a bar in it would end it, even in a code span."""
    return (code(cell.text) if isinstance(cell, Told) and cell.text.strip() else _plain(cell)).replace("|", "\\|")
