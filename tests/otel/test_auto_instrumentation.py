"""`opentelemetry-instrument` end to end: whatever the set-up, calls are recorded and replayed."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

import otel_agenttrace as at
from tests.support.processes import instrumented_environment
from tests.support.provider import Provider

_AGENT = """
import os, openai
client = openai.OpenAI(base_url=os.environ["PROVIDER_URL"])
print(client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}]).model_dump())
stream = client.chat.completions.create(model="gpt-4o", messages=[{"role": "user", "content": "hello"}], stream=True)
print([chunk.model_dump() for chunk in stream])
"""
_OWN_PROVIDER = """
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
trace.set_tracer_provider(TracerProvider())
with trace.get_tracer("framework").start_as_current_span("step", attributes={"gen_ai.agent.name": "a"}):
"""
_BREAKER = """
from opentelemetry.instrumentation.instrumentor import BaseInstrumentor
class Breaker(BaseInstrumentor):
    def instrumentation_dependencies(self): return ()
    def _instrument(self, **kwargs): raise RuntimeError("this instrumentor breaks the loader")
    def _uninstrument(self, **kwargs): pass
"""

_SET_UPS = {
    "distro": {},
    "only the SDK": {"OTEL_PYTHON_CONFIGURATOR": "none"},
    "SDK disabled": {"OTEL_SDK_DISABLED": "true"},
    "sampling off": {"OTEL_TRACES_SAMPLER": "always_off"},
    "all instrumentations disabled": {"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "*"},
    "our exporter": {"OTEL_TRACES_EXPORTER": "agenttrace"},
    "our sampler": {"OTEL_TRACES_SAMPLER": "agenttrace", "OTEL_TRACES_SAMPLER_ARG": "always_off"},
}


@pytest.fixture
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def _instrument(
    agent: str, cassette: Path, mode: str, provider: Provider, folder: Path, **environment: str
) -> subprocess.CompletedProcess[str]:
    command = [str(Path(sys.executable).parent / "opentelemetry-instrument")]
    command += ["--agenttrace_cassette", str(cassette), "--agenttrace_mode", mode, sys.executable, "-c", agent]
    variables = instrumented_environment(None, None, provider) | environment
    result = subprocess.run(command, env=variables, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert result.returncode == 0, result.stderr
    return result


@pytest.mark.parametrize("set_up", _SET_UPS)
def test_calls_are_recorded_and_replayed_under(set_up: str, tmp_path: Path, provider: Provider) -> None:
    cassette = tmp_path / "run.otlp.jsonl"
    live = _instrument(_AGENT, cassette, "all", provider, tmp_path, **_SET_UPS[set_up])
    assert provider.hits == len(at.load(cassette).inferences) == 2
    assert "recorded 2 calls" in live.stderr
    provider.stop()
    replayed = _instrument(_AGENT, cassette, "none", provider, tmp_path, **_SET_UPS[set_up])
    assert replayed.stdout == live.stdout != ""
    assert "2 hit, 0 drift, 0 miss" in replayed.stderr


def test_an_app_that_sets_its_own_provider_has_its_framework_spans_kept(tmp_path: Path, provider: Provider) -> None:
    agent = _OWN_PROVIDER + "\n".join(f"    {line}" for line in _AGENT.strip().splitlines())
    cassette = tmp_path / "run.otlp.jsonl"
    _instrument(agent, cassette, "all", provider, tmp_path, OTEL_PYTHON_CONFIGURATOR="none")
    trace = at.load(cassette)
    assert [span.name for span in trace.spans] == ["step", "chat gpt-4o", "chat gpt-4o"]
    assert {span.parent_span_id for span in trace.inferences} == {trace.spans[0].span_id}


def test_an_instrumentor_that_breaks_the_loader_does_not_keep_us_out(tmp_path: Path, provider: Provider) -> None:
    (tmp_path / "breaker.py").write_text(_BREAKER)
    described = tmp_path / "breaker-1.dist-info"
    described.mkdir()
    (described / "METADATA").write_text("Metadata-Version: 2.1\nName: breaker\nVersion: 1\n")
    (described / "entry_points.txt").write_text("[opentelemetry_instrumentor]\nbreaker = breaker:Breaker\n")
    cassette = tmp_path / "run.otlp.jsonl"
    live = _instrument(_AGENT, cassette, "all", provider, tmp_path, PYTHONPATH=str(tmp_path))
    assert "this instrumentor breaks the loader" in live.stderr
    assert len(at.load(cassette).inferences) == 2


def test_the_exporter_without_a_cassette_records_to_a_fresh_file(tmp_path: Path, provider: Provider) -> None:
    variables = instrumented_environment(None, None, provider, OTEL_TRACES_EXPORTER="agenttrace")
    command = [str(Path(sys.executable).parent / "opentelemetry-instrument"), sys.executable, "-c", _AGENT]
    subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, timeout=60, check=True)
    (fresh,) = (tmp_path / ".agenttrace").iterdir()
    assert len(at.load(fresh).inferences) == 2


def test_a_mode_without_meaning_lets_no_call_live(tmp_path: Path, provider: Provider) -> None:
    command = [str(Path(sys.executable).parent / "opentelemetry-instrument")]
    command += ["--agenttrace_cassette", "c", "--agenttrace_mode", "nope", sys.executable, "-c", _AGENT]
    variables = instrumented_environment(None, None, provider)
    result = subprocess.run(
        command, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert "OTEL_AGENTTRACE_MODE is 'nope'" in result.stderr
    assert provider.hits == 0


def test_a_missing_cassette_lets_no_call_live(tmp_path: Path, provider: Provider) -> None:
    command = [str(Path(sys.executable).parent / "opentelemetry-instrument")]
    command += ["--agenttrace_cassette", "no.otlp.jsonl", "--agenttrace_mode", "none", sys.executable, "-c", _AGENT]
    variables = instrumented_environment(None, None, provider)
    result = subprocess.run(
        command, env=variables, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert result.returncode == 1
    assert "CassetteNotFound" in result.stderr
    assert provider.hits == 0
