"""What leaves by an exporter of OpenTelemetry holds no secret: spans of ours, their errors, log events, metrics."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.processes import instrumented_environment, run_python
from tests.support.provider import Provider

_KEY: Final = "sk-proj-" + hashlib.sha256(b"exported").hexdigest()
_STAFF: Final = "EMP-" + "204817"

_SET_UP: Final = """
import contextlib, json, os, sys, httpx, openai
from opentelemetry import _logs, metrics, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
memory, logged, reader = InMemorySpanExporter(), InMemoryLogRecordExporter(), InMemoryMetricReader()
provider, loggers = TracerProvider(), LoggerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
loggers.add_log_record_processor(SimpleLogRecordProcessor(logged))
trace.set_tracer_provider(provider); _logs.set_logger_provider(loggers)
metrics.set_meter_provider(MeterProvider([reader]))
import otel_agenttrace as at
from otel_agenttrace_instrumentation.instrumentors import AgentTraceInstrumentor
KEY, STAFF = os.environ["TOLD"].split()
SECRET = f"{KEY} of {STAFF}"

@at.tool
def look_up(word):
    return {"found": word}

@at.tool
def fails(word):
    raise ValueError(f"no {word}")

def ask(model, text):
    client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"], max_retries=0)
    return client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])

def work():
    with contextlib.suppress(KeyError), at.span(f"plan {SECRET}", note=SECRET) as plan:
        plan.set(app__list=[SECRET])
        at.decision(SECRET, reason=SECRET)
        raise KeyError(SECRET)
    look_up(SECRET)
    with contextlib.suppress(ValueError):
        fails(SECRET)
    ask(f"gpt-{KEY}", SECRET)
    with contextlib.suppress(openai.BadRequestError):
        ask("gpt-5", f"[fake 400] {SECRET}")
    with at.inference(model="m", provider="p") as call:
        call.respond(SECRET)
    with trace.get_tracer("theirs").start_as_current_span("theirs"):
        at.decision(SECRET)
"""
_WAYS: Final = {
    "session": "with at.record(sys.argv[1] if len(sys.argv) > 1 else 'run.otlp.jsonl', quiet=True): work()",
    "no session": "AgentTraceInstrumentor().instrument(); work()",
}
_TELL: Final = """
told = {
    "spans": [json.loads(span.to_json()) for span in memory.get_finished_spans()],
    "logs": [json.loads(each.log_record.to_json() if hasattr(each.log_record, "to_json") else each.to_json()) for each in logged.get_finished_logs()],
    "metrics": json.loads(reader.get_metrics_data().to_json()),
}
print(json.dumps(told))
"""


def _exported(way: str, folder: Path, provider: Provider, **more: str) -> dict[str, Any]:
    told = {"TOLD": f"{_KEY} {_STAFF}", "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": "span_and_event", **more}
    environment = instrumented_environment(None, None, provider, **told)
    code = f"import os; os.chdir({str(folder)!r})\n{_SET_UP}\n{_WAYS[way]}\n{_TELL}"
    return json.loads(run_python(code, environment).stdout)


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.mark.parametrize("way", _WAYS)
def test_no_secret_is_in_a_span_a_log_event_or_a_metric(way: str, tmp_path: Path, provider: Provider) -> None:
    exported = _exported(way, tmp_path, provider)
    for kind, told in exported.items():
        assert _KEY not in json.dumps(told), kind
        assert "[REDACTED:token:" in json.dumps(told), kind
    descriptions = [span["status"].get("description", "") for span in exported["spans"]]
    assert sum("[REDACTED:token:" in each for each in descriptions) == 2
    assert _STAFF in json.dumps(exported["spans"])


@pytest.mark.parametrize("way", _WAYS)
@pytest.mark.parametrize("source", ["environment", "pyproject"])
def test_the_rules_of_the_settings_hold_for_what_is_exported(
    way: str, source: str, tmp_path: Path, provider: Provider
) -> None:
    rule = '{ rules = [{ name = "staff", pattern = "EMP-[0-9]{6}" }] }'
    if source == "pyproject":
        (tmp_path / "pyproject.toml").write_text(f"[tool.otel-agenttrace]\nredact = {rule}\n", encoding="utf-8")
        more: dict[str, str] = {}
    else:
        more = {"OTEL_AGENTTRACE_REDACT": '{"rules": [{"name": "staff", "pattern": "EMP-[0-9]{6}"}]}'}
    exported = _exported(way, tmp_path, provider, **more)
    assert _STAFF not in json.dumps(exported)
    assert "[REDACTED:x-staff:" in json.dumps(exported["logs"])


def test_rules_that_cannot_be_read_let_no_text_out(tmp_path: Path, provider: Provider) -> None:
    exported = _exported("no session", tmp_path, provider, OTEL_AGENTTRACE_REDACT='{"hook": "no_such_module:f"}')
    assert _STAFF not in json.dumps(exported)
    assert _KEY not in json.dumps(exported)
    assert "[REDACTED:failed]" in json.dumps(exported["spans"])
