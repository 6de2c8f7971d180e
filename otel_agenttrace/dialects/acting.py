"""Tools and agents of other dialects in the words of the conventions. Span in, the attributes that it lacks out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.jsonvalue import text
from otel_agenttrace.model import AttributeValue, Span

__all__ = ["acting_attributes"]


@dataclass(frozen=True, slots=True)
class _Words:
    """Under which names a dialect tells what a span of this kind did; the first name that is there counts.

    `told` are the values of the attribute `mark` that say so.
    """

    operation: str
    mark: str
    told: tuple[str, ...]
    name: tuple[str, ...]
    arguments: tuple[str, ...] = ()
    result: tuple[str, ...] = ()
    call_id: tuple[str, ...] = ()


_TOOL: Final = semconv.OPERATION_EXECUTE_TOOL
_AGENT: Final = semconv.OPERATION_INVOKE_AGENT
_DIALECTS: Final = (
    _Words(
        _TOOL,
        semconv.GEN_AI_OPERATION_NAME,
        (_TOOL,),
        (semconv.GEN_AI_TOOL_NAME,),
        ("gen_ai.tool.args", "gen_ai.tool.arguments"),
        ("gen_ai.output", "gen_ai.tool.output"),
    ),
    _Words(
        _TOOL,
        "openinference.span.kind",
        ("TOOL",),
        ("tool.name", "tool_call.function.name"),
        ("tool_call.function.arguments", "input.value"),
        ("output.value",),
        ("tool_call.id", "tool.id"),
    ),
    _Words(_AGENT, "openinference.span.kind", ("AGENT",), ("agent.name",)),
    _Words(
        _TOOL,
        "ai.operationId",
        ("ai.toolCall",),
        ("ai.toolCall.name",),
        ("ai.toolCall.args", "ai.toolCall.input"),
        ("ai.toolCall.result", "ai.toolCall.output"),
        ("ai.toolCall.id",),
    ),
    _Words(
        _TOOL,
        "traceloop.span.kind",
        ("tool",),
        ("traceloop.entity.name",),
        ("traceloop.entity.input",),
        ("traceloop.entity.output",),
    ),
    _Words(_AGENT, "traceloop.span.kind", ("agent", "workflow"), ("traceloop.entity.name",)),
    _Words(
        _TOOL,
        "langfuse.observation.type",
        ("tool",),
        (),
        ("langfuse.observation.input",),
        ("langfuse.observation.output",),
    ),
    _Words(_AGENT, "langfuse.observation.type", ("agent",), ()),
)
_NAMES: Final = {_TOOL: semconv.GEN_AI_TOOL_NAME, _AGENT: semconv.GEN_AI_AGENT_NAME}


def acting_attributes(span: Span) -> Mapping[str, AttributeValue]:
    """Return what a tool or an agent tells in other words than those of the conventions; nothing for any other span."""
    words = next((each for each in _DIALECTS if span.attributes.get(each.mark) in each.told), None)
    if words is None:
        return {}
    told = {
        semconv.GEN_AI_OPERATION_NAME: words.operation,
        _NAMES[words.operation]: _first(span, words.name) or span.name,
        semconv.GEN_AI_TOOL_CALL_ARGUMENTS: _first(span, words.arguments),
        semconv.GEN_AI_TOOL_CALL_RESULT: _first(span, words.result),
        semconv.GEN_AI_TOOL_CALL_ID: _first(span, words.call_id),
    }
    return {name: value for name, value in told.items() if value is not None}


def _first(span: Span, names: tuple[str, ...]) -> str | None:
    return next((told for name in names if (told := text(span.attributes.get(name)))), None)
