"""Write figures and foreign text for people. Numbers and strings in, short safe strings out."""

from __future__ import annotations

from typing import Final

from rich.filesize import decimal

from otel_agenttrace.counting import counted
from otel_agenttrace.escaping import escaped, escaped_lines
from otel_agenttrace.model import Usage

__all__ = ["age", "cost", "counted", "duration", "escaped", "escaped_lines", "first_line", "flow", "size", "tokens"]

_AGES: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))
_NS_PER_MS: Final = 1_000_000
_NS_PER_S: Final = 1_000_000_000


def tokens(count: int | None) -> str:
    """Return a number of tokens like `2,310`, or `?` if it is not known."""
    return "?" if count is None else f"{count:,}"


def flow(usage: Usage) -> str:
    """Return tokens in and out like `1,200→310 (800 cached)`, or nothing if neither is known."""
    if usage.total_tokens is None:
        return ""
    cached = usage.cache_read_input_tokens
    return f"{tokens(usage.input_tokens)}→{tokens(usage.output_tokens)}" + (f" ({cached:,} cached)" if cached else "")


def cost(dollars: float | None) -> str:
    """Return money with at least two significant digits, like `$0.0041` or `$12.30`, or `$?` if it is not known."""
    if dollars is None:
        return "$?"
    if dollars == 0:
        return "$0"
    if dollars >= 1:
        return f"${dollars:,.2f}"
    if dollars >= 0.001:
        return f"${dollars:.4f}"
    return f"${dollars:.8f}".rstrip("0") if dollars >= 0.000_000_01 else "<$0.00000001"


def duration(ns: int | None) -> str:
    """Return a time like `340 ms`, `1.2 s`, `2 min 05 s` or `1 h 03 min`, or `?` if it is not known."""
    if ns is None:
        return "?"
    milliseconds = round(ns / _NS_PER_MS)
    if milliseconds < 1000:
        return f"{milliseconds} ms" if milliseconds >= 1 else "<1 ms"
    if ns < 59.95 * _NS_PER_S:
        return f"{ns / _NS_PER_S:.1f} s"
    seconds = round(ns / _NS_PER_S)
    if seconds < 3600:
        return f"{seconds // 60} min {seconds % 60:02} s"
    minutes = round(seconds / 60)
    return f"{minutes // 60} h {minutes % 60:02} min"


def age(seconds: float | None) -> str:
    """Return how old something is like `12 d`, `3 h`, `5 min` or `40 s`, or `?` if it is not known."""
    if seconds is None:
        return "?"
    unit, of_s = next((each for each in _AGES if abs(seconds) >= each[1]), _AGES[-1])
    return f"{int(seconds / of_s):,} {unit}"


def size(count: int) -> str:
    """Return a number of bytes like `13.0 kB`."""
    return decimal(count)


def first_line(text: str, limit: int = 200) -> str:
    """Return the first line that says something, escaped, with an ellipsis where it was cut."""
    text = text.lstrip()[: limit + 1]
    line = text.splitlines()[0].rstrip() if text else ""
    return escaped(line if len(line) <= limit else f"{line[: limit - 1]}…")
