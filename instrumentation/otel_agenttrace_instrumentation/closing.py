"""What a run says when it ends: what was recorded or replayed, or why nothing was seen.

The report is imported when it is needed: rich is a fifth of what a start costs.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import cast

from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.errors import AgentTraceError
from otel_agenttrace.sessions import Session
from otel_agenttrace_instrumentation import seams

__all__ = ["closing_line", "recording_line", "sdks_seen"]


def closing_line(session: Session) -> str:
    """Return the one line that tells how a run went."""
    seen = sum(session.counts.values())
    if not session.is_recording:
        if seen == 0:
            return f"replayed 0 calls: {_nothing_seen(session)} · {session.path}"
        from otel_agenttrace.report.terminal import replayed_line

        return replayed_line(session.counts, session.unplayed, session.path)
    line = recording_line(session)
    served = session.counts["hit"] + session.counts["drift"]
    return f"{line} · {served} answered from it" if served else line


def recording_line(session: Session) -> str:
    """Return what was recorded, by this process and its children."""
    path = session.path if session.path.exists() else session.run.file
    try:
        trace = open_cassette(path, offset=session.offset).trace(session.options.cost_of)
    except AgentTraceError:
        return f"recorded 0 calls: {_nothing_seen(session)} · {path}"
    if not trace.spans:
        return f"recorded 0 calls: {_nothing_seen(session)} · {path}"
    from otel_agenttrace.report.terminal import recorded_line

    return recorded_line(trace, path)


def sdks_seen() -> Mapping[str, object]:
    """Return which SDKs this process has imported, and the seams they lack."""
    imported = [name for name in (*seams.PROVIDERS, *seams.HTTP_LIBRARIES) if name in sys.modules]
    return {"imported": imported, "missing": list(seams.missing_seams())}


def _nothing_seen(session: Session) -> str:
    told = [sdks_seen(), *(report for report in session.reports if "imported" in report)]
    missing = sorted({name for report in told for name in cast("list[str]", report["missing"])})
    if missing:
        return f"seam missing: {', '.join(missing)}"
    if not any(report["imported"] for report in told):
        return f"no supported SDK was imported ({', '.join(seams.PROVIDERS)})"
    return "no call was made through a supported SDK"
