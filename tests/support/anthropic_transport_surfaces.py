"""The surfaces of the Anthropic SDK by what is under them: kinds of clients, and bad days of the network."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from tests.support.anthropic_requests import CREATE, anthropic_surfaces, ask, faulty
from tests.support.clients import anthropic_client, anthropic_client_on
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
    helping,
    raw,
    reading_lazily,
    shows,
    streaming,
)
from tests.support.surface import Surface, surfaces

__all__ = ["BAD_DAY_SURFACES", "CLIENT_SURFACES"]

_SHORT_S: Final = 0.15


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
CLIENT_SURFACES: Final[tuple[Surface, ...]] = (
    *(
        surface
        for library in ("httpx", "httpx2")
        for surface in surfaces(
            f"anthropic on an own {library} client",
            partial(anthropic_client_on, library),
            raw(CREATE, **ask()),
            shows("Message", "x-hook", "hello"),
        )
    ),
    *anthropic_surfaces(
        "client built before",
        scenario=streaming(CREATE, **ask()),
        expect=shows("RawContentBlockDeltaEvent", "🦊", least=7),
        is_built_before=True,
    ),
    *anthropic_surfaces(
        "twenty at once",
        scenario=gathering(CREATE, [ask(f"hello {at}") for at in range(20)]),
        expect=shows("Message", "hello 19", least=20),
        calls=20,
        kinds=("async",),
    ),
)
BAD_DAY_SURFACES: Final[tuple[Surface, ...]] = (
    *(
        surface
        for status, kind in _STATUSES
        for surface in anthropic_surfaces(
            f"status {status}",
            scenario=creating(CREATE, **faulty(str(status))),
            expect=fails(kind, "(request 1)", "request-id", status=status),
        )
    ),
    # newer SDKs have a class of its own for it
    *anthropic_surfaces(
        "status 529",
        scenario=creating(CREATE, **faulty("529")),
        expect=breaks("anthropic."),
    ),
    *surfaces("retried once", _retrying_client, raw(CREATE, **faulty("429*1")), shows("Message", "echo 2: hello")),
    *surfaces(
        "retried twice", _retrying_client, raw(CREATE, **faulty("500*1 529*2")), shows("Message", "echo 3: hello")
    ),
    *surfaces(
        "retried, stream",
        _retrying_client,
        streaming(CREATE, **faulty("529*1")),
        shows("RawContentBlockDeltaEvent", "🦊", least=7),
    ),
    *surfaces(
        "retried in vain",
        _retrying_client,
        creating(CREATE, **faulty("500")),
        fails("InternalServerError", "(request 3)", status=500),
    ),
    *anthropic_surfaces(
        "dropped",
        scenario=creating(CREATE, **faulty("drop")),
        expect=fails("APIConnectionError", cause="RemoteProtocolError"),
    ),
    *surfaces("refused", _refused_client, creating(CREATE, **ask()), fails("APIConnectionError", cause="ConnectError")),
    *surfaces(
        "timeout",
        partial(anthropic_client, timeout=_SHORT_S),
        creating(CREATE, **faulty("slow")),
        fails("APITimeoutError", cause="ReadTimeout"),
    ),
    *anthropic_surfaces("body cut", scenario=creating(CREATE, **faulty("cut")), expect=breaks("RemoteProtocolError")),
    *anthropic_surfaces(
        "stream with an error event", scenario=streaming(CREATE, **faulty("sse-error")), expect=breaks("anthropic.")
    ),
    *anthropic_surfaces(
        "stream cut", scenario=streaming(CREATE, **faulty("cut")), expect=breaks("RemoteProtocolError")
    ),
    *anthropic_surfaces("stream reset", scenario=streaming(CREATE, **faulty("reset")), expect=breaks("ReadError")),
    *anthropic_surfaces(
        "stream() reset",
        scenario=helping("messages.stream", "get_final_message", **faulty("reset")),
        expect=breaks("ReadError"),
    ),
    *anthropic_surfaces(
        "stream closed early",
        scenario=closing_early(CREATE, 2, **faulty("hold")),
        expect=shows("str", "closed", "message_start"),
    ),
    *anthropic_surfaces(
        "stream abandoned", scenario=abandoning(CREATE, 2, **ask()), expect=shows("str", "abandoned", "message_start")
    ),
    *anthropic_surfaces(
        "stream read lazily",
        scenario=reading_lazily(CREATE, **ask()),
        expect=shows("RawContentBlockDeltaEvent", "echo 2: hello", least=7),
        calls=2,
    ),
    *anthropic_surfaces(
        "cancelled", scenario=cancelling(CREATE, **faulty("slow")), expect=fails("TimeoutError"), kinds=("async",)
    ),
    *anthropic_surfaces(
        "stream cancelled",
        scenario=cancelling_inside(CREATE, 2, **faulty("hold")),
        expect=fails("TimeoutError", after=1),
        kinds=("async",),
    ),
    *anthropic_surfaces("gzip body", scenario=raw(CREATE, **faulty("gzip")), expect=shows("Message", "echo 1: hello")),
    *anthropic_surfaces(
        "gzip stream",
        scenario=streaming(CREATE, **faulty("gzip")),
        expect=shows("RawContentBlockDeltaEvent", "🦊", least=7),
    ),
)
