"""A span on both sides: in the user's OpenTelemetry provider, and in the cassette of the session.

Where there is no provider, or sampling is off, the cassette still gets the span, with ids of our own.
"""

from __future__ import annotations

import atexit
import os
import random
import time
from collections import deque
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry import context as otel_context
from opentelemetry import trace as otel_trace
from opentelemetry.trace import SpanContext, TraceFlags

from otel_agenttrace import semconv
from otel_agenttrace.model import SCOPE, VERSION, AttributeValue, Call, Event, Link, Span, SpanKind, SpanStatus

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider
    from opentelemetry.trace import Tracer, TracerProvider

    from otel_agenttrace.cassette.writer import RecordedCall
    from otel_agenttrace.redact import Redactor
    from otel_agenttrace.redaction import RedactionRules
    from otel_agenttrace.sessions import Session

__all__ = [
    "LiveSpan",
    "Telemetry",
    "active_span",
    "adopt_span",
    "attached",
    "end_dropped",
    "end_later",
    "open_span",
    "telemetry",
]


@dataclass(slots=True)
class Telemetry:
    """Where spans and metrics go: the providers given by hand, else the global ones; and what they may not say.

    `rules` are those of the settings, for what is exported while no session is in force; None until they are read.
    """

    tracer_provider: TracerProvider | None = None
    meter_provider: MeterProvider | None = None
    spans_on: bool = True
    rules: RedactionRules | None = None
    _tracer: tuple[TracerProvider, Tracer] | None = None

    def tracer(self) -> Tracer:
        """Return our tracer; making one costs as much as a span."""
        provider = self.tracer_provider or otel_trace.get_tracer_provider()
        if self._tracer is None or self._tracer[0] is not provider:
            self._tracer = provider, provider.get_tracer(SCOPE, VERSION, semconv.SCHEMA_URL)
        return self._tracer[1]

    def redactor(self) -> Redactor:
        """Return what everything of ours passes before it is exported."""
        from otel_agenttrace.in_force import redactor_in_force

        return redactor_in_force(self.rules)

    def exported(self, attributes: Mapping[str, AttributeValue]) -> Any:
        """Return attributes as they may be exported: without secrets."""
        from otel_agenttrace.redact.spans import redacted_values

        return redacted_values(attributes, self.redactor())


telemetry: Final = Telemetry()
"""The one telemetry of this process."""

_random = random.Random()  # noqa: S311 - ids, not secrets
if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_random.seed)

_KINDS: Final[Mapping[SpanKind, otel_trace.SpanKind]] = {
    "INTERNAL": otel_trace.SpanKind.INTERNAL,
    "SERVER": otel_trace.SpanKind.SERVER,
    "CLIENT": otel_trace.SpanKind.CLIENT,
    "PRODUCER": otel_trace.SpanKind.PRODUCER,
    "CONSUMER": otel_trace.SpanKind.CONSUMER,
}
_NOTHING: Final[Mapping[str, AttributeValue]] = {}
_active: ContextVar[LiveSpan | None] = ContextVar("otel_agenttrace_span", default=None)


@dataclass(slots=True)
class SpanHead:
    """What of a span is known when it starts; ids are lower-case hex."""

    trace_id: str
    span_id: str
    parent_span_id: str | None
    name: str
    kind: SpanKind
    start_ns: int
    scope: str = SCOPE
    scope_version: str = VERSION
    schema_url: str = semconv.SCHEMA_URL


class LiveSpan:
    """A span that is open. `attributes` go to both sides, `content` to the cassette only; `read_call` gives a replayed exchange."""

    def __init__(
        self,
        otel: otel_trace.Span,
        head: SpanHead,
        attributes: dict[str, AttributeValue],
        path: str,
        *,
        under: SpanContext,
        adopted: bool = False,
    ) -> None:
        self.otel = otel
        self.path = path
        self.under = under
        self.adopted = adopted
        self.attributes = attributes
        self.content: dict[str, AttributeValue] = {}
        self.read_call: Callable[[], Call] | None = None
        self.head = head
        self._events: list[Event] = []
        self._links: list[Link] = []
        self._children: dict[str, int] = {}
        self._status: tuple[SpanStatus, str] = ("UNSET", "")

    def child_path(self, name: str) -> str:
        """Return the path of the next child of this name: the lane of the calls under it."""
        ordinal = self._children.get(name, 0)
        self._children[name] = ordinal + 1
        return f"{self.path}/{name}#{ordinal}"

    def set(self, attributes: Mapping[str, AttributeValue]) -> None:
        """Set attributes; None values are left out, and on an adopted span only what is missing is filled."""
        held = self._held() if self.adopted else _NOTHING
        fresh = {name: value for name, value in attributes.items() if value is not None and name not in held}
        self.attributes.update(fresh)
        if fresh and self.otel.is_recording():
            self.otel.set_attributes(telemetry.exported(fresh))

    def _held(self) -> Mapping[str, AttributeValue]:
        return cast("Mapping[str, AttributeValue]", getattr(self.otel, "attributes", None) or {})

    def add_event(self, name: str, attributes: Mapping[str, AttributeValue]) -> None:
        """Add an event to both sides."""
        self._events.append(Event(name, time.time_ns(), attributes))
        if self.otel.is_recording():
            self.otel.add_event(name, telemetry.exported(attributes))

    def add_link(self, trace_id: str, span_id: str, attributes: Mapping[str, AttributeValue]) -> None:
        """Add a link to another span on both sides."""
        self._links.append(Link(trace_id, span_id, attributes))
        if self.otel.is_recording():
            target = SpanContext(int(trace_id, 16), int(span_id, 16), is_remote=True, trace_flags=TraceFlags(1))
            self.otel.add_link(target, telemetry.exported(attributes))

    def fail(self, error_type: str, message: str, *, is_exported: bool = True) -> None:
        """Mark the span as failed, by the class or code of the error; an adopted span keeps its own verdict.

        Args:
            error_type: The class or code.
            message: What it says.
            is_exported: Whether the exported span says so too: a provider's message may hold what it was asked.
        """
        self._status = ("ERROR", message)
        self.set({semconv.ERROR_TYPE: error_type})
        if self.otel.is_recording() and not self.adopted:
            description = telemetry.redactor().redact_text(message) if is_exported else None
            self.otel.set_status(otel_trace.Status(otel_trace.StatusCode.ERROR, description))

    def hide(self) -> None:
        """Keep the span from being exported: processors still see it, exporters drop what is not sampled."""
        held = self.otel.get_span_context()
        if held.is_valid and self.otel.is_recording():
            hidden = SpanContext(held.trace_id, held.span_id, held.is_remote, TraceFlags(0), held.trace_state)
            vars(self.otel)["_context"] = hidden

    def end(self, session: Session | None, end_ns: int | None = None, recorded: RecordedCall | None = None) -> None:
        """End the span on both sides, unless it is another's, and hand it to the session."""
        ended = end_ns or time.time_ns()
        if not self.adopted:
            self.otel.end(ended)
        if session is not None:
            session.recorder.write(self.finished(ended), recorded)

    def finished(self, end_ns: int) -> Span:
        """Return the record of the span as it stands."""
        record = self.head
        held = self._held() if self.adopted else _NOTHING
        status, message = self._status
        return Span(
            trace_id=record.trace_id,
            span_id=record.span_id,
            name=record.name,
            start_ns=record.start_ns,
            end_ns=end_ns,
            parent_span_id=record.parent_span_id,
            kind=record.kind,
            attributes={**held, **self.attributes, **self.content},
            events=tuple(self._events),
            links=tuple(self._links),
            status=status,
            status_message=message,
            scope=record.scope,
            scope_version=record.scope_version,
            schema_url=record.schema_url,
            read_call=self.read_call,
        )


_later: deque[Callable[[], object]] = deque()


def end_later(end: Callable[[], object]) -> None:
    """Queue the end of a span: a finaliser may take no lock and write nothing."""
    _later.append(end)


def end_dropped() -> None:
    """End the spans that finalisers have queued."""
    while _later:
        try:
            end = _later.popleft()
        except IndexError:  # another thread was faster
            return
        end()


atexit.register(end_dropped)


def active_span() -> LiveSpan | None:
    """Return the innermost open span of ours in this context."""
    return _active.get()


@contextmanager
def attached(span: LiveSpan) -> Generator[None]:
    """Make a span the current one, on both sides, for the time of a block that does not yield to strangers."""
    visible = span.otel.get_span_context().is_valid
    token = otel_context.attach(otel_trace.set_span_in_context(span.otel)) if visible else None
    own = _active.set(span)
    try:
        yield
    finally:
        with suppress(ValueError):  # a block over a `yield` may end in another context than it began in
            _active.reset(own)
        if token is not None:
            otel_context.detach(token)


def open_span(
    name: str,
    attributes: Mapping[str, AttributeValue],
    *,
    kind: SpanKind = "INTERNAL",
    start_ns: int | None = None,
    exported: bool = True,
) -> LiveSpan:
    """Start a span of ours under the current one; one that is not exported is for the cassette only."""
    end_dropped()
    start = start_ns or time.time_ns()
    present: dict[str, AttributeValue] = {key: value for key, value in attributes.items() if value is not None}
    outer = otel_trace.get_current_span().get_span_context()
    parent = _active.get()
    otel = _start(name, kind, present, start) if exported else otel_trace.INVALID_SPAN
    given = otel.get_span_context()
    fresh = given.is_valid and given.span_id != outer.span_id
    above = _above(outer, parent)
    head = SpanHead(
        trace_id=f"{given.trace_id:032x}" if fresh else above[0] if above else f"{_random.getrandbits(128):032x}",
        span_id=f"{given.span_id:016x}" if fresh else f"{_random.getrandbits(64):016x}",
        parent_span_id=above[1] if above else None,
        name=name,
        kind=kind,
        start_ns=start,
    )
    return LiveSpan(otel, head, present, parent.child_path(name) if parent else f"/{name}", under=outer)


def _above(outer: SpanContext, parent: LiveSpan | None) -> tuple[str, str] | None:
    """Return trace and span id of the innermost open span, be it ours or another's."""
    if parent is not None and (outer == parent.under or _hex(outer)[1] == parent.head.span_id):
        return parent.head.trace_id, parent.head.span_id
    return _hex(outer) if outer.is_valid else None


def _start(name: str, kind: SpanKind, attributes: Mapping[str, AttributeValue], start_ns: int) -> otel_trace.Span:
    if not telemetry.spans_on:
        return otel_trace.INVALID_SPAN
    if not isinstance(telemetry.tracer(), otel_trace.NoOpTracer | otel_trace.ProxyTracer):  # somebody hears of it
        name, attributes = telemetry.redactor().redact_text(name), telemetry.exported(attributes)
    return telemetry.tracer().start_span(
        name, kind=_KINDS[kind], attributes=cast("Any", attributes), start_time=start_ns
    )


def _hex(context: SpanContext) -> tuple[str, str]:
    return f"{context.trace_id:032x}", f"{context.span_id:016x}"


def adopt_span(otel: otel_trace.Span, start_ns: int) -> LiveSpan:
    """Take over a span that another instrumentation opened for the same call; it keeps its name, ids and end."""
    sdk = cast("Any", otel)
    trace_id, span_id = _hex(otel.get_span_context())
    parent = getattr(sdk, "parent", None)
    scope = getattr(sdk, "instrumentation_scope", None)
    head = SpanHead(
        trace_id=trace_id,
        span_id=span_id,
        parent_span_id=_hex(parent)[1] if parent is not None else None,
        name=getattr(sdk, "name", ""),
        kind=getattr(getattr(sdk, "kind", None), "name", "CLIENT"),
        start_ns=getattr(sdk, "start_time", None) or start_ns,
        scope=getattr(scope, "name", ""),
        scope_version=getattr(scope, "version", "") or "",
        schema_url=getattr(scope, "schema_url", "") or "",
    )
    owner = _active.get()
    return LiveSpan(otel, head, {}, owner.path if owner else "", under=otel.get_span_context(), adopted=True)
