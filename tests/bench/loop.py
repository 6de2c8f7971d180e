"""A 20-turn agent loop with 2 KB tool results against a server on loopback, recorded by us or by VCR.py.

Run as a script: `loop.py ours|vcr PATH 0|1`.
"""

from __future__ import annotations

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib import import_module
from typing import Any

import openai

_WORDS = "the quick brown fox jumps over the lazy dog and reports what it has found in the log of the build "


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
        turn = len(asked["messages"])
        call = {"id": f"call_{turn}", "type": "function", "function": {"name": "read", "arguments": f'{{"n":{turn}}}'}}
        message = {"role": "assistant", "content": f"Turn {turn}: I look further.", "tool_calls": [call]}
        answer = json.dumps(
            {
                "id": f"chatcmpl-{turn}",
                "object": "chat.completion",
                "created": 1_700_000_000 + turn,
                "model": "gpt-4o-2024-08-06",
                "choices": [{"index": 0, "message": message, "finish_reason": "tool_calls"}],
                "usage": {"prompt_tokens": 100 * turn, "completion_tokens": 20, "total_tokens": 100 * turn + 20},
            }
        ).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        """Keep quiet."""


def _tools() -> list[Any]:
    fields = {f"field_{n}": {"type": "string", "description": _WORDS[:60]} for n in range(4)}
    parameters = {"type": "object", "properties": fields, "required": list(fields)}
    function = {"description": _WORDS * 2, "parameters": parameters}
    return [{"type": "function", "function": {"name": f"tool_{n}", **function}} for n in range(10)]


def _run(url: str, *, with_tools: bool) -> None:
    client = openai.OpenAI(api_key="none", base_url=url)
    more: dict[str, Any] = {"tools": _tools()} if with_tools else {}
    messages: list[Any] = [{"role": "system", "content": _WORDS * 5}, {"role": "user", "content": "Find the fault."}]
    for turn in range(20):
        reply = client.chat.completions.create(model="gpt-4o", messages=messages, **more).choices[0].message
        messages.append(reply.model_dump(exclude_none=True))
        assert reply.tool_calls
        result = f"result {turn}: {_WORDS * 21}"[:2048]
        messages.append({"role": "tool", "tool_call_id": reply.tool_calls[0].id, "content": result})


def main() -> None:
    """Record the loop."""
    recorder, path, with_tools = sys.argv[1], sys.argv[2], sys.argv[3] == "1"
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{server.server_port}/v1"
    if recorder == "ours":
        import otel_agenttrace as at

        with at.record(path, quiet=True):
            _run(url, with_tools=with_tools)
    else:
        vcr: Any = import_module("vcr")
        with vcr.use_cassette(path):
            _run(url, with_tools=with_tools)
    server.shutdown()


if __name__ == "__main__":
    main()
