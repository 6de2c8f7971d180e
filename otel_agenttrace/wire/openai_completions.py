"""OpenAI's legacy completions: a prompt in, text out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, array, integer, obj, text
from otel_agenttrace.model import InferenceRequest, InferenceResponse, Message
from otel_agenttrace.wire.codec import Codec, error_type, output, text_part
from otel_agenttrace.wire.openai_chat import response_attributes, shared_parameters, usage_of

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
    whole: dict[str, Json] = {}
    texts: dict[int, str] = {}
    reasons: dict[int, Json] = {}
    for event in map(obj, events):
        whole.update({name: event[name] for name in ("id", "model", "usage", "error") if event.get(name)})
        for choice in map(obj, array(event.get("choices"))):
            index = integer(choice.get("index")) or 0
            texts[index] = texts.get(index, "") + (text(choice.get("text")) or "")
            reasons[index] = choice.get("finish_reason") or reasons.get(index)
    choices = [{"text": texts[index], "finish_reason": reasons[index]} for index in sorted(texts)]
    return _decode_response({**whole, "choices": choices})


CODEC: Final = Codec(
    "openai.completions", semconv.OPERATION_TEXT_COMPLETION, _decode_request, _decode_response, _decode_stream
)
