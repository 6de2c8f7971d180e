"""OpenAI embeddings: the vectors stay in the recorded body, the span tells model and tokens."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, integer, obj, text
from otel_agenttrace.model import AttributeValue, InferenceRequest, InferenceResponse
from otel_agenttrace.wire.codec import Codec, error_type
from otel_agenttrace.wire.openai_chat import usage_of

__all__ = ["CODEC"]


def _decode_request(body: JsonObject) -> InferenceRequest:
    told: dict[str, AttributeValue] = {}
    form = text(body.get("encoding_format"))
    if form:
        told[semconv.GEN_AI_REQUEST_ENCODING_FORMATS] = (form,)
    dimensions = integer(body.get("dimensions"))
    if dimensions is not None:
        told[semconv.GEN_AI_EMBEDDINGS_DIMENSION_COUNT] = dimensions
    return InferenceRequest(semconv.OPERATION_EMBEDDINGS, text(body.get("model")), parameters=told)


def _decode_response(body: JsonObject) -> InferenceResponse:
    return InferenceResponse(
        model=text(body.get("model")), usage=usage_of(obj(body.get("usage"))), error_type=error_type(body)
    )


def _decode_stream(events: Sequence[Json]) -> InferenceResponse:
    return InferenceResponse()


CODEC: Final = Codec(
    "openai.embeddings", semconv.OPERATION_EMBEDDINGS, _decode_request, _decode_response, _decode_stream
)
