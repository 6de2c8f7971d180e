"""Start from zero code: under `opentelemetry-instrument`, or under `otel-agenttrace record -- …`.

Runs before any instrumentor, so that one that breaks cannot keep us out; never raises; twice is a no-op.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import wrapt
from opentelemetry import trace as otel_trace

from otel_agenttrace.config import Config, resolve
from otel_agenttrace.environment import OTEL_AGENTTRACE_CASSETTE
from otel_agenttrace.errors import AgentTraceError, ConfigError
from otel_agenttrace.processor import watch_provider
from otel_agenttrace.spans import telemetry
from otel_agenttrace_instrumentation import seams
from otel_agenttrace_instrumentation.border import observe
from otel_agenttrace_instrumentation.opening import failing_session, process_session
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

__all__ = ["pre_instrument"]

_DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_started: list[Config] = []


def pre_instrument() -> None:
    """Install the seams, open the session the environment asks for, and watch the tracer provider."""
    if _started:
        return
    try:
        observe(_start)
    except AgentTraceError as error:  # the launcher would drop every instrumentor if this hook raised
        sys.stderr.write(f"otel-agenttrace: {error}\n")


def _start() -> None:
    telemetry.spans_on = not _is_muted(os.environ.get(_DISABLED, ""))
    try:
        config = resolve(os.environ, pyproject_settings(Path.cwd()))
    except ConfigError as error:
        _start_failing(error)
        raise
    _started.append(config)
    if config.cassette is None and not telemetry.spans_on:
        return
    seams.install()
    if config.cassette is not None:
        process_session(config.cassette, config.mode, lenient=True, export_replay=config.export_replay)
    watch_provider(otel_trace.get_tracer_provider())
    _watch_later_provider()


def _start_failing(error: ConfigError) -> None:
    """Let no call go live when it is not known whether it may."""
    cassette = os.environ.get(OTEL_AGENTTRACE_CASSETTE)
    if cassette:
        failing_session(Path(cassette), error)


def _is_muted(disabled: str) -> bool:
    names = {name.strip() for name in disabled.split(",")}
    return "*" in names or {"agenttrace_openai", "agenttrace_anthropic", "agenttrace_httpx"} <= names


def _watch_later_provider() -> None:
    """Watch the provider that the application sets itself, when it does."""

    def wrapper(wrapped: Callable[..., None], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        wrapped(*args, **kwargs)
        observe(lambda: watch_provider(otel_trace.get_tracer_provider()))

    wrapt.wrap_function_wrapper("opentelemetry.trace", "set_tracer_provider", wrapper)
