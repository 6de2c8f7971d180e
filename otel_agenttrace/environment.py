"""Names of the environment variables; `opentelemetry-instrument` shows each of them as a flag."""

from __future__ import annotations

from typing import Final

__all__ = [
    "CI",
    "OTEL_AGENTTRACE_ALLOW",
    "OTEL_AGENTTRACE_CASSETTE",
    "OTEL_AGENTTRACE_EXPORT_REPLAY",
    "OTEL_AGENTTRACE_MODE",
    "OTEL_AGENTTRACE_REDACT",
    "RUN",
]

OTEL_AGENTTRACE_CASSETTE: Final = "OTEL_AGENTTRACE_CASSETTE"
"""Path of the cassette to record to or to replay from."""

OTEL_AGENTTRACE_MODE: Final = "OTEL_AGENTTRACE_MODE"
"""Record mode: `none`, `once` (default), `new` or `all`; `none` is the default under `CI=true`."""

OTEL_AGENTTRACE_EXPORT_REPLAY: Final = "OTEL_AGENTTRACE_EXPORT_REPLAY"
"""`true` also exports the spans of replayed calls; backends bill their tokens."""

OTEL_AGENTTRACE_REDACT: Final = "OTEL_AGENTTRACE_REDACT"
"""Personal data to redact on top of secrets: `personal`, or kinds such as `email,phone`; or a table of rules as JSON."""

OTEL_AGENTTRACE_ALLOW: Final = "OTEL_AGENTTRACE_ALLOW"
"""Hosts that a replay may reach, apart by commas: `api.example.com`, `*.example.com`, `10.0.0.7:8080`."""

CI: Final = "CI"

RUN: Final = "_OTEL_AGENTTRACE_RUN"
"""Set by the root process of a run for its children: run id, resolved mode and the file they share."""
