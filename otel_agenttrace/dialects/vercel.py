"""The Vercel AI SDK: `ai.prompt.messages` and `ai.response.*` on the spans that call a provider."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.dialects.told import GENAI, Dialect, Facts, Told, request_of, response_of, tools_of
from otel_agenttrace.jsonvalue import Json, JsonObject, array, compact, obj, text
from otel_agenttrace.model import Message, Part, Span
from otel_agenttrace.wire.codec import text_part, tool_call

__all__ = ["DIALECT"]

_NAME: Final = "vercel ai"
_OPERATIONS: Final = frozenset(
    f"ai.{name}.{step}"
    for name in ("generateText", "generateObject", "streamText", "streamObject")
    for step in ("doGenerate", "doStream")
)
"""The spans of calls to a provider. Those above them tell the same once more, for all steps together."""
_NAMES: Final = replace(
    GENAI,
    model=("gen_ai.request.model", "ai.model.id"),
    response_model=("ai.response.model", *GENAI.response_model),
    response_id=("ai.response.id", *GENAI.response_id),
    finish_reasons=("ai.response.finishReason", *GENAI.finish_reasons),
    input_tokens=("ai.usage.inputTokens", "ai.usage.promptTokens", *GENAI.input_tokens),
    output_tokens=("ai.usage.outputTokens", "ai.usage.completionTokens", *GENAI.output_tokens),
    cache_read=("ai.usage.cachedInputTokens", *GENAI.cache_read),
    reasoning=("ai.usage.reasoningTokens", *GENAI.reasoning),
)


def _is_spoken(span: Span) -> bool:
    return text(span.attributes.get("ai.operationId")) in _OPERATIONS


def _read(facts: Facts) -> Told:
    operation = text(facts.value("ai.operationId")) or ""
    asked = tuple(_message(obj(each)) for each in array(facts.json("ai.prompt.messages", "asked")))
    tools = [_definition(facts, each) for each in array(facts.json("ai.prompt.tools", "tools"))]
    request = request_of(facts, _NAMES, asked, tools=tools_of(tools))
    told = {**request.parameters, semconv.GEN_AI_OUTPUT_TYPE: "json"} if "Object" in operation else request.parameters
    request = replace(request, operation=semconv.OPERATION_CHAT, stream=operation.endswith("doStream"), parameters=told)
    parts = tuple(_answered(facts))
    answered = (Message("assistant", parts),) if parts else ()
    return Told(_NAME, request, response_of(facts, _NAMES, answered), gaps=tuple(facts.gaps))


def _definition(facts: Facts, told: Json) -> Json:
    return facts.parsed("ai.prompt.tools", told, "tools") if isinstance(told, str) else told


def _answered(facts: Facts) -> Iterator[Part]:
    reasoning = facts.text("ai.response.reasoning", "answered")
    if reasoning:
        yield {"type": "reasoning", "content": reasoning}
    said = facts.text("ai.response.text", "answered") or facts.text("ai.response.object", "answered")
    if said:
        yield text_part(said)
    for call in map(obj, array(facts.json("ai.response.toolCalls", "answered"))):
        yield _call(call)


def _call(call: JsonObject) -> Part:
    return tool_call(call.get("toolCallId"), call.get("toolName"), call.get("input", call.get("args")))


# --- messages of the SDK's own form -----------------------------------------------------------------------------------


def _message(told: JsonObject) -> Message:
    content = told.get("content")
    parts = (text_part(content),) if isinstance(content, str) else tuple(_part(obj(each)) for each in array(content))
    return Message(text(told.get("role")) or "", parts)


def _part(part: JsonObject) -> Part:
    kind = part.get("type")
    if kind == "text":
        return text_part(text(part.get("text")) or "")
    if kind == "reasoning":
        return {"type": "reasoning", "content": part.get("text")}
    if kind == "tool-call":
        return _call(part)
    if kind == "tool-result":
        return {"type": "tool_call_response", "id": part.get("toolCallId"), "response": _result(part)}
    if kind in ("image", "file"):
        return _media(part)
    return part


def _result(part: JsonObject) -> Json:
    output = obj(part.get("output"))
    if output:
        value = output.get("value")
        return value if isinstance(value, str) and output.get("type") in ("text", "error-text") else compact(value)
    result = part.get("result")
    return result if isinstance(result, str) else compact(result)


def _media(part: JsonObject) -> Part:
    kind = text(part.get("mediaType")) or text(part.get("mimeType")) or ""
    data = text(part.get("data")) or text(part.get("image")) or ""
    modality = "image" if part.get("type") == "image" or kind.startswith("image/") else "document"
    if data.startswith(("http://", "https://")):
        return {"type": "uri", "modality": modality, "uri": data}
    mime_type, is_held, content = data.removeprefix("data:").partition(";base64,")
    if is_held:
        return {"type": "blob", "modality": modality, "mime_type": mime_type, "content": content}
    return {"type": "blob", "modality": modality, "mime_type": kind, "content": data}


DIALECT: Final = Dialect(_NAME, _is_spoken, _read)
