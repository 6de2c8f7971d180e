"""Files in which others export traces are read: OTLP in each of its forms, and dumps of spans."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf.json_format import MessageToJson, ParseDict
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

import otel_agenttrace as at
from otel_agenttrace.analyze.grades import graded
from otel_agenttrace.cassette.foreign import open_trace
from otel_agenttrace.errors import CassetteCorrupt, CassetteError, ConfigError
from otel_agenttrace.model import Span
from tests.support.foreign_spans import genai_attributes, said

_TRACE_ID: Final = "0af7651916cd43dd8448eb211c80319c"
_ATTRIBUTES: Final = genai_attributes([said("user", "hi")], [said("assistant", "Hello.")])


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"arrayValue": {"values": [_value(each) for each in value]}}


def _document(number: int) -> dict[str, Any]:
    """Return an OTLP request with one span, ids in hex."""
    record = {
        "traceId": _TRACE_ID,
        "spanId": f"{number:016x}",
        "name": f"chat {number}",
        "kind": 3,
        "startTimeUnixNano": str(1_000 * number),
        "endTimeUnixNano": str(1_000 * number + 500),
        "attributes": [{"key": key, "value": _value(value)} for key, value in _ATTRIBUTES.items()],
        "droppedAttributesCount": 0,
        "status": {},
    }
    return {"resourceSpans": [{"resource": {}, "scopeSpans": [{"scope": {"name": "s"}, "spans": [record]}]}]}


def _message(number: int) -> TracesData:
    """Return the same for protobuf, whose JSON has ids in base64."""
    document = _document(number)
    (record,) = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    made = ParseDict(document | {"resourceSpans": []}, TracesData())
    spans = made.resource_spans.add().scope_spans.add()
    spans.scope.name = "s"
    one = spans.spans.add()
    plain = {name: value for name, value in record.items() if name not in ("traceId", "spanId")}
    ParseDict(plain, one)
    one.trace_id, one.span_id = bytes.fromhex(_TRACE_ID), bytes.fromhex(record["spanId"])
    return made


def _framed(length: Callable[[int], bytes]) -> bytes:
    contents = [_message(number).SerializeToString() for number in (1, 2)]
    return b"".join(length(len(content)) + content for content in contents)


def _varint(size: int) -> bytes:
    return bytes([size & 0x7F | 0x80, size >> 7]) if size > 0x7F else bytes([size])


def _both() -> TracesData:
    both = _message(1)
    both.MergeFrom(_message(2))
    return both


def _lines(*documents: Any) -> bytes:
    return "".join(f"{json.dumps(document)}\n" for document in documents).encode()


_FILES: Final[Mapping[str, Callable[[], bytes]]] = {
    "JSON lines": lambda: _lines(_document(1), _document(2)),
    "JSON lines without a newline at the end": lambda: _lines(_document(1), _document(2)).rstrip(),
    "one object, indented": lambda: json.dumps(
        {"resourceSpans": _document(1)["resourceSpans"] + _document(2)["resourceSpans"]}, indent=2
    ).encode(),
    "a list of requests": lambda: json.dumps([_document(1), _document(2)], indent=2).encode(),
    "protobuf's own JSON": lambda: MessageToJson(_both()).encode(),
    "protobuf's JSON with snake case": lambda: MessageToJson(_both(), preserving_proto_field_name=True).encode(),
    "one protobuf message": lambda: _both().SerializeToString(),
    "protobuf after four bytes of length": lambda: _framed(lambda size: size.to_bytes(4, "big")),
    "protobuf after a varint of length": lambda: _framed(_varint),
}


@pytest.mark.parametrize("name", _FILES)
def test_a_trace_is_read_from(name: str, tmp_path: Path) -> None:
    path = tmp_path / "prod"
    path.write_bytes(_FILES[name]())
    spans = at.load(path).spans
    assert [(span.trace_id, span.span_id, span.name) for span in spans] == [
        (_TRACE_ID, f"{number:016x}", f"chat {number}") for number in (1, 2)
    ]
    assert [(span.start_ns, span.end_ns, span.kind, span.scope) for span in spans] == [
        (1_000 * number, 1_000 * number + 500, "CLIENT", "s") for number in (1, 2)
    ]
    assert dict(spans[0].attributes) == _ATTRIBUTES
    assert [call.grade for call in graded(path, "prod").calls] == ["reconstructable", "reconstructable"]


def _python_dump(number: int) -> dict[str, Any]:
    return {
        "name": f"chat {number}",
        "context": {"trace_id": f"0x{_TRACE_ID}", "span_id": f"0x{number:016x}", "trace_state": "[]"},
        "kind": "SpanKind.CLIENT",
        "parent_id": "0x000000000000000f",
        "start_time": f"1970-01-01T00:00:0{number}.000001Z",
        "end_time": f"1970-01-01T00:00:0{number}.500000Z",
        "status": {"status_code": "ERROR", "description": "No."},
        "attributes": dict(_ATTRIBUTES),
        "events": [{"name": "e", "timestamp": f"1970-01-01T00:00:0{number}.000002Z", "attributes": {"a": 1}}],
        "resource": {"attributes": {"service.name": "s"}, "schema_url": ""},
    }


def _javascript_dump(number: int) -> dict[str, Any]:
    return {
        "name": f"chat {number}",
        "spanContext": {"traceId": _TRACE_ID, "spanId": f"{number:016x}"},
        "kind": 2,
        "parentSpanContext": {"spanId": "000000000000000f"},
        "startTime": [number, 1_000],
        "endTime": [number, 500_000_000],
        "status": {"code": 2, "message": "No."},
        "attributes": dict(_ATTRIBUTES),
        "events": [{"name": "e", "time": [number, 2_000], "attributes": {"a": 1}}],
        "resource": {"attributes": {"service.name": "s"}},
    }


def _decimal_dump(number: int) -> dict[str, Any]:
    context = {"trace_id": int(_TRACE_ID, 16), "span_id": number}
    return {
        **_python_dump(number),
        "kind": "client",
        "context": context,
        "parent": {"trace_id": int(_TRACE_ID, 16), "span_id": 15},
        "start_time": number * 10**9 + 1_000,
        "end_time": number * 10**9 + 500_000_000,
        "events": [{"name": "e", "timestamp": number * 10**9 + 2_000, "attributes": {"a": 1}}],
    }


@pytest.mark.parametrize("dump", [_python_dump, _javascript_dump, _decimal_dump])
@pytest.mark.parametrize("held", ["list", "spans", "names"])
def test_spans_are_read_from_a_dump(dump: Callable[[int], dict[str, Any]], held: str, tmp_path: Path) -> None:
    records = [dump(1), dump(2)]
    path = tmp_path / "dump.json"
    forms: dict[str, Any] = {
        "list": records,
        "spans": {"spans": records, "collected_at": "today"},
        "names": {"one": records[0], "others": records[1:]},
    }
    path.write_text(json.dumps(forms[held], indent=1), encoding="utf-8")
    first, second = at.load(path).spans
    assert (first.trace_id, first.span_id, second.span_id) == (_TRACE_ID, f"{1:016x}", f"{2:016x}")
    assert (first.parent_span_id, first.kind, first.status, first.status_message) == (
        f"{15:016x}",
        "CLIENT",
        "ERROR",
        "No.",
    )
    assert (first.start_ns, first.end_ns) == (1_000_001_000, 1_500_000_000)
    assert [(event.name, event.time_ns, dict(event.attributes)) for event in first.events] == [
        ("e", 1_000_002_000, {"a": 1})
    ]
    assert first.resource == {"service.name": "s"}
    assert json.loads(str(first.attributes["gen_ai.input.messages"])) == [said("user", "hi")]


def test_free_ids_of_a_dump_keep_spans_apart_and_together(tmp_path: Path) -> None:
    record = {"name": "a", "attributes": {}, "start_time": 1, "trace_id": "my trace"}
    path = tmp_path / "dump.json"
    child = {**record, "span_id": "child", "parent_span_id": "parent"}
    path.write_text(json.dumps([child, {**record, "span_id": "parent"}]), encoding="utf-8")
    first, second = at.load(path).spans
    assert first.trace_id == second.trace_id
    assert first.parent_span_id == second.span_id != first.span_id
    assert all(len(span.span_id) == 16 and len(span.trace_id) == 32 for span in (first, second))


def test_log_records_are_events_of_their_span(tmp_path: Path) -> None:
    body = {"kvlistValue": {"values": [{"key": "content", "value": {"stringValue": "hi"}}]}}
    record = {
        "traceId": _TRACE_ID,
        "spanId": f"{1:016x}",
        "eventName": "gen_ai.user.message",
        "timeUnixNano": "1100",
        "body": body,
        "attributes": [{"key": "gen_ai.system", "value": {"stringValue": "openai"}}],
    }
    logs = {"resourceLogs": [{"scopeLogs": [{"logRecords": [record, {"body": body}]}]}]}
    path = tmp_path / "prod.jsonl"
    path.write_bytes(_lines(logs, _document(1), _document(2), {"resourceMetrics": []}))
    first, second = at.load(path).spans
    (event,) = first.events
    assert (event.name, event.time_ns) == ("gen_ai.user.message", 1_100)
    assert event.attributes == {"content": "hi", "gen_ai.system": "openai"}
    assert second.events == ()


def test_what_an_SDK_left_out_is_told_on_the_span(tmp_path: Path) -> None:
    document = _document(1)
    document["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["droppedAttributesCount"] = 4
    path = tmp_path / "prod.json"
    path.write_bytes(_lines(document))
    assert at.load(path).spans[0].attributes["otel.dropped_attributes_count"] == 4
    assert [call.grade for call in graded(path, "prod").calls] == ["hash-only"]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b'{\n "messages": []\n}\n', "no spans: this is neither an OTLP trace nor a dump of spans"),
        (b"[\n]\n", "no spans: this is neither an OTLP trace nor a dump of spans"),
        (
            b'[{"name": "a", "attributes": {},\n "span_id": "b", "trace_id": "c"}]',
            "no span of it tells of a call to a model",
        ),
        (b'[{"name": "a", "attributes": {},\n "trace_id": "", "span_id": "b"}]', "a span has no id"),
        (_message(1).SerializeToString()[:-1], "binary data, not a line of OTLP/JSON"),
    ],
)
def test_what_is_no_trace_is_named(content: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "prod.json"
    path.write_bytes(content)
    with pytest.raises(CassetteCorrupt) as raised, at.replay(path, quiet=True):
        raise AssertionError("it was opened")
    assert reason in str(raised.value)


def test_nothing_records_into_a_foreign_trace(tmp_path: Path) -> None:
    path = tmp_path / "prod.jsonl"
    path.write_bytes(_lines(_document(1)))
    with pytest.raises((CassetteError, ConfigError)) as raised, at.session(path, "new", quiet=True):
        raise AssertionError("it was opened")
    assert "nothing records into it" in str(raised.value)
    assert path.read_bytes() == _lines(_document(1))


def test_a_cassette_with_a_foreign_span_stays_a_cassette(tmp_path: Path) -> None:
    golden = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
    path = tmp_path / "run.otlp.jsonl"
    path.write_bytes(golden.read_bytes() + _lines(_document(1)))
    opened = open_trace(path, strict=True)
    assert opened.cassette is not None
    assert opened.foreign is None
    grades = {call.name: call.grade for call in graded(path, "run").calls}
    assert grades["chat 1"] == "reconstructable"
    assert set(grades.values()) == {"exact", "reconstructable"}


_CORPORA: Final = Path(__file__).parents[3] / "shared" / "corpora"
_TRACES: Final = sorted(_CORPORA.glob("otel-*/**/*.json")) or [_CORPORA / "absent.json"]


@pytest.mark.parametrize("path", _TRACES, ids=lambda path: path.stem)
def test_every_trace_of_the_corpora_is_read_and_graded(path: Path) -> None:
    if not path.exists():
        pytest.skip("the traces stand in ../shared/corpora")
    report = graded(path, path.name)
    told: list[Span] = [span for span in at.load(path).spans if _is_call(span)]
    assert report.spans > 0
    assert len(report.calls) == len(told)
    assert all(call.reasons for call in report.calls if call.grade != "reconstructable")


def _is_call(span: Span) -> bool:
    """Whether a span of the corpora calls a model, by its name."""
    return span.name.startswith(("chat ", "call_llm ")) or span.name.endswith((".doGenerate", ".doStream"))
