"""An injected fault looks like the real one: to the SDK, to its caller, and in the recording."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import httpx
import openai
import pytest

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.model import Call, Exchange, Span
from otel_agenttrace.playback.plan import ReplayPlan
from tests.support.clients import anthropic_client, openai_client
from tests.support.loopback import Answer
from tests.support.network import watched_network
from tests.support.observed import Observed
from tests.support.processes import instrumented_environment
from tests.support.provider import Provider
from tests.support.scenarios import creating, streaming
from tests.support.surface import run_scenario

_MESSAGES: Final = [{"role": "user", "content": "hello there, my good friend"}]
_RETRY_AFTER_S: Final = 0.05


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


# --- the real thing -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Sdk:
    name: str
    create: str
    request: dict[str, Any]
    error: dict[int, dict[str, Any]]
    request_id: str

    def client(self, provider: Provider, *, is_async: bool, **options: Any) -> Any:
        make = openai_client if self.name == "openai" else anthropic_client
        return make(provider, is_async=is_async, **options)


def _openai_error(kind: str, code: str | None, status: int) -> dict[str, Any]:
    return {"error": {"message": f"Injected fault: status {status}", "type": kind, "param": None, "code": code}}


def _anthropic_error(kind: str, status: int) -> dict[str, Any]:
    error = {"type": kind, "message": f"Injected fault: status {status}"}
    return {"type": "error", "error": error, "request_id": "req_injected_fault"}


_OPENAI: Final = _Sdk(
    "openai",
    "chat.completions.create",
    {"model": "gpt-4o", "messages": _MESSAGES},
    {
        400: _openai_error("invalid_request_error", None, 400),
        401: _openai_error("invalid_request_error", "invalid_api_key", 401),
        429: _openai_error("requests", "rate_limit_exceeded", 429),
        500: _openai_error("server_error", None, 500),
        503: _openai_error("server_error", None, 503),
    },
    "x-request-id",
)
_ANTHROPIC: Final = _Sdk(
    "anthropic",
    "messages.create",
    {"model": "claude-fake-1", "max_tokens": 9, "messages": _MESSAGES},
    {
        400: _anthropic_error("invalid_request_error", 400),
        401: _anthropic_error("authentication_error", 401),
        429: _anthropic_error("rate_limit_error", 429),
        500: _anthropic_error("api_error", 500),
        529: _anthropic_error("overloaded_error", 529),
    },
    "request-id",
)


def _refusing(sdk: _Sdk, status: int, retry_after: str = "") -> Callable[[Answer], Answer]:
    headers = [("content-type", "application/json"), (sdk.request_id, "req_injected_fault")]
    if retry_after:
        headers.append(("retry-after", retry_after))
    body = json.dumps(sdk.error[status], separators=(",", ":")).encode()
    return lambda _: Answer(status, tuple(headers), (body,))


def _cut_after_two(answer: Answer) -> Answer:
    body = b"".join(answer.pieces)
    if answer.is_chunked:
        first, second, _ = body.split(b"\n\n", 2)
        return replace(answer, pieces=(first + b"\n\n" + second + b"\n\n",), end="cut")
    half = len(body) // 2
    return replace(answer, pieces=(body[:half],), end="cut", missing=len(body) - half)


def _malformed(answer: Answer) -> Answer:
    body = b"".join(answer.pieces)
    if not answer.is_chunked:
        return replace(answer, pieces=(body[: len(body) // 2],))
    before, data, after = body.partition(b"data: ")
    line, end, others = after.partition(b"\n")
    first, blank, rest = others.partition(b"\n")
    assert first == b""
    return replace(answer, pieces=(before + data + line[: len(line) // 2] + end + blank, rest))


# --- both, side by side -----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """What a caller saw, and what was recorded of it."""

    seen: Observed
    call: Call
    span: Span

    @property
    def attempts(self) -> list[object]:
        return [_timeless(attempt) for attempt in self.call.attempts]

    @property
    def waits_s(self) -> list[float]:
        return [(later.start_ns - earlier.end_ns) / 1e9 for earlier, later in pairwise(self.call.attempts)]


def _timeless(attempt: Exchange) -> object:
    """Return an attempt as it shows itself to an SDK, without its times and the sizes of its chunks."""
    headers = sorted((name, value) for name, value in attempt.headers if name not in ("date", "content-length"))
    return attempt.end, attempt.status, headers, attempt.body, attempt.error


@dataclass(frozen=True)
class _Case:
    sdk: _Sdk
    is_async: bool
    is_stream: bool

    @property
    def name(self) -> str:
        return f"{self.sdk.name}-{'async' if self.is_async else 'sync'}-{'stream' if self.is_stream else 'whole'}"

    def see(self, provider: Provider, **options: Any) -> Observed:
        scenario = (streaming if self.is_stream else creating)(self.sdk.create, **self.sdk.request)
        provider.requests.clear()  # the same numbers in each answer
        make = lambda: self.sdk.client(provider, is_async=self.is_async, **options)  # noqa: E731
        return run_scenario(make, scenario, is_async=self.is_async)

    def record(self, provider: Provider, path: str, *faults: str, **options: Any) -> _Run:
        with at.record(path, quiet=True, faults=faults):
            seen = self.see(provider, **options)
        (span,) = at.load(path).inferences
        assert span.call is not None
        return _Run(seen, span.call, span)

    def replay(self, provider: Provider, *faults: str, **options: Any) -> tuple[Observed, str]:
        """Replay a good recording with faults; return what was seen, and the faults that the span tells."""
        with at.replay("good", quiet=True, faults=faults) as session, watched_network() as network:
            seen = self.see(provider, **options)
        assert network == []
        (span,) = session.trace.inferences
        return seen, str(span.attributes[semconv.AGENTTRACE_FAULT])


_CASES: Final = [
    _Case(sdk, is_async, is_stream)
    for sdk in (_OPENAI, _ANTHROPIC)
    for is_async in (False, True)
    for is_stream in (False, True)
]
every_case: Final = pytest.mark.parametrize("case", _CASES, ids=lambda case: case.name)


def _compare(case: _Case, provider: Provider, fault: str, really: Callable[[Answer], Answer], **options: Any) -> _Run:
    """Hold a fault, injected into a live run and into a replay, to the one that a server has really produced."""
    good = case.record(provider, "good", **options)
    assert good.seen.error is None
    provider.then = really
    real = case.record(provider, "real", **options)
    hits = provider.hits
    provider.then = lambda answer: answer
    injected = case.record(provider, "injected", fault, **options)
    replayed, told = case.replay(provider, fault, **options)
    assert injected.seen == real.seen
    assert replayed == real.seen
    assert injected.attempts == real.attempts
    assert len(injected.call.attempts) == hits
    assert told == injected.span.attributes[semconv.AGENTTRACE_FAULT] == fault.partition(" ")[0]
    return real


@every_case
def test_a_rate_limit_is_retried_after_the_time_it_says(case: _Case, provider: Provider) -> None:
    refusing = _refusing(case.sdk, 429, str(_RETRY_AFTER_S))
    real = _compare(case, provider, f"429 retry-after={_RETRY_AFTER_S}", refusing, max_retries=2)
    assert real.seen.error["class"].endswith(".RateLimitError")
    injected = at.load("injected").inferences[0].call
    assert injected is not None
    for run in (real, replace(real, call=injected)):
        assert len(run.waits_s) == 2
        assert all(_RETRY_AFTER_S <= wait < 0.5 for wait in run.waits_s), run.waits_s


_REFUSALS: Final = [(case, status) for case in _CASES for status in case.sdk.error if status != 429]


@pytest.mark.parametrize(("case", "status"), _REFUSALS, ids=[f"{case.name}-{status}" for case, status in _REFUSALS])
def test_a_status_raises_what_the_sdk_has_for_it(case: _Case, status: int, provider: Provider) -> None:
    real = _compare(case, provider, str(status), _refusing(case.sdk, status))
    assert real.seen.error["error_status_code"] == status
    assert real.seen.error["error_request_id"] == "req_injected_fault"


@every_case
def test_a_reset_connection_raises_what_a_real_one_does(case: _Case, provider: Provider) -> None:
    real = _compare(case, provider, "reset", lambda answer: replace(answer, end="abort"))
    assert real.seen.error["class"].endswith(".APIConnectionError")
    assert real.seen.error["cause"].endswith(".ReadError")


@every_case
def test_a_read_timeout_raises_what_a_real_one_does(case: _Case, provider: Provider) -> None:
    slow = lambda answer: replace(answer, delay_s=30.0)  # noqa: E731
    real = _compare(case, provider, "timeout", slow, timeout=0.2)
    assert real.seen.error["class"].endswith(".APITimeoutError")
    assert real.seen.error["cause"].endswith(".ReadTimeout")


@every_case
def test_a_first_chunk_that_is_later_than_the_client_waits_is_a_timeout(case: _Case, provider: Provider) -> None:
    late = lambda answer: replace(answer, first_chunk_delay_s=2.0)  # noqa: E731
    real = _compare(case, provider, "slow=2s", late, timeout=0.2)
    assert (at.load("injected").inferences[0].duration_ns or 0) < 1.5e9
    assert "ReadTimeout" in f"{real.seen.error['class']} {real.seen.error['cause']}"


@every_case
def test_a_slow_first_chunk_changes_nothing_but_the_time(case: _Case, provider: Provider) -> None:
    late = lambda answer: replace(answer, first_chunk_delay_s=0.2)  # noqa: E731
    real = _compare(case, provider, "slow=200ms", late)
    injected = at.load("injected").inferences[0]
    assert real.seen.error is None
    for span in (real.span, injected):
        assert 0.2e9 <= (span.duration_ns or 0) < 2e9


@every_case
def test_a_body_that_is_cut_breaks_as_a_real_one(case: _Case, provider: Provider) -> None:
    real = _compare(case, provider, "cut=2", _cut_after_two)
    assert "RemoteProtocolError" in f"{real.seen.error['class']} {real.seen.error['cause']}" or case.is_stream
    assert len(real.seen.results) >= 2 or not case.is_stream


@every_case
def test_malformed_json_is_met_by_the_parser_of_the_sdk(case: _Case, provider: Provider) -> None:
    real = _compare(case, provider, "malformed", _malformed)
    assert real.seen.error["class"] == "json.decoder.JSONDecodeError"


# --- connections that never are -----------------------------------------------------------------------------------------------


@contextmanager
def _closed_port() -> Iterator[str]:
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"http://127.0.0.1:{bound.getsockname()[1]}"


@contextmanager
def _full_port() -> Iterator[str]:
    """Yield an address that takes no more connections, and refuses none."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(0)
        waiting = [socket.socket() for _ in range(3)]
        for one in waiting:
            one.setblocking(False)
            with suppress(BlockingIOError):
                one.connect(listening.getsockname())
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"
        for one in waiting:
            one.close()


@every_case
@pytest.mark.parametrize(
    ("fault", "address", "cause"),
    [("refused", _closed_port, "ConnectError"), ("timeout=connect", _full_port, "ConnectTimeout")],
)
def test_a_connection_that_does_not_come_about_raises_what_a_real_one_does(
    case: _Case, fault: str, address: Callable[[], Any], cause: str, provider: Provider
) -> None:
    case.record(provider, "good")
    with address() as url:
        real = case.record(provider, "real", base_url=url, timeout=0.2)
    assert real.seen.error["cause"].endswith(f".{cause}")
    injected = case.record(provider, "injected", fault)
    assert provider.hits == 0
    assert injected.seen == real.seen
    assert injected.attempts == real.attempts
    assert case.replay(provider, fault) == (real.seen, fault)


@pytest.mark.parametrize("case", [case for case in _CASES if not case.is_stream], ids=lambda case: case.name)
def test_an_exhausted_pool_raises_what_a_real_one_does(case: _Case, provider: Provider) -> None:
    with at.record("injected", quiet=True, faults=["timeout=pool"]):
        seen = case.see(provider)
    (injected,) = at.load("injected").inferences
    assert provider.hits == 0
    assert seen.error["class"].endswith(".APITimeoutError")
    assert seen.error["cause"].endswith(".PoolTimeout")
    assert injected.call is not None
    assert injected.call.attempts[0].error is not None
    assert injected.call.attempts[0].error.message == _real_pool_timeout(provider)


def _real_pool_timeout(provider: Provider) -> str:
    provider.then = lambda answer: replace(answer, end="hold")
    timeout = httpx.Timeout(5, pool=0.05)
    with httpx.Client(timeout=timeout, limits=httpx.Limits(max_connections=1)) as client:
        with client.stream("GET", provider.openai_url), pytest.raises(httpx.PoolTimeout) as raised:
            client.get(provider.openai_url)
    return str(raised.value)


# --- retries, and recordings ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("case", [case for case in _CASES if not case.is_async], ids=lambda case: case.name)
def test_what_is_left_of_a_call_after_its_faults_is_answered(case: _Case, provider: Provider) -> None:
    good = case.record(provider, "good")
    with at.replay("good", quiet=True, faults=["429 retry-after=0.01 times=1"]) as session:
        seen = case.see(provider, max_retries=1)
    assert seen.results == good.seen.results
    assert seen.error is None
    assert [outcome.kind for outcome in session.outcomes] == ["hit"]
    assert session.unplayed == 0
    live = case.record(provider, "live", "503 times=1", "429 retry-after=0.01 times=2", max_retries=2)
    assert live.seen.results == good.seen.results
    assert [attempt.status for attempt in live.call.attempts] == [503, 429, 200]
    assert live.span.attributes[semconv.AGENTTRACE_FAULT] == "503 429"
    assert provider.hits == 1


def test_a_body_that_was_cut_is_given_whole_to_the_next_attempt(provider: Provider) -> None:
    case = _CASES[0]
    good = case.record(provider, "good")
    with at.replay("good", quiet=True, faults=["cut=1 times=1"]) as session:
        seen = case.see(provider, max_retries=1)
    assert seen == good.seen
    assert [outcome.kind for outcome in session.outcomes] == ["hit"]
    assert (session.trace.inferences[0].duration_ns or 0) > 0.3e9  # what the SDK waits before it tries again


def test_recorded_attempts_that_faults_have_kept_from_being_asked_for_are_drift(provider: Provider) -> None:
    case = _CASES[0]
    provider.then = lambda answer: _refusing(_OPENAI, 429, "0.01")(answer) if provider.hits == 1 else answer
    assert case.record(provider, "good", max_retries=1).seen.error is None
    with at.replay("good", quiet=True, faults=["503 times=1"]) as session:
        assert case.see(provider, max_retries=1).error["error_status_code"] == 429
    assert [(outcome.kind, outcome.detail) for outcome in session.outcomes] == [
        ("drift", "1 recorded attempts were not asked for")
    ]


@pytest.mark.parametrize("fault", ["cut=2", "malformed", "429"])
def test_a_program_that_asks_again_gets_what_a_fault_has_kept_from_it(fault: str, provider: Provider) -> None:
    case = _CASES[1]
    good = case.record(provider, "good")
    with at.replay("good", quiet=True, faults=[f"inference[1] {fault}"]) as session:
        assert case.see(provider).error is not None
        assert case.see(provider) == good.seen
        with pytest.raises(at.ReplayMiss):
            case.see(provider)
    assert session.unplayed == 0


def test_a_run_with_faults_replays_as_it_went(provider: Provider) -> None:
    for number, fault in enumerate(("429", "cut=2", "malformed", "timeout", "reset")):
        case = _CASES[number % 2 + 4]
        recorded = case.record(provider, f"c{number}", fault)
        assert recorded.seen.error is not None
        with at.replay(f"c{number}", quiet=True) as session, watched_network() as network:
            assert case.see(provider) == recorded.seen
        assert network == []
        assert [outcome.kind for outcome in session.outcomes] == ["hit"]


def test_a_call_that_only_faults_answered_counts_neither_as_live_nor_as_answered(provider: Provider) -> None:
    _CASES[0].record(provider, "good")
    with at.replay("good", quiet=True, faults=["500"]) as session:
        assert _CASES[0].see(provider).error is not None
    assert session.outcomes == ()
    assert session.unplayed == 1


def test_in_mode_new_a_call_that_only_faults_answered_is_told_and_is_no_recording(provider: Provider) -> None:
    _CASES[0].record(provider, "good")
    with at.session("good", "new", quiet=True, plan=ReplayPlan(faults=("inference[1] 500",))) as session:
        assert _CASES[0].see(provider).error is not None
        assert _CASES[0].see(provider).error is None
    assert session.counts == {"hit": 1}
    assert [span.read_call is not None for span in at.load("good").inferences] == [True, False]


def test_a_recorded_wait_is_not_waited_for_but_that_of_a_fault_is(provider: Provider) -> None:
    case = _CASES[0]
    provider.then = _refusing(_OPENAI, 429, "0.5")
    case.record(provider, "good", max_retries=1)
    with at.replay("good", quiet=True) as session:
        case.see(provider, max_retries=1)
    assert (session.trace.inferences[0].duration_ns or 0) < 0.4e9
    with at.replay("good", quiet=True, faults=["429 retry-after=0.5"]) as session:
        case.see(provider, max_retries=1)
    assert (session.trace.inferences[0].duration_ns or 0) >= 0.5e9


def test_a_cut_beyond_the_end_strikes_nothing_and_tells_nothing(provider: Provider) -> None:
    case = _CASES[1]
    good = case.record(provider, "good")
    with at.replay("good", quiet=True, faults=["cut=999"]) as session:
        assert case.see(provider) == good.seen
    assert semconv.AGENTTRACE_FAULT not in session.trace.inferences[0].attributes


def test_a_compressed_body_is_spoiled_as_the_client_reads_it(provider: Provider) -> None:
    gzip = {"extra_headers": {"x-fake": "gzip"}}
    plain, squeezed = [
        replace(case, sdk=replace(case.sdk, request={**case.sdk.request, **more}))
        for case, more in ((_CASES[1], {}), (_CASES[1], gzip))
    ]
    expected = plain.record(provider, "plain", "cut=3")
    told = squeezed.record(provider, "gzip", "cut=3")
    assert told.seen == expected.seen
    assert len(told.seen.results) == 1 + 3


# --- which calls --------------------------------------------------------------------------------------------------------------


def _ask(client: Any, text: str, model: str = "gpt-4o") -> str:
    try:
        answer = client.chat.completions.create(model=model, messages=[{"role": "user", "content": text}])
    except openai.InternalServerError:
        return "fault"
    return str(answer.choices[0].message.content)


@pytest.mark.parametrize(
    ("selector", "struck"),
    [
        ("inference[2]", [1]),
        ("inference[2:3]", [1, 2]),
        ("model=gpt-4o-*", [2, 3]),
        ("url=127.0.0.1/v1/chat/*", [0, 1, 2, 3]),
        ("path=/plan/chat*", [3]),
        ("attr.server.address=127.0.0.1 !inference[1]", [1, 2, 3]),
        ("embeddings", []),
    ],
)
def test_a_selector_says_which_calls_a_fault_strikes(selector: str, struck: list[int], provider: Provider) -> None:
    with openai_client(provider, is_async=False) as client:
        with at.record("c", quiet=True, faults=[f"{selector} 500"]):
            answers = [_ask(client, "a"), _ask(client, "b"), _ask(client, "c", "gpt-4o-mini")]
            with at.span("plan"):
                answers.append(_ask(client, "d", "gpt-4o-mini"))
    assert [index for index, answer in enumerate(answers) if answer == "fault"] == struck


def test_what_is_no_call_to_a_model_can_be_struck_too(provider: Provider) -> None:
    with at.record("c", quiet=True, faults=["url=127.0.0.1/weather 503"]):
        assert httpx.get(f"{provider.url}/weather").status_code == 503
        assert httpx.get(f"{provider.url}/other").status_code == 404
    assert provider.hits == 1


def test_a_rate_strikes_the_same_calls_in_each_run_with_a_seed(provider: Provider) -> None:
    def struck(seed: int) -> list[bool]:
        with (
            openai_client(provider, is_async=False) as client,
            at.record("c", quiet=True, faults=["500 rate=0.5"], seed=seed),
        ):
            return [_ask(client, "a") == "fault" for _ in range(12)]

    first = struck(7)
    assert struck(7) == first
    assert set(first) == {True, False}
    assert struck(8) != first


def test_a_fault_that_is_none_is_told_before_the_first_call() -> None:
    with pytest.raises(at.AgentTraceError, match="is no fault"):
        at.record("c", quiet=True, faults=["inference[1] 200"]).__enter__()


# --- what is told at the end ----------------------------------------------------------------------------------------------------


def test_the_closing_line_counts_what_struck_and_names_a_fault_that_never_did(
    provider: Provider, capsys: pytest.CaptureFixture[str]
) -> None:
    _CASES[0].record(provider, "good")
    with at.replay("good", faults=["inference[1] 400", "model=gpt4* 500"]):
        _CASES[0].see(provider)
    told = capsys.readouterr().err
    assert told.startswith("replayed 0 calls: faults answered each call")
    assert told.endswith(" · 1 fault struck · 'model=gpt4* 500' struck nothing\n")


_AGENT: Final = """
import os, openai
client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"], max_retries=1)
for text in ("hello", "hello"):
    try:
        print(client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": text}]).id)
    except openai.APIStatusError as error:
        print(error.status_code)
"""


def test_faults_strike_in_the_processes_of_a_command_and_are_told_by_it(provider: Provider, tmp_path: Path) -> None:
    (tmp_path / "agent.py").write_text(_AGENT, encoding="utf-8")

    def run(*words: str) -> tuple[str, str]:
        command = [sys.executable, "-m", "otel_agenttrace", *words, "run.otlp.jsonl", "--", sys.executable, "agent.py"]
        environment = instrumented_environment(None, None, provider)
        ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=60, check=True)
        return ended.stdout, ended.stderr

    fault = "inference[1] 429 retry-after=0.01"
    live, _ = run("record")
    assert live.count("chatcmpl") == 2
    provider.stop()
    first = live.splitlines()[0]
    assert run("replay", "--fault", fault)[0] == f"429\n{first}\n"
    answers, told = run("replay", "--fault", f"{fault} times=1")
    assert answers == live
    assert told.endswith(" · 1 fault struck\n")
