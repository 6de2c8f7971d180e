"""Put foreign text into Markdown where it means nothing: no link, no image, no mention, no HTML. Text in, Markdown out."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from otel_agenttrace.escaping import escaped, escaped_lines

__all__ = ["code", "fence"]

_LONGEST_NAME: Final = 300
_LONGEST_TEXT: Final = 2_000


def code(text: str) -> str:
    """Return a text as a code span: nothing in it has a meaning, and no run of backticks in it ends it."""
    shown = _cut(escaped(text[: _LONGEST_NAME + 1]), _LONGEST_NAME) if text.strip() else "(no name)"
    ticks = "`" * (_longest_run(shown) + 1)
    return f"{ticks} {shown} {ticks}" if "`" in shown else f"{ticks}{shown}{ticks}"


def fence(texts: Iterable[str], language: str = "") -> str:
    """Return texts as a fenced block, each on lines of its own: nothing in them has a meaning, and none ends the block."""
    shown = "\n".join(_cut(escaped_lines(text[: _LONGEST_TEXT + 1]), _LONGEST_TEXT) for text in texts)
    ticks = "`" * max(3, _longest_run(shown) + 1)
    return f"{ticks}{language}\n{shown}\n{ticks}"


def _cut(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def _longest_run(text: str) -> int:
    return max(map(len, re.findall("`+", text)), default=0)
