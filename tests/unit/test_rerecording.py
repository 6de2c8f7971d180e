"""Calls of a cassette made again, the others answered from it; what mode `new` adds to one."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import openai
import pytest

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.cassette.recording import Recording
from otel_agenttrace.cassette.validation import validated
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.environment import RUN
from otel_agenttrace.errors import CassetteInaccessible, CassetteNotFound, ConfigError
from otel_agenttrace.in_force import open_sessions
from otel_agenttrace.sessions import Session
from tests.support.clients import openai_client
from tests.support.provider import Provider

PATH: Final = Path("c.otlp.jsonl")
_SYSTEM: Final = {"role": "system", "content": "You give advice. " * 30}


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Stand in a folder without settings, and leave no session open."""
    for name in ("CI", "OTEL_AGENTTRACE_CASSETTE", "OTEL_AGENTTRACE_MODE", RUN):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    assert open_sessions() == ()


@at.tool
def _weather(city: str) -> dict[str, str]:
    return {"city": city}


def _ask(provider: Provider, text: str) -> str:
    with openai_client(provider, is_async=False, max_retries=0) as client:
        answer = client.chat.completions.create(model="gpt-4o", messages=[_SYSTEM, {"role": "user", "content": text}])
    return answer.choices[0].message.content


@at.agent("advisor")
def _advise(provider: Provider, *texts: str) -> list[str]:
    """Ask for each text, and run a tool after each answer."""
    answers: list[str] = []
    for text in texts:
        answers.append(_ask(provider, text))
        _weather(text)
    return answers


def _record(provider: Provider, *texts: str) -> list[str]:
    with at.record(PATH, quiet=True):
        return _advise(provider, *texts)


def _again(provider: Provider, only: str, *texts: str, prune: bool = False) -> tuple[Session, list[str]]:
    with at.record(PATH, quiet=True, only=only, prune=prune) as session:
        answers = _advise(provider, *texts)
    assert validated(PATH, "c").problems == ()
    assert not partial_path(PATH).exists()
    return session, answers


def _lines() -> list[bytes]:
    return PATH.read_bytes().splitlines(keepends=True)


def _changed(before: list[bytes], after: list[bytes]) -> list[int]:
    return [index for index, pair in enumerate(zip(before, after, strict=True)) if pair[0] != pair[1]]


def _done(session: Session) -> tuple[int, int, int, int, int]:
    done = session.recorder.rewriting
    assert done is not None
    assert done.failure is None
    return done.recorded, done.replaced, done.added, done.unasked, done.removed


# --- only ---------------------------------------------------------------------------------------------------------------


def test_only_the_chosen_call_is_made_again_and_only_its_line_changes(provider: Provider) -> None:
    recorded = _record(provider, "a", "b", "c")
    before, hits = _lines(), provider.hits
    session, answers = _again(provider, "inference[2]", "a", "b", "c")
    assert provider.hits == hits + 1
    assert (answers[0], answers[2]) == (recorded[0], recorded[2])
    assert answers[1] != recorded[1]
    assert _changed(before, _lines()) == [2]
    assert _done(session) == (3, 1, 0, 0, 0)
    assert session.counts == {"hit": 2, "live": 1}
    provider.stop()
    with at.replay(PATH, quiet=True) as replaying:
        assert _advise(provider, "a", "b", "c") == answers
    assert replaying.counts == {"hit": 3}


def test_a_run_of_calls_made_again_is_the_trace_of_its_session(provider: Provider) -> None:
    _record(provider, "a", "b")
    session, _ = _again(provider, "inference[2]", "a", "b")
    names = [span.name for span in session.trace.spans]
    assert names == ["invoke_agent advisor", *["chat gpt-4o", "execute_tool _weather"] * 2]


def test_of_two_identical_calls_the_one_made_again_keeps_its_turn(provider: Provider) -> None:
    recorded = _record(provider, "a", "a")
    _, answers = _again(provider, "inference[1]", "a", "a")
    assert answers[1] == recorded[1] != recorded[0] != answers[0]
    with at.replay(PATH, quiet=True):
        assert _advise(provider, "a", "a") == answers


def test_a_call_made_again_is_chosen_by_the_same_selector_again(provider: Provider) -> None:
    _record(provider, "a", "b", "c")
    first = at.load(PATH).inferences
    _again(provider, "inference[2]", "a", "b", "c")
    second = at.load(PATH).inferences
    assert [span.span_id for span in first] == [span.span_id for span in second]
    made_ns = [span.attributes.get(semconv.AGENTTRACE_RECORDED_TIME_UNIX_NANO) for span in second]
    assert made_ns[0] is made_ns[2] is None
    assert isinstance(made_ns[1], int)
    assert made_ns[1] > (first[2].end_ns or 0)


def test_a_call_without_a_recording_is_made_live_and_added(provider: Provider) -> None:
    _record(provider, "a", "b")
    before = _lines()
    session, _ = _again(provider, "inference[1]", "a", "b", "new")
    assert _done(session) == (2, 1, 1, 0, 0)
    assert _changed(before, _lines()[: len(before)]) == [0]
    added = at.load(PATH).spans[-3:]
    assert [span.name for span in added] == ["invoke_agent advisor", "chat gpt-4o", "execute_tool _weather"]
    assert {span.parent_span_id for span in added[1:]} == {added[0].span_id}


def test_what_a_changed_answer_leads_to_is_added_with_its_tools(provider: Provider) -> None:
    @at.agent("loop")
    def loop() -> None:
        first = _ask(provider, "a")
        _weather(first)
        _ask(provider, f"because {first}")

    with at.record(PATH, quiet=True):
        loop()
    before = _lines()
    with at.record(PATH, quiet=True, only="inference[1]") as session:
        loop()
    assert _done(session) == (2, 1, 1, 1, 0)
    assert _changed(before, _lines()[: len(before)]) == [0]
    added = [span.name for span in at.load(PATH).spans[len(before) :]]
    assert added == ["invoke_agent loop", "execute_tool _weather", "chat gpt-4o"]
    assert len(session.trace.spans) == 4


def test_recorded_calls_that_are_not_asked_for_stay_unless_they_are_pruned(provider: Provider) -> None:
    recorded = _record(provider, "a", "b", "c")
    session, answers = _again(provider, "inference[2]", "a", "b")
    assert _done(session) == (3, 1, 0, 1, 0)
    session, answers = _again(provider, "inference[2]", "a", "b", prune=True)
    assert _done(session) == (3, 1, 0, 1, 1)
    with at.replay(PATH, quiet=True) as replaying:
        assert _advise(provider, "a", "b") == answers
    assert (replaying.unplayed, answers[0]) == (0, recorded[0])


def test_a_program_that_fails_prunes_nothing(provider: Provider) -> None:
    _record(provider, "a", "b")

    @at.record(PATH, quiet=True, only="inference[1]", prune=True)
    def fails() -> None:
        _ask(provider, "a")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert len(at.load(PATH).inferences) == 2


def test_a_run_that_asks_for_nothing_prunes_nothing(provider: Provider) -> None:
    _record(provider, "a", "b")
    before = _lines()
    with at.record(PATH, quiet=True, only="inference[1]", prune=True) as session:
        pass
    assert _done(session) == (2, 0, 0, 2, 0)
    assert _lines() == before


@pytest.mark.parametrize("only", ["inference[9]", "tool", "age>30d"])
def test_a_selector_that_chooses_no_call_fails_before_anything_is_done(provider: Provider, only: str) -> None:
    _record(provider, "a")
    before, hits = _lines(), provider.hits
    with (
        pytest.raises(ConfigError, match=r"chooses no recorded call of c\.otlp\.jsonl[^$]*inference\[1\] chat gpt-4o"),
        at.record(PATH, quiet=True, only=only),
    ):
        _ask(provider, "a")
    assert (_lines(), provider.hits, [file.name for file in Path().iterdir()]) == (before, hits, [PATH.name])


def test_there_must_be_a_cassette(provider: Provider, home: Path) -> None:
    with pytest.raises(CassetteNotFound), at.record(PATH, quiet=True, only="inference"):
        _ask(provider, "a")
    assert (provider.hits, list(home.iterdir())) == (0, [])


def test_while_another_run_records_to_the_cassette_no_call_is_made_again(provider: Provider) -> None:
    _record(provider, "a")
    other = Recording(PATH.absolute())
    with pytest.raises(CassetteInaccessible, match="another run"), at.record(PATH, quiet=True, only="inference"):
        _ask(provider, "a")
    other.leave()
    session, _ = _again(provider, "inference", "a")
    assert _done(session) == (1, 1, 0, 0, 0)


def test_an_interrupted_run_leaves_the_cassette_as_it_was_and_its_calls_in_the_partial(provider: Provider) -> None:
    _record(provider, "a")
    before = _lines()

    def interrupted() -> None:
        _ask(provider, "a")
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), at.record(PATH, quiet=True, only="inference"):
        interrupted()
    assert _lines() == before
    assert len(at.load(partial_path(PATH)).inferences) == 1


def test_a_cassette_that_was_replaced_meanwhile_is_not_written(provider: Provider) -> None:
    _record(provider, "a", "b")
    with at.record(PATH, quiet=True, only="inference[2]") as session:
        _ask(provider, "b")
        before = _lines()[1:]
        PATH.unlink()
        PATH.write_bytes(b"".join(before))
    assert session.recorder.rewriting is not None
    assert "was changed" in str(session.recorder.rewriting.failure)
    assert _lines() == before
    assert len(at.load(partial_path(PATH)).inferences) == 1


def test_calls_of_many_threads_are_made_again_each_in_its_place(provider: Provider) -> None:
    texts = [f"text {number}" for number in range(12)]

    def run() -> dict[str, str]:
        answers: dict[str, str] = {}

        def ask(text: str) -> None:
            answers[text] = _ask(provider, text)

        threads = [threading.Thread(target=ask, args=(text,)) for text in texts]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return answers

    with at.record(PATH, quiet=True):
        recorded = run()
    numbered = {span.span_id: index for index, span in enumerate(at.load(PATH).inferences, 1)}
    with at.record(PATH, quiet=True, only="inference[4:7]") as session:
        answers = run()
    assert _done(session) == (12, 4, 0, 0, 0)
    changed = [text for text in texts if answers[text] != recorded[text]]
    assert len(changed) == 4
    assert {span.span_id: index for index, span in enumerate(at.load(PATH).inferences, 1)} == numbered
    with at.replay(PATH, quiet=True):
        assert run() == answers


_CHILD: Final = """
import sys, httpx, otel_agenttrace as at
with at.session(sys.argv[1], quiet=True):
    body = {"model": "gpt-4o", "messages": [{"role": "user", "content": sys.argv[3]}]}
    print(httpx.post(sys.argv[2] + "/chat/completions", json=body).json()["choices"][0]["message"]["content"])
"""


def _in_child(provider: Provider, text: str) -> str:
    command = [sys.executable, "-c", _CHILD, str(PATH.absolute()), provider.openai_url, text]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=60).stdout.strip()


def test_what_other_processes_make_again_takes_its_place_too(provider: Provider, home: Path) -> None:
    with at.record(PATH, quiet=True):
        recorded = [_in_child(provider, text) for text in ("one", "two")]
    before = _lines()
    with at.record(PATH, quiet=True, only="inference[2]") as session:
        answers = [_in_child(provider, text) for text in ("one", "two")]
    assert (answers[0] == recorded[0], answers[1] == recorded[1]) == (True, False)
    assert _changed(before, _lines()) == [1]
    assert _done(session) == (2, 1, 0, 0, 0)
    assert sorted(file.name for file in home.iterdir()) == [PATH.name]


def test_a_child_that_begins_after_the_end_of_its_run_is_told(provider: Provider) -> None:
    _record(provider, "a")
    with at.record(PATH, quiet=True, only="inference") as session:
        _ask(provider, "a")
        told = session.run.to_environment()
    before = PATH.read_bytes()
    command = [sys.executable, "-c", _CHILD, str(PATH.absolute()), provider.openai_url, "b"]
    ended = subprocess.run(
        command, capture_output=True, text=True, check=False, timeout=60, env={**os.environ, RUN: told}
    )
    assert ended.returncode == 1
    assert "No cassette at" in ended.stderr
    assert PATH.read_bytes() == before


# --- new ----------------------------------------------------------------------------------------------------------------


def _new(provider: Provider, *texts: str) -> Session:
    with at.session(PATH, "new", quiet=True) as session:
        _advise(provider, *texts)
    return session


def test_a_run_of_recorded_calls_adds_nothing(provider: Provider) -> None:
    _record(provider, "a", "b")
    before, hits = PATH.read_bytes(), provider.hits
    session = _new(provider, "a", "b")
    assert (PATH.read_bytes(), provider.hits) == (before, hits)
    assert len(session.trace.spans) == 5


def test_a_run_with_a_new_call_adds_that_call_what_stands_above_it_and_what_comes_after(provider: Provider) -> None:
    _record(provider, "a")
    before = PATH.read_bytes()
    _new(provider, "a", "b")
    after = PATH.read_bytes()
    assert after.startswith(before)
    added = [json.loads(line) for line in after[len(before) :].splitlines()]
    names = [line["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["name"] for line in added]
    assert names == ["chat gpt-4o", "execute_tool _weather", "invoke_agent advisor"]
    assert validated(PATH, "c").problems == ()
    _new(provider, "a", "b")
    assert PATH.read_bytes() == after


def test_a_first_run_writes_all_of_its_spans(provider: Provider) -> None:
    _new(provider, "a")
    assert [span.name for span in at.load(PATH).spans] == [
        "invoke_agent advisor",
        "chat gpt-4o",
        "execute_tool _weather",
    ]


def test_the_agent_of_the_root_is_written_when_a_child_makes_a_new_call(provider: Provider) -> None:
    _record(provider, "a")

    @at.agent("starter")
    def start() -> str:
        return _in_child(provider, "child")

    with at.session(PATH, "new", quiet=True):
        start()
    assert sorted(span.name for span in at.load(PATH).spans)[-2:] == ["invoke_agent advisor", "invoke_agent starter"]


def test_what_a_run_records_does_not_answer_its_children(provider: Provider) -> None:
    with at.session(PATH, "new", quiet=True):
        for _ in range(2):
            _in_child(provider, "same")
    assert (provider.hits, len(at.load(PATH).inferences)) == (2, 2)


def test_a_call_made_again_without_an_answer_replaces_nothing(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    _record(provider, "one", "two")
    before = PATH.read_bytes()
    provider.stop()
    with at.record(PATH, only="inference[2]") as session:
        _ask(provider, "one")
        with pytest.raises(openai.APIConnectionError):
            _ask(provider, "two")
    assert PATH.read_bytes() == before
    assert session.recorder.rewriting is not None
    assert (session.recorder.rewriting.replaced, session.recorder.rewriting.failed) == (0, 1)
    assert "1 got no answer: kept as they were" in capsys.readouterr().err


def test_a_run_that_adds_goes_on_in_a_cassette_that_was_rewritten_meanwhile(provider: Provider) -> None:
    _record(provider, "one", "two")
    with at.session(PATH, "new", quiet=True) as adding:
        with adding.in_force():
            _ask(provider, "three")
        with at.record(PATH, only="inference[1]", quiet=True):
            _ask(provider, "one")
            _ask(provider, "two")
        with adding.in_force():
            _ask(provider, "four")
    assert len(at.load(PATH).inferences) == 4
    assert validated(PATH, "c").problems == ()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("train.jsonl", '{"messages": []}\n'),
        ("collector.jsonl", '{"resourceSpans":[{"resource":{"attributes":[]},"scopeSpans":[]}]}\n'),
        ("package.json", "{}"),
    ],
)
def test_what_is_no_cassette_is_not_replaced(provider: Provider, name: str, content: str) -> None:
    path = Path(name)
    path.write_text(content)
    with pytest.raises(CassetteInaccessible, match="would be replaced"), at.record(path, quiet=True):
        pytest.fail("it is refused")
    _record(provider, "one")
    with pytest.raises(CassetteInaccessible), at.replay(PATH, fork=path, quiet=True):
        pytest.fail("it is refused")
    assert path.read_text() == content


def test_a_fork_replaces_an_older_fork_and_no_recording(provider: Provider) -> None:
    _record(provider, "one")
    for _ in range(2):
        with at.replay(PATH, fork="fork.otlp.jsonl", quiet=True):
            _ask(provider, "one")
    PATH.rename("kept.otlp.jsonl")
    _record(provider, "one")
    with (
        pytest.raises(CassetteInaccessible, match="a fork would replace"),
        at.replay(PATH, fork="kept.otlp.jsonl", quiet=True),
    ):
        pytest.fail("it is refused")
