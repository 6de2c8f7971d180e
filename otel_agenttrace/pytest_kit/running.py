"""The session of a test, or of several: opened by a fixture, judged when a test ends. Counts and traces in, findings out."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from shlex import quote
from typing import Final

from opentelemetry import trace as otel_trace

from otel_agenttrace import semconv
from otel_agenttrace.analyze.changes import Figures, figures_of
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.suite import CaseOutcome, CaseResult
from otel_agenttrace.cassette.recording import Recording
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.config import RecordMode, resolve
from otel_agenttrace.errors import AgentTraceError, CassetteError, CassetteNotFound
from otel_agenttrace.model import OutcomeKind, Span, Trace
from otel_agenttrace.playback.rerecording import call_names
from otel_agenttrace.processor import watch_provider
from otel_agenttrace.pytest_kit.places import shown
from otel_agenttrace.pytest_kit.settings import Asked, Settings
from otel_agenttrace.selectors import select
from otel_agenttrace.session_options import Cures
from otel_agenttrace.sessions import Session
from otel_agenttrace_instrumentation.opening import close_session, failing_session, open_session, prepare_session

__all__ = ["Running", "begun", "told_miss"]

_TOLD: Final = 3
"""How many misses and drifts a finding tells in full."""


@dataclass(slots=True)
class Running:
    """An open session of a fixture.

    Attributes:
        session: What calls ask.
        fixture: The fixture that opened it.
        path: Its cassette; None for one in memory.
        selector: What to type behind `pytest` to run just its tests.
        problem: Why no test may run with it: its cassette is not there, cannot be read, is too old.
        counted: What earlier tests of the same session were told to have done.
        is_shared: Whether other tests have the same cassette.
        has_older: Whether its cassette was there before this run of pytest.
        failed: The tests that used it and failed, by their ids.
    """

    session: Session
    fixture: str
    path: Path | None
    selector: str
    problem: Finding | None = None
    counted: Counter[str] = field(default_factory=Counter[str])
    is_shared: bool = False
    has_older: bool = False
    failed: set[str] = field(default_factory=set[str])
    _trace: Trace | None = None

    @property
    def mode(self) -> RecordMode:
        """The mode in force."""
        return self.session.mode

    @property
    def trace(self) -> Trace:
        """What was done so far; after the end, all of it."""
        return self.session.trace if self._trace is None else self._trace

    def close(self) -> None:
        """End the session, and keep its trace: the file of one in memory goes. `settle` comes when its tests are over."""
        close_session(self.session, settles=False, quiet=True)
        self._trace = self.session.trace

    def settle(self, *, is_interrupted: bool) -> Iterator[str]:
        """Give what was recorded its name, or leave it beside the cassette; yield the lines that tell of the latter."""
        try:
            if not self._is_spoilt(is_interrupted=is_interrupted):
                self._take()
            elif (partial := self.session.recorder.set_aside()) is not None:
                yield from self._told_aside(shown(partial))
        except CassetteError as error:
            yield f"{self.session.given_path} or what stands beside it could not be put right: {error}"

    def _is_spoilt(self, *, is_interrupted: bool) -> bool:
        """Whether what was recorded must not answer later runs: a good recording would go, or nobody had answered."""
        if (self.failed and self.has_older) or (is_interrupted and self.mode == "all"):
            return True
        return (bool(self.failed) or is_interrupted) and not self._is_answered

    @property
    def _is_answered(self) -> bool:
        return all(map(_has_answer, self.trace.spans))

    def _take(self) -> None:
        """Give what was recorded its name; what an earlier run left aside has been recorded again by now."""
        self.session.settle()
        if self.mode == "new" and self.session.recorder.has_recorded and not self.is_shared:
            Recording(self.session.recorder.target).leave()

    def _told_aside(self, partial: Path) -> Iterator[str]:
        cassette = self.session.given_path
        stays = f"{cassette} is as it was" if cassette.exists() else f"there is no {cassette}"
        yield f"set aside: {partial} holds what a test recorded that did not pass; {stays}"
        again = f"--agenttrace-record-mode {self.mode}" if cassette.exists() else "--record"
        yield f"  to fix   look: otel-agenttrace show {quote(str(partial))}; record again: pytest {again} {self.selector}"
        if self._is_answered:
            takes = f"cat {quote(str(partial))} >>" if self.mode == "new" else f"mv {quote(str(partial))}"
            yield f"           or take it all the same: {takes} {quote(str(cassette))}"

    # --- judging --------------------------------------------------------------------------------------------------------

    def findings(self, fail_on: tuple[str, ...]) -> Iterator[Finding]:
        """Yield what the tests so far did that fails them, whatever became of the exceptions; each once."""
        session = self.session
        session.hear_of_others()
        missed = self._fresh("miss", session.failures["miss"])
        if missed:
            yield Finding("miss", self._told_misses(missed))
        refused = self._fresh("egress", session.failures["egress"])
        if refused:
            yield Finding("egress", self._told_egress())
        if "drift" in fail_on and (drifted := self._fresh("drift", session.failures["drift"])):
            yield Finding("drift", self._told_drifts(drifted))
        if "unplayed" in fail_on and not self.is_shared and self.mode == "none" and (names := self.unplayed()):
            yield Finding("unplayed", self._told_unplayed(names))

    def _fresh(self, kind: str, count: int) -> int:
        fresh = count - self.counted[kind]
        self.counted[kind] = count
        return fresh

    def _told_misses(self, count: int) -> str:
        texts = [str(miss) for miss in self.session.misses[-count:]] or [
            outcome.detail for outcome in self.session.outcomes if outcome.kind == "miss"
        ]
        return told_miss(texts or [f"in a child process\n  to fix   {self.session.options.cures.miss}"], count)

    def _told_egress(self) -> str:
        hosts = ", ".join(sorted(self.session.egress))
        return f"kept from reaching {hosts}\n  to fix   {self.session.options.cures.egress}"

    def _told_drifts(self, count: int) -> str:
        details = [outcome.detail for outcome in self.session.outcomes if outcome.kind == "drift"][-count:]
        head = _numbered(count, "call was answered by a recording that is not quite the same", "calls were answered so")
        more = [f"  and {count - _TOLD:,} more"] if count > _TOLD else []
        cure = f"  to fix   accept it: pytest --agenttrace-record-mode all {self.selector}\n           or a rule: match= in @pytest.mark.cassette, docs/matching.md"
        return "\n".join([head, *(f"  {detail}" for detail in details[:_TOLD]), *more, cure])

    def _told_unplayed(self, names: tuple[str, ...]) -> str:
        head = _numbered(len(names), "recording was never asked for", "recordings were never asked for")
        cure = f"  to fix   if the agent is right, record the test anew: pytest --agenttrace-record-mode all {self.selector}"
        return "\n".join([head, *(f"  {name}" for name in names), cure])

    def unplayed(self) -> tuple[str, ...]:
        """Return a name for each recorded call that nobody asked for, such as `inference[2] chat gpt-4o`."""
        missing = self.session.answers.unplayed_calls
        if not missing:
            return ()
        names = call_names(self.session.answers.recording)
        return tuple(names.get(span_id, span_id) for span_id in missing)

    def nothing_recorded(self) -> Finding | None:
        """Return what is wrong with a recording that holds nothing: the next run would have no cassette."""
        session = self.session
        is_begun = session.mode == "all" or (session.mode == "new" and not session.answers.recording.spans)
        if self.path is None or not is_begun or self.trace.spans:
            return None
        return Finding(
            "nothing_recorded",
            "the test made no call that can be recorded\n"
            f"  to fix   take the fixture {self.fixture} away, or see what was not seen: otel-agenttrace doctor",
        )

    # --- telling --------------------------------------------------------------------------------------------------------

    def case(
        self, nodeid: str, outcome: CaseOutcome, cassette: str, findings: tuple[Finding, ...], *, in_full: bool
    ) -> CaseResult:
        """Return what became of a test. Of a session that several tests share, the first has all that was done so far.

        Tools and cost are told in full only: what models asked for has to be read, and prices have to be found.
        """
        counts = self.session.counts + self.session.tool_counts
        kinds: tuple[OutcomeKind, ...] = ("hit", "drift", "miss", "live")
        calls: dict[OutcomeKind, int] = {kind: counts[kind] - self.counted[f"told {kind}"] for kind in kinds}
        self.counted.update({f"told {kind}": calls[kind] for kind in kinds})
        trace = Trace() if self.counted["told"] else self.trace
        self.counted["told"] += 1
        usage, duration = trace.usage, trace.duration_ns
        took = figures_of(trace) if in_full else Figures()
        return CaseResult(
            id=nodeid,
            outcome=outcome,
            cassette=cassette,
            mode=self.mode,
            calls=calls,
            unplayed=len(self.session.answers.unplayed_calls) if self.mode == "none" else 0,
            llm_calls=len(trace.inferences),
            tool_calls=took.tool_calls,
            input_tokens=usage.input_tokens,
            output_tokens=usage.output_tokens,
            cost=None if took.unpriced else took.cost,
            duration_s=None if duration is None else duration / 1e9,
            findings=findings,
        )


def _has_answer(span: Span) -> bool:
    """Whether a span is none of a call that was made now and that nobody answered in the end."""
    if span.attributes.get(semconv.AGENTTRACE_REPLAY_OUTCOME) not in (None, "live") or (call := span.call) is None:
        return True
    return bool(call.attempts) and call.attempts[-1].status is not None


def told_miss(texts: Sequence[str], count: int) -> str:
    """Return what a finding says of calls without a recording."""
    head = _numbered(count, "call had no recording", "calls had no recording")
    shown = texts[:_TOLD]
    more = [f"and {count - len(shown):,} more"] if count > len(shown) else []
    return "\n".join([f"{head}, whatever the program did with the error", *map(_indented, (*shown, *more))])


def _numbered(count: int, one: str, several: str) -> str:
    """Return a number with what it counts."""
    return f"1 {one}" if count == 1 else f"{count:,} {several}"


def _indented(text: str) -> str:
    return "\n".join(f"  {line}" for line in text.splitlines())


# --- opening ------------------------------------------------------------------------------------------------------------


def begun(
    path: Path,
    mode: RecordMode,
    asked: Asked,
    *,
    fixture: str,
    selector: str,
    settings: Settings,
    pyproject: Mapping[str, object],
    now_ns: int,
    in_memory: bool = False,
    is_guarded: bool = False,
) -> Running:
    """Return the open session of a fixture. What is wrong with its cassette is its `problem`, and each call raises it."""
    cures = _cures(selector, in_memory=in_memory)
    config = resolve(os.environ, pyproject, cassette=path, mode=mode, match=asked.match, redact=asked.redact)
    watch_provider(otel_trace.get_tracer_provider())
    kept = None if in_memory else path.absolute()
    try:
        session = prepare_session(path, mode, config=config, plan=asked.plan, is_guarded=is_guarded, cures=cures)
        open_session(session)
    except AgentTraceError as error:
        told = _not_found(path, selector) if isinstance(error, CassetteNotFound) else error
        rule = "no_cassette" if isinstance(error, CassetteNotFound) else "cassette"
        return Running(failing_session(path, told), fixture, kept, selector, Finding(rule, str(told)))
    running = Running(session, fixture, kept, selector)
    if settings.expired is not None and session.mode == "none":
        running.problem = _expired(session, settings, selector, now_ns)
    return running


def _cures(selector: str, *, in_memory: bool) -> Cures:
    if in_memory:
        return Cures(egress=f"let it go live, this once: pytest --record {selector}, or use the fixture cassette")
    return Cures(
        miss=f"if the call was added, record it: pytest --record {selector}\n"
        f"           if it was changed, record the test anew: pytest --agenttrace-record-mode all {selector}",
        egress=f"record it: pytest --record {selector}\n"
        "           or let it out: allow= in @pytest.mark.cassette, or freeze=('llm', 'tools') so that no tool runs",
    )


def _not_found(path: Path, selector: str) -> CassetteNotFound:
    partial = partial_path(path)
    left = f"\n           (a run that did not end, or failed, left {partial})" if partial.exists() else ""
    return CassetteNotFound(path, f"record it: pytest --record {selector}{left}")


def _expired(session: Session, settings: Settings, selector: str, now_ns: int) -> Finding | None:
    recording = session.answers.recording
    old = select(recording, settings.expired, now_ns) if settings.expired is not None else ()
    old = tuple(span for span in old if span.read_call is not None or span.is_inference)
    if not old:
        return None
    days = (now_ns - min(span.start_ns for span in old)) / 86_400e9
    path = session.given_path
    return Finding(
        "expired",
        f"The cassette was recorded {days:,.0f} days ago; {settings.expire} is the limit.\n"
        f"  cassette {path}\n"
        f"  to fix   record it anew: pytest --agenttrace-record-mode all {selector}\n"
        f"           or compare it with the provider: otel-agenttrace replay --verify {quote(str(path))} -- pytest {selector}",
        span_ids=tuple(span.span_id for span in old),
    )
