"""Write advice for AGENTS.md and CLAUDE.md. Advice in, lines of Markdown out; names in it are code and mean nothing."""

from __future__ import annotations

from collections.abc import Iterator

from otel_agenttrace.analyze.advice import Advice, Name
from otel_agenttrace.report.fencing import code

__all__ = ["guidance_lines"]


def guidance_lines(advice: Advice, title: str) -> Iterator[str]:
    """Yield a heading and a list."""
    yield f"## {title}"
    yield ""
    if not advice.lines:
        yield "Nothing stood out in the runs that were looked at."
    for line in advice.lines:
        yield "- " + "".join(code(piece.text) if isinstance(piece, Name) else piece for piece in line)
