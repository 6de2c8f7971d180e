"""Transcripts of Claude Code: JSON Lines with the subagents' files, or a session of the web. One file in, its run out.

One answer stands on several lines, one for each block, with the same message id and the same usage each time: they are one
call. What the client says in the model's name (`<synthetic>`) is no call, but an error of the API is a failed one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.ingest.agents import Conversation, Tools, add_agent, written
from otel_agenttrace.ingest.documents import json_document
from otel_agenttrace.ingest.interactions import LeftOut, NotReadable, kind_of
from otel_agenttrace.ingest.lines import Records, json_lines, listed
from otel_agenttrace.ingest.steps import Run
from otel_agenttrace.ingest.transcripts import Begun, Said, answers_in_one, flat, said_in
from otel_agenttrace.jsonvalue import Json, JsonObject, array, obj, parse, text
from otel_agenttrace.model import InferenceRequest, InferenceResponse, Message, Part
from otel_agenttrace.wire.anthropic_messages import CODEC

__all__ = ["FORMAT", "SUFFIXES", "beside", "read"]

FORMAT: Final = "claude-code"
SUFFIXES: Final = (".jsonl", ".json", ".jsonl.gz")

_AGENT: Final = "claude-code"
_PROVIDER: Final = "anthropic"


def beside(path: Path) -> Sequence[Path]:
    """Return the transcripts of a session's subagents, which stand in a folder with its name."""
    folder = path.with_name(path.name.split(".")[0]) / "subagents"
    return sorted(folder.glob("agent-*.jsonl")) if folder.is_dir() else ()


def read(content: bytes) -> Iterator[Run | LeftOut]:
    """Yield the run of a transcript.

    Raises:
        NotReadable: If it is none.
    """
    said: list[Said] = []
    left_out = _records(content).give(lambda record: said.extend(said_in(record)))
    if all(each.is_silent for each in said):
        raise NotReadable("no transcript of Claude Code: nobody says anything in it")
    yield from left_out
    yield _Session(said).told()


def _records(content: bytes) -> Records:
    """Return the records of a file: its lines, or the `loglines` of a session of the web."""
    if b'"loglines"' not in content or _is_record(content.lstrip().split(b"\n", 1)[0]):
        return json_lines(content, "transcript of Claude Code")
    lines = obj(json_document(content)).get("loglines")
    if not isinstance(lines, list):
        raise NotReadable(f"no session of Claude Code: its 'loglines' are {kind_of(lines)}")
    return listed(array(lines))


def _is_record(line: bytes) -> bool:
    try:
        return "type" in obj(parse(line))
    except ValueError:
        return False


class _Session:
    """The run of a session: its agent, and its subagents below the tools that began them."""

    def __init__(self, said: Sequence[Said]) -> None:
        self._said = said
        self._run = Run()
        self._begun = Begun(said)
        self._agents: dict[str, _Agent] = {}
        self._tools: dict[str, int] = {}

    def told(self) -> Run:
        """Return the whole run."""
        first = next(each for each in self._said if not each.is_silent)
        self._agents[""] = _Agent(self._run, self._tools, self._added(first, None, _AGENT))
        for each in answers_in_one(self._said):
            if each.agent not in self._agents and not each.is_silent:
                self._add_subagent(each)
            if each.agent in self._agents:
                self._agents[each.agent].take(each)
        return self._run

    def _add_subagent(self, first: Said) -> None:
        call_id, name = self._begun.by(first)
        parent = self._tools.get(call_id, self._agents[""].number)
        self._agents[first.agent] = _Agent(self._run, self._tools, self._added(first, parent, name or _AGENT))

    def _added(self, first: Said, parent: int | None, name: str) -> int:
        record = first.record
        told = {
            semconv.GEN_AI_CONVERSATION_ID: text(record.get("sessionId")),
            semconv.GEN_AI_AGENT_ID: None if parent is None else text(record.get("agentId")),
            semconv.GEN_AI_AGENT_VERSION: text(record.get("version")),
        }
        return add_agent(self._run, FORMAT, name, told, parent)


class _Agent:
    """One agent of a session, as it hears and answers."""

    def __init__(self, run: Run, tools: dict[str, int], number: int) -> None:
        self.number = number
        self._run = run
        self._all_tools = tools
        self._conversation = Conversation(run, number)
        self._tools = Tools(run, number)
        self._heard: list[str] = []
        self._places: dict[str, int] = {}
        self._now_ns: int | None = None
        self._has_task = False

    def take(self, said: Said) -> None:
        """Take what was said to the agent, or by it."""
        if said.is_silent:
            self._heard = [] if said.is_compaction else self._heard
        elif said.is_answer:
            self._answer(said)
        else:
            self._hear(said)
        self._places[said.uuid] = len(self._heard)
        if not said.is_silent:
            self._now_ns = said.time_ns or self._now_ns

    def _hear(self, said: Said) -> None:
        (message,) = CODEC.decode_request({"messages": [said.message]}).input_messages
        results = [block for block in said.blocks if block.get("type") == "tool_result"]
        for block, part in zip(results, _responses(message), strict=True):
            self._result(block, part.get("response"), said.time_ns)
        if said.is_compaction:
            self._heard = []
        elif not results and not said.is_meta:
            self._go_back(said)
            self._set_task(message)
        self._heard.append(written(message))

    def _go_back(self, said: Said) -> None:
        """Forget what was said after the place that a prompt goes on from: the user has gone back."""
        del self._heard[self._places.get(said.parent, len(self._heard)) :]

    def _set_task(self, message: Message) -> None:
        if not self._has_task:
            self._has_task = True
            self._run.tell(self.number, {semconv.AGENTTRACE_TASK_DESCRIPTION: _text_of(message)})

    def _result(self, block: JsonObject, response: Json, time_ns: int | None) -> None:
        number = self._tools.asked(text(block.get("tool_use_id")))
        if number is not None:
            result = flat(response)
            failed = (
                ("tool_error", result if isinstance(result, str) else "") if block.get("is_error") is True else None
            )
            self._tools.answer(number, result, time_ns, failed)

    def _answer(self, said: Said) -> None:
        response = CODEC.decode_response(said.message)
        if said.is_synthetic:
            self._client_said(said, response)
            return
        request = InferenceRequest(semconv.OPERATION_CHAT, response.model)
        self._conversation.add_call(self._heard, response, request, provider=_PROVIDER, times=self._times(said))
        self._heard += map(written, response.output_messages)
        asked = [
            part for message in response.output_messages for part in message.parts if part.get("type") == "tool_call"
        ]
        for part, time_ns in zip(asked, said.tool_times, strict=False):
            number = self._tools.add(text(part.get("name")) or "", part.get("arguments"), text(part.get("id")), time_ns)
            self._all_tools[text(part.get("id")) or ""] = number

    def _times(self, said: Said) -> tuple[int | None, int | None]:
        """Return when a call began, by what was heard last, and when its last piece was there."""
        before_ns, end_ns = self._now_ns, said.time_ns
        if before_ns is None or end_ns is None or end_ns < before_ns:
            return end_ns, None
        return before_ns, end_ns

    def _client_said(self, said: Said, response: InferenceResponse) -> None:
        """Tell an error of the API as a call that failed; what else the client says is only heard."""
        told = [message for message in response.output_messages if message.parts]
        if said.record.get("isApiErrorMessage") is True:
            times = (said.time_ns, None)
            number = self._conversation.add_call(self._heard, InferenceResponse(), provider=_PROVIDER, times=times)
            self._run.fail(number, text(said.record.get("error")) or "api_error", "".join(map(_text_of, told)))
        else:
            self._heard += map(written, told)


def _responses(message: Message) -> list[Part]:
    return [part for part in message.parts if part.get("type") == "tool_call_response"]


def _text_of(message: Message) -> str:
    return "\n".join(str(part["content"]) for part in message.parts if part.get("type") == "text" and "content" in part)
