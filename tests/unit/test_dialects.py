"""What spans tell of a call, in each dialect, and how far that goes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agenttrace.dialects.grading import Inference, inferences
from otel_agenttrace.dialects.translating import translated
from otel_agenttrace.model import Span, Usage
from otel_agenttrace.playback.foreign import ForeignPlayer
from tests.support.foreign_spans import event, genai_attributes, said, span

_ASK: Final = {"type": "text", "content": "How is it in Paris?"}
_CALL: Final = {"type": "tool_call", "name": "weather", "arguments": {"city": "Paris"}, "id": "call_1"}
_RESULT: Final = {"type": "tool_call_response", "response": "sunny", "id": "call_1"}
_ANSWER: Final = {"type": "text", "content": "It is sunny."}
_CHAT_CALL: Final = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "weather", "arguments": '{"city":"Paris"}'},
}
_TOOL: Final = {"type": "function", "name": "weather", "parameters": {"type": "object"}}

_GENAI: Final = genai_attributes(
    [said("user", _ASK), said("assistant", _CALL), said("tool", _RESULT)],
    [said("assistant", _ANSWER, finish_reason="stop")],
    gen_ai__tool__definitions=json.dumps([_TOOL]),
    gen_ai__request__max_tokens=50,
)
_FACTS: Final = {name: value for name, value in _GENAI.items() if not name.endswith(".messages")}
_MESSAGES: Final[list[dict[str, Any]]] = [
    {"role": "user", "content": "How is it in Paris?"},
    {"role": "assistant", "tool_calls": [_CHAT_CALL]},
    {"role": "tool", "tool_call_id": "call_1", "content": "sunny"},
]

_SPANS: Final[Mapping[str, Span]] = {
    "gen_ai, JSON text": span(1, _GENAI),
    "gen_ai, structured": span(
        1,
        {**_FACTS, **{name: json.loads(str(_GENAI[name])) for name in _GENAI if name.endswith((".messages", "tions"))}},
    ),
    "gen_ai, on an event": span(
        1,
        _FACTS,
        event(
            "gen_ai.client.inference.operation.details",
            **{name: json.loads(str(_GENAI[name])) for name in _GENAI if name.endswith(".messages")},
        ),
    ),
    "openllmetry until 2025": span(
        1,
        {
            "llm.request.type": "chat",
            "gen_ai.system": "openai",
            "gen_ai.request.model": "gpt-4o",
            "gen_ai.request.max_tokens": 50,
            "gen_ai.response.id": "chatcmpl-1",
            "gen_ai.response.model": "gpt-4o-2024",
            "gen_ai.usage.prompt_tokens": 7,
            "gen_ai.usage.completion_tokens": 3,
            "gen_ai.prompt.0.role": "user",
            "gen_ai.prompt.0.content": "How is it in Paris?",
            "gen_ai.prompt.1.role": "assistant",
            "gen_ai.prompt.1.tool_calls.0.id": "call_1",
            "gen_ai.prompt.1.tool_calls.0.name": "weather",
            "gen_ai.prompt.1.tool_calls.0.arguments": '{"city":"Paris"}',
            "gen_ai.prompt.2.role": "tool",
            "gen_ai.prompt.2.tool_call_id": "call_1",
            "gen_ai.prompt.2.content": "sunny",
            "gen_ai.completion.0.role": "assistant",
            "gen_ai.completion.0.content": "It is sunny.",
            "gen_ai.completion.0.finish_reason": "stop",
            "llm.request.functions.0.name": "weather",
            "llm.request.functions.0.parameters": '{"type":"object"}',
        },
    ),
    "events until 1.36": span(
        1,
        {name: value for name, value in _FACTS.items() if name != "gen_ai.response.finish_reasons"},
        event("gen_ai.user.message", content="How is it in Paris?"),
        event("gen_ai.assistant.message", tool_calls=json.dumps([_CHAT_CALL])),
        event("gen_ai.tool.message", content="sunny", id="call_1"),
        event("gen_ai.choice", index=0, finish_reason="stop", message=json.dumps({"content": "It is sunny."})),
    ),
    "openinference, one by one": span(
        1,
        {
            "openinference.span.kind": "LLM",
            "llm.invocation_parameters": '{"model":"gpt-4o","max_tokens":50}',
            "llm.input_messages.0.message.role": "user",
            "llm.input_messages.0.message.content": "How is it in Paris?",
            "llm.input_messages.1.message.role": "assistant",
            "llm.input_messages.1.message.tool_calls.0.tool_call.id": "call_1",
            "llm.input_messages.1.message.tool_calls.0.tool_call.function.name": "weather",
            "llm.input_messages.1.message.tool_calls.0.tool_call.function.arguments": '{"city":"Paris"}',
            "llm.input_messages.2.message.role": "tool",
            "llm.input_messages.2.message.tool_call_id": "call_1",
            "llm.input_messages.2.message.content": "sunny",
            "llm.output_messages.0.message.role": "assistant",
            "llm.output_messages.0.message.content": "It is sunny.",
            "llm.tools.0.tool.json_schema": json.dumps(
                {"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}
            ),
            "llm.model_name": "gpt-4o-2024",
            "llm.finish_reason": "stop",
            "llm.token_count.prompt": 7,
            "llm.token_count.completion": 3,
        },
    ),
    "vercel": span(
        1,
        {
            "ai.operationId": "ai.generateText.doGenerate",
            "ai.model.id": "gpt-4o",
            "gen_ai.request.max_tokens": 50,
            "ai.prompt.messages": json.dumps(
                [
                    {"role": "user", "content": [{"type": "text", "text": "How is it in Paris?"}]},
                    {
                        "role": "assistant",
                        "content": [
                            {
                                "type": "tool-call",
                                "toolCallId": "call_1",
                                "toolName": "weather",
                                "input": {"city": "Paris"},
                            }
                        ],
                    },
                    {
                        "role": "tool",
                        "content": [
                            {
                                "type": "tool-result",
                                "toolCallId": "call_1",
                                "output": {"type": "text", "value": "sunny"},
                            }
                        ],
                    },
                ]
            ),
            "ai.prompt.tools": (
                json.dumps({"type": "function", "name": "weather", "inputSchema": {"type": "object"}}),
            ),
            "ai.response.text": "It is sunny.",
            "ai.response.finishReason": "stop",
            "ai.response.id": "chatcmpl-1",
            "ai.response.model": "gpt-4o-2024",
            "ai.usage.inputTokens": 7,
            "ai.usage.outputTokens": 3,
        },
    ),
    "langfuse": span(
        1,
        {
            "langfuse.observation.type": "generation",
            "langfuse.observation.model.name": "gpt-4o",
            "langfuse.observation.model.parameters": '{"max_tokens":50,"temperature":1,"top_p":1}',
            "langfuse.observation.input": json.dumps(
                {
                    "messages": _MESSAGES,
                    "tools": [{"type": "function", "function": {"name": "weather", "parameters": {"type": "object"}}}],
                }
            ),
            "langfuse.observation.output": '{"role":"assistant","content":"It is sunny."}',
            "langfuse.observation.usage_details": '{"input":7,"output":3,"total":10}',
        },
    ),
}
_WITHOUT_ID: Final = frozenset({"openinference, one by one", "langfuse"})


def _one(*spans: Span) -> Inference:
    (found,) = inferences(spans)
    return found


@pytest.mark.parametrize("name", _SPANS)
def test_every_dialect_tells_the_same_conversation(name: str) -> None:
    found = _one(_SPANS[name])
    assert found.grade == "reconstructable"
    assert found.told is not None
    request, response = found.told.request, found.told.response
    assert [(each.role, [*map(dict, each.parts)]) for each in request.input_messages] == [
        ("user", [_ASK]),
        ("assistant", [_CALL]),
        ("tool", [_RESULT]),
    ]
    assert [(each.role, [*map(dict, each.parts)]) for each in response.output_messages] == [("assistant", [_ANSWER])]
    assert [*map(dict, request.tool_definitions)] == [_TOOL]
    assert request.model == "gpt-4o"
    assert request.parameters["gen_ai.request.max_tokens"] == 50
    assert "gen_ai.request.temperature" not in request.parameters
    assert response.usage == Usage(7, 3)
    assert response.id == (None if name in _WITHOUT_ID else "chatcmpl-1")
    assert response.finish_reasons == (() if name == "langfuse" else ("stop",))


_LACKING: Final[Mapping[str, tuple[Span, str, str]]] = {
    "content that is off": (span(1, _FACTS), "no-content", "content is off: neither messages nor answer are recorded"),
    "an answer alone": (
        span(1, {**_FACTS, "gen_ai.output.messages": _GENAI["gen_ai.output.messages"]}),
        "hash-only",
        "the input messages are not recorded",
    ),
    "messages without an answer": (
        span(1, {**_FACTS, "gen_ai.input.messages": _GENAI["gen_ai.input.messages"]}),
        "hash-only",
        "the answer is not recorded",
    ),
    "JSON that ends in a value": (
        span(1, {**_GENAI, "gen_ai.output.messages": str(_GENAI["gen_ai.output.messages"])[:40]}),
        "hash-only",
        "truncated at 40 characters: gen_ai.output.messages",
    ),
    "JSON that ends in a name": (
        span(1, {**_GENAI, "gen_ai.input.messages": '[{"rol'}),
        "hash-only",
        "truncated at 6 characters: gen_ai.input.messages",
    ),
    "something else than JSON": (
        span(1, {**_GENAI, "gen_ai.input.messages": "[object Object],[object Object]"}),
        "hash-only",
        "no JSON: gen_ai.input.messages",
    ),
    "evicted attributes": (
        span(1, {**_GENAI, "otel.dropped_attributes_count": 3}),
        "hash-only",
        "attribute evicted: 3 left out (otel.dropped_attributes_count)",
    ),
    "a message that was evicted": (
        span(
            1,
            {
                name: value
                for name, value in _SPANS["openllmetry until 2025"].attributes.items()
                if not name.startswith("gen_ai.prompt.1.")
            },
        ),
        "hash-only",
        "attribute evicted: 2 of 3 under gen_ai.prompt",
    ),
    "calls without ids": (
        span(1, genai_attributes([said("user", _ASK)], [said("assistant", {**_CALL, "id": None})])),
        "hash-only",
        "the ids of tool calls are not recorded",
    ),
    "tools without definitions": (
        span(1, genai_attributes([said("user", _ASK)], [said("assistant", _CALL)])),
        "reconstructable",
        "tool definitions missing",
    ),
    "calls with the ids of items": (
        span(1, genai_attributes([said("user", _ASK)], [said("assistant", {**_CALL, "id": "fc_1"})])),
        "reconstructable",
        "the ids of tool calls are those of items",
    ),
    "definitions that are cut off": (
        span(1, {**_GENAI, "gen_ai.tool.definitions": '[{"type":"func'}),
        "reconstructable",
        "truncated at 14 characters: gen_ai.tool.definitions",
    ),
    "a stream": (
        span(1, {**_GENAI, "gen_ai.request.stream": True}),
        "reconstructable",
        "stream collapsed: the chunks are not recorded",
    ),
    "hidden content": (
        span(
            1,
            {**_SPANS["openinference, one by one"].attributes, "llm.input_messages.0.message.content": "__REDACTED__"},
        ),
        "hash-only",
        "hidden by the instrumentation: llm.input_messages.0.message.content",
    ),
    "an error without a status": (
        span(
            1,
            {**_FACTS, "gen_ai.input.messages": _GENAI["gen_ai.input.messages"], "error.type": "TimeoutError"},
            status="ERROR",
        ),
        "hash-only",
        "it failed, and no status is told: TimeoutError",
    ),
    "an error in the middle of the answer": (
        span(1, {**_GENAI, "error.type": "500"}, status="ERROR"),
        "hash-only",
        "it failed after a part of the answer",
    ),
    "an open span": (span(1, _GENAI, end_ns=None), "hash-only", "the span has not ended"),
    "an output that is no message": (
        span(1, {**_SPANS["langfuse"].attributes, "langfuse.observation.output": '{"answer":42}'}),
        "hash-only",
        "no message of a model: langfuse.observation.output",
    ),
}


@pytest.mark.parametrize("name", _LACKING)
def test_the_grade_says_why_it_is_no_better(name: str) -> None:
    asked, grade, reason = _LACKING[name]
    found = _one(asked)
    assert (found.grade, reason in found.reasons) == (grade, True), found.reasons


_INPUT: Final = {"gen_ai.input.messages": _GENAI["gen_ai.input.messages"]}


@pytest.mark.parametrize(
    ("attributes", "message", "status", "kind"),
    [
        ({"error.type": "429"}, "", 429, "rate_limit_error"),
        ({"error.type": "overloaded_error", "http.response.status_code": 529}, "", 529, "overloaded_error"),
        ({"error.type": "RateLimitError"}, "", 429, "rate_limit_error"),
        ({"error.type": "openai.AuthenticationError"}, "", 401, "authentication_error"),
        ({"error.type": "InternalServerError"}, "Error code: 503 - Unavailable.", 503, "api_error"),
    ],
)
def test_a_refusal_is_known_by_its_status(attributes: dict[str, Any], message: str, status: int, kind: str) -> None:
    found = _one(span(1, {**_FACTS, **_INPUT, **attributes}, status="ERROR", status_message=message))
    assert found.grade == "reconstructable"
    assert found.failure is not None
    assert (found.failure.status, found.failure.kind) == (status, kind)


def test_the_body_that_an_exception_quotes_is_the_body_of_the_refusal() -> None:
    words = "Error code: 400 - {'type': 'error', 'error': {'type': 'invalid_request_error', 'message': 'No.'}}"
    thrown = event("exception", **{"exception.type": "anthropic.BadRequestError", "exception.message": words})
    found = _one(span(1, {**_FACTS, **_INPUT}, thrown, status="ERROR"))
    assert found.failure is not None
    assert found.failure.body == {"type": "error", "error": {"type": "invalid_request_error", "message": "No."}}
    assert found.failure.message == "No."


def _plain(number: int, text: str, name: str = "gen_ai.completion.0.content") -> Span:
    prompt = {"gen_ai.prompt.0.role": "user", "gen_ai.prompt.0.content": f"ask {number}"}
    return span(number, {**prompt, "gen_ai.completion.0.role": "assistant", name: text})


def test_texts_of_the_greatest_length_are_cut_off_if_people_set_that_length() -> None:
    found = inferences([_plain(1, "a" * 128), _plain(2, "b" * 127)])
    assert [each.grade for each in found] == ["hash-only", "reconstructable"]
    assert found[0].reasons[0] == "truncated at 128 characters: gen_ai.completion.0.content"


def test_texts_of_any_greatest_length_are_cut_off_if_two_attributes_share_it() -> None:
    one = _plain(1, "a" * 77)
    other = replace(one, attributes={**one.attributes, "gen_ai.prompt.0.content": "b" * 77})
    assert [each.grade for each in inferences([one])] == ["reconstructable"]
    assert [each.grade for each in inferences([other])] == ["hash-only"]


def test_texts_are_cut_off_where_JSON_is() -> None:
    told = {"llm.request.functions.0.parameters": '{"type":"object","properties":{"city":{"type":"str'}
    uncut = {"gen_ai.system": "z" * 61}
    one = _plain(1, "a" * 50)
    one = replace(one, attributes={**one.attributes, **uncut})
    assert [each.grade for each in inferences([one])] == ["reconstructable"]
    assert [each.grade for each in inferences([replace(one, attributes={**one.attributes, **told})])] == ["hash-only"]


def test_the_length_limit_of_one_process_says_nothing_of_another() -> None:
    cut = replace(_plain(1, "a" * 128), resource={"service.name": "cut"})
    whole = replace(_plain(2, "b" * 128 + "."), resource={"service.name": "whole"})
    same_length = replace(_plain(3, "c" * 128), resource={"service.name": "whole"})
    assert [each.grade for each in inferences([cut, whole, same_length])] == [
        "hash-only",
        "reconstructable",
        "reconstructable",
    ]


def test_a_call_that_two_spans_tell_counts_once_and_by_the_better_one() -> None:
    outer = span(1, _GENAI)
    inner = span(
        2, {**_FACTS, "gen_ai.usage.output_tokens": 4}, start_ns=1_100, end_ns=1_400, parent_span_id=outer.span_id
    )
    found = _one(inner, outer)
    assert (found.span, found.others) == (outer, (inner,))
    assert found.told is not None
    assert found.told.response.usage.output_tokens == 3


def test_usage_and_stop_reason_of_an_SDKs_own_span_are_those_of_the_wire() -> None:
    outer = span(1, _GENAI)
    own = {**_FACTS, "gen_ai.usage.output_tokens": 4, "anthropic.message.stop_reason": "stop_sequence"}
    inner = span(2, own, trace_id="f" * 32, start_ns=1_100, end_ns=1_400, scope="com.anthropic.sdk.python")
    found = _one(inner, outer)
    assert found.told is not None
    assert found.told.response.usage.output_tokens == 4
    assert found.told.response.finish_reasons == ("stop_sequence",)


def test_two_calls_that_were_given_the_same_id_are_two_calls() -> None:
    assert len(inferences([span(1, _GENAI), span(2, _GENAI)])) == 2


def test_the_parent_of_two_calls_is_none_itself() -> None:
    parent = span(1, genai_attributes([said("user", "both")], [said("assistant", "both")], gen_ai__response__id="p"))
    children = [
        span(number, _GENAI, parent_span_id=parent.span_id, start_ns=1_000 + number, end_ns=1_000 + number)
        for number in (2, 3)
    ]
    assert [each.span for each in inferences([parent, *children])] == children


@pytest.mark.parametrize(
    "attributes",
    [
        {"gen_ai.operation.name": "embeddings", "gen_ai.request.model": "m"},
        {"gen_ai.operation.name": "execute_tool"},
        {"gen_ai.operation.name": "invoke_agent", "gen_ai.input.messages": "[]"},
        {"openinference.span.kind": "CHAIN", "input.value": "{}"},
        {"ai.operationId": "ai.generateText", "ai.prompt": "{}"},
        {"langfuse.observation.type": "span"},
        {"http.request.method": "GET"},
    ],
)
def test_other_spans_are_no_calls_to_a_model(attributes: dict[str, Any]) -> None:
    assert inferences([span(1, attributes)]) == ()


def test_a_user_may_write_JSON() -> None:
    for text in ('{"a": 1}', '[{"a": 1}]', "[1", '"quoted"', "123", "[fake 429] please"):
        attributes = {**_plain(1, "yes").attributes, "gen_ai.prompt.0.content": text}
        for asked in (
            span(1, attributes),
            span(1, {}, event("gen_ai.user.message", content=text), event("gen_ai.choice", content="yes")),
        ):
            found = _one(asked)
            assert found.told is not None
            assert [*map(dict, found.told.request.input_messages[0].parts)] == [{"type": "text", "content": text}]


def test_a_summary_of_reasoning_is_its_texts() -> None:
    summary = json.dumps([{"type": "summary_text", "text": "One."}, {"type": "summary_text", "text": "Two."}])
    thought = {"type": "reasoning", "content": summary}
    found = _one(span(1, genai_attributes([said("user", "hi")], [said("assistant", thought, "Hello.")])))
    assert found.told is not None
    assert found.told.response.output_messages[0].parts[0]["content"] == "One.\nTwo."


@pytest.mark.parametrize(
    ("asked", "answer", "operation"),
    [
        (
            {"model": "m", "prompt": "Once"},
            {"object": "text_completion", "id": "1", "choices": [{"text": "upon", "finish_reason": "stop"}]},
            "text_completion",
        ),
        (
            {"model": "m", "input": "Once"},
            {
                "object": "response",
                "id": "1",
                "status": "completed",
                "output": [{"type": "message", "content": [{"type": "output_text", "text": "upon"}]}],
            },
            "chat",
        ),
        (
            {"model": "m", "max_tokens": 9, "messages": [{"role": "user", "content": "Once"}]},
            {"type": "message", "id": "1", "content": [{"type": "text", "text": "upon"}], "stop_reason": "end_turn"},
            "chat",
        ),
    ],
    ids=["completions", "responses", "anthropic"],
)
def test_the_JSON_that_openinference_keeps_is_read_by_its_API(asked: Any, answer: Any, operation: str) -> None:
    told = {"openinference.span.kind": "LLM", "input.value": json.dumps(asked), "output.value": json.dumps(answer)}
    found = _one(span(1, told))
    assert found.told is not None
    assert found.told.request.operation == operation
    assert [part["content"] for part in found.told.request.input_messages[0].parts] == ["Once"]
    assert [part["content"] for part in found.told.response.output_messages[0].parts] == ["upon"]
    assert found.grade == "reconstructable"


def test_a_request_that_failed_is_read_from_the_JSON_that_openinference_keeps() -> None:
    told = {"openinference.span.kind": "LLM", "input.value": '{"model":"m","input":"Once"}', "error.type": "429"}
    found = _one(span(1, {**told, "llm.input_messages.1.message.content": "Once"}, status="ERROR"))
    assert (found.grade, found.reasons) == ("reconstructable", ("failed with status 429",))


@pytest.mark.parametrize("name", _SPANS)
def test_every_dialect_is_translated_to_the_conventions(name: str) -> None:
    (made,) = translated([_SPANS[name]])
    assert made.is_inference
    assert (made.usage, made.attributes["gen_ai.request.model"]) == (Usage(7, 3), "gpt-4o")
    assert made.attributes.items() >= _SPANS[name].attributes.items()
    answer = made.attributes["gen_ai.output.messages"]
    told: Any = json.loads(answer) if isinstance(answer, str) else answer
    assert told[0]["parts"] == [_ANSWER]


_NAMES: Final = sorted({name for each in _SPANS.values() for name in each.attributes})
_JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.sampled_from(["text", "tool_call", "role", "a", ""]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "type", "parts", "content", "text", "id", "tool_calls", "input"]), inner
        )
    ),
    max_leaves=8,
)


@given(
    st.sampled_from(sorted(_SPANS)),
    st.dictionaries(st.sampled_from(_NAMES), _JSON | _JSON.map(json.dumps) | st.text(max_size=5), max_size=4),
)
@settings(max_examples=300, deadline=None)
def test_odd_attributes_are_graded_and_never_raise(name: str, odd: dict[str, Any]) -> None:
    told = replace(_SPANS[name], attributes={**_SPANS[name].attributes, **odd})
    assert all(each.reasons or each.grade == "reconstructable" for each in inferences([told]))
    assert len(translated([told])) == 1
    assert len(ForeignPlayer(Path("prod.json"), [told]).unplayed()) <= 1
