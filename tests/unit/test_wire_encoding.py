"""The way back: what is encoded is decoded to the same response, and the provider's SDK reads the same in it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

import pytest
from anthropic.types import Message as AnthropicMessage
from hypothesis import given, settings
from hypothesis import strategies as st
from openai.types import Completion
from openai.types.chat import ChatCompletion
from openai.types.responses import Response

from otel_agenttrace.errors import NotEncodable
from otel_agenttrace.jsonvalue import canonical, compact, obj, parse
from otel_agenttrace.model import InferenceResponse, Message, Part, Usage
from otel_agenttrace.wire import generic, openai_embeddings, openai_responses
from otel_agenttrace.wire.codec import Codec
from otel_agenttrace.wire.sse import event_bytes, events, json_events
from tests.support.wire_readings import SdkReader, told_by_model, told_by_sdk
from tests.support.wire_responses import CODECS, RICH, responses

_each_api = pytest.mark.parametrize("api", sorted(CODECS))
_few = settings(max_examples=30, deadline=None)
_SDK_TYPES: Final[dict[str, Any]] = {
    "openai.chat": ChatCompletion,
    "openai.completions": Completion,
    "openai.responses": Response,
    "anthropic.messages": AnthropicMessage,
}


@pytest.fixture(scope="module")
def sdk() -> Iterator[SdkReader]:
    with SdkReader() as reader:
        yield reader


def _body(codec: Codec, response: InferenceResponse) -> Any:
    assert codec.encode_response is not None
    return codec.encode_response(response)


def _stream(codec: Codec, response: InferenceResponse) -> bytes:
    assert codec.encode_stream is not None
    return event_bytes(codec.encode_stream(response))


def _as_sent(body: object) -> bytes:
    return compact(body).encode("utf-8", "backslashreplace")


def _said(*parts: Part, reason: str = "stop") -> InferenceResponse:
    return InferenceResponse("id", "m", (reason,), (Message("assistant", parts, None, reason),))


_TEXT: Final[Part] = {"type": "text", "content": "Hi"}


# --- decode after encode is nothing -----------------------------------------------------------------------------------


@_each_api
@_few
@given(st.data())
def test_an_encoded_response_is_decoded_to_itself(api: str, data: st.DataObject) -> None:
    codec, response = CODECS[api], data.draw(responses(api))
    assert codec.decode_response(obj(parse(_as_sent(_body(codec, response))))) == response


@_each_api
@_few
@given(st.data())
def test_an_encoded_stream_is_decoded_to_its_response(api: str, data: st.DataObject) -> None:
    codec, response = CODECS[api], data.draw(responses(api))
    assert codec.decode_stream(json_events(_stream(codec, response))) == response


@_each_api
def test_a_response_with_everything_comes_back(api: str) -> None:
    codec, response = CODECS[api], RICH[api]
    assert codec.decode_response(_body(codec, response)) == response
    assert codec.decode_stream(json_events(_stream(codec, response))) == response


@_each_api
def test_an_error_alone_comes_back(api: str) -> None:
    codec, failed = CODECS[api], InferenceResponse(error_type="rate_limit_error")
    assert codec.decode_response(_body(codec, failed)) == failed
    assert codec.decode_stream(json_events(_stream(codec, failed))) == failed


@_each_api
def test_a_stream_that_fails_midway_tells_both(api: str) -> None:
    codec = CODECS[api]
    failed = InferenceResponse("id", "m", (), (Message("assistant", (_TEXT,)),), error_type="overloaded_error")
    assert codec.decode_stream(json_events(_stream(codec, failed))) == failed


def test_a_deprecated_function_call_comes_back() -> None:
    called = _said({"type": "tool_call", "name": "f", "arguments": {"a": 1}}, reason="function_call")
    codec = CODECS["openai.chat"]
    assert _body(codec, called)["choices"][0]["message"]["function_call"] == {"name": "f", "arguments": '{"a":1}'}
    assert codec.decode_response(_body(codec, called)) == called
    assert codec.decode_stream(json_events(_stream(codec, called))) == called


def test_a_stream_of_responses_tells_its_parts_before_its_end() -> None:
    codec, response = CODECS["openai.responses"], RICH["openai.responses"]
    cut = codec.decode_stream(json_events(_stream(codec, response))[:-1])
    assert cut.output_messages[0].parts == response.output_messages[0].parts
    assert cut.usage == Usage()


def test_a_stream_of_responses_tells_its_parts_by_its_deltas_alone() -> None:
    codec = CODECS["openai.responses"]
    told = [event for event in json_events(_stream(codec, RICH["openai.responses"])) if "delta" in obj(event)]
    parts = codec.decode_stream(told).output_messages[0].parts
    assert [(part["type"], part.get("content", part.get("arguments"))) for part in parts] == [
        ("reasoning", "First look."),
        ("text", "It is 21° in Paris.\n"),
        ("refusal", "No more."),
        ("tool_call", {"city": "Paris", "days": [1, 2]}),
        ("tool_call", "ls -l"),
    ]


# --- the SDK reads it -------------------------------------------------------------------------------------------------


@_each_api
@settings(max_examples=25, deadline=None)
@given(st.data())
def test_the_sdk_reads_the_same_in_an_encoded_response(api: str, data: st.DataObject) -> None:
    response = data.draw(responses(api, is_readable=True))
    read = _SDK_TYPES[api].model_validate_json(_as_sent(_body(CODECS[api], response)))
    assert told_by_sdk(api, read) == told_by_model(response)


@_each_api
def test_the_sdk_reads_everything_of_a_body(api: str, sdk: SdkReader) -> None:
    assert sdk.read(api, _as_sent(_body(CODECS[api], RICH[api]))) == told_by_model(RICH[api])


@_each_api
def test_the_sdk_reads_everything_of_a_stream(api: str, sdk: SdkReader) -> None:
    assert sdk.read_stream(api, _stream(CODECS[api], RICH[api])) == told_by_model(RICH[api])


@_each_api
@settings(max_examples=8, deadline=None)
@given(st.data())
def test_the_sdk_reads_the_same_in_any_encoded_stream(api: str, sdk: SdkReader, data: st.DataObject) -> None:
    response = data.draw(responses(api, is_readable=True))
    assert sdk.read_stream(api, _stream(CODECS[api], response)) == told_by_model(response)


# --- words of others --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("api", "told", "word"),
    [
        ("openai.chat", "tool_call", "tool_calls"),
        ("openai.chat", "end_turn", "stop"),
        ("openai.chat", "max_tokens", "length"),
        ("openai.completions", "max_tokens", "length"),
        ("openai.responses", "length", "max_output_tokens"),
        ("openai.responses", "end_turn", "stop"),
        ("openai.responses", "error", "failed"),
        ("anthropic.messages", "stop", "end_turn"),
        ("anthropic.messages", "tool_calls", "tool_use"),
        ("anthropic.messages", "content_filter", "refusal"),
    ],
)
def test_a_finish_reason_is_told_in_the_words_of_the_api(api: str, told: str, word: str) -> None:
    codec, response = CODECS[api], _said(_TEXT, reason=told)
    assert codec.decode_response(_body(codec, response)).finish_reasons == (word,)
    assert codec.decode_stream(json_events(_stream(codec, response))).finish_reasons == (word,)


@_each_api
def test_a_finish_reason_without_a_message_is_kept(api: str) -> None:
    codec, response = CODECS[api], InferenceResponse("id", "m", ("stop",))
    assert len(codec.decode_response(_body(codec, response)).finish_reasons) == 1


def test_a_finish_reason_that_the_message_does_not_tell_is_taken_from_the_response() -> None:
    told = InferenceResponse("id", "m", ("length",), (Message("assistant", (_TEXT,)),))
    assert _body(CODECS["openai.chat"], told)["choices"][0]["finish_reason"] == "length"


@pytest.mark.parametrize(
    ("arguments", "written"),
    [(None, "{}"), ({}, "{}"), ({"a": 1}, '{"a":1}'), ('{"cut', '{"cut'), ('{"a": 1}', '{"a": 1}'), (7, "7"), ("", "")],
    ids=repr,
)
def test_arguments_are_written_as_json_unless_they_are_none(arguments: Any, written: str) -> None:
    said = _said({"type": "tool_call", "id": "c", "name": "f", "arguments": arguments})
    message = _body(CODECS["openai.chat"], said)["choices"][0]["message"]
    assert message["tool_calls"][0]["function"]["arguments"] == written


def test_several_plain_texts_are_one_in_chat() -> None:
    said = _said(_TEXT, {"type": "text", "content": " there"})
    assert _body(CODECS["openai.chat"], said)["choices"][0]["message"]["content"] == "Hi there"


@pytest.mark.parametrize("arguments", [None, "", {}], ids=repr)
def test_a_call_without_arguments_has_an_empty_input(arguments: Any) -> None:
    said = _said({"type": "tool_call", "id": "c", "name": "f", "arguments": arguments})
    assert _body(CODECS["anthropic.messages"], said)["content"][0]["input"] == {}


def test_messages_of_a_foreign_trace_are_one_where_the_api_has_one() -> None:
    told = InferenceResponse("id", "m", ("stop",), (Message("assistant", (_TEXT,)), Message("assistant", (_TEXT,))))
    assert len(_body(CODECS["anthropic.messages"], told)["content"]) == 2
    assert len(_body(CODECS["openai.responses"], told)["output"]) == 2


def test_a_servers_tool_in_the_form_of_the_conventions_is_encoded() -> None:
    part: Part = {
        "type": "server_tool_call",
        "id": "x",
        "name": "code_interpreter",
        "server_tool_call": {"type": "code_interpreter", "code": "1+1"},
    }
    assert _body(CODECS["openai.responses"], _said(part))["output"] == [
        {"id": "x", "type": "code_interpreter_call", "status": "completed", "code": "1+1"}
    ]
    assert _body(CODECS["anthropic.messages"], _said(part))["content"] == [
        {"id": "x", "type": "server_tool_use", "name": "code_interpreter", "input": {"code": "1+1"}}
    ]


def test_cached_tokens_beyond_the_input_are_no_negative_number() -> None:
    told = InferenceResponse("id", "m", usage=Usage(5, 1, 10))
    assert _body(CODECS["anthropic.messages"], told)["usage"]["input_tokens"] == 0


def test_what_the_cache_keeps_for_an_hour_is_told() -> None:
    messages, usage = CODECS["anthropic.messages"], Usage(8, 9, None, 3, None, 2)
    told = _body(messages, InferenceResponse("id", "m", usage=usage))
    assert told["usage"]["cache_creation"] == {"ephemeral_1h_input_tokens": 2, "ephemeral_5m_input_tokens": 1}
    assert messages.decode_response(told).usage == usage


# --- what cannot be told ----------------------------------------------------------------------------------------------

_IMAGE: Final[Part] = {"type": "blob", "modality": "image", "content": "x"}
_RESULT: Final[Part] = {"type": "server_tool_call_response", "server_tool_call_response": {"type": "t"}}
_CALL: Final[Part] = {"type": "tool_call", "id": "c", "name": "f", "arguments": {}}


@pytest.mark.parametrize(
    ("api", "part"),
    [
        ("openai.chat", _IMAGE),
        ("openai.chat", _RESULT),
        ("openai.completions", _CALL),
        ("openai.responses", _IMAGE),
        ("openai.responses", _RESULT),
        ("anthropic.messages", _IMAGE),
    ],
)
def test_a_part_the_api_has_no_place_for_is_named(api: str, part: Part) -> None:
    for encode in (_body, _stream):
        with pytest.raises(NotEncodable, match=str(part["type"])) as raised:
            encode(CODECS[api], _said(part))
        assert (raised.value.api, raised.value.part) == (api, part["type"])
        assert isinstance(raised.value, ValueError)


@pytest.mark.parametrize("api", ["openai.chat", "openai.responses", "anthropic.messages"])
def test_a_part_the_conventions_do_not_know_is_the_providers_own(api: str) -> None:
    own: Part = {"type": "new_thing", "data": 1}
    assert canonical(own) in canonical(_body(CODECS[api], _said(own)))


@pytest.mark.parametrize("codec", [generic.CODEC, openai_embeddings.CODEC], ids=lambda codec: codec.name)
def test_what_the_model_does_not_hold_has_no_way_back(codec: Codec) -> None:
    assert codec.encode_response is None
    assert codec.encode_stream is None


def test_a_fetched_response_is_encoded_as_a_made_one() -> None:
    fetched, made = openai_responses.FETCH, CODECS["openai.responses"]
    assert _body(fetched, RICH[made.name]) == _body(made, RICH[made.name])


# --- the shape of streams ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("api", ["openai.chat", "openai.completions"])
def test_the_older_streams_have_no_names_and_an_end_mark(api: str) -> None:
    sent = events(_stream(CODECS[api], RICH[api]))
    assert {event.name for event in sent} == {""}
    assert sent[-1].data == "[DONE]"
    assert parse(sent[-2].data)["choices"] == []  # pyright: ignore[reportArgumentType, reportIndexIssue, reportCallIssue, reportOptionalSubscript] # JSON


@pytest.mark.parametrize("api", ["openai.responses", "anthropic.messages"])
def test_the_newer_streams_name_each_event_by_its_type(api: str) -> None:
    sent = events(_stream(CODECS[api], RICH[api]))
    assert [event.name for event in sent] == [json.loads(event.data)["type"] for event in sent]


def test_events_of_responses_are_numbered_from_created_to_completed() -> None:
    sent = [json.loads(event.data) for event in events(_stream(CODECS["openai.responses"], RICH["openai.responses"]))]
    assert [event["sequence_number"] for event in sent] == list(range(len(sent)))
    assert (sent[0]["type"], sent[-1]["type"]) == ("response.created", "response.completed")
