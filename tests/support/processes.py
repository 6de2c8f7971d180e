"""Run Python programs the way a user of `opentelemetry-instrument` does."""

from __future__ import annotations

import os
import secrets
import subprocess
import sys
from pathlib import Path

from opentelemetry.instrumentation import auto_instrumentation

from tests.support.provider import Provider

__all__ = ["instrumented_environment", "run_python"]


def instrumented_environment(
    cassette: Path | None, mode: str | None, provider: Provider | None = None, **more: str
) -> dict[str, str]:
    """Return the environment `opentelemetry-instrument` gives its command; without a cassette, a plain one."""
    dropped = ("OTEL_", "OPENAI_", "ANTHROPIC_", "PYTHONPATH", "CI", "_OTEL_", "NO_COLOR", "FORCE_COLOR")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
    environment |= {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    environment["PYTHONPATH"] = os.pathsep.join([str(Path(auto_instrumentation.__file__).parent)])
    if provider is not None:
        environment["PROVIDER_URL"] = provider.openai_url
        environment["OPENAI_API_KEY"] = secrets.token_hex(16)
    if cassette is not None and mode is not None:
        environment |= {"OTEL_AGENTTRACE_CASSETTE": str(cassette), "OTEL_AGENTTRACE_MODE": mode}
    else:
        del environment["PYTHONPATH"]
    return environment | more


def run_python(
    code: str, environment: dict[str, str], *, check: bool = True, timeout: float = 60
) -> subprocess.CompletedProcess[str]:
    """Run a program; its output is shown when it fails."""
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=timeout, check=False)
    if check:
        assert result.returncode == 0, f"{result.stdout}\n{result.stderr}"
    return result
