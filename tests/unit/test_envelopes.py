"""What the trials of a test took, what they let expect, and how a later run is judged by it."""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.console import Console

from otel_agenttrace import semconv
from otel_agenttrace.analyze.envelopes import Envelope, Spread, ToolRange, Trial, envelope_from, envelope_of
from otel_agenttrace.analyze.estimates import Interval
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.judging import judge, judge_success
from otel_agenttrace.analyze.measures import MEASURES, run_figures
from otel_agenttrace.errors import ConfigError
from otel_agenttrace.model import AttributeValue, Call, Exchange, HttpRequest, RaisedError, Span, Trace
from otel_agenttrace.report.envelopes import envelope_lines, measures_table, tools_table

SECOND = 1_000_000_000
PRICE_PER_TOKEN = 0.000_01


def chat(
    number: int,
    tokens: tuple[int | None, int | None] = (100, 20),
    model: str = "gpt-4o",
    more: Mapping[str, AttributeValue] | None = None,
    operation: str = semconv.OPERATION_CHAT,
    call: Call | None = None,
) -> Span:
    told: dict[str, AttributeValue] = {
        semconv.GEN_AI_OPERATION_NAME: operation,
        semconv.GEN_AI_REQUEST_MODEL: model,
        semconv.GEN_AI_USAGE_INPUT_TOKENS: tokens[0],
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: tokens[1],
        **(more or {}),
    }
    attributes = {name: value for name, value in told.items() if value is not None}
    start = number * SECOND
    return Span(
        "a" * 32,
        f"{number:016x}",
        f"chat {model}",
        start,
        start + SECOND,
        attributes=attributes,
        read_call=None if call is None else lambda: call,
    )


def tool(number: int, name: str) -> Span:
    told = {semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_EXECUTE_TOOL, semconv.GEN_AI_TOOL_NAME: name}
    return Span(
        "a" * 32, f"{number:016x}", f"execute_tool {name}", number * SECOND, (number + 1) * SECOND, attributes=told
    )


def by_tokens(span: Span) -> float | None:
    total = span.usage.total_tokens
    return None if total is None else total * PRICE_PER_TOKEN


def run(
    tokens: Sequence[int] = (100, 100),
    tools: Sequence[str] = ("search",),
    model: str = "gpt-4o",
    *,
    priced: bool = True,
) -> Trace:
    """Return a run with a call to a model for each number of input tokens, and then its tools."""
    calls = [chat(number, (given, 20), model) for number, given in enumerate(tokens)]
    used = [tool(number, name) for number, name in enumerate(tools, len(calls))]
    return Trace((*calls, *used), by_tokens if priced else lambda _: None)


def trials(*runs: Trace) -> list[Trial]:
    return [Trial(each) for each in runs]


def told(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    return [(finding.rule, finding.severity) for finding in findings]


STEADY = [run((given, 100)) for given in (100, 110, 90, 105, 95)]
ENVELOPE = envelope_from(trials(*STEADY))


# --- what a run took --------------------------------------------------------------------------------------------------


def test_a_run_is_told_by_its_calls_tokens_cost_and_time() -> None:
    figures = run_figures(run((100, 300), ("search", "search", "book")))
    assert figures.amounts == {
        "llm_calls": 2,
        "tool_calls": 3,
        "input_tokens": 400,
        "output_tokens": 40,
        "total_tokens": 440,
        "cost_usd": 0.0044,
        "duration_s": 5.0,
    }
    assert figures.tools == {"search": 2, "book": 1}
    assert figures.models == {"gpt-4o"}


def test_a_run_that_called_no_model_took_no_tokens_and_no_money_and_no_known_time() -> None:
    assert run_figures(Trace()).amounts == {**dict.fromkeys(MEASURES, 0), "duration_s": None}


def test_the_model_is_what_answered_else_what_was_asked_for() -> None:
    answered = {semconv.GEN_AI_RESPONSE_MODEL: "gpt-4o-2024-08-06"}
    assert run_figures(Trace((chat(1, more=answered), chat(2)))).models == {"gpt-4o-2024-08-06", "gpt-4o"}


def test_a_sum_of_which_a_part_is_not_known_is_not_known() -> None:
    amounts = run_figures(Trace((chat(1), chat(2, (None, None)), chat(3, (5, None))), by_tokens)).amounts
    assert [amounts[name] for name in ("input_tokens", "output_tokens", "total_tokens", "cost_usd")] == [None] * 4
    half = run_figures(Trace((chat(1), chat(2, (5, None))), by_tokens)).amounts
    assert (half["input_tokens"], half["output_tokens"], half["total_tokens"]) == (105, None, None)


def test_an_unended_span_leaves_the_time_unknown() -> None:
    open_span = Span("a" * 32, "f" * 16, "agent", 0)
    assert run_figures(Trace((open_span, chat(1)))).amounts["duration_s"] is None


def test_embeddings_have_no_output() -> None:
    embedded = Trace((chat(1, (7, None), operation=semconv.OPERATION_EMBEDDINGS),), by_tokens)
    assert run_figures(embedded).amounts["total_tokens"] == 7


def exchanged(status: int | None, error: str = "") -> Call:
    request = HttpRequest("POST", "https://api.test", "/v1/chat/completions")
    raised = RaisedError(error, "", "httpx") if error else None
    return Call("key", (Exchange(request, 0, 1, "noresponse" if error else "complete", status, error=raised),))


@pytest.mark.parametrize(
    "unbilled",
    [
        chat(1, (None, None), more={semconv.ERROR_TYPE: "429"}),
        chat(1, (None, None), more={semconv.AGENTTRACE_REPLAY_OUTCOME: "miss"}),
        chat(1, (None, None), call=exchanged(503)),
        chat(1, (None, None), call=exchanged(None, "ConnectError")),
    ],
    ids=["refused", "missed", "refused-recorded", "unsent"],
)
def test_a_call_that_was_refused_or_never_sent_takes_no_tokens_and_no_money(unbilled: Span) -> None:
    amounts = run_figures(Trace((unbilled, chat(2)), by_tokens)).amounts
    assert (amounts["total_tokens"], amounts["cost_usd"]) == (120, 0.0012)


@pytest.mark.parametrize("call", [exchanged(200), exchanged(None, "ReadTimeout")], ids=["no-usage", "cut"])
def test_a_call_that_may_be_billed_and_tells_nothing_is_not_known(call: Call) -> None:
    amounts = run_figures(Trace((chat(1, (None, None), call=call), chat(2)), by_tokens)).amounts
    assert (amounts["total_tokens"], amounts["cost_usd"]) == (None, None)


# --- the envelope -----------------------------------------------------------------------------------------------------


def test_an_envelope_tells_how_each_measure_spread() -> None:
    reach = 2.776445105 * (62.5**0.5) * (1.2**0.5)
    assert ENVELOPE.measures["input_tokens"] == Spread(
        n=5,
        least=190,
        most=210,
        mean=200,
        deviation=7.906,
        quantiles={"p25": pytest.approx(193.333), "p50": 200, "p75": pytest.approx(206.667)},  # pyright: ignore[reportArgumentType] # stands for a float
        expected=Interval(round(200 - reach, 3), round(200 + reach, 3)),
    )
    assert (ENVELOPE.trials, ENVELOPE.successes, ENVELOPE.level) == (5, 5, 0.95)
    assert ENVELOPE.models == ("gpt-4o",)


def test_tools_are_told_by_how_many_trials_called_them_and_how_often() -> None:
    runs = (run(tools=("search",)), run(tools=("search", "search", "book")), run(tools=("search",)))
    assert envelope_from(trials(*runs)).tools == {"book": ToolRange(1, 0, 1), "search": ToolRange(3, 1, 2)}


def test_failed_trials_count_for_success_and_for_nothing_else() -> None:
    failed = Trial(run((9_000,), ("panic",), "other-model"), is_success=False)
    envelope = envelope_from([*trials(*STEADY), failed])
    assert (envelope.trials, envelope.successes) == (6, 5)
    assert (envelope.measures, envelope.tools, envelope.models) == (ENVELOPE.measures, ENVELOPE.tools, ENVELOPE.models)
    assert (round(envelope.success.low, 4), round(envelope.success.high, 4)) == (0.4365, 0.9699)


def test_a_measure_is_told_by_the_trials_that_know_it_and_by_none_is_missing() -> None:
    one_priced = envelope_from(trials(run(), run(priced=False), run(priced=False)))
    assert one_priced.measures["cost_usd"].n == 1
    assert one_priced.measures["cost_usd"].expected is None
    assert one_priced.measures["input_tokens"].n == 3
    assert "cost_usd" not in envelope_from(trials(run(priced=False), run(priced=False))).measures


def test_a_single_trial_lets_nothing_be_expected() -> None:
    assert {spread.expected for spread in envelope_from(trials(run())).measures.values()} == {None}


def test_what_is_expected_is_never_below_0() -> None:
    envelope = envelope_from(trials(run((1,)), run((5_000,))))
    assert all(spread.expected is not None and spread.expected.low >= 0 for spread in envelope.measures.values())


@pytest.mark.parametrize(("n", "is_expected"), [(2, True), (4, True), (5, False), (20, False)])
def test_one_call_more_than_a_count_that_never_varied_is_expected_of_fewer_than_5_trials(
    n: int, *, is_expected: bool
) -> None:
    expected = envelope_from(trials(*[run()] * n)).measures["llm_calls"].expected
    assert expected is not None
    assert (3 in expected) is is_expected
    assert 2 in expected


def test_no_trial_and_a_level_that_is_no_probability_are_refused() -> None:
    with pytest.raises(ConfigError, match="no trials"):
        envelope_from([])
    with pytest.raises(ConfigError, match="level of an envelope is 95"):
        envelope_from(trials(run()), level=95)


RUNS = st.builds(
    run,
    st.lists(st.integers(1, 100_000), max_size=5),
    st.lists(st.sampled_from(["search", "book", "pay"]), max_size=5),
    st.sampled_from(["gpt-4o", "claude"]),
    priced=st.booleans(),
)
TRIALS = st.lists(st.builds(Trial, RUNS, st.booleans()), min_size=1, max_size=12)


@settings(deadline=None)
@given(TRIALS)
def test_what_is_expected_holds_the_mean_and_the_mean_is_between_the_trials(told: list[Trial]) -> None:
    for spread in envelope_from(told).measures.values():
        assert spread.least <= spread.mean <= spread.most
        assert all(spread.least <= value <= spread.most for value in spread.quantiles.values())
        assert spread.expected is None or spread.mean in spread.expected


@settings(deadline=None)
@given(TRIALS, st.randoms(use_true_random=False))
def test_the_order_of_trials_does_not_count(told: list[Trial], chance: Any) -> None:
    shuffled = list(told)
    chance.shuffle(shuffled)
    assert json.dumps(envelope_from(shuffled).to_json()) == json.dumps(envelope_from(told).to_json())


@settings(deadline=None)
@given(TRIALS)
def test_no_successful_trial_of_its_own_is_outside(told: list[Trial]) -> None:
    envelope = envelope_from(told)
    findings = [finding for trial in told if trial.is_success for finding in judge(envelope, trial.trace)]
    assert [finding for finding in findings if "judged" not in finding.message] == []
    assert "critical" not in {finding.severity for finding in findings}


# --- its JSON ---------------------------------------------------------------------------------------------------------


@settings(deadline=None)
@given(TRIALS, st.sampled_from([0.8, 0.95, 0.99]))
def test_an_envelope_is_the_same_after_its_json_and_writes_the_same_again(told: list[Trial], level: float) -> None:
    envelope = envelope_from(told, level)
    written = json.dumps(envelope.to_json(), indent=2)
    again = envelope_of(json.loads(written))
    assert again == envelope
    assert json.dumps(again.to_json(), indent=2) == written
    assert written == json.dumps(envelope.to_json(), indent=2, sort_keys=True)


def test_the_json_has_stable_keys_and_short_numbers() -> None:
    envelope = envelope_from([*trials(run((100,)), run((101,)), run((101,))), Trial(run(), is_success=False)])
    document: Any = envelope.to_json()
    assert list(document) == ["level", "measures", "models", "successes", "tools", "trials", "version"]
    assert document["measures"]["cost_usd"] == {
        "deviation": 0.00000577,
        "expected": {"high": 0.00123535, "low": 0.00117798},
        "max": 0.00121,
        "mean": 0.00120667,
        "min": 0.0012,
        "n": 3,
        "quantiles": {"p25": 0.00120167, "p50": 0.00121, "p75": 0.00121},
    }
    assert document["tools"] == {"search": {"max": 1, "min": 1, "trials": 3}}
    assert (document["trials"], document["successes"], document["version"]) == (4, 3, 1)


def changed(path: str, value: Any) -> Any:
    """Return the JSON of an envelope with another value at a place; `...` removes it."""
    document: Any = json.loads(json.dumps(ENVELOPE.to_json()))
    *above, last = path.split("/")
    holder = document
    for name in above:
        holder = holder[name]
    if value is ...:
        del holder[last]
    else:
        holder[last] = value
    return document


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        ("version", ..., "`version` is missing"),
        ("version", 2, "it has version 2, and this release reads up to 1"),
        ("trials", 0, "`trials` is 0, not a whole number from 1 on"),
        ("successes", 6, "`successes` is 6, not a whole number from 0 to 5"),
        ("successes", True, "`successes` is true"),
        ("level", 1, "`level` is 1, not between 0 and 1"),
        ("measures", [], "`measures` is [], not an object"),
        ("measures/cost", {}, "`measures.cost` is not one of llm_calls, "),
        ("measures/cost_usd/mean", "1", '`measures.cost_usd.mean` is "1", not a number from 0 to 1e+18'),
        ("measures/cost_usd/mean", float("nan"), "`measures.cost_usd.mean` is NaN"),
        ("measures/cost_usd/max", 10**400, "`measures.cost_usd.max` is 1000"),
        ("measures/cost_usd/mean", 7, "`measures.cost_usd.mean` is 7, not between `min` and `max`"),
        ("measures/cost_usd/n", 6, "`measures.cost_usd.n` is 6, not a whole number from 1 to 5"),
        ("measures/cost_usd/expected", [1, 2], "`measures.cost_usd.expected` is [1,2], not an object"),
        ("measures/cost_usd/expected/high", ..., "`measures.cost_usd.expected.high` is missing"),
        ("measures/cost_usd/expected/low", 9, "`measures.cost_usd.expected.low` is 9, more than `high`"),
        ("measures/cost_usd/quantiles/p50", None, "`measures.cost_usd.quantiles.p50` is missing"),
        ("tools/search", 3, "`tools.search` is 3, not an object"),
        ("tools/search/min", 2, "`tools.search.min` is 2, not a whole number from 0 to 1"),
        ("models", ["gpt-4o", 4], "`models` is no list of names"),
        ("models", {}, "`models` is no list of names"),
    ],
)
def test_what_is_no_envelope_is_named_with_its_place(path: str, value: Any, named: str) -> None:
    with pytest.raises(ConfigError) as raised:
        envelope_of(changed(path, value), "trials/test_x.json")
    assert str(raised.value).startswith(f"trials/test_x.json is no envelope of trials: {named}")
    assert "to fix   restore it from version control" in str(raised.value)


@pytest.mark.parametrize("document", [None, [], "x", 3])
def test_a_document_that_is_no_object_is_no_envelope(document: Any) -> None:
    with pytest.raises(ConfigError, match="`version` is missing"):
        envelope_of(document)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)
PLACES = [
    *ENVELOPE.to_json(),
    *(f"measures/cost_usd/{name}" for name in ("n", "min", "max", "mean", "deviation", "expected", "quantiles")),
    *(f"tools/search/{name}" for name in ("trials", "min", "max")),
]


@settings(deadline=None)
@given(st.sampled_from(PLACES), JSON)
def test_whatever_stands_at_a_place_is_refused_or_judges_and_is_shown(path: str, value: Any) -> None:
    try:
        envelope = envelope_of(changed(path, value))
    except ConfigError:
        return
    assert isinstance(judge(envelope, run()), tuple)
    assert shown(envelope)


# --- a later run ------------------------------------------------------------------------------------------------------


def test_a_run_that_is_much_more_is_critical_and_says_by_how_much() -> None:
    findings = judge(ENVELOPE, run((500, 100)))
    assert told(findings) == [
        ("envelope_input_tokens", "critical"),
        ("envelope_total_tokens", "critical"),
        ("envelope_cost_usd", "critical"),
    ]
    assert str(findings[0]) == (
        "envelope_input_tokens: input tokens: 600, 376 more than 5 trials let expect, 176 to 224 (mean 200, +200%)\n"
        "  to fix   look: otel-agenttrace show; if it is meant, run the trials again: pytest --agenttrace-trials 5"
    )
    assert "cost: $0.00640, $0.00376 more than 5 trials let expect, $0.00216 to $0.00264 (mean $0.00240, +167%)" in str(
        findings[2]
    )


def test_a_run_that_is_a_little_more_is_a_warning() -> None:
    exact = envelope_from(trials(*[run((1_000, 1_000))] * 5))
    assert told(judge(exact, run((1_000, 1_090)))) == [
        ("envelope_input_tokens", "warning"),
        ("envelope_total_tokens", "warning"),
        ("envelope_cost_usd", "warning"),
    ]
    assert {severity for _, severity in told(judge(exact, run((1_000, 1_300))))} == {"critical"}


@pytest.mark.parametrize(("seconds", "severity"), [(0.1, "warning"), (5.9, "warning"), (6.1, "critical")])
def test_time_that_the_machine_may_have_taken_is_a_warning(seconds: float, severity: str) -> None:
    def took(seconds: float) -> Trace:
        return Trace((replace(tool(0, "search"), start_ns=0, end_ns=round(seconds * 1e9)),))

    few = 5.0 if seconds > 1 else 0.001
    envelope = envelope_from(trials(*[took(few + number / 10_000) for number in range(5)]))
    assert told(judge(envelope, took(seconds))) == [("envelope_duration_s", severity)]


def test_a_run_that_is_less_is_told() -> None:
    findings = judge(ENVELOPE, run((10, 10)))
    assert {severity for _, severity in told(findings)} == {"info"}
    assert "input tokens: 20, 156 less than 5 trials let expect, 176 to 224 (mean 200, -90%)" in str(findings[0])


def test_a_run_that_a_trial_was_like_is_not_outside_however_rare() -> None:
    envelope = envelope_from(trials(*[run((100,))] * 30, run((900,))))
    spread = envelope.measures["input_tokens"]
    assert spread.expected is not None
    assert spread.expected.high < 900
    assert judge(envelope, run((900,))) == ()
    assert ("envelope_input_tokens", "critical") in told(judge(envelope, run((901,))))


def test_what_never_took_anything_and_now_does_is_critical() -> None:
    none = envelope_from(trials(*[run(tools=())] * 5))
    assert ("envelope_tool_calls", "critical") in told(judge(none, run(tools=("search",))))
    assert "mean 0)" in str(judge(none, run(tools=("search",)))[0])


def test_a_measure_that_either_side_does_not_tell_is_said_not_to_be_judged() -> None:
    findings = judge(ENVELOPE, run(priced=False))
    assert told(findings) == [("envelope_cost_usd", "info")]
    assert findings[0].message.startswith("cost: not judged, this run does not tell it")
    unpriced = envelope_from(trials(run(priced=False), run(priced=False), run()))
    assert judge(unpriced, run())[0].message.startswith("cost: not judged, 1 of 3 trials tell it")
    assert judge(envelope_from(trials(*[run(priced=False)] * 3)), run(priced=False)) == ()


@pytest.mark.parametrize(("successes", "named"), [(0, "no trial succeeded"), (1, "only 1 trial succeeded")])
def test_an_envelope_that_cannot_judge_says_so(successes: int, named: str) -> None:
    envelope = envelope_from([Trial(run(), is_success=place < successes) for place in range(4)])
    (finding,) = judge(envelope, run((9_000,)))
    assert (finding.rule, finding.severity) == ("envelope_trials", "warning")
    assert named in finding.message


@pytest.mark.parametrize(("n", "severity"), [(4, "warning"), (5, "critical")])
def test_an_extra_and_a_missing_tool_are_critical_from_5_trials_on(n: int, severity: str) -> None:
    envelope = envelope_from(trials(*[run(tools=("search",))] * n))
    extra, missing = judge(envelope, run(tools=("refund",)))
    assert (extra.rule, extra.severity) == ("envelope_extra_tool", severity)
    assert extra.message.startswith(f"refund: called 1 time, in none of {n} trials\n")
    assert extra.span_ids == (f"{2:016x}",)
    assert (missing.rule, missing.severity) == ("envelope_missing_tool", severity)
    assert missing.message.startswith(f"search: not called, in each of {n} trials 1 time\n")


def test_a_tool_that_some_trials_called_may_be_called_or_not() -> None:
    envelope = envelope_from(trials(*[run(tools=("search",))] * 3, *[run(tools=("book",))] * 3))
    assert judge(envelope, run(tools=("search",))) == judge(envelope, run(tools=("book",))) == ()


def test_a_model_that_no_trial_called_is_a_warning_with_its_calls() -> None:
    (finding,) = judge(ENVELOPE, run(model="gpt-5"))
    assert (finding.rule, finding.severity) == ("envelope_model", "warning")
    assert finding.message.startswith("gpt-5: 2 calls; the models of 5 trials: gpt-4o\n")
    assert finding.span_ids == (f"{0:016x}", f"{1:016x}")


def test_names_from_a_trace_cannot_steer_a_terminal() -> None:
    envelope = envelope_from(trials(*[run(tools=("a\x1b[2J",), model="m\x07")] * 5))
    everything = [*map(str, judge(envelope, run(tools=("b\x1b[2J",), model="n\x07"))), shown(envelope)]
    assert not {"\x1b", "\x07"} & set("".join(everything))
    assert r"b\x1b[2J" in "".join(everything)


# --- later trials -----------------------------------------------------------------------------------------------------


def of_success(successes: int, n: int) -> Envelope:
    return envelope_from([Trial(run(), is_success=place < successes) for place in range(n)])


def test_fewer_successes_than_chance_explains_are_critical_and_both_intervals_are_told() -> None:
    (finding,) = judge_success(of_success(10, 10), 6, 10)
    assert (finding.rule, finding.severity) == ("envelope_success", "critical")
    assert finding.message.startswith(
        "6 of 10 (31% to 83%) succeeded, before 10 of 10 (72% to 100%): too few for chance (p = 0.043)\n"
    )


def test_fewer_successes_that_chance_explains_are_told_as_that() -> None:
    (finding,) = judge_success(of_success(10, 10), 7, 10)
    assert (finding.rule, finding.severity) == ("envelope_success", "info")
    assert "7 of 10 (40% to 89%) succeeded" in finding.message
    assert "chance may explain it (p = 0.11)" in finding.message


@pytest.mark.parametrize(("successes", "n"), [(10, 10), (5, 5), (9, 10)])
def test_as_many_successes_or_more_are_no_finding(successes: int, n: int) -> None:
    assert judge_success(of_success(9, 10), successes, n) == ()


def test_later_trials_are_some() -> None:
    with pytest.raises(ValueError, match="0 successes in 0 trials"):
        judge_success(ENVELOPE, 0, 0)


# --- what is shown ----------------------------------------------------------------------------------------------------


def shown(envelope: Envelope) -> str:
    out = Console(file=io.StringIO(), width=120, highlight=False)
    out.print(measures_table(envelope))
    out.print(tools_table(envelope))
    for line in envelope_lines(envelope):
        out.print(line, markup=False)
    assert isinstance(out.file, io.StringIO)
    return "\n" + "".join(f"{line.rstrip()}\n" for line in out.file.getvalue().splitlines())


def test_an_envelope_is_shown_by_measures_tools_and_lines() -> None:
    envelope = envelope_from(
        [*trials(*STEADY[:3], run((99, 3), ("search", "book"), priced=False)), Trial(run(), is_success=False)]
    )
    assert (
        shown(envelope)
        == """
measure        trials     least    median      mean      most  deviation       next run (95 %)
llm_calls           4         2         2         2         2          0                1 to 3
tool_calls          4         1         1      1.25         2      0.500                0 to 3
input_tokens        4       102       195       176       210       49.7              0 to 352
output_tokens       4        40        40        40        40          0              39 to 41
total_tokens        4       142       235       216       250       49.7             39 to 392
cost_usd            3  $0.00230  $0.00240  $0.00240  $0.00250  $0.000100  $0.00190 to $0.00290
duration_s          4       3 s       3 s    3.25 s       4 s    0.500 s      1.47 s to 5.03 s
tool    trials  least  most
search  4 of 4      1     1
book    1 of 4      0     1
4 of 5 trials succeeded (95 %: 38% to 96%)
  calls to models: mean 2, next run 1 to 3
  calls of tools: mean 1.25, next run 0 to 3
  input tokens: mean 176, next run 0 to 352
  output tokens: mean 40, next run 39 to 41
  tokens: mean 216, next run 39 to 392
  cost: mean $0.00240, next run $0.00190 to $0.00290, told by 3 trials
  duration: mean 3.25 s, next run 1.47 s to 5.03 s
  tools: book (1/4), search (4/4)
  models: gpt-4o
"""
    )


def test_what_no_trial_tells_is_a_question_mark_and_a_single_trial_expects_nothing() -> None:
    envelope = envelope_from(trials(run(priced=False)))
    lines = shown(envelope).splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line and not line.startswith(" ")}
    assert rows["cost_usd"] == ["0", *"??????"]
    assert rows["input_tokens"] == ["1", "200", "200", "200", "200", "?", "?"]
    assert "  input tokens: mean 200" in lines
    assert not any(line.startswith("  cost") for line in lines)
