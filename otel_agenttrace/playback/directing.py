"""Decide by the plan of a replay what answers a call: a recording, the network, or nobody. Pure but for two callables."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol

from otel_agenttrace.cassette.index import Entry
from otel_agenttrace.matching import Requested
from otel_agenttrace.playback.choosing import AnyPlayer
from otel_agenttrace.playback.patches import Part, Patch, parse_patch, patched_exchange, patched_result
from otel_agenttrace.playback.plan import ReplayPlan
from otel_agenttrace.playback.player import Claim
from otel_agenttrace.playback.tools import ToolClaim
from otel_agenttrace.selectors import Selector, Subject, parse_selector, subjects

__all__ = ["Director", "Live", "Switch"]


@dataclass(frozen=True, slots=True)
class Live:
    """A call that goes live: why, the recorded call it stands in the place of, and the changes of its prompt.

    `replaces` is the place in the cassette of the call that it is to replace.
    """

    detail: str
    instead_of: Entry | None = None
    patches: tuple[Patch, ...] = ()
    replaces: str | None = None


class Switch(Protocol):
    """Something that is turned on once, for all processes of a run."""

    def is_on(self) -> bool:
        """Whether it was turned on."""
        ...

    def turn_on(self) -> None:
        """Turn it on."""
        ...


class Director:
    """Gives each call what the plan has for it. Thread-safe, as its player is."""

    def __init__(
        self,
        player: AnyPlayer,
        plan: ReplayPlan,
        gone_live: Switch,
        patches: Sequence[Patch] = (),
        met: Callable[[str], object] = lambda _: None,
    ) -> None:
        self._player = player
        self._plan = plan
        self._gone_live = gone_live
        self._met = met
        self._patches = (*map(parse_patch, plan.patches), *patches)
        self._until: Selector | None = parse_selector(plan.until) if plan.until not in ("", "miss", "drift") else None

    def answer(self, requested: Requested, lane: str) -> Claim | Live | None:
        """Return the recorded call that answers, how the call goes live, or None if no recording answers.

        Raises:
            ConfigError: If a patch does not fit the answer it is meant for.
        """
        if "llm" not in self._plan.freeze:
            return Live("calls to models are not frozen")
        if self.is_behind_fork:
            return Live("behind the fork")
        claim = self._player.claim(requested, lane)
        left = self._leaves(claim, requested)
        if left is not None:
            self._gone_live.turn_on()
            return left
        if claim is None:
            return Live(self._player.why_not(requested)) if self._plan.on_miss == "live" else None
        return self._changed(claim)

    # --- tools --------------------------------------------------------------------------------------------------------

    @property
    def changes_tools(self) -> bool:
        """Whether the result of a recorded tool is changed: then it is given, and the tool does not run."""
        return any(patch.part == "result" for patch in self._patches)

    @property
    def leaves_by_selector(self) -> bool:
        """Whether a selector says where the run leaves its recording: it may mean a tool."""
        return self._until is not None

    @property
    def is_behind_fork(self) -> bool:
        """Whether the run has left its recording."""
        return bool(self._plan.until) and self._gone_live.is_on()

    def tool_leaves(self, claim: ToolClaim | None) -> bool:
        """Whether the run leaves its recording at a tool, which then runs; `claim` is its recorded call, if it has one."""
        until = self._plan.until
        if self._until is not None:
            leaves = claim is not None and self._until.matches(self._subjects[claim.span.span_id])
        else:
            leaves = (until != "" and claim is None) or (
                until == "drift" and claim is not None and claim.outcome == "drift"
            )
        if leaves:
            self._met(until)
            self._gone_live.turn_on()
        return leaves

    def changed_tool(self, claim: ToolClaim) -> ToolClaim | None:
        """Return a recorded tool call with its result changed, or None if no patch is meant for it.

        Raises:
            ConfigError: If a patch does not fit the result it is meant for.
        """
        subject = self._subjects[claim.span.span_id]
        meant = self._meant((patch for patch in self._patches if patch.part == "result"), subject)
        if not meant:
            return None
        detail = "; ".join(filter(None, (claim.detail, *(f"patched: {patch.text}" for patch in meant))))
        return replace(claim, span=patched_result(claim.span, meant), detail=detail)

    # --- calls --------------------------------------------------------------------------------------------------------

    def _leaves(self, claim: Claim | None, requested: Requested) -> Live | None:
        """Return how a run leaves its recording at this call, or None if it does not."""
        until = self._plan.until
        if claim is None:
            return (
                Live(self._player.why_not(requested), self._player.nearest(requested))
                if until in ("miss", "drift")
                else None
            )
        if until == "drift" and claim.outcome == "drift":
            return self._given_back(claim, claim.detail)
        if self._until is not None and self._until.matches(self._subject(claim.entry)):
            self._met(until)
            return self._given_back(claim, f"until {until}")
        return None

    def _given_back(self, claim: Claim, detail: str, patches: tuple[Patch, ...] = ()) -> Live:
        self._player.give_back(claim)
        return Live(detail, claim.entry, patches)

    def _changed(self, claim: Claim) -> Claim | Live:
        asked = self._patches_of(claim.entry, "request")
        if asked:
            if self._plan.until:
                self._gone_live.turn_on()
            return self._given_back(claim, f"patched: {asked[0].text}", asked)
        answered = self._patches_of(claim.entry, "answer", "response")
        if not answered:
            return claim
        request = self._player.recorded_request(claim, 0)
        last = patched_exchange(claim.attempts[-1], answered, request.method, request.url)
        detail = "; ".join(filter(None, (claim.detail, *(f"patched: {patch.text}" for patch in answered))))
        return replace(claim, attempts=(*claim.attempts[:-1], last), detail=detail, is_as_recorded=False)

    def _patches_of(self, entry: Entry, *parts: Part) -> tuple[Patch, ...]:
        wanted = [patch for patch in self._patches if patch.part in parts]
        return self._meant(wanted, self._subject(entry)) if wanted else ()

    def _meant(self, patches: Iterable[Patch], subject: Subject) -> tuple[Patch, ...]:
        meant = tuple(patch for patch in patches if patch.selector.matches(subject))
        for patch in meant:
            self._met(patch.text)
        return meant

    def _subject(self, entry: Entry) -> Subject:
        return self._subjects[entry.span_id]

    @cached_property
    def _subjects(self) -> Mapping[str, Subject]:
        return {subject.span.span_id: subject for subject in subjects(self._player.trace())}
