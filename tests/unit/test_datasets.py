"""Data sets of recorded calls: what is an example, what its row says, what is left out and why, what never gets out."""

from __future__ import annotations

import csv
import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import pytest

from otel_agenttrace.datasets.choosing import Wanted
from otel_agenttrace.datasets.examples import examples_of
from otel_agenttrace.datasets.formats import FORMATS, format_named
from otel_agenttrace.datasets.making import Dataset, Making, made
from otel_agenttrace.datasets.writing import content_of
from otel_agenttrace.errors import ConfigError, NotClean
from otel_agenttrace.model import Event, Span, Trace
from otel_agenttrace.redact import redactor
from otel_agenttrace.redaction import RedactionRules
from otel_agenttrace.selectors import parse_selector
from tests.support.foreign_spans import Watched, event, genai_attributes, said, span

_RULES: Final = redactor({})
_TOOLS: Final = [
    {"type": "function", "name": "weather", "description": "Of a city.", "parameters": {"type": "object"}},
]
_ASKS: Final = {"type": "tool_call", "id": "call_1", "name": "weather", "arguments": {"city": "Bern"}}
_TOLD: Final = {"type": "tool_call_response", "id": "call_1", "response": {"celsius": 21}}


def _call(
    number: int, asked: Sequence[Mapping[str, Any]], answered: Mapping[str, Any], *events: Event, **more: Any
) -> Span:
    told = genai_attributes(asked, [answered], gen_ai__response__id=f"r{number}", **more)
    return span(number, {**told, "gen_ai.tool.definitions": json.dumps(_TOOLS)}, *events)


def _loop(place: str = "Bern", answer: str = "Warm.", call_id: str = "call_1") -> tuple[Span, ...]:
    """Return the calls of an agent that asks for a tool, answers, and is asked on."""
    question = said("user", f"How warm is {place}?")
    first = (question, said("assistant", {**_ASKS, "id": call_id}))
    second = (*first, said("tool", {**_TOLD, "id": call_id}), said("assistant", answer))
    third = (*second, said("user", "Thanks!"), said("assistant", "Gladly."))
    return tuple(_call(number, whole[:-1], whole[-1]) for number, whole in enumerate((first, second, third), 1))


def _made(*spans: Span, form: str = "openai", **options: Any) -> tuple[Dataset, list[Any]]:
    report, rows = made([("run.otlp.jsonl", Trace(spans))], Making(form, **options), _RULES)
    return report, [row for side in rows.values() for row in side]


def _reasons(report: Dataset) -> list[tuple[str, str, str]]:
    return [(each.span.span_id[-1], each.why, each.reason) for each in report.left_out]


# --- what is an example -----------------------------------------------------------------------------------------------


def test_a_conversation_is_one_example_its_last_call_with_the_whole_history() -> None:
    report, (row,) = _made(*_loop())
    assert [each.span.span_id[-1] for each in report.examples] == ["3"]
    assert [message["role"] for message in row["messages"]] == ["user", "assistant", "tool", "assistant", "user", "assistant"]  # fmt: skip
    assert report.left_out == ()


def test_each_call_is_an_example_where_that_is_asked_for() -> None:
    report, rows = _made(*_loop(), per="call")
    assert [each.span.span_id[-1] for each in report.examples] == ["1", "2", "3"]
    assert [len(row["messages"]) for row in rows] == [2, 4, 6]


def test_a_sample_that_nothing_goes_on_from_is_an_example_of_its_own() -> None:
    first, second, third = _loop()
    other = _call(4, [said("user", "How warm is Bern?")], said("assistant", "I do not know."))
    report, _ = _made(first, second, third, other)
    assert [each.span.span_id[-1] for each in report.examples] == ["3", "4"]


def test_blanks_ids_and_reasoning_do_not_tear_a_conversation() -> None:
    question = said("user", "Hello")
    first = _call(1, [question], said("assistant", {"type": "reasoning", "content": "hm"}, " Hi! "))
    second = _call(2, [question, said("assistant", "Hi!"), said("user", "Bye")], said("assistant", "Bye!"))
    report, _ = _made(first, second)
    assert [each.span.span_id[-1] for each in report.examples] == ["2"]


def test_a_call_that_names_an_earlier_response_gets_its_history() -> None:
    first = _call(1, [said("user", "Hello")], said("assistant", "Hi!"))
    second = _call(2, [said("user", "Bye")], said("assistant", "Bye!"), gen_ai__request__previous_response__id="r1")
    lost = _call(3, [said("user", "And?")], said("assistant", "Nothing."), gen_ai__request__previous_response__id="r0")
    report, (row,) = _made(first, second, lost)
    assert [message["content"] for message in row["messages"]] == ["Hello", "Hi!", "Bye", "Bye!"]
    assert _reasons(report) == [("3", "incomplete", "it goes on from an answer that is not recorded")]


def test_what_says_the_same_is_kept_once_though_its_ids_differ() -> None:
    again = [replace(each, trace_id="b" * 32) for each in _loop(call_id="call_9")]
    report, rows = _made(*_loop(), *again)
    assert len(rows) == 1
    assert _reasons(report) == [("3", "duplicate", "it says the same as another")]
    assert len(_made(*_loop(), *again, is_deduplicated=False)[1]) == 2


# --- rows ---------------------------------------------------------------------------------------------------------------


def test_a_row_for_openai_has_messages_tools_and_ids_as_its_api_has_them() -> None:
    asked = [said("system", "Be brief."), said("user", "How warm?"), said("assistant", _ASKS), said("tool", _TOLD)]
    _, (row,) = _made(_call(1, asked, said("assistant", "Warm.")))
    called = {"name": "weather", "arguments": '{"city":"Bern"}'}
    assert row == {
        "messages": [
            {"role": "system", "content": "Be brief."},
            {"role": "user", "content": "How warm?"},
            {"role": "assistant", "tool_calls": [{"id": "call_1", "type": "function", "function": called}]},
            {"role": "tool", "tool_call_id": "call_1", "content": '{"celsius":21}'},
            {"role": "assistant", "content": "Warm."},
        ],
        "tools": [
            {
                "type": "function",
                "function": {"name": "weather", "description": "Of a city.", "parameters": {"type": "object"}},
            }
        ],
    }


def test_two_messages_of_the_assistant_stay_two_for_openai() -> None:
    asked = [said("user", "How warm?"), said("assistant", "One moment."), said("assistant", "I look.")]
    _, (row,) = _made(_call(1, asked, said("assistant", "Warm.")))
    assert [message["content"] for message in row["messages"]] == ["How warm?", "One moment.", "I look.", "Warm."]


def test_a_text_after_a_call_stands_below_the_one_before_for_the_result_has_to_come_next() -> None:
    asked = [said("user", "How warm?"), said("assistant", "I look."), said("assistant", _ASKS)]
    asked += [said("assistant", "It takes a moment."), said("tool", _TOLD)]
    _, (row,) = _made(_call(1, asked, said("assistant", "Warm.")))
    _, asking, told, _ = row["messages"]
    assert asking["content"] == "I look.\n\nIt takes a moment."
    assert [call["id"] for call in asking["tool_calls"]] == [told["tool_call_id"]]


def test_an_answer_of_anthropic_goes_on_in_the_last_message_of_the_assistant() -> None:
    asked = [said("user", "How warm? As JSON."), said("assistant", '{"celsius":')]
    _, (row,) = _made(_call(1, asked, said("assistant", "21}"), gen_ai__provider__name="anthropic"))
    assert [message["content"] for message in row["messages"]] == ["How warm? As JSON.", '{"celsius":21}']


def test_a_row_for_anthropic_takes_turns_and_has_results_first() -> None:
    asked = [
        said("system", "Be brief."),
        said("user", "How warm is Bern?"),
        said("assistant", "I look.", _ASKS),
        said("user", "Quickly!", _TOLD),
    ]
    _, (row,) = _made(_call(1, asked, said("assistant", "Warm.")), form="anthropic")
    assert row == {
        "system": "Be brief.",
        "messages": [
            {"role": "user", "content": "How warm is Bern?"},
            {
                "role": "assistant",
                "content": [
                    {"type": "text", "text": "I look."},
                    {"type": "tool_use", "id": "call_1", "name": "weather", "input": {"city": "Bern"}},
                ],
            },
            {
                "role": "user",
                "content": [
                    {"type": "tool_result", "tool_use_id": "call_1", "content": '{"celsius":21}'},
                    {"type": "text", "text": "Quickly!"},
                ],
            },
            {"role": "assistant", "content": "Warm."},
        ],
        "tools": [{"name": "weather", "description": "Of a city.", "input_schema": {"type": "object"}}],
    }


def _retrieval(number: int, *contents: str) -> Span:
    documents = json.dumps([{"id": str(place), "content": content} for place, content in enumerate(contents)])
    told = {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": documents}
    return replace(span(number, told), name="retrieval")


def test_a_row_for_judging_has_what_was_retrieved_and_called_for_its_question() -> None:
    first = _call(2, [said("user", "How warm is Bern?")], said("assistant", "21."))
    history = [said("user", "How warm is Bern?"), said("assistant", "21."), said("user", "And Rome?")]
    tool = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "weather",
        "gen_ai.tool.call.arguments": '{"city":"Rome"}',
        "gen_ai.tool.call.result": '{"celsius":30}',
    }
    spans = (
        _retrieval(1, "Bern has 21."),
        first,
        _retrieval(3, "Rome has 30.", "Rome is hot.", "Rome has 30."),
        span(4, tool),
        _call(5, history, said("assistant", "30.")),
    )
    _, (ragas,) = _made(*spans, form="ragas")
    contexts = ["Rome has 30.", "Rome is hot."]
    assert ragas == {"user_input": "And Rome?", "retrieved_contexts": contexts, "response": "30."}
    _, (case,) = _made(*spans, form="deepeval")
    called = {"name": "weather", "input_parameters": {"city": "Rome"}, "output": {"celsius": 30}}
    assert case == {
        "input": "And Rome?",
        "actual_output": "30.",
        "retrieval_context": contexts,
        "tools_called": [called],
    }


def test_a_reference_gives_the_answer_that_is_held_to_be_right() -> None:
    reference = examples_of("right", Trace(_loop(answer="21 degrees.")[:2]))[-1:]
    spans = _loop()[:2]
    _, (ragas,) = _made(*spans, form="ragas", references=reference)
    assert ragas["reference"] == "21 degrees."
    _, (case,) = _made(*spans, form="deepeval", references=reference)
    assert case["expected_output"] == "21 degrees."
    _, (sample,) = _made(*spans, form="openai-evals", references=reference)
    assert sample["ideal"] == "21 degrees."
    _, (walk,) = _made(*spans, form="agentevals", references=reference)
    assert [message["role"] for message in walk["outputs"]] == ["user", "assistant", "tool", "assistant"]
    assert (walk["outputs"][-1]["content"], walk["reference_outputs"][-1]["content"]) == ("Warm.", "21 degrees.")


def test_tables_tell_each_call_failed_ones_too() -> None:
    failed = replace(_call(4, [said("user", "=1+1")], said("assistant", "x")), status="ERROR")
    spans = (*_loop(), failed)
    _, rows = _made(*spans, form="ndjson")
    assert [(row["outcome"], row["answer"], row["input_tokens"], row["cost_usd"]) for row in rows] == [
        ("success", "", 7, None),
        ("success", "Warm.", 7, None),
        ("success", "Gladly.", 7, None),
        ("error", "", 7, None),
    ]
    assert rows[0]["tool_calls"] == [{"name": "weather", "arguments": {"city": "Bern"}}]
    report, table = _made(*spans, form="csv")
    assert report.left_out == ()
    read = list(csv.DictReader(io.StringIO(content_of(table, "csv").decode())))
    assert [row["question"] for row in read] == ["How warm is Bern?", "How warm is Bern?", "Thanks!", "=1+1"]
    assert json.loads(read[0]["tool_calls"]) == rows[0]["tool_calls"]
    assert read[0]["cost_usd"] == ""


def test_each_format_of_the_table_can_be_made() -> None:
    for name in FORMATS:
        report, rows = _made(*_loop(), form=name)
        assert rows, name
        assert report.examples[0].tokens == 10
        assert content_of(rows, name)
    with pytest.raises(ConfigError, match="one of openai, anthropic"):
        format_named("opneai")


def test_tokens_that_are_not_recorded_are_an_estimate_and_told_so() -> None:
    told = dict(_call(1, [said("user", "Hello")], said("assistant", "Hi!")).attributes)
    del told["gen_ai.usage.output_tokens"]
    report, (row,) = _made(span(1, told))
    (kept,) = report.examples
    assert kept.is_estimated
    assert kept.tokens == len(json.dumps(row, separators=(",", ":"))) // 4


# --- what is left out -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("asked", "answered", "reason"),
    [
        ([said("assistant", _ASKS), said("user", "And?")], "x", "the call 'call_1' is without a result"),
        ([said("tool", _TOLD)], "x", "a result for 'call_1', which was not called just before"),
        ([said("assistant", {**_ASKS, "name": "rain"}), said("tool", _TOLD)], "x", "'rain' is called, and is not among the tools"),
        ([said("assistant", {"type": "tool_call", "name": "weather"}), said("tool", {"type": "tool_call_response"})], "x", "a call of 'weather' has no id"),
        ([], {"type": "refusal", "content": "No."}, "of the assistant, says nothing and calls no tool"),
        ([said("user", {"type": "blob", "modality": "video"})], "x", "openai.chat has no place for a part of type 'blob'"),
    ],
)  # fmt: skip
def test_an_example_the_provider_would_not_take_is_named_and_left_out(
    asked: list[Mapping[str, Any]], answered: str | Mapping[str, Any], reason: str
) -> None:
    broken = _call(1, [said("user", "How warm?"), *asked], said("assistant", answered))
    report, rows = _made(broken)
    assert rows == []
    ((place, why, told),) = _reasons(report)
    assert (place, why) == ("1", "broken")
    assert reason in told


def test_a_tool_name_the_provider_does_not_allow_is_told() -> None:
    told = json.dumps([{"type": "function", "name": "weather now", "parameters": {}}])
    call = _call(1, [said("user", "How warm?")], said("assistant", "Warm."))
    report, _ = _made(replace(call, attributes={**call.attributes, "gen_ai.tool.definitions": told}))
    assert "the tool name 'weather now' is not legal" in report.broken[0].reason


def test_anthropic_wants_the_user_to_begin() -> None:
    report, _ = _made(_call(1, [said("assistant", "Yes?")], said("assistant", "Yes!")), form="anthropic")
    assert _reasons(report) == [("1", "broken", "the first message is not the user's")]


def test_what_is_not_whole_is_no_example() -> None:
    question = [said("user", "Hello")]
    failed = replace(_call(1, question, said("assistant", "Hi")), status="ERROR")
    cut = _call(2, question, said("assistant", "H"), gen_ai__response__finish_reasons=("length",))
    bare = span(3, {"gen_ai.operation.name": "chat", "gen_ai.output.messages": json.dumps([said("assistant", "Hi")])})
    report, rows = _made(failed, cut, bare, per="call")
    assert rows == []
    assert _reasons(report) == [
        ("1", "incomplete", "the call failed"),
        ("2", "incomplete", "the answer was cut off: length"),
        ("3", "incomplete", "what was asked is not recorded"),
    ]


def _filtered(wanted: Wanted, *spans: Span) -> list[str]:
    report, _ = _made(*spans, wanted=wanted, per="call")
    return [f"{each.span.span_id[-1]}: {each.reason}" for each in report.left_out]


def test_only_what_is_wanted_is_kept() -> None:
    good = _call(1, [said("user", "a")], said("assistant", "b"))
    root = replace(span(8, {}), status="ERROR", trace_id="c" * 32)
    bad = replace(
        _call(
            2, [said("user", "c")], said("assistant", "d"), gen_ai__response__model="o1", gen_ai__request__model="o1"
        ),
        trace_id="c" * 32,
        parent_span_id=root.span_id,
    )
    spans = (good, bad, root)
    assert _filtered(Wanted(outcome="success"), *spans) == ["2: its run did not end with success"]
    assert _filtered(Wanted(outcome="error"), *spans) == ["1: its run did not end with error"]
    assert _filtered(Wanted(models=("gpt-*",)), *spans) == ["2: of another model"]
    assert _filtered(Wanted(where=parse_selector("inference[2]")), *spans) == ["1: not chosen by --filter"]


def test_a_cost_that_is_not_known_is_too_much() -> None:
    cheap, dear = (replace(each, trace_id=letter * 32) for each, letter in zip(_loop(), "ab", strict=False))
    unknown = replace(_loop()[2], trace_id="c" * 32)
    prices = {cheap.span_id: 0.01, dear.span_id: 0.5}
    trace = Trace((cheap, dear, unknown), cost_of=lambda each: prices.get(each.span_id))
    report, _ = made([("f", trace)], Making("openai", per="call", wanted=Wanted(max_cost=0.1)), _RULES)
    assert _reasons(report) == [
        ("2", "filtered", "its run cost too much"),
        ("3", "filtered", "what its run cost is not known"),
    ]


def test_a_reward_is_the_evaluation_of_the_call_else_of_its_run() -> None:
    def result(score: float, name: str = "task") -> Event:
        told = {"gen_ai.evaluation.name": name, "gen_ai.evaluation.score.value": score}
        return event("gen_ai.evaluation.result", **told)

    own = _call(1, [said("user", "a")], said("assistant", "b"), result(0.9))
    by_run = _call(2, [said("user", "c")], said("assistant", "d"))
    judged = replace(span(3, {"agenttrace.operation": "evaluation"}, result(0.2)), parent_span_id="f" * 16)
    alone = replace(_call(4, [said("user", "e")], said("assistant", "f")), trace_id="d" * 32)
    wanted = Wanted(min_reward=0.5)
    assert _filtered(wanted, own, by_run, judged, alone) == [
        "2: its reward is too low",
        "4: no evaluation tells its reward",
    ]
    assert "1: no evaluation tells its reward" in _filtered(replace(wanted, reward="other"), own)


# --- sides ----------------------------------------------------------------------------------------------------------------


def _runs(count: int) -> list[Span]:
    return [
        replace(each, trace_id=f"{number:032x}", span_id=f"{number:08x}{place:08x}")
        for number in range(count)
        for place, each in enumerate(_loop(f"place {number // 2}", f"It is {number}."))
    ]


def test_all_calls_of_a_run_and_all_runs_of_a_task_are_on_one_side() -> None:
    report, _ = _made(*_runs(40), split=0.7, per="call")
    sides: dict[int, set[str]] = {}
    for each in report.examples:
        sides.setdefault(int(each.span.trace_id, 16) // 2, set()).add(each.side)
    assert {len(found) for found in sides.values()} == {1}
    assert set().union(*sides.values()) == {"train", "test"}


def test_a_split_stays_as_it_is_when_runs_come_and_changes_with_the_seed() -> None:
    def sides(count: int, seed: int = 0) -> dict[str, str]:
        report, _ = _made(*_runs(count), split=0.7, seed=seed)
        return {each.span.trace_id: each.side for each in report.examples}

    few, many = sides(20), sides(40)
    assert few == {run: many[run] for run in few}
    assert many != sides(40, seed=1)
    assert 20 < list(many.values()).count("train") < 36


# --- secrets ----------------------------------------------------------------------------------------------------------------


def test_a_secret_of_an_old_recording_gets_into_no_row() -> None:
    key = "sk-proj-" + hashlib.sha256(b"older than the rules").hexdigest()
    word = hashlib.sha256(b"a password").hexdigest()[:20]
    spans = (
        _call(
            1,
            [said("user", f"My key is {key}\nkeep it.")],
            said("assistant", {**_ASKS, "arguments": {"password": word}}),
        ),
    )
    for name in FORMATS:
        report, rows = _made(*spans, form=name)
        written = content_of(rows, name).decode()
        assert key not in written, name
        assert word not in written, name
        assert rows == [] or report.secrets_removed >= 1, name
    assert _made(*spans)[0].secrets_removed == 2


def test_nothing_is_made_where_a_row_cannot_be_cleaned() -> None:
    def across(text: str) -> Sequence[tuple[int, int]]:
        at = text.find('"role":"user"')
        return [(at, at + 13)] if at >= 0 else []

    rules = redactor({}, RedactionRules(finders=(across,)))
    with pytest.raises(NotClean, match="span 0000000000000001") as raised:
        made([("f", Trace(_loop()[:1]))], Making("openai"), rules)
    assert raised.value.span_id == f"{1:016x}"


# --- how long it takes --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["ragas", "deepeval", "ndjson"])
def test_the_spans_of_a_trace_are_gone_through_as_often_for_many_examples_as_for_few(form: str) -> None:
    def times(count: int) -> int:
        documents = {"gen_ai.operation.name": "retrieval", "gen_ai.retrieval.documents": '[{"content": "x"}]'}
        asked = [
            replace(_call(2 * number, (said("user", f"{number}?"),), said("assistant", "!")), trace_id=f"{number:032x}")
            for number in range(1, count + 1)
        ]
        found = [replace(span(2 * number - 1, documents), trace_id="f" * 32) for number in range(1, count + 1)]
        spans = Watched(sorted((*asked, *found), key=lambda each: each.start_ns))
        trace = Trace(spans, lambda _: 0.1)
        report, _ = made([("f", trace)], Making(form, wanted=Wanted(outcome="success", max_cost=1.0)), _RULES)
        assert len(report.examples) == count
        return spans.times

    assert times(20) == times(2)


def test_when_a_call_was_is_not_told_where_its_source_tells_only_the_order() -> None:
    (bare,) = _loop()[:1]
    untimed = replace(
        bare, attributes={**bare.attributes, "gen_ai.response.id": "r9", "agenttrace.time.unknown": "all"}
    )
    _, rows = _made(bare, untimed, form="ndjson")
    assert [row["start_unix_nano"] for row in rows] == [bare.start_ns, None]
