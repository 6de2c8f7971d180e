"""Messages on exported spans and events, only when they are asked for. The cassette never depends on it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, parse
from otel_agenttrace.model import SCOPE, VERSION, InferenceRequest, InferenceResponse
from otel_agenttrace.redact.findings import FAILED_TEXT
from otel_agenttrace.spans import telemetry
from otel_agenttrace.wire.telling import content_attributes

if TYPE_CHECKING:
    from otel_agenttrace.spans import LiveSpan

__all__ = [
    "CONTENT_SWITCH",
    "Capture",
    "capture_from",
    "emit_details",
    "export_content",
    "is_captured",
    "tell",
]

CONTENT_SWITCH: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"


@dataclass(frozen=True, slots=True)
class Capture:
    """Where content goes: attributes of exported spans, log events, both or nowhere."""

    on_spans: bool = False
    on_events: bool = False


_CHOICES: Final[Mapping[str, Capture]] = {
    "true": Capture(on_spans=True),
    "span_only": Capture(on_spans=True),
    "event_only": Capture(on_events=True),
    "span_and_event": Capture(on_spans=True, on_events=True),
}


def capture_from(environ: Mapping[str, str]) -> Capture:
    """Return what the content switch of the GenAI conventions says; anything it does not know means nowhere."""
    return _CHOICES.get(environ.get(CONTENT_SWITCH, "").strip().lower(), Capture())


def is_captured() -> bool:
    """Whether the content switch asks for messages anywhere."""
    capture = capture_from(os.environ)
    return capture.on_spans or capture.on_events


def tell(span: LiveSpan, asked: InferenceRequest, response: InferenceResponse) -> None:
    """Put the messages of a call where the switch says; never on a span that another instrumentation owns."""
    if not span.adopted and is_captured():
        written = content_attributes(asked, response)
        export_content(span, written)
        emit_details(span, written)


def export_content(span: LiveSpan, written: Mapping[str, str]) -> None:
    """Put content on an exported span, as JSON strings, if the switch says so."""
    if capture_from(os.environ).on_spans and span.otel.is_recording():
        span.otel.set_attributes(telemetry.exported(written))


def emit_details(span: LiveSpan, written: Mapping[str, str]) -> None:
    """Emit the one event that tells an inference with its content, in structured form, if the switch says so."""
    operation = span.attributes.get(semconv.GEN_AI_OPERATION_NAME)
    if not capture_from(os.environ).on_events or operation not in semconv.INFERENCE_OPERATIONS:
        return
    from opentelemetry._logs import SeverityNumber, get_logger
    from opentelemetry.trace import set_span_in_context

    logger = get_logger(SCOPE, VERSION, schema_url=semconv.SCHEMA_URL)
    plain = {name: value for name, value in span.attributes.items() if not name.startswith("agenttrace.")}
    structured = {name: _structured(value) for name, value in telemetry.exported(written).items()}
    told: Any = {**telemetry.exported(plain), **structured}
    logger.emit(
        context=set_span_in_context(span.otel),
        severity_number=SeverityNumber.DEBUG,
        attributes=told,
        event_name=semconv.EVENT_GEN_AI_CLIENT_INFERENCE_OPERATION_DETAILS,
    )


def _structured(written: str) -> Json:
    """Return what a JSON text tells, and the text that is left of content in which a detector failed."""
    return written if written == FAILED_TEXT else parse(written)
