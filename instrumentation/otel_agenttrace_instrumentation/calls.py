"""One logical call from its first attempt to the end of its last body: one span, one line in the cassette.

The wrapper around an SDK's `request` opens a pending call; the tap under it hands over each HTTP attempt. A request
with no call open is a call of its own.
"""

from __future__ import annotations

import inspect
import itertools
import os
import time
import weakref
from collections import deque
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, cast
from urllib.parse import urlsplit

from opentelemetry import trace as otel_trace

from otel_agenttrace import semconv
from otel_agenttrace.cassette.writer import RecordedCall
from otel_agenttrace.errors import ReplayExhausted
from otel_agenttrace.jsonvalue import Json, obj, parse
from otel_agenttrace.matching import Requested, requested
from otel_agenttrace.model import (
    AttributeValue,
    Call,
    End,
    Exchange,
    HttpRequest,
    InferenceRequest,
    InferenceResponse,
    Outcome,
)
from otel_agenttrace.playback.player import Claim
from otel_agenttrace.sessions import Session, current_session
from otel_agenttrace.spans import LiveSpan, active_span, adopt_span, open_span
from otel_agenttrace.wire.routes import Route, route
from otel_agenttrace.wire.sse import json_events
from otel_agenttrace_instrumentation import content, metrics
from otel_agenttrace_instrumentation.attempts import Attempt
from otel_agenttrace_instrumentation.border import observe

__all__ = ["LogicalCall", "Wanted", "current_call", "end_later", "finish_abandoned", "finish_open_calls"]

current_call: Final[ContextVar[LogicalCall | None]] = ContextVar("otel_agenttrace_call", default=None)
_tickets = itertools.count()
_open_calls: dict[int, LogicalCall] = {}
_abandoned: deque[tuple[Attempt, End]] = deque()
_adopted: weakref.WeakSet[Any] = weakref.WeakSet()

_CONTENT: Final = frozenset({"messages", "input", "prompt", "system", "instructions", "tools"})
_LLM_KINDS: Final = frozenset({"LLM", "EMBEDDING"})
_OLD_REQUEST_TYPES: Final = frozenset({"chat", "completion", "embedding"})


@dataclass(frozen=True, slots=True)
class Wanted:
    """A request as it stands before it is sent."""

    method: str
    url: str
    content_type: str
    body: bytes


class LogicalCall:
    """A call that is under way.

    `library` is the SDK that makes it, None for a bare HTTP client. `given` is the body as the SDK has it, which saves
    parsing the request where nothing is recorded.
    """

    def __init__(self, library: str | None, given: Json = None) -> None:
        finish_abandoned()
        self.library = library
        self._given = given
        self.ticket = next(_tickets)
        self.start_ns = time.time_ns()
        self.session: Session | None = None
        self.claim: Claim | None = None
        self.span: LiveSpan | None = None
        self.error: BaseException | None = None
        self.interrupt: BaseException | None = None
        self._place = _NOWHERE
        self._route: Route | None = None
        self._asked: InferenceRequest | None = None
        self._requested: Requested | None = None
        self._attempts: list[Attempt] = []
        self._open = 0
        self._is_returned = library is None
        self._is_finished = False
        self._lane = ""

    # --- attempts ---------------------------------------------------------------------------------------------------

    def attempt(self, wanted: Wanted) -> tuple[Attempt | None, Exchange | None]:
        """Return the collector of an attempt, and the recorded answer if there is one.

        Neither, if nobody is interested. Raises what replay has to say: a miss is told again to each retry.
        """
        if self.interrupt is not None:
            raise self.interrupt
        if not self._attempts:
            self._begin(wanted)
        if self.session is None and self._route is None:
            return None, None
        attempt = Attempt(self._request(wanted), self._attempt_ended, keep=self._keeps_bodies())
        self._attempts.append(attempt)
        self._open += 1
        _open_calls[id(self)] = self
        return attempt, self._answer()

    def _begin(self, wanted: Wanted) -> None:
        self.session = self._session_for(wanted)
        self._place = _place(wanted.method, wanted.url)
        self._route = self._place.route
        if self._route is None and self.session is None:
            return
        body = self._given if self.session is None and self._given is not None else _parsed(wanted)
        self._asked = observe(lambda: self._decoded(body))
        if self.session is not None:
            self.session.on_drain(finish_abandoned)
            self._requested = requested(
                wanted.method, wanted.url, wanted.content_type, wanted.body, self.session.redactor, body
            )
        self.span = observe(lambda: self._open_span(wanted))
        if self.session is not None and self._requested is not None:
            self._ask(self.session, self._requested)

    def _session_for(self, wanted: Wanted) -> Session | None:
        """Return the session in force, unless the URL policy keeps the request from it.

        Raises:
            EgressBlocked: If the policy blocks the request.
        """
        session = current_session()
        verdict = session.options.policy.verdict(wanted.url) if session is not None else "record"
        if session is not None and verdict == "block":
            self.interrupt = session.blocked(wanted.url, _call_site())
            raise self.interrupt
        return session if verdict == "record" else None

    def _ask(self, session: Session, asked: Requested) -> None:
        owner = active_span()
        self._lane = owner.path if owner is not None else ""
        try:
            self.claim = session.ask(asked, self._lane, _call_site, is_api=self._route is not None)
        except BaseException as error:
            self.interrupt = error
            if self.span is not None:
                self.span.set({semconv.AGENTTRACE_REPLAY_OUTCOME: "miss"})
            raise

    def _request(self, wanted: Wanted) -> HttpRequest:
        if self.session is None or self._requested is None:
            return HttpRequest(wanted.method, "", wanted.url)
        if not self._attempts:
            return self._requested.request
        redactor = self.session.redactor
        return requested(wanted.method, wanted.url, wanted.content_type, wanted.body, redactor).request

    def _keeps_bodies(self) -> bool:
        return self.session is not None or bool(self._route and self._route.codec.operation)

    def _answer(self) -> Exchange | None:
        """Return the recorded answer to the newest attempt.

        Raises:
            ReplayExhausted: If the recorded call made fewer attempts.
        """
        if self.claim is None or self.session is None:
            return None
        index = len(self._attempts) - 1
        if index < len(self.claim.attempts):
            return self.claim.attempts[index]
        self.interrupt = ReplayExhausted(
            f"The recorded call was answered after {len(self.claim.attempts)} attempts; attempt {index + 1} has no "
            f"answer.\n  at       {_call_site()}\n  cassette {self.session.path}\n  to fix   record it again"
        )
        self.session.misses.append(self.interrupt)
        raise self.interrupt

    def _attempt_ended(self, attempt: Attempt) -> None:
        self._open -= 1
        if self.span is not None and self.span.adopted:
            observe(lambda: self._describe(attempt))
        self._finish_if_done()

    def returned(self, error: BaseException | None = None) -> None:
        """Take the end of the SDK's `request`; a stream may still be open."""
        self._is_returned = True
        self.error = error
        if error is not None and self._open:
            self._end_open_attempts("closed")
        self._finish_if_done()

    def _end_open_attempts(self, end: Any) -> None:
        for attempt in self._attempts:
            attempt.finish(end)

    # --- the span ---------------------------------------------------------------------------------------------------

    def _decoded(self, body: Json) -> InferenceRequest | None:
        """Return what a request asks; its messages are read only where they are exported."""
        found = self._route
        if found is None or not found.codec.operation:
            return None
        asked = obj(body)
        if not content.is_captured():
            asked = {name: value for name, value in asked.items() if name not in _CONTENT}
        return found.codec.decode_request(asked)

    def _open_span(self, wanted: Wanted) -> LiveSpan:
        attributes = self._start_attributes(wanted)
        adopted = _adoptable_span() if self._asked is not None else None
        if adopted is not None:
            span = adopt_span(adopted, self.start_ns)
            span.set(attributes)
            if self.session is not None:
                self.session.claim_span(span.head.span_id)
            return span
        return open_span(
            self._span_name(wanted), attributes, kind="CLIENT", start_ns=self.start_ns, exported=self._route is not None
        )

    def _span_name(self, wanted: Wanted) -> str:
        if self._asked is None:
            return f"{wanted.method} {self._place.path}" if self._route else wanted.method
        return f"{self._asked.operation} {self._asked.model}" if self._asked.model else self._asked.operation

    def _start_attributes(self, wanted: Wanted) -> Mapping[str, AttributeValue]:
        attributes: dict[str, AttributeValue] = {
            semconv.SERVER_ADDRESS: self._place.address,
            semconv.SERVER_PORT: self._place.port,
        }
        if self._asked is None or self._route is None:
            return {**attributes, "http.request.method": wanted.method}
        return {
            semconv.GEN_AI_OPERATION_NAME: self._asked.operation,
            semconv.GEN_AI_PROVIDER_NAME: self._route.provider,
            semconv.GEN_AI_REQUEST_MODEL: self._asked.model,
            semconv.GEN_AI_REQUEST_STREAM: True if self._asked.stream else None,
            **attributes,
            **self._asked.parameters,
        }

    def _describe(self, attempt: Attempt) -> InferenceResponse | None:
        """Tell the span what the response says."""
        if self.span is None:
            return None
        if self._asked is None or self._route is None:
            self.span.set({"http.response.status_code": attempt.status})
            return None
        response = _decode(self._route, attempt)
        streamed = attempt.content_type == "text/event-stream" and attempt.first_chunk_ns is not None
        usage = response.usage
        self.span.set(
            {
                semconv.GEN_AI_RESPONSE_ID: response.id,
                semconv.GEN_AI_RESPONSE_MODEL: response.model,
                semconv.GEN_AI_RESPONSE_FINISH_REASONS: response.finish_reasons or None,
                semconv.GEN_AI_USAGE_INPUT_TOKENS: usage.input_tokens,
                semconv.GEN_AI_USAGE_OUTPUT_TOKENS: usage.output_tokens,
                semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS: usage.cache_read_input_tokens,
                semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS: usage.cache_write_input_tokens,
                semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS: usage.reasoning_output_tokens,
                semconv.GEN_AI_RESPONSE_TIME_TO_FIRST_CHUNK: self._time_to_first_chunk_s(attempt) if streamed else None,
                **response.attributes,
            }
        )
        return response

    def _time_to_first_chunk_s(self, attempt: Attempt) -> float:
        return (attempt.start_ns - self.start_ns + (attempt.first_chunk_ns or 0)) / 1e9

    # --- the end ----------------------------------------------------------------------------------------------------

    def _finish_if_done(self) -> None:
        if self._is_returned and self._open == 0 and not self._is_finished:
            self._is_finished = True
            _open_calls.pop(id(self), None)
            observe(self._finish)
            self._attempts.clear()  # an attempt refers to its call: bodies would wait for the garbage collector

    def finish_now(self) -> None:
        """End the call where it stands: its session ends."""
        self._is_returned = True
        self._end_open_attempts("abandoned")

    def _finish(self) -> None:
        if self.span is None:
            return
        last = self._attempts[-1] if self._attempts else None
        response = self._describe(last) if last is not None else None
        self._judge(self.span, last, response)
        end_ns = max(last.end_ns if last is not None else 0, 0 if self.library is None else self._returned_ns(last))
        if response is not None and self._asked is not None and self.claim is None and last is not None:
            metrics.record(self.span, self._asked, last, end_ns)
        if response is not None and self._asked is not None:
            content.tell(self.span, self._asked, response)
        if self.session is not None and self.claim is not None:
            self._end_replayed(self.session, self.claim, end_ns)
        else:
            self.span.end(self.session, end_ns, self._recorded())
            self._note_live()

    def _returned_ns(self, last: Attempt | None) -> int:
        """Return when the call was over: with its body, or with the error of the SDK."""
        return time.time_ns() if last is None or self.error is not None else last.end_ns

    def _judge(self, span: LiveSpan, last: Attempt | None, response: InferenceResponse | None) -> None:
        error = self.error or (last.error if last is not None else None)
        if error is not None:
            span.fail(_error_type(error), str(error))
        elif response is not None and response.error_type:
            span.fail(response.error_type, "")
        elif last is not None and last.status is not None and last.status >= 400:
            span.fail(str(last.status), "")

    def _recorded(self) -> RecordedCall | None:
        if self.session is None or self._requested is None or not self._attempts or not self.session.is_recording:
            return None
        redactor = self.session.redactor
        attempts = tuple(attempt.exchange(redactor) for attempt in self._attempts)
        call = Call(self._requested.key, attempts, self._lane, self.ticket)
        return RecordedCall(call, self._requested)

    def _note_live(self) -> None:
        if self.session is not None and self.span is not None and self._requested is not None and self._attempts:
            self.session.note(Outcome("live", self.span.head.span_id, None, self._requested.key))

    def _end_replayed(self, session: Session, claim: Claim, end_ns: int) -> None:
        if self.span is None:
            return
        missing = len(claim.attempts) - len(self._attempts)
        outcome = "drift" if missing else claim.outcome
        detail = f"{missing} recorded attempts were not asked for" if missing else claim.detail
        self.span.set(
            {
                semconv.AGENTTRACE_REPLAY_OUTCOME: outcome,
                semconv.AGENTTRACE_REPLAY_MODE: session.mode,
                semconv.AGENTTRACE_REPLAY_DETAIL: detail or None,
            }
        )
        entry = claim.entry
        self.span.add_link(entry.trace_id, entry.span_id, {semconv.AGENTTRACE_LINK_TYPE: "replayed_from"})
        if not session.options.export_replay and session.mode == "none":
            self.span.hide()
        self.span.end(session, end_ns)
        session.note(Outcome(outcome, self.span.head.span_id, entry.span_id, entry.key, detail))


# --- what calls are made of ---------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Place:
    """Where a request goes."""

    route: Route | None
    address: str
    port: int
    path: str


_NOWHERE: Final = _Place(None, "", 0, "")


@lru_cache(maxsize=256)
def _place(method: str, url: str) -> _Place:
    parts = urlsplit(url)
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return _Place(route(method, url), parts.hostname or "", port, parts.path)


def _parsed(wanted: Wanted) -> Json:
    if not wanted.body or "json" not in wanted.content_type:
        return None
    try:
        return parse(wanted.body)
    except (ValueError, RecursionError):
        return None


def _decode(found: Route, attempt: Attempt) -> InferenceResponse:
    body = b"".join(data for _, data in attempt.decoded())
    if attempt.content_type == "text/event-stream":
        return found.codec.decode_stream(json_events(body))
    if "json" not in attempt.content_type:
        return InferenceResponse()
    try:
        return found.codec.decode_response(obj(parse(body)))
    except (ValueError, RecursionError):  # cut off, or not what it says it is
        return InferenceResponse()


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


def _error_type(error: BaseException) -> str:
    kind = type(error)
    module = "" if kind.__module__ == "builtins" else f"{kind.__module__.partition('.')[0]}."
    return f"{module}{kind.__qualname__}"


def _call_site() -> str:
    """Return file and line of the code that made the call: the innermost frame that is no library's."""
    frame = inspect.currentframe()
    found = ""
    while frame is not None:
        path = frame.f_code.co_filename
        if not _is_library(path):
            found = f"{os.path.relpath(path)}:{frame.f_lineno}"
            break
        frame = frame.f_back
    owner = active_span()
    told = f", span {owner.head.name!r}" if owner is not None else ""
    return (found or "(no frame of yours)") + told


def _is_library(path: str) -> bool:
    return (
        path.startswith((_HERE, _CORE, "<"))
        or "site-packages" in path
        or "dist-packages" in path
        or (f"{os.sep}lib{os.sep}python" in path)
    )


_HERE: Final = str(Path(__file__).parent)
_CORE: Final = str(Path(semconv.__file__).parent)


def end_later(attempt: Attempt, end: End) -> None:
    """Queue the end of an attempt: a finaliser may take no lock and write nothing."""
    _abandoned.append((attempt, end))


def finish_abandoned() -> None:
    """End the attempts that finalisers have queued."""
    while _abandoned:
        try:
            attempt, end = _abandoned.popleft()
        except IndexError:  # another thread was faster
            return
        attempt.finish(end)


def finish_open_calls(session: Session) -> None:
    """End the calls of a session whose bodies are still open."""
    finish_abandoned()
    for call in list(_open_calls.values()):
        if call.session is session:
            call.finish_now()


def _forget_after_fork() -> None:
    _open_calls.clear()
    _abandoned.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
