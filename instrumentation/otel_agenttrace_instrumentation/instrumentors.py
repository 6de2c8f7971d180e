"""Instrumentors as OpenTelemetry knows them: `AgentTraceInstrumentor().instrument(tracer_provider=…)` gives spans."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor

from otel_agenttrace_instrumentation import seams

__all__ = ["AgentTraceInstrumentor", "AnthropicInstrumentor", "HttpxInstrumentor", "OpenAIInstrumentor"]


class AgentTraceInstrumentor(BaseInstrumentor):
    """Spans and metrics for each call to a model.

    `uninstrument` restores the very same objects, unless a session is open: it goes on to record or to answer.
    """

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return no demands: an SDK is patched when the program imports it."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        from otel_agenttrace.spans import telemetry

        telemetry.tracer_provider = kwargs.get("tracer_provider")
        telemetry.meter_provider = kwargs.get("meter_provider")
        telemetry.spans_on = True
        seams.install(AgentTraceInstrumentor)

    def _uninstrument(self, **kwargs: Any) -> None:
        from otel_agenttrace.spans import telemetry

        telemetry.tracer_provider = None
        telemetry.meter_provider = None
        seams.uninstall(AgentTraceInstrumentor)


class _Switch(BaseInstrumentor):
    """A name to disable our spans by; the seams are the same for all SDKs, and stay while anybody holds them."""

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return no demands: an SDK is patched when the program imports it."""
        return ()

    def _instrument(self, **kwargs: Any) -> None:
        seams.install(type(self))

    def _uninstrument(self, **kwargs: Any) -> None:
        seams.uninstall(type(self))


class OpenAIInstrumentor(_Switch):
    """`agenttrace_openai`."""


class AnthropicInstrumentor(_Switch):
    """`agenttrace_anthropic`."""


class HttpxInstrumentor(_Switch):
    """`agenttrace_httpx`."""
