"""Cut what a line holds of requests and answers out of it before it is parsed: it is most of the line. Bytes in, spans out.

A line as we write it is cut by what stands in no text of it: in a JSON string each quote has a backslash. Any other line
stays whole.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Mapping
from functools import lru_cache, partial
from typing import Final, NamedTuple

from otel_agenttrace import semconv
from otel_agenttrace.cassette.format import (
    Around,
    around_of,
    decode_attributes,
    decode_events,
    encode_events,
)
from otel_agenttrace.cassette.written import decode_written
from otel_agenttrace.jsonvalue import array, obj, parse
from otel_agenttrace.model import AttributeValue, Call, CallGist, Event, Span
from otel_agenttrace.volatile import RANDOM_ID

__all__ = ["OWN", "Content", "CutCall", "LineDecoder", "Told", "call_digests", "cut_call", "record_of"]

OWN: Final = ("agenttrace.call.", "agenttrace.request.", "agenttrace.content")
"""How the attributes begin that only a replay needs."""
_SPAN: Final = b'"spans":[{'
_TAIL: Final = b"]}]}]}\n"
_BEGIN: Final = b'{"attributes":['
_CALL: Final = _BEGIN + b'{"key":"agenttrace.call.key"'
_PAIR: Final = b',{"key":"'
_REQUEST: Final = _PAIR + b'agenttrace.call.ticket"'
_OTHER: Final = re.compile(re.escape(_PAIR) + rb"(?!agenttrace\.(?:call|request)\.)")
"""An attribute that tells nothing of a request."""
_DEFINES: Final = b'{"key":"agenttrace.call.defines"'
_ADDRESS: Final = b'{"key":"agenttrace.request.method"'
_SHARED: Final = _PAIR + b'agenttrace.request.shared"'
_CONTENT: Final = re.compile(re.escape(_PAIR + b"agenttrace.request.") + b'(?:shared|body)"')
_EVENTS: Final = b',"events":['
_ATTEMPT: Final = b'{"key":"agenttrace.exchange.'
_ATTEMPTS: Final = _EVENTS + b'{"attributes":[' + _ATTEMPT
_AFTER: Final = b'],"flags":'
_TIME: Final = b',"timeUnixNano":"'
_NAMED: Final = b'"name":"agenttrace.exchange"' + _TIME
_STATUS: Final = _ATTEMPT + b'status","value":{"intValue":"'
_REQUESTS: Final = (b'method"', b'origin"', b'target"', b'request"')
_OTHERWISE: Final = tuple(_ATTEMPT + name for name in _REQUESTS)
_ASKED: Final = (b'end"', *_REQUESTS)
"""What tells of each attempt that it is one, and what it asked that the first one did not."""
_HIDDEN: Final = re.compile(b'"(?:%b)' % b"|".join(re.escape(name).encode() for name in (*OWN, "agenttrace.exchange.")))
_ANSWER: Final = (b'status"', b'end"', b'error"', b'sidecar"', b'body"', b'body_bytes"')
_GAP: Final = rb"(?:\\n| )*"
_WORDS: Final = rb'\\"(?:model|object|type)\\": ?\\"[^"\\]*\\"'
_ANEW: Final = rb'\{%b(?:%b,%b)*)\\"id\\": ?\\"[\w-]+\\"((?:,%b%b)*)(?:,%b\\"created(?:_at)?\\": ?\d+)?' % (
    _GAP,
    _WORDS,
    _GAP,
    _GAP,
    _WORDS,
    _GAP,
)
"""The id of an answer and its time: they stand at its beginning, and at that of each event. What is deeper may be content."""
_BODY_ANEW: Final = re.compile(rb'(body","value":\{"stringValue":"' + _ANEW)
_FIRST: Final = rb'(?:(?<="data:)|(?<=\\n\\ndata:)|(?<=\\n\\r\\ndata:)|(?<=message_start\\ndata:))'
"""A line of data that no other one of its event comes before."""
_EVENT_ANEW: Final = re.compile(
    rb'(data:%b ?(?:\{\\"type\\": ?\\"message_start\\", ?\\"message\\": ?)?%b' % (_FIRST, _ANEW)
)
_NOT_TEXT: Final = re.compile(re.escape(_ATTEMPT) + b'(?:body_bytes|sidecar)"')
"""Says that the body of an answer is not there as a text."""
_SPELT: Final = re.compile(rb"\\u00(?:00|22|6[15DdEe])")
"""A quote or a letter of `name` by its number, be it in the line or in the answer; 0 is in texts that are not UTF-8."""
_NAME: Final = rb"\"name\""
_NAMES: Final = re.compile(re.escape(_NAME) + rb'(?:: ?(?:\\"([^"\\]*)\\"|[^"\\ ])|[],}])')
"""A member of that name with its value, if that is a text; or a text, which no colon follows."""
_PREFIX: Final = re.compile(rb'\\"prefix\\":\{\\"digest\\":\\"([0-9a-f]+)\\",\\"count\\":(\d{1,9})\}\}"\}\}')
"""The reference of a line to the messages before its own: the end of what it shares, as we write it."""
_ID: Final = re.compile(rb'id\\": ?\\"(%b)(?=\\")' % RANDOM_ID.encode())
"""An id that is drawn by lot, in a member of a body, as that of a call of a tool."""
_GOES_ON: Final = re.compile(rb"prefix|\\u")
"""What stands in a reference that has such an end, however it is written."""
_BY_NUMBER: Final = re.compile(rb"\\u")
_ESCAPE: Final = re.compile(rb"(?<!\\)(?:\\\\)*\\u")


def record_of(raw: bytes) -> bytes | None:
    """Return the record of the one span of a line; None if it is not written as we write it."""
    begin = raw.find(_SPAN) + len(_SPAN) - 1
    return raw[begin : -len(_TAIL)] if begin >= len(_SPAN) and raw.endswith(_TAIL) else None


class LineDecoder:
    """Decodes the span of a line as we write it. What is around it is decoded once, as long as it stays the same."""

    def __init__(self) -> None:
        self._head = b""
        self._around = Around("", "", "", {})

    def record(self, raw: bytes) -> bytes | None:
        """Return the record of the one span of a line, or None if it is another line.

        Raises:
            ValueError, LookupError: If what is around the span is damaged.
        """
        if self._head and raw.startswith(self._head) and raw.endswith(_TAIL):
            return raw[len(self._head) : -len(_TAIL)]
        record = record_of(raw)
        if record is None:
            return None
        head = raw[: -len(record) - len(_TAIL)]
        if head != self._head:
            (around,) = array(obj(parse(head + _TAIL))["resourceSpans"])
            (scope,) = map(obj, array(obj(around)["scopeSpans"]))
            self._around = around_of(scope, decode_attributes(obj(obj(around).get("resource")).get("attributes")))
            self._head = head
        return record

    def span(self, record: bytes, read_call: Callable[[], Call | None] | None = None) -> Span:
        """Return the span of the record of the newest line, or of what is left of it.

        Raises:
            ValueError: If it is damaged, or not one record.
        """
        return decode_written(record, self._around, read_call)


class Told(NamedTuple):
    """Attributes and events of a span, all of them or those that are asked for."""

    attributes: Mapping[str, AttributeValue]
    events: tuple[Event, ...]


class Content(NamedTuple):
    """What a line holds of a request and its answers.

    Attributes:
        request: The attributes that tell what was asked.
        attempts: The events that tell how it was answered.
    """

    request: bytes
    attempts: bytes

    def digests(self, key: str) -> tuple[str, str] | None:
        """Return what `call_digests` does; None where a text may be written in two ways, so that it has to be decoded."""
        return _digests(key, self.attempts) if self._is_plain else None

    @property
    def _is_plain(self) -> bool:
        """Whether each text of the attempts can be written in one way only."""
        return _BY_NUMBER.search(self.attempts) is None or _ESCAPE.search(self.attempts) is None

    @property
    def names(self) -> frozenset[str] | None:
        """What each member `name` of the answers says: in every API, that of a tool that is asked for. None where that is not plain to see."""
        attempts = self.attempts
        if _NOT_TEXT.search(attempts) is not None or _SPELT.search(attempts) is not None:
            return None
        found = _NAMES.findall(attempts)
        is_plain = len(found) == attempts.count(_NAME)
        return frozenset([name.decode(errors="replace") for name in found]) if is_plain else None

    @property
    def is_asked_alike(self) -> bool:
        """Whether each attempt is known to have asked what the first one did."""
        return self._is_plain and _is_asked_alike(self.attempts)

    def gist(self, of: Callable[[str], CallGist | None]) -> CallGist | None:
        """Return what the call adds to another one; None where that is not plain to see.

        Args:
            of: Gives the gist of the call that defines the messages of a digest.
        """
        if not self.is_asked_alike:
            return None
        told = self.request[max(self.request.find(_ADDRESS), 0) :]
        prefix = _PREFIX.search(told)
        if prefix is None and _GOES_ON.search(told.partition(_SHARED)[2].partition(_PAIR)[0]):
            return None  # it goes on with messages, but does not say so as we write it
        answered = _without_ids(_answers(self.attempts))
        if prefix is None:
            return CallGist(_without_ids(told), answered, None, 0, _unknown)
        before = prefix[1].decode()
        asked = _without_ids(told[: prefix.start(1)] + told[prefix.end(1) :])
        return CallGist(asked, answered, before, int(prefix[2]), partial(of, before))

    def asking(self) -> Told:
        """Return of the request the method, the target, the body and what it defines, and nothing else.

        Raises:
            ValueError: If one of them is damaged.
        """
        address, body = self._asked()
        begin = self.request.find(_DEFINES)
        defines = self.request[begin : self.request.find(_PAIR, begin)] if begin >= 0 else b""
        told = decode_attributes(parse(b"[%b]" % (defines + body).removeprefix(b",")))
        return Told({**_address(address), **told}, ())

    def answered(self) -> Told:
        """Return the attempts, and of the request the method and the target.

        Raises:
            ValueError: If one of them is damaged.
        """
        attempts = decode_events(parse(b"[%b]" % self.attempts))
        return Told(_address(self._asked()[0]), attempts)

    def _asked(self) -> tuple[bytes, bytes]:
        """Return what tells where a request went, and its body."""
        begin = max(self.request.find(_ADDRESS), 0)
        found = _CONTENT.search(self.request, begin)
        end = len(self.request) if found is None else found.start()
        return self.request[begin:end], self.request[end:]


@lru_cache(maxsize=64)
def _address(pairs: bytes) -> Mapping[str, AttributeValue]:
    """Decode what tells where a request went: the calls of a run go to few places."""
    return decode_attributes(parse(b"[%b]" % pairs))


class CutCall(NamedTuple):
    """The record of a recorded call, cut where its content begins and ends.

    Attributes:
        key: Its first attribute.
        content: What stands behind it, and what stands behind `told`.
        told: All that stands between request and attempts.
        rest: All that stands behind them.
    """

    key: bytes
    content: Content
    told: bytes
    rest: bytes

    @property
    def alone(self) -> bytes:
        """The record without what only a replay needs."""
        return b"".join((_BEGIN, self.told.removeprefix(b","), self.rest[1:]))

    @property
    def with_status(self) -> bytes:
        """The record with the key of its call, and of each attempt when it was, and its status."""
        answered = self.content.attempts
        attempts: list[bytes] = []
        told = 0
        while (named := answered.find(_NAMED, told)) >= 0:
            status = answered.find(_STATUS, told, named)
            pair = answered[status : answered.find(b"}}", status) + 2] if status >= 0 else b""
            told = named + len(_NAMED)
            time = answered[told : answered.find(b'"', told)]
            attempts.append(b'{"attributes":[%b],%b%b"}' % (pair, _NAMED, time))
        return b"".join((self.key, self.told, _EVENTS, b",".join(attempts), self.rest))


def cut_call(record: bytes) -> CutCall | None:
    """Return the record of a recorded call in pieces; None if it is none, or not written as we write it."""
    begin = record.find(_REQUEST) if record.startswith(_CALL) else -1
    events = record.find(_ATTEMPTS, begin)
    after = record.find(_AFTER, events)
    if begin < 0 or not 0 < events < after:
        return None
    other = _OTHER.search(record, begin, events)
    end = record.rfind(b"]", begin, events) if other is None else other.start()
    attempts = record[events + len(_EVENTS) : after]
    cut = CutCall(record[:begin], Content(record[begin + 1 : end], attempts), record[end:events], record[after:])
    is_clean = _HIDDEN.search(cut.told) is None and _HIDDEN.search(cut.rest) is None
    return cut if is_clean and attempts.count(_TIME) == attempts.count(_NAMED) else None


def call_digests(key: str, events: Iterable[Event]) -> tuple[str, str]:
    """Return what tells a call from others: its key, or a digest if an attempt asked something else, and a digest of its answers.

    An answer is status, how it ended, body; no headers and no times. What a provider gives each answer anew, its own id
    and time, is left out, but not the ids of calls of tools.
    """
    attempts = [event for event in events if event.name == semconv.EVENT_AGENTTRACE_EXCHANGE]
    return _digests(key, encode_events(attempts).encode("utf-8", "surrogatepass"))


def _digests(key: str, attempts: bytes) -> tuple[str, str]:
    answered = hashlib.sha256(_answers(attempts)).hexdigest()
    if _is_asked_alike(attempts):
        return key, answered
    otherwise = b"".join(_pairs(attempts, _ASKED))
    return hashlib.sha256(key.encode("utf-8", "surrogatepass") + otherwise).hexdigest(), answered


def _is_asked_alike(attempts: bytes) -> bool:
    return not any(name in attempts for name in _OTHERWISE)


def _pairs(attempts: bytes, names: tuple[bytes, ...]) -> list[bytes]:
    """Return the attributes of attempts that have these names."""
    return [pair[: pair.rfind(b"}}")] for pair in attempts.split(_ATTEMPT)[1:] if pair.startswith(names)]


def _answers(attempts: bytes) -> bytes:
    """Return of attempts what they were answered with, without what is new in each answer."""
    told = b"".join(_pairs(attempts, _ANSWER))
    anew = _BODY_ANEW.match(told)
    if anew is not None:
        return b"".join((*anew.groups(), told[anew.end() :]))
    return _EVENT_ANEW.sub(rb"\1\2", told) if b"data:" in told else told


def _without_ids(told: bytes) -> str:
    """Return a digest in which ids that are drawn by lot are numbered as they come."""
    pieces = _ID.split(told)
    numbers: dict[bytes, int] = {}
    pieces[1::2] = [b"\0%d\0" % numbers.setdefault(each, len(numbers)) for each in pieces[1::2]]
    return hashlib.sha256(b"".join(pieces)).hexdigest()


def _unknown() -> None:
    """Say that no call is known."""
