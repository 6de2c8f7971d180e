"""What the surfaces of the OpenAI SDK ask for."""

from __future__ import annotations

from functools import partial
from typing import Any, Final

from pydantic import BaseModel

from tests.support.clients import openai_client
from tests.support.surface import surfaces

__all__ = ["CHAT", "MODEL", "TOOL_PARAMETERS", "Report", "ask", "faulty", "openai_surfaces"]


CHAT: Final = "chat.completions.create"
MODEL: Final = "gpt-4o"
TOOL_PARAMETERS: Final = {
    "type": "object",
    "properties": {"city": {"type": "string"}, "days": {"type": "integer"}},
    "required": ["city", "days"],
    "additionalProperties": False,
}


class Report(BaseModel):
    """What structured output is parsed into."""

    text: str
    number: int


def ask(text: str = "hello", **more: Any) -> dict[str, Any]:
    """Return the arguments of a chat completion."""
    return {"model": MODEL, "messages": [{"role": "user", "content": text}], **more}


def faulty(script: str, **more: Any) -> dict[str, Any]:
    """Return the arguments of a chat completion that asks for a bad day."""
    return ask("hello", extra_headers={"x-fake": script}, **more)


openai_surfaces = partial(surfaces, clients=openai_client)
