"""Read what stands in a request to a model: calls of tools, their results, what was said. Span of a call in, its parts out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from otel_agenttrace import semconv
from otel_agenttrace.analyze.tool_calls import arguments_of
from otel_agenttrace.jsonvalue import Json, array, compact, obj, text
from otel_agenttrace.model import Message, Part, Span
from otel_agenttrace.wire.recorded import asked_of

__all__ = ["Conversation", "HeldCall", "HeldResult", "HeldText", "conversation_of", "text_of_value"]


@dataclass(frozen=True, slots=True)
class HeldCall:
    """A call of a tool that an answer in the conversation asked for."""

    call_id: str | None
    name: str
    arguments: Json


@dataclass(frozen=True, slots=True)
class HeldResult:
    """A result of a tool in the conversation.

    Attributes:
        call_id: As the provider counts calls.
        text: What the tool gave.
        call: The call in the same conversation that has this id, where it is told and there is one only.
        is_new: Whether it came after the last answer of the model.
        is_single: Whether no other result in the conversation has its id.
    """

    call_id: str | None
    text: str
    call: HeldCall | None
    is_new: bool
    is_single: bool


@dataclass(frozen=True, slots=True)
class HeldText:
    """What somebody said: `place` is the number of the message, from 0."""

    role: str
    text: str
    place: int


@dataclass(frozen=True, slots=True)
class Conversation:
    """What stands in a request, oldest first; empty where the content is not recorded.

    Attributes:
        calls: The calls that earlier answers asked for.
        results: What tools gave.
        texts: What was said, instructions included.
        new_from: The number of the first message after the last answer of the model.
        previous_response: The id of the response that the request goes on from, where it tells one.
    """

    calls: tuple[HeldCall, ...]
    results: tuple[HeldResult, ...]
    texts: tuple[HeldText, ...]
    new_from: int
    previous_response: str | None

    @property
    def prompts(self) -> tuple[HeldText, ...]:
        """What the user said."""
        return tuple(each for each in self.texts if each.role == "user")


def conversation_of(span: Span) -> Conversation:
    """Return what stands in the request of a call."""
    asked = asked_of(span)
    messages = asked.input_messages
    new_from = max((place for place, each in enumerate(messages, 1) if each.role == "assistant"), default=0)
    calls = tuple(_calls(messages))
    by_id = {call.call_id: call for call in calls}
    asked_ids = Counter(call.call_id for call in calls)
    told = [(place, part) for place, message in enumerate(messages) for part in message.parts if _is_result(part)]
    result_ids = Counter(text(part.get("id")) for _, part in told)
    results = (
        HeldResult(
            call_id=(call_id := text(part.get("id")) or None),
            text=text_of_value(part.get("response")),
            call=by_id.get(call_id) if call_id and asked_ids[call_id] == 1 else None,
            is_new=place >= new_from,
            is_single=result_ids[call_id] == 1 and asked_ids[call_id] <= 1,
        )
        for place, part in told
    )
    system = (HeldText("system", said, -1) for part in asked.system_instructions if (said := text(part.get("content"))))
    previous = asked.parameters.get(semconv.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID) or span.attributes.get(
        semconv.GEN_AI_REQUEST_PREVIOUS_RESPONSE_ID
    )
    return Conversation(calls, tuple(results), (*system, *_texts(messages)), new_from, text(previous) or None)


def _calls(messages: tuple[Message, ...]) -> Iterator[HeldCall]:
    for message in messages:
        for part in message.parts:
            if part.get("type") == "tool_call":
                yield HeldCall(text(part.get("id")) or None, text(part.get("name")) or "", arguments_of(part))


def _is_result(part: Part) -> bool:
    return part.get("type") == "tool_call_response"


def _texts(messages: tuple[Message, ...]) -> Iterator[HeldText]:
    for place, message in enumerate(messages):
        for part in message.parts:
            if part.get("type") == "text" and (said := text(part.get("content"))):
                yield HeldText(message.role, said, place)


def text_of_value(value: Json) -> str:
    """Return the text of a result: a text as it is, the texts of parts, anything else as JSON."""
    if isinstance(value, str):
        return value
    texts = [text(obj(part).get("text") or obj(part).get("content")) for part in array(value)]
    if texts and None not in texts:
        return "\n".join(filter(None, texts))
    return "" if value is None else compact(value)
