"""Messages on exported spans and events, only when they are asked for. The cassette never depends on it."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, compact
from otel_agenttrace.model import AttributeValue, InferenceRequest, InferenceResponse, Message
from otel_agenttrace.spans import SCOPE, VERSION

if TYPE_CHECKING:
    from otel_agenttrace.spans import LiveSpan

__all__ = ["CONTENT_SWITCH", "Capture", "capture_from", "content_attributes", "export_content", "is_captured", "tell"]

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


def content_attributes(asked: InferenceRequest, response: InferenceResponse) -> dict[str, AttributeValue]:
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
    capture = capture_from(os.environ)
    if span.adopted or not (capture.on_spans or capture.on_events):
        return
    export_content(span, content_attributes(asked, response), capture)


def export_content(span: LiveSpan, attributes: Mapping[str, AttributeValue], capture: Capture | None = None) -> None:
    """Export content attributes as the switch says."""
    capture = capture or capture_from(os.environ)
    if capture.on_spans and span.otel.is_recording():
        exported: Any = attributes
        span.otel.set_attributes(exported)
    if capture.on_events:
        _emit_event(span, {**span.attributes, **attributes})


def _emit_event(span: LiveSpan, attributes: Mapping[str, AttributeValue]) -> None:
    from opentelemetry._logs import SeverityNumber, get_logger
    from opentelemetry.trace import set_span_in_context

    logger = get_logger(SCOPE, VERSION, schema_url=semconv.SCHEMA_URL)
    told: Any = dict(_plain(attributes))
    logger.emit(
        context=set_span_in_context(span.otel),
        severity_number=SeverityNumber.DEBUG,
        attributes=told,
        event_name=semconv.EVENT_GEN_AI_CLIENT_INFERENCE_OPERATION_DETAILS,
    )


def _plain(attributes: Mapping[str, AttributeValue]) -> Iterable[tuple[str, AttributeValue]]:
    return ((name, value) for name, value in attributes.items() if not name.startswith("agenttrace."))
