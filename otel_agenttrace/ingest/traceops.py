"""Cassettes of TraceOps: the events of a run in YAML. One file in, its run out.

A response has no id of its request there: it belongs to the first one of its provider and model that has none.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping
from itertools import chain
from typing import Final, cast

from otel_agenttrace import semconv
from otel_agenttrace.ingest.agents import (
    Conversation,
    Tools,
    add_agent,
    add_decision,
    add_evaluation,
    cost_told,
    written,
)
from otel_agenttrace.ingest.documents import document
from otel_agenttrace.ingest.interactions import LeftOut, NotReadable, items, kind_of, members
from otel_agenttrace.ingest.lines import listed
from otel_agenttrace.ingest.steps import Run
from otel_agenttrace.ingest.times import milliseconds_ns, moment_ns
from otel_agenttrace.jsonvalue import Json, JsonObject, array, compact, int64, number, obj, text
from otel_agenttrace.model import AttributeValue, InferenceResponse, Usage
from otel_agenttrace.safe_yaml import Unbuilt
from otel_agenttrace.wire import anthropic_messages, openai_chat
from otel_agenttrace.wire.codec import Codec

__all__ = ["FORMAT", "SUFFIXES", "read"]

FORMAT: Final = "traceops"
SUFFIXES: Final = (".yaml", ".yml", ".json")


def read(content: bytes) -> Iterator[Run | LeftOut]:
    """Yield the run of a cassette.

    Raises:
        NotReadable: If it is none.
        ConfigError: If PyYAML is not there.
    """
    told = members(document(content))
    events = _plain(told.get("events"))
    if not array(events) or "trace_id" not in told:
        raise NotReadable(f"no cassette of TraceOps: its 'events' are {kind_of(events)}")
    log = _Log(obj(_plain(told.get("metadata"))))
    yield from listed(array(events)).give(log.take)
    yield log.end()


def _plain(value: object) -> Json:
    """Return a value of YAML as one of JSON: objects that are not built by their tags, bytes as text."""
    if isinstance(value, dict):
        return {str(key): _plain(member) for key, member in members(cast("object", value)).items()}
    if isinstance(value, list):
        return [_plain(item) for item in items(cast("object", value))]
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return value.tag if isinstance(value, Unbuilt) else str(value)


class _Log:
    """The run as its events tell it."""

    def __init__(self, metadata: JsonObject) -> None:
        self._run = Run()
        self._agent = add_agent(
            self._run, FORMAT, "", {semconv.AGENTTRACE_TASK_DESCRIPTION: text(metadata.get("description")) or None}
        )
        self._conversation = Conversation(self._run, self._agent)
        self._tools = Tools(self._run, self._agent)
        self._requests: dict[tuple[str, str], deque[JsonObject]] = {}

    def take(self, event: JsonObject) -> None:
        """Take an event.

        Raises:
            NotReadable: If nothing can be made of it.
        """
        kind = text(event.get("event_type")) or ""
        if kind not in _KINDS:
            raise NotReadable(f"an event of the kind {kind[:40]!r}, which tells no step")
        _KINDS[kind](self, event)

    def end(self) -> Run:
        """Return the run; requests that nothing answered are calls without an end."""
        for request in list(chain.from_iterable(self._requests.values())):
            self._run.leave_open(self._add_call(request, InferenceResponse(), None))
        return self._run

    def request(self, event: JsonObject) -> None:
        """Take a request, until its response comes, and the results of tools that it holds."""
        self._requests.setdefault(_model_of(event), deque()).append(event)
        for message in _codec_of(event).decode_request(event).input_messages:
            for part in message.parts:
                asked = self._tools.asked(text(part.get("id"))) if part.get("type") == "tool_call_response" else None
                if asked is not None:
                    self._tools.answer(asked, part.get("response"), _time_of(event))

    def response(self, event: JsonObject) -> None:
        """Take a response.

        Raises:
            NotReadable: If there is no request for it.
        """
        response = _codec_of(event).decode_response(obj(event.get("response")))
        number = self._add_call(self._asked(event), response, _time_of(event))
        self._run.tell(number, {**_counted(event, response.usage), **cost_told(event.get("cost_usd"))})

    def _asked(self, event: JsonObject) -> JsonObject:
        waiting = self._requests.get(_model_of(event))
        if not waiting:
            raise NotReadable("a response to which there is no request before it")
        return waiting.popleft()

    def _add_call(self, asked: JsonObject, response: InferenceResponse, end_ns: int | None) -> int:
        request = _codec_of(asked).decode_request(asked)
        messages = [written(message) for message in request.input_messages]
        provider, times = text(asked.get("provider")), (_time_of(asked), end_ns)
        return self._conversation.add_call(messages, response, request, provider=provider, times=times)

    def call(self, event: JsonObject) -> None:
        """Take a tool call."""
        call_id = text(obj(event.get("metadata")).get("tool_call_id"))
        arguments = event.get("tool_input", event.get("arguments"))
        self._tools.add(text(event.get("tool_name")) or "", arguments, call_id or None, _time_of(event))

    def result(self, event: JsonObject) -> None:
        """Take what a tool gave.

        Raises:
            NotReadable: If no call waits for it.
        """
        asked = self._tools.open_call(text(event.get("tool_name")) or "")
        if asked is None:
            raise NotReadable("a result of a tool that was not called before")
        failed = ("tool_error", text(event.get("error_message")) or "") if event.get("is_error") is True else None
        self._tools.answer(asked, event.get("tool_output", event.get("result")), _time_of(event), failed)

    def decision(self, event: JsonObject) -> None:
        """Take what the agent chose."""
        choice, reason = text(event.get("decision")) or "", text(event.get("reasoning")) or ""
        add_decision(self._run, self._agent, choice, reason, time_ns=_time_of(event) or 0)

    def error(self, event: JsonObject) -> None:
        """Take an error: of the call that has no response, else of the run."""
        told = text(event.get("error_type")) or "error", text(event.get("error_message")) or ""
        waiting = self._requests.get(_model_of(event))
        failed = self._add_call(waiting.popleft(), InferenceResponse(), _time_of(event)) if waiting else self._agent
        self._run.fail(failed, *told)

    def retrieval(self, event: JsonObject) -> None:
        """Take what a retriever found."""
        source = text(event.get("collection")) or text(event.get("vector_store"))
        documents = [_document(obj(chunk)) for chunk in array(event.get("chunks"))]
        told: dict[str, AttributeValue] = {
            semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_RETRIEVAL,
            semconv.GEN_AI_DATA_SOURCE_ID: source,
            semconv.GEN_AI_RETRIEVAL_QUERY_TEXT: text(event.get("query")),
            semconv.GEN_AI_RETRIEVAL_TOP_K: int64(event.get("top_k")),
            semconv.GEN_AI_RETRIEVAL_DOCUMENTS: compact(documents),
        }
        name = f"{semconv.OPERATION_RETRIEVAL} {source}" if source else semconv.OPERATION_RETRIEVAL
        self._run.add(name, self._agent, told, "CLIENT", _lasted(event))

    def embedding(self, event: JsonObject) -> None:
        """Take a call of a model of embeddings."""
        model = text(event.get("model"))
        told: dict[str, AttributeValue] = {
            semconv.GEN_AI_OPERATION_NAME: semconv.OPERATION_EMBEDDINGS,
            semconv.GEN_AI_PROVIDER_NAME: text(event.get("provider")),
            semconv.GEN_AI_REQUEST_MODEL: model,
            semconv.GEN_AI_USAGE_INPUT_TOKENS: int64(event.get("input_tokens")),
        }
        name = f"{semconv.OPERATION_EMBEDDINGS} {model}" if model else semconv.OPERATION_EMBEDDINGS
        self._run.add(name, self._agent, told, "CLIENT", _lasted(event))

    def scores(self, event: JsonObject) -> None:
        """Take what a scorer found."""
        for name, told in obj(event.get("scores")).items():
            score = number(told)
            if score is not None:
                add_evaluation(self._run, self._agent, name, float(score), time_ns=_time_of(event))


_KINDS: Final[Mapping[str, Callable[[_Log, JsonObject], None]]] = {
    "llm_request": _Log.request,
    "llm_response": _Log.response,
    "tool_call": _Log.call,
    "tool_result": _Log.result,
    "mcp_tool_call": _Log.call,
    "mcp_tool_result": _Log.result,
    "agent_decision": _Log.decision,
    "error": _Log.error,
    "retrieval": _Log.retrieval,
    "embedding_call": _Log.embedding,
    "rag_scores": _Log.scores,
}


def _codec_of(event: JsonObject) -> Codec:
    is_anthropic = event.get("provider") == "anthropic"
    return anthropic_messages.CODEC if is_anthropic else openai_chat.CODEC


def _model_of(event: JsonObject) -> tuple[str, str]:
    return text(event.get("provider")) or "", text(event.get("model")) or ""


def _time_of(event: JsonObject) -> int | None:
    return moment_ns(event.get("timestamp"))


def _lasted(event: JsonObject) -> tuple[int | None, int | None]:
    """Return start and end of what is told when it is over."""
    end_ns, lasted_ns = _time_of(event), milliseconds_ns(event.get("duration_ms"))
    return (end_ns, None) if end_ns is None or lasted_ns is None else (max(end_ns - lasted_ns, 0), end_ns)


def _counted(event: JsonObject, told: Usage) -> dict[str, AttributeValue]:
    """Return the tokens that stand beside a response which does not tell them itself."""
    if told.total_tokens is not None:
        return {}
    return {
        semconv.GEN_AI_USAGE_INPUT_TOKENS: int64(event.get("input_tokens")),
        semconv.GEN_AI_USAGE_OUTPUT_TOKENS: int64(event.get("output_tokens")),
    }


def _document(chunk: JsonObject) -> dict[str, Json]:
    names = {"id": "id", "text": "content", "score": "score", "metadata": "metadata"}
    return {names[name]: value for name, value in chunk.items() if name in names and value is not None}
