"""The checker of the conventions can fail: one small span for each of its rules."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader, Metric
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from otel_agenttrace.model import AttributeValue, Event, Link, Span
from tests.support.conformance import findings, metric_findings

_Attributes = Mapping[str, AttributeValue]

CHAT = Span(
    "a" * 32,
    "b" * 16,
    "chat gpt-4o",
    0,
    1,
    kind="CLIENT",
    attributes={
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "server.address": "api.openai.com",
        "server.port": 443,
    },
)
TOOL = replace(
    CHAT,
    name="execute_tool search",
    kind="INTERNAL",
    attributes={"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "search"},
)
AGENT = replace(
    CHAT,
    name="invoke_agent writer",
    kind="INTERNAL",
    attributes={"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "writer"},
)
FETCH = replace(
    CHAT,
    name="fetch_response",
    attributes={
        "gen_ai.operation.name": "fetch_response",
        "gen_ai.provider.name": "openai",
        "gen_ai.response.id": "resp_1",
    },
)
STEP = replace(CHAT, name="plan", kind="INTERNAL", attributes={"agenttrace.node.name": "plan"})
FINE_CONTENT: _Attributes = {
    "gen_ai.input.messages": json.dumps(
        [
            {"role": "user", "parts": [{"type": "text", "content": "hi"}, {"type": "house", "rooms": 3}]},
            {"role": "tool", "parts": [{"type": "tool_call_response", "response": None}]},
        ]
    ),
    "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": [{"type": "tool_call", "name": "search"}]}]),
    "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "be kind"}]),
    "gen_ai.tool.definitions": json.dumps([{"type": "function", "name": "search", "parameters": {}}]),
}


def having(span: Span, **attributes: AttributeValue) -> Span:
    return replace(span, attributes={**span.attributes, **{k.replace("__", "."): v for k, v in attributes.items()}})


def lacking(span: Span, *names: str) -> Span:
    return replace(span, attributes={name: value for name, value in span.attributes.items() if name not in names})


def said(*parts: object) -> str:
    return json.dumps([{"role": "user", "parts": parts}])


@pytest.mark.parametrize(
    "span",
    [
        CHAT,
        TOOL,
        AGENT,
        FETCH,
        STEP,
        replace(CHAT, attributes={**CHAT.attributes, **FINE_CONTENT}),
        having(CHAT, gen_ai__prompt__variable__city="Rome", gen_ai__request__stop_sequences=("a", "b")),
        having(CHAT, gen_ai__provider__name="somebody"),
        having(CHAT, http__request__method=7),
        replace(having(CHAT, error__type="429"), status="ERROR"),
        replace(having(lacking(CHAT, "gen_ai.request.model"), gen_ai__provider__name="anthropic"), name="chat"),
        replace(CHAT, kind="INTERNAL"),
        having(replace(AGENT, kind="CLIENT"), gen_ai__provider__name="openai"),
        having(replace(TOOL, name="execute_tool search git"), process__executable__name="git"),
    ],
    ids=lambda span: f"{span.kind} {span.name}",
)
def test_a_span_as_it_should_be_has_no_findings(span: Span) -> None:
    assert findings(span) == []


ATTRIBUTES = {
    "an unknown name": (
        having(CHAT, gen_ai__request__mood="good"),
        "gen_ai.request.mood: not in the registry",
    ),
    "a name of ours that nobody registered": (
        having(STEP, agenttrace__mood="good"),
        "agenttrace.mood: not in the registry",
    ),
    "an old name": (having(CHAT, gen_ai__system="openai"), "gen_ai.system: deprecated"),
    "text for a number": (
        having(CHAT, gen_ai__request__seed="7"),
        "gen_ai.request.seed: str '7', expected int",
    ),
    "a truth for a number": (
        having(CHAT, gen_ai__request__seed=True),
        "gen_ai.request.seed: bool True, expected int",
    ),
    "a whole number for a fraction": (
        having(CHAT, gen_ai__request__temperature=0),
        "gen_ai.request.temperature: int 0, expected double",
    ),
    "a number for a truth": (
        having(CHAT, gen_ai__request__stream=1),
        "gen_ai.request.stream: int 1, expected boolean",
    ),
    "one text for several": (
        having(CHAT, gen_ai__request__stop_sequences="a"),
        "gen_ai.request.stop_sequences: str 'a', expected string[]",
    ),
    "a number among texts": (
        having(CHAT, gen_ai__request__stop_sequences=("a", 1)),
        "gen_ai.request.stop_sequences: tuple ('a', 1), expected string[]",
    ),
    "a template's value": (
        having(CHAT, gen_ai__prompt__variable__age=7),
        "gen_ai.prompt.variable.age: int 7, expected string",
    ),
    "no member of a closed enum": (
        having(CHAT, gen_ai__output__type="yaml"),
        "gen_ai.output.type: 'yaml' is none of its members",
    ),
    "no member of an enum of ours": (
        having(CHAT, agenttrace__replay__outcome="luck"),
        "agenttrace.replay.outcome: 'luck' is none of its members",
    ),
    "an operation nobody knows": (
        replace(having(CHAT, gen_ai__operation__name="sing"), name="sing"),
        "gen_ai.operation.name: 'sing' is none of its members",
    ),
    "what belongs into a cassette": (
        having(CHAT, agenttrace__exchange__body="{}"),
        "agenttrace.exchange.body: on a span, belongs on a cassette",
    ),
    "an attribute of a link": (
        replace(CHAT, links=(Link("a" * 32, "c" * 16, {"agenttrace.link.type": "friend"}),)),
        "agenttrace.link.type: 'friend' is none of its members",
    ),
    "an attribute of an event": (
        replace(STEP, events=(Event("agenttrace.decision", 0, {"agenttrace.decision.choice": 7}),)),
        "agenttrace.decision.choice: int 7, expected string",
    ),
    "an unknown event": (
        replace(STEP, events=(Event("agenttrace.party", 0),)),
        "event agenttrace.party: not in the registry",
    ),
    "an attribute of a resource": (
        replace(STEP, resource={"agenttrace.run.id": 7}),
        "agenttrace.run.id: int 7, expected string",
    ),
}

FORM = {
    "an inference of kind SERVER": (replace(CHAT, kind="SERVER"), "kind SERVER, expected CLIENT or INTERNAL"),
    "a tool of kind CLIENT": (replace(TOOL, kind="CLIENT"), "kind CLIENT, expected INTERNAL"),
    "an inference's name": (replace(CHAT, name="openai.chat"), "name 'openai.chat', expected 'chat gpt-4o'"),
    "an inference's name without its model": (replace(CHAT, name="chat"), "name 'chat', expected 'chat gpt-4o'"),
    "a tool's name": (replace(TOOL, name="search"), "name 'search', expected 'execute_tool search'"),
    "an agent's name": (replace(AGENT, name="writer"), "name 'writer', expected 'invoke_agent writer'"),
    "no provider": (
        lacking(CHAT, "gen_ai.provider.name"),
        "gen_ai.provider.name: required by gen_ai.client.inference",
    ),
    "no model, which OpenAI's page requires": (
        replace(lacking(CHAT, "gen_ai.request.model"), name="chat"),
        "gen_ai.request.model: required by gen_ai.client.inference",
    ),
    "a remote agent's provider": (
        replace(AGENT, kind="CLIENT"),
        "gen_ai.provider.name: required by gen_ai.invoke_agent.client",
    ),
    "no name of a tool": (
        lacking(TOOL, "gen_ai.tool.name"),
        "gen_ai.tool.name: required by gen_ai.execute_tool.internal",
    ),
    "an address without a port": (lacking(CHAT, "server.port"), "server.port: missing beside server.address"),
    "no operation": (
        replace(STEP, attributes={"gen_ai.agent.name": "writer"}),
        "gen_ai.operation.name: missing beside other gen_ai attributes",
    ),
    "tokens of a fetched response": (
        having(FETCH, gen_ai__usage__input_tokens=3),
        "gen_ai.usage.input_tokens: no attribute of gen_ai.fetch_response.client",
    ),
    "messages of a tool": (
        having(TOOL, gen_ai__input__messages="[]"),
        "gen_ai.input.messages: no attribute of gen_ai.execute_tool.internal",
    ),
    "status OK": (replace(CHAT, status="OK"), "status OK, which is for the application to set"),
    "an error without a type": (replace(CHAT, status="ERROR"), "error.type: missing, the status is ERROR"),
    "a type without an error": (having(CHAT, error__type="429"), "error.type: present, the status is UNSET"),
}
CONTENT = {
    "messages that are no text": (
        having(CHAT, gen_ai__input__messages=("hi",)),
        "gen_ai.input.messages: tuple, expected a JSON string",
    ),
    "messages that are no JSON": (
        having(CHAT, gen_ai__output__messages="hi"),
        "gen_ai.output.messages: 'hi' is no JSON",
    ),
    "messages that are no list": (
        having(CHAT, gen_ai__input__messages="{}"),
        "gen_ai.input.messages: {} is not of type 'array'",
    ),
    "a message without parts": (
        having(CHAT, gen_ai__input__messages='[{"role": "user"}]'),
        "gen_ai.input.messages[0]: 'parts' is a required property",
    ),
    "a text without content": (
        having(CHAT, gen_ai__input__messages=said({"type": "text"})),
        "gen_ai.input.messages[0].parts[0]: 'content' is a required property",
    ),
    "a part without a type": (
        having(CHAT, gen_ai__input__messages=said({"content": "hi"})),
        "gen_ai.input.messages[0].parts[0]: 'type' is a required property",
    ),
    "a file without an id": (
        having(CHAT, gen_ai__input__messages=said({"type": "file", "modality": "image", "file_id": None})),
        "gen_ai.input.messages[0].parts[0].file_id: None is not of type 'string'",
    ),
    "a blob that is a data URL": (
        having(CHAT, gen_ai__input__messages=said({"type": "blob", "modality": "image", "content": "data:a;base64,b"})),
        "gen_ai.input.messages[0].parts[0].content: 'data:a;base64,b' is not a 'binary'",
    ),
    "an instruction without content": (
        having(CHAT, gen_ai__system_instructions='[{"type": "text"}]'),
        "gen_ai.system_instructions[0]: 'content' is a required property",
    ),
    "a tool without a name": (
        having(CHAT, gen_ai__tool__definitions='[{"type": "web_search"}]'),
        "gen_ai.tool.definitions[0]: 'name' is a required property",
    ),
    "a function whose parameters are no object": (
        having(CHAT, gen_ai__tool__definitions='[{"type": "function", "name": "f", "parameters": 7}]'),
        "gen_ai.tool.definitions[0].parameters: 7 is not valid under any of the given schemas",
    ),
    "a result that is no object": (
        having(TOOL, gen_ai__tool__call__result="[]"),
        "gen_ai.tool.call.result: [] is not of type 'object'",
    ),
}


@pytest.mark.parametrize(("span", "finding"), ATTRIBUTES.values(), ids=ATTRIBUTES)
def test_a_wrong_attribute_is_found(span: Span, finding: str) -> None:
    assert findings(span) == [finding]


@pytest.mark.parametrize(("span", "finding"), FORM.values(), ids=FORM)
def test_a_wrong_form_is_found(span: Span, finding: str) -> None:
    assert findings(span) == [finding]


@pytest.mark.parametrize(("span", "finding"), CONTENT.values(), ids=CONTENT)
def test_wrong_content_is_found(span: Span, finding: str) -> None:
    assert findings(span) == [finding]


def test_a_span_of_the_sdk_is_judged_as_one_of_ours() -> None:
    memory, provider = InMemorySpanExporter(), TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    provider.get_tracer("t").start_span("chat", attributes={"gen_ai.operation.name": "chat"}).end()
    provider.shutdown()
    assert [findings(span) for span in memory.get_finished_spans()] == [
        ["gen_ai.provider.name: required by gen_ai.client.inference"]
    ]


# --- metrics ----------------------------------------------------------------------------------------------------------

COMMON = {"gen_ai.operation.name": "chat", "gen_ai.provider.name": "openai"}
DURATION = "gen_ai.client.inference.duration"
TOKENS = "gen_ai.client.inference.usage.input_tokens"
BUCKETS = [0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92]


def measured(name: str, unit: str, attributes: _Attributes, *, value: float = 1, buckets: list[float] | None) -> Metric:
    """Return a metric with one point; without buckets it is a counter."""
    reader = InMemoryMetricReader()
    provider = MeterProvider([reader])
    meter = provider.get_meter("t")
    if buckets is None:
        meter.create_counter(name, unit).add(value, attributes)
    else:
        histogram = meter.create_histogram(name, unit, explicit_bucket_boundaries_advisory=buckets)
        histogram.record(value, attributes)
    data = reader.get_metrics_data()
    provider.shutdown()
    assert data is not None
    return data.resource_metrics[0].scope_metrics[0].metrics[0]


TEXT = {**COMMON, "gen_ai.token.modality": "text"}
METRICS = {
    "an unknown name": (measured("gen_ai.client.mood", "1", COMMON, buckets=None), "not in the registry"),
    "a unit": (measured(DURATION, "ms", COMMON, buckets=BUCKETS), "unit 'ms', expected 's'"),
    "an instrument": (measured(TOKENS, "{token}", TEXT, buckets=[]), "histogram, expected counter"),
    "buckets": (measured(DURATION, "s", COMMON, buckets=[1.0]), f"buckets [1.0], expected {BUCKETS}"),
    "a missing attribute": (
        measured(TOKENS, "{token}", COMMON, buckets=None),
        "gen_ai.token.modality: required",
    ),
    "an attribute of another metric": (
        measured(TOKENS, "{token}", {**TEXT, "error.type": "429"}, buckets=None),
        "error.type: no attribute of this metric",
    ),
    "an attribute's value": (
        measured(TOKENS, "{token}", {**TEXT, "gen_ai.token.modality": "smell"}, buckets=None),
        "gen_ai.token.modality: 'smell' is none of its members",
    ),
    "half a token": (measured(TOKENS, "{token}", TEXT, value=0.5, buckets=None), "value 0.5, expected int"),
    "an embedding among inferences": (
        measured(DURATION, "s", {**COMMON, "gen_ai.operation.name": "embeddings"}, buckets=BUCKETS),
        "measures embeddings, is for chat or generate_content or text_completion",
    ),
}


@pytest.mark.parametrize(("metric", "finding"), METRICS.values(), ids=METRICS)
def test_a_wrong_metric_is_found(metric: Metric, finding: str) -> None:
    assert metric_findings(metric) == [finding]


def test_metrics_as_they_should_be_have_no_findings() -> None:
    assert metric_findings(measured(DURATION, "s", COMMON, buckets=BUCKETS)) == []
    assert metric_findings(measured(TOKENS, "{token}", TEXT, buckets=None)) == []
