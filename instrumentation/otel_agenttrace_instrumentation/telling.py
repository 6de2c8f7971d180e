"""The span of one call: what is asked at its start, what came at its end. Requests and attempts in, attributes out."""

from __future__ import annotations

import weakref
from collections.abc import Mapping, Sequence
from typing import Any, Final, cast

from opentelemetry import trace as otel_trace

from otel_agenttrace import semconv
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
from otel_agenttrace_instrumentation.redacting import settle_rules

__all__ = ["CallSpan", "tell_outcome", "tell_replayed"]

_LLM_KINDS: Final = frozenset({"LLM", "EMBEDDING"})
_OLD_REQUEST_TYPES: Final = frozenset({"chat", "completion", "embedding"})
_adopted: weakref.WeakSet[Any] = weakref.WeakSet()


class CallSpan:
    """The span of one call, ours or an adopted one. `asked` is None for a request that is no inference."""

    def __init__(self, method: str, place: Place, body: Json, start_ns: int, session: Session | None) -> None:
        settle_rules()
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
            session.recorder.claim_span(live.head.span_id)
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
        if isinstance(answer, Live):
            self.live.set({semconv.AGENTTRACE_REPLAY_MODE: session.mode})
            if answer.instead_of is not None:
                _link(self.live, answer.instead_of.trace_id, answer.instead_of.span_id, "forked_from")
            self.outcome("live", answer.detail)
            return
        tell_replayed(self.live, session, answer.entry.trace_id, answer.entry.span_id)
        self.outcome(answer.outcome, answer.detail)

    def faulted(self, faults: Sequence[Fault], session: Session) -> None:
        """Tell which faults have struck the call."""
        self.live.set({semconv.AGENTTRACE_FAULT: " ".join(fault.name for fault in faults)})
        _hide_in(self.live, session)

    def outcome(self, outcome: str, detail: str = "") -> None:
        """Tell how replay answered the call."""
        tell_outcome(self.live, outcome, detail)

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


def tell_replayed(live: LiveSpan, session: Session, trace_id: str, span_id: str) -> None:
    """Tell on a span which recorded one it comes from; it is exported only if that is asked for."""
    live.set({semconv.AGENTTRACE_REPLAY_MODE: session.mode})
    _link(live, trace_id, span_id, "replayed_from")
    _hide_in(live, session)


def _link(live: LiveSpan, trace_id: str, span_id: str, kind: str) -> None:
    live.add_link(trace_id, span_id, {semconv.AGENTTRACE_LINK_TYPE: kind})


def _hide_in(live: LiveSpan, session: Session) -> None:
    if not session.options.export_replay and session.mode == "none":
        live.hide()


def tell_outcome(live: LiveSpan, outcome: str, detail: str = "") -> None:
    """Tell on a span how replay answered; what differed is content, which is not exported."""
    live.set({semconv.AGENTTRACE_REPLAY_OUTCOME: outcome})
    if detail:
        live.content[semconv.AGENTTRACE_REPLAY_DETAIL] = detail


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
