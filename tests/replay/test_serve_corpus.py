"""Traffic recorded from real providers comes out of a served cassette byte by byte."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

import otel_agenttrace as at
from tests.support.corpus import CORPORA, CorpusServer, Interaction, Recording, recordings

SERVED = tuple(recording for recording in recordings() if recording.interactions)
pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not beside the checkout")


def _answers(recording: Recording, url: str) -> list[tuple[int, bytes]]:
    with httpx.Client(base_url=url, trust_env=False, timeout=5) as client:
        return [_answer(client, interaction) for interaction in recording.interactions]


def _answer(client: httpx.Client, asked: Interaction) -> tuple[int, bytes]:
    headers = {"content-type": asked.content_type} if asked.content_type else {}
    answer = client.request(asked.method, asked.target, content=asked.asked, headers=headers)
    return answer.status_code, answer.content


@pytest.mark.parametrize("recording", SERVED, ids=lambda recording: recording.name)
def test_a_served_cassette_sends_what_the_provider_sent(recording: Recording, tmp_path: Path) -> None:
    cassette = tmp_path / "run.otlp.jsonl"
    sent = [(interaction.status, interaction.content) for interaction in recording.interactions]
    with CorpusServer(recording.interactions) as provider, at.record(cassette, quiet=True):
        assert _answers(recording, provider.url) == sent
    with at.serve(cassette) as server:
        assert _answers(recording, server.url) == sent
        assert server.counts == {"hit": len(sent)}
        assert server.unplayed == 0
