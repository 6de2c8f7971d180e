"""OpenAI's legacy completions: a prompt in, text out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.errors import NotEncodable
from otel_agenttrace.jsonvalue import Json, JsonObject, array, integer, obj, text
from otel_agenttrace.model import InferenceRequest, InferenceResponse, Message
from otel_agenttrace.wire.codec import Codec, error_type, output, text_part
from otel_agenttrace.wire.encoding import choices, content, kind_of
from otel_agenttrace.wire.openai_chat import about, response_attributes, shared_parameters, usage_of
from otel_agenttrace.wire.openai_chat_encode import body, chunks, finish_word
from otel_agenttrace.wire.sse import SseEvent

__all__ = ["CODEC"]


def _decode_request(body: JsonObject) -> InferenceRequest:
    prompt = body.get("prompt")
    prompts = [prompt] if isinstance(prompt, str) else [item for item in array(prompt) if isinstance(item, str)]
    return InferenceRequest(
        operation=semconv.OPERATION_TEXT_COMPLETION,
        model=text(body.get("model")),
        stream=body.get("stream") is True,
        input_messages=tuple(Message("user", (text_part(each),)) for each in prompts),
        parameters=shared_parameters(body),
    )


def _decode_response(body: JsonObject) -> InferenceResponse:
    choices = [obj(choice) for choice in array(body.get("choices"))]
    return InferenceResponse(
        id=text(body.get("id")),
        model=text(body.get("model")),
        finish_reasons=tuple(reason for choice in choices if (reason := text(choice.get("finish_reason")))),
        output_messages=tuple(
            output("assistant", (text_part(text(choice.get("text")) or ""),), text(choice.get("finish_reason")))
            for choice in choices
        ),
        usage=usage_of(obj(body.get("usage"))),
        attributes=response_attributes(body),
        error_type=error_type(body),
    )


def _decode_stream(events: Sequence[Json]) -> InferenceResponse:
    texts: dict[int, str] = {}
    reasons: dict[int, Json] = {}
    for chunk in map(obj, events):
        for choice in map(obj, array(chunk.get("choices"))):
            index = integer(choice.get("index")) or 0
            texts[index] = texts.get(index, "") + (text(choice.get("text")) or "")
            reasons[index] = choice.get("finish_reason") or reasons.get(index)
    told = [{"text": texts[index], "finish_reason": reasons[index]} for index in sorted(texts)]
    return _decode_response({**about(events), "choices": told})


# --- the way back -----------------------------------------------------------------------------------------------------


def _encode_response(response: InferenceResponse) -> JsonObject:
    told = [_choice(index, _text(each), each.finish_reason) for index, each in enumerate(choices(response))]
    return body(response, "text_completion", told)


def _encode_stream(response: InferenceResponse) -> list[SseEvent]:
    return chunks(response, "text_completion", list(_pieces(response)))


def _pieces(response: InferenceResponse) -> Iterator[JsonObject]:
    for index, message in enumerate(choices(response)):
        yield _choice(index, _text(message), None)
        if message.finish_reason is not None:
            yield _choice(index, "", message.finish_reason)


def _choice(index: int, told: str, reason: str | None) -> JsonObject:
    return {"index": index, "text": told, "logprobs": None, "finish_reason": finish_word(reason)}


def _text(message: Message) -> str:
    other = next((kind for part in message.parts if (kind := kind_of(part)) != "text"), None)
    if other is not None:
        raise NotEncodable("openai.completions", other)
    return "".join(map(content, message.parts))


CODEC: Final = Codec(
    "openai.completions",
    semconv.OPERATION_TEXT_COMPLETION,
    _decode_request,
    _decode_response,
    _decode_stream,
    _encode_response,
    _encode_stream,
)
