"""The surfaces of the OpenAI SDK, in one table."""

from __future__ import annotations

from typing import Final

from tests.support.openai_chat_surfaces import CHAT_SURFACES
from tests.support.openai_resource_surfaces import RESOURCE_SURFACES
from tests.support.openai_responses_surfaces import RESPONSES_SURFACES
from tests.support.openai_transport_surfaces import BAD_DAY_SURFACES, CLIENT_SURFACES
from tests.support.surface import Surface

__all__ = ["OPENAI_SURFACES"]

OPENAI_SURFACES: Final[tuple[Surface, ...]] = (
    *CHAT_SURFACES,
    *RESPONSES_SURFACES,
    *RESOURCE_SURFACES,
    *CLIENT_SURFACES,
    *BAD_DAY_SURFACES,
)
