"""Traces of other instrumentations: the runs of `foreign_agent` made live, exported to a file, and replayed from it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal, TypeAlias, cast

from tests.support import foreign_agent
from tests.support.clients import fake_key
from tests.support.peers import peer_folder
from tests.support.provider import Provider

__all__ = ["INSTRUMENTATIONS", "Form", "Instrumentation", "live_runs", "replayed_runs", "uploads_of", "without_ids"]

Form: TypeAlias = Literal["protobuf", "json"]
"""How the Collector's file exporter writes: protobuf after four bytes of length, or JSON Lines."""


@dataclass(frozen=True, slots=True)
class Instrumentation:
    """An instrumentation: the folder it is in, its entry point, the API it is for, and the settings for content.

    `uploads` says whether it is given a function that stores images, as the SDK of those who make it gives it one.
    """

    peer: str
    entry_point: str
    api: Literal["openai", "anthropic"]
    settings: Mapping[str, str] = field(default_factory=dict[str, str])
    uploads: bool = False


_CONTENT: Final = "OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT"
INSTRUMENTATIONS: Final[Mapping[str, Instrumentation]] = {
    "official openai": Instrumentation("official", "openai", "openai", {_CONTENT: "SPAN_ONLY"}),
    "official openai, events": Instrumentation("official", "openai", "openai", {_CONTENT: "EVENT_ONLY"}),
    "openllmetry openai": Instrumentation("openllmetry", "openai", "openai", uploads=True),
    "openllmetry anthropic": Instrumentation("openllmetry", "anthropic", "anthropic", uploads=True),
    "openinference openai": Instrumentation("openinference", "openai", "openai"),
}
_DROPPED: Final = ("OTEL_", "OPENAI_", "ANTHROPIC_", "PYTHONPATH", "CI", "NO_COLOR")
_LIVE: Final = """
import base64, os, pathlib, runpy, sys
from importlib.metadata import entry_points
from google.protobuf.json_format import MessageToJson
from opentelemetry import _logs, trace
from opentelemetry.exporter.otlp.proto.common._log_encoder import encode_logs
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import LogExporter, LogExportResult, SimpleLogRecordProcessor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

def write(message):
    with open(os.environ["TRACE"], "ab") as file:
        if os.environ["FORM"] == "protobuf":
            content = message.SerializeToString()
            file.write(len(content).to_bytes(4, "big") + content)
        else:
            file.write(MessageToJson(message, indent=None).encode() + b"\\n")

class ToFile(SpanExporter):
    def export(self, spans):
        write(encode_spans(spans))
        return SpanExportResult.SUCCESS

class LogsToFile(LogExporter):
    def export(self, batch):
        write(encode_logs(batch))
        return LogExportResult.SUCCESS
    def shutdown(self):
        pass
    def force_flush(self, timeout_millis=0):
        return True

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(ToFile()))
trace.set_tracer_provider(provider)
if os.environ["FORM"] == "json":
    logs = LoggerProvider()
    logs.add_log_record_processor(SimpleLogRecordProcessor(LogsToFile()))
    _logs.set_logger_provider(logs)
async def upload(trace_id, span_id, name, image):
    folder = pathlib.Path(os.environ["UPLOADS"], str(trace_id), str(span_id))
    folder.mkdir(parents=True, exist_ok=True)
    folder.joinpath(name).write_bytes(base64.b64decode(image))
    return f"https://images.test/{trace_id}/{span_id}/{name}"

options = {"upload_base64_image": upload} if os.environ["UPLOADS"] else {}
for point in entry_points(group="opentelemetry_instrumentor"):
    if point.name == os.environ["ENTRY_POINT"]:
        point.load()(**options).instrument()
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


def live_runs(name: str, trace: Path, form: Form, **settings: str) -> dict[str, Any]:
    """Make the runs live under an instrumentation, which exports to a file, and return what each run saw."""
    chosen = INSTRUMENTATIONS[name]
    with Provider() as provider:
        environment = {
            **_environment(provider.openai_url, provider.anthropic_url),
            **chosen.settings,
            "UPLOADS": str(uploads_of(trace)) if chosen.uploads else "",
            **settings,
            "PYTHONPATH": str(peer_folder(chosen.peer)),
            "ENTRY_POINT": chosen.entry_point,
            "TRACE": str(trace),
            "FORM": form,
        }
        return _seen([sys.executable, "-W", "ignore", "-c", _LIVE], chosen.api, environment)


def uploads_of(trace: Path) -> Path:
    """Return the folder of the images that were uploaded beside a trace."""
    return trace.with_suffix(".uploads")


def replayed_runs(name: str, trace: Path) -> dict[str, Any]:
    """Make the runs by the command line, answered from a trace, with nothing to answer at the provider's address."""
    nowhere = "http://127.0.0.1:9"
    command = [sys.executable, "-m", "otel_agenttrace", "replay", str(trace), "--", sys.executable, "-W", "ignore"]
    return _seen(command, INSTRUMENTATIONS[name].api, _environment(f"{nowhere}/v1", nowhere))


def _environment(openai_url: str, anthropic_url: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_DROPPED)}
    keys = {"OPENAI_API_KEY": fake_key(), "ANTHROPIC_API_KEY": fake_key()}
    return {**kept, **keys, "OPENAI_BASE_URL": openai_url, "ANTHROPIC_BASE_URL": anthropic_url}


def _seen(command: list[str], api: str, environment: Mapping[str, str]) -> dict[str, Any]:
    whole = [*command, foreign_agent.__file__, api]
    result = subprocess.run(whole, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert result.stdout, result.stderr
    return json.loads(result.stdout)


def without_ids(seen: Any) -> Any:
    """Return what a run saw without ids of responses, which not every trace has."""
    if isinstance(seen, list):
        return [without_ids(each) for each in cast("list[Any]", seen)]
    made = isinstance(seen, str) and seen.startswith(("chatcmpl-", "msg_", "agenttrace-"))
    return "id" if made else seen
