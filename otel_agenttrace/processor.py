"""Span processors: hand the spans of other instrumentations to the cassette, and open sessions where attached.

A processor cannot give a value back to a caller and never sees the messages. So the session records and serves; what
stands here opens it, and passes on the spans that are not ours.
"""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from opentelemetry.sdk.trace import SpanProcessor

from otel_agenttrace.in_force import open_sessions
from otel_agenttrace.model import SCOPE, AttributeValue, Event, Link, Span
from otel_agenttrace.sessions import Session
from otel_agenttrace_instrumentation.border import observe
from otel_agenttrace_instrumentation.opening import Opened, process_session

if TYPE_CHECKING:
    from opentelemetry.context import Context
    from opentelemetry.sdk.trace import ReadableSpan
    from opentelemetry.sdk.trace import Span as SdkSpan
    from opentelemetry.trace import SpanContext

__all__ = ["CassetteSpanProcessor", "ReplaySpanProcessor", "SpanHandover", "hand_over", "model_span", "watch_provider"]

_RELEVANT: Final = ("gen_ai.", "mcp.", "agenttrace.", "openinference.", "llm.", "traceloop.", "ai.", "langfuse.")


def hand_over(span: ReadableSpan, session: Session) -> None:
    """Write an ended span of another instrumentation if it tells of an agent, or stands above one that does."""
    scope = span.instrumentation_scope
    context = span.context
    if context is None or (scope is not None and scope.name == SCOPE):
        return
    names = span.attributes or {}
    if any(name.startswith(_RELEVANT) for name in names) or session.recorder.wants(f"{context.span_id:016x}"):
        session.recorder.offer(model_span(span))


def model_span(span: ReadableSpan) -> Span:
    """Return an ended span of the SDK as a span of ours."""
    context = cast("SpanContext", span.context)
    scope = span.instrumentation_scope
    return Span(
        trace_id=f"{context.trace_id:032x}",
        span_id=f"{context.span_id:016x}",
        parent_span_id=f"{span.parent.span_id:016x}" if span.parent is not None else None,
        name=span.name,
        kind=cast("Any", span.kind.name),
        start_ns=span.start_time or 0,
        end_ns=span.end_time,
        attributes=_values(span.attributes),
        events=tuple(Event(event.name, event.timestamp, _values(event.attributes)) for event in span.events),
        links=tuple(
            Link(f"{link.context.trace_id:032x}", f"{link.context.span_id:016x}", _values(link.attributes))
            for link in span.links
        ),
        status=cast("Any", span.status.status_code.name),
        status_message=span.status.description or "",
        scope=scope.name if scope is not None else "",
        scope_version=(scope.version or "") if scope is not None else "",
        schema_url=(scope.schema_url or "") if scope is not None else "",
    )


def _values(attributes: object) -> Mapping[str, AttributeValue]:
    return dict(cast("Mapping[str, AttributeValue]", attributes or {}))


class SpanHandover(SpanProcessor):
    """Hands ended spans to a session: the given one, else every one that is open."""

    def __init__(self, opened: Opened | None = None) -> None:
        self._opened = opened
        self.session = opened.session if opened is not None else None

    def on_start(self, span: SdkSpan, parent_context: Context | None = None) -> None:
        """Do nothing: a span is looked at when it ends."""

    def on_end(self, span: ReadableSpan) -> None:
        """Hand over an ended span."""
        for session in (self.session,) if self.session is not None else open_sessions():
            observe(lambda session=session: hand_over(span, session))

    def shutdown(self) -> None:
        """End the session this processor opened, if it did."""
        if self._opened is not None:
            self._opened.close()

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        """Do nothing: each span is written when it ends."""
        return True


class CassetteSpanProcessor(SpanHandover):
    """Records to a cassette from its construction to its `shutdown`: attach it to a provider, nothing else."""

    def __init__(self, path: str | Path) -> None:
        super().__init__(process_session(Path(path), "all"))


class ReplaySpanProcessor(SpanHandover):
    """Serves recorded calls from a cassette from its construction to its `shutdown`.

    Raises:
        CassetteError: If the cassette cannot be read.
    """

    def __init__(self, path: str | Path, *, export_replay: bool = False) -> None:
        super().__init__(process_session(Path(path), "none", export_replay=export_replay))


_watched: weakref.WeakSet[Any] = weakref.WeakSet()


def watch_provider(provider: object) -> None:
    """Have a provider hand its spans to whatever session is open; a provider that takes no processors is left alone."""
    add = getattr(provider, "add_span_processor", None)
    if add is not None and provider not in _watched:
        _watched.add(provider)
        add(SpanHandover())
