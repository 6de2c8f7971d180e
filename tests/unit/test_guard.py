"""The egress guard in this process: what is allowed, whose session it belongs to, what it leaves behind."""

from __future__ import annotations

import _socket
import asyncio
import contextvars
import os
import pickle
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import httpx
import pytest

import otel_agenttrace as at
from otel_agenttrace.config import resolve
from otel_agenttrace.egress import AllowList, collectors, is_local, is_loopback
from otel_agenttrace.errors import ConfigError, EgressBlocked, ReplayFailed
from otel_agenttrace.in_force import open_sessions
from tests.support.clients import openai_client
from tests.support.provider import Provider

PATH: Final = Path("c.otlp.jsonl")
ADDRESS: Final = "198.51.100.7"
_SETTINGS: Final = ("OTEL_AGENTTRACE_CASSETTE", "OTEL_AGENTTRACE_MODE", "OTEL_AGENTTRACE_ALLOW", "CI")


@pytest.fixture(autouse=True)
def recorded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: Provider) -> Iterator[None]:
    """Stand beside a cassette of one call, and leave no session open."""
    for name in _SETTINGS:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)
    with at.record(PATH, quiet=True):
        _ask(provider)
    yield
    assert open_sessions() == ()


def _ask(provider: Provider) -> None:
    with openai_client(provider, is_async=False) as client:
        client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])


def _leave(address: str = ADDRESS) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams:
        try:
            datagrams.connect((address, 9))  # of a datagram socket: nothing is sent
        except EgressBlocked:
            raise
        except OSError:  # this machine has no way there anyhow
            pass


# --- which places -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "host", "port", "is_taken"),
    [
        ("api.example.com", "api.example.com", 443, True),
        ("api.example.com", "API.Example.com.", 443, True),
        ("api.example.com", "api.example.com.evil.test", 443, False),
        ("*.example.com", "api.example.com", None, True),
        ("*.example.com", "example.com", None, False),
        ("api.example.com:443", "api.example.com", 443, True),
        ("api.example.com:443", "api.example.com", 80, False),
        ("api.example.com:443", "api.example.com", None, True),
        ("10.0.0.7:8080", "10.0.0.7", "8080", True),
        ("2001:db8::7", "2001:db8::7", 443, True),
        ("[2001:db8::7]:443", "2001:db8::7", 443, True),
        ("[2001:db8::7]:443", "2001:db8::7", 80, False),
        ("*", "anything", 1, True),
    ],
)
def test_an_entry_takes_a_host_at_any_port_or_at_one(entry: str, host: str, port: Any, is_taken: bool) -> None:
    assert AllowList((entry,)).takes(host, port) == is_taken


@pytest.mark.parametrize("entry", ["", "https://api.example.com", "api.example.com/v1"])
def test_what_is_no_host_is_refused_wherever_it_is_said(entry: str) -> None:
    with pytest.raises(ConfigError, match="no host"):
        at.replay(PATH, allow=[entry])
    with pytest.raises(ConfigError, match="no host"):
        resolve({}, {"allow": [entry]})


def test_hosts_of_the_environment_and_of_the_project_add_up() -> None:
    config = resolve({"OTEL_AGENTTRACE_ALLOW": "a.test, b.test:1,"}, {"allow": ["*.c.test"]})
    assert config.allow == ("a.test", "b.test:1", "*.c.test")


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.9.9.9",
        "127.1",
        "0x7f.1",
        "0177.0.0.1",
        "2130706433",
        "0",
        "::1",
        "::ffff:127.0.0.1",
        "0.0.0.0",
        "",
        "localhost",
        "LOCALHOST.",
        "app.localhost",
        "a.b.localhost.",
        "localhost.localdomain",
        "localhost4",
        "localhost6.localdomain6",
        "ip6-localhost",
        "ip6-loopback",
    ],
)
def test_the_loopback_is_local(host: str) -> None:
    assert is_local(host)


@pytest.mark.parametrize(
    "host",
    [
        "127.evil.test",
        "localhost.evil.test",
        "evillocalhost",
        "127.0.0.1.evil.test",
        "10.0.0.1",
        "::2",
        "169.254.169.254",
        "10.1",
        "134744072",
        "127.0.0.1.1",
        "127.16777216",
        "127.-1",
        "127.\u0661",
        "127._1",
        "08.1",
        "1.127",
        "4294967296",
    ],
)
def test_what_only_looks_like_the_loopback_is_not(host: str) -> None:
    assert not is_local(host)
    assert not is_loopback(host)


def test_collectors_are_what_the_variables_name() -> None:
    told = {
        "OTEL_EXPORTER_OTLP_ENDPOINT": "https://a.test:4318",
        "OTEL_EXPORTER_OTLP_LOGS_ENDPOINT": "http://b.test/v1",
    }
    assert collectors(told) == ("a.test", "b.test")


# --- whose guard ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan",
    [{"on_miss": "live"}, {"until": "miss"}, {"verify": True}, {"freeze": ["tools"]}, {"fork": "fork.otlp.jsonl"}],
    ids=lambda plan: next(iter(plan)),
)
def test_a_replay_that_may_go_live_has_no_guard(plan: dict[str, Any]) -> None:
    with at.replay(PATH, quiet=True, **plan):
        _leave()


@pytest.mark.parametrize("mode", ["new", "once", "all"])
def test_only_a_replay_has_a_guard(mode: str) -> None:
    path = PATH if mode == "new" else "other.otlp.jsonl"
    with at.session(path, mode, quiet=True):
        _leave()


def test_a_recording_inside_a_replay_is_not_guarded_and_a_thread_without_context_is() -> None:
    caught: list[BaseException] = []

    def work() -> None:
        try:
            _leave()
        except EgressBlocked as error:
            caught.append(error)

    def run(target: Callable[[], object]) -> None:
        thread = threading.Thread(target=target)
        thread.start()
        thread.join()

    with at.replay(PATH, quiet=True) as session:
        with at.record("other.otlp.jsonl", quiet=True):
            _leave()
            held = contextvars.copy_context()
            run(lambda: held.run(work))
            assert caught == []
        run(lambda: contextvars.Context().run(work))
        assert len(caught) == 1
    assert session.egress == {f"{ADDRESS}:9": 1}
    _leave()


def test_what_is_refused_can_fail_the_block() -> None:
    with pytest.raises(ReplayFailed, match="1 egress"), at.replay(PATH, quiet=True, fail_on=["egress"]):
        with pytest.raises(EgressBlocked):
            _leave()


def test_a_guard_leaves_the_standard_library_as_it_was() -> None:
    def places() -> list[object]:
        constructor = vars(subprocess.Popen)["__init__"]
        submit = asyncio.BaseEventLoop.run_in_executor
        return [
            _socket.getaddrinfo,
            constructor,
            submit,
            *(name in vars(socket.socket) for name in ("connect", "sendto")),
        ]

    before = places()
    with at.replay(PATH, quiet=True), at.replay(PATH, quiet=True):
        assert places() != before
    assert places() == before


def _told_to_children() -> list[str]:
    shown = subprocess.run(["sh", "-c", "echo $HTTP_PROXY $NO_PROXY"], capture_output=True, text=True, check=True)
    return shown.stdout.split()


def test_children_are_told_the_hosts_of_the_guard_that_is_meant_and_none_where_none_is(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("HTTP_PROXY", raising=False)
    monkeypatch.delenv("NO_PROXY", raising=False)
    told: list[list[str]] = []
    with at.replay(PATH, quiet=True, allow=["a.test"]):
        with at.replay(PATH, quiet=True, allow=["b.test"]):
            told.append(_told_to_children())
        with at.record("other.otlp.jsonl", quiet=True):
            assert _told_to_children() == []
        told.append(_told_to_children())
    assert [hosts.split(",")[3:] for _, hosts in told] == [["b.test"], ["a.test"]]


def test_proxies_on_this_machine_are_set_aside_while_a_guard_is_open(monkeypatch: pytest.MonkeyPatch) -> None:
    proxies = {
        "http_proxy": "http://127.0.0.1:3128",
        "HTTPS_PROXY": "user:word@localhost:8080",
        "all_proxy": "socks5h://[::1]:1080",
        "ftp_proxy": "http://[::1",
        "FTP_PROXY": "http://proxy.test:3128",
        "NO_PROXY": "127.0.0.1",
        "WS_PROXY": "http://127.0.0.1:3129",
    }
    for name, url in proxies.items():
        monkeypatch.setenv(name, url)
    with at.replay(PATH, quiet=True, allow=["127.0.0.1:3129"]):
        assert proxies.keys() & os.environ.keys() == {"ftp_proxy", "FTP_PROXY", "NO_PROXY", "WS_PROXY"}
        monkeypatch.setenv("http_proxy", "http://chosen.test")
    assert {name: os.environ[name] for name in proxies} == proxies | {"http_proxy": "http://chosen.test"}


def test_the_addresses_of_an_allowed_name_may_be_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    def table(host: str, *more: Any) -> list[Any]:
        sys.audit("socket.getaddrinfo", host, *more)
        return [
            (socket.AF_INET, socket.SOCK_DGRAM, 17, "", ({"good.test": ADDRESS, "bad.test": "198.51.100.8"}[host], 9))
        ]

    monkeypatch.setattr(_socket, "getaddrinfo", table)
    with at.replay(PATH, quiet=True, allow=["good.test:9"]):
        with pytest.raises(EgressBlocked):
            _leave()
        assert socket.getaddrinfo("good.test", 9)[0][4] == (ADDRESS, 9)
        _leave()
        with pytest.raises(EgressBlocked, match=f"{ADDRESS}:10 "), socket.socket() as other_port:
            other_port.connect((ADDRESS, 10))
        with pytest.raises(EgressBlocked, match=r"^bad\.test "):
            socket.getaddrinfo("bad.test", 9)
        with pytest.raises(EgressBlocked):
            _leave("198.51.100.8")


# --- requests over the tap --------------------------------------------------------------------------------------------


def test_a_request_that_nothing_answers_is_counted_whatever_becomes_of_its_error() -> None:
    with at.replay(PATH, quiet=True) as session, pytest.raises(EgressBlocked) as raised:
        httpx.get("https://api.guard.invalid/v1")
    assert (raised.value.host, session.egress) == ("api.guard.invalid", {"api.guard.invalid:443": 1})
    assert "test_guard.py:" in str(raised.value)


@pytest.mark.parametrize(
    "url",
    [
        "https://raw.githubusercontent.com/BerriAI/litellm/main/model_prices_and_context_window.json",
        "https://api.openai.com/v1/traces/ingest",
        "https://us.i.posthog.com/batch/",
    ],
)
def test_telemetry_is_told_that_it_is_refused_and_fails_nothing(url: str) -> None:
    with at.replay(PATH, quiet=True) as session:
        answer = httpx.post(url)
    assert (answer.status_code, session.failures["egress"], session.failures["miss"]) == (403, 0, 0)
    assert "kept from being reached" in answer.text


def test_an_allowed_host_is_asked_for_what_is_not_recorded() -> None:
    with at.replay(PATH, quiet=True, allow=["198.51.100.7:1"]) as session, pytest.raises(EgressBlocked):
        httpx.get(f"http://{ADDRESS}/")
    assert session.egress == {f"{ADDRESS}:80": 1}


def test_the_error_survives_a_process_pool() -> None:
    error = pickle.loads(pickle.dumps(EgressBlocked("host", "text\nmore", is_telemetry=True)))
    assert (error.host, str(error), error.is_telemetry, error.strerror) == ("host", "text\nmore", True, "text")
