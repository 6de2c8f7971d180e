"""A cassette: lines, the index over them, shared content, and what happens to damaged files."""

from __future__ import annotations

import gc
import hashlib
import json
import os
import re
import resource
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agenttrace.cassette.format import decode_spans, encode_line, encode_resource
from otel_agenttrace.cassette.places import newest_cassette
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.recording import Recording
from otel_agenttrace.cassette.sidecars import sidecar_folder
from otel_agenttrace.cassette.validation import Validation, validated
from otel_agenttrace.cassette.writer import RecordedCall, Writer, partial_path
from otel_agenttrace.errors import CassetteCorrupt, CassetteInaccessible, CassetteNotFound, CassetteTooNew
from otel_agenttrace.matching import requested
from otel_agenttrace.model import Call, Chunk, Event, Exchange, Link, RaisedError, Span
from otel_agenttrace.redact import Redactor

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


class _Number(float):
    def __repr__(self) -> str:
        return f"Number({float(self)})"


@pytest.mark.parametrize(
    ("value", "read"),
    [
        (datetime(2026, 1, 2), "2026-01-02 00:00:00"),
        (Decimal("1.5"), "1.5"),
        (Path("a/b"), "a/b"),
        (_Number(2.5), 2.5),
        ({1: Decimal(2)}, {"1": "2"}),
        ([Decimal(3)], ("3",)),
    ],
)
def test_an_attribute_of_another_type_is_told_as_text(value: Any, read: object) -> None:
    span = Span(_TRACE_ID, _SPAN_ID, "chat m", 1, attributes={"a": value})
    (same,) = decode_spans(json.loads(encode_line(span, encode_resource({}))))
    assert same.attributes == {"a": read}


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
        "POST", "https://api.test/v1/chat/completions", "application/json", json.dumps(body).encode(), Redactor(())
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


def test_a_call_that_shares_much_with_many_before_it_is_read_first_as_well(tmp_path: Path) -> None:
    writer, bodies = _writer(tmp_path / "c"), [{**body, "schema": "y" * 300} for body in _conversation(12)]
    for number, body in enumerate(bodies):
        writer.write(*_recorded(body, number=number))
    cassette = open_cassette(tmp_path / "c")
    assert json.loads(cassette.request(cassette.index.calls[-1]).body) == bodies[-1]


def test_a_cassette_answers_in_a_fork_though_a_thread_held_its_lock(tmp_path: Path) -> None:
    _writer(tmp_path / "c").write(*_recorded({"input": "x"}))
    cassette = open_cassette(tmp_path / "c")
    held, over = threading.Event(), threading.Event()

    def hold() -> None:
        with cassette._lock:
            held.set()
            over.wait()

    thread = threading.Thread(target=hold)
    thread.start()
    held.wait()
    cassette.renew_lock()  # what a session does in a fork
    assert cassette.request(cassette.index.calls[0]).body == '{"input":"x"}'
    over.set()
    thread.join()


def test_what_cannot_be_read_has_no_line() -> None:
    with pytest.raises(CassetteCorrupt, match=r"^/proc/self/mem: cannot be read: ") as raised:
        open_cassette(Path("/proc/self/mem"))
    assert raised.value.line is None


def test_a_pipe_is_no_cassette(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "c")
    with pytest.raises(
        CassetteInaccessible,
        match=r"c cannot be read: it is no regular file\.\n  to fix   name a file that you may read",
    ):
        open_cassette(tmp_path / "c")


def test_the_commands_of_an_error_can_be_pasted(tmp_path: Path) -> None:
    path = tmp_path / "my run"
    with pytest.raises(CassetteNotFound, match=re.escape(f"otel-agenttrace record '{path}' -- ")):
        open_cassette(path)
    path.touch()
    with pytest.raises(CassetteCorrupt, match=re.escape(f"otel-agenttrace validate '{path}'")):
        open_cassette(path)


# --- a check of all of it -------------------------------------------------------------------------------------------------


def test_each_damaged_line_is_reported_once_and_in_order(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    path = tmp_path / "c"
    no_headers = _good_line(tmp_path).replace(b'[[\\"content-type', b'[\\"content-type')
    no_json = _good_line(tmp_path, 1).replace(b'"name":"chat', b'"name:"chat')
    path.write_bytes(no_headers + b"{}\n" + no_json + _good_line(tmp_path, 2) + b'{"torn')
    report = validated(path, "-")
    assert (report.path, report.readable, report.spans, report.calls) == ("-", True, 2, 3)
    assert [problem.partition(": ")[0] for problem in report.problems] == ["-:1", "-:2", "-:3"]
    assert report.warnings == ("-: the last line is torn; it is left out",)
    assert caplog.messages == []


def test_what_cannot_be_read_at_all_is_reported_too(tmp_path: Path) -> None:
    (tmp_path / "c").touch()
    assert validated(tmp_path / "c", "c") == Validation("c", False, 0, 0, ("c:1: the file is empty",), ())
    missing = validated(tmp_path / "no", "no")
    assert not missing.readable
    assert missing.problems[0].startswith(f"No cassette at {tmp_path / 'no'}.")


def test_the_newest_cassette_may_be_packed(tmp_path: Path) -> None:
    with pytest.raises(CassetteNotFound):
        newest_cassette(tmp_path)
    for number, name in enumerate(["b.otlp.jsonl", "a.otlp.jsonl.zst", "c.otlp.jsonl.partial"]):
        (tmp_path / name).touch()
        os.utime(tmp_path / name, (number, number))
    assert newest_cassette(tmp_path) == tmp_path / "a.otlp.jsonl.zst"


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


def test_a_recording_that_nobody_wrote_to_leaves_nothing(tmp_path: Path) -> None:
    Recording(tmp_path / "c").leave()
    Recording(tmp_path / "c").finish()
    assert list(tmp_path.iterdir()) == []


def test_a_fork_lets_go_of_a_recording_that_its_parent_goes_on_with(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "c")
    child = os.fork()
    if not child:
        recording.leave()
        os._exit(0)
    os.waitpid(child, 0)
    _writer(recording.partial).write(*_recorded({"input": "x"}))
    other = Recording(tmp_path / "c")
    assert recording.finish() == recording.partial
    assert other.finish() == tmp_path / "c"
    assert len(open_cassette(tmp_path / "c").index.calls) == 1


def test_a_child_that_outlives_its_killed_run_does_not_write_to_the_next_one(tmp_path: Path) -> None:
    killed = Recording(tmp_path / "c")
    surviving = _writer(killed.partial)
    surviving.write(*_recorded({"input": "of the killed run"}))
    killed._life.close()  # what the system does at a kill
    recording = Recording(tmp_path / "c")
    with pytest.raises(FileNotFoundError, match="was removed"):
        surviving.write(*_recorded({"input": "of the child"}))
    _writer(recording.partial).write(*_recorded({"input": "of the next run"}, number=1))
    recording.finish()
    cassette = open_cassette(tmp_path / "c", strict=True)
    assert [cassette.request(entry).body for entry in cassette.index.calls] == ['{"input":"of the next run"}']


def test_many_roots_that_begin_and_end_at_once_lose_nothing(tmp_path: Path) -> None:
    partial_path(tmp_path / "c").write_text("left by a killed run")
    together = threading.Barrier(8)

    def run(number: int) -> None:
        together.wait()
        recording = Recording(tmp_path / "c")
        _writer(recording.partial).write(*_recorded({"input": "x"}, number=number))
        together.wait()
        recording.finish()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["c"]
    assert sorted(entry.ticket for entry in open_cassette(tmp_path / "c", strict=True).index.calls) == list(range(8))


def test_a_recording_that_cannot_get_its_name_stays_where_it_is(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    recording = Recording(tmp_path / "c")
    _writer(recording.partial).write(*_recorded({"input": "x"}))
    (tmp_path / "c").mkdir()
    assert recording.finish() == recording.partial
    assert len(open_cassette(recording.partial).index.calls) == 1
    (told,) = caplog.messages
    assert told.startswith(f"the recording stays in {recording.partial}: {tmp_path / 'c'} cannot be written: ")


def test_a_recording_is_named_though_the_program_closed_all_its_descriptors(tmp_path: Path) -> None:
    recording = Recording(tmp_path / "c")
    writer = _writer(recording.partial)
    writer.write(*_recorded({"input": "before"}))
    with _closed_behind_their_back(tmp_path, recording.partial) as mine:
        writer.write(*_recorded({"input": "after"}, number=1))
        assert recording.finish() == tmp_path / "c"
        del writer, recording
        gc.collect()
        assert [os.pread(descriptor, 9, 0) for descriptor in mine] == [b"my file 0", b"my file 1"]
    assert len(open_cassette(tmp_path / "c", strict=True).index.calls) == 2


@contextmanager
def _closed_behind_their_back(folder: Path, held: Path) -> Iterator[list[int]]:
    """Close all descriptors of a file, and give their numbers to files of the program's own."""
    numbers = [int(link.name) for link in Path("/proc/self/fd").iterdir() if _is_open(int(link.name), held)]
    for number in numbers:
        os.close(number)
    for place, number in enumerate(numbers):
        (folder / f"mine{place}").write_text(f"my file {place}")
        opened = os.open(folder / f"mine{place}", os.O_RDWR)
        os.dup2(opened, number)
        if opened not in numbers:
            os.close(opened)
    yield numbers
    for number in numbers:
        os.close(number)


def _is_open(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except OSError:
        return False


def test_recording_stops_when_the_file_was_closed_and_replaced(tmp_path: Path) -> None:
    writer = _writer(tmp_path / "c")
    writer.write(*_recorded({"input": "x"}))
    with _closed_behind_their_back(tmp_path, tmp_path / "c"):
        (tmp_path / "c").rename(tmp_path / "kept")  # its inode must not be given to the file that follows
        (tmp_path / "c").write_text("of another run")
        with pytest.raises(FileNotFoundError):
            writer.write(*_recorded({"input": "y"}))
    assert (tmp_path / "c").read_text() == "of another run"


def _with_body(path: Path, body: bytes) -> str:
    """Write a call whose answer stands in a file of its own and return that file's name."""
    _writer(path).write(*_recorded({"input": "x"}, body))
    return hashlib.sha256(body).hexdigest()


def test_recording_anew_removes_the_large_bodies_of_the_recording_it_replaces(tmp_path: Path) -> None:
    folder = sidecar_folder(tmp_path / "c")
    old, both, new = (letter * (2 << 20) for letter in (b"o", b"b", b"n"))
    for bodies in ((old, both), (both, new)):
        recording = Recording(tmp_path / "c")
        names = {_with_body(recording.partial, body) for body in bodies}
        if bodies == (old, both):
            (folder / "README").touch()
        recording.finish()
    assert {path.name for path in folder.iterdir()} == {*names, "README"}
    Recording(tmp_path / "c").finish()
    recording = Recording(tmp_path / "c")
    _writer(recording.partial).write(*_recorded({"input": "x"}))
    recording.finish()
    assert [path.name for path in folder.iterdir()] == ["README"]


def test_a_packed_cassette_keeps_its_large_bodies(tmp_path: Path) -> None:
    name = _with_body(tmp_path / "c", b"o" * (2 << 20))
    (tmp_path / "c.zst").touch()
    recording = Recording(tmp_path / "c")
    _writer(recording.partial).write(*_recorded({"input": "x"}))
    recording.finish()
    assert [path.name for path in sidecar_folder(tmp_path / "c").iterdir()] == [name]


@pytest.mark.parametrize("opened", [Recording, _writer])
def test_what_cannot_be_recorded_to_is_named_and_nothing_is_made(
    opened: Callable[[Path], object], tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    reasons = {"folder": "it is a directory", "file/c": "Not a directory: .*file", "pipe": "it is no regular file"}
    for name, reason in reasons.items():
        with pytest.raises(CassetteInaccessible, match=f"{name} cannot be recorded to: {reason}") as raised:
            opened(tmp_path / name)
        assert raised.value.path == tmp_path / name
        assert "\n  to fix   " in str(raised.value)
    assert sorted(tmp_path.iterdir()) == before


def test_a_writer_that_may_not_make_its_file_says_that_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(CassetteNotFound) as raised:
        Writer(tmp_path / "c", {}, create=False)
    assert raised.value.path == tmp_path / "c"


# --- lines on disk ------------------------------------------------------------------------------------------------------


def test_a_file_is_made_with_its_first_line(tmp_path: Path) -> None:
    writer = _writer(tmp_path / "c")
    assert (writer.size(), list(tmp_path.iterdir())) == (0, [])
    writer.write(*_recorded({"input": "x"}))
    assert writer.size() == (tmp_path / "c").stat().st_size > 0


def test_a_line_takes_the_place_of_a_torn_one(tmp_path: Path) -> None:
    path = tmp_path / "c"
    good = _good_line(tmp_path)
    path.write_bytes(good + b'{"torn' + b"x" * 300_000)
    writer = _writer(path)
    assert writer.size() == len(good)
    writer.write(*_recorded({"input": "x"}, number=1))
    assert path.read_bytes().startswith(good)
    assert [entry.line.number for entry in open_cassette(path, strict=True).index.calls] == [1, 2]


def test_a_whole_line_without_its_newline_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "c"
    path.write_bytes(_good_line(tmp_path).removesuffix(b"\n"))
    writer = _writer(path)
    assert writer.size() == path.stat().st_size
    writer.write(*_recorded({"input": "x"}, number=1))
    assert [entry.line.number for entry in open_cassette(path, strict=True).index.calls] == [1, 2]


@contextmanager
def _disk_is_full_at(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@pytest.mark.parametrize("more", [0, 1, 400])
def test_a_line_that_the_disk_has_no_room_for_leaves_nothing_behind(more: int, tmp_path: Path) -> None:
    path = tmp_path / "c"
    writer = _writer(path)
    writer.write(*_recorded({"input": "x"}))
    whole = path.read_bytes()
    with _disk_is_full_at(len(whole) + more), pytest.raises(OSError, match="File too large"):
        writer.write(*_recorded({"input": "y" * 1000}, number=1))
    assert path.read_bytes() == whole
    writer.write(*_recorded({"input": "z"}, number=2))
    assert [entry.ticket for entry in open_cassette(path, strict=True).index.calls] == [0, 2]


def test_a_large_body_that_the_disk_has_no_room_for_leaves_nothing_behind(tmp_path: Path) -> None:
    with _disk_is_full_at(1 << 20), pytest.raises(OSError, match="File too large"):
        _with_body(tmp_path / "c", b"y" * (2 << 20))
    assert list(sidecar_folder(tmp_path / "c").iterdir()) == []


def test_files_are_for_their_owner_only(tmp_path: Path) -> None:
    os.umask(0o022)
    _writer(tmp_path / "folder" / "c").write(*_recorded({"input": "x"}))
    assert (tmp_path / "folder" / "c").stat().st_mode & 0o777 == 0o600
