"""Stand in for the provider, so that the example records without a key: it speaks chat completions on this machine.

python fake_provider.py pytest --record
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

ANSWER = "It rains in Lisbon tomorrow, at 14 °C: go to the Gulbenkian Museum, open from 10:00 to 18:00."
TURNS: dict[int, list[tuple[str, dict[str, str]]]] = {
    0: [("weather", {"city": "Lisbon"}), ("sights", {"city": "Lisbon"})],
    2: [("opening_hours", {"sight": "Gulbenkian Museum"})],
}
"""Which tools the model wants next, by how many results it has seen."""


def answer_to(request: dict[str, Any]) -> dict[str, Any]:
    """Return what the model says; the same to the same request."""
    messages = request["messages"]
    seen = sum(message["role"] == "tool" for message in messages)
    if "tools" not in request:
        message = {"role": "assistant", "content": "yes" if "Lisbon" in messages[-1]["content"] else "no"}
    elif seen in TURNS:
        message = {"role": "assistant", "content": None, "tool_calls": wanted(seen)}
    else:
        message = {"role": "assistant", "content": ANSWER}
    asked, answered = (len(json.dumps(part)) // 4 for part in (messages, message))
    return {
        "id": f"chatcmpl-fake-{len(messages)}",
        "object": "chat.completion",
        "created": 1_767_225_600,
        "model": request["model"],
        "choices": [
            {"index": 0, "message": message, "finish_reason": "tool_calls" if "tool_calls" in message else "stop"}
        ],
        "usage": {"prompt_tokens": asked, "completion_tokens": answered, "total_tokens": asked + answered},
    }


def wanted(seen: int) -> list[dict[str, Any]]:
    return [
        {"id": f"call_{name}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for name, arguments in TURNS[seen]
    ]


class Handler(BaseHTTPRequestHandler):
    """Answers every POST."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        """Read a request, send the answer."""
        request = json.loads(self.rfile.read(int(self.headers["content-length"])))
        content = json.dumps(answer_to(request)).encode()
        self.send_response_only(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)


def main() -> int:
    """Run the command that is given, with this provider in the place of the real one."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    told = {"OPENAI_BASE_URL": f"http://127.0.0.1:{server.server_port}/v1", "OPENAI_API_KEY": "none-is-needed"}
    code = subprocess.run(sys.argv[1:], env={**os.environ, **told}, check=False).returncode
    server.shutdown()
    return code


if __name__ == "__main__":
    sys.exit(main())
