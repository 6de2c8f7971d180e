"""Which tools count: those that have spans, and those that models asked for and no span tells, for traces as for streams."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

import otel_agenttrace as at
from otel_agenttrace.analyze.sequences import runs_in
from otel_agenttrace.analyze.streams import SpanStream
from otel_agenttrace.analyze.tool_calls import tool_calls
from otel_agenttrace.cassette.cutting import Content
from otel_agenttrace.cassette.exchanges import exchange_event
from otel_agenttrace.cassette.format import encode_events
from otel_agenttrace.cassette.streaming import SpanLines
from otel_agenttrace.cassette.writer import RecordedCall, Writer
from otel_agenttrace.errors import CassetteCorrupt
from otel_agenttrace.jsonvalue import compact, obj, parse
from otel_agenttrace.library.reading import forgiven
from otel_agenttrace.matching import requested
from otel_agenttrace.model import Call, CallReader, Exchange, HttpRequest, InferenceResponse, Span, Trace
from otel_agenttrace.redact import Redactor
from otel_agenttrace.wire.sse import event_bytes, json_events
from tests.support.corpus import Interaction, recordings
from tests.support.made_runs import Made, asks, said
from tests.support.wire_responses import CODECS, responses

_CHAT: Final = "https://api.openai.com/v1/chat/completions"


def _answer(*asked: tuple[str, str | None]) -> Exchange:
    calls = [{"id": call_id, "function": {"name": name, "arguments": "{}"}} for name, call_id in asked]
    reason = "tool_calls" if calls else "stop"
    message = {"role": "assistant", "content": "Hi", "tool_calls": calls}
    body = json.dumps({"choices": [{"finish_reason": reason, "message": message}]}).encode()
    return Exchange(
        HttpRequest("POST", "https://api.openai.com", "/v1/chat/completions"), 0, 1, "complete", 200, (), body
    )


@dataclass(frozen=True)
class _Answers:
    """Recorded answers that say which names stand in them, as lines of a cassette do, or do not."""

    is_plain: bool

    def call(self, place: Exchange) -> Call:
        return Call("k", (place,))

    def attempts(self, place: Exchange) -> tuple[Exchange, ...]:
        return (place,)

    def pieces(self, _: Exchange) -> None:
        return None

    def gist(self, _: Exchange) -> None:
        return None

    def names(self, place: Exchange) -> frozenset[str] | None:
        request = place.request
        return Content(b"", encode_events([exchange_event(place, request)]).encode()).names if self.is_plain else None


_TOOLS: Final = st.sampled_from(("look", "read", "srv__read"))
_DRAWN: Final = f"call_{'7f' * 12}"
"""As providers draw them by lot; shorter ones may be given again to another call."""
_IDS: Final = st.sampled_from((None, "call_0", _DRAWN))
_TURNS: Final = st.lists(
    st.tuples(
        st.lists(st.tuples(_TOOLS | st.just(""), _IDS), max_size=3),  # what the model asks for
        st.sampled_from(("told", "plain", "recorded", "finish", "nothing")),  # how that is known
        st.lists(st.tuples(_TOOLS, _IDS, st.booleans()), max_size=3),  # what has spans; whether these tell arguments
        st.sampled_from(("", "run 1", "run 2")),  # which recording it is from
    ),
    max_size=5,
)


def _run(turns: Sequence[Any]) -> Trace:
    made = Made()
    for asked, known, ran, recording in turns:
        resource = {"agenttrace.run.id": recording} if recording else {}
        answer = asks(*((call_id, name, {}) for name, call_id in asked)) if asked else said("assistant", "Hi")
        read = CallReader(_Answers(known == "plain"), _answer(*asked), None) if known in ("plain", "recorded") else None
        told = {"gen_ai.response.finish_reasons": ("tool_calls",)} if asked and known != "nothing" else {}
        message = answer if known == "told" else None
        made.chat("chat", answered=message, told=told, read_call=read, resource=resource)
        for name, call_id, is_argued in ran:
            made.tool("tool", name, {} if is_argued else None, call_id=call_id, resource=resource)
    return made.trace


@given(_TURNS)
@settings(deadline=None)
@example([([("look", None), ("read", None)], "told", [("look", None, True)], "")])
@example([([("", None)], "plain", [], ""), ([("", None)], "told", [], "")])
@example([([("srv__read", _DRAWN)], "plain", [("read", _DRAWN, True)], "")])
@example([([("srv__read", "call_0")], "plain", [("read", "call_0", True)], "")])
@example([([("look", None)], "plain", [("look", None, True)], "run 1"), ([("look", None)], "plain", [], "run 2")])
def test_a_stream_counts_the_tools_that_a_trace_counts(turns: Sequence[Any]) -> None:
    trace = _run(turns)
    counted = Counter(call.name for call in tool_calls(trace))
    for spans in (trace.spans, list(trace.spans)):  # held, and read anew each time
        runs = runs_in(SpanStream("", spans, lambda _: None))
        assert Counter(act.name for run in runs for act in run.of("tool")) == counted


def _named(turns: Sequence[Any]) -> list[tuple[str, bool]]:
    return [(call.name, call.is_executed) for call in tool_calls(_run(turns))]


def test_a_tool_without_spans_counts_beside_one_that_has_some() -> None:
    asked = [("look", None), ("read", None)]
    assert _named([(asked, "told", [("look", None, True)], "")]) == [("read", False), ("look", True)]


def test_a_tool_that_ran_by_another_name_counts_once_where_the_id_of_its_call_says_so() -> None:
    assert _named([([("srv__read", _DRAWN)], "told", [("read", _DRAWN, True)], "")]) == [("read", True)]
    assert _named([([("srv__read", _DRAWN)], "told", [("read", None, True)], "")]) == [
        ("srv__read", False),
        ("read", True),
    ]


def test_what_a_span_tells_counts_where_no_codec_knows_the_recorded_answer() -> None:
    answer = _answer()
    unknown = replace(answer, request=replace(answer.request, origin="https://models.example", target="/converse"))
    made = Made()
    made.chat("chat", answered=asks(("1", "look", {})), read_call=CallReader(_Answers(is_plain=True), unknown, None))
    assert [call.name for call in tool_calls(made.trace)] == ["look"]


def test_an_id_that_is_counted_does_not_say_that_another_tool_ran() -> None:
    first = ([("look", "call_0")], "told", [("look", "call_0", True)], "")
    again = ([("read", "call_0")], "told", [], "")
    assert _named([first, again]) == [("look", True), ("read", False)]


def test_a_tool_that_ran_anew_for_a_call_of_an_older_recording_counts_once() -> None:
    recorded = ([("look", None)], "plain", [], "run 1")
    assert _named([recorded, ([], "plain", [("look", None, True)], "run 2")]) == [("look", True)]


def test_a_tool_that_ran_in_another_trace_counts_once() -> None:
    made = Made()
    made.chat("chat", answered=asks(("1", "look", {})))
    made.tool("look", "look", {}, trace_id="b" * 32)
    assert [call.is_executed for call in tool_calls(made.trace)] == [True]
    runs = list(runs_in(SpanStream("", made.trace.spans, lambda _: None)))
    assert [[act.kind for act in run.acts] for run in runs] == [["model"], ["tool"]]


# --- the names in an answer -----------------------------------------------------------------------------------------------


def _names(body: bytes) -> frozenset[str] | None:
    exchange = replace(_answer(), body=body)
    return Content(b"", encode_events([exchange_event(exchange, exchange.request)]).encode("utf-8", "replace")).names


def _asked(response: InferenceResponse) -> set[str]:
    parts = (part for message in response.output_messages for part in message.parts)
    return {str(part.get("name") or "") for part in parts if part.get("type") == "tool_call"} - {""}


@pytest.mark.parametrize("api", sorted(CODECS))
def test_each_tool_that_an_answer_asks_for_is_among_its_names(api: str) -> None:
    codec = CODECS[api]

    @given(responses(api))
    @settings(deadline=None, max_examples=60)
    def holds(response: InferenceResponse) -> None:
        assert codec.encode_response is not None
        assert codec.encode_stream is not None
        body = compact(codec.encode_response(response)).encode("utf-8", "backslashreplace")
        stream = event_bytes(codec.encode_stream(response))
        for sent, read in (
            (body, codec.decode_response(obj(parse(body)))),
            (stream, codec.decode_stream(json_events(stream))),
        ):
            names = _names(sent)
            assert names is None or _asked(read) <= names

    holds()


def _recorded_answers() -> list[Any]:
    found: dict[bytes, Any] = {}
    for recording in recordings():
        for each in recording.interactions:
            api = _API.get(each.path.rpartition("/")[2], "")
            if api and each.status < 400:
                found.setdefault(each.content, pytest.param(api, each, id=f"{recording.name}-{len(found)}"))
    return list(found.values())


_API: Final = {"completions": "openai.chat", "responses": "openai.responses", "messages": "anthropic.messages"}


@pytest.mark.parametrize(("api", "answer"), _recorded_answers())
def test_each_tool_that_a_real_answer_asks_for_is_among_its_names(api: str, answer: Interaction) -> None:
    is_stream = answer.content.startswith((b"event:", b"data:", b": "))
    events = json_events(answer.content)
    response = (
        CODECS[api].decode_stream(events) if is_stream else CODECS[api].decode_response(json.loads(answer.content))
    )
    names = _names(answer.content)
    assert names is not None
    assert _asked(response) <= names


@pytest.mark.parametrize(
    ("body", "names"),
    [
        (b'{"name":"look"}', {"look"}),
        (b'{"name": "look", "more": {"name":null}}', {"look", ""}),
        (b'{"content":"{\\"name\\":\\"Bob\\"}"}', set()),
        (b'{"name":"caf\\u00e9"}', None),
        (b'{"in":["name", "name"]}', {""}),
        (b'{"name":  "look"}', None),
        (b'{"name":["look"], "in": {"name": {"name":"read"}}}', {"", "read"}),
        (b'{"name":"look"}\xff', None),
        (b'{"n\\u0061me":"look"}', None),
        ('{"name":"look"}'.encode("utf-16-be"), None),
    ],
)
def test_names_are_known_where_they_are_plain_to_see(body: bytes, names: set[str] | None) -> None:
    assert _names(body) == names


def test_names_are_not_known_of_a_line_that_others_wrote_with_quotes_as_escapes() -> None:
    exchange = replace(_answer(), body=b'{"name":"look"}')
    ours = encode_events([exchange_event(exchange, exchange.request)]).encode()
    theirs = ours.replace(b'\\"', b"\\u0022")
    assert parse(theirs) == parse(ours)
    assert (Content(b"", ours).names, Content(b"", theirs).names) == ({"look"}, None)


# --- what is read ---------------------------------------------------------------------------------------------------------


def _written(path: Path, answers: Sequence[Exchange], *tools: str) -> Path:
    writer = Writer(path, {"service.name": "test"})
    told = {"gen_ai.operation.name": "chat", "gen_ai.response.finish_reasons": ("tool_calls",)}
    for number, answer in enumerate(answers):
        asked = requested("POST", _CHAT, "application/json", json.dumps({"messages": [number]}).encode(), Redactor(()))
        span = Span("1" * 32, f"{number + 1:016x}", "chat", number, number + 1, attributes=told)
        call = Call(asked.key, (replace(answer, request=asked.request),), "", number)
        writer.write(span, RecordedCall(call, asked))
    for number, tool in enumerate(tools):
        ran = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool, "gen_ai.tool.call.arguments": "{}"}
        writer.write(Span("1" * 32, f"{number + 100:016x}", tool, number + 100, attributes=ran))
    return path


def test_an_answer_is_read_only_where_a_name_in_it_has_no_span(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.otlp.jsonl", [_answer(("look", "1")), _answer(("read", "2"))], "look")
    read: list[str] = []

    def answered(span: Span) -> tuple[at.Message, ...]:
        read.append(span.span_id)
        return ()

    trace = at.load(path)
    for spans in (trace.spans, tuple(forgiven(trace.spans, read.append))):
        tool_calls(replace(trace, spans=spans), answered)
    assert read == [f"{2:016x}"] * 2


def test_an_answer_is_read_where_a_span_does_not_tell_the_arguments_of_its_tool() -> None:
    made = Made()
    made.chat("chat", read_call=CallReader(_Answers(is_plain=True), _answer(("look", None)), None))
    made.tool("look", "look")
    assert [(call.is_executed, call.arguments) for call in tool_calls(made.trace)] == [(True, {})]


def test_the_names_in_an_answer_that_stands_in_another_file_are_not_known() -> None:
    assert Content(b"", b',{"key":"agenttrace.exchange.sidecar","value":{"stringValue":"a"}}').names is None


def test_a_stream_reads_answers_from_their_own_lines(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.otlp.jsonl", [_answer(("look", "1")), _answer(("read", "2"))], "look")
    held = list(SpanLines(path, print))
    whole = at.load(path)
    assert [span.attempts for span in held] == [
        tuple(replace(each, request=replace(each.request, body="")) for each in span.attempts) for span in whole.spans
    ]
    told: list[str] = []
    lines = SpanLines(path, told.append)
    spans = list(lines)
    path.write_bytes(path.read_bytes().replace(b"complete", b"comple\\x"))
    assert [span.attempts for span in spans[:2]] == [(), ()]
    assert [line.partition(": ")[0] for line in told] == ["content skipped", "content skipped"]


def test_a_stream_reads_large_answers_wherever_the_program_went_since(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    large = replace(_answer(), body=b"x" * (3 << 20))
    monkeypatch.chdir(tmp_path)
    lines = SpanLines(_written(Path("a.otlp.jsonl"), [large]), pytest.fail)
    monkeypatch.chdir("/")
    (span,) = lines
    assert ([len(each.body) for each in span.attempts], span.names_answered) == ([3 << 20], None)


def test_a_damaged_name_in_an_answer_is_told_where_the_answer_is_read(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.otlp.jsonl", [_answer(("look", "1"))], "read")
    path.write_bytes(path.read_bytes().replace(b'\\"look', b'\\"lo\xffk'))
    with pytest.raises(CassetteCorrupt, match="jsonl:1: damaged: 'utf-8' codec can't decode byte 0xff"):
        tool_calls(at.load(path))
    told: list[str] = []
    spans = list(SpanLines(path, told.append))
    assert ([span.name for span in spans], told) == (["chat", "read"], [])
    assert spans[0].attempts == ()
    assert [line.partition(": ")[0] for line in told] == ["content skipped"]


def test_a_large_file_of_tools_without_spans_is_read_without_an_index(tmp_path: Path) -> None:
    path = _written(tmp_path / "a.otlp.jsonl", [_answer(("look", "1")), _answer(("read", "2"))], "other")
    lines = SpanLines(path, print)
    spans: Any = _Anew(lines)
    (run,) = runs_in(SpanStream(str(path), spans, lambda _: None))
    assert [act.name for act in run.of("tool")] == ["look", "read", "other"]
    assert "_cassette" not in vars(lines)


class _Anew:
    """Spans that are read anew each time, as those of a large file."""

    def __init__(self, lines: SpanLines) -> None:
        self._lines = lines

    def __iter__(self) -> Any:
        return iter(self._lines)
