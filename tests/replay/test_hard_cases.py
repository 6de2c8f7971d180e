"""What could serve a wrong answer, call live unseen, or change the program: one test for each way it once did."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import os
import secrets
import signal
import threading
import weakref
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any, Final

import anthropic
import httpx
import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_agenttrace as at
from otel_agenttrace.errors import ConfigError, ReplayError, ReplayExhausted, ReplayMiss
from otel_agenttrace.processor import ReplaySpanProcessor
from otel_agenttrace.spans import telemetry
from otel_agenttrace_exporters.cassette import CassetteSpanExporter
from otel_agenttrace_instrumentation.instrumentors import AgentTraceInstrumentor, AnthropicInstrumentor
from tests.support.loopback import Answer, LoopbackServer, Received
from tests.support.processes import instrumented_environment, run_python
from tests.support.provider import Provider

CASSETTE: Final = "run.otlp.jsonl"


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", secrets.token_hex(16))
    monkeypatch.setenv("ANTHROPIC_API_KEY", secrets.token_hex(16))
    return tmp_path


@contextmanager
def _serving(answer: Callable[[Received], Answer]) -> Iterator[str]:
    server = LoopbackServer(answer)
    server.start()
    try:
        yield f"http://127.0.0.1:{server.port}"
    finally:
        server.stop()


def _echoed(request: Received) -> Answer:
    told = f"{request.header('range')} {request.target}".encode()
    return Answer(headers=(("content-type", "text/plain"),), pieces=(told,))


def _ask(client: Any, text: str) -> str:
    answer = client.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": text}])
    return answer.choices[0].message.content


def _ask_anthropic(provider: Provider, text: str) -> Any:
    with anthropic.Anthropic(base_url=provider.anthropic_url) as client:
        return client.messages.create(
            model="claude-fake-1", max_tokens=9, messages=[{"role": "user", "content": text}], timeout=5
        )


@pytest.fixture
def client(provider: Provider) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(base_url=provider.openai_url, max_retries=0) as open_client:
        yield open_client


@pytest.fixture
def recorded(client: openai.OpenAI) -> openai.OpenAI:
    """A client, and a cassette that holds its one call, "hi"."""
    with at.record(CASSETTE, quiet=True):
        _ask(client, "hi")
    return client


# --- one call, and what is sent inside it ---------------------------------------------------------------------------------


def test_what_another_client_sends_inside_a_call_is_a_call_of_its_own(provider: Provider) -> None:
    token = lambda: httpx.get(f"{provider.url}/token").text  # noqa: E731 - as a program hands it over
    with openai.AzureOpenAI(
        azure_endpoint=provider.azure_url, api_version="2024-10-21", azure_ad_token_provider=token
    ) as client:
        with at.record(CASSETTE, quiet=True):
            live = _ask(client, "What is 1+1?")
        assert [span.name for span in at.load(CASSETTE).inferences] == ["chat gpt-4o-mini"]
        with at.replay(CASSETTE, quiet=True) as session:
            assert _ask(client, "What is 1+1?") == live
            with pytest.raises(ReplayMiss, match="/messages/0/content"):
                _ask(client, "What is 2+2?")
    assert len(session.misses) == 1


def _busy_then_well(request: Received) -> Answer:
    if request.query["attempt"] == "1":
        return Answer(status=429, headers=(("retry-after-ms", "1"),))
    return Answer(headers=(("content-type", "application/json"),), pieces=(b'{"id":"1","choices":[]}',))


def test_an_attempt_that_asks_for_something_else_is_a_miss() -> None:
    """The first request of a call decides which recording answers; the others are held to what was asked then."""

    def create(url: str, *attempts: str) -> None:
        asked = iter(attempts)

        def numbered(request: Any) -> None:
            request.url = request.url.copy_merge_params({"attempt": next(asked)})

        http_client = openai.DefaultHttpxClient(event_hooks={"request": [numbered]})
        with openai.OpenAI(base_url=url, http_client=http_client, max_retries=1) as client:
            client.chat.completions.create(model="gpt-4o-mini", messages=[])

    with _serving(_busy_then_well) as url:
        with at.record(CASSETTE, quiet=True):
            create(url, "1", "2")
        with at.replay(CASSETTE, quiet=True):
            with pytest.raises(ReplayMiss, match="Attempt 2 of the recorded call asked for something else"):
                create(url, "1", "3")


def test_a_part_of_a_file_is_not_taken_for_another_part() -> None:
    with _serving(_echoed) as url:
        parts = ("bytes=0-9", "bytes=10-19")
        fetch = lambda part: httpx.get(url, headers={"range": part}).text  # noqa: E731
        with at.record(CASSETTE, quiet=True):
            live = [fetch(part) for part in parts]
        with at.replay(CASSETTE, quiet=True):
            assert [fetch(part) for part in reversed(parts)] == live[::-1]


def test_an_ordinary_parameter_with_the_name_of_a_credential_is_part_of_the_request() -> None:
    with _serving(_echoed) as url:
        fetch = lambda code: httpx.get(f"{url}/rates?code={code}").text  # noqa: E731
        with at.record(CASSETTE, quiet=True):
            live = [fetch("USD"), fetch("EUR")]
        with at.replay(CASSETTE, quiet=True):
            assert [fetch("EUR"), fetch("USD")] == live[::-1]


# --- sessions beside sessions ----------------------------------------------------------------------------------------------


def test_an_exporter_that_records_does_not_take_calls_from_a_replay(
    recorded: openai.OpenAI, provider: Provider
) -> None:
    hits = provider.hits
    with at.replay(CASSETTE, quiet=True) as session:
        exporter = CassetteSpanExporter("mine.otlp.jsonl")
        assert _ask(recorded, "hi")
        exporter.shutdown()
    assert provider.hits == hits
    assert [outcome.kind for outcome in session.outcomes] == ["hit"]


def test_a_cassette_that_is_being_recorded_is_not_replayed(home: Path) -> None:
    exporter = CassetteSpanExporter(CASSETTE)
    with pytest.raises(ConfigError, match="is being recorded"):
        ReplaySpanProcessor(CASSETTE)
    exporter.shutdown()


def test_a_processor_does_not_close_a_session_it_did_not_open(recorded: openai.OpenAI) -> None:
    with at.replay(CASSETTE, quiet=True) as session:
        ReplaySpanProcessor(CASSETTE).shutdown()
        assert session.is_open
        assert _ask(recorded, "hi")


def test_uninstrumenting_does_not_pull_the_seams_from_under_a_session(recorded: openai.OpenAI) -> None:
    with at.replay(CASSETTE, quiet=True):
        for instrumentor in (AnthropicInstrumentor(), AgentTraceInstrumentor()):
            instrumentor.instrument()
            instrumentor.uninstrument()
        with pytest.raises(ReplayMiss):
            _ask(recorded, "never recorded")


_HOOKED: Final = """
import httpx, openai, otel_agenttrace as at
places = [(httpx.Client, "_transport_for_url"), (openai._base_client.SyncAPIClient, "request")]
before = [vars(owner)[name] for owner, name in places]
with at.record("run.otlp.jsonl", quiet=True):
    assert all(vars(owner)[name] is not old for (owner, name), old in zip(places, before))
assert all(vars(owner)[name] is old for (owner, name), old in zip(places, before))
"""


def test_the_last_recording_puts_the_very_same_objects_back() -> None:
    run_python(_HOOKED, instrumented_environment(None, None))


def test_a_wrapper_put_over_ours_survives_the_last_session(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[str] = []
    with at.record(CASSETTE, quiet=True):
        ours = httpx.Client._transport_for_url

        def theirs(self: httpx.Client, url: httpx.URL) -> httpx.BaseTransport:
            seen.append(url.host)
            return ours(self, url)

        monkeypatch.setattr(httpx.Client, "_transport_for_url", theirs)
    with _serving(_echoed) as url:
        httpx.get(url)
    assert seen == ["127.0.0.1"]


def test_a_task_that_outlives_its_replay_does_not_call_live(recorded: openai.OpenAI, provider: Provider) -> None:
    with at.replay(CASSETTE, quiet=True):
        context = contextvars.copy_context()
    hits = provider.hits
    with pytest.raises(ReplayError, match="is over"):
        context.run(_ask, recorded, "hi")
    assert provider.hits == hits


def test_a_cassette_is_found_again_after_the_program_has_moved(recorded: openai.OpenAI, home: Path) -> None:
    (home / "elsewhere").mkdir()
    with at.record("moved.otlp.jsonl", quiet=True):
        os.chdir("elsewhere")
        _ask(recorded, "hi")
    assert [path.name for path in home.glob("moved*")] == ["moved.otlp.jsonl"]


def test_a_started_session_ends_with_the_program(recorded: openai.OpenAI, provider: Provider, home: Path) -> None:
    program = (
        "import os, openai, otel_agenttrace as at\n"
        f"at.start({str(home / 'started.otlp.jsonl')!r}, 'all')\n"
        "openai.OpenAI(base_url=os.environ['PROVIDER_URL']).chat.completions.create(\n"
        "    model='gpt-4o-mini', messages=[{'role': 'user', 'content': 'hi'}])\n"
    )
    ended = run_python(program, instrumented_environment(None, None, provider))
    assert ended.stderr.startswith("recorded 1 call")
    assert len(at.load(home / "started.otlp.jsonl").inferences) == 1


# --- the program is not changed -----------------------------------------------------------------------------------------


def test_an_application_behind_an_in_process_transport_runs_on_replay(
    recorded: openai.OpenAI, provider: Provider
) -> None:
    runs: list[str] = []
    model = openai.AsyncOpenAI(base_url=provider.openai_url)

    async def app(scope: Any, receive: Any, send: Any) -> None:
        runs.append(scope["path"])
        answer = await model.chat.completions.create(model="gpt-4o-mini", messages=[{"role": "user", "content": "hi"}])
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": (answer.choices[0].message.content or "").encode()})

    async def drive() -> str:
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
            return (await client.get("/chat")).text

    with at.replay(CASSETTE, quiet=True) as session:
        assert asyncio.run(drive()).startswith("echo")
    assert runs == ["/chat"]
    assert [outcome.kind for outcome in session.outcomes] == ["hit"]


def test_a_streamed_upload_is_not_read_ahead() -> None:
    sent: list[int] = []

    def pieces() -> Iterator[bytes]:
        for number in range(3):
            sent.append(number)
            yield b"x" * 1000

    class Lazy(httpx.BaseTransport):
        def handle_request(self, request: httpx.Request) -> httpx.Response:
            assert sent == []
            assert isinstance(request.stream, httpx.SyncByteStream)
            return httpx.Response(200, text=str(sum(map(len, request.stream))))

    with at.record(CASSETTE, quiet=True):
        with httpx.Client(transport=Lazy()) as uploader:
            answer = uploader.put("http://files.test/upload", content=pieces())
    assert answer.text == "3000"


def test_an_alarm_of_the_program_is_not_taken_for_a_fault_of_ours(recorded: openai.OpenAI) -> None:
    from otel_agenttrace_instrumentation.border import observe

    class TooLong(Exception): ...

    def ring(_: int, __: FrameType | None) -> None:
        raise TooLong

    before = signal.signal(signal.SIGUSR1, ring)
    try:
        with pytest.raises(TooLong):
            observe(lambda: signal.raise_signal(signal.SIGUSR1), raises=False)
    finally:
        signal.signal(signal.SIGUSR1, before)


def test_a_failed_call_leaves_nothing_for_the_garbage_collector(client: openai.OpenAI) -> None:
    class Held: ...

    kept: list[weakref.ref[Held]] = []

    def fail(client: openai.OpenAI) -> None:
        held = Held()
        kept.append(weakref.ref(held))
        try:
            _ask(client, "[fake 400] hi")
        except openai.BadRequestError:
            return

    with at.record(CASSETTE, quiet=True):
        gc.collect()
        gc.disable()
        try:
            fail(client)
            assert kept[0]() is None
        finally:
            gc.enable()


def test_a_program_without_a_standard_error_is_closed_quietly(
    recorded: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    with at.replay(CASSETTE):
        _ask(recorded, "hi")


def test_a_directory_that_turns_read_only_loses_nothing_and_raises_nothing(
    recorded: openai.OpenAI, home: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = home / "kept"
    folder.mkdir()
    with at.record(folder / CASSETTE, quiet=True):
        _ask(recorded, "hi")
        moved = folder.rename(home / "moved")
    (left,) = moved.iterdir()
    assert len(at.load(left).inferences) == 1


# --- what is stored ---------------------------------------------------------------------------------------------------------


def test_a_body_is_stored_as_the_client_decodes_it(home: Path) -> None:
    squeeze = zlib.compressobj(wbits=-zlib.MAX_WBITS)  # deflate without its header, which some servers send
    body = squeeze.compress(b'{"hello":"there"}') + squeeze.flush()
    headers = (("content-type", "application/json"), ("content-encoding", "deflate"))
    with _serving(lambda _: Answer(headers=headers, pieces=(body,))) as url:
        with at.record(CASSETTE, quiet=True):
            live = httpx.get(url).json()
        with at.replay(CASSETTE, quiet=True):
            assert httpx.get(url).json() == live == {"hello": "there"}
    assert b"there" in Path(CASSETTE).read_bytes()


def test_a_secret_the_program_loads_later_is_not_stored(client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = secrets.token_urlsafe(24)
    with at.record(CASSETTE, quiet=True):
        monkeypatch.setenv("LATER_API_KEY", secret)
        assert secret in _ask(client, f"echo {secret}")
        with at.span(f"deploy with {secret}"):
            _ask(client, "hi")
    assert secret.encode() not in Path(CASSETTE).read_bytes()


def test_an_adopted_native_span_of_a_replayed_call_is_not_exported(provider: Provider) -> None:
    exporter = InMemorySpanExporter()
    tracer_provider = TracerProvider()
    tracer_provider.add_span_processor(SimpleSpanProcessor(exporter))
    telemetry.tracer_provider = tracer_provider
    try:
        with at.record(CASSETTE, quiet=True):
            _ask_anthropic(provider, "hi")
        exporter.clear()
        with at.replay(CASSETTE, quiet=True):
            _ask_anthropic(provider, "hi")
        assert exporter.get_finished_spans() == ()
    finally:
        telemetry.tracer_provider = None


def test_recordings_are_given_out_once_in_a_run_whatever_process_asks(
    recorded: openai.OpenAI, provider: Provider
) -> None:
    with at.record(CASSETTE, quiet=True):
        live = [_ask(recorded, "the same"), _ask(recorded, "the same")]
    program = (
        "import os, openai\n"
        "answer = openai.OpenAI(base_url=os.environ['PROVIDER_URL']).chat.completions.create(\n"
        "    model='gpt-4o-mini', messages=[{'role': 'user', 'content': 'the same'}])\n"
        "print(answer.choices[0].message.content)\n"
    )
    with at.replay(CASSETTE, quiet=True) as session:
        run = os.environ["_OTEL_AGENTTRACE_RUN"]
        environment = instrumented_environment(Path(CASSETTE).absolute(), "none", provider, _OTEL_AGENTTRACE_RUN=run)
        answers = [run_python(program, environment).stdout.strip() for _ in range(2)]
        with pytest.raises(ReplayExhausted):
            _ask(recorded, "the same")
    assert answers == live
    assert session.unplayed == 0


def test_threads_of_a_replay_each_get_an_answer_of_their_own(client: openai.OpenAI) -> None:
    def gather() -> list[str]:
        answers: list[str] = []
        threads = [threading.Thread(target=lambda: answers.append(_ask(client, "the same"))) for _ in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return sorted(answers)

    with at.record(CASSETTE, quiet=True):
        live = gather()
    with at.replay(CASSETTE, quiet=True):
        assert gather() == live
    assert len(set(live)) == 16
