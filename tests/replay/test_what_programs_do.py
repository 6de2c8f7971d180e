"""What programs do beside their calls: hosts and files of their own, children, signals, daemons, keys that change."""

from __future__ import annotations

import asyncio
import hashlib
import os
import secrets
import subprocess
import sys
import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any, Final

import httpx
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_agenttrace as at
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.environment import RUN
from otel_agenttrace.errors import AgentTraceError, CassetteNotFound, ReplayExhausted, ReplayMiss
from otel_agenttrace.spans import telemetry
from tests.support.loopback import Answer, LoopbackServer, Received
from tests.support.processes import instrumented_environment, run_python
from tests.support.provider import Provider

CASSETTE: Final = Path("run.otlp.jsonl")


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", secrets.token_hex(16))
    return tmp_path


@contextmanager
def _serving(answer: Callable[[Received], Answer]) -> Iterator[str]:
    server = LoopbackServer(answer)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


def _text(request: Received, text: str) -> Answer:
    return _piece(f"{text} {request.target}")


def _piece(text: str) -> Answer:
    return Answer(headers=(("content-type", "text/plain"),), pieces=(text.encode(),))


def _ask(provider: Provider, text: str = "hi") -> Any:
    with openai.OpenAI(base_url=provider.openai_url, max_retries=0) as client:
        return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])


_PROGRAM: Final = """
import os, sys, openai
def ask(text):
    with openai.OpenAI(base_url=os.environ["PROVIDER_URL"], max_retries=0) as client:
        return client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
"""


# --- what is asked for --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("code=US0378331005", "code=US5949181045"),
        ("key=orders/2026-01", "key=orders/2026-02"),
        ("token=eyJwYWdlIjoxfQ", "token=eyJwYWdlIjoyfQ"),
    ],
)
def test_an_identifier_that_looks_like_a_credential_tells_requests_apart(one: str, other: str) -> None:
    with _serving(lambda request: _piece(hashlib.sha256(request.target.encode()).hexdigest()[:6])) as url:

        def fetched(query: str) -> str:
            return httpx.get(f"{url}/rates?{query}").text

        with at.record(CASSETTE, quiet=True):
            live = {query: fetched(query) for query in (one, other)}
        assert live[one] != live[other]
        with at.replay(CASSETTE, quiet=True) as session:
            assert {query: fetched(query) for query in (other, one)} == live
    assert session.counts == {"hit": 2}


def test_a_redirect_to_an_identifier_is_followed_in_a_replay() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/start":
            return httpx.Response(302, headers={"location": "https://api.example.com/rates?code=US0378331005"})
        return httpx.Response(200, text="the rate")

    def followed() -> str:
        with httpx.Client(transport=httpx.MockTransport(answer), follow_redirects=True) as client:
            return client.get("https://api.example.com/start").text

    with at.record(CASSETTE, quiet=True):
        assert followed() == "the rate"
    with at.replay(CASSETTE, quiet=True):
        assert followed() == "the rate"


def test_head_keeps_the_length_it_was_sent_for() -> None:
    def length() -> str:
        answer = httpx.MockTransport(lambda _: httpx.Response(200, headers={"content-length": "12345"}))
        with httpx.Client(transport=answer) as client:
            return client.head("https://api.example.com/file.zip").headers["content-length"]

    with at.record(CASSETTE, quiet=True):
        assert length() == "12345"
    with at.replay(CASSETTE, quiet=True):
        assert length() == "12345"


def test_a_changed_request_to_a_recorded_path_of_this_machine_is_a_miss() -> None:
    with _serving(lambda request: _text(request, "local model")) as url:
        with at.record(CASSETTE, quiet=True):
            assert httpx.post(f"{url}/api/generate", json={"prompt": "a"}).text
        with at.replay(CASSETTE, quiet=True) as session, pytest.raises(ReplayMiss, match="/prompt"):
            httpx.post(f"{url}/api/generate", json={"prompt": "b"})
    assert session.counts == {"miss": 1}


def test_a_body_that_breaks_off_in_a_replay_is_a_miss_though_the_program_swallows_it(provider: Provider) -> None:
    def chunks(most: int | None) -> int:
        seen = 0
        messages: Any = [{"role": "user", "content": "hi"}]
        with (
            openai.OpenAI(base_url=provider.openai_url, max_retries=0) as client,
            client.chat.completions.create(model="gpt-4o-mini", messages=messages, stream=True) as stream,
        ):
            for _ in stream:
                seen += 1
                if seen == most:
                    break
        return seen

    with at.record(CASSETTE, quiet=True):
        assert chunks(2) == 2
    with at.replay(CASSETTE, quiet=True) as session:
        with pytest.raises(ReplayExhausted):
            chunks(None)
    assert session.counts == {"miss": 1}
    assert len(session.misses) == 1


def test_an_authentication_that_fetches_a_token_leaves_the_call_what_it_is() -> None:
    def answer(request: Received) -> Answer:
        token = b'{"access_token":"t"}'
        chat = b'{"id":"1","object":"chat.completion","model":"m","choices":[],"usage":{"total_tokens":3,'
        usage = b'"prompt_tokens":2,"completion_tokens":1}}'
        return Answer(
            headers=(("content-type", "application/json"),),
            pieces=(token if request.target == "/token" else chat + usage,),
        )

    library: Any = import_module(openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0])
    with _serving(answer) as url:

        class Token(library.Auth):
            requires_response_body = True

            def auth_flow(self, request: Any) -> Any:
                told = yield library.Request("POST", f"{url}/token", json={"client": request.url.path})
                request.headers["authorization"] = f"Bearer {told.json()['access_token']}"
                yield request

        def ask(*texts: str) -> None:
            http_client = openai.DefaultHttpxClient(auth=Token())
            with openai.OpenAI(base_url=f"{url}/v1", http_client=http_client, max_retries=0) as client:
                for text in texts:
                    client.chat.completions.create(model="m", messages=[{"role": "user", "content": text}])

        with at.record(CASSETTE, quiet=True):
            ask("a", "b")
        trace = at.load(CASSETTE)
        assert [span.name for span in trace.spans] == ["chat m", "POST", "chat m", "POST"]
        assert trace.usage.total_tokens == 6
        with at.replay(CASSETTE, quiet=True) as session:
            ask("b", "a")
    assert session.counts == {"hit": 4}


# --- processes ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "start",
    [
        "subprocess.run([sys.executable, '-c', 'import agent; agent.ask(\"hi\")'], check=True)",
        "p = multiprocessing.get_context('spawn').Process(target=agent.ask, args=('hi',)); p.start(); p.join()",
    ],
)
def test_children_of_a_session_in_code_are_answered_too(start: str, home: Path, provider: Provider) -> None:
    (home / "agent.py").write_text(_PROGRAM)
    with at.record(CASSETTE, quiet=True):
        _ask(provider)
    hits = provider.hits
    program = f"""
        import multiprocessing, subprocess, sys
        import agent
        import otel_agenttrace as at
        if __name__ == "__main__":
            with at.replay("{CASSETTE}") as session:
                {start}
            assert session.counts == {{"hit": 1}}, session.counts
    """
    (home / "main.py").write_text(textwrap.dedent(program))
    environment = instrumented_environment(None, None, provider)
    ended = subprocess.run([sys.executable, "main.py"], env=environment, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
    assert provider.hits == hits


def test_a_session_in_code_leaves_the_environment_as_it_was(provider: Provider) -> None:
    with at.record(CASSETTE, quiet=True):
        _ask(provider)
    before = dict(os.environ)
    with at.replay(CASSETTE, quiet=True):
        assert os.environ != before
    assert os.environ == before


def test_overlapping_sessions_leave_no_run_behind(provider: Provider) -> None:
    with at.record(CASSETTE, quiet=True):
        _ask(provider)

    async def overlapped() -> None:
        first, second = at.replay(CASSETTE, quiet=True), at.replay(CASSETTE, quiet=True)
        await first.__aenter__()
        await second.__aenter__()
        await first.__aexit__(None, None, None)
        await second.__aexit__(None, None, None)

    asyncio.run(overlapped())
    assert RUN not in os.environ


def test_one_context_entered_twice_closes_both_sessions(provider: Provider) -> None:
    with at.record(CASSETTE, quiet=True):
        _ask(provider)
    context = at.replay(CASSETTE, quiet=True)
    with context as outer, context as inner:
        assert outer is not inner
    assert not outer.is_open
    assert not inner.is_open


def test_a_program_that_replaces_itself_keeps_what_it_recorded(home: Path, provider: Provider) -> None:
    again = "ask(sys.argv[1])\nif sys.argv[1] == 'a':\n    os.execv(sys.executable, [sys.executable, 'agent.py', 'b'])"
    (home / "agent.py").write_text(_PROGRAM + again)
    environment = instrumented_environment(CASSETTE, "all", provider)
    subprocess.run([sys.executable, "agent.py", "a"], env=environment, check=True, capture_output=True)
    assert len(at.load(CASSETTE).inferences) == provider.hits == 2


def test_a_daemon_that_closes_all_descriptors_still_replays_and_writes_nothing_of_ours(
    home: Path, provider: Provider
) -> None:
    with at.record(CASSETTE, quiet=True):
        _ask(provider, "a")
        _ask(provider, "b")
    program = f"""
        import otel_agenttrace as at
        with at.replay("{CASSETTE}") as session:
            ask("a")
            os.closerange(3, 256)
            mine = [open(f"mine.{{number}}", "w+b", buffering=0) for number in range(12)]
            ask("b")
            for file in mine:
                file.write(b"x")
        assert session.counts == {{"hit": 2}}, session.counts
    """
    run_python(_PROGRAM + textwrap.dedent(program), instrumented_environment(None, None, provider))
    assert {path.read_bytes() for path in home.glob("mine.*")} == {b"x"}


def test_a_signal_handler_may_record_inside_a_write(home: Path) -> None:
    program = f"""
        import signal
        import otel_agenttrace as at
        from otel_agenttrace.cassette.writer import Writer

        def tick(*_):
            with at.span("tick"):
                pass

        signal.signal(signal.SIGUSR1, tick)
        append = Writer._append

        def append_and_interrupt(self, line):
            append(self, line)
            if b'"name":"work"' in line:
                os.kill(os.getpid(), signal.SIGUSR1)
                sum(range(1000))

        Writer._append = append_and_interrupt
        with at.record("{CASSETTE}"):
            for _ in range(10):
                with at.span("work"):
                    pass
    """
    run_python(_PROGRAM + textwrap.dedent(program), instrumented_environment(None, None), timeout=30)
    names = [span.name for span in at.load(CASSETTE).spans]
    assert (names.count("work"), names.count("tick")) == (10, 10)


# --- files ----------------------------------------------------------------------------------------------------------------


def test_a_program_named_in_the_place_of_a_cassette_is_not_replaced(home: Path) -> None:
    program = home / "agent.py"
    program.write_text("print('hello')")
    with pytest.raises(AgentTraceError, match="another kind"), at.record(program, quiet=True):
        pytest.fail("it would be replaced")
    assert program.read_text() == "print('hello')"
    assert not partial_path(program).exists()


def test_a_cassette_that_is_not_there_names_the_nearest(provider: Provider) -> None:
    with at.record(CASSETTE, quiet=True):
        _ask(provider)
    with pytest.raises(CassetteNotFound, match=r"did you mean run\.otlp\.jsonl"), at.replay("run.otlp.json"):
        pytest.fail("there is none")


# --- secrets --------------------------------------------------------------------------------------------------------------


def test_a_key_that_is_replaced_while_recording_is_not_stored(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    keys = [secrets.token_hex(16), secrets.token_hex(16)]
    with at.record(CASSETTE, quiet=True):
        for key in keys:
            monkeypatch.setenv("OPENAI_API_KEY", key)
            _ask(provider, f"my keys are {' '.join(keys[: keys.index(key) + 1])}")
    written = CASSETTE.read_text()
    assert "my keys are [REDACTED:env:" in written
    assert not any(key in written for key in keys)


def test_a_variable_that_only_begins_like_a_key_is_no_secret(
    provider: Provider, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KEYCLOAK_REALM", "acme-production")
    with at.record(CASSETTE, quiet=True):
        _ask(provider, "who is in acme-production?")
    monkeypatch.delenv("KEYCLOAK_REALM")
    with at.replay(CASSETTE, quiet=True) as session:
        _ask(provider, "who is in acme-production?")
    assert session.counts == {"hit": 1}


def test_what_a_provider_says_of_an_error_is_not_exported(monkeypatch: pytest.MonkeyPatch) -> None:
    exporter = InMemorySpanExporter()
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    monkeypatch.setattr(telemetry, "tracer_provider", tracer_provider)
    message = b'{"error":{"message":"Invalid content: my diary"}}'
    answer = Answer(status=400, headers=(("content-type", "application/json"),), pieces=(message,))
    with (
        _serving(lambda _: answer) as url,
        at.record(CASSETTE, quiet=True),
        openai.OpenAI(base_url=f"{url}/v1", max_retries=0) as client,
        pytest.raises(openai.BadRequestError, match="my diary"),
    ):
        client.chat.completions.create(model="m", messages=[{"role": "user", "content": "my diary"}])
    (span,) = exporter.get_finished_spans()
    assert (span.status.status_code.name, span.status.description) == ("ERROR", None)
    assert "my diary" not in str(span.to_json())
    assert "my diary" in at.load(CASSETTE).spans[0].status_message


def test_other_tasks_have_their_turn_while_calls_are_answered(provider: Provider) -> None:
    async def calls() -> int:
        turns = 0

        async def background() -> None:
            nonlocal turns
            while True:
                turns += 1
                await asyncio.sleep(0)

        task = asyncio.create_task(background())
        async with openai.AsyncOpenAI(base_url=provider.openai_url, max_retries=0) as client:
            for number in range(10):
                await client.chat.completions.create(
                    model="gpt-4o-mini", messages=[{"role": "user", "content": str(number)}]
                )
        task.cancel()
        return turns

    with at.record(CASSETTE, quiet=True):
        assert asyncio.run(calls()) > 10
    with at.replay(CASSETTE, quiet=True):
        assert asyncio.run(calls()) > 10
