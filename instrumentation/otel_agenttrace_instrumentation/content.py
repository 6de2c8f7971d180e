"""Messages on exported spans and events, only when they are asked for. The cassette never depends on it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, compact, parse
from otel_agenttrace.model import SCOPE, VERSION, InferenceRequest, InferenceResponse, Message
from otel_agenttrace.redact.findings import FAILED_TEXT
from otel_agenttrace.spans import telemetry

if TYPE_CHECKING:
    from otel_agenttrace.spans import LiveSpan

__all__ = [
    "CONTENT_SWITCH",
    "Capture",
    "capture_from",
    "content_attributes",
    "emit_details",
    "export_content",
    "is_captured",
    "message_json",
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


def content_attributes(asked: InferenceRequest, response: InferenceResponse) -> dict[str, str]:
    """Return the four content attributes as JSON strings, leaving out what is empty."""
    values: dict[str, Json] = {
        semconv.GEN_AI_INPUT_MESSAGES: [message_json(message) for message in asked.input_messages],
        semconv.GEN_AI_OUTPUT_MESSAGES: [message_json(message) for message in response.output_messages],
        semconv.GEN_AI_SYSTEM_INSTRUCTIONS: list(asked.system_instructions),
        semconv.GEN_AI_TOOL_DEFINITIONS: list(asked.tool_definitions),
    }
    return {name: compact(value) for name, value in values.items() if value}


def message_json(message: Message) -> Json:
    """Return a message in the form of the conventions."""
    told: dict[str, Json] = {"role": message.role, "parts": list(message.parts)}
    if message.name is not None:
        told["name"] = message.name
    if message.finish_reason is not None:
        told["finish_reason"] = message.finish_reason
    return told


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
