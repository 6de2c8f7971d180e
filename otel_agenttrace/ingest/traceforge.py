"""Runs of TraceForge: one span on each line of a run.jsonl. One file in, its run out.

A span is written when its call is over; how long that took stands beside it, or is not known. Of an answer there is only
the text.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.ingest.agents import Conversation, Tools, add_agent, cost_told, written
from otel_agenttrace.ingest.interactions import LeftOut, NotReadable
from otel_agenttrace.ingest.lines import json_lines
from otel_agenttrace.ingest.steps import Run
from otel_agenttrace.ingest.times import milliseconds_ns, moment_ns
from otel_agenttrace.jsonvalue import JsonObject, int64, number, obj, text
from otel_agenttrace.model import InferenceResponse, Message, Usage
from otel_agenttrace.wire.codec import text_part
from otel_agenttrace.wire.openai_chat import CODEC

__all__ = ["FORMAT", "SUFFIXES", "read"]

FORMAT: Final = "traceforge"
SUFFIXES: Final = (".jsonl",)


def read(content: bytes) -> Iterator[Run | LeftOut]:
    """Yield the run of a file.

    Raises:
        NotReadable: If it is none.
    """
    spans: list[JsonObject] = []
    left_out = json_lines(content, "run of TraceForge").give(lambda record: spans.append(_checked(record)))
    if not spans:
        raise NotReadable("no run of TraceForge: no line of it has a 'span_type'")
    yield from left_out
    yield _Log(spans).run


def _checked(record: JsonObject) -> JsonObject:
    if not isinstance(record.get("span_type"), str):
        raise NotReadable("no span of TraceForge")
    return record


class _Log:
    """The run as its spans tell it."""

    def __init__(self, spans: list[JsonObject]) -> None:
        self.run = Run()
        self._agent = add_agent(self.run, FORMAT, "", {semconv.GEN_AI_CONVERSATION_ID: text(spans[0].get("run_id"))})
        self._conversation = Conversation(self.run, self._agent)
        self._tools = Tools(self.run, self._agent)
        numbers = {text(span.get("span_id")) or "": self._add(span) for span in spans}
        for span in spans:
            below, above = numbers[text(span.get("span_id")) or ""], numbers.get(text(span.get("parent_id")) or "")
            if above is not None and above < below:
                self.run.move(below, above)

    def _add(self, span: JsonObject) -> int:
        kind, model, tool = span["span_type"], obj(span.get("llm_data")), obj(span.get("tool_data"))
        if kind == "llm_call" and model:
            return self._call(span, model)
        if kind == "tool_call" and tool:
            return self._tool(span, tool)
        name = text(span.get("name")) or str(kind)
        step = self.run.add(name, self._agent, {semconv.AGENTTRACE_NODE_NAME: name}, times=_times(span))
        error = text(span.get("error"))
        if error is not None or kind == "error":
            self.run.fail(step, "error", error or "")
        return step

    def _call(self, span: JsonObject, told: JsonObject) -> int:
        request = CODEC.decode_request({**told, "system": None})
        system = text(told.get("system_prompt"))
        messages = (*((Message("system", (text_part(system),)),) if system else ()), *request.input_messages)
        said = text(told.get("response"))
        response = InferenceResponse(
            output_messages=(Message("assistant", (text_part(said),)),) if said is not None else (),
            usage=Usage(int64(told.get("input_tokens")), int64(told.get("output_tokens"))),
        )
        heard = list(map(written, messages))
        provider = text(told.get("provider"))
        step = self._conversation.add_call(heard, response, request, provider=provider, times=_times(span))
        self.run.tell(step, cost_told(number(told.get("cost_usd"))))
        if text(span.get("error")):
            self.run.fail(step, "error", text(span.get("error")) or "")
        return step

    def _tool(self, span: JsonObject, told: JsonObject) -> int:
        start_ns, end_ns = _times(span)
        step = self._tools.add(text(told.get("tool_name")) or "", told.get("tool_input"), time_ns=start_ns)
        error = text(told.get("error")) or text(span.get("error"))
        self._tools.answer(step, told.get("tool_output"), end_ns, ("tool_error", error) if error else None)
        return step


def _times(span: JsonObject) -> tuple[int | None, int | None]:
    """Return start and end: the file has the moment at which the span was written, and maybe how long its call took."""
    moment, end_ns = moment_ns(span.get("started_at")), moment_ns(span.get("ended_at"))
    lasted_ns = milliseconds_ns(span.get("latency_ms"))
    if moment is None or end_ns is not None or lasted_ns is None:
        return moment, end_ns
    return max(moment - lasted_ns, 0), moment
