"""Sessions of agent-strace: events.ndjson, one event on each line. One file in, its run out.

Its events hold no request and no answer of a model, but how many messages there were; of results there is a preview.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.ingest.agents import Conversation, Tools, add_agent, add_decision, written
from otel_agenttrace.ingest.interactions import LeftOut, NotReadable
from otel_agenttrace.ingest.lines import json_lines
from otel_agenttrace.ingest.steps import Run
from otel_agenttrace.ingest.times import milliseconds_ns, moment_ns
from otel_agenttrace.jsonvalue import JsonObject, array, obj, text
from otel_agenttrace.model import InferenceRequest, InferenceResponse, Message
from otel_agenttrace.wire.codec import text_part

__all__ = ["FORMAT", "SUFFIXES", "read"]

FORMAT: Final = "agent-strace"
SUFFIXES: Final = (".ndjson",)


def read(content: bytes) -> Iterator[Run | LeftOut]:
    """Yield the run of a session.

    Raises:
        NotReadable: If it is none.
    """
    records = json_lines(content, "session of agent-strace")
    first = next((record for _, record in records.found if text(record.get("event_type")) in _KINDS), None)
    if first is None:
        raise NotReadable("no session of agent-strace: no line of it has a known 'event_type'")
    log = _Log(first)
    yield from records.give(log.take)
    yield log.run


class _Log:
    """The run as its events tell it."""

    def __init__(self, first: JsonObject) -> None:
        self.run = Run()
        name = text(obj(first.get("data")).get("agent_name")) or ""
        session = text(first.get("session_id"))
        self._agent = add_agent(self.run, FORMAT, name, {semconv.GEN_AI_CONVERSATION_ID: session})
        self._conversation = Conversation(self.run, self._agent)
        self._tools = Tools(self.run, self._agent)
        self._heard: list[str] = []
        self._events: dict[str, int] = {}
        self._agents: list[tuple[str, int]] = []

    def take(self, event: JsonObject) -> None:
        """Take an event.

        Raises:
            NotReadable: If nothing can be made of it.
        """
        kind = text(event.get("event_type")) or ""
        if kind not in _KINDS:
            raise NotReadable(f"an event of an unknown kind: {kind[:40]!r}" if kind else "no event of agent-strace")
        number = _KINDS[kind](self, obj(event.get("data")), event)
        if number is not None:
            self._events[text(event.get("event_id")) or ""] = number

    def began(self, data: JsonObject, event: JsonObject) -> None:
        """Take the start or the end of the session, which its events tell as well."""

    def asked(self, data: JsonObject, event: JsonObject) -> None:
        """Take what the user asked."""
        prompt = text(data.get("prompt")) or ""
        self._heard.append(written(Message("user", (text_part(prompt),))))
        if semconv.AGENTTRACE_TASK_DESCRIPTION not in self.run.steps[self._agent].attributes:
            self.run.tell(self._agent, {semconv.AGENTTRACE_TASK_DESCRIPTION: prompt})

    def said(self, data: JsonObject, event: JsonObject) -> int:
        """Take what the model said in words."""
        answer = Message("assistant", (text_part(text(data.get("text")) or text(data.get("response")) or ""),))
        response = InferenceResponse(model=text(data.get("model")) or None, output_messages=(answer,))
        number = self._conversation.add_call(self._heard, response, times=(_time_of(event), None))
        self._heard.append(written(answer))
        return number

    def request(self, data: JsonObject, event: JsonObject) -> int:
        """Take that a model was called; with what is not told."""
        request = InferenceRequest(semconv.OPERATION_CHAT, text(data.get("model")) or None)
        alone = Conversation(self.run, self._agent)
        number = alone.add_call([], InferenceResponse(), request, times=(_time_of(event), None))
        self.run.leave_open(number)
        return number

    def response(self, data: JsonObject, event: JsonObject) -> None:
        """Take that a model has answered."""
        number = self._open(data, event)
        self.run.end(number, _end_of(event, self.run.steps[number].start_ns))

    def call(self, data: JsonObject, event: JsonObject) -> int:
        """Take a tool call."""
        name, call_id = text(data.get("tool_name")) or "", text(data.get("tool_use_id"))
        return self._tools.add(name, data.get("arguments"), call_id, _time_of(event))

    def result(self, data: JsonObject, event: JsonObject) -> None:
        """Take what a tool gave."""
        number = self._open(data, event)
        result = data.get("result", data.get("content_preview"))
        self._tools.answer(number, result, _end_of(event, self.run.steps[number].start_ns))

    def error(self, data: JsonObject, event: JsonObject) -> None:
        """Take an error: of the call it belongs to, else of the session."""
        kind = text(data.get("exception_type")) or "error"
        message = text(data.get("message")) or text(data.get("error")) or ""
        number = self._place(data, event)
        if number is not None:
            self._tools.answer(number, None, _end_of(event, self.run.steps[number].start_ns))
        self.run.fail(self._agent if number is None else number, kind, message)

    def _open(self, data: JsonObject, event: JsonObject) -> int:
        number = self._place(data, event)
        if number is None:
            raise NotReadable("a result to which there is no call before it")
        return number

    def _place(self, data: JsonObject, event: JsonObject) -> int | None:
        """Return the call that an event ends: by its id, the tool's id, or the name of the tool."""
        number = self._events.get(text(event.get("parent_id")) or "")
        if number is None:
            number = self._tools.asked(text(data.get("tool_use_id")))
        name = text(data.get("tool_name"))
        return self._tools.open_call(name) if number is None and name else number

    def decision(self, data: JsonObject, event: JsonObject) -> None:
        """Take what the agent chose."""
        others = [str(other) for other in array(data.get("alternatives"))]
        choice, reason = text(data.get("choice")) or "", text(data.get("reason")) or ""
        add_decision(self.run, self._agent, choice, reason, others, _time_of(event) or 0)

    def file(self, data: JsonObject, event: JsonObject) -> int:
        """Take that a file was read or written."""
        path = text(data.get("path")) or text(data.get("file_path")) or text(data.get("uri")) or ""
        name = f"{event['event_type']} {path}".strip()
        return self.run.add(name, self._agent, {semconv.AGENTTRACE_NODE_NAME: name}, times=(_time_of(event), None))

    def subagent_began(self, data: JsonObject, event: JsonObject) -> int:
        """Take that a subagent began; its own session tells what it did."""
        name = text(data.get("agent_type")) or text(data.get("agent_name")) or ""
        told = {semconv.GEN_AI_CONVERSATION_ID: _child_of(data) or None}
        above = self._events.get(text(event.get("parent_id")) or "", self._agent)
        number = add_agent(self.run, FORMAT, name, told, above, times=(_time_of(event), None))
        self.run.leave_open(number)
        self._agents.append((_child_of(data), number))
        return number

    def subagent_ended(self, data: JsonObject, event: JsonObject) -> None:
        """Take that a subagent ended."""
        ended = next((each for each in self._agents if each[0] == _child_of(data)), None)
        if ended is None:
            raise NotReadable("the end of a subagent that did not begin before")
        self._agents.remove(ended)
        self.run.end(ended[1], _time_of(event))


_KINDS: Final[Mapping[str, Callable[[_Log, JsonObject, JsonObject], int | None]]] = {
    "session_start": _Log.began,
    "session_end": _Log.began,
    "user_prompt": _Log.asked,
    "assistant_response": _Log.said,
    "llm_request": _Log.request,
    "llm_response": _Log.response,
    "tool_call": _Log.call,
    "tool_result": _Log.result,
    "error": _Log.error,
    "decision": _Log.decision,
    "file_read": _Log.file,
    "file_write": _Log.file,
    "subagent_start": _Log.subagent_began,
    "subagent_stop": _Log.subagent_ended,
}


def _child_of(data: JsonObject) -> str:
    return text(data.get("child_session_id")) or text(data.get("agent_id")) or ""


def _time_of(event: JsonObject) -> int | None:
    return moment_ns(event.get("timestamp"))


def _end_of(event: JsonObject, start_ns: int | None) -> int | None:
    lasted_ns = milliseconds_ns(event.get("duration_ms"))
    return start_ns + lasted_ns if start_ns is not None and lasted_ns is not None else _time_of(event)
