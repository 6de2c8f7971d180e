"""The egress guard in processes of their own: whatever a program uses to leave the machine, a replay keeps it in."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from otel_agenttrace.egress import told_place
from tests.support.clients import fake_key
from tests.support.processes import instrumented_environment
from tests.support.provider import Provider
from tests.support.unreachable import alone

COMMAND: Final = Path(sys.executable).with_name("otel-agenttrace")
CASSETTE: Final = "run.otlp.jsonl"
ADDRESS: Final = "198.51.100.7"
"""An address for documentation. Where a guard is tried there is no network, so nothing is sent there if it fails."""

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
        command = "record", CASSETTE, "--", sys.executable, "-c", _ASKS
        result = _run(folder, *command, before=(), PROVIDER_URL=provider.openai_url)
    assert result.returncode == 0, result.stderr
    return folder


def _run(
    folder: Path, *command: str | Path, before: tuple[str, ...] | None = None, **more: Any
) -> subprocess.CompletedProcess[str]:
    """Run a command without a network but loopback, unless told what else stands `before` it."""
    environment = instrumented_environment(None, None, OPENAI_API_KEY=fake_key()) | more
    environment.setdefault("PROVIDER_URL", "http://127.0.0.1:9/v1")
    command = (COMMAND, *command) if command[0] != sys.executable else command
    return subprocess.run(
        (*(alone() if before is None else before), *command),
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


class Attempt(NamedTuple):
    """How a way out ended: `blocked` or what was raised, the host and the text of the error, what the session counted."""

    end: str
    host: str
    text: str
    egress: dict[str, int]


def _attempts(
    folder: Path, ways: dict[str, str], host: str, *allowed: str, port: int | None = None
) -> dict[str, Attempt]:
    """Try the ways to a host; with a `port`, where a test listens on this machine."""
    told = {"WAYS": json.dumps(ways), "HOST": host, "ALLOWED": json.dumps(allowed), "PORT": str(port)}
    result = _run(folder, sys.executable, "-W", "error", "program.py", before=() if port else None, **told)
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


_INSIDE: Final = """
import asyncio, contextlib, os, socket, sys
import otel_agenttrace as at

async def ask():
    loop = asyncio.get_running_loop()
    for asked in (loop.getaddrinfo("api.guard.invalid", 443), loop.getnameinfo(("198.51.100.7", 80)),
                  loop.run_in_executor(None, socket.gethostbyname, "api.guard.invalid")):
        try:
            await asked
        except socket.gaierror:
            print("asked")
        except BaseException as error:
            print(type(error).__name__)
        else:
            print("asked")

with at.replay("run.otlp.jsonl", quiet=True) as session:
    with at.record("inner.otlp.jsonl", quiet=True):
        asyncio.run(ask(), debug="debug" in sys.argv)
    asyncio.run(ask(), debug="debug" in sys.argv)
print(dict(session.egress))
"""


@pytest.mark.parametrize("mode", ["plain", "debug"])
def test_a_recording_inside_a_replay_looks_names_up_asynchronously_too(mode: str, folder: Path) -> None:
    result = _run(folder, sys.executable, "-W", "error", "-c", _INSIDE, mode)
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:6] == ["asked"] * 3 + ["EgressBlocked"] * 3
    assert lines[6] == str({NAME: 2, ADDRESS: 1})


# --- what stays -------------------------------------------------------------------------------------------------------


def _own_address() -> str:
    """Return an address of this machine that is not its loopback: what is sent there does not leave it."""
    told = subprocess.run(["hostname", "-I"], capture_output=True, text=True, check=False).stdout.split()
    return next(
        (address for address in told if ip_address(address).version == 4 and not ip_address(address).is_loopback), ""
    )


@contextmanager
def _listening(address: str) -> Generator[int]:
    """Listen at a free port; nothing is ever accepted, which no client waits for."""
    with socket.create_server((address, 0)) as listener:
        yield listener.getsockname()[1]


_CONNECTS: Final = {"connects": "socket.create_connection((HOST, int(os.environ['PORT'])), 1)"}


def test_without_a_replay_the_same_connection_is_made(folder: Path) -> None:
    address = _own_address()
    if not address:
        pytest.skip("this machine has its loopback only")
    with _listening(address) as port:
        code = f"import socket; socket.create_connection(({address!r}, {port}), 1)"
        assert _run(folder, sys.executable, "-c", code, before=()).returncode == 0
        blocked = _attempts(folder, _CONNECTS, address, port=port)["connects"]
        allowed = _attempts(folder, _CONNECTS, address, f"{address}:{port}", port=port)["connects"]
        other_port = _attempts(folder, _CONNECTS, address, f"{address}:1", port=port)["connects"]
    assert (blocked.end, allowed.end, other_port.end) == ("blocked", "left", "blocked")
    assert (blocked.egress, allowed.egress) == ({f"{address}:{port}": 1}, {})


def test_an_allowed_name_is_looked_up_and_its_addresses_may_be_reached(folder: Path) -> None:
    name = socket.gethostname()
    address = socket.gethostbyname(name)
    if ip_address(address).is_loopback:
        pytest.skip("the name of this machine means its loopback")
    ways = _CONNECTS | {
        "by gethostbyname": "socket.create_connection((socket.gethostbyname(HOST), int(os.environ['PORT'])), 1)",
        "by a method": "socket.socket().connect((HOST, int(os.environ['PORT'])))",
    }
    with _listening(address) as port:
        allowed = _attempts(folder, ways, name, f"{name[:3]}*:{port}", port=port)
        blocked = _attempts(folder, ways, name, port=port)
    assert {attempt.end for attempt in allowed.values()} == {"left"}
    assert {attempt.end for attempt in blocked.values()} == {"blocked"}


_STAYS: Final = """
import asyncio, multiprocessing, os, smtplib, socket, subprocess, sys, threading

def square(number):
    return number * number

async def pipes():
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", "print(4)", stdout=subprocess.PIPE)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), "localhost", 0)
    _, writer = await asyncio.open_connection("localhost", server.sockets[0].getsockname()[1])
    writer.close()
    server.close()
    return (await process.communicate())[0].strip().decode()

if __name__ == "__main__":
    for kind in ("spawn", "fork", "forkserver"):
        with multiprocessing.get_context(kind).Pool(2) as pool:
            print(pool.map(square, [1, 2]))
    with multiprocessing.Manager() as manager:
        print(manager.list([3]))
    print(asyncio.run(pipes()))
    left, right = socket.socketpair()
    server = socket.create_server(("0.0.0.0", 0))
    socket.create_connection(("0.0.0.0", server.getsockname()[1])).close()
    socket.create_connection(("::ffff:127.0.0.1", server.getsockname()[1])).close()
    print(bool(socket.getfqdn()), socket.getaddrinfo("198.51.100.7", 80)[0][4])
    print(subprocess.run("echo $HTTPS_PROXY $NO_PROXY", shell=True, capture_output=True, text=True).stdout.strip())
    print(os.environ.get("HTTPS_PROXY"), subprocess.run(["env"], env={"A": "b"}, capture_output=True, text=True).stdout.count("A=b"))
"""


def test_what_stays_on_this_machine_goes_on(folder: Path) -> None:
    (folder / "stays.py").write_text(_STAYS, encoding="utf-8")
    result = _run(folder, "replay", CASSETTE, "--", sys.executable, "stays.py")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[:5] == ["[1, 4]", "[1, 4]", "[1, 4]", "[3]", "4"]
    assert lines[5:] == [
        "True ('198.51.100.7', 80)",
        "http://127.0.0.1:9 localhost,127.0.0.1,::1",
        "None 1",
    ]
    assert "kept from" not in result.stderr


# --- children ---------------------------------------------------------------------------------------------------------

_CHILD: Final = "import socket; socket.create_connection(('198.51.100.7', 80), 1)"
_STARTS: Final = {
    "inherits": "subprocess.call([sys.executable, '-c', CHILD])",
    "by asyncio": "asyncio.run(by_asyncio())",
    "through a shell": "subprocess.call(f'{sys.executable} -c \"{CHILD}\"', shell=True)",
    "without environment": "subprocess.call([sys.executable, '-c', CHILD], env={})",
    "without environment, by place": "subprocess.Popen([sys.executable, '-c', CHILD], -1, None, None, None, None, None, True, False, None, {}).wait()",
    "bytes as environment": "subprocess.call([sys.executable, '-c', CHILD], env={b'A': b'b'})",
    "a path of its own": "subprocess.call([sys.executable, '-c', CHILD], env={'PYTHONPATH': '.'})",
    "a path of this process": "os.environ.update(PYTHONPATH='.'); subprocess.call([sys.executable, '-c', CHILD])",
    "a shell without environment": "subprocess.call(['sh', '-c', f'{sys.executable} -c \"{CHILD}\"'], env={})",
    "system": "os.system(f'{sys.executable} -c \"{CHILD}\"')",
    "system, with a path of this process": "os.environ.update(PYTHONPATH='.'); os.system(f'{sys.executable} -c \"{CHILD}\"')",
    "posix_spawn": "os.waitpid(os.posix_spawn(sys.executable, [sys.executable, '-c', CHILD], os.environ), 0)",
    "exec": "os.execv(sys.executable, [sys.executable, '-c', CHILD])",
    "fork": "socket.create_connection(('198.51.100.7', 80), 1) if os.fork() == 0 else os.wait()",
}
_REFUSED: Final = {
    "isolated": ("subprocess.call([sys.executable, '-I', '-c', CHILD])", "python -I"),
    "isolated, among others": ("subprocess.call([sys.executable, '-W', 'error', '-uE', '-c', CHILD])", "python -E"),
    "no site": ("subprocess.call([sys.executable, '-X', 'dev', '-S', '-c', CHILD], env={})", "python -S"),
    "isolated exec": ("os.execv(sys.executable, [sys.executable, '-I', '-c', CHILD])", "python -I"),
    "isolated, after a long option": (
        "subprocess.call([sys.executable, '--check-hash-based-pycs', 'always', '-I', '-c', CHILD])",
        "python -I",
    ),
    "bare posix_spawn": (
        "os.posix_spawn(sys.executable, [sys.executable, '-c', CHILD], {})",
        "python with an environment of its own",
    ),
    "bare exec": (
        "os.execve(sys.executable, [sys.executable, '-c', CHILD], {})",
        "python with an environment of its own",
    ),
}
_PARENT: Final = f"""
import asyncio, os, socket, subprocess, sys
CHILD = {_CHILD!r}

async def by_asyncio():
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", CHILD, env={{}})
    await process.wait()

"""


@pytest.mark.parametrize("start", _STARTS)
def test_a_child_that_python_code_starts_is_kept_in_too_and_the_run_fails(start: str, folder: Path) -> None:
    result = _run(folder, "replay", CASSETTE, "--", sys.executable, "-c", _PARENT + _STARTS[start])
    assert "EgressBlocked: 198.51.100.7:80 is kept from being reached" in result.stderr
    assert result.stderr.endswith(" · kept from reaching 198.51.100.7:80\n")
    assert result.returncode == 1


@pytest.mark.parametrize("start", _REFUSED)
def test_a_python_child_that_no_guard_goes_with_is_not_started(start: str, folder: Path) -> None:
    code, host = _REFUSED[start]
    result = _run(folder, "replay", CASSETTE, "--", sys.executable, "-c", _PARENT + code)
    assert f"EgressBlocked: {host} is kept from starting" in result.stderr
    assert result.stderr.endswith(f" · kept from reaching {host}\n")
    assert result.returncode == 1


_TELLS: Final = "sh", "-c", "echo $https_proxy $NO_PROXY"
_OTHERS: Final = {
    "system": "os.system(TELLS[2])",
    "system, bytes": "os.system(command=TELLS[2].encode())",
    "popen": "print(os.popen(TELLS[2]).read(), end='')",
    "posix_spawn": "os.waitpid(os.posix_spawn('/bin/sh', TELLS, {}), 0)",
    "posix_spawnp": "os.waitpid(os.posix_spawnp('sh', TELLS, os.environ), 0)",
    "spawnv": "os.spawnv(os.P_WAIT, '/bin/sh', TELLS)",
    "spawnlpe": "os.spawnlpe(os.P_WAIT, 'sh', *TELLS, {})",
    "execv": "os.execv('/bin/sh', TELLS)",
    "execve": "os.execve('/bin/sh', TELLS, env={b'A': b'b'})",
    "execve of an open file": "os.execve(os.open('/bin/sh', os.O_RDONLY), TELLS, {})",
    "execlp": "os.execlp('sh', *TELLS)",
}


@pytest.mark.parametrize("start", _OTHERS)
def test_a_child_that_is_no_python_gets_proxies_that_lead_nowhere(start: str, folder: Path) -> None:
    code = f"import os\nTELLS = {_TELLS!r}\n{_OTHERS[start]}"
    result = _run(folder, "replay", "--allow", "a.test", CASSETTE, "--", sys.executable, "-c", code)
    assert result.stdout == "http://127.0.0.1:9 localhost,127.0.0.1,::1,a.test\n", result.stderr
    assert result.returncode == 0


def test_a_program_that_cannot_take_our_place_leaves_the_environment_and_its_error_as_they_are(folder: Path) -> None:
    code = (
        "import os\nbefore = dict(os.environ)\n"
        "for call in (lambda: os.execv('/none', ['none']), lambda: os.execlp('no-such-program', 'none')):\n"
        "    try:\n        call()\n"
        "    except FileNotFoundError as error:\n        print(error, dict(os.environ) == before)\n"
        "print(os.system('exit 3') >> 8, os.system('# nothing'))"
    )
    result = _run(folder, "replay", CASSETTE, "--", sys.executable, "-c", code)
    assert result.stdout == "[Errno 2] No such file or directory True\n" * 2 + "3 0\n", result.stderr


_THROUGH_A_PROXY: Final = """
import http.server, os, threading, urllib.request
import otel_agenttrace as at

class Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"the world")

    def log_message(self, *args):
        pass

def ask(url="http://198.51.100.7/"):
    try:
        with urllib.request.build_opener().open(url, timeout=5) as answer:
            return answer.read().decode()
    except OSError as error:
        return type(getattr(error, "reason", error)).__name__

server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Proxy)
threading.Thread(target=server.serve_forever, daemon=True).start()
place = f"127.0.0.1:{server.server_port}"
for value in (f"http://{place}", place):
    os.environ["http_proxy"] = value
    print(ask())
    with at.replay("run.otlp.jsonl", quiet=True) as session:
        print(ask(), dict(session.egress), ask(f"http://{place}/"))
    with at.replay("run.otlp.jsonl", quiet=True, allow=[place]):
        print(ask())
    print(os.environ["http_proxy"] == value)
"""


def test_a_proxy_on_this_machine_is_no_way_out_unless_it_is_allowed(folder: Path) -> None:
    result = _run(folder, sys.executable, "-c", _THROUGH_A_PROXY)
    assert result.returncode == 0, result.stderr
    told = ["the world", f"EgressBlocked { ({f'{ADDRESS}:80': 1}) } the world", "the world", "True"]
    assert result.stdout.splitlines() == told * 2


# --- settings ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("said", ["option", "variable", "project", "passed"])
def test_a_host_is_allowed_by_option_variable_and_project_for_children_too(said: str, folder: Path) -> None:
    address = _own_address()
    if not address:
        pytest.skip("this machine has its loopback only")
    project = {"project": f"allow = ['{address}']", "passed": f"pass = ['{address}/*']"}.get(said, "")
    (folder / "pyproject.toml").write_text(f"[tool.otel-agenttrace]\n{project}\n", encoding="utf-8")
    option = ("--allow", address) if said == "option" else ()
    told = {"OTEL_AGENTTRACE_ALLOW": f"a.test,{address}"} if said == "variable" else {}
    with _listening(address) as port:
        child = f"import socket; socket.create_connection(({address!r}, {port}), 1)"
        code = f"import subprocess, sys; sys.exit(subprocess.call([sys.executable, '-c', {child!r}], env={{}}))"
        command = "replay", *option, CASSETTE, "--", sys.executable, "-c", code
        result = _run(folder, *command, before=(), **told)
    (folder / "pyproject.toml").unlink()
    assert result.returncode == 0, result.stderr


def test_a_collector_is_not_reached_at_exit_and_fails_no_run(folder: Path) -> None:
    code = "from opentelemetry import trace\ntrace.get_tracer('mine').start_span('mine').end()"
    told = {
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://{ADDRESS}:4318",
        "OTEL_EXPORTER_OTLP_TIMEOUT": "3",
    }
    program = (COMMAND.with_name("opentelemetry-instrument"), sys.executable, "-c", code)
    result = _run(folder, "replay", CASSETTE, "--", *program, before=None, **told)
    assert f"{ADDRESS}:4318 is kept from being reached" in result.stderr
    assert "kept from reaching" not in result.stderr
    assert result.returncode == 0, result.stderr
