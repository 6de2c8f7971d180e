"""OpenAI chat completions, as spoken by OpenAI, Azure, OpenRouter, vLLM and many others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, array, integer, obj, text, without
from otel_agenttrace.model import AttributeValue, InferenceRequest, InferenceResponse, Message, Part, Usage
from otel_agenttrace.wire.codec import (
    Codec,
    count,
    custom_call,
    error_type,
    generic_tool,
    joined,
    output,
    parameters,
    text_part,
    tool_call,
)
from otel_agenttrace.wire.openai_chat_encode import encode_response, encode_stream

__all__ = [
    "CODEC",
    "PARAMETERS",
    "about",
    "media_part",
    "response_attributes",
    "shared_parameters",
    "tool_definition",
    "usage_of",
]

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
    sequences = (stop,) if isinstance(stop, str) and stop else _texts(stop)
    if sequences:
        found[semconv.GEN_AI_REQUEST_STOP_SEQUENCES] = sequences
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
    """Return a tool in the form of the conventions; one that is no function keeps its own."""
    function = obj(tool.get("function")) or (tool if tool.get("type") == "function" else {})
    if not function:
        return generic_tool(tool)
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
    # some servers send both names with the same text
    reasoning = text(message.get("reasoning_content")) or text(message.get("reasoning"))
    if reasoning:
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
        yield _tool_call(call)
    legacy = obj(message.get("function_call"))
    if legacy:
        yield tool_call(None, legacy.get("name"), legacy.get("arguments"))
    audio = obj(message.get("audio"))
    if audio:
        yield _audio(audio)


def _audio(audio: JsonObject) -> Part:
    """Return what was spoken; a request tells an earlier answer by its id alone."""
    if "data" in audio:
        return {**without(audio, "data"), "type": "blob", "modality": "audio", "content": audio["data"]}
    return {**without(audio, "id"), "type": "file", "modality": "audio", "file_id": audio.get("id")}


def _tool_call(call: JsonObject) -> Part:
    custom, function = obj(call.get("custom")), obj(call.get("function"))
    if custom:
        return custom_call(call.get("id"), custom.get("name"), custom.get("input"))
    return tool_call(call.get("id"), function.get("name"), function.get("arguments"))


def media_part(part: JsonObject) -> Part:
    """Return a content part of chat or Responses as the conventions have it; what they do not know stays as it is."""
    kind = text(part.get("type")) or ""
    if kind in ("text", "input_text", "output_text"):
        told = {name: value for name, value in without(part, "type", "text").items() if value not in _NOTHING}
        return {**told, "type": "text", "content": text(part.get("text")) or ""}
    if kind == "refusal":
        return {"type": "refusal", "content": text(part.get("refusal")) or ""}
    if kind == "thinking":
        return {"type": "reasoning", "content": _thought(part)}
    if kind in ("image_url", "input_image"):
        return _image(part)
    if kind == "input_audio":
        audio = obj(part.get("input_audio"))
        kind = text(audio.get("format"))
        told = {"mime_type": f"audio/{kind}"} if kind else {}
        return {"type": "blob", "modality": "audio", **told, "content": audio.get("data")}
    if kind in ("file", "input_file"):
        return _document(obj(part.get("file")) or part)
    return part


def _document(file: JsonObject) -> Part:
    address, data = text(file.get("file_url")), text(file.get("file_data"))
    if data is not None:
        return _held(data, "document") or {"type": "blob", "modality": "document", "content": data}
    if address is not None:
        return {"type": "uri", "modality": "document", "uri": address}
    return {"type": "file", "modality": "document", "file_id": file.get("file_id")}


def _held(address: str, modality: str) -> Part | None:
    """Return what a `data:` address holds, or None if it is another address."""
    kind, is_held, content = address.removeprefix("data:").partition(";base64,")
    if not (is_held and address.startswith("data:")):
        return None
    return {"type": "blob", "modality": modality, "mime_type": kind, "content": content}


_NOTHING: Final[tuple[Json, ...]] = (None, [], {})
"""What an API tells of a text to say that there is nothing to tell: no annotations, no log probabilities."""


def _thought(part: JsonObject) -> str:
    """Return what Mistral's models thought, in a list of texts."""
    return "".join(text(obj(piece).get("text")) or "" for piece in array(part.get("thinking")))


def _image(part: JsonObject) -> Part:
    told = part.get("image_url")
    address = text(told) or text(obj(told).get("url"))
    if address is None:
        return {"type": "file", "modality": "image", "file_id": part.get("file_id")}
    return _held(address, "image") or {"type": "uri", "modality": "image", "uri": address}


# --- responses --------------------------------------------------------------------------------------------------------


def _decode_response(body: JsonObject) -> InferenceResponse:
    choices = [obj(choice) for choice in array(body.get("choices"))]
    return InferenceResponse(
        id=text(body.get("id")),
        model=text(body.get("model")),
        finish_reasons=tuple([reason for choice in choices if (reason := text(choice.get("finish_reason")))]),
        output_messages=tuple(map(_choice, choices)),
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


@dataclass(slots=True)
class _Choice:
    """A choice as far as a stream has told it."""

    message: dict[str, Json] = field(default_factory=dict[str, Json])
    calls: dict[int, dict[str, Json]] = field(default_factory=dict[int, "dict[str, Json]"])
    finish_reason: Json = None

    def extend(self, choice: JsonObject) -> None:
        self.finish_reason = choice.get("finish_reason") or self.finish_reason
        delta = obj(choice.get("delta"))
        self._extend_texts(delta)
        for name in ("function_call", "audio"):
            if obj(delta.get(name)):
                self.message[name] = _extended(obj(self.message.get(name)), obj(delta[name]))
        for call in map(obj, array(delta.get("tool_calls"))):
            slot = self._slot(call)
            self.calls[slot] = _extended_call(self.calls.get(slot, {}), call)

    def _extend_texts(self, delta: JsonObject) -> None:
        if isinstance(delta.get("role"), str):
            self.message["role"] = delta["role"]
        for name in ("content", "refusal", "reasoning_content", "reasoning"):
            self._add(name, delta.get(name))
        for part in map(obj, array(delta.get("content"))):
            thought = part.get("type") == "thinking"
            self._add("reasoning" if thought else "content", _thought(part) if thought else part.get("text"))

    def _add(self, name: str, piece: Json) -> None:
        if isinstance(piece, str):
            self.message[name] = joined(self.message.get(name), piece)

    def _slot(self, call: JsonObject) -> int:
        """Return the place of a call; without an index, one with a new id begins another."""
        index = integer(call.get("index"))
        if index is not None:
            return index
        last = max(self.calls, default=0)
        is_new = call.get("id") not in (None, obj(self.calls.get(last)).get("id"))
        return last + 1 if is_new and self.calls else last

    def whole(self) -> JsonObject:
        calls = [self.calls[slot] for slot in sorted(self.calls)]
        return {"message": {**self.message, "tool_calls": calls}, "finish_reason": self.finish_reason}


_TEXTS: Final = frozenset({"arguments", "input", "data", "transcript"})


def _extended(before: JsonObject, piece: JsonObject) -> dict[str, Json]:
    """Return what is called, or audio, with another piece of it; texts grow, ids and names come once."""
    whole = dict(before)
    for name, value in piece.items():
        whole[name] = joined(whole.get(name), value) if name in _TEXTS else value or whole.get(name)
    return whole


def _extended_call(before: JsonObject, piece: JsonObject) -> dict[str, Json]:
    whole: dict[str, Json] = {"id": piece.get("id") or before.get("id")}
    for name in ("function", "custom"):
        if obj(before.get(name)) or obj(piece.get(name)):
            whole[name] = _extended(obj(before.get(name)), obj(piece.get(name)))
    return whole


def _decode_stream(events: Sequence[Json]) -> InferenceResponse:
    """Put the chunks together to the response they stand for."""
    choices: dict[int, _Choice] = {}
    for event in map(obj, events):
        for choice in map(obj, array(event.get("choices"))):
            choices.setdefault(integer(choice.get("index")) or 0, _Choice()).extend(choice)
    return _decode_response({**about(events), "choices": [choices[index].whole() for index in sorted(choices)]})


def about(events: Sequence[Json]) -> dict[str, Json]:
    """Return what the chunks tell beside their choices; Groq's usage has a place of its own."""
    told: dict[str, Json] = {}
    for event in map(obj, events):
        for name in ("id", "model", "usage", "service_tier", "system_fingerprint", "error"):
            told[name] = event.get(name) or told.get(name)
        told["usage"] = told["usage"] or obj(event.get("x_groq")).get("usage")
    return told


CODEC: Final = Codec(
    "openai.chat",
    semconv.OPERATION_CHAT,
    _decode_request,
    _decode_response,
    _decode_stream,
    encode_response,
    encode_stream,
)
