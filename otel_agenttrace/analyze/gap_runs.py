"""Keep of a run what a comparison of many runs asks for. Traces in, one small record for each run out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from otel_agenttrace.analyze.measures import whole
from otel_agenttrace.analyze.repetitions import RunRepetitions
from otel_agenttrace.analyze.sequences import UNKNOWN_MODEL, Act, Run, runs_in, tool_steps
from otel_agenttrace.analyze.streams import streamed
from otel_agenttrace.jsonvalue import canonical
from otel_agenttrace.matching import normalised_key
from otel_agenttrace.model import HttpRequest, Part, Span, Trace
from otel_agenttrace.wire.recorded import asked_of

__all__ = ["RunRecord", "records_of"]


@dataclass(frozen=True, slots=True)
class RunRecord:
    """What is compared of one run.

    Attributes:
        task: What stands for the same work on both sides: the path of the file below the folder that was named.
        file: The file, as the user named it.
        amounts: `total_tokens`, `cost_usd`, `llm_calls`, and `latency_s`, the mean time of a call to a model; None where a part is not known.
        greatest: By the same names, the call to a model with the greatest amount; of `llm_calls` the last one.
        tools: How often each tool was called.
        tool_spans: A span of each tool.
        models: How often each model answered: one that did not has not told its whole name.
        model_spans: A span of each model.
        calls: Calls to models and of tools.
        failed: Spans of those that failed.
        loops: A span of each loop.
        repeated: How many calls of tools had arguments that the run had used before.
        repeats: Spans of them.
        arguments_unknown: Calls of tools whose arguments are not told.
        prompts: Digests of the instructions that models were given, each with a span; None where no content is recorded.
        untold: Calls to models that asked for tools which nobody tells.
        passed: Whether its evaluations say that it passed; None if none says it.
    """

    task: str
    file: str
    amounts: Mapping[str, float | None]
    greatest: Mapping[str, str]
    tools: Mapping[str, int]
    tool_spans: Mapping[str, str]
    models: Mapping[str, int]
    model_spans: Mapping[str, str]
    calls: int
    failed: tuple[str, ...]
    loops: tuple[str, ...]
    repeated: int
    repeats: tuple[str, ...]
    arguments_unknown: int
    prompts: Mapping[str, str] | None
    untold: int
    passed: bool | None


def records_of(traces: Iterable[tuple[str, str, Trace]]) -> Iterator[RunRecord]:
    """Yield a record of each run, given the task, the file and the spans of each file."""
    for task, file, trace in traces:
        spans = {span.span_id: span for span in trace.inferences}
        for run in runs_in(streamed(trace, file)):
            yield _record(task, run, spans)


def _record(task: str, run: Run, spans: Mapping[str, Span]) -> RunRecord:
    models, steps = tuple(run.of("model")), tuple(tool_steps(run))
    repetitions = RunRepetitions()
    for step in steps:
        repetitions.take(step)
    answered = [act for act in models if act.error is None and act.name != UNKNOWN_MODEL]
    failed = [act.span_id for act in (*models, *steps) if act.error is not None]
    repeats = list(repetitions.repeats)
    each_amount = {
        "total_tokens": [whole((act.usage.input_tokens, act.usage.output_tokens)) for act in models],
        "cost_usd": [act.cost_usd for act in models],
        "latency_s": [act.duration_s for act in models],
    }
    time = whole(each_amount["latency_s"])
    return RunRecord(
        task=task,
        file=run.file,
        amounts={
            "total_tokens": whole(each_amount["total_tokens"]),
            "cost_usd": whole(each_amount["cost_usd"]),
            "llm_calls": len(models),
            "latency_s": time / len(models) if time is not None and models else None,
        },
        greatest={
            "llm_calls": models[-1].span_id if models else "",
            **{name: _greatest(models, amounts) for name, amounts in each_amount.items()},
        },
        tools=Counter(step.name for step in steps),
        tool_spans=_first(steps),
        models=Counter(act.name for act in answered),
        model_spans=_first(answered),
        calls=len(models) + len(steps),
        failed=tuple(failed),
        loops=tuple(loop.span_id for loop in repetitions.loops(steps)),
        repeated=sum(each.repeated for each in repeats),
        repeats=tuple(each.span_id for each in repeats if each.repeated),
        arguments_unknown=sum(each.unknown for each in repeats),
        prompts=_prompts(spans[act.span_id] for act in models if act.span_id in spans),
        untold=run.untold,
        passed=run.passed,
    )


def _greatest(models: tuple[Act, ...], amounts: Sequence[float | None]) -> str:
    known = [(amount, act.span_id) for amount, act in zip(amounts, models, strict=True) if amount is not None]
    return max(known, key=lambda each: each[0])[1] if known else ""


def _first(acts: Iterable[Act]) -> dict[str, str]:
    found: dict[str, str] = {}
    for act in acts:
        found.setdefault(act.name, act.span_id)
    return found


def _prompts(spans: Iterable[Span]) -> dict[str, str] | None:
    """Return the instructions of calls; what changes from run to run in them (times, ids) is left out."""
    found: dict[str, str] = {}
    is_told = False
    for span in spans:
        asked = asked_of(span)
        is_told = is_told or bool(asked.input_messages or asked.system_instructions)
        parts = [*asked.system_instructions]
        for message in asked.input_messages:
            parts += message.parts if message.role in {"system", "developer"} else ()
        if parts:
            found.setdefault(_digest(parts), span.span_id)
    return found if is_told else None


def _digest(parts: list[Part]) -> str:
    return normalised_key(HttpRequest("", "", "", canonical([dict(part) for part in parts])))
