"""Spans really shipped over OTLP to a receiver: none of our payload among them, messages only when asked for."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import otel_agenttrace as at
from tests.support.peers import TestAgent
from tests.support.processes import instrumented_environment
from tests.support.provider import Provider

_AGENT = """
import os, openai
client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"])
client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "a telling question"}])
list(client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}], stream=True))
"""


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestAgent]:
    with TestAgent(tmp_path_factory.mktemp("receiver") / "log") as running:
        yield running


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


@pytest.mark.parametrize("content", ["", "true", "span_only", "no_content"])
@pytest.mark.parametrize("protocol", ["grpc", "http/protobuf"])
def test_a_receiver_gets_lean_spans(
    protocol: str, content: str, tmp_path: Path, receiver: TestAgent, provider: Provider
) -> None:
    service = f"{protocol}-{content}"
    environment = instrumented_environment(None, None, provider) | {
        "OTEL_TRACES_EXPORTER": "otlp,agenttrace",
        "OTEL_EXPORTER_OTLP_PROTOCOL": protocol,
        "OTEL_EXPORTER_OTLP_ENDPOINT": receiver.endpoint(protocol),
        "OTEL_SERVICE_NAME": service,
        "OTEL_AGENTTRACE_CASSETTE": str(tmp_path / "run.otlp.jsonl"),
        "OTEL_AGENTTRACE_MODE": "all",
        "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT": content,
    }
    command = [str(Path(sys.executable).parent / "opentelemetry-instrument"), sys.executable, "-c", _AGENT]
    subprocess.run(command, env=environment, cwd=tmp_path, check=True, capture_output=True, timeout=60)
    spans = list(_spans_of(receiver, service))
    assert [span["name"] for span in spans] == ["chat gpt-4o", "chat gpt-4o"]
    names = {pair["key"] for span in spans for pair in span["attributes"]}
    assert {"gen_ai.operation.name", "gen_ai.usage.input_tokens", "gen_ai.response.id"} <= names
    assert [name for name in names if name.startswith("agenttrace.")] == []
    assert ("gen_ai.input.messages" in names) == (content in ("true", "span_only"))
    assert ("a telling question" in json.dumps(spans)) == (content in ("true", "span_only"))
    call = at.load(tmp_path / "run.otlp.jsonl").inferences[0].call
    assert call is not None
    assert "a telling question" in call.attempts[0].request.body


def _spans_of(receiver: TestAgent, service: str) -> Iterator[dict[str, Any]]:
    for request in receiver.traces():
        for resource_spans in request["resource_spans"]:
            if service in json.dumps(resource_spans["resource"]):
                for scope_spans in resource_spans["scope_spans"]:
                    yield from scope_spans["spans"]
