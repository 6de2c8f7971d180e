"""Find the recorded call that answers a request. Cassette and request in, claim or miss out."""

from __future__ import annotations

import shlex
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, Literal

from otel_agenttrace.cassette.index import Entry
from otel_agenttrace.cassette.reader import Cassette
from otel_agenttrace.differing import Difference, differences, first_difference, similarity
from otel_agenttrace.errors import ReplayExhausted, ReplayMiss
from otel_agenttrace.matching import Requested, key_of, normalised_key, stored_again
from otel_agenttrace.model import Exchange, HttpRequest, Trace
from otel_agenttrace.redact import Redactor
from otel_agenttrace.volatile import NO_RULES, MatchRules

__all__ = ["Claim", "Player"]

_NEAREST_OF: Final = 200
"""How many recordings a miss is compared with."""

_BLIND: Final = (
    "a password or personal data was removed from the question: whether it is the recorded one cannot be told"
)
_MOST_TOLD: Final = 8
"""How many of the places that moved a drift names."""


@dataclass(frozen=True, slots=True)
class Claim:
    """A recorded call that answers: hit by its exact key, drift by the normalised one, `detail` what differed.

    `is_as_recorded` tells whether the attempts are those of the cassette, not put together nor patched.
    """

    entry: Entry
    outcome: Literal["hit", "drift"]
    attempts: tuple[Exchange, ...]
    detail: str = ""
    is_as_recorded: bool = False


class _Shelf:
    """Recorded calls by key, first in, first out, in order of their start and ticket."""

    def __init__(self, keyed: Iterable[tuple[str, Entry]]) -> None:
        self._queues: dict[tuple[str, ...], deque[Entry]] = {}
        self._origins: dict[str, set[str]] = {}
        for key, entry in keyed:
            self._queues.setdefault((key, entry.origin, entry.lane), deque()).append(entry)
            self._queues.setdefault((key, entry.origin), deque()).append(entry)
            self._origins.setdefault(key, set()).add(entry.origin)

    def origins(self, key: str) -> Collection[str]:
        """Return the origins of the recordings of a key."""
        return self._origins.get(key, ())

    def take(self, key: str, origin: str, lane: str, is_free: Callable[[Entry], bool]) -> Entry | None:
        """Return the next unclaimed call: same lane first, then any; another origin only if there is but one."""
        origins = self._origins.get(key)
        if not origins:
            return None
        if origin not in origins:
            if len(origins) > 1:
                return None
            origin = next(iter(origins))
        return self._next((key, origin, lane), is_free) or self._next((key, origin), is_free)

    def _next(self, place: tuple[str, ...], is_free: Callable[[Entry], bool]) -> Entry | None:
        queue = self._queues.get(place)
        while queue:
            entry = queue.popleft()
            if not entry.claimed:
                entry.claimed = True
                if is_free(entry):
                    return entry
        return None


class Player:
    """Hands out the recorded calls of a cassette, each once in a run. Thread-safe.

    `take` says whether no other process of the run has taken the recording of this name, and takes it. By `rules`, on top of
    the presets, a call that no exact key answers may be answered as a drift. Requests that other rules of redaction stored
    are compared as those of `redactor` would store them.
    """

    def __init__(
        self,
        cassette: Cassette,
        redactor: Redactor,
        take: Callable[[str], bool] = lambda _: True,
        rules: MatchRules = NO_RULES,
    ) -> None:
        self.cassette = cassette
        self._match = rules
        self._take = take
        self._redactor = redactor
        self._calls = sorted(cassette.index.calls, key=lambda entry: (entry.start_ns, entry.ticket))
        keyed = [(self._key(entry), entry) for entry in self._calls]
        self._exact = _Shelf(keyed)
        self._key_of_raw: Mapping[str | None, str] = {
            entry.raw_key: key for key, entry in keyed if entry.raw_key is not None
        }
        self._normalised: _Shelf | None = None
        self._given_back: set[str] = set()
        self._drifted: set[str] = set()
        self._lock = threading.Lock()

    def renew_lock(self) -> None:
        """Take new locks: after a fork the old ones may be held by a thread that is not there."""
        self._lock = threading.Lock()
        self.cassette.renew_lock()

    def claim(self, requested: Requested, lane: str) -> Claim | None:
        """Return the recorded call that answers a request, or None if there is none left.

        Where a drift has taken the recording of a request, another one of the same normalised key answers it.
        """
        origin = requested.origin
        with self._lock:
            known = self._key_of_raw.get(requested.raw_key)
            key = known or requested.key
            entry = self._exact.take(key, origin, lane, self._is_free)
            if entry is not None and known is None and requested.stored.is_blind:
                return Claim(entry, "drift", self.cassette.answers(entry), _BLIND, is_as_recorded=True)
            if entry is not None:
                return Claim(entry, "hit", self.cassette.answers(entry), is_as_recorded=True)
            if self._exact.origins(key) and key not in self._drifted:
                return None
            entry = self._shelf_of_normalised().take(
                normalised_key(requested.request, self._match), origin, lane, self._is_free
            )
            if entry is not None:
                self._drifted.add(self._key(entry))
        if entry is None:
            return None
        moved = self._moved(entry, requested.request)
        return Claim(entry, "drift", self.cassette.answers(entry), moved, is_as_recorded=True)

    def key_of(self, requested: Requested) -> str:
        """Return the request key. Bytes that were recorded are known by their digest, and nothing more is made of them."""
        known = self._key_of_raw.get(requested.raw_key)
        return requested.key if known is None else known

    def give_back(self, claim: Claim) -> None:
        """Let the recording of a claim count as not asked for; it stays taken, for the run has gone past it."""
        with self._lock:
            claim.entry.claimed = False
            self._given_back.add(claim.entry.place)

    def _is_free(self, entry: Entry) -> bool:
        return self._take(entry.place)

    def trace(self) -> Trace:
        """Return what selectors choose from."""
        return self.cassette.trace()

    def mark_played(self, places: Collection[str]) -> None:
        """Take note that other processes of the run have served these recorded calls."""
        for entry in self._calls:
            if entry.place in places and entry.place not in self._given_back:
                entry.claimed = True

    def recorded_request(self, claim: Claim, attempt: int) -> HttpRequest:
        """Return what was asked in an attempt of the recorded call, counted from 0."""
        return self.cassette.call(claim.entry).attempts[attempt].request

    @property
    def count(self) -> int:
        """How many recorded calls there are."""
        return len(self._calls)

    def unplayed(self) -> tuple[Entry, ...]:
        """Return the recorded calls that nobody asked for."""
        return tuple(entry for entry in self._calls if not entry.claimed)

    def knows_another(self, requested: Requested) -> bool:
        """Whether calls of this method to this path were recorded, but none like this one."""
        place = requested.method, requested.target.partition("?")[0]
        return place in self._places and not self._exact.origins(self.key_of(requested))

    @cached_property
    def _places(self) -> frozenset[tuple[str, str]]:
        asked = map(self.cassette.request, self._calls)
        return frozenset((request.method, request.target.partition("?")[0]) for request in asked)

    def nearest(self, requested: Requested) -> Entry | None:
        """Return the recorded call that a request is most like."""
        near = self._nearest(requested.request)
        return near[1] if near is not None else None

    def why_not(self, requested: Requested) -> str:
        """Return in one line why no recording answers a request."""
        if self._exact.origins(self.key_of(requested)):
            return "recorded, but each of its answers was given"
        near = self._nearest(requested.request)
        difference = first_difference(near[2], requested.request) if near is not None else None
        return "not recorded" if difference is None else f"not recorded: {_told(difference)}"

    def miss(self, requested: Requested, site: str) -> ReplayMiss:
        """Return the error that says why a request has no answer and what to do."""
        key = self.key_of(requested)
        origins = self._exact.origins(key)
        if len(origins) > 1 and requested.origin not in origins:
            return ReplayMiss(
                f"This call was recorded at {' and '.join(sorted(origins))}, and is asked of {requested.origin}: "
                f"which of the answers is meant cannot be told.\n{self._body(site)}",
                request=requested.request.body,
            )
        if origins:
            times = sum(1 for entry in self._calls if self._key(entry) == key)
            recorded = "once" if times == 1 else f"{times} times"
            return ReplayExhausted(
                f"This call was recorded {recorded} and asked for once more.\n{self._body(site)}",
                request=requested.request.body,
            )
        near = self._nearest(requested.request)
        if near is None:
            return ReplayMiss(
                f"No recording answers this call.\n{self._body(site, 'none: the cassette has no call to compare with')}",
                request=requested.request.body,
            )
        number, entry, recorded = near
        difference = first_difference(recorded, requested.request)
        where = "" if difference is None else f", differs at {difference.pointer}"
        values = "" if difference is None else f"\n  recorded {difference.recorded}\n  asked    {difference.asked}"
        text = self._body(site, f"recording {number} (line {entry.line.number}){where}{values}")
        return ReplayMiss(
            f"No recording answers this call.\n{text}",
            request=requested.request.body,
            nearest=entry.span_id,
            first_difference=None if difference is None else difference.pointer,
        )

    def _body(self, site: str, nearest: str | None = None) -> str:
        told = f"  nearest  {nearest}\n" if nearest else ""
        path = self.cassette.path
        return (
            f"  at       {site}\n  cassette {path}\n{told}"
            f"  to fix   record what is missing: otel-agenttrace record --mode new {shlex.quote(str(path))} -- …\n"
            f"           or let it go live, this once: otel-agenttrace replay --on-miss live {shlex.quote(str(path))} -- …"
        )

    def _key(self, entry: Entry) -> str:
        """Return the key of a recorded call; one made by another rule set is made again."""
        return entry.key if self._is_of_our_rules(entry) else key_of(self._request(entry))

    def _is_of_our_rules(self, entry: Entry) -> bool:
        return entry.rules in (None, self._redactor.rules_version)

    def _request(self, entry: Entry) -> HttpRequest:
        request = self.cassette.request(entry)
        return request if self._is_of_our_rules(entry) else stored_again(request, self._redactor).request

    def _shelf_of_normalised(self) -> _Shelf:
        if self._normalised is None:
            self._normalised = _Shelf(
                (normalised_key(self._request(entry), self._match), entry) for entry in self._calls
            )
        return self._normalised

    def _moved(self, entry: Entry, asked: HttpRequest) -> str:
        moved = list(differences(self._request(entry), asked))
        told = list(map(_told, moved[:_MOST_TOLD]))
        if len(moved) > _MOST_TOLD:
            told.append(f"and {len(moved) - _MOST_TOLD} more")
        return "; ".join(told)

    def _nearest(self, asked: HttpRequest) -> tuple[int, Entry, HttpRequest] | None:
        scored = ((similarity(recorded, asked), number, entry, recorded) for number, entry, recorded in self._compared)
        best = max(scored, key=lambda row: (row[0], not row[2].claimed, -row[1]), default=None)
        return None if best is None else best[1:]

    @cached_property
    def _compared(self) -> Sequence[tuple[int, Entry, HttpRequest]]:
        first = self._calls[:_NEAREST_OF]
        return [(number, entry, self._request(entry)) for number, entry in enumerate(first, 1)]


def _told(difference: Difference) -> str:
    return f"{difference.pointer}: {difference.recorded} → {difference.asked}"
