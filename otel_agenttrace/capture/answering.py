"""Play a provider from a cassette: requests as they came over HTTP in, recorded attempts or misses out. No sockets.

A client knows one base URL, a cassette may hold calls to several: what a request was meant for is told by the header
`X-Agenttrace-Origin`, by a path that begins with a recorded host, or else by the recordings themselves.
"""

from __future__ import annotations

import re
import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Final
from urllib.parse import urlsplit

from otel_agenttrace.errors import AgentTraceError, ReplayExhausted, ReplayMiss
from otel_agenttrace.jsonvalue import JsonObject, compact, digits
from otel_agenttrace.matching import Requested, are_alike, requested
from otel_agenttrace.model import Exchange, HttpRequest, OutcomeKind
from otel_agenttrace.playback.player import Claim, Player
from otel_agenttrace.redact import Redactor
from otel_agenttrace.redact.headers import is_address
from otel_agenttrace.report.text import counted
from otel_agenttrace.volatile import NO_RULES, MatchRules
from otel_agenttrace.wire.routes import route

__all__ = ["ORIGIN_HEADER", "Answer", "Asked", "RecordedProvider", "plain_answer"]

ORIGIN_HEADER: Final = "x-agenttrace-origin"
_RETRY_HEADER: Final = "x-stainless-retry-count"

MISS_STATUS: Final = 400
"""No SDK tries it again: OpenAI's and Anthropic's retry 408, 409, 429 and 5xx."""

_VERSION: Final = re.compile(r"^/v\d+\w*(?=/)")
_SEGMENT: Final = r"(?:/(?!v\d)[^/]+)"
_BASE: Final = re.compile(rf"{_SEGMENT}{{0,3}}/v\d+\w*(?:/openai)?|{_SEGMENT}{{0,2}}/openai|")
"""What stands before the API's own paths at some provider: `/v1`, `/api/v1`, `/openai/v1`, `/v1beta/openai`, nothing."""

_ABSOLUTE: Final = re.compile(r"(?P<scheme>https?:)?//(?P<host>[^/?#\[\]@\s]+)(?P<target>/\S*|)")
_RESULTS_URL: Final = re.compile(rb'("results_url"\s*:\s*")https?://(?=[^/"]+/v1/messages/batches/)')
"""The address inside a body that an SDK asks by itself: Anthropic's, for the results of a batch."""

_KINDS: Final = ((ReplayExhausted, "replay_exhausted"), (ReplayMiss, "replay_miss"))
_NOWHERE: Final = HttpRequest("", "", "")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request as it came: `target` is path and query, header names are lower-case, the body has no content-encoding."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Answer:
    """What is sent: an attempt of a recorded call, counted from 1, or what is said where there is none.

    `kind` is None for an answer that is about no call. `detail` tells what differed, or the whole miss.
    """

    exchange: Exchange
    kind: OutcomeKind | None = None
    attempt: int = 1
    attempts: int = 1
    detail: str = ""


@dataclass(slots=True)
class _OpenCall:
    """A recorded call with attempts that are still to be asked for, and what is asked in the next one."""

    claim: Claim
    asked: Requested
    expected: HttpRequest = _NOWHERE
    given: int = 0
    retries: int = 0


class RecordedProvider:
    """Answers each request from a cassette. Thread-safe.

    Attributes:
        player: Holds the recordings.
        misses: The requests no recording answered, oldest first.
    """

    def __init__(self, player: Player, redactor: Redactor, url: str, match: MatchRules = NO_RULES) -> None:
        self.player = player
        self.misses: list[AgentTraceError] = []
        self._redactor = redactor
        self._match = match
        self._url = url
        self._origins = tuple(sorted({entry.origin for entry in player.cassette.index.calls if entry.origin}))
        self._handed_out: dict[str, str] = {}
        self._counts: Counter[OutcomeKind] = Counter()
        self._open: list[_OpenCall] = []
        self._ended: set[tuple[str, int]] = set()
        self._lock = threading.Lock()

    @property
    def counts(self) -> Mapping[OutcomeKind, int]:
        """How many calls were answered how; a hit with recorded attempts that nobody asked for is a drift."""
        with self._lock:
            cut = sum(1 for call in self._open if call.claim.outcome == "hit")
            counts = self._counts.copy()
        counts["hit"] -= cut
        counts["drift"] += cut
        return +counts

    @property
    def unplayed(self) -> int:
        """How many recorded calls nobody asked for."""
        return len(self.player.unplayed())

    @property
    def is_played(self) -> bool:
        """Whether every attempt of every recorded call was asked for."""
        return not self._open and not self.player.unplayed()

    def answer(self, asked: Asked) -> Answer:
        """Return the recorded answer to a request, or one in the form of its API that tells why there is none."""
        try:
            return self._recorded(asked)
        except AgentTraceError as error:
            if asked.method in ("GET", "HEAD") and asked.target == "/":
                return Answer(plain_answer(200, self._about()))
            with self._lock:
                self.misses.append(error)
                self._counts["miss"] += 1
            return Answer(self._error(asked, error), "miss", detail=str(error))

    def _recorded(self, asked: Asked) -> Answer:
        wanted = self._requested(asked)
        retry = _retry_count(asked.headers)
        with self._lock:
            call = self._under_way(wanted, retry)
            if call is not None:
                return self._next(call)
        if retry and (self.player.key_of(wanted), retry) in self._ended:
            raise ReplayExhausted(
                f"The recorded call ended after {retry} attempts; attempt {retry + 1} has no answer.\n"
                f"  at       {_site(asked)}\n  cassette {self.player.cassette.path}\n  to fix   record it again"
            )
        claim = self._claim(asked, wanted)
        call = _OpenCall(claim, wanted)
        with self._lock:
            self._counts[claim.outcome] += 1
            self._open.append(call)
            return self._next(call)

    # --- which call is meant ----------------------------------------------------------------------------------------

    def _requested(self, asked: Asked) -> Requested:
        origin, target = self._place(asked)
        headers = asked.headers
        return requested(
            asked.method,
            origin + target,
            headers.get("content-type", ""),
            asked.body,
            self._redactor,
            part=headers.get("range", ""),
        )

    def _place(self, asked: Asked) -> tuple[str, str]:
        """Return the origin a request is meant for, ours if it names none, and its target there."""
        named = asked.headers.get(ORIGIN_HEADER)
        if named:
            return self._origin(named, asked), asked.target
        absolute = _ABSOLUTE.fullmatch(asked.target)  # as to a proxy
        if absolute is not None and absolute["scheme"]:
            return f"{absolute['scheme']}//{absolute['host']}", absolute["target"] or "/"
        host, slash, rest = asked.target.removeprefix("/").partition("/")
        if slash and host in self._handed_out:
            return self._handed_out[host], f"/{rest}"
        if slash and host in map(_host, self._origins):
            return self._origin(host, asked), f"/{rest}"
        return self._url, asked.target if asked.target.startswith("/") else f"/{asked.target}"

    def _origin(self, named: str, asked: Asked) -> str:
        found = [origin for origin in self._origins if named.rstrip("/") in (origin, _host(origin))]
        if len(found) == 1:
            return found[0]
        raise ReplayMiss(
            f"{named} names {'no' if not found else 'more than one'} origin of this cassette.\n  at       {_site(asked)}\n"
            f"  cassette {self.player.cassette.path}\n  to fix   name one of {', '.join(self._origins)}"
        )

    def _claim(self, asked: Asked, wanted: Requested) -> Claim:
        """Return the recorded call that answers a first attempt.

        Raises:
            ReplayMiss: If there is none.
        """
        claim = self.player.claim(wanted, "")
        if claim is not None:
            return claim
        target = self._translated(asked.target)
        if target != asked.target:
            wanted = self._requested(replace(asked, target=target))
            claim = self.player.claim(wanted, "")
            if claim is not None:
                return claim
        miss = self.player.miss(wanted, _site(asked))
        raise self._with_choice(miss) if len(self._origins) > 1 else miss

    def _translated(self, target: str) -> str:
        """Return the target of the same API at the one base path it was recorded at, if this one was not recorded."""
        path, mark, query = target.partition("?")
        if path in self._paths:
            return target
        rest = _VERSION.sub("", path, count=1)
        found = [known for known in self._paths if known.endswith(rest) and _BASE.fullmatch(known.removesuffix(rest))]
        return f"{found[0]}{mark}{query}" if len(found) == 1 and rest != "/" else target

    @cached_property
    def _paths(self) -> frozenset[str]:
        cassette = self.player.cassette
        return frozenset(re.split(r"[?#]", cassette.request(entry).target)[0] for entry in cassette.index.calls)

    def _with_choice(self, miss: ReplayMiss) -> ReplayMiss:
        """Return a miss that also tells how to say which of several origins is meant."""
        hosts = ", ".join(map(_host, self._origins))
        told = (
            f"{miss}\n  origins  {hosts}\n"
            f"  choose   put the host before the path: {self._url}/{_host(self._origins[0])}/v1, "
            "or send it in the header X-Agenttrace-Origin"
        )
        return type(miss)(told, request=miss.request, nearest=miss.nearest, first_difference=miss.first_difference)

    # --- attempt by attempt -----------------------------------------------------------------------------------------

    def _under_way(self, wanted: Requested, retry: int | None) -> _OpenCall | None:
        """Return the call this request goes on with: what it asks next, and as often retried as the client says."""
        for call in self._open:
            if retry in (None, call.retries) and are_alike(call.expected, wanted.request, self._match):
                return call
        return None

    def _next(self, call: _OpenCall) -> Answer:
        claim = call.claim
        exchange = claim.attempts[call.given]
        call.given += 1
        call.retries += not _is_redirect(exchange)
        if call.given < len(claim.attempts):
            call.expected = self._expected(call)
        else:
            self._open.remove(call)
            self._ended.add((self.player.key_of(call.asked), call.retries))
        return Answer(self._at_home(exchange), claim.outcome, call.given, len(claim.attempts), claim.detail)

    def _expected(self, call: _OpenCall) -> HttpRequest:
        """Return what the client asks in the next attempt: the same again, or what the recorded one asked."""
        first, following = (self.player.recorded_request(call.claim, index) for index in (0, call.given))
        return call.asked.request if are_alike(first, following) else following

    def _at_home(self, exchange: Exchange) -> Exchange:
        """Return an exchange whose addresses, where SDKs follow them, lead back here: else the client would leave the machine."""
        headers = tuple((name, self._home(name, value)) for name, value in exchange.headers)
        body = _RESULTS_URL.sub(rb"\g<1>" + f"{self._url}/".encode(), exchange.body)
        if body == exchange.body:
            return replace(exchange, headers=headers)
        return replace(exchange, headers=headers, body=body, chunks=())

    def _home(self, name: str, value: str) -> str:
        absolute = _ABSOLUTE.fullmatch(value) if is_address(name) else None
        if absolute is None:
            return value
        self._handed_out[absolute["host"]] = f"{absolute['scheme'] or 'https:'}//{absolute['host']}"
        return f"{self._url}/{absolute['host']}{absolute['target'] or '/'}"

    # --- what is said where nothing was recorded --------------------------------------------------------------------

    def _error(self, asked: Asked, error: AgentTraceError) -> Exchange:
        kind = next((name for known, name in _KINDS if isinstance(error, known)), "cassette_error")
        found = route(asked.method, self._url + asked.target)
        told: JsonObject = {"message": str(error), "type": kind}
        if "anthropic-version" in asked.headers or (found is not None and found.provider == "anthropic"):
            body: JsonObject = {"type": "error", "error": told}
        else:
            pointer = error.first_difference if isinstance(error, ReplayMiss) else None
            body = {"error": {**told, "param": pointer, "code": kind}}
        headers = (("content-type", "application/json"), ("x-should-retry", "false"))
        return Exchange(_NOWHERE, 0, 0, "complete", MISS_STATUS, headers, compact(body).encode())

    def _about(self) -> str:
        cassette = self.player.cassette
        calls = counted(len(cassette.index.calls), "recorded call")
        return f"otel-agenttrace serves {calls} of {cassette.path.name} here.\n"


def plain_answer(status: int, text: str) -> Exchange:
    """Return an answer of plain text."""
    return Exchange(_NOWHERE, 0, 0, "complete", status, (("content-type", "text/plain; charset=utf-8"),), text.encode())


def _retry_count(headers: Mapping[str, str]) -> int | None:
    """Return how often a client says it has tried before, or None if it does not say."""
    return digits(headers.get(_RETRY_HEADER, ""))


def _is_redirect(exchange: Exchange) -> bool:
    return exchange.status is not None and 300 <= exchange.status < 400 and exchange.status != 304


def _host(origin: str) -> str:
    return urlsplit(origin).netloc


def _site(asked: Asked) -> str:
    agent = asked.headers.get("user-agent")
    return f"{asked.method} {asked.target}" + (f", asked by {agent}" if agent else "")
