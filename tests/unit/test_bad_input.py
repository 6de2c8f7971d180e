"""Files that are no cassette, or a damaged one: a named error, a message that helps, and nothing on disk is touched."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, cast

import openai
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import otel_agenttrace as at
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.writer import partial_path
from otel_agenttrace.environment import OTEL_AGENTTRACE_CASSETTE, OTEL_AGENTTRACE_MODE, RUN
from otel_agenttrace.errors import (
    AgentTraceError,
    CassetteCorrupt,
    CassetteError,
    CassetteInaccessible,
    CassetteNotFound,
    CassetteTooNew,
)
from otel_agenttrace.in_force import open_sessions

_PATH: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
GOLDEN: Final = _PATH.read_bytes()
FIRST_CALL, TOOL, SECOND_CALL, AGENT = GOLDEN.splitlines(keepends=True)
FIRST_ID: Final = "1e2feb89414c343c"
_VERSION: Final = b'"agenttrace.format.version","value":{"intValue":"%d"}'


# --- a file that nothing can be read from -------------------------------------------------------------------------------


def _otlp(**span: Any) -> bytes:
    record = {"traceId": "a" * 32, "spanId": "b" * 16, "name": "n", "startTimeUnixNano": "1", **span}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [record]}]}]}).encode() + b"\n"


@dataclass(frozen=True)
class _Bad:
    content: bytes | None
    error: type[CassetteError]
    says: str
    line: int | None = None


_NO_OTLP: Final = "no resourceSpans: this is not an OTLP trace"
_BAD: Final = {
    "missing": _Bad(None, CassetteNotFound, "No cassette at "),
    "empty": _Bad(b"", CassetteCorrupt, "the file is empty", 1),
    "blank": _Bad(b"\n  \n", CassetteCorrupt, "the file is empty", 1),
    "only a torn line": _Bad(TOOL[:100], CassetteCorrupt, "only a torn line", 1),
    "text": _Bad(b"import openai\n", CassetteCorrupt, "not JSON: Expecting value at column 1", 1),
    "binary": _Bad(b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR\n", CassetteCorrupt, "binary data, not a line of OTLP/JSON", 1),
    "gzip": _Bad(b"\x1f\x8b\x08\0\n\0\n", CassetteCorrupt, "binary data, not a line of OTLP/JSON", 1),
    "UTF-16": _Bad(TOOL.decode().encode("utf-16"), CassetteCorrupt, "binary data, not a line of OTLP/JSON", 1),
    "other JSON": _Bad(b'{"messages":[]}\n', CassetteCorrupt, _NO_OTLP, 1),
    "OTLP logs": _Bad(b'{"resourceLogs":[]}\n', CassetteCorrupt, _NO_OTLP, 1),
    "spans that are no list": _Bad(b'{"resourceSpans":{"scopeSpans":[]}}\n', CassetteCorrupt, _NO_OTLP, 1),
    "other JSON without a newline": _Bad(b'{"messages":[]}', CassetteCorrupt, _NO_OTLP, 1),
    "binary without a newline": _Bad(b"\x7fELF\x02\0\0\xff", CassetteCorrupt, "binary data", 1),
    "an array": _Bad(b"[1,2]\n", CassetteCorrupt, _NO_OTLP, 1),
    "a bottomless array": _Bad(b"[" * 100_000 + b"\n", CassetteCorrupt, "", 1),
    "an id that is none": _Bad(_otlp(traceId="zz"), CassetteCorrupt, "traceId 'zz' is neither", 1),
    "an id of another type": _Bad(_otlp(spanId=5), CassetteCorrupt, "spanId 5 is neither", 1),
    "no id": _Bad(_otlp(spanId=None), CassetteCorrupt, "spanId", 1),
    "newer": _Bad(GOLDEN.replace(_VERSION % 1, _VERSION % 2), CassetteTooNew, "has format version 2"),
    "newer in its last line": _Bad(TOOL + AGENT.replace(_VERSION % 1, _VERSION % 7), CassetteTooNew, "version 7"),
    "newer in snake_case": _Bad(
        TOOL.replace(_VERSION % 1, _VERSION % 2).replace(b"resourceSpans", b"resource_spans"),
        CassetteTooNew,
        "has format version 2",
    ),
    "garbage.zst": _Bad(b"no zstd at all", CassetteCorrupt, "no packed cassette", 1),
}


def _entered(mode: str) -> Callable[[Path], object]:
    def enter(path: Path) -> None:
        with at.session(path, mode, quiet=True):
            pytest.fail("the session was entered")

    return enter


_READERS: Final[dict[str, Callable[[Path], object]]] = {
    "load": at.load,
    "replay": _entered("none"),
    "once": _entered("once"),
    "new": _entered("new"),
    "ReplaySpanProcessor": at.ReplaySpanProcessor,
    "AgentTraceSampler": lambda path: at.AgentTraceSampler(replay=path),
}


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    """Hold every test to it: no session is left, nor a word of it to child processes."""
    yield
    left = open_sessions()
    for session in left:
        session.close()
    assert left == ()
    assert RUN not in os.environ


def _write(folder: Path, name: str, content: bytes | None) -> Path:
    path = folder / (name if name.endswith(".zst") else "run.otlp.jsonl")
    if content is not None:
        path.write_bytes(content)
    return path


def _content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


_CASES: Final = [
    (name, reader)
    for name in _BAD
    for reader in _READERS
    if not (name == "missing" and reader in ("once", "new"))  # is recorded
    if not (name == "garbage.zst" and reader == "new")  # is refused, whatever is in it
]


@pytest.mark.parametrize(("name", "reader"), _CASES)
def test_what_cannot_be_read_is_named_and_left_alone(name: str, reader: str, tmp_path: Path) -> None:
    bad = _BAD[name]
    path = _write(tmp_path, name, bad.content)
    before = _content(tmp_path)
    with pytest.raises(CassetteError) as raised:
        _READERS[reader](path)
    error = raised.value
    assert type(error) is bad.error
    assert (getattr(error, "path", None), getattr(error, "line", None)) == (path, bad.line)
    assert bad.says in str(error)
    headline, *parts = str(error).splitlines()
    assert headline.startswith((f"{path}:{bad.line}: ", f"{path} has", f"No cassette at {path}."))
    assert [part[:11] for part in parts] == ["  to fix   "]
    assert _content(tmp_path) == before


@pytest.mark.parametrize("reader", _READERS)
def test_a_folder_is_no_cassette_and_is_named(reader: str, tmp_path: Path) -> None:
    with pytest.raises(CassetteError, match="directory") as raised:
        _READERS[reader](tmp_path)
    assert getattr(raised.value, "path", None) == tmp_path
    assert "\n  to fix   " in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_path_below_a_file_is_not_found(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(CassetteNotFound):
        at.load(tmp_path / "file" / "run.otlp.jsonl")


def test_a_version_says_what_is_there_and_what_is_read(tmp_path: Path) -> None:
    bad = _BAD["newer"]
    with pytest.raises(CassetteTooNew, match="pip install --upgrade otel-agenttrace") as raised:
        at.load(_write(tmp_path, "newer", bad.content))
    assert (raised.value.version, raised.value.supported) == (2, 1)


def test_what_a_killed_run_left_is_named_and_can_be_read_by_that_name(tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    partial_path(path).write_bytes(GOLDEN)
    with pytest.raises(CassetteNotFound, match=re.escape(f"left {path}.partial")):
        at.load(path)
    assert len(at.load(partial_path(path)).inferences) == 2


# --- a damaged line among good ones -------------------------------------------------------------------------------------


def _damaged(good: bytes, bad: bytes) -> bytes:
    assert SECOND_CALL.count(good) == 1
    return FIRST_CALL + SECOND_CALL.replace(good, bad) + AGENT


_DAMAGED: Final = {
    "a line that is no JSON": FIRST_CALL + b"{broken\n" + SECOND_CALL,
    "a line that is no OTLP": FIRST_CALL + b"{}\n" + SECOND_CALL,
    "a last line that never began as one": FIRST_CALL + b"\x7fELF",
    "a last line that is whole, but no OTLP": FIRST_CALL + b"{}",
    "a line of ours with a quote too few": _damaged(b'"name":"chat', b'"name:"chat'),
    "a line of ours with an id that is none": _damaged(b'"traceId":"', b'"traceId":"zz'),
    "a line of ours with a word for its start": _damaged(b'"startTimeUnixNano":"', b'"startTimeUnixNano":"today'),
    "a line of ours with a byte that is no text": _damaged(b'"spanId":"78', b'"spanId":"\xff\xff'),
}
_WITHOUT_ITS_SPAN: Final = {"a line of ours without its span": _damaged(b'"scopeSpans":', b'"scopeSpan":')}


def _ask() -> None:
    """Make the second call of the golden cassette: a 429, then a stream."""
    call = at.load(_PATH).inferences[1].call
    assert call is not None
    client: Any = openai.OpenAI(base_url="https://api.openai.com/v1", api_key="none is needed")
    list(client.chat.completions.create(**json.loads(call.attempts[0].request.body)))


@pytest.mark.parametrize("name", _DAMAGED)
def test_a_damaged_line_is_named_and_skipped_when_a_cassette_is_looked_at(
    name: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = _write(tmp_path, name, _DAMAGED[name])
    assert FIRST_ID in [span.span_id for span in at.load(path).spans]
    assert f"{path}:2: " in caplog.text
    assert path.read_bytes() == _DAMAGED[name]


@pytest.mark.parametrize("name", _DAMAGED | _WITHOUT_ITS_SPAN)
def test_a_damaged_line_spoils_a_replay_at_the_call_that_needs_it_or_before(name: str, tmp_path: Path) -> None:
    damaged = (_DAMAGED | _WITHOUT_ITS_SPAN)[name]
    path = _write(tmp_path, name, damaged)
    with pytest.raises(CassetteCorrupt) as raised:
        with at.replay(path, quiet=True):
            _ask()
    assert (raised.value.path, raised.value.line) == (path, 2)
    assert str(raised.value).count(f"{path}:2: ") == 1
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("mode", ["none", "once", "new"])
def test_a_torn_last_line_is_only_a_warning(mode: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    content = FIRST_CALL + SECOND_CALL + AGENT[:200]
    path = _write(tmp_path, "torn", content)
    with at.session(path, mode, quiet=True) as session:
        _ask()
    assert [outcome.kind for outcome in session.outcomes] == ["hit"]
    assert f"{path}: the last line is torn" in caplog.text
    assert path.read_bytes() == content


_KEYS: Final = sorted({found[0]: found.end() for found in re.finditer(rb'"\w+":', FIRST_CALL)}.values())
_NEAR_A_KEY: Final = st.builds(int.__add__, st.sampled_from(_KEYS), st.integers(-2, 12))


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    _NEAR_A_KEY | st.integers(0, len(GOLDEN) - 1),
    st.integers(0, 12),
    st.sampled_from([b"", b'"', b"x", b"-", b"{", b"null", b"\n", b"\xff", b"\\", b"9" * 5000, b"[]", b"\0"]),
)
def test_whatever_is_changed_in_a_cassette_no_other_error_than_ours_is_raised(
    tmp_path: Path, place: int, removed: int, put: bytes
) -> None:
    path = _write(tmp_path, "changed", GOLDEN[:place] + put + GOLDEN[place + removed :])
    for told in (_error(path, strict=True), _error(path, strict=False)):
        assert told is None or str(path) in told


def _error(path: Path, *, strict: bool) -> str | None:
    """Return what reading all of a cassette says, or None if it says nothing."""
    try:
        _ = [span.call for span in open_cassette(path, strict=strict).trace().spans]
    except CassetteError as error:
        return str(error)
    return None


# --- what else is read --------------------------------------------------------------------------------------------------

_SNAKE: Final = re.compile(rb'"(resourceSpans|scopeSpans|\w+Id|\w+UnixNano|schemaUrl|\w+Value)":')


def _to_snake(found: re.Match[bytes]) -> bytes:
    return b'"%s":' % re.sub(rb"[A-Z]", lambda letter: b"_" + letter[0].lower(), found[1])


def _capitals(member: bytes) -> bytes:
    name, _, written = member.partition(b":")
    return name + b":" + written.upper()


def _to_base64(found: re.Match[bytes]) -> bytes:
    return b'"%s":"%s"' % (found[1], base64.b64encode(bytes.fromhex(found[2].decode())))


def _each_line(change: Callable[[Any], str]) -> bytes:
    return "".join(change(json.loads(line)) + "\n" for line in GOLDEN.splitlines()).encode()


def _reversed(value: Any) -> Any:
    if isinstance(value, dict):
        members = cast("dict[str, Any]", value)
        return {key: _reversed(members[key]) for key in reversed(members)}
    return [_reversed(item) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def _in_one_object() -> bytes:
    documents = [json.loads(line)["resourceSpans"] for line in GOLDEN.splitlines()]
    return json.dumps({"resourceSpans": [spans for document in documents for spans in document]}).encode() + b"\n"


_FORMS: Final = {
    "with spaces and escapes": _each_line(json.dumps),
    "with keys in another order": _each_line(lambda document: json.dumps(_reversed(document))),
    "in one object": _in_one_object(),
    "with blank lines": GOLDEN.replace(b"\n", b"\n\n"),
    "without a newline at its end": GOLDEN.removesuffix(b"\n"),
    "with ids in base64": re.sub(rb'"(traceId|spanId|parentSpanId)":"(\w+)"', _to_base64, GOLDEN),
    "with ids in capitals": re.sub(rb'"(?:trace|span|parentSpan)Id":"\w+"', lambda found: _capitals(found[0]), GOLDEN),
    "with named kinds": GOLDEN.replace(b'"kind":3', b'"kind":"SPAN_KIND_CLIENT"').replace(
        b'"kind":1', b'"kind":"SPAN_KIND_INTERNAL"'
    ),
    "with named status codes": GOLDEN.replace(b'"status":{}', b'"status":{"code":"STATUS_CODE_UNSET"}'),
    "with numbers for times": re.sub(rb'("\w+UnixNano"):"(\d+)"', rb"\1:\2", GOLDEN),
    "with numbers for integers": re.sub(rb'("intValue"):"(\d+)"', rb"\1:\2", GOLDEN),
    "in snake_case": _SNAKE.sub(_to_snake, GOLDEN),
}


@pytest.mark.parametrize("form", _FORMS)
def test_a_cassette_that_another_tool_has_rewritten_is_the_same(form: str, tmp_path: Path) -> None:
    path = _write(tmp_path, form, _FORMS[form])
    same, golden = at.load(path).spans, at.load(_PATH).spans
    assert _FORMS[form] != GOLDEN
    assert same == golden
    assert [span.call for span in same] == [span.call for span in golden]


def test_an_error_status_is_read_by_number_and_by_name(tmp_path: Path) -> None:
    path = _write(tmp_path, "errors", b"".join(_otlp(status={"code": code}) for code in (2, "STATUS_CODE_ERROR")))
    assert [span.status for span in at.load(path).spans] == ["ERROR", "ERROR"]


def test_members_of_a_wrong_type_count_as_missing(tmp_path: Path) -> None:
    wrong = _otlp(name=7, kind="x", startTimeUnixNano={}, attributes={"a": 1}, events=5, links={}, status=9)
    (span,) = at.load(_write(tmp_path, "wrong", wrong)).spans
    assert span == at.Span("a" * 32, "b" * 16, "", 0)


def test_a_line_that_stands_there_twice_is_two_calls(tmp_path: Path) -> None:
    path = _write(tmp_path, "twice", FIRST_CALL + SECOND_CALL * 2)
    assert len(at.load(path).inferences) == 3
    with at.replay(path, quiet=True) as session:
        _ask()
        _ask()
        with pytest.raises(at.ReplayMiss, match="was recorded 2 times and asked for once more"):
            _ask()
    assert [outcome.kind for outcome in session.outcomes] == ["hit", "hit", "miss"]


# --- the doors that record ----------------------------------------------------------------------------------------------


def _record(path: Path) -> None:
    with at.record(path, quiet=True):
        pass


_RECORDERS: Final[dict[str, Callable[[Path], object]]] = {
    "record": _record,
    "exporter": lambda path: at.CassetteSpanExporter(path).shutdown(),
    "processor": lambda path: at.CassetteSpanProcessor(path).shutdown(),
}


@pytest.mark.parametrize("recorder", _RECORDERS)
@pytest.mark.parametrize("name", [name for name in _BAD if not name.endswith(".zst")])
def test_recording_anew_leaves_what_was_there_until_there_is_a_call(name: str, recorder: str, tmp_path: Path) -> None:
    path = _write(tmp_path, name, _BAD[name].content)
    before = _content(tmp_path)
    content = _BAD[name].content or b""
    is_refused = content.lstrip().startswith(b'{"resourceSpans"') and b"agenttrace.format.version" not in content
    with pytest.raises(CassetteInaccessible, match="a trace that others exported") if is_refused else nullcontext():
        _RECORDERS[recorder](path)
    assert _content(tmp_path) == before


@pytest.mark.parametrize("mode", ["once", "new", "all"])
def test_a_run_without_a_call_leaves_no_file(mode: str, tmp_path: Path) -> None:
    with at.session(tmp_path / "run.otlp.jsonl", mode, quiet=True):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("recorder", _RECORDERS)
def test_recording_to_a_folder_is_refused_before_the_run(recorder: str, tmp_path: Path) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with pytest.raises(AgentTraceError, match=re.escape(str(folder))):
        _RECORDERS[recorder](folder)
    assert list(tmp_path.iterdir()) == [folder]


@pytest.mark.parametrize("recorder", _RECORDERS)
def test_recording_below_a_file_is_refused_by_name(recorder: str, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    path = tmp_path / "file" / "run.otlp.jsonl"
    with pytest.raises(AgentTraceError, match=re.escape(str(path))):
        _RECORDERS[recorder](path)


@pytest.mark.parametrize("name", ["missing", "empty", "binary", "newer", "other JSON"])
def test_an_exporter_of_the_environment_raises_at_the_first_call(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = _write(tmp_path, name, _BAD[name].content)
    monkeypatch.setenv(OTEL_AGENTTRACE_CASSETTE, str(path))
    monkeypatch.setenv(OTEL_AGENTTRACE_MODE, "none")
    before = _content(tmp_path)
    exporter = at.CassetteSpanExporter()
    try:
        with pytest.raises(_BAD[name].error, match=re.escape(str(path))):
            _ask()
    finally:
        exporter.shutdown()
    assert _content(tmp_path) == before
