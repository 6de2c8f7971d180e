"""Load a trace the way every door of the house does: priced by the settings of the folder one stands in. No session, no OTel."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path

from otel_agenttrace.config import Config, resolve
from otel_agenttrace.library.loading import trace_at
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.pricing import cost_of_span, price_table
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

__all__ = ["cost_function", "load", "pricing_here"]


def load(path: str | Path) -> Trace:
    """Return the trace of a cassette, its content read from disk when it is asked for, or one that others exported.

    A log of another tool, as `otel-agenttrace ingest` reads it, is known by its content and read as well.

    Raises:
        CassetteNotFound: If there is no file.
        CassetteCorrupt: If nothing in it is readable.
        CassetteTooNew: If a later release wrote it.
    """
    return trace_at(Path(path), pricing_here())


def pricing_here() -> Callable[[Span], float | None]:
    """Return what prices a call by the settings that hold in this folder."""
    return cost_function(resolve({}, pyproject_settings(Path.cwd())))


def cost_function(config: Config) -> Callable[[Span], float | None]:
    """Return what prices a span: the user's own table on top of the published prices."""
    return partial(cost_of_span, table=price_table(config.prices)) if config.prices else cost_of_span
