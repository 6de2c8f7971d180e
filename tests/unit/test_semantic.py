"""Answers compared by meaning: what a score says, whose answers are compared, what a failure shows, what is never passed over."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import pytest

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.embedders import local_embedder, openai_embedder
from otel_agenttrace.errors import AnswerUnknown, CassetteNotFound, CheckFailed, ConfigError, RegressionFound
from otel_agenttrace.model import Message, Span, Trace
from otel_agenttrace.semantic import assert_semantic_similarity, semantic_similarity
from otel_agenttrace.sessions import Session
from tests.support.clients import openai_client
from tests.support.provider import Provider

pytestmark = pytest.mark.usefixtures("home")
PATH: Final = Path("c.otlp.jsonl")
_PAGE: Final = Path(__file__).parents[2] / "docs" / "semantic.md"
_REFUND: Final = "Your refund will arrive within five working days."
_REFUSAL: Final = "I'm sorry, but I cannot help with that request."


def _answered(*answers: str | Mapping[str, Any] | None) -> Trace:
    """Return a trace whose calls answered with a text, a part of another type, or nothing that is known."""
    with at.record(PATH, quiet=True) as session:
        for answer in answers:
            with at.inference("m", provider="p") as call:
                if isinstance(answer, str):
                    call.respond(answer)
                elif answer is not None:
                    call.respond(messages=[Message("assistant", (answer,))])
    return session.trace


class Directions:
    """An embedder of which each text names its vector: `1 0 east` stands at a right angle to `0 1 north`."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, texts: Sequence[str], /) -> Sequence[Sequence[float]]:
        self.asked.append(list(texts))
        return [[float(word) for word in text.split() if re.fullmatch(r"-?[\d.]+|nan", word)] for text in texts]


# --- scores -----------------------------------------------------------------------------------------------------------


def _measured() -> list[tuple[str, str, str, float]]:
    rows = [[cell.strip(" *") for cell in line.split("|")[1:-1]] for line in _PAGE.read_text("utf-8").splitlines()]
    scored = [row for row in rows if len(row) == 4 and re.fullmatch(r"-?\d\.\d\d", row[3])]
    return [(what, left, right, float(score)) for what, left, right, score in scored]


@pytest.mark.parametrize(("what", "left", "right", "score"), _measured(), ids=lambda value: str(value)[:40])
def test_the_page_tells_the_scores_as_measured(what: str, left: str, right: str, score: float) -> None:
    assert f"{semantic_similarity(left, right):.2f}" == f"{score:.2f}", what


def test_the_page_shows_where_the_order_holds_and_where_it_does_not() -> None:
    scores: dict[str, list[float]] = {}
    for what, _, _, score in _measured():
        scores.setdefault(what, []).append(score)
    wordings = [score for what, found in scores.items() if what.startswith("wording") for score in found]
    (refusal,), (other,) = scores["a refusal"], scores["everything"]
    assert min(wordings) > refusal > other
    assert min(scores["a negation"]) > sorted(wordings)[-2]


def test_the_same_text_scores_one_and_sides_do_not_matter() -> None:
    assert semantic_similarity(_REFUND, _REFUND) == 1
    assert semantic_similarity(_REFUND, _REFUSAL) == semantic_similarity(_REFUSAL, _REFUND)


def test_a_score_is_the_cosine_of_what_the_embedder_gives() -> None:
    compare: Callable[[str, str], float] = partial(semantic_similarity, embedder=Directions())
    assert [compare("3 0", right) for right in ("2 0", "0 7", "-1 0", "1 1")] == [1, 0, -1, 0.707107]


def test_the_local_embedder_is_made_once_and_remembers_some_texts_only() -> None:
    embed = local_embedder()
    assert local_embedder() is embed
    (first,) = embed([_REFUND])
    assert embed([_REFUND])[0] is first
    embed([f"text {number}" for number in range(600)])
    again = embed([_REFUND])[0]
    assert again is not first
    assert again == first


@pytest.mark.parametrize(
    ("vectors", "reason"),
    [
        ([[1.0]], "1 vectors for 2 texts"),
        ([[1.0], [1.0, 2.0]], "vectors of 1 and 2 numbers"),
        ([[1.0], [0.0]], "a vector without a direction"),
        ([[1.0], [float("nan")]], "a vector without a direction"),
        ([[], []], "a vector without a direction"),
    ],
)
def test_an_embedder_of_no_use_is_named(vectors: Sequence[Sequence[float]], reason: str) -> None:
    with pytest.raises(ConfigError, match=f"The embedder gave {reason}"):
        semantic_similarity("a", "b", lambda _: vectors)


@pytest.mark.parametrize("blank", ["", " \n"])
def test_an_empty_text_has_no_score(blank: str) -> None:
    with pytest.raises(AnswerUnknown, match="The candidate has no answer to compare: the text is empty"):
        semantic_similarity(_REFUND, blank)
    with pytest.raises(AnswerUnknown, match="The baseline has no"):
        assert_semantic_similarity(blank, _REFUND)


# --- whose answers ----------------------------------------------------------------------------------------------------


def test_traces_sessions_files_and_texts_are_compared_with_each_other() -> None:
    texts = ["1 0 first", "0 1 last"]
    trace = _answered(*texts)
    with at.record(PATH, quiet=True) as session:
        for text in texts:
            with at.inference("m", provider="p") as call:
                call.respond(text)
        sides: list[Trace | Session | Path | str] = [trace, session, session.trace, "0 1 last"]
        for baseline in sides:
            for candidate in sides:
                assert_semantic_similarity(baseline, candidate, 1, embedder=Directions())
    assert_semantic_similarity(PATH, session, 1, embedder=Directions())
    with pytest.raises(RegressionFound):
        assert_semantic_similarity(PATH, "1 0 first", embedder=Directions())


def test_a_file_that_is_not_there_is_named() -> None:
    with pytest.raises(CassetteNotFound):
        assert_semantic_similarity(Path("none.otlp.jsonl"), _REFUND)


def test_a_text_that_is_the_name_of_a_file_is_refused() -> None:
    _answered(_REFUND)
    with pytest.raises(ConfigError, match=r"to fix   Path\('c.otlp.jsonl'\)"):
        assert_semantic_similarity(str(PATH), _REFUND)


def test_a_text_that_can_be_no_name_is_compared() -> None:
    for text in ("x" * 5000, "a\0b"):
        assert_semantic_similarity(text, text, 1)


def test_all_answers_are_compared_in_order_by_one_request() -> None:
    embedder = Directions()
    baseline, candidate = _answered("1 0 a", "0 1 b"), _answered("2 0 c", "1 0 a")
    assert_semantic_similarity(
        _answered("1 0 a", "0 1 b"), _answered("5 0 x", "0 3 y"), 1, embedder=Directions(), all_answers=True
    )
    with pytest.raises(RegressionFound) as raised:
        assert_semantic_similarity(baseline, candidate, embedder=embedder, all_answers=True)
    assert embedder.asked == [["1 0 a", "0 1 b", "2 0 c"]]
    assert str(raised.value).startswith(
        "Answer 2 of 2 does not say what the baseline's says: similarity 0.000, threshold 0.85."
    )
    assert len(raised.value.findings) == 1


def test_another_number_of_answers_is_a_regression() -> None:
    baseline, candidate = _answered("1 0 a", "0 1 b"), _answered("0 1 b")
    with (
        at.record(PATH, quiet=True) as session,
        pytest.raises(RegressionFound, match="the baseline has 2, the candidate 1"),
    ):
        assert_semantic_similarity(baseline, candidate, embedder=Directions(), all_answers=True)
    (written,) = session.trace.spans
    assert written.events[0].attributes[semconv.GEN_AI_EVALUATION_SCORE_LABEL] == "fail"
    assert_semantic_similarity(baseline, candidate, embedder=Directions())


_TOOL_CALL: Final = {"type": "tool_call", "name": "look_up", "arguments": {}}


def test_calls_that_ask_for_tools_are_no_answers() -> None:
    trace = _answered(_TOOL_CALL, "1 0 a", _TOOL_CALL)
    with_words = Message("assistant", ({"type": "text", "content": "Let me see."}, _TOOL_CALL))
    with at.record("beside.otlp.jsonl", quiet=True) as session, at.inference("m", provider="p") as call:
        call.respond(messages=[with_words])
    trace = replace(trace, spans=(*trace.spans, *session.trace.spans))
    assert_semantic_similarity("1 0 a", trace, 1, embedder=Directions(), all_answers=True)


@pytest.mark.parametrize(
    ("answers", "reason"),
    [
        ((), "no call to a model answered with text"),
        ((_TOOL_CALL,), "no call to a model answered with text"),
        ((None,), r"what the call 'chat m' \(\w{16}\) answered is empty or not recorded"),
        ((_REFUND, None), "answered is empty or not recorded"),
        ((_REFUND, " "), "answered is empty or not recorded"),
        ((_REFUND, {"type": "refusal", "content": "no"}), "answered holds no text, but refusal"),
        ((_REFUND, {"type": "reasoning", "content": "hm"}), "answered holds no text, but reasoning"),
    ],
)
def test_an_answer_that_is_not_known_never_passes(answers: Sequence[Any], reason: str) -> None:
    trace = _answered(*answers)
    for every in (False, True):
        with pytest.raises(AnswerUnknown, match=reason) as raised:
            assert_semantic_similarity(_REFUND, trace, 0.01, all_answers=every)
        assert raised.value.side == "candidate"
        assert not isinstance(raised.value, CheckFailed)


def test_a_failed_last_call_leaves_no_answer(provider: Provider) -> None:
    with at.record(PATH, quiet=True) as session, openai_client(provider, is_async=False) as client:
        _ask(client, "hello")
        with pytest.raises(Exception, match="400"):
            _ask(client, "[fake 400] hello")
    with pytest.raises(AnswerUnknown):
        assert_semantic_similarity(_REFUND, session, 0.01)


# --- what a failure shows ---------------------------------------------------------------------------------------------


def test_a_regression_shows_score_threshold_and_where_the_texts_part() -> None:
    same = "All of this is the same in both of them. " * 3
    candidate = _answered(f"{same}\nThe light is off.\x1b[31m {'And on. ' * 30}")
    with pytest.raises(RegressionFound) as raised:
        assert_semantic_similarity(f"{same}The light is on.", candidate, 0.99)
    headline, baseline, other, *cure = str(raised.value).splitlines()
    assert re.fullmatch(
        r"The answer does not say what the baseline's says: similarity 0\.\d{3}, threshold 0\.99\.", headline
    )
    assert baseline == "  baseline   …n both of them. The light is on."
    assert other.startswith("  candidate  …n both of them. The light is off.\\x1b[31m And on.")
    assert other.endswith("…")
    assert cure[0].startswith("  to fix     if the new answer is right, record the baseline anew;")
    (finding,) = raised.value.findings
    assert isinstance(finding, Finding)
    assert (finding.rule, finding.severity) == ("semantic_similarity", "critical")
    assert finding.span_ids == (candidate.inferences[-1].span_id,)


@pytest.mark.parametrize("threshold", [0, -0.5, 1.01, 85, float("nan")])
def test_a_threshold_without_meaning_is_refused(threshold: float) -> None:
    with pytest.raises(ConfigError, match="The threshold"):
        assert_semantic_similarity(_REFUND, _REFUND, threshold)


# --- what it writes ---------------------------------------------------------------------------------------------------


def _results(trace: Trace) -> list[Span]:
    return [span for span in trace.spans if span.attributes.get(semconv.AGENTTRACE_OPERATION) == "evaluation"]


@pytest.mark.parametrize(("baseline", "label"), [("1 0 a", "pass"), ("0 1 a", "fail")])
def test_each_result_is_written_below_the_answer_it_judged(baseline: str, label: str) -> None:
    with at.record(PATH, quiet=True) as session:
        with at.inference("m", provider="p") as call:
            call.respond("1 0 b", id="resp_1")
        try:
            assert_semantic_similarity(baseline, session, embedder=Directions())
        except RegressionFound:
            assert label == "fail"
    (result,) = _results(at.load(PATH))
    assert (result.name, result.parent_span_id) == ("evaluation semantic_similarity", call.span_id)
    (event,) = result.events
    assert event.attributes == {
        semconv.GEN_AI_EVALUATION_NAME: "semantic_similarity",
        semconv.GEN_AI_EVALUATION_SCORE_VALUE: 1.0 if label == "pass" else 0.0,
        semconv.GEN_AI_EVALUATION_SCORE_LABEL: label,
        semconv.GEN_AI_EVALUATION_EXPLANATION: "cosine similarity of the answer to the baseline's",
        semconv.AGENTTRACE_EVALUATION_THRESHOLD: 0.85,
        semconv.GEN_AI_RESPONSE_ID: "resp_1",
    }


# --- embeddings by a client -------------------------------------------------------------------------------------------


def _ask(client: Any, text: str) -> None:
    client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])


def _compared(client: Any, session: Session) -> list[str]:
    _ask(client, "hello")
    embedder, told = openai_embedder(client), list[str]()
    for _ in range(2):  # the second time the call for embeddings is the last of the run
        with pytest.raises(RegressionFound) as raised:  # vectors of the fake provider have no meaning
            assert_semantic_similarity(_REFUND, session, 1, embedder=embedder)
        told.append(str(raised.value))
    return told


def test_embeddings_by_a_client_are_recorded_and_replayed(provider: Provider) -> None:
    with openai_client(provider, is_async=False) as client:
        with at.record(PATH, quiet=True) as session:
            recorded = _compared(client, session)
        assert recorded[0] != recorded[1]
        asked = [request.path for request in provider.requests]
        assert asked == ["/v1/chat/completions", "/v1/embeddings", "/v1/embeddings"]
        with at.replay(PATH, quiet=True, fail_on=("drift", "miss", "live", "unplayed")) as session:
            assert _compared(client, session) == recorded
        assert provider.hits == len(asked)
        assert [span.operation for span in session.trace.inferences] == ["chat", "embeddings", "embeddings"]


def test_embeddings_are_matched_to_their_texts_by_index() -> None:
    class Reversing:
        """An API that answers in another order than it was asked."""

        class embeddings:  # noqa: N801 - the name of the client's own
            @staticmethod
            def create(*, model: str, input: list[str]) -> Any:  # noqa: A002 - the API's own name
                given = [type("Row", (), {"index": place, "embedding": [place, 1]}) for place in range(len(input))]
                return type("Answer", (), {"data": given[::-1], "model": model})

    client: Any = Reversing()
    assert openai_embedder(client)(["a", "b", "c"]) == [[0, 1], [1, 1], [2, 1]]


def test_an_async_client_is_refused(provider: Provider) -> None:
    with pytest.raises(ConfigError, match="The client is async"):
        openai_embedder(openai_client(provider, is_async=True))
