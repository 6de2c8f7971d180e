"""A small HTTP/1.1 server on 127.0.0.1 that can do what real ones do on bad days. A function gives the answers."""

from __future__ import annotations

import json
import selectors
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from http import HTTPStatus
from io import BufferedReader
from types import TracebackType
from typing import Any, Final, Literal, TypeAlias, TypeVar
from urllib.parse import parse_qsl, urlsplit

__all__ = ["Answer", "LoopbackServer", "Received", "Service"]

End: TypeAlias = Literal["complete", "cut", "reset", "hold", "drop", "abort"]
"""How an answer ends: as it should, without its last chunk, by RST, not before the client leaves, before it begins, by RST before it begins."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_BEFORE_RESET_S: Final = 0.02
"""Time for the client to read what was sent; some systems drop it when the RST comes."""


@dataclass(frozen=True, slots=True)
class Received:
    """One request as it came. Names of headers are in lower case."""

    method: str
    target: str
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""

    @property
    def path(self) -> str:
        """The target without its query."""
        return urlsplit(self.target).path

    @property
    def query(self) -> dict[str, str]:
        """The parameters of the query."""
        return dict(parse_qsl(urlsplit(self.target).query, keep_blank_values=True))

    def header(self, name: str) -> str:
        """Return the value of a header, or an empty string."""
        return next((value for key, value in self.headers if key == name), "")

    def json(self) -> Any:
        """Return the JSON body, or an empty object where there is none."""
        return json.loads(self.body) if self.body and "json" in self.header("content-type") else {}


@dataclass(frozen=True, slots=True)
class Answer:
    """What to send. Chunked, each piece is one chunk, flushed alone; else all pieces are one body of known length.

    A body of known length that does not end as it should is said to have `missing` more bytes.
    """

    status: int = 200
    headers: tuple[tuple[str, str], ...] = ()
    pieces: tuple[bytes, ...] = ()
    is_chunked: bool = False
    delay_s: float = 0.0
    first_chunk_delay_s: float = 0.0
    chunk_delay_s: float = 0.0
    end: End = "complete"
    missing: int = 1


class LoopbackServer:
    """Serves between `start` and `stop`, each connection in a thread of its own. Afterwards its port is closed."""

    def __init__(self, answer: Callable[[Received], Answer]) -> None:
        self._answer = answer
        self._stopping = threading.Event()
        self._lock = threading.Lock()
        self._connections: dict[socket.socket, threading.Thread] = {}
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=128)
        self._wake, self._woken = socket.socketpair()
        self.port: int = self._listener.getsockname()[1]
        self._accepting = threading.Thread(target=self._accept, name="loopback", daemon=True)

    @property
    def url(self) -> str:
        """Scheme, host and port; the same after the server has stopped."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Begin to accept connections."""
        self._accepting.start()

    def stop(self) -> None:
        """Close the port and every connection. Twice is once."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        self._wake.close()
        if self._accepting.ident is not None:
            self._accepting.join()
        self._listener.close()
        self._woken.close()
        with self._lock:
            running = dict(self._connections)
        for connection, thread in running.items():
            _shut(connection)
            thread.join()

    def __enter__(self) -> LoopbackServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _accept(self) -> None:
        with selectors.DefaultSelector() as selector:
            selector.register(self._listener, selectors.EVENT_READ)
            selector.register(self._woken, selectors.EVENT_READ)
            while not self._stopping.is_set():
                ready = {key.fileobj for key, _ in selector.select()}
                if self._listener in ready and not self._stopping.is_set():
                    self._serve(self._listener.accept()[0])

    def _serve(self, connection: socket.socket) -> None:
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        thread = threading.Thread(target=self._converse, args=(connection,), name="loopback connection", daemon=True)
        with self._lock:
            self._connections[connection] = thread
        thread.start()

    def _converse(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as reader:
                for request in _requests(reader):
                    if not self._send(connection, request, self._answer(request)):
                        break
        except OSError:  # the client has left, or the server stops
            pass
        finally:
            with self._lock:
                self._connections.pop(connection, None)

    def _send(self, connection: socket.socket, request: Received, answer: Answer) -> bool:
        """Send an answer; tell whether the connection may be used again."""
        self._stopping.wait(answer.delay_s)
        if answer.end == "abort":
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        if answer.end in ("drop", "abort") or self._stopping.is_set():
            return False
        connection.sendall(_head(answer))
        for index, piece in enumerate(_framed(answer)):
            self._stopping.wait(answer.chunk_delay_s if index else answer.first_chunk_delay_s)
            connection.sendall(piece)
        if answer.end == "reset":
            self._stopping.wait(_BEFORE_RESET_S)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
        elif answer.end == "hold":
            connection.recv(1)
        return answer.end == "complete" and request.header("connection").lower() != "close"


_Service = TypeVar("_Service", bound="Service")


class Service:
    """What answers by a server of its own, between entering and leaving its block."""

    def __init__(self, answer: Callable[[Received], Answer]) -> None:
        self._server = LoopbackServer(answer)

    @property
    def url(self) -> str:
        """Scheme, host and port; the same after the server has stopped."""
        return self._server.url

    def stop(self) -> None:
        """Close the port and all connections."""
        self._server.stop()

    def __enter__(self: _Service) -> _Service:
        self._server.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _shut(connection: socket.socket) -> None:
    with suppress(OSError):  # gone already
        connection.shutdown(socket.SHUT_RDWR)


# --- HTTP/1.1 -------------------------------------------------------------------------------------------------------


def _requests(reader: BufferedReader) -> Iterator[Received]:
    while line := reader.readline():
        method, target, _ = line.decode("latin-1").split(" ", 2)
        headers = _headers(reader)
        yield Received(method, target, headers, _body(reader, dict(headers)))


def _headers(reader: BufferedReader) -> tuple[tuple[str, str], ...]:
    lines = iter(lambda: reader.readline().decode("latin-1").strip(), "")
    pairs = (line.partition(":") for line in lines)
    return tuple((name.lower(), value.strip()) for name, _, value in pairs)


def _body(reader: BufferedReader, headers: dict[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() == "chunked":
        return b"".join(_chunks(reader))
    return reader.read(int(headers.get("content-length", "0")))


def _chunks(reader: BufferedReader) -> Iterator[bytes]:
    while size := int(reader.readline().partition(b";")[0] or b"0", 16):
        yield reader.read(size)
        reader.readline()
    reader.readline()


def _head(answer: Answer) -> bytes:
    phrase = HTTPStatus(answer.status).phrase if answer.status in set(HTTPStatus) else ""
    lines = [f"HTTP/1.1 {answer.status} {phrase}", *(f"{name}: {value}" for name, value in answer.headers)]
    if answer.is_chunked:
        lines.append("transfer-encoding: chunked")
    elif answer.status not in (204, 304):
        missing = 0 if answer.end == "complete" else answer.missing
        lines.append(f"content-length: {sum(map(len, answer.pieces)) + missing}")
    return "\r\n".join([*lines, "", ""]).encode("utf-8")


def _framed(answer: Answer) -> Iterator[bytes]:
    if not answer.is_chunked:
        yield b"".join(answer.pieces)
        return
    for piece in answer.pieces:
        if piece:
            yield b"%x\r\n%s\r\n" % (len(piece), piece)
    if answer.end == "complete":
        yield b"0\r\n\r\n"
