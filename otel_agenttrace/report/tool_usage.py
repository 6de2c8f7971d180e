"""Show which tools a run called. Figures by tool in, the blocks of a page out."""

from __future__ import annotations

from collections.abc import Iterator

from otel_agenttrace.analyze.tool_usage import ToolsUsed, ToolUsage
from otel_agenttrace.report.page import Block, Cell, Column, Line, Table, Told
from otel_agenttrace.report.text import counted, duration

__all__ = ["tools_used_page"]


def tools_used_page(used: ToolsUsed) -> Iterator[Block]:
    """Yield the blocks that tell which tools were called, how often, and with what."""
    if used.tools:
        columns = (
            Column("tool"),
            Column("calls", "right"),
            Column("errors", "right"),
            Column("time", "right"),
            Column("arguments"),
        )
        yield Table(columns, tuple(row for tool in used.tools for row in _rows(tool)))
    else:
        yield Line(("no call of a tool is told",))
    if asked := sum(tool.calls for tool in used.tools if not tool.executed):
        yield Line((f"? {counted(asked, 'call')} of tools without spans of their own: what models asked for",))
    if used.untold:
        yield Line((f"{counted(used.untold, 'call')} to models asked for tools that nobody tells",), "yellow")


def _rows(tool: ToolUsage) -> Iterator[tuple[Cell, ...]]:
    """Yield a row for each form of arguments; the figures of the tool stand in the first one."""
    errors = f"{tool.errors:,}" if tool.executed else "?"
    head: tuple[Cell, ...] = (Told(tool.tool), f"{tool.calls:,}", errors, duration(tool.duration_ns))
    for shape in tool.shapes:
        times = f"{shape.calls:,} × " if len(tool.shapes) > 1 else ""
        yield (*head, Told(times + shape.arguments))
        head = ("", "", "", "")
