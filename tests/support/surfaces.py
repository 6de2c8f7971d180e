"""The table of everything users do with the SDKs; live, recorded and replayed runs of a row are compared."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from tests.support.anthropic_surfaces import ANTHROPIC_SURFACES
from tests.support.openai_surfaces import OPENAI_SURFACES
from tests.support.surface import Surface

__all__ = ["SURFACES", "Surface"]


def _named(sdk: str, surfaces: tuple[Surface, ...]) -> tuple[Surface, ...]:
    return tuple(replace(surface, name=f"{sdk}: {surface.name}") for surface in surfaces)


SURFACES: Final[tuple[Surface, ...]] = (*_named("openai", OPENAI_SURFACES), *_named("anthropic", ANTHROPIC_SURFACES))
