"""Spans read line by line: the same spans as a trace has, the same calls counted, and what cannot be read is named."""

from __future__ import annotations

import json
import re
import tracemalloc
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.analyze.behaviour import patterns_of
from otel_agenttrace.analyze.rows import Rows
from otel_agenttrace.analyze.sequences import kin, runs_in
from otel_agenttrace.analyze.stats import stats_of
from otel_agenttrace.analyze.streams import SpanStream, inferences_once
from otel_agenttrace.cassette.format import encode_line, encode_resource
from otel_agenttrace.cassette.pack import pack
from otel_agenttrace.cassette.streaming import SpanLines
from otel_agenttrace.errors import CassetteCorrupt, CassetteTooNew
from otel_agenttrace.library.streaming import opened_stream
from otel_agenttrace.model import Call, Event, Exchange, HttpRequest, Span, Trace
from tests.support.foreign_spans import genai_attributes, said, span
from tests.support.many_spans import write_cassette, write_otlp, write_recording

_GOLDEN = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_FOREIGN = encode_resource({"service.name": "other"})


def _opened(path: Path, told: list[str] | None = None) -> SpanStream:
    return opened_stream(path, lambda _: None, (told if told is not None else []).append)


def _bare(spans: Sequence[Span]) -> list[Span]:
    """Return spans in order of their start, without what a stream keeps of a call beside what a trace keeps."""
    shown = [
        replace(
            each,
            attributes={name: value for name, value in each.attributes.items() if name != semconv.AGENTTRACE_CALL_KEY},
            events=tuple(event for event in each.events if event.name != semconv.EVENT_AGENTTRACE_EXCHANGE),
        )
        for each in spans
    ]
    return sorted(shown, key=lambda each: each.start_ns)


def test_a_cassette_has_the_same_spans_as_a_stream_and_as_a_trace() -> None:
    assert _bare(list(_opened(_GOLDEN).spans)) == list(at.load(_GOLDEN).spans)


def test_a_large_cassette_is_read_from_disk_each_time(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    write_cassette(path, 3_000)
    stream = _opened(path)
    assert not isinstance(stream.spans, tuple)
    trace = at.load(path)
    assert _bare(list(stream.spans)) == list(trace.spans)
    assert [each.span_id for each in inferences_once(stream.spans)] == [each.span_id for each in trace.inferences]


def test_a_call_of_a_stream_is_read_when_it_is_asked_for() -> None:
    calls = [each.call for each in _opened(_GOLDEN).spans if each.is_inference]
    assert calls == [each.call for each in at.load(_GOLDEN).inferences]
    assert all(call is not None and call.attempts[-1].body for call in calls)


def test_a_recorded_call_keeps_its_key_and_the_status_of_each_attempt() -> None:
    (first, _) = (each for each in _opened(_GOLDEN).spans if each.is_inference)
    assert first.call is not None
    assert first.attributes[semconv.AGENTTRACE_CALL_KEY] == first.call.key
    statuses = [each.attributes.get(semconv.AGENTTRACE_EXCHANGE_STATUS) for each in first.events]
    assert statuses == [attempt.status for attempt in first.call.attempts] == [None, 200]


def test_a_packed_cassette_is_streamed(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    path.write_bytes(_GOLDEN.read_bytes())
    assert list(_opened(pack(path)).spans) == list(_opened(path).spans)


@pytest.mark.parametrize("text", ['"}},{"key":"agenttrace.call.x"', '"}}],"events":[', '],"flags":1', 'a\\"}}],\\"b'])
def test_a_text_that_looks_like_the_end_of_another_cuts_nothing(text: str, tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    line = _GOLDEN.read_bytes().splitlines(keepends=True)[0]
    inner = json.dumps(json.dumps(text)[1:-1])[1:-1].encode()
    hostile = line.replace(b"What do I pack", inner).replace(b"fp_fake", json.dumps(text)[1:-1].encode())
    path.write_bytes(hostile)
    assert _bare(list(_opened(path).spans)) == list(at.load(path).spans)
    assert next(iter(_opened(path).spans)).attributes[semconv.OPENAI_RESPONSE_SYSTEM_FINGERPRINT] == text


def test_lines_of_others_are_translated_one_by_one(tmp_path: Path) -> None:
    path = tmp_path / "trace.jsonl"
    write_otlp(path, 30)
    assert list(_opened(path).spans) == list(at.load(path).spans)
    openinference = span(1, {"openinference.span.kind": "LLM", "llm.model_name": "gpt-4o", "llm.token_count.prompt": 7})
    path.write_bytes(encode_line(openinference, _FOREIGN))
    (found,) = inferences_once(_opened(path).spans)
    assert (found.usage.input_tokens, found.attributes[semconv.GEN_AI_RESPONSE_MODEL]) == (7, "gpt-4o")


def test_a_document_of_others_in_many_lines_is_read_as_a_whole(tmp_path: Path) -> None:
    path = tmp_path / "trace.json"
    line = encode_line(span(1, genai_attributes([said("user", "a")], [said("assistant", "b")])), _FOREIGN)
    path.write_text(json.dumps(json.loads(line), indent=2), encoding="utf-8")
    assert list(_opened(path).spans) == list(at.load(path).spans)


def test_a_bad_line_is_named_once_and_the_rest_is_read(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    lines = _GOLDEN.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join((lines[0], b'{"resourceSpans": nonsense}\n', *lines[1:])))
    told: list[str] = []
    spans = list(_opened(path, told).spans)
    assert len(spans) == len(lines)
    (line,) = told
    assert f"{path}:2: not JSON" in line


def test_a_torn_last_line_is_a_warning(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    path.write_bytes(_GOLDEN.read_bytes()[:-200])
    told: list[str] = []
    spans = list(_opened(path, told).spans)
    assert spans == list(_opened(_GOLDEN).spans)[:-1]
    assert told == [f"{path}: the last line is torn (the recording process was killed); it is left out"]


@pytest.mark.parametrize("content", [b"", b"nonsense\n", b'{"resourceSpans": nonsense}\n', b'{"resourceSpans":[{'])
def test_a_file_in_which_nothing_is_readable_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    path.write_bytes(content)
    with pytest.raises(CassetteCorrupt):
        _opened(path)


def test_a_line_of_a_later_release_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    path.write_bytes(
        _GOLDEN.read_bytes().replace(
            b'"intValue":"1"}},{"key":"agenttrace.rules', b'"intValue":"9"}},{"key":"agenttrace.rules'
        )
    )
    with pytest.raises(CassetteTooNew):
        _opened(path)


# --- counted once -------------------------------------------------------------------------------------------------------


def _no_call() -> Call:
    raise AssertionError("the content of a call is not needed")


def _told(
    number: int, response_id: str | None = None, tokens: int | None = 1, parent: int = 0, *, recorded: bool = False
) -> Span:
    attributes = {
        semconv.GEN_AI_OPERATION_NAME: "chat",
        semconv.GEN_AI_RESPONSE_ID: response_id,
        semconv.GEN_AI_USAGE_INPUT_TOKENS: tokens,
    }
    known = {name: value for name, value in attributes.items() if value is not None}
    parent_id = f"{parent:016x}" if parent else None
    return span(number, known, parent_span_id=parent_id, read_call=_no_call if recorded else None)


_CASES = {
    "native, ours and one after the fact": ([_told(1, "r"), _told(2, "r", recorded=True), _told(3, "r")], [2]),
    "two of others: the first that began": ([_told(2, "r"), _told(1, "r")], [1]),
    "a replay may have given the same answer twice": (
        [_told(1, "r", recorded=True), _told(2, "r", recorded=True)],
        [1, 2],
    ),
    "without a response id each counts": ([_told(1), _told(2)], [1, 2]),
    "a framework around an SDK": ([_told(1), _told(2, parent=1)], [2]),
    "around several calls": ([_told(1), _told(2, parent=1), _told(3, parent=1)], [2, 3]),
    "both with the response id": ([_told(1, "r"), _told(2, "r", parent=1)], [2]),
    "only the outer one tells tokens": ([_told(1), _told(2, tokens=None, parent=1)], [1]),
    "neither tells tokens": ([_told(1, tokens=None), _told(2, tokens=None, parent=1)], [2]),
    "one of the inner calls failed": ([_told(1), _told(2, tokens=None, parent=1), _told(3, parent=1)], [2, 3]),
    "a recorded call counts, whoever is within": ([_told(1, recorded=True), _told(2, parent=1)], [1, 2]),
    "three floors": ([_told(1), _told(2, parent=1), _told(3, parent=2)], [3]),
    "three floors, tokens above and below": ([_told(1), _told(2, tokens=None, parent=1), _told(3, parent=2)], [3]),
    "three floors, tokens above": ([_told(1), _told(2, tokens=None, parent=1), _told(3, tokens=None, parent=2)], [1]),
}


@pytest.mark.parametrize("name", _CASES)
@pytest.mark.parametrize("order", [list, lambda spans: list(reversed(spans))])
def test_a_call_counts_once(name: str, order: Callable[[list[Span]], list[Span]]) -> None:
    spans, counted = _CASES[name]
    numbers = sorted(int(each.span_id, 16) for each in inferences_once(order(spans)))
    assert numbers == counted


def test_embeddings_within_a_call_are_not_that_call() -> None:
    outer, inner = _told(1), _told(2, parent=1)
    inner = replace(inner, attributes={**inner.attributes, semconv.GEN_AI_OPERATION_NAME: "embeddings"})
    assert list(inferences_once([outer, inner])) == [outer, inner]


def test_an_iterator_is_counted_like_what_can_be_read_twice() -> None:
    spans = [_told(2, "r"), _told(1, "r"), span(3, {}), _told(4)]

    def once() -> Iterator[Span]:
        yield from spans

    assert list(inferences_once(once())) == list(inferences_once(spans)) == [spans[1], spans[3]]


_ANY = st.builds(
    lambda number, response, tokens, parent, recorded, trace: replace(
        _told(number, response, tokens, parent, recorded=recorded), trace_id=f"{trace:032x}"
    ),
    st.integers(1, 6),
    st.sampled_from([None, "a", "b"]),
    st.sampled_from([None, 1]),
    st.integers(0, 6),
    st.booleans(),
    st.integers(1, 2),
)


@given(st.lists(_ANY, max_size=8))
def test_a_stream_counts_what_a_trace_counts(spans: list[Span]) -> None:
    trace = Trace(tuple(sorted(spans, key=lambda each: each.start_ns)))
    in_order = sorted(inferences_once(spans), key=lambda each: each.start_ns)
    assert in_order == list(trace.inferences)
    recorded = [each for each in trace.spans if each.read_call is not None]
    assert [each for each in trace.inferences if each.read_call is not None] == recorded


def test_lines_are_read_anew_while_others_read_them(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    write_cassette(path, 40)
    lines = SpanLines(path, print)
    both = list(zip(lines, lines, strict=True))
    assert len(both) == 40
    assert all(one == other for one, other in both)


def test_an_event_of_an_adopted_span_stays_beside_the_attempts(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    write_cassette(path, 2)
    line = path.read_bytes().splitlines(keepends=True)[1]
    mark = b'"events":[{"attributes":[],"name":"first token","timeUnixNano":"7"},'
    path.write_bytes(line.replace(b'"events":[', mark))
    (found,) = _opened(path).spans
    assert found.events[0] == Event("first token", 7)
    assert found.events[1].attributes == {semconv.AGENTTRACE_EXCHANGE_STATUS: 200}


@pytest.mark.parametrize("circle", [("a",), ("a", "b"), ("a", "b", "c")])
def test_calls_whose_parents_go_in_a_circle_count_each_for_itself(circle: tuple[str, ...]) -> None:
    ids = [letter * 16 for letter in circle]
    around = [*ids[1:], ids[0]]
    told = {"gen_ai.operation.name": "chat", "gen_ai.usage.input_tokens": 3}
    spans = tuple(
        Span("1" * 32, own, "chat", 0, 1, parent, attributes=told) for own, parent in zip(ids, around, strict=True)
    )
    inside = Span("1" * 32, "d" * 16, "chat", 0, 1, ids[0], attributes=told)
    assert Trace((*spans, inside)).inferences == (*spans, inside)


class _Counted:
    """Spans that count how often they are asked for."""

    def __init__(self, spans: Iterable[Span]) -> None:
        self._spans = spans
        self.times = 0

    def __iter__(self) -> Iterator[Span]:
        self.times += 1
        return iter(self._spans)


def test_the_runs_of_a_file_are_read_in_one_pass(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    write_otlp(path, 40)
    spans = _Counted(list(_opened(path).spans))
    runs = list(runs_in(SpanStream("", spans, lambda _: None)))
    assert spans.times == 1
    assert sum(len(tuple(run.of("model"))) for run in runs) == len(list(inferences_once(spans)))


def test_recorded_calls_are_counted_in_one_pass_and_others_in_a_second(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    write_cassette(path, 40)
    recorded = list(_opened(path).spans)
    spans = _Counted(recorded)
    assert len(list(inferences_once(spans))) == 20
    assert spans.times == 1
    other = span(99, {"gen_ai.operation.name": "chat"})
    assert list(inferences_once(_Counted([*recorded, other])))[-1] == other


def test_a_call_that_is_told_twice_is_in_no_run_though_its_trace_is_another() -> None:
    told = {"gen_ai.operation.name": "chat", "gen_ai.response.id": "r1"}
    recorded = Span("1" * 32, "a" * 16, "chat", 0, 1, attributes=told, read_call=lambda: None)
    again = Span("2" * 32, "b" * 16, "chat", 0, 1, attributes=told)
    assert [run.trace_id for run in runs_in(SpanStream("", [again, recorded], lambda _: None))] == ["1" * 32]


_PLAIN = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(st.characters())


@example([("\ud800", ["\ud83d\ude00"], 2**70, float("inf"), "\n\u2028")])
@given(st.lists(st.lists(_PLAIN | st.lists(_PLAIN)).map(tuple)))
def test_rows_that_are_kept_as_bytes_come_back_as_they_were(rows: list[tuple[object, ...]]) -> None:
    kept = Rows()
    for row in rows:
        kept.append(row)
    assert list(kept) == rows
    assert list(kept) == rows


def _various() -> Iterator[Span]:
    """Yield spans of two traces, of which no two tell the same kind of thing."""
    asking = json.dumps(
        [{"role": "assistant", "parts": [{"type": "tool_call", "name": "look", "arguments": {"a": 1}}]}]
    )
    passed = {"gen_ai.evaluation.name": "task", "gen_ai.evaluation.score.label": "pass"}
    model = {"gen_ai.operation.name": "chat", "gen_ai.response.model": "m"}
    tool = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": "run"}
    for trace in ("1" * 32, "2" * 32):
        yield Span(trace, "b", "chat", 30, 2**63, "r", attributes={**model, "gen_ai.output.messages": asking})
        yield Span(trace, "c", "chat", 20, 19, "r", attributes={**model, "gen_ai.usage.input_tokens": 2**62})
        yield Span(
            trace, "d", "run", 40, None, "x", attributes={**tool, "gen_ai.tool.call.arguments": "{}"}, status="ERROR"
        )
        yield Span(trace, "e", "run", 41, 42, "r", attributes={**tool, "agenttrace.time.unknown": "all"})
        yield Span(trace, "x", "http", 39, 50, "r")
        agent = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "\ud800"}
        yield Span(
            trace, "r", "agent", 10, 60, attributes=agent, events=(Event("gen_ai.evaluation.result", 1, passed),)
        )
        yield Span(
            trace, "f", "chat", 70, 71, "r", attributes={**model, "gen_ai.response.finish_reasons": ("tool_calls",)}
        )


def test_the_runs_of_a_large_file_are_those_of_one_that_is_held() -> None:
    spans = list(_various())
    held, large = (list(runs_in(SpanStream("", each, lambda _: 0.1))) for each in (tuple(spans), spans))
    for run, again in zip(large, held, strict=True):
        assert (tuple(run.acts), tuple(run.others)) == (again.acts, tuple(again.others))
        assert replace(run, acts=(), others=()) == replace(again, acts=(), others=())
    run = large[0]
    assert list(run.acts) == list(run.acts)
    assert [(act.kind, act.name, act.duration_s, act.error) for act in run.acts] == [
        ("agent", "\ud800", 5e-8, None),
        ("model", "m", None, None),
        ("model", "m", (2**63 - 30) / 1e9, None),
        ("tool", "look", None, None),
        ("tool", "run", None, "error"),
        ("tool", "run", None, None),
        ("model", "m", 1e-9, None),
    ]
    assert kin(run.acts, run.others) == ({"x": "r", "r": None}, {"r": "\ud800"})
    assert (run.passed, run.untold, run.end_ns) == (True, 1, None)


def test_what_a_recorded_answer_asked_for_is_read_in_a_large_file_too() -> None:
    asked = [
        {"id": key, "type": "function", "function": {"name": name, "arguments": "{}"}} for key, name in ("1b", "2a")
    ]
    answer = {"choices": [{"finish_reason": "tool_calls", "message": {"role": "assistant", "tool_calls": asked}}]}
    request = HttpRequest("POST", "https://api.openai.com", "/v1/chat/completions", "{}")
    call = Call("k", (Exchange(request, 0, 1, "complete", 200, (), json.dumps(answer).encode()),))
    told = {"gen_ai.operation.name": "chat", "gen_ai.response.finish_reasons": ("tool_calls",)}
    recorded = Span("1" * 32, "a" * 16, "chat", 0, 1, attributes=told, read_call=lambda: call)
    for spans in ((recorded,), [recorded]):
        (run,) = runs_in(SpanStream("", spans, lambda _: None))
        assert ([act.name for act in run.of("tool")], run.untold) == (["b", "a"], 0)


def test_a_file_is_read_once_more_only_where_recorded_answers_asked_for_tools_that_nobody_tells(tmp_path: Path) -> None:
    path = tmp_path / "a.otlp.jsonl"
    for name, tools, times in (("search", 8, 1), ("other", 18, 2)):
        _write_asking(path, 20, name)
        counted = _Counted(SpanLines(path, print))
        (run,) = runs_in(SpanStream("", counted, lambda _: None))
        assert (len(list(run.of("tool"))), run.untold, counted.times) == (tools, 0, times)


def _write_asking(path: Path, count: int, name: str) -> None:
    """Write a recording whose answers all ask for a tool."""
    write_recording(path, count)
    asked = [{"id": "1", "type": "function", "function": {"name": name, "arguments": "{}"}}]
    message = json.dumps({"role": "assistant", "tool_calls": asked}).encode().replace(b'"', b'\\\\"')
    path.write_bytes(re.sub(rb'\{\\"role\\": \\"assistant.*?\}(?=\})', message, path.read_bytes()))


def _write_asking_once(path: Path, count: int) -> None:
    """Write a recording of which one answer alone asks for a tool without spans."""
    _write_asking(path, count, "search")
    path.write_bytes(path.read_bytes().replace(rb"\"search\"", rb"\"other\"", 1))


@pytest.mark.parametrize("write", [write_recording, _write_asking_once])
@pytest.mark.parametrize("count", [patterns_of, stats_of])
def test_a_large_file_that_is_one_run_is_counted_in_few_bytes_for_each_span(
    count: Callable[[Iterator[SpanStream]], object], write: Callable[[Path, int], None], tmp_path: Path
) -> None:
    path = tmp_path / "run.otlp.jsonl"
    write(path, 3_000)
    most: list[int] = []
    for _ in range(2):  # what is made once is no part of it
        tracemalloc.start()
        try:
            count(iter((_opened(path),)))
            most.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert most[-1] / 3_000 < 400


def test_of_two_spans_with_one_id_the_tools_count_that_the_counted_one_asks_for() -> None:
    def asking(start_ns: int, tool: str) -> Span:
        part = {"type": "tool_call", "id": "c", "name": tool, "arguments": {}}
        said = json.dumps([{"role": "assistant", "parts": [part]}])
        told = {"gen_ai.operation.name": "chat", "gen_ai.response.id": "r1", "gen_ai.output.messages": said}
        return Span("1" * 32, "a" * 16, "chat", start_ns, start_ns + 1, attributes=told)

    (run,) = runs_in(SpanStream("", [asking(1, "first"), asking(2, "second")], lambda _: None))
    assert [act.name for act in run.of("tool")] == ["first"]
