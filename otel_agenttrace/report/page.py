"""A report as blocks, written once and shown as Markdown, in a terminal by `screen.py`, in a browser by `html.py`. Blocks in, Markdown out."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from otel_agenttrace.escaping import escaped
from otel_agenttrace.report.fencing import code, fence

__all__ = [
    "Block",
    "Cell",
    "Column",
    "Heading",
    "Line",
    "Lines",
    "Page",
    "Table",
    "Told",
    "page_markdown",
    "plain_cell",
]


_DIFF_STYLES: Final = {"+": "green", "-": "red", "~": "yellow"}


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
    """One line of pieces, which are put together as they are. `style` colours it in a terminal and in a browser."""

    pieces: tuple[Cell, ...]
    style: str = ""


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines of foreign text in a fixed font; with `language` `diff`, those that begin with `+` and `-` are coloured.

    `styles` colours each line in a terminal and in a browser.
    """

    texts: tuple[str, ...]
    language: str = ""
    styles: tuple[str, ...] = ()

    @property
    def styles_of_lines(self) -> tuple[str, ...]:
        """The style of each line, "" for none."""
        if self.styles or self.language != "diff":
            return self.styles or ("",) * len(self.texts)
        return tuple([_DIFF_STYLES.get(text[:1], "") for text in self.texts])


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
    return (code(cell.text) if isinstance(cell, Told) and cell.text.strip() else plain_cell(cell)).replace("|", "\\|")


def plain_cell(cell: Cell) -> str:
    """Return the text of a cell, where no mark-up is known."""
    return escaped(cell.text) if isinstance(cell, Told) else cell
