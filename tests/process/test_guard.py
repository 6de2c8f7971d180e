"""The egress guard in processes of their own: whatever a program uses to leave the machine, a replay keeps it in."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Final, NamedTuple

import pytest

from otel_agenttrace.egress import told_place
from tests.support.clients import fake_key
from tests.support.processes import instrumented_environment
from tests.support.provider import Provider

COMMAND: Final = Path(sys.executable).with_name("otel-agenttrace")
CASSETTE: Final = "run.otlp.jsonl"
ADDRESS: Final = "198.51.100.7"
"""An address for documentation: nothing may be sent there, and before a guard is tried nothing is."""

NAME: Final = "api.guard.invalid"

_ASKS: Final = """
import os, openai
client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"], max_retries=0)
client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}])
"""
_WAYS: Final = {
    "socket": "socket.socket().connect((HOST, 80))",
    "socket, with an error number": "socket.socket().connect_ex((HOST, 80))",
    "datagram": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b'x', (HOST, 80))",
    "datagram of parts": "socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendmsg([b'x'], [], 0, (HOST, 80))",
    "create_connection": "socket.create_connection((HOST, 80), timeout=1)",
    "http.client": "http.client.HTTPConnection(HOST, timeout=1).request('GET', '/')",
    "urllib": "urllib.request.urlopen(f'http://{HOST}/', timeout=1)",
    "urllib3": "urllib3.PoolManager(retries=False, timeout=1).request('GET', f'http://{HOST}/')",
    "requests": "requests.get(f'http://{HOST}/', timeout=1)",
    "httpx": "httpx.get(f'http://{HOST}/', timeout=1)",
    "httpx, asynchronous": "asyncio.run(httpx_get())",
    "httpx2": "httpx2.get(f'http://{HOST}/', timeout=1)",
    "httpcore": "httpcore.request('GET', f'http://{HOST}/', extensions={'timeout': {'connect': 1}})",
    "aiohttp": "asyncio.run(aiohttp_get())",
    "asyncio streams": "asyncio.run(asyncio.wait_for(asyncio.open_connection(HOST, 80), 1))",
    "asyncio.create_connection": "asyncio.run(create_connection())",
    "asyncio datagrams": "asyncio.run(create_datagram())",
    "smtplib": "smtplib.SMTP(HOST, timeout=1)",
    "thread before the guard": "ask_the_thread()",
    "functions from before the guard": "captured_create((HOST, 80), 1)",
    "method from before the guard": "captured_connect((HOST, 80))",
}
_LOOK_UPS: Final = {
    "getaddrinfo": "socket.getaddrinfo(HOST, 443)",
    "captured getaddrinfo": "captured_getaddrinfo(HOST, 443)",
    "loop.getaddrinfo": "asyncio.run(loop_getaddrinfo())",
    "gethostbyname": "socket.gethostbyname(HOST)",
    "gethostbyname_ex": "socket.gethostbyname_ex(HOST)",
}
_LOOKS_BACK: Final = {
    "gethostbyaddr": "socket.gethostbyaddr(HOST)",
    "getnameinfo": "socket.getnameinfo((HOST, 80), 0)",
}
_PORTS: Final = {"smtplib": 25, "gethostbyaddr": None, "getnameinfo": None}
_PROGRAM: Final = """
import asyncio, http.client, json, os, queue, smtplib, socket, sys, threading, urllib.request
import aiohttp, httpcore, httpx, httpx2, requests, urllib3

HOST = os.environ["HOST"]

async def httpx_get():
    async with httpx.AsyncClient(timeout=1) as client:
        await client.get(f"http://{HOST}/")

async def aiohttp_get():
    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=1)) as client:
        await client.get(f"http://{HOST}/")

async def create_connection():
    await asyncio.wait_for(asyncio.get_running_loop().create_connection(asyncio.Protocol, HOST, 80), 1)

async def create_datagram():
    await asyncio.wait_for(
        asyncio.get_running_loop().create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=(HOST, 80)), 1)

async def loop_getaddrinfo():
    await asyncio.get_running_loop().getaddrinfo(HOST, 443)

asked, told = queue.Queue(), queue.Queue()

def work():
    while True:
        try:
            told.put(socket.create_connection(asked.get(), 1))
        except BaseException as error:
            told.put(error)

def ask_the_thread():
    asked.put((HOST, 80))
    answer = told.get()
    if isinstance(answer, BaseException):
        raise answer

thread = threading.Thread(target=work, daemon=True)
thread.start()
captured_create, captured_getaddrinfo = socket.create_connection, socket.getaddrinfo
plain = socket.socket()
captured_connect = plain.connect

def links(error):
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__ or getattr(error, "reason", None)

def attempt(way):
    try:
        exec(way, globals())
    except BaseException as error:
        for link in links(error):
            if type(link).__name__ == "EgressBlocked":
                return ["blocked", link.host, str(link)]
        return [type(error).__name__, "", str(error)]
    return ["left", "", ""]

import otel_agenttrace as at
told_by_way = {}
with at.replay("run.otlp.jsonl", quiet=True, allow=json.loads(os.environ["ALLOWED"])) as session:
    for name, way in json.loads(os.environ["WAYS"]).items():
        before = session.egress.copy()
        told_by_way[name] = [*attempt(way), dict(session.egress - before)]
print(json.dumps(told_by_way))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a cassette of one call, and the program that tries the ways out."""
    folder = tmp_path_factory.mktemp("guarded")
    (folder / "program.py").write_text(_PROGRAM, encoding="utf-8")
    with Provider() as provider:
        result = _run(folder, "record", CASSETTE, "--", sys.executable, "-c", _ASKS, PROVIDER_URL=provider.openai_url)
    assert result.returncode == 0, result.stderr
    return folder


def _run(folder: Path, *command: str | Path, **more: str) -> subprocess.CompletedProcess[str]:
    environment = instrumented_environment(None, None, OPENAI_API_KEY=fake_key()) | more
    environment.setdefault("PROVIDER_URL", "http://127.0.0.1:9/v1")
    command = (COMMAND, *command) if command[0] != sys.executable else command
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


class Attempt(NamedTuple):
    """How a way out ended: `blocked` or what was raised, the host and the text of the error, what the session counted."""

    end: str
    host: str
    text: str
    egress: dict[str, int]


def _attempts(folder: Path, ways: dict[str, str], host: str, *allowed: str) -> dict[str, Attempt]:
    told = {"WAYS": json.dumps(ways), "HOST": host, "ALLOWED": json.dumps(allowed)}
    result = _run(folder, sys.executable, "-W", "error", "program.py", **told)
    assert result.returncode == 0, result.stderr
    return {name: Attempt(*attempt) for name, attempt in json.loads(result.stdout).items()}


@pytest.fixture(scope="module")
def by_address(folder: Path) -> dict[str, Attempt]:
    return _attempts(folder, {**_WAYS, **_LOOKS_BACK}, ADDRESS)


@pytest.fixture(scope="module")
def by_name(folder: Path) -> dict[str, Attempt]:
    return _attempts(folder, {**_WAYS, **_LOOK_UPS}, NAME)


@pytest.mark.parametrize("way", [*_WAYS, *_LOOKS_BACK])
def test_no_way_leads_out_of_a_replay_by_address(way: str, by_address: dict[str, Attempt]) -> None:
    end, host, text, egress = by_address[way]
    assert (end, host) == ("blocked", ADDRESS), text
    assert text.startswith(f"{told_place(ADDRESS, _PORTS.get(way, 80))} is kept")
    assert "  at       program.py:" in text
    assert f"--allow {ADDRESS!r}" in text
    assert list(egress) == [text.partition(" ")[0]]


@pytest.mark.parametrize("way", [way for way in (*_WAYS, *_LOOK_UPS) if way != "method from before the guard"])
def test_no_name_is_looked_up_in_a_replay(way: str, by_name: dict[str, Attempt]) -> None:
    end, host, text, egress = by_name[way]
    assert (end, host) == ("blocked", NAME), text
    assert "  at       program.py:" in text
    assert sum(egress.values()) == 1
