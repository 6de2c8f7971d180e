"""Every span and metric of ours is as the conventions have it: calls live, replayed and recorded, and annotations."""

from __future__ import annotations

import asyncio
import json
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_agenttrace as at
from otel_agenttrace.model import Span
from tests.support.clients import anthropic_client, openai_client
from tests.support.conformance import CONTENT, findings, metric_findings
from tests.support.processes import instrumented_environment, run_python
from tests.support.provider import Provider
from tests.support.surfaces import SURFACES, Surface

_SWITCH = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
_RUNS = ("live", "recorded", "replayed")
_SOME = tuple(surface for place, surface in enumerate(SURFACES) if place % 8 in (0, 3))
"""A quarter of them: one scenario with its sync client, the next with its async one."""

_Told = tuple[str, "ReadableSpan | Span"]


class Telemetry:
    """What a provider was given in one block."""

    def __init__(self) -> None:
        self._memory = InMemorySpanExporter()
        self._reader = InMemoryMetricReader()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self._memory))
        self.meters = MeterProvider([self._reader])

    def spans(self) -> tuple[ReadableSpan, ...]:
        """Return the spans since the last time."""
        ended = self._memory.get_finished_spans()
        self._memory.clear()
        return ended

    def metrics(self) -> list[Metric]:
        """Return all metrics."""
        data = self._reader.get_metrics_data()
        scopes = [scope for resource in data.resource_metrics for scope in resource.scope_metrics] if data else []
        return [metric for scope in scopes for metric in scope.metrics]


@dataclass(frozen=True, slots=True)
class Run:
    """What was told of many surfaces: their spans by the way they were run, and the metrics."""

    content: bool
    spans: Mapping[str, list[_Told]] = field(default_factory=lambda: defaultdict(list))
    metrics: list[Metric] = field(default_factory=list)


@contextmanager
def _instrumented(folder: Path, *, content: bool) -> Generator[Telemetry]:
    """Give us providers of our own, far from settings and certificates, which cost time."""
    telemetry, instrumentor = Telemetry(), at.AgentTraceInstrumentor()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("SSL_CERT_FILE", raising=False)
        patch.setenv("SSL_CERT_DIR", str(folder))
        patch.setenv(_SWITCH, "true" if content else "false")
        instrumentor.instrument(tracer_provider=telemetry.tracers, meter_provider=telemetry.meters)
        try:
            yield telemetry
        finally:
            instrumentor.uninstrument()
            telemetry.tracers.shutdown()
            telemetry.meters.shutdown()


def _run(name: str, run: Callable[[], object], cassette: Path, telemetry: Telemetry) -> dict[str, list[_Told]]:
    with at.record(cassette, quiet=True):
        run()
    told: dict[str, Sequence[ReadableSpan | Span]] = {"live": telemetry.spans(), "recorded": at.load(cassette).spans}
    with at.replay(cassette, export_replay=True, quiet=True):
        run()
    told["replayed"] = telemetry.spans()
    return {way: [(name, span) for span in spans] for way, spans in told.items()}


def _run_surfaces(surfaces: Sequence[Surface], folder: Path, *, content: bool) -> Run:
    done = Run(content)
    with Provider() as provider, _instrumented(folder, content=content) as telemetry:
        for number, surface in enumerate(surfaces):
            if not surface.lacks():
                cassette = folder / f"{number}.otlp.jsonl"
                told = _run(surface.name, lambda surface=surface: surface.prepare(provider)(), cassette, telemetry)
                for way, spans in told.items():
                    done.spans[way].extend(spans)
        done.metrics.extend(telemetry.metrics())
    return done


@pytest.fixture(scope="module", params=["with content", "without content"])
def calls(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Run the surfaces: all of them with content, which tells the most, and some of them without."""
    content = request.param == "with content"
    return _run_surfaces(SURFACES if content else _SOME, tmp_path_factory.mktemp("calls"), content=content)


def _complaints(told: Sequence[_Told]) -> dict[str, list[str]]:
    """Return who is to blame for each finding."""
    found: dict[str, set[str]] = defaultdict(set)
    for name, span in told:
        for finding in findings(span):
            found[finding].add(f"{span.name} of {name}")
    return {finding: sorted(blamed)[:4] for finding, blamed in sorted(found.items())}


@pytest.mark.parametrize("way", _RUNS)
def test_spans_of_calls_are_as_the_conventions_have_them(calls: Run, way: str) -> None:
    assert len(calls.spans[way]) >= len(_SOME)
    assert _complaints(calls.spans[way]) == {}


@pytest.mark.parametrize("way", _RUNS)
def test_content_of_calls_is_told_only_where_it_is_asked_for(calls: Run, way: str) -> None:
    held = {attribute for _, span in calls.spans[way] for attribute in span.attributes or {}} & CONTENT
    asked = calls.content and way != "recorded"
    messages = ("input.messages", "output.messages", "system_instructions", "tool.definitions")
    assert held == ({f"gen_ai.{name}" for name in messages} if asked else set[str]())


def test_metrics_of_calls_are_as_the_conventions_have_them(calls: Run) -> None:
    assert "gen_ai.client.inference.duration" in {metric.name for metric in calls.metrics}
    assert {metric.name: found for metric in calls.metrics if (found := metric_findings(metric))} == {}


# --- requests of all forms --------------------------------------------------------------------------------------------


def _asking(**more: Any) -> dict[str, Any]:
    return {"model": "gpt-4o", "messages": [{"role": "user", "content": "hello"}], **more}


def _showing(*parts: Mapping[str, Any]) -> dict[str, Any]:
    return {"model": "gpt-4o", "input": [{"role": "user", "content": list(parts)}]}


_PDF = "data:application/pdf;base64,JVBERi0="
_CUSTOM_TOOL = {"type": "custom", "custom": {"name": "shell", "description": "runs"}}
_SPOKEN = [{"role": "assistant", "audio": {"id": "audio_1"}}, {"role": "user", "content": "again"}]
_INLINE = {"role": "user", "content": [{"type": "file", "file": {"filename": "a.pdf", "file_data": _PDF}}]}
_BRIEF = {"model": "claude-fake-1", "max_tokens": 9, "messages": [{"role": "user", "content": "hello"}]}
_PLAIN_DOCUMENT = {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "hello"}}

_REQUESTS: Mapping[str, Callable[[Any, Any], object]] = {
    "chat, fractions that are whole numbers": lambda openai, _: openai.chat.completions.create(
        **_asking(temperature=0, top_p=1, frequency_penalty=0, presence_penalty=1)
    ),
    "chat, a tool that takes text": lambda openai, _: openai.chat.completions.create(**_asking(tools=[_CUSTOM_TOOL])),
    "chat, an earlier answer in sound": lambda openai, _: openai.chat.completions.create(**_asking(messages=_SPOKEN)),
    "chat, a file inline": lambda openai, _: openai.chat.completions.create(**_asking(messages=[_INLINE])),
    "responses, a tool of the provider": lambda openai, _: openai.responses.create(
        model="gpt-4o", input="hello", tools=[{"type": "web_search"}]
    ),
    "responses, a whole number for a fraction": lambda openai, _: openai.responses.create(
        model="gpt-4o", input="hello", temperature=1
    ),
    "responses, a file by its address": lambda openai, _: openai.responses.create(
        **_showing({"type": "input_file", "file_url": "https://example.org/a.pdf"})
    ),
    "responses, a file inline": lambda openai, _: openai.responses.create(
        **_showing({"type": "input_file", "filename": "a.pdf", "file_data": _PDF})
    ),
    "responses, an image by its id": lambda openai, _: openai.responses.create(
        **_showing({"type": "input_image", "file_id": "file_1", "detail": "auto"})
    ),
    "messages, a whole number for a fraction": lambda _, anthropic: anthropic.messages.create(
        **_BRIEF, extra_body={"temperature": 1}
    ),
    "messages, a document as text": lambda _, anthropic: anthropic.messages.create(
        **{**_BRIEF, "messages": [{"role": "user", "content": [_PLAIN_DOCUMENT]}]}
    ),
    "messages, the tools of a server": lambda _, anthropic: anthropic.beta.messages.create(
        **_BRIEF,
        mcp_servers=[{"type": "url", "name": "docs", "url": "https://example.org/mcp"}],
        tools=[{"type": "mcp_toolset", "mcp_server_name": "docs"}],
    ),
}


def _asked_twice(request_form: str, folder: Path) -> tuple[ReadableSpan, ReadableSpan]:
    """Return the span of a request that nobody records, and of the same one recorded."""
    ask = _REQUESTS[request_form]
    with Provider() as provider, _instrumented(folder, content=True) as telemetry:
        with openai_client(provider, is_async=False) as openai, anthropic_client(provider, is_async=False) as anthropic:
            ask(openai, anthropic)
            with at.record(folder / "run.otlp.jsonl", quiet=True):
                ask(openai, anthropic)
        bare, recorded = telemetry.spans()
    return bare, recorded


def _request_attributes(span: ReadableSpan) -> dict[str, object]:
    told = span.attributes or {}
    return {name: value for name, value in told.items() if name.startswith(("gen_ai.request.", "openai.request."))}


@pytest.mark.parametrize("request_form", _REQUESTS)
def test_requests_of_all_forms_are_told_as_the_conventions_have_it(request_form: str, tmp_path: Path) -> None:
    assert [findings(span) for span in _asked_twice(request_form, tmp_path)] == [[], []]


def test_the_extra_body_of_a_request_is_told_without_a_cassette_too(tmp_path: Path) -> None:
    bare, recorded = _asked_twice("messages, a whole number for a fraction", tmp_path)
    assert _request_attributes(bare) == _request_attributes(recorded)


# --- annotations ------------------------------------------------------------------------------------------------------


@at.tool
def look_up(word: str) -> dict[str, str]:
    """Look a word up."""
    return {word: "a word"}


@at.tool("fail")
def fail_always() -> None:
    raise ValueError("it cannot be done")


@at.tool
def define(word: str) -> str:
    return f"{word}: a word"


@at.agent("writer")
def write(word: str) -> str:
    with at.span("plan", words=1):
        at.decision("look it up", "nobody knows it", ["guess"])
    look_up(word)
    with suppress(ValueError):
        fail_always()
    return word


@at.agent
async def read_aloud(word: str) -> AsyncIterator[str]:
    look_up(word)
    yield word


def _retrieve() -> None:
    with at.retrieval("what is it?", data_source="encyclopedia", top_k=3) as found:
        found.documents([{"id": "1", "score": 0.5, "content": "a word"}])
    with at.retrieval("what else?", documents=[{"content": "nothing"}]):
        pass


def _infer() -> None:
    asked = at.Message("user", ({"type": "text", "content": "hello"},))
    with at.inference("m-1", provider="my_lab", messages=[asked]) as call:
        call.respond("hi", usage=at.Usage(3, 1, 2, 0, 1), model="m-1-b", id="r1", finish_reason="stop")
    with at.inference("m-2", provider="my_lab", operation="embeddings") as call:
        call.respond(usage=at.Usage(3))
    with suppress(TimeoutError), at.inference("m-1", provider="my_lab"):
        raise TimeoutError


async def _listen() -> list[str]:
    return [word async for word in read_aloud("house")]


_ANNOTATED: Mapping[str, Callable[[], object]] = {
    "agent, tools, step and decision": lambda: write("house"),
    "agent that is an async generator": lambda: asyncio.run(_listen()),
    "retrieval": _retrieve,
    "inference": _infer,
}


@pytest.fixture(params=["with content", "without content"])
def telemetry(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Telemetry]:
    with _instrumented(tmp_path, content=request.param == "with content") as given:
        yield given


@pytest.mark.parametrize("annotated", _ANNOTATED)
def test_annotations_are_as_the_conventions_have_them(annotated: str, telemetry: Telemetry, tmp_path: Path) -> None:
    told = _run(annotated, _ANNOTATED[annotated], tmp_path / "run.otlp.jsonl", telemetry)
    assert {way: len(spans) for way, spans in told.items()} == dict.fromkeys(_RUNS, len(told["live"]))
    assert {way: _complaints(spans) for way, spans in told.items()} == {way: {} for way in _RUNS}


# --- events -----------------------------------------------------------------------------------------------------------

_EVENTS = """
import json, os
from opentelemetry import _logs
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import InMemoryLogRecordExporter, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
memory, loggers = InMemoryLogRecordExporter(), LoggerProvider()
loggers.add_log_record_processor(SimpleLogRecordProcessor(memory))
_logs.set_logger_provider(loggers)
import otel_agenttrace as at
at.AgentTraceInstrumentor().instrument(tracer_provider=TracerProvider())
import openai
@at.tool
def look_up(word): return {word: "a word"}
look_up("house")
client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"])
client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
print(json.dumps([[r.log_record.event_name, dict(r.log_record.attributes)] for r in memory.get_finished_logs()]))
"""


@pytest.fixture(scope="module")
def events() -> list[tuple[str, dict[str, Any]]]:
    with Provider() as provider:
        environment = instrumented_environment(None, None, provider, **{_SWITCH: "event_only"})
        return json.loads(run_python(_EVENTS, environment).stdout)


def test_an_event_of_details_is_told_of_inferences_only(events: list[tuple[str, dict[str, Any]]]) -> None:
    told = [(name, attributes.get("gen_ai.operation.name")) for name, attributes in events]
    assert told == [("gen_ai.client.inference.operation.details", "chat")]


def test_content_of_an_event_is_structured(events: list[tuple[str, dict[str, Any]]]) -> None:
    details = events[-1][1]
    held = {name: type(details[name]) for name in ("gen_ai.input.messages", "gen_ai.output.messages")}
    assert held == dict.fromkeys(held, list)
