"""Lines are cut before they are parsed, conversations decoded piece by piece: what is read is what reading all of it gives."""

from __future__ import annotations

import gc
import json
import tracemalloc
import weakref
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import accumulate, permutations
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import otel_agenttrace as at
from otel_agenttrace.analyze.diffs import DiffSettings, diff_of
from otel_agenttrace.cassette.cutting import record_of
from otel_agenttrace.cassette.format import Around, decode_span, encode_line, encode_resource
from otel_agenttrace.cassette.reader import open_cassette
from otel_agenttrace.cassette.streaming import SpanLines
from otel_agenttrace.cassette.writer import RecordedCall, Writer
from otel_agenttrace.cassette.written import decode_written
from otel_agenttrace.errors import CassetteCorrupt
from otel_agenttrace.jsonvalue import Json, JsonObject, array, obj, parse
from otel_agenttrace.library.reading import forgiven
from otel_agenttrace.matching import Body, requested
from otel_agenttrace.model import Call, CallGist, CallReader, Event, Exchange, RaisedError, RequestPieces, Span, Trace
from otel_agenttrace.redact import Redactor
from otel_agenttrace.report.plain import plain
from otel_agenttrace.wire.codec import Codec
from otel_agenttrace.wire.routes import route

_CHAT: Final = "https://api.openai.com/v1/chat/completions"
_SYSTEM: Final = "You are a guide. " * 20


def _ok(content: bytes) -> Exchange:
    asked = requested("POST", _CHAT, "application/json", b"{}", Redactor(())).request
    return Exchange(asked, 10, 19, "complete", 200, (("content-type", "application/json"),), content)


def _call(number: int, body: Json, attempts: Sequence[Exchange], url: str = _CHAT) -> tuple[Span, RecordedCall]:
    asked = requested("POST", url, "application/json", json.dumps(body).encode(), Redactor(()))
    told = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
    span = Span(f"{1:032x}", f"{number + 1:016x}", "chat m", number * 100, number * 100 + 50, attributes=told)
    own = tuple(replace(each, request=asked.request) if each.request.body == "{}" else each for each in attempts)
    return span, RecordedCall(Call(asked.key, own, "", number), asked)


def _write(path: Path, calls: Sequence[tuple[Span, RecordedCall]]) -> Path:
    writer = Writer(path, {"service.name": "test"})
    for span, recorded in calls:
        writer.write(span, recorded)
    return path


def _conversation(turns: int, words: str = "") -> list[JsonObject]:
    said: list[JsonObject] = [{"role": "system", "content": _SYSTEM}, {"role": "user", "content": f"go {words}"}]
    bodies: list[JsonObject] = []
    for turn in range(turns):
        bodies.append({"model": "m", "seed": 1, "messages": [*said]})
        said += [
            {"role": "assistant", "content": f"step {turn}"},
            {"role": "user", "content": f"on {turn} {words * 50}"},
        ]
    return bodies


# --- lines ----------------------------------------------------------------------------------------------------------------

_ANSWERS: Final[Mapping[str, tuple[Exchange, ...]]] = {
    "text": (_ok(b'{"ok":"\xc3\xa9 \\u4f60 \\"quoted\\" ]}]}"}'),),
    "control characters": (_ok(b"a\x01b\x7f\n"),),
    "bytes": (_ok(b"\xff\xfe\x00"),),
    "what looks like our own": (_ok(b'"}}],"flags":,"timeUnixNano":" {"key":"agenttrace.exchange.body"'),),
    "large": (_ok(b"x" * (3 << 20)),),
    "retried": (replace(_ok(b"busy"), status=429), replace(_ok(b"done"), start_ns=30, end_ns=40)),
    "no answer": (replace(_ok(b""), status=None, end="error", error=RaisedError("ReadError", "gone \x07", "httpx")),),
    "asked otherwise": (
        _ok(b"1"),
        replace(_ok(b"2"), request=replace(_ok(b"").request, body='{"other":1}'), start_ns=30),
    ),
}


@pytest.mark.parametrize("name", _ANSWERS)
def test_a_line_that_is_cut_tells_what_one_does_that_is_not(name: str, tmp_path: Path) -> None:
    path = _write(tmp_path / "a.otlp.jsonl", [_call(0, {"messages": ["hi"]}, _ANSWERS[name])])
    lines = [json.dumps(json.loads(line)) for line in path.read_bytes().splitlines()]
    cut = list(map(_read, open_cassette(path).spans()))
    path.write_text("".join(f"{line}\n" for line in lines))  # with spaces in it: none of ours
    assert list(map(_read, open_cassette(path).spans())) == cut
    assert [set(span.attributes) for span, *_ in cut] == [{"gen_ai.operation.name", "gen_ai.request.model"}]


def _read(span: Span) -> tuple[Span, tuple[str, str] | None, Sequence[Exchange], Call | None]:
    return span, span.call_digests, span.attempts, span.call


def test_what_only_a_replay_needs_is_left_out_wherever_it_stands(tmp_path: Path) -> None:
    span, recorded = _call(0, {"messages": ["hi"]}, _ANSWERS["text"])
    span = replace(span, attributes={**span.attributes, "agenttrace.content": "x", "agenttrace.request.own": "y"})
    (found,) = open_cassette(_write(tmp_path / "a.otlp.jsonl", [(span, recorded)])).spans()
    assert set(found.attributes) == {"gen_ai.operation.name", "gen_ai.request.model"}


def test_the_digest_of_an_answer_is_another_where_the_answer_is(tmp_path: Path) -> None:
    calls = [_call(number, {"messages": ["hi"]}, answer) for number, answer in enumerate(_ANSWERS.values())]
    spans = list(open_cassette(_write(tmp_path / "a.otlp.jsonl", calls)).spans())
    assert len({span.call_digests for span in spans}) == len(_ANSWERS)
    other_headers = replace(_ANSWERS["text"][0], headers=(("x-request-id", "2"),), start_ns=11, end_ns=99)
    path = _write(tmp_path / "b.otlp.jsonl", [_call(0, {"messages": ["hi"]}, [other_headers])])
    assert next(iter(open_cassette(path).spans())).call_digests == spans[0].call_digests


_CHAT_ANSWER: Final = (
    b'{"id":"chatcmpl-%s","object":"chat.completion","created":%d,"choices":[{"message":{"content":"Hi"}}]}'
)
_CHUNKS: Final = (
    b'data: {"id":"chatcmpl-%s","object":"chat.completion.chunk","created":%d,"choices":[]}\n\n'
    b'data: {"id":"chatcmpl-2%s","created":%d,"choices":[]}\n\ndata: [DONE]\n\n'
)
_CLAUDE: Final = (
    b'{"model":"claude","id":"msg_%s","type":"message","content":[{"type":"tool_use","id":"toolu_1","input":{}}]}'
)
_CLAUDE_STREAM: Final = (
    b'event: message_start\ndata: {"type":"message_start","message":{"model":"m","id":"msg_%s","type":"message"}}\n\n'
)
_RESPONSE: Final = b'{\n  "id": "resp_%s",\n  "object": "response",\n  "created_at": %d,\n  "output": []\n}'


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_CHAT_ANSWER % (b"A1", 1), _CHAT_ANSWER % (b"B2", 22)),
        (_CHUNKS % (b"A1", 1, b"A1", 1), _CHUNKS % (b"B2", 22, b"B2", 22)),
        (
            (_CHUNKS % (b"A1", 1, b"A1", 1)).replace(b"\n", b"\r\n"),
            (_CHUNKS % (b"B2", 2, b"B2", 2)).replace(b"\n", b"\r\n"),
        ),
        (_CLAUDE % b"A1", _CLAUDE % b"B2"),
        (_CLAUDE_STREAM % b"A1", _CLAUDE_STREAM % b"B2"),
        (_RESPONSE % (b"A1", 1), _RESPONSE % (b"B2", 22)),
        (b'{"type":"message","id":"msg_1"}', b'{"type":"message","id":"msg_2"}'),
        (b'{"id":"0ae1","created":1,"model":"m"}', b'{"id":"0ae2","created":2,"model":"m"}'),
    ],
)
def test_the_digest_of_an_answer_leaves_out_the_id_and_time_that_each_answer_has(
    one: bytes, other: bytes, tmp_path: Path
) -> None:
    assert len(_digests(tmp_path, one, other)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (_CLAUDE % b"A1", (_CLAUDE % b"A1").replace(b"toolu_1", b"toolu_2")),
        (_CLAUDE % b"A1", (_CLAUDE % b"A1").replace(b'"input":{}', b'"input":{"id":"msg_2"}')),
        (b'{"content":[{"input":{"id":"msg_1"}}]}', b'{"content":[{"input":{"id":"msg_2"}}]}'),
        (b'{"content":[{"created":1}]}', b'{"content":[{"created":2}]}'),
        (b'{"id":"mine 1"}', b'{"id":"mine 2"}'),
        (b'{"text":"data: {\\"id\\":\\"msg_1\\"}"}', b'{"text":"data: {\\"id\\":\\"msg_2\\"}"}'),
        (b'{"data": {"id":"msg_1"}}', b'{"data": {"id":"msg_2"}}'),
        (b'{"id":"msg_1","text":"a"}', b'{"id":"msg_1","text":"b"}'),
        (b'data: {"calls":[\ndata: {"id":"1"}\ndata: ]}\n\n', b'data: {"calls":[\ndata: {"id":"2"}\ndata: ]}\n\n'),
    ],
)
def test_the_digest_of_an_answer_has_all_that_may_be_content(one: bytes, other: bytes, tmp_path: Path) -> None:
    assert len(_digests(tmp_path, one, other)) == 2


def test_the_digest_of_an_answer_has_the_attempts_before_it(tmp_path: Path) -> None:
    done = replace(_ok(_CLAUDE % b"A1"), start_ns=30, end_ns=40)
    tried = [[replace(_ok(said), status=429), done] for said in (b"busy", b"gone")]
    calls = [_call(number, {"messages": ["hi"]}, attempts) for number, attempts in enumerate(tried)]
    one, other = open_cassette(_write(tmp_path / "a.otlp.jsonl", calls)).spans()
    assert one.call_digests != other.call_digests


def _digests(folder: Path, *answers: bytes) -> set[object]:
    calls = [_call(number, {"messages": ["hi"]}, [_ok(answer)]) for number, answer in enumerate(answers)]
    return {span.call_digests for span in open_cassette(_write(folder / "a.otlp.jsonl", calls)).spans()}


def test_the_digest_of_an_answer_is_the_same_on_a_line_of_escapes(tmp_path: Path) -> None:
    span, recorded = _call(0, {"messages": ["hi"]}, _ANSWERS["text"])
    calls = [(span, recorded), (replace(span, span_id="2" * 16, status_message="\ud800"), recorded)]
    path = _write(tmp_path / "a.otlp.jsonl", calls)
    assert b"\\u00e9" in path.read_bytes()
    one, other = open_cassette(path).spans()
    assert one.call_digests == other.call_digests


def test_two_calls_on_one_line_are_two(tmp_path: Path) -> None:
    calls = [_call(number, {"messages": [number]}, [_ok(b"%d" % number)]) for number in range(2)]
    path = _write(tmp_path / "a.otlp.jsonl", calls)
    first, second = path.read_bytes().splitlines()
    record = second[second.index(b'"spans":[') + len(b'"spans":[') : -len(b"]}]}]}")]
    path.write_bytes(first[: -len(b"]}]}]}")] + b"," + record + b"]}]}]}\n")
    assert [span.span_id for span in open_cassette(path).spans()] == [span.span_id for span, _ in calls]
    held = list(SpanLines(path, print))
    assert [span.span_id for span in held] == [span.span_id for span, _ in calls]
    assert [span.attempts[0].body for span in held] == [b"0", b"1"]


def test_a_line_with_damaged_content_is_told_where_it_is_read_and_spoils_a_replay(tmp_path: Path) -> None:
    calls = [_call(number, body, _ANSWERS["text"]) for number, body in enumerate(_conversation(3))]
    path = _write(tmp_path / "a.otlp.jsonl", calls)
    path.write_bytes(path.read_bytes().replace(b"step 0", b"step \\x"))
    first, second, third = at.load(path).spans
    assert first.call is not None
    with pytest.raises(CassetteCorrupt, match=r"jsonl:2: damaged: Invalid \\escape: line 1 column"):
        assert second.call
    told: list[str] = []
    (spared,) = forgiven([third], told.append)
    assert spared.request is not None
    assert spared.request.elements() is spared.call is None
    assert len(told) == 1
    with pytest.raises(CassetteCorrupt, match="jsonl:2: damaged"):
        list(open_cassette(path, strict=True).spans())


def test_a_long_damaged_line_between_others_is_not_read_with_them(tmp_path: Path) -> None:
    calls = [_call(number, body, _ANSWERS["text"]) for number, body in enumerate(_conversation(2))]
    path = _write(tmp_path / "a.otlp.jsonl", calls)
    first, second = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(first + b"x" * (17 << 20) + b"\n" + second)
    told: list[str] = []
    cassette = open_cassette(path, warn=told.append)
    tracemalloc.start()
    try:
        assert len(list(cassette.spans())) == 2
        most = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert (len(told), most < 1 << 20) == (1, True)


_SPAN: Final = Span(
    "1" * 32,
    "2" * 16,
    "a \\ name",
    1,
    2,
    "3" * 16,
    "CLIENT",
    {"a": "b"},
    (Event("x", 3, {"c": 1}),),
    status="ERROR",
    status_message="m",
)
_RECORD: Final = record_of(encode_line(_SPAN, encode_resource({}))) or b""
_PIECES: Final = (
    b"",
    b",",
    b'"',
    b"\\",
    b"\x00",
    b"\n",
    b"{",
    b"}",
    b"[",
    b"]",
    b":",
    b"0",
    b'"code":1',
    b'"message":"m"',
    b"\xe9",
)


def test_a_record_as_it_is_written_is_known_by_its_form() -> None:
    told = Around("s", "1", "u", {"r": 1})
    span = replace(_SPAN, scope="s", scope_version="1", schema_url="u", resource=told.resource)
    assert decode_written(_RECORD, told) == _decoded(_RECORD, told) == span
    root = _RECORD.replace(b"3" * 16, b"0" * 16)
    assert decode_written(root, told) == _decoded(root, told) == replace(span, parent_span_id=None)


@pytest.mark.parametrize("size", range(3))
@pytest.mark.parametrize("piece", _PIECES)
def test_a_record_that_is_changed_anywhere_is_read_as_json(piece: bytes, size: int) -> None:
    for place in range(len(_RECORD)):
        changed = b"".join((_RECORD[:place], piece, _RECORD[place + size :]))
        assert _or_none(decode_written, changed) == _or_none(_decoded, changed)


@pytest.mark.parametrize("status", [b"{,}", b'{"code":1,}', b'{"code":1"message":"m"}', b'{,"message":"m"}'])
def test_a_status_that_is_no_json_is_damage(status: bytes) -> None:
    changed = _RECORD.replace(b'{"code":2,"message":"m"}', status)
    assert changed != _RECORD
    with pytest.raises(ValueError, match="Expecting"):
        decode_written(changed, Around("", "", "", {}))


def _decoded(record: bytes, around: Around) -> Span:
    return decode_span(obj(parse(record)), around)


def _or_none(read: Callable[[bytes, Around], Span], record: bytes) -> Span | None:
    try:
        return read(record, Around("", "", "", {}))
    except ValueError:
        return None


def test_answers_that_are_damaged_are_none_and_are_told_once(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.otlp.jsonl", [_call(0, {"messages": ["hi"]}, _ANSWERS["retried"])])
    path.write_bytes(path.read_bytes().replace(b'[[\\"content-type', b'[x[\\"content-type'))
    told: list[str] = []
    (spared,) = forgiven(at.load(path).spans, told.append)
    assert (spared.attempts, spared.call, len(told)) == ((), None, 1)


@pytest.mark.parametrize(
    "changed", [{"method": "PUT"}, {"origin": "https://other.test"}, {"target": "/v2"}, {"body": '{"other":1}'}]
)
def test_what_an_attempt_asked_otherwise_is_read(changed: dict[str, str], tmp_path: Path) -> None:
    first = requested("POST", _CHAT, "application/json", b'{"messages":["hi"]}', Redactor(())).request
    attempts = [
        replace(_ok(b""), request=asked, start_ns=at) for at, asked in ((10, first), (30, replace(first, **changed)))
    ]
    path = _write(tmp_path / "a.otlp.jsonl", [_call(0, {"messages": ["hi"]}, attempts)])
    (span,) = open_cassette(path).spans()
    assert span.call is not None
    assert [each.request for each in span.call.attempts] == [each.request for each in attempts]
    alike = _write(
        tmp_path / "b.otlp.jsonl", [_call(0, {"messages": ["hi"]}, [replace(each, request=first) for each in attempts])]
    )
    (other,) = open_cassette(alike).spans()
    assert other.call_digests is not None
    assert span.call_digests is not None
    assert (span.call_digests[0] == other.call_digests[0], span.call_digests[1]) == (False, other.call_digests[1])
    assert (span.request is None, span.gist is None, other.request is None, other.gist is None) == (
        True,
        True,
        False,
        False,
    )
    name = next(iter(changed)) if "body" not in changed else "request"
    key = f"agenttrace.exchange.{name}".encode()
    path.write_bytes(path.read_bytes().replace(key, key[:-1] + rb"\u00%x" % key[-1]))
    (spelt,) = open_cassette(path).spans()
    assert (spelt.call_digests, spelt.request, spelt.gist) == (span.call_digests, None, None)


def test_what_a_call_adds_holds_no_cassette_that_nobody_reads(tmp_path: Path) -> None:
    run = _talked(tmp_path / "0.otlp.jsonl", [_TWICE], 0, own_ids=True)
    gists = [span.gist for span in run.spans]
    read = run.spans[0].read_call
    assert isinstance(read, CallReader)
    source, last = weakref.ref(read.source), gists[-1]
    assert last is not None
    assert last.earlier() == gists[-2]
    gc.disable()
    try:
        del run, read
        assert source() is None
    finally:
        gc.enable()
    assert last.earlier() is None


# --- requests -------------------------------------------------------------------------------------------------------------


def test_the_pieces_of_a_request_make_its_body(tmp_path: Path) -> None:
    bodies = [*_conversation(4), {"model": "m", "input": "hi"}, ["no object"], {"contents": []}]
    calls = [_call(number, body, _ANSWERS["text"]) for number, body in enumerate(bodies)]
    for span in at.load(_write(tmp_path / "a.otlp.jsonl", calls)).spans:
        call, pieces = span.call, span.request
        assert call is not None
        if pieces is None:
            assert call.attempts[0].request.body == '["no object"]'
            continue
        elements = pieces.elements()
        assert elements is not None
        assert elements[len(elements) - len(pieces.tail) :] == pieces.tail
        body = Body(pieces.members, pieces.conversation, elements).text()
        assert replace(pieces.address, body=body) == call.attempts[0].request


def test_a_request_that_an_attempt_asked_otherwise_is_not_known_in_pieces(tmp_path: Path) -> None:
    path = _write(tmp_path / "a.otlp.jsonl", [_call(0, {"messages": ["hi"]}, _ANSWERS["asked otherwise"])])
    (span,) = at.load(path).spans
    assert span.request is None
    assert span.call is not None
    assert [attempt.request.body for attempt in span.call.attempts] == ['{"messages":["hi"]}', '{"other":1}']


_PLAIN = st.none() | st.text(max_size=3) | st.integers(0, 3)
_PARTS = st.lists(
    st.fixed_dictionaries(
        {"type": st.sampled_from(["text", "input_text", "tool_result", "tool_use", "image"])},
        optional={"text": _PLAIN, "content": _PLAIN, "id": _PLAIN, "name": _PLAIN, "input": _PLAIN},
    ),
    max_size=2,
)
_MESSAGES = st.lists(
    st.fixed_dictionaries(
        {},
        optional={
            "role": st.sampled_from(["system", "user", "assistant", "tool"]),
            "type": st.sampled_from(["message", "function_call", "function_call_output", "reasoning"]),
            "content": _PLAIN | _PARTS,
            "call_id": _PLAIN,
            "output": _PLAIN,
        },
    )
    | _PLAIN,
    max_size=4,
)
_CODECS: Final[Sequence[Codec]] = [
    found.codec
    for place in ("/v1/chat/completions", "/v1/messages", "/v1/responses", "/v1/completions", "/v1/embeddings")
    if (found := route("POST", f"https://api.openai.com{place}")) is not None
]


@given(
    st.sampled_from(_CODECS),
    st.sampled_from(["messages", "input", "contents"]),
    _MESSAGES,
    st.fixed_dictionaries({}, optional={"system": _PLAIN, "prompt": _PLAIN, "tools": _PARTS, "n": _PLAIN}),
)
def test_no_codec_reads_one_message_for_another(
    codec: Codec, name: str, messages: list[Json], others: JsonObject
) -> None:
    whole, head = codec.decode_request({**others, name: messages}), codec.decode_request(others)
    each = [said for message in messages for said in codec.decode_request({name: [message]}).input_messages]
    assert whole == replace(head, input_messages=(*head.input_messages, *each))


# --- comparisons ----------------------------------------------------------------------------------------------------------

_LOT: Final = "OWN"
"""Stands for an id that is another in each run."""
_TURN = st.tuples(st.sampled_from("abc"), st.sampled_from(["", "d", "msg_1", "msg_2", _LOT]), st.booleans())
_TALKS = st.lists(
    st.tuples(st.sampled_from(["", "w"]), st.lists(_TURN, min_size=1, max_size=4)), min_size=1, max_size=3
)


def _talked(
    path: Path, talks: Sequence[tuple[str, Sequence[tuple[str, str, bool]]]], run: int, *, own_ids: bool
) -> Trace:
    calls: list[tuple[Span, RecordedCall]] = []
    for words, turns in talks:
        said: list[JsonObject] = [{"role": "system", "content": _SYSTEM + words}, {"role": "user", "content": "go"}]
        for tool, found, is_told in turns:
            call_id = f"call_{run if own_ids else 0}{len(calls):022x}a1"
            found = f"call_{run}{'7f' * 12}" if found == _LOT else found
            function = {"name": tool, "arguments": json.dumps({"id": found})}
            asked = {"id": call_id, "type": "function", "function": function}
            answer = {"role": "assistant", "content": None, "tool_calls": [asked]}
            given = [{"type": "text", "text": f"found {found} " * 40, "id": found}]
            body = {"model": "m", "messages": [*said], "tools": [{"type": "function", "function": {"name": tool}}]}
            content = json.dumps({"id": f"c{run}", "choices": [{"index": 0, "message": answer}]}).encode()
            calls.append(_call(len(calls), body, [_ok(content)]))
            said += [answer, {"role": "tool", "tool_call_id": call_id, "content": given}]
            said += [{"role": "system", "content": "hurry"}] if is_told else []
    return at.load(_write(path, calls))


@dataclass(frozen=True)
class _With:
    """Reads calls as their readers do, but for what was asked and what a call adds to another."""

    asked: RequestPieces | None
    added: CallGist | None = None

    def call(self, read: CallReader) -> Call | None:
        return read()

    def attempts(self, read: CallReader) -> tuple[Exchange, ...]:
        return read.attempts()

    def pieces(self, _: CallReader) -> RequestPieces | None:
        return self.asked

    def names(self, read: CallReader) -> frozenset[str] | None:
        return read.names()

    def gist(self, _: CallReader) -> CallGist | None:
        return self.added


def _whole(span: Span) -> Span:
    read = span.read_call
    return (
        replace(span, read_call=CallReader(_With(None), read, read.digests)) if isinstance(read, CallReader) else span
    )


@settings(max_examples=60, deadline=None)
@given(_TALKS, _TALKS, st.booleans(), st.booleans())
def test_a_comparison_in_pieces_is_that_of_whole_requests(
    old: Sequence[Any], new: Sequence[Any], own_ids: bool, exact: bool
) -> None:
    with TemporaryDirectory() as folder:
        runs = [
            _talked(Path(folder, f"{run}.otlp.jsonl"), talks, run, own_ids=own_ids)
            for run, talks in enumerate((old, new))
        ]
        whole = [replace(run, spans=tuple(map(_whole, run.spans))) for run in runs]
        compare: Callable[[Trace, Trace], Any] = partial(diff_of, settings=DiffSettings(exact=exact))
        assert plain(compare(*runs)) == plain(compare(*whole))


def test_what_a_request_says_beside_its_conversation_is_compared(tmp_path: Path) -> None:
    url = "https://api.openai.com/v1/completions"
    old, new = (
        at.load(_write(tmp_path / prompt, [_call(0, {"prompt": prompt, "input": ["x"]}, _ANSWERS["text"], url)]))
        for prompt in ("old", "new")
    )
    assert "user message changed" in [change.what for change in diff_of(old, new).changes]


def test_the_beginning_that_two_conversations_share_is_not_read(tmp_path: Path) -> None:
    old, new = (_with_unread_beginning(tmp_path, words) for words in ("first", "second"))
    (change,) = diff_of(old, new).changes
    assert (change.kind, change.what, change.words) == (
        "messages",
        "user message changed",
        "the [-first-]{+second+} end",
    )


_TWICE: Final = ("", [("a", "d", False), ("b", "", True), ("a", "d", False)])


def test_requests_that_differ_only_in_ids_drawn_by_lot_are_not_read(tmp_path: Path) -> None:
    runs = [_talked(tmp_path / f"{run}.otlp.jsonl", [_TWICE, _TWICE], run, own_ids=True) for run in range(2)]
    asked = [{span.call_digests[0] for span in run.spans if span.call_digests} for run in runs]
    assert len(asked[0] & asked[1]) == 1  # the first call of a conversation has no id yet
    old, new = (replace(run, spans=tuple(map(_closed, run.spans))) for run in runs)
    diff = diff_of(old, new)
    assert (diff.is_same, diff.unknown) == (True, ())
    assert diff_of(*runs, settings=DiffSettings(exact=True)).counts == diff.counts


@pytest.mark.parametrize("own_ids", [False, True], ids=["the same ids", "other ids"])
def test_a_retry_that_asks_something_else_is_read(tmp_path: Path, own_ids: bool) -> None:
    old, new = (_asked_again(tmp_path, run, words, own_ids) for run, words in enumerate(["a long way", "a long"]))
    assert old.spans[0].call_digests != new.spans[0].call_digests
    (change,) = diff_of(old, new).changes
    assert (change.kind, change.what, change.words) == ("messages", "user message truncated", "a long[- way-]")


def _asked_again(folder: Path, run: int, words: str, own_ids: bool) -> Trace:
    asked = {"id": f"call_{run if own_ids else 0}{'7f' * 12}", "type": "function", "function": {"name": "a"}}
    said = [{"role": "assistant", "content": None, "tool_calls": [asked]}, {"role": "user", "content": "go"}]
    return _retried(folder / f"{run}", {"messages": [*said, {"role": "user", "content": words}]}, {"messages": said})


def _retried(path: Path, again: JsonObject, first: JsonObject | None = None) -> Trace:
    """Record a call that asked something else when it was sent again."""
    body = first or {"messages": [{"role": "user", "content": "go"}]}
    content = json.dumps({**body, **again}).encode()
    answer = _ok(json.dumps({"choices": [{"message": {"role": "assistant", "content": "done"}}]}).encode())
    second = replace(answer, request=requested("POST", _CHAT, "application/json", content, Redactor(())).request)
    attempts = [replace(_ok(b"busy"), status=429), replace(second, start_ns=30, end_ns=40)]
    return at.load(_write(path, [_call(0, body, attempts)]))


def test_a_retry_with_another_parameter_is_told(tmp_path: Path) -> None:
    old, new = (_retried(tmp_path / f"{heat}", {"temperature": heat}) for heat in (1, 2))
    (change,) = diff_of(old, new).changes
    assert (change.kind, change.what, change.old, change.new) == ("parameters", "temperature", "1", "2")


@pytest.mark.parametrize("is_sought", [False, True], ids=["answers", "asks for a tool"])
@pytest.mark.parametrize("words", ["Bern", "Bern?"])
def test_calls_that_ran_together_stand_in_an_order_that_no_id_changes(
    tmp_path: Path, words: str, is_sought: bool
) -> None:
    for run in range(10):
        old, new = (
            _looked(
                tmp_path / f"{run}.{side}", [("look", word, 0) for word in (first, "Basel")], f"{run}{side}", is_sought
            )
            for side, first in enumerate(("Bern", words))
        )
        counts = {"messages": 1, "arguments" if is_sought else "text": 1}
        assert diff_of(old, new).counts == ({} if words == "Bern" else counts)


@pytest.mark.parametrize("own_ids", [False, True], ids=["the same ids", "other ids"])
def test_samples_that_ran_together_may_be_answered_in_any_order(tmp_path: Path, own_ids: bool) -> None:
    for order in permutations("ABC"):
        old, new = (
            _looked(tmp_path / f"{''.join(order)}{side}", [("x", "P", 0)] * 3, f"{side * own_ids}", answers=answers)
            for side, answers in enumerate(("ABC", order))
        )
        assert diff_of(old, new).counts == {}


@pytest.mark.parametrize("kind", ["chat", "execute_tool", "retrieval"])
def test_what_others_tell_to_have_run_together_stands_in_the_order_of_what_it_was_given(kind: str) -> None:
    def told(words: Sequence[str], is_plain: bool) -> Trace:
        spans: list[Span] = []
        for number, word in enumerate(words):
            messages = [{"role": "user", "parts": [{"type": "text", "content": word}]}]
            attributes = {
                "gen_ai.operation.name": kind,
                "gen_ai.request.model": "m",
                "gen_ai.input.messages": json.dumps(messages, ensure_ascii=is_plain),
                "gen_ai.tool.call.arguments": json.dumps({"q": word}, ensure_ascii=is_plain),
                "gen_ai.retrieval.query.text": word,
            }
            spans.append(Span("1" * 32, f"{number + 1:016x}", kind, number, 99, attributes=attributes))
        return Trace(tuple(spans))

    words = ("xy", "xé", "éy", "éé")
    for order in permutations(words):
        assert diff_of(told(words, True), told(order, False)).counts == {}


@pytest.mark.parametrize("own_ids", [False, True], ids=["the same ids", "other ids"])
@pytest.mark.parametrize(
    ("was", "now", "counts"),
    [
        ("AB", "B", {"removed": 1}),
        ("ABC", "BC", {"removed": 1}),
        ("AB", "BAB", {"added": 1}),
        ("AB", "AXB", {"added": 1}),
        ("AB", "BA", {"order": 1}),
    ],
)
def test_a_call_is_known_by_all_it_was_asked_where_its_newest_message_is_that_of_others(
    tmp_path: Path, was: str, now: str, counts: Mapping[str, int], own_ids: bool
) -> None:
    old, new = (
        _looked(tmp_path / f"{side}", [("seen", name, place) for place, name in enumerate(order)], f"{side * own_ids}")
        for side, order in enumerate((was, now))
    )
    assert diff_of(old, new).counts == counts


def _looked(
    path: Path, calls: Sequence[tuple[str, str, int]], run: str, is_sought: bool = False, answers: Sequence[str] = ()
) -> Trace:
    """Record calls that were asked about a place, of which a tool found something, each at its time."""
    made: list[tuple[Span, RecordedCall]] = []
    for number, (found, place, at_time) in enumerate(calls):
        call_id = f"call_{run}x{ord(place[0])}{'7f' * 12}"
        asked = {"id": call_id, "type": "function", "function": {"name": "look", "arguments": "{}"}}
        said = [
            {"role": "user", "content": f"look at {place}"},
            {"role": "assistant", "content": None, "tool_calls": [asked]},
            {"role": "tool", "tool_call_id": call_id, "content": found},
        ]
        book = {"id": f"{call_id}b", "function": {"name": "book", "arguments": json.dumps({"in": place})}}
        said_last = answers[number] if answers else f"it is {place}"
        told = {"content": None, "tool_calls": [book]} if is_sought else {"content": said_last}
        answer = _ok(json.dumps({"choices": [{"message": {"role": "assistant", **told}}]}).encode())
        span, recorded = _call(number, {"messages": said}, [answer])
        made.append((replace(span, start_ns=at_time * 100 + number, end_ns=at_time * 100 + 50), recorded))
    return at.load(_write(path, made))


@example([("user", "a"), ("assistant", "a"), ("user", "b")], [("assistant", "a"), ("user", "a")])
@given(*[st.lists(st.tuples(st.sampled_from(["user", "assistant"]), st.sampled_from("ab")), max_size=4)] * 2)
def test_messages_that_came_are_those_that_are_gone_from_the_other_side(
    old: Sequence[tuple[str, str]], new: Sequence[tuple[str, str]]
) -> None:
    def told(said: Sequence[tuple[str, str]]) -> Trace:
        messages = json.dumps([{"role": role, "parts": [{"type": "text", "content": text}]} for role, text in said])
        attributes = {**_CHATS, "gen_ai.input.messages": messages}
        return Trace((Span("1" * 32, "2" * 16, "chat", 1, 2, attributes=attributes),))

    there, back = (diff_of(*pair).changes for pair in ((told(old), told(new)), (told(new), told(old))))
    assert sorted((str(each.old), str(each.new)) for each in there) == sorted(
        (str(each.new), str(each.old)) for each in back
    )


def _closed(span: Span) -> Span:
    told = {**span.attributes, "gen_ai.usage.input_tokens": 1}  # else it is read whether it was billed
    return replace(span, attributes=told, read_call=CallReader(_Closed(), span.read_call, span.call_digests))


class _Closed:
    """Reads answers as their readers do, and no request."""

    def gist(self, read: CallReader) -> CallGist | None:
        return read.gist()

    def names(self, read: CallReader) -> frozenset[str] | None:
        return read.names()

    def attempts(self, read: CallReader) -> tuple[Exchange, ...]:
        return read.attempts()

    def call(self, _: CallReader) -> Call | None:
        raise AssertionError("a call was read")

    def pieces(self, _: CallReader) -> RequestPieces | None:
        raise AssertionError("a request was read")


def test_a_call_whose_conversation_is_another_is_read_to_its_beginning(tmp_path: Path) -> None:
    before = [("", [("a", found, False), ("b", "", False), ("a", "d", False)]) for found in ("d", "msg_1")]
    old, new = (_talked(tmp_path / f"{run}.otlp.jsonl", [talk], run, own_ids=True) for run, talk in enumerate(before))
    was, now = ([(gist.asked, gist.answered) for span in run.spans if (gist := span.gist)] for run in (old, new))
    assert [one == other for one, other in zip(was, now, strict=True)] == [False, False, True]
    changed = [change.what for change in diff_of(old, new).changes if change.kind == "messages"]
    assert changed == ["tool tool call response changed"]


@pytest.mark.parametrize(
    ("one", "other", "is_alike"),
    [((1, 1), (1, 1), True), ((1, 1), (2, 1), False), ((1, 1), (1, 2), False)],
    ids=["alike", "as many", "as before"],
)
def test_conversations_are_alike_if_as_many_messages_of_calls_alike_come_before(
    one: tuple[int, int], other: tuple[int, int], is_alike: bool
) -> None:
    def told(side: str, count: int, asked: int) -> Trace:
        first = CallGist(f"first {asked}", "", None, 0, _no_call)
        gist = CallGist("second", "", side, count, lambda: first)
        read = CallReader(_Only(gist), None, (side, ""))
        return Trace((Span("1" * 32, "2" * 16, "chat", 1, 2, None, attributes=_CHATS, read_call=read),))

    old, new = told("a", *one), told("b", *other)
    assert (_READ in _reads(old, new)) is not is_alike


@pytest.mark.parametrize("written", [b'{\\"prefix\\": {', b'{\\"\\\\u0070refix\\":{'])
def test_a_request_that_refers_to_another_otherwise_than_we_write_it_is_read(written: bytes, tmp_path: Path) -> None:
    ours = _talked(tmp_path / "0.otlp.jsonl", [_TWICE], 0, own_ids=True)
    path = tmp_path / "1.otlp.jsonl"
    path.write_bytes((tmp_path / "0.otlp.jsonl").read_bytes().replace(b'{\\"prefix\\":{', written))
    theirs = at.load(path)
    assert [span.gist is None for span in ours.spans] == [False, False, False]
    assert [span.gist is None for span in theirs.spans] == [False, True, True]
    assert diff_of(ours, theirs).is_same


@pytest.mark.parametrize(("other", "is_other"), [("call_1" + "7f" * 12, False), ("call_me", True)])
def test_an_id_drawn_by_lot_is_no_difference_in_a_definition_of_a_tool(
    tmp_path: Path, other: str, is_other: bool
) -> None:
    def told(example: str) -> Trace:
        parameters = {"type": "object", "example": {"id": example}}
        tools = [{"type": "function", "function": {"name": "find", "description": "d", "parameters": parameters}}]
        path = tmp_path / f"{example}.otlp.jsonl"
        return at.load(_write(path, [_call(0, {"messages": ["hi"], "tools": tools}, _ANSWERS["text"])]))

    old, new = told("call_0" + "7f" * 12), told(other)
    assert [change.what for change in diff_of(old, new).changes] == (["find changed"] if is_other else [])
    exact = diff_of(old, new, settings=DiffSettings(exact=True))
    assert [change.what for change in exact.changes] == ["find changed"]


def test_calls_that_refer_to_each_other_in_a_circle_are_not_known_to_be_alike() -> None:
    def told(side: str) -> Trace:
        gist = CallGist("same", "", side, 1, lambda: gist)
        read = CallReader(_Only(gist), None, (side, ""))
        return Trace((Span("1" * 32, "2" * 16, "chat", 1, 2, None, attributes=_CHATS, read_call=read),))

    assert _READ in _reads(told("a"), told("b"))


def test_a_beginning_that_is_another_is_gone_through_once() -> None:
    passed: list[str] = []

    def told(side: str) -> Trace:
        def gone_on(earlier: CallGist, number: int) -> CallGist:
            def passing() -> CallGist:
                passed.append(side)
                return earlier

            return CallGist(f"adds {number}", "", f"{side}{number}", number, passing)

        gists = list(accumulate(range(1, 100), gone_on, initial=CallGist(f"begins {side}", "", None, 0, _no_call)))
        return Trace(
            tuple(
                Span("1" * 32, f"{number:016x}", "chat", number, number + 1, attributes=_CHATS, read_call=read)
                for number, gist in enumerate(gists, 1)
                if (read := CallReader(_Alone(gist), None, (f"{side}{number}", "")))
            )
        )

    diff_of(told("a"), told("b"))
    assert 0 < len(passed) <= 2 * 99


_CHATS: Final = {"gen_ai.operation.name": "chat", "gen_ai.request.model": "m"}
_READ: Final = "a request was read"


def _no_call() -> None:
    return None


def _reads(old: Trace, new: Trace) -> str:
    try:
        diff_of(old, new)
    except AssertionError as error:
        return str(error)
    return ""


@dataclass(frozen=True)
class _Only(_Closed):
    told: CallGist

    def gist(self, read: CallReader) -> CallGist | None:
        return self.told

    def names(self, read: CallReader) -> frozenset[str]:
        return frozenset()


class _Alone(_Only):
    """Tells what a call adds, and no more."""

    def call(self, _: CallReader) -> None:
        return None

    def pieces(self, _: CallReader) -> None:
        return None

    def attempts(self, read: CallReader) -> tuple[Exchange, ...]:
        return ()


def _with_unread_beginning(folder: Path, words: str) -> Trace:
    *bodies, last = _conversation(3)
    said = [*array(last["messages"])[:-1], {"role": "user", "content": f"the {words} end"}]
    calls = [_call(number, body, _ANSWERS["text"]) for number, body in enumerate([*bodies, {**last, "messages": said}])]
    span = at.load(_write(folder / f"{words}.otlp.jsonl", calls)).spans[-1]
    read = span.read_call
    assert isinstance(read, CallReader)
    pieces = read.pieces()
    assert pieces is not None
    closed = _With(replace(pieces, elements=_unread))
    return Trace((replace(span, read_call=CallReader(closed, read, read.digests)),))


def _unread() -> tuple[str, ...]:
    raise AssertionError("the beginning was read")
