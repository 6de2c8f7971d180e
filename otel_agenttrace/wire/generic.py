"""Any other call to a model API: recorded and replayed as bytes, its span tells what the URL tells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from otel_agenttrace.jsonvalue import Json, JsonObject, obj, text
from otel_agenttrace.model import InferenceRequest, InferenceResponse
from otel_agenttrace.wire.codec import Codec, error_type

__all__ = ["CODEC"]


def _decode_request(body: JsonObject) -> InferenceRequest:
    return InferenceRequest("", text(body.get("model")), body.get("stream") is True)


def _decode_response(body: JsonObject) -> InferenceResponse:
    return InferenceResponse(text(body.get("id")), text(body.get("model")), error_type=error_type(body))


def _decode_stream(events: Sequence[Json]) -> InferenceResponse:
    return _decode_response(obj(events[0])) if events else InferenceResponse()


CODEC: Final = Codec("generic", "", _decode_request, _decode_response, _decode_stream)
