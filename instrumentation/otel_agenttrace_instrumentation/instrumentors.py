"""Instrumentors as OpenTelemetry knows them: `AgentTraceInstrumentor().instrument(tracer_provider=…)` gives spans."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from otel_agenttrace_instrumentation import seams

__all__ = ["AgentTraceInstrumentor", "AnthropicInstrumentor", "HttpxInstrumentor", "OpenAIInstrumentor"]


class AgentTraceInstrumentor(BaseInstrumentor):
    """Spans and metrics for each call to a model. `uninstrument` restores the very same objects."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return no demands: an SDK is patched when the program imports it."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        from otel_agenttrace.spans import telemetry

        telemetry.tracer_provider = kwargs.get("tracer_provider")
        telemetry.meter_provider = kwargs.get("meter_provider")
        telemetry.spans_on = True
        seams.install()

    def _uninstrument(self, **kwargs: Any) -> None:
        from otel_agenttrace.spans import telemetry

        telemetry.tracer_provider = None
        telemetry.meter_provider = None
        seams.uninstall()


class _Switch(BaseInstrumentor):
    """A name to disable our spans by; the seams themselves are installed once, for all SDKs."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return no demands: an SDK is patched when the program imports it."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        seams.install()

    def _uninstrument(self, **kwargs: Any) -> None:
        seams.uninstall()


class OpenAIInstrumentor(_Switch):
    """`agenttrace_openai`."""


class AnthropicInstrumentor(_Switch):
    """`agenttrace_anthropic`."""


class HttpxInstrumentor(_Switch):
    """`agenttrace_httpx`."""
