"""Rows for judging answers by what was retrieved for them: ragas and deepeval. Example in, row out."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol, TypeVar

from otel_agenttrace.analyze.tool_calls import ToolCall
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
        "tools_called": [_called(call) for call in _within(example, example.beside.tool_calls)],
        **({} if reference is None else {"expected_output": _answer(reference)}),
    }


def _answer(example: Example) -> str:
    return "" if example.answer is None else text_of(example.answer)


def _called(call: ToolCall) -> JsonObject:
    return {"name": call.name, "input_parameters": obj(call.arguments), "output": call.result}


def contexts(example: Example) -> list[str]:
    """Return the content of the documents that were retrieved for a question, each once, the first found first."""
    told = (
        document.content for each in _within(example, example.beside.retrievals) for document in each.documents or ()
    )
    return list(dict.fromkeys(content for content in told if content))


class _Spanned(Protocol):
    @property
    def span(self) -> Span: ...


_Found = TypeVar("_Found", bound=_Spanned)


def _within(example: Example, found: Sequence[_Found]) -> Iterator[_Found]:
    """Yield what was done for the question of a call: in its run, or in none, since the question before."""
    since = min(example.since_ns, example.alone_since_ns)
    first = bisect_left(found, since, key=lambda each: each.span.start_ns)
    for each in found[first : bisect_right(found, example.span.start_ns, key=lambda each: each.span.start_ns)]:
        is_own = each.span.trace_id == example.span.trace_id
        is_alone = each.span.trace_id not in example.beside.costs
        if (is_own and example.since_ns <= each.span.start_ns) or (
            is_alone and example.alone_since_ns <= each.span.start_ns
        ):
            yield each


FORMATS: Final[Mapping[str, Format]] = {
    "ragas": Format(_ragas, lambda row: _problems(row, "user_input", "response")),
    "deepeval": Format(_deepeval, lambda row: _problems(row, "input", "actual_output")),
}


def _problems(row: JsonObject, *names: str) -> Iterator[str]:
    for name in names:
        if not row[name]:
            yield f"{name} is empty: nothing is said there in words"
