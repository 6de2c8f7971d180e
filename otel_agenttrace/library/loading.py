"""Read one file that tells runs, whoever wrote it. Path in, trace out: of a cassette, of exported spans, of a log of another tool.

`FILE#RUN` names one run of a file: of a log by its name, of other files by the beginning of its trace id.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from otel_agenttrace.cassette.conversations import with_conversations
from otel_agenttrace.cassette.foreign import open_trace
from otel_agenttrace.cassette.held import FileTooLarge
from otel_agenttrace.collecting import uncollected
from otel_agenttrace.dialects.translating import translated
from otel_agenttrace.errors import CassetteError, CassetteNotFound, LogOfAnotherTool
from otel_agenttrace.escaping import escaped
from otel_agenttrace.ingest.formats import format_of
from otel_agenttrace.ingest.importing import content_of
from otel_agenttrace.ingest.interactions import LeftOut, NotReadable
from otel_agenttrace.model import Span, Trace

__all__ = ["RUN", "run_in", "runs_at", "trace_at"]

RUN: Final = "#"
"""Stands between a file and the run in it that is meant."""

_logger: Final = logging.getLogger(__name__)


def trace_at(path: Path, cost_of: Callable[[Span], float | None]) -> Trace:
    """Return the trace of a file, all its runs together, or of one run in it.

    A log of another tool is known by its content, and is what `ingest` would make of it.

    Raises:
        CassetteError: If the file cannot be read, or has no such run.
    """
    runs = runs_at(path, cost_of)
    if len(runs) == 1:
        return next(iter(runs.values()))
    spans = sorted((span for trace in runs.values() for span in trace.spans), key=lambda span: span.start_ns)
    return Trace(tuple(spans), cost_of, path)


@uncollected()
def runs_at(path: Path, cost_of: Callable[[Span], float | None]) -> Mapping[str, Trace]:
    """Return the runs of a log that tells several, by name; of any other file one trace, without a name.

    Raises:
        CassetteError: As `trace_at` does.
    """
    named = run_in(path)
    if named is not None:
        return {"": _run_of(*named, cost_of)}
    try:
        opened = open_trace(path)
    except LogOfAnotherTool as log:
        return _of_log(path, log.form, cost_of)
    trace = opened.trace(cost_of)
    has_calls = opened.cassette is not None and bool(opened.cassette.index.calls)
    return {"": trace if has_calls else replace(trace, spans=translated(trace.spans))}


def run_in(path: Path) -> tuple[Path, str] | None:
    """Return the file and the run that a path names, None where it names a file."""
    file, mark, run = str(path).rpartition(RUN)
    if not mark or not file or path.exists() or not Path(file).is_file():
        return None
    return Path(file), run


def _run_of(path: Path, run: str, cost_of: Callable[[Span], float | None]) -> Trace:
    runs = runs_at(path, cost_of)
    if run in runs and run:
        return runs[run]
    traces = {span.trace_id: trace for trace in runs.values() for span in trace.spans}
    meant = [each for each in traces if run and each.startswith(run.lower())]
    if len(meant) == 1:
        trace = traces[meant[0]]
        spans = tuple(span for span in trace.spans if span.trace_id == meant[0])
        return replace(trace, spans=spans, is_part=len(traces) > 1)
    told = ", ".join(name or "(the whole file)" for name in (runs if len(runs) > 1 else traces))
    what = f"there is no run {run!r}" + (f", and {len(meant)} trace ids begin so" if meant else "")
    raise CassetteNotFound(Path(f"{path}{RUN}{run}"), f"{what}; there are {told}")


def _of_log(path: Path, form: str, cost_of: Callable[[Span], float | None]) -> Mapping[str, Trace]:
    found, left_out = format_of(form), list[LeftOut]()
    try:
        runs = {name: tuple(spans) for name, spans in found.runs(content_of(found, path), left_out)}
    except (NotReadable, FileTooLarge) as error:
        raise _named(path, form, str(error)) from error
    if left_out:
        first = f"{left_out[0].index}, {left_out[0].reason}"
        count = "1 entry is" if len(left_out) == 1 else f"{len(left_out):,} entries are"
        told = escaped(f"{path}: {count} left out, the first: {first}")
        _logger.warning("%s", told)
    if not any(runs.values()):
        raise _named(path, form, "it tells nothing")
    return {name: _ordered(spans, cost_of, path, is_part=len(runs) > 1) for name, spans in runs.items()}


def _ordered(spans: Iterable[Span], cost_of: Callable[[Span], float | None], path: Path, *, is_part: bool) -> Trace:
    return Trace(tuple(sorted(with_conversations(spans), key=lambda span: span.start_ns)), cost_of, path, is_part)


def _named(path: Path, form: str, reason: str) -> CassetteError:
    return CassetteError(
        f"{path} looks like a file of the format {form}, but cannot be read: {reason}\n"
        "  to fix   name its format: otel-agenttrace ingest --help lists them"
    )
