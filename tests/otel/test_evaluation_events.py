"""`gen_ai.evaluation.result` as a log event: what the conventions have it hold, under the judged span, without secrets."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.support.processes import instrumented_environment, run_python

_KEY: Final = "sk-proj-" + hashlib.sha256(b"evaluated").hexdigest()
_EVENTS: Final = Path(__file__).parents[2] / "semconv" / "upstream" / "metrics_events.json"

_PROGRAM: Final = """
import json, os
from opentelemetry import _logs, trace
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
memory, loggers = InMemoryLogRecordExporter(), LoggerProvider()
loggers.add_log_record_processor(SimpleLogRecordProcessor(memory))
_logs.set_logger_provider(loggers)
trace.set_tracer_provider(TracerProvider())
import otel_agenttrace as at
with at.inference("m", provider="p") as call:
    call.respond("hi", id="resp_1")
at.evaluation("after", score=0.5, label="fail", explanation=os.environ["TOLD"], threshold=0.85, span=call)
with at.span("current") as current:
    at.evaluation("inside", score=1)
at.evaluation("alone", label="pass")
told = [
    {
        "event": record.event_name,
        "span": f"{record.span_id or 0:016x}",
        "scope": each.instrumentation_scope.name,
        "attributes": dict(record.attributes),
    }
    for each in memory.get_finished_logs() for record in [each.log_record]
]
print(json.dumps({"told": told, "spans": [call.span_id, current.span_id, f"{0:016x}"]}))
"""


@pytest.fixture(scope="module")
def run() -> dict[str, Any]:
    return json.loads(run_python(_PROGRAM, instrumented_environment(None, None, TOLD=f"because {_KEY}")).stdout)


def test_each_result_is_one_event_under_the_judged_span(run: dict[str, Any]) -> None:
    assert [each["event"] for each in run["told"]] == ["gen_ai.evaluation.result"] * 3
    assert [each["span"] for each in run["told"]] == run["spans"]
    assert {each["scope"] for each in run["told"]} == {"otel_agenttrace"}


def test_it_holds_what_the_conventions_list_and_a_threshold(run: dict[str, Any]) -> None:
    levels = json.loads(_EVENTS.read_text(encoding="utf-8"))["events"]["gen_ai.evaluation.result"]["attributes"]
    listed = {name for level in levels.values() for name in level} - {"error.type"}
    full, *others = (set(each["attributes"]) for each in run["told"])
    assert full == {*listed, "agenttrace.evaluation.threshold"}
    assert all(set(levels["required"]) < names < full for names in others)


def test_it_holds_no_secret(run: dict[str, Any]) -> None:
    assert run["told"][0]["attributes"]["gen_ai.evaluation.explanation"].startswith("because [REDACTED:token:")
    assert _KEY not in json.dumps(run)
