"""What a served cassette answers over HTTP: the recorded bytes as they came, the call that is meant, or why there is none."""

from __future__ import annotations

import gzip
import http.client
import json
import socket
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import anthropic
import httpx
import openai
import pytest

import otel_agenttrace as at
from otel_agenttrace.capture.serving import CassetteServer
from otel_agenttrace.model import Chunk, RaisedError
from tests.support.clients import fake_key
from tests.support.served import Shelf

OPENAI: Final = "https://api.openai.com"
ROUTER: Final = "https://openrouter.ai"
CHAT: Final = "/v1/chat/completions"
MODEL: Final = "gpt-4o-mini"
EVENTS: Final = (b'data: {"n":1}\n\n', b"data: {", b'"n":2}\n\ndata: [DONE]\n\n')
STREAM: Final[dict[str, Any]] = {
    "headers": (("content-type", "text/event-stream"), ("connection", "keep-alive"), ("x-request-id", "req_1")),
    "body": b"".join(EVENTS),
    "chunks": tuple(Chunk(0, len(piece)) for piece in EVENTS),
}


def _asking(text: str) -> dict[str, Any]:
    return {"model": MODEL, "messages": [{"role": "user", "content": text}]}


def _saying(text: str, **told: Any) -> dict[str, Any]:
    return {"body": json.dumps({"said": text}).encode(), **told}


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf(tmp_path / "c.otlp.jsonl")


@contextmanager
def _client(shelf: Shelf) -> Iterator[tuple[httpx.Client, CassetteServer]]:
    with at.serve(shelf.path) as server, httpx.Client(base_url=server.url, timeout=5, trust_env=False) as client:
        yield client, server


def _said(answer: httpx.Response) -> str:
    assert answer.status_code == 200, answer.text
    return answer.json()["said"]


def _ask(client: httpx.Client, text: str, path: str = CHAT, **headers: str) -> httpx.Response:
    return client.post(path, json=_asking(text), headers=headers)


def _raw(server: CassetteServer, sent: bytes, *, until_closed: bool = True) -> bytes:
    """Return what comes for these bytes, up to the end of the connection, or up to the first that comes."""
    with _connected(server) as connection:
        connection.sendall(sent)
        if not until_closed:
            return connection.recv(1 << 16)
        return b"".join(iter(lambda: connection.recv(1 << 16), b""))


def _connected(server: CassetteServer) -> socket.socket:
    return socket.create_connection(("127.0.0.1", int(server.url.rpartition(":")[2])), timeout=5)


def _posted(text: str, *headers: str) -> bytes:
    body = json.dumps(_asking(text)).encode()
    lines = [
        f"POST {CHAT} HTTP/1.1",
        "Host: x",
        "Content-Type: application/json",
        f"Content-Length: {len(body)}",
        *headers,
    ]
    return "\r\n".join([*lines, "", ""]).encode() + body


# --- the bytes ------------------------------------------------------------------------------------------------------------


def test_a_stream_comes_in_the_chunks_it_was_recorded_in(shelf: Shelf) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), STREAM)
    with at.serve(shelf.path) as server:
        head, _, body = _raw(server, _posted("hi", "Connection: close")).partition(b"\r\n\r\n")
    assert body == b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in EVENTS) + b"0\r\n\r\n"
    assert b"x-request-id: req_1" in head
    assert head.lower().count(b"connection:") == 1


def test_a_client_of_http_1_0_gets_the_body_in_one_piece(shelf: Shelf) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), STREAM)
    with at.serve(shelf.path) as server:
        head, _, body = _raw(server, _posted("hi").replace(b"HTTP/1.1", b"HTTP/1.0")).partition(b"\r\n\r\n")
    assert body == b"".join(EVENTS)
    assert b"chunked" not in head


def test_a_connection_serves_one_request_after_the_other(shelf: Shelf) -> None:
    for text in ("one", "two"):
        shelf.put(OPENAI + CHAT, _asking(text), _saying(text))
    with at.serve(shelf.path) as server:
        connection = http.client.HTTPConnection(server.url.removeprefix("http://"), timeout=5)
        for text in ("one", "two"):
            connection.request("POST", CHAT, json.dumps(_asking(text)), {"content-type": "application/json"})
            opened = connection.sock
            assert json.loads(connection.getresponse().read()) == {"said": text}
            assert connection.sock is opened is not None
        connection.close()


@pytest.mark.parametrize("encoding", ["gzip", "deflate"])
def test_a_compressed_request_is_the_same_request(shelf: Shelf, encoding: str) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), _saying("well"))
    compress = {"gzip": gzip.compress, "deflate": zlib.compress}[encoding]
    headers = {"content-encoding": encoding, "content-type": "application/json"}
    with _client(shelf) as (client, _):
        assert _said(client.post(CHAT, content=compress(json.dumps(_asking("hi")).encode()), headers=headers)) == "well"


def test_a_request_in_chunks_is_the_same_request(shelf: Shelf) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), _saying("well"))
    text = json.dumps(_asking("hi")).encode()
    with _client(shelf) as (client, _):
        pieces = iter([text[:7], text[7:]])
        assert _said(client.post(CHAT, content=pieces, headers={"content-type": "application/json"})) == "well"


def test_a_client_that_waits_to_be_asked_for_its_body_is_asked(shelf: Shelf) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), _saying("well"))
    with at.serve(shelf.path) as server:
        head, _, body = _posted("hi", "Expect: 100-continue", "Connection: close").partition(b"\r\n\r\n")
        with _connected(server) as connection:
            connection.sendall(head + b"\r\n\r\n")
            assert connection.recv(1 << 16) == b"HTTP/1.1 100 Continue\r\n\r\n"
            connection.sendall(body)
            assert b'{"said": "well"}' in b"".join(iter(lambda: connection.recv(1 << 16), b""))


@pytest.mark.parametrize(
    ("lines", "status"),
    [
        ("Content-Length: 99999999999", 413),
        ("Content-Length: 99999999999\r\nExpect: 100-continue", 413),
        ("Transfer-Encoding: chunked\r\n\r\nfffffffff\r\n", 413),
        ("Content-Type: application/json", 411),
        ("Content-Length: many", 400),
        ("Content-Length: 2\r\nTransfer-Encoding: chunked", 400),
        ("Transfer-Encoding: gzip", 400),
        ("Transfer-Encoding: chunked\r\n\r\nno size\r\n", 400),
        ("Content-Encoding: br\r\nContent-Length: 2\r\n\r\nab", 415),
        ("Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\nab", 400),
    ],
)
def test_a_body_that_cannot_be_read_is_refused_and_nobody_is_asked(shelf: Shelf, lines: str, status: int) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), _saying("well"))
    with at.serve(shelf.path) as server:
        answered = _raw(server, f"POST {CHAT} HTTP/1.1\r\nHost: x\r\n{lines}\r\n\r\n".encode())
        assert answered.startswith(f"HTTP/1.1 {status} ".encode())
        assert not server.counts
        with httpx.Client(base_url=server.url, trust_env=False) as client:
            assert _said(_ask(client, "hi")) == "well"


def test_head_and_delete_are_answered_by_their_own_recordings(shelf: Shelf) -> None:
    shelf.put(f"{OPENAI}/v1/files/f", None, {"headers": (("x-kind", "head"),)}, method="HEAD")
    shelf.put(f"{OPENAI}/v1/files/f", None, _saying("deleted"), method="DELETE")
    with _client(shelf) as (client, server):
        assert client.head("/v1/files/f").headers["x-kind"] == "head"
        assert _said(client.delete("/v1/files/f")) == "deleted"
        assert server.counts["hit"] == 2
        assert client.head("/v1/files/f").status_code == 400


def test_clients_that_stall_or_leave_hurt_nobody_and_take_no_recording(shelf: Shelf) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), _saying("well"))
    shelf.put(OPENAI + CHAT, _asking("much"), {"body": bytes(32 << 20), "headers": ()})
    with _client(shelf) as (client, server), _connected(server) as stalled, _connected(server) as silent:
        stalled.sendall(_posted("hi")[:-5])
        silent.sendall(_posted("much"))  # and reads nothing of the 32 MiB
        with _connected(server) as leaving:
            leaving.sendall(_posted("hi")[:-5])
            leaving.shutdown(socket.SHUT_WR)
            assert leaving.recv(1) == b""
        assert _said(_ask(client, "hi")) == "well"
        assert server.misses == ()


# --- how attempts end -----------------------------------------------------------------------------------------------------


def test_where_no_response_was_recorded_the_connection_is_closed(shelf: Shelf) -> None:
    error = RaisedError("ConnectError", "refused", "httpx")
    shelf.put(OPENAI + CHAT, _asking("hi"), {"status": None, "end": "noresponse", "error": error})
    with _client(shelf) as (client, _), pytest.raises(httpx.RemoteProtocolError):
        _ask(client, "hi")


@pytest.mark.parametrize("end", ["closed", "abandoned", "error"])
def test_a_body_that_was_not_read_to_its_end_breaks_where_the_recording_ends(shelf: Shelf, end: str) -> None:
    stream = {**STREAM, "end": end, "body": EVENTS[0], "chunks": (Chunk(0, len(EVENTS[0])),)}
    shelf.put(OPENAI + CHAT, _asking("hi"), stream)
    shelf.put(OPENAI + CHAT, _asking("plain"), _saying("half", end=end))
    with _client(shelf) as (client, _):
        received: list[bytes] = []
        with client.stream("POST", CHAT, json=_asking("hi")) as answer, pytest.raises(httpx.RemoteProtocolError):
            received += answer.iter_raw()
        assert received == [EVENTS[0]]
        with pytest.raises(httpx.RemoteProtocolError):
            _ask(client, "plain")


def test_a_stream_that_was_left_after_its_last_event_is_whole(shelf: Shelf) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), {**STREAM, "end": "closed"})
    with _client(shelf) as (client, _):
        assert _ask(client, "hi").content == b"".join(EVENTS)


def test_a_server_that_stops_does_not_wait_for_a_client_that_waits(shelf: Shelf) -> None:
    error = RaisedError("ReadTimeout", "", "httpx")
    shelf.put(OPENAI + CHAT, _asking("hi"), {"status": None, "end": "noresponse", "error": error})
    with at.serve(shelf.path) as server, _connected(server) as connection:
        connection.sendall(_posted("hi"))
        while not server.counts:
            time.sleep(0.001)
        begun = time.monotonic()
        server.stop()
        assert connection.recv(1) == b""
    assert time.monotonic() - begun < 0.9


# --- which call is meant --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/chat/completions", "/api/v1/chat/completions"])
def test_a_base_url_leads_to_the_one_path_that_was_recorded(shelf: Shelf, path: str) -> None:
    shelf.put(f"{ROUTER}/api/v1/chat/completions", _asking("hi"), _saying("routed"))
    with _client(shelf) as (client, server):
        assert _said(_ask(client, "hi", path)) == "routed"
        assert server.counts["hit"] == 1


def test_the_end_of_a_path_does_not_lead_to_another_resource(shelf: Shelf) -> None:
    shelf.put(f"{OPENAI}/v1/containers/c/files/f", None, _saying("of the container"), method="GET")
    shelf.put(f"{OPENAI}/v1/threads/t/messages", None, _saying("of the thread"), method="GET")
    with _client(shelf) as (client, _):
        for path in ("/v1/files/f", "/v1/messages", "/files/f", "/v2/threads/u/messages"):
            answer = client.get(path)
            assert answer.status_code == 400, path
            assert "differs at target" in answer.text


def test_of_two_base_paths_none_is_guessed(shelf: Shelf) -> None:
    shelf.put(f"{ROUTER}/api/v1/chat/completions", _asking("hi"), _saying("routed"))
    shelf.put("https://api.groq.com/openai/v1/chat/completions", _asking("hi"), _saying("fast"))
    with _client(shelf) as (client, server):
        told = _ask(client, "hi").json()["error"]["message"]
        assert "api.groq.com, openrouter.ai" in told
        assert _said(_ask(client, "hi", "/api/v1/chat/completions")) == "routed"
        assert _said(_ask(client, "hi", "/openai/v1/chat/completions")) == "fast"
        assert (server.counts["hit"], server.counts["miss"]) == (2, 1)


@pytest.fixture
def two_origins(shelf: Shelf) -> Shelf:
    shelf.put(OPENAI + CHAT, _asking("hi"), _saying("one"))
    shelf.put(f"http://localhost:8000{CHAT}", _asking("hi"), _saying("two"))
    return shelf


def test_the_header_chooses_the_origin(two_origins: Shelf) -> None:
    with _client(two_origins) as (client, _):
        assert _said(_ask(client, "hi", **{"X-Agenttrace-Origin": "localhost:8000"})) == "two"
        assert _said(_ask(client, "hi", **{"X-Agenttrace-Origin": "https://api.openai.com/"})) == "one"


def test_a_host_before_the_path_chooses_the_origin(two_origins: Shelf) -> None:
    with _client(two_origins) as (client, _):
        assert _said(_ask(client, "hi", f"/localhost:8000{CHAT}")) == "two"
        assert _said(_ask(client, "hi", f"/api.openai.com{CHAT}")) == "one"


def test_a_request_as_to_a_proxy_names_its_origin(two_origins: Shelf) -> None:
    with at.serve(two_origins.path) as server, httpx.Client(proxy=server.url, trust_env=False) as client:
        assert _said(client.post(f"http://localhost:8000{CHAT}", json=_asking("hi"))) == "two"


def test_without_a_choice_the_miss_tells_the_origins_and_how_to_choose(two_origins: Shelf) -> None:
    with _client(two_origins) as (client, server):
        told = _ask(client, "hi").json()["error"]["message"]
        assert "recorded at http://localhost:8000 and https://api.openai.com" in told
        assert f"{server.url}/localhost:8000/v1" in told
        told = _ask(client, "hi", **{"X-Agenttrace-Origin": "other.test"}).json()["error"]["message"]
        assert "other.test names no origin of this cassette" in told
        assert server.unplayed == 2


def test_what_changes_from_run_to_run_is_drift(shelf: Shelf) -> None:
    shelf.put(OPENAI + CHAT, _asking("It is 2026-01-01T10:00:00Z."), _saying("late"))
    with _client(shelf) as (client, server):
        assert _said(_ask(client, "It is 2026-02-02T10:00:00Z.")) == "late"
        assert server.counts == {"drift": 1}


def test_match_rules_of_the_project_are_those_of_a_replay(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    shelf.put(OPENAI + CHAT, {**_asking("hi"), "user": "me"}, _busy(), _saying("well"))
    folder = shelf.path.parent
    monkeypatch.chdir(folder)
    rule = '[[tool.otel-agenttrace.match]]\npointer = "/user"\naction = "ignore"\n'
    (folder / "pyproject.toml").write_text(rule)
    with _client(shelf) as (client, server):
        asked = {**_asking("hi"), "user": "you"}
        answers = [client.post(CHAT, json=asked, headers={"x-stainless-retry-count": count}) for count in "01"]
        assert [answer.status_code for answer in answers] == [429, 200]
        assert server.counts == {"drift": 1}


# --- attempt by attempt ---------------------------------------------------------------------------------------------------


def _busy() -> dict[str, Any]:
    return {"status": 429, "headers": (("retry-after-ms", "1"), ("content-type", "application/json")), "body": b"{}"}


def _retried(client: httpx.Client, text: str, *counts: int | None) -> list[int]:
    headers = [{} if count is None else {"x-stainless-retry-count": str(count)} for count in counts]
    return [_ask(client, text, **header).status_code for header in headers]


@pytest.mark.parametrize("counts", [(0, 1, 2), (None, None, None)], ids=["counting", "silent"])
def test_a_client_that_tries_again_gets_the_next_attempt(shelf: Shelf, counts: tuple[int | None, ...]) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), _busy(), _busy(), _saying("well"))
    with _client(shelf) as (client, server):
        assert _retried(client, "hi", *counts) == [429, 429, 200]
        assert server.counts["hit"] == 1


def test_a_client_that_drifts_gets_the_next_attempt(shelf: Shelf) -> None:
    shelf.put(OPENAI + CHAT, _asking("It is 2026-01-01T10:00:00Z."), _busy(), _saying("well"))
    with _client(shelf) as (client, server):
        assert _retried(client, "It is 2026-02-02T10:00:00Z.", 0, 1) == [429, 200]
        assert server.counts["drift"] == 1


def test_a_client_with_another_base_url_gets_the_next_attempt(shelf: Shelf) -> None:
    shelf.put(f"{ROUTER}/api{CHAT}", _asking("hi"), _busy(), _saying("well"))
    with _client(shelf) as (client, server):
        assert _retried(client, "hi", 0, 1) == [429, 200]
        assert server.counts == {"hit": 1}


def test_clients_that_try_the_same_at_once_get_an_attempt_of_their_count(shelf: Shelf) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), _busy(), _busy(), _saying("after three"))
    shelf.put(OPENAI + CHAT, _asking("hi"), _busy(), _saying("after two"))
    with _client(shelf) as (client, server):
        assert _retried(client, "hi", 0, 0, 1, 1, 2) == [429, 429, 429, 200, 200]
        assert server.counts["hit"] == 2
        assert server.unplayed == 0


def test_one_attempt_too_many_finds_no_answer(shelf: Shelf) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), _busy())
    shelf.put(OPENAI + CHAT, _asking("hi"), _saying("another call's"))
    with _client(shelf) as (client, _):
        assert _retried(client, "hi", 0) == [429]
        told = _ask(client, "hi", **{"x-stainless-retry-count": "1"})
        assert (told.status_code, told.json()["error"]["code"]) == (400, "replay_exhausted")
        assert "attempt 2 has no answer" in told.text


def test_attempts_that_nobody_asked_for_make_a_drift(shelf: Shelf) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), _busy(), _saying("well"))
    with _client(shelf) as (client, server):
        assert _retried(client, "hi", 0) == [429]
    assert server.counts == {"drift": 1}


def test_a_redirect_leads_back_to_the_server(shelf: Shelf) -> None:
    moved = {"status": 307, "headers": (("location", "https://eu.openai.test/v1/moved?a=b"),)}
    shelf.put(OPENAI + CHAT, _asking("hi"), moved, _saying("moved", url="https://eu.openai.test/v1/moved?a=b"))
    with _client(shelf) as (client, server):
        answer = client.post(CHAT, json=_asking("hi"), follow_redirects=True)
        assert _said(answer) == "moved"
        assert str(answer.url) == f"{server.url}/eu.openai.test/v1/moved?a=b"
        assert server.counts == {"hit": 1}


# --- what is said of a miss -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["openai", "anthropic"])
def test_a_miss_reaches_the_caller_of_an_sdk_whole_and_after_one_attempt(shelf: Shelf, kind: str) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), _saying("well"))
    shelf.put("https://api.anthropic.com/v1/messages", {**_asking("hi"), "max_tokens": 9}, _saying("well"))
    with at.serve(shelf.path) as server:
        openais = openai.OpenAI(base_url=f"{server.url}/v1", api_key=fake_key(), max_retries=3)
        anthropics = anthropic.Anthropic(base_url=server.url, api_key=fake_key(), max_retries=3)
        with openais, anthropics:
            call: Any = openais.chat.completions if kind == "openai" else anthropics.messages
            more = {"max_tokens": 9} if kind == "anthropic" else {}
            expected = (openai.BadRequestError, anthropic.BadRequestError)
            with pytest.raises(expected, match="differs at /messages/0/content") as caught:
                call.create(**_asking("bye"), **more)
    (miss,) = server.misses
    body = caught.value.response.json()
    assert body["error"]["message"] == str(miss)
    assert body["error"]["type"] == "replay_miss"
    assert body.get("type") == ("error" if kind == "anthropic" else None)
    assert 'asked    "bye"' in str(miss)


def test_the_root_tells_what_is_served_here_and_is_no_miss(shelf: Shelf) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), _saying("well"))
    with _client(shelf) as (client, server):
        assert "1 recorded call of c.otlp.jsonl" in client.get("/").text
        assert client.head("/").status_code == 200
        assert not server.counts


# --- browsers -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("origin", ["http://localhost:5173", "http://127.0.0.1:3000", "http://[::1]:3000"])
def test_a_page_of_this_machine_may_ask(shelf: Shelf, origin: str) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), _saying("well", headers=(("access-control-allow-origin", "*"),)))
    asked = {
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization",
        "origin": origin,
    }
    with _client(shelf) as (client, server):
        allowed = client.options(CHAT, headers=asked)
        assert (allowed.status_code, allowed.headers["access-control-allow-headers"]) == (204, "authorization")
        assert client.options(CHAT).headers.get("access-control-allow-methods") is None
        assert _ask(client, "hi", origin=origin).headers["access-control-allow-origin"] == origin
        assert server.counts == {"hit": 1, "miss": 1}


@pytest.mark.parametrize("origin", ["https://page.test", "null", "http://localhost.page.test", "http://["])
def test_a_page_of_elsewhere_is_told_nothing_and_takes_no_recording(shelf: Shelf, origin: str) -> None:
    shelf.put(OPENAI + CHAT, _asking("hi"), _saying("well", headers=(("access-control-allow-origin", "*"),)))
    with _client(shelf) as (client, server):
        preflight = client.options(CHAT, headers={"access-control-request-method": "POST", "origin": origin})
        for refused in (preflight, _ask(client, "hi", origin=origin), _ask(client, "bye", origin=origin)):
            assert refused.status_code == 403
            assert not any(name.startswith("access-control") for name in refused.headers)
        assert not server.counts
        assert "access-control-allow-origin" not in _ask(client, "hi").headers


# --- many at once ---------------------------------------------------------------------------------------------------------


def test_thirty_two_clients_at_once_get_each_its_own_answer(shelf: Shelf) -> None:
    """Unique questions, ten of each of the others, and calls that are tried twice."""
    for number in range(320):
        shelf.put(OPENAI + CHAT, _asking(f"unique {number}"), _saying(f"unique {number}"))
        shelf.put(OPENAI + CHAT, _asking(f"again {number % 32}"), _saying(f"again {number % 32} {number // 32}"))
        shelf.put(OPENAI + CHAT, _asking(f"busy {number}"), _busy(), _saying(f"busy {number}"))

    def converse(worker: int) -> list[str]:
        said: list[str] = []
        with openai.OpenAI(base_url=f"{server.url}/v1", api_key=fake_key(), max_retries=1) as client:
            for turn in range(10):
                for text in (f"unique {worker * 10 + turn}", f"again {worker}", f"busy {worker * 10 + turn}"):
                    answer: Any = client.chat.completions.create(**_asking(text))
                    said.append(answer.said)
        return said

    with at.serve(shelf.path) as server, ThreadPoolExecutor(32) as pool:
        told = list(pool.map(converse, range(32)))
        assert server.counts == {"hit": 960}
        assert server.unplayed == 0
    for worker, said in enumerate(told):
        numbers = [worker * 10 + turn for turn in range(10)]
        assert said[0::3] == [f"unique {number}" for number in numbers]
        assert said[1::3] == [f"again {worker} {turn}" for turn in range(10)]
        assert said[2::3] == [f"busy {number}" for number in numbers]
