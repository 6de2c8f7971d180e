"""Runs of an agent made up by a few words: tools in order, tokens, times, errors; as spans or as a file."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import otel_agenttrace as at
from otel_agenttrace import semconv
from otel_agenttrace.cassette.format import encode_line, encode_resource
from otel_agenttrace.model import AttributeValue, Span, Trace

__all__ = ["DOCUMENT", "Tool", "agent_run", "record_answer", "traced", "write_run"]

Tool = tuple[str, Any]
"""The name of a tool and its arguments; None where they are not told."""
_SECOND = 1_000_000_000


def agent_run(
    number: int,
    tools: Sequence[Tool] = (("search", {"q": "a"}), ("answer", {"text": "b"})),
    *,
    model: str = "gpt-4o-2024-08-06",
    tokens: tuple[int, int] | None = (100, 10),
    latency_s: float = 1.0,
    instructions: str | None = "You help.",
    failing: Collection[int] = (),
    failing_model: Collection[int] = (),
    extra_calls: int = 0,
    subagent: str = "",
) -> tuple[Span, ...]:
    """Return the spans of a run: before each tool, and after the last, the model is asked.

    Args:
        number: Of the run: its ids and its time come from it.
        tools: What is called.
        model: Answers.
        tokens: Of each call, in and out; None where they are not told.
        latency_s: How long each call to the model takes.
        instructions: Which the model is given; None where no content is told.
        failing: Places of tools that fail.
        failing_model: Places of calls to the model that fail.
        extra_calls: How often the model is asked once more at the end.
        subagent: The name of an agent below the first one that does all of it.
    """
    return tuple(
        _spans(number, tools, model, tokens, latency_s, instructions, failing, failing_model, extra_calls, subagent)
    )


def _spans(
    number: int,
    tools: Sequence[Tool],
    model: str,
    tokens: tuple[int, int] | None,
    latency_s: float,
    instructions: str | None,
    failing: Collection[int],
    failing_model: Collection[int],
    extra_calls: int,
    subagent: str,
) -> Iterator[Span]:
    trace_id, ids = f"{number + 1:032x}", (f"{number + 1:08x}{place:08x}" for place in range(1_000_000))
    begin = clock = (number + 1) * 10_000 * _SECOND
    root = above = next(ids)
    if subagent:
        above = next(ids)

    def span(name: str, length_ns: int, error: bool, told: dict[str, AttributeValue]) -> Span:
        nonlocal clock
        clock += _SECOND // 1_000
        start, clock = clock, clock + length_ns
        more = {semconv.ERROR_TYPE: "timeout"} if error else {}
        attributes = {name: value for name, value in {**told, **more}.items() if value is not None}
        return Span(
            trace_id, next(ids), name, start, clock, above, attributes=attributes, status="ERROR" if error else "UNSET"
        )

    for place in range(len(tools) + 1 + extra_calls):
        yield span(
            "chat",
            int(latency_s * _SECOND),
            place in failing_model,
            {
                semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_CHAT,
                semconv.GEN_AI_RESPONSE_MODEL: model,
                semconv.GEN_AI_PROVIDER_NAME: "openai",
                semconv.GEN_AI_RESPONSE_FINISH_REASONS: ["tool_calls" if place < len(tools) else "stop"],
                semconv.GEN_AI_USAGE_INPUT_TOKENS: tokens and tokens[0],
                semconv.GEN_AI_USAGE_OUTPUT_TOKENS: tokens and tokens[1],
                semconv.GEN_AI_SYSTEM_INSTRUCTIONS: instructions
                and json.dumps([{"type": "text", "content": instructions}]),
            },
        )
        if place < len(tools):
            name, arguments = tools[place]
            yield span(
                f"execute_tool {name}",
                _SECOND // 10,
                place in failing,
                {
                    semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_EXECUTE_TOOL,
                    semconv.GEN_AI_TOOL_NAME: name,
                    semconv.GEN_AI_TOOL_CALL_ARGUMENTS: None if arguments is None else json.dumps(arguments),
                },
            )
    agents = [("helper", root, None), *([(subagent, above, root)] if subagent else [])]
    for name, span_id, parent in agents:
        told = {semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_INVOKE_AGENT, semconv.GEN_AI_AGENT_NAME: name}
        yield Span(trace_id, span_id, f"invoke_agent {name}", begin, clock, parent, attributes=told)


def traced(*runs: Sequence[Span]) -> Trace:
    """Return spans as they are read from a file."""
    spans = sorted((span for run in runs for span in run), key=lambda span: span.start_ns)
    return Trace(tuple(spans), lambda span: (span.usage.total_tokens or 0) / 1_000 if span.usage.total_tokens else None)


def write_run(path: Path, spans: Iterable[Span]) -> None:
    """Write spans to a file."""
    path.parent.mkdir(parents=True, exist_ok=True)
    resource = encode_resource({"service.name": "helper"})
    path.write_bytes(b"".join(encode_line(span, resource) for span in spans))


DOCUMENT: Final = "Above 20 degrees a hat is enough."


def record_answer(folder: Path) -> Path:
    """Record `run.otlp.jsonl` in a folder, of a question that is answered from a document; return the folder."""
    with at.record(folder / "run.otlp.jsonl", quiet=True), at.span("trip"):
        with at.retrieval("what to pack") as found:
            found.documents([{"id": "g7", "score": 0.83, "content": DOCUMENT}])
        question = at.Message("user", ({"type": "text", "content": f"{DOCUMENT} What do I pack?"},))
        with at.inference("gpt-4o-mini", provider="openai", messages=[question]) as call:
            call.respond("A hat.")
    return folder
