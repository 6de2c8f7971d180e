"""The span of one call: what is asked at its start, what came at its end. Requests and attempts in, attributes out."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from opentelemetry import trace as otel_trace

from otel_agenttrace import semconv
from otel_agenttrace.cassette.index import Entry
from otel_agenttrace.cassette.writer import RecordedCall
from otel_agenttrace.errors import error_type
from otel_agenttrace.jsonvalue import Json
from otel_agenttrace.model import AttributeValue, InferenceResponse
from otel_agenttrace.playback.directing import Live
from otel_agenttrace.playback.faults import Fault
from otel_agenttrace.playback.player import Claim
from otel_agenttrace.sessions import Session
from otel_agenttrace.spans import LiveSpan, adopt_span, open_span
from otel_agenttrace.wire.telling import (
    EVENT_STREAM,
    Place,
    asked_of,
    decoded,
    response_attributes,
    span_name,
    start_attributes,
)
from otel_agenttrace_instrumentation import content, metrics
from otel_agenttrace_instrumentation.attempts import Attempt

__all__ = ["CallSpan"]

_LLM_KINDS: Final = frozenset({"LLM", "EMBEDDING"})
_OLD_REQUEST_TYPES: Final = frozenset({"chat", "completion", "embedding"})
_adopted: weakref.WeakSet[Any] = weakref.WeakSet()


class CallSpan:
    """The span of one call, ours or an adopted one. `asked` is None for a request that is no inference."""

    def __init__(self, method: str, place: Place, body: Json, start_ns: int, session: Session | None) -> None:
        self.method = method
        self.place = place
        self.start_ns = start_ns
        self.asked = asked_of(place.route, body, with_content=content.is_captured())
        self.live = self._adopted(session) or self._opened()

    def _adopted(self, session: Session | None) -> LiveSpan | None:
        found = _adoptable_span() if self.asked is not None else None
        if found is None:
            return None
        live = adopt_span(found, self.start_ns)
        live.set(self._start_attributes())
        if session is not None:
            session.claim_span(live.head.span_id)
        return live

    def _opened(self) -> LiveSpan:
        is_api = self.place.route is not None
        attributes = self._start_attributes()
        return open_span(
            span_name(self.method, self.place, self.asked),
            attributes,
            kind="CLIENT",
            start_ns=self.start_ns,
            exported=is_api,
        )

    def _start_attributes(self) -> Mapping[str, AttributeValue]:
        return start_attributes(self.method, self.place, self.asked)

    def answered(self, answer: Claim | Live, session: Session) -> None:
        """Tell what answers the call, as soon as that is known: the span may not stay ours."""
        self.live.set({semconv.AGENTTRACE_REPLAY_MODE: session.mode})
        if isinstance(answer, Live):
            self.outcome("live", answer.detail)
            if answer.instead_of is not None:
                self._link(answer.instead_of, "forked_from")
            return
        self._link(answer.entry, "replayed_from")
        self.outcome(answer.outcome, answer.detail)
        self._hide_in(session)

    def _link(self, entry: Entry, kind: str) -> None:
        self.live.add_link(entry.trace_id, entry.span_id, {semconv.AGENTTRACE_LINK_TYPE: kind})

    def _hide_in(self, session: Session) -> None:
        if not session.options.export_replay and session.mode == "none":
            self.live.hide()

    def faulted(self, faults: Sequence[Fault], session: Session) -> None:
        """Tell which faults have struck the call."""
        self.live.set({semconv.AGENTTRACE_FAULT: " ".join(fault.name for fault in faults)})
        self._hide_in(session)

    def outcome(self, outcome: str, detail: str = "") -> None:
        """Tell how replay answered the call; what differed is content, which is not exported."""
        self.live.set({semconv.AGENTTRACE_REPLAY_OUTCOME: outcome})
        if detail:
            self.live.content[semconv.AGENTTRACE_REPLAY_DETAIL] = detail

    def describe(self, attempt: Attempt) -> InferenceResponse | None:
        """Tell what the response of an attempt says, and return it."""
        found = self.place.route
        if self.asked is None or found is None:
            self.live.set({"http.response.status_code": attempt.status})
            return None
        body = b"".join(data for _, data in attempt.decoded())
        response = decoded(found, attempt.content_type, body)
        streamed = attempt.content_type == EVENT_STREAM and attempt.first_chunk_ns is not None
        first_chunk_s = self._time_to_first_chunk_s(attempt) if streamed else None
        self.live.set({semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: first_chunk_s, **response_attributes(response)})
        return response

    def _time_to_first_chunk_s(self, attempt: Attempt) -> float:
        return (attempt.start_ns - self.start_ns + (attempt.first_chunk_ns or 0)) / 1e9

    def conclude(self, last: Attempt | None, error: BaseException | None, end_ns: int, *, is_live: bool) -> None:
        """Tell how the call went: its response, or the error it ended with; measure it if it was live."""
        response = self.describe(last) if last is not None else None
        self._judge(last, error, response)
        if response is None or self.asked is None or last is None:
            return
        if is_live:
            metrics.record(self.live, self.asked, last, end_ns)
        content.tell(self.live, self.asked, response)

    def _judge(self, last: Attempt | None, error: BaseException | None, response: InferenceResponse | None) -> None:
        error = error or (last.error if last is not None else None)
        if error is not None:
            self.live.fail(error_type(error), str(error), is_exported=content.is_captured())
        elif response is not None and response.error_type:
            self.live.fail(response.error_type, "")
        elif last is not None and last.status is not None and last.status >= 400:
            self.live.fail(str(last.status), "")

    def end(self, session: Session | None, end_ns: int, recorded: RecordedCall | None = None) -> None:
        """End the span and hand it to the session."""
        self.live.end(session, end_ns, recorded)


def _adoptable_span() -> otel_trace.Span | None:
    """Return the current span if it tells this very call and no other call has taken it."""
    span = otel_trace.get_current_span()
    if not span.is_recording() or span in _adopted:
        return None
    attributes = cast("Mapping[str, object]", getattr(span, "attributes", None) or {})
    tells_inference = (
        attributes.get(semconv.GEN_AI_OPERATION_NAME) in semconv.INFERENCE_OPERATIONS
        or attributes.get("openinference.span.kind") in _LLM_KINDS
        or attributes.get("llm.request.type") in _OLD_REQUEST_TYPES
    )
    if not tells_inference:
        return None
    _adopted.add(span)
    return span
