"""Every surface does what it should against the fake provider, with nothing recorded: a replay is compared with this."""

from __future__ import annotations

import pytest

from tests.support.provider import Provider
from tests.support.surfaces import SURFACES, Surface


@pytest.mark.parametrize("surface", SURFACES, ids=lambda surface: surface.name)
def test_surface_does_what_it_should(surface: Surface) -> None:
    if reason := surface.lacks():
        pytest.skip(reason)
    with Provider() as provider:
        surface.expect(surface.run(provider))
