"""Write figures and foreign text for people. Numbers and strings in, short safe strings out."""

from __future__ import annotations

from otel_agenttrace.escaping import escaped, escaped_lines
from otel_agenttrace.figures import cost, counted, duration
from otel_agenttrace.model import Usage

__all__ = ["cost", "counted", "duration", "escaped", "escaped_lines", "first_line", "flow", "tokens"]


def tokens(count: int | None) -> str:
    """Return a number of tokens like `2,310`, or `?` if it is not known."""
    return "?" if count is None else f"{count:,}"


def flow(usage: Usage) -> str:
    """Return tokens in and out like `1,200→310 (800 cached)`, or nothing if neither is known."""
    if usage.total_tokens is None:
        return ""
    cached = usage.cache_read_input_tokens
    return f"{tokens(usage.input_tokens)}→{tokens(usage.output_tokens)}" + (f" ({cached:,} cached)" if cached else "")


def first_line(text: str, limit: int = 200) -> str:
    """Return the first line that says something, escaped, with an ellipsis where it was cut."""
    text = text.lstrip()[: limit + 1]
    line = text.splitlines()[0].rstrip() if text else ""
    return escaped(line if len(line) <= limit else f"{line[: limit - 1]}…")
