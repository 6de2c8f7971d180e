"""A response of the model as OpenAI's chat completions tell it: one JSON body, or its chunks.

The model does not hold `created`, log probabilities, annotations and OpenRouter's `reasoning_details`: they are 0 or absent.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, array, text
from otel_agenttrace.model import InferenceResponse, Message, Part, Usage
from otel_agenttrace.wire.encoding import (
    choices,
    content,
    event,
    is_only_an_error,
    kind_of,
    known,
    own_part,
    without,
    written,
)
from otel_agenttrace.wire.sse import DONE, SseEvent

__all__ = ["body", "chunks", "encode_response", "encode_stream", "finish_word", "usage_body"]

_API: Final = "openai.chat"
_FINISH_WORDS: Final[Mapping[str, str]] = {
    "end_turn": "stop",
    "stop_sequence": "stop",
    "completed": "stop",
    "tool_call": "tool_calls",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "max_output_tokens": "length",
    "refusal": "content_filter",
}
"""Words of the conventions and of other providers for what OpenAI calls otherwise."""


# --- what chat and legacy completions share ---------------------------------------------------------------------------


def finish_word(reason: str | None) -> str | None:
    """Return OpenAI's word for why generation ended."""
    return _FINISH_WORDS.get(reason, reason) if reason is not None else None


def body(response: InferenceResponse, kind: str, told: Sequence[JsonObject]) -> JsonObject:
    """Return the body with these choices."""
    if is_only_an_error(response):
        return _error(response)
    return {**_head(response, kind), "choices": told, "usage": usage_body(response.usage), **_error(response)}


def chunks(response: InferenceResponse, kind: str, told: Iterable[JsonObject]) -> list[SseEvent]:
    """Return the events that tell these choices one by one, then the usage, then the end."""
    if is_only_an_error(response):
        return [event(_error(response))]
    top, usage = _head(response, kind), usage_body(response.usage)
    sent: list[JsonObject] = [{**top, "choices": [choice], **({"usage": None} if usage else {})} for choice in told]
    if usage or not sent:
        sent.append({**top, "choices": [], "usage": usage})
    if response.error_type is not None:
        sent.append(_error(response))
    return [*map(event, sent), DONE]


def _head(response: InferenceResponse, kind: str) -> dict[str, Json]:
    told = {
        "service_tier": text(response.attributes.get(semconv.OPENAI_RESPONSE_SERVICE_TIER)),
        "system_fingerprint": text(response.attributes.get(semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT)),
    }
    return {"id": response.id, "object": kind, "created": 0, "model": response.model, **known(told)}


def _error(response: InferenceResponse) -> JsonObject:
    """Return the error a response tells, or nothing; the model holds its type alone."""
    if response.error_type is None:
        return {}
    return {"error": {"message": "", "type": response.error_type, "param": None, "code": None}}


def usage_body(usage: Usage) -> JsonObject | None:
    """Return the tokens, or None if they are not known."""
    if usage == Usage():
        return None
    given = known(
        {"cached_tokens": usage.cache_read_input_tokens, "cache_write_tokens": usage.cache_write_input_tokens}
    )
    made = known({"reasoning_tokens": usage.reasoning_output_tokens})
    return {
        "prompt_tokens": usage.input_tokens,
        "completion_tokens": usage.output_tokens,
        "total_tokens": usage.total_tokens,
        **({"prompt_tokens_details": given} if given else {}),
        **({"completion_tokens_details": made} if made else {}),
    }


# --- the body ---------------------------------------------------------------------------------------------------------


def encode_response(response: InferenceResponse) -> JsonObject:
    """Return the body of a chat completion.

    Plain texts of one message are joined: the API has one. Reasoning goes by both names that servers use for it.

    Raises:
        NotEncodable: If a message has a part that is no text, refusal, reasoning, tool call or audio.
    """
    told = [_choice(index, message) for index, message in enumerate(choices(response))]
    return body(response, "chat.completion", told)


def _choice(index: int, message: Message) -> JsonObject:
    reason = finish_word(message.finish_reason)
    return {"index": index, "message": _message(message), "logprobs": None, "finish_reason": reason}


def _message(message: Message) -> JsonObject:
    of_kind: dict[str, list[Part]] = {kind: [] for kind in ("text", "refusal", "reasoning", "tool_call", "audio")}
    for part in message.parts:
        of_kind[_place(part)].append(part)
    refusal, reasoning = (_together(of_kind[kind]) for kind in ("refusal", "reasoning"))
    return {
        "role": message.role,
        "content": _content(of_kind["text"]),
        "refusal": refusal,
        **({"reasoning_content": reasoning, "reasoning": reasoning} if reasoning else {}),
        **_calls(of_kind["tool_call"], message.finish_reason),
        **({"audio": _audio(of_kind["audio"][-1])} if of_kind["audio"] else {}),
    }


def _place(part: Part) -> str:
    kind = kind_of(part)
    if kind in ("text", "refusal", "reasoning", "tool_call"):
        return kind
    if kind in ("blob", "file") and part.get("modality") == "audio":
        return "audio"
    own_part(_API, part)
    return "text"


def _together(told: Sequence[Part]) -> str | None:
    return "".join(map(content, told)) if told else None


def _content(told: Sequence[Part]) -> Json:
    """Return one text, or the list some servers send where a text has more members than itself."""
    if all(kind_of(part) == "text" and set(part) == {"type", "content"} for part in told):
        return _together(told)
    return [_content_part(part) for part in told]


def _content_part(part: Part) -> JsonObject:
    if kind_of(part) != "text":
        return part
    return {**without(part, ("content",)), "text": content(part)}


def _calls(told: Sequence[Part], reason: str | None) -> JsonObject:
    if reason == "function_call" and len(told) == 1 and "id" not in told[0]:
        return {"function_call": _function(told[0])}
    return {"tool_calls": [_call(part) for part in told]} if told else {}


def _call(part: Part) -> JsonObject:
    if part.get("custom") is True:
        custom = {"name": part.get("name"), "input": part.get("arguments")}
        return {"id": part.get("id"), "type": "custom", "custom": custom}
    return {"id": part.get("id"), "type": "function", "function": _function(part)}


def _function(part: Part) -> JsonObject:
    return {"name": part.get("name"), "arguments": written(part.get("arguments"))}


def _audio(part: Part) -> JsonObject:
    told = without(part, ("type", "modality", "content", "file_id"))
    return {**told, "data": part.get("content")} if kind_of(part) == "blob" else {**told, "id": part.get("file_id")}


# --- the stream -------------------------------------------------------------------------------------------------------


def encode_stream(response: InferenceResponse) -> list[SseEvent]:
    """Return the chunks of a chat completion and the end mark.

    Known usage comes in a chunk of its own, as OpenAI sends it where `stream_options.include_usage` is set.

    Raises:
        NotEncodable: As for the body.
    """
    told = [choice for index, message in enumerate(choices(response)) for choice in _deltas_of(index, message)]
    return chunks(response, "chat.completion.chunk", told)


def _deltas_of(index: int, message: Message) -> Iterator[JsonObject]:
    for delta in _deltas(_message(message)):
        yield {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}
    if message.finish_reason is not None:
        yield {"index": index, "delta": {}, "logprobs": None, "finish_reason": finish_word(message.finish_reason)}


def _deltas(message: JsonObject) -> Iterator[JsonObject]:
    told = message["content"]
    yield {"role": message["role"], "content": "" if isinstance(told, str) else None, "refusal": None}
    reasoning = {name: message[name] for name in ("reasoning_content", "reasoning") if name in message}
    if reasoning:
        yield reasoning
    for name in ("content", "refusal", "function_call", "audio"):
        if message.get(name):
            yield {name: message[name]}
    for index, call in enumerate(array(message.get("tool_calls"))):
        yield from _call_deltas(index, call)


_PIECES: Final = (("function", "arguments"), ("custom", "input"))


def _call_deltas(index: int, call: Json) -> Iterator[JsonObject]:
    """Yield a call as the API tells it: who is called first, with what then."""
    told: Mapping[str, Json] = call if isinstance(call, Mapping) else {}
    for kind, member in _PIECES:
        called = told.get(kind)
        if isinstance(called, Mapping):
            yield {"tool_calls": [{**told, "index": index, kind: {**called, member: ""}}]}
            yield {"tool_calls": [{"index": index, kind: {member: called.get(member)}}]}
