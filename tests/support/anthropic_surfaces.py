"""The surfaces of the Anthropic SDK: what is called, and what a live run of it must have shown."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

import anthropic
from pydantic import BaseModel

from tests.support.clients import anthropic_client, anthropic_client_on
from tests.support.observed import Eyes
from tests.support.provider import Provider
from tests.support.scenarios import (
    abandoning,
    answers_differ,
    breaks,
    cancelling,
    cancelling_inside,
    closing_early,
    creating,
    fails,
    gathering,
    listing,
    raw,
    raw_streaming,
    reading_lazily,
    shows,
    streamed_response,
    streaming,
    twice,
)
from tests.support.surface import Surface, deprecated_calls, each, opened, settled, surfaces

__all__ = ["ANTHROPIC_SURFACES"]

_CREATE: Final = "messages.create"
_MODEL: Final = "claude-fake-1"
_SHORT_S: Final = 0.15
_THINKING: Final = {"type": "enabled", "budget_tokens": 1024}
_TOOL: Final = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}


class Report(BaseModel):
    """What structured output is parsed into."""

    text: str
    number: int


def _ask(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"model": _MODEL, "max_tokens": 2000, "messages": [{"role": "user", "content": text}], **more}


def _faulty(script: str, **more: Any) -> dict[str, Any]:
    return _ask("hello", extra_headers={"x-fake": script}, **more)


_anthropic = partial(surfaces, clients=anthropic_client)


# --- messages -------------------------------------------------------------------------------------------------------


async def _with_tools(client: Any, see: Eyes) -> None:
    request = _ask("Lisbon", tools=[_TOOL])
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


def _helper_stream(resource: str, **request: Any) -> Any:
    async def scenario(client: Any, see: Eyes) -> None:
        messages = client.beta.messages if resource == "beta" else client.messages
        async with opened(messages.stream(**request)) as stream:
            async for event in each(stream):
                see(event)
            see(await settled(stream.get_final_message()))

    return scenario


async def _text_stream(client: Any, see: Eyes) -> None:
    async with opened(client.messages.stream(**_ask())) as stream:
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
    async for message in each(client.beta.messages.tool_runner(**_ask("Lisbon", tools=[tool]))):
        see(message)


async def _streaming_tool_runner(client: Any, see: Eyes) -> None:
    tool = _weather(isinstance(client, anthropic.AsyncAnthropic))
    async for stream in each(client.beta.messages.tool_runner(**_ask("Lisbon", tools=[tool], stream=True))):
        async for event in each(stream):
            see(event)


_CACHED: Final = [{"type": "text", "text": "Be brief.", "cache_control": {"type": "ephemeral"}}]
_MESSAGE_SURFACES: Final = (
    *_anthropic(
        "messages.create",
        scenario=creating(_CREATE, **_ask()),
        expect=shows("Message", "echo 1: hello", "x_added_later", "req_ant_0001"),
    ),
    *_anthropic(
        "messages.create, the same twice", scenario=twice(_CREATE, **_ask()), expect=answers_differ("Message"), calls=2
    ),
    *_anthropic(
        "messages.create, cached system",
        scenario=creating(_CREATE, **_ask(system=_CACHED, stop_sequences=["x"])),
        expect=shows("Message", "'cache_creation_input_tokens': 4", "'cache_read_input_tokens': 3"),
    ),
    *_anthropic(
        "messages.create, tools",
        scenario=_with_tools,
        expect=shows("Message", "tool_use", "Lisbon", "sunny (toolu_0000010)", least=2),
        calls=2,
    ),
    *_anthropic(
        "messages.create, thinking",
        scenario=creating(_CREATE, **_ask(thinking=_THINKING)),
        expect=shows("Message", "Thinking of 1", "signature"),
    ),
    *_anthropic(
        "messages.create, unknown arguments",
        scenario=creating(
            _CREATE, **_ask(extra_body={"mine": 1}, extra_query={"trial": "1"}, extra_headers={"x-mine": "1"})
        ),
        expect=shows("Message", "hello"),
    ),
    *_anthropic(
        "messages stream",
        scenario=streaming(_CREATE, **_ask()),
        expect=shows("RawContentBlockDeltaEvent", "echo", "🦊", least=7),
    ),
    *_anthropic(
        "messages stream, tools and thinking",
        scenario=streaming(_CREATE, **_ask("Lisbon", tools=[_TOOL], thinking=_THINKING)),
        expect=shows("RawContentBlockDeltaEvent", "thinking_delta", "signature_delta", "input_json_delta", least=9),
    ),
    *_anthropic(
        "messages.stream()",
        scenario=_helper_stream("", **_ask("Lisbon", tools=[_TOOL])),
        expect=shows("RawContentBlockDeltaEvent", "Lisbon", "input_json", least=3),
    ),
    *_anthropic(
        "messages.stream(), text", scenario=_text_stream, expect=shows("str", "echo 1: hello — ça va 🦊", least=8)
    ),
    *_anthropic(
        "messages.stream(), thinking",
        scenario=_helper_stream("", **_ask(thinking=_THINKING)),
        expect=shows("RawContentBlockDeltaEvent", "thinking_delta", "signature", least=3),
        needs="anthropic.types.ThinkingBlock",
    ),
    *_anthropic(
        "messages.parse()",
        scenario=creating("messages.parse", **_ask(output_format=Report)),
        expect=shows("ParsedMessage", "anthropic_surfaces.Report", "echo 1: hello"),
        needs="messages.parse",
    ),
    *_anthropic(
        "beta messages.create",
        scenario=creating("beta.messages.create", **_ask(betas=["context-1m-2025-08-07"])),
        expect=shows("BetaMessage", "echo 1: hello"),
        needs="beta.messages",
    ),
    *_anthropic(
        "beta messages stream",
        scenario=streaming("beta.messages.create", **_ask(betas=["context-1m-2025-08-07"])),
        expect=shows("BetaRawContentBlockDeltaEvent", "🦊", least=7),
        needs="beta.messages",
    ),
    *_anthropic(
        "beta messages.stream()",
        scenario=_helper_stream("beta", **_ask("Lisbon", tools=[_TOOL])),
        expect=shows("BetaRawContentBlockDeltaEvent", "Lisbon", least=3),
        needs="beta.messages.stream",
    ),
    *_anthropic(
        "beta messages.parse()",
        scenario=creating("beta.messages.parse", **_ask(output_format=Report)),
        expect=shows("ParsedBetaMessage", "anthropic_surfaces.Report", "echo 1: hello"),
        needs="beta.messages.parse",
    ),
    *_anthropic(
        "tool_runner",
        scenario=_tool_runner,
        expect=shows("ParsedBetaMessage", "tool_use", "sunny in Lisbon for 1 days", least=2),
        calls=2,
        needs="beta.messages.tool_runner",
    ),
    *_anthropic(
        "tool_runner, stream",
        scenario=_streaming_tool_runner,
        expect=shows("BetaRawContentBlockDeltaEvent", "input_json_delta", "sunny", least=9),
        calls=2,
        needs="beta.messages.tool_runner",
    ),
    *_anthropic(
        "messages with_raw_response",
        scenario=raw(_CREATE, **_ask()),
        expect=shows("Message", "echo", "request-id", "req_ant_0001"),
    ),
    *_anthropic(
        "messages with_raw_response, stream",
        scenario=raw_streaming(_CREATE, **_ask()),
        expect=shows("RawContentBlockDeltaEvent", "request-id", least=7),
    ),
    *(
        surface
        for reader, kind in (("read", "bytes"), ("json", "dict"), ("parse", "Message"), ("iter_lines", "str"))
        for surface in _anthropic(
            f"messages with_streaming_response, {reader}",
            scenario=streamed_response(_CREATE, reader, **_ask()),
            expect=shows(kind, "hello"),
        )
    ),
    *_anthropic(
        "messages with_streaming_response, lines of a stream",
        scenario=streamed_response(_CREATE, "iter_lines", **_ask(stream=True)),
        expect=shows("str", "event: message_stop", "event: ping", least=20),
    ),
    *_anthropic(
        "messages with_streaming_response, parsed stream",
        scenario=streamed_response(_CREATE, "parse", **_ask(stream=True)),
        expect=shows("RawContentBlockDeltaEvent", "🦊", least=7),
    ),
)


# --- other resources ------------------------------------------------------------------------------------------------

_BATCH: Final = [{"custom_id": "one", "params": _ask()}, {"custom_id": "two", "params": _ask("hello too")}]


def _batches(is_beta: bool) -> Any:
    async def scenario(client: Any, see: Eyes) -> None:
        batches = (client.beta.messages if is_beta else client.messages).batches
        made = await settled(batches.create(requests=_BATCH))
        see(made)
        see(await settled(batches.retrieve(made.id)))
        async for result in each(await settled(batches.results(made.id))):
            see(result)
        see(await settled(batches.cancel(made.id)))
        async for batch in each(batches.list()):
            see(batch)

    return scenario


async def _files(client: Any, see: Eyes) -> None:
    made = await settled(client.beta.files.upload(file=("asked.txt", b"some text", "text/plain")))
    see(made)
    see(await settled(client.beta.files.retrieve_metadata(made.id)))
    content = await settled(client.beta.files.download(made.id))
    see(content)
    see(await settled(content.read()))
    async for file in each(client.beta.files.list()):
        see(file)
    see(await settled(client.beta.files.delete(made.id)))


async def _posted(client: Any, see: Eyes) -> None:
    see(await settled(client.post("/v1/messages", body=_ask(), cast_to=object)))
    see(await settled(client.get("/v1/models", cast_to=object)))


async def _legacy_completion(client: Any, see: Eyes) -> None:
    with deprecated_calls():
        prompt = f"{anthropic.HUMAN_PROMPT} hello{anthropic.AI_PROMPT}"
        see(await settled(client.completions.create(model="claude-2.1", max_tokens_to_sample=20, prompt=prompt)))


_resource = partial(_anthropic, inferences=0)
_RESOURCE_SURFACES: Final = (
    *_resource(
        "count_tokens",
        scenario=creating("messages.count_tokens", model=_MODEL, messages=_ask()["messages"]),
        expect=shows("MessageTokensCount", "input_tokens"),
        needs="messages.count_tokens",
    ),
    *_resource(
        "beta count_tokens",
        scenario=creating("beta.messages.count_tokens", model=_MODEL, messages=_ask()["messages"]),
        expect=shows("BetaMessageTokensCount", "input_tokens"),
        needs="beta.messages.count_tokens",
    ),
    *_resource(
        "models, all pages",
        scenario=listing("models.list", limit=2),
        expect=shows("ModelInfo", "claude-opus-4-5", "claude-haiku-4-5", least=3),
        calls=2,
        needs="models",
    ),
    *_resource(
        "batches",
        scenario=_batches(False),
        expect=shows("MessageBatchIndividualResponse", "echo 4: msgbatch_", "errored", least=2),
        calls=6,
        needs="messages.batches",
    ),
    *_resource(
        "beta batches",
        scenario=_batches(True),
        expect=shows("BetaMessageBatchIndividualResponse", "errored", least=2),
        calls=6,
        needs="beta.messages.batches",
    ),
    *_resource(
        "files",
        scenario=_files,
        expect=shows("bytes", "file_000001", "file_deleted", "asked.txt"),
        calls=5,
        needs="beta.files",
    ),
    *_anthropic("completions", scenario=_legacy_completion, expect=shows("Completion", "echo 1:"), needs="completions"),
    *_anthropic(
        "low-level post and get",
        scenario=_posted,
        expect=shows("dict", "echo 1: hello", "claude-opus", least=2),
        calls=2,
        inferences=1,
    ),
)


# --- clients and bad days -------------------------------------------------------------------------------------------


def _refused_client(provider: Provider, *, is_async: bool) -> Any:
    """Return a client for a port where nobody listens."""
    return anthropic_client(provider, is_async=is_async, base_url="http://127.0.0.1:9")


_retrying_client = partial(anthropic_client, max_retries=2)
_STATUSES: Final = (
    (400, "BadRequestError"),
    (401, "AuthenticationError"),
    (404, "NotFoundError"),
    (429, "RateLimitError"),
    (500, "InternalServerError"),
)
_CLIENT_SURFACES: Final = (
    *(
        surface
        for library in ("httpx", "httpx2")
        for surface in surfaces(
            f"anthropic on an own {library} client",
            partial(anthropic_client_on, library),
            raw(_CREATE, **_ask()),
            shows("Message", "x-hook", "hello"),
        )
    ),
    *_anthropic(
        "client built before",
        scenario=streaming(_CREATE, **_ask()),
        expect=shows("RawContentBlockDeltaEvent", "🦊", least=7),
        is_built_before=True,
    ),
    *_anthropic(
        "twenty at once",
        scenario=gathering(_CREATE, [_ask(f"hello {at}") for at in range(20)]),
        expect=shows("Message", "hello 19", least=20),
        calls=20,
        kinds=("async",),
    ),
)
_BAD_DAY_SURFACES: Final = (
    *(
        surface
        for status, kind in _STATUSES
        for surface in _anthropic(
            f"status {status}",
            scenario=creating(_CREATE, **_faulty(str(status))),
            expect=fails(kind, "(request 1)", "request-id", status=status),
        )
    ),
    # newer SDKs have a class of its own for it
    *_anthropic(
        "status 529",
        scenario=creating(_CREATE, **_faulty("529")),
        expect=breaks("anthropic."),
    ),
    *surfaces("retried once", _retrying_client, raw(_CREATE, **_faulty("429*1")), shows("Message", "echo 2: hello")),
    *surfaces(
        "retried twice", _retrying_client, raw(_CREATE, **_faulty("500*1 529*2")), shows("Message", "echo 3: hello")
    ),
    *surfaces(
        "retried, stream",
        _retrying_client,
        streaming(_CREATE, **_faulty("529*1")),
        shows("RawContentBlockDeltaEvent", "🦊", least=7),
    ),
    *surfaces(
        "retried in vain",
        _retrying_client,
        creating(_CREATE, **_faulty("500")),
        fails("InternalServerError", "(request 3)", status=500),
    ),
    *_anthropic(
        "dropped",
        scenario=creating(_CREATE, **_faulty("drop")),
        expect=fails("APIConnectionError", cause="RemoteProtocolError"),
    ),
    *surfaces(
        "refused", _refused_client, creating(_CREATE, **_ask()), fails("APIConnectionError", cause="ConnectError")
    ),
    *surfaces(
        "timeout",
        partial(anthropic_client, timeout=_SHORT_S),
        creating(_CREATE, **_faulty("slow")),
        fails("APITimeoutError", cause="ReadTimeout"),
    ),
    *_anthropic("body cut", scenario=creating(_CREATE, **_faulty("cut")), expect=breaks("RemoteProtocolError")),
    *_anthropic(
        "stream with an error event", scenario=streaming(_CREATE, **_faulty("sse-error")), expect=breaks("anthropic.")
    ),
    *_anthropic("stream cut", scenario=streaming(_CREATE, **_faulty("cut")), expect=breaks("RemoteProtocolError")),
    *_anthropic("stream reset", scenario=streaming(_CREATE, **_faulty("reset")), expect=breaks("ReadError")),
    *_anthropic("stream() reset", scenario=_helper_stream("", **_faulty("reset")), expect=breaks("ReadError")),
    *_anthropic(
        "stream closed early",
        scenario=closing_early(_CREATE, 2, **_faulty("hold")),
        expect=shows("str", "closed", "message_start"),
    ),
    *_anthropic(
        "stream abandoned", scenario=abandoning(_CREATE, 2, **_ask()), expect=shows("str", "abandoned", "message_start")
    ),
    *_anthropic(
        "stream read lazily",
        scenario=reading_lazily(_CREATE, **_ask()),
        expect=shows("RawContentBlockDeltaEvent", "echo 2: hello", least=7),
        calls=2,
    ),
    *_anthropic(
        "cancelled", scenario=cancelling(_CREATE, **_faulty("slow")), expect=fails("TimeoutError"), kinds=("async",)
    ),
    *_anthropic(
        "stream cancelled",
        scenario=cancelling_inside(_CREATE, 2, **_faulty("hold")),
        expect=fails("TimeoutError", after=1),
        kinds=("async",),
    ),
    *_anthropic("gzip body", scenario=raw(_CREATE, **_faulty("gzip")), expect=shows("Message", "echo 1: hello")),
    *_anthropic(
        "gzip stream",
        scenario=streaming(_CREATE, **_faulty("gzip")),
        expect=shows("RawContentBlockDeltaEvent", "🦊", least=7),
    ),
)

ANTHROPIC_SURFACES: Final[tuple[Surface, ...]] = (
    *_MESSAGE_SURFACES,
    *_RESOURCE_SURFACES,
    *_CLIENT_SURFACES,
    *_BAD_DAY_SURFACES,
)
