"""What runs retrieved: figures of each retrieval, drift against a baseline of each kind and only that, foreign spans, snapshots."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

import otel_agenttrace as at
from otel_agenttrace.analyze.retrieval_drift import QueryDrift, Tolerances, drifts
from otel_agenttrace.analyze.retrievals import Document, Retrieval, retrievals
from otel_agenttrace.analyze.retrieving import retrieval_figures
from otel_agenttrace.analyze.tool_calls import tool_calls
from otel_agenttrace.dialects.translating import translated
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.retrievers import document_of, snapshot
from tests.support.foreign_spans import Watched, genai_attributes, said, span

_ALL: Final = Tolerances(0, 0, 0)


def _retrieval(number: int, query: str | None, *documents: Mapping[str, Any], **more: Any) -> Span:
    told: dict[str, Any] = {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.retrieval.documents": json.dumps(documents),
        **({} if query is None else {"gen_ai.retrieval.query.text": query}),
    }
    return replace(span(number, told), name="retrieval", **more)


def _document(name: str, score: float | None = 0.5, content: str | None = None) -> dict[str, Any]:
    return {"id": name, "score": score, "content": content or f"content of {name}"}


_BASELINE: Final = _retrieval(1, "q", _document("a", 0.9), _document("b", 0.8), _document("c", 0.7))


def _drift(after: Span, before: Span = _BASELINE, tolerances: Tolerances = _ALL) -> QueryDrift:
    (found,) = drifts(retrievals(Trace((before,))), retrievals(Trace((after,))), tolerances)
    return found


# --- figures -------------------------------------------------------------------------------------------------------------


def test_the_spans_of_a_trace_are_gone_through_as_often_for_many_retrievals_as_for_few() -> None:
    def times(count: int) -> int:
        spans = Watched(_retrieval(number, "q", _document("a")) for number in range(1, count + 1))
        assert len(retrieval_figures("f", Trace(spans))) == count
        return spans.times

    assert times(20) == times(2)


def test_figures_tell_scores_time_and_what_of_the_next_call_was_retrieved() -> None:
    found = _retrieval(1, "hats", {"id": "1", "score": 0.25, "content": "0123456789"}, {"id": "2", "score": 0.75})
    asked = said("user", "0123456789 and 25 characters more!")
    call = span(2, genai_attributes([asked], [said("assistant", "A hat.")], gen_ai__usage__input_tokens=340))
    (figures,) = retrieval_figures("f", Trace((found, call)))
    assert (figures.documents, figures.score_min, figures.score_mean, figures.score_max) == (2, 0.25, 0.5, 0.75)
    assert (figures.query, figures.duration_ns, figures.next_call) == ("hats", 500, call)
    assert figures.context_share == 10 / 34
    assert (figures.context_tokens, figures.input_tokens) == (100, 340)


def test_what_is_not_known_is_none() -> None:
    bare = replace(_BASELINE, attributes={"gen_ai.operation.name": "retrieval"}, end_ns=None)
    (figures,) = retrieval_figures("f", Trace((bare,)))
    told = (figures.documents, figures.score_min, figures.score_mean, figures.score_max, figures.duration_ns)
    assert told == (None,) * 5
    assert (figures.query, figures.next_call, figures.context_share, figures.context_tokens) == (None,) * 4


def test_a_share_is_not_known_where_no_document_stands_word_for_word_in_the_call() -> None:
    call = span(2, genai_attributes([said("user", "What do I pack?")], [said("assistant", "A hat.")]))
    (figures,) = retrieval_figures("f", Trace((_BASELINE, call)))
    assert figures.next_call == call
    assert figures.context_share is None


# --- drift -----------------------------------------------------------------------------------------------------------------


def test_the_same_retrieval_does_not_drift() -> None:
    assert _drift(_BASELINE).drifted == ()


def test_each_kind_of_change_is_found_and_only_that() -> None:
    other = _drift(_retrieval(1, "q", _document("a", 0.9), _document("b", 0.8), _document("d", 0.7)))
    assert (other.drifted, other.gone, other.new, other.set) == (("set",), ("c",), ("d",), 0.5)
    swapped = _drift(_retrieval(1, "q", _document("b", 0.8), _document("a", 0.9), _document("c", 0.7)))
    assert (swapped.drifted, swapped.order) == (("order",), 1 / 3)
    scored = _drift(_retrieval(1, "q", _document("a", 0.9), _document("b", 0.75), _document("c", 0.7)))
    assert (scored.drifted, scored.score) == (("score",), 0.05)
    rewritten = _drift(_retrieval(1, "q", _document("a", 0.9, "new"), _document("b", 0.8), _document("c", 0.7)))
    assert (rewritten.drifted, rewritten.changed) == (("content",), ("a",))


def test_what_is_tolerated_is_no_drift() -> None:
    swapped = _retrieval(1, "q", _document("b", 0.79), _document("a", 0.91), _document("c", 0.7))
    assert _drift(swapped, tolerances=Tolerances(0, 0.34, 0.01)).drifted == ()
    assert _drift(swapped, tolerances=Tolerances(0, 0.33, 0.009)).drifted == ("order", "score")


def test_what_cannot_be_compared_is_drift_of_its_own_kind() -> None:
    assert _drift(_retrieval(1, "q", {"score": 1})).drifted == ("unknown",)
    bare = replace(_BASELINE, attributes={**_BASELINE.attributes, "gen_ai.retrieval.documents": "[cut"})
    assert _drift(bare).drifted == ("unknown",)
    before = [Retrieval(_BASELINE, (Document("a", None, None),))]
    other = replace(_BASELINE, attributes={"gen_ai.retrieval.query.text": "p"})
    found = drifts(before, [Retrieval(other, (Document("a", None, None),))], _ALL)
    assert [(each.query, each.span is None, each.baseline_span is None, each.drifted) for each in found] == [
        ("p", False, True, ("query",)),
        ("q", True, False, ("query",)),
    ]


def test_a_query_asked_twice_is_compared_with_its_own_turn() -> None:
    first, second = _retrieval(1, "q", _document("a")), _retrieval(2, "q", _document("b"))
    both = retrievals(Trace((first, second)))
    assert [each.drifted for each in drifts(both, both, _ALL)] == [(), ()]
    assert [each.drifted for each in drifts(both, both[::-1], _ALL)] == [("set",), ("set",)]


_SCORES: Final = st.none() | st.floats(0, 1)
_FOUND: Final = st.lists(st.builds(Document, st.sampled_from("abcdef"), _SCORES, st.sampled_from(["x", "y", None])))


@given(_FOUND, _FOUND)
def test_drift_of_a_retrieval_with_itself_is_none_and_sides_do_not_matter(one: list[Any], other: list[Any]) -> None:
    left, right = (Retrieval(_BASELINE, tuple(each)) for each in (one, other))
    assert drifts([left], [left], _ALL)[0].drifted == ()
    (there,), (back,) = drifts([left], [right], _ALL), drifts([right], [left], _ALL)
    assert (there.set, there.order, there.score, there.drifted) == (back.set, back.order, back.score, back.drifted)
    assert (set(there.gone), set(there.changed)) == (set(back.new), set(back.changed))


# --- traces of others ------------------------------------------------------------------------------------------------------


def test_retrievers_and_tools_of_openinference_count_as_such() -> None:
    retriever = {
        "openinference.span.kind": "RETRIEVER",
        "input.value": "hats",
        "retrieval.documents.0.document.id": "7",
        "retrieval.documents.0.document.content": "Take a hat.",
        "retrieval.documents.0.document.score": 0.83,
        "retrieval.documents.1.document.content": "Or a cap.",
    }
    tool = {
        "openinference.span.kind": "TOOL",
        "tool.name": "weather",
        "input.value": '{"city": "Bern"}',
        "output.value": '{"celsius": 21}',
    }
    trace = Trace(translated([span(1, retriever), span(2, tool), span(3, {"openinference.span.kind": "CHAIN"})]))
    (found,) = retrievals(trace)
    assert found.query == "hats"
    assert found.documents == (Document("7", 0.83, "Take a hat."), Document(None, None, "Or a cap."))
    (called,) = tool_calls(trace)
    assert (called.name, called.arguments, called.result) == ("weather", {"city": "Bern"}, {"celsius": 21})
    assert trace.spans[2].operation is None


# --- snapshots --------------------------------------------------------------------------------------------------------------


@dataclass
class _LangChainDocument:
    """As `langchain_core.documents.Document` tells itself."""

    id: str | None
    page_content: str


class _Node:
    """As `llama_index.core.schema.NodeWithScore` tells itself."""

    node_id = "n1"
    text = "Take a hat."
    score = 0.83

    def id(self) -> str:
        return self.node_id


@pytest.mark.parametrize(
    ("found", "told"),
    [
        ("Take a hat.", {"content": "Take a hat."}),
        ({"id": "1", "score": 1}, {"id": "1", "score": 1}),
        (("Take a hat.", 1), {"content": "Take a hat.", "score": 1.0}),
        (_LangChainDocument("7", "Take a hat."), {"id": "7", "content": "Take a hat."}),
        ((_LangChainDocument(None, "Take a hat."), 0.5), {"content": "Take a hat.", "score": 0.5}),
        (_Node(), {"id": "n1", "content": "Take a hat.", "score": 0.83}),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_retrievers_return_is_understood(found: object, told: Mapping[str, Any]) -> None:
    assert document_of(found) == told


def test_a_snapshot_keeps_what_a_retriever_finds_async_or_not(tmp_path: Path) -> None:
    async def later(query: str) -> Sequence[str]:
        return [f"about {query}"] if query != "nothing" else []

    path = tmp_path / "snapshot.otlp.jsonl"
    snapshot(later, ["hats", "nothing"], path)
    found = retrievals(at.load(path))
    assert [(each.query, each.documents) for each in found] == [
        ("hats", (Document(None, None, "about hats"),)),
        ("nothing", ()),
    ]
    again = tmp_path / "again.otlp.jsonl"
    snapshot(lambda query: [] if query == "nothing" else (f"about {query}",), ["hats", "nothing"], again)
    assert [each.drifted for each in drifts(found, retrievals(at.load(again)), _ALL)] == [(), ()]


@pytest.mark.parametrize(
    "answer",
    [None, "a text", {"id": "1"}, [object()], [("a", 0.5, "b")], [("a", None)]],
    ids=["none", "text", "mapping", "object", "three", "no score"],
)
def test_what_is_no_list_of_documents_is_named(answer: object, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="The retriever"):
        snapshot(lambda _: answer, ["q"], tmp_path / "s.otlp.jsonl")
