"""Start from zero code: under `opentelemetry-instrument`, or under `otel-agenttrace record -- …`.

Runs before any instrumentor, so that one that breaks cannot keep us out; never raises; twice is a no-op. Without a
cassette it only leaves hooks for the SDKs: what they need is imported with the first SDK.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

from otel_agenttrace.config import Config, resolve
from otel_agenttrace.environment import OTEL_AGENTTRACE_CASSETTE, OTEL_AGENTTRACE_MODE, RUN
from otel_agenttrace.errors import AgentTraceError, ReplayError
from otel_agenttrace_instrumentation import seams
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

__all__ = ["pre_instrument"]

_DISABLED: Final = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
_OURS: Final = frozenset({"agenttrace_openai", "agenttrace_anthropic", "agenttrace_httpx"})
_started: list[bool] = []


def pre_instrument() -> None:
    """Install the seams, open the session the environment asks for, and watch the tracer provider."""
    if _started:
        return
    _started.append(True)
    try:
        _start(_settings(), is_muted=_is_muted(os.environ.get(_DISABLED, "")))
    except Exception as error:  # noqa: BLE001 - the launcher drops this, and a call could go live that may not
        sys.stderr.write(f"otel-agenttrace: {error}\n")
        _fail_each_call(error)


def _settings() -> Config:
    """Return the settings of this process: those of the run it was started in, where no variable names a cassette."""
    config = resolve(os.environ, pyproject_settings(Path.cwd()))
    if not os.environ.get(RUN) or os.environ.get(OTEL_AGENTTRACE_CASSETTE):
        return config
    from otel_agenttrace.runs import Run

    run = Run.inherited(os.environ)
    return config if run is None else replace(config, cassette=Path(run.cassette), mode=run.mode)


def _is_muted(disabled: str) -> bool:
    names = {name.strip() for name in disabled.split(",")}
    return "*" in names or names >= _OURS


def _start(config: Config, *, is_muted: bool) -> None:
    if is_muted:
        from otel_agenttrace.spans import telemetry

        telemetry.spans_on = False
    if config.cassette is not None:
        _open(config.cassette, config)
    elif not is_muted:
        seams.install(pre_instrument)


def _open(cassette: Path, config: Config) -> None:
    from opentelemetry import trace as otel_trace

    from otel_agenttrace.processor import watch_provider
    from otel_agenttrace_instrumentation.opening import process_session

    if os.environ.get(OTEL_AGENTTRACE_CASSETTE):  # children may stand in another folder
        os.environ[OTEL_AGENTTRACE_CASSETTE] = str(cassette.absolute())
    process_session(cassette, config.mode, lenient=True, config=config)
    watch_provider(otel_trace.get_tracer_provider())
    _watch_later_provider(lambda: watch_provider(otel_trace.get_tracer_provider()))


def _fail_each_call(error: Exception) -> None:
    """Let no call go live when it is not known whether it may."""
    cassette = os.environ.get(OTEL_AGENTTRACE_CASSETTE) or _cassette_of_project()
    if cassette and os.environ.get(OTEL_AGENTTRACE_MODE) != "all":
        from otel_agenttrace_instrumentation.opening import failing_session

        told = error if isinstance(error, AgentTraceError) else ReplayError(f"{type(error).__name__}: {error}")
        failing_session(Path(cassette), told)


def _cassette_of_project() -> str | None:
    try:
        cassette = pyproject_settings(Path.cwd()).get("cassette")
    except (AgentTraceError, OSError):
        return None
    return cassette if isinstance(cassette, str) else None


def _watch_later_provider(watch: Callable[[], None]) -> None:
    """Watch the provider that the application sets itself, when it does."""
    import wrapt

    from otel_agenttrace_instrumentation.border import observe

    def wrapper(wrapped: Callable[..., None], _: object, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        wrapped(*args, **kwargs)
        observe(watch)

    wrapt.wrap_function_wrapper("opentelemetry.trace", "set_tracer_provider", wrapper)
