"""Rows for judging answers by what was retrieved for them: ragas and deepeval. Example in, row out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from otel_agenttrace.analyze.retrievals import retrievals
from otel_agenttrace.analyze.tool_calls import ToolCall, tool_calls
from otel_agenttrace.datasets.examples import Example, text_of
from otel_agenttrace.datasets.formats import Format
from otel_agenttrace.jsonvalue import JsonObject, obj
from otel_agenttrace.model import Span

__all__ = ["FORMATS", "contexts"]


def _ragas(example: Example, reference: Example | None) -> JsonObject:
    """Return a row for `EvaluationDataset.from_list`."""
    return {
        "user_input": example.question,
        "retrieved_contexts": contexts(example),
        "response": _answer(example),
        **({} if reference is None else {"reference": _answer(reference)}),
    }


def _deepeval(example: Example, reference: Example | None) -> JsonObject:
    """Return a row for `LLMTestCase(**row)`."""
    return {
        "input": example.question,
        "actual_output": _answer(example),
        "retrieval_context": contexts(example),
        "tools_called": [_called(call) for call in tool_calls(example.trace) if _is_within(example, call.span)],
        **({} if reference is None else {"expected_output": _answer(reference)}),
    }


def _answer(example: Example) -> str:
    return "" if example.answer is None else text_of(example.answer)


def _called(call: ToolCall) -> JsonObject:
    return {"name": call.name, "input_parameters": obj(call.arguments), "output": call.result}


def contexts(example: Example) -> list[str]:
    """Return the content of the documents that were retrieved for a question, each once, the first found first."""
    found = (each for each in retrievals(example.trace) if _is_within(example, each.span))
    told = (document.content for each in found for document in each.documents or ())
    return list(dict.fromkeys(content for content in told if content))


def _is_within(example: Example, span: Span) -> bool:
    """Whether a span was done for the question of a call: in its run, or in none, since the question before."""
    if span.start_ns > example.span.start_ns:
        return False
    if span.trace_id == example.span.trace_id:
        return example.since_ns <= span.start_ns
    is_alone = all(each.trace_id != span.trace_id for each in example.trace.inferences)
    return is_alone and example.alone_since_ns <= span.start_ns


FORMATS: Final[Mapping[str, Format]] = {
    "ragas": Format(_ragas, lambda row: _problems(row, "user_input", "response")),
    "deepeval": Format(_deepeval, lambda row: _problems(row, "input", "actual_output")),
}


def _problems(row: JsonObject, *names: str) -> Iterator[str]:
    for name in names:
        if not row[name]:
            yield f"{name} is empty: nothing is said there in words"
