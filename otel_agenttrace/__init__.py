"""Any OpenTelemetry GenAI trace is a test: record a run of an agent, answer the same calls from it, compare runs.

The public names are loaded on first use; importing this package loads no SDK.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from otel_agenttrace.annotate import agent, decision, inference, retrieval, span
    from otel_agenttrace.api import load, patch, record, replay, serve, session, start, stop
    from otel_agenttrace.errors import AgentTraceError, CassetteError, ReplayFailed, ReplayMiss
    from otel_agenttrace.evaluations import evaluation
    from otel_agenttrace.model import Message, Outcome, Span, Trace, Usage
    from otel_agenttrace.processor import CassetteSpanProcessor, ReplaySpanProcessor
    from otel_agenttrace.redaction import RedactionRule, RedactionRules
    from otel_agenttrace.rerun import Rerun, rerun
    from otel_agenttrace.sampler import AgentTraceSampler
    from otel_agenttrace.sessions import Session
    from otel_agenttrace.tools import tool
    from otel_agenttrace.volatile import MatchRule
    from otel_agenttrace_exporters.cassette import CassetteSpanExporter
    from otel_agenttrace_instrumentation.instrumentors import AgentTraceInstrumentor

__all__ = [
    "AgentTraceError",
    "AgentTraceInstrumentor",
    "AgentTraceSampler",
    "CassetteError",
    "CassetteSpanExporter",
    "CassetteSpanProcessor",
    "MatchRule",
    "Message",
    "Outcome",
    "RedactionRule",
    "RedactionRules",
    "ReplayFailed",
    "ReplayMiss",
    "ReplaySpanProcessor",
    "Rerun",
    "Session",
    "Span",
    "Trace",
    "Usage",
    "agent",
    "decision",
    "evaluation",
    "inference",
    "load",
    "patch",
    "record",
    "replay",
    "rerun",
    "retrieval",
    "serve",
    "session",
    "span",
    "start",
    "stop",
    "tool",
]

_API: Final = "otel_agenttrace.api"
_HOMES: Final = {
    **dict.fromkeys(("agent", "decision", "inference", "retrieval", "span"), "otel_agenttrace.annotate"),
    "AgentTraceError": "otel_agenttrace.errors",
    "AgentTraceInstrumentor": "otel_agenttrace_instrumentation.instrumentors",
    "AgentTraceSampler": "otel_agenttrace.sampler",
    "CassetteError": "otel_agenttrace.errors",
    "CassetteSpanExporter": "otel_agenttrace_exporters.cassette",
    "CassetteSpanProcessor": "otel_agenttrace.processor",
    "MatchRule": "otel_agenttrace.volatile",
    "Message": "otel_agenttrace.model",
    "Outcome": "otel_agenttrace.model",
    "RedactionRule": "otel_agenttrace.redaction",
    "RedactionRules": "otel_agenttrace.redaction",
    "ReplayFailed": "otel_agenttrace.errors",
    "ReplayMiss": "otel_agenttrace.errors",
    "ReplaySpanProcessor": "otel_agenttrace.processor",
    "Rerun": "otel_agenttrace.rerun",
    "Session": "otel_agenttrace.sessions",
    "Span": "otel_agenttrace.model",
    "Trace": "otel_agenttrace.model",
    "Usage": "otel_agenttrace.model",
    "evaluation": "otel_agenttrace.evaluations",
    "rerun": "otel_agenttrace.rerun",
    "tool": "otel_agenttrace.tools",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    found = getattr(import_module(_HOMES.get(name, _API)), name)
    globals()[name] = found
    return found


def __dir__() -> list[str]:
    return __all__
