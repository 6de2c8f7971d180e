"""Turn HTTP interactions into recorded calls. Interactions of one file in, spans with their calls out, in order of time.

Ids come from the digest of the file and the place of the interaction in it: the same file gives the same cassette.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.cassette.writer import RecordedCall
from otel_agenttrace.ingest.interactions import Ingested, Interaction, header
from otel_agenttrace.jsonvalue import Json, parse
from otel_agenttrace.matching import requested
from otel_agenttrace.model import SCOPE, VERSION, AttributeValue, Call, Exchange, InferenceResponse, Span
from otel_agenttrace.redact import Redactor
from otel_agenttrace.redact.spans import redacted_span
from otel_agenttrace.wire.telling import (
    EVENT_STREAM,
    asked_of,
    decoded,
    place_of,
    response_attributes,
    span_name,
    start_attributes,
)

__all__ = ["SYNTHETIC_START_NS", "recorded_calls", "trace_id_of"]

SYNTHETIC_START_NS: Final = 946_684_800 * 1_000_000_000
"""When the first interaction of a file that tells no times is said to have started: 2000-01-01, so that nobody takes it
for a measured time. Each further one starts a millisecond after the one before has ended."""

_STEP_NS: Final = 1_000_000
_UNKNOWN: Final = {(False, False): None, (True, False): "start", (False, True): "end", (True, True): "all"}
"""What a span says of its times, by whether its start is missing, and how long it took."""


def trace_id_of(content: bytes) -> str:
    """Return the trace id of a file, from its bytes alone."""
    return hashlib.sha256(b"otel-agenttrace ingest\n" + content).hexdigest()[:32]


def recorded_calls(interactions: Sequence[Interaction], trace_id: str, redactor: Redactor) -> Iterator[Ingested]:
    """Yield one call for each interaction, in order of their start.

    Which of them were retries of one another is not known, and where the pieces of a stream ended is not, either: each
    is a call of one attempt, its body in one piece.
    """
    timed = sorted(zip(_starts(interactions), interactions, strict=True), key=lambda pair: pair[0])
    for ticket, (start_ns, interaction) in enumerate(timed):
        yield _ingested(interaction, trace_id, start_ns, ticket, redactor)


def _starts(interactions: Sequence[Interaction]) -> Iterator[int]:
    following_ns = SYNTHETIC_START_NS
    for interaction in interactions:
        start_ns = following_ns if interaction.start_ns is None else interaction.start_ns
        yield start_ns
        following_ns = start_ns + (interaction.duration_ns or 0) + _STEP_NS


def _ingested(found: Interaction, trace_id: str, start_ns: int, ticket: int, redactor: Redactor) -> Ingested:
    end_ns = start_ns + (found.duration_ns or 0)
    asked = requested(
        found.method,
        found.url,
        header(found.request_headers, "content-type"),
        found.request_body,
        redactor,
        part=header(found.request_headers, "range"),
    )
    exchange = Exchange(
        request=asked.request,
        start_ns=start_ns,
        end_ns=end_ns,
        end="complete",
        status=found.status,
        headers=redactor.stored_headers(found.headers),
        body=redactor.redact_bytes(found.body, ())[0],
    )
    span_id = hashlib.sha256(f"{trace_id} {found.index}".encode()).hexdigest()[:16]
    span = redacted_span(_span(found, trace_id, span_id, start_ns, end_ns), redactor)
    return Ingested(span, RecordedCall(Call(asked.key, (exchange,), ticket=ticket), asked))


def _span(found: Interaction, trace_id: str, span_id: str, start_ns: int, end_ns: int) -> Span:
    place = place_of(found.method, found.url)
    asked = asked_of(place.route, _json(found.request_body), with_content=False)
    attributes = dict(start_attributes(found.method, place, asked))
    if asked is None or place.route is None:
        response = InferenceResponse()
        attributes["http.response.status_code"] = found.status
    else:
        response = decoded(place.route, _content_type(found), found.body)
        attributes.update(response_attributes(response))
    failed = response.error_type or (str(found.status) if found.status >= 400 else None)
    attributes[semconv.ERROR_TYPE] = failed
    attributes[semconv.AGENTTRACE_TIME_UNKNOWN] = _UNKNOWN[found.start_ns is None, found.duration_ns is None]
    return Span(
        trace_id=trace_id,
        span_id=span_id,
        name=span_name(found.method, place, asked),
        start_ns=start_ns,
        end_ns=end_ns,
        kind="CLIENT",
        attributes=_known(attributes),
        status="ERROR" if failed else "UNSET",
        scope=SCOPE,
        scope_version=VERSION,
        schema_url=semconv.SCHEMA_URL,
    )


def _known(attributes: Mapping[str, AttributeValue]) -> Mapping[str, AttributeValue]:
    return {name: value for name, value in attributes.items() if value is not None}


def _json(body: bytes) -> Json:
    try:
        return parse(body) if body else None
    except ValueError:
        return None


def _content_type(found: Interaction) -> str:
    """Return the media type of a response; where a recorder took the headers out, the body tells it."""
    kind = header(found.headers, "content-type").partition(";")[0].strip().lower()
    if kind:
        return kind
    return EVENT_STREAM if found.body.startswith((b"data:", b"event:", b":")) else "application/json"
