"""The surfaces of the Anthropic SDK, in one table."""

from __future__ import annotations

from typing import Final

from tests.support.anthropic_message_surfaces import MESSAGE_SURFACES
from tests.support.anthropic_resource_surfaces import RESOURCE_SURFACES
from tests.support.anthropic_transport_surfaces import BAD_DAY_SURFACES, CLIENT_SURFACES
from tests.support.surface import Surface

__all__ = ["ANTHROPIC_SURFACES"]

ANTHROPIC_SURFACES: Final[tuple[Surface, ...]] = (
    *MESSAGE_SURFACES,
    *RESOURCE_SURFACES,
    *CLIENT_SURFACES,
    *BAD_DAY_SURFACES,
)
