"""What the Responses API streams in pieces: the table that its decoder and its encoder read from both sides."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

__all__ = ["ARGUMENTS", "TEXTS", "StreamedArguments", "StreamedText"]


@dataclass(frozen=True, slots=True)
class StreamedText:
    """A text in a list of an item. Its events are `<event>.delta`, `.done` and, around them, `<around>.added`, `.done`."""

    event: str
    around: str
    item: str
    member: str
    index: str
    part: str
    text: str


@dataclass(frozen=True, slots=True)
class StreamedArguments:
    """A text that is a member of an item. Its events are `<event>.delta` and `.done`."""

    event: str
    item: str
    member: str


_CONTENT, _SUMMARY = "response.content_part", "response.reasoning_summary_part"
TEXTS: Final = (
    StreamedText("response.output_text", _CONTENT, "message", "content", "content_index", "output_text", "text"),
    StreamedText("response.refusal", _CONTENT, "message", "content", "content_index", "refusal", "refusal"),
    StreamedText(
        "response.reasoning_summary_text", _SUMMARY, "reasoning", "summary", "summary_index", "summary_text", "text"
    ),
    StreamedText(
        "response.reasoning_text", _CONTENT, "reasoning", "content", "content_index", "reasoning_text", "text"
    ),
)
ARGUMENTS: Final = (
    StreamedArguments("response.function_call_arguments", "function_call", "arguments"),
    StreamedArguments("response.custom_tool_call_input", "custom_tool_call", "input"),
    StreamedArguments("response.mcp_call_arguments", "mcp_call", "arguments"),
    StreamedArguments("response.code_interpreter_call_code", "code_interpreter_call", "code"),
)
