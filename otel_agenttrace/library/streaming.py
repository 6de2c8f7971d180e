"""Read the spans of one file, as a trace or as a stream. Path in; own recordings and what others exported come out alike."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Final

from otel_agenttrace.analyze.streams import SpanStream, streamed
from otel_agenttrace.cassette.foreign import open_trace
from otel_agenttrace.cassette.streaming import SpanLines
from otel_agenttrace.dialects.translating import translated
from otel_agenttrace.errors import CassetteCorrupt
from otel_agenttrace.model import Span, Trace

__all__ = ["loaded", "opened_stream"]

_HELD: Final = 1_000
"""Spans of a file that are held: reading them twice would take longer than the whole rest."""


def loaded(path: Path, cost_of: Callable[[Span], float | None]) -> Trace:
    """Return the trace of a cassette, its content read from disk when it is asked for, or one that others exported.

    Raises:
        CassetteError: If there is no file, or nothing in it is readable, or a later release wrote it.
    """
    opened = open_trace(path)
    trace = opened.trace(cost_of)
    return trace if opened.foreign is None else replace(trace, spans=translated(trace.spans))


def opened_stream(
    path: Path, name: str, cost_of: Callable[[Span], float | None], warn: Callable[[str], object]
) -> SpanStream:
    """Return the spans of a file as they come from disk; a file of others that has no lines is held as a whole.

    Args:
        path: The file.
        name: What the user calls it.
        cost_of: Prices an inference span.
        warn: Is told once of each line that is left out.

    Raises:
        CassetteError: If there is no file, or nothing in it is readable, or a later release wrote it.
    """
    damages: list[str] = []
    lines = SpanLines(path, damages.append)
    if not lines.has_lines:
        return streamed(loaded(path, cost_of), name)
    spans = lines if lines.has_calls else _Translated(lines)
    first = tuple(islice(spans, _HELD))
    if not first and damages:
        raise CassetteCorrupt(path, None, damages[0])
    return SpanStream(name, first if len(first) < _HELD else spans, cost_of)


class _Translated:
    """Spans in the words of the conventions, one by one."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = spans

    def __iter__(self) -> Iterator[Span]:
        for span in self._spans:
            yield from translated((span,))
