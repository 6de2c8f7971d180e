"""The surfaces of the Anthropic SDK that are no conversation: tokens, models, batches, files."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from tests.support.anthropic_requests import MODEL, anthropic_surfaces, ask
from tests.support.observed import Eyes
from tests.support.scenarios import creating, listing, shows
from tests.support.surface import Surface, deprecated_calls, each, settled

__all__ = ["RESOURCE_SURFACES"]


_BATCH: Final = [{"custom_id": "one", "params": ask()}, {"custom_id": "two", "params": ask("hello too")}]


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
    see(await settled(client.post("/v1/messages", body=ask(), cast_to=object)))
    see(await settled(client.get("/v1/models", cast_to=object)))


async def _legacy_completion(client: Any, see: Eyes) -> None:
    with deprecated_calls():
        request = {"model": "claude-2.1", "max_tokens_to_sample": 20, "prompt": "\n\nHuman: hello\n\nAssistant:"}
        see(await settled(client.completions.create(**request)))


_resource = partial(anthropic_surfaces, inferences=0)
RESOURCE_SURFACES: Final[tuple[Surface, ...]] = (
    *_resource(
        "count_tokens",
        scenario=creating("messages.count_tokens", model=MODEL, messages=ask()["messages"]),
        expect=shows("MessageTokensCount", "input_tokens"),
        needs="messages.count_tokens",
    ),
    *_resource(
        "beta count_tokens",
        scenario=creating("beta.messages.count_tokens", model=MODEL, messages=ask()["messages"]),
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
    *anthropic_surfaces(
        "completions",
        scenario=_legacy_completion,
        expect=shows("Completion", "echo 1:"),
        inferences=0,  # the old API is told by its URL only
        needs="completions",
    ),
    *anthropic_surfaces(
        "low-level post and get",
        scenario=_posted,
        expect=shows("dict", "echo 1: hello", "claude-opus", least=2),
        calls=2,
        inferences=1,
    ),
)
