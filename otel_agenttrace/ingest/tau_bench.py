"""Results of tau-bench: a list of runs, each with its task, trial, reward and messages. One file in, its runs out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.ingest.agents import Conversation, Tools, add_agent, add_evaluation, written
from otel_agenttrace.ingest.documents import json_document
from otel_agenttrace.ingest.interactions import LeftOut, NotReadable, each, kind_of
from otel_agenttrace.ingest.steps import Run
from otel_agenttrace.jsonvalue import Json, JsonObject, array, int64, number, obj, text
from otel_agenttrace.model import InferenceResponse
from otel_agenttrace.wire.openai_chat import CODEC

__all__ = ["FORMAT", "SUFFIXES", "read"]

FORMAT: Final = "tau-bench"
SUFFIXES: Final = (".json",)

_FAILED: Final = "Error:"
"""How the environment of tau-bench answers where a tool failed."""
_NEAR_ONE: Final = 1e-6
"""How tau-bench itself counts: a run with a reward of 1 passed."""


def read(content: bytes) -> Iterator[Run | LeftOut]:
    """Yield the runs of a file, in its order.

    Raises:
        NotReadable: If it is no list of runs.
    """
    runs = json_document(content)
    found = array(runs)
    if not any("traj" in obj(run) for run in found):
        raise NotReadable(f"no results of tau-bench, which are a list of runs with a 'traj', but {kind_of(runs)}")
    return each(found, _run)


def _run(_: int, entry: Mapping[str, object]) -> Run:
    if not isinstance(entry.get("traj"), list):
        raise NotReadable(f"its 'traj' is no list of messages, but {kind_of(entry.get('traj'))}")
    task, trial = obj(obj(entry.get("info")).get("task")), entry.get("trial")
    run = Run(f"{_shown(entry.get('task_id'))}-{_shown(trial)}")
    told = {
        semconv.AGENTTRACE_TASK_ID: _shown(entry.get("task_id")),
        semconv.AGENTTRACE_TASK_TRIAL: int64(trial),
        semconv.AGENTTRACE_TASK_DESCRIPTION: text(task.get("instruction")),
    }
    agent = add_agent(run, FORMAT, "", told)
    _tell(run, agent, [obj(message) for message in array(entry["traj"])])
    reward = number(entry.get("reward"))
    if reward is not None:
        label = "pass" if abs(reward - 1) <= _NEAR_ONE else "fail"
        add_evaluation(run, agent, "reward", float(reward), label=label)
    return run


def _shown(value: object) -> str:
    return str(value) if isinstance(value, int | str) else "unknown"


def _tell(run: Run, agent: int, messages: list[JsonObject]) -> None:
    conversation, tools = Conversation(run, agent), Tools(run, agent)
    heard: list[str] = []
    for told in messages:
        (message,) = CODEC.decode_request({"messages": [told]}).input_messages
        if message.role == "assistant":
            conversation.add_call(heard, InferenceResponse(output_messages=(message,)))
            tools.ask([message])
        elif message.role in ("tool", "function"):
            _answer(tools, told)
        heard.append(written(message))


def _answer(tools: Tools, told: JsonObject) -> None:
    asked = tools.asked(text(told.get("tool_call_id")))
    content: Json = told.get("content")
    if asked is not None:
        failed = isinstance(content, str) and content.startswith(_FAILED)
        tools.answer(asked, content, error=("tool_error", str(content)) if failed else None)
