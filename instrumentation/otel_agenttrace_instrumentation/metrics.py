"""The client metrics of the GenAI conventions, for calls that went live. A finished call in, measurements out."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from opentelemetry import metrics as otel_metrics

from otel_agenttrace import semconv
from otel_agenttrace.model import SCOPE, VERSION, AttributeValue, InferenceRequest
from otel_agenttrace.spans import telemetry

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from otel_agenttrace.spans import LiveSpan
    from otel_agenttrace_instrumentation.attempts import Attempt

__all__ = ["record"]

_COMMON: Final = (
    semconv.GEN_AI_OPERATION_NAME,
    semconv.GEN_AI_PROVIDER_NAME,
    semconv.GEN_AI_REQUEST_MODEL,
    semconv.GEN_AI_RESPONSE_MODEL,
    semconv.SERVER_ADDRESS,
    semconv.SERVER_PORT,
)
_INFERENCES: Final = frozenset(
    {semconv.OPERATION_CHAT, semconv.OPERATION_GENERATE_CONTENT, semconv.OPERATION_TEXT_COMPLETION}
)
"""Operations that the metrics of inference measure; of the others the conventions know the duration alone."""

_TOKENS: Final = (
    (semconv.GEN_AI_USAGE_INPUT_TOKENS, "gen_ai.client.inference.usage.input_tokens"),
    (semconv.GEN_AI_USAGE_OUTPUT_TOKENS, "gen_ai.client.inference.usage.output_tokens"),
    (semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, "gen_ai.client.inference.usage.cache_read.input_tokens"),
    (semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS, "gen_ai.client.inference.usage.cache_write.input_tokens"),
    (semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, "gen_ai.client.inference.usage.reasoning.output_tokens"),
)
_TOKEN_HISTOGRAMS: Final = (
    (semconv.GEN_AI_USAGE_INPUT_TOKENS, "gen_ai.client.inference.operation.input_tokens"),
    (semconv.GEN_AI_USAGE_OUTPUT_TOKENS, "gen_ai.client.inference.operation.output_tokens"),
)


class _Instruments:
    """The instruments of one meter provider, made on first use."""

    def __init__(self, provider: MeterProvider | None) -> None:
        self.provider = provider
        self._meter = otel_metrics.get_meter(SCOPE, VERSION, provider, semconv.SCHEMA_URL)
        self._made: dict[str, Any] = {}

    def add(self, name: str, value: float, attributes: Mapping[str, AttributeValue]) -> None:
        """Count on a counter."""
        self._made_of(name).add(value, attributes)

    def observe(self, name: str, value: float, attributes: Mapping[str, AttributeValue]) -> None:
        """Measure on a histogram."""
        self._made_of(name).record(value, attributes)

    def _made_of(self, name: str) -> Any:
        made = self._made.get(name)
        if made is None:
            made = self._made[name] = self._make(name)
        return made

    def _make(self, name: str) -> Any:
        metric = semconv.METRICS[name]
        if metric.instrument == "counter":
            return self._meter.create_counter(name, unit=metric.unit, description=metric.description)
        return self._meter.create_histogram(
            name,
            unit=metric.unit,
            description=metric.description,
            explicit_bucket_boundaries_advisory=metric.boundaries,
        )


_instruments: list[_Instruments] = []


def _current() -> _Instruments:
    if not _instruments or _instruments[0].provider is not telemetry.meter_provider:
        _instruments[:] = [_Instruments(telemetry.meter_provider)]
    return _instruments[0]


def _is_heard() -> bool:
    """Whether a meter provider is set: the API's own stand-ins only cost time."""
    provider = telemetry.meter_provider or otel_metrics.get_meter_provider()
    return not type(provider).__module__.startswith("opentelemetry.metrics")


def record(span: LiveSpan, asked: InferenceRequest, last: Attempt, end_ns: int) -> None:
    """Measure a live call to a model: duration, time to first chunk, tokens."""
    if not _is_heard():
        return
    instruments = _current()
    held = span.attributes
    judged = telemetry.exported({name: held[name] for name in (*_COMMON, semconv.ERROR_TYPE) if name in held})
    common = {name: value for name, value in judged.items() if name != semconv.ERROR_TYPE}
    duration_s = (end_ns - span.head.start_ns) / 1e9
    if asked.operation not in _INFERENCES:
        instruments.observe("gen_ai.client.operation.duration", duration_s, judged)
        return
    instruments.observe("gen_ai.client.inference.duration", duration_s, judged)
    if asked.stream and last.first_chunk_ns is not None:
        _record_stream(instruments, common, last)
    for attribute, counter in _TOKENS:
        if isinstance(tokens := held.get(attribute), int):
            instruments.add(counter, tokens, {**common, semconv.GEN_AI_TOKEN_MODALITY: "unknown"})
    for attribute, histogram in _TOKEN_HISTOGRAMS:
        if isinstance(tokens := held.get(attribute), int):
            instruments.observe(histogram, tokens, judged)


def _record_stream(instruments: _Instruments, common: Mapping[str, AttributeValue], last: Attempt) -> None:
    offsets = [offset for offset, _ in last.chunks]
    instruments.observe("gen_ai.client.inference.time_to_first_chunk", (last.first_chunk_ns or 0) / 1e9, common)
    for before, after in pairwise(offsets):
        instruments.observe("gen_ai.client.inference.time_per_output_chunk", (after - before) / 1e9, common)
