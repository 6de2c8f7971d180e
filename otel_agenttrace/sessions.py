"""The one object an instrumentor asks: record, answer, or let live. Requests and finished calls in, answers out.

It works with no TracerProvider, a foreign one, sampling off, or the SDK disabled.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from contextvars import Token
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Literal, TypeAlias
from urllib.parse import urlsplit

from otel_agenttrace import in_force
from otel_agenttrace.answers import Answers
from otel_agenttrace.cassette.pack import SUFFIX as PACKED
from otel_agenttrace.config import RecordMode
from otel_agenttrace.egress import AllowList, collectors
from otel_agenttrace.errors import AgentTraceError, CassetteError, ConfigError, EgressBlocked, ReplayMiss
from otel_agenttrace.guard import Guard
from otel_agenttrace.model import Outcome, Trace
from otel_agenttrace.playback.excerpts import excerpt
from otel_agenttrace.playback.faults import Faults
from otel_agenttrace.playback.timing import parse_timing
from otel_agenttrace.recorder import Recorder
from otel_agenttrace.redact import Redactor, environment_redactor
from otel_agenttrace.runs import Run, note_begun
from otel_agenttrace.session_options import SessionOptions
from otel_agenttrace.tally import Tally

__all__ = ["FailOn", "Session"]

_log = logging.getLogger("otel_agenttrace")
FailOn: TypeAlias = Literal["drift", "miss", "live", "unplayed", "egress"]
"""What may fail a replay."""


class Session:
    """Records to, or answers from, one cassette. Use it as a context manager, or `enter` and `close` it.

    Its `recorder` takes spans, its `answers` answer calls and tools, its `tally` counts what was met.

    Attributes:
        mode: The mode in force: never `once`, which is resolved when the run begins.
        plan: How the run deals with each call; children have that of their root.
        takes_calls: Whether calls are recorded or answered here; else only spans of other instrumentations are written.
        is_guarded: Whether nothing may leave the machine: in a replay whose plan lets no call go live, or where it is asked for.
    """

    def __init__(self, path: Path, mode: RecordMode, options: SessionOptions) -> None:
        self.given_path = path
        self.path = path.absolute()
        self.options = options
        self.is_open = False
        self._rules = options.redact
        self.takes_calls = True
        self._token: Token[Session | None] | None = None
        self._opened_at: object = None
        self._pid = os.getpid()
        inherited = Run.inherited(options.environ)
        told = inherited if inherited is not None and inherited.cassette == str(self.path) else None
        self.run = told or Run.begun(self.path, mode, options.plan, fork=options.fork, in_place=options.in_place)
        self.mode: RecordMode = self.run.mode
        self.plan = self.run.plan
        self.is_guarded = options.is_guarded or (self.mode == "none" and not self.plan.may_go_live)
        self._goes_on = told is not None and told.is_root
        note_begun(self.run)
        self._check_run(inherited)
        self.faults = Faults(self.plan.faults, self.plan.seed)
        self.timing = parse_timing(self.plan.timing)
        self.tally = Tally(self.run, options.cures.miss)
        self.counts, self.tool_counts = self.tally.counts, self.tally.tool_counts
        self.egress, self.struck, self.losses = self.tally.egress, self.tally.struck, self.tally.losses
        self._guard = self._new_guard()
        self.recorder = Recorder(self.run, options, self.tally, lambda: self.redactor)
        self.answers = Answers(path, self.run, options, tally=self.tally, recorder=self.recorder, guard=self._guard)
        in_force.know(self)

    # --- opening and closing ----------------------------------------------------------------------------------------

    def _new_guard(self) -> Guard:
        sent_to = collectors(self.options.environ)
        exported = sent_to if self.options.export_replay else ()
        return Guard(
            self.given_path,
            AllowList((*self.plan.allow, *self.options.policy.passed_hosts, *exported)),
            is_meant=self.is_in_force_here,
            note=self.tally.note_egress,
            collecting=sent_to,
            cure=self.options.cures.egress,
        )

    def is_in_force_here(self) -> bool:
        """Whether this context belongs to this session, or to none that is open: then the guard of any keeps watch."""
        held = in_force.held_session()
        return held is None or held is self or not held.is_open

    def _check_run(self, inherited: Run | None) -> None:
        if not self.run.writes:
            return
        if Path(self.run.target).suffix == PACKED:
            raise CassetteError(
                f"{self.given_target} is packed, and nothing records into a packed cassette.\n"
                f"  to fix   record to {self.given_target.with_suffix('')}, then: otel-agenttrace pack …"
            )
        if self.run.is_root and inherited is not None and inherited.mode == "none":
            raise ConfigError(
                f"This process was started to replay {inherited.cassette}, and its code would record live calls to "
                f"{self.given_target}.\n  to fix   start it without otel-agenttrace replay, or leave the mode to the start"
            )

    @property
    def given_target(self) -> Path:
        """The cassette that is written, as the user named it."""
        return self.options.fork or (self.given_path if self.run.target == self.run.cassette else Path(self.run.target))

    @property
    def redactor(self) -> Redactor:
        """The redactor for the secrets that the environment holds by now, and for what the user's rules add."""
        return environment_redactor(self.options.environ, self._rules)

    def enter(self, *, takes_calls: bool = True) -> Session:
        """Open the cassette and become the session of this context and of the process.

        Raises:
            CassetteError: If a cassette that must answer cannot be read, or one cannot be written.
        """
        self._open()
        self.is_open = True
        self.takes_calls = takes_calls
        in_force.begin(self)
        if self.is_guarded:
            self._guard.open()
        if takes_calls:
            self._token = in_force.hold(self)
            self._opened_at = in_force.execution()
            in_force.tell_children(self.options.environ)
        if not self.run.is_root:
            self.run.tell({"started": os.getpid()})
        return self

    def enter_lenient(self) -> Session:
        """Open like `enter`; what is wrong with a cassette that must answer is raised by the first call instead.

        What keeps a recording from beginning is logged, and the session stays closed.
        """
        try:
            return self.enter()
        except CassetteError as error:
            if self.run.is_replaying:
                return self.fail_with(error)
            _log.warning("nothing is recorded, the application goes on: %s", error)
            return self

    def fail_with(self, error: AgentTraceError) -> Session:
        """Open without a cassette: each call raises this error."""
        self.answers.failure = error
        self.is_open = True
        in_force.begin(self)
        if self.is_guarded:
            self._guard.open()
        return self

    def _open(self) -> None:
        if self.plan.has_functions and not self.options.patches:
            raise ConfigError(
                f"{self.given_path} is replayed with patches by functions, which this process does not have.\n"
                "  to fix   write them as texts: 'SELECTOR PART = VALUE'"
            )
        if self.mode == "none" or self.plan.only or self.run.known is not None:
            self.answers.open(self._redactor_beside)
        if self.run.writes:
            self.recorder.open(goes_on=self._goes_on)

    def _redactor_beside(self, kinds: frozenset[str]) -> Redactor:
        """Return the redactor for what is asked of a recording that lacks these kinds of personal data."""
        self._rules = replace(self._rules, personal=tuple(sorted({*self._rules.personal, *kinds})))
        return self.redactor

    def close(
        self, *, keep_partial: bool = False, has_failed: bool = False, keep_guard: bool = False, settles: bool = True
    ) -> None:
        """End the session.

        Args:
            keep_partial: Whether the root leaves the partial as it is, instead of giving the recording its name.
            has_failed: Whether the program failed: what it did not ask for may be needed yet.
            keep_guard: Whether the guard of a replay stays: the process ends, and what ends after us may not leave it.
            settles: Whether what was recorded gets its name now; else `settle`, or `set_aside` of its recorder, is called later.
        """
        if not self.is_open:
            return
        self.recorder.drain()
        self.is_open = False
        if not keep_guard:
            self._guard.close()
        in_force.end(self)
        self.step_out()
        if self.takes_calls and self.answers.failure is None:
            in_force.tell_children(self.options.environ)
        if os.getpid() == self._pid:
            self._end_run()
            if settles:
                self.settle(keep_partial=keep_partial, has_failed=has_failed)
        self.answers.close()

    def was_opened_here(self) -> bool:
        """Whether this is where a session was opened that has been closed elsewhere, not what was begun inside it."""
        return self._opened_at == in_force.execution()

    def step_out(self) -> None:
        """Stay open, but no longer the session of this context."""
        if self._token is not None:
            if in_force.let_go(self._token):
                self._opened_at = None
            self._token = None

    @contextmanager
    def in_force(self) -> Generator[Session]:
        """Be the session of this context for the time of a block that does not yield to strangers."""
        token = in_force.hold(self)
        try:
            yield self
        finally:
            in_force.let_go(token)

    def _end_run(self) -> None:
        if self.run.is_root:
            self.hear_of_others()
            self.run.remove_shared()
            self.recorder.look_at_end()

    def settle(self, *, keep_partial: bool = False, has_failed: bool = False) -> None:
        """Give what an ended session recorded its name, unless the partial is kept."""
        prunes = self.plan.prune and not has_failed
        self.recorder.settle(self.answers.made_again, keep_partial=keep_partial, prunes=prunes)

    def hear_of_others(self) -> None:
        """Count what the other processes of the run have told, and been answered from, since this was asked last."""
        self.tally.hear()
        self.answers.mark_played()

    def __enter__(self) -> Session:
        return self.enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(keep_partial=kind is not None and issubclass(kind, KeyboardInterrupt))

    def blocked(self, url: str, site: str) -> EgressBlocked:
        """Return the error that says that the settings do not let a request be made."""
        host = urlsplit(url).hostname or url
        return EgressBlocked(
            host,
            f"A request to {host} is kept from leaving: `block` in [tool.otel-agenttrace] names it.\n"
            f"  at       {site}\n  cassette {self.given_path}\n  to fix   take it out of that list, or do not make it",
        )

    # --- what a user asks -------------------------------------------------------------------------------------------

    @property
    def trace(self) -> Trace:
        """The trace so far: what this run wrote, and the spans of the calls it replayed."""
        return self.recorder.trace

    def print_summary(self) -> None:
        """Print the trace so far as a tree, to the standard output."""
        from otel_agenttrace.report.screen import console
        from otel_agenttrace.report.terminal import trace_tree

        console().print(trace_tree(self.trace, excerpt=excerpt))

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How each call was answered, in order of their ends; the last 10,000."""
        return tuple(self.tally.outcomes)

    @property
    def misses(self) -> tuple[ReplayMiss, ...]:
        """The calls that no recording answered, whatever the program did with the exception; the last 10,000."""
        return tuple(self.tally.misses)

    @property
    def unplayed(self) -> int:
        """How many recorded calls nobody asked for, and tools where they are frozen."""
        return self.answers.unplayed

    @property
    def failures(self) -> Mapping[FailOn, int]:
        """How often what may fail a replay has happened: outcomes of calls and tools, recordings not asked for, what the guard refused."""
        counts = self.counts + self.tool_counts
        return {
            "drift": counts["drift"],
            "miss": counts["miss"],
            "live": counts["live"],
            "unplayed": self.unplayed,
            "egress": self.egress.total(),
        }

    def after_fork(self) -> None:
        """Make the session usable in a forked child, which is never the root."""
        self.answers.after_fork()
        self.faults.renew_lock()
        self.recorder.after_fork()
