"""Show a run: the tree of its spans, its closing line, its JSON. Trace in, rich renderables, text and JSON values out."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Final, TypeAlias

from rich.text import Text
from rich.tree import Tree

from otel_agenttrace import semconv
from otel_agenttrace.analyze.billing import cost_of_call, usage_of
from otel_agenttrace.analyze.branching import task_of
from otel_agenttrace.jsonvalue import JsonObject
from otel_agenttrace.library.annotations import NOTHING, Annotation, Annotations
from otel_agenttrace.model import OutcomeKind, Span, Trace, Usage
from otel_agenttrace.report.family import Family, family
from otel_agenttrace.report.plain import plain
from otel_agenttrace.report.text import cost, counted, duration, escaped, first_line, flow

__all__ = [
    "USAGE",
    "Excerpt",
    "forked_line",
    "outcome_text",
    "recorded_line",
    "replayed_line",
    "rerecorded_line",
    "run_json",
    "span_json",
    "span_line",
    "trace_json",
    "trace_tree",
    "usage_json",
    "verified_lines",
]

Excerpt: TypeAlias = Callable[[Span], "str | None"]
"""Gives the text a span is about: the answer of a model, the arguments of a tool. Its first line is shown."""

_MAX_LEVEL: Final = 12
"""Levels of indentation. Deeper spans stand on the last one and tell their level, or guides would fill the line."""

_LONGEST_NAME: Final = 1_000
_MARKS: Final[Mapping[str, tuple[str, str]]] = {
    "hit": ("✓ ", "green"),
    "drift": ("~ ", "yellow"),
    "miss": ("✗ ", "red"),
    "live": ("• ", "cyan"),
}
_MODELS: Final = (semconv.GEN_AI_RESPONSE_MODEL, semconv.GEN_AI_REQUEST_MODEL)
_NAMES: Final = (semconv.GEN_AI_AGENT_NAME, semconv.GEN_AI_TOOL_NAME)


# --- the tree -------------------------------------------------------------------------------------------------------


def trace_tree(trace: Trace, *, excerpt: Excerpt | None = None, annotations: Annotations = NOTHING) -> Tree:
    """Return the spans of a run as a tree, one line each.

    A virtual root stands above several roots, or above the spans of a run that was killed before it wrote its root.
    """
    trace = replace(trace, cost_of=_remembered(trace.cost_of))
    shown = family(trace.spans)
    top = 0 if shown.is_whole else 1
    lines = (
        (span_line(span, depth + top, trace, excerpt, annotations.of(span)), depth + top)
        for span, depth in shown.members
    )
    root = Tree(next(lines)[0] if shown.is_whole else _virtual_root(trace, shown), highlight=False)
    above = [root]
    for line, level in lines:
        del above[min(level, _MAX_LEVEL) :]
        above.append(above[-1].add(line))
    return root


def _remembered(cost_of: Callable[[Span], float | None]) -> Callable[[Span], float | None]:
    known: dict[int, float | None] = {}

    def remembered(span: Span) -> float | None:
        if id(span) not in known:
            known[id(span)] = cost_of(span)
        return known[id(span)]

    return remembered


def _virtual_root(trace: Trace, shown: Family) -> Text:
    line = _empty_line()
    line.append("run", "bold")
    if any(root.parent_span_id for root in shown.roots):
        line.append(" (not all parents are recorded)", "yellow")
    facts = (*_totals(trace), duration(trace.duration_ns)) if trace.spans else ("no spans",)
    line.append("".join(f"  {fact}" for fact in facts), "dim")
    return line


def _empty_line() -> Text:
    return Text(no_wrap=True, overflow="ellipsis")


def span_line(
    span: Span, level: int, trace: Trace, excerpt: Excerpt | None = None, annotation: Annotation | None = None
) -> Text:
    """Return the line of a span; that of a whole run (level 0) tells its totals too."""
    line = _empty_line()
    if level > _MAX_LEVEL:
        line.append(f"({level}) ", "dim")
    line.append(*_MARKS.get(_text(span, (semconv.AGENTTRACE_REPLAY_OUTCOME,)) or "", ("", "")))
    line.append(escaped(span.name[:_LONGEST_NAME]), _name_style(span))
    totals = _totals(trace) if level == 0 and not span.is_inference else ()
    line.append("".join(f"  {fact}" for fact in (*_facts(span, trace), *totals)), "dim")
    if span.is_error:
        line.append(f"  {_error(span)}", "red")
    if annotation is not None:
        line.append(f"  {_annotation(annotation)}", "yellow")
    text = excerpt(span) if excerpt is not None else None
    if text:
        line.append(f"  {first_line(text)}")
    return line


def _name_style(span: Span) -> str:
    if span.is_error:
        return "bold red"
    if span.operation == semconv.OPERATION_EXECUTE_TOOL:
        return "magenta"
    return "bold" if span.is_inference else "cyan"


def _facts(span: Span, trace: Trace) -> Iterator[str]:
    """Yield what a span tells besides its name: agent, tool or model where the name lacks it, task, tokens, cost, time."""
    for name in (_text(span, _NAMES), _model(span)):
        if name and name not in span.name:
            yield escaped(name)
    if task := task_of(span):
        yield escaped(task)
    if tokens := flow(span.usage):
        yield tokens
        if span.is_inference:
            yield cost(trace.cost_of(span))
    if semconv.AGENTTRACE_TOOL_LIVE_ONLY in span.attributes:
        yield "live-only"
    yield "not ended" if span.end_ns is None else duration(span.duration_ns)


def _model(span: Span) -> str | None:
    """Return the model as the answer tells it, unless the span's name tells the one that was asked for."""
    asked = _text(span, (semconv.GEN_AI_REQUEST_MODEL,))
    return asked if asked and asked in span.name else _text(span, _MODELS)


def _text(span: Span, names: tuple[str, ...]) -> str | None:
    values = (span.attributes.get(name) for name in names)
    return next((value for value in values if isinstance(value, str) and value), None)


def _error(span: Span) -> str:
    kind = _text(span, (semconv.ERROR_TYPE,)) or "error"
    return f"{escaped(kind)}: {first_line(span.status_message)}" if span.status_message else escaped(kind)


def _annotation(annotation: Annotation) -> str:
    """Return what people wrote beside a span: `★ [flaky] “asks twice”`."""
    told = ["★"] if annotation.bookmark else []
    told += [f"[{escaped(label)}]" for label in annotation.labels]
    return " ".join([*told, *(f"“{first_line(note)}”" for note in annotation.notes)])


# --- closing lines --------------------------------------------------------------------------------------------------


def recorded_line(trace: Trace, path: Path) -> str:
    """Return what was recorded, where, and the command that replays it."""
    told = ", ".join(_totals(trace)) or f"{counted(len(trace.spans), 'span')}, no call to a model"
    return (
        f"recorded {told} → {escaped(str(path))} · next: otel-agenttrace replay {escaped(shlex.quote(str(path)))} -- …"
    )


def replayed_line(
    counts: Mapping[OutcomeKind, int],
    unplayed: int,
    path: Path,
    tools: Mapping[OutcomeKind, int] | None = None,
    *,
    verb: str = "replayed",
) -> str:
    """Return how the calls of a replay and its frozen tools were answered, and how many recordings nobody asked for."""
    line = f"{verb} {_outcomes(counts, tools)} · {escaped(str(path))}"
    return f"{line} · {counted(unplayed, 'recording')} never asked for" if unplayed else line


def forked_line(
    counts: Mapping[OutcomeKind, int], path: Path, target: Path, tools: Mapping[OutcomeKind, int] | None = None
) -> str:
    """Return how the calls of a fork were answered, what it left, and where it stands."""
    shown = escaped(shlex.quote(str(target)))
    return f"forked {_outcomes(counts, tools)} · {escaped(str(path))} → {escaped(str(target))} · next: otel-agenttrace show {shown}"


def _outcomes(counts: Mapping[OutcomeKind, int], tools: Mapping[OutcomeKind, int] | None = None) -> str:
    both = Counter(counts) + Counter(tools or {})
    kinds: tuple[OutcomeKind, ...] = ("hit", "drift", "miss") + (("live",) if both["live"] else ())
    told = ", ".join(f"{both[kind]:,} {kind}" for kind in kinds)
    answered = counted(sum(counts.values()), "call") + (f", {counted(sum(tools.values()), 'tool')}" if tools else "")
    return f"{answered}: {told}"


def outcome_text(kind: OutcomeKind | None, line: str, detail: str = "") -> Text:
    """Return how one call was answered: a mark, its line, and what is to be said of it below."""
    mark, style = _MARKS[kind] if kind is not None else ("  ", "")
    below = "".join(f"\n    {escaped(told)}" for told in detail.splitlines())
    return Text.assemble((mark, style), escaped(line), (below, style))


def verified_lines(
    counts: Mapping[OutcomeKind, int], drifts: Sequence[tuple[str, str]], unplayed: int, path: Path
) -> str:
    """Return how many calls are answered by the network as they are recorded, and of the others the name and what differs."""
    total = counted(sum(counts.values()), "call")
    told = f"verified {total}: {counts.get('hit', 0):,} as recorded, {counts.get('drift', 0):,} drift, {counts.get('miss', 0):,} miss"
    head = f"{told} · {escaped(str(path))}" + (
        f" · {counted(unplayed, 'recording')} never asked for" if unplayed else ""
    )
    return "\n".join([head, *(f"  {escaped(name)}  {escaped(detail)}" for name, detail in drifts)])


def rerecorded_line(
    replaced: int, recorded: int, path: Path, added: int, unasked: int, removed: int, nothing_seen: str
) -> str:
    """Return how many recorded calls were made again, what was kept, and what nobody asked for."""
    kept = recorded - replaced - removed
    line = (
        f"re-recorded {replaced:,} of {counted(recorded, 'call')}, {kept:,} kept byte for byte → {escaped(str(path))}"
    )
    if nothing_seen:
        return f"{line} · {nothing_seen}"
    if added:
        line += f" · {counted(added, 'new call')} added"
    if removed:
        return f"{line} · {counted(removed, 'recorded call')} not asked for: removed"
    return (
        f"{line} · {counted(unasked, 'recorded call')} not asked for: kept; --prune removes them" if unasked else line
    )


def _totals(trace: Trace) -> Iterator[str]:
    """Yield calls, tokens and cost of a run, nothing if it made no call.

    A call is what has a recorded exchange, of a model or not, and each call to a model that was only told by a span.
    """
    inferences = trace.inferences
    calls = {id(span) for span in inferences} | {id(span) for span in trace.spans if span.read_call is not None}
    if not calls:
        return
    yield counted(len(calls), "call")
    total = trace.usage.total_tokens
    if total is not None:
        yield counted(total, "token")
    if inferences:
        yield _total_cost([cost_of_call(trace, span) for span in inferences])


def _total_cost(costs: list[float | None]) -> str:
    known = [dollars for dollars in costs if dollars is not None]
    if not known:
        return "cost unknown"
    unknown = len(costs) - len(known)
    return cost(sum(known)) + (f" ({unknown:,} of {len(costs):,} without a price)" if unknown else "")


# --- JSON -----------------------------------------------------------------------------------------------------------


def trace_json(trace: Trace, annotations: Annotations = NOTHING) -> JsonObject:
    """Return a run as JSON with stable keys; what is not known is null.

    At the top: `calls` (to models), `usage`, `cost` (US dollars), `duration_ns`, `errors` (failed spans) and `spans` in
    order of their start. Of each span: `trace_id`, `span_id`, `parent_span_id`, `name`, `operation`, `provider`,
    `model`, `start_unix_nano` (a string, as in OTLP/JSON), `duration_ns`, `usage`, `cost`, `error` (its type),
    `message` (of the error), `outcome` (of a replay), `annotation`: its `notes`, `labels` and `bookmark`, or null. A
    usage has `input_tokens` (cached ones included), `output_tokens`, `cache_read_input_tokens`,
    `cache_write_input_tokens`, `reasoning_output_tokens`.
    """
    trace = replace(trace, cost_of=_remembered(trace.cost_of))
    spans = sorted(trace.spans, key=lambda span: span.start_ns)
    return {**run_json(trace), "spans": [span_json(span, trace, annotations) for span in spans]}


def run_json(trace: Trace) -> JsonObject:
    """Return what `trace_json` tells of a run as a whole."""
    calls = trace.inferences
    costs = [dollars for span in calls if (dollars := cost_of_call(trace, span)) is not None]
    return {
        "calls": len(calls),
        "usage": usage_json(reduce(Usage.__add__, map(usage_of, calls), Usage())),
        "cost": sum(costs) if costs else None,
        "duration_ns": trace.duration_ns,
        "errors": len(trace.errors),
    }


USAGE: Final = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_write_input_tokens",
    "reasoning_output_tokens",
)
"""What is told of a usage."""


def usage_json(usage: Usage) -> JsonObject:
    """Return what `trace_json` tells of a usage."""
    return {name: getattr(usage, name) for name in USAGE}


def span_json(span: Span, trace: Trace, annotations: Annotations = NOTHING) -> JsonObject:
    """Return what `trace_json` tells of a span."""
    annotation = annotations.of(span)
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
        "name": span.name,
        "operation": span.operation,
        "provider": _text(span, (semconv.GEN_AI_PROVIDER_NAME,)),
        "model": _text(span, _MODELS),
        "start_unix_nano": str(span.start_ns),
        "duration_ns": span.duration_ns,
        "usage": usage_json(usage_of(span) if span.is_inference else span.usage),
        "cost": cost_of_call(trace, span) if span.is_inference else None,
        "error": (_text(span, (semconv.ERROR_TYPE,)) or "error") if span.is_error else None,
        "message": span.status_message if span.is_error else None,
        "outcome": _text(span, (semconv.AGENTTRACE_REPLAY_OUTCOME,)),
        "annotation": None if annotation is None else plain(annotation),
    }
