"""The surfaces of the OpenAI SDK that are no conversation: embeddings, media, files, batches, assistants."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from tests.support.observed import Eyes
from tests.support.openai_requests import MODEL, ask, openai_surfaces
from tests.support.scenarios import creating, listing, shows, streamed_response, streaming
from tests.support.surface import Surface, deprecated_calls, each, opened, settled

__all__ = ["RESOURCE_SURFACES"]

_AUDIO: Final = ("speech.wav", b"RIFF" + bytes(range(256)) * 4, "audio/wav")


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
        assistant = await settled(client.beta.assistants.create(model=MODEL, name="helper"))
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
    see(await settled(client.post("/chat/completions", body=ask(), cast_to=object)))
    see(await settled(client.get("/models", cast_to=object)))


_resource = partial(openai_surfaces, inferences=0)
RESOURCE_SURFACES: Final[tuple[Surface, ...]] = (
    *openai_surfaces(
        "embeddings",
        scenario=creating("embeddings.create", model="text-embedding-3-small", input=["a", "b"]),
        expect=shows("CreateEmbeddingResponse", "embedding", "prompt_tokens"),
    ),
    *openai_surfaces(
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
    *_resource("one model", scenario=creating("models.retrieve", model=MODEL), expect=shows("Model", MODEL)),
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
        needs="responses",  # about as old as pages of files
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
    *openai_surfaces(
        "low-level post and get",
        scenario=_posted,
        expect=shows("dict", "echo 1: hello", "gpt-4o-mini", least=2),
        calls=2,
        inferences=1,
    ),
)
