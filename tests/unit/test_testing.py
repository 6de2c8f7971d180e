"""`otel_agenttrace.testing` on what was really recorded: cassettes, sessions, replays, traces of others."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

import otel_agenttrace as at
from otel_agenttrace import semconv, testing
from otel_agenttrace.analyze.answers import final_answer, newest_answers
from otel_agenttrace.analyze.questions import question_of
from otel_agenttrace.analyze.tool_calls import tool_calls
from otel_agenttrace.errors import CassetteNotFound, ConfigError
from otel_agenttrace.playback.plan import Frozen
from otel_agenttrace.testing import BudgetExceeded, CheckFailed, RegressionFound, check
from tests.support.clients import anthropic_client, openai_client
from tests.support.foreign_spans import genai_attributes, said
from tests.support.provider import Provider

pytestmark = pytest.mark.usefixtures("home")
PATH: Final = Path("c.otlp.jsonl")
_TOOLS: Final[Any] = [
    {
        "type": "function",
        "function": {
            "name": name,
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
    for name in ("weather", "book")
]


@at.tool
def weather(city: str) -> dict[str, str]:
    return {"city": city, "sky": "blue"}


@at.agent("advisor")
def advise(provider: Provider, city: str = "Bern", *, model: str = "gpt-4o-mini", asks_twice: bool = False) -> str:
    """Ask which tools to call, call the weather, look it up, ask again; nobody instrumented `book`."""
    with openai_client(provider, is_async=False) as client:
        messages: list[Any] = [{"role": "user", "content": f"What do I pack for {city}?"}]
        create = client.chat.completions.create
        asked = create(model=model, messages=messages, tools=_TOOLS).choices[0].message
        for call in asked.tool_calls:
            if call.function.name == "weather":
                weather(city)
        with at.retrieval("packing", data_source="guide") as found:
            found.documents([{"id": "g1", "score": 0.8, "content": "Pack a hat when the sky is blue."}])
        messages.append({"role": "user", "content": f"Pack a hat when the sky is blue. Now, {city}?"})
        answers = [create(model=model, messages=messages).choices[0].message for _ in range(1 + asks_twice)]
    return str(answers[-1].content)


@pytest.fixture
def recording(provider: Provider) -> at.Session:
    with at.record(PATH, quiet=True) as session:
        advise(provider)
    return session


def _replayed(provider: Provider, **settings: Any) -> at.Session:
    with at.replay(PATH, quiet=True, **settings) as session:
        advise(provider)
    return session


# --- what a run called and answered -----------------------------------------------------------------------------------


def test_a_run_reads_the_same_recorded_replayed_and_from_its_file(provider: Provider, recording: at.Session) -> None:
    live = recording.trace
    frozen = _replayed(provider, freeze=("llm", "tools")).trace
    for trace in (live, at.load(PATH), _replayed(provider).trace, frozen):
        assert [(call.name, call.is_executed) for call in tool_calls(trace)] == [("book", False), ("weather", True)]
        book, sky = tool_calls(trace)
        assert isinstance(book.arguments, dict)
        assert list(book.arguments) == ["city"]
        assert book.call_id is not None
        assert sky.arguments == {"city": "Bern"}
        assert sky.result == (None if trace is frozen else {"city": "Bern", "sky": "blue"})
        (answer,) = newest_answers(trace)
        assert "Now, Bern?" in answer.text
        assert answer.span == trace.inferences[1]


def test_a_replay_with_frozen_tools_is_what_its_recording_is_with_all_that_they_did_inside(provider: Provider) -> None:
    @at.tool
    def research(topic: str) -> str:
        with openai_client(provider, is_async=False) as client:
            asked: Any = [{"role": "user", "content": topic}]
            return str(client.chat.completions.create(model="gpt-4o-mini", messages=asked).choices[0].message.content)

    with at.record(PATH, quiet=True):
        research("hats")
    freezes: tuple[tuple[Frozen, ...], ...] = (("llm",), ("llm", "tools"))
    for freeze in freezes:
        with at.replay(PATH, quiet=True, freeze=freeze) as replayed:
            research("hats")
        testing.assert_trace_unchanged(PATH, replayed)
    with at.record("other.otlp.jsonl", quiet=True) as other:
        weather("Bern")
    with pytest.raises(RegressionFound):
        testing.assert_trace_unchanged(PATH, other)


def _foreign(*answered: Any, operation: str = "chat") -> Path:
    spans = [
        {
            "name": "chat gpt-4o",
            "trace_id": "t",
            "span_id": str(number),
            "start_time": number,
            "end_time": number + 1,
            "attributes": {
                **genai_attributes([said("user", "hi")], [told]),
                "gen_ai.response.id": f"r{number}",
                "gen_ai.operation.name": operation,
            },
        }
        for number, told in enumerate(answered, 1)
    ]
    Path("foreign.json").write_text(json.dumps(spans), encoding="utf-8")
    return Path("foreign.json")


def test_a_foreign_trace_tells_the_tools_that_its_models_asked_for_and_its_answers() -> None:
    called = {"type": "tool_call", "id": "call_1", "name": "search", "arguments": {"q": "hats"}}
    path = _foreign(said("assistant", "Let me see.", called), said("assistant", "Take a hat.", "It is sunny."))
    trace = at.load(path)
    (call,) = tool_calls(trace)
    assert (call.name, call.arguments, call.result, call.call_id, call.is_executed) == (
        "search",
        {"q": "hats"},
        None,
        "call_1",
        False,
    )
    assert [answer.text for answer in newest_answers(trace)] == ["Take a hat.\nIt is sunny."]
    check(
        path,
        called_with={"tool": "search", "args": {"q": "hats"}},
        output_contains="hat",
        output_not_contains="Let me see",
        llm_calls=2,
        models="gpt-4o*",
    )


@pytest.mark.parametrize(
    ("last", "why"),
    [
        (said("assistant"), "is empty or not recorded"),
        (said("assistant", " "), "is empty or not recorded"),
        (said("assistant", {"type": "refusal", "content": "no hats"}), "holds no text, but refusal"),
        (said("assistant", {"type": "reasoning", "content": "?"}), "holds no text, but reasoning"),
    ],
)
def test_no_earlier_answer_stands_in_for_a_last_one_that_is_not_known(last: Any, why: str) -> None:
    path = _foreign(said("assistant", "Take a hat."), last)
    for rule in ({"output_contains": "hat"}, {"output_not_contains": "umbrella"}, {"output_matches": "."}):
        with pytest.raises(CheckFailed, match=f"what the run answered is not known: the last answer {why}"):
            check(path, **rule)


def test_the_answer_of_a_call_that_failed_is_not_whole(provider: Provider, recording: at.Session) -> None:
    trace = recording.trace
    *before, last = trace.spans
    assert last.is_inference
    check(trace, output_contains="Bern")
    with pytest.raises(CheckFailed, match="is not whole: the call failed"):
        check(replace(trace, spans=(*before, replace(last, status="ERROR"))), output_contains="Bern")


def test_a_foreign_call_by_an_older_name_of_its_operation_counts() -> None:
    path = _foreign(said("assistant", "A hat."), operation="call_llm")
    check(path, llm_calls=1, output_contains="hat")
    with pytest.raises(BudgetExceeded):
        testing.assert_tokens_under(path, 9)


def test_a_question_is_all_that_the_model_was_told_recorded_or_by_others(provider: Provider) -> None:
    with at.record(PATH, quiet=True) as recording, anthropic_client(provider, is_async=False) as client:
        result = {"type": "tool_result", "tool_use_id": "t", "content": [{"type": "text", "text": "It is blue."}]}
        used = {"type": "tool_use", "id": "t", "name": "weather", "input": {}}
        asked: Any = [
            {"role": "user", "content": "Sky?"},
            {"role": "assistant", "content": [used]},
            {"role": "user", "content": [result]},
        ]
        client.messages.create(model="claude-fake-1", max_tokens=9, system="Be brief.", messages=asked)
    (span,) = recording.trace.inferences
    assert question_of(span) == "Be brief.\nSky?\nIt is blue."
    told = {
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief."}]),
        "gen_ai.input.messages": json.dumps(
            [said("user", "Sky?"), said("tool", {"type": "tool_call_response", "response": "blue"})]
        ),
    }
    assert question_of(replace(span, attributes=told, read_call=None)) == "Be brief.\nSky?\nblue"
    assert question_of(replace(span, attributes={}, read_call=None)) is None


def test_a_schema_that_refers_to_an_address_is_refused_without_a_look_there(provider: Provider) -> None:
    with pytest.raises(ConfigError, match="nothing is fetched"):
        check(_foreign(said("assistant", "{}")), output_json={"$ref": f"{provider.url}/schema.json"})
    assert provider.hits == 0


def test_a_trace_without_content_calls_no_tool_and_answers_nothing() -> None:
    trace = at.Trace(())
    assert (tool_calls(trace), final_answer(trace)) == ((), None)


# --- what tells a run -------------------------------------------------------------------------------------------------


def test_a_trace_a_session_and_a_path_are_checked_alike(recording: at.Session) -> None:
    for run in (recording, recording.trace, at.load(PATH), PATH, str(PATH)):
        check(run, llm_calls=2, max_cost_usd=0.01, has_span="weather", called=["weather", "book"])
        with pytest.raises(CheckFailed) as raised:
            check(run, llm_calls=3, max_cost_usd=0.01, has_span="search")
        assert [getattr(finding, "rule", "") for finding in raised.value.findings] == ["llm_calls", "has_span"]
        assert str(raised.value).startswith("llm_calls: 2 calls to models, wanted 3\n  at       chat gpt-4o-mini (#2)")


@pytest.mark.parametrize("word", ["max_llm_calls", "max_usd", "max_cost_usd", "max_tokens", "max_duration_s"])
def test_the_cure_is_the_keyword_that_was_used(provider: Provider, word: str) -> None:
    with at.record(PATH, quiet=True) as session:
        advise(provider)
    with pytest.raises(BudgetExceeded) as raised:
        check(session, **{word: 1e-9 if word in ("max_usd", "max_cost_usd", "max_duration_s") else 0})
    assert f" {word}=" in str(raised.value).rpartition("to fix")[2]


def test_what_is_no_run_is_told() -> None:
    with pytest.raises(ConfigError, match="42 is no trace"):
        check(42, no_errors=True)  # pyright: ignore[reportArgumentType] - that is the test
    with pytest.raises(CassetteNotFound):
        check("nowhere.otlp.jsonl", no_errors=True)
    with pytest.raises(ConfigError, match="Did you mean 'max_cost_usd'"):
        check(at.Trace(()), max_costs_usd=1)


def test_a_session_is_checked_as_its_cassette_would_be_and_no_finding_tells_a_secret() -> None:
    secret = "sk-" + "a1B2c3D4" * 5
    with at.record(PATH, quiet=True) as recording:
        weather(secret)
    with at.replay(PATH, quiet=True, freeze=("llm", "tools")) as replayed:
        weather(secret)
    testing.assert_trace_unchanged(PATH, replayed)
    for run in (PATH, recording, replayed):
        with pytest.raises(CheckFailed) as raised:
            testing.assert_called_with(run, "weather", {"city": "Bern"})
        assert "[REDACTED:token:" in str(raised.value)
        assert secret not in str(raised.value)


# --- each assertion ---------------------------------------------------------------------------------------------------

_Assertion = Callable[[Any], None]
_KEPT_AND_BROKEN: Final[dict[str, tuple[_Assertion, _Assertion, type[CheckFailed]]]] = {
    "assert_cost_under": (
        lambda run: testing.assert_cost_under(run, 0.01),
        lambda run: testing.assert_cost_under(run, max_usd=0.0),
        BudgetExceeded,
    ),
    "assert_tokens_under": (
        lambda run: testing.assert_tokens_under(run, 10_000),
        lambda run: testing.assert_tokens_under(run, max_tokens=1),
        BudgetExceeded,
    ),
    "assert_llm_calls": (
        lambda run: testing.assert_llm_calls(run, 2),
        lambda run: testing.assert_llm_calls(run, 1),
        CheckFailed,
    ),
    "assert_max_llm_calls": (
        lambda run: testing.assert_max_llm_calls(run, 2),
        lambda run: testing.assert_max_llm_calls(run, max_calls=1),
        BudgetExceeded,
    ),
    "assert_tool_calls": (
        lambda run: testing.assert_tool_calls(run, 2),
        lambda run: testing.assert_tool_calls(run, 1),
        CheckFailed,
    ),
    "assert_max_tool_calls": (
        lambda run: testing.assert_max_tool_calls(run, 2),
        lambda run: testing.assert_max_tool_calls(run, 1),
        BudgetExceeded,
    ),
    "assert_duration_under": (
        lambda run: testing.assert_duration_under(run, 60),
        lambda run: testing.assert_duration_under(run, 0),
        BudgetExceeded,
    ),
    "assert_called": (
        lambda run: testing.assert_called(run, "weather", "b*"),
        lambda run: testing.assert_called(run, "search"),
        CheckFailed,
    ),
    "assert_not_called": (
        lambda run: testing.assert_not_called(run, "search"),
        lambda run: testing.assert_not_called(run, "b*"),
        CheckFailed,
    ),
    "assert_called_with": (
        lambda run: testing.assert_called_with(run, "weather", {"city": "Bern"}, max_times=1, every=True),
        lambda run: testing.assert_called_with(run, "weather", schema={"properties": {"city": {"const": "Rome"}}}),
        CheckFailed,
    ),
    "assert_tool_order": (
        lambda run: testing.assert_tool_order(run, ["weather", "book"], mode="unordered"),
        lambda run: testing.assert_tool_order(run, ["weather"], mode="strict"),
        CheckFailed,
    ),
    "assert_before": (
        lambda run: testing.assert_before(run, "book", "weather"),
        lambda run: testing.assert_before(run, "weather", "book"),
        CheckFailed,
    ),
    "assert_after": (
        lambda run: testing.assert_after(run, "book", {"tool": "weather", "args": {"city": "Bern"}}),
        lambda run: testing.assert_after(run, "weather", "book"),
        CheckFailed,
    ),
    "assert_never": (
        lambda run: testing.assert_never(run, "weather", "book"),
        lambda run: testing.assert_never(run, "book", "weather"),
        CheckFailed,
    ),
    "assert_min_spans": (
        lambda run: testing.assert_min_spans(run, 5),
        lambda run: testing.assert_min_spans(run, 6),
        CheckFailed,
    ),
    "assert_has_span": (
        lambda run: testing.assert_has_span(run, "weather", "retrieval guide", "model=gpt-4o-mini tokens>1"),
        lambda run: testing.assert_has_span(run, "search"),
        CheckFailed,
    ),
    "assert_has_span_kind": (
        lambda run: testing.assert_has_span_kind(run, "CLIENT", "execute_tool", "retrieval"),
        lambda run: testing.assert_has_span_kind(run, "embeddings"),
        CheckFailed,
    ),
    "assert_models": (
        lambda run: testing.assert_models(run, "gpt-4o-mini"),
        lambda run: testing.assert_models(run, "gpt-4o"),
        CheckFailed,
    ),
    "assert_output_contains": (
        lambda run: testing.assert_output_contains(run, "Bern", "hat"),
        lambda run: testing.assert_output_contains(run, "Rome"),
        CheckFailed,
    ),
    "assert_output_not_contains": (
        lambda run: testing.assert_output_not_contains(run, "Rome"),
        lambda run: testing.assert_output_not_contains(run, "Bern"),
        CheckFailed,
    ),
    "assert_output_matches": (
        lambda run: testing.assert_output_matches(run, r"^echo \d+"),
        lambda run: testing.assert_output_matches(run, r"^\{"),
        CheckFailed,
    ),
    "assert_similar": (
        lambda run: testing.assert_similar(PATH, run),
        lambda run: testing.assert_similar(at.load(_foreign(said("assistant", "No."))), run),
        RegressionFound,
    ),
    "assert_trace_unchanged": (
        lambda run: testing.assert_trace_unchanged(PATH, run),
        lambda run: testing.assert_trace_unchanged(_foreign(said("assistant", "No.")), run),
        RegressionFound,
    ),
    "assert_chunk_count": (
        lambda run: testing.assert_chunk_count(run, min_chunks=1, max_chunks=1),
        lambda run: testing.assert_chunk_count(run, min_chunks=2),
        CheckFailed,
    ),
    "assert_min_relevance_score": (
        lambda run: testing.assert_min_relevance_score(run, 0.8),
        lambda run: testing.assert_min_relevance_score(run, min_score=0.81),
        CheckFailed,
    ),
    "assert_max_retrieval_latency": (
        lambda run: testing.assert_max_retrieval_latency(run, 30),
        lambda run: testing.assert_max_retrieval_latency(run, 0),
        CheckFailed,
    ),
    "assert_max_context_share": (
        lambda run: testing.assert_max_context_share(run, 0.6),
        lambda run: testing.assert_max_context_share(run, 0.4),
        CheckFailed,
    ),
    "assert_no_retrieval_drift": (
        lambda run: testing.assert_no_retrieval_drift(PATH, run),
        lambda run: testing.assert_no_retrieval_drift(_foreign(said("assistant", "No.")), run, tolerance=0.1),
        RegressionFound,
    ),
}


@pytest.mark.parametrize("name", _KEPT_AND_BROKEN)
def test_an_assertion_holds_on_a_recording_and_its_replay_and_fails_where_it_should(
    name: str, provider: Provider, recording: at.Session
) -> None:
    keep, fail, kind = _KEPT_AND_BROKEN[name]
    replayed = _replayed(provider)
    assert [outcome.kind for outcome in replayed.outcomes] == ["hit", "hit"]
    for run in (recording, replayed, PATH):
        keep(run)
        with pytest.raises(CheckFailed) as raised:
            fail(run)
        assert type(raised.value) is kind
        assert raised.value.findings


def test_each_assertion_is_tried() -> None:
    named = {name for name in testing.__all__ if name.startswith("assert_")}
    assert named == {
        *_KEPT_AND_BROKEN,
        "assert_no_errors",
        "assert_no_loops",
        "assert_output_json",
        "assert_semantic_similarity",
    }


def test_a_tool_that_failed_is_an_error_of_the_run() -> None:
    @at.tool
    def fails() -> None:
        raise TimeoutError("too slow")

    with at.record(PATH, quiet=True) as session:
        weather("Bern")
    testing.assert_no_errors(session)
    with at.record(PATH, quiet=True) as session, pytest.raises(TimeoutError):
        fails()
    with pytest.raises(CheckFailed, match=r"execute_tool fails \(#1\) TimeoutError: too slow"):
        testing.assert_no_errors(session)


def test_a_run_that_goes_in_circles_is_found_by_row_by_arguments_and_by_cycle() -> None:
    with at.record(PATH, quiet=True) as session:
        for city in ("Bern", "Rome", "Oslo"):
            weather(city)
    testing.assert_no_loops(session, max_identical_calls=1)
    with pytest.raises(BudgetExceeded, match="weather was called 3 times in a row"):
        testing.assert_no_loops(session, max_consecutive_same_tool=2)
    with at.record(PATH, quiet=True) as session:
        for _ in range(3):
            weather("Bern")
            at.tool(advise_nothing)()
    with pytest.raises(CheckFailed, match=r"weather → advise_nothing came 3 times in a row"):
        testing.assert_no_loops(session)
    testing.assert_no_loops(session, cycle_rounds=None)
    with pytest.raises(CheckFailed, match=r'weather\(\{"city":"Bern"\}\) was called 3 times'):
        testing.assert_no_loops(session, max_identical_calls=2, cycle_rounds=None)


def advise_nothing() -> str:
    return ""


def test_an_answer_in_JSON_is_held_to_a_schema(provider: Provider) -> None:
    schema = {"type": "object", "properties": {"sky": {"type": "string"}}, "required": ["sky"]}
    with at.record(PATH, quiet=True) as session, openai_client(provider, is_async=False) as client:
        form: Any = {"type": "json_schema", "json_schema": {"name": "sky", "schema": schema}}
        asked: Any = [{"role": "user", "content": "hi"}]
        client.chat.completions.create(model="gpt-4o", messages=asked, response_format=form)
    testing.assert_output_json(session, schema)
    with pytest.raises(CheckFailed, match="'rain' is a required property"):
        testing.assert_output_json(session, {"required": ["rain"]})


def test_a_call_more_is_a_regression_that_is_told_by_its_step(provider: Provider, recording: at.Session) -> None:
    with at.record("again.otlp.jsonl", quiet=True) as again:
        advise(provider, asks_twice=True)
    with pytest.raises(RegressionFound, match="wanted 1 at least\n  at       step") as raised:
        testing.assert_trace_unchanged(PATH, again, content=False)
    assert "to fix" in str(raised.value)
    testing.assert_similar(PATH, again, 0.5)


def test_a_model_without_a_price_fails_a_budget_until_its_price_is_given(provider: Provider, home: Path) -> None:
    with at.record(PATH, quiet=True):
        advise(provider, model="our-own")
    with pytest.raises(BudgetExceeded, match=r'tool.otel-agenttrace.prices."our-own') as raised:
        testing.assert_cost_under(PATH, 10)
    assert "the cost is not known: 2 of 2 calls to models tell none" in str(raised.value)
    (home / "pyproject.toml").write_text(
        '[tool.otel-agenttrace.prices."our-own"]\ninput_per_mtok = 1\noutput_per_mtok = 2\n', encoding="utf-8"
    )
    testing.assert_cost_under(PATH, 10)


def test_names_that_are_public_are_sorted_and_there() -> None:
    assert testing.__all__ == sorted(testing.__all__)
    assert all(hasattr(testing, name) for name in testing.__all__)
    assert semconv.OPERATION_RETRIEVAL == "retrieval"
