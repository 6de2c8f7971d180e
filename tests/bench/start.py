"""What an import and a start cost, as whole processes or by the interpreter's own account."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from opentelemetry.instrumentation import auto_instrumentation

from tests.bench.figures import Figure, interleaved

__all__ = ["importing", "starting"]


def _seconds(code: str, environment: dict[str, str] | None = None) -> float:
    begin = time.perf_counter()
    subprocess.run([sys.executable, "-c", code], env=environment, check=True, capture_output=True)
    return time.perf_counter() - begin


def importing() -> list[Figure]:
    """`import otel_agenttrace` takes at most 20 ms."""
    bare, ours, added = interleaved(lambda: _seconds("pass"), lambda: _seconds("import otel_agenttrace"), rounds=15)
    told = f"{bare * 1e3:,.0f} ms", f"{ours * 1e3:,.0f} ms"
    return [Figure("import otel_agenttrace", added * 1e3, 20, "ms", *told)]


_SHADOW = {
    "otel_agenttrace/__init__.py": "",
    "otel_agenttrace/environment.py": "",
    "otel_agenttrace/autoload.py": "def pre_instrument(): pass",
    "otel_agenttrace_instrumentation/__init__.py": "",
    "otel_agenttrace_instrumentation/instrumentors.py": "class Nothing:\n"
    "    def instrument(self, **kwargs): pass\n"
    "OpenAIInstrumentor = AnthropicInstrumentor = HttpxInstrumentor = Nothing\n",
}
"""What stands in for us in the baseline: the same entry points, with nothing behind them."""


def starting() -> list[Figure]:
    """Start-up under opentelemetry-instrument grows by at most 30 ms where no SDK is imported."""
    plain = {name: value for name, value in os.environ.items() if not name.startswith(("OTEL_", "_OTEL_"))}
    plain |= {"OTEL_TRACES_EXPORTER": "none", "OTEL_METRICS_EXPORTER": "none", "OTEL_LOGS_EXPORTER": "none"}
    plain["PYTHONPATH"] = str(Path(auto_instrumentation.__file__).parent)
    with tempfile.TemporaryDirectory() as folder:
        for name, text in _SHADOW.items():
            Path(folder, name).parent.mkdir(exist_ok=True)
            Path(folder, name).write_text(text)
        without = plain | {"PYTHONPATH": os.pathsep.join([plain["PYTHONPATH"], folder])}
        bare, ours, added = interleaved(lambda: _seconds("pass", without), lambda: _seconds("pass", plain), rounds=15)
    told = f"{bare * 1e3:,.0f} ms", f"{ours * 1e3:,.0f} ms"
    return [Figure("start under opentelemetry-instrument, added", added * 1e3, 30, "ms", *told)]
