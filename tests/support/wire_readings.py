"""What a provider's own SDK reads in an answer, and what the model tells of it, in one shape that can be compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any, Final, cast

import anthropic
import openai
from openai.lib.streaming.chat import ChatCompletionStreamState

from otel_agenttrace.model import InferenceResponse, Message, Part, Usage
from tests.support.loopback import Answer, Received, Service

__all__ = ["Choice", "SdkReader", "Told", "told_by_model", "told_by_sdk"]


@dataclass(frozen=True, slots=True)
class Choice:
    """One answer: its texts joined, its tool calls with parsed arguments, and why it ended."""

    text: str = ""
    refusal: str = ""
    reasoning: str = ""
    calls: tuple[tuple[str | None, str, Any], ...] = ()
    finish_reason: str | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """What an answer tells, whoever reads it."""

    id: str | None
    model: str | None
    choices: tuple[Choice, ...]
    usage: Usage


# --- the model --------------------------------------------------------------------------------------------------------


def told_by_model(response: InferenceResponse) -> Told:
    """Return what a response of the model tells."""
    return Told(response.id, response.model, tuple(map(_choice, response.output_messages)), response.usage)


def _choice(message: Message) -> Choice:
    return Choice(
        _joined(message.parts, "text"),
        _joined(message.parts, "refusal"),
        _joined(message.parts, "reasoning"),
        tuple(_call(part) for part in message.parts if part["type"] == "tool_call"),
        message.finish_reason,
    )


def _joined(parts: Iterable[Part], kind: str) -> str:
    return "".join(str(part["content"]) for part in parts if part["type"] == kind)


def _call(part: Part) -> tuple[str | None, str, Any]:
    call_id = part.get("id")
    return call_id if isinstance(call_id, str) else None, str(part["name"]), part["arguments"]


# --- the SDKs ---------------------------------------------------------------------------------------------------------


def told_by_sdk(api: str, answer: Any) -> Told:
    """Return what an object of the SDK tells."""
    return _READERS[api](answer)


def _chat(answer: Any) -> Told:
    choices = tuple(_chat_choice(choice) for choice in answer.choices)
    return Told(answer.id, answer.model, choices, _openai_usage(answer.usage))


def _chat_choice(choice: Any) -> Choice:
    message = choice.message
    reasoning = getattr(message, "reasoning_content", None) or getattr(message, "reasoning", None)
    calls = tuple(_chat_call(call) for call in message.tool_calls or ())
    return Choice(message.content or "", message.refusal or "", reasoning or "", calls, choice.finish_reason)


def _chat_call(call: Any) -> tuple[str, str, Any]:
    custom: Any = getattr(call, "custom", None)
    if custom is None:
        return call.id, call.function.name, _parsed(call.function.arguments)
    if isinstance(custom, dict):  # put together from a stream, whose types know functions alone
        custom = SimpleNamespace(**cast("dict[str, Any]", custom))
    return call.id, custom.name, custom.input


def _completions(answer: Any) -> Told:
    choices = tuple(Choice(text=choice.text, finish_reason=choice.finish_reason) for choice in answer.choices)
    return Told(answer.id, answer.model, choices, _openai_usage(answer.usage))


def _openai_usage(usage: Any) -> Usage:
    if usage is None:
        return Usage()
    given, made = usage.prompt_tokens_details, usage.completion_tokens_details
    return Usage(
        usage.prompt_tokens,
        usage.completion_tokens,
        getattr(given, "cached_tokens", None),
        getattr(given, "cache_write_tokens", None),
        getattr(made, "reasoning_tokens", None),
    )


def _responses(answer: Any) -> Told:
    content = [part for item in answer.output if item.type == "message" for part in item.content]
    thoughts = [item.summary for item in answer.output if item.type == "reasoning"]
    calls = [_response_call(item) for item in answer.output if item.type in ("function_call", "custom_tool_call")]
    reason = "tool_calls" if calls else "stop"
    choice = Choice(
        "".join(part.text for part in content if part.type == "output_text"),
        "".join(part.refusal for part in content if part.type == "refusal"),
        "".join("\n".join(piece.text for piece in summary) for summary in thoughts),
        tuple(calls),
        answer.incomplete_details.reason if answer.status == "incomplete" else reason,
    )
    usage = answer.usage
    tokens = Usage(
        usage.input_tokens,
        usage.output_tokens,
        usage.input_tokens_details.cached_tokens,
        getattr(usage.input_tokens_details, "cache_write_tokens", None),
        usage.output_tokens_details.reasoning_tokens,
    )
    return Told(answer.id, answer.model, (choice,) if answer.output else (), tokens)


def _response_call(item: Any) -> tuple[str, str, Any]:
    if item.type == "custom_tool_call":
        return item.call_id, item.name, item.input
    return item.call_id, item.name, _parsed(item.arguments)


def _messages(answer: Any) -> Told:
    blocks, usage = answer.content, answer.usage
    choice = Choice(
        text="".join(block.text for block in blocks if block.type == "text"),
        reasoning="".join(block.thinking for block in blocks if block.type == "thinking"),
        calls=tuple((block.id, block.name, block.input) for block in blocks if block.type == "tool_use"),
        finish_reason=answer.stop_reason,
    )
    read, written = usage.cache_read_input_tokens, usage.cache_creation_input_tokens
    thought = getattr(getattr(usage, "output_tokens_details", None), "thinking_tokens", None)
    kept = getattr(getattr(usage, "cache_creation", None), "ephemeral_1h_input_tokens", None)
    given = usage.input_tokens + (read or 0) + (written or 0)
    tokens = Usage(given, usage.output_tokens, read, written, thought, kept)
    return Told(answer.id, answer.model, (choice,), tokens)


def _parsed(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


_READERS: Final[Mapping[str, Callable[[Any], Told]]] = {
    "openai.chat": _chat,
    "openai.completions": _completions,
    "openai.responses": _responses,
    "anthropic.messages": _messages,
}


# --- over the wire ----------------------------------------------------------------------------------------------------

_ASKED: Final[Any] = [{"role": "user", "content": "?"}]


class SdkReader(Service):
    """Real SDK clients that are sent one given body over the loopback."""

    def __init__(self) -> None:
        self._answer = Answer()
        super().__init__(self._give)
        self._openai = openai.OpenAI(api_key="k", base_url=f"{self.url}/v1", max_retries=0)
        self._anthropic = anthropic.Anthropic(api_key="k", base_url=self.url, max_retries=0)

    def stop(self) -> None:
        """Close the clients, too."""
        self._openai.close()
        self._anthropic.close()
        super().stop()

    def _give(self, request: Received) -> Answer:
        del request
        return self._answer

    def read(self, api: str, body: bytes, status: int = 200) -> Told:
        """Return what the SDK makes of a JSON body."""
        self._answer = Answer(status, (("content-type", "application/json"),), (body,))
        return told_by_sdk(api, self._create(api, is_stream=False))

    def read_stream(self, api: str, body: bytes) -> Told:
        """Return what the SDK has accumulated at the end of a stream."""
        self._answer = Answer(200, (("content-type", "text/event-stream"),), (body,))
        if api == "anthropic.messages":
            with self._anthropic.messages.stream(model="m", max_tokens=9, messages=_ASKED) as stream:
                return told_by_sdk(api, stream.get_final_message())
        if api == "openai.responses":
            with self._openai.responses.stream(model="m", input="?") as responses:
                last: Any = list(responses)[-1]
                return told_by_sdk(api, last.response)
        chunks = self._create(api, is_stream=True)
        return told_by_sdk(api, _completion(chunks) if api == "openai.completions" else _chat_completion(chunks))

    def _create(self, api: str, *, is_stream: bool) -> Any:
        sdk: Any = self._openai
        create: Mapping[str, Callable[[], Any]] = {
            "openai.chat": lambda: sdk.chat.completions.create(model="m", messages=_ASKED, stream=is_stream),
            "openai.completions": lambda: sdk.completions.create(model="m", prompt="?", stream=is_stream),
            "openai.responses": lambda: sdk.responses.create(model="m", input="?", stream=is_stream),
            "anthropic.messages": lambda: self._anthropic.messages.create(model="m", max_tokens=9, messages=_ASKED),
        }
        return create[api]()


def _chat_completion(chunks: Iterable[Any]) -> Any:
    state: Any = ChatCompletionStreamState()
    for chunk in chunks:
        state.handle_chunk(chunk)
    return state.current_completion_snapshot


def _completion(chunks: Iterable[Any]) -> Any:
    """Return the last chunk with all texts: the SDK leaves it to its user to put them together."""
    told = list(chunks)
    whole = told[-1].model_copy(update={"choices": {}})
    held: dict[int, Any] = whole.choices
    for choice in (choice for chunk in told for choice in chunk.choices):
        before = held.get(choice.index)
        held[choice.index] = choice if before is None else _joined_choice(before, choice)
    return whole.model_copy(update={"choices": [held[index] for index in sorted(held)]})


def _joined_choice(before: Any, choice: Any) -> Any:
    reason = choice.finish_reason or before.finish_reason
    return before.model_copy(update={"text": before.text + choice.text, "finish_reason": reason})
