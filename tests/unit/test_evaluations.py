"""`at.evaluation`: what it writes into a cassette, below which span, and that it alters nothing."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final

import openai
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.model import Event, Span, Trace
from otel_agenttrace.playback.excerpts import excerpt
from otel_agenttrace.spans import telemetry
from tests.support.clients import openai_client
from tests.support.conformance import findings
from tests.support.provider import Provider

pytestmark = pytest.mark.usefixtures("home")
PATH: Final = Path("c.otlp.jsonl")


@pytest.fixture(params=["a provider", "no provider"])
def exporter(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[InMemorySpanExporter]:
    """Export the spans of this test into memory, where there is a provider."""
    tracers, memory = TracerProvider(), InMemorySpanExporter()
    tracers.add_span_processor(SimpleSpanProcessor(memory))
    monkeypatch.setattr(telemetry, "tracer_provider", tracers if request.param == "a provider" else None)
    yield memory
    tracers.shutdown()


def _results(trace: Trace) -> list[Span]:
    return [span for span in trace.spans if span.attributes.get(semconv.AGENTTRACE_OPERATION) == "evaluation"]


def _told(span: Span) -> Mapping[str, object]:
    (event,) = span.events
    assert event.name == "gen_ai.evaluation.result"
    return event.attributes


def test_a_result_is_an_event_on_a_span_below_the_judged_one(exporter: InMemorySpanExporter) -> None:
    with at.record(PATH, quiet=True):
        with at.inference("m", provider="p") as call:
            call.respond("hi", id="resp_1")
        at.evaluation("tone", score=1, label="pass", explanation="friendly", threshold=0.5, span=call)
    judged, result = at.load(PATH).spans
    assert (result.trace_id, result.parent_span_id) == (judged.trace_id, judged.span_id)
    assert (result.name, result.kind, result.status) == ("evaluation tone", "INTERNAL", "UNSET")
    assert _told(result) == {
        "gen_ai.evaluation.name": "tone",
        "gen_ai.evaluation.score.value": 1.0,
        "gen_ai.evaluation.score.label": "pass",
        "gen_ai.evaluation.explanation": "friendly",
        "agenttrace.evaluation.threshold": 0.5,
        "gen_ai.response.id": "resp_1",
    }
    assert [finding for span in (judged, result) for finding in findings(span)] == []
    assert "evaluation tone" not in {span.name for span in exporter.get_finished_spans()}


def test_without_a_span_the_current_one_is_judged(exporter: InMemorySpanExporter) -> None:
    with at.record(PATH, quiet=True):
        with at.span("outer"), at.inference("m", provider="p") as call:
            call.respond("hi", id="resp_1")
            at.evaluation("inner", label="pass")
        at.evaluation("alone", label="pass")
    inner, alone = _results(at.load(PATH))
    assert (inner.parent_span_id, _told(inner)["gen_ai.response.id"]) == (call.span_id, "resp_1")
    assert (alone.parent_span_id, _told(alone)) == (
        None,
        {"gen_ai.evaluation.name": "alone", "gen_ai.evaluation.score.label": "pass"},
    )
    assert {span.name for span in exporter.get_finished_spans()} <= {"outer", "chat m"}


def test_a_span_of_another_instrumentation_that_is_current_is_judged() -> None:
    tracer = TracerProvider().get_tracer("theirs")
    with at.record(PATH, quiet=True):
        with at.inference("m", provider="p") as call:
            call.respond("hi", id="resp_1")
            with tracer.start_as_current_span("theirs") as theirs:
                at.evaluation("tone", label="pass")
    (result,) = _results(at.load(PATH))
    assert result.parent_span_id == f"{theirs.get_span_context().span_id:016x}"
    assert "gen_ai.response.id" not in _told(result)


def test_a_span_of_an_earlier_run_is_judged() -> None:
    with at.record("earlier.otlp.jsonl", quiet=True):
        with at.inference("m", provider="p") as call:
            call.respond("hi", id="resp_1")
    (judged,) = at.load("earlier.otlp.jsonl").spans
    with at.record(PATH, quiet=True), at.span("now"):
        at.evaluation("tone", score=0.5, span=judged)
    (result,) = _results(at.load(PATH))
    assert (result.trace_id, result.parent_span_id) == (judged.trace_id, call.span_id)
    assert _told(result)["gen_ai.response.id"] == "resp_1"


def test_a_result_without_score_and_label_is_refused() -> None:
    with pytest.raises(ConfigError, match="The evaluation 'tone' tells no result"):
        at.evaluation("tone", explanation="hm")


def test_without_a_session_nothing_is_written(home: Path) -> None:
    at.evaluation("tone", score=0)
    assert list(home.iterdir()) == []


def test_no_secret_is_written() -> None:
    key = "sk-proj-" + hashlib.sha256(b"evaluated").hexdigest()
    with at.record(PATH, quiet=True):
        at.evaluation(f"of {key}", label=key, explanation=f"found {key}")
    assert key not in PATH.read_text(encoding="utf-8")
    assert str(_told(*at.load(PATH).spans)["gen_ai.evaluation.explanation"]).startswith("found [REDACTED:token:")


def _judge(provider: Provider) -> None:
    with openai_client(provider, is_async=False) as client:
        _ask(client)
        at.evaluation("tone", label="pass")


def _ask(client: openai.OpenAI) -> None:
    asked: Any = [{"role": "user", "content": "hello"}]
    client.chat.completions.create(model="gpt-4o", messages=asked)


@pytest.mark.parametrize("mode", ["none", "new"])
def test_a_replay_tells_its_own_results_and_leaves_the_cassette_as_it_is(mode: str, provider: Provider) -> None:
    with at.record(PATH, quiet=True):
        _judge(provider)
    recorded = PATH.read_bytes()
    with at.session(PATH, mode, quiet=True) as session:
        _judge(provider)
        assert [_told(span)["gen_ai.evaluation.name"] for span in _results(session.trace)] == ["tone"]
    assert PATH.read_bytes() == recorded
    assert provider.hits == 1


def test_a_fault_of_ours_does_not_reach_the_program(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "otel_agenttrace")
    at.evaluation("tone", label="pass", span=Span(trace_id="no hex", span_id="1", name="s", start_ns=1))
    assert "the application goes on: ValueError" in caplog.text


@pytest.mark.parametrize(
    ("told", "line"),
    [
        ({semconv.GEN_AI_EVALUATION_SCORE_LABEL: "pass"}, "pass"),
        ({semconv.GEN_AI_EVALUATION_SCORE_VALUE: 0.51234}, "0.512"),
        (
            {
                semconv.GEN_AI_EVALUATION_SCORE_LABEL: "fail",
                semconv.GEN_AI_EVALUATION_SCORE_VALUE: 0.5,
                semconv.AGENTTRACE_EVALUATION_THRESHOLD: 0.85,
            },
            "fail 0.500 (threshold 0.85)",
        ),
    ],
)
def test_a_result_is_shown_in_one_line(told: Mapping[str, Any], line: str) -> None:
    span = Span("1", "2", "evaluation tone", 1, events=(Event(semconv.EVENT_GEN_AI_EVALUATION_RESULT, 1, told),))
    assert excerpt(span) == line
