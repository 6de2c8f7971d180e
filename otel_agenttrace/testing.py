"""Assertions on what an agent did: `check(trace, max_cost_usd=0.01, called="search")`. Trace in, `CheckFailed` out.

A trace is a `Trace`, a `Session` or a path. A session is looked at as its cassette would have it, without secrets. Every
assertion is a rule of `agent-checks.yaml` under a name of its own; docs/checks.md tells what each wants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeAlias

from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.api import load
from otel_agenttrace.checks.checking import check_trace, failure
from otel_agenttrace.checks.order import OrderMode
from otel_agenttrace.checks.rules import in_keywords, rules_from
from otel_agenttrace.errors import BudgetExceeded, CheckFailed, ConfigError, RegressionFound
from otel_agenttrace.jsonvalue import Json
from otel_agenttrace.model import Trace
from otel_agenttrace.redact.spans import redacted_trace
from otel_agenttrace.semantic import assert_semantic_similarity
from otel_agenttrace.sessions import Session

__all__ = [
    "BudgetExceeded",
    "CheckFailed",
    "Finding",
    "RegressionFound",
    "Traced",
    "Wanted",
    "assert_after",
    "assert_before",
    "assert_called",
    "assert_called_with",
    "assert_chunk_count",
    "assert_cost_under",
    "assert_duration_under",
    "assert_has_span",
    "assert_has_span_kind",
    "assert_llm_calls",
    "assert_max_context_share",
    "assert_max_llm_calls",
    "assert_max_retrieval_latency",
    "assert_max_tool_calls",
    "assert_min_relevance_score",
    "assert_min_spans",
    "assert_models",
    "assert_never",
    "assert_no_errors",
    "assert_no_loops",
    "assert_no_retrieval_drift",
    "assert_not_called",
    "assert_output_contains",
    "assert_output_json",
    "assert_output_matches",
    "assert_output_not_contains",
    "assert_semantic_similarity",
    "assert_similar",
    "assert_tokens_under",
    "assert_tool_calls",
    "assert_tool_order",
    "assert_trace_unchanged",
    "check",
    "trace_of",
]

Traced: TypeAlias = "Trace | Session | str | Path"
"""Whatever tells a run."""
Wanted: TypeAlias = "str | Mapping[str, Any]"
"""A call of a tool: its name, or `{"tool": …, "args": {…}}`."""

_CYCLE_ROUNDS: Final = 3


def trace_of(run: Traced) -> Trace:
    """Return the trace of a run: read from a path, or what a session has so far, without secrets.

    Raises:
        CassetteError: If the file cannot be read.
        ConfigError: If it is nothing of this kind.
    """
    if isinstance(run, Trace):
        return run
    if isinstance(run, str | Path):
        return load(run)
    if isinstance(run, Session):  # pyright: ignore[reportUnnecessaryIsInstance] - users may give anything
        return redacted_trace(run.trace, run.redactor)
    raise ConfigError(f"{run!r} is no trace.\n  to fix   give a Trace, a Session or the path of a cassette")


def check(run: Traced, **rules: Any) -> None:
    """Hold a run to rules: `check(session, llm_calls=1, max_cost_usd=0.01, has_span="search")`.

    Args:
        run: The run.
        rules: What is wanted, by the names of docs/checks.md.

    Raises:
        CheckFailed: If it breaks one, or if one checks nothing; `.findings` tells all.
        ConfigError: If a rule is not known, or what it is told has no meaning.
    """
    held = rules_from(rules, "check()", _loaded)
    findings = in_keywords(check_trace(trace_of(run), held), rules)
    if findings:
        raise failure(findings)


def _loaded(told: object) -> Trace:
    return trace_of(told)  # pyright: ignore[reportArgumentType] - it says what it does not take


# --- how much ---------------------------------------------------------------------------------------------------------


def assert_cost_under(trace: Traced, max_usd: float) -> None:
    """Raise `BudgetExceeded` if the calls to models cost more, or if what they cost is not known."""
    check(trace, max_cost_usd=max_usd)


def assert_tokens_under(trace: Traced, max_tokens: int) -> None:
    """Raise `BudgetExceeded` if the calls to models take more tokens, or if that is not known."""
    check(trace, max_tokens=max_tokens)


def assert_llm_calls(trace: Traced, calls: int) -> None:
    """Raise `CheckFailed` if there are more or fewer calls to models."""
    check(trace, llm_calls=calls)


def assert_max_llm_calls(trace: Traced, max_calls: int) -> None:
    """Raise `BudgetExceeded` if there are more calls to models."""
    check(trace, max_llm_calls=max_calls)


def assert_tool_calls(trace: Traced, calls: int) -> None:
    """Raise `CheckFailed` if there are more or fewer calls of tools."""
    check(trace, tool_calls=calls)


def assert_max_tool_calls(trace: Traced, max_calls: int) -> None:
    """Raise `BudgetExceeded` if there are more calls of tools."""
    check(trace, max_tool_calls=max_calls)


def assert_duration_under(trace: Traced, max_s: float) -> None:
    """Raise `BudgetExceeded` if the run takes longer, in seconds, or if that is not known."""
    check(trace, max_duration_s=max_s)


def assert_no_loops(
    trace: Traced,
    max_consecutive_same_tool: int = 3,
    *,
    max_identical_calls: int | None = None,
    cycle_rounds: int | None = _CYCLE_ROUNDS,
) -> None:
    """Raise `CheckFailed` if the run goes in circles.

    Args:
        trace: The run.
        max_consecutive_same_tool: How often one tool may be called in a row.
        max_identical_calls: How often a tool may be called with the same arguments; None for any number.
        cycle_rounds: How often a sequence of different tools may not come in a row; None for any number.
    """
    more = {"max_identical_calls": max_identical_calls, "no_cycles": cycle_rounds}
    wanted = {name: value for name, value in more.items() if value is not None}
    check(trace, max_consecutive_same_tool=max_consecutive_same_tool, **wanted)


# --- tools ------------------------------------------------------------------------------------------------------------


def assert_called(trace: Traced, *tools: str) -> None:
    """Raise `CheckFailed` if one of these tools is not called; `*` in a name stands for anything."""
    check(trace, called=list(tools))


def assert_not_called(trace: Traced, *tools: str) -> None:
    """Raise `CheckFailed` if one of these tools is called; `*` in a name stands for anything."""
    check(trace, not_called=list(tools))


def assert_called_with(
    trace: Traced,
    tool: str,
    args: Mapping[str, Json] | None = None,
    *,
    schema: Mapping[str, Any] | None = None,
    min_times: int = 1,
    max_times: int | None = None,
    every: bool = False,
) -> None:
    """Raise `CheckFailed` if a tool is not called with these arguments.

    Args:
        trace: The run.
        tool: Its name, or a pattern with `*`.
        args: Members that the arguments must have.
        schema: A JSON Schema that the arguments must fit.
        min_times: How often at least.
        max_times: How often at most; None for any number.
        every: Whether each call of the tool must be so.
    """
    told = {"args": args, "schema": schema, "max": max_times}
    more = {name: value for name, value in told.items() if value is not None}
    check(trace, called_with={"tool": tool, "min": min_times, "every": every, **more})


def assert_tool_order(trace: Traced, tools: Sequence[Wanted], mode: OrderMode = "in_order") -> None:
    """Raise `CheckFailed` if tools are called in another order, or others are.

    Args:
        trace: The run.
        tools: What is wanted.
        mode: `strict`, `in_order`, `unordered`, `subset` or `superset`.
    """
    check(trace, order={"mode": mode, "tools": list(tools)})


def assert_before(trace: Traced, first: Wanted, second: Wanted) -> None:
    """Raise `CheckFailed` if a call of the second tool has none of the first before it."""
    check(trace, before=[first, second])


def assert_after(trace: Traced, first: Wanted, second: Wanted) -> None:
    """Raise `CheckFailed` if a call of the first tool has none of the second after it."""
    check(trace, after=[first, second])


def assert_never(trace: Traced, *tools: Wanted) -> None:
    """Raise `CheckFailed` if these tools are called in this order, whatever stands between."""
    check(trace, never=list(tools))


# --- spans and models -------------------------------------------------------------------------------------------------


def assert_no_errors(trace: Traced) -> None:
    """Raise `CheckFailed` if a span failed."""
    check(trace, no_errors=True)


def assert_min_spans(trace: Traced, min_spans: int) -> None:
    """Raise `CheckFailed` if there are fewer spans."""
    check(trace, min_spans=min_spans)


def assert_has_span(trace: Traced, *spans: str) -> None:
    """Raise `CheckFailed` if there is no span of a name, or none that a selector chooses."""
    check(trace, has_span=list(spans))


def assert_has_span_kind(trace: Traced, *kinds: str) -> None:
    """Raise `CheckFailed` if there is no span of a kind (`CLIENT`), or of an operation (`execute_tool`)."""
    check(trace, has_span_kind=list(kinds))


def assert_models(trace: Traced, *models: str) -> None:
    """Raise `CheckFailed` if another model is used; `*` in a name stands for anything."""
    check(trace, models=list(models))


# --- answers ----------------------------------------------------------------------------------------------------------


def assert_output_contains(trace: Traced, *texts: str) -> None:
    """Raise `CheckFailed` if the answer does not contain each of these texts."""
    check(trace, output_contains=list(texts))


def assert_output_not_contains(trace: Traced, *texts: str) -> None:
    """Raise `CheckFailed` if the answer contains one of these texts."""
    check(trace, output_not_contains=list(texts))


def assert_output_matches(trace: Traced, *patterns: str) -> None:
    """Raise `CheckFailed` if a regular expression matches nowhere in the answer."""
    check(trace, output_matches=list(patterns))


def assert_output_json(trace: Traced, schema: Mapping[str, Any]) -> None:
    """Raise `CheckFailed` if the answer is no JSON that fits a JSON Schema."""
    check(trace, output_json=schema)


# --- baselines --------------------------------------------------------------------------------------------------------


def assert_similar(baseline: Traced, trace: Traced, threshold: float = 0.8, *, content: bool = True) -> None:
    """Raise `RegressionFound` if less of what was done is the same.

    Args:
        baseline: The earlier run.
        trace: The run.
        threshold: How much must be the same, 0 to 1.
        content: Whether what models were asked and answered counts, or only which.
    """
    check(trace, similar_to={"baseline": baseline, "threshold": threshold, "content": content})


def assert_trace_unchanged(baseline: Traced, candidate: Traced, *, content: bool = True) -> None:
    """Raise `RegressionFound` if one step of a run is not what it was, as `assert_similar` with a threshold of 1."""
    assert_similar(baseline, candidate, 1.0, content=content)


# --- retrieval --------------------------------------------------------------------------------------------------------


def assert_chunk_count(trace: Traced, min_chunks: int | None = None, max_chunks: int | None = None) -> None:
    """Raise `CheckFailed` if a retrieval finds fewer documents, or more."""
    told = {"min_chunks": min_chunks, "max_chunks": max_chunks}
    check(trace, **{name: value for name, value in told.items() if value is not None})


def assert_min_relevance_score(trace: Traced, min_score: float) -> None:
    """Raise `CheckFailed` if a document that is found has a lower score, or none."""
    check(trace, min_score=min_score)


def assert_max_retrieval_latency(trace: Traced, max_s: float) -> None:
    """Raise `CheckFailed` if a retrieval takes longer, in seconds."""
    check(trace, max_retrieval_latency_s=max_s)


def assert_max_context_share(trace: Traced, share: float) -> None:
    """Raise `CheckFailed` if more of what a model is asked is retrieved text, 0 to 1, or if that is not known."""
    check(trace, max_context_share=share)


def assert_no_retrieval_drift(baseline: Traced, trace: Traced, tolerance: float = 0.1) -> None:
    """Raise `RegressionFound` if a larger share of the documents, 0 to 1, is not what the baseline found."""
    check(trace, no_retrieval_drift={"baseline": baseline, "tolerance": tolerance})
