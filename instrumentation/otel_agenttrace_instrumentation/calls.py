"""One logical call from its first attempt to the end of its last body: one span, one line in the cassette.

The wrapper around an SDK's `request` opens a pending call; the tap under it hands over each HTTP attempt. A request
with no call open is a call of its own.
"""

from __future__ import annotations

import itertools
import os
import time
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, replace
from typing import Any, Final

from otel_agenttrace.cassette.writer import RecordedCall
from otel_agenttrace.differing import first_difference
from otel_agenttrace.errors import ReplayExhausted, ReplayMiss
from otel_agenttrace.in_force import current_session
from otel_agenttrace.jsonvalue import Json, compact, parse
from otel_agenttrace.matching import Requested, are_alike, requested
from otel_agenttrace.model import Call, End, Exchange, HttpRequest, Outcome
from otel_agenttrace.playback.directing import Live
from otel_agenttrace.playback.faults import Fault, replacement
from otel_agenttrace.playback.patches import patched
from otel_agenttrace.playback.player import Claim
from otel_agenttrace.redact import Redactor
from otel_agenttrace.sessions import Session
from otel_agenttrace.sites import call_site
from otel_agenttrace.spans import active_span
from otel_agenttrace.wire.telling import Place, place_of
from otel_agenttrace_instrumentation import seams
from otel_agenttrace_instrumentation.attempts import MOST_KEPT, Attempt
from otel_agenttrace_instrumentation.border import observe
from otel_agenttrace_instrumentation.telling import CallSpan

__all__ = [
    "LogicalCall",
    "Wanted",
    "current_call",
    "end_later",
    "finish_abandoned",
    "finish_open_calls",
    "is_replaying",
    "is_watched",
]

current_call: Final[ContextVar[LogicalCall | None]] = ContextVar("otel_agenttrace_call", default=None)
_tickets = itertools.count()
_open_calls: dict[int, LogicalCall] = {}
_abandoned: deque[tuple[Attempt, End]] = deque()
_NOWHERE: Final = Place(None, "", 0, "")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request as it stands before it is sent; `range` is the header that asks for a part, `is_async` how it waits."""

    method: str
    url: str
    content_type: str
    body: bytes
    range: str = ""
    is_async: bool = False


class LogicalCall:
    """A call that is under way.

    `library` is the SDK that makes it, None for a bare HTTP client, and `client` the HTTP client the SDK sends it by.
    `given` is the body as the SDK has it, which saves parsing the request where nothing is recorded.
    """

    def __init__(self, library: str | None, client: object = None, given: Json = None) -> None:
        finish_abandoned()
        self.library = library
        self.client = client
        self._given = given
        self.ticket = next(_tickets)
        self.start_ns = time.time_ns()
        self.session: Session | None = None
        self.claim: Claim | None = None
        self._live: Live | None = None
        self._span: CallSpan | None = None
        self._error: BaseException | None = None
        self._interrupt: BaseException | None = None
        self._place = _NOWHERE
        self._requested: Requested | None = None
        self._attempts: list[Attempt] = []
        self._open = 0
        self._is_returned = library is None
        self._is_finished = False
        self._lane = ""
        self._faults: tuple[Fault, ...] = ()
        self._is_asked = False
        self._served = 0
        self._last_served: Attempt | None = None

    # --- attempts ---------------------------------------------------------------------------------------------------

    def attempt(self, wanted: Wanted) -> tuple[Attempt | None, Exchange | None]:
        """Return the collector of an attempt, and the recorded answer if there is one.

        Neither, if nobody is interested. Raises what replay has to say: a miss is told again to each retry.
        """
        if self._interrupt is not None:
            raise self._interrupt
        if not self._attempts:
            self._begin(wanted)
        elif self.session is not None:
            self._check_policy(self.session, wanted)
        if self.session is None and self._place.route is None:
            return None, None
        struck = tuple(fault for fault in self._faults if fault.strikes(len(self._attempts)))
        instead = next((fault for fault in struck if fault.is_replacing), None)
        if instead is None:
            self._ask_once(wanted)
        changed = self._changed(wanted)
        attempt = Attempt(
            self._request(changed or wanted), self._attempt_ended, keep=self._keeps_bodies(), most=self._most_kept()
        )
        attempt.sends = changed.body if changed is not None else None
        self._attempts.append(attempt)
        self._open += 1
        _open_calls[id(self)] = self
        if instead is None:
            attempt.faults = struck
            return attempt, self._answer(attempt)
        attempt.strike(instead)
        provider = self._place.route.provider if self._place.route is not None else ""
        return attempt, replacement(instead, attempt.request, provider, is_async=wanted.is_async)

    def _begin(self, wanted: Wanted) -> None:
        session = current_session()
        if session is not None and self._check_policy(session, wanted) == "record":
            self.session = session
        if self.session is None and not seams.are_told():
            return
        self._place = place_of(wanted.method, wanted.url)
        if self._place.route is None and self.session is None:
            return
        body = self._given if self.session is None and self._given is not None else _parsed(wanted)
        if self.session is not None:
            self.session.recorder.on_drain(finish_abandoned)
            self._requested = _requested(wanted, self.session, body)
        self._span = observe(lambda: CallSpan(wanted.method, self._place, body, self.start_ns, self.session))
        if self.session is not None:
            owner = active_span()
            self._lane = self.session.redactor.redact_text(owner.path) if owner is not None else ""
            self._faults = self._chosen_faults(self.session, wanted)

    def _chosen_faults(self, session: Session, wanted: Wanted) -> tuple[Fault, ...]:
        if not session.faults or self._span is None:
            return ()
        begun = self._span.live.finished(self.start_ns)
        attributes = {**begun.attributes, "url.full": wanted.url}
        return session.faults.of(replace(begun, end_ns=None, attributes=attributes), self._lane)

    def _ask_once(self, wanted: Wanted) -> None:
        if self._is_asked or self.session is None or self._requested is None:
            return
        self._is_asked = True
        self._ask(self.session, _requested(wanted, self.session) if self._attempts else self._requested)

    def _check_policy(self, session: Session, wanted: Wanted) -> str:
        """Return what the URL policy says of a request, `record` or `pass`.

        Raises:
            EgressBlocked: If it blocks the request.
        """
        verdict = session.options.policy.verdict(wanted.url)
        if verdict == "block":
            self._interrupt = session.blocked(wanted.url, call_site())
            raise self._interrupt
        return verdict

    def _ask(self, session: Session, asked: Requested) -> None:
        try:
            answer = (session.faults.kept(asked.key) if session.faults else None) or session.answers.ask(
                asked, self._lane, is_api=self._place.route is not None
            )
        except BaseException as error:
            self._interrupt = error
            if self._span is not None:
                self._span.outcome("miss")
            raise
        if isinstance(answer, Claim):
            self.claim = answer
        elif answer is not None:
            self._live = answer
        if self._span is not None and answer is not None:
            self._span.answered(answer, session)

    def _changed(self, wanted: Wanted) -> Wanted | None:
        """Return the request as the patches of a replay make it, or None where there are none.

        Raises:
            ConfigError: If a patch does not fit the request.
        """
        if self._live is None or not self._live.patches or self.session is None:
            return None
        body = compact(patched(_parsed(wanted), self._live.patches)).encode()
        changed = replace(wanted, body=body)
        if not self._attempts:
            self._requested = _requested(changed, self.session)
        return changed

    def _request(self, wanted: Wanted) -> Callable[[], HttpRequest]:
        if self.session is None or self._requested is None:
            plain = HttpRequest(wanted.method, "", wanted.url)
            return lambda: plain
        asked = _requested(wanted, self.session) if self._attempts else self._requested
        return lambda: asked.request

    def _keeps_bodies(self) -> bool:
        route = self._place.route
        return self.session is not None or bool(route and route.codec.operation)

    def _most_kept(self) -> int | None:
        return None if self.library is not None or self._place.route is not None else MOST_KEPT

    def _answer(self, attempt: Attempt) -> Exchange | None:
        """Return the recorded answer to the newest attempt.

        Raises:
            ReplayMiss: If the recorded call made fewer attempts, or asked for something else in this one.
        """
        if self.claim is None or self.session is None:
            return None
        is_again = self._last_served is not None and self._last_served.is_spoiled
        self._served += 0 if is_again else 1
        self._last_served = attempt
        attempt.timing = self.session.timing
        index = self._served - 1
        miss = self._mismatch(self.session, self.claim, index, attempt)
        if miss is None:
            return self.claim.attempts[index]
        self._interrupt = miss
        if self._requested is not None:
            self.session.tally.note_miss(miss, self._requested.key)
        if self._span is not None:
            self._span.outcome("miss")
        raise miss

    def _mismatch(self, session: Session, claim: Claim, index: int, attempt: Attempt) -> ReplayMiss | None:
        where = (
            f"  at       {call_site()}\n  cassette {session.given_path}\n  to fix   record it again"
            if index > 0
            else ""
        )
        if index >= len(claim.attempts):
            told = f"The recorded call ended after {len(claim.attempts)} attempts; attempt {index + 1} has no answer."
            return ReplayExhausted(f"{told}\n{where}")
        recorded = session.answers.recorded_request(claim, index) if index > 0 else None
        if recorded is None:
            return None
        asked = attempt.request
        if are_alike(recorded, asked, session.options.match):
            return None
        difference = first_difference(recorded, asked)
        pointer = difference.pointer if difference is not None else None
        told = f"Attempt {index + 1} of the recorded call asked for something else: it differs at {pointer}."
        return ReplayMiss(f"{told}\n{where}", request=asked.body, nearest=claim.entry.span_id, first_difference=pointer)

    def differs_live(self, detail: str) -> None:
        """Take note that the network answers otherwise than the recording, which is served all the same: that is drift."""
        if self.claim is not None:
            told = "; ".join(filter(None, (self.claim.detail, detail)))
            self.claim = replace(self.claim, outcome="drift", detail=told)
            if self._span is not None:
                self._span.outcome("drift", told)

    def _attempt_ended(self, attempt: Attempt) -> None:
        self._open -= 1
        span = self._span
        if span is not None and self.session is not None and attempt.struck:
            span.faulted(self._struck(), self.session)
            for fault in attempt.struck:
                self.session.tally.note_fault(fault)
        if span is not None and span.live.adopted:
            observe(lambda: span.describe(attempt))
        self._finish_if_done()

    def _struck(self) -> tuple[Fault, ...]:
        return tuple(dict.fromkeys(fault for attempt in self._attempts for fault in attempt.struck))

    def retry_after_s(self, own: Callable[[], float]) -> float:
        """Return how long the SDK waits for its next attempt: what it says itself, after a recorded attempt as timed."""
        if self.claim is None or self.session is None or (self._attempts and self._attempts[-1].struck):
            return own()
        factor = self.session.timing.rest
        return factor * own() if factor else 0.0

    def returned(self, error: BaseException | None = None) -> None:
        """Take the end of the SDK's `request`; a stream may still be open."""
        self._is_returned = True
        self._error = error
        if error is not None and self._open:
            self._end_open_attempts("closed")
        self._finish_if_done()

    def _end_open_attempts(self, end: Any) -> None:
        for attempt in self._attempts:
            attempt.finish(end)

    # --- the end ----------------------------------------------------------------------------------------------------

    def _finish_if_done(self) -> None:
        if self._is_returned and self._open == 0 and not self._is_finished:
            self._is_finished = True
            _open_calls.pop(id(self), None)
            span = self._span
            if span is not None:
                observe(lambda: self._finish(span))
            # an attempt refers to its call, an error to our frame: they would wait for the garbage collector
            self._attempts.clear()
            self._error = self._last_served = None

    def finish_now(self) -> None:
        """End the call where it stands: its session ends."""
        self._is_returned = True
        self._end_open_attempts("abandoned")

    def _finish(self, span: CallSpan) -> None:
        last = self._attempts[-1] if self._attempts else None
        end_ns = time.time_ns() if last is None or (self.library and self._error is not None) else last.end_ns
        span.conclude(
            last, self._error, end_ns, is_live=self.claim is None and (self._is_asked or self.session is None)
        )
        if self.session is not None and self.claim is not None:
            self._end_replayed(self.session, self.claim, span, end_ns)
        else:
            span.end(self.session, end_ns, self._recorded())
            self._note_live(span)

    def _recorded(self) -> RecordedCall | None:
        if self.session is None or self._requested is None or not self._attempts or not self.session.recorder.is_open:
            return None
        if self._interrupt is not None or any(attempt.is_too_large for attempt in self._attempts):
            return None
        if not self._is_asked and self.session.mode == "new":  # faults alone answered: there may be a recording
            return None
        redactor = self.redactor_of(self.session)
        attempts = tuple(attempt.exchange(redactor) for attempt in self._attempts)
        call = Call(self._requested.key, attempts, self._lane, self.ticket)
        return RecordedCall(call, self._requested, self._live.replaces if self._live is not None else None)

    def redactor_of(self, session: Session) -> Redactor:
        """Return what removes secrets from the answer: those that the question held as well."""
        asked = self._requested
        return session.redactor if asked is None else session.redactor.knowing(asked.stored.secrets)

    def _note_live(self, span: CallSpan) -> None:
        if self.session is not None and self._requested is not None and self._is_asked and self._interrupt is None:
            detail = self._live.detail if self._live is not None else ""
            self.session.tally.note(Outcome("live", span.live.head.span_id, None, self._requested.key, detail))

    def _end_replayed(self, session: Session, claim: Claim, span: CallSpan, end_ns: int) -> None:
        if self._last_served is not None and self._last_served.is_spoiled and self._requested is not None:
            session.faults.keep(self._requested.key, claim)
        missing = len(claim.attempts) - self._served
        outcome, detail = claim.outcome, claim.detail
        broken = self._attempts[-1].error if self._attempts else None
        if isinstance(broken, ReplayMiss) and self._interrupt is None and self._requested is not None:
            self._interrupt = broken
            session.tally.note_miss(broken, self._requested.key)
            span.outcome("miss", str(broken))
        elif missing > 0:
            outcome, detail = "drift", f"{missing} recorded attempts were not asked for"
            span.outcome(outcome, detail)
        if self._requested is not None:
            span.live.read_call = session.answers.answered_call(claim, self._requested, self._served)
        span.end(session, end_ns, self._recorded() if session.run.is_fork else None)
        if self._interrupt is None:
            session.tally.note(Outcome(outcome, span.live.head.span_id, claim.entry.span_id, claim.entry.key, detail))


# --- what calls are made of ---------------------------------------------------------------------------------------------


def is_watched(method: str, url: str) -> bool:
    """Whether a request that stands for itself is recorded, answered or told by a span."""
    session = current_session()
    is_ours = session is not None and session.options.policy.verdict(url) != "pass"
    return is_ours or (seams.are_told() and place_of(method, url).route is not None)


def is_replaying() -> bool:
    """Whether the session in force lets nothing live."""
    session = current_session()
    return session is not None and session.mode == "none"


def _requested(wanted: Wanted, session: Session, body: Json = None) -> Requested:
    return requested(
        wanted.method, wanted.url, wanted.content_type, wanted.body, session.redactor, body, part=wanted.range
    )


def _parsed(wanted: Wanted) -> Json:
    if not wanted.body or "json" not in wanted.content_type:
        return None
    try:
        return parse(wanted.body)
    except ValueError:
        return None


# --- calls that end later -----------------------------------------------------------------------------------------------


def end_later(attempt: Attempt, end: End) -> None:
    """Queue the end of an attempt: a finaliser may take no lock and write nothing."""
    _abandoned.append((attempt, end))


def finish_abandoned() -> None:
    """End the attempts that finalisers have queued."""
    while _abandoned:
        try:
            attempt, end = _abandoned.popleft()
        except IndexError:  # another thread was faster
            return
        attempt.finish(end)


def finish_open_calls(session: Session) -> None:
    """End the calls of a session whose bodies are still open."""
    finish_abandoned()
    for call in list(_open_calls.values()):
        if call.session is session:
            call.finish_now()


def _forget_after_fork() -> None:
    _open_calls.clear()
    _abandoned.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
