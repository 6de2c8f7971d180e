"""Which call of a foreign trace answers a request, in which form, and what a miss says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

from otel_agenttrace.errors import ReplayExhausted, ReplayMiss
from otel_agenttrace.jsonvalue import obj, parse
from otel_agenttrace.matching import Requested, requested
from otel_agenttrace.model import InferenceResponse, Span
from otel_agenttrace.playback.foreign import ForeignPlayer
from otel_agenttrace.playback.player import Claim
from otel_agenttrace.redact import redactor
from otel_agenttrace.wire import anthropic_messages, openai_chat, openai_responses
from otel_agenttrace.wire.sse import json_events
from tests.support.foreign_spans import event, genai_attributes, said, span

_PATH: Final = Path("prod.json")
_CALL: Final = {"type": "tool_call", "name": "weather", "arguments": {"city": "Paris"}, "id": "call_abc"}
_SCHEMA: Final = {"type": "object", "properties": {"city": {"type": "string"}}}
_TOOLS: Final = json.dumps([{"type": "function", "name": "weather", "description": "Tell.", "parameters": _SCHEMA}])
_FUNCTION: Final = {"name": "weather", "description": "Tell.", "parameters": _SCHEMA}


def _asked(path: str, body: Mapping[str, Any]) -> Requested:
    content = json.dumps(body).encode()
    return requested("POST", f"https://api.test/v1{path}", "application/json", content, redactor({}))


def _chat(*messages: Mapping[str, Any], **more: Any) -> Requested:
    return _asked("/chat/completions", {"model": "gpt-4o", "messages": list(messages), **more})


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": text}


def _player(*spans: Span) -> ForeignPlayer:
    return ForeignPlayer(_PATH, spans)


def _spoken(number: int, answer: str, ask: str = "hi", **more: Any) -> Span:
    return span(
        number,
        genai_attributes([said("user", ask)], [said("assistant", answer)], gen_ai__response__id=f"r{number}", **more),
    )


def _claimed(player: ForeignPlayer, asked: Requested) -> Claim:
    claim = player.claim(asked, "")
    assert claim is not None, str(player.miss(asked, "here"))
    return claim


def _text(response: InferenceResponse) -> str:
    return "".join(str(part["content"]) for message in response.output_messages for part in message.parts)


def _answer(claim: Claim) -> str:
    (attempt,) = claim.attempts
    return _text(openai_chat.CODEC.decode_response(obj(parse(attempt.body))))


_ASKED: Final = genai_attributes(
    [
        said("system", "Be kind."),
        said("user", "Weather?"),
        said("assistant", _CALL),
        said("tool", {"type": "tool_call_response", "id": "call_abc", "response": '{"c": 21, "ok": true}'}),
    ],
    [said("assistant", "21 degrees.")],
    gen_ai__request__temperature=0.5,
    gen_ai__tool__definitions=_TOOLS,
)


def _conversation(**changed: Any) -> Requested:
    told = {
        "call_id": "call_xyz",
        "result_of": "call_xyz",
        "system": "Be kind.",
        "ask": "Weather?",
        "city": "Paris",
        "result": '{"ok":true,"c":21}',
        "model": "gpt-4o",
        "temperature": 0.5,
        "function": _FUNCTION,
        **changed,
    }
    call = {"name": "weather", "arguments": json.dumps({"city": told["city"]})}
    messages = [
        {"role": "system", "content": told["system"]},
        {"role": "user", "content": told["ask"]},
        {
            "role": "assistant",
            "content": None,
            "tool_calls": [{"id": told["call_id"], "type": "function", "function": call}],
        },
        {"role": "tool", "tool_call_id": told["result_of"], "content": told["result"]},
    ]
    if told.get("swapped"):
        messages[0], messages[1] = messages[1], messages[0]
    tools = [{"type": "function", "function": told["function"]}]
    body = {"model": told["model"], "messages": messages, "tools": tools, "temperature": told["temperature"]}
    return _asked("/chat/completions", body)


def test_a_call_is_answered_whatever_its_ids_and_the_layout_of_its_JSON() -> None:
    claim = _claimed(_player(span(1, _ASKED)), _conversation())
    assert _answer(claim) == "21 degrees."
    assert claim.outcome == "drift"
    assert claim.detail == "reconstructed from a gen_ai span: matched by messages, model, tools, temperature"
    assert (claim.entry.trace_id, claim.entry.span_id) == ("0af7651916cd43dd8448eb211c80319c", f"{1:016x}")


_CHANGES: Final[tuple[dict[str, Any], ...]] = (
    {"system": "Be rude."},
    {"ask": "Weather!"},
    {"city": "Rome"},
    {"result": '{"ok":true,"c":22}'},
    {"result_of": "call_another"},
    {"model": "gpt-4o-mini"},
    {"temperature": 0.7},
    {"function": {**_FUNCTION, "name": "climate"}},
    {"function": {**_FUNCTION, "description": "Say."}},
    {"function": {**_FUNCTION, "parameters": {"type": "object"}}},
    {"swapped": True},
)


@pytest.mark.parametrize("changed", _CHANGES, ids=str)
def test_a_call_that_asks_something_else_is_a_miss(changed: dict[str, Any]) -> None:
    player = _player(span(1, _ASKED))
    assert player.claim(_conversation(**changed), "") is None
    assert isinstance(player.miss(_conversation(**changed), "here"), ReplayMiss)
    assert player.claim(_conversation(), "") is not None


def test_the_image_is_compared() -> None:
    blob = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"}
    player = _player(span(1, genai_attributes([said("user", "What?", blob)], [said("assistant", "A cat.")])))

    assert player.claim(_seeing("What?", _data("BBBB")), "") is None
    assert player.claim(_chat(_user("What?")), "") is None
    assert _answer(_claimed(player, _seeing("What?", _data("AAAA")))) == "A cat."


def _data(content: str) -> str:
    return f"data:image/png;base64,{content}"


def _seeing(text: str, *addresses: str, **more: Any) -> Requested:
    images = [{"type": "image_url", "image_url": {"url": address}} for address in addresses]
    return _chat({"role": "user", "content": [{"type": "text", "text": text}, *images]}, **more)


def _uploaded(number: int, *addresses: str, text: str = "What?", answer: str = "A cat.") -> Span:
    images = [{"type": "uri", "modality": "image", "uri": address} for address in addresses]
    return span(number, genai_attributes([said("user", text, *images)], [said("assistant", answer)]))


def test_a_large_image_is_compared_by_what_is_stored_of_it() -> None:
    blob = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "QUJD" * 400}
    player = _player(span(1, genai_attributes([said("user", "What?", blob)], [said("assistant", "A cat.")])))
    assert player.claim(_seeing("What?", _data("QUJE" * 400)), "") is None
    assert _answer(_claimed(player, _seeing("What?", _data("QUJD" * 400)))) == "A cat."


@pytest.mark.parametrize("address", ["https://images.test/1/2.png", ""])
def test_an_image_that_the_trace_tells_an_address_of_is_told_as_not_recorded(address: str) -> None:
    player = _player(_uploaded(1, address))
    for other in (_seeing("Who?", _data("AAAA")), _seeing("What?"), _seeing("What?", _data("AAAA"), _data("AAAA"))):
        assert player.claim(other, "") is None
    assert player.claim(_seeing("What?", _data("AAAA"), model="gpt-5"), "") is None
    claim = _claimed(player, _seeing("What?", _data("AAAA")))
    assert (claim.outcome, _answer(claim)) == ("drift", "A cat.")
    assert "matched by messages, model; not recorded: what is at /messages/1, told as an address" in claim.detail
    assert isinstance(player.miss(_seeing("What?", _data("AAAA")), "here"), ReplayExhausted)


def test_an_address_that_is_asked_is_compared() -> None:
    player = _player(_uploaded(1, "https://images.test/1.png"))
    assert player.claim(_seeing("What?", "https://images.test/2.png"), "") is None
    claim = _claimed(player, _seeing("What?", "https://images.test/1.png"))
    assert "told as an address" not in claim.detail


def test_data_beside_an_address_is_compared() -> None:
    blob = {"type": "blob", "modality": "image", "mime_type": "image/png", "content": "AAAA"}
    address = {"type": "uri", "modality": "image", "uri": "https://images.test/1.png"}
    player = _player(span(1, genai_attributes([said("user", "What?", blob, address)], [said("assistant", "A cat.")])))
    assert player.claim(_seeing("What?", _data("BBBB"), _data("CCCC")), "") is None
    claim = _claimed(player, _seeing("What?", _data("AAAA"), _data("CCCC")))
    assert "not recorded: what is at /messages/2, told as an address" in claim.detail


def test_calls_that_only_addresses_tell_apart_are_refused() -> None:
    player = _player(
        _uploaded(1, "https://images.test/1.png"),
        _uploaded(2, "https://images.test/2.png", answer="A dog."),
        _uploaded(3, "https://images.test/3.png", text="Who?", answer="Ada."),
    )
    asked = _seeing("What?", _data("AAAA"))
    assert player.claim(asked, "") is None
    miss = player.miss(asked, "here")
    assert "Calls 1 and 2 of the trace were asked the same, each with another address of what is held here" in str(miss)
    assert _answer(_claimed(player, _seeing("Who?", _data("AAAA")))) == "Ada."


def test_what_the_trace_does_not_tell_is_told_as_such() -> None:
    asked = _chat(
        _user("hi"), temperature=0.2, tools=[{"type": "function", "function": _FUNCTION}], logit_bias={"1": 1}
    )
    detail = _claimed(_player(_spoken(1, "Hello.")), asked).detail
    assert detail == (
        "reconstructed from a gen_ai span: matched by messages, model; not recorded: tools, logit_bias, temperature"
    )


def test_what_the_instrumentation_tells_elsewhere_was_not_asked() -> None:
    other = _spoken(2, "Hello.", "other", gen_ai__request__temperature=0.2, gen_ai__tool__definitions=_TOOLS)
    player = _player(_spoken(1, "Hello."), other)
    assert player.claim(_chat(_user("hi"), temperature=0.2), "") is None
    assert player.claim(_chat(_user("hi"), tools=[{"type": "function", "function": _FUNCTION}]), "") is None
    assert player.claim(_chat(_user("hi")), "") is not None


def test_what_was_asked_with_more_does_not_answer() -> None:
    player = _player(_spoken(1, "Hello.", gen_ai__request__seed=7))
    assert player.claim(_chat(_user("hi")), "") is None
    assert player.claim(_chat(_user("hi"), seed=7), "") is not None


def test_the_same_call_is_answered_in_order_of_start_and_then_no_more() -> None:
    player = _player(_spoken(2, "second"), _spoken(1, "first"))
    assert len(player.unplayed()) == 2
    assert [_answer(_claimed(player, _chat(_user("hi")))) for _ in range(2)] == ["first", "second"]
    assert player.claim(_chat(_user("hi")), "") is None
    miss = player.miss(_chat(_user("hi")), "agent.py:7")
    assert isinstance(miss, ReplayExhausted)
    assert str(miss).startswith(
        "The trace has this call 2 times, and it was asked for once more.\n  at       agent.py:7"
    )
    assert player.unplayed() == ()


def test_what_another_process_has_taken_is_not_given_again() -> None:
    spans = (_spoken(1, "first"), _spoken(2, "second"))
    taken: list[str] = []
    one = ForeignPlayer(_PATH, spans, lambda place: not taken.append(place))
    _claimed(one, _chat(_user("hi")))
    other = ForeignPlayer(_PATH, spans, lambda place: place not in taken)
    assert _answer(_claimed(other, _chat(_user("hi")))) == "second"
    one.mark_played({*taken, "0" * 15 + "2"})
    assert one.unplayed() == ()


_RESPONSES: Final = {"model": "gpt-4o", "instructions": "Be kind.", "input": [{"role": "user", "content": "hi"}]}
_MESSAGES: Final = {
    "model": "gpt-4o",
    "max_tokens": 9,
    "system": "Be kind.",
    "messages": [{"role": "user", "content": "hi"}],
}
_COMPLETIONS: Final = {
    "model": "gpt-4o",
    "messages": [{"role": "system", "content": "Be kind."}, {"role": "user", "content": "hi"}],
}
_APIS: Final = (
    ("/chat/completions", _COMPLETIONS, openai_chat.CODEC),
    ("/responses", _RESPONSES, openai_responses.CODEC),
    ("/messages", _MESSAGES, anthropic_messages.CODEC),
)


@pytest.mark.parametrize("streamed", [False, True])
@pytest.mark.parametrize(("path", "body", "codec"), _APIS, ids=[path for path, _, _ in _APIS])
def test_the_answer_comes_in_the_API_that_is_asked(
    path: str, body: Mapping[str, Any], codec: Any, streamed: bool
) -> None:
    asked = [said("system", "Be kind."), said("user", "hi")]
    player = _player(
        span(
            1,
            genai_attributes(
                asked,
                [
                    said("assistant", "Hello."),
                ],
            ),
        )
    )
    more = {"stream": True, "stream_options": {"include_usage": True}} if streamed else {}
    (attempt,) = _claimed(player, _asked(path, {**body, **more})).attempts
    kind = dict(attempt.headers)["content-type"]
    assert kind.startswith("text/event-stream" if streamed else "application/json")
    assert sum(chunk.size for chunk in attempt.chunks) == (len(attempt.body) if streamed else 0)
    response = (
        codec.decode_stream(json_events(attempt.body)) if streamed else codec.decode_response(parse(attempt.body))
    )
    assert (_text(response), response.id, response.usage.input_tokens, response.usage.output_tokens) == (
        "Hello.",
        "chatcmpl-1",
        7,
        3,
    )


def test_a_stream_counts_tokens_only_where_that_is_asked_for() -> None:
    (attempt,) = _claimed(_player(_spoken(1, "Hello.")), _chat(_user("hi"), stream=True)).attempts
    assert b'"usage":{' not in attempt.body
    assert all(obj(chunk)["choices"] for chunk in json_events(attempt.body))


def test_a_refusal_is_told_once_and_keeps_the_SDK_from_trying_again() -> None:
    attributes = {**_spoken(1, "").attributes, "error.type": "429", "gen_ai.output.messages": None}
    player = _player(span(1, attributes, status="ERROR", status_message="Error code: 429 - Slow down."))
    claim = _claimed(player, _chat(_user("hi")))
    (attempt,) = claim.attempts
    assert (attempt.status, dict(attempt.headers)["x-should-retry"]) == (429, "false")
    assert obj(parse(attempt.body))["error"] == {
        "message": "Slow down.",
        "type": "rate_limit_error",
        "param": None,
        "code": None,
    }
    assert claim.detail.endswith("; failed with status 429")


def test_a_call_that_is_cut_off_takes_its_turn_and_is_refused_with_its_grade() -> None:
    cut = _spoken(1, "")
    cut = replace(cut, attributes={**cut.attributes, "gen_ai.output.messages": '[{"role":"assistant","parts":[{"ty'})
    player = _player(cut, _spoken(2, "second"))
    assert player.claim(_chat(_user("hi")), "") is None
    assert str(player.miss(_chat(_user("hi")), "here")).startswith(
        "Call 1 of the trace was asked the same, but it cannot answer: "
        "hash-only: truncated at 34 characters: gen_ai.output.messages.\n"
    )
    assert _answer(_claimed(player, _chat(_user("hi")))) == "second"


def test_a_miss_names_the_nearest_call_the_first_difference_and_who_cannot_answer() -> None:
    off = span(2, {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"})
    player = _player(_spoken(1, "Hello.", "Weather in Rome?"), off)
    miss = player.miss(_chat(_user("Weather in Paris?")), "agent.py:7")
    assert str(miss).splitlines() == [
        "No call of the trace was asked this.",
        "  at       agent.py:7",
        "  trace    prod.json",
        "  nearest  call 1, span 0000000000000001, differs at /messages/0/text",
        '  recorded "Weather in Rome?"',
        '  asked    "Weather in Paris?"',
        "  refused  call 2 is no-content: content is off: neither messages nor answer are recorded",
        "  to fix   look: otel-agenttrace grade prod.json, or record: otel-agenttrace record run.otlp.jsonl -- …",
    ]
    assert (miss.nearest, miss.first_difference) == ("0000000000000001", "/messages/0/text")


@pytest.mark.parametrize(
    ("path", "body", "why"),
    [
        ("/embeddings", {"model": "m", "input": "hi"}, "calls to a model only"),
        ("/files", {"purpose": "batch"}, "calls to a model only"),
        ("/responses", {"model": "gpt-4o", "input": "hi", "conversation": "conv_1"}, "content that the provider keeps"),
        ("/responses", {"model": "gpt-4o", "prompt": {"id": "pmpt_1"}}, "content that the provider keeps"),
        ("/responses", {"model": "gpt-4o", "input": "hi", "previous_response_id": "r0"}, "No call of the trace"),
    ],
)
def test_what_cannot_be_matched_on_messages_is_a_miss(path: str, body: dict[str, Any], why: str) -> None:
    player = _player(_spoken(1, "Hello."))
    assert player.claim(_asked(path, body), "") is None
    assert why in str(player.miss(_asked(path, body), "here"))


def test_a_previous_response_that_the_trace_names_is_compared() -> None:
    player = _player(_spoken(1, "Hello.", gen_ai__request__previous_response__id="r0"))
    body = {"model": "gpt-4o", "input": "hi", "previous_response_id": "r1"}
    assert player.claim(_asked("/responses", body), "") is None
    assert player.claim(_asked("/responses", {**body, "previous_response_id": "r0"}), "") is not None


def test_a_part_the_API_has_no_place_for_is_refused() -> None:
    blob = {"type": "blob", "modality": "image", "content": "AAAA"}
    player = _player(span(1, genai_attributes([said("user", "hi")], [said("assistant", blob)])))
    assert player.claim(_chat(_user("hi")), "") is None
    assert "openai.chat has no place for a part of type 'blob'" in str(player.miss(_chat(_user("hi")), "here"))


def test_secrets_in_a_prompt_are_compared_as_they_are_stored() -> None:
    secret = "".join(("sk", "-proj-", "Zq3" * 16))
    redact = redactor({"MY_API_KEY": secret})
    content = json.dumps({"model": "gpt-4o", "messages": [_user(f"key {secret}")]}).encode()
    asked = requested("POST", "https://api.test/v1/chat/completions", "application/json", content, redact)
    assert secret not in asked.request.body
    player = ForeignPlayer(_PATH, [_spoken(1, "Hello.", f"key {secret}")], redact=redact.redact_text)
    assert player.claim(asked, "") is not None


def test_what_vercel_and_events_tell_answers_too() -> None:
    choice = event("gen_ai.choice", message=json.dumps({"content": "Hello."}), finish_reason="stop")
    told = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"}
    claim = _claimed(_player(span(1, told, event("gen_ai.user.message", content="hi"), choice)), _chat(_user("hi")))
    assert _answer(claim) == "Hello."
    assert claim.detail == (
        "reconstructed from a gen_ai events span: matched by messages, model; usage missing; response id missing"
    )
    body = obj(parse(claim.attempts[0].body))
    assert (body["id"], body["model"]) == (f"agenttrace-{1:016x}", "gpt-4o")


def test_ids_that_the_trace_confuses_are_not_compared_and_told() -> None:
    """OpenLLMetry tells calls of Responses by the ids of their items, results by the ids of calls."""
    attributes = {
        **_ASKED,
        "gen_ai.input.messages": str(_ASKED["gen_ai.input.messages"]).replace("call_abc", "fc_abc", 1),
    }
    player = _player(span(1, attributes))
    assert player.claim(_conversation(city="Rome"), "") is None
    claim = _claimed(player, _conversation())
    assert claim.detail.endswith("tools, temperature; not recorded: ids of tool calls")
