"""A cassette: lines, the index over them, shared content, and what happens to damaged files."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agenttrace.cassette.format import decode_spans, encode_line, encode_resource
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.recording import Recording
from otel_agenttrace.cassette.writer import RecordedCall, Writer, partial_path, sidecar_folder
from otel_agenttrace.errors import CassetteCorrupt, CassetteNotFound, CassetteTooNew
from otel_agenttrace.matching import requested
from otel_agenttrace.model import Call, Chunk, Event, Exchange, Link, RaisedError, Span
from otel_agenttrace.redact import redactor

_TEXT = st.text(st.characters(exclude_categories=()), max_size=40)
_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | _TEXT | st.binary(),
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(_TEXT, inner, max_size=3),
    max_leaves=6,
)
_ATTRIBUTES = st.dictionaries(_TEXT, _VALUES, max_size=5)
_TRACE_ID, _SPAN_ID = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
_SPANS = st.builds(
    Span,
    trace_id=st.just(_TRACE_ID),
    span_id=st.just(_SPAN_ID),
    name=_TEXT,
    start_ns=st.integers(1, 2**63),
    end_ns=st.none() | st.integers(1, 2**63),
    parent_span_id=st.none() | st.just("00f067aa0ba902b7"),
    kind=st.sampled_from(["INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER"]),
    attributes=_ATTRIBUTES,
    events=st.lists(st.builds(Event, _TEXT, st.integers(1, 2**63), _ATTRIBUTES), max_size=2).map(tuple),
    links=st.lists(st.builds(Link, st.just(_TRACE_ID), st.just(_SPAN_ID), _ATTRIBUTES), max_size=2).map(tuple),
    status=st.sampled_from(["UNSET", "OK", "ERROR"]),
    status_message=_TEXT,
    scope=_TEXT,
    scope_version=_TEXT,
    schema_url=_TEXT,
    read_call=st.none(),
)


@given(_SPANS)
def test_a_line_decodes_to_the_span_it_encodes(span: Span) -> None:
    line = encode_line(span, encode_resource(span.resource))
    assert list(decode_spans(json.loads(line))) == [span]
    assert line.count(b"\n") == 1


@given(_SPANS)
def test_the_keys_of_every_object_of_a_line_are_sorted(span: Span) -> None:
    objects: list[list[str]] = []

    def keep(pairs: list[tuple[str, object]]) -> dict[str, object]:
        objects.append([key for key, _ in pairs])
        return dict(pairs)

    json.loads(encode_line(span, encode_resource({"service.name": "s"})), object_pairs_hook=keep)
    assert objects == [sorted(keys) for keys in objects]


def test_ids_in_base64_and_named_enums_are_read() -> None:
    record = {
        "traceId": "CvdlGRbNQ92ESOshHIAxnA==",
        "spanId": "t61rcWkgMzE=",
        "name": "chat m",
        "kind": "SPAN_KIND_CLIENT",
        "startTimeUnixNano": 17,
        "endTimeUnixNano": "18",
        "status": {"code": "STATUS_CODE_ERROR"},
        "attributes": [{"key": "n", "value": {"intValue": 3}}],
    }
    (span,) = decode_spans({"resourceSpans": [{"scopeSpans": [{"spans": [record]}]}]})
    assert (span.trace_id, span.span_id, span.kind) == (_TRACE_ID, _SPAN_ID, "CLIENT")
    assert (span.start_ns, span.end_ns, span.status, span.attributes) == (17, 18, "ERROR", {"n": 3})


# --- calls --------------------------------------------------------------------------------------------------------------


def _recorded(body: object, answer: bytes = b'{"ok":true}', *, number: int = 0) -> tuple[Span, RecordedCall]:
    asked = requested(
        "POST", "https://api.test/v1/chat/completions", "application/json", json.dumps(body).encode(), redactor({})
    )
    exchange = Exchange(
        request=asked.request,
        start_ns=1_000_000 + number,
        end_ns=9_000_000 + number,
        end="complete",
        status=200,
        headers=(("content-type", "application/json"), ("x-request-id", "r1")),
        body=answer,
    )
    span = Span(_TRACE_ID, f"{number + 1:016x}", "chat m", 1_000_000 + number, 9_000_000 + number)
    return span, RecordedCall(Call(asked.key, (exchange,), "lane", number), asked)


def _writer(path: Path) -> Writer:
    return Writer(path, {"service.name": "s", "host.name": "h"})


def _conversation(turns: int) -> list[dict[str, object]]:
    tools = [{"type": "function", "function": {"name": f"tool{n}", "description": "d" * 100}} for n in range(10)]
    messages: list[dict[str, str]] = [{"role": "system", "content": "s" * 300}]
    bodies: list[dict[str, object]] = []
    for turn in range(turns):
        messages = [*messages, {"role": "user", "content": f"turn {turn} " + "x" * 200}]
        bodies.append({"model": "m", "messages": messages, "tools": tools})
    return bodies


def test_a_recorded_call_is_read_as_it_was_written(tmp_path: Path) -> None:
    span, recorded = _recorded({"messages": [{"role": "user", "content": "é 𝄞"}]}, '{"text":"ü"}'.encode())
    _writer(tmp_path / "c").write(span, recorded)
    cassette = open_cassette(tmp_path / "c")
    (entry,) = cassette.index.calls
    assert cassette.call(entry) == recorded.call
    assert (entry.key, entry.lane, entry.ticket, entry.origin) == (recorded.call.key, "lane", 0, "https://api.test")
    assert (entry.span_id, entry.trace_id, entry.start_ns) == (span.span_id, span.trace_id, span.start_ns)


def test_bodies_that_are_no_text_errors_and_chunks_survive(tmp_path: Path) -> None:
    span, recorded = _recorded({"input": "x"})
    (first,) = recorded.call.attempts
    broken = Exchange(
        request=first.request,
        start_ns=5,
        end_ns=9,
        end="noresponse",
        error=RaisedError("ReadTimeout", "timed out", "httpx"),
    )
    binary = Exchange(
        request=first.request,
        start_ns=10,
        end_ns=30_000,
        end="error",
        status=200,
        body=b"\xff\x00\x01abc",
        chunks=(Chunk(2_000, 2), Chunk(9_000, 4)),
        error=RaisedError("ReadError", "", "httpx"),
    )
    call = Call(recorded.call.key, (broken, binary), "", 7)
    _writer(tmp_path / "c").write(span, RecordedCall(call, recorded.requested))
    cassette = open_cassette(tmp_path / "c")
    assert cassette.call(cassette.index.calls[0]) == call


def test_a_growing_conversation_is_stored_once_and_read_whole(tmp_path: Path) -> None:
    bodies = _conversation(20)
    writer = _writer(tmp_path / "c")
    for number, body in enumerate(bodies):
        writer.write(*_recorded(body, number=number))
    cassette = open_cassette(tmp_path / "c")
    assert [json.loads(cassette.request(entry).body) for entry in cassette.index.calls] == bodies
    plain = sum(len(json.dumps(body)) for body in bodies)
    assert (tmp_path / "c").stat().st_size < plain / 2


def test_a_conversation_of_a_thousand_turns_is_read_without_recursion(tmp_path: Path) -> None:
    writer = _writer(tmp_path / "c")
    bodies = _conversation(1000)
    for number, body in enumerate(bodies):
        writer.write(*_recorded(body, number=number))
    cassette = open_cassette(tmp_path / "c")
    assert json.loads(cassette.request(cassette.index.calls[-1]).body) == bodies[-1]


@given(st.lists(st.dictionaries(_TEXT, st.integers() | _TEXT | st.lists(_TEXT), max_size=4), min_size=1, max_size=4))
def test_any_request_is_restored_whatever_it_shares(messages: list[dict[str, object]]) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "c")
        writer = _writer(path)
        bodies: list[object] = [{"messages": messages[:count], "tools": ["t" * 300]} for count in (1, len(messages), 0)]
        for number, body in enumerate(bodies):
            writer.write(*_recorded(body, number=number))
        cassette = open_cassette(path)
        assert [json.loads(cassette.request(entry).body) for entry in cassette.index.calls] == bodies


def test_a_large_body_stands_in_a_file_of_its_own(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl.partial"
    span, recorded = _recorded({"input": "x"}, b"y" * (1 << 20) + b"z")
    _writer(path).write(span, recorded)
    path.rename(tmp_path / "run.otlp.jsonl")
    cassette = open_cassette(tmp_path / "run.otlp.jsonl")
    assert cassette.call(cassette.index.calls[0]) == recorded.call
    assert (tmp_path / "run.otlp.jsonl").stat().st_size < 5_000
    (sidecar,) = sidecar_folder(tmp_path / "run.otlp.jsonl").iterdir()
    assert sidecar.stat().st_mode & 0o777 == 0o600


def test_the_full_resource_stands_on_the_first_line_only(tmp_path: Path) -> None:
    writer = _writer(tmp_path / "c")
    for number in range(2):
        writer.write(*_recorded({"input": "x"}, number=number))
    first, second = open_cassette(tmp_path / "c").spans()
    assert first.resource["host.name"] == "h"
    assert "host.name" not in second.resource
    assert second.resource["service.name"] == "s"


def test_a_call_in_a_line_that_a_collector_rewrote_is_found(tmp_path: Path) -> None:
    span, recorded = _recorded({"messages": [{"role": "user", "content": "x"}]})
    _writer(tmp_path / "c").write(span, recorded)
    document = json.loads((tmp_path / "c").read_text())
    scope_spans = document["resourceSpans"][0]["scopeSpans"][0]
    other = {"traceId": _TRACE_ID, "spanId": "00f067aa0ba902b7", "name": "GET", "startTimeUnixNano": "1"}
    scope_spans["spans"] = [other, *scope_spans["spans"]]
    (tmp_path / "c").write_text(json.dumps(document, indent=None) + "\n")
    cassette = open_cassette(tmp_path / "c")
    assert cassette.call(cassette.index.calls[0]) == recorded.call
    assert len(list(cassette.spans())) == 2


# --- damaged files ------------------------------------------------------------------------------------------------------


def _good_line(tmp_path: Path, number: int = 0) -> bytes:
    path = tmp_path / f"good{number}"
    _writer(path).write(*_recorded({"input": "x"}, number=number))
    return path.read_bytes()


def test_a_missing_cassette_is_named_with_the_command_that_records_it(tmp_path: Path) -> None:
    with pytest.raises(CassetteNotFound, match="otel-agenttrace record") as raised:
        open_cassette(tmp_path / "no.otlp.jsonl")
    assert raised.value.path == tmp_path / "no.otlp.jsonl"
    assert isinstance(raised.value, FileNotFoundError)


def test_a_lone_partial_is_named(tmp_path: Path) -> None:
    partial_path(tmp_path / "c").write_bytes(_good_line(tmp_path))
    with pytest.raises(CassetteNotFound, match=r"c\.partial"):
        open_cassette(tmp_path / "c")


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "the file is empty"),
        (b"\n\n", "the file is empty"),
        (b"not json\n", "not JSON: Expecting value at column 1"),
        (b"\x00\x01\x02\xff\n", "binary data"),
        (b"[1, 2]\n", "no resourceSpans"),
        (b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"traceId":"zz"}]}]}]}\n', "traceId 'zz' is neither"),
        (b'{"resourceSpans":[{"reso', "only a torn line"),
    ],
)
def test_a_file_with_nothing_readable_is_corrupt_and_untouched(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "c"
    path.write_bytes(content)
    with pytest.raises(CassetteCorrupt) as raised:
        open_cassette(path)
    assert reason in str(raised.value)
    assert (raised.value.path, raised.value.line) == (path, 1)
    assert path.read_bytes() == content


def test_a_torn_last_line_is_a_warning(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c"
    path.write_bytes(_good_line(tmp_path) + _good_line(tmp_path, 1)[:200])
    assert len(open_cassette(path, strict=True).index.calls) == 1
    assert "the last line is torn" in caplog.text


def test_a_bad_line_elsewhere_spoils_a_replay_but_not_an_analysis(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(_good_line(tmp_path) + b"{broken\n" + _good_line(tmp_path, 1))
    assert len(list(open_cassette(path).spans())) == 2
    with pytest.raises(CassetteCorrupt, match="c:2: not JSON"):
        open_cassette(path, strict=True)


def test_damage_inside_a_line_is_named_when_its_call_is_read(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(_good_line(tmp_path).replace(b"agenttrace.exchange.headers", b'agenttrace"exchange.headers'))
    cassette = open_cassette(path)
    with pytest.raises(CassetteCorrupt, match="c:1: damaged"):
        cassette.call(cassette.index.calls[0])


def test_a_newer_format_is_refused_by_its_number(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(_good_line(tmp_path).replace(b'"intValue":"1"', b'"intValue":"2"', 1))
    with pytest.raises(CassetteTooNew, match="format version 2") as raised:
        open_cassette(path)
    assert (raised.value.version, raised.value.supported) == (2, 1)


def test_lines_that_refer_to_each_other_in_a_circle_are_corrupt(tmp_path: Path) -> None:
    writer = _writer(tmp_path / "c")
    for number, body in enumerate(_conversation(2)):
        writer.write(*_recorded(body, number=number))
    first, second = (tmp_path / "c").read_bytes().splitlines(keepends=True)
    defined = json.loads(second)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"][4]["value"][
        "stringValue"
    ]
    shared = next(
        pair["value"]["stringValue"]
        for pair in json.loads(second)["resourceSpans"][0]["scopeSpans"][0]["spans"][0]["attributes"]
        if pair["key"] == "agenttrace.request.shared"
    )
    referred = json.loads(shared)["prefix"]["digest"]
    own = defined.rpartition("=")[2]
    (tmp_path / "c").write_bytes(first + second.replace(referred.encode(), own.encode()))
    cassette = open_cassette(tmp_path / "c")
    with pytest.raises(CassetteCorrupt, match="circle"):
        cassette.call(cassette.index.calls[1])


# --- the file of a run ----------------------------------------------------------------------------------------------------


def test_a_recording_gets_its_name_when_it_ends(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "c")
    recording.partial.write_text("x")
    assert recording.finish() == tmp_path / "c"
    assert (tmp_path / "c").read_text() == "x"
    assert not recording.partial.exists()


def test_the_last_of_two_roots_names_the_recording(tmp_path: Path) -> None:
    one, other = Recording(tmp_path / "c"), Recording(tmp_path / "c")
    one.partial.write_text("both")
    assert one.finish() == one.partial
    assert other.finish() == tmp_path / "c"
    assert (tmp_path / "c").read_text() == "both"


def test_a_partial_that_nobody_holds_is_begun_anew(tmp_path: Path) -> None:
    partial_path(tmp_path / "c").write_text("left by a killed run")
    assert Recording(tmp_path / "c").partial.read_text() == ""


def test_a_new_line_follows_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(_good_line(tmp_path) + b'{"torn')
    _writer(path).write(*_recorded({"input": "x"}, number=1))
    cassette = open_cassette(path)
    assert len(cassette.index.calls) == 2
    assert [problem.line for problem in cassette.index.problems] == [2]


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    os.umask(0o022)
    _writer(tmp_path / "folder" / "c").write(*_recorded({"input": "x"}))
    assert (tmp_path / "folder" / "c").stat().st_mode & 0o777 == 0o600
