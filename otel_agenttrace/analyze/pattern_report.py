"""The shape of what many runs have in common: a row for each thing that was counted. The attributes are the keys of its JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from otel_agenttrace.analyze.clusters import Cluster
from otel_agenttrace.analyze.percentiles import Percentiles
from otel_agenttrace.analyze.repetitions import Loop, Repeats, Retries
from otel_agenttrace.analyze.stats import ModelFigures

__all__ = ["BeforeError", "Errors", "Ngram", "Order", "Patterns", "Transition", "good_runs"]


def good_runs(evaluated: int, runs: int) -> str:
    """Return what makes runs good, of which so many are evaluated: words that follow `runs that`."""
    if not evaluated:
        return "had no error"
    return "passed" if evaluated >= runs else "passed or, where nobody evaluated them, had no error"


@dataclass(frozen=True, slots=True)
class Ngram:
    """Tools that were called one after another: how often, and in how many runs."""

    sequence: tuple[str, ...]
    count: int
    traces: int


@dataclass(frozen=True, slots=True)
class Transition:
    """How often a tool came right after another, and its share of all that came after that one; None is the begin or the end."""

    source: str | None
    target: str | None
    count: int
    probability: float


@dataclass(frozen=True, slots=True)
class Order:
    """In `traces` of the `among` good runs that call `then`, `first` had been called before it."""

    first: str
    then: str
    traces: int
    among: int


@dataclass(frozen=True, slots=True)
class Errors:
    """What failed: calls to models, calls of tools, agents; runs in which a call failed; how often by type."""

    model: int
    tool: int
    agent: int
    traces: int
    by_type: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class BeforeError:
    """A sequence whose end failed.

    Attributes:
        sequence: The tools called before, and the tool or the model that failed.
        kind: What failed: `tool` or `model`.
        errors: How often it failed after these.
        times: How often this sequence came; None where a model failed.
        span_id: One that failed.
    """

    sequence: tuple[str, ...]
    kind: str
    errors: int
    times: int | None
    span_id: str


@dataclass(frozen=True, slots=True)
class Patterns:
    """What many runs have in common.

    Attributes:
        trace_count: Runs.
        passed: Those whose evaluations say that they passed.
        evaluated: Those of which evaluations say whether they did.
        files: Files they are from.
        window: The longest sequence that is counted.
        top: How many rows of a kind are kept at most; `dropped` tells of how many more there were.
        tool_counts: How often each tool was called, most often first.
        ngrams: Sequences of two tools or more, most frequent first.
        transitions: Which tool came right after which, most frequent first.
        orders: Which tool good runs call before which: those that passed; of those that nobody evaluated, those without an error.
        models: By model, most calls first.
        errors: What failed.
        before_errors: Sequences whose end failed, most errors first.
        retries: By tool.
        repeats: By tool.
        loops: Most runs first.
        per_run: Calls, tokens, cost and duration of a run. A run of which a part is not known is not known.
        per_call: Tokens, cost and latency of a call to a model, latency of a tool.
        clusters: Runs that went the same way.
        untold_calls: Calls to models that asked for tools which nobody tells: their tools are missing here.
        dropped: How many rows were left out, by the name of the attribute.
    """

    trace_count: int
    passed: int
    evaluated: int
    files: int
    window: int
    top: int
    tool_counts: Mapping[str, int]
    ngrams: tuple[Ngram, ...]
    transitions: tuple[Transition, ...]
    orders: tuple[Order, ...]
    models: tuple[ModelFigures, ...]
    errors: Errors
    before_errors: tuple[BeforeError, ...]
    retries: tuple[Retries, ...]
    repeats: tuple[Repeats, ...]
    loops: tuple[Loop, ...]
    per_run: Mapping[str, Percentiles]
    per_call: Mapping[str, Percentiles]
    clusters: tuple[Cluster, ...]
    untold_calls: int
    dropped: Mapping[str, int]
