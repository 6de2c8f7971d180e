"""The readable text of a run that stays the same while the run does the same. Trace in, tree of lines out.

What changes from run to run is not in it: ids, times, tokens, costs, and in texts whatever `volatile` knows of.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.analyze.trajectories import parallel_groups
from otel_agenttrace.jsonvalue import array, parse
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.report.family import family
from otel_agenttrace.report.growing import Grown, grown, joined
from otel_agenttrace.report.node import Node, flat
from otel_agenttrace.report.text import counted
from otel_agenttrace.report.wording import ArgumentsShown, Wording, text_of_message
from otel_agenttrace.wire.recorded import output_messages, response_of

__all__ = ["ANSWER", "PARALLEL", "outline"]

ANSWER: Final = "answer"
"""The line above the text of an answer."""
PARALLEL: Final = "in parallel"
"""The line above what ran at the same time under one span: the order below it means nothing."""


def outline(trace: Trace, *, arguments: ArgumentsShown = "shape") -> tuple[Node, ...]:
    """Return what a run did: agents, steps, tools, calls to models and what they answered, retrievals, errors.

    A call to a model that two instrumentations tell stands there once. Spans that ran at the same time stand in the order
    of their text.

    Raises:
        CassetteError: If a recorded call cannot be read.
    """
    spans = tuple(sorted(trace.spans, key=lambda span: (span.start_ns, span.end_ns or 0, span.name, span.span_id)))
    wording = Wording(arguments)
    counted_once = {id(span) for span in replace(trace, spans=spans).inferences}

    def made(span: Span, children: Grown) -> tuple[Node, ...]:
        below = _ordered(children)
        if span.is_inference and id(span) not in counted_once:
            return below
        return (Node(wording.heading(span), (*_details(span, wording), *below, *_error(span, wording))),)

    return _ordered(grown(family(spans), made))


def _ordered(spans: Grown) -> tuple[Node, ...]:
    """Return the nodes of siblings; those of spans that ran at the same time in the order of their text."""
    nodes_of = {id(span): nodes for span, nodes in spans}
    ordered: list[Node] = []
    for group in parallel_groups(span for span, _ in spans):
        nodes = joined(tuple((span, nodes_of[id(span)]) for span in group))
        ordered += nodes if len(nodes) < 2 else [Node(PARALLEL, tuple(sorted(nodes, key=_text)))]
    return tuple(ordered)


def _text(node: Node) -> list[tuple[int, str]]:
    return list(flat((node,)))


# --- what stands below the line of a span -----------------------------------------------------------------------------


def _details(span: Span, wording: Wording) -> Iterator[Node]:
    if span.is_inference:
        yield from _answered(span, wording)
    if span.operation == semconv.OPERATION_RETRIEVAL:
        yield from _found(span, wording)
    for event in span.events:
        if event.name == semconv.EVENT_AGENTTRACE_DECISION:
            yield wording.decision(event)


def _answered(span: Span, wording: Wording) -> Iterator[Node]:
    for message in output_messages(span):
        for part in message.parts:
            if part.get("type") == "tool_call":
                yield Node(f"asks {wording.asked(part)}")
            elif part.get("type") not in ("text", "refusal", "reasoning"):
                yield Node(f"gives {wording.other(part)}")
        if text := text_of_message(message):
            yield Node(ANSWER, wording.lines(text))
    if reasons := _finish_reasons(span):
        yield Node(f"finish {', '.join(map(wording.line, reasons))}")


def _finish_reasons(span: Span) -> tuple[str, ...]:
    told = array(span.attributes.get(semconv.GEN_AI_RESPONSE_FINISH_REASONS))
    if told:
        return tuple(map(str, told))
    response = response_of(span)
    return response.finish_reasons if response is not None else ()


def _found(span: Span, wording: Wording) -> Iterator[Node]:
    query = span.attributes.get(semconv.GEN_AI_RETRIEVAL_QUERY_TEXT)
    if isinstance(query, str) and wording.arguments == "values":
        yield Node("query", wording.lines(query))
    documents = span.attributes.get(semconv.GEN_AI_RETRIEVAL_DOCUMENTS)
    if isinstance(documents, str):
        try:
            yield Node(f"found {counted(len(array(parse(documents))), 'document')}")
        except ValueError:
            return


def _error(span: Span, wording: Wording) -> Iterator[Node]:
    if span.is_error:
        yield Node(wording.error(span))
