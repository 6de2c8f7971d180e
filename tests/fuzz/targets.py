"""The targets of fuzzing by name: what is checked, and the good input it starts from."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, Final

from tests.fuzz import files, texts
from tests.fuzz.mutations import mutated

__all__ = ["TARGETS", "Target", "inputs"]


@dataclass(frozen=True, slots=True)
class Target:
    """`check` raises what is no law of ours to raise; `seeds` are input that is good."""

    check: Callable[[bytes], None]
    seeds: tuple[bytes, ...]


def inputs(target: Target, count: int) -> list[bytes]:
    """Return the seeds of a target and as many mutations of them, the same ones each time."""
    random = Random(4)
    found = [*target.seeds, b"", b"\0", b"\xef\xbb\xbf"]
    for _ in range(count):
        found.append(mutated(random.choice(target.seeds if random.random() < 0.7 else found), random))
    return found


# --- seeds --------------------------------------------------------------------------------------------------------------

_GOLDEN: Final = (Path(__file__).parents[1] / "golden" / "cassette_v1.otlp.jsonl").read_bytes()
_URL: Final = "https://api.openai.com/v1/chat/completions"
_CALL: Final = {"id": "call_1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}
_ASKED: Final = {
    "model": "gpt-4o",
    "temperature": 0,
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hi"}]},
        {"role": "assistant", "tool_calls": [_CALL]},
        {"role": "tool", "tool_call_id": "call_1", "content": '{"id": "x-1", "at": 1730000000}'},
    ],
}
_ANSWER: Final = {
    "id": "chatcmpl-1",
    "model": "gpt-4o-2024-08-06",
    "choices": [
        {"index": 0, "message": {"role": "assistant", "content": "Yes", "tool_calls": [_CALL]}, "finish_reason": "stop"}
    ],
    "usage": {"prompt_tokens": 5, "completion_tokens": 2, "prompt_tokens_details": {"cached_tokens": 1}},
}
_RESPONSE: Final = {
    "id": "resp_1",
    "status": "completed",
    "output": [
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Yes"}]},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "reasoning", "summary": [{"type": "summary_text", "text": "So"}]},
    ],
    "usage": {"input_tokens": 5, "output_tokens": 2},
    "input": [{"role": "user", "content": [{"type": "input_text", "text": "Hi"}]}],
}
_MESSAGE: Final = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "content": [{"type": "text", "text": "Yes"}, {"type": "tool_use", "id": "toolu_1", "name": "f", "input": {"a": 1}}],
    "stop_reason": "end_turn",
    "usage": {"input_tokens": 5, "output_tokens": 2, "cache_read_input_tokens": 1},
    "messages": [
        {"role": "user", "content": "Hi"},
        {"role": "user", "content": [{"type": "tool_result", "tool_use_id": "toolu_1", "content": "1"}]},
    ],
}
_STREAMS: Final = (
    b"event: message_start\ndata: " + json.dumps({"type": "message_start", "message": _MESSAGE}).encode() + b"\n\n"
    b'event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"!"}}\n\n'
    b'event: message_delta\ndata: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":9}}\n\n',
    (
        b'data: {"id":"c","choices":[{"index":0,"delta":{"role":"assistant","content":"Y"}}]}\r\n\r\n'
        b'data: {"id":"c","choices":[{"index":0,"delta":{"tool_calls":[{"index":0,"id":"c1","function":{"name":"f","arguments":"{"}}]}}]}\r\r'
        b": ping\nid: 7\nretry: 1\n\ndata: [DONE]\n\n"
    ),
    b'event: response.completed\ndata: {"type":"response.completed","response":'
    + json.dumps(_RESPONSE).encode()
    + b"}\n\n"
    b'event: response.output_text.delta\ndata: {"type":"response.output_text.delta","item_id":"i","output_index":0,"content_index":0,"delta":"Y"}\n\n',
)


def _attributes(told: Mapping[str, Any]) -> list[dict[str, Any]]:
    return [{"key": key, "value": _value(value)} for key, value in told.items()]


def _value(value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    return {"arrayValue": {"values": [_value(each) for each in value]}}


def _span(number: int, told: Mapping[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "spanId": f"{number:016x}",
        "parentSpanId": f"{number - 1:016x}",
        "name": "chat gpt-4o",
        "kind": 3,
        "startTimeUnixNano": "1000",
        "endTimeUnixNano": "2000",
        "attributes": _attributes(told),
        "events": [
            {"name": "gen_ai.choice", "timeUnixNano": "3", "attributes": _attributes({"message": '{"content":"x"}'})}
        ],
        "links": [],
        "status": {"code": 2, "message": "Error code: 429 - {'error': {'type': 'x'}}"},
        **more,
    }


def _document(*spans: Mapping[str, Any]) -> bytes:
    resource = {"attributes": _attributes({"service.name": "s"})}
    return json.dumps(
        {"resourceSpans": [{"resource": resource, "scopeSpans": [{"scope": {"name": "s"}, "spans": spans}]}]}
    ).encode()


_SAID: Final = json.dumps(
    [
        {
            "role": "user",
            "parts": [
                {"type": "text", "content": "hi"},
                {"type": "tool_call", "id": "c", "name": "f", "arguments": {}},
            ],
        }
    ]
)
_DIALECTS: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "gen_ai.operation.name": "chat",
        "gen_ai.request.model": "gpt-4o",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 7,
        "gen_ai.input.messages": _SAID,
        "gen_ai.output.messages": _SAID,
        "gen_ai.tool.definitions": "[]",
    },
    {
        "openinference.span.kind": "LLM",
        "llm.model_name": "gpt-4o",
        "llm.input_messages.0.message.role": "user",
        "llm.input_messages.0.message.contents.1.message_content.text": "hi",
        "llm.output_messages.0.message.tool_calls.0.tool_call.function.arguments": "{}",
        "llm.invocation_parameters": '{"temperature": 0}',
        "input.value": json.dumps(_ASKED),
    },
    {
        "traceloop.span.kind": "llm",
        "llm.request.type": "chat",
        "gen_ai.prompt.0.role": "user",
        "gen_ai.prompt.0.content": "hi",
        "gen_ai.completion.0.tool_calls.0.arguments": "{}",
        "gen_ai.completion.0.finish_reason": "stop",
    },
    {
        "ai.operationId": "ai.generateText.doGenerate",
        "ai.model.id": "gpt-4o",
        "ai.prompt.messages": json.dumps([{"role": "user", "content": [{"type": "text", "text": "hi"}]}]),
        "ai.response.text": "x",
        "ai.response.toolCalls": json.dumps([{"toolCallId": "c", "toolName": "f", "args": "{}"}]),
        "ai.usage.promptTokens": 3,
    },
    {
        "langfuse.observation.type": "generation",
        "langfuse.observation.model.name": "gpt-4o",
        "langfuse.observation.input": json.dumps(_ASKED["messages"]),
        "langfuse.observation.output": '{"role":"assistant","content":"x"}',
        "langfuse.observation.usage_details": '{"input":1}',
    },
)
_DUMP: Final = json.dumps(
    [
        {
            "name": "chat",
            "context": {"trace_id": "0x0af7651916cd43dd8448eb211c80319c", "span_id": 5},
            "parent": {"span_id": 7},
            "kind": "SpanKind.CLIENT",
            "start_time": when,
            "end_time": 3.5,
            "status": {"status_code": "ERROR", "description": "No."},
            "attributes": dict(_DIALECTS[0]),
            "events": [{"name": "e", "timestamp": when, "attributes": {"a": [1]}}],
            "resource": {"attributes": {"service.name": "s"}},
        }
        for when in ("1970-01-01T00:00:01.000001Z", [1, 2], 5)
    ]
).encode()
_LOGS: Final = json.dumps(
    {
        "resourceLogs": [
            {
                "scopeLogs": [
                    {
                        "logRecords": [
                            {
                                "traceId": "0af7651916cd43dd8448eb211c80319c",
                                "spanId": f"{1:016x}",
                                "eventName": "gen_ai.user.message",
                                "timeUnixNano": "1",
                                "body": {"kvlistValue": {"values": _attributes({"content": "hi"})}},
                            }
                        ]
                    }
                ]
            }
        ]
    }
).encode()


def _field(number: int, content: bytes) -> bytes:
    """Return a field of a protobuf message that has a length."""
    return bytes([number << 3 | 2, len(content)]) + content


_PAIR: Final = _field(1, b"gen_ai.operation.name") + _field(2, _field(1, b"chat"))
_ONE: Final = _field(1, bytes(range(16))) + _field(2, bytes(range(8))) + _field(5, b"n") + _field(9, _PAIR)
_PROTOBUF: Final = _field(1, _field(2, _field(2, _ONE)))
_VCR: Final = {
    "version": 1,
    "interactions": [
        {
            "request": {
                "method": "POST",
                "uri": _URL,
                "body": json.dumps(_ASKED),
                "headers": {"Content-Type": ["application/json"]},
            },
            "response": {
                "status": {"code": 200, "message": "OK"},
                "headers": {"Content-Encoding": ["gzip"]},
                "body": {"string": json.dumps(_ANSWER)},
            },
        }
    ],
}
_GOVCR: Final = {
    "version": 2,
    "interactions": [
        {
            "id": 0,
            "request": {
                "method": "POST",
                "url": _URL,
                "body": json.dumps(_ASKED),
                "headers": {"Content-Type": ["application/json"]},
            },
            "response": {"code": 200, "duration": "1.5s", "headers": {}, "body": json.dumps(_ANSWER)},
        }
    ],
}
_PAIRS: Final = [{"name": "content-type", "value": "application/json"}]
_HAR: Final = {
    "log": {
        "entries": [
            {
                "startedDateTime": "2025-03-01T12:00:00.250+01:00",
                "time": 1500.5,
                "request": {
                    "method": "POST",
                    "url": _URL,
                    "headers": _PAIRS,
                    "postData": {"text": json.dumps(_ASKED)},
                    "bodySize": 9,
                },
                "response": {
                    "status": 200,
                    "headers": _PAIRS,
                    "content": {"size": 3, "mimeType": "application/json", "text": json.dumps(_ANSWER)},
                },
            }
        ]
    }
}
_MESSAGES: Final = [*_ASKED["messages"], {"role": "assistant", "content": "Yes"}]
_TAU: Final = [{"task_id": 1, "trial": 0, "reward": 1.0, "info": {"task": {"instruction": "i"}}, "traj": _MESSAGES}]
_SWE: Final = {
    "trajectory": [{"action": "ls -l", "observation": "a", "response": "r", "state": "{}", "thought": "t"}],
    "history": [{"role": "user", "content": "u", "agent": "p"}, {"role": "assistant", "content": "r"}],
    "info": {"exit_status": "submitted", "model_stats": {"api_calls": 1, "tokens_sent": 3, "tokens_received": 2}},
}
_AT: Final = "2025-06-14T10:00:00Z"
_SAID_BY: Final[tuple[Mapping[str, Any], ...]] = (
    {"type": "user", "message": {"role": "user", "content": "hi"}},
    {"type": "assistant", "message": {**_MESSAGE, "model": "claude-x"}},
    {"type": "user", "message": _MESSAGE["messages"][1], "toolUseResult": {"agentId": "a1"}},
    {"type": "user", "isSidechain": True, "agentId": "a1", "message": {"role": "user", "content": "go"}},
    {"type": "system", "subtype": "compact_boundary"},
    {"type": "user", "isCompactSummary": True, "message": {"role": "user", "content": "so far"}},
    {
        "type": "assistant",
        "isApiErrorMessage": True,
        "message": {"model": "<synthetic>", "content": [{"type": "text", "text": "529"}]},
    },
)
_TRANSCRIPT: Final = tuple(
    {**each, "uuid": f"u{at}", "parentUuid": f"u{at - 1}", "timestamp": _AT, "sessionId": "s"}
    for at, each in enumerate(_SAID_BY)
)
_TOOL_LINES: Final[tuple[Mapping[str, Any], ...]] = (
    {"type": "episode_start", "episode_id": "e", "timestamp": 1796031870297, "input": {"prompt": "p"}, "meta": {}},
    {"type": "step", "episode_id": "e", "step_id": "s", "kind": "model", "name": "openai", "content": "c", "meta": {}},
    {
        "type": "tool_call",
        "episode_id": "e",
        "step_id": "s",
        "call_index": 0,
        "tool_name": "f",
        "args": {},
        "result": 1,
    },
    {"type": "episode_end", "episode_id": "e", "outcome": "pass"},
    {"type": "tool_call", "id": "1", "tool": "f", "arguments": {"a": 1}, "timestamp": _AT},
    {"type": "tool_result", "id": "1", "result": {"b": 2}, "error": {"type": "x", "message": "y"}},
    {"tool": "g", "args": "{}", "result": "r", "duration_ms": 5},
)
_OPS: Final = {
    "version": "1",
    "trace_id": "t",
    "metadata": {"description": "d"},
    "events": [
        {"event_type": "llm_request", "timestamp": 1796031870.5, "provider": "openai", "model": "gpt-4o", **_ASKED},
        {"event_type": "llm_response", "provider": "openai", "model": "gpt-4o", "response": _ANSWER, "cost_usd": 0.1},
        {"event_type": "tool_call", "tool_name": "f", "tool_input": {"a": 1}, "metadata": {"tool_call_id": "c"}},
        {"event_type": "tool_result", "tool_name": "f", "tool_output": [1], "duration_ms": 3.2},
        {"event_type": "agent_decision", "decision": "d", "reasoning": "r"},
        {"event_type": "retrieval", "query": "q", "chunks": [{"id": "1", "text": "t", "score": 0.5}], "top_k": 3},
        {"event_type": "rag_scores", "scores": {"faithfulness": 0.5}},
        {"event_type": "llm_request", "provider": "anthropic", "messages": _MESSAGE["messages"]},
        {"event_type": "error", "provider": "anthropic", "error_type": "E", "error_message": "m"},
    ],
}
_FORGE: Final[tuple[Mapping[str, Any], ...]] = (
    {
        "span_id": "a",
        "run_id": "r",
        "span_type": "llm_call",
        "started_at": _AT,
        "latency_ms": 5,
        "llm_data": {"provider": "openai", "model": "gpt-4o", "messages": _MESSAGES, "response": "x", "cost_usd": 0.1},
    },
    {
        "span_id": "b",
        "parent_id": "a",
        "run_id": "r",
        "span_type": "tool_call",
        "tool_data": {"tool_name": "f", "tool_input": [1], "error": "e"},
    },
    {"span_id": "c", "run_id": "r", "span_type": "error", "name": "n", "error": "boom"},
)
_STRACE: Final[tuple[Mapping[str, Any], ...]] = tuple(
    {"event_id": f"e{at}", "session_id": "s", "timestamp": 1796031870.5, "event_type": kind, **more}
    for at, (kind, more) in enumerate(
        [
            ("session_start", {"data": {"agent_name": "a"}}),
            ("user_prompt", {"data": {"prompt": "p"}}),
            ("llm_request", {"data": {"model": "m"}}),
            ("llm_response", {"parent_id": "e2", "duration_ms": 5}),
            ("tool_call", {"data": {"tool_name": "f", "arguments": {"a": "1"}, "tool_use_id": "t"}}),
            ("error", {"parent_id": "e4", "data": {"message": "m", "exception_type": "E"}}),
            ("decision", {"data": {"choice": "c", "alternatives": ["d"]}}),
            ("file_read", {"data": {"path": "p"}}),
            ("subagent_start", {"data": {"agent_type": "k", "child_session_id": "x"}}),
            ("subagent_stop", {"data": {"child_session_id": "x"}}),
            ("assistant_response", {"data": {"text": "t"}}),
        ]
    )
)


def _lines(records: Iterable[Mapping[str, Any]]) -> bytes:
    return b"".join(json.dumps(record).encode() + b"\n" for record in records)


_AGENT_LOGS: Final = (
    *(json.dumps(each).encode() for each in (_TAU, _SWE, _OPS, {"loglines": _TRANSCRIPT})),
    *map(_lines, (_TRANSCRIPT, _TOOL_LINES, _FORGE, _STRACE)),
)
_YAML: Final = b"""version: 1
interactions:
- &a
  request: {method: GET, uri: 'http://x.test/', body: !!binary aGk=, headers: {a: [b]}}
  response: {status: {code: 200, message: OK}, headers: {}, body: {string: !!python/object:x.Y {}}}
- *a
- {<<: *a, recorded_at: Sat, 01 Mar 2025 12:00:00 GMT, n: 1_0:10, f: .inf, t: 2001-01-01}
"""
_TOML: Final = b"""[tool.otel-agenttrace]
cassette = "run.otlp.jsonl"
mode = "once"
pass = ["*.test/*"]
prices = {"gpt-4o" = {input = 1.5}}
[[tool.otel-agenttrace.match]]
pointer = "/messages/*/content"
action = "pattern"
pattern = "[0-9]+"
"""
_BODIES: Final = tuple(json.dumps(body).encode() for body in (_ASKED, _ANSWER, _RESPONSE, _MESSAGE))
_SELECTORS: Final = (
    b"inference[2]",
    b"model=gpt-4o* & !(tool=search | error)",
    b"path~=chat|args='a b'",
    b"age>30d tokens>=1000 cost<0.5 #7",
    b"inference[2] answer = No",
    b"tool=f result ~= s/a/b/",
    b"inference[-1] 429 retry-after=2 rate=0.5",
    b"inference slow=2s",
)


def _each_kind(bodies: tuple[bytes, ...]) -> tuple[bytes, ...]:
    """Return each body behind the byte that says for which API it is meant."""
    return tuple(bytes([number]) + body for number, body in enumerate(bodies))


TARGETS: Final[Mapping[str, Target]] = {
    "cassette": Target(files.cassette, (_GOLDEN, *_GOLDEN.splitlines(keepends=True))),
    "foreign": Target(
        files.foreign,
        (
            _document(*(_span(number, told) for number, told in enumerate(_DIALECTS, 1))),
            *(_document(_span(1, told, status={})) + b"\n" for told in _DIALECTS),
            _DUMP,
            _LOGS + b"\n" + _document(_span(1, {})),
            _PROTOBUF,
            len(_PROTOBUF).to_bytes(4, "big") + _PROTOBUF,
        ),
    ),
    "agent logs": Target(files.agent_log, _AGENT_LOGS),
    "ingest": Target(files.ingested, (*(json.dumps(each).encode() for each in (_VCR, _GOVCR, _HAR)), _YAML)),
    "line": Target(files.line, (*_GOLDEN.splitlines(keepends=True), _document(_span(1, _DIALECTS[0])))),
    "pyproject": Target(files.pyproject, (_TOML,)),
    "redaction": Target(
        texts.redaction,
        (b"\3" + b"key fuzz-123456789abcdef-secret, [REDACTED:env:0123abcd]", b"\1" + json.dumps(_ASKED).encode()),
    ),
    "request": Target(texts.request, (*_each_kind(_BODIES), b"\5a=1&b=2", b"\x0a--b\r\nA: b\r\n\r\nx\r\n--b--\r\n")),
    "selector": Target(texts.selector, _SELECTORS),
    "sse": Target(texts.sse, _STREAMS),
    "wire": Target(
        texts.wire,
        tuple(bytes([api]) + body for api in range(5) for body in (*_BODIES, *_STREAMS)),
    ),
}
