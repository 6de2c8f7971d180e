"""Show a report in a terminal. The blocks of a page in, what `rich` renders out, and the console that it is printed on."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import IO, Final

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.segment import Segment
from rich.table import Table as RichTable
from rich.text import Text

from otel_agenttrace.escaping import escaped_lines
from otel_agenttrace.report.page import Heading, Line, Lines, Page, Table, plain_cell

__all__ = ["console", "page_text"]

_FILE_WIDTH: Final = 200


def console(file: IO[str] | None = None) -> Console:
    """Return a console with the terminal's width and colours; into a file or a pipe, wide lines without colours."""
    shown = Console(file=file, highlight=False)
    if not shown.is_terminal:
        shown.width = _FILE_WIDTH
    return shown


def page_text(page: Page) -> Iterator[RenderableType]:
    """Yield what a terminal shows."""
    for place, block in enumerate(page):
        if isinstance(block, Heading):
            yield Text(f"\n{block.text}" if place else block.text, "bold")
        elif isinstance(block, Line):
            yield Text("".join(map(plain_cell, block.pieces)), block.style)
        elif isinstance(block, Lines):
            yield _Written(block)
        else:
            yield _rich_table(block)


@dataclass(frozen=True, slots=True)
class _Written:
    """Lines in a terminal: what fits stands there at once, for `why` has tens of thousands; only what does not is wrapped."""

    lines: Lines

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        width = options.max_width
        for told, style in zip(self.lines.texts, self.lines.styles_of_lines, strict=True):
            text = escaped_lines(told)
            if text.isprintable() and (2 * len(text) <= width or cell_len(text) <= width):
                yield Segment(text, console.get_style(style))
                yield Segment.line()
            else:
                yield Text(text, style)


def _rich_table(table: Table) -> RichTable:
    shown = RichTable(box=None, pad_edge=False, header_style="dim")
    for column in table.columns:
        shown.add_column(column.title, justify=column.align, overflow="fold", no_wrap=column.align == "right")
    for row in table.rows:
        shown.add_row(*(Text(plain_cell(cell)) for cell in row))
    return shown
