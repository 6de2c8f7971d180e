"""Programs of others beside ours: OTLP receivers, and other instrumentations of the same SDK."""

from __future__ import annotations

import socket
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from types import TracebackType
from typing import Any

__all__ = ["TestAgent", "peer_folder"]

_PEERS = Path(sys.prefix).with_name(Path(sys.prefix).name + "-peers")


def peer_folder(name: str) -> Path:
    """Return the folder that another instrumentation is installed in, to stand on PYTHONPATH."""
    folder = _PEERS / name
    assert folder.is_dir(), f"{folder} is missing: run the tests by `make test`, which sets it up"
    return folder


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


class TestAgent:
    """Datadog's APM test agent on loopback: takes OTLP over gRPC and HTTP, and tells what it got."""

    __test__ = False

    def __init__(self, log: Path) -> None:
        self._port, self._http, self._grpc, self._web = _free_ports(4)
        self._log = log

    def __enter__(self) -> TestAgent:
        command = [str(_PEERS / "bin" / "ddapm-test-agent"), "--host", "127.0.0.1", "--disable-llmobs-data-forwarding"]
        command += ["--port", str(self._port), "--otlp-http-port", str(self._http)]
        command += ["--otlp-grpc-port", str(self._grpc), "--web-ui-port", str(self._web)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log)
        self._wait()
        return self

    def _wait(self) -> None:
        deadline = time.monotonic() + 30
        for port in (self._http, self._grpc):
            while not _answers(port):
                assert self._process.poll() is None, self._log.read_text()
                assert time.monotonic() < deadline, self._log.read_text()
                time.sleep(0.05)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._process.terminate()
        self._process.wait(10)

    def endpoint(self, protocol: str) -> str:
        """Return where to send spans by `grpc` or `http/protobuf`."""
        return f"http://127.0.0.1:{self._grpc if protocol == 'grpc' else self._http}"

    def traces(self) -> list[dict[str, Any]]:
        """Return the OTLP requests that came in, as protobuf's JSON."""
        import json

        with urllib.request.urlopen(f"http://127.0.0.1:{self._http}/test/session/traces", timeout=10) as answer:
            return json.load(answer)


def _answers(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), 1).close()
    except OSError:
        return False
    return True
