"""Replays of clients that ask a cloud for their credentials: the real libraries, no account, no network."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from tests.support.loopback import Answer, LoopbackServer, Received
from tests.support.peers import peer_folder
from tests.support.processes import instrumented_environment

COMMAND: Final = Path(sys.executable).with_name("otel-agenttrace")
_CHAT: Final = {
    "id": "c",
    "object": "chat.completion",
    "created": 1,
    "model": "gpt-4o",
    "choices": [{"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": "hello too"}}],
}
_MESSAGE: Final = {
    "id": "m",
    "type": "message",
    "role": "assistant",
    "model": "claude",
    "content": [{"type": "text", "text": "hello too"}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 1, "output_tokens": 1},
}
_AZURE: Final = """
import asyncio, os, sys, openai
from azure.identity import CREDENTIAL, get_bearer_token_provider
from azure.identity.aio import CREDENTIAL as AsyncCREDENTIAL, get_bearer_token_provider as async_provider

scope = "https://cognitiveservices.azure.com/.default"
given = dict(azure_endpoint=os.environ["SERVER"], api_version="2024-10-21", max_retries=0)
ask = dict(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
is_live = "live" in sys.argv

async def live_token():
    return "token"

async def main():
    token = live_token if is_live else async_provider(AsyncCREDENTIAL(ARGUMENTS), scope)
    async with openai.AsyncAzureOpenAI(azure_ad_token_provider=token, **given) as client:
        print((await client.chat.completions.create(**ask)).choices[0].message.content)

token = (lambda: "token") if is_live else get_bearer_token_provider(CREDENTIAL(ARGUMENTS), scope)
print(openai.AzureOpenAI(azure_ad_token_provider=token, **given).chat.completions.create(**ask).choices[0].message.content)
asyncio.run(main())
if not is_live:
    print(CREDENTIAL(ARGUMENTS).get_token(scope).token)
"""
_ANTHROPIC: Final = """
import os, sys, anthropic
given = dict(base_url=os.environ["SERVER"], max_retries=0) | (dict(LIVE) if "live" in sys.argv else dict(REPLAYED))
with anthropic.CLIENT(**given) as client:
    print(client.messages.create(model="claude", max_tokens=9, messages=[{"role": "user", "content": "hello"}]).content[0].text)
"""
_CLIENTS: Final = {
    "Azure, default": (_AZURE, {"CREDENTIAL": "DefaultAzureCredential", "ARGUMENTS": ""}),
    "Azure, managed identity": (_AZURE, {"CREDENTIAL": "ManagedIdentityCredential", "ARGUMENTS": ""}),
    "Azure, client secret": (
        _AZURE,
        {"CREDENTIAL": "ClientSecretCredential", "ARGUMENTS": "'tenant', 'client', 'unused'"},
    ),
    "Vertex, default": (
        _ANTHROPIC,
        {
            "CLIENT": "AnthropicVertex",
            "LIVE": "access_token='token', project_id='p', region='r'",
            "REPLAYED": "project_id='p', region='r'",
        },
    ),
    "Vertex, a user's credentials": (
        _ANTHROPIC,
        {
            "CLIENT": "AnthropicVertex",
            "LIVE": "access_token='token', project_id='p', region='r'",
            "REPLAYED": "project_id='p', region='r', credentials=__import__('google.oauth2.credentials').oauth2."
            "credentials.Credentials(None, refresh_token='x', token_uri='https://t.invalid', client_id='c', client_secret='s')",
        },
    ),
    "Bedrock": (
        _ANTHROPIC,
        {
            "CLIENT": "AnthropicBedrock",
            "LIVE": "aws_access_key='x', aws_secret_key='y', aws_region='r'",
            "REPLAYED": "aws_region='r'",
        },
    ),
}


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    def answer(asked: Received) -> Answer:
        body = _CHAT if "chat" in asked.path else _MESSAGE
        return Answer(headers=(("content-type", "application/json"),), pieces=(json.dumps(body).encode(),))

    with LoopbackServer(answer) as running:
        yield running


@pytest.mark.parametrize("client", _CLIENTS)
def test_a_replay_needs_no_account_of_a_cloud(client: str, server: LoopbackServer, tmp_path: Path) -> None:
    code, words = _CLIENTS[client]
    for word, meaning in words.items():
        code = code.replace(word, meaning)
    environment = instrumented_environment(None, None, SERVER=server.url)
    environment |= {
        "PYTHONPATH": str(peer_folder("clouds")),
        "AWS_EC2_METADATA_DISABLED": "false",
        "HOME": str(tmp_path),
    }

    def run(verb: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        command = [COMMAND, verb, "c.otlp.jsonl", "--", sys.executable, "-c", code, *arguments]
        return subprocess.run(
            command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    live = run("record", "live")
    assert live.returncode == 0, live.stderr
    server.stop()
    again = run("replay")
    assert again.returncode == 0, again.stderr
    assert again.stdout.startswith(live.stdout)
    assert "0 miss" in again.stderr
