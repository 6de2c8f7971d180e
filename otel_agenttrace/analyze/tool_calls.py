"""Tell which tools a run called, in order, with what. Trace in, tool calls out, whoever told them.

A tool that has spans of its own counts by them. One that has none, since nobody instrumented it, counts by what models
asked for. Spans that do not tell the arguments have those that a model asked with.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.escaping import escaped
from otel_agenttrace.jsonvalue import Json, array, obj, quoted, text, value_of
from otel_agenttrace.model import Message, Part, Span, Trace
from otel_agenttrace.wire.recorded import output_messages

__all__ = [
    "ToolCall",
    "arguments_of",
    "asked_for",
    "asks_for_tools",
    "call_id_of",
    "executed_tool",
    "is_counted",
    "shape_of",
    "told_arguments",
    "tool_calls",
    "tool_name",
    "untold_calls",
]

_ASKS: Final = frozenset({"function_call", "tool_call", "tool_calls", "tool_use"})
"""Finish reasons of a model that asked for tools."""
_DEEPEST: Final = 1_000
"""Levels, more than any JSON has that was read."""
_LENGTH_OF_UNIQUE: Final = 20
"""Ids of calls that are as long are drawn by lot, by whatever provider; shorter ones may be counted."""
_PLAIN_KEY: Final = re.compile(r"[\w.-]+")


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of a tool.

    Attributes:
        name: Of the tool.
        arguments: As JSON; a text that is no JSON stays one; None where they are not known.
        result: The same; None where it is not known, and where a model asked for a tool that has no span.
        call_id: The provider's id of the call, which changes from run to run; None where it is not known.
        span: The span of the tool, or that of the model that asked for it.
        is_executed: Whether the tool has a span of its own.
    """

    name: str
    arguments: Json
    result: Json
    call_id: str | None
    span: Span
    is_executed: bool


def tool_calls(trace: Trace, answered: Callable[[Span], tuple[Message, ...]] = output_messages) -> tuple[ToolCall, ...]:
    """Return the tool calls of a run, in order of the start of their spans; `answered` reads what a model answered."""
    executed = [executed_tool(span) for span in trace.tool_calls]
    names = {call.name for call in executed}
    ids = {call.call_id for call in executed if call.call_id and not is_counted(call.call_id)}
    is_argued = all(call.arguments is not None for call in executed)
    asked: list[ToolCall] = []
    for span in trace.inferences:
        named = span.names_answered if is_argued else None
        if named is None or not named <= names:
            asked += _asked(span, answered(span))
    untold = [call for call in asked if call.name not in names and call.call_id not in ids]
    return tuple(sorted((*_with_arguments(executed, asked), *untold), key=lambda call: call.span.start_ns))


def _with_arguments(executed: Sequence[ToolCall], asked: Sequence[ToolCall]) -> Iterator[ToolCall]:
    """Yield executed tools; where no span of a tool tells its arguments, with those it was asked for with."""
    wished = _by_name(asked)
    for name, ran in _by_name(executed).items():
        wishes = _wishes(ran, wished.get(name, ())) if all(call.arguments is None for call in ran) else None
        if wishes is None:
            yield from ran
        else:
            yield from (replace(call, arguments=wish.arguments) for call, wish in zip(ran, wishes, strict=True))


def _by_name(calls: Iterable[ToolCall]) -> dict[str, list[ToolCall]]:
    found: dict[str, list[ToolCall]] = {}
    for call in calls:
        found.setdefault(call.name, []).append(call)
    return found


def _wishes(ran: Sequence[ToolCall], wished: Sequence[ToolCall]) -> Sequence[ToolCall] | None:
    """Return what each call was asked for by: by ids where they tell, for what runs together has no order; else each for each."""
    by_id = {wish.call_id or "": wish for wish in wished}
    if len(by_id) == len(wished) and by_id.keys() >= {call.call_id for call in ran}:
        return [by_id[call.call_id or ""] for call in ran]
    return wished if len(ran) == len(wished) else None


def untold_calls(trace: Trace) -> tuple[Span, ...]:
    """Return the calls to models that asked for tools which nobody tells: their content is not recorded, and no tool ran then."""
    last_run = max((span.start_ns for span in trace.tool_calls), default=-1)
    asking = (span for span in trace.inferences if last_run < span.start_ns)
    return tuple(span for span in asking if asks_for_tools(span) and not output_messages(span))


def asks_for_tools(span: Span) -> bool:
    """Whether the finish reason of a call to a model says that it asked for tools."""
    return not _ASKS.isdisjoint(map(text, array(span.attributes.get(semconv.GEN_AI_RESPONSE_FINISH_REASONS))))


def executed_tool(span: Span) -> ToolCall:
    """Return what the span of an executed tool tells."""
    return ToolCall(
        name=tool_name(span),
        arguments=told_arguments(span),
        result=_content(span, semconv.GEN_AI_TOOL_CALL_RESULT),
        call_id=call_id_of(span),
        span=span,
        is_executed=True,
    )


def tool_name(span: Span) -> str:
    """Return the name of an executed tool, else that of its span."""
    named = span.attributes.get(semconv.GEN_AI_TOOL_NAME)
    return named if isinstance(named, str) else span.name


def call_id_of(span: Span) -> str | None:
    """Return the provider's id of the call that an executed tool answers; None where it is not told."""
    return text(_content(span, semconv.GEN_AI_TOOL_CALL_ID))


def is_counted(call_id: str) -> bool:
    """Whether an id of a call may be one that is given again to another call, as `call_0`."""
    return len(call_id) < _LENGTH_OF_UNIQUE


def told_arguments(span: Span) -> Json:
    """Return what an executed tool was called with, as JSON; a text that is no JSON stays one, None where it is not told."""
    return _content(span, semconv.GEN_AI_TOOL_CALL_ARGUMENTS)


def asked_for(span: Span) -> Iterator[ToolCall]:
    """Yield the tools that the answer of a call to a model asks for."""
    return _asked(span, output_messages(span))


def _asked(span: Span, answered: Iterable[Message]) -> Iterator[ToolCall]:
    for message in answered:
        for part in message.parts:
            name = text(part.get("name"))
            if part.get("type") == "tool_call" and name:
                yield ToolCall(
                    name=name,
                    arguments=arguments_of(part),
                    result=None,
                    call_id=text(part.get("id")),
                    span=span,
                    is_executed=False,
                )


def arguments_of(part: Part) -> Json:
    """Return the arguments of a tool call in a message."""
    given = part.get("arguments")
    return value_of(given) if isinstance(given, str) else given


def _content(span: Span, name: str) -> Json:
    told = span.attributes.get(name)
    return value_of(told) if isinstance(told, str) else None


def shape_of(value: Json, levels: int = _DEEPEST) -> str:
    """Return the shape of a JSON value: `{city: string, days: [number]}`. Lists are known by what is in them, not how much.

    Args:
        value: The value.
        levels: How many are told; what is deeper is `{…}` or `[…]`.
    """
    if isinstance(value, dict):
        members = (f"{_key(key)}: {shape_of(member, levels - 1)}" for key, member in sorted(obj(value).items()))
        return f"{{{', '.join(members) if levels else '…'}}}"
    if isinstance(value, list):
        kinds = sorted({shape_of(item, levels - 1) for item in array(value)}) if levels else ["…"]
        return f"[{' | '.join(kinds)}]"
    if value is None:
        return "null"
    return "boolean" if isinstance(value, bool) else "string" if isinstance(value, str) else "number"


def _key(key: str) -> str:
    return key if _PLAIN_KEY.fullmatch(key) else escaped(quoted(key))
