"""Runs of the corpus traj-tau-bench as cassettes: 6 tasks, 4 trials each, in the message format of OpenAI, without times or tokens."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from otel_agenttrace import semconv
from otel_agenttrace.cassette.format import encode_line, encode_resource
from otel_agenttrace.model import AttributeValue, Span
from tests.support.corpus import CORPORA

__all__ = ["RUNS", "is_there", "runs", "write_runs"]

RUNS: Final = CORPORA / "traj-tau-bench" / "historical_trajectories" / "gpt-4o-airline.first6tasks.json"
_STEP_NS: Final = 1_000_000_000


def is_there() -> bool:
    """Whether the corpus is on this machine."""
    return RUNS.exists()


def runs() -> list[dict[str, Any]]:
    """Return the file as it is."""
    return json.loads(RUNS.read_bytes())


def write_runs(folder: Path) -> list[Path]:
    """Write a cassette for each run, named by its task and trial: a span for each answer of the model and each call of a tool."""
    folder.mkdir(parents=True, exist_ok=True)
    written: list[Path] = []
    for number, run in enumerate(runs(), 1):
        path = folder / f"task{run['task_id']}-trial{run['trial']}.otlp.jsonl"
        resource = encode_resource({"service.name": "tau-bench"})
        path.write_bytes(b"".join(encode_line(span, resource) for span in _spans(number, run["traj"])))
        written.append(path)
    return written


def _spans(number: int, messages: list[dict[str, Any]]) -> Iterator[Span]:
    trace_id, agent = f"{number:032x}", f"{number:08x}{0:08x}"
    clock = number * 1_000 * _STEP_NS
    ids = (f"{number:08x}{place:08x}" for place in range(1, 1_000))

    def span(name: str, place: int, **attributes: AttributeValue) -> Span:
        told = {key: value for key, value in attributes.items() if value is not None}
        begin = clock + place * _STEP_NS
        return Span(trace_id, next(ids), name, begin, begin + _STEP_NS // 2, agent, attributes=told)

    yield Span(
        trace_id,
        agent,
        "invoke_agent airline",
        clock,
        clock + (len(messages) + 1) * _STEP_NS,
        attributes={
            semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_INVOKE_AGENT,
            semconv.GEN_AI_AGENT_NAME: "airline",
        },
    )
    asked: dict[str, Any] = {}
    for place, message in enumerate(messages, 1):
        asked |= {call["id"]: call["function"] for call in message.get("tool_calls") or ()}  # ids come again
        if message["role"] == "assistant":
            yield span(
                "chat gpt-4o",
                place,
                **{semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_CHAT, semconv.GEN_AI_REQUEST_MODEL: "gpt-4o"},
            )
        elif message["role"] == "tool":
            called = asked[message["tool_call_id"]]
            yield span(
                f"execute_tool {called['name']}",
                place,
                **{
                    semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_EXECUTE_TOOL,
                    semconv.GEN_AI_TOOL_NAME: called["name"],
                    semconv.GEN_AI_TOOL_CALL_ARGUMENTS: called["arguments"],
                },
            )
