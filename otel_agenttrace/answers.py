"""What answers the calls and tools of a session: a recording, by the plan of the run. Requests in, claims or misses out.

A session that only records has no recording to answer from; what its guard lets pass goes live.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from otel_agenttrace.egress import is_local, is_telemetry, place_of_url
from otel_agenttrace.errors import AgentTraceError, ConfigError, ToolNotRestorable
from otel_agenttrace.guard import Guard
from otel_agenttrace.matching import Requested
from otel_agenttrace.model import Call, HttpRequest, Trace
from otel_agenttrace.playback.choosing import AnyPlayer, open_player
from otel_agenttrace.playback.directing import Director, Live
from otel_agenttrace.playback.player import Claim, Player
from otel_agenttrace.playback.rerecording import chosen_calls
from otel_agenttrace.playback.tools import AskedTool, ToolClaim, ToolPlayer
from otel_agenttrace.recorder import Recorder
from otel_agenttrace.redact import Redactor
from otel_agenttrace.runs import Run, SharedClaims, SharedSwitch
from otel_agenttrace.session_options import SessionOptions
from otel_agenttrace.sites import call_site
from otel_agenttrace.tally import Tally

__all__ = ["Answers"]


class Answers:
    """The recording that a session answers from, if it has one. `failure`, if any, is raised instead of each answer."""

    def __init__(
        self, path: Path, run: Run, options: SessionOptions, *, tally: Tally, recorder: Recorder, guard: Guard
    ) -> None:
        self._player: AnyPlayer | None = None
        self.failure: AgentTraceError | None = None
        self._path = path
        self._run = run
        self._options = options
        self._tally = tally
        self._recorder = recorder
        self._guard = guard
        self._director: Director | None = None
        self._tools: ToolPlayer | None = None
        self._again: frozenset[str] = frozenset()
        self._claims = SharedClaims(run.shared_file("claims"))
        self._gone_live = SharedSwitch(run.shared_file("live"))
        self._tool_claims = SharedClaims(run.shared_file("tools"))

    def open(self, redactor_beside: Callable[[frozenset[str]], Redactor]) -> None:
        """Read the recording. `redactor_beside` gives what is asked of one that lacks these kinds of personal data.

        Raises:
            CassetteError: If it cannot be read.
            ConfigError: If the plan names what is not there.
        """
        run, options = self._run, self._options
        player = open_player(
            self._path,
            redactor_beside,
            self._claims.take,
            options.match,
            only_answers=run.mode == "none",
            known=run.known,
        )
        if run.plan.only and isinstance(player, Player):
            self._again = chosen_calls(player.cassette, run.plan.only, run.begun_ns, options.cost_of)
        self._player = player
        self._director = Director(player, run.plan, self._gone_live, options.patches, self._tally.note_met)
        if self.freezes_tools or self._director.changes_tools or self._director.leaves_by_selector:
            self._tools = ToolPlayer(self._path, player.trace().spans, self._tool_claims.take)

    # --- calls --------------------------------------------------------------------------------------------------------

    def ask(self, requested: Requested, lane: str, *, is_api: bool = True) -> Claim | Live | None:
        """Return the recorded call that answers a request, how it goes live, or None where nothing is replayed.

        Raises:
            ReplayMiss: If the mode forbids live calls and no recording answers a call to a model.
            EgressBlocked: If it forbids them and no recording answers any other request to a foreign host.
            CassetteError: If the cassette cannot be read.
        """
        if self.failure is not None:
            self._tally.note_failure(self.failure, requested.key)
            raise self.failure
        if self._player is None or self._director is None:
            if self._options.is_guarded:
                self._check_leaving(requested)
            return None
        try:
            answer = self._director.answer(requested, lane)
        except ConfigError as error:
            self._tally.note_failure(error, requested.key)
            raise error from None
        if isinstance(answer, Claim) and answer.entry.place in self._again:
            answer = Live("recorded again", replaces=answer.entry.place)
        if answer is None and self._run.mode == "new":
            answer = Live("not recorded")
        if answer is not None:
            self._recorder.follow(answer)
            return answer
        host, _, path = place_of_url(f"{requested.origin}{requested.target}")
        if is_api and not is_telemetry(host, path):
            raise self._tally.note_miss(self._player.miss(requested, call_site()), requested.key)
        self._check_leaving(requested)
        if is_local(host) and self._player.knows_another(requested):
            raise self._tally.note_miss(self._player.miss(requested, call_site()), requested.key)
        return None

    def _check_leaving(self, requested: Requested) -> None:
        """Let a call live that stays on this machine or whose host is allowed.

        Raises:
            EgressBlocked: If it would leave.
        """
        host, port, path = place_of_url(f"{requested.origin}{requested.target}")
        if not self._guard.allows(host, port):
            raise self._guard.refusal(host, port, call_site(), path)

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

    # --- tools --------------------------------------------------------------------------------------------------------

    @property
    def freezes_tools(self) -> bool:
        """Whether tools are answered from the recording and their code does not run."""
        return self._run.is_replaying and "tools" in self._run.plan.freeze

    @property
    def takes_tools(self) -> bool:
        """Whether tools ask for an answer: they are frozen, or the results of some are changed."""
        return self.freezes_tools or self._tools is not None

    def ask_tool(self, asked: AskedTool, *, runs: bool = False) -> ToolClaim | None:
        """Return the recorded call that answers a tool's, or None to let it run: where tools are live, or asked to (`runs`).

        Raises:
            ReplayMiss: If no recording answers it.
            CassetteError: If the cassette cannot be read.
        """
        if runs or asked.name in self._run.plan.run_tools:
            self._tally.note_met(asked.name)
            if self._tools is not None:
                self._tools.pass_by(asked)
            return None
        if self.failure is not None:
            raise self.failure
        if self._tools is None or self._director is None or self._director.is_behind_fork:
            return None
        claim = self._tools.claim(asked)
        if self._director.tool_leaves(claim):
            return None
        if claim is not None:
            return self._director.changed_tool(claim) or (claim if self.freezes_tools else None)
        if self.freezes_tools and not self._lets_tools_run:
            raise self._tally.note_miss(self._tools.miss(asked, call_site()), of="tool")
        self._recorder.follow(Live("not recorded"))
        return None

    @property
    def _lets_tools_run(self) -> bool:
        """Whether a tool runs that no recording answers."""
        return self._run.mode == "new" or self._run.plan.on_miss == "live"

    def not_restorable(self, asked: AskedTool, reason: str) -> ToolNotRestorable | None:
        """Return the error that says why a recorded tool call cannot answer, or None to let the tool run."""
        if self._tools is None or self._director is None or self._lets_tools_run or self._director.tool_leaves(None):
            return None
        return self._tally.note_miss(self._tools.not_restorable(asked, reason, call_site()), of="tool")

    # --- the recording -------------------------------------------------------------------------------------------------

    @property
    def recording(self) -> Trace:
        """The trace that calls are answered from; empty where there is none."""
        return self._player.trace() if self._player is not None else Trace()

    def mark_played(self) -> None:
        """Take note of what the other processes of the run have been answered from."""
        if self._player is not None:
            self._player.mark_played(self._claims.taken())
        if self._tools is not None:
            self._tools.mark_played(self._tool_claims.taken())

    @property
    def unplayed_calls(self) -> tuple[str, ...]:
        """The span ids of the recorded calls that nobody asked for, in any process of the run, so far."""
        if self._player is None:
            return ()
        self.mark_played()
        return tuple(entry.span_id for entry in self._player.unplayed())

    @property
    def unplayed(self) -> int:
        """How many recorded calls nobody asked for, and tools where they are frozen."""
        calls = self._player.unplayed() if self._player is not None and "llm" in self._run.plan.freeze else ()
        if self._tools is None:
            return len(calls)
        missing = [call for call in calls if not self._tools.covers(call.trace_id, call.span_id)]
        return len(missing) + (len(self._tools.unplayed()) if self.freezes_tools else 0)

    @property
    def made_again(self) -> Player | None:
        """The recording of which some calls are made again, None where there are none."""
        return self._player if self._again and isinstance(self._player, Player) else None

    def close(self) -> None:
        """Release what processes share."""
        self._claims.close()
        self._tool_claims.close()

    def after_fork(self) -> None:
        """Make it usable in a forked child."""
        self._claims.after_fork()
        self._tool_claims.after_fork()
        if self._player is not None:
            self._player.renew_lock()
        if self._tools is not None:
            self._tools.renew_lock()
