"""Read one file that tells runs, whoever wrote it. Path in, trace out: of a cassette, of exported spans, of a log of another tool."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

from otel_agenttrace.cassette.conversations import with_conversations
from otel_agenttrace.cassette.foreign import open_trace
from otel_agenttrace.cassette.held import FileTooLarge
from otel_agenttrace.dialects.translating import translated
from otel_agenttrace.errors import CassetteError, LogOfAnotherTool
from otel_agenttrace.escaping import escaped
from otel_agenttrace.ingest.formats import format_of
from otel_agenttrace.ingest.importing import content_of
from otel_agenttrace.ingest.interactions import LeftOut, NotReadable
from otel_agenttrace.model import Span, Trace

__all__ = ["trace_at"]

_logger: Final = logging.getLogger(__name__)


def trace_at(path: Path, cost_of: Callable[[Span], float | None]) -> Trace:
    """Return the trace of a file. A log of another tool is known by its content, and is what `ingest` would make of it.

    Raises:
        CassetteError: If the file cannot be read.
    """
    try:
        opened = open_trace(path)
    except LogOfAnotherTool as log:
        return _of_log(path, log.form, cost_of)
    trace = opened.trace(cost_of)
    has_calls = opened.cassette is not None and bool(opened.cassette.index.calls)
    return trace if has_calls else replace(trace, spans=translated(trace.spans))


def _of_log(path: Path, form: str, cost_of: Callable[[Span], float | None]) -> Trace:
    found, left_out = format_of(form), list[LeftOut]()
    try:
        spans = tuple(found.spans(content_of(found, path), left_out))
    except (NotReadable, FileTooLarge) as error:
        raise _named(path, form, str(error)) from error
    if left_out:
        first = f"{left_out[0].index}, {left_out[0].reason}"
        count = "1 entry is" if len(left_out) == 1 else f"{len(left_out):,} entries are"
        told = escaped(f"{path}: {count} left out, the first: {first}")
        _logger.warning("%s", told)
    if not spans:
        raise _named(path, form, "it tells nothing")
    ordered = sorted(with_conversations(spans), key=lambda span: span.start_ns)
    return Trace(tuple(ordered), cost_of, path)


def _named(path: Path, form: str, reason: str) -> CassetteError:
    return CassetteError(
        f"{path} looks like a file of the format {form}, but cannot be read: {reason}\n"
        "  to fix   name its format: otel-agenttrace ingest --help lists them"
    )
