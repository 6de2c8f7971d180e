"""What the decoders make of odd answers: wrong types, cut streams, pieces out of order, and each dialect of a server."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agenttrace import semconv
from otel_agenttrace.errors import NotEncodable
from otel_agenttrace.jsonvalue import Json, array, obj
from otel_agenttrace.model import InferenceRequest, InferenceResponse, Message, Usage
from otel_agenttrace.wire import (
    anthropic_messages,
    generic,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_responses,
)
from otel_agenttrace.wire.codec import Codec
from otel_agenttrace.wire.sse import event_bytes, json_events
from otel_agenttrace.wire.telling import response_attributes
from tests.support.wire_responses import CODECS, RICH, json_values

_ALL: Final = (*CODECS.values(), openai_embeddings.CODEC, openai_responses.FETCH, generic.CODEC)
_each_codec = pytest.mark.parametrize("codec", _ALL, ids=lambda codec: codec.name)
_each_api = pytest.mark.parametrize("api", sorted(CODECS))
_CHAT, _COMPLETIONS = openai_chat.CODEC, openai_completions.CODEC
_RESPONSES, _MESSAGES = openai_responses.CODEC, anthropic_messages.CODEC

_ODD: Final[Sequence[Json]] = (
    None, True, -1, 10**30, 1.5, "", "x", "{", "\ud800", [], [None], [[]], [{}], ["x"], {}, {"x": 1}, {"type": []},
    {"type": "tool_result", "content": [{"type": "tool_result"}]},
)  # fmt: skip
"""Values that stand where another type is expected."""


def _every(codec: Codec, value: Any) -> None:
    """Read a value as all that it could be, and write what was read."""
    assert isinstance(codec.decode_request(obj(value)), InferenceRequest)
    for read in (codec.decode_response(obj(value)), codec.decode_stream(array(value)), codec.decode_stream([value])):
        assert isinstance(read, InferenceResponse)
        for encode in filter(None, (codec.encode_response, codec.encode_stream)):
            with suppress(NotEncodable):
                encode(read)


# --- nothing raises ---------------------------------------------------------------------------------------------------


def _replaced(value: Json, odd: Json) -> Iterator[Json]:
    """Yield the value with each of its nodes in turn replaced."""
    yield odd
    if isinstance(value, Mapping):
        for name, inner in value.items():
            for changed in _replaced(inner, odd):
                yield {**value, name: changed}
            yield {other: kept for other, kept in value.items() if other != name}
    elif isinstance(value, list | tuple):
        for place, inner in enumerate(value):
            for changed in _replaced(inner, odd):
                yield [*value[:place], changed, *value[place + 1 :]]


@_each_api
def test_any_member_of_a_response_may_be_odd(api: str) -> None:
    codec = CODECS[api]
    assert codec.encode_response is not None
    body = codec.encode_response(RICH[api])
    for odd in _ODD:
        for changed in _replaced(body, odd):
            read = codec.decode_response(obj(changed))
            assert isinstance(read, InferenceResponse)
            with suppress(NotEncodable):
                codec.encode_response(read)


@_each_api
def test_any_member_of_an_event_may_be_odd(api: str) -> None:
    codec = CODECS[api]
    assert codec.encode_stream is not None
    told = json_events(event_bytes(codec.encode_stream(RICH[api])))
    for odd in _ODD[::2]:
        for place, event in enumerate(told):
            before, after = told[max(place - 2, 0) : place], told[place + 1 : place + 3]
            for changed in _replaced(event, odd) if "response" not in obj(event) else [odd]:
                assert isinstance(codec.decode_stream([*before, changed, *after]), InferenceResponse)


_NAMES: Final = st.sampled_from(
    [
        "type", "id", "model", "role", "name", "index", "error", "code", "usage", "status", "choices", "message", "delta",
        "content", "text", "refusal", "reasoning", "tool_calls", "function", "custom", "function_call", "arguments", "input",
        "audio", "finish_reason", "output", "item", "output_index", "content_index", "response", "summary", "content_block",
        "partial_json", "thinking", "signature", "citations", "citation", "tools", "messages", "image_url", "input_audio",
        "file", "format", "source", "system", "stop", "x_groq", "input_tokens", "prompt_tokens_details", "cached_tokens",
    ]
)  # fmt: skip
_WORDS: Final = st.sampled_from(
    [
        "text", "message", "function_call", "custom_tool_call", "reasoning", "refusal", "thinking", "redacted_thinking",
        "tool_use", "tool_result", "x_tool_result", "server_tool_use", "image", "image_url", "input_audio", "file",
        "content_block_start", "content_block_delta", "message_start", "message_delta", "text_delta", "input_json_delta",
        "citations_delta", "error", "response.output_item.added", "response.output_text.delta", "web_search_call",
        "response.function_call_arguments.delta", "response.reasoning_summary_text.delta", "function", "tool", "base64",
        "completed", "incomplete", "data:x;base64,y",
    ]
)  # fmt: skip


@_each_codec
@settings(max_examples=30, deadline=None)
@given(value=json_values(names=_NAMES, leaves=_WORDS | st.sampled_from(_ODD), size=12))
def test_any_json_is_decoded(codec: Codec, value: Any) -> None:
    _every(codec, value)


@_each_codec
def test_deep_nesting_is_decoded(codec: Codec) -> None:
    kinds = ("tool_result", "function", "content", "message", "delta", "response", "thinking", "function_call")
    for kind in kinds:
        value: Json = "x"
        for _ in range(1200):
            value = {"type": kind, kind: value, "content": [value]}
        odd: dict[str, Json] = {"type": kind, "choices": [value], "messages": [value], "output": [value], kind: value}
        assert isinstance(codec.decode_request(odd), InferenceRequest)
        assert isinstance(codec.decode_response({**odd, "content": [value]}), InferenceResponse)
        assert isinstance(codec.decode_stream([odd, value]), InferenceResponse)


@_each_api
def test_a_stream_is_decoded_wherever_it_is_cut(api: str) -> None:
    codec, whole = CODECS[api], RICH[api]
    assert codec.encode_stream is not None
    body = event_bytes(codec.encode_stream(whole))
    for end in range(0, len(body), 17):
        read = codec.decode_stream(json_events(body[:end]))
        assert read.id in (None, whole.id)
        assert read.usage.input_tokens in (None, whole.usage.input_tokens)
        assert len(read.output_messages) <= len(whole.output_messages)


# --- chat -------------------------------------------------------------------------------------------------------------


def _choice(delta: Json, index: int = 0, **more: Json) -> dict[str, Json]:
    return {"choices": [{"index": index, "delta": delta, **more}]}


def _called(name: str, arguments: Json, call_id: str | None = None, **more: Json) -> dict[str, Json]:
    told: dict[str, Json] = {"type": "tool_call", "name": name, "arguments": arguments, **more}
    return told if call_id is None else {**told, "id": call_id}


def _call_delta(arguments: str, **more: Json) -> dict[str, Json]:
    name = {"name": more.pop("name")} if "name" in more else {}
    return {"tool_calls": [{**more, "function": {**name, "arguments": arguments}}]}


def _parts(response: InferenceResponse) -> list[Any]:
    (message,) = response.output_messages
    return list(message.parts)


def test_interleaved_choices_and_calls_are_told_apart() -> None:
    read = _CHAT.decode_stream(
        [
            _choice({"role": "assistant", "content": "b"}, 1),
            _choice(_call_delta("", index=1, id="c1", name="g")),
            _choice(_call_delta('{"a"', index=0, id="c0", name="f")),
            _choice({"content": "!"}, 1, finish_reason="stop"),
            _choice(_call_delta("[]", index=1)),
            _choice(_call_delta(":1}", index=0)),
            _choice({}, finish_reason="tool_calls"),
        ]
    )
    assert read.finish_reasons == ("tool_calls", "stop")
    assert read.output_messages == (
        Message("assistant", (_called("f", {"a": 1}, "c0"), _called("g", [], "c1")), None, "tool_calls"),
        Message("assistant", ({"type": "text", "content": "b!"},), None, "stop"),
    )


def test_calls_without_an_index_begin_with_a_new_id() -> None:
    told = [_call_delta("{}", id="a", name="f"), _call_delta('{"x"', id="b", name="g"), _call_delta(":1}")]
    assert _parts(_CHAT.decode_stream(list(map(_choice, told)))) == [_called("f", {}, "a"), _called("g", {"x": 1}, "b")]


def test_a_streamed_function_call_is_a_tool_call() -> None:
    told = [{"function_call": {"name": "f", "arguments": '{"a"'}}, {"function_call": {"arguments": ":1}"}}]
    assert _parts(_CHAT.decode_stream(list(map(_choice, told)))) == [_called("f", {"a": 1})]


def test_streamed_audio_is_put_together() -> None:
    told = [{"audio": {"id": "a", "transcript": "H"}}, {"audio": {"data": "UklG", "transcript": "i"}}]
    assert _parts(
        _CHAT.decode_stream([*map(_choice, told), _choice({"audio": {"data": "Rg==", "expires_at": 9}})])
    ) == [{"type": "blob", "modality": "audio", "content": "UklGRg==", "id": "a", "transcript": "Hi", "expires_at": 9}]


def test_the_input_of_a_custom_tool_stays_text() -> None:
    call: Json = {"id": "c", "type": "custom", "custom": {"name": "run", "input": "[1]"}}
    body: Json = {"choices": [{"message": {"tool_calls": [call]}}]}
    assert _parts(_CHAT.decode_response(obj(body))) == [_called("run", "[1]", "c", custom=True)]
    assert _parts(_CHAT.decode_stream([_choice({"tool_calls": [call]})])) == [_called("run", "[1]", "c", custom=True)]


def test_arguments_a_server_sends_as_an_object_stay_one() -> None:
    call: Json = {"id": "c", "function": {"name": "f", "arguments": {"a": 1}}}
    assert _parts(_CHAT.decode_stream([_choice({"tool_calls": [call]})])) == [_called("f", {"a": 1}, "c")]


@pytest.mark.parametrize("names", [("reasoning",), ("reasoning_content",), ("reasoning", "reasoning_content")])
def test_reasoning_counts_once_by_whichever_name(names: tuple[str, ...]) -> None:
    message: Json = dict.fromkeys(names, "Hm.")
    expected = [{"type": "reasoning", "content": "Hm."}]
    assert _parts(_CHAT.decode_response({"choices": [{"message": message}]})) == expected
    assert _parts(_CHAT.decode_stream([_choice(message)])) == expected


def test_what_mistral_thinks_is_reasoning() -> None:
    content: Json = [
        {"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]},
        {"type": "text", "text": "Hi"},
    ]
    expected = [{"type": "reasoning", "content": "Hm."}, {"type": "text", "content": "Hi"}]
    assert _parts(_CHAT.decode_response({"choices": [{"message": {"content": content}}]})) == expected
    assert _parts(_CHAT.decode_stream([_choice({"content": content})])) == expected


def test_a_refusal_is_no_text() -> None:
    message: Json = {"content": None, "refusal": "No."}
    expected = [{"type": "refusal", "content": "No."}]
    assert _parts(_CHAT.decode_response({"choices": [{"message": message}]})) == expected
    assert _parts(_CHAT.decode_stream([_choice({"refusal": "N"}), _choice({"refusal": "o."})])) == expected


@pytest.mark.parametrize(
    "last",
    [
        {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
        {"choices": [], "x_groq": {"usage": {"prompt_tokens": 3, "completion_tokens": 2}}},
        {"choices": [{"delta": {}, "finish_reason": "stop"}], "usage": {"prompt_tokens": 3, "completion_tokens": 2}},
    ],
    ids=["of its own", "groq", "with the last choice"],
)
def test_usage_is_found_in_whichever_chunk_has_it(last: Json) -> None:
    assert _CHAT.decode_stream([{"usage": None}, last, {"usage": {}}]).usage == Usage(3, 2)
    assert _COMPLETIONS.decode_stream([{"usage": None}, last]).usage == Usage(3, 2)


def test_an_error_within_a_stream_is_told() -> None:
    assert _CHAT.decode_stream([_choice({"content": "H"}), {"error": {"code": "x"}}]).error_type == "x"
    assert _CHAT.decode_response({"error": ""}).error_type is None


def test_a_stream_of_completions_tells_its_fingerprint() -> None:
    read = _COMPLETIONS.decode_stream([{"system_fingerprint": "fp", "choices": [{"text": "a"}]}])
    assert read.attributes == {semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: "fp"}


def test_unknown_formats_are_not_told() -> None:
    part: Json = {"type": "input_audio", "input_audio": {"data": "x"}}
    asked = _CHAT.decode_request({"messages": [{"role": "user", "content": [part]}], "stop": {"a": 1}})
    assert asked.input_messages[0].parts == ({"type": "blob", "modality": "audio", "content": "x"},)
    assert semconv.GEN_AI_REQUEST_STOP_SEQUENCES not in asked.parameters


# --- requests ---------------------------------------------------------------------------------------------------------


def _asked_part(part: Json) -> Any:
    return _CHAT.decode_request({"messages": [{"role": "user", "content": [part]}]}).input_messages[0].parts[0]


_PDF: Final = "data:application/pdf;base64,JVBERi0="


@pytest.mark.parametrize(
    ("part", "told"),
    [
        ({"type": "file", "file": {"file_data": _PDF}}, ("blob", "document", "JVBERi0=")),
        ({"type": "file", "file": {"file_data": "JVBERi0="}}, ("blob", "document", "JVBERi0=")),
        ({"type": "file", "file": {"file_id": "f"}}, ("file", "document", "f")),
        ({"type": "input_file", "file_url": "https://a.test"}, ("uri", "document", "https://a.test")),
        ({"type": "image_url", "image_url": {"url": "data:image/png;base64,eA=="}}, ("blob", "image", "eA==")),
        ({"type": "image_url", "image_url": {"url": "data:image/svg+xml,x"}}, ("uri", "image", "data:image/svg+xml,x")),
        ({"type": "input_image", "image_url": "https://a.test"}, ("uri", "image", "https://a.test")),
        ({"type": "input_image", "file_id": "f"}, ("file", "image", "f")),
    ],
)
def test_media_is_held_addressed_or_named(part: Json, told: tuple[str, str, str]) -> None:
    read = _asked_part(part)
    assert (read["type"], read["modality"], read.get("content", read.get("uri", read.get("file_id")))) == told


def test_an_earlier_answer_in_sound_is_a_file() -> None:
    asked = _CHAT.decode_request({"messages": [{"role": "assistant", "audio": {"id": "a"}}]})
    assert asked.input_messages[0].parts == ({"type": "file", "modality": "audio", "file_id": "a"},)


def test_a_fraction_is_one_where_a_whole_number_was_written() -> None:
    found = _CHAT.decode_request({"temperature": 0, "top_p": 10**400, "seed": 1, "presence_penalty": "x"}).parameters
    assert {name: type(value) for name, value in found.items() if name.startswith("gen_ai.")} == {
        semconv.GEN_AI_REQUEST_TEMPERATURE: float,
        semconv.GEN_AI_REQUEST_SEED: int,
    }


@pytest.mark.parametrize(
    ("codec", "tool", "name"),
    [
        (_CHAT, {"type": "custom", "custom": {"name": "run"}}, "run"),
        (_RESPONSES, {"type": "web_search"}, "web_search"),
        (_RESPONSES, {"type": "mcp", "server_label": "docs"}, "docs"),
        (_MESSAGES, {"type": "mcp_toolset", "mcp_server_name": "docs"}, "docs"),
        (_MESSAGES, {"type": "web_search_20250305", "name": "web_search"}, "web_search"),
    ],
    ids=lambda value: value["type"] if isinstance(value, dict) else "",
)
def test_every_tool_has_a_name(codec: Codec, tool: Json, name: str) -> None:
    assert codec.decode_request({"tools": [tool]}).tool_definitions == ({**obj(tool), "name": name},)


# --- responses --------------------------------------------------------------------------------------------------------


def test_a_response_cut_before_its_end_tells_what_came() -> None:
    read = _RESPONSES.decode_stream(
        [
            {"type": "response.created", "response": {"id": "r", "model": "m", "status": "in_progress", "output": []}},
            {"type": "response.output_item.added", "output_index": 0, "item": {"type": "reasoning", "id": "rs"}},
            {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 0, "delta": "Hm"},
            {"type": "response.reasoning_summary_text.delta", "output_index": 0, "summary_index": 1, "delta": "ah"},
            {"type": "response.output_text.delta", "output_index": 1, "content_index": 0, "delta": "Hi"},
            {"type": "response.refusal.delta", "output_index": 1, "content_index": 1, "delta": "no"},
            {"type": "response.custom_tool_call_input.delta", "output_index": 3, "delta": "ls"},
            {"type": "response.function_call_arguments.delta", "output_index": 2, "delta": '{"a'},
        ]
    )
    assert (read.id, read.model, read.finish_reasons) == ("r", "m", ())
    assert _parts(read) == [
        {"type": "reasoning", "id": "rs", "content": "Hm\nah"},
        {"type": "text", "content": "Hi"},
        {"type": "refusal", "content": "no"},
        _called("", '{"a'),
        _called("", "ls", custom=True),
    ]


def test_an_item_that_is_done_replaces_its_pieces() -> None:
    item: Json = {"type": "message", "content": [{"type": "output_text", "text": "Hi", "annotations": []}]}
    read = _RESPONSES.decode_stream(
        [{"type": "response.output_text.delta", "delta": "H"}, {"type": "response.output_item.done", "item": item}]
    )
    assert _parts(read) == [{"type": "text", "content": "Hi"}]


@pytest.mark.parametrize(
    "event",
    [
        {"type": "error", "code": "rate_limit", "message": "x"},
        {"type": "error", "error": {"type": "rate_limit", "code": "x"}},
        {"type": "response.failed", "response": {"status": "failed", "error": {"code": "rate_limit"}}},
    ],
    ids=["flat", "nested", "failed"],
)
def test_a_failed_response_tells_why(event: Json) -> None:
    assert _RESPONSES.decode_stream([event]).error_type == "rate_limit"


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({"status": "completed"}, "stop"),
        ({"status": "completed", "output": [{"type": "custom_tool_call"}]}, "tool_calls"),
        ({"status": "incomplete", "incomplete_details": {"reason": "content_filter"}}, "content_filter"),
        ({"status": "incomplete", "incomplete_details": None}, "incomplete"),
        ({"status": "cancelled"}, "cancelled"),
        ({"status": "queued"}, None),
    ],
)
def test_a_status_is_told_as_a_finish_reason(body: Any, reason: str | None) -> None:
    assert _RESPONSES.decode_response(body).finish_reasons == ((reason,) if reason else ())


def test_a_fetched_response_uses_no_tokens_again() -> None:
    body: Json = {"id": "r", "usage": {"input_tokens": 3, "output_tokens": 2}}
    assert _RESPONSES.decode_response(obj(body)).usage == Usage(3, 2)
    assert openai_responses.FETCH.decode_response(obj(body)) == InferenceResponse("r")
    assert openai_responses.FETCH.decode_stream([{"type": "response.completed", "response": body}]).usage == Usage()


# --- anthropic --------------------------------------------------------------------------------------------------------


def _block(index: int, block: Json, *deltas: Json) -> list[Json]:
    begun: Json = {"type": "content_block_start", "index": index, "content_block": block}
    return [begun, *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas)]


def test_a_cut_tool_input_is_the_text_that_came() -> None:
    cut = _block(0, {"type": "tool_use", "id": "t", "name": "f", "input": {}}, _json('{"a": 1, "b'))
    assert _parts(_MESSAGES.decode_stream(cut)) == [_called("f", '{"a": 1, "b', "t")]


def _json(piece: str) -> Json:
    return {"type": "input_json_delta", "partial_json": piece}


def test_interleaved_blocks_are_told_apart() -> None:
    first = _block(1, {"type": "text", "text": ""}, {"type": "text_delta", "text": "Hi"})
    second = _block(0, {"type": "tool_use", "id": "t", "name": "f"}, _json(""), _json("[1]"))
    mixed = [first[0], second[0], second[1], first[1], second[2]]
    assert _parts(_MESSAGES.decode_stream(mixed)) == [_called("f", [1], "t"), {"type": "text", "content": "Hi"}]


def test_a_signature_and_citations_are_kept() -> None:
    thought = _block(
        0, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "signature_delta", "signature": "s"}
    )
    cited = _block(1, {"type": "text", "text": "", "citations": []}, {"type": "citations_delta", "citation": {"n": 1}})
    assert _parts(_MESSAGES.decode_stream([*thought, *cited])) == [
        {"type": "reasoning", "content": "", "signature": "s"},
        {"type": "text", "content": "", "citations": [{"n": 1}]},
    ]


def test_a_compaction_is_put_together() -> None:
    told = _block(0, {"type": "compaction", "content": None}, {"type": "compaction_delta", "content": "so far"})
    assert _parts(_MESSAGES.decode_stream(told)) == [{"type": "compaction", "content": "so far"}]


def test_an_answer_of_an_mcp_server_tells_whether_it_failed() -> None:
    block: Json = {"type": "mcp_tool_result", "tool_use_id": "t", "is_error": True, "content": []}
    assert _parts(_MESSAGES.decode_response({"content": [block]})) == [
        {
            "type": "server_tool_call_response",
            "id": "t",
            "server_tool_call_response": {"type": "mcp", "is_error": True, "content": []},
        }
    ]


def test_cache_and_thinking_tokens_are_counted() -> None:
    usage: Json = {
        "input_tokens": 5,
        "output_tokens": 9,
        "cache_read_input_tokens": 3,
        "cache_creation_input_tokens": 2,
        "output_tokens_details": {"thinking_tokens": 7},
    }
    assert _MESSAGES.decode_response({"usage": usage}).usage == Usage(10, 9, 3, 2, 7)
    start: Json = {"type": "message_start", "message": {"usage": {**usage, "output_tokens": 1}}}
    last: Json = {"type": "message_delta", "delta": {}, "usage": {"output_tokens": 9, "input_tokens": None}}
    assert _MESSAGES.decode_stream([start, last]).usage == Usage(10, 9, 3, 2, 7)


def test_what_the_cache_keeps_for_an_hour_is_counted() -> None:
    kept: Json = {"ephemeral_5m_input_tokens": 1, "ephemeral_1h_input_tokens": 2}
    usage: Json = {"input_tokens": 5, "output_tokens": 9, "cache_creation_input_tokens": 3, "cache_creation": kept}
    response = _MESSAGES.decode_response({"usage": usage})
    assert response.usage == Usage(8, 9, None, 3, None, 2)
    assert response_attributes(response)[semconv.AGENTTRACE_USAGE_CACHE_WRITE_1H_INPUT_TOKENS] == 2


def test_an_error_of_anthropic_is_told_in_both_forms() -> None:
    error: Json = {"type": "error", "error": {"type": "overloaded_error", "message": "x"}}
    assert _MESSAGES.decode_response(obj(error)).error_type == "overloaded_error"
    assert _MESSAGES.decode_stream([error]).error_type == "overloaded_error"
