"""Each of the four OpenTelemetry objects is enough on its own, in user code, behind whatever processor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

import otel_agenttrace as at
from tests.support.processes import instrumented_environment, run_python
from tests.support.provider import Provider

_USER = """
import json, os, sys
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from otel_agenttrace import (
    AgentTraceInstrumentor, AgentTraceSampler, CassetteSpanExporter, CassetteSpanProcessor, ReplaySpanProcessor,
)
cassette = os.environ["CASSETTE"]
memory = InMemorySpanExporter()
{set_up}
trace.set_tracer_provider(provider)
import openai
client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"])
with trace.get_tracer("app").start_as_current_span("app work"):
    with trace.get_tracer("framework").start_as_current_span("step", attributes={{"gen_ai.agent.name": "a"}}):
        answers = [client.chat.completions.create(model="gpt-4o", messages=[{{"role": "user", "content": "hello"}}])
                   for _ in range(2)]
        chunks = list(client.chat.completions.create(
            model="gpt-4o", messages=[{{"role": "user", "content": "hello"}}], stream=True))
provider.shutdown()
print(json.dumps({{"answers": [a.model_dump() for a in answers], "chunks": [c.model_dump() for c in chunks],
                   "spans": [s.name for s in memory.get_finished_spans()]}}))
"""

_RECORDERS = {
    "exporter behind a batch processor": "provider = TracerProvider()\n"
    "provider.add_span_processor(BatchSpanProcessor(CassetteSpanExporter(cassette)))",
    "exporter behind a simple processor": "provider = TracerProvider()\n"
    "provider.add_span_processor(SimpleSpanProcessor(CassetteSpanExporter(cassette)))",
    "processor": "provider = TracerProvider()\nprovider.add_span_processor(CassetteSpanProcessor(cassette))",
    "processor and exporter": "provider = TracerProvider()\n"
    "provider.add_span_processor(CassetteSpanProcessor(cassette))\n"
    "provider.add_span_processor(BatchSpanProcessor(CassetteSpanExporter(cassette)))",
}
_REPLAYERS = {
    "processor": "provider = TracerProvider()\nprovider.add_span_processor(ReplaySpanProcessor(cassette))",
    "sampler": "provider = TracerProvider(sampler=AgentTraceSampler(replay=cassette))",
}
_MEMORY = "\nprovider.add_span_processor(SimpleSpanProcessor(memory))"


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def _run(set_up: str, cassette: Path, provider: Provider) -> str:
    environment = instrumented_environment(None, None, provider, CASSETTE=str(cassette))
    return run_python(_USER.format(set_up=set_up), environment).stdout


@pytest.mark.parametrize("recorder", _RECORDERS)
def test_attaching_a_recorder_records(recorder: str, tmp_path: Path, provider: Provider) -> None:
    cassette = tmp_path / "run.otlp.jsonl"
    _run(_RECORDERS[recorder], cassette, provider)
    trace = at.load(cassette)
    assert provider.hits == len(trace.inferences) == 3
    assert [span.name for span in trace.spans] == ["app work", "step", *["chat gpt-4o"] * 3]
    work, step, *calls = trace.spans
    assert (step.parent_span_id, {call.parent_span_id for call in calls}) == (work.span_id, {step.span_id})
    assert all(call.call is not None for call in calls)


@pytest.mark.parametrize("replayer", _REPLAYERS)
def test_attaching_a_replayer_replays(replayer: str, tmp_path: Path, provider: Provider) -> None:
    cassette = tmp_path / "run.otlp.jsonl"
    live = _run(_RECORDERS["processor"], cassette, provider)
    assert provider.hits == 3
    provider.stop()
    replayed = _run(_REPLAYERS[replayer], cassette, provider)
    assert replayed == live


def test_replayed_calls_are_not_exported_unless_asked(tmp_path: Path, provider: Provider) -> None:
    cassette = tmp_path / "run.otlp.jsonl"
    _run(_RECORDERS["processor"], cassette, provider)
    asked = _REPLAYERS["processor"].replace("(cassette)", "(cassette, export_replay=True)")
    assert '"spans": ["step", "app work"]' in _run(_REPLAYERS["processor"] + _MEMORY, cassette, provider)
    spans = '"spans": ["chat gpt-4o", "chat gpt-4o", "chat gpt-4o", "step", "app work"]'
    assert spans in _run(asked + _MEMORY, cassette, provider)


def test_the_instrumentor_gives_spans_and_no_file(tmp_path: Path, provider: Provider) -> None:
    set_up = "provider = TracerProvider()\nAgentTraceInstrumentor().instrument(tracer_provider=provider)" + _MEMORY
    assert '"spans": ["chat gpt-4o", "chat gpt-4o", "chat gpt-4o", "step", "app work"]' in _run(
        set_up, tmp_path / "none", provider
    )
    assert list(tmp_path.iterdir()) == []


def test_the_sampler_records_agent_spans_that_the_root_sampler_drops(tmp_path: Path, provider: Provider) -> None:
    set_up = (
        "from opentelemetry.sdk.trace.sampling import ALWAYS_OFF\n"
        "provider = TracerProvider(sampler=AgentTraceSampler(ALWAYS_OFF))\n"
        "provider.add_span_processor(CassetteSpanProcessor(cassette))" + _MEMORY
    )
    assert '"spans": []' in _run(set_up, tmp_path / "run.otlp.jsonl", provider)
    names = [span.name for span in at.load(tmp_path / "run.otlp.jsonl").spans]
    assert names == ["step", "chat gpt-4o", "chat gpt-4o", "chat gpt-4o"]
