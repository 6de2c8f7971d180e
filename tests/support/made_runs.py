"""Runs of agents made by hand: spans of the conventions with known causes."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, TypeAlias

from otel_agenttrace.model import Link, Span, Trace

__all__ = ["Made", "asks", "gave", "linked", "said"]

Message: TypeAlias = Mapping[str, Any]


def said(role: str, text: str) -> Message:
    """Return a message that says something."""
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def asks(*calls: tuple[str | None, str, object]) -> Message:
    """Return an answer that asks for tools: id, name and arguments of each."""
    parts = [
        {"type": "tool_call", "name": name, "arguments": arguments, **({"id": call_id} if call_id else {})}
        for call_id, name, arguments in calls
    ]
    return {"role": "assistant", "parts": parts}


def gave(call_id: str | None, result: object) -> Message:
    """Return a message with what a tool gave."""
    part = {"type": "tool_call_response", "response": result, **({"id": call_id} if call_id else {})}
    return {"role": "tool", "parts": [part]}


class Made:
    """Makes spans one after another, ten milliseconds each, and the trace of them."""

    def __init__(self, trace_id: str = "a" * 32, begins: int = 0) -> None:
        self.spans: list[Span] = []
        self._trace_id = trace_id
        self._now = begins

    @property
    def trace(self) -> Trace:
        """The trace of all spans, in order of their start."""
        return Trace(tuple(sorted(self.spans, key=lambda span: span.start_ns)))

    def agent(self, name: str, inside: Span | None = None, **more: Any) -> Span:
        """Add an agent that runs for a second."""
        told = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": name}
        return self._add(name, told, inside, 1_000, **more)

    def chat(
        self,
        name: str,
        asked: Sequence[Message] | None = None,
        answered: Message | None = None,
        *,
        inside: Span | None = None,
        told: Mapping[str, Any] | None = None,
        **more: Any,
    ) -> Span:
        """Add a call to a model; None is content that is not recorded."""
        attributes: dict[str, Any] = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o", **(told or {})}
        if asked is not None:
            attributes["gen_ai.input.messages"] = json.dumps(asked)
        if answered is not None:
            attributes["gen_ai.output.messages"] = json.dumps([answered])
        return self._add(name, attributes, inside, 10, **more)

    def tool(
        self,
        name: str,
        called: str,
        arguments: object = None,
        result: object = None,
        *,
        call_id: str | None = None,
        inside: Span | None = None,
        took_ms: int = 10,
        **more: Any,
    ) -> Span:
        """Add a tool that ran; None is what is not recorded."""
        attributes: dict[str, Any] = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": called}
        for key, value in (("arguments", arguments), ("result", result)):
            if value is not None:
                attributes[f"gen_ai.tool.call.{key}"] = value if isinstance(value, str) else json.dumps(value)
        if call_id is not None:
            attributes["gen_ai.tool.call.id"] = call_id
        return self._add(name, attributes, inside, took_ms, **more)

    def together(self) -> None:
        """Let the next span start with the last one."""
        self._now = self.spans[-1].start_ns // 1_000_000

    def _add(self, name: str, attributes: Mapping[str, Any], inside: Span | None, took_ms: int, **more: Any) -> Span:
        start = self._now * 1_000_000
        self._now += 1 if took_ms > 100 else took_ms + 1
        span = Span(
            self._trace_id,
            f"{len(self.spans) + 1:016x}",
            name,
            start,
            start + took_ms * 1_000_000,
            parent_span_id=None if inside is None else inside.span_id,
            attributes=dict(attributes),
        )
        self.spans.append(replace(span, **more))
        return self.spans[-1]


def linked(span: Span) -> Link:
    """Return a link to a span."""
    return Link(span.trace_id, span.span_id)
