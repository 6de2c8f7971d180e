"""What a run says when it ends: what was recorded or replayed, or why nothing was seen.

The report is imported when it is needed: rich is a fifth of what a start costs.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import cast

from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.errors import AgentTraceError
from otel_agenttrace.model import Trace
from otel_agenttrace.sessions import Session
from otel_agenttrace_instrumentation import seams

__all__ = ["closing_line", "recording_line", "sdks_seen"]


def closing_line(session: Session) -> str:
    """Return the one line that tells how a run went."""
    return " · ".join((_calls_line(session), *_faults_told(session)))


def _faults_told(session: Session) -> Iterator[str]:
    """Yield how often faults have struck, and each that never did: a test that tested nothing."""
    if session.plan.faults:
        from otel_agenttrace.report.text import counted

        yield f"{counted(session.struck.total(), 'fault')} struck"
        yield from (f"{fault!r} struck nothing" for fault in session.plan.faults if not session.struck[fault])


def _calls_line(session: Session) -> str:
    if session.is_fork and session.counts:
        from otel_agenttrace.report.terminal import forked_line

        return forked_line(session.counts, session.given_path, session.given_target)
    if session.is_recording:
        served = session.counts["hit"] + session.counts["drift"]
        return recording_line(session) + (f" · {served} answered from it" if served else "")
    if not session.counts:
        return f"replayed 0 calls: {_nothing_seen(session)} · {session.given_path}"
    from otel_agenttrace.report.terminal import replayed_line

    return replayed_line(session.counts, session.unplayed, session.given_path)


def recording_line(session: Session) -> str:
    """Return what was recorded, by this process and its children."""
    trace = _recorded(session)
    if trace is None:
        return f"recorded 0 calls: {_nothing_seen(session)}"
    from otel_agenttrace.report.terminal import recorded_line

    is_named = session.target.exists() and not Path(session.run.file).exists()
    return recorded_line(trace, session.given_target if is_named else partial_path(session.given_target))


def _recorded(session: Session) -> Trace | None:
    """Return what this run wrote, or None if that is nothing."""
    if not session.has_recorded:
        return None
    file = Path(session.run.file)
    try:
        return open_cassette(file if file.exists() else session.target, offset=session.offset).trace(
            session.options.cost_of
        )
    except AgentTraceError:
        return None


def sdks_seen() -> Mapping[str, object]:
    """Return which SDKs this process has imported, and the seams they lack."""
    imported = [name for name in (*seams.PROVIDERS, *seams.HTTP_LIBRARIES) if name in sys.modules]
    return {"imported": imported, "missing": list(seams.missing_seams())}


def _nothing_seen(session: Session) -> str:
    told = [sdks_seen(), *(fact for fact in session.facts if "imported" in fact)]
    missing = sorted({name for fact in told for name in cast("list[str]", fact["missing"])})
    if missing:
        return f"seam missing: {', '.join(missing)}"
    if session.counts["hit"] + session.counts["drift"]:
        return "each call was answered"
    if session.struck:
        return "faults answered each call"
    if not any(fact["imported"] for fact in told):
        return f"no supported SDK was imported ({', '.join(seams.PROVIDERS)})"
    return "no call was made through a supported SDK"
