"""Facts about the comparison of two runs: its laws, each kind of change planted in a long run, groups, retries, folders, sets of runs."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from random import Random
from typing import Any, Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from otel_agenttrace.analyze.alignment import aligned, common
from otel_agenttrace.analyze.diffing import Changed
from otel_agenttrace.analyze.diffs import DiffSettings, TraceDiff, diff_of
from otel_agenttrace.analyze.folders import folder_diff, runs_diff
from otel_agenttrace.analyze.tool_calls import tool_calls
from otel_agenttrace.analyze.wording import word_diff
from otel_agenttrace.jsonvalue import array, obj
from otel_agenttrace.model import Call, CallReader, Exchange, HttpRequest, Span, Trace
from otel_agenttrace.report.diffed import diff_page, folder_page, runs_page
from otel_agenttrace.report.page import page_markdown
from otel_agenttrace.report.plain import plain
from otel_agenttrace.selectors import parse_selector
from tests.support.made_runs import Made, asks, said

_MS: Final = 1_000_000


def _inference(number: int, asked: Sequence[Mapping[str, Any]], answer: str, **told: Any) -> Span:
    said = [{"role": "assistant", "parts": [{"type": "text", "content": answer}]}]
    attributes = {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.request.temperature": 0.5,
        "gen_ai.system_instructions": json.dumps([{"type": "text", "content": "Be brief and kind."}]),
        "gen_ai.input.messages": json.dumps(asked),
        "gen_ai.output.messages": json.dumps(said),
        "gen_ai.tool.definitions": json.dumps([{"name": "search", "description": "Looks it up."}]),
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 100 + number,
        "gen_ai.usage.output_tokens": 10,
        **told,
    }
    return _span(number, "chat gpt-4o", attributes)


def _tool(number: int, name: str, arguments: object, result: object, **told: Any) -> Span:
    attributes = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": name,
        "gen_ai.tool.call.id": f"call_{number:024x}",
        "gen_ai.tool.call.arguments": json.dumps(arguments),
        "gen_ai.tool.call.result": json.dumps(result),
        **told,
    }
    return _span(number, f"execute_tool {name}", attributes)


def _span(number: int, name: str, attributes: Mapping[str, Any], ms: int = 5) -> Span:
    start = number * 10 * _MS
    return Span("a" * 32, f"{number + 1:016x}", name, start, start + ms * _MS, "f" * 16, attributes=attributes)


def _root(end: int) -> Span:
    attributes = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "guide"}
    return Span("a" * 32, "f" * 16, "invoke_agent guide", 0, end * 10 * _MS, attributes=attributes)


def _said(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "parts": [{"type": "text", "content": content}]}


def _long_run() -> list[Span]:
    """Return 200 spans: an agent that asks a model and a tool in turn; what a model answers is in what it reads next."""
    spans = [_root(1_000)]
    talk = [_said("user", "Where is it warm?"), _said("user", "I have a week and little money.")]
    for number in range(1, 200):
        if number % 2:
            spans.append(_inference(number, list(talk), f"thought {number}"))
            talk.append(_said("assistant", f"thought {number}"))
        else:
            spans.append(
                _tool(number, "search", {"q": f"city {number}", "at": 1}, {"found": [number, f"town {number}"]})
            )
            talk.append(_result(number))
    return spans


def _result(number: int) -> dict[str, Any]:
    part = {
        "type": "tool_call_response",
        "id": f"call_{number:024x}",
        "response": {"found": [number, f"town {number}"]},
    }
    return {"role": "tool", "parts": [part]}


def _trace(spans: Sequence[Span]) -> Trace:
    return Trace(tuple(sorted(spans, key=lambda span: span.start_ns)))


# --- laws -------------------------------------------------------------------------------------------------------------

_TEXTS = st.sampled_from(["a", "b c", "a b c d", "x 1"])
_STEPS = st.one_of(
    st.builds(lambda ask, answer: ("ask", ask, answer), _TEXTS, _TEXTS),
    st.builds(lambda name, argument, gave: (name, argument, gave), st.sampled_from(["search", "book"]), _TEXTS, _TEXTS),
)
_RUNS = st.lists(st.tuples(_STEPS, st.booleans(), st.booleans()), max_size=9)


def _run(told: Sequence[Any]) -> Trace:
    spans: list[Span] = [_root(200)]
    for number, ((kind, given_, gave), is_error, is_beside) in enumerate(told, 1):
        made = _inference(number, [_said("user", given_)], gave) if kind == "ask" else _tool(number, kind, given_, gave)
        made = replace(made, status="ERROR", status_message="broken") if is_error else made
        spans.append(replace(made, end_ns=made.start_ns + 12 * _MS) if is_beside else made)
    return _trace(spans)


@given(_RUNS)
def test_a_run_is_the_same_as_itself(told: Sequence[Any]) -> None:
    diff = diff_of(_run(told), _run(told))
    assert diff.is_same
    assert (diff.changes, diff.first_divergence, diff.tools) == ((), None, {})
    assert {step.mark for step in diff.steps} == {"same"}


_TURNED: Final = {"added": "removed", "removed": "added"}


def _seen(changes: Sequence[Changed], *, turned: bool) -> list[tuple[str, ...]]:
    found: list[tuple[str, ...]] = []
    for change in changes:
        sides = [f"{change.old_span} {change.old}", f"{change.new_span} {change.new}"]
        kind = _TURNED.get(change.kind, change.kind) if turned else change.kind
        became = change.what.replace("injected", "?").replace("dropped", "?").replace("truncated", "changed")
        found.append((kind, became, *(sides[::-1] if turned else sides)))
    return sorted(found)


@settings(max_examples=200)
@given(_RUNS, _RUNS)
def test_a_comparison_is_the_same_from_both_sides(told: Sequence[Any], other: Sequence[Any]) -> None:
    one, two = diff_of(_run(told), _run(other)), diff_of(_run(other), _run(told))
    assert _seen(one.changes, turned=False) == _seen(two.changes, turned=True)


@given(st.lists(st.integers(0, 4), max_size=30), st.lists(st.integers(0, 4), max_size=30))
def test_an_alignment_rises_on_both_sides_and_pairs_what_is_the_same(left: list[int], right: list[int]) -> None:
    pairs = common(left, right)
    assert all(left[one] == right[other] for one, other in pairs)
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(pairs))


def test_a_sharper_sense_pairs_first() -> None:
    left, right = ["a1", "a2"], ["a2", "a3"]
    assert aligned(left, right, (lambda word: word,)) == ((1, 0),)
    assert aligned(left, right, (lambda word: word[0],)) == ((0, 0), (1, 1))


def test_what_stands_alone_between_two_pairs_is_compared_in_its_widest_sense_first() -> None:
    asked: list[str] = []

    def sharper(word: str) -> str:
        asked.append(word)
        return word[:2]

    senses = (lambda word: word, sharper, lambda word: word[:1])
    assert aligned(["a", "b1x", "c"], ["a", "b2y", "c"], senses) == ((0, 0), (1, 1), (2, 2))
    assert asked == []
    assert aligned(["a", "b1", "c"], ["a", "d2", "c"], senses) == ((0, 0), (2, 2))
    assert asked == ["b1", "d2"]


# --- a planted change of each kind ------------------------------------------------------------------------------------


def _with(span: Span, **told: Any) -> Span:
    return replace(span, attributes={**span.attributes, **{name.replace("__", "."): told[name] for name in told}})


def _messages(span: Span) -> list[Any]:
    return json.loads(str(span.attributes["gen_ai.input.messages"]))


def _asked_anew(spans: list[Span], change: Callable[[list[Any]], object]) -> list[Span]:
    """Return the run with what each model is given from place 101 on changed."""
    for place, span in enumerate(spans):
        if place >= 101 and place % 2:
            told = _messages(span)
            change(told)
            spans[place] = _with(span, gen_ai__input__messages=json.dumps(told))
    return spans


def _put(spans: list[Span], place: int, span: Span) -> list[Span]:
    return [*spans[:place], span, *spans[place + 1 :]]


def _answered(spans: list[Span]) -> list[Span]:
    """Change an answer, and with it what all later calls read."""
    changed = json.dumps([_said("assistant", "thought otherwise")])
    spans = _put(spans, 99, _with(spans[99], gen_ai__output__messages=changed))

    def read(told: list[Any]) -> None:
        place = next(number for number, each in enumerate(told) if each["parts"][0].get("content") == "thought 99")
        told[place] = _said("assistant", "thought otherwise")

    return _asked_anew(spans, read)


def _moved(spans: list[Span]) -> list[Span]:
    late = spans[102].start_ns + 6 * _MS
    return _put(spans, 100, replace(spans[100], start_ns=late, end_ns=late + _MS))


def _retried(spans: list[Span]) -> list[Span]:
    """Put a failed attempt before the tool of place 100."""
    tool = spans[100]
    failed = replace(tool, span_id="e" * 16, start_ns=tool.start_ns - 4 * _MS, end_ns=tool.start_ns - 1 * _MS)
    spans[99] = replace(spans[99], end_ns=spans[99].start_ns + _MS)
    return [*spans, replace(failed, status="ERROR", attributes={**failed.attributes, "error.type": "Timeout"})]


_TOLD: Final = "gen_ai__tool__call__"
_PLANTED: Final[Mapping[str, tuple[Callable[[list[Span]], list[Span]], tuple[str, str]]]] = {
    "added": (lambda s: [*s, replace(_tool(100, "book", {"x": 1}, "ok"), span_id="e" * 16, start_ns=1_006 * _MS)], ("added", "")),
    "removed": (lambda s: [*s[:100], *s[101:]], ("removed", "")),
    "retry": (_retried, ("added", "")),
    "order": (_moved, ("order", "")),
    "agent": (lambda s: _put(s, 0, _with(s[0], gen_ai__agent__name="other")), ("agent", "")),
    "model": (lambda s: _put(s, 99, _with(s[99], gen_ai__request__model="gpt-5")), ("model", "")),
    "answering model": (lambda s: _put(s, 99, _with(s[99], gen_ai__response__model="gpt-5")), ("model", "answering")),
    "parameter": (lambda s: _put(s, 99, _with(s[99], gen_ai__request__temperature=0.6)), ("parameters", "temperature")),
    "system": (
        lambda s: _put(s, 99, _with(s[99], gen_ai__system_instructions='[{"type": "text", "content": "Be rude."}]')),
        ("system", ""),
    ),
    "definition": (
        lambda s: _put(s, 99, _with(s[99], gen_ai__tool__definitions='[{"name": "search"}]')),
        ("definitions", "search changed"),
    ),
    "injected": (lambda s: _asked_anew(s, lambda told: told.insert(1, _said("user", "new"))), ("messages", "user message injected")),
    "dropped": (lambda s: _asked_anew(s, lambda told: told.pop(0)), ("messages", "user message dropped")),
    "truncated": (
        lambda s: _asked_anew(s, lambda told: told.__setitem__(1, _said("user", "I have a week…"))),
        ("messages", "user message truncated"),
    ),
    "message": (
        lambda s: _asked_anew(s, lambda told: told.__setitem__(1, _said("user", "I have a day and little money."))),
        ("messages", "user message changed"),
    ),
    "arguments": (
        lambda s: _put(s, 100, _with(s[100], **{f"{_TOLD}arguments": '{"q": "city 100", "at": 2}'})),
        ("arguments", "/at"),
    ),
    "result": (
        lambda s: _put(s, 100, _with(s[100], **{f"{_TOLD}result": '{"found": [100, "no town"]}'})),
        ("result", "/found/1"),
    ),
    "text": (_answered, ("text", "")),
    "finish": (lambda s: _put(s, 99, _with(s[99], gen_ai__response__finish_reasons=("length",))), ("finish", "")),
    "error": (lambda s: _put(s, 100, replace(s[100], status="ERROR", status_message="no")), ("error", "")),
}  # fmt: skip


@pytest.mark.parametrize("name", _PLANTED)
def test_a_planted_change_is_found_and_only_it(name: str) -> None:
    plant, expected = _PLANTED[name]
    diff = diff_of(_trace(_long_run()), _trace(plant(_long_run())))
    assert [(change.kind, change.what) for change in diff.changes] == [expected]
    assert diff.has(frozenset({expected[0]}))
    assert not diff.is_same


def _with_groups(seed: int) -> list[Span]:
    """Return a run of a model and groups of parallel tools, some of which fail and are tried again."""
    chance, spans, place = Random(seed), [_root(2_000)], 0
    while len(spans) < 200:
        place += 1
        spans.append(_inference(5 * place, [_said("user", "Where is it warm?")], f"thought {place}"))
        for beside in range(chance.choice((1, 1, 2, 3, 4))):
            number = len(spans) + 1_000
            asked = {"q": chance.choice(("Rome", "Bern", f"city {number}"))}
            tool = _tool(number, chance.choice(("search", "book")), asked, {"found": f"town {number}"})
            start = (50 * place + 10 + beside) * _MS
            if chance.random() < 0.15:
                failed = replace(tool, span_id=f"{number + 5_000:016x}", start_ns=start, end_ns=start + 5 * _MS)
                spans.append(replace(failed, status="ERROR", status_message="no"))
                start += 6 * _MS
            spans.append(replace(tool, start_ns=start, end_ns=start + 20 * _MS))
    return spans


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 10_000), st.sampled_from(["", "added", "arguments", "error", "removed", "result"]))
def test_a_change_among_parallel_groups_and_retries_is_found_and_only_it(seed: int, kind: str) -> None:
    spans = _with_groups(seed)
    place = Random(seed).choice([at for at, span in enumerate(spans) if "execute" in span.name and not span.is_error])
    tool = spans[place]
    later = replace(tool, span_id="e" * 16, start_ns=(tool.end_ns or 0) + 1, end_ns=(tool.end_ns or 0) + 2)
    planted = {
        "": spans,
        "added": [*spans, _with(later, **{f"{_TOLD}arguments": '{"q": "extra"}'})],
        "arguments": _put(spans, place, _with(tool, **{f"{_TOLD}arguments": '{"q": "elsewhere"}'})),
        "error": _put(spans, place, replace(tool, status="ERROR", status_message="no")),
        "removed": [*spans[:place], *spans[place + 1 :]],
        "result": _put(spans, place, _with(tool, **{f"{_TOLD}result": '{"found": "nothing"}'})),
    }
    one, two = _trace(spans), _trace(planted[kind])
    assert [change.kind for change in diff_of(one, two).changes] == ([kind] if kind else [])
    assert [change.kind for change in diff_of(two, one).changes] == ([_TURNED.get(kind, kind)] if kind else [])


@pytest.mark.parametrize(
    "unchanged",
    [
        {f"{_TOLD}id": "call_" + "9" * 23 + "a"},
        {f"{_TOLD}result": '{"found": [100, "town 100"]} '},
        {"app__time": "2026-01-01T10:00:00Z"},
    ],
)
def test_what_changes_from_run_to_run_is_no_change(unchanged: Mapping[str, Any]) -> None:
    spans = _long_run()
    diff = diff_of(_trace(_long_run()), _trace(_put(spans, 100, _with(spans[100], **unchanged))))
    assert diff.is_same


def test_ids_in_results_count_if_it_is_to_be_exact() -> None:
    one, two = ([_root(9), _tool(1, "book", {}, {"id": f"req_{'4f9a' * 5}{end}"})] for end in ("0a", "1b"))
    assert diff_of(_trace(one), _trace(two)).is_same
    assert not diff_of(_trace(one), _trace(two), DiffSettings(exact=True)).is_same


def test_latency_stands_in_the_figures_and_is_no_change() -> None:
    slow = [
        replace(span, end_ns=(span.end_ns or 0) * 9) if span.parent_span_id is None else span for span in _long_run()
    ]
    diff = diff_of(_trace(_long_run()), _trace(slow))
    assert diff.is_same
    assert (diff.figures["duration_s"].old, diff.figures["duration_s"].new) == (10.0, 90.0)
    assert diff.has(frozenset({"latency"}))
    assert not diff.has(frozenset({"any"}))


# --- groups, retries, words -------------------------------------------------------------------------------------------


def _parallel(*tools: tuple[str, object]) -> Trace:
    spans = [_tool(number, "search", given_, gave) for number, (given_, gave) in enumerate(tools, 1)]
    return _trace(
        [_root(50), *(replace(span, start_ns=10 * _MS + at, end_ns=40 * _MS) for at, span in enumerate(spans))]
    )


def test_the_order_of_what_ran_at_the_same_time_is_no_change() -> None:
    assert diff_of(_parallel(("a", 1), ("b", 2), ("c", 3)), _parallel(("c", 3), ("a", 1), ("b", 2))).is_same


def test_a_changed_one_of_a_parallel_group_is_paired_with_what_it_was() -> None:
    diff = diff_of(_parallel(("a", 1), ("b", 2), ("c", 3)), _parallel(("z", 2), ("c", 3), ("a", 1)))
    assert [(change.kind, change.old, change.new) for change in diff.changes] == [("arguments", "b", "z")]


def test_a_retry_is_what_stands_alone_and_the_attempt_that_worked_is_paired() -> None:
    diff = diff_of(_trace(_long_run()), _trace(_retried(_long_run())))
    assert [(step.mark, step.new) for step in diff.steps if step.changes] == [("added", "tool search (failed)")]
    assert diff.outcome.startswith("parted at step 101, nothing → tool search (failed): 1 act added")


def test_where_the_same_step_stands_at_another_place_it_is_named_once() -> None:
    assert "→" not in diff_of(_trace(_long_run()), _trace(_moved(_long_run()))).outcome


def test_a_wrapper_that_only_one_run_has_is_looked_through() -> None:
    bare = [replace(span, parent_span_id=None) for span in _long_run()[1:]]
    diff = diff_of(_trace(_long_run()), _trace(bare))
    assert [(change.kind, change.old) for change in diff.changes] == [("removed", "agent guide")]


def test_an_ignored_kind_and_spans_of_a_selector_do_not_count() -> None:
    changed = _PLANTED["result"][0](_long_run())
    assert diff_of(_trace(_long_run()), _trace(changed), DiffSettings(frozenset({"result"}))).is_same
    left_out = DiffSettings(left_out=(parse_selector("tool=search"),))
    diff = diff_of(_trace(_long_run()), _trace(changed), left_out)
    assert diff.is_same
    assert len(diff.steps) == 101


def test_words_are_told_where_they_differ() -> None:
    assert word_diff("Take a hat to Bern.", "Take a coat to Bern.") == "Take a [-hat-]{+coat+} to Bern."
    assert word_diff("one two three", "four five six") == "[-one two three-]{+four five six+}"
    assert word_diff(" a b", " c b") == " [-a-]{+c+} b"  # a space that both begin with is no part of the change


# --- the same outcome -------------------------------------------------------------------------------------------------


def _semantic(old: Trace, new: Trace) -> TraceDiff:
    return diff_of(old, new, similarity=lambda a, b: 1.0 if a == b else 0.2, threshold=0.5, measured_by="a test")


def test_another_order_is_the_same_outcome_and_another_shape_of_arguments_is_not() -> None:
    one, two, answer = _tool(1, "a", {"x": 1}, 1), _tool(2, "b", {"y": "s"}, 1), _inference(5, [], "done")
    turned = [replace(two, start_ns=10 * _MS, end_ns=15 * _MS), replace(one, start_ns=20 * _MS, end_ns=25 * _MS)]
    same = _semantic(_trace([one, two, answer]), _trace([*turned, answer])).semantic
    assert same is not None
    assert same.is_same
    other = _semantic(_trace([one, answer]), _trace([_tool(1, "a", {"x": "1"}, 1), answer]))
    assert other.semantic is not None
    assert (other.semantic.removed, other.semantic.added) == (("a({x: number})",), ("a({x: string})",))
    assert other.has(frozenset({"outcome"}))


def test_an_answer_that_is_not_known_is_never_the_same_outcome() -> None:
    verdict = _semantic(_trace([_tool(1, "a", {}, 1)]), _trace([_tool(1, "a", {}, 1)])).semantic
    assert verdict is not None
    assert not verdict.is_same
    assert verdict.problem == "what the old run answered is not known"


# --- folders and sets of runs -----------------------------------------------------------------------------------------


def test_folders_are_compared_by_name() -> None:
    base = _trace(_long_run())
    changed = _trace(_answered(_long_run()))
    diff = folder_diff(
        {"a": base, "b": base, "gone": base},
        {"a": base, "b": changed, "came": base},
        ("old", "new"),
        lambda _, old, new: diff_of(old, new),
    )
    assert [(file.name, file.kind) for file in diff.files] == [
        ("a", "same"),
        ("b", "changed"),
        ("came", "new"),
        ("gone", "removed"),
    ]
    assert (diff.has(frozenset({"text"})), diff.has(frozenset({"model"}))) == (True, False)
    assert "`b`" in page_markdown(folder_page(diff))


def _trial(tokens: int, *, is_error: bool = False) -> Trace:
    call = _inference(1, [], "x", **{"gen_ai.usage.input_tokens": tokens})
    return _trace([replace(_root(50), status="ERROR" if is_error else "UNSET"), call])


def test_runs_that_take_more_beyond_chance_are_told_from_those_within() -> None:
    diff = runs_diff(
        [_trial(n) for n in (100, 104, 96, 101)], [_trial(n) for n in (150, 155, 149, 152)], ("old", "new")
    )
    assert diff.measures["input_tokens"].verdict == "more"
    assert diff.measures["llm_calls"].verdict == "within"
    interval = diff.measures["input_tokens"].difference
    assert interval is not None
    assert 51.25 in interval  # 151.5 - 100.25
    assert diff.has(frozenset({"tokens"}))
    few = runs_diff([_trial(100)], [_trial(150), _trial(151)], ("old", "new"))
    assert few.measures["input_tokens"].verdict == "too few runs to tell"
    assert few.success == "too few runs to tell"


def test_a_lower_rate_of_success_is_told_with_its_chance() -> None:
    good, bad = [_trial(n) for n in range(100, 108)], [_trial(100, is_error=True) for _ in range(8)]
    diff = runs_diff(good, bad, ("old", "new"))
    assert (diff.old_successes, diff.new_successes, diff.success) == (8, 0, "less")
    assert diff.chance == pytest.approx(1 / 12_870)  # 8 of 16 drawn, and all of them the good ones
    assert "too few" in page_markdown(runs_page(diff))


def test_the_report_has_a_page_and_json_with_stable_keys() -> None:
    diff = diff_of(_trace(_long_run()), _trace(_answered(_long_run())))
    told = plain(diff)
    assert isinstance(told, dict)
    assert list(told) == [
        "old", "new", "outcome", "is_same", "first_divergence", "counts", "changes", "figures", "tools", "steps",
        "unknown", "semantic",
    ]  # fmt: skip
    assert list(obj(array(told["changes"])[0])) == [
        "kind", "step", "act", "what", "old", "new", "words", "old_span", "new_span", "times",
    ]  # fmt: skip
    page = page_markdown(diff_page(diff))
    assert "the same path of 200 steps: 1 changed answer" in page
    assert "thought [-99-]{+otherwise+}" in page


# --- what a recording tells besides ---------------------------------------------------------------------------------------


def _recorded(times: int, key: str = "k") -> Trace:
    request = HttpRequest("POST", "https://api.openai.com", "/v1/chat/completions", '{"model":"gpt-4o","seed":1}')
    failed = Exchange(request, 0, 1, "complete", 500, (), b"{}")
    attempts = (*[failed] * (times - 1), replace(failed, status=200))
    span = _span(1, "chat gpt-4o", {"gen_ai.operation.name": "chat", "gen_ai.request.model": "gpt-4o"})
    return _trace([replace(span, read_call=CallReader(_Read(), Call(key, attempts), (key, str(times))))])


class _Read:
    """Calls that stand in their places."""

    def call(self, place: Call) -> Call:
        return place

    def attempts(self, place: Call) -> tuple[Exchange, ...]:
        return place.attempts

    def pieces(self, _: Call) -> None:
        return None

    def names(self, _: Call) -> None:
        return None

    def gist(self, _: Call) -> None:
        return None


def test_a_message_that_was_dropped_is_told_though_the_answer_it_was_has_another_id_in_each_run() -> None:
    old, new = (
        _with_id(f"call_{drawn * 12}", is_dropped=is_dropped) for drawn, is_dropped in (("7f", False), ("8e", True))
    )
    assert [(change.kind, change.what) for change in diff_of(old, new).changes] == [
        ("messages", "assistant tool call dropped")
    ]


def _with_id(drawn: str, *, is_dropped: bool) -> Trace:
    made = Made()
    hi, answered = said("user", "hi"), asks(("c1", "look", {"id": drawn}))
    made.chat("chat", [hi], answered)
    made.tool("look", "look", {"id": drawn}, "found", call_id="c1")
    made.chat("chat", [hi] if is_dropped else [hi, answered], said("assistant", "done"))
    return made.trace


def test_how_often_a_recorded_call_was_tried_is_a_change() -> None:
    diff = diff_of(_recorded(1), _recorded(3))
    assert [(change.kind, change.old, change.new) for change in diff.changes] == [("attempts", "1", "3")]


def test_a_call_with_the_same_digests_is_not_read() -> None:
    class Unread(_Read):
        def call(self, place: Call) -> Call:
            raise AssertionError("the content was read")

    span = _recorded(1).spans[0]
    told = {**span.attributes, "gen_ai.usage.input_tokens": 1}
    closed = replace(span, attributes=told, read_call=CallReader(Unread(), Call("k", ()), ("k", "1")))
    assert diff_of(_trace([closed]), _trace([closed])).is_same


def test_what_a_run_does_not_tell_is_named_as_not_compared() -> None:
    def run(*, is_told: bool) -> Trace:
        made = Made()
        asked, answered = [said("user", "hi")], asks(("c1", "a", {"x": 1}))
        made.chat("m", asked if is_told else None, answered if is_told else None)
        made.tool("t", "a", {"x": 1} if is_told else None, "r" if is_told else None)
        return made.trace

    models = (
        "what 1 call to models asked, which a run does not tell",
        "what 1 call to models answered, which a run does not tell",
    )
    tools = (
        "1 result of tools that one run does not tell",
        "what 1 call of tools got, which one run does not tell",
    )
    told, bare = run(is_told=True), run(is_told=False)
    assert diff_of(told, told).unknown == ()
    assert diff_of(told, bare).unknown == diff_of(bare, told).unknown == (*tools, *models)
    assert diff_of(bare, bare).unknown == models


def test_tools_that_ran_together_have_the_arguments_of_their_ids_whatever_came_first() -> None:
    asked = [{"type": "tool_call", "id": f"c{n}", "name": "search", "arguments": {"q": n}} for n in (1, 2)]
    model = _inference(1, [], "", **{"gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": asked}])})
    ran = [
        _tool(place, "search", None, "", **{"gen_ai.tool.call.arguments": None, "gen_ai.tool.call.id": call_id})
        for place, call_id in ((2, "c2"), (3, "c1"))
    ]
    assert [call.arguments for call in tool_calls(_trace([model, *ran]))] == [{"q": 2}, {"q": 1}]


def test_a_tool_that_does_not_tell_its_arguments_has_those_it_was_asked_with() -> None:
    asked = [{"type": "tool_call", "id": "c1", "name": "search", "arguments": {"q": "warm"}}]
    answer = json.dumps([{"role": "assistant", "parts": asked}])
    model = _inference(1, [], "", **{"gen_ai.output.messages": answer})
    tool = _tool(2, "search", None, "found", **{"gen_ai.tool.call.arguments": None})
    (call,) = tool_calls(_trace([model, tool]))
    assert (call.arguments, call.result, call.is_executed) == ({"q": "warm"}, "found", True)
    twice = tool_calls(_trace([model, tool, replace(tool, span_id="e" * 16)]))
    assert [call.arguments for call in twice] == [None, None]  # which of them was asked for is not known
