"""OpenAI chat completions, as spoken by OpenAI, Azure, OpenRouter, vLLM and many others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, array, integer, obj, text
from otel_agenttrace.model import AttributeValue, InferenceRequest, InferenceResponse, Message, Part, Usage
from otel_agenttrace.wire.codec import Codec, count, error_type, output, parameters, text_part, tool_call

__all__ = ["CODEC", "PARAMETERS", "media_part", "response_attributes", "usage_of"]

PARAMETERS: Final[Mapping[str, str]] = {
    "max_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "max_completion_tokens": semconv.GEN_AI_REQUEST_MAX_TOKENS,
    "temperature": semconv.GEN_AI_REQUEST_TEMPERATURE,
    "top_p": semconv.GEN_AI_REQUEST_TOP_P,
    "top_k": semconv.GEN_AI_REQUEST_TOP_K,
    "frequency_penalty": semconv.GEN_AI_REQUEST_FREQUENCY_PENALTY,
    "presence_penalty": semconv.GEN_AI_REQUEST_PRESENCE_PENALTY,
    "seed": semconv.GEN_AI_REQUEST_SEED,
    "reasoning_effort": semconv.GEN_AI_REQUEST_REASONING_LEVEL,
}
_OUTPUT_TYPES: Final = {"text": "text", "json_object": "json", "json_schema": "json"}


def shared_parameters(body: JsonObject) -> dict[str, AttributeValue]:
    """Return the parameters that chat and legacy completions share."""
    found = parameters(body, PARAMETERS)
    stop = body.get("stop")
    if stop:
        found[semconv.GEN_AI_REQUEST_STOP_SEQUENCES] = (stop,) if isinstance(stop, str) else _texts(stop)
    choices = integer(body.get("n"))
    if choices is not None and choices != 1:
        found[semconv.GEN_AI_REQUEST_CHOICE_COUNT] = choices
    tier = text(body.get("service_tier"))
    if tier and tier != "auto":
        found[semconv.OPENAI_REQUEST_SERVICE_TIER] = tier
    return found


def _texts(value: Json) -> tuple[str, ...]:
    return tuple(item for item in array(value) if isinstance(item, str))


# --- requests ---------------------------------------------------------------------------------------------------------


def _decode_request(body: JsonObject) -> InferenceRequest:
    found = shared_parameters(body)
    found[semconv.OPENAI_API_TYPE] = "chat_completions"
    kind = _OUTPUT_TYPES.get(text(obj(body.get("response_format")).get("type")) or "")
    if kind:
        found[semconv.GEN_AI_OUTPUT_TYPE] = kind
    return InferenceRequest(
        operation=semconv.OPERATION_CHAT,
        model=text(body.get("model")),
        stream=body.get("stream") is True,
        input_messages=tuple(_message(obj(message)) for message in array(body.get("messages"))),
        tool_definitions=tuple(tool_definition(obj(tool)) for tool in array(body.get("tools"))),
        parameters=found,
    )


def tool_definition(tool: JsonObject) -> JsonObject:
    """Return a tool in the form of the conventions; one that is no function stays as it is."""
    function = obj(tool.get("function")) or (tool if tool.get("type") == "function" else {})
    if not function:
        return tool
    kept = {name: function[name] for name in ("name", "description", "parameters") if name in function}
    return {"type": "function", **kept}


def _message(message: JsonObject) -> Message:
    role = text(message.get("role")) or ""
    if role in ("tool", "function"):
        part: dict[str, Json] = {"type": "tool_call_response", "response": message.get("content")}
        call_id = message.get("tool_call_id") or message.get("name")
        return Message(role, ({**part, "id": call_id} if isinstance(call_id, str) else part,))
    return Message(role, tuple(_parts(message)), text(message.get("name")))


def _parts(message: JsonObject) -> Iterator[Part]:
    for name in ("reasoning_content", "reasoning"):
        reasoning = message.get(name)
        if isinstance(reasoning, str) and reasoning:
            yield {"type": "reasoning", "content": reasoning}
    content = message.get("content")
    if isinstance(content, str):
        yield text_part(content)
    for part in array(content):
        yield media_part(obj(part))
    refusal = message.get("refusal")
    if isinstance(refusal, str) and refusal:
        yield {"type": "refusal", "content": refusal}
    for call in map(obj, array(message.get("tool_calls"))):
        function = obj(call.get("function")) or obj(call.get("custom"))
        yield tool_call(call.get("id"), function.get("name"), function.get("arguments", function.get("input")))
    legacy = obj(message.get("function_call"))
    if legacy:
        yield tool_call(None, legacy.get("name"), legacy.get("arguments"))
    audio = obj(message.get("audio"))
    if audio:
        yield {"type": "blob", "modality": "audio", "content": audio.get("data"), **_without(audio, "data")}


def _without(values: JsonObject, *names: str) -> dict[str, Json]:
    return {name: value for name, value in values.items() if name not in names}


def media_part(part: JsonObject) -> Part:
    """Return a content part of chat or Responses as the conventions have it; what they do not know stays as it is."""
    kind = text(part.get("type")) or ""
    if kind in ("text", "input_text", "output_text"):
        return {**_without(part, "type", "text"), "type": "text", "content": part.get("text") or ""}
    if kind == "refusal":
        return {"type": "refusal", "content": part.get("refusal") or ""}
    if kind in ("image_url", "input_image"):
        return _image(part)
    if kind == "input_audio":
        audio = obj(part.get("input_audio"))
        return {
            "type": "blob",
            "modality": "audio",
            "mime_type": f"audio/{audio.get('format')}",
            "content": audio.get("data"),
        }
    if kind in ("file", "input_file"):
        file = obj(part.get("file")) or part
        if isinstance(file.get("file_id"), str):
            return {"type": "file", "modality": "document", "file_id": file["file_id"]}
        return {"type": "blob", "modality": "document", "content": file.get("file_data")}
    return part


def _image(part: JsonObject) -> Part:
    told = part.get("image_url")
    address = text(told) or text(obj(told).get("url"))
    if address is None:
        return {"type": "file", "modality": "image", "file_id": part.get("file_id")}
    if address.startswith("data:"):
        kind, _, content = address.removeprefix("data:").partition(";base64,")
        return {"type": "blob", "modality": "image", "mime_type": kind, "content": content}
    return {"type": "uri", "modality": "image", "uri": address}


# --- responses --------------------------------------------------------------------------------------------------------


def _decode_response(body: JsonObject) -> InferenceResponse:
    choices = [obj(choice) for choice in array(body.get("choices"))]
    return InferenceResponse(
        id=text(body.get("id")),
        model=text(body.get("model")),
        finish_reasons=tuple(reason for choice in choices if (reason := text(choice.get("finish_reason")))),
        output_messages=tuple(_choice(choice) for choice in choices),
        usage=usage_of(obj(body.get("usage"))),
        attributes=response_attributes(body),
        error_type=error_type(body),
    )


def _choice(choice: JsonObject) -> Message:
    message = obj(choice.get("message"))
    return output(message.get("role"), list(_parts(message)), text(choice.get("finish_reason")))


def usage_of(usage: JsonObject) -> Usage:
    """Return the tokens of chat, completions or embeddings."""
    prompt, completion = obj(usage.get("prompt_tokens_details")), obj(usage.get("completion_tokens_details"))
    return Usage(
        count(usage.get("prompt_tokens")),
        count(usage.get("completion_tokens")),
        count(prompt.get("cached_tokens")),
        count(prompt.get("cache_write_tokens")),
        count(completion.get("reasoning_tokens")),
    )


def response_attributes(body: JsonObject) -> Mapping[str, AttributeValue]:
    """Return the attributes that OpenAI's own page of the conventions names."""
    told = {
        semconv.OPENAI_RESPONSE_SERVICE_TIER: text(body.get("service_tier")),
        semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: text(body.get("system_fingerprint")),
    }
    return {name: value for name, value in told.items() if value}


# --- streams ----------------------------------------------------------------------------------------------------------


def _decode_stream(events: Sequence[Json]) -> InferenceResponse:
    """Put the chunks together to the response they stand for."""
    whole: dict[str, Json] = {}
    choices: dict[int, dict[str, Json]] = {}
    for event in map(obj, events):
        for name in ("id", "model", "usage", "service_tier", "system_fingerprint", "error"):
            if event.get(name):
                whole[name] = event[name]
        for choice in map(obj, array(event.get("choices"))):
            _extend(choices.setdefault(integer(choice.get("index")) or 0, {}), choice)
    return _decode_response({**whole, "choices": [_assembled(choices[index]) for index in sorted(choices)]})


def _extend(held: dict[str, Json], choice: JsonObject) -> None:
    if choice.get("finish_reason"):
        held["finish_reason"] = choice["finish_reason"]
    delta = obj(choice.get("delta"))
    for name in ("content", "refusal", "reasoning_content", "reasoning"):
        piece = delta.get(name)
        if isinstance(piece, str):
            held[name] = f"{held.get(name) or ''}{piece}"
    if isinstance(delta.get("role"), str):
        held["role"] = delta["role"]
    for call in map(obj, array(delta.get("tool_calls"))):
        _extend_call(held, call)


def _extend_call(held: dict[str, Json], call: JsonObject) -> None:
    index = integer(call.get("index")) or 0
    known = held.get(f"call {index}")
    before = known if isinstance(known, dict) else {"arguments": ""}
    function = obj(call.get("function"))
    held[f"call {index}"] = {
        "id": call.get("id") or before.get("id"),
        "name": function.get("name") or before.get("name"),
        "arguments": f"{before['arguments']}{function.get('arguments') or ''}",
    }


def _assembled(held: Mapping[str, Json]) -> JsonObject:
    names = sorted(
        (name for name in held if name.startswith("call ")), key=lambda name: int(name.removeprefix("call "))
    )
    calls = [{"id": obj(held[name]).get("id"), "function": held[name]} for name in names]
    message = {name: value for name, value in held.items() if name != "finish_reason" and name not in names}
    return {"message": {**message, "tool_calls": calls}, "finish_reason": held.get("finish_reason")}


CODEC: Final = Codec("openai.chat", semconv.OPERATION_CHAT, _decode_request, _decode_response, _decode_stream)
