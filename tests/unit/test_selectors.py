"""Which spans a selector chooses, and what it says to a text that is none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import pytest
from hypothesis import given
from hypothesis import strategies as st

from otel_agenttrace import semconv
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.model import AttributeValue, Call, Exchange, HttpRequest, Span, Trace
from otel_agenttrace.selectors import SelectorError, Subject, parse_selector, select, subjects

_TRACE_ID: Final = "a" * 32
_S: Final = 1_000_000_000
_DAY: Final = 86_400 * _S
_START: Final = 1_800_000_000 * _S


def _call(url: str, *statuses: int, body: bytes = b"") -> Call:
    origin, _, path = url.partition("/v1")
    request = HttpRequest("POST", origin, f"/v1{path}")
    kind = (("content-type", "application/json"),)
    return Call("0" * 64, tuple(Exchange(request, 1, 2, "complete", status, kind, body) for status in statuses))


def _span(
    number: int,
    name: str,
    operation: str | None = None,
    *,
    parent: int | None = None,
    seconds: float = 0.5,
    call: Call | None = None,
    error: str | None = None,
    **attributes: AttributeValue,
) -> Span:
    told = {name.replace("__", "."): value for name, value in attributes.items()}
    return Span(
        _TRACE_ID,
        f"{number:08x}{'c' * 8}",
        name,
        _START + number * _S,
        _START + number * _S + int(seconds * _S),
        None if parent is None else f"{parent:08x}{'c' * 8}",
        attributes={**told, **({semconv.GEN_AI_OPERATION_NAME: operation} if operation else {})},
        status="ERROR" if error else "UNSET",
        read_call=None if call is None else lambda: call,
    )


_SAID: Final = b'{"choices":[{"message":{"role":"assistant","content":"A refund (of 5 EUR)\\nis on its way."}}]}'
_OPENAI: Final = "https://api.openai.com/v1/chat/completions"
_RUN: Final = Trace(
    (
        _span(1, "invoke_agent planner", "invoke_agent", gen_ai__agent__name="planner", seconds=30),
        _span(
            2,
            "chat gpt-4o",
            "chat",
            parent=1,
            call=_call(_OPENAI, 429, 200, body=_SAID),
            gen_ai__request__model="gpt-4o",
            gen_ai__response__model="gpt-4o-2024-11-20",
            gen_ai__usage__input_tokens=1200,
            gen_ai__usage__output_tokens=300,
            gen_ai__response__finish_reasons=("stop", "length"),
        ),
        _span(
            3,
            "execute_tool weather",
            "execute_tool",
            parent=1,
            gen_ai__tool__name="weather",
            gen_ai__tool__call__arguments='{"city":"Rome"}',
        ),
        _span(4, "execute_tool search", "execute_tool", parent=1, gen_ai__tool__name="search", error="x", seconds=2.5),
        _span(5, "embeddings m", "embeddings", parent=1, gen_ai__request__model="text-embedding-3"),
        _span(6, "retrieve", "retrieval", parent=1, app__cached=True, app__hits=12),
        _span(
            7,
            "chat claude",
            "chat",
            parent=1,
            call=_call("http://127.0.0.1:8080/v1/messages", 200),
            gen_ai__request__model="claude-opus-4",
        ),
        _span(8, "execute_tool weather", "execute_tool", parent=7, gen_ai__tool__name="weather"),
        _span(9, "GET /health", error="x"),
    ),
    cost_of=lambda span: 0.25 if span.name == "chat gpt-4o" else None,
)


def _chosen(selector: str, now_ns: int = _START + 31 * _DAY) -> list[int]:
    return [int(span.span_id[:8], 16) for span in select(_RUN, selector, now_ns)]


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ("inference", [2, 5, 7]),
        ("tool", [3, 4, 8]),
        ("agent", [1]),
        ("retrieval", [6]),
        ("embeddings", [5]),
        ("error", [4, 9]),
        ("inference[3]", [7]),
        ("inference[4]", []),
        ("tool[-1]", [8]),
        ("tool[-4]", []),
        ("tool[2:3]", [4, 8]),
        ("tool[2:]", [4, 8]),
        ("tool[:2]", [3, 4]),
        ("tool[-2:]", [4, 8]),
        ("tool[1:-2]", [3, 4]),
        ("tool[:]", [3, 4, 8]),
        ("#7", [7]),
        ("#10", []),
        ("id=00000002", [2]),
        ("id=0000", list(range(1, 10))),
        ("id=00000002CC", [2]),
        ("name=chat*", [2, 7]),
        ("name=Chat*", []),
        ("name=chat", []),
        ('name="execute_tool w*"', [3, 8]),
        ("name='execute_tool w*'", [3, 8]),
        ('name=chat" "gpt-4o', [2]),
        ("model=gpt-4o", [2]),
        ("model=gpt-4o-2024*", [2]),
        ("tool=weather", [3, 8]),
        ("agent=plan*", [1]),
        ("path=*planner/chat*", [2, 7, 8]),
        ('path="invoke_agent planner"', [1]),
        ('path="chat claude/execute_tool weather"', [8]),
        ('path="/chat claude"', []),
        ('path="/invoke_agent planner/retrieve"', [6]),
        ("url=api.openai.com/v1/*", [2]),
        ("url=127.0.0.1/v1/messages", [7]),
        ("url=127.0.0.1:8080/*", [7]),
        ("url=http*", [2, 7]),
        ("status=429", [2]),
        ("status=2*", [2, 7]),
        ("status>=400", [2]),
        ("attr.app.cached=true", [6]),
        ("attr.app.hits>10", [6]),
        ("attr.app.hits=12", [6]),
        ("attr.app.hits>12", []),
        ("attr.app.none=*", []),
        ("attr.gen_ai.response.finish_reasons=length", [2]),
        ("name~=^chat", [2, 7]),
        ("name~=claude$", [7]),
        ('text~="refund \\("', [2]),
        ('text~="refund|return"', [2]),
        ("text~=way", [2]),
        ("text~=Refund", []),
        ("args~=Rome", [3]),
        ("tokens>1000", [2]),
        ("tokens>1500", []),
        ("tokens>=1500", [2]),
        ("tokens=1500", [2]),
        ("tokens<1500", []),
        ("duration>2s", [1, 4]),
        ("duration>=2500ms", [1, 4]),
        ("duration<1s", [2, 3, 5, 6, 7, 8, 9]),
        ("duration>0.4min", [1]),
        ("cost>0.01", [2]),
        ("cost<0.01", []),
        ("age>30d", list(range(1, 10))),
        ("age>31d", []),
        ("tool error", [4]),
        ("tool !error", [3, 8]),
        ("error | agent", [1, 4, 9]),
        ("tool error | agent", [1, 4]),
        ("tool (error | tool[1])", [3, 4]),
        ("!(tool | inference) !error", [1, 6]),
        ("!!tool", [3, 4, 8]),
        ("tool|agent", [1, 3, 4, 8]),
        ("  tool\t\n error  ", [4]),
    ],
)
def test_a_selector_chooses_these_spans(selector: str, chosen: Sequence[int]) -> None:
    assert _chosen(selector) == chosen


@pytest.mark.parametrize(
    ("selector", "position", "told"),
    [
        ("", 0, "a term is missing"),
        ("  ", 2, "a term is missing"),
        ("tool |", 6, "a term is missing"),
        ("| tool", 0, "a term is missing"),
        ("tool !", 6, "a term is missing"),
        ("()", 1, "a term is missing"),
        ("(tool", 0, "not closed"),
        ("tool)", 4, "not opened"),
        ("tol", 0, "did you mean 'tool'"),
        ("tool modle=x", 5, "did you mean 'model'"),
        ("tool[0]", 5, "'0' is no place"),
        ("tool[x]", 5, "'x' is no place"),
        ("tool[]", 5, "'' is no place"),
        ("tools[1]", 0, "did you mean 'tool'"),
        ("error[1]", 0, "'error' has no places"),
        ("#0", 0, "the first is #1"),
        ("#x", 0, "the seventh span"),
        ("id=5b", 3, "4 to 16 of its hex digits"),
        ("id=xyzw", 3, "4 to 16 of its hex digits"),
        ("id~=5b8e", 4, "write id="),
        ("name!=chat", 0, "write !name=…"),
        ("name==chat", 0, "write name=…"),
        ("name=", 0, "name has no value"),
        ("name>3", 0, "name is no number"),
        ("name~=(", 0, "name has no value"),
        ("name~=a(b|c)", 7, "into quotes"),
        ("name~=a|c", 8, "into quotes"),
        ('name~="("', 6, "no regular expression"),
        ("tokens>many", 7, "a number, such as"),
        ("tokens>5s", 7, "a number, such as"),
        ("tokens~=5", 0, "write = > <"),
        ("duration>2", 9, "one of ms, s"),
        ("duration>2y", 9, "one of ms, s"),
        ('name="my tool', 5, "a quote is not closed"),
        ("name='my tool", 5, "a quote is not closed"),
        ('name=my" tool', 7, "a quote is not closed"),
        ("attr.=x", 0, "is no term"),
    ],
)
def test_a_text_that_is_no_selector_is_refused_with_the_place_and_what_may_stand_there(
    selector: str, position: int, told: str
) -> None:
    with pytest.raises(SelectorError) as raised:
        parse_selector(selector)
    assert (raised.value.position, raised.value.selector) == (position, selector)
    assert told in str(raised.value)
    assert "\n  to fix   " in str(raised.value)
    assert isinstance(raised.value, ConfigError)


def test_an_error_points_at_its_place() -> None:
    with pytest.raises(SelectorError) as raised:
        parse_selector("agent tol[3]")
    lines = str(raised.value).splitlines()
    assert lines[0] == "The selector cannot be read at character 7: 'tol' has no places."
    assert lines[1:3] == ["  selector agent tol[3]", "                 ^"]
    assert lines[3].startswith("  to fix   did you mean 'tool'? A term is a kind (")


@given(st.text("tol[]()|! #12:-=~<>\"'\\name.ids", max_size=24))
def test_any_text_is_a_selector_or_is_refused_as_none(text: str) -> None:
    try:
        selector = parse_selector(text)
    except SelectorError as error:
        refused = error.position
    else:
        refused = 0
        assert all(isinstance(selector.matches(subject), bool) for subject in subjects(_RUN))
    assert 0 <= refused <= len(text)


def test_a_function_of_a_span_is_a_selector() -> None:
    def slow(span: Span) -> bool:
        return (span.duration_ns or 0) > 2 * _S

    assert [span.name for span in select(_RUN, slow)] == ["invoke_agent planner", "execute_tool search"]
    assert parse_selector(slow).text == "slow"


def test_a_selector_is_its_own_selector_and_keeps_its_text() -> None:
    selector = parse_selector("tool | agent")
    assert parse_selector(selector) is selector
    assert selector.text == "tool | agent"


def test_places_are_counted_by_start_whatever_the_order_of_the_file() -> None:
    turned = replace(_RUN, spans=tuple(reversed(_RUN.spans)))
    assert select(turned, "inference[1] | tool[-1]") == select(_RUN, "inference[1] | tool[-1]")


def test_an_inference_that_two_instrumentations_told_has_one_place() -> None:
    spans = (
        _span(1, "chat", "chat", call=_call(_OPENAI, 200), gen_ai__response__id="r1"),
        _span(2, "openai.chat", "chat", gen_ai__response__id="r1"),
        _span(3, "chat", "chat", call=_call(_OPENAI, 200), gen_ai__response__id="r2"),
    )
    assert [(subject.index, subject.count) for subject in subjects(Trace(spans))] == [(1, 2), (0, 0), (2, 2)]


def test_while_a_run_goes_on_no_place_is_counted_from_its_end() -> None:
    going_on = Subject(_RUN.spans[2], index=1, ordinal=3)
    assert not parse_selector("tool[-1]").matches(going_on)
    assert not parse_selector("tool[:-1]").matches(going_on)
    assert parse_selector("tool[1] #3").matches(going_on)
    assert parse_selector("tool[1:]").matches(going_on)


def test_what_is_not_known_does_not_match() -> None:
    unknown = Subject(Span(_TRACE_ID, "1" * 16, "chat", 1), index=0, ordinal=1)
    for selector in ("age>0s", "duration>=0s", "cost>=0", "tokens>=0", "text~=.*", "url=*", "status=*", "model=*"):
        assert not parse_selector(selector).matches(unknown)


def test_parents_in_a_circle_have_a_path() -> None:
    spans = (_span(1, "a", parent=2), _span(2, "b", parent=1))
    assert [subject.path for subject in subjects(Trace(spans))] == [("b", "a"), ("a", "b")]


def test_the_age_of_a_call_that_was_recorded_again_counts_from_then() -> None:
    day_ns = 86_400 * 1_000_000_000
    again = Span("a" * 32, "1" * 16, "chat m", 1, attributes={"agenttrace.recorded.time_unix_nano": 9 * day_ns})
    assert select(Trace((again,)), "age>2d", 10 * day_ns) == ()
    assert select(Trace((again,)), "age>2d", 12 * day_ns) == (again,)
