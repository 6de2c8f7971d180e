"""How to make a recorded request anew with the real SDK: an interaction in, a client and a scenario out."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qs, parse_qsl, urlsplit

import anthropic
import openai

from tests.support.clients import fake_key, http_libraries
from tests.support.corpus import Interaction
from tests.support.observed import Eyes
from tests.support.surface import Scenario, deprecated_calls, each, settled

__all__ = ["calling", "client_for"]

_METHODS: Final[Mapping[str, tuple[str, tuple[str, ...]]]] = {
    "/chat/completions": ("chat.completions.create", ("model", "messages")),
    "/completions": ("completions.create", ("model", "prompt")),
    "/responses": ("responses.create", ("model", "input")),
    "/embeddings": ("embeddings.create", ("model", "input", "encoding_format")),
    "/v1/messages": ("messages.create", ("model", "messages", "max_tokens")),
    "/v1/messages/count_tokens": ("messages.count_tokens", ("model", "messages")),
}
"""The method for a path, and the arguments it cannot do without."""

_PREFIXES: Final = ("/api/v1", "/openai/v1", "/v1")
_TIMEOUT_S: Final = 5.0


def _split(interaction: Interaction) -> tuple[str, str]:
    """Return the part of the target that belongs to the base URL, and the rest."""
    if interaction.api == "anthropic":
        return "", interaction.target
    if interaction.api == "azure":
        deployment = "/".join(interaction.path.split("/")[:4])
        return deployment, interaction.target.removeprefix(deployment)
    prefix = next(prefix for prefix in _PREFIXES if interaction.target.startswith(f"{prefix}/"))
    return prefix, interaction.target.removeprefix(prefix)


def client_for(interaction: Interaction, url: str, *, is_async: bool) -> Any:
    """Return the client its API is spoken with, or a bare HTTP client for a body no SDK method sends."""
    if _is_form(interaction):
        http = http_libraries()[-1]
        return _Closing(http.AsyncClient(base_url=url) if is_async else http.Client(base_url=url))
    prefix, _ = _split(interaction)
    if interaction.api == "anthropic":
        made: Any = anthropic.AsyncAnthropic if is_async else anthropic.Anthropic
        return made(api_key=fake_key(), base_url=url, max_retries=0, timeout=_TIMEOUT_S)
    if interaction.api == "azure":
        made = openai.AsyncAzureOpenAI if is_async else openai.AzureOpenAI
        version = parse_qs(urlsplit(interaction.target).query)["api-version"][0]
        settings = {"azure_deployment": prefix.rpartition("/")[2], "api_version": version}
        return made(api_key=fake_key(), azure_endpoint=url, max_retries=0, timeout=_TIMEOUT_S, **settings)
    made = openai.AsyncOpenAI if is_async else openai.OpenAI
    return made(api_key=fake_key(), base_url=url + prefix, max_retries=0, timeout=_TIMEOUT_S)


class _Closing:
    """A bare HTTP client that is closed by `close`, as those of the SDKs are."""

    def __init__(self, http: Any) -> None:
        self.request = http.request
        self.close = getattr(http, "aclose", None) or http.close


def _is_form(interaction: Interaction) -> bool:
    return interaction.content_type.startswith("multipart/")


def calling(interaction: Interaction) -> Scenario:
    """Return a scenario that sends the very request, and shows all of the answer."""

    async def scenario(client: Any, see: Eyes) -> None:
        with deprecated_calls():
            answer = await settled(_called(client, interaction))
            see(answer)
            if _is_stream(interaction.request):
                async for event in each(answer):
                    see(event)

    return scenario


def _called(client: Any, interaction: Interaction) -> Any:
    body: Any = interaction.request
    if _is_form(interaction):
        headers = {"content-type": interaction.content_type}
        return client.request(interaction.method, interaction.target, content=interaction.asked, headers=headers)
    _, target = _split(interaction)
    path, _, query = target.partition("?")
    name, required = _METHODS.get(path, ("", ()))
    method = _method(client, name)
    if interaction.method == "POST" and method is not None and set(required).issubset(body or ()):
        return method(
            **_arguments(body, required), extra_query=None if interaction.api == "azure" else dict(parse_qsl(query))
        )
    send = getattr(client, interaction.method.lower())
    return (
        send(target, cast_to=object)
        if body is None
        else send(target, cast_to=object, body=body, **_streams(client, body))
    )


def _method(client: Any, name: str) -> Any:
    """Return a method by its path, or None where the installed SDK has none."""
    at = client if name else None
    for part in name.split("."):
        at = getattr(at, part, None)
    return at


def _arguments(body: Mapping[str, Any], required: tuple[str, ...]) -> dict[str, Any]:
    """Return the arguments for a body; the whole of it stands beside them, for SDKs rewrite what they do not know."""
    named = {name: body[name] for name in required} | ({"stream": True} if _is_stream(body) else {})
    return {**named, "extra_body": body, "timeout": _TIMEOUT_S}


def _streams(client: Any, body: Any) -> dict[str, Any]:
    """Return what a low-level call needs to answer with a stream."""
    if not _is_stream(body):
        return {}
    sdk: Any = anthropic if type(client).__module__.startswith("anthropic") else openai
    is_async = type(client).__name__.startswith("Async")
    return {"stream": True, "stream_cls": (sdk.AsyncStream if is_async else sdk.Stream)[object]}


def _is_stream(body: Any) -> bool:
    return isinstance(body, Mapping) and "stream" in body and body["stream"] is True
