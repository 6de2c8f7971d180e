"""The surfaces of the OpenAI SDK by what is under them: kinds of clients, and bad days of the network."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from tests.support.clients import (
    aiohttp_client,
    azure_client,
    azure_token_client,
    module_client,
    openai_client,
    openai_client_on,
    router_client,
)
from tests.support.openai_requests import CHAT, ask, faulty, openai_surfaces
from tests.support.provider import Provider
from tests.support.scenarios import (
    abandoning,
    breaks,
    cancelling,
    cancelling_inside,
    closing_early,
    creating,
    fails,
    gathering,
    raw,
    reading_lazily,
    shows,
    streaming,
)
from tests.support.surface import Surface, surfaces

__all__ = ["BAD_DAY_SURFACES", "CLIENT_SURFACES"]

_SHORT_S: Final = 0.15


# --- clients --------------------------------------------------------------------------------------------------------


def _client_with_options(provider: Provider, *, is_async: bool) -> Any:
    return openai_client(provider, is_async=is_async).with_options(timeout=9, max_retries=1)


_created = partial(surfaces, scenario=creating(CHAT, **ask()), expect=shows("ChatCompletion", "echo 1: hello"))
_streamed = partial(surfaces, scenario=streaming(CHAT, **ask()), expect=shows("ChatCompletionChunk", "🦊", least=8))
_hooked = raw(CHAT, **ask())
CLIENT_SURFACES: Final[tuple[Surface, ...]] = (
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
        _client_with_options,
    ),
    *surfaces(
        "forty at once",
        openai_client,
        gathering(CHAT, [ask(f"hello {at}") for at in range(40)]),
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
BAD_DAY_SURFACES: Final[tuple[Surface, ...]] = (
    *(
        surface
        for status, kind in _STATUSES
        for surface in openai_surfaces(
            f"status {status}",
            scenario=creating(CHAT, **faulty(str(status))),
            expect=fails(kind, f"fake_{status}", "(request 1)", "x-request-id", status=status),
        )
    ),
    *openai_surfaces(
        "status 429, stream", scenario=streaming(CHAT, **faulty("429")), expect=fails("RateLimitError", status=429)
    ),
    *surfaces("retried once", _retrying_client, raw(CHAT, **faulty("429*1")), shows("ChatCompletion", "echo 2: hello")),
    *surfaces(
        "retried twice",
        _retrying_client,
        raw(CHAT, **faulty("500*1 529*2")),
        shows("ChatCompletion", "echo 3: hello"),
    ),
    *surfaces(
        "retried, stream",
        _retrying_client,
        streaming(CHAT, **faulty("500*1")),
        shows("ChatCompletionChunk", "🦊", least=8),
    ),
    *surfaces(
        "retried in vain",
        _retrying_client,
        creating(CHAT, **faulty("500")),
        fails("InternalServerError", "(request 3)", status=500),
    ),
    *surfaces(
        "dropped, then retried",
        partial(openai_client, max_retries=1),
        creating(CHAT, **faulty("drop*1")),
        shows("ChatCompletion", "echo 2: hello"),
    ),
    *openai_surfaces(
        "dropped",
        scenario=creating(CHAT, **faulty("drop")),
        expect=fails("APIConnectionError", cause="RemoteProtocolError"),
    ),
    *surfaces("refused", _refused_client, creating(CHAT, **ask()), fails("APIConnectionError", cause="ConnectError")),
    *surfaces(
        "timeout", _hasty_client, creating(CHAT, **faulty("slow")), fails("APITimeoutError", cause="ReadTimeout")
    ),
    *openai_surfaces(
        "body cut",
        scenario=creating(CHAT, **faulty("cut")),
        expect=fails("APIConnectionError", cause="RemoteProtocolError"),
    ),
    *openai_surfaces(
        "body reset",
        scenario=creating(CHAT, **faulty("reset")),
        expect=fails("APIConnectionError", cause="ReadError"),
    ),
    *openai_surfaces(
        "stream with an error event",
        scenario=streaming(CHAT, **faulty("sse-error")),
        expect=fails("APIError", "Overloaded in the middle", after=3),
    ),
    *openai_surfaces("stream cut", scenario=streaming(CHAT, **faulty("cut")), expect=breaks("RemoteProtocolError")),
    *openai_surfaces("stream reset", scenario=streaming(CHAT, **faulty("reset")), expect=breaks("ReadError")),
    *openai_surfaces(
        "stream closed early",
        scenario=closing_early(CHAT, 2, **faulty("hold")),
        expect=shows("str", "closed", "role"),
    ),
    *openai_surfaces(
        "stream abandoned", scenario=abandoning(CHAT, 2, **ask()), expect=shows("str", "abandoned", "role")
    ),
    *openai_surfaces(
        "stream read lazily",
        scenario=reading_lazily(CHAT, **ask()),
        expect=shows("ChatCompletionChunk", "echo 2: hello", least=8),
        calls=2,
    ),
    *openai_surfaces(
        "cancelled", scenario=cancelling(CHAT, **faulty("slow")), expect=fails("TimeoutError"), kinds=("async",)
    ),
    *openai_surfaces(
        "stream cancelled",
        scenario=cancelling_inside(CHAT, 2, **faulty("hold")),
        expect=fails("TimeoutError", after=1),
        kinds=("async",),
    ),
    *(
        surface
        for encoding in ("gzip", "deflate")
        for surface in (
            *openai_surfaces(
                f"{encoding} body",
                scenario=raw(CHAT, **faulty(encoding)),
                expect=shows("ChatCompletion", "echo 1: hello"),
            ),
            *openai_surfaces(
                f"{encoding} stream",
                scenario=streaming(CHAT, **faulty(encoding)),
                expect=shows("ChatCompletionChunk", "🦊", least=8),
            ),
        )
    ),
)
