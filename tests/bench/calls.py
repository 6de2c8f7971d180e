"""A call of the OpenAI SDK over a mock transport: bare, watched, recorded, replayed."""

from __future__ import annotations

import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import httpx2
import openai
from opentelemetry import trace as otel_trace
from opentelemetry.sdk.trace import TracerProvider

import otel_agenttrace as at
from tests.bench.figures import Figure, interleaved, median_us

__all__ = [
    "ANSWER",
    "first_chunk",
    "instrumentation_alone",
    "messages",
    "one_sdk_span",
    "recorded_calls",
    "recording",
    "replaying",
]

_COUNT = 40
_TEXT = 'lorem ipsum dolor "sit" amet, consectetur adipiscing elit sed do '
ANSWER = json.dumps(
    {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": "gpt-4o-2024-08-06",
        "choices": [
            {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": _TEXT * 20}},
        ],
        "usage": {"prompt_tokens": 900, "completion_tokens": 300, "total_tokens": 1200},
    }
).encode()


_ASKED: Final = {
    "gen_ai.operation.name": "chat",
    "gen_ai.provider.name": "openai",
    "gen_ai.request.model": "gpt-4o",
    "server.address": "api.openai.com",
    "server.port": 443,
}
_ANSWERED: Final = {
    "gen_ai.response.id": "chatcmpl-1",
    "gen_ai.response.model": "gpt-4o-2024-08-06",
    "gen_ai.response.finish_reasons": ("stop",),
    "gen_ai.usage.input_tokens": 900,
    "gen_ai.usage.output_tokens": 300,
}


def messages(number: int) -> list[Any]:
    """Return ten messages of 4 KB together; no two numbers give the same."""
    roles = ["user" if index % 2 == 0 else "assistant" for index in range(9)]
    return [
        *({"role": role, "content": _TEXT * 6} for role in roles),
        {"role": "user", "content": f"{number} {_TEXT * 5}"},
    ]


def _client(answer: Callable[[httpx2.Request], httpx2.Response]) -> openai.OpenAI:
    return openai.OpenAI(api_key="none", http_client=httpx2.Client(transport=httpx2.MockTransport(answer)))


def _plain(_: httpx2.Request) -> httpx2.Response:
    return httpx2.Response(200, headers={"content-type": "application/json"}, stream=httpx2.ByteStream(ANSWER))


_CLIENT = _client(_plain)


def _create(number: int) -> object:
    return _CLIENT.chat.completions.create(model="gpt-4o", messages=messages(number))


@contextmanager
def _instrumented() -> Iterator[None]:
    from otel_agenttrace_instrumentation import seams

    seams.install(_instrumented)
    yield
    seams.uninstall(_instrumented)


def _bare() -> float:
    return median_us(_create, _COUNT)


def _set_provider() -> None:
    if not isinstance(otel_trace.get_tracer_provider(), TracerProvider):
        otel_trace.set_tracer_provider(TracerProvider())


def one_sdk_span() -> list[Figure]:
    """What one span of the OpenTelemetry SDK costs here, opened by hand with as many attributes: the rest is ours."""
    _set_provider()
    tracer = otel_trace.get_tracer("bench")

    def traced(number: int) -> None:
        with tracer.start_as_current_span("chat gpt-4o", attributes=_ASKED) as span:
            _create(number)
            span.set_attributes(_ANSWERED)

    def ours() -> float:
        return median_us(traced, _COUNT)

    bare, spanned, added = interleaved(_bare, ours)
    return [
        Figure("one span of the OpenTelemetry SDK, added", added, None, "µs", f"{bare:,.0f} µs", f"{spanned:,.0f} µs")
    ]


def recording() -> list[Figure]:
    """Recording costs at most 350 µs a call over the bare SDK, 4 KB request: span, key, the look for secrets, write."""
    _set_provider()
    with tempfile.TemporaryDirectory() as folder:

        def ours() -> float:
            with at.record(Path(folder, "run.otlp.jsonl"), quiet=True):
                return median_us(_create, _COUNT)

        bare, recorded, added = interleaved(_bare, ours)
    return [Figure("recording a call, added", added, 350, "µs", f"{bare:,.0f} µs", f"{recorded:,.0f} µs")]


def instrumentation_alone() -> list[Figure]:
    """Spans without a cassette cost at most 100 µs a call."""
    _set_provider()

    def ours() -> float:
        with _instrumented():
            return median_us(_create, _COUNT)

    bare, watched, added = interleaved(_bare, ours)
    return [Figure("spans without a cassette, added", added, 100, "µs", f"{bare:,.0f} µs", f"{watched:,.0f} µs")]


def recorded_calls(path: Path, count: int) -> None:
    """Record calls 0 to `count`, by recording one and writing its line for each number."""
    from otel_agenttrace.cassette.writer import RecordedCall, Writer
    from otel_agenttrace.matching import requested
    from otel_agenttrace.model import Call, Exchange, Span
    from otel_agenttrace.redact import RULES_VERSION, redactor

    writer = Writer(path, {"service.name": "bench", "agenttrace.rules.version": RULES_VERSION})
    rules = redactor({})
    for number in range(count):
        body = json.dumps(
            {"model": "gpt-4o", "messages": messages(number)}, separators=(",", ":")
        ).encode()  # as the SDK
        asked = requested("POST", "https://api.openai.com/v1/chat/completions", "application/json", body, rules)
        headers = (("content-type", "application/json"), ("x-request-id", f"req_{number}"))
        exchange = Exchange(asked.request, number, number + 1, "complete", 200, headers, ANSWER)
        span = Span(f"{number + 1:032x}", f"{number + 1:016x}", "chat gpt-4o", number, number + 1, kind="CLIENT")
        writer.write(span, RecordedCall(Call(asked.key, (exchange,), "", number), asked))


def replaying() -> list[Figure]:
    """Replay of `create` costs at most 1.25 × the SDK over a mock transport, at 10, 1,000 and 10,000 recorded calls."""
    _set_provider()
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory() as folder:
        for count in (10, 1_000, 10_000):
            path = Path(folder, f"{count}.otlp.jsonl")
            recorded_calls(path, count)
            figures.append(_replaying(path, count))
    return figures


def _replaying(path: Path, count: int) -> Figure:
    step = max(count // _COUNT, 1)

    def ours() -> float:
        with at.replay(path, quiet=True) as session:
            median = median_us(lambda number: _create(number * step), min(_COUNT, count))
            assert session.counts["hit"] == min(_COUNT, count)
        return median

    bare, replayed, _ = interleaved(_bare, ours)
    told = f"replay over the SDK on a mock transport, {count:,} calls"
    return Figure(told, replayed / bare, 1.25, "×", f"{bare:,.0f} µs", f"{replayed:,.0f} µs")


def first_chunk() -> list[Figure]:
    """The first streamed chunk comes at most 1 ms later while recording."""
    event = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choice = {"index": 0, "delta": {"content": "word "}, "finish_reason": None}
    frame = f"data: {json.dumps({**event, 'choices': [choice]})}\n\n".encode()

    class Frames(httpx2.SyncByteStream):
        def __iter__(self) -> Iterator[bytes]:
            for _ in range(200):
                yield frame
            yield b"data: [DONE]\n\n"

    client = _client(lambda _: httpx2.Response(200, headers={"content-type": "text/event-stream"}, stream=Frames()))

    def first(number: int) -> float:
        begin = time.perf_counter()
        with client.chat.completions.create(model="gpt-4o", messages=messages(number), stream=True) as stream:
            next(iter(stream))
            return (time.perf_counter() - begin) * 1e6

    def median() -> float:
        return statistics.median(first(number) for number in range(_COUNT))

    with tempfile.TemporaryDirectory() as folder:

        def plain() -> float:
            return median()

        def ours() -> float:
            with at.record(Path(folder, "run.otlp.jsonl"), quiet=True):
                return median()

        bare, recorded, added = interleaved(plain, ours)
    return [
        Figure("first chunk while recording, later by", added / 1e3, 1, "ms", f"{bare:,.0f} µs", f"{recorded:,.0f} µs")
    ]
