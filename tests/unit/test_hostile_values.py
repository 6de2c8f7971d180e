"""Values that nobody means well with, in files, settings and selectors: a named error, or handled, never a traceback."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest

import otel_agenttrace as at
from otel_agenttrace.analyze.diffs import diff_of
from otel_agenttrace.analyze.evaluations import evaluation_results
from otel_agenttrace.analyze.fingerprints import fingerprint
from otel_agenttrace.analyze.grades import graded
from otel_agenttrace.analyze.retrievals import retrievals
from otel_agenttrace.analyze.stats import stats_of
from otel_agenttrace.analyze.streams import streamed
from otel_agenttrace.analyze.timelines import timeline
from otel_agenttrace.analyze.trajectories import steps
from otel_agenttrace.cassette.foreign import foreign_spans
from otel_agenttrace.cassette.format import decode_spans, encode_line, encode_resource
from otel_agenttrace.errors import AgentTraceError, CassetteError, ConfigError, IngestError, SelectorError, ToolError
from otel_agenttrace.ingest.formats import format_of
from otel_agenttrace.jsonvalue import parse, value_of
from otel_agenttrace.model import Event
from otel_agenttrace.playback.excerpts import excerpt
from otel_agenttrace.playback.patches import parse_patch
from otel_agenttrace.redact import Redactor
from otel_agenttrace.report.screen import console
from otel_agenttrace.report.terminal import trace_json, trace_tree
from otel_agenttrace.report.text import escaped, escaped_lines
from otel_agenttrace.selectors import parse_selector, select, subjects
from otel_agenttrace.volatile import MatchRule
from otel_agenttrace_instrumentation.pyproject import pyproject_settings

_TRACE_ID: Final = "0af7651916cd43dd8448eb211c80319c"


def _span(number: int, parent: int | None = None, **more: Any) -> at.Span:
    above = None if parent is None else f"{parent:016x}"
    return at.Span(_TRACE_ID, f"{number:016x}", f"span {number}", number, number + 1, above, **more)


def _cassette(path: Path, *spans: at.Span) -> Path:
    path.write_bytes(b"".join(encode_line(span, encode_resource({})) for span in spans))
    return path


def _shown(trace: at.Trace) -> str:
    file = io.StringIO()
    console(file).print(trace_tree(trace, excerpt=excerpt))
    trace_json(trace)
    return file.getvalue()


# --- JSON ---------------------------------------------------------------------------------------------------------------


_ODD_JSON: Final = (
    "", " ", "{", "{}", " {} ", "[1]\n", "[1] 2", "\xa0[1]", "[1]\xa0", "\ufeff{}", "12", "-", "NaN", "nul", "null\t", "9" * 5_000,
    '"\ud800"', '"\\ud800"', '"a', '"\x00"', "\u0663", "{'a': 1}", '{"a": 1, "a": 2}',
)  # fmt: skip


@pytest.mark.parametrize("written", _ODD_JSON)
@pytest.mark.parametrize("encoding", [None, "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-32-be", "utf-7"])
def test_json_is_read_as_the_standard_library_reads_it(written: str, encoding: str | None) -> None:
    source = written if encoding is None else written.encode(encoding, "surrogatepass")
    assert _read(parse, source) == _read(json.loads, source)
    if isinstance(source, str):
        read = _read(json.loads, source)
        assert repr(value_of(source)) == (repr(source) if isinstance(read, tuple) else read)


def _read(read: Callable[[Any], object], source: bytes | str) -> str | tuple[type[ValueError], str]:
    try:
        return repr(read(source))
    except ValueError as error:
        return type(error), str(error)


@pytest.mark.parametrize("kind", [("[", "]"), ('{"a":', "}"), ('[{"a":', "}]")])
def test_how_deep_JSON_may_be_nested_is_the_same_in_every_Python(kind: tuple[str, str]) -> None:
    opened, closed = kind
    depth = 200 // opened.count("[" if opened == "[" else "{") // (2 if opened == '[{"a":' else 1)
    assert parse(opened * depth + "1" + closed * depth) is not None
    for deeper in (depth + 1, 100_000):
        with pytest.raises(ValueError, match="nested deeper than 200 levels"):
            parse((opened * deeper + "1" + closed * deeper).encode())


def test_many_brackets_are_no_depth() -> None:
    assert parse("[" + ",".join(["[]", "{}"] * 1_000) + "]")
    assert parse(json.dumps("[" * 1_000)) == "[" * 1_000


# --- trees --------------------------------------------------------------------------------------------------------------

_TREES: Final[dict[str, Callable[[], list[at.Span]]]] = {
    "10,000 levels": lambda: [_span(number, number - 1) for number in range(1, 10_001)],
    "its own parent": lambda: [_span(1, 1), _span(2, 1)],
    "a circle": lambda: [_span(1, 3), _span(2, 1), _span(3, 2)],
    "one id three times": lambda: [_span(1), _span(1, 1), _span(1, 1), _span(2, 1)],
}


@pytest.mark.parametrize("name", _TREES)
def test_a_tree_of_any_shape_is_read_and_shown_each_span_once(name: str, tmp_path: Path) -> None:
    spans = _TREES[name]()
    path = _cassette(tmp_path / "run.otlp.jsonl", *spans)
    trace = at.load(path)
    shown = _shown(trace)
    assert len(trace.spans) == len(spans)
    assert len(re.findall(r"span \d+  ", shown)) == len(spans)
    assert graded(path, "run").spans == len(spans)
    assert steps(trace) == ()


@pytest.mark.parametrize("name", list(_TREES)[1:])
def test_what_ran_in_a_tree_of_any_shape_is_compared(name: str) -> None:
    def run(tool: str) -> at.Trace:
        last = _TREES[name]()[-1]
        told = {"gen_ai.operation.name": "execute_tool", "gen_ai.tool.name": tool}
        return at.Trace((*_TREES[name]()[:-1], replace(last, attributes=told)))

    one, other = run("search"), run("read")
    assert [step.name for step in steps(one)] == ["search"]
    assert diff_of(one, one).is_same
    assert diff_of(one, other).counts == {"added": 1, "removed": 1}
    assert fingerprint(one).run != fingerprint(other).run


@pytest.mark.parametrize("name", list(_TREES)[1:])
def test_a_selector_ends_in_a_tree_of_any_shape(name: str) -> None:
    spans = tuple(_TREES[name]())
    assert len(select(at.Trace(spans), "path~=span")) == len(spans)


def test_of_a_very_deep_tree_a_path_has_the_nearest_names() -> None:
    trace = at.Trace(tuple(_span(number, number - 1) for number in range(1, 1_001)))
    *_, last = subjects(trace)
    assert last.path == tuple(f"span {number}" for number in range(801, 1_001))


# --- numbers and times --------------------------------------------------------------------------------------------------


def _document(**more: Any) -> str:
    span = {"traceId": _TRACE_ID, "spanId": f"{1:016x}", "name": "n", "startTimeUnixNano": "1", **more}
    return json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]})


@pytest.mark.parametrize("time", ["-1", -1, str(1 << 64), 10**400, "9" * 10_000, "today"])
def test_what_is_no_time_is_named(time: Any, tmp_path: Path) -> None:
    path = tmp_path / "run.otlp.jsonl"
    path.write_text(_document(startTimeUnixNano=time) + "\n")
    with pytest.raises(CassetteError, match=r"startTimeUnixNano .* is no time"):
        at.load(path)


@pytest.mark.parametrize("time", [-1, 1e999, [10**20, 0], [1, 1 << 70], "9999-99-99", "0001-01-01T00:00:00Z", 10**400])
def test_what_is_no_time_in_a_dump_is_named_or_not_known(time: Any, tmp_path: Path) -> None:
    path = tmp_path / "dump.json"
    span = {"name": "a", "attributes": {}, "trace_id": "t", "span_id": "s", "start_time": time}
    path.write_text(json.dumps([span]))
    try:
        (found,) = foreign_spans(path)
    except IngestError:
        return
    assert found.start_ns == 0


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ({"intValue": str(1 << 63)}, None),
        ({"intValue": "9" * 10_000}, None),
        ({"intValue": str(-(1 << 63))}, -(1 << 63)),
        ({"doubleValue": 10**400}, None),
        ({"doubleValue": "1e999"}, float("inf")),
        ({"doubleValue": "-Infinity"}, float("-inf")),
    ],
)
def test_a_number_without_measure_is_not_known(value: Any, told: object) -> None:
    (span,) = decode_spans(parse(_document(attributes=[{"key": "a", "value": value}])))
    assert span.attributes == {"a": told}


@pytest.mark.parametrize("value", [float("nan"), float("inf"), 10**400], ids=["nan", "inf", "huge"])
def test_a_number_without_measure_is_none_to_whoever_counts(value: float) -> None:
    said = [{"id": "a", "score": value}]
    told = {
        "gen_ai.operation.name": "retrieval",
        "gen_ai.retrieval.documents": json.dumps(said),
        "gen_ai.response.time_to_first_chunk": value,
    }
    judged = Event("gen_ai.evaluation.result", 1, {"gen_ai.evaluation.score.value": value})
    trace = at.Trace((_span(1, attributes=told, events=(judged,)),))
    assert [document.score for found in retrievals(trace) for document in found.documents or ()] == [None]
    assert timeline(trace).bars[0].first_chunk_ns is None
    assert [result.score for result in evaluation_results(trace)] == [None]


def test_an_end_before_the_start_is_no_duration() -> None:
    told = {"gen_ai.operation.name": "chat"}
    trace = at.Trace((replace(_span(9, attributes=told), end_ns=3),))
    assert (trace.spans[0].duration_ns, trace.duration_ns) == (None, None)
    assert stats_of([streamed(trace)]).total.latency_s.n == 0


def test_a_number_of_a_program_that_OTLP_cannot_hold_is_kept_as_text() -> None:
    line = encode_line(_span(1, attributes={"n": 10**5_000, "m": -(1 << 70)}), encode_resource({}))
    (span,) = decode_spans(parse(line))
    assert span.attributes == {"n": hex(10**5_000), "m": hex(-(1 << 70))}


_ODD: Final = ("01", "-1", "²", "９", "99999999999", "9" * 5_000, ".".join(["0"] * 5_000), "", ".")


@pytest.mark.parametrize("place", _ODD)
@pytest.mark.parametrize("name", ["gen_ai.prompt.{}.content", "llm.input_messages.{}.message.role"])
def test_an_attribute_at_an_odd_place_is_graded_all_the_same(name: str, place: str, tmp_path: Path) -> None:
    told = {"openinference.span.kind": "LLM"} if name.startswith("llm") else {"gen_ai.prompt.0.role": "user"}
    span = _span(1, attributes={**told, name.format(place): "user", "error.type": f"APIError.{place}"}, status="ERROR")
    assert len(graded(_cassette(tmp_path / "run.otlp.jsonl", span), "run").calls) == 1


_HEX: Final = "0x" + "F" * 6_000


@pytest.mark.parametrize("name", ["vcr", "govcr"])
@pytest.mark.parametrize("place", ["status", "header", "body", "time", "method"])
def test_a_number_of_YAML_without_measure_is_text(name: str, place: str) -> None:
    here = {each: _HEX if each == place else plain for each, plain in _PLAIN.items()}
    entry = _YAML[name].format(**here)
    assert list(format_of(name).read(entry.encode(), Redactor()))


_PLAIN: Final = {"status": "200", "header": "a", "body": "c", "time": "1s", "method": "GET"}
_YAML: Final = {
    "vcr": """
interactions:
- request: {{method: {method}, uri: 'http://x/', headers: {{b: [ {header} ] }}, body: {body} }}
  response: {{status: {{code: {status} }}, headers: {{a: {header} }}, body: {{string: {body} }} }}
  recorded_at: {time}
""",
    "govcr": """
interactions:
- request: {{method: {method}, url: 'http://x/', headers: {{b: [ {header} ] }}, body: {body} }}
  response: {{code: {status}, headers: {{a: {header} }}, body: {body}, duration: {time} }}
""",
}


# --- settings, rules, selectors -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", ["[" * 50_000, "9" * 10_000, '"\\ud800"', "{a = {" * 5_000, "\0"])
def test_settings_without_measure_are_named(value: str, tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(f"[tool.otel-agenttrace]\nprices = {value}\n")
    with pytest.raises(ConfigError, match="is no TOML"):
        pyproject_settings(tmp_path)


@pytest.mark.parametrize("pattern", ["a{99999999999}", "(" * 5_000 + ")" * 5_000, "(?P<n", "[z-a]"])
def test_an_expression_that_re_cannot_hold_is_named(pattern: str) -> None:
    for made in (
        lambda: parse_selector(f"text~='{pattern}'"),
        lambda: parse_patch(f"inference answer ~= /{pattern}/b/"),
        lambda: MatchRule("/a", "pattern", pattern),
    ):
        with pytest.raises(ConfigError):
            made()


def test_a_replacement_that_names_no_group_is_named() -> None:
    for by in (r"\9", r"\g<n>"):
        with pytest.raises(ConfigError, match="has a pattern that is none"):
            parse_patch(f"inference answer ~= /a/{by}/")


@pytest.mark.parametrize("text", ["!" * 5_000 + "error", "(" * 5_000, "tool[" + "9" * 5_000 + "]", "#" + "9" * 5_000])
def test_a_selector_without_measure_is_named(text: str) -> None:
    with pytest.raises(SelectorError):
        parse_selector(text)


# --- text ---------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "one_line", "lines"),
    [
        ("a\tb\nc\r\n", r"a\tb\nc\r\n", "a\tb\nc\\r\n"),
        ("\x1b[2J\x07\x9b\x7f", r"\x1b[2J\x07\x9b\x7f", r"\x1b[2J\x07\x9b\x7f"),
        ("\u202e\u2066\u2028\u061c", r"\u202e\u2066\u2028\u061c", r"\u202e\u2066\u2028\u061c"),
        ("a\u200bb\ufeff\U000e0041", r"a\u200bb\ufeff\U000e0041", r"a\u200bb\ufeff\U000e0041"),
        ("\N{FAMILY}\u200d\N{WOMAN} می\u200cخواهم", *("\N{FAMILY}\u200d\N{WOMAN} می\u200cخواهم",) * 2),
    ],
)
def test_what_steers_or_hides_is_shown_as_its_escape(text: str, one_line: str, lines: str) -> None:
    assert (escaped(text), escaped_lines(text)) == (one_line, lines)


def test_an_error_cannot_steer_a_terminal_but_a_tools_own_text_stays() -> None:
    assert str(AgentTraceError("\x1b[2J\n  to fix   \u202e")) == "\\x1b[2J\n  to fix   \\u202e"
    assert str(ToolError("\x1b[2J", kind="e")) == "\x1b[2J"
