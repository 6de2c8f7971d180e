"""Trajectories of SWE-agent: what the model said, the command that was run, and what it printed. One file in, its run out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.ingest.agents import Conversation, Tools, add_agent, add_evaluation, written
from otel_agenttrace.ingest.documents import json_document
from otel_agenttrace.ingest.interactions import LeftOut, NotReadable, kind_of
from otel_agenttrace.ingest.steps import Run
from otel_agenttrace.jsonvalue import JsonObject, array, int64, obj, text
from otel_agenttrace.model import InferenceResponse, Message
from otel_agenttrace.wire.openai_chat import CODEC

__all__ = ["FORMAT", "SUFFIXES", "read"]

FORMAT: Final = "swe-agent"
SUFFIXES: Final = (".traj", ".traj.json")


def read(content: bytes) -> Iterator[Run | LeftOut]:
    """Yield the run of a trajectory.

    Raises:
        NotReadable: If it is none.
    """
    document = obj(json_document(content))
    if not isinstance(document.get("trajectory"), list):
        raise NotReadable(f"no trajectory of SWE-agent: its 'trajectory' is {kind_of(document.get('trajectory'))}")
    run = Run()
    info = obj(document.get("info"))
    agent = add_agent(run, FORMAT, "", _spent(obj(info.get("model_stats"))))
    yield from _tell(run, agent, document)
    status = text(info.get("exit_status"))
    if status:
        add_evaluation(run, agent, "exit_status", label=status)
    yield run


def _spent(stats: JsonObject) -> dict[str, int | None]:
    """Return the tokens of the whole run, which are all that is told; a replay counts none."""
    if not int64(stats.get("api_calls")):
        return {}
    return {
        semconv.GEN_AI_USAGE_INPUT_TOKENS: int64(stats.get("tokens_sent")),
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: int64(stats.get("tokens_received")),
    }


def _tell(run: Run, agent: int, document: JsonObject) -> Iterator[LeftOut]:
    """Add a call for each answer of the model, and a tool for each command that was run."""
    conversation, tools = Conversation(run, agent), Tools(run, agent)
    steps = _steps(document)
    heard: list[str] = []
    for message, told in _history(document):
        if message.role == "assistant" and told.get("is_demo") is not True:
            conversation.add_call(heard, InferenceResponse(output_messages=(message,)))
            number, step = next(steps, (0, None))
            if step is not None:
                _run_command(tools, message, step)
            elif number:
                yield LeftOut(number, "no step, but something else than a mapping")
        heard.append(written(message))
    yield from (LeftOut(number, "no answer of the model in the history belongs to this step") for number, _ in steps)


def _steps(document: JsonObject) -> Iterator[tuple[int, JsonObject | None]]:
    for number, step in enumerate(array(document["trajectory"]), 1):
        yield number, obj(step) if isinstance(step, dict) else None


def _history(document: JsonObject) -> Iterator[tuple[Message, JsonObject]]:
    """Yield the messages; where there is no history, what the steps tell of it."""
    for told in map(obj, array(document.get("history")) or _from_steps(document)):
        (message,) = CODEC.decode_request({"messages": [told]}).input_messages
        yield message, told


def _from_steps(document: JsonObject) -> Sequence[JsonObject]:
    steps = [obj(step) for step in array(document["trajectory"])]
    said: list[JsonObject] = []
    for step in steps:
        said.append({"role": "assistant", "content": step.get("response")})
        said.append({"role": "user", "content": step.get("observation")})
    return said


def _run_command(tools: Tools, message: Message, step: JsonObject) -> None:
    """Add the tools that the model asked for, else the command that was taken from its text, named by its first word."""
    observation, action = text(step.get("observation")), text(step.get("action")) or ""
    asked = tools.ask([message])
    if not asked and action.strip():
        asked = [tools.add(action.split()[0], {"command": action})]
    for number in asked:
        tools.answer(number, observation)
