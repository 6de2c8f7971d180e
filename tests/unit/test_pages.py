"""A report as blocks: the same facts in a terminal and in Markdown, and foreign text that means nothing in either."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import pytest
from rich.console import Console

from otel_agenttrace.model import Span
from otel_agenttrace.report.page import Block, Column, Heading, Line, Lines, Table, Told, page_markdown
from otel_agenttrace.report.plain import plain
from otel_agenttrace.report.screen import page_text

_HOSTILE = "a|b`c\n<img src=x>\x1b[31m@you"


def _shown(*blocks: Block) -> str:
    console = Console(file=io.StringIO(), width=80, force_terminal=False)
    for each in page_text(blocks):
        console.print(each)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def test_a_table_has_the_same_cells_as_text_and_as_markdown() -> None:
    table = Table((Column("tool"), Column("calls", "right")), ((Told("search"), "12"), (Told("[bold]"), "3")))
    assert _shown(table).split() == ["tool", "calls", "search", "12", "[bold]", "3"]
    assert page_markdown((table,)) == "| tool | calls |\n| --- | ---: |\n| `search` | 12 |\n| `[bold]` | 3 |\n"


def test_foreign_text_ends_no_cell_no_line_and_no_fence() -> None:
    told = page_markdown((Table((Column("x"),), ((Told(_HOSTILE),),)), Lines((f"{_HOSTILE}\n```\n# no",))))
    row = told.splitlines()[2]
    assert row.startswith("| `` a\\|b`c")
    assert row.count("|") - row.count("\\|") == 2
    assert "\x1b" not in told
    assert "\x1b" not in _shown(Line((Told(_HOSTILE),)), Lines((_HOSTILE,)))
    assert "\n````\n" in told


def test_a_title_stands_apart_from_what_is_above_it() -> None:
    assert _shown(Line(("one",)), Heading("Two")) == "one\n\nTwo\n"
    assert page_markdown((Line(("one ", Told("x"))), Heading("Two"))) == "one `x`\n\n### Two\n"


def test_lines_that_fit_stand_as_they_are_and_others_are_wrapped() -> None:
    wide = "字" * 40
    told = _shown(Lines((wide, f"{wide}字", "a\ttab", "two\nlines", "word " * 20), styles=("red", "", "", "dim", "")))
    assert told == f"{wide}\n{wide}\n字\na       tab\ntwo\nlines\n{'word ' * 16}\n{'word ' * 4}\n"


@dataclass(frozen=True, slots=True)
class _Report:
    tools: frozenset[str]
    share: float
    span: Span
    path: Path
    unknown: None = None


def test_a_report_is_json_by_the_names_of_its_attributes() -> None:
    span = Span("0" * 32, "1" * 16, "chat", 0)
    told = plain({"runs": (_Report(frozenset({"b", "a"}), float("inf"), span, Path("x.otlp.jsonl")),)})
    assert told == {
        "runs": [
            {
                "tools": ["a", "b"],
                "share": None,
                "span": {"trace_id": "0" * 32, "span_id": "1" * 16, "name": "chat"},
                "path": "x.otlp.jsonl",
                "unknown": None,
            }
        ]
    }


def test_what_has_no_json_form_is_refused_not_written_as_something_else() -> None:
    with pytest.raises(TypeError, match="object has no JSON form"):
        plain([object()])
    with pytest.raises(TypeError, match="a key of a report"):
        plain({1: 2})
