"""What a span tells of one inference, in whatever dialect, and the reading of attributes that notes what is not whole."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import Json, JsonObject, array, integer, obj, parse, text
from otel_agenttrace.model import (
    AttributeValue,
    InferenceRequest,
    InferenceResponse,
    Message,
    Span,
    Usage,
)
from otel_agenttrace.wire import anthropic_messages, openai_chat
from otel_agenttrace.wire.codec import Codec

__all__ = [
    "GENAI",
    "Dialect",
    "Facts",
    "Names",
    "Side",
    "Told",
    "content_codec",
    "message_of",
    "messages_of",
    "request_of",
    "response_of",
    "tools_of",
    "typed_content",
]

Side: TypeAlias = Literal["asked", "answered", "tools", "beside"]
"""Where something is missing: in the messages asked, in the answer, in the tool definitions, or beside all of them."""

_MARKERS: Final = ("__REDACTED__", "<truncated due to size exceeding limit>")
"""What OpenInference and Langfuse write in the place of content."""


@dataclass(frozen=True, slots=True)
class Told:
    """What one span tells of an inference. `gaps` says why some of it is not whole, by the side where it is missing.

    `body` is the request beside its messages as the SDK was given it, in the few dialects that keep it, for the API of
    the codec `api`.
    """

    dialect: str
    request: InferenceRequest
    response: InferenceResponse
    body: JsonObject | None = None
    api: str = ""
    gaps: tuple[tuple[Side, str], ...] = ()

    def gaps_of(self, *sides: Side) -> tuple[str, ...]:
        """Return what is missing on these sides, each told once."""
        return tuple(dict.fromkeys(gap for side, gap in self.gaps if side in sides))


@dataclass(frozen=True, slots=True)
class Dialect:
    """One way to tell an inference: whether a span speaks it, and what it then tells."""

    name: str
    is_spoken: Callable[[Span], bool]
    read: Callable[[Facts], Told]


@dataclass(slots=True)
class Facts:
    """The attributes of a span, read by name. What is cut off or hidden is noted as a gap.

    `limit` and `event_limit` are the lengths at which values are cut off, None if they are not. `more` are the
    attributes of an event, which stand in for what the span does not tell.
    """

    span: Span
    limit: int | None = None
    event_limit: int | None = None
    more: Mapping[str, AttributeValue] = field(default_factory=dict[str, AttributeValue])
    gaps: list[tuple[Side, str]] = field(default_factory=list[tuple[Side, str]])

    def value(self, name: str) -> AttributeValue:
        """Return a value as it stands; those of the span go before those of its events."""
        found = self.span.attributes.get(name)
        return self.more.get(name) if found is None else found

    def names(self) -> Iterator[str]:
        """Yield the names of all attributes."""
        yield from dict.fromkeys((*self.span.attributes, *self.more))

    def text(self, name: str, side: Side = "beside") -> str | None:
        """Return a text."""
        value = self.value(name)
        return self.checked(name, value, side) if isinstance(value, str) else None

    def checked(self, name: str, value: str, side: Side) -> str:
        """Return a text, and note if it is cut off or hidden."""
        if value in _MARKERS:
            self.gaps.append((side, f"hidden by the instrumentation: {name}"))
        elif len(value) == (self.limit if name in self.span.attributes else self.event_limit):
            self.gaps.append((side, _cut(name, len(value))))
        return value

    def json(self, name: str, side: Side) -> Json:
        """Return the value of an attribute that holds JSON as text, or the structure itself; None if there is neither."""
        value = self.value(name)
        if not isinstance(value, str):
            return _plain(value)
        return self.parsed(name, value, side)

    def parsed(self, name: str, written: str, side: Side) -> Json:
        """Return what a JSON text stands for; None, and a gap, if it is cut off or something else."""
        try:
            return parse(written)
        except ValueError as error:
            if written in _MARKERS or not is_cut(written, error):
                reason = f"hidden by the instrumentation: {name}" if written in _MARKERS else f"no JSON: {name}"
                self.gaps.append((side, reason))
            else:
                self.gaps.append((side, _cut(name, len(written))))
            return None

    def loose(self, name: str, side: Side, kinds: tuple[type, ...] = (list,)) -> Json:
        """Return what JSON stands for where the text is JSON of these kinds, else the text."""
        value = self.value(name)
        if not isinstance(value, str):
            return _plain(value)
        try:
            told = parse(value)
        except ValueError as error:
            return self.parsed(name, value, side) if is_cut(value, error) else self.checked(name, value, side)
        return told if isinstance(told, kinds) else self.checked(name, value, side)

    def note_hidden(self, name: str, side: Side) -> None:
        """Note if an attribute holds the word that stands for hidden content somewhere inside."""
        value = self.value(name)
        if isinstance(value, str) and any(marker in value for marker in _MARKERS):
            self.gaps.append((side, f"hidden by the instrumentation: {name}"))

    def first(self, names: Sequence[str]) -> AttributeValue:
        """Return the first of several attributes that is there."""
        return next((value for name in names if (value := self.value(name)) is not None), None)


def _cut(name: str, length: int) -> str:
    return f"truncated at {length:,} characters: {name}"


def is_cut(written: str, error: Exception) -> bool:
    """Whether a text is the beginning of some JSON and no more: it is well-formed as far as it goes."""
    if not isinstance(error, json.JSONDecodeError) or written[:1] not in ("[", "{", '"'):
        return False
    return error.msg.startswith("Unterminated string") or len(written) - error.pos < len("\\u0000")


def _plain(value: AttributeValue) -> Json:
    """Return a structured value as JSON; bytes, as of an image, are written as the conventions do in JSON."""
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, Mapping):
        return {name: _plain(member) for name, member in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_plain(item) for item in value]
    return value


# --- names of single facts --------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Names:
    """Under which names a dialect tells the single facts of an inference, the best one first."""

    model: tuple[str, ...]
    response_model: tuple[str, ...]
    response_id: tuple[str, ...]
    finish_reasons: tuple[str, ...]
    stream: tuple[str, ...]
    input_tokens: tuple[str, ...]
    output_tokens: tuple[str, ...]
    cache_read: tuple[str, ...]
    cache_write: tuple[str, ...]
    reasoning: tuple[str, ...]
    parameters: Mapping[str, str]


_PARAMETERS: Final = (
    semconv.GEN_AI_REQUEST_MAX_TOKENS,
    semconv.GEN_AI_REQUEST_TEMPERATURE,
    semconv.GEN_AI_REQUEST_TOP_P,
    semconv.GEN_AI_REQUEST_TOP_K,
    semconv.GEN_AI_REQUEST_FREQUENCY_PENALTY,
    semconv.GEN_AI_REQUEST_PRESENCE_PENALTY,
    semconv.GEN_AI_REQUEST_SEED,
    semconv.GEN_AI_REQUEST_STOP_SEQUENCES,
    semconv.GEN_AI_REQUEST_CHOICE_COUNT,
    semconv.GEN_AI_REQUEST_REASONING_LEVEL,
    semconv.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID,
    semconv.GEN_AI_OUTPUT_TYPE,
    semconv.OPENAI_REQUEST_SERVICE_TIER,
)
GENAI: Final = Names(
    model=(semconv.GEN_AI_REQUEST_MODEL,),
    response_model=(semconv.GEN_AI_RESPONSE_MODEL,),
    response_id=(semconv.GEN_AI_RESPONSE_ID,),
    finish_reasons=("anthropic.message.stop_reason", semconv.GEN_AI_RESPONSE_FINISH_REASONS),
    stream=(semconv.GEN_AI_REQUEST_STREAM, "gen_ai.is_streaming", "llm.is_streaming"),
    input_tokens=(semconv.GEN_AI_USAGE_INPUT_TOKENS, "gen_ai.usage.prompt_tokens"),
    output_tokens=(semconv.GEN_AI_USAGE_OUTPUT_TOKENS, "gen_ai.usage.completion_tokens"),
    cache_read=(semconv.GEN_AI_USAGE_CACHE_READ_INPUT_TOKENS, "gen_ai.usage.cache_read_input_tokens"),
    cache_write=(
        semconv.GEN_AI_USAGE_CACHE_WRITE_INPUT_TOKENS,
        "gen_ai.usage.cache_creation.input_tokens",
        "gen_ai.usage.cache_creation_input_tokens",
    ),
    reasoning=(semconv.GEN_AI_USAGE_REASONING_OUTPUT_TOKENS, "gen_ai.usage.reasoning_tokens"),
    parameters={
        **{name: name for name in _PARAMETERS},
        "gen_ai.openai.request.seed": semconv.GEN_AI_REQUEST_SEED,
        "gen_ai.openai.request.service_tier": semconv.OPENAI_REQUEST_SERVICE_TIER,
        "llm.top_k": semconv.GEN_AI_REQUEST_TOP_K,
        "llm.frequency_penalty": semconv.GEN_AI_REQUEST_FREQUENCY_PENALTY,
        "llm.presence_penalty": semconv.GEN_AI_REQUEST_PRESENCE_PENALTY,
        "llm.chat.stop_sequences": semconv.GEN_AI_REQUEST_STOP_SEQUENCES,
    },
)
"""The names of the conventions, today's before those they had, and those that OpenLLMetry and Anthropic's SDK add."""

_FINISH_WORDS: Final = {"tool-calls": "tool_calls", "content-filter": "content_filter"}
"""The words of the Vercel AI SDK that no provider has."""
_ATTRIBUTES: Final = {
    semconv.OPENAI_RESPONSE_SERVICE_TIER: ("openai.response.service_tier", "gen_ai.openai.response.service_tier"),
    semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT: (
        "openai.response.system_fingerprint",
        "gen_ai.openai.response.system_fingerprint",
    ),
}


def request_of(
    facts: Facts,
    names: Names,
    messages: Sequence[Message],
    *,
    system: Sequence[Mapping[str, Json]] = (),
    tools: Sequence[JsonObject] = (),
) -> InferenceRequest:
    """Return what was asked: these messages, and what the single attributes tell."""
    told: dict[str, AttributeValue] = {}
    for name, parameter in names.parameters.items():
        value = facts.value(name)
        if value is not None:
            told.setdefault(parameter, value)
    if facts.value("gen_ai.request.structured_output_schema") is not None:
        told[semconv.GEN_AI_OUTPUT_TYPE] = "json"
    return InferenceRequest(
        operation=operation_of(facts.span),
        model=text(facts.first(names.model)),
        stream=facts.first(names.stream) is True,
        input_messages=tuple(messages),
        system_instructions=tuple(system),
        tool_definitions=tuple(tools),
        parameters=told,
    )


_OPERATIONS: Final = {"completion": semconv.OPERATION_TEXT_COMPLETION, "call_llm": semconv.OPERATION_CHAT}


def operation_of(span: Span) -> str:
    """Return the operation; older instrumentations have other names for it, or none."""
    told = span.attributes.get(semconv.GEN_AI_OPERATION_NAME) or span.attributes.get("llm.request.type")
    return _OPERATIONS.get(told, told) if isinstance(told, str) else semconv.OPERATION_CHAT


def response_of(facts: Facts, names: Names, messages: Sequence[Message]) -> InferenceResponse:
    """Return what was answered: these messages, and what the single attributes tell."""
    reasons = facts.first(names.finish_reasons)
    listed = (reasons,) if isinstance(reasons, str) else reasons if isinstance(reasons, Sequence) else ()
    attributes = {name: facts.first(known) for name, known in _ATTRIBUTES.items()}
    return InferenceResponse(
        id=text(facts.first(names.response_id)),
        model=text(facts.first(names.response_model)),
        finish_reasons=tuple(_FINISH_WORDS.get(each, each) for each in listed if isinstance(each, str)),
        output_messages=tuple(messages),
        usage=_usage(facts, names),
        attributes={name: value for name, value in attributes.items() if value is not None},
    )


def _usage(facts: Facts, names: Names) -> Usage:
    return Usage(
        integer(facts.first(names.input_tokens)),
        integer(facts.first(names.output_tokens)),
        integer(facts.first(names.cache_read)),
        integer(facts.first(names.cache_write)),
        integer(facts.first(names.reasoning)),
    )


# --- messages and tools -----------------------------------------------------------------------------------------------

_ANTHROPIC_BLOCKS: Final = frozenset(
    {"tool_use", "tool_result", "thinking", "redacted_thinking", "server_tool_use", "image", "document"}
)


def content_codec(content: Json) -> Codec:
    """Return the codec of the API whose content parts these are."""
    kinds = {text(obj(part).get("type")) for part in array(content)}
    sources = any("source" in obj(part) for part in array(content))
    is_blocks = sources or bool(kinds & (_ANTHROPIC_BLOCKS - {"image", "document"}))
    return anthropic_messages.CODEC if is_blocks else openai_chat.CODEC


def message_of(told: JsonObject) -> Message:
    """Return a message: of the conventions, which has parts, or of a provider, which has content."""
    reason = text(told.get("finish_reason"))
    if isinstance(told.get("parts"), list):
        parts = tuple(_part(obj(part)) for part in array(told["parts"]))
        return Message(text(told.get("role")) or "", parts, text(told.get("name")), reason)
    (message,) = content_codec(told.get("content")).decode_request({"messages": [told]}).input_messages
    return Message(message.role, message.parts, message.name, reason)


def _part(part: JsonObject) -> JsonObject:
    """Return a part as the conventions have it today; some call a result `result`, or write a summary's items as JSON."""
    if part.get("type") == "tool_call_response" and "response" not in part and "result" in part:
        return {**{name: value for name, value in part.items() if name != "result"}, "response": part["result"]}
    items = [obj(each) for each in array(typed_content(part.get("content")))] if part.get("type") == "reasoning" else []
    if items:
        return {**part, "content": "\n".join(text(each.get("text")) or "" for each in items)}
    return part


def messages_of(told: Json, role: str = "") -> tuple[Message, ...]:
    """Return the messages of a list, of one message, or of a text said by this role."""
    if isinstance(told, str):
        return (message_of({"role": role, "content": told}),)
    single = [told] if obj(told) else array(told)
    return tuple(message_of({"role": role, **obj(each)}) for each in single if obj(each))


def typed_content(told: Json) -> Json:
    """Return the parts that a text holds as JSON, as instrumentations write content that is no text; else the text."""
    if not isinstance(told, str) or not told.startswith("[{"):
        return told
    try:
        parts = array(parse(told))
    except ValueError:
        return told
    return parts if all(text(obj(part).get("type")) for part in parts) else told


def tools_of(told: Json) -> tuple[JsonObject, ...]:
    """Return tool definitions in the form of the conventions, from theirs or a provider's."""
    return tuple(_tool(obj(tool)) for tool in array(told))


def _tool(tool: JsonObject) -> JsonObject:
    if "inputSchema" in tool:
        tool = {
            **{name: value for name, value in tool.items() if name != "inputSchema"},
            "parameters": tool["inputSchema"],
        }
    codec = anthropic_messages.CODEC if "input_schema" in tool else openai_chat.CODEC
    (definition,) = codec.decode_request({"tools": [tool]}).tool_definitions
    return definition
