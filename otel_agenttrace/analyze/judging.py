"""Judge a later run, or later trials, by the envelope of earlier ones. Envelope and trace in, findings out.

| finding | severity |
| --- | --- |
| `envelope_<measure>`: more than expected, and 10 % or more above the mean, of time a second or more | critical |
| `envelope_<measure>`: more than expected, by less | warning |
| `envelope_<measure>`: less than expected; or this run, or all trials but one, do not tell it | info |
| `envelope_extra_tool`: no trial called it; `envelope_missing_tool`: every trial did | critical from 5 trials on, else warning |
| `envelope_model`: no trial called it | warning |
| `envelope_success`: fewer successes, which chance explains with less than 5 % | critical |
| `envelope_success`: fewer, which may be chance | info |
| `envelope_trials`: fewer than 2 trials succeeded, so that nothing is judged | warning |

Expected is what the envelope expects of one further run, and what a trial showed. 5 trials is also from where on one call
more than a count that never varied is not expected.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from typing import Final

from otel_agenttrace.analyze.envelopes import Envelope, Spread
from otel_agenttrace.analyze.estimates import Interval, chance_of_so_few, wilson_interval
from otel_agenttrace.analyze.findings import Finding, Severity
from otel_agenttrace.analyze.measures import MEASURES, Measure, RunFigures, model_of, run_figures
from otel_agenttrace.analyze.tool_calls import tool_calls
from otel_agenttrace.counting import counted
from otel_agenttrace.escaping import escaped
from otel_agenttrace.model import Span, Trace

__all__ = ["judge", "judge_success"]

_FEWEST: Final = 2
_RELEVANT: Final = 0.1
_ENOUGH_TRIALS: Final = 5
_CHANCE: Final = 0.05


def judge(envelope: Envelope, trace: Trace) -> tuple[Finding, ...]:
    """Return in what a run that succeeded is outside the envelope: measures, then tools, then models.

    A run that failed is told by its failure: it may be cheap since it gave up. The module tells the severities.
    """
    run = run_figures(trace)
    if envelope.successes < _FEWEST:
        yet = "no trial succeeded" if not envelope.successes else "only 1 trial succeeded"
        return (
            _finding(
                "trials", f"nothing is judged: {yet}, and it takes {_FEWEST} to show a spread", "warning", envelope
            ),
        )
    return (*_amounts(envelope, run), *_tools(envelope, run, trace), *_models(envelope, run, trace))


def _finding(name: str, found: str, severity: Severity, envelope: Envelope, spans: Iterable[Span] = ()) -> Finding:
    trials = max(envelope.trials, _ENOUGH_TRIALS)
    cure = f"look: otel-agenttrace show; if it is meant, run the trials again: pytest --agenttrace-trials {trials}"
    return Finding(
        f"envelope_{name}",
        f"{found}\n  to fix   {cure}",
        severity,
        tuple(dict.fromkeys(span.span_id for span in spans)),
    )


# --- measures ---------------------------------------------------------------------------------------------------------


def _amounts(envelope: Envelope, run: RunFigures) -> Iterator[Finding]:
    for name, measure in MEASURES.items():
        spread, amount = envelope.measures.get(name), run.amounts[name]
        if spread is not None and spread.expected is not None and amount is not None:
            limits = measure.possible(_widened(spread.expected, spread))
            if amount not in limits:
                severity, found = _outside(amount, limits, spread, measure)
                yield _finding(name, found, severity, envelope)
        elif spread is not None or amount is not None:
            untold = (
                "this run does not tell it"
                if amount is None
                else f"{_known(spread)} of {envelope.successes} trials tell it"
            )
            yield _finding(name, f"{measure.noun}: not judged, {untold}", "info", envelope)


def _known(spread: Spread | None) -> int:
    return 0 if spread is None else spread.n


def _widened(expected: Interval, spread: Spread) -> Interval:
    return Interval(min(expected.low, spread.least), max(expected.high, spread.most))


def _outside(amount: float, limits: Interval, spread: Spread, measure: Measure) -> tuple[Severity, str]:
    """Return how bad it is that an amount is outside, and what is to be said of it."""
    is_more = amount > limits.high
    off = amount - limits.high if is_more else limits.low - amount
    change = amount / spread.mean - 1 if spread.mean else math.inf
    told = measure.told
    found = (
        f"{measure.noun}: {told(amount)}, {told(off)} {'more' if is_more else 'less'} than {spread.n} trials let expect, "
        f"{measure.told_between(limits)} (mean {told(spread.mean)}{_percent(change)})"
    )
    if not is_more:
        return "info", found
    is_relevant = change >= _RELEVANT and amount - spread.mean >= measure.noticed
    return "critical" if is_relevant else "warning", found


def _percent(change: float) -> str:
    return "" if math.isinf(change) else f", {change:+.0%}"


# --- tools and models -------------------------------------------------------------------------------------------------


def _tools(envelope: Envelope, run: RunFigures, trace: Trace) -> Iterator[Finding]:
    severity: Severity = "critical" if envelope.successes >= _ENOUGH_TRIALS else "warning"
    calls = tool_calls(trace)
    for name, count in sorted(run.tools.items()):
        if name not in envelope.tools:
            found = f"{escaped(name)}: called {counted(count, 'time')}, in none of {envelope.successes} trials"
            yield _finding("extra_tool", found, severity, envelope, (call.span for call in calls if call.name == name))
    for name, tool in sorted(envelope.tools.items()):
        if tool.trials == envelope.successes and name not in run.tools:
            often = _plural(tool.least, tool.most)
            found = f"{escaped(name)}: not called, in each of {envelope.successes} trials {often}"
            yield _finding("missing_tool", found, severity, envelope)


def _plural(least: int, most: int) -> str:
    return counted(least, "time") if least == most else f"{least:,} to {counted(most, 'time')}"


def _models(envelope: Envelope, run: RunFigures, trace: Trace) -> Iterator[Finding]:
    known = ", ".join(map(escaped, envelope.models)) or "none"
    for model in sorted(run.models.difference(envelope.models)):
        calls = [span for span in trace.inferences if model_of(span) == model]
        found = f"{escaped(model)}: {counted(len(calls), 'call')}; the models of {envelope.successes} trials: {known}"
        yield _finding("model", found, "warning", envelope, calls)


# --- success ----------------------------------------------------------------------------------------------------------


def judge_success(envelope: Envelope, successes: int, trials: int) -> tuple[Finding, ...]:
    """Return whether later trials succeeded less often: one finding if they did, none if not.

    Fisher's exact test, one-sided, at 5 %. Few trials show little: of 4, where all 4 succeeded before, only 0 are too few.

    Raises:
        ValueError: If there is no trial, or there are more successes than trials.
    """
    chance = chance_of_so_few(successes, trials, of=envelope.successes, among=envelope.trials)
    if successes * envelope.trials >= envelope.successes * trials:
        return ()
    now = _rate(successes, trials, wilson_interval(successes, trials))
    before = _rate(envelope.successes, envelope.trials, envelope.success)
    is_lower = chance < _CHANCE
    verdict = "too few for chance" if is_lower else "chance may explain it"
    found = f"{now} succeeded, before {before}: {verdict} (p = {chance:.2g})"
    return (_finding("success", found, "critical" if is_lower else "info", envelope),)


def _rate(successes: int, trials: int, interval: Interval) -> str:
    return f"{successes:,} of {trials:,} ({interval.low:.0%} to {interval.high:.0%})"
