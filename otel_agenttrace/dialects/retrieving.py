"""Retrievals of other dialects in the words of the conventions. Span in, the attributes that it lacks out."""

from __future__ import annotations

from collections.abc import Mapping

from otel_agenttrace import semconv
from otel_agenttrace.dialects.indexed import gathered
from otel_agenttrace.dialects.told import Facts
from otel_agenttrace.jsonvalue import compact, obj
from otel_agenttrace.model import AttributeValue, Span

__all__ = ["retrieval_attributes"]


def retrieval_attributes(span: Span) -> Mapping[str, AttributeValue]:
    """Return what a retriever of OpenInference tells; nothing for any other span."""
    if span.attributes.get("openinference.span.kind") != "RETRIEVER":
        return {}
    facts = Facts(span)
    found = [obj(each.get("document")) for each in gathered(facts, "retrieval.documents", "answered")]
    told: Mapping[str, AttributeValue] = {
        semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_RETRIEVAL,
        semconv.GEN_AI_RETRIEVAL_QUERY_TEXT: facts.value("input.value"),
        semconv.GEN_AI_RETRIEVAL_DOCUMENTS: compact(found) if found else None,
    }
    return {name: value for name, value in told.items() if value is not None}
