"""Tool calls line by line, as Assay writes them, and as people do by hand. One file in, its run out; odd lines are named.

A call and its result stand on two lines with one id, or on one line. Assay's episodes add what was asked, what the model
said, and the outcome.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.ingest.agents import Conversation, Tools, add_agent, add_evaluation, written
from otel_agenttrace.ingest.interactions import LeftOut, NotReadable
from otel_agenttrace.ingest.lines import json_lines
from otel_agenttrace.ingest.steps import Run
from otel_agenttrace.ingest.times import milliseconds_ns, moment_ns
from otel_agenttrace.jsonvalue import Json, JsonObject, first_of, obj, text
from otel_agenttrace.model import InferenceRequest, InferenceResponse, Message, Part
from otel_agenttrace.wire.codec import text_part
from otel_agenttrace.wire.openai_chat import usage_of

__all__ = ["FORMAT", "SUFFIXES", "read"]

FORMAT: Final = "tool-calls"
SUFFIXES: Final = (".jsonl", ".ndjson", ".jsonl.gz")

_NAMES: Final = ("tool", "tool_name", "name", "function")
_ARGUMENTS: Final = ("arguments", "args", "input", "tool_input", "parameters", "params", "kwargs")
_RESULTS: Final = ("result", "output", "response", "tool_output", "content")
_IDS: Final = ("id", "call_id", "tool_call_id", "tool_use_id")
_TIMES: Final = ("timestamp", "time", "ts", "start_time")


def _is_tool_line(record: JsonObject) -> bool:
    """Whether a line tells of a tool, as far as one line says."""
    kind = record.get("type")
    if kind in ("episode_start", "tool_call", "tool_result"):
        return True
    return kind is None and isinstance(first_of(record, *_NAMES[:2]), str) and first_of(record, *_ARGUMENTS) is not None


def read(content: bytes) -> Iterator[Run | LeftOut]:
    """Yield the run that the lines tell.

    Raises:
        NotReadable: If no line tells of a tool.
    """
    records = json_lines(content, "log of tool calls")
    log = _Log([record for _, record in records.found])
    left_out = records.give(log.take)
    if not log.run.steps:
        raise NotReadable("no log of tool calls: no line of it tells of one")
    yield from left_out
    yield log.run


class _Log:
    """The run as its lines tell it, with an agent for each episode."""

    def __init__(self, records: list[JsonObject]) -> None:
        self.run = Run()
        self._episodes: dict[str, _Episode] = {}
        self._asked: dict[tuple[str, str], list[Part]] = {}
        for record in records:
            if record.get("type") == "tool_call" and isinstance(record.get("step_id"), str):
                self._note(record)

    def _note(self, record: JsonObject) -> None:
        """Keep what a step asks for; a loop tells a call again when its result is there."""
        asked = self._asked.setdefault((_episode_of(record), text(record.get("step_id")) or ""), [])
        part: Part = {"type": "tool_call", "id": _id_of(record), "name": _name(record), "arguments": _arguments(record)}
        if part not in asked:
            asked.append(part)

    def take(self, record: JsonObject) -> None:
        """Take a line.

        Raises:
            NotReadable: If it tells nothing that is known.
        """
        kind, key = text(record.get("type")) or "", _episode_of(record)
        if kind not in _KINDS and not _is_tool_line(record):
            raise NotReadable("no tool call, no result: there is no 'type' that says so, and no tool with arguments")
        if key not in self._episodes:
            self._episodes[key] = _Episode(self.run, key)
        episode = self._episodes[key]
        if kind == "step":
            episode.step(record, self._asked.get((key, text(record.get("step_id")) or ""), []))
        else:
            _KINDS.get(kind, _Episode.call)(episode, record)


class _Episode:
    """One run of an agent, as its lines tell it."""

    def __init__(self, run: Run, key: str) -> None:
        self._run = run
        self._agent = add_agent(run, FORMAT, "", {semconv.GEN_AI_CONVERSATION_ID: key or None})
        self._conversation = Conversation(run, self._agent)
        self._tools = Tools(run, self._agent)
        self._heard: list[str] = []
        self._known: dict[str, int] = {}

    def begin(self, record: JsonObject) -> None:
        """Take what was asked."""
        prompt = text(obj(record.get("input")).get("prompt"))
        if prompt:
            self._heard.append(written(Message("user", (text_part(prompt),))))
            self._run.tell(self._agent, {semconv.AGENTTRACE_TASK_DESCRIPTION: prompt})

    def step(self, record: JsonObject, asked: list[Part]) -> None:
        """Take what the model said; a step that says nothing only holds tool calls together."""
        said, meta = text(record.get("content")) or "", obj(record.get("meta"))
        if record.get("kind") != "model":
            raise NotReadable(f"a step of the kind {str(record.get('kind'))[:40]!r}, which is no call")
        if not said and "gen_ai.usage" not in meta:
            return
        parts: tuple[Part, ...] = (*([text_part(said)] if said else []), *asked)
        models = (text(meta.get("gen_ai.request.model")), text(meta.get("gen_ai.response.model")))
        answered = InferenceResponse(
            model=models[1],
            output_messages=(Message("assistant", parts),),
            usage=usage_of(obj(meta.get("gen_ai.usage"))),
        )
        request = InferenceRequest(semconv.OPERATION_CHAT, models[0])
        self._conversation.add_call(self._heard, answered, request, times=(_time_of(record), None))
        self._heard += map(written, answered.output_messages)

    def call(self, record: JsonObject) -> None:
        """Take a call, with its result where that stands beside it.

        Raises:
            NotReadable: If no tool is named.
        """
        name, call_id = _name(record), _id_of(record)
        if not name:
            raise NotReadable("a tool call that names no tool")
        number = self._known.get(call_id) if call_id and "step_id" in record else None
        if number is None:
            number = self._tools.add(name, _arguments(record), call_id, _time_of(record))
            if call_id:
                self._known[call_id] = number
        if first_of(record, *_RESULTS[:4]) is not None or _error(record) is not None:
            self._answer(number, record, _end_of(record, self._run.steps[number].start_ns))

    def result(self, record: JsonObject) -> None:
        """Take a result.

        Raises:
            NotReadable: If no call waits for it.
        """
        number = self._tools.asked(_id_of(record))
        if number is None and _id_of(record) is None:
            number = self._tools.open_call(_name(record))
        if number is None:
            raise NotReadable("a result to which there is no call before it")
        self._answer(number, record, _time_of(record))

    def _answer(self, number: int, record: JsonObject, end_ns: int | None) -> None:
        result = first_of(record, *_RESULTS)
        self._tools.answer(number, result, end_ns, _error(record))
        call_id = text(self._run.steps[number].attributes.get(semconv.GEN_AI_TOOL_CALL_ID))
        part: Part = {"type": "tool_call_response", "id": call_id, "response": result}
        self._heard.append(written(Message("tool", (part,))))

    def end(self, record: JsonObject) -> None:
        """Take the outcome."""
        outcome = text(record.get("outcome"))
        if outcome:
            add_evaluation(self._run, self._agent, "outcome", label=outcome, time_ns=_time_of(record))


_KINDS: Final = {
    "episode_start": _Episode.begin,
    "step": _Episode.call,
    "tool_call": _Episode.call,
    "tool_result": _Episode.result,
    "episode_end": _Episode.end,
}


# --- fields -----------------------------------------------------------------------------------------------------------


def _episode_of(record: JsonObject) -> str:
    return text(record.get("episode_id")) or ""


def _id_of(record: JsonObject) -> str | None:
    """Return the id of a call; in a step of Assay a call without one is known by its place."""
    told = first_of(obj(record.get("meta")), *_IDS) or first_of(record, *_IDS)
    if isinstance(told, str | int) and not isinstance(told, bool):
        return str(told)
    return f"{record['step_id']}:{record.get('call_index')}" if "step_id" in record else None


def _function(record: JsonObject) -> JsonObject:
    return obj(record.get("function"))


def _name(record: JsonObject) -> str:
    told = next((record[name] for name in _NAMES if isinstance(record.get(name), str)), _function(record).get("name"))
    return text(told) or ""


def _arguments(record: JsonObject) -> Json:
    return first_of(_function(record) or record if "function" in record else record, *_ARGUMENTS)


def _error(record: JsonObject) -> tuple[str, str] | None:
    """Return the type and the text of an error, None where nothing says that there was one."""
    error = record.get("error")
    if not error and record.get("is_error") is not True:
        return None
    told = obj(error)
    kind, message = text(told.get("type")) or "tool_error", text(told.get("message")) or text(error)
    return kind, message or text(first_of(record, *_RESULTS)) or ""


def _time_of(record: JsonObject) -> int | None:
    return moment_ns(first_of(record, *_TIMES))


def _end_of(record: JsonObject, start_ns: int | None) -> int | None:
    lasted_ns = milliseconds_ns(first_of(record, "duration_ms", "latency_ms"))
    return None if start_ns is None or lasted_ns is None else start_ns + lasted_ns
