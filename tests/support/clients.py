"""Clients of the SDKs for the fake provider, each made the way a user would."""

from __future__ import annotations

import importlib
import secrets
from contextlib import suppress
from functools import cache
from types import ModuleType
from typing import Any

import anthropic
import httpx
import openai

from tests.support.provider import Provider

__all__ = [
    "ModuleClient",
    "aiohttp_client",
    "anthropic_client",
    "anthropic_client_on",
    "azure_client",
    "azure_token_client",
    "fake_key",
    "http_libraries",
    "module_client",
    "openai_client",
    "openai_client_on",
    "router_client",
]


@cache
def http_libraries() -> tuple[Any, ...]:
    """Return httpx, and httpx2 where it is installed."""
    found: list[ModuleType] = [httpx]
    with suppress(ImportError):  # an SDK of the time before it
        found.append(importlib.import_module("httpx2"))
    return tuple(found)


def fake_key() -> str:
    """Return a new key that opens nothing."""
    return secrets.token_hex(16)


def openai_client(provider: Provider, *, is_async: bool, **options: Any) -> Any:
    """Return an OpenAI client that does not retry, unless the options say so."""
    made = openai.AsyncOpenAI if is_async else openai.OpenAI
    settings: dict[str, Any] = {"base_url": provider.openai_url, "max_retries": 0, **options}
    return made(api_key=fake_key(), **settings)


def router_client(provider: Provider, *, is_async: bool) -> Any:
    """Return an OpenAI client for somebody else's server that speaks the same API."""
    return openai_client(provider, is_async=is_async, base_url=provider.openrouter_url)


def azure_client(provider: Provider, *, is_async: bool, **options: Any) -> Any:
    """Return a client for Azure OpenAI."""
    made = openai.AsyncAzureOpenAI if is_async else openai.AzureOpenAI
    credentials = options or {"api_key": fake_key()}
    return made(azure_endpoint=provider.azure_url, api_version="2024-10-21", max_retries=0, **credentials)


def azure_token_client(provider: Provider, *, is_async: bool) -> Any:
    """Return a client for Azure OpenAI that asks a function for its token."""

    async def token() -> str:
        return fake_key()

    return azure_client(provider, is_async=is_async, azure_ad_token_provider=token if is_async else fake_key)


def openai_client_on(library: str, provider: Provider, *, is_async: bool) -> Any:
    """Return an OpenAI client on a user's own HTTP client of httpx or httpx2."""
    return openai_client(provider, is_async=is_async, http_client=_own_http_client(library, is_async=is_async))


def anthropic_client_on(library: str, provider: Provider, *, is_async: bool) -> Any:
    """Return an Anthropic client on a user's own HTTP client of httpx or httpx2."""
    return anthropic_client(provider, is_async=is_async, http_client=_own_http_client(library, is_async=is_async))


def _own_http_client(library: str, *, is_async: bool) -> Any:
    """Return an HTTP client with a hook and a transport of its own."""
    http: Any = next(found for found in http_libraries() if found.__name__ == library)
    client = http.AsyncClient if is_async else http.Client
    transport = http.AsyncHTTPTransport() if is_async else http.HTTPTransport()
    hook = _async_hook if is_async else _hook
    return client(transport=transport, event_hooks={"response": [hook]}, timeout=5.0)


def _hook(response: Any) -> None:
    response.headers["x-hook"] = "seen"


async def _async_hook(response: Any) -> None:
    response.headers["x-hook"] = "seen"


def aiohttp_client(provider: Provider, *, is_async: bool) -> Any:
    """Return an OpenAI client on aiohttp.

    Raises:
        AttributeError: If the SDK has no such HTTP client.
        RuntimeError: If it misses a package for it.
    """
    assert is_async
    own: Any = vars(openai).get("DefaultAioHttpClient")
    if own is None:
        raise AttributeError("openai.DefaultAioHttpClient")
    return openai_client(provider, is_async=True, http_client=own())


def anthropic_client(provider: Provider, *, is_async: bool, **options: Any) -> Any:
    """Return an Anthropic client that does not retry, unless the options say so."""
    made = anthropic.AsyncAnthropic if is_async else anthropic.Anthropic
    settings: dict[str, Any] = {"base_url": provider.anthropic_url, "max_retries": 0, **options}
    return made(api_key=fake_key(), **settings)


class ModuleClient:
    """The client behind `openai.chat…`: settings and surfaces are attributes of the module."""

    def __init__(self, provider: Provider) -> None:
        openai.api_key = fake_key()
        openai.base_url = f"{provider.openai_url}/"
        openai.max_retries = 0

    def __getattr__(self, name: str) -> Any:
        return getattr(openai, name)

    def close(self) -> None:
        """Close the client of the module, and forget the settings."""
        module: Any = openai
        module._load_client().close()
        module._reset_client()
        module.api_key = module.base_url = module.http_client = None


def module_client(provider: Provider, *, is_async: bool) -> Any:
    """Return the module `openai` as a client."""
    assert not is_async
    return ModuleClient(provider)
