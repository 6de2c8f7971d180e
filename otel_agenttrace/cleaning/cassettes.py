"""Redact the recorded calls of a cassette anew. Cassette in, what leaks and the lines to put in place out; pure.

A line without a finding is not touched. One with a finding is written as a recorder with today's rules would have: keys, raw
keys and shared content are made anew, and tell which rules made them. New lines share content among themselves only.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.cassette.exchanges import Sharing, call_attributes, exchange_event
from otel_agenttrace.cassette.format import encode_line, encode_resource
from otel_agenttrace.cassette.index import Entry, Line
from otel_agenttrace.cassette.reader import Cassette
from otel_agenttrace.cassette.rewriting import Change
from otel_agenttrace.cassette.sidecars import sidecar_digest
from otel_agenttrace.cleaning.leaks import Leak, leaks_between
from otel_agenttrace.errors import CassetteCorrupt
from otel_agenttrace.jsonvalue import parse
from otel_agenttrace.matching import Stored, stored_again
from otel_agenttrace.model import AttributeValue, Call, Chunk, Exchange, Span
from otel_agenttrace.redact import Redactor
from otel_agenttrace.redact.spans import redacted_span, redacted_values

__all__ = ["CleanedCassette", "cleaned_cassette"]

_OF_CALL: Final = ("agenttrace.call.", "agenttrace.request.")
_ENCODING: Final = "content-encoding"


@dataclass(frozen=True, slots=True)
class CleanedCassette:
    """What leaks, and the lines without it.

    Attributes:
        leaks: What would be removed, in order of the lines.
        changes: New lines of recorded calls.
        spans: New lines of other spans, by offset of the line and position in it.
        bodies: Large bodies that the new lines name.
        sidecars: The digests of the large bodies that were looked at.
        kept: Those of them that lines name which stay.
    """

    leaks: tuple[Leak, ...]
    changes: tuple[Change, ...]
    spans: Mapping[tuple[int, int], bytes]
    bodies: tuple[bytes, ...]
    sidecars: frozenset[str]
    kept: frozenset[str]


def cleaned_cassette(cassette: Cassette, redactor: Redactor) -> CleanedCassette:
    """Return what redaction by these rules changes in a cassette.

    Raises:
        CassetteCorrupt: If a line is not what the format promises.
    """
    cleaning = _Cleaning(cassette, redactor)
    for line in cassette.index.lines:
        cleaning.look_at(line)
    return CleanedCassette(
        tuple(cleaning.leaks),
        tuple(cleaning.changes),
        cleaning.spans,
        tuple(cleaning.bodies),
        frozenset(cleaning.sidecars),
        frozenset(cleaning.kept),
    )


@dataclass(slots=True)
class _Cleaning:
    cassette: Cassette
    redactor: Redactor
    leaks: list[Leak] = field(default_factory=list[Leak])
    changes: list[Change] = field(default_factory=list[Change])
    spans: dict[tuple[int, int], bytes] = field(default_factory=dict[tuple[int, int], bytes])
    bodies: list[bytes] = field(default_factory=list[bytes])
    sidecars: set[str] = field(default_factory=set[str])
    kept: set[str] = field(default_factory=set[str])
    _sharing: Sharing = field(default_factory=Sharing)
    _entries: Mapping[tuple[int, int], Entry] = field(default_factory=dict[tuple[int, int], Entry])

    def __post_init__(self) -> None:
        self._entries = {(entry.line.offset, entry.position): entry for entry in self.cassette.index.calls}

    def look_at(self, line: Line) -> None:
        """Take note of what leaks on a line, and of what is to stand in its place."""
        try:
            self._look_at(line)
        except CassetteCorrupt:
            raise
        except (ValueError, RecursionError) as error:
            raise CassetteCorrupt(self.cassette.path, line.number, f"damaged: {error}") from error

    def _look_at(self, line: Line) -> None:
        for position, span in enumerate(self.cassette.decoded(line)):
            at = (line.offset, position)
            entry = self._entries.get(at)
            before = len(self.leaks)
            if entry is not None:
                self._look_at_call(entry, span)
            elif (
                at in self.cassette.index.carriers
            ):  # what nobody refers to any more goes when the file is written anew
                self._shared(line, str(span.attributes.get(semconv.AGENTTRACE_REQUEST_BODY) or ""))
            else:
                clean = self._cleaned(line, span)
                if len(self.leaks) > before:
                    self.spans[at] = encode_line(clean, encode_resource(clean.resource))

    def _note(self, line: Line, place: str, before: object, after: object) -> None:
        self.leaks += leaks_between(line.number, place, before, after)

    def _shared(self, line: Line, text: str) -> None:
        self._note(line, "shared", text, self.redactor.redact_text(text))

    def _cleaned(self, line: Line, span: Span) -> Span:
        """Return a span without secrets and without what is told of a call."""
        own = {name: value for name, value in span.attributes.items() if not name.startswith(_OF_CALL)}
        events = tuple(event for event in span.events if event.name != semconv.EVENT_AGENTTRACE_EXCHANGE)
        plain = replace(span, attributes=own, events=events)
        clean = redacted_span(plain, self.redactor)
        self._note(line, "name", plain.name, clean.name)
        self._note(line, "attributes", plain.attributes, clean.attributes)
        self._note(line, "status", plain.status_message, clean.status_message)
        for index, (old, new) in enumerate(zip(plain.events, clean.events, strict=True)):
            self._note(line, f"events/{index}/name", old.name, new.name)
            self._note(line, f"events/{index}", old.attributes, new.attributes)
        for index, (link, cleaned) in enumerate(zip(plain.links, clean.links, strict=True)):
            self._note(line, f"links/{index}", link.attributes, cleaned.attributes)
        return replace(clean, resource=self._resource(line, span))

    def _resource(self, line: Line, span: Span) -> Mapping[str, AttributeValue]:
        ours = {name: value for name, value in span.resource.items() if name.startswith("agenttrace.")}
        others = {name: value for name, value in span.resource.items() if name not in ours}
        clean = redacted_values(others, self.redactor)
        self._note(line, "resource", others, clean)
        return {**clean, **ours, semconv.AGENTTRACE_RULES_VERSION: self.redactor.rules_version}

    # --- recorded calls ---------------------------------------------------------------------------------------------

    def _look_at_call(self, entry: Entry, span: Span) -> None:
        line, before = entry.line, len(self.leaks)
        call, request = self.cassette.call(entry), self.cassette.request(entry)
        stored = stored_again(request, self.redactor)
        clean = self._cleaned(line, span)
        self._note(line, "target", request.target, stored.request.target)
        self._note_request(line, "request", request.body, stored.request.body)
        lane = self.redactor.redact_text(call.lane)
        self._note(line, "lane", call.lane, lane)
        answering = self.redactor.knowing(stored.secrets)
        attempts = tuple(
            self._attempt(line, f"answer{index}", attempt, answering, request == attempt.request, stored)
            for index, attempt in enumerate(call.attempts, 1)
        )
        large = [digest for each in call.attempts if (digest := sidecar_digest(each.body)) is not None]
        self.sidecars.update(large)
        if len(self.leaks) > before:
            made = Call(stored.key, attempts, lane, call.ticket)
            is_same = not stored.is_redacted and request.target == stored.request.target
            self.changes.append(Change(entry, (self._line(made, stored, entry.raw_key if is_same else None, clean),)))
        else:
            self.kept.update(large)

    def _note_request(self, line: Line, place: str, before: str, after: str) -> None:
        if before != after:
            self._note(line, place, parse(before), parse(after))

    def _attempt(
        self, line: Line, place: str, attempt: Exchange, redactor: Redactor, is_first: bool, stored: Stored
    ) -> Exchange:
        """Return an attempt without secrets, those of its question included."""
        if is_first:
            request = stored.request
        else:
            request = stored_again(attempt.request, redactor).request
            self._note(line, f"{place}/target", attempt.request.target, request.target)
            self._note_request(line, f"{place}/request", attempt.request.body, request.body)
        sizes = tuple(chunk.size for chunk in attempt.chunks)
        body, sizes = redactor.redact_bytes(attempt.body, sizes)
        self._note(line, place, _text(attempt.body), _text(body))
        headers = (
            *redactor.stored_headers(attempt.headers, has_body=attempt.request.method != "HEAD"),
            *((name, value) for name, value in attempt.headers if name == _ENCODING),
        )
        self._note(line, f"{place}/headers", _told(attempt.headers), _told(headers))
        error = attempt.error and replace(attempt.error, message=redactor.redact_text(attempt.error.message))
        if attempt.error is not None and error is not None:
            self._note(line, f"{place}/error", attempt.error.message, error.message)
        chunks = tuple(Chunk(chunk.offset_ns, size) for chunk, size in zip(attempt.chunks, sizes, strict=True))
        return replace(attempt, request=request, headers=headers, body=body, chunks=chunks, error=error)

    def _line(self, call: Call, stored: Stored, raw_key: str | None, span: Span) -> bytes:
        plan = self._sharing.plan(stored.body, stored.request.body)
        attributes = call_attributes(call, stored.request, raw_key, plan)
        events = [exchange_event(each, stored.request, sidecar_digest(each.body)) for each in call.attempts]
        self.bodies += (each.body for each in call.attempts if sidecar_digest(each.body) is not None)
        self._sharing.commit(plan)
        return encode_line(span, encode_resource(span.resource), attributes, events)


def _text(body: bytes) -> str:
    return body.decode("utf-8", "replace")


def _told(headers: tuple[tuple[str, str], ...]) -> str:
    return "\n".join(f"{name}: {value}" for name, value in headers)
