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
from otel_agenttrace.playback.rerecording import call_names
from otel_agenttrace.recorder import Rewriting
from otel_agenttrace.sessions import Session
from otel_agenttrace_instrumentation import seams

__all__ = ["closing_line", "recording_line", "sdks_seen"]


def closing_line(session: Session) -> str:
    """Return the one line that tells how a run went."""
    told = (_losses_told, _egress_told, _faults_told, _changes_told)
    return " · ".join((_calls_line(session), *(text for tell in told for text in tell(session))))


def _losses_told(session: Session) -> Iterator[str]:
    """Yield what could not be written: the warning that told why came when it began."""
    from otel_agenttrace.report.text import counted

    losses = session.losses
    told = [counted(count, noun) for count, noun in ((losses.calls, "call"), (losses.spans, "other span")) if count]
    if told:
        yield f"{' and '.join(told)} could not be written"


def _egress_told(session: Session) -> Iterator[str]:
    """Yield what the guard kept the program from reaching."""
    if session.egress:
        from otel_agenttrace.report.text import escaped

        yield f"kept from reaching {escaped(', '.join(session.egress))}"


def _changes_told(session: Session) -> Iterator[str]:
    """Yield what was asked for by name and has met nothing."""
    plan, met = session.plan, session.tally.met
    until = (plan.until,) if plan.until not in ("", "miss", "drift") else ()
    yield from (f"{text!r} met nothing" for text in (*plan.patches, *until, *plan.run_tools) if text not in met)


def _faults_told(session: Session) -> Iterator[str]:
    """Yield how often faults have struck, and each that never did: a test that tested nothing."""
    if session.plan.faults:
        from otel_agenttrace.report.text import counted

        yield f"{counted(session.struck.total(), 'fault')} struck"
        yield from (f"{fault!r} struck nothing" for fault in session.plan.faults if not session.struck[fault])


def _calls_line(session: Session) -> str:
    if session.recorder.rewriting is not None:
        return _rerecorded(session, session.recorder.rewriting)
    if session.run.is_fork and session.counts:
        from otel_agenttrace.report.terminal import forked_line

        return forked_line(session.counts, session.given_path, session.given_target, session.tool_counts)
    if session.recorder.is_open:
        served = session.counts["hit"] + session.counts["drift"]
        return recording_line(session) + (f" · {served} answered from it" if served else "")
    if session.plan.verify and session.counts:
        return _verified(session)
    if not session.counts and not session.tool_counts:
        return f"replayed 0 calls: {_nothing_seen(session)} · {session.given_path}"
    from otel_agenttrace.report.terminal import replayed_line

    return replayed_line(session.counts, session.unplayed, session.given_path, session.tool_counts)


def _verified(session: Session) -> str:
    """Return how many answers of the network are as recorded, and a line for each call that is not."""
    from otel_agenttrace.report.terminal import verified_lines

    names = call_names(open_cassette(session.path, warn=_unheard).trace())
    drifts = [outcome for outcome in session.outcomes if outcome.kind == "drift"]
    told = [(names.get(outcome.recorded_span_id or "", ""), outcome.detail) for outcome in drifts]
    return verified_lines(session.counts, told, session.unplayed, session.given_path)


def _unheard(_: str) -> None:
    """Stay silent: the replay has told it."""


def _rerecorded(session: Session, done: Rewriting) -> str:
    if done.failure is not None:
        partial = partial_path(session.given_path)
        return f"re-recorded 0 of {done.recorded} calls: the new ones stand in {partial}: {done.failure}"
    from otel_agenttrace.report.terminal import rerecorded_line

    seen = "" if session.counts else _nothing_seen(session)
    line = rerecorded_line(
        done.replaced, done.recorded, session.given_path, done.added, done.unasked, done.removed, seen
    )
    return f"{line} · {done.failed} got no answer: kept as they were" if done.failed else line


def recording_line(session: Session) -> str:
    """Return what was recorded, by this process and its children."""
    trace = _recorded(session)
    if trace is None:
        return f"recorded 0 calls: {_nothing_seen(session)}"
    from otel_agenttrace.report.terminal import recorded_line

    file, target = Path(session.run.file), session.recorder.target
    is_named = file == target or (target.exists() and not file.exists())
    return recorded_line(trace, session.given_target if is_named else partial_path(session.given_target))


def _recorded(session: Session) -> Trace | None:
    """Return what this run wrote, or None if that is nothing."""
    recorder, file = session.recorder, Path(session.run.file)
    if not recorder.has_recorded:
        return None
    try:
        path = file if file.exists() else recorder.target
        return open_cassette(path, offset=recorder.offset).trace(session.options.cost_of)
    except AgentTraceError:
        return None


def sdks_seen() -> Mapping[str, object]:
    """Return which SDKs this process has imported, and the seams they lack."""
    imported = [name for name in (*seams.PROVIDERS, *seams.HTTP_LIBRARIES) if name in sys.modules]
    return {"imported": imported, "missing": list(seams.missing_seams())}


def _nothing_seen(session: Session) -> str:
    told = [sdks_seen(), *(fact for fact in session.tally.facts if "imported" in fact)]
    if session.losses.is_file_gone:
        return f"{session.run.file} was removed or moved while it was recorded to"
    if session.losses.calls:
        return "none could be written"
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
