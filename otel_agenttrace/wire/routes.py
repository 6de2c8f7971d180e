"""Which API a URL speaks, by its shape alone. Method and URL in, provider and codec out."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from otel_agenttrace import semconv
from otel_agenttrace.wire import (
    anthropic_messages,
    generic,
    openai_chat,
    openai_completions,
    openai_embeddings,
    openai_responses,
)
from otel_agenttrace.wire.codec import Codec

__all__ = ["Route", "route"]


@dataclass(frozen=True, slots=True)
class Route:
    """The provider a URL belongs to, and the codec of the API it speaks."""

    provider: str
    codec: Codec


_HOSTS: Final = (
    ("openai.azure.com", semconv.PROVIDER_AZURE_AI_OPENAI),
    ("services.ai.azure.com", semconv.PROVIDER_AZURE_AI_OPENAI),
    ("cognitiveservices.azure.com", semconv.PROVIDER_AZURE_AI_OPENAI),
    ("api.openai.com", semconv.PROVIDER_OPENAI),
    ("anthropic.com", semconv.PROVIDER_ANTHROPIC),
    ("groq.com", semconv.PROVIDER_GROQ),
    ("mistral.ai", semconv.PROVIDER_MISTRAL_AI),
    ("deepseek.com", semconv.PROVIDER_DEEPSEEK),
    ("x.ai", semconv.PROVIDER_X_AI),
    ("perplexity.ai", semconv.PROVIDER_PERPLEXITY),
    ("openrouter.ai", "openrouter"),
    ("cerebras.ai", "cerebras"),
    ("together.xyz", "together"),
    ("together.ai", "together"),
    ("fireworks.ai", "fireworks"),
)
"""Hosts by their ending. Where the conventions have no name for a provider, its own stands."""

_REST: Final = (
    r"/(openai(/deployments/[^/]+)?(/v\d+)?|v\d+)/(images|audio|files|batches|models|moderations|assistants|threads|uploads"
    r"|vector_stores|fine_tuning|responses|chat|completions|complete|realtime|containers|videos|evals|conversations"
    r"|skills)\b"
)
_OPENAI: Final = semconv.PROVIDER_OPENAI
_ANTHROPIC: Final = semconv.PROVIDER_ANTHROPIC
_PATHS: Final = tuple(
    (re.compile(pattern), method, provider, codec)
    for pattern, method, provider, codec in (
        (r"/chat/completions$", "POST", _OPENAI, openai_chat.CODEC),
        (r"/v1/messages$", "POST", _ANTHROPIC, anthropic_messages.CODEC),
        (r"/responses$", "POST", _OPENAI, openai_responses.CODEC),
        (r"/embeddings$", "POST", _OPENAI, openai_embeddings.CODEC),
        (r"/completions$", "POST", _OPENAI, openai_completions.CODEC),
        (r"/(v\d+|openai)/responses/[^/]+$", "GET", _OPENAI, openai_responses.FETCH),
        (r"/v1/messages/(count_tokens|batches)\b", "", _ANTHROPIC, generic.CODEC),
        (_REST, "", _OPENAI, generic.CODEC),
    )
)
"""Paths by their ending. Many services have messages and files: only the shape of these APIs' own addresses counts."""


@lru_cache(maxsize=64)
def route(method: str, url: str) -> Route | None:
    """Return the API a request speaks, or None if it is no model API that is known."""
    try:
        parts = urlsplit(url)
    except ValueError:  # no address: `http://[`
        return None
    return _route(method.upper(), parts.hostname or "", _shape(parts.path.rstrip("/")))


def _shape(path: str) -> str:
    """Return a path with the ids in it cut short, so that the cache does not grow with each of them."""
    return _ID.sub("/:id", path) if len(path) > 40 else path


_ID: Final = re.compile(r"/(?:[a-z]+[-_])?[A-Za-z0-9-]{20,}(?=/|$)")


@lru_cache(maxsize=512)
def _route(method: str, host: str, path: str) -> Route | None:
    known = next((provider for ending, provider in _HOSTS if host == ending or host.endswith(f".{ending}")), None)
    for pattern, wanted, spoken, codec in _PATHS:
        if pattern.search(path) and wanted in ("", method):
            return Route(_provider(known, spoken, path), codec)
    return Route(known, generic.CODEC) if known is not None else None


def _provider(known: str | None, spoken: str, path: str) -> str:
    if known is not None:
        return known
    return semconv.PROVIDER_AZURE_AI_OPENAI if "/openai/deployments/" in path else spoken
