"""A recorded call as span attributes and events, and back. Content that several lines share is stored once.

The first line that holds a large request member, or a conversation, names its hash in `agenttrace.call.defines`; later
lines leave the member out, or the known beginning of the conversation, and refer to the hash in
`agenttrace.request.shared`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, cast

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, array, compact, integer, obj, parse, text
from otel_agenttrace.matching import EMPTY, Body, body_of
from otel_agenttrace.model import AttributeValue, Call, Chunk, End, Event, Exchange, HttpRequest, RaisedError

__all__ = [
    "Definition",
    "Reference",
    "Sharing",
    "StoredBody",
    "call_attributes",
    "defined_digest",
    "definitions",
    "exchange_event",
    "own_body",
    "read_attempts",
    "reference_of",
    "stored_request",
    "whole_body",
]

_Attributes: TypeAlias = "Mapping[str, AttributeValue]"
_SHARED_FROM: Final = 256
"""Smaller pieces are cheaper repeated than referred to, in characters."""


@dataclass(frozen=True, slots=True)
class Definition:
    """A piece of request content that a line holds: a member, or the first `count` elements of the conversation."""

    digest: str
    member: str
    count: int | None = None

    def __str__(self) -> str:
        count = "" if self.count is None else f"@{self.count}"
        return f"{self.member}{count}={self.digest}"


@dataclass(frozen=True, slots=True)
class StoredBody:
    """What one line keeps of a request body, what it leaves to others, and what others may leave to it."""

    text: str
    shared: str
    defines: tuple[Definition, ...]


class Sharing:
    """The content that a cassette already holds, as far as one writer knows."""

    def __init__(self) -> None:
        self._known: set[str] = set()
        self._counts: set[int] = set()

    def plan(self, body: Body, text: str) -> StoredBody:
        """Return how to store a body with this whole text; `commit` the plan once its line is on disk."""
        digests = {name: _digest(member) for name, member in body.members.items() if len(member) >= _SHARED_FROM}
        shared = {name: digest for name, digest in digests.items() if digest in self._known}
        defines = [Definition(digest, name) for name, digest in digests.items() if name not in shared]
        elements = body.elements
        heads = _heads(elements, {1, len(elements), *self._counts}) if body.conversation else {}
        count = self._known_prefix(elements, heads)
        if body.conversation:
            defines += _conversation_definitions(body.conversation, elements, heads, count)
        reference: dict[str, Json] = {"members": shared} if shared else {}
        if count:
            reference["prefix"] = {"digest": heads[count], "count": count}
        if not reference:
            return StoredBody(text, "", tuple(defines))
        kept = {name: member for name, member in body.members.items() if name not in shared}
        stored = Body(kept, body.conversation, elements[count:])
        return StoredBody(stored.text(), compact(reference), tuple(defines))

    def commit(self, plan: StoredBody) -> None:
        """Take note that a line is on disk and can be referred to."""
        for definition in plan.defines:
            self._known.add(definition.digest)
            if definition.count is not None:
                self._counts.add(definition.count)

    def _known_prefix(self, elements: Sequence[str], heads: Mapping[int, str]) -> int:
        count = max((count for count, digest in heads.items() if digest in self._known), default=0)
        return count if sum(map(len, elements[:count])) >= _SHARED_FROM else 0


def _conversation_definitions(
    name: str, elements: Sequence[str], heads: Mapping[int, str], known: int
) -> Iterator[Definition]:
    if elements and known < len(elements):
        yield Definition(heads[len(elements)], name, len(elements))
    if len(elements) > 1 and known < 1 and len(elements[0]) >= _SHARED_FROM:
        yield Definition(heads[1], name, 1)


def _digest(piece: str) -> str:
    return hashlib.sha256(piece.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def _heads(elements: Sequence[str], counts: Collection[int]) -> dict[int, str]:
    """Return the running hash of a conversation after each of these counts of elements."""
    running = hashlib.sha256()
    heads: dict[int, str] = {}
    for count, element in enumerate(elements, 1):
        running.update(element.encode("utf-8", "surrogatepass"))
        running.update(b"\n")
        if count in counts:
            heads[count] = running.hexdigest()[:32]
    return heads


def definitions(written: str) -> Iterator[Definition]:
    """Yield what a line defines, from its `agenttrace.call.defines`."""
    for item in written.split():
        place, _, digest = item.rpartition("=")
        member, _, count = place.partition("@")
        yield Definition(digest, member, int(count) if count else None)


def defined_digest(told: _Attributes, count: int) -> str | None:
    """Return the digest of a conversation of so many messages, if the line defines it."""
    defined = definitions(_text(told, semconv.AGENTTRACE_CALL_DEFINES))
    return next((definition.digest for definition in defined if definition.count == count), None)


# --- writing --------------------------------------------------------------------------------------------------------


def call_attributes(
    call: Call, request: HttpRequest, raw_key: str | None, plan: StoredBody, replaces: str | None = None
) -> tuple[tuple[str, AttributeValue], ...]:
    """Return the attributes of a call's line; the index reads the first six, in this order."""
    stored: list[tuple[str, AttributeValue]] = [
        (semconv.AGENTTRACE_CALL_KEY, call.key),
        (semconv.AGENTTRACE_CALL_TICKET, call.ticket),
        (semconv.AGENTTRACE_CALL_ORIGIN, request.origin),
        (semconv.AGENTTRACE_CALL_LANE, call.lane),
        (semconv.AGENTTRACE_CALL_DEFINES, " ".join(map(str, plan.defines))),
        *([(semconv.AGENTTRACE_CALL_RAW_KEY, raw_key)] if raw_key is not None else []),
        (semconv.AGENTTRACE_REQUEST_METHOD, request.method),
        (semconv.AGENTTRACE_REQUEST_TARGET, request.target),
    ]
    if replaces is not None:
        stored.append((semconv.AGENTTRACE_CALL_REPLACES, replaces))
    if plan.shared:
        stored.append((semconv.AGENTTRACE_REQUEST_SHARED, plan.shared))
    if plan.text:
        stored.append((semconv.AGENTTRACE_REQUEST_BODY, plan.text))
    return tuple(stored)


def exchange_event(exchange: Exchange, first: HttpRequest, sidecar: str | None = None) -> Event:
    """Return the event of one attempt; the request is told only where it differs from the first attempt's."""
    attributes: dict[str, AttributeValue] = {
        semconv.AGENTTRACE_EXCHANGE_END: exchange.end,
        semconv.AGENTTRACE_EXCHANGE_DURATION: exchange.end_ns - exchange.start_ns,
    }
    if exchange.status is not None:
        attributes[semconv.AGENTTRACE_EXCHANGE_STATUS] = exchange.status
        attributes[semconv.AGENTTRACE_EXCHANGE_HEADERS] = compact(exchange.headers)
    if exchange.chunks:
        attributes[semconv.AGENTTRACE_EXCHANGE_CHUNKS] = _chunks_text(exchange.chunks)
    if exchange.error is not None:
        error = exchange.error
        attributes[semconv.AGENTTRACE_EXCHANGE_ERROR] = compact([error.library, error.name, error.message, error.cause])
    return Event(
        semconv.EVENT_AGENTTRACE_EXCHANGE,
        exchange.start_ns,
        {**attributes, **_body_attributes(exchange.body, sidecar), **_request_attributes(exchange.request, first)},
    )


def _body_attributes(body: bytes, sidecar: str | None) -> Mapping[str, AttributeValue]:
    if sidecar is not None:
        return {semconv.AGENTTRACE_EXCHANGE_SIDECAR: sidecar}
    if not body:
        return {}
    try:
        return {semconv.AGENTTRACE_EXCHANGE_BODY: body.decode()}
    except UnicodeDecodeError:
        return {semconv.AGENTTRACE_EXCHANGE_BODY_BYTES: body}


def _request_attributes(request: HttpRequest, first: HttpRequest) -> Mapping[str, AttributeValue]:
    told = {
        semconv.AGENTTRACE_EXCHANGE_METHOD: (request.method, first.method),
        semconv.AGENTTRACE_EXCHANGE_ORIGIN: (request.origin, first.origin),
        semconv.AGENTTRACE_EXCHANGE_TARGET: (request.target, first.target),
        semconv.AGENTTRACE_EXCHANGE_REQUEST: (request.body, first.body),
    }
    return {name: mine for name, (mine, firsts) in told.items() if mine != firsts}


def _chunks_text(chunks: Sequence[Chunk]) -> str:
    """Return `µs:bytes` for each chunk, the time since the one before."""
    pieces: list[str] = []
    before = 0
    for chunk in chunks:
        offset_us = chunk.offset_ns // 1000
        pieces.append(f"{offset_us - before}:{chunk.size}")
        before = offset_us
    return " ".join(pieces)


# --- reading --------------------------------------------------------------------------------------------------------


def stored_request(told: _Attributes, origin: str, body: Body) -> HttpRequest:
    """Return the request of a call's line, given its attributes, its origin and its whole body.

    Raises:
        ValueError: If the line has no request.
    """
    method, target = _text(told, semconv.AGENTTRACE_REQUEST_METHOD), _text(told, semconv.AGENTTRACE_REQUEST_TARGET)
    if not method:
        raise ValueError("the call has no recorded request")
    return HttpRequest(method, origin, target, body.text())


@dataclass(frozen=True, slots=True)
class Reference:
    """What a line leaves to others: members by digest, and the first `count` elements of the conversation."""

    members: Mapping[str, str]
    prefix: str | None
    count: int

    @property
    def digests(self) -> tuple[str, ...]:
        """Every digest referred to."""
        return (*self.members.values(), *([self.prefix] if self.prefix else []))


def reference_of(told: _Attributes) -> Reference:
    """Return what a call's line leaves to others."""
    shared = obj(parse(_text(told, semconv.AGENTTRACE_REQUEST_SHARED) or "{}"))
    prefix = obj(shared.get("prefix"))
    members = {name: str(digest) for name, digest in obj(shared.get("members")).items()}
    return Reference(members, text(prefix.get("digest")), integer(prefix.get("count")) or 0)


def own_body(told: _Attributes) -> Body:
    """Return what of the body of a call stands on its own line."""
    written = _text(told, semconv.AGENTTRACE_REQUEST_BODY)
    return body_of(parse(written)) if written else EMPTY


def whole_body(own: Body, reference: Reference, held: Mapping[str, tuple[str, Body]]) -> Body:
    """Return the whole body of a call's line; `held` has the member of each digest and the body that holds it."""
    if own.whole is not None or not reference.digests:
        return own
    members = dict(own.members)
    for name, digest in reference.members.items():
        member, holder = held[digest]
        members[name] = holder.members[member]
    elements = own.elements
    if reference.prefix:
        elements = held[reference.prefix][1].elements[: reference.count] + elements
    return Body(members, own.conversation, elements)


def read_attempts(
    events: Sequence[Event], first: HttpRequest, read_sidecar: Callable[[str], bytes]
) -> tuple[Exchange, ...]:
    """Return the attempts of a call in order.

    Raises:
        ValueError: If an attempt is not what the format promises.
    """
    told = [event for event in events if event.name == semconv.EVENT_AGENTTRACE_EXCHANGE]
    told.sort(key=lambda event: event.time_ns)
    return tuple([_exchange(event, first, read_sidecar) for event in told])


def _exchange(event: Event, first: HttpRequest, read_sidecar: Callable[[str], bytes]) -> Exchange:
    told = event.attributes
    status = told.get(semconv.AGENTTRACE_EXCHANGE_STATUS)
    duration = told.get(semconv.AGENTTRACE_EXCHANGE_DURATION)
    return Exchange(
        _exchange_request(told, first),
        event.time_ns,
        event.time_ns + (duration if isinstance(duration, int) else 0),
        cast("End", _text(told, semconv.AGENTTRACE_EXCHANGE_END) or "complete"),
        status if isinstance(status, int) else None,
        _headers(_text(told, semconv.AGENTTRACE_EXCHANGE_HEADERS)),
        _body(told, read_sidecar),
        _read_chunks(_text(told, semconv.AGENTTRACE_EXCHANGE_CHUNKS)),
        _error(_text(told, semconv.AGENTTRACE_EXCHANGE_ERROR)),
    )


_OTHERWISE: Final = frozenset(
    {
        semconv.AGENTTRACE_EXCHANGE_METHOD,
        semconv.AGENTTRACE_EXCHANGE_ORIGIN,
        semconv.AGENTTRACE_EXCHANGE_TARGET,
        semconv.AGENTTRACE_EXCHANGE_REQUEST,
    }
)


def _exchange_request(told: _Attributes, first: HttpRequest) -> HttpRequest:
    if _OTHERWISE.isdisjoint(told):
        return first
    return HttpRequest(
        _text(told, semconv.AGENTTRACE_EXCHANGE_METHOD) or first.method,
        _text(told, semconv.AGENTTRACE_EXCHANGE_ORIGIN) or first.origin,
        _text(told, semconv.AGENTTRACE_EXCHANGE_TARGET) or first.target,
        _text(told, semconv.AGENTTRACE_EXCHANGE_REQUEST, first.body),
    )


def _text(told: _Attributes, name: str, default: str = "") -> str:
    value = told.get(name)
    return value if isinstance(value, str) else default


def _headers(written: str) -> tuple[tuple[str, str], ...]:
    pairs = array(parse(written)) if written else ()
    return tuple([(text(pair[0]) or "", text(pair[1]) or "") for pair in map(array, pairs)])


def _body(told: _Attributes, read_sidecar: Callable[[str], bytes]) -> bytes:
    sidecar = _text(told, semconv.AGENTTRACE_EXCHANGE_SIDECAR)
    if sidecar:
        return read_sidecar(sidecar)
    held = told.get(semconv.AGENTTRACE_EXCHANGE_BODY_BYTES)
    return held if isinstance(held, bytes) else _text(told, semconv.AGENTTRACE_EXCHANGE_BODY).encode()


def _read_chunks(written: str) -> tuple[Chunk, ...]:
    offset_ns = 0
    chunks: list[Chunk] = []
    for item in written.split():
        elapsed, _, size = item.partition(":")
        offset_ns += int(elapsed) * 1000
        chunks.append(Chunk(offset_ns, int(size)))
    return tuple(chunks)


def _error(written: str) -> RaisedError | None:
    if not written:
        return None
    library, name, message, cause = (text(item) or "" for item in array(parse(written)))
    known = "httpx" if library == "httpx" else "builtins" if library == "builtins" else "other"
    return RaisedError(name, message, known, cause)
