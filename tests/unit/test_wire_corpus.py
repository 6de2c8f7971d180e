"""Recorded answers of real providers: what they are decoded to comes back, and is what the provider's SDK reads."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest

from otel_agenttrace.jsonvalue import array, compact, obj
from otel_agenttrace.model import InferenceResponse
from otel_agenttrace.wire.routes import route
from otel_agenttrace.wire.sse import event_bytes, json_events
from tests.support.corpus import Interaction, recordings
from tests.support.wire_readings import SdkReader, told_by_model
from tests.support.wire_responses import CODECS

_HOSTS: Final = {
    "openai": "https://api.openai.com",
    "azure": "https://a.openai.azure.com",
    "anthropic": "https://api.anthropic.com",
}


def _api(interaction: Interaction) -> str:
    found = route(interaction.method, _HOSTS[interaction.api] + interaction.target)
    return found.codec.name if found is not None else ""


def _is_stream(interaction: Interaction) -> bool:
    return any(name == "content-type" and "event-stream" in value for name, value in interaction.headers)


def _answers(*, is_stream: bool, is_error: bool = False) -> list[Any]:
    """Return each answer once: its API and its body."""
    found: dict[bytes, Any] = {}
    for recording in recordings():
        for interaction in recording.interactions:
            api, body = _api(interaction), interaction.content
            if api in CODECS and _is_stream(interaction) is is_stream and (interaction.status >= 400) is is_error:
                name = f"{api}-{recording.name.rpartition('/')[2]}-{len(found)}"
                found.setdefault(body, pytest.param(api, body, id=name))
    return list(found.values())


_BODIES: Final = _answers(is_stream=False)
_STREAMS: Final = _answers(is_stream=True)
_ERRORS: Final = _answers(is_stream=False, is_error=True)
_each_body = pytest.mark.parametrize(("api", "body"), _BODIES)
_each_stream = pytest.mark.parametrize(("api", "body"), _STREAMS)


@pytest.fixture(scope="module")
def sdk() -> Iterator[SdkReader]:
    with SdkReader() as reader:
        yield reader


def _decoded(api: str, body: bytes) -> InferenceResponse:
    return CODECS[api].decode_response(json.loads(body))


def _both_ways_back(api: str, response: InferenceResponse) -> tuple[bytes, bytes]:
    codec = CODECS[api]
    assert codec.encode_response is not None
    assert codec.encode_stream is not None
    return compact(codec.encode_response(response)).encode(), event_bytes(codec.encode_stream(response))


@pytest.mark.parametrize(("api", "body"), _BODIES + _ERRORS)
def test_a_recorded_body_comes_back(api: str, body: bytes) -> None:
    response = _decoded(api, body)
    encoded, stream = _both_ways_back(api, response)
    assert _decoded(api, encoded) == response
    assert CODECS[api].decode_stream(json_events(stream)) == response


@_each_stream
def test_a_recorded_stream_comes_back(api: str, body: bytes) -> None:
    response = CODECS[api].decode_stream(json_events(body))
    encoded, stream = _both_ways_back(api, response)
    assert _decoded(api, encoded) == response
    assert CODECS[api].decode_stream(json_events(stream)) == response


@pytest.mark.parametrize(("api", "body"), _ERRORS)
def test_a_recorded_error_tells_its_type(api: str, body: bytes) -> None:
    error = json.loads(body)["error"]
    assert _decoded(api, body).error_type == error.get("type", str(error["code"]))


@_each_body
def test_the_sdk_reads_the_same_in_a_recorded_body_and_in_ours(api: str, body: bytes, sdk: SdkReader) -> None:
    response = _decoded(api, body)
    encoded, _ = _both_ways_back(api, response)
    assert sdk.read(api, body) == told_by_model(response)
    assert sdk.read(api, encoded) == told_by_model(response)


@_each_stream
def test_the_sdk_reads_the_same_in_a_recorded_stream_and_in_ours(api: str, body: bytes, sdk: SdkReader) -> None:
    response = CODECS[api].decode_stream(json_events(body))
    _, stream = _both_ways_back(api, response)
    assert sdk.read_stream(api, stream) == told_by_model(response)
    if not _has_unnumbered_calls(body):  # Mistral's; the SDK does not put them together
        assert sdk.read_stream(api, body) == told_by_model(response)


def _has_unnumbered_calls(body: bytes) -> bool:
    choices = [choice for event in json_events(body) for choice in array(obj(event).get("choices"))]
    calls = [call for choice in choices for call in array(obj(obj(choice).get("delta")).get("tool_calls"))]
    return any("index" not in obj(call) for call in calls)
