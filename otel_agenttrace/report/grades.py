"""Show grades: one line per call with its reasons, and one that counts. Report in, rich renderables out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from rich.text import Text

from otel_agenttrace.analyze.grades import GradedCall, Grades
from otel_agenttrace.report.text import counted, escaped

__all__ = ["grade_lines"]

_STYLES: Final[Mapping[str, str]] = {
    "exact": "green",
    "reconstructable": "cyan",
    "hash-only": "yellow",
    "no-content": "red",
}
_WIDTH: Final = len("reconstructable")


def grade_lines(report: Grades) -> Iterator[Text]:
    """Yield a line for each call, and a last one that counts the grades."""
    width = len(str(len(report.calls)))
    for call in report.calls:
        yield _line(call, width)
    told = ", ".join(f"{count:,} {grade}" for grade, count in report.counts.items() if count)
    calls = counted(len(report.calls), "call")
    yield Text(
        f"{escaped(report.path)}: {calls} to models in {counted(report.spans, 'span')}" + (f": {told}" if told else "")
    )


def _line(call: GradedCall, width: int) -> Text:
    line = Text(no_wrap=True, overflow="ellipsis")
    line.append(f"{call.number:>{width}}  ", "dim")
    line.append(f"{call.grade:<{_WIDTH}}", _STYLES[call.grade])
    line.append(f"  {escaped(call.name)}", "bold")
    if call.model and call.model not in call.name:
        line.append(f"  {escaped(call.model)}")
    line.append(f"  {call.dialect}", "dim")
    if call.reasons:
        line.append(f"  {escaped('; '.join(call.reasons))}")
    return line
