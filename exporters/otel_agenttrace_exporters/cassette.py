"""The exporter `agenttrace`: from its construction to its shutdown, calls and spans go to a cassette."""

from __future__ import annotations

import os
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from opentelemetry.sdk.trace.export import SpanExporter, SpanExportResult

from otel_agenttrace.cassette.places import fresh_cassette
from otel_agenttrace.config import resolve
from otel_agenttrace.processor import hand_over
from otel_agenttrace_instrumentation.border import observe
from otel_agenttrace_instrumentation.opening import Opened, process_session
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

if TYPE_CHECKING:
    from opentelemetry.sdk.trace import ReadableSpan

__all__ = ["CassetteSpanExporter"]


class CassetteSpanExporter(SpanExporter):
    """Records to a cassette; behind a `BatchSpanProcessor` it is enough, for calls are written when they end.

    Args:
        path: The cassette. None takes the path and mode of the environment, or a fresh file under `.agenttrace/`.
    """

    def __init__(self, path: str | Path | None = None) -> None:
        self._opened = process_session(Path(path), "all") if path is not None else _session_of_environment()
        self.session = self._opened.session

    def export(self, spans: Sequence[ReadableSpan]) -> SpanExportResult:
        """Write the spans that are not written yet."""
        for span in spans:
            observe(lambda span=span: hand_over(span, self.session))
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """End the recording, if it began with this exporter."""
        self._opened.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Do nothing: each span is written when it comes."""
        return True


def _session_of_environment() -> Opened:
    config = resolve(os.environ, pyproject_settings(Path.cwd()))
    if config.cassette is not None:
        return process_session(config.cassette, config.mode, lenient=True, config=config)
    fresh = fresh_cassette(Path.cwd(), datetime.now(), os.getpid())
    return process_session(fresh, "all", in_place=True, config=config)
