"""OpenInference: spans beside the calls to models, retrievers and tools, in the words of the conventions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.dialects.indexed import gathered
from otel_agenttrace.dialects.told import Facts
from otel_agenttrace.jsonvalue import compact, obj
from otel_agenttrace.model import AttributeValue, Span

__all__ = ["step_attributes"]


def step_attributes(span: Span) -> Mapping[str, AttributeValue]:
    """Return what a retriever or a tool tells, as attributes of the conventions; nothing for any other span."""
    read = _KINDS.get(str(span.attributes.get("openinference.span.kind")))
    told: Mapping[str, AttributeValue] = {} if read is None else read(Facts(span))
    return {name: value for name, value in told.items() if value is not None}


def _retriever(facts: Facts) -> Mapping[str, AttributeValue]:
    found = [obj(each.get("document")) for each in gathered(facts, "retrieval.documents", "answered")]
    return {
        semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_RETRIEVAL,
        semconv.GEN_AI_RETRIEVAL_QUERY_TEXT: facts.value("input.value"),
        semconv.GEN_AI_RETRIEVAL_DOCUMENTS: compact(found) if found else None,
    }


def _tool(facts: Facts) -> Mapping[str, AttributeValue]:
    return {
        semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_EXECUTE_TOOL,
        semconv.GEN_AI_TOOL_NAME: facts.first(("tool.name", "tool_call.function.name")) or facts.span.name,
        semconv.GEN_AI_TOOL_CALL_ID: facts.value("tool_call.id"),
        semconv.GEN_AI_TOOL_CALL_ARGUMENTS: facts.first(("tool_call.function.arguments", "input.value")),
        semconv.GEN_AI_TOOL_CALL_RESULT: facts.value("output.value"),
    }


_KINDS: Final[Mapping[str, Callable[[Facts], Mapping[str, AttributeValue]]]] = {
    "RETRIEVER": _retriever,
    "TOOL": _tool,
}
