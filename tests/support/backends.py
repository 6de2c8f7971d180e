"""Phoenix and MLflow on loopback, each in a venv of its own: they take OTLP over HTTP and tell what they make of it."""

from __future__ import annotations

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Final

from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

__all__ = ["Counted", "MLflow", "Phoenix", "is_installed"]

_VENVS: Final = Path(sys.prefix).with_name(Path(sys.prefix).name + "-backends")
_WAIT_S: Final = 180

# Phoenix listens for gRPC on all interfaces, whatever it is told.
_PHOENIX: Final = """
import grpc.aio
made = grpc.aio.server
def server(*arguments, **named):
    found = made(*arguments, **named)
    listen = found.add_insecure_port
    found.add_insecure_port = lambda address: listen(address.replace("[::]", "127.0.0.1"))
    return found
grpc.aio.server = server
import sys
sys.argv = ["phoenix", "serve"]
from phoenix.server.main import main
main()
"""


@dataclass(frozen=True, slots=True)
class Counted:
    """What a backend counts of a trace."""

    input_tokens: int
    output_tokens: int
    cost_usd: float


def is_installed(name: str) -> bool:
    """Whether `make backends` has set up the backend."""
    return (_VENVS / name / "bin" / "python").exists()


class _Backend:
    """A server that runs while the context is entered."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.port, self.grpc = _free_ports()
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> Any:
        dropped = ("OTEL_", "PYTHON", "PHOENIX_", "MLFLOW_")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(dropped)}
        self._log = self.folder / "log"
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                self._command(),
                env={**environment, **self._environment()},
                cwd=self.folder,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        deadline = time.monotonic() + _WAIT_S
        while not self._is_ready():
            assert self._process.poll() is None, self._log.read_text()
            assert time.monotonic() < deadline, self._log.read_text()
            time.sleep(0.25)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        os.killpg(self._process.pid, signal.SIGKILL)  # MLflow's children outlive its own end
        self._process.wait(30)

    def _command(self) -> list[str]:
        raise NotImplementedError

    def _environment(self) -> Mapping[str, str]:
        raise NotImplementedError

    def _is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(self.url + self._health, timeout=2):
                return True
        except OSError:
            return False

    _health = "/health"

    def _post(self, path: str, body: bytes, headers: Mapping[str, str]) -> Any:
        request = urllib.request.Request(self.url + path, body, dict(headers))
        with urllib.request.urlopen(request, timeout=60) as answer:
            return answer.read()

    def _asked(self, path: str, body: Mapping[str, Any]) -> Any:
        return json.loads(self._post(path, json.dumps(body).encode(), {"content-type": "application/json"}))


class Phoenix(_Backend):
    """Arize Phoenix."""

    _health = "/healthz"

    def _command(self) -> list[str]:
        return [str(_VENVS / "phoenix" / "bin" / "python"), "-c", _PHOENIX]

    def _environment(self) -> Mapping[str, str]:
        return {
            "PHOENIX_WORKING_DIR": str(self.folder),
            "PHOENIX_HOST": "127.0.0.1",
            "PHOENIX_PORT": str(self.port),
            "PHOENIX_GRPC_PORT": str(self.grpc),
            "PHOENIX_TELEMETRY_ENABLED": "false",
            "PHOENIX_ALLOW_EXTERNAL_RESOURCES": "false",
            "PHOENIX_DISABLE_AGENT_ASSISTANT": "true",
        }

    def counted(self, lines: bytes) -> Counted:
        """Send lines of OTLP/JSON, and return what the project counts once all of their spans are in."""
        self._post("/v1/traces", _message(lines), {"content-type": "application/x-protobuf"})
        query = "{projects{edges{node{recordCount tokenCountPrompt tokenCountCompletion costSummary{total{cost}}}}}}"
        deadline = time.monotonic() + _WAIT_S
        while True:
            told = self._asked("/graphql", {"query": query})
            for project in (edge["node"] for edge in told["data"]["projects"]["edges"]):
                cost = project["costSummary"]["total"]["cost"]
                if project["recordCount"] == len(lines.splitlines()) and cost is not None:
                    return Counted(round(project["tokenCountPrompt"]), round(project["tokenCountCompletion"]), cost)
            assert time.monotonic() < deadline, told
            time.sleep(0.5)


class MLflow(_Backend):
    """MLflow's tracking server."""

    def _command(self) -> list[str]:
        command = [
            str(_VENVS / "mlflow" / "bin" / "python"),
            "-m",
            "mlflow",
            "server",
            "--host",
            "127.0.0.1",
            "--port",
            str(self.port),
        ]
        return [*command, "--workers", "1", "--backend-store-uri", f"sqlite:///{self.folder}/mlflow.db"]

    def _environment(self) -> Mapping[str, str]:
        return {"MLFLOW_DISABLE_TELEMETRY": "true", "DO_NOT_TRACK": "true"}

    def counted(self, lines: bytes) -> Counted:
        """Send lines of OTLP/JSON, and return what the trace's summary counts."""
        made = self._asked("/api/2.0/mlflow/experiments/create", {"name": "costs"})
        experiment = made["experiment_id"]
        headers = {"content-type": "application/x-protobuf", "x-mlflow-experiment-id": experiment}
        self._post("/v1/traces", _message(lines), headers)
        place = {"type": "MLFLOW_EXPERIMENT", "mlflow_experiment": {"experiment_id": experiment}}
        told = self._asked("/api/3.0/mlflow/traces/search", {"locations": [place]})
        (trace,) = told["traces"]
        usage = json.loads(trace["trace_metadata"]["mlflow.trace.tokenUsage"])
        cost = json.loads(trace["trace_metadata"]["mlflow.trace.cost"])
        return Counted(usage["input_tokens"], usage["output_tokens"], cost["total_cost"])


def _free_ports() -> tuple[int, int]:
    one, other = (socket.create_server(("127.0.0.1", 0)) for _ in range(2))
    ports = one.getsockname()[1], other.getsockname()[1]
    one.close()
    other.close()
    return ports


def _message(lines: bytes) -> bytes:
    """Return lines of OTLP/JSON as one message: protobuf's own JSON has ids in base64."""
    together = TracesData()
    for line in lines.splitlines():
        document = json.loads(line)
        for scope in document["resourceSpans"][0]["scopeSpans"]:
            for span in scope["spans"]:
                for name in ("traceId", "spanId", "parentSpanId"):
                    if name in span:
                        span[name] = base64.b64encode(bytes.fromhex(span[name])).decode()
        together.MergeFrom(json_format.ParseDict(document, TracesData()))
    return together.SerializeToString()
