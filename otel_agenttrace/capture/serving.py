"""Answer the API of a provider over HTTP on this machine. A cassette in, a base URL out, for agents in any language."""

from __future__ import annotations

import select
import socket
import struct
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import TCPServer, ThreadingMixIn
from types import TracebackType
from typing import Any, Final, cast

from otel_agenttrace.capture.answering import Answer, Asked, RecordedProvider, plain_answer
from otel_agenttrace.cassette.reader import open_cassette, with_calls
from otel_agenttrace.egress import is_loopback_origin
from otel_agenttrace.errors import AgentTraceError
from otel_agenttrace.model import Exchange, OutcomeKind
from otel_agenttrace.playback.player import Player
from otel_agenttrace.redact import Redactor
from otel_agenttrace.volatile import NO_RULES, MatchRules
from otel_agenttrace.wire.recorded import is_whole

__all__ = ["CassetteServer", "base_urls"]

_MAX_BODY: Final = 256 << 20
"""Bytes of a request body, before and after it is decompressed."""

_NOT_SENT: Final = frozenset(
    {
        "access-control-allow-origin",
        "alt-svc",
        "connection",
        "content-length",
        "keep-alive",
        "proxy-connection",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)
"""Recorded headers that are about another connection, or let every web page read what is answered here."""

_RESET_ON_CLOSE: Final = struct.pack("ii", 1, 0)
_BEFORE_RESET_S: Final = 0.02
"""Time for the client to read what was sent; some systems drop it when the RST comes."""

_GRACE_S: Final = 1.0
"""How much longer than recorded a client may take to give a call up, and how long an answer under way may take to end."""


def base_urls(url: str) -> Mapping[str, str]:
    """Return the variables by which the SDKs of the providers are led to a server."""
    return {
        "OPENAI_BASE_URL": f"{url}/v1",
        "OPENAI_API_BASE": f"{url}/v1",
        "AZURE_OPENAI_ENDPOINT": url,
        "ANTHROPIC_BASE_URL": url,
    }


class CassetteServer:
    """Serves between entering and leaving its block, each connection in a thread of its own.

    Attributes:
        url: Scheme, host and port. For an OpenAI client the base URL is `url + "/v1"`.
    """

    def __init__(
        self,
        path: Path,
        redactor: Redactor,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        match: MatchRules = NO_RULES,
        on_answer: Callable[[Asked, Answer], object] = lambda _, __: None,
    ) -> None:
        """Open the cassette and the port.

        Args:
            path: The cassette.
            redactor: That of the recording: what it replaced there is replaced in what is asked.
            host: The address to listen at.
            port: The port, 0 for a free one.
            match: The rules of the user's own by which a call drifts.
            on_answer: Is told of each answer, from the thread of its connection, before it is sent.

        Raises:
            CassetteError: If the cassette cannot be read.
            OSError: If the port is not free.
        """
        player = Player(with_calls(open_cassette(path, strict=True)), redactor, rules=match)
        self._server = _Server(host, port, on_answer)
        self.url = f"http://{_reachable(host)}:{self._server.server_address[1]}"
        self._provider = RecordedProvider(player, redactor, self.url, match)
        self._server.provider = self._provider
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, name="otel-agenttrace serve", daemon=True
        )

    @property
    def counts(self) -> Mapping[OutcomeKind, int]:
        """How many calls were answered how."""
        return self._provider.counts

    @property
    def misses(self) -> tuple[AgentTraceError, ...]:
        """What each call without a recording was told."""
        return tuple(self._provider.misses)

    @property
    def unplayed(self) -> int:
        """How many recorded calls nobody asked for."""
        return self._provider.unplayed

    @property
    def is_played(self) -> bool:
        """Whether every attempt of every recorded call was asked for."""
        return self._provider.is_played

    def start(self) -> None:
        """Begin to accept connections."""
        self._thread.start()

    def stop(self) -> None:
        """Close the port, let answers under way end, and close the connections. Twice is once."""
        if self._thread.is_alive():
            self._server.shutdown()
            self._thread.join()
        self._server.end_connections()
        self._server.server_close()

    def __enter__(self) -> CassetteServer:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


class _Server(ThreadingMixIn, TCPServer):
    """Accepts connections; the plain TCP server, for that of `http.server` looks its own name up."""

    allow_reuse_address = True
    daemon_threads = True
    request_queue_size = 128
    provider: RecordedProvider

    def __init__(self, host: str, port: int, on_answer: Callable[[Asked, Answer], object]) -> None:
        self.on_answer = on_answer
        self.stopping = threading.Event()
        self._changed = threading.Condition()
        self._connections: set[socket.socket] = set()
        self._answering = 0
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        super().__init__((host, port), _Handler)

    def opened(self, connection: socket.socket) -> None:
        """Take note of a connection."""
        with self._changed:
            self._connections.add(connection)

    def closed(self, connection: socket.socket) -> None:
        """Forget a connection."""
        with self._changed:
            self._connections.discard(connection)

    def answering(self, count: int) -> None:
        """Take note of answers that begin (1) or end (-1)."""
        with self._changed:
            self._answering += count
            self._changed.notify_all()

    def end_connections(self) -> None:
        """Let answers under way end, for a short time, and shut every connection."""
        self.stopping.set()
        with self._changed:
            self._changed.wait_for(lambda: self._answering == 0, _GRACE_S)
            for connection in self._connections:
                with suppress(OSError):  # gone already
                    connection.shutdown(socket.SHUT_RDWR)


class _Refused(Exception):
    """A request that is not read any further."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(text)
        self.status = status


class _Handler(BaseHTTPRequestHandler):
    """Reads the requests of one connection and sends what the recorded provider answers."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    @property
    def _home(self) -> _Server:
        return cast("_Server", self.server)

    def setup(self) -> None:
        super().setup()
        self._home.opened(self.connection)

    def finish(self) -> None:
        self._home.closed(self.connection)
        with suppress(OSError):  # the client has left
            super().finish()

    def handle(self) -> None:
        with suppress(ConnectionError):  # the client has left
            super().handle()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name of the base class
        """Say nothing: each answer is told by `on_answer`."""

    def handle_expect_100(self) -> bool:
        """Ask for the body, unless it is too large."""
        try:
            self._check(self._length())
        except _Refused as refused:
            self._refuse(refused)
            return False
        return super().handle_expect_100()

    def serve(self) -> None:
        """Answer one request."""
        try:
            self._check_page()
            body = self._decoded(b"".join(self._body()))
        except _Refused as refused:
            self._refuse(refused)
            return
        is_preflight = "Origin" in self.headers and "Access-Control-Request-Method" in self.headers
        if self.command == "OPTIONS" and is_preflight:
            self._send(replace(plain_answer(204, ""), headers=tuple(self._preflight())))
            return
        headers = {name.lower(): value for name, value in self.headers.items()}
        asked = Asked(self.command, self.path, headers, body)
        self._home.answering(1)
        try:
            answer = self._home.provider.answer(asked)
            self._home.on_answer(asked, answer)
            self._send(answer.exchange)
        finally:
            self._home.answering(-1)
        if not is_whole(answer.exchange):
            self._break(answer.exchange)

    # the names that http.server looks for
    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = serve  # noqa: N815

    # --- reading ----------------------------------------------------------------------------------------------------

    def _body(self) -> Iterator[bytes]:
        encoding = self.headers.get("Transfer-Encoding", "").strip().lower()
        length = self._length()
        if encoding == "chunked" and length is None:
            yield from self._chunks()
        elif encoding:
            raise _Refused(
                400, "Transfer-Encoding is chunked, alone, and without Content-Length, or it is not read here."
            )
        elif length is not None:
            self._check(length)
            yield self._exactly(length)
        elif self.headers.get("Content-Type") and self.command in ("POST", "PUT", "PATCH"):
            raise _Refused(411, "The length of the body is not told: send Content-Length, or chunks.")

    def _check_page(self) -> None:
        """Refuse what a web page of elsewhere asks: a miss tells of the recordings."""
        origin = self.headers.get("Origin", "")
        if origin and not _is_local(origin):
            raise _Refused(403, f"Only pages of this machine may ask here, not {origin[:80]!r}.")

    def _length(self) -> int | None:
        told = self.headers.get("Content-Length")
        if told is None:
            return None
        if not (told.isascii() and told.isdigit()):
            raise _Refused(400, f"Content-Length is no number: {told[:40]!r}")
        return int(told)

    def _check(self, length: int | None) -> None:
        if length is not None and length > _MAX_BODY:
            raise _Refused(413, f"The body is larger than {_MAX_BODY:,} bytes, which no recording holds.")

    def _exactly(self, length: int) -> bytes:
        read = self.rfile.read(length)
        if len(read) < length:
            raise ConnectionAbortedError("the client left inside a body")
        return read

    def _chunks(self) -> Iterator[bytes]:
        total = 0
        while size := self._chunk_size():
            total += size
            self._check(total)
            yield self._exactly(size)
            self.rfile.readline(1 << 16)
        while self.rfile.readline(1 << 16).strip():  # trailers
            pass

    def _chunk_size(self) -> int:
        line = self.rfile.readline(1 << 16)
        if not line:
            raise ConnectionAbortedError("the client left inside a body")
        try:
            return int(line.partition(b";")[0], 16)
        except ValueError:
            raise _Refused(400, f"A chunk begins with {line[:40]!r}, which is no size.") from None

    def _decoded(self, body: bytes) -> bytes:
        encoding = self.headers.get("Content-Encoding", "").strip().lower()
        if encoding in ("", "identity") or not body:
            return body
        if encoding not in ("gzip", "x-gzip", "deflate"):
            raise _Refused(415, f"A body in {encoding[:40]!r} is not read here: send it plain, or in gzip.")
        decoder = zlib.decompressobj(zlib.MAX_WBITS | 32)
        try:
            decoded = decoder.decompress(body, _MAX_BODY + 1)
        except zlib.error as error:
            raise _Refused(400, f"The body is no {encoding}: {error}") from None
        self._check(len(decoded))
        return decoded

    # --- sending ----------------------------------------------------------------------------------------------------

    def _refuse(self, refused: _Refused) -> None:
        self.close_connection = True
        self._send(plain_answer(refused.status, f"{refused}\n"))

    def _send(self, exchange: Exchange) -> None:
        status = exchange.status
        if status is None:
            self.close_connection = True
            return
        has_body = self.command != "HEAD" and status >= 200 and status not in (204, 304)
        is_chunked = bool(exchange.chunks) and has_body and self.request_version != "HTTP/1.0"
        framing: list[tuple[str, str]] = []
        if is_chunked:
            framing.append(("transfer-encoding", "chunked"))
        elif has_body:
            framing.append(("content-length", str(len(exchange.body) + (not is_whole(exchange)))))
        if self.close_connection:
            framing.append(("connection", "close"))
        self.wfile.write(_head(status, [*self._headers(exchange), *framing]))
        if has_body:
            self._write_body(exchange, is_chunked=is_chunked)

    def _write_body(self, exchange: Exchange, *, is_chunked: bool) -> None:
        for piece in exchange.pieces:
            self.wfile.write(b"%x\r\n%b\r\n" % (len(piece), piece) if is_chunked else piece)
        if is_chunked and is_whole(exchange):
            self.wfile.write(b"0\r\n\r\n")

    def _break(self, exchange: Exchange) -> None:
        """End the connection as the recorded one ended."""
        self.close_connection = True
        error = exchange.error.name if exchange.error is not None else ""
        if exchange.end == "cancelled" or "Timeout" in error:
            self._wait_for_leave((exchange.end_ns - exchange.start_ns) / 1e9 + _GRACE_S)
        elif error == "ReadError":
            self._home.stopping.wait(_BEFORE_RESET_S)
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self.rfile.close()  # it holds the connection too
            self.connection.close()

    def _wait_for_leave(self, seconds: float) -> None:
        """Wait until the client gives the call up, at most as long as it may take."""
        until = time.monotonic() + seconds
        while time.monotonic() < until and not self._home.stopping.is_set():
            if select.select([self.connection], [], [], 0.05)[0]:
                return

    def _headers(self, exchange: Exchange) -> Iterator[tuple[str, str]]:
        yield from ((name, value) for name, value in exchange.headers if name.lower() not in _NOT_SENT)
        origin = self.headers.get("Origin", "")
        if _is_local(origin):
            yield "access-control-allow-origin", origin

    def _preflight(self) -> Iterator[tuple[str, str]]:
        yield "access-control-allow-methods", "GET, HEAD, POST, PUT, PATCH, DELETE"
        yield "access-control-allow-headers", self.headers.get("Access-Control-Request-Headers", "*")
        yield "access-control-max-age", "600"


def _is_local(origin: str) -> bool:
    """Whether a page of this machine asks."""
    try:
        return is_loopback_origin(origin)
    except ValueError:  # no address: `http://[`
        return False


def _reachable(host: str) -> str:
    """Return how a client on this machine names the address a server listens at."""
    if host in ("", "0.0.0.0"):  # noqa: S104 - compared, not listened at
        return "127.0.0.1"
    return f"[{'::1' if host == '::' else host}]" if ":" in host else host


def _head(status: int, headers: list[tuple[str, str]]) -> bytes:
    phrase = HTTPStatus(status).phrase if status in set(HTTPStatus) else ""
    lines = [f"HTTP/1.1 {status} {phrase}", *(f"{name}: {value}" for name, value in headers)]
    return "".join(" ".join(line.splitlines()) + "\r\n" for line in [*lines, ""]).encode("utf-8", "replace")
