"""Files with many spans, as a recording or an exporter writes them: of ten, one is an agent, five are calls, four tools."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Final

from otel_agenttrace.cassette.exchanges import StoredBody, call_attributes, exchange_event
from otel_agenttrace.cassette.format import encode_line, encode_resource
from otel_agenttrace.model import AttributeValue, Call, Exchange, HttpRequest, Span

__all__ = ["write_cassette", "write_otlp", "write_recording"]

_BEGIN: Final = 1_790_000_000_000_000_000
_WORDS: Final = 'lorem ipsum dolor "sit" amet, consectetur adipiscing elit sed do '
_RESOURCE: Final = {"agenttrace.format.version": 1, "agenttrace.rules.version": 3, "service.name": "bench"}
_OWN: Final = encode_resource(_RESOURCE)
_OF_ONE_RUN: Final = encode_resource({**_RESOURCE, "agenttrace.run.id": "1"})
_FOREIGN: Final = encode_resource({"service.name": "bench"})


def write_cassette(path: Path, count: int) -> None:
    """Write a cassette of so many spans, each ten of them a run, as many recordings put together are."""
    _write(path, count, _OWN)


def write_recording(path: Path, count: int) -> None:
    """Write a cassette of so many spans that are all of one run, as a recording is."""
    _write(path, count, _OF_ONE_RUN)


def _write(path: Path, count: int, resource: str) -> None:
    with path.open("wb") as file:
        for number, span in enumerate(_spans(count)):
            line = _recorded(number, span, resource) if span.is_inference else encode_line(span, resource)
            file.write(line)


def write_otlp(path: Path, count: int) -> None:
    """Write so many spans as OTLP/JSON, one on a line, with messages on them."""
    with path.open("wb") as file:
        for number, span in enumerate(_spans(count)):
            more = _content(number) if span.is_inference else {}
            file.write(encode_line(_with(span, more), _FOREIGN))


def _spans(count: int) -> Iterator[Span]:
    for number in range(count):
        trace, place = divmod(number, 10)
        begin = _BEGIN + number * 1_000_000_000
        root = f"{trace * 10 + 1:016x}"
        told = _agent() if place == 0 else _call(number) if place % 2 else _tool()
        name = f"{told['gen_ai.operation.name']} bench"
        parent = root if place else None
        ids = f"{trace + 1:032x}", f"{number + 1:016x}"
        yield Span(*ids, name, begin, begin + 500_000_000, parent, "CLIENT", told, scope="bench")


def _agent() -> dict[str, AttributeValue]:
    return {"gen_ai.operation.name": "invoke_agent", "gen_ai.agent.name": "bench"}


def _tool() -> dict[str, AttributeValue]:
    return {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "search",
        "gen_ai.tool.call.arguments": '{"query":"lorem"}',
    }


def _call(number: int) -> dict[str, AttributeValue]:
    return {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.response.id": f"chatcmpl-{number:08}",
        "gen_ai.response.model": "gpt-4o-mini-2024-07-18",
        "gen_ai.usage.cache_read.input_tokens": 100,
        "gen_ai.usage.input_tokens": 400 + number % 100,
        "gen_ai.usage.output_tokens": 50,
        "openai.response.service_tier": "default",
        "server.address": "api.openai.com",
        "server.port": 443,
    }


def _content(number: int) -> dict[str, AttributeValue]:
    parts = [{"type": "text", "content": f"{number} {_WORDS * 20}"}]
    return {
        "gen_ai.input.messages": json.dumps([{"role": "user", "parts": parts}]),
        "gen_ai.output.messages": json.dumps([{"role": "assistant", "parts": parts, "finish_reason": "stop"}]),
    }


def _with(span: Span, more: dict[str, AttributeValue]) -> Span:
    return replace(span, attributes={**span.attributes, **more})


def _recorded(number: int, span: Span, resource: str) -> bytes:
    said = {"role": "user", "content": f"{number} {_WORDS * 20}"}
    request = HttpRequest("POST", "https://api.openai.com", "/v1/chat/completions", json.dumps({"messages": [said]}))
    body = json.dumps({"choices": [{"index": 0, "message": {"role": "assistant", "content": _WORDS * 20}}]}).encode()
    headers = (("content-type", "application/json"), ("x-request-id", f"req_{number}"))
    exchange = Exchange(request, span.start_ns, span.start_ns + 1, "complete", 200, headers, body)
    call = Call(f"{number:064x}", (exchange,), "/invoke_agent bench", number)
    first = call_attributes(call, request, f"{number:032x}", StoredBody(request.body, "", ()))
    return encode_line(span, resource, first, (exchange_event(exchange, request),))
