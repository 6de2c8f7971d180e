"""What the surfaces of the Anthropic SDK ask for."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from tests.support.clients import anthropic_client
from tests.support.surface import surfaces

__all__ = ["CREATE", "MODEL", "TOOL", "anthropic_surfaces", "ask", "faulty"]


CREATE: Final = "messages.create"
MODEL: Final = "claude-fake-1"
TOOL: Final = {
    "name": "weather",
    "description": "The weather in a city.",
    "input_schema": {
        "type": "object",
        "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
        "required": ["city", "days"],
    },
}


def ask(text: str = "hello", **more: Any) -> dict[str, Any]:
    """Return the arguments of a message."""
    return {"model": MODEL, "max_tokens": 2000, "messages": [{"role": "user", "content": text}], **more}


def faulty(script: str, **more: Any) -> dict[str, Any]:
    """Return the arguments of a message that asks for a bad day."""
    return ask("hello", extra_headers={"x-fake": script}, **more)


anthropic_surfaces = partial(surfaces, clients=anthropic_client)
