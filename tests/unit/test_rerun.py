"""`at.rerun`: an agent against the trace of an earlier run, what is the same, and where both part first."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from hypothesis import given
from hypothesis import strategies as st

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.analyze.trajectories import Step, compare, steps
from otel_agenttrace.environment import RUN
from otel_agenttrace.errors import CassetteNotFound, ConfigError, ReplayMiss
from otel_agenttrace.model import AttributeValue, Span, Trace
from tests.support.clients import openai_client
from tests.support.provider import Provider

PATH: Final = Path("c.otlp.jsonl")
ran: list[str] = []


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Stand in a folder without settings."""
    for name in ("CI", "OTEL_AGENTTRACE_CASSETTE", "OTEL_AGENTTRACE_MODE", RUN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    ran.clear()
    return tmp_path


@at.tool
def weather(city: str) -> dict[str, str]:
    ran.append(city)
    return {"city": city, "sky": "blue"}


@at.tool
async def look(city: str) -> str:
    await asyncio.sleep(0.001 if city == "Bern" else 0)
    ran.append(city)
    return city


def _ask(client: openai.OpenAI, text: str) -> str | None:
    asked: Any = [{"role": "user", "content": text}]
    return client.chat.completions.create(model="gpt-4o", messages=asked).choices[0].message.content


def _agent(provider: Provider) -> Callable[..., str]:
    @at.agent("advisor")
    def advise(city: str, question: str = "what do I pack?", *, then: str = "") -> str:
        with openai_client(provider, is_async=False) as client:
            sky = weather(city)["sky"]
            answer = _ask(client, f"{question} {sky}")
            if then:
                weather(then)
            return f"{answer}"

    return advise


def test_an_agent_that_does_the_same_is_aligned_and_nothing_runs(provider: Provider) -> None:
    advise = _agent(provider)
    with at.record(PATH, quiet=True) as recording:
        live = advise("Bern")
    hits = provider.hits
    for trace in (PATH, str(PATH), at.load(PATH), recording.trace):
        rerun = at.rerun(trace, advise, "Bern")
        assert (rerun.verdict, rerun.similarity, rerun.first_divergence) == ("ALIGNED", 1.0, None)
        assert (rerun.result, rerun.error) == (live, None)
    assert (provider.hits, ran) == (hits, ["Bern"])
    assert [span.operation for span in rerun.trace.spans] == ["invoke_agent", "execute_tool", "chat"]


def test_a_changed_prompt_is_the_divergence_and_no_exception(provider: Provider) -> None:
    advise = _agent(provider)
    with at.record(PATH, quiet=True):
        advise("Bern")
    rerun = at.rerun(PATH, advise, "Bern", "what do I wear?")
    assert (rerun.verdict, type(rerun.error), rerun.result) == ("DIVERGED", ReplayMiss, None)
    divergence = rerun.first_divergence
    assert divergence is not None
    assert (divergence.step, divergence.difference) == (3, "/messages/0/content")
    assert str(divergence.baseline).startswith("inference gpt-4o → echo ")
    assert str(divergence.candidate).startswith("inference gpt-4o → otel_agenttrace.ReplayMiss: No recording answers")
    assert 0.5 < rerun.similarity < 1


def test_another_tool_call_is_the_divergence_with_both_steps_in_words(provider: Provider) -> None:
    with at.record(PATH, quiet=True):
        weather("Bern")
        weather("Chur")

    def run() -> None:
        weather("Bern")
        with pytest.raises(ReplayMiss):
            weather("Genf")

    rerun = at.rerun(PATH, run)
    divergence = rerun.first_divergence
    assert divergence is not None
    assert (divergence.step, divergence.difference) == (2, '/city: "Chur" → "Genf"')
    assert divergence.baseline == 'tool weather({"city":"Chur"}) → {"city":"Chur","sky":"blue"}'
    assert str(divergence.candidate).startswith('tool weather({"city":"Genf"}) → otel_agenttrace.ReplayMiss')
    assert (rerun.verdict, rerun.similarity) == ("DIVERGED", 0.75)
    assert isinstance(rerun.error, ReplayMiss)  # though the agent swallowed it
    told = json.loads(json.dumps(rerun.to_json()))
    assert told["first_divergence"] == dataclasses.asdict(divergence)
    assert (told["verdict"], told["similarity"]) == ("DIVERGED", 0.75)
    assert told["error"]["type"] == "otel_agenttrace.ReplayMiss"


def test_an_agent_that_stops_early_and_one_that_goes_on_diverge(provider: Provider) -> None:
    advise = _agent(provider)
    with at.record(PATH, quiet=True):
        advise("Bern", then="Chur")
    stopped = at.rerun(PATH, advise, "Bern").first_divergence
    assert stopped is not None
    assert (stopped.step, stopped.candidate) == (4, None)
    assert str(stopped).splitlines()[-1] == "  candidate  (the run was over)"
    with at.record(PATH, quiet=True):
        weather("Bern")
    went_on = at.rerun(PATH, lambda: (weather("Bern"), weather("Bern"))).first_divergence
    assert went_on is not None
    assert (went_on.step, went_on.baseline) == (2, None)


def test_an_error_that_the_agent_raised_both_times_is_aligned() -> None:
    @at.agent
    def fails() -> None:
        weather("Bern")
        raise ValueError("no")

    with at.record(PATH, quiet=True), pytest.raises(ValueError, match="no"):
        fails()
    rerun = at.rerun(PATH, fails)
    assert (rerun.verdict, type(rerun.error), str(rerun.error)) == ("ALIGNED", ValueError, "no")


def test_a_coroutine_function_is_awaited_and_the_order_of_parallel_tools_does_not_count() -> None:
    async def run(*cities: str) -> list[str]:
        return await asyncio.gather(*(look(city) for city in cities))

    with at.record(PATH, quiet=True):
        assert asyncio.run(run("Bern", "Chur", "Genf")) == ["Bern", "Chur", "Genf"]
    ran.clear()

    async def main() -> Any:
        return await at.rerun(PATH, run, "Genf", "Bern", "Chur")

    rerun = asyncio.run(main())
    assert (rerun.verdict, rerun.result, ran) == ("ALIGNED", ["Genf", "Bern", "Chur"], [])


def test_a_generator_is_run_to_its_end_within_the_rerun() -> None:
    def steps_of() -> Iterator[str]:
        yield weather("Bern")["sky"]

    async def steps_of_async() -> AsyncIterator[str]:
        yield weather("Bern")["sky"]

    with at.record(PATH, quiet=True):
        assert list(steps_of()) == ["blue"]
    ran.clear()
    assert at.rerun(PATH, steps_of).result == ["blue"]

    async def main() -> Any:
        return await at.rerun(PATH, steps_of_async)

    assert (asyncio.run(main()).result, ran) == (["blue"], [])


def test_a_coroutine_that_would_run_later_is_refused() -> None:
    with at.record(PATH, quiet=True):
        asyncio.run(look("Bern"))
    later: list[Any] = []

    def run() -> Any:
        later.append(look("Bern"))
        return later[0]

    with pytest.raises(ConfigError, match="coroutine function itself"):
        at.rerun(PATH, run)
    later[0].close()


def test_tools_alone_are_frozen_where_the_model_may_answer_anew() -> None:
    with at.record(PATH, quiet=True):
        weather("Bern")
    assert at.rerun(PATH, weather, "Bern", freeze=("tools",)).verdict == "ALIGNED"
    assert ran == ["Bern"]


def test_tools_that_run_live_are_compared_by_what_they_give() -> None:
    sky = ["blue"]

    @at.tool
    def look_up() -> str:
        return sky[0]

    with at.record(PATH, quiet=True):
        look_up()
    assert at.rerun(PATH, look_up, freeze=("llm",)).verdict == "ALIGNED"
    sky[0] = "grey"
    divergence = at.rerun(PATH, look_up, freeze=("llm",)).first_divergence
    assert divergence is not None
    assert (divergence.baseline, divergence.candidate) == ("tool look_up({}) → blue", "tool look_up({}) → grey")
    assert divergence.difference == "the answer"


def test_what_a_frozen_tool_did_inside_does_not_count() -> None:
    @at.tool
    def outer(city: str) -> str:
        return weather(city)["sky"]

    with at.record(PATH, quiet=True):
        outer("Bern")
    assert at.rerun(PATH, outer, "Bern").verdict == "ALIGNED"
    assert at.rerun(PATH, outer, "Bern", freeze=("llm",)).verdict == "ALIGNED"


def test_a_trace_that_stands_in_no_file_and_a_file_that_is_not_there_are_named() -> None:
    with pytest.raises(ConfigError, match="read from no file"):
        at.rerun(Trace(), weather, "Bern")
    with pytest.raises(CassetteNotFound):
        at.rerun("nowhere.otlp.jsonl", weather, "Bern")


# --- comparing ----------------------------------------------------------------------------------------------------------


def _span(number: int, parent: int = 0, start: int = 0, end: int = 0, **attributes: AttributeValue) -> Span:
    told = {getattr(semconv, f"GEN_AI_{name.upper()}"): value for name, value in attributes.items()}
    return Span("1" * 32, f"{number:016x}", "s", start, end, f"{parent:016x}" if parent else None, attributes=told)


def test_steps_stand_in_order_of_start_each_before_what_it_did_inside() -> None:
    trace = Trace(
        (
            _span(1, 0, 0, 100, operation_name="invoke_agent", agent_name="a"),
            _span(2, 1, 10, 90),
            _span(4, 2, 50, 60, operation_name="execute_tool", tool_name="late"),
            _span(3, 2, 20, 45, operation_name="execute_tool", tool_name="early"),
            _span(5, 3, 30, 40, operation_name="chat", request_model="m"),
            _span(6, 0, 200, 300, operation_name="embeddings", request_model="e"),
        )
    )
    names = [(step.kind, step.name) for step in steps(trace)]
    assert names == [("agent", "a"), ("tool", "early"), ("inference", "m"), ("tool", "late"), ("inference", "e")]
    outside = [step.name for step in steps(trace, into_tools=False)]
    assert outside == ["a", "early", "late", "e"]


_STEPS: Final = st.lists(
    st.builds(
        Step,
        st.sampled_from(["agent", "inference", "tool"]),
        st.sampled_from(["a", "b"]),
        st.sampled_from(["", "{}", '{"n":1}']),
        st.sampled_from(["", "yes"]),
        st.integers(0, 3),
    ),
    max_size=8,
)


@given(_STEPS)
def test_a_run_is_wholly_similar_to_itself(run: list[Step]) -> None:
    assert compare(run, run).similarity == 1.0
    assert compare(run, run).first_divergence is None


@given(_STEPS, _STEPS)
def test_the_similarity_is_one_if_and_only_if_nothing_diverges(left: list[Step], right: list[Step]) -> None:
    comparison = compare(left, right)
    assert 0 <= comparison.similarity <= 1
    assert (comparison.similarity == 1.0) == (comparison.first_divergence is None)
    assert sorted(map(str, left)) == sorted(map(str, right)) or comparison.first_divergence is not None


def _names(words: str) -> Sequence[Step]:
    return [
        Step("tool", word.strip("()"), group=1 if word[0] == "(" else index + 2)
        for index, word in enumerate(words.split())
    ]


@pytest.mark.parametrize(
    ("baseline", "candidate", "similarity", "place"),
    [
        ("a b c", "a b c", 1.0, None),
        ("a b c d", "a b x d", 0.75, 3),
        ("a b", "", 0.0, 1),
        ("a b", "b a", 0.5, 1),
        ("a x b y c p q", "p q a b c", 0.5, 1),
        ("a (b) (c) d", "a c b d", 1.0, None),
        ("a (b) (c) d", "a c x d", 0.75, 2),
        ("a (b) (c)", "a c", 0.8, 2),
    ],
)
def test_similarity_and_first_divergence(baseline: str, candidate: str, similarity: float, place: int | None) -> None:
    comparison = compare(_names(baseline), _names(candidate))
    assert comparison.similarity == similarity
    assert (comparison.first_divergence.step if comparison.first_divergence else None) == place


def test_long_runs_of_few_tools_take_time_by_their_number() -> None:
    words = [f"{(number * number) % 7 % 3}" for number in range(3_000)]
    others = [f"{(number * number * number) % 11 % 3}" for number in range(3_000)]
    assert 0 < compare(_names(" ".join(words)), _names(" ".join(others))).similarity < 1


def test_what_changes_from_run_to_run_is_no_divergence() -> None:
    left, right = (
        Step("tool", "t", json.dumps({"at": at}), f"at {at}") for at in ("2026-01-01T00:00:00", "2026-02-02T00:00:00")
    )
    assert compare([left], [right]).similarity == 1.0
