"""The one object an instrumentor asks: record, answer, or let live. Requests and finished calls in, answers out.

It works with no TracerProvider, a foreign one, sampling off, or the SDK disabled.
"""

from __future__ import annotations

import contextlib
import copy
import logging
import os
import secrets
import time
from collections import Counter, deque
from collections.abc import Callable, Generator, Mapping, MutableMapping
from contextlib import contextmanager
from contextvars import Token
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, TypeAlias, TypeVar
from urllib.parse import urlsplit

from otel_agenttrace import in_force, semconv
from otel_agenttrace.additions import Additions
from otel_agenttrace.cassette.aside import set_aside
from otel_agenttrace.cassette.pack import SUFFIX as PACKED
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.recording import Recording
from otel_agenttrace.cassette.rewriting import Change, Changes, changes_of, rewrite
from otel_agenttrace.cassette.writer import RecordedCall, Writer, partial_path
from otel_agenttrace.config import RecordMode, UrlPolicy
from otel_agenttrace.egress import AllowList, collectors, is_local, is_telemetry, place_of_url
from otel_agenttrace.egress import is_loopback as is_loopback_host
from otel_agenttrace.errors import (
    AgentTraceError,
    CassetteError,
    CassetteInaccessible,
    ConfigError,
    EgressBlocked,
    ReplayMiss,
    ToolNotRestorable,
)
from otel_agenttrace.guard import Guard
from otel_agenttrace.losses import Losses
from otel_agenttrace.matching import Requested
from otel_agenttrace.model import AttributeValue, Call, HttpRequest, Outcome, OutcomeKind, Span, Trace
from otel_agenttrace.playback.choosing import AnyPlayer, open_player
from otel_agenttrace.playback.directing import Director, Live
from otel_agenttrace.playback.excerpts import excerpt
from otel_agenttrace.playback.faults import Fault, Faults
from otel_agenttrace.playback.patches import Patch
from otel_agenttrace.playback.plan import ReplayPlan
from otel_agenttrace.playback.player import Claim, Player
from otel_agenttrace.playback.rerecording import chosen_calls
from otel_agenttrace.playback.timing import parse_timing
from otel_agenttrace.playback.tools import AskedTool, ToolClaim, ToolPlayer
from otel_agenttrace.redact import Redactor, environment_redactor
from otel_agenttrace.redact.spans import redacted_span, redacted_values
from otel_agenttrace.redaction import BUILT_IN, RedactionRules
from otel_agenttrace.runs import Run, SharedClaims, SharedSwitch, note_begun
from otel_agenttrace.volatile import NO_RULES, MatchRules

__all__ = [
    "FailOn",
    "Rewriting",
    "Session",
    "SessionOptions",
    "is_loopback",
]

_log = logging.getLogger("otel_agenttrace")
FailOn: TypeAlias = Literal["drift", "miss", "live", "unplayed", "egress"]
"""What may fail a replay."""

_Miss = TypeVar("_Miss", bound=ReplayMiss)
_SERVED: Final = frozenset({"hit", "drift", "miss"})
"""Outcomes of calls that did not leave the machine."""

_TO_FIX: Final = "\n  to fix   "
_KEPT: Final = 10_000
"""How many outcomes and written span ids a session remembers."""


@dataclass(frozen=True, slots=True)
class Cures:
    """What is to be done about a miss and about a blocked connection, in the words of whoever opened the session."""

    miss: str = ""
    egress: str = ""


@dataclass(frozen=True, slots=True)
class SessionOptions:
    """What a session is told besides its path and mode. `is_guarded`: nothing may leave the machine, though it records."""

    resource: Mapping[str, AttributeValue]
    environ: MutableMapping[str, str]
    export_replay: bool = False
    in_place: bool = False
    policy: UrlPolicy = field(default_factory=UrlPolicy)
    plan: ReplayPlan = field(default_factory=ReplayPlan)
    fork: Path | None = None
    patches: tuple[Patch, ...] = ()
    cost_of: Callable[[Span], float | None] | None = None
    match: MatchRules = NO_RULES
    redact: RedactionRules = BUILT_IN
    is_guarded: bool = False
    cures: Cures = Cures()


@dataclass(frozen=True, slots=True)
class Rewriting:
    """What became of the calls of a cassette of which some were to be made again.

    `failed` were made again without an answer, and are kept as they were. `failure` says why the cassette could not be written; then it is as it was, and the new calls stand in the partial.
    """

    recorded: int
    replaced: int
    added: int
    unasked: int
    removed: int
    failed: int = 0
    failure: CassetteError | None = None


class Session:
    """Records to, or answers from, one cassette. Use it as a context manager, or `enter` and `close` it."""

    def __init__(self, path: Path, mode: RecordMode, options: SessionOptions) -> None:
        self.given_path = path
        self.path = path.absolute()
        self.options = options
        self._rules = options.redact
        self.counts: Counter[OutcomeKind] = Counter()
        self.tool_counts: Counter[OutcomeKind] = Counter()
        self.egress: Counter[str] = Counter()
        self.is_open = False
        self.facts: tuple[Mapping[str, Any], ...] = ()
        self._heard = 0
        self.offset = 0
        self.has_recorded = False
        self._takes_calls = True
        self._misses: deque[ReplayMiss] = deque(maxlen=_KEPT)
        self._outcomes: deque[Outcome] = deque(maxlen=_KEPT)
        self._replayed: deque[Span] = deque(maxlen=_KEPT)
        self._written: dict[str, None] = {}
        self._ancestors: dict[str, None] = {}
        self._drains: dict[Callable[[], None], None] = {}
        self._is_draining = False
        self._token: Token[Session | None] | None = None
        self._opened_at: object = None
        self._failure: AgentTraceError | None = None
        self.losses = Losses()
        self._player: AnyPlayer | None = None
        self._director: Director | None = None
        self._tools: ToolPlayer | None = None
        self._writer: Writer | None = None
        self._recording: Recording | None = None
        self._again: frozenset[str] = frozenset()
        self._additions: Additions | None = None
        self._partial: Trace | None = None
        self.rewriting: Rewriting | None = None
        self._pid = os.getpid()
        inherited = Run.inherited(options.environ)
        told = inherited if inherited is not None and inherited.cassette == str(self.path) else None
        self.is_root = told is None or told.root_pid == self._pid
        self.run = told if told is not None else self._new_run(mode)
        self._goes_on = told is not None and self.is_root
        note_begun(self.run)
        self._check_run(inherited)
        self.faults = Faults(self.plan.faults, self.plan.seed)
        self.timing = parse_timing(self.plan.timing)
        self.struck: Counter[str] = Counter()
        self.met: set[str] = set()
        self._claims = SharedClaims(self.run.shared_file("claims"))
        self._gone_live = SharedSwitch(self.run.shared_file("live"))
        self._tool_claims = SharedClaims(self.run.shared_file("tools"))
        self._guard = self._new_guard()
        in_force.know(self)

    # --- opening and closing ----------------------------------------------------------------------------------------

    def _new_run(self, mode: RecordMode) -> Run:
        if mode == "once":
            mode = "none" if self.path.exists() else "all"
        fork = self.options.fork
        if fork is not None and fork.resolve() == self.path.resolve():
            raise ConfigError(
                f"{fork} is the cassette that is replayed, and a fork would replace it.\n  to fix   name another file"
            )
        target = fork.absolute() if fork is not None else self.path
        has_partial = fork is not None or (mode == "all" and not self.options.in_place) or bool(self.options.plan.only)
        file = partial_path(target) if has_partial else target
        known = self.path.stat().st_size if mode == "new" and self.path.exists() else None
        return Run(
            id=secrets.token_hex(8),
            mode=mode,
            file=str(file),
            cassette=str(self.path),
            target=str(target),
            root_pid=os.getpid(),
            plan=self.options.plan,
            begun_ns=time.time_ns(),
            known=known,
        )

    def _new_guard(self) -> Guard:
        sent_to = collectors(self.options.environ)
        exported = sent_to if self.options.export_replay else ()
        return Guard(
            self.given_path,
            AllowList((*self.plan.allow, *self.options.policy.passed_hosts, *exported)),
            is_meant=self.is_in_force_here,
            note=self._note_egress,
            collecting=sent_to,
            cure=self.options.cures.egress,
        )

    def is_in_force_here(self) -> bool:
        """Whether this context belongs to this session, or to none that is open: then the guard of any keeps watch."""
        held = in_force.held_session()
        return held is None or held is self or not held.is_open

    def _check_run(self, inherited: Run | None) -> None:
        if not self._writes:
            return
        if self.target.suffix == PACKED:
            raise CassetteError(
                f"{self.given_target} is packed, and nothing records into a packed cassette.\n"
                f"  to fix   record to {self.given_target.with_suffix('')}, then: otel-agenttrace pack …"
            )
        if self.is_root and inherited is not None and inherited.mode == "none":
            raise ConfigError(
                f"This process was started to replay {inherited.cassette}, and its code would record live calls to "
                f"{self.given_target}.\n  to fix   start it without otel-agenttrace replay, or leave the mode to the start"
            )

    @property
    def target(self) -> Path:
        """The cassette that is written: the one that is replayed too, unless the replay is forked."""
        return Path(self.run.target)

    @property
    def given_target(self) -> Path:
        """The cassette that is written, as the user named it."""
        return self.options.fork or (self.given_path if self.target == self.path else self.target)

    @property
    def is_fork(self) -> bool:
        """Whether a replay goes on into a cassette of its own."""
        return self.mode == "none" and self.target != self.path

    @property
    def _writes(self) -> bool:
        return self.mode != "none" or self.is_fork

    @property
    def mode(self) -> RecordMode:
        """The mode in force: never `once`, which is resolved when the run begins."""
        return self.run.mode

    @property
    def plan(self) -> ReplayPlan:
        """How the run deals with each call; children have that of their root."""
        return self.run.plan

    @property
    def redactor(self) -> Redactor:
        """The redactor for the secrets that the environment holds by now, and for what the user's rules add."""
        return environment_redactor(self.options.environ, self._rules)

    @property
    def is_recording(self) -> bool:
        """Whether live calls are written: in every mode but `none`."""
        return self._writer is not None

    @property
    def is_replaying(self) -> bool:
        """Whether recorded calls are served, in `none` and `new`: then nothing is hidden from the application."""
        return self.mode in ("none", "new")

    @property
    def is_guarded(self) -> bool:
        """Whether nothing may leave the machine: in a replay whose plan lets no call go live, or where it is asked for."""
        return self.options.is_guarded or (self.mode == "none" and not self.plan.may_go_live)

    @property
    def freezes_tools(self) -> bool:
        """Whether tools are answered from the recording and their code does not run."""
        return self.is_replaying and "tools" in self.plan.freeze

    @property
    def answers_tools(self) -> bool:
        """Whether tools ask for an answer: they are frozen, or the results of some are changed."""
        return self.freezes_tools or self._tools is not None

    @property
    def takes_calls(self) -> bool:
        """Whether calls are recorded or answered here; else only spans of other instrumentations are written."""
        return self._takes_calls

    def enter(self, *, takes_calls: bool = True) -> Session:
        """Open the cassette and become the session of this context and of the process.

        Raises:
            CassetteError: If a cassette that must answer cannot be read, or one cannot be written.
        """
        self._open()
        self.is_open = True
        self._takes_calls = takes_calls
        in_force.begin(self)
        if self.is_guarded:
            self._guard.open()
        if takes_calls:
            self._token = in_force.hold(self)
            self._opened_at = in_force.execution()
            in_force.tell_children(self.options.environ)
        if not self.is_root:
            self.run.tell({"started": os.getpid()})
        return self

    def enter_lenient(self) -> Session:
        """Open like `enter`; what is wrong with a cassette that must answer is raised by the first call instead.

        What keeps a recording from beginning is logged, and the session stays closed.
        """
        try:
            return self.enter()
        except CassetteError as error:
            if self.is_replaying:
                return self.fail_with(error)
            _log.warning("nothing is recorded, the application goes on: %s", error)
            return self

    def fail_with(self, error: AgentTraceError) -> Session:
        """Open without a cassette: each call raises this error."""
        self._failure = error
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
            self._open_player()
        if not self._writes:
            return
        if self.is_root and self.run.file != self.run.target:
            self._recording = Recording(
                self.target, goes_on=self._goes_on, alone=bool(self.plan.only), is_fork=self.is_fork
            )
        try:
            self._writer = self._open_writer()
        except BaseException:
            if self._recording is not None:
                self._recording.leave()
            raise

    def _open_player(self) -> None:
        known = self.run.known
        player = open_player(
            self.given_path,
            self._redactor_beside,
            self._claims.take,
            self.options.match,
            only_answers=self.mode == "none",
            known=known,
        )
        if known is not None:
            self._additions = Additions(self.run.shared_file("additions"))
        if self.plan.only and isinstance(player, Player):
            self._again = chosen_calls(player.cassette, self.plan.only, self.run.begun_ns, self.options.cost_of)
        self._player = player
        self._director = Director(player, self.plan, self._gone_live, self.options.patches, self._note_met)
        if self.freezes_tools or self._director.changes_tools or self._director.leaves_by_selector:
            self._tools = ToolPlayer(self.given_path, player.trace().spans, self._tool_claims.take)

    def _redactor_beside(self, kinds: frozenset[str]) -> Redactor:
        """Return the redactor for what is asked of a recording that lacks these kinds of personal data."""
        self._rules = replace(self._rules, personal=tuple(sorted({*self._rules.personal, *kinds})))
        return self.redactor

    def _open_writer(self) -> Writer:
        resource = {
            **redacted_values(self.options.resource, self.redactor),
            semconv.AGENTTRACE_RUN_ID: self.run.id,
            semconv.AGENTTRACE_RULES_VERSION: self.redactor.rules_version,
            **({semconv.AGENTTRACE_FORK_OF: self.path.name} if self.is_fork else {}),
        }
        try:
            writer = Writer(Path(self.run.file), resource, create=self.is_root or self.run.file == self.run.target)
        except FileNotFoundError:  # the root has ended and given the recording its name
            if self.plan.only:  # or has put what was recorded into its places, which are no longer those we know
                raise
            writer = Writer(self.target, resource)
        self.offset = writer.size()
        return writer

    def close(
        self, *, keep_partial: bool = False, has_failed: bool = False, keep_guard: bool = False, settles: bool = True
    ) -> None:
        """End the session.

        Args:
            keep_partial: Whether the root leaves the partial as it is, instead of giving the recording its name.
            has_failed: Whether the program failed: what it did not ask for may be needed yet.
            keep_guard: Whether the guard of a replay stays: the process ends, and what ends after us may not leave it.
            settles: Whether what was recorded gets its name now; else `settle` or `set_aside` is called later.
        """
        if not self.is_open:
            return
        self.drain()
        self.is_open = False
        if not keep_guard:
            self._guard.close()
        in_force.end(self)
        self._leave()
        if os.getpid() == self._pid:
            self._end_run()
            if settles:
                self.settle(keep_partial=keep_partial, has_failed=has_failed)
        self._claims.close()
        self._tool_claims.close()

    def _look_at_end(self, writer: Writer) -> None:
        try:
            is_gone = writer.is_gone()
            self.has_recorded = not is_gone and writer.size() > self.offset
        except OSError as error:
            is_gone = True
            _log.warning("%s cannot be read: %s", writer.path, error.strerror)
        if is_gone:
            self.losses.file_is_gone(writer.path)

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

    def _leave(self) -> None:
        self.step_out()
        if self._takes_calls and self._failure is None:
            in_force.tell_children(self.options.environ)

    def _end_run(self) -> None:
        if self.is_root:
            self.hear_of_others()
            self._remove_shared()
            if self._writer is not None:
                self._look_at_end(self._writer)

    def settle(self, *, keep_partial: bool = False, has_failed: bool = False) -> None:
        """Give what an ended session recorded its name, unless the partial is kept."""
        recording, self._recording = self._recording, None
        if recording is None:
            return
        if keep_partial:
            recording.leave()
        elif self._again:
            self._put_in_place(recording, prunes=self.plan.prune and not has_failed)
        else:
            recording.finish()

    def set_aside(self) -> Path | None:
        """Leave what an ended session recorded in a partial, its cassette as it was before; return it, None for nothing.

        Raises:
            CassetteInaccessible: If a file cannot be written.
        """
        if self._recording is not None:
            partial = self._recording.partial
            self.settle(keep_partial=True)
            return partial if self.has_recorded else None
        partial = set_aside(self.target, self.run.id) if self.is_root and self.has_recorded else None
        if partial is not None:
            self._partial = open_cassette(partial).trace()
        return partial

    def _put_in_place(self, recording: Recording, *, prunes: bool) -> None:
        """Put the calls that were made again into the cassette, in the place of the older ones."""
        player = self._player
        if not isinstance(player, Player):
            return
        unplayed = player.unplayed()
        gone = unplayed if prunes and len(unplayed) < player.count else ()
        found, failure = Changes(), None
        try:
            found = changes_of(recording.partial, player.cassette)
            if self.has_recorded:
                self._partial = open_cassette(recording.partial).trace()
            if found.changes or found.appended or gone:
                rewrite(self.path, [*found.changes, *map(Change, gone)], found.appended)
            recording.remove()
        except CassetteError as error:
            failure = error
            recording.leave()
        made = sum(1 for span in self._partial.spans if span.read_call is not None) if self._partial else 0
        again = len(found.changes)
        self.rewriting = Rewriting(
            recorded=player.count,
            replaced=again,
            added=made - again - found.failed,
            unasked=len(unplayed),
            removed=len(gone),
            failed=found.failed,
            failure=failure,
        )

    def hear_of_others(self) -> None:
        """Count what the other processes of the run have told since this was asked last."""
        heard, self._heard = self.run.hear(self._heard)
        self.facts += heard
        for fact in heard:
            self.losses.add(*fact.get("lost", (0, 0)))
        self.counts.update(fact["kind"] for fact in heard if fact.get("of") == "call")
        self.tool_counts.update(fact["kind"] for fact in heard if fact.get("of") == "tool")
        self.struck.update(fact["fault"] for fact in heard if "fault" in fact)
        self.met.update(fact["met"] for fact in heard if "met" in fact)
        self.egress.update(fact["egress"] for fact in heard if "egress" in fact)
        drifts = (fact for fact in heard if fact.get("kind") == "drift")
        self._outcomes.extend(
            Outcome("drift", None, fact.get("recorded"), detail=str(fact.get("detail") or ""), of=fact["of"])
            for fact in drifts
        )
        if self._player is not None:
            self._player.mark_played(self._claims.taken())
        if self._tools is not None:
            self._tools.mark_played(self._tool_claims.taken())

    def _remove_shared(self) -> None:
        if self._additions is not None:
            self._additions.close()
        for purpose in ("claims", "facts", "tools"):
            self.run.shared_file(purpose).unlink(missing_ok=True)
        self._gone_live.remove()

    def __enter__(self) -> Session:
        return self.enter()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close(keep_partial=kind is not None and issubclass(kind, KeyboardInterrupt))

    # --- what an instrumentor asks ----------------------------------------------------------------------------------

    def ask(
        self, requested: Requested, lane: str, site: Callable[[], str], *, is_api: bool = True
    ) -> Claim | Live | None:
        """Return the recorded call that answers a request, how it goes live, or None where nothing is replayed.

        Raises:
            ReplayMiss: If the mode forbids live calls and no recording answers a call to a model.
            EgressBlocked: If it forbids them and no recording answers any other request to a foreign host.
            CassetteError: If the cassette cannot be read.
        """
        if self._failure is not None:
            raise self._noted(self._failure, requested)
        if self._player is None or self._director is None:
            if self.is_guarded:
                self._check_leaving(requested, site)
            return None
        try:
            answer = self._director.answer(requested, lane)
        except ConfigError as error:
            raise self._noted(error, requested) from None
        if isinstance(answer, Claim) and answer.entry.place in self._again:
            answer = Live("recorded again", replaces=answer.entry.place)
        if answer is None and self.mode == "new":
            answer = Live("not recorded")
        if answer is not None:
            self._mark_addition(answer)
            return answer
        host, port, path = place_of_url(f"{requested.origin}{requested.target}")
        if is_api and not is_telemetry(host, path):
            raise self._missed(self._player.miss(requested, site()), requested)
        if not self._guard.allows(host, port):
            raise self._guard.refusal(host, port, site(), path)
        if is_local(host) and self._player.knows_another(requested):
            raise self._missed(self._player.miss(requested, site()), requested)
        return None

    def _check_leaving(self, requested: Requested, site: Callable[[], str]) -> None:
        """Let a live call of a guarded recording pass, if it stays on this machine or its host is allowed.

        Raises:
            EgressBlocked: If it would leave.
        """
        host, port, path = place_of_url(f"{requested.origin}{requested.target}")
        if not self._guard.allows(host, port):
            raise self._guard.refusal(host, port, site(), path)

    def _mark_addition(self, answer: Claim | Live) -> None:
        """Take note of a call that goes live, and write the spans that were held back until it is known that one does."""
        if self._additions is None or self._writer is None:
            return
        if isinstance(answer, Claim):
            self._additions.answered()
        elif answer.replaces is not None:
            self._additions.made_again(time.time_ns())
        else:
            for span in self._additions.went_live(time.time_ns()):
                with contextlib.suppress(ValueError):  # so long ago that it is forgotten
                    self._replayed.remove(span)
                self._append(self._writer, redacted_span(span, self.redactor), None)

    def _noted(self, error: AgentTraceError, requested: Requested) -> AgentTraceError:
        """Count a call that could not be answered for a reason of our own, whatever the program does with the error."""
        self.note(Outcome("miss", key=requested.key, detail=str(error)))
        return error

    def _missed(self, miss: ReplayMiss, requested: Requested) -> ReplayMiss:
        self.note_miss(miss, requested)
        return miss

    def note_miss(self, miss: ReplayMiss, requested: Requested) -> None:
        """Keep a miss, whatever becomes of its exception; a copy, for a traceback holds the frames of the program."""
        self._tell_cure(miss)
        self._misses.append(copy.copy(miss))
        self.note(Outcome("miss", key=requested.key, detail=str(miss)))

    def ask_tool(self, asked: AskedTool, site: Callable[[], str], *, runs: bool = False) -> ToolClaim | None:
        """Return the recorded call that answers a tool's, or None to let it run: where tools are live, or asked to.

        Args:
            asked: The call.
            site: Tells where it is made.
            runs: Whether the tool runs in spite of its recording.

        Raises:
            ReplayMiss: If no recording answers it.
            CassetteError: If the cassette cannot be read.
        """
        if runs or asked.name in self.plan.run_tools:
            self._note_met(asked.name)
            if self._tools is not None:
                self._tools.pass_by(asked)
            return None
        if self._failure is not None:
            raise self._failure
        if self._tools is None or self._director is None or self._director.is_behind_fork:
            return None
        claim = self._tools.claim(asked)
        if self._director.tool_leaves(claim):
            return None
        if claim is not None:
            return self._director.changed_tool(claim) or (claim if self.freezes_tools else None)
        if self.freezes_tools and not self._lets_tools_run:
            raise self._missed_tool(self._tools.miss(asked, site()))
        self._mark_addition(Live("not recorded"))
        return None

    @property
    def _lets_tools_run(self) -> bool:
        """Whether a tool runs that no recording answers."""
        return self.mode == "new" or self.plan.on_miss == "live"

    def not_restorable(self, asked: AskedTool, reason: str, site: Callable[[], str]) -> ToolNotRestorable | None:
        """Return the error that says why a recorded tool call cannot answer, or None to let the tool run."""
        if self._tools is None or self._director is None or self._lets_tools_run or self._director.tool_leaves(None):
            return None
        return self._missed_tool(self._tools.not_restorable(asked, reason, site()))

    def _tell_cure(self, miss: ReplayMiss) -> None:
        if self.options.cures.miss:
            miss.args = (f"{str(miss).partition(_TO_FIX)[0]}{_TO_FIX}{self.options.cures.miss}",)

    def _missed_tool(self, miss: _Miss) -> _Miss:
        self._tell_cure(miss)
        self._misses.append(copy.copy(miss))
        self.note(Outcome("miss", detail=str(miss), of="tool"))
        return miss

    def recorded_request(self, claim: Claim, attempt: int) -> HttpRequest | None:
        """Return what was asked in an attempt of a recorded call, counted from 0."""
        return self._player.recorded_request(claim, attempt) if self._player is not None else None

    def answered_call(self, claim: Claim, requested: Requested, served: int) -> Callable[[], Call]:
        """Return what gives the exchange of a replayed call: what was asked now, and the attempts that answered it.

        What is as recorded stays on disk until somebody asks.
        """
        kept = () if claim.is_as_recorded else claim.attempts
        asked = requested.request if claim.outcome == "drift" or kept else None
        player, key, ticket = self._player, claim.entry.key, claim.entry.ticket

        def read() -> Call:
            given = kept or (player.cassette.call(claim.entry).attempts if isinstance(player, Player) else ())
            attempts = given[:served]
            if asked is not None:
                attempts = tuple(replace(attempt, request=asked) for attempt in attempts)
            return Call(key, attempts, claim.entry.lane, ticket)

        return read

    def blocked(self, url: str, site: str) -> EgressBlocked:
        """Return the error that says that the settings do not let a request be made."""
        host = urlsplit(url).hostname or url
        return EgressBlocked(
            host,
            f"A request to {host} is kept from leaving: `block` in [tool.otel-agenttrace] names it.\n"
            f"  at       {site}\n  cassette {self.given_path}\n  to fix   take it out of that list, or do not make it",
        )

    def _note_egress(self, place: str) -> None:
        """Take note of what the guard refused, whatever the program does with the error."""
        self.egress[place] += 1
        if not self.is_root:
            self.run.tell({"egress": place})

    def note(self, outcome: Outcome) -> None:
        """Take note of how a call, or a frozen tool, was answered."""
        counts = self.tool_counts if outcome.of == "tool" else self.counts
        counts[outcome.kind] += 1
        self._outcomes.append(outcome)
        if not self.is_root:
            told = {"detail": outcome.detail, "recorded": outcome.recorded_span_id} if outcome.kind == "drift" else {}
            self.run.tell({"kind": outcome.kind, "of": outcome.of, **told})

    def _note_met(self, text: str) -> None:
        """Take note that a patch, a selector or a name of the plan has met what it means."""
        if text not in self.met:
            self.met.add(text)
            if not self.is_root:
                self.run.tell({"met": text})

    def note_fault(self, fault: Fault) -> None:
        """Take note that a fault has struck an attempt of a call, or a tool."""
        self.struck[fault.text] += 1
        if not self.is_root:
            self.run.tell({"fault": fault.text})

    def write(self, span: Span, recorded: RecordedCall | None = None) -> None:
        """Write a span of ours; a replayed one is kept in memory only."""
        self.drain()
        _remember(self._written, span.span_id)
        if span.parent_span_id:
            _remember(self._ancestors, span.parent_span_id)
        if self._writer is None or (recorded is None and not self._is_addition(span)):
            self._replayed.append(span)
        else:
            self._append(self._writer, redacted_span(span, self.redactor), recorded)

    def _is_addition(self, span: Span) -> bool:
        """Whether a span without a recording belongs into the cassette: not if it tells what is there already."""
        outcome = span.attributes.get(semconv.AGENTTRACE_REPLAY_OUTCOME)
        if self.is_fork:
            return outcome != "miss"
        is_served = outcome in _SERVED
        is_struck = semconv.AGENTTRACE_FAULT in span.attributes
        return not is_served and (is_struck or self._additions is None or self._additions.takes(span))

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
        except (OSError, CassetteInaccessible) as error:
            is_call = recorded is not None
            self.losses.note(writer.path, error, is_call=is_call)
            if not self.is_root:
                self.run.tell({"lost": [int(is_call), int(not is_call)]})

    # --- what a user asks -------------------------------------------------------------------------------------------

    @property
    def trace(self) -> Trace:
        """The trace so far: what this run wrote, and the spans of the calls it replayed."""
        recorded: tuple[Span, ...] = self._partial.spans if self._partial is not None else ()
        if self._partial is None and self._writer is not None and self._writer.size() > self.offset:
            path = self._writer.path if self._writer.path.exists() else self.target
            recorded = open_cassette(path, offset=self.offset).trace().spans
        spans = sorted((*recorded, *self._replayed), key=lambda span: span.start_ns)
        trace = Trace(tuple(spans), path=self.path if self.mode == "all" else None)
        return trace if self.options.cost_of is None else replace(trace, cost_of=self.options.cost_of)

    def print_summary(self) -> None:
        """Print the trace so far as a tree, to the standard output."""
        from otel_agenttrace.report.screen import console
        from otel_agenttrace.report.terminal import trace_tree

        console().print(trace_tree(self.trace, excerpt=excerpt))

    @property
    def outcomes(self) -> tuple[Outcome, ...]:
        """How each call was answered, in order of their ends; the last 10,000."""
        return tuple(self._outcomes)

    @property
    def misses(self) -> tuple[ReplayMiss, ...]:
        """The calls that no recording answered, whatever the program did with the exception; the last 10,000."""
        return tuple(self._misses)

    @property
    def recording(self) -> Trace:
        """The trace that calls are answered from; empty where there is none."""
        return self._player.trace() if self._player is not None else Trace()

    @property
    def unplayed_calls(self) -> tuple[str, ...]:
        """The span ids of the recorded calls that nobody asked for, in any process of the run, so far."""
        if self._player is None:
            return ()
        self._player.mark_played(self._claims.taken())
        return tuple(entry.span_id for entry in self._player.unplayed())

    @property
    def unplayed(self) -> int:
        """How many recorded calls nobody asked for, and tools where they are frozen."""
        calls = self._player.unplayed() if self._player is not None and "llm" in self.plan.freeze else ()
        if self._tools is None:
            return len(calls)
        missing = [call for call in calls if not self._tools.covers(call.trace_id, call.span_id)]
        return len(missing) + (len(self._tools.unplayed()) if self.freezes_tools else 0)

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
        self._claims.after_fork()
        self.faults.renew_lock()
        self._tool_claims.after_fork()
        if self._recording is not None:
            self._recording.leave()
            self._recording = None
        if self._writer is not None:
            self._writer.renew_lock()
        if self._player is not None:
            self._player.renew_lock()
        if self._tools is not None:
            self._tools.renew_lock()


def is_loopback(origin: str) -> bool:
    """Whether an origin is on this machine."""
    return is_loopback_host(urlsplit(origin).hostname or "")


def _remember(held: dict[str, None], key: str) -> None:
    held[key] = None
    if len(held) > _KEPT:
        held.pop(next(iter(held)), None)
