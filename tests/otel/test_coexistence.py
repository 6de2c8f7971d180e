"""Other instrumentations of the same SDK, installed one at a time: one inference span per call, sums not doubled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

import otel_agenttrace as at
from otel_agenttrace.model import Usage
from tests.support.peers import peer_folder
from tests.support.processes import instrumented_environment, run_python
from tests.support.provider import Provider

_SURFACES = {
    "create": "client.chat.completions.create(model='gpt-4o', messages=ask)",
    "stream": "list(client.chat.completions.create(model='gpt-4o', messages=ask, stream=True, "
    "stream_options={'include_usage': True}))",
    "raw": "client.chat.completions.with_raw_response.create(model='gpt-4o', messages=ask).parse()",
    "async": "asyncio.run(in_async())",
    "embeddings": "client.embeddings.create(model='text-embedding-3-small', input='x')",
    "responses": "client.responses.create(model='gpt-4o', input='hello')",
}
_AGENT = """
import asyncio, json, os
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
memory, provider = InMemorySpanExporter(), TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(memory))
trace.set_tracer_provider(provider)
from importlib.metadata import entry_points
for entry in entry_points(group="opentelemetry_instrumentor"):
    if entry.name == "openai":
        entry.load()().instrument()
import openai
import otel_agenttrace as at
ask = [{{"role": "user", "content": "hello"}}]
client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"])
async def in_async():
    async with openai.AsyncOpenAI(base_url=os.environ["PROVIDER_URL"]) as c:
        return await c.chat.completions.create(model="gpt-4o", messages=ask)
with at.record(os.environ["CASSETTE"], quiet=True):
    {surface}
print(json.dumps([[s.instrumentation_scope.name, s.name, dict(s.attributes)] for s in memory.get_finished_spans()]))
"""
_PEERS = ("openllmetry", "openinference", "official")
_AFTER_THE_FACT = {("openllmetry", "responses")}
"""Their span is opened when the answer is there: it stands beside ours, and sums leave one of the two out."""


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.mark.parametrize("surface", _SURFACES)
@pytest.mark.parametrize("peer", _PEERS)
def test_one_inference_span_per_call_beside(peer: str, surface: str, tmp_path: Path, provider: Provider) -> None:
    cassette = tmp_path / "run.otlp.jsonl"
    environment = instrumented_environment(None, None, provider, CASSETTE=str(cassette))
    environment["PYTHONPATH"] = str(peer_folder(peer))
    exported = json.loads(run_python(_AGENT.format(surface=_SURFACES[surface]), environment).stdout)
    trace = at.load(cassette)
    assert provider.hits == 1
    assert len(trace.inferences) == 1
    (call,) = (span for span in trace.spans if span.read_call is not None)
    if (peer, surface) in _AFTER_THE_FACT:
        assert len(exported) == len(trace.spans) == 2
    else:
        assert len(exported) == len(trace.spans) == 1
        assert exported[0][0] != "otel_agenttrace"
        assert call.name == exported[0][1]
        assert not any(name.startswith("agenttrace.") for name in exported[0][2])
    assert trace.usage == call.usage != Usage()


def test_the_native_span_of_anthropic_is_adopted(tmp_path: Path, provider: Provider) -> None:
    cassette = tmp_path / "run.otlp.jsonl"
    environment = instrumented_environment(None, None, provider, CASSETTE=str(cassette))
    environment["ANTHROPIC_API_KEY"] = environment["OPENAI_API_KEY"]
    environment["ANTHROPIC_BASE_URL"] = provider.anthropic_url
    surface = (
        "import anthropic; anthropic.Anthropic().messages.create(model='claude-sonnet-4-5', max_tokens=9, messages=ask)"
    )
    exported = json.loads(run_python(_AGENT.format(surface=surface), environment).stdout)
    (span,) = at.load(cassette).spans
    assert [scope for scope, _, _ in exported] == [span.scope] == ["com.anthropic.sdk.python"]
    assert span.read_call is not None
    assert span.usage.input_tokens == exported[0][2]["gen_ai.usage.input_tokens"]
