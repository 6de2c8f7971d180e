"""A provider on 127.0.0.1 that speaks chat completions, for the demo. It answers one question, in two turns."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any

__all__ = ["DemoProvider"]

_ANSWER = "In Lisbon it is 21 °C and sunny: take sunglasses, leave the umbrella."
_MODEL = "gpt-4o-mini"
_USAGE = {"prompt_tokens": 141, "completion_tokens": 19, "total_tokens": 160}
_POLLED_S = 0.02  # as long as leaving the block may take


class DemoProvider:
    """Serves from entering to leaving its block; `url` is the base URL, `calls` counts the requests."""

    def __init__(self) -> None:
        self.calls = 0
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> DemoProvider:
        threading.Thread(target=self._server.serve_forever, args=(_POLLED_S,), daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        provider = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                provider.calls += 1
                body = json.loads(self.rfile.read(int(self.headers["content-length"])))
                if not any(message["role"] == "tool" for message in body["messages"]):
                    self._send("application/json", json.dumps(_tool_call()).encode())
                elif body.get("stream"):
                    self._send("text/event-stream", b"".join(_stream()))
                else:
                    self._send("application/json", json.dumps(_whole_answer()).encode())

            def _send(self, kind: str, content: bytes) -> None:
                self.send_response(200)
                self.send_header("content-type", kind)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
                """Keep quiet."""

        return Handler


def _tool_call() -> dict[str, Any]:
    call = {"id": "call_demo", "type": "function", "function": {"name": "weather", "arguments": '{"city":"Lisbon"}'}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    usage = {"prompt_tokens": 96, "completion_tokens": 15, "total_tokens": 111}
    return _completion("chatcmpl-demo-1", message, "tool_calls", usage)


def _whole_answer() -> dict[str, Any]:
    return _completion("chatcmpl-demo-2", {"role": "assistant", "content": _ANSWER}, "stop", _USAGE)


def _completion(id_: str, message: dict[str, Any], finish_reason: str, usage: dict[str, int]) -> dict[str, Any]:
    return {
        "id": id_,
        "object": "chat.completion",
        "created": 1_700_000_000,
        "model": _MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": usage,
    }


def _stream() -> Iterator[bytes]:
    words = _ANSWER.split(" ")
    for index, word in enumerate(words):
        yield _chunk([{"index": 0, "delta": {"content": word if index == 0 else f" {word}"}, "finish_reason": None}])
    yield _chunk([{"index": 0, "delta": {}, "finish_reason": "stop"}])
    yield _chunk([], usage=_USAGE)
    yield b"data: [DONE]\n\n"


def _chunk(choices: list[dict[str, Any]], **more: object) -> bytes:
    chunk = {"id": "chatcmpl-demo-2", "object": "chat.completion.chunk", "created": 1_700_000_001, "model": _MODEL}
    return f"data: {json.dumps({**chunk, 'choices': choices, **more})}\n\n".encode()
