"""Write how full context windows were as a page. Report in, blocks out; what is estimated has a `~`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_agenttrace.analyze.contexts import ContextReport, ContextUse, Filling
from otel_agenttrace.report.page import Block, Column, Line, Table, Told
from otel_agenttrace.report.text import counted, tokens

__all__ = ["contexts_page"]

_COLUMNS: Final = (
    Column("call"),
    Column("in", "right"),
    Column("out", "right"),
    Column("growth", "right"),
    Column("window", "right"),
    Column("used", "right"),
    Column("level"),
    Column("in consists of"),
)
_STYLES: Final = {"critical": "bold red", "warning": "yellow", "ok": "green", "unknown": ""}


def contexts_page(of: ContextReport) -> Iterator[Block]:
    """Yield the verdict, then a row for each call."""
    yield Line((Told(of.name), f": {_verdict(of)}"), _STYLES[of.level])
    if of.calls:
        yield Table(_COLUMNS, tuple(_row(use) for use in of.calls))
    windowless = sorted({use.model or "(no model)" for use in of.calls if use.window is None})
    if windowless:
        pieces = [piece for model in windowless for piece in (", ", Told(model))][1:]
        yield Line(("no context window is known for ", *pieces, ": give one, --limit MODEL=TOKENS"))


def _verdict(of: ContextReport) -> str:
    if not of.calls:
        return "no call to a model"
    if of.fullest is None or of.fullest.share is None:
        return f"{counted(len(of.calls), 'call')}, how full the window was is not known"
    unknown = sum(use.share is None for use in of.calls)
    told = f"{of.level}: at most {_percent(of.fullest.share)} of the context window in {counted(len(of.calls), 'call')}"
    return f"{told}, {unknown:,} of them not known" if unknown else told


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.1 else f"{share:.0%}"


def _row(use: ContextUse) -> tuple[str | Told, ...]:
    return (
        Told(use.model or use.span.name),
        tokens(use.input_tokens),
        tokens(use.output_tokens),
        "" if use.growth is None else f"{use.growth:+,}",
        "?" if use.window is None else tokens(use.window.tokens),
        "?" if use.share is None else _percent(use.share),
        use.level,
        "" if use.filling is None else _filled(use.filling),
    )


def _filled(filling: Filling) -> str:
    parts = (
        ("system", filling.system),
        ("tools", filling.tools),
        ("history", filling.history),
        ("results", filling.tool_results),
    )
    return ", ".join(f"{name} ~{count:,}" for name, count in parts if count)
