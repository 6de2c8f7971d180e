"""Every surface of the SDKs shows against a served cassette what it showed live; nothing in that process instruments it."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

import otel_agenttrace as at
from tests.support.provider import Provider
from tests.support.served import served, told_of
from tests.support.surfaces import SURFACES, Surface

ANSWERED: Final = tuple(surface for surface in SURFACES if ": refused" not in surface.name)
"""All but those whose provider is not there."""


@pytest.mark.parametrize("surface", ANSWERED, ids=lambda surface: surface.name)
def test_a_served_cassette_shows_what_the_provider_showed(surface: Surface, tmp_path: Path) -> None:
    if reason := surface.lacks():
        pytest.skip(reason)
    cassette = tmp_path / "run.otlp.jsonl"
    with Provider() as provider:
        run = surface.prepare(provider)
        with at.record(cassette, quiet=True):
            live = run()
    surface.expect(live)
    with served(cassette) as stand_in:
        shown = surface.run(stand_in)
        surface.expect(shown)
        assert told_of(shown, stand_in.url + provider.url.removeprefix("http:/"), stand_in.url) == told_of(
            live, provider.url
        )
    assert stand_in.server.counts["miss"] == 0, stand_in.server.misses
    assert stand_in.server.unplayed == 0
