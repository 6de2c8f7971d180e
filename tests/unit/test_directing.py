"""A replay that goes live from a point on, lets misses live, or is changed and goes on as a fork."""

from __future__ import annotations

import os
import subprocess
import sys
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anthropic
import openai
import pytest

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.errors import ConfigError, ReplayMiss
from tests.support.processes import instrumented_environment
from tests.support.provider import Provider

_PARENT_AND_CHILD = """
import os, openai, subprocess, sys
client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"], max_retries=0)
text = sys.argv[1] if len(sys.argv) > 1 else os.environ.get("FIRST", "a")
client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}])
if len(sys.argv) == 1:
    subprocess.run([sys.executable, "agent.py", "b"], check=True)
"""
PATH = Path("run.otlp.jsonl")
FORK = Path("fork.otlp.jsonl")


@pytest.fixture(autouse=True)
def _folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def _client(provider: Provider) -> openai.OpenAI:
    return openai.OpenAI(base_url=provider.openai_url, api_key="k" * 20, max_retries=0)


def _turns(provider: Provider, turns: int = 4, question: str = "question") -> list[str]:
    """Return the answers of a conversation; each request holds what was answered before."""
    messages: list[dict[str, str]] = []
    with _client(provider) as client:
        for turn in range(turns):
            messages.append({"role": "user", "content": f"{question} {turn}"})
            answer = client.chat.completions.create(model="gpt-4o", messages=messages)  # pyright: ignore[reportArgumentType]
            messages.append({"role": "assistant", "content": str(answer.choices[0].message.content)})
    return [message["content"] for message in messages[1::2]]


def _recorded(provider: Provider) -> list[str]:
    with at.record(PATH, quiet=True):
        answers = _turns(provider)
    assert len(set(answers)) == provider.hits == 4
    return answers


def _kinds(session: at.Session) -> list[str]:
    return [outcome.kind for outcome in session.outcomes]


def test_from_the_selected_call_on_all_is_live(provider: Provider) -> None:
    recorded = _recorded(provider)
    with at.replay(PATH, until="inference[3]", quiet=True) as session:
        answers = _turns(provider)
    assert _kinds(session) == ["hit", "hit", "live", "live"]
    assert answers[:2] == recorded[:2]
    assert not set(answers[2:]) & set(recorded)
    assert session.unplayed == 2
    assert provider.hits == 4 + 2


def test_from_the_first_miss_on_all_is_live_even_what_is_recorded(provider: Provider) -> None:
    _recorded(provider)
    with at.replay(PATH, until="miss", quiet=True) as session:
        _turns(provider, 1)
        _turns(provider, 1, "another")
        _turns(provider, 2)
    assert _kinds(session) == ["hit", "live", "live", "live"]


def test_from_the_first_drift_on_all_is_live(provider: Provider) -> None:
    with at.record(PATH, quiet=True):
        _turns(provider, 1, "at 2026-01-01T00:00:00Z")
        _turns(provider, 1)
    with at.replay(PATH, until="drift", quiet=True) as session:
        _turns(provider, 1, "at 2026-02-02T00:00:00Z")
        _turns(provider, 1)
    assert _kinds(session) == ["live", "live"]
    assert "2026-01-01" in session.outcomes[0].detail


def test_a_lenient_replay_lets_only_the_unknown_call_live_and_leaves_the_cassette(provider: Provider) -> None:
    with at.record(PATH, quiet=True):
        _turns(provider, 1, "a")
        _turns(provider, 1, "b")
    before = PATH.read_bytes()
    with at.replay(PATH, on_miss="live", quiet=True) as session:
        for question in ("a", "unknown", "b"):
            _turns(provider, 1, question)
    assert _kinds(session) == ["hit", "live", "hit"]
    assert session.outcomes[1].detail == 'not recorded: /messages/0/content: "b 0" → "unknown 0"'
    assert PATH.read_bytes() == before
    spans = session.trace.inferences
    assert [span.attributes[semconv.AGENTTRACE_REPLAY_OUTCOME] for span in spans] == _kinds(session)


def test_calls_to_models_are_live_where_only_tools_are_frozen(provider: Provider) -> None:
    _recorded(provider)
    with at.replay(PATH, freeze=("tools",), quiet=True) as session:
        _turns(provider, 1)
    assert _kinds(session) == ["live"]
    assert provider.hits == 5


def test_a_fork_is_a_new_trace_that_links_back_and_replays_by_itself(provider: Provider) -> None:
    recorded = _recorded(provider)
    with at.replay(PATH, patches=['inference[2] answer = "changed"'], fork=FORK, quiet=True) as session:
        answers = _turns(provider)
    assert answers[:2] == [recorded[0], "changed"]
    assert _kinds(session) == ["hit", "hit", "live", "live"]
    source, fork = at.load(PATH), at.load(FORK)
    assert not {span.trace_id for span in fork.spans} & {span.trace_id for span in source.spans}
    links = [
        (link.attributes[semconv.AGENTTRACE_LINK_TYPE], link.span_id) for span in fork.spans for link in span.links
    ]
    ids = [span.span_id for span in source.spans]
    assert links == [("replayed_from", ids[0]), ("replayed_from", ids[1]), ("forked_from", ids[2])]
    provider_hits = provider.hits
    with at.replay(FORK, quiet=True) as again:
        assert _turns(provider) == answers
    assert _kinds(again) == ["hit"] * 4
    assert provider.hits == provider_hits


def test_a_fork_leaves_its_source_byte_for_byte(provider: Provider) -> None:
    _recorded(provider)
    before = PATH.read_bytes()
    with at.replay(PATH, until="inference[2]", fork=FORK, quiet=True):
        _turns(provider)
    assert PATH.read_bytes() == before
    assert not list(Path().glob("*.partial"))


def test_a_changed_prompt_is_what_the_provider_gets(provider: Provider) -> None:
    _recorded(provider)
    patch = 'inference[1] request/messages/0/content = "asked by the patch"'
    with at.replay(PATH, patches=[patch], fork=FORK, quiet=True) as session:
        answers = _turns(provider, 1)
    assert "asked by the patch" in answers[0]
    assert _kinds(session) == ["live"]
    call = at.load(FORK).inferences[0].call
    assert call is not None
    assert "asked by the patch" in call.attempts[0].request.body


@pytest.mark.parametrize(
    ("patch", "expected"),
    [
        ('inference[1] answer = "no"', "no"),
        ("inference[1] answer = no quotes needed", "no quotes needed"),
        ('inference[1] answer += " More."', "echo 1: question 0 — ça va 🦊 More."),
        ("inference[1] answer ~= /question/request/", "echo 1: request 0 — ça va 🦊"),
        ("model=gpt-4o* response/choices/0/message/content = x", "x"),
        ("#1 answer = first", "first"),
    ],
)
def test_a_patch_changes_the_answer(provider: Provider, patch: str, expected: str) -> None:
    _recorded(provider)
    with at.replay(PATH, patches=[patch], quiet=True) as session:
        assert _turns(provider, 1) == [expected]
    assert session.outcomes[0].detail == f"patched: {patch}"


def test_a_patched_stream_streams_what_it_says_now(provider: Provider) -> None:
    def streamed() -> str:
        with _client(provider) as client:
            chunks = client.chat.completions.create(
                model="gpt-4o", messages=[{"role": "user", "content": "stream"}], stream=True
            )
            return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)

    with at.record(PATH, quiet=True):
        live = streamed()
    assert live
    with at.replay(PATH, patches=["inference[1] answer = another text"], quiet=True):
        assert streamed() == "another text"


def test_a_patched_answer_of_anthropic_is_read_by_its_sdk(provider: Provider) -> None:
    def said() -> str:
        with anthropic.Anthropic(base_url=provider.anthropic_url, api_key="k" * 20, max_retries=0) as client:
            message = client.messages.create(
                model="claude-test", max_tokens=10, messages=[{"role": "user", "content": "hello"}]
            )
        return "".join(block.text for block in message.content if block.type == "text")

    with at.record(PATH, quiet=True):
        assert said()
    with at.replay(PATH, patches=["inference[1] answer = changed"], quiet=True):
        assert said() == "changed"


@pytest.mark.parametrize(
    ("patch", "told"),
    [
        ("inference[1]", "SELECTOR PART"),
        ("inference[1] answer ~= question", "/PATTERN/REPLACEMENT/"),
        ("inference[1] answer ~= /(/x/", "a pattern that is none"),
        ("inference[ answer = x", "inference["),
    ],
)
def test_a_patch_that_means_nothing_is_refused_before_the_start(provider: Provider, patch: str, told: str) -> None:
    _recorded(provider)
    with pytest.raises(ConfigError) as raised, at.replay(PATH, patches=[patch], quiet=True):
        pytest.fail("it has no meaning")
    assert told in str(raised.value)


def test_a_patch_that_leads_nowhere_says_what_is_there(provider: Provider) -> None:
    _recorded(provider)
    with (
        at.replay(PATH, patches=["inference[1] response/choices/0/text/x = y"], quiet=True),
        pytest.raises(ConfigError, match="finds no 'text'") as raised,
    ):
        _turns(provider, 1)
    assert "message" in str(raised.value)


def test_children_of_a_fork_leave_their_recording_with_it(provider: Provider) -> None:
    Path("agent.py").write_text(_PARENT_AND_CHILD)
    environment = instrumented_environment(None, None, provider)
    command = [sys.executable, "-m", "otel_agenttrace"]
    for arguments, more in (
        (["record", str(PATH)], {}),
        (["replay", "--fork", str(FORK), str(PATH)], {"FIRST": "unknown"}),
    ):
        subprocess.run([*command, *arguments, "--", sys.executable, "agent.py"], env=environment | more, check=True)
    outcomes = [span.attributes.get(semconv.AGENTTRACE_REPLAY_OUTCOME) for span in at.load(FORK).inferences]
    assert outcomes == ["live", "live"]
    assert provider.hits == 4


def test_a_miss_still_fails_where_the_point_is_not_reached(provider: Provider) -> None:
    _recorded(provider)
    with at.replay(PATH, until="inference[4]", quiet=True), pytest.raises(ReplayMiss):
        _turns(provider, 1, "unknown")
    assert provider.hits == 4
    assert os.environ.get("_OTEL_AGENTTRACE_RUN") is None


# --- tools ----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Weather:
    city: str
    celsius: int


_RAN: list[str] = []


@at.tool
def weather(city: str) -> Weather:
    """Tell the weather."""
    _RAN.append(city)
    return Weather(city, 21)


@at.tool
def search(query: str) -> dict[str, list[str]]:
    """Find things."""
    _RAN.append(query)
    return {"hits": [query]}


def _with_tools(provider: Provider) -> list[str]:
    """Return the answers of an agent that asks, uses a tool, and asks with what the tool gave, three times."""
    answers: list[str] = []
    for turn, use in enumerate((lambda: weather("Bern"), lambda: search("hotel"), lambda: weather("Rome"))):
        answers += _turns(provider, 1, f"turn {turn} after {answers}: {use()}")
    return answers


def _recorded_with_tools(provider: Provider) -> list[str]:
    _RAN.clear()
    with at.record(PATH, quiet=True):
        answers = _with_tools(provider)
    assert _RAN == ["Bern", "hotel", "Rome"]
    _RAN.clear()
    return answers


def test_a_fork_at_the_third_turn_goes_on_live_with_the_patched_result_of_its_tool(provider: Provider) -> None:
    recorded = _recorded_with_tools(provider)
    hits = provider.hits
    patch = "tool[3] result/celsius = -5"
    with at.replay(PATH, freeze=("llm", "tools"), patches=[patch], fork=FORK, quiet=True) as session:
        answers = _with_tools(provider)
    assert _RAN == []
    assert answers[:2] == recorded[:2]
    assert "celsius=-5" in answers[2]
    assert provider.hits == hits + 1
    assert [(outcome.of, outcome.kind) for outcome in session.outcomes] == [
        *[("tool", "hit"), ("call", "hit")] * 2,
        ("tool", "hit"),
        ("call", "live"),
    ]
    chats = at.load(FORK).inferences
    (link,) = chats[2].links
    assert link.attributes == {semconv.AGENTTRACE_LINK_TYPE: "forked_from"}
    assert link.span_id == at.load(PATH).inferences[2].span_id
    with at.replay(FORK, freeze=("llm", "tools"), quiet=True) as again:
        assert _with_tools(provider) == answers
    assert (_kinds(again), _RAN) == (["hit"] * 6, [])


@pytest.mark.parametrize(
    ("patch", "said"),
    [
        ("tool=weather result/city = Oslo", "Weather(city='Oslo', celsius=21)"),
        ('tool=search result = {"hits":[]}', "{'hits': []}"),
        ('tool=search result/hits += "hostel"', "{'hits': ['hotel', 'hostel']}"),
        ("tool=search result/hits/0 ~= /ot/o/", "{'hits': ['hoel']}"),
    ],
)
def test_only_the_patched_tool_does_not_run_where_tools_are_live(provider: Provider, patch: str, said: str) -> None:
    _recorded_with_tools(provider)
    with at.replay(PATH, patches=[patch], on_miss="live", quiet=True):
        answers = _with_tools(provider)
    assert any(said in answer for answer in answers)
    assert (["hotel"] if "weather" in patch else ["Bern", "Rome"]) == _RAN


def test_tools_run_behind_the_fork(provider: Provider) -> None:
    _recorded_with_tools(provider)
    with at.replay(PATH, freeze=("llm", "tools"), until="inference[2]", quiet=True) as session:
        _with_tools(provider)
    assert _RAN == ["Rome"]
    assert session.misses == ()


def test_a_selected_tool_is_where_a_run_leaves_its_recording(provider: Provider) -> None:
    _recorded_with_tools(provider)
    with at.replay(PATH, freeze=("llm", "tools"), until="tool=search", quiet=True) as session:
        _with_tools(provider)
    assert _RAN == ["hotel", "Rome"]
    assert _kinds(session) == ["hit", "hit", "live", "live", "live", "live"]


# --- what only code can say -------------------------------------------------------------------------------------------------


def test_a_function_patches_an_answer(provider: Provider) -> None:
    _recorded(provider)
    shout = at.patch("inference[1]", "answer", lambda text: text.upper())
    with at.replay(PATH, patches=[shout], quiet=True) as session:
        (answer,) = _turns(provider, 1)
    assert answer == "ECHO 1: QUESTION 0 — ÇA VA 🦊"
    assert "inference[1] answer by <lambda>" in session.outcomes[0].detail


def test_a_patch_of_an_unknown_part_is_refused() -> None:
    with pytest.raises(ConfigError, match="answer, response, request, result"):
        at.patch("inference[1]", "reply", str)


def test_a_rule_of_the_argument_lets_a_call_drift(provider: Provider) -> None:
    with at.record(PATH, quiet=True):
        _turns(provider, 1, "draft one")
    rule = at.MatchRule("/messages/0/content", "pattern", r"draft \w+")
    with at.replay(PATH, match=[rule], quiet=True) as session:
        _turns(provider, 1, "draft two")
    assert _kinds(session) == ["drift"]


@pytest.mark.parametrize("fail_on", [("drift",), ("unplayed", "miss")])
def test_a_replay_that_went_otherwise_than_asked_fails_at_its_end(provider: Provider, fail_on: tuple[Any, ...]) -> None:
    with at.record(PATH, quiet=True):
        _turns(provider, 1, "at 2026-01-01T00:00:00Z")
        _turns(provider, 1)
    with pytest.raises(at.ReplayFailed) as raised, at.replay(PATH, fail_on=fail_on, quiet=True):
        _turns(provider, 1, "at 2026-02-02T00:00:00Z")
    assert raised.value.counts == {fail_on[0]: 1}


def test_a_miss_that_the_program_swallows_fails_the_replay(provider: Provider) -> None:
    _recorded(provider)
    with pytest.raises(at.ReplayFailed), at.replay(PATH, fail_on=["miss"], quiet=True), suppress(ReplayMiss):
        _turns(provider, 1, "unknown")


def test_the_error_of_the_program_comes_before_the_judgement(provider: Provider) -> None:
    _recorded(provider)
    with pytest.raises(KeyError), at.replay(PATH, fail_on=["unplayed"], quiet=True):
        raise KeyError


def test_what_is_asked_for_by_name_and_meets_nothing_is_told(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    _recorded(provider)
    patch = "inference[9] answer = x"
    with at.replay(PATH, patches=[patch], until="inference[8]", run_tools=["nosuch"]):
        _turns(provider, 1)
    told = capsys.readouterr().err
    assert all(f"{text!r} met nothing" in told for text in (patch, "inference[8]", "nosuch"))


def test_what_a_child_has_met_is_not_told_as_if_nothing_had(provider: Provider) -> None:
    Path("agent.py").write_text(_PARENT_AND_CHILD)
    environment = instrumented_environment(None, None, provider)
    command, agent = [sys.executable, "-m", "otel_agenttrace"], ["--", sys.executable, "agent.py"]
    subprocess.run([*command, "record", str(PATH), *agent], env=environment, check=True)
    patches = ["--patch", "inference[2] answer = x", "--patch", "inference[9] answer = y"]
    replay = [*command, "replay", *patches, str(PATH), *agent]
    result = subprocess.run(replay, env=environment, capture_output=True, text=True, check=True)
    assert "'inference[9] answer = y' met nothing" in result.stderr
    assert result.stderr.count("met nothing") == 1


def test_a_fork_onto_its_own_source_is_refused(provider: Provider) -> None:
    _recorded(provider)
    before = PATH.read_bytes()
    Path("folder").mkdir()
    for spelling in (PATH, Path("folder", "..", PATH)):
        with pytest.raises(ConfigError, match="would replace it"), at.replay(PATH, fork=spelling, quiet=True):
            pytest.fail("it is refused")
    assert PATH.read_bytes() == before


def test_a_tool_without_a_recording_does_not_run_before_the_fork(provider: Provider) -> None:
    _recorded_with_tools(provider)
    with (
        at.replay(PATH, freeze=("llm", "tools"), until="inference[2]", fork=FORK, quiet=True),
        pytest.raises(ReplayMiss),
    ):
        search("something else")
    assert _RAN == []


def test_an_answer_is_text_even_if_it_looks_like_a_number(provider: Provider) -> None:
    _recorded(provider)
    with at.replay(PATH, patches=["inference[1] answer = 42"], quiet=True):
        assert _turns(provider, 1) == ["42"]


@pytest.mark.parametrize("more", [{"until": "miss"}, {"patches": ["inference[1] answer = x"]}, {"fork": FORK}])
def test_what_does_not_go_with_verifying_is_refused(provider: Provider, more: dict[str, Any]) -> None:
    _recorded(provider)
    with pytest.raises(ConfigError, match="one after the other"), at.replay(PATH, verify=True, quiet=True, **more):
        pytest.fail("it is refused")


def test_freezing_nothing_is_refused() -> None:
    with pytest.raises(ConfigError, match="freeze names nothing"):
        at.replay(PATH, freeze=())
