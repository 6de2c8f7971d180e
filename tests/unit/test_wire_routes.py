"""Which API a URL speaks: a table of real addresses, and of those that only look alike."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agenttrace.wire.routes import Route, route

_KNOWN = [
    ("POST", "https://api.openai.com/v1/chat/completions", "openai", "openai.chat"),
    ("POST", "https://api.openai.com/v1/completions", "openai", "openai.completions"),
    ("POST", "https://api.openai.com/v1/embeddings", "openai", "openai.embeddings"),
    ("POST", "https://api.openai.com/v1/responses", "openai", "openai.responses"),
    ("GET", "https://api.openai.com/v1/responses/resp_0b1", "openai", "openai.responses.retrieve"),
    ("GET", "https://api.openai.com/v1/responses/resp_" + "0" * 48, "openai", "openai.responses.retrieve"),
    ("GET", "https://api.openai.com/v1/responses/resp_1/input_items", "openai", "generic"),
    ("DELETE", "https://api.openai.com/v1/responses/resp_1", "openai", "generic"),
    ("POST", "https://api.openai.com/v1/responses/resp_1/cancel", "openai", "generic"),
    ("GET", "https://api.openai.com/v1/chat/completions", "openai", "generic"),
    ("GET", "https://api.openai.com/v1/models", "openai", "generic"),
    ("POST", "https://api.openai.com/v1/threads/thread_1/messages", "openai", "generic"),
    ("POST", "https://api.openai.com/v1/anything/new", "openai", "generic"),
    ("post", "https://API.OpenAI.com/v1/chat/completions/", "openai", "openai.chat"),
    ("POST", "https://eu.api.openai.com/v1/responses?x=1#y", "openai", "openai.responses"),
    (
        "POST",
        "https://me.openai.azure.com/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21",
        "azure.ai.openai",
        "openai.chat",
    ),
    (
        "POST",
        "https://me.openai.azure.com/openai/deployments/a-name-of-more-than-20-characters/embeddings",
        "azure.ai.openai",
        "openai.embeddings",
    ),
    ("POST", "https://me.openai.azure.com/openai/v1/responses", "azure.ai.openai", "openai.responses"),
    ("POST", "https://me.openai.azure.com/openai/responses", "azure.ai.openai", "openai.responses"),
    ("GET", "https://me.openai.azure.com/openai/responses/resp_1", "azure.ai.openai", "openai.responses.retrieve"),
    ("POST", "https://gateway.corp/openai/deployments/d/chat/completions", "azure.ai.openai", "openai.chat"),
    ("POST", "https://gateway.corp/openai/deployments/d/images/generations", "azure.ai.openai", "generic"),
    ("POST", "https://openrouter.ai/api/v1/chat/completions", "openrouter", "openai.chat"),
    ("POST", "https://openrouter.ai/api/v1/responses", "openrouter", "openai.responses"),
    ("POST", "https://api.groq.com/openai/v1/chat/completions", "groq", "openai.chat"),
    ("GET", "https://api.groq.com/openai/v1/models", "groq", "generic"),
    ("POST", "https://api.mistral.ai/v1/chat/completions", "mistral_ai", "openai.chat"),
    ("POST", "https://api.deepseek.com/chat/completions", "deepseek", "openai.chat"),
    ("POST", "https://api.deepseek.com/anthropic/v1/messages", "deepseek", "anthropic.messages"),
    ("POST", "https://api.x.ai/v1/chat/completions", "x_ai", "openai.chat"),
    ("POST", "http://localhost:8000/v1/chat/completions", "openai", "openai.chat"),
    ("POST", "http://127.0.0.1:11434/v1/embeddings", "openai", "openai.embeddings"),
    ("POST", "http://[::1]:8000/v1/messages", "anthropic", "anthropic.messages"),
    ("GET", "http://localhost:8000/v1/models", "openai", "generic"),
    ("POST", "http://localhost:8000/v1/audio/transcriptions", "openai", "generic"),
    ("POST", "https://api.anthropic.com/v1/messages", "anthropic", "anthropic.messages"),
    ("POST", "https://api.anthropic.com/v1/messages?beta=true", "anthropic", "anthropic.messages"),
    ("POST", "https://api.anthropic.com/v1/messages/count_tokens", "anthropic", "generic"),
    ("POST", "http://localhost:9/v1/messages/count_tokens", "anthropic", "generic"),
    ("GET", "https://api.anthropic.com/v1/messages/batches/msgbatch_1/results", "anthropic", "generic"),
    ("GET", "https://api.anthropic.com/v1/models/claude", "anthropic", "generic"),
    ("POST", "https://me.services.ai.azure.com/anthropic/v1/messages", "azure.ai.openai", "anthropic.messages"),
]
_UNKNOWN = [
    ("POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-v2/invoke"),
    ("POST", "https://bedrock-runtime.us-east-1.amazonaws.com/model/anthropic.claude-v2/converse-stream"),
    ("POST", "https://us-central1-aiplatform.googleapis.com/v1/projects/p/publishers/google/models/g:generateContent"),
    ("POST", "https://generativelanguage.googleapis.com/v1beta/models/gemini:generateContent"),
    ("POST", "https://discord.com/api/v10/channels/1/messages"),
    ("POST", "https://api.mailgun.net/v3/example.org/messages"),
    ("GET", "https://api.typeform.com/forms/f/responses/r"),
    ("GET", "https://api.test/v1/users/u/files"),
    ("GET", "https://notopenai.com/"),
    ("GET", "https://api.openai.com.evil.test/"),
    ("GET", "http://localhost:8000/health"),
    ("GET", "https://example.org/chat/completions"),
    ("GET", ""),
    ("GET", "http://["),
    ("GET", "/v2"),
]


@pytest.mark.parametrize(("method", "url", "provider", "codec"), _KNOWN)
def test_a_model_api_is_known_by_its_address(method: str, url: str, provider: str, codec: str) -> None:
    found = route(method, url)
    assert found is not None
    assert (found.provider, found.codec.name) == (provider, codec)


@pytest.mark.parametrize(("method", "url"), _UNKNOWN)
def test_any_other_address_is_no_model_api(method: str, url: str) -> None:
    assert route(method, url) is None


@given(st.sampled_from(["GET", "POST", "", "x"]), st.text(max_size=30) | st.text(max_size=20).map("http://{}".format))
def test_any_text_is_an_address_or_none(method: str, url: str) -> None:
    assert isinstance(route(method, url), Route | None)
