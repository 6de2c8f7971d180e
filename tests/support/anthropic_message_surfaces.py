"""The surfaces of the Anthropic SDK for messages."""

from __future__ import annotations

from typing import Any, Final

import anthropic
from pydantic import BaseModel

from tests.support.anthropic_requests import CREATE, TOOL, anthropic_surfaces, ask
from tests.support.observed import Eyes
from tests.support.scenarios import (
    answers_differ,
    creating,
    helping,
    raw,
    raw_streaming,
    shows,
    streamed_response,
    streaming,
    twice,
)
from tests.support.surface import Surface, each, opened, settled

__all__ = ["MESSAGE_SURFACES"]

_KNOWS_THINKING: Final = "anthropic.types.ThinkingBlock"
_THINKING: Final = {"type": "enabled", "budget_tokens": 1024}


class Report(BaseModel):
    """What structured output is parsed into."""

    text: str
    number: int


async def _with_tools(client: Any, see: Eyes) -> None:
    request = ask("Lisbon", tools=[TOOL])
    first = await settled(client.messages.create(**request))
    see(first)
    results = [
        {"type": "tool_result", "tool_use_id": block.id, "content": [{"type": "text", "text": f"sunny ({block.id})"}]}
        for block in first.content
        if block.type == "tool_use"
    ]
    request["messages"] += [
        {"role": "assistant", "content": first.model_dump(exclude_none=True)["content"]},
        {"role": "user", "content": results},
    ]
    see(await settled(client.messages.create(**request)))


async def _text_stream(client: Any, see: Eyes) -> None:
    async with opened(client.messages.stream(**ask())) as stream:
        async for text in each(stream.text_stream):
            see(text)
        see(await settled(stream.get_final_text()))


def _weather(is_async: bool) -> Any:
    """Return a tool for the tool runner; the decorators are not in older SDKs."""
    decorators = vars(anthropic)
    if not is_async:

        def weather(city: str, days: int) -> str:
            """Tell the weather in a city."""
            return f"sunny in {city} for {days} days"

        return decorators["beta_tool"](weather)

    async def weather_later(city: str, days: int) -> str:
        """Tell the weather in a city."""
        return f"sunny in {city} for {days} days"

    return decorators["beta_async_tool"](weather_later)


async def _tool_runner(client: Any, see: Eyes) -> None:
    tool = _weather(isinstance(client, anthropic.AsyncAnthropic))
    async for message in each(client.beta.messages.tool_runner(**ask("Lisbon", tools=[tool]))):
        see(message)


async def _streaming_tool_runner(client: Any, see: Eyes) -> None:
    tool = _weather(isinstance(client, anthropic.AsyncAnthropic))
    async for stream in each(client.beta.messages.tool_runner(**ask("Lisbon", tools=[tool], stream=True))):
        async for event in each(stream):
            see(event)


_CACHED: Final = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
MESSAGE_SURFACES: Final[tuple[Surface, ...]] = (
    *anthropic_surfaces(
        "messages.create",
        scenario=creating(CREATE, **ask()),
        expect=shows("Message", "echo 1: hello", "x_added_later"),
    ),
    *anthropic_surfaces(
        "messages.create, the same twice", scenario=twice(CREATE, **ask()), expect=answers_differ("Message"), calls=2
    ),
    *anthropic_surfaces(
        "messages.create, cached system",
        scenario=creating(CREATE, **ask(system=_CACHED, stop_sequences=["x"])),
        expect=shows("Message", "'cache_creation_input_tokens': 4", "'cache_read_input_tokens': 3"),
    ),
    *anthropic_surfaces(
        "messages.create, tools",
        scenario=_with_tools,
        expect=shows("Message", "tool_use", "Lisbon", "sunny (toolu_0000010)", least=2),
        calls=2,
    ),
    *anthropic_surfaces(
        "messages.create, thinking",
        scenario=creating(CREATE, **ask(thinking=_THINKING)),
        expect=shows("Message", "Thinking of 1", "signature"),
        needs=_KNOWS_THINKING,
    ),
    *anthropic_surfaces(
        "messages.create, unknown arguments",
        scenario=creating(
            CREATE, **ask(extra_body={"mine": 1}, extra_query={"trial": "1"}, extra_headers={"x-mine": "1"})
        ),
        expect=shows("Message", "hello"),
    ),
    *anthropic_surfaces(
        "messages stream",
        scenario=streaming(CREATE, **ask()),
        expect=shows("RawContentBlockDeltaEvent", "echo", "🦊", least=7),
    ),
    *anthropic_surfaces(
        "messages stream, tools and thinking",
        scenario=streaming(CREATE, **ask("Lisbon", tools=[TOOL], thinking=_THINKING)),
        expect=shows("RawContentBlockDeltaEvent", "thinking_delta", "signature_delta", "input_json_delta", least=9),
        needs=_KNOWS_THINKING,
    ),
    *anthropic_surfaces(
        "messages.stream()",
        scenario=helping("messages.stream", "get_final_message", **ask("Lisbon", tools=[TOOL])),
        expect=shows("RawContentBlockDeltaEvent", "Lisbon", "input_json", least=3),
    ),
    *anthropic_surfaces(
        "messages.stream(), text", scenario=_text_stream, expect=shows("str", "echo 1: hello — ça va 🦊", least=8)
    ),
    *anthropic_surfaces(
        "messages.stream(), thinking",
        scenario=helping("messages.stream", "get_final_message", **ask(thinking=_THINKING)),
        expect=shows("RawContentBlockDeltaEvent", "thinking_delta", "signature", least=3),
        needs=_KNOWS_THINKING,
    ),
    *anthropic_surfaces(
        "messages.parse()",
        scenario=creating("messages.parse", **ask(output_format=Report)),
        expect=shows("ParsedMessage", "anthropic_message_surfaces.Report", "echo 1: hello"),
        needs="messages.parse",
    ),
    *anthropic_surfaces(
        "beta messages.create",
        scenario=creating("beta.messages.create", **ask(betas=["context-1m-2025-08-07"])),
        expect=shows("BetaMessage", "echo 1: hello"),
        needs="beta.messages",
    ),
    *anthropic_surfaces(
        "beta messages stream",
        scenario=streaming("beta.messages.create", **ask(betas=["context-1m-2025-08-07"])),
        expect=shows("BetaRawContentBlockDeltaEvent", "🦊", least=7),
        needs="beta.messages",
    ),
    *anthropic_surfaces(
        "beta messages.stream()",
        scenario=helping("beta.messages.stream", "get_final_message", **ask("Lisbon", tools=[TOOL])),
        expect=shows("BetaRawContentBlockDeltaEvent", "Lisbon", least=3),
        needs="beta.messages.stream",
    ),
    *anthropic_surfaces(
        "beta messages.parse()",
        scenario=creating("beta.messages.parse", **ask(output_format=Report)),
        expect=shows("ParsedBetaMessage", "anthropic_message_surfaces.Report", "echo 1: hello"),
        needs="beta.messages.parse",
    ),
    *anthropic_surfaces(
        "tool_runner",
        scenario=_tool_runner,
        expect=shows("ParsedBetaMessage", "tool_use", "sunny in Lisbon for 1 days", least=2),
        calls=2,
        needs="beta.messages.tool_runner",
    ),
    *anthropic_surfaces(
        "tool_runner, stream",
        scenario=_streaming_tool_runner,
        expect=shows("BetaRawContentBlockDeltaEvent", "input_json_delta", "sunny", least=9),
        calls=2,
        needs="beta.messages.tool_runner",
    ),
    *anthropic_surfaces(
        "messages with_raw_response",
        scenario=raw(CREATE, **ask()),
        expect=shows("Message", "echo", "request-id", "req_ant_0001"),
    ),
    *anthropic_surfaces(
        "messages with_raw_response, stream",
        scenario=raw_streaming(CREATE, **ask()),
        expect=shows("RawContentBlockDeltaEvent", "request-id", least=7),
    ),
    *(
        surface
        for reader, kind in (("read", "bytes"), ("json", "dict"), ("parse", "Message"), ("iter_lines", "str"))
        for surface in anthropic_surfaces(
            f"messages with_streaming_response, {reader}",
            scenario=streamed_response(CREATE, reader, **ask()),
            expect=shows(kind, "hello"),
        )
    ),
    *anthropic_surfaces(
        "messages with_streaming_response, lines of a stream",
        scenario=streamed_response(CREATE, "iter_lines", **ask(stream=True)),
        expect=shows("str", "event: message_stop", "event: ping", least=20),
    ),
    *anthropic_surfaces(
        "messages with_streaming_response, parsed stream",
        scenario=streamed_response(CREATE, "parse", **ask(stream=True)),
        expect=shows("RawContentBlockDeltaEvent", "🦊", least=7),
    ),
)
