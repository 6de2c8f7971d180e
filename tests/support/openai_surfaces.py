"""The surfaces of the OpenAI SDK: what is called, and what a live run of it must have shown."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from pydantic import BaseModel

from tests.support.clients import (
    aiohttp_client,
    azure_client,
    azure_token_client,
    module_client,
    openai_client,
    openai_client_on,
    router_client,
)
from tests.support.observed import Eyes, Observed
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

__all__ = ["OPENAI_SURFACES"]

_CHAT: Final = "chat.completions.create"
_MODEL: Final = "gpt-4o"
_SHORT_S: Final = 0.15
_AUDIO: Final = ("speech.wav", b"RIFF" + bytes(range(256)) * 4, "audio/wav")
_PARAMETERS: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}
_CHAT_TOOL: Final = {"type": "function", "function": {"name": "weather", "strict": True, "parameters": _PARAMETERS}}
_RESPONSES_TOOL: Final = {"type": "function", "name": "weather", "strict": True, "parameters": _PARAMETERS}


class Report(BaseModel):
    """What structured output is parsed into."""

    text: str
    number: int


_REPORT_SCHEMA: Final = {"name": "Report", "strict": True, "schema": Report.model_json_schema()}


def _ask(text: str = "hello", **more: Any) -> dict[str, Any]:
    return {"model": _MODEL, "messages": [{"role": "user", "content": text}], **more}


def _faulty(script: str, **more: Any) -> dict[str, Any]:
    return _ask("hello", extra_headers={"x-fake": script}, **more)


_openai = partial(surfaces, clients=openai_client)


# --- chat -----------------------------------------------------------------------------------------------------------


async def _chat_with_tools(client: Any, see: Eyes) -> None:
    request = _ask("Lisbon", tools=[_CHAT_TOOL])
    first = await settled(client.chat.completions.create(**request))
    see(first)
    message = first.choices[0].message
    request["messages"].append(message.model_dump(exclude_none=True))
    for call in message.tool_calls:
        request["messages"].append({"role": "tool", "tool_call_id": call.id, "content": f"sunny ({call.id})"})
    see(await settled(client.chat.completions.create(**request)))


def _helper_stream(path: str, **request: Any) -> Any:
    async def scenario(client: Any, see: Eyes) -> None:
        at = client
        for name in path.split("."):
            at = getattr(at, name)
        async with opened(at(**request)) as stream:
            async for event in each(stream):
                see(event)
            see(await settled(stream.get_final_completion()))

    return scenario


def _has_headers(seen: Observed) -> None:
    shows("ChatCompletion", "echo", "hello", "x-request-id", "req_oai_0001", "x-ratelimit-remaining-tokens")(seen)
    assert "set-cookie" not in str(seen.results)
    assert "org-fake" not in str(seen.results)


_HAIKU: Final = _ask("haiku", max_tokens=9)
_CHAT_SURFACES: Final = (
    *_openai(
        "chat.create",
        scenario=creating(_CHAT, **_ask()),
        expect=shows("ChatCompletion", "echo 1: hello", "🦊", "x_router"),
    ),
    *_openai(
        "chat.create, the same twice", scenario=twice(_CHAT, **_ask()), expect=answers_differ("ChatCompletion"), calls=2
    ),
    *_openai(
        "chat.create, choices and logprobs",
        scenario=creating(_CHAT, **_ask(n=3, logprobs=True, temperature=0.5, seed=7)),
        expect=shows("ChatCompletion", "(choice 2)", "logprob", "-0.125"),
    ),
    *_openai(
        "chat.create, tools",
        scenario=_chat_with_tools,
        expect=shows("ChatCompletion", "weather", "Lisbon", "sunny (call_0000010)", least=2),
        calls=2,
    ),
    *_openai(
        "chat.create, structured",
        scenario=creating(_CHAT, **_ask(response_format={"type": "json_schema", "json_schema": _REPORT_SCHEMA})),
        expect=shows("ChatCompletion", '"number": 1'),
    ),
    *_openai(
        "chat.create, unknown arguments",
        scenario=creating(
            _CHAT, **_ask(extra_body={"top_k": 4}, extra_query={"trial": "1"}, extra_headers={"x-mine": "1"})
        ),
        expect=shows("ChatCompletion", "hello"),
    ),
    *_openai(
        "chat stream", scenario=streaming(_CHAT, **_ask()), expect=shows("ChatCompletionChunk", "echo", "🦊", least=8)
    ),
    *_openai(
        "chat stream, usage and choices",
        scenario=streaming(_CHAT, **_ask(n=2, stream_options={"include_usage": True}, logprobs=True)),
        expect=shows("ChatCompletionChunk", "prompt_tokens", "cached_tokens", "logprob", least=16),
    ),
    *_openai(
        "chat stream, tools",
        scenario=streaming(_CHAT, **_ask("Lisbon", tools=[_CHAT_TOOL])),
        expect=shows("ChatCompletionChunk", "weather", "tool_calls", least=5),
    ),
    *_openai(
        "chat stream, first chunk late",
        scenario=streaming(_CHAT, **_faulty("late")),
        expect=shows("ChatCompletionChunk", "hello", least=8),
    ),
    *_openai(
        "chat.stream()",
        scenario=_helper_stream("chat.completions.stream", **_ask()),
        expect=shows("ParsedChatCompletion", "echo 1: hello", "🦊"),
        needs="chat.completions.stream",
    ),
    *_openai(
        "chat.stream(), parsed",
        scenario=_helper_stream("chat.completions.stream", **_ask(response_format=Report)),
        expect=shows("ParsedChatCompletion", "openai_surfaces.Report", "echo 1: hello"),
        needs="chat.completions.stream",
    ),
    *_openai(
        "beta chat.stream()",
        scenario=_helper_stream("beta.chat.completions.stream", **_ask("Lisbon", tools=[_CHAT_TOOL])),
        expect=shows("ParsedChatCompletion", "weather", "tool_calls"),
        needs="beta.chat.completions.stream",
    ),
    *_openai(
        "chat.parse()",
        scenario=creating("chat.completions.parse", **_ask(response_format=Report)),
        expect=shows("ParsedChatCompletion", "openai_surfaces.Report", "echo 1: hello"),
        needs="chat.completions.parse",
    ),
    *_openai(
        "beta chat.parse()",
        scenario=creating("beta.chat.completions.parse", **_ask(response_format=Report)),
        expect=shows("ParsedChatCompletion", "openai_surfaces.Report", "echo 1: hello"),
        needs="beta.chat.completions.parse",
    ),
    *_openai("chat with_raw_response", scenario=raw(_CHAT, **_ask()), expect=_has_headers),
    *_openai(
        "chat with_raw_response, stream",
        scenario=raw_streaming(_CHAT, **_ask()),
        expect=shows("ChatCompletionChunk", "echo", "x-request-id", least=8),
    ),
    *(
        surface
        for reader, kind, least in (
            ("read", "bytes", 1),
            ("text", "str", 1),
            ("json", "dict", 1),
            ("parse", "ChatCompletion", 1),
            ("iter_lines", "str", 1),
            ("iter_bytes", "bytes", 1),
        )
        for surface in _openai(
            f"chat with_streaming_response, {reader}",
            scenario=streamed_response(_CHAT, reader, **_ask()),
            expect=shows(kind, "hello", least=least),
        )
    ),
    *_openai(
        "chat with_streaming_response, lines of a stream",
        scenario=streamed_response(_CHAT, "iter_lines", **_ask(stream=True)),
        expect=shows("str", "data: [DONE]", "echo", least=16),
    ),
    *_openai(
        "chat with_streaming_response, bytes of a stream",
        scenario=streamed_response(_CHAT, "iter_bytes", **_ask(stream=True)),
        expect=shows("bytes", "data: [DONE]", "echo", least=9),
    ),
    *_openai(
        "chat with_streaming_response, parsed stream",
        scenario=streamed_response(_CHAT, "parse", **_ask(stream=True)),
        expect=shows("ChatCompletionChunk", "echo", least=8),
    ),
    *_openai(
        "completions",
        scenario=creating("completions.create", model="gpt-3.5-turbo-instruct", prompt="hello"),
        expect=shows("Completion", "echo 1: hello"),
    ),
    *_openai(
        "completions stream",
        scenario=streaming("completions.create", model="gpt-3.5-turbo-instruct", prompt="hello"),
        expect=shows("Completion", "echo", "🦊", least=7),
    ),
)


# --- Responses ------------------------------------------------------------------------------------------------------


async def _in_background(client: Any, see: Eyes) -> None:
    created = await settled(client.responses.create(model=_MODEL, input="hello", background=True))
    see(created)
    see(await settled(client.responses.retrieve(created.id)))
    see(await settled(client.responses.retrieve(created.id)))
    see(await settled(client.responses.cancel(created.id)))
    await settled(client.responses.delete(created.id))


async def _responses_with_tools(client: Any, see: Eyes) -> None:
    first = await settled(client.responses.create(model=_MODEL, input="Lisbon", tools=[_RESPONSES_TOOL]))
    see(first)
    call = first.output[-1]
    result = {"type": "function_call_output", "call_id": call.call_id, "output": f"sunny ({call.call_id})"}
    follow_up = {"model": _MODEL, "previous_response_id": first.id, "input": [result]}
    see(await settled(client.responses.create(**follow_up)))


async def _responses_helper(client: Any, see: Eyes) -> None:
    async with opened(client.responses.stream(model=_MODEL, input="hello", text_format=Report)) as stream:
        async for event in each(stream):
            see(event)
        see(await settled(stream.get_final_response()))


async def _input_of_response(client: Any, see: Eyes) -> None:
    async for item in each(await settled(client.responses.input_items.list("resp_of_before"))):
        see(item)
    see(await settled(client.responses.input_tokens.count(model=_MODEL, input="hello")))


_responses = partial(_openai, needs="responses")
_RESPONSES_SURFACES: Final = (
    *_responses(
        "responses.create",
        scenario=creating("responses.create", model=_MODEL, input="hello", instructions="Be brief."),
        expect=shows("Response", "echo 1: hello", "x_added_later"),
    ),
    *_responses(
        "responses.create, tools",
        scenario=_responses_with_tools,
        expect=shows("Response", "weather", "Lisbon", "sunny (call_0000010)", least=2),
        calls=2,
    ),
    *_responses(
        "responses stream",
        scenario=streaming("responses.create", model=_MODEL, input="hello"),
        expect=shows("ResponseTextDeltaEvent", "ResponseCompletedEvent", "🦊", least=7),
    ),
    *_responses(
        "responses stream, tools",
        scenario=streaming("responses.create", model=_MODEL, input="Lisbon", tools=[_RESPONSES_TOOL]),
        expect=shows("ResponseFunctionCallArgumentsDeltaEvent", "weather", "Lisbon", least=2),
    ),
    *_openai(
        "responses.stream()",
        scenario=_responses_helper,
        expect=shows("ParsedResponse", "openai_surfaces.Report", "echo 1: hello"),
        needs="responses.stream",
    ),
    *_openai(
        "responses.parse()",
        scenario=creating("responses.parse", model=_MODEL, input="hello", text_format=Report),
        expect=shows("ParsedResponse", "openai_surfaces.Report", "echo 1: hello"),
        needs="responses.parse",
    ),
    *_responses(
        "responses in the background",
        scenario=_in_background,
        expect=shows("Response", "queued", "in_progress", "the background work of resp_000001", "cancelled", least=4),
        calls=5,
        inferences=1,
        needs="responses.cancel",
    ),
    *_openai(
        "responses, input items and tokens",
        scenario=_input_of_response,
        expect=shows("InputTokenCountResponse", "the input of resp_of_before"),
        calls=2,
        inferences=0,
        needs="responses.input_tokens",
    ),
    *_responses(
        "responses with_raw_response",
        scenario=raw("responses.create", model=_MODEL, input="hello"),
        expect=shows("Response", "echo 1: hello", "x-request-id"),
    ),
)


# --- other resources ------------------------------------------------------------------------------------------------


async def _files(client: Any, see: Eyes) -> None:
    made = await settled(client.files.create(file=("asked.jsonl", b'{"a": 1}\n', "application/jsonl"), purpose="batch"))
    see(made)
    see(await settled(client.files.retrieve(made.id)))
    content = await settled(client.files.content(made.id))
    see(content)
    see(content.read())
    see(await settled(client.files.delete(made.id)))


async def _batches(client: Any, see: Eyes) -> None:
    request: dict[str, Any] = {"endpoint": "/v1/chat/completions", "completion_window": "24h"}
    made = await settled(client.batches.create(input_file_id="file-mine", **request))
    see(made)
    see(await settled(client.batches.retrieve(made.id)))
    see(await settled(client.batches.retrieve(made.id)))
    see(await settled(client.batches.cancel(made.id)))
    see(await settled(client.batches.list()))


async def _speech(client: Any, see: Eyes) -> None:
    spoken = await settled(client.audio.speech.create(model="tts-1", voice="alloy", input="hello"))
    see(spoken)
    see(spoken.read())


async def _assistants(client: Any, see: Eyes) -> None:
    with deprecated_calls():
        assistant = await settled(client.beta.assistants.create(model=_MODEL, name="helper"))
        thread = await settled(client.beta.threads.create())
        see(await settled(client.beta.threads.messages.create(thread.id, role="user", content="hello")))
        started = {"thread_id": thread.id, "assistant_id": assistant.id, "poll_interval_ms": 1}
        see(await settled(client.beta.threads.runs.create_and_poll(**started)))
        see(await settled(client.beta.threads.messages.list(thread.id)))


async def _assistant_stream(client: Any, see: Eyes) -> None:
    with deprecated_calls():
        thread, assistant = "thread_of_before", "asst_of_before"
        async with opened(client.beta.threads.runs.stream(thread_id=thread, assistant_id=assistant)) as stream:
            async for event in each(stream):
                see(event)
            see(await settled(stream.get_final_messages()))


async def _posted(client: Any, see: Eyes) -> None:
    see(await settled(client.post("/chat/completions", body=_ask(), cast_to=object)))
    see(await settled(client.get("/models", cast_to=object)))


_resource = partial(_openai, inferences=0)
_RESOURCE_SURFACES: Final = (
    *_openai(
        "embeddings",
        scenario=creating("embeddings.create", model="text-embedding-3-small", input=["a", "b"]),
        expect=shows("CreateEmbeddingResponse", "embedding", "prompt_tokens"),
    ),
    *_openai(
        "embeddings as floats",
        scenario=creating("embeddings.create", model="m", input="a", encoding_format="float", dimensions=40),
        expect=shows("CreateEmbeddingResponse", "embedding"),
    ),
    *_resource(
        "moderations",
        scenario=creating("moderations.create", input="kill"),
        expect=shows("ModerationCreateResponse", "True"),
    ),
    *_resource("models", scenario=listing("models.list"), expect=shows("Model", "gpt-4o-mini", "Page", least=3)),
    *_resource("one model", scenario=creating("models.retrieve", model=_MODEL), expect=shows("Model", _MODEL)),
    *_resource(
        "images",
        scenario=creating("images.generate", model="dall-e-3", prompt="hello"),
        expect=shows("ImagesResponse", "https://images", "hello"),
    ),
    *_resource(
        "images as base64",
        scenario=creating("images.generate", model="dall-e-2", prompt="hello", n=2, response_format="b64_json"),
        expect=shows("ImagesResponse", "iVBORw0KGg"),
    ),
    *_resource(
        "images edited",
        scenario=creating(
            "images.edit",
            image=("a.png", b"\x89PNG" + bytes(range(200)), "image/png"),
            prompt="hello",
            model="dall-e-2",
        ),
        expect=shows("ImagesResponse", "echo 1: hello"),
    ),
    *_resource(
        "images stream",
        scenario=streaming("images.generate", model="gpt-image-1", prompt="hello", partial_images=1),
        expect=shows("ImageGenCompletedEvent", "iVBORw0KGg"),
        needs="openai.types.ImageGenStreamEvent",
    ),
    *_resource("audio speech", scenario=_speech, expect=shows("bytes", "ID3")),
    *_resource(
        "audio speech, streamed",
        scenario=streamed_response("audio.speech.create", "iter_bytes", model="tts-1", voice="alloy", input="hello"),
        expect=shows("bytes", "ID3", least=4),
    ),
    *_resource(
        "audio transcription",
        scenario=creating("audio.transcriptions.create", model="whisper-1", file=_AUDIO),
        expect=shows("Transcription", "heard 1028 bytes"),
    ),
    *_resource(
        "audio transcription as text",
        scenario=creating("audio.transcriptions.create", model="whisper-1", file=_AUDIO, response_format="text"),
        expect=shows("str", "heard 1028 bytes"),
    ),
    *_resource(
        "audio transcription stream",
        scenario=streaming("audio.transcriptions.create", model="gpt-4o-transcribe", file=_AUDIO),
        expect=shows("TranscriptionTextDoneEvent", "heard 1028 bytes"),
        needs="responses",
    ),
    *_resource(
        "files",
        scenario=_files,
        expect=shows("bytes", "asked.jsonl", "file-000001", "HttpxBinaryResponseContent"),
        calls=4,
    ),
    *_resource(
        "files, all pages",
        scenario=listing("files.list"),
        expect=shows("FileObject", "file-a", "file-c", least=3),
        calls=2,
    ),
    *_resource(
        "batches",
        scenario=_batches,
        expect=shows("Batch", "in_progress", "completed", "cancelling", "batch_b", least=4),
        calls=5,
    ),
    *_resource(
        "assistants",
        scenario=_assistants,
        expect=shows("Message", "completed", "echo", "hello"),
        calls=7,
        needs="beta.assistants",
    ),
    *_resource(
        "assistants stream",
        scenario=_assistant_stream,
        expect=shows("ThreadMessageDelta", "echo", "🦊", least=7),
        needs="beta.threads.runs.stream",
    ),
    *_openai(
        "low-level post and get",
        scenario=_posted,
        expect=shows("dict", "echo 1: hello", "gpt-4o-mini", least=2),
        calls=2,
        inferences=1,
    ),
)


# --- clients --------------------------------------------------------------------------------------------------------

_created = partial(surfaces, scenario=creating(_CHAT, **_ask()), expect=shows("ChatCompletion", "echo 1: hello"))
_streamed = partial(surfaces, scenario=streaming(_CHAT, **_ask()), expect=shows("ChatCompletionChunk", "🦊", least=8))
_hooked = raw(_CHAT, **_ask())
_CLIENT_SURFACES: Final = (
    *_created("Azure", azure_client),
    *_created("Azure with a token provider", azure_token_client),
    *_streamed("Azure stream", azure_client),
    *surfaces(
        "Azure embeddings",
        azure_client,
        creating("embeddings.create", model="embedder", input="a"),
        shows("CreateEmbeddingResponse", "embedder"),
    ),
    *_created("a router", router_client),
    *_streamed("a router's stream with comments", router_client),
    *_created("the module", module_client, kinds=("sync",)),
    *_streamed("the module, stream", module_client, kinds=("sync",)),
    *_created("aiohttp", aiohttp_client, kinds=("async",)),
    *_streamed("aiohttp stream", aiohttp_client, kinds=("async",)),
    *(
        surface
        for library in ("httpx", "httpx2")
        for surface in (
            *surfaces(
                f"own {library} client", partial(openai_client_on, library), _hooked, shows("ChatCompletion", "x-hook")
            ),
            *_streamed(f"own {library} client, stream", partial(openai_client_on, library)),
        )
    ),
    *_created("client built before", openai_client, is_built_before=True),
    *_streamed("client built before, stream", openai_client, is_built_before=True),
    *_created(
        "with_options",
        lambda provider, *, is_async: openai_client(provider, is_async=is_async).with_options(timeout=9, max_retries=1),
    ),
    *surfaces(
        "forty at once",
        openai_client,
        gathering(_CHAT, [_ask(f"hello {at}") for at in range(40)]),
        shows("ChatCompletion", "hello 39", least=40),
        calls=40,
        kinds=("async",),
    ),
)


# --- bad days -------------------------------------------------------------------------------------------------------


def _refused_client(provider: Provider, *, is_async: bool) -> Any:
    """Return a client for a port where nobody listens."""
    return openai_client(provider, is_async=is_async, base_url="http://127.0.0.1:9/v1")


def _hasty_client(provider: Provider, *, is_async: bool) -> Any:
    return openai_client(provider, is_async=is_async, timeout=_SHORT_S)


_retrying_client = partial(openai_client, max_retries=2)
_STATUSES: Final = (
    (400, "BadRequestError"),
    (401, "AuthenticationError"),
    (404, "NotFoundError"),
    (429, "RateLimitError"),
    (500, "InternalServerError"),
    (529, "InternalServerError"),
)
_BAD_DAY_SURFACES: Final = (
    *(
        surface
        for status, kind in _STATUSES
        for surface in _openai(
            f"status {status}",
            scenario=creating(_CHAT, **_faulty(str(status))),
            expect=fails(kind, f"fake_{status}", "(request 1)", "x-request-id", status=status),
        )
    ),
    *_openai(
        "status 429, stream", scenario=streaming(_CHAT, **_faulty("429")), expect=fails("RateLimitError", status=429)
    ),
    *surfaces(
        "retried once", _retrying_client, raw(_CHAT, **_faulty("429*1")), shows("ChatCompletion", "echo 2: hello")
    ),
    *surfaces(
        "retried twice",
        _retrying_client,
        raw(_CHAT, **_faulty("500*1 529*2")),
        shows("ChatCompletion", "echo 3: hello"),
    ),
    *surfaces(
        "retried, stream",
        _retrying_client,
        streaming(_CHAT, **_faulty("500*1")),
        shows("ChatCompletionChunk", "🦊", least=8),
    ),
    *surfaces(
        "retried in vain",
        _retrying_client,
        creating(_CHAT, **_faulty("500")),
        fails("InternalServerError", "(request 3)", status=500),
    ),
    *surfaces(
        "dropped, then retried",
        partial(openai_client, max_retries=1),
        creating(_CHAT, **_faulty("drop*1")),
        shows("ChatCompletion", "echo 2: hello"),
    ),
    *_openai(
        "dropped",
        scenario=creating(_CHAT, **_faulty("drop")),
        expect=fails("APIConnectionError", cause="RemoteProtocolError"),
    ),
    *surfaces("refused", _refused_client, creating(_CHAT, **_ask()), fails("APIConnectionError", cause="ConnectError")),
    *surfaces(
        "timeout", _hasty_client, creating(_CHAT, **_faulty("slow")), fails("APITimeoutError", cause="ReadTimeout")
    ),
    *_openai(
        "body cut",
        scenario=creating(_CHAT, **_faulty("cut")),
        expect=fails("APIConnectionError", cause="RemoteProtocolError"),
    ),
    *_openai(
        "body reset",
        scenario=creating(_CHAT, **_faulty("reset")),
        expect=fails("APIConnectionError", cause="ReadError"),
    ),
    *_openai(
        "stream with an error event",
        scenario=streaming(_CHAT, **_faulty("sse-error")),
        expect=fails("APIError", "Overloaded in the middle", after=3),
    ),
    *_openai("stream cut", scenario=streaming(_CHAT, **_faulty("cut")), expect=breaks("RemoteProtocolError")),
    *_openai("stream reset", scenario=streaming(_CHAT, **_faulty("reset")), expect=breaks("ReadError")),
    *_openai(
        "stream closed early",
        scenario=closing_early(_CHAT, 2, **_faulty("hold")),
        expect=shows("str", "closed", "role"),
    ),
    *_openai("stream abandoned", scenario=abandoning(_CHAT, 2, **_ask()), expect=shows("str", "abandoned", "role")),
    *_openai(
        "stream read lazily",
        scenario=reading_lazily(_CHAT, **_ask()),
        expect=shows("ChatCompletionChunk", "echo 2: hello", least=8),
        calls=2,
    ),
    *_openai(
        "cancelled", scenario=cancelling(_CHAT, **_faulty("slow")), expect=fails("TimeoutError"), kinds=("async",)
    ),
    *_openai(
        "stream cancelled",
        scenario=cancelling_inside(_CHAT, 2, **_faulty("hold")),
        expect=fails("TimeoutError", after=1),
        kinds=("async",),
    ),
    *(
        surface
        for encoding in ("gzip", "deflate")
        for surface in (
            *_openai(
                f"{encoding} body",
                scenario=raw(_CHAT, **_faulty(encoding)),
                expect=shows("ChatCompletion", "echo 1: hello"),
            ),
            *_openai(
                f"{encoding} stream",
                scenario=streaming(_CHAT, **_faulty(encoding)),
                expect=shows("ChatCompletionChunk", "🦊", least=8),
            ),
        )
    ),
)

OPENAI_SURFACES: Final[tuple[Surface, ...]] = (
    *_CHAT_SURFACES,
    *_RESPONSES_SURFACES,
    *_RESOURCE_SURFACES,
    *_CLIENT_SURFACES,
    *_BAD_DAY_SURFACES,
)
