"""What it takes to compare two long runs, the reading of both included."""

from __future__ import annotations

import json
import random
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import otel_agenttrace as at
from otel_agenttrace.analyze.diffs import diff_of
from otel_agenttrace.cassette.writer import RecordedCall, Writer
from otel_agenttrace.matching import requested
from otel_agenttrace.model import Call, Exchange, Span
from otel_agenttrace.redact import RULES_VERSION, Redactor, redactor
from tests.bench.figures import Figure, cpu_seconds, interleaved

__all__ = ["diffing", "record_run"]

_TEXT: Final = "lorem ipsum dolor sit amet, consectetur adipiscing elit sed do eiusmod tempor incididunt "
_TALKS: Final = 50
_TURNS: Final = 20
_ROUNDS: Final = 5


def diffing() -> list[Figure]:
    """Two runs of 1,000 calls in 50 talks of 20 turns, 5 MB each, are compared in 0.2 s, reading included; beside it, reading alone.

    Where each tool call has another id, each request is another.
    """
    with tempfile.TemporaryDirectory() as folder:
        old, new, own, anew = (Path(folder, f"{number}.otlp.jsonl") for number in range(4))
        for seed, path in enumerate((old, new, own, anew)):
            record_run(path, seed=seed, own_ids=path in (own, anew))
        return [
            _compared("compare two runs of 1,000 calls; reading both", old, new),
            _compared("the same where each tool call has another id", own, anew),
        ]


def _compared(what: str, old: Path, new: Path) -> Figure:
    read, compared, _ = interleaved(
        lambda: cpu_seconds(lambda: (at.load(old), at.load(new))),
        lambda: cpu_seconds(lambda: diff_of(at.load(old), at.load(new))),
        _ROUNDS,
    )
    return Figure(what, compared, 0.2, "s", f"{read:.2f} s", f"{compared:.2f} s")


def record_run(path: Path, *, seed: int, own_ids: bool, talks: int = _TALKS) -> None:
    """Write a run whose answers have other ids in each run; every 20th result of a tool is another, too."""
    writer = Writer(path, {"service.name": "bench", "agenttrace.rules.version": RULES_VERSION})
    rules, chance = redactor({}), random.Random(seed)
    for talk in range(talks):
        agent = _agent(talk)
        said = [{"role": "system", "content": _TEXT * 10}, {"role": "user", "content": f"question {talk} {_TEXT}"}]
        for turn in range(_TURNS):
            number = talk * _TURNS + turn + 1
            call_id = f"call_{chance.getrandbits(96) if own_ids else number:024x}"
            answer = _answer(talk, turn, call_id)
            writer.write(*_call(number, said, answer, agent, rules, f"{chance.getrandbits(96):x}"))
            if turn < _TURNS - 1:
                found = f"result {talk} {turn} {_TEXT * 6}" + (f"by {seed}" if turn == _TURNS - 2 else "")
                writer.write(_tool(number, turn, call_id, found, agent))
                said = [*said, answer, {"role": "tool", "tool_call_id": call_id, "content": found}]
        writer.write(agent)


def _agent(talk: int) -> Span:
    begin = talk * _TURNS * 4_000
    told = {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "guide"}
    return Span(f"{1:032x}", f"{10**6 + talk:016x}", "invoke_agent guide", begin, begin + 90_000, attributes=told)


def _answer(talk: int, turn: int, call_id: str) -> dict[str, Any]:
    if turn == _TURNS - 1:
        return {"role": "assistant", "content": f"The answer {talk} is {_TEXT * 3}"}
    function = {"name": f"tool_{turn % 10}", "arguments": json.dumps({"q": f"{talk} {turn}"})}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call_id, "type": "function", "function": function}],
    }


def _call(
    number: int, said: list[Any], answer: dict[str, Any], agent: Span, rules: Redactor, own_id: str
) -> tuple[Span, RecordedCall]:
    body = json.dumps({"model": "gpt-4o", "messages": said, "tools": list(_tools())}, separators=(",", ":")).encode()
    asked = requested("POST", "https://api.openai.com/v1/chat/completions", "application/json", body, rules)
    choice = {"index": 0, "finish_reason": "tool_calls" if "tool_calls" in answer else "stop", "message": answer}
    answered = {
        "id": f"chatcmpl-{own_id}",
        "object": "chat.completion",
        "model": "gpt-4o-2024-08-06",
        "choices": [choice],
    }
    headers = (("content-type", "application/json"), ("x-request-id", f"req_{own_id}"))
    begin = number * 4_000
    exchange = Exchange(asked.request, begin, begin + 1, "complete", 200, headers, json.dumps(answered).encode())
    told = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.model": "gpt-4o-2024-08-06",
        "gen_ai.usage.input_tokens": 900 + number,
        "gen_ai.usage.output_tokens": 300,
        "agenttrace.cost.amount": 0.00525,
        "agenttrace.cost.currency": "USD",
    }
    span = Span(agent.trace_id, f"{number:016x}", "chat gpt-4o", begin, begin + 1_500, agent.span_id, attributes=told)
    return span, RecordedCall(Call(asked.key, (exchange,), "", number), asked)


def _tools() -> Iterator[dict[str, Any]]:
    schema = {"type": "object", "properties": {"q": {"type": "string", "description": _TEXT}}}
    for number in range(10):
        yield {
            "type": "function",
            "function": {"name": f"tool_{number}", "description": _TEXT * 2, "parameters": schema},
        }


def _tool(number: int, turn: int, call_id: str, found: str, agent: Span) -> Span:
    told = {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": f"tool_{turn % 10}",
        "gen_ai.tool.call.id": call_id,
        "gen_ai.tool.call.arguments": json.dumps({"q": f"{number} {turn}"}),
        "gen_ai.tool.call.result": found,
    }
    begin = number * 4_000 + 2_000
    name = f"execute_tool tool_{turn % 10}"
    return Span(
        agent.trace_id, f"{2 * 10**6 + number:016x}", name, begin, begin + 1_000, agent.span_id, attributes=told
    )
