"""Show reports in a browser: one file that runs no script and loads nothing. The blocks of pages in, HTML out."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from html import escape
from typing import Final

from otel_agenttrace.escaping import escaped, escaped_lines
from otel_agenttrace.report.page import Block, Cell, Heading, Line, Lines, Page, Table, Told, plain_cell

__all__ = ["BEGIN", "html_document"]

BEGIN: Final = "<!doctype html>\n"
"""How each document begins."""

_STYLE: Final = """
:root { color-scheme: light dark; --dim: light-dark(#59636e, #9198a1); --line: light-dark(#d1d9e0, #3d444d) }
body { margin: 0 auto; max-width: 100rem; padding: 1rem 1.5rem; font: 0.95rem/1.45 system-ui, sans-serif }
h1 { font-size: 1.3rem; overflow-wrap: anywhere } h3 { font-size: 1rem }
nav a { margin-right: 1rem } summary { font-size: 1.1rem; font-weight: 600; cursor: pointer; padding: 0.5rem 0 }
details { border-top: 1px solid var(--line) } p { margin: 0.4rem 0; overflow-wrap: anywhere; white-space: pre-wrap }
pre, code, table { font-family: ui-monospace, monospace; font-size: 0.85rem }
pre { overflow-x: auto; line-height: 1.3 } .text { white-space: pre-wrap; overflow-wrap: anywhere }
.wide { overflow-x: auto } table { border-collapse: collapse } th { text-align: left; font-weight: 400; color: var(--dim) }
th, td { padding: 0.15rem 1rem 0.15rem 0; vertical-align: top; white-space: pre-wrap } .right { text-align: right; white-space: nowrap }
.bold { font-weight: 600 } .dim { color: var(--dim) } .red { color: light-dark(#c21e2b, #ff7b72) }
.green { color: light-dark(#18703a, #56d364) } .yellow { color: light-dark(#8a5a00, #e3b341) } .cyan { color: light-dark(#0a6c8a, #56c7e0) }
"""
_POLICY: Final = "default-src 'none'; style-src 'unsafe-inline'"


def html_document(title: str, pages: Sequence[tuple[str, Page]]) -> Iterator[str]:
    """Yield the pieces of a document that has a part for each page.

    Args:
        title: What it is about; may be text of others.
        pages: What a part is called, and its page.
    """
    named = escape(escaped(title))
    yield BEGIN
    yield '<html lang="en">\n<head>\n<meta charset="utf-8">\n'
    yield f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
    yield '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    yield f"<title>{named}</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<h1>{named}</h1>\n<nav>"
    for number, (name, _) in enumerate(pages):
        yield f'<a href="#part-{number}">{escape(name)}</a>'
    yield "</nav>\n<main>\n"
    for number, (name, page) in enumerate(pages):
        yield f'<details open id="part-{number}">\n<summary>{escape(name)}</summary>\n'
        for block in page:
            yield from _block(block)
        yield "</details>\n"
    yield "</main>\n</body>\n</html>\n"


def _block(block: Block) -> Iterator[str]:
    if isinstance(block, Heading):
        yield f"<h3>{escape(block.text)}</h3>\n"
    elif isinstance(block, Line):
        yield f"<p{_class(block.style)}>{''.join(map(_cell, block.pieces))}</p>\n"
    elif isinstance(block, Lines):
        yield f"<pre{_class(block.language)}>"
        for text, style in zip(block.texts, block.styles_of_lines, strict=True):
            told = escape(escaped_lines(text))
            yield f"<span{_class(style)}>{told}</span>\n" if style else f"{told}\n"
        yield "</pre>\n"
    else:
        yield from _table(block)


def _table(table: Table) -> Iterator[str]:
    yield '<div class="wide"><table>\n'
    yield _row("th", table, (column.title for column in table.columns))
    for row in table.rows:
        yield _row("td", table, row)
    yield "</table></div>\n"


def _row(tag: str, table: Table, cells: Iterable[Cell]) -> str:
    styles = (_class("right" if column.align == "right" else "") for column in table.columns)
    return f"<tr>{''.join(f'<{tag}{style}>{_cell(cell)}</{tag}>' for style, cell in zip(styles, cells, strict=True))}</tr>\n"


def _cell(cell: Cell) -> str:
    told = escape(plain_cell(cell))
    return f"<code>{told}</code>" if isinstance(cell, Told) else told


def _class(style: str) -> str:
    return f' class="{style}"' if style else ""
