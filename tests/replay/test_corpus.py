"""Traffic recorded from real providers is replayed as it was served: the same objects, the same bytes."""

from __future__ import annotations

from pathlib import Path

import pytest

import otel_agenttrace as at
from tests.support.corpus import CORPORA, CorpusServer, Interaction, Recording, recordings
from tests.support.corpus_calls import calling, client_for
from tests.support.network import watched_network
from tests.support.observed import Observed
from tests.support.surface import run_scenario

SERVED = tuple(recording for recording in recordings() if recording.interactions)
pytestmark = pytest.mark.skipif(not CORPORA.is_dir(), reason="the corpora are not beside the checkout")


def _run(recording: Recording, url: str, *, is_async: bool) -> list[Observed]:
    return [_call(interaction, url, is_async=is_async) for interaction in recording.interactions]


def _call(interaction: Interaction, url: str, *, is_async: bool) -> Observed:
    return run_scenario(
        lambda: client_for(interaction, url, is_async=is_async), calling(interaction), is_async=is_async
    )


@pytest.mark.parametrize("is_async", [False, True], ids=["sync", "async"])
@pytest.mark.parametrize("recording", SERVED, ids=lambda recording: recording.name)
def test_replay_shows_what_the_provider_sent(recording: Recording, is_async: bool, tmp_path: Path) -> None:
    cassette = tmp_path / "run.otlp.jsonl"
    count = len(recording.interactions)
    with CorpusServer(recording.interactions) as server, at.record(cassette, quiet=True):
        live = _run(recording, server.url, is_async=is_async)
    assert server.unmatched == []
    assert server.hits == count
    assert [seen.error is not None for seen in live] == [
        interaction.status >= 400 for interaction in recording.interactions
    ], live
    recorded = [span.call for span in at.load(cassette).spans if span.call is not None]
    assert [call.attempts[0].body for call in recorded] == [
        interaction.content for interaction in recording.interactions
    ]
    with at.replay(cassette, quiet=True) as session, watched_network() as network:
        replayed = _run(recording, server.url, is_async=is_async)
    assert replayed == live
    assert network == []
    assert [outcome.kind for outcome in session.outcomes] == ["hit"] * count


def test_what_cannot_be_served_is_named() -> None:
    reasons = {entry.reason for recording in recordings() for entry in recording.unserved}
    assert "no HTTP exchange, but data, direction, kind" in reasons
    assert "no HTTP exchange, but request_sample, response_sample" in reasons
    assert "generativelanguage.googleapis.com speaks another API" in reasons
    assert not any("not YAML" in reason for reason in reasons)
