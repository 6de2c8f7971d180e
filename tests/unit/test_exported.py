"""Facts about what other programs are handed of a run."""

from __future__ import annotations

import base64
import csv
import io
import json
import secrets
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Final

import pytest
from google.protobuf import json_format
from opentelemetry.proto.trace.v1.trace_pb2 import TracesData

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.analyze.expanding import expanded
from otel_agenttrace.dialects.grading import inferences
from otel_agenttrace.errors import CassetteCorrupt
from otel_agenttrace.model import Call, Span, Trace
from otel_agenttrace.redact import redactor
from otel_agenttrace.report.exported import FORMS, Cleaner, exported
from tests.support.corpus import CORPORA
from tests.support.foreign_spans import genai_attributes, said, span

_GOLDEN: Final = Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl"
_IDS: Final = ("traceId", "spanId", "parentSpanId")
_ANY_AGENT: Final = CORPORA / "otel-traces-any-agent" / "docs" / "traces" / "TINYAGENT_trace.json"


def _text(form: str, *traces: Trace, cleaner: Cleaner | None = None) -> str:
    cleaner = cleaner or Cleaner(redactor({}))
    return "".join(exported([(f"{number}.jsonl", trace) for number, trace in enumerate(traces)], form, cleaner))


def _parsed(line: str) -> TracesData:
    """Read a line as a receiver does: OTLP/JSON has ids in hex, where protobuf's own JSON has base64."""

    def with_bytes(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        return {key: base64.b64encode(bytes.fromhex(value)).decode() if key in _IDS else value for key, value in pairs}

    return json_format.ParseDict(json.loads(line, object_pairs_hook=with_bytes), TracesData())


def _spans(text: str) -> Iterator[Any]:
    for line in text.splitlines():
        for resource_spans in _parsed(line).resource_spans:
            yield from (span for scope_spans in resource_spans.scope_spans for span in scope_spans.spans)


def _attributes(told: Any) -> dict[str, Any]:
    return {pair.key: pair.value.string_value for pair in told.attributes}


def test_protobuf_reads_otlp_with_the_ids_and_times_of_the_run() -> None:
    trace = at.load(_GOLDEN)
    told = [
        (each.trace_id.hex(), each.span_id.hex(), each.start_time_unix_nano) for each in _spans(_text("otlp", trace))
    ]
    assert told == [(each.trace_id, each.span_id, each.start_ns) for each in trace.spans]


def test_otlp_holds_messages_and_tools_by_the_conventions_and_nothing_that_only_a_cassette_has() -> None:
    first, second = [each for each in _spans(_text("otlp", at.load(_GOLDEN))) if each.name.startswith("chat")]
    asked = json.loads(_attributes(second)["gen_ai.input.messages"])
    assert [message["role"] for message in asked] == ["system", "user", "assistant", "tool"]
    answered = json.loads(_attributes(first)["gen_ai.output.messages"])
    assert [(each["role"], each["finish_reason"]) for each in answered] == [("assistant", "tool_calls")]
    assert json.loads(_attributes(first)["gen_ai.tool.definitions"])[0]["name"] == "weather"
    whole = _text("otlp", at.load(_GOLDEN))
    assert [word for word in ("agenttrace.exchange", "agenttrace.call", "agenttrace.format") if word in whole] == []


def test_otlp_is_a_trace_that_can_be_replayed_as_one_of_others(tmp_path: Path) -> None:
    path = tmp_path / "out.otlp.jsonl"
    path.write_text(_text("otlp", at.load(_GOLDEN)), encoding="utf-8")
    again = at.load(path)
    assert [each.grade for each in inferences(again.spans)] == ["reconstructable", "reconstructable"]
    assert (again.usage, again.cost) == (at.load(_GOLDEN).usage, at.load(_GOLDEN).cost)


def test_json_is_one_document_with_the_sums_and_spans_of_each_run() -> None:
    told = json.loads(_text("json", at.load(_GOLDEN), at.load(_GOLDEN)))
    assert [run["file"] for run in told["runs"]] == ["0.jsonl", "1.jsonl"]
    first = told["runs"][0]
    assert (first["calls"], first["usage"]["input_tokens"], len(first["spans"])) == (2, 466, 4)
    assert first["spans"][2]["tool_arguments"] == {"city": "Zürich"}
    assert first["spans"][1]["output_messages"][0]["parts"][0]["name"] == "weather"


def test_no_run_is_an_empty_document() -> None:
    assert json.loads(_text("json")) == {"runs": []}
    assert _text("ndjson") == _text("otlp") == ""


def test_ndjson_is_a_span_a_line_with_the_keys_of_the_document() -> None:
    lines = [json.loads(line) for line in _text("ndjson", at.load(_GOLDEN)).splitlines()]
    spans = json.loads(_text("json", at.load(_GOLDEN)))["runs"][0]["spans"]
    assert [{key: value for key, value in line.items() if key != "file"} for line in lines] == spans


def test_csv_is_a_call_to_a_model_a_line_and_sums_to_the_run() -> None:
    trace = at.load(_GOLDEN)
    rows = list(csv.DictReader(io.StringIO(_text("csv", trace))))
    assert sum(int(row["input_tokens"]) for row in rows) == 466
    assert sum(float(row["cost_usd"]) for row in rows) == pytest.approx(trace.cost)
    assert [row["input"] for row in rows] == ["What do I pack for Zürich 🦊?", '{"city":"Zürich","celsius":21}']
    assert rows[0]["output"] == 'weather({"city":"What do I pack for Zürich 🦊?"})'


def test_a_call_that_two_instrumentations_told_is_one_line_of_csv() -> None:
    attributes = genai_attributes([said("user", "hi")], [said("assistant", "ho")])
    assert len(_text("csv", Trace((span(1, attributes), span(2, attributes)))).splitlines()) == 2


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t"])
def test_no_cell_of_csv_is_a_formula(begin: str) -> None:
    answer = f'{begin}HYPERLINK("http://x")'
    attributes = genai_attributes([said("user", "hi")], [said("assistant", answer)])
    (row,) = csv.DictReader(io.StringIO(_text("csv", Trace((span(1, attributes),)))))
    assert row["output"] == f"'{answer}"


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_in_the_name_of_a_file_is_replaced(form: str) -> None:
    secret = "ghp_" + secrets.token_hex(18)
    run = Trace((span(1, genai_attributes([said("user", "hi")], [said("assistant", "ho")])),))
    assert secret not in "".join(exported([(f"runs/{secret}.jsonl", run)], form, Cleaner(redactor({}))))


@pytest.mark.parametrize("form", FORMS)
def test_a_secret_that_older_rules_left_is_replaced_and_its_span_counted(form: str) -> None:
    secret = "ghp_" + secrets.token_hex(18)
    attributes = genai_attributes([said("user", f"my token is {secret}")], [said("assistant", "ho")])
    cleaner = Cleaner(redactor({}))
    text = _text(form, Trace((span(1, attributes), span(2, {}))), cleaner=cleaner)
    assert secret not in text
    assert "[REDACTED:" in text
    assert cleaner.changed == 1


def test_a_secret_in_bytes_that_are_a_text_is_replaced_and_other_bytes_stay() -> None:
    """OTLP/JSON has bytes as base64, in which no secret can be seen."""
    secret, image = f"sk-proj-{secrets.token_hex(24)}", bytes([0x89, 0x50, 0xFF, 0x0A])
    told = {
        "body": json.dumps({"key": secret}).encode(),
        "bodies": (secret.encode(),),
        "image": image,
        "plain": b"text",
    }
    cleaner = Cleaner(redactor({}))
    (written,) = _spans(_text("otlp", Trace((span(1, told),)), cleaner=cleaner))
    values = {pair.key: pair.value for pair in written.attributes}
    held = values["body"].bytes_value + values["bodies"].array_value.values[0].bytes_value
    assert (secret.encode() in held, held.count(b"[REDACTED:token:")) == (False, 2)
    assert (values["image"].bytes_value, values["plain"].bytes_value, cleaner.changed) == (image, b"text", 1)


@pytest.mark.parametrize("form", FORMS)
def test_a_damaged_call_is_named_and_the_rest_is_told(form: str) -> None:
    def damaged() -> Call:
        raise CassetteCorrupt(Path("run.otlp.jsonl"), 2, "the recorded call is damaged")

    trace = at.load(_GOLDEN)
    broken = replace(trace.spans[1], read_call=damaged)
    cleaner = Cleaner(redactor({}))
    text = _text(form, replace(trace, spans=(trace.spans[0], broken, *trace.spans[2:])), cleaner=cleaner)
    assert [damage.line for damage in cleaner.damaged] == [2]
    assert broken.span_id in text
    assert "echo 4" in text


def test_a_span_that_tells_itself_stays_as_it_is() -> None:
    told: Span = span(1, genai_attributes([said("user", "hi")], [said("assistant", "ho")]))
    assert expanded(told) == told


def test_a_resource_keeps_what_it_says_of_the_service() -> None:
    told = replace(span(1, {}), resource={"service.name": "a", semconv.AGENTTRACE_FORMAT_VERSION: 1})
    assert expanded(told).resource == {"service.name": "a"}


@pytest.mark.skipif(not _ANY_AGENT.exists(), reason="the corpora are no part of the project")
def test_a_real_run_of_any_agent_is_handed_on_with_its_own_figures() -> None:
    """To verify: the file has four spans `call_llm …`, whose gen_ai.usage.input_tokens are 328, 414, 449 and 178."""
    rows = list(csv.DictReader(io.StringIO(_text("csv", at.load(_ANY_AGENT)))))
    assert [row["input_tokens"] for row in rows] == ["328", "414", "449", "178"]
    assert rows[2]["output"].startswith('final_answer({"answer":"1. Get current time in the America/New_York timezone.')
