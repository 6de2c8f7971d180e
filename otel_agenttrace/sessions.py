"""The one object an instrumentor asks: record, answer, or let live. Requests and finished calls in, answers out.

It works with no TracerProvider, a foreign one, sampling off, or the SDK disabled.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import weakref
from collections import Counter, deque
from collections.abc import Callable, Mapping, MutableMapping, Sequence
from contextvars import ContextVar, Token
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit

from otel_agenttrace import semconv
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.recording import Recording
from otel_agenttrace.cassette.writer import RecordedCall, Writer, partial_path
from otel_agenttrace.config import RecordMode, UrlPolicy
from otel_agenttrace.environment import RUN
from otel_agenttrace.errors import AgentTraceError, CassetteError, EgressBlocked, ReplayError, ReplayMiss
from otel_agenttrace.matching import Requested
from otel_agenttrace.model import AttributeValue, Outcome, OutcomeKind, Span, Trace
from otel_agenttrace.playback.excerpts import excerpt
from otel_agenttrace.playback.player import Claim, Player
from otel_agenttrace.redact import Redactor

__all__ = ["Run", "Session", "SessionOptions", "current_session", "is_loopback", "open_sessions"]

_log = logging.getLogger("otel_agenttrace")
_KEPT: Final = 10_000
"""How many outcomes and written span ids a session remembers."""


@dataclass(frozen=True, slots=True)
class Run:
    """What the processes of one run share: its id, its resolved mode and the file they write to."""

    id: str
    mode: RecordMode
    file: Path
    cassette: Path
    root_pid: int

    @property
    def report(self) -> Path:
        """Where the processes of the run tell the root how their calls were answered."""
        return Path(os.environ.get("TMPDIR") or "/tmp") / f"otel-agenttrace-{self.id}.outcomes"  # noqa: S108 - the id is secret

    @staticmethod
    def inherited(environ: Mapping[str, str], cassette: Path) -> Run | None:
        """Return the run this process was started in, if it is about the same cassette."""
        told = environ.get(RUN)
        if not told:
            return None
        fields = json.loads(told)
        run = Run(fields["id"], fields["mode"], Path(fields["file"]), Path(fields["cassette"]), fields["pid"])
        same = run.cassette == cassette.absolute() and run.root_pid != os.getpid()
        return run if same else None

    def to_environment(self) -> str:
        """Return the text that children inherit."""
        return json.dumps(
            {
                "id": self.id,
                "mode": self.mode,
                "file": str(self.file),
                "cassette": str(self.cassette),
                "pid": self.root_pid,
            }
        )


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What a session is told besides its path and mode."""

    redactor: Redactor
    resource: Mapping[str, AttributeValue]
    environ: MutableMapping[str, str]
    export_replay: bool = False
    in_place: bool = False
    policy: UrlPolicy = field(default_factory=UrlPolicy)
    cost_of: Callable[[Span], float | None] | None = None


class Session:
    """Records to, or answers from, one cassette. Use it as a context manager, or `enter` and `close` it."""

    def __init__(self, path: Path, mode: RecordMode, options: SessionOptions) -> None:
        self.path = path
        self.options = options
        self.redactor = options.redactor
        self.counts: Counter[OutcomeKind] = Counter()
        self.misses: list[ReplayMiss] = []
        self.is_open = False
        self.calls_recorded = 0
        self.reports: tuple[Mapping[str, Any], ...] = ()
        self._outcomes: deque[Outcome] = deque(maxlen=_KEPT)
        self._replayed: list[Span] = []
        self._written: dict[str, None] = {}
        self._ancestors: dict[str, None] = {}
        self._drains: dict[Callable[[], None], None] = {}
        self._is_draining = False
        self._token: Token[Session | None] | None = None
        self._failure: AgentTraceError | None = None
        self._warned = False
        self._player: Player | None = None
        self._writer: Writer | None = None
        self._recording: Recording | None = None
        self.offset = 0
        self._pid = os.getpid()
        _sessions.add(self)
        inherited = Run.inherited(options.environ, path)
        self.is_root = inherited is None
        self.run = inherited or self._new_run(mode)

    # --- opening and closing ----------------------------------------------------------------------------------------

    def _new_run(self, mode: RecordMode) -> Run:
        if mode == "once":
            mode = "none" if self.path.exists() else "all"
        file = partial_path(self.path) if mode == "all" and not self.options.in_place else self.path
        return Run(secrets.token_hex(8), mode, file.absolute(), self.path.absolute(), os.getpid())

    @property
    def mode(self) -> RecordMode:
        """The mode in force: never `once`, which is resolved when the run begins."""
        return self.run.mode

    @property
    def is_recording(self) -> bool:
        """Whether live calls are written."""
        return self._writer is not None

    @property
    def is_replaying(self) -> bool:
        """Whether recorded calls are served: then nothing is hidden from the application."""
        return self.mode in ("none", "new")

    def enter(self) -> Session:
        """Open the cassette and become the session of this context and of the process.

        Raises:
            CassetteError: If a cassette that must answer cannot be read.
        """
        self._open()
        self.is_open = True
        _open_sessions.append(self)
        self._token = _context.set(self)
        if self.is_root:
            self.options.environ[RUN] = self.run.to_environment()
        return self

    def enter_lenient(self) -> Session:
        """Open like `enter`; what is wrong with the cassette is raised by the first call instead."""
        try:
            return self.enter()
        except CassetteError as error:
            return self.fail_with(error)

    def fail_with(self, error: AgentTraceError) -> Session:
        """Open without a cassette: each call raises this error."""
        self._failure = error
        self.is_open = True
        _open_sessions.append(self)
        return self

    def _open(self) -> None:
        if self.mode in ("none", "new") and (self.mode == "none" or self.path.exists()):
            cassette = open_cassette(self.path, strict=True)
            self._player = Player(cassette, self.redactor.rules_version)
        if self.mode == "none":
            return
        if self.is_root and self.run.file != self.run.cassette:
            self._recording = Recording(self.path)
        self._writer = self._open_writer()

    def _open_writer(self) -> Writer:
        resource = {
            **self._redacted_values(self.options.resource),
            semconv.AGENTTRACE_RUN_ID: self.run.id,
            semconv.AGENTTRACE_RULES_VERSION: self.redactor.rules_version,
        }
        try:
            writer = Writer(self.run.file, resource, create=self.is_root or self.run.file == self.run.cassette)
        except FileNotFoundError:  # the root has ended and given the recording its name
            writer = Writer(self.run.cassette, resource)
        self.offset = writer.size()
        return writer

    def close(self, *, keep_partial: bool = False) -> None:
        """End the session. The root gives the recording its name, unless it is told to keep the partial."""
        if not self.is_open:
            return
        self.drain()
        self.is_open = False
        _open_sessions.remove(self)
        if self._token is not None:
            _reset(self._token)
        if self.is_root and os.getpid() == self._pid:
            self.options.environ.pop(RUN, None)
            self._hear_reports()
        if self._recording is not None and os.getpid() == self._pid:
            self._end_recording(self._recording, keep_partial=keep_partial)

    def _end_recording(self, recording: Recording, *, keep_partial: bool) -> None:
        if keep_partial:
            recording.leave()
        else:
            recording.finish()
        self._recording = None

    def __enter__(self) -> Session:
        return self.enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(keep_partial=kind is not None and issubclass(kind, KeyboardInterrupt))

    # --- what an instrumentor asks ----------------------------------------------------------------------------------

    def ask(self, requested: Requested, lane: str, site: Callable[[], str], *, is_api: bool = True) -> Claim | None:
        """Return the recorded call that answers a request, or None to let it live.

        Raises:
            ReplayMiss: If the mode forbids live calls and no recording answers a call to a model.
            EgressBlocked: If it forbids them and no recording answers any other request to a foreign host.
            CassetteError: If the cassette cannot be read.
        """
        if self._failure is not None:
            raise self._failure
        if self._player is None:
            return None
        claim = self._player.claim(requested, lane)
        if claim is not None or self._writer is not None:
            return claim
        if is_api:
            raise self._missed(self._player.miss(requested, site()), requested)
        if is_loopback(requested.request.origin):
            return None
        raise self.blocked(requested.request.origin, site())

    def _missed(self, miss: ReplayMiss, requested: Requested) -> ReplayMiss:
        self.misses.append(miss)
        self.note(Outcome("miss", key=requested.key, detail=str(miss)))
        return miss

    def blocked(self, origin: str, site: str) -> EgressBlocked:
        """Return the error that says why a request may not leave."""
        host = urlsplit(origin).hostname or origin
        return EgressBlocked(
            host,
            f"A request to {host} is kept from leaving: no recording answers it, or [tool.otel-agenttrace] blocks it.\n"
            f"  at       {site}\n  cassette {self.path}\n"
            f"  to fix   record again with the call, or let it pass: pass = ['{host}/*']",
        )

    def note(self, outcome: Outcome) -> None:
        """Take note of how a call was answered."""
        self.counts[outcome.kind] += 1
        self._outcomes.append(outcome)
        if not self.is_root:
            self.report({"kind": outcome.kind, "recorded": outcome.recorded_span_id})

    def report(self, fact: Mapping[str, object]) -> None:
        """Tell the root of the run something; it counts when it ends."""
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        try:
            descriptor = os.open(self.run.report, flags, 0o600)
        except OSError as error:
            _log.warning("the root of the run does not hear of this process: %s", error)
            return
        os.write(descriptor, json.dumps(fact).encode() + b"\n")
        os.close(descriptor)

    def _hear_reports(self) -> None:
        """Count what the other processes of the run have told."""
        try:
            lines = self.run.report.read_text().splitlines()
        except OSError:
            return
        self.run.report.unlink(missing_ok=True)
        self.reports = tuple(json.loads(line) for line in lines)
        played = {fact["recorded"] for fact in self.reports if fact.get("recorded")}
        self.counts.update(fact["kind"] for fact in self.reports if "kind" in fact)
        if self._player is not None:
            self._player.mark_played(played)

    def write(self, span: Span, recorded: RecordedCall | None = None) -> None:
        """Write a span of ours; a replayed one is kept in memory only."""
        self.drain()
        _remember(self._written, span.span_id)
        if span.parent_span_id:
            _remember(self._ancestors, span.parent_span_id)
        if recorded is not None:
            self.calls_recorded += 1
        if self._writer is None or (recorded is None and semconv.AGENTTRACE_REPLAY_OUTCOME in span.attributes):
            self._replayed.append(span)
        else:
            self._append(self._writer, self._redacted(span), recorded)

    def offer(self, span: Span) -> None:
        """Write a span of another instrumentation, unless a call of ours has taken it over."""
        if span.span_id not in self._written:
            self.write(span)

    def wants(self, span_id: str) -> bool:
        """Whether a span was named as the parent of one that was written."""
        return span_id in self._ancestors

    def claim_span(self, span_id: str) -> None:
        """Take note that a call writes this span itself when its body ends."""
        _remember(self._written, span_id)

    def _append(self, writer: Writer, span: Span, recorded: RecordedCall | None) -> None:
        try:
            writer.write(span, recorded)
        except OSError as error:
            if not self._warned:
                self._warned = True
                _log.warning("recording to %s stopped: %s; the application goes on", writer.path, error)

    def _redacted(self, span: Span) -> Span:
        if not self.redactor.detectors:
            return span
        return replace(
            span,
            name=self.redactor.redact_text(span.name),
            attributes=self._redacted_values(span.attributes),
            events=tuple(
                replace(
                    event,
                    name=self.redactor.redact_text(event.name),
                    attributes=self._redacted_values(event.attributes),
                )
                for event in span.events
            ),
            links=tuple(replace(link, attributes=self._redacted_values(link.attributes)) for link in span.links),
            status_message=self.redactor.redact_text(span.status_message),
        )

    def _redacted_values(self, attributes: Mapping[str, AttributeValue]) -> dict[str, AttributeValue]:
        return {key: self._redacted_value(value) for key, value in attributes.items()}

    def _redacted_value(self, value: AttributeValue) -> AttributeValue:
        if isinstance(value, str):
            return self.redactor.redact_text(value)
        if isinstance(value, Mapping):
            return self._redacted_values(value)
        if isinstance(value, Sequence) and not isinstance(value, bytes):
            return tuple(self._redacted_value(item) for item in value)
        return value

    # --- what a user asks -------------------------------------------------------------------------------------------

    @property
    def trace(self) -> Trace:
        """The trace so far: what this run wrote, and the spans of the calls it replayed."""
        recorded: tuple[Span, ...] = ()
        if self._writer is not None and self._writer.size() > self.offset:
            path = self._writer.path if self._writer.path.exists() else self.path
            recorded = open_cassette(path, offset=self.offset).trace().spans
        spans = sorted((*recorded, *self._replayed), key=lambda span: span.start_ns)
        if self.options.cost_of is None:
            return Trace(tuple(spans))
        return Trace(tuple(spans), self.options.cost_of)

    def print_summary(self) -> None:
        """Print the trace so far as a tree, to the standard output."""
        from otel_agenttrace.report.terminal import console, trace_tree

        console().print(trace_tree(self.trace, excerpt=excerpt))

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How each call was answered, in order of their ends; the last 10,000."""
        return tuple(self._outcomes)

    @property
    def unplayed(self) -> int:
        """How many recorded calls nobody asked for."""
        return len(self._player.unplayed()) if self._player is not None else 0

    # --- what finalisers leave behind -------------------------------------------------------------------------------

    def on_drain(self, drain: Callable[[], None]) -> None:
        """Call this before each write and at the end: finalisers only queue, for a lock taken in one deadlocks."""
        self._drains[drain] = None

    def drain(self) -> None:
        """Finish what finalisers have queued."""
        if self._is_draining:
            return
        self._is_draining = True
        try:
            for drain in self._drains:
                drain()
        finally:
            self._is_draining = False

    def after_fork(self) -> None:
        """Make the session usable in a forked child, which is never the root."""
        self.is_root = False
        if self._recording is not None:
            self._recording.leave()
            self._recording = None
        if self._writer is not None:
            self._writer.renew_lock()
        if self._player is not None:
            self._player.renew_lock()


def is_loopback(origin: str) -> bool:
    """Whether an origin is on this machine."""
    host = urlsplit(origin).hostname or ""
    return host in {"localhost", "::1"} or host.startswith("127.")


def _remember(held: dict[str, None], key: str) -> None:
    held[key] = None
    if len(held) > _KEPT:
        held.pop(next(iter(held)), None)


# --- which session is in force ------------------------------------------------------------------------------------------

_context: ContextVar[Session | None] = ContextVar("otel_agenttrace_session", default=None)
_open_sessions: list[Session] = []
_sessions: weakref.WeakSet[Session] = weakref.WeakSet()


def open_sessions() -> tuple[Session, ...]:
    """Return the sessions that are open in this process, oldest first."""
    return tuple(_open_sessions)


def current_session() -> Session | None:
    """Return the session in force: that of this context, else the only one that is open in the process.

    Raises:
        ReplayError: If several are open, one of them replays, and no context says which is meant.
    """
    session = _context.get()
    if session is not None and session.is_open:
        return session
    if not _open_sessions:
        return None
    if len(_open_sessions) > 1:
        _warn_of_several()
    return _open_sessions[-1]


def _warn_of_several() -> None:
    paths = ", ".join(str(session.path) for session in _open_sessions)
    if any(session.is_replaying for session in _open_sessions):
        raise ReplayError(
            f"Several sessions are open ({paths}) and this call has no context to choose by.\n"
            "  to fix   run the call in the context of its session: contextvars.copy_context().run(…)"
        )
    _log.warning("several sessions are open (%s); a call without a context goes to the newest", paths)


def _reset(token: Token[Session | None]) -> None:
    try:
        _context.reset(token)
    except ValueError:  # closed in another context than it was entered in
        _context.set(None)


def _after_fork_in_child() -> None:
    for session in tuple(_sessions):
        session.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork_in_child)
