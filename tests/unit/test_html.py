"""Pages in a browser: what others wrote stays text, and the file asks for nothing."""

from __future__ import annotations

from html.parser import HTMLParser

from otel_agenttrace.report.html import html_document
from otel_agenttrace.report.page import Block, Column, Heading, Line, Lines, Table, Told

_HOSTILE = "</pre><script>alert(1)</script><img src=x onerror=alert(1)> \"'& \u202e\x1b[31m\ud800"
_BLOCKS: tuple[Block, ...] = (
    Heading("Head <b>"),
    Line((Told(_HOSTILE), ": <b>2 calls"), "bold green"),
    Lines((_HOSTILE, "plain"), styles=("red", "")),
    Lines(("+ more", "- less", " same"), "diff"),
    Table((Column("name"), Column("calls", "right")), ((Told(_HOSTILE), "<b>2"),)),
)


class _Read(HTMLParser):
    """Reads a document: its elements, and the text in them."""

    def __init__(self) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _read() -> _Read:
    read = _Read()
    read.feed("".join(html_document(_HOSTILE, [("First <b>", _BLOCKS), ("Second", ())])))
    read.close()
    return read


def test_text_of_others_is_no_markup() -> None:
    read = _read()
    assert {tag for tag, _ in read.elements}.isdisjoint({"script", "img", "b"})
    assert "".join(read.text).count("<b>") == 5  # a heading, a line, a cell, twice the name of a part
    told = "</pre><script>alert(1)</script><img src=x onerror=alert(1)> \"'& \\u202e\\x1b[31m\\ud800"
    assert "".join(read.text).count(told) == 5  # the title twice, a line, a line in a fixed font, a cell
    assert read.open == []


def test_the_file_runs_nothing_and_loads_nothing() -> None:
    read = _read()
    policies = [told["content"] for tag, told in read.elements if tag == "meta" and "http-equiv" in told]
    assert policies == ["default-src 'none'; style-src 'unsafe-inline'"]
    addresses = [told[name] for _, told in read.elements for name in ("src", "href") if name in told]
    assert addresses == ["#part-0", "#part-1"]
    assert not [name for _, told in read.elements for name in told if name.startswith("on")]
    assert "url(" not in "".join(read.text)


def test_lines_have_the_colours_they_have_in_a_terminal() -> None:
    classes = [told["class"] for _, told in _read().elements if "class" in told]
    assert classes == ["bold green", "red", "diff", "green", "red", "wide", "right", "right"]
