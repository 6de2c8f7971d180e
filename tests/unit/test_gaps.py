"""Planted gaps of each kind are found, and only they; how bad they are, and whether they may be chance."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from typing import Any

import pytest

from otel_agenttrace.analyze.gap_limits import LIMITS, limits_from
from otel_agenttrace.analyze.gap_runs import records_of
from otel_agenttrace.analyze.gap_tests import inflation_test, share_test
from otel_agenttrace.analyze.gaps import GapReport, gaps_between
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.report.gaps import gaps_page
from otel_agenttrace.report.page import page_markdown
from tests.support.agent_runs import Tool, agent_run, traced

_TOOLS: list[Tool] = [("search", {"q": "a"}), ("read", {"p": 1}), ("answer", {"t": "b"})]


def _side(make: Callable[[int], Sequence[Span]], count: int = 8) -> list[tuple[str, str, Trace]]:
    return [(f"t{number}", f"side/t{number}", traced(make(number))) for number in range(count)]


def _compared(candidate: Callable[[int], Sequence[Span]], count: int = 8, **limits: float) -> GapReport:
    baseline = records_of(_side(_run, count))
    return gaps_between(baseline, records_of(_side(candidate, count)), limits_from(limits))


def _run(number: int, tools: Sequence[Tool] = _TOOLS, **more: Any) -> Sequence[Span]:
    return agent_run(number, tools, **{"tokens": (100 + number, 10), **more})


_PLANTED: dict[str, tuple[Callable[[int], Sequence[Span]], set[str], str]] = {
    "tokens": (
        lambda n: _run(n, tokens=(300 + n, 30)),
        {"token_inflation", "cost_inflation"},
        "critical",
    ),
    "calls": (
        lambda n: _run(n, extra_calls=4, tokens=(44 + n // 2, 9)),
        {"llm_call_inflation"},
        "critical",
    ),
    "latency": (lambda n: _run(n, latency_s=2.0), {"latency_inflation"}, "warning"),
    "errors": (lambda n: _run(n, failing={1}), {"error_rate"}, "warning"),
    "missing": (lambda n: _run(n, [_TOOLS[0], ("search", {"q": "c"}), _TOOLS[2]]), {"missing_tool"}, "warning"),
    "extra": (lambda n: _run(n, [*_TOOLS[:2], ("browse", {})]), {"extra_tool", "missing_tool"}, "warning"),
    "model": (lambda n: _run(n, model="other"), {"model_mismatch"}, "info"),
    "prompt": (lambda n: _run(n, instructions="You do not help."), {"prompt_drift"}, "warning"),
    "duplicates": (
        lambda n: _run(n, [*_TOOLS[:2], *_TOOLS[1:]], tokens=(78 + n, 10)),
        {"duplicate_calls", "llm_call_inflation"},
        "warning",
    ),
}


@pytest.mark.parametrize("planted", _PLANTED)
def test_a_planted_gap_is_found_and_only_it(planted: str) -> None:
    make, rules, severity = _PLANTED[planted]
    report = _compared(make)
    assert {gap.rule for gap in report.gaps} == rules
    assert report.gaps[0].severity == severity
    assert all(gap.test.significant for gap in report.gaps)
    assert all(gap.evidence and gap.span_ids for gap in report.gaps)


def test_loops_are_found_beside_what_they_bring() -> None:
    circle = [(name, {"n": place}) for place, name in enumerate(("search", "read") * 3)]
    report = _compared(lambda n: _run(n, [*circle, _TOOLS[2]]))
    (gap,) = (gap for gap in report.gaps if gap.rule == "loop_tendency")
    assert (gap.severity, gap.baseline, gap.candidate) == ("critical", 0.0, 1.0)
    assert {gap.rule for gap in report.gaps} == {
        "loop_tendency",
        "llm_call_inflation",
        "token_inflation",
        "cost_inflation",
    }


def test_the_same_runs_have_no_gap() -> None:
    report = _compared(_run)
    assert (report.gaps, report.not_compared, report.only_baseline, report.only_candidate) == ((), (), (), ())
    assert page_markdown(gaps_page(report)).startswith("no gap\n")


def test_fewer_tokens_errors_and_calls_are_no_gap() -> None:
    worse = records_of(_side(lambda n: _run(n, tokens=(500, 50), failing={0}, extra_calls=3)))
    report = gaps_between(worse, records_of(_side(_run)))
    assert report.gaps == ()


def test_a_gap_has_its_size_and_its_spans() -> None:
    gap = _compared(lambda n: _run(n, tokens=(200 + 2 * n, 20))).gaps[0]
    assert (gap.rule, gap.ratio, gap.baseline, gap.candidate, gap.difference) == (
        "token_inflation",
        2.0,
        454.0,
        908.0,
        454.0,
    )
    assert (gap.test.method, gap.test.low, gap.test.high) == ("paired t", 2.0, 2.0)
    assert gap.evidence[0].file == "side/t7"
    assert (gap.message, gap.severity) == ("a run takes 2.00 times the tokens: 908 instead of 454", "critical")


def test_a_missing_tool_is_shown_where_the_baseline_calls_it() -> None:
    (gap,) = _compared(lambda n: _run(n, [_TOOLS[0], ("search", {"q": "c"}), _TOOLS[2]])).gaps
    assert (gap.subject, gap.baseline, gap.candidate, gap.evidence[0].side) == ("read", 1.0, 0.0, "baseline")


@pytest.mark.parametrize("count", [1, 2])
def test_what_few_runs_cannot_test_is_critical_only_by_a_limit_that_is_set(count: int) -> None:
    def severities(**limits: float) -> list[tuple[str, str, str]]:
        report = _compared(lambda n: _run(n, tokens=(300, 30)), count, **limits)
        return [(gap.rule, gap.severity, gap.test.note) for gap in report.gaps]

    few = f"too few runs to test: {count} against {count}, 3 of each are enough"
    milder = f"{few}; so no more than a warning, unless its limit is set"
    assert severities() == [("token_inflation", "warning", milder), ("cost_inflation", "warning", milder)]
    assert severities(token_inflation=1.5) == [
        ("token_inflation", "critical", few),
        ("cost_inflation", "warning", milder),
    ]


def test_a_gap_that_may_be_chance_is_one_step_milder() -> None:
    report = _compared(lambda n: _run(n, tokens=(100 if n % 4 else 900, 10)))
    gap = report.gaps[0]
    assert (gap.rule, gap.severity, gap.test.significant) == ("token_inflation", "warning", False)
    assert gap.test.low is not None
    assert gap.test.low < 1 < 1.5 < (gap.ratio or 0)
    assert "may be chance, so one step milder" in page_markdown(gaps_page(report))


def test_an_info_that_may_be_chance_is_no_gap() -> None:
    assert _compared(lambda n: _run(n, tokens=(150 + n if n < 2 else 100 + n, 10))).gaps == ()


def test_amounts_that_are_not_known_are_told_and_never_nothing() -> None:
    report = _compared(lambda n: _run(n, tokens=None if n < 3 else (100 + n, 10)))
    assert {(each.rule, each.reason) for each in report.not_compared} == {
        ("token_inflation", "not known of 3 of 8 runs of the candidate"),
        ("cost_inflation", "not known of 3 of 8 runs of the candidate"),
    }
    assert report.gaps == ()
    unknown = _compared(
        lambda n: _run(n, tokens=None, instructions=None, tools=[("search", None), ("read", None), ("answer", None)])
    )
    assert {each.rule for each in unknown.not_compared} == {
        "token_inflation",
        "cost_inflation",
        "prompt_drift",
        "duplicate_calls",
    }


def test_a_model_that_failed_has_no_other_name() -> None:
    assert not [gap for gap in _compared(lambda n: _run(n, failing_model={3})).gaps if gap.rule == "model_mismatch"]


def test_instructions_that_differ_from_task_to_task_are_no_drift() -> None:
    def told(number: int) -> Sequence[Span]:
        return _run(number, instructions=f"You help {'abcdefgh'[number]}.")

    same = gaps_between(records_of(_side(told)), records_of(_side(told)))
    assert same.gaps == ()
    moved = [(f"x{task}", file, trace) for task, file, trace in _side(told)]
    assert gaps_between(records_of(_side(told)), records_of(moved)).gaps == ()


def test_several_runs_of_one_file_may_have_other_instructions() -> None:
    def runs(*instructions: str) -> list[tuple[str, str, Trace]]:
        spans = [_run(number, instructions=told) for number, told in enumerate(instructions)]
        return [("t", "side/t", traced(*spans))]

    same = gaps_between(records_of(runs("Be short.", "Be kind.")), records_of(runs("Be kind.", "Be short.")))
    assert same.gaps == ()
    other = gaps_between(records_of(runs("Be short.", "Be kind.")), records_of(runs("Be kind.", "Be rude.")))
    assert [(gap.rule, gap.candidate) for gap in other.gaps] == [("prompt_drift", 0.5)]


def test_times_and_ids_in_instructions_are_no_drift() -> None:
    baseline = records_of(_side(lambda n: _run(n, instructions="It is 2026-11-30T09:25:53Z.")))
    candidate = records_of(_side(lambda n: _run(n, instructions="It is 2026-12-01T10:00:00Z.")))
    assert gaps_between(baseline, candidate).gaps == ()


def test_files_of_one_side_alone_are_named() -> None:
    report = gaps_between(records_of(_side(_run, 3)), records_of(_side(_run, 2)))
    assert (report.only_baseline, report.only_candidate) == (("t2",), ())


def test_nothing_is_compared_with_nothing() -> None:
    assert gaps_between((), records_of(_side(_run))).gaps == ()


# --- tests and limits -------------------------------------------------------------------------------------------------


def test_pairs_show_an_inflation_that_differences_between_tasks_would_hide() -> None:
    sizes = [10.0, 100.0, 1_000.0, 10_000.0, 100_000.0]
    baseline = {str(place): [size] for place, size in enumerate(sizes)}
    doubled = {
        str(place): [size * factor] for (place, size), factor in zip(enumerate(sizes), (1.9, 2, 2.1, 2, 2), strict=True)
    }
    paired = inflation_test(baseline, doubled)
    assert (paired.method, paired.significant) == ("paired t", True)
    assert (paired.low or 0) < 2 < (paired.high or 0)
    unpaired = inflation_test(baseline, {f"x{task}": amounts for task, amounts in doubled.items()})
    assert (unpaired.method, unpaired.significant) == ("Welch", False)


def test_three_runs_of_each_are_tested() -> None:
    alike = inflation_test({"a": [100, 110, 95]}, {"b": [310, 290, 300]})
    assert (alike.method, alike.significant) == ("Welch", True)
    assert inflation_test({"a": [100, 400, 90]}, {"b": [310, 120, 900]}).significant is False
    paired = inflation_test({"a": [1], "b": [10], "c": [100]}, {"a": [2], "b": [21], "c": [198]})
    assert (paired.method, paired.significant) == ("paired t", True)
    assert inflation_test({"a": [100, 110]}, {"a": [300, 310]}).method == "none"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 6])
def test_two_halves_of_the_same_runs_are_rarely_critical(count: int) -> None:
    """Of 60 splits of runs whose tokens, tools, errors and times vary, at most six."""
    chance = Random(count)

    def varied(number: int) -> tuple[str, str, Trace]:
        tools = [(chance.choice(("search", "search", "read", "edit")), {"q": chance.randrange(6)}) for _ in range(5)]
        tokens = (int(chance.lognormvariate(5, 0.6)), int(chance.lognormvariate(3, 0.6)))
        failing = {place for place in range(5) if chance.random() < 0.12}
        made = _run(number, tools, tokens=tokens, failing=failing, latency_s=chance.lognormvariate(0, 0.7))
        return f"t{number}", f"side/t{number}", traced(made)

    critical = 0
    for _ in range(60):
        runs = [varied(number) for number in range(2 * count)]
        report = gaps_between(records_of(runs[:count]), records_of(runs[count:]), LIMITS)
        critical += any(gap.severity == "critical" for gap in report.gaps)
    assert critical <= 6


def test_shares_are_tested_by_fisher() -> None:
    tea = share_test(1, 8, 6, 8)  # of 16 runs 7 have it: P(6 or 7 among the second 8) = (28 · 8 + 8) / 11440
    assert tea.p == pytest.approx((28 * 8 + 8) / 11440, abs=1e-6)
    assert tea.significant is True
    assert share_test(1, 5, 3, 5).significant is False
    assert share_test(0, 4, 4, 4).p == pytest.approx(1 / 70, abs=1e-6)
    assert share_test(0, 2, 8, 8).significant is True
    assert share_test(0, 3, 3, 3).significant is True  # all against none has a chance of 1 in 20
    assert share_test(0, 2, 3, 3).method == "none"  # 1 in 10
    assert share_test(0, 2_000, 900, 2_000).significant is True


def test_limits_come_from_settings_and_options() -> None:
    limits = limits_from({"token_inflation": 3, "error_rate": {"warning": 0.2}}, ["token_inflation=1.05"])
    assert limits["token_inflation"].critical == limits["token_inflation"].warning == 1.05
    assert (limits["error_rate"].info, limits["error_rate"].warning) == (0.01, 0.2)
    assert limits["cost_inflation"] == LIMITS["cost_inflation"]
    assert (limits["token_inflation"].is_own, limits["error_rate"].is_own) == (True, False)
    assert limits_from({}, ["model_mismatch=0.5"])["model_mismatch"].severity(0.6) == "critical"


@pytest.mark.parametrize(
    ("option", "told"),
    [
        ("token_inflaton=2", "Did you mean 'token_inflation'"),
        ("token_inflation.warnin=2", "Did you mean 'warning'"),
        ("token_inflation", "is no limit"),
        ("token_inflation=much", "is no limit"),
        ("token_inflation=nan", "is no limit"),
        ("token_inflation=-1", "is no limit"),
    ],
)
def test_a_limit_that_is_none_is_named(option: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        limits_from({}, [option])
