"""Read the spans of one file as they come. Path in; own recordings and what others exported come out alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

from otel_agenttrace.analyze.streams import SpanStream, streamed
from otel_agenttrace.cassette.streaming import SpanLines
from otel_agenttrace.dialects.translating import translated
from otel_agenttrace.library.loading import run_in, trace_at
from otel_agenttrace.model import Span

__all__ = ["opened_stream"]

_HELD: Final = 4 << 20
"""Bytes of a file whose spans are held: most files are small, and their spans are read more than once."""


def opened_stream(path: Path, cost_of: Callable[[Span], float | None], warn: Callable[[str], object]) -> SpanStream:
    """Return the spans of a file as they come from disk; a file of others that has no lines is held as a whole.

    Args:
        path: The file.
        cost_of: Prices an inference span.
        warn: Is told once of each line that is left out, and of each damaged call.

    Raises:
        CassetteError: If there is no file, or nothing in it is readable, or a later release wrote it.
    """
    if run_in(path) is not None:
        return streamed(trace_at(path, cost_of), str(path))
    lines = SpanLines(path, warn)
    if not lines.has_lines:
        return streamed(trace_at(path, cost_of))
    spans = lines if lines.has_calls else _Translated(lines)
    held = tuple(spans if lines.size <= _HELD else islice(spans, 1))
    if not held and lines.damage is not None:
        raise lines.damage
    return SpanStream(str(path), held if lines.size <= _HELD else spans, cost_of)


@dataclass(frozen=True, slots=True)
class _Translated:
    """Spans in the words of the conventions, one by one."""

    spans: Iterable[Span]

    def __iter__(self) -> Iterator[Span]:
        for span in self.spans:
            yield from translated((span,))
