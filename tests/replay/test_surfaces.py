"""Every surface of the SDKs shows on replay what it showed live, with no network and one span for each logical call."""

from __future__ import annotations

from pathlib import Path

import pytest

import otel_agenttrace as at
from tests.support.network import watched_network
from tests.support.observed import Observed
from tests.support.provider import Provider
from tests.support.surfaces import SURFACES, Surface


def _recorded(surface: Surface, provider: Provider, cassette: Path) -> Observed:
    """Record a surface live, and hold the recording to what it should be."""
    run = surface.prepare(provider)
    with at.record(cassette, quiet=True):
        live = run()
    surface.expect(live)
    trace = at.load(cassette)
    recorded = [span for span in trace.spans if span.read_call is not None]
    assert len(recorded) == surface.logical_calls, [span.name for span in trace.spans]
    assert len(trace.inferences) == surface.inferences, [span.name for span in trace.inferences]
    return live


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_replay_shows_what_the_live_run_showed(surface: Surface, tmp_path: Path) -> None:
    if reason := surface.lacks():
        pytest.skip(reason)
    cassette = tmp_path / "run.otlp.jsonl"
    with Provider() as provider:
        live = _recorded(surface, provider, cassette)
    hits = provider.hits
    run = surface.prepare(provider)
    with at.replay(cassette, quiet=True) as session, watched_network() as network:
        replayed = run()
    assert replayed == live
    assert network == []
    assert provider.hits == hits
    assert [outcome.kind for outcome in session.outcomes] == ["hit"] * surface.logical_calls
    assert session.unplayed == 0
    assert len(session.trace.spans) == surface.logical_calls
    assert len(session.trace.inferences) == surface.inferences
