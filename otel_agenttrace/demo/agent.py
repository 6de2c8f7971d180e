"""The demo's agent: it asks a model, calls a tool, and streams the answer. Nothing in it knows of recording.

Run it as `python -m otel_agenttrace.demo.agent URL`.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any

import httpx2 as httpx

import otel_agenttrace as at

TOOLS = [
    {
        "type": "function",
        "function": {
            "name": "weather",
            "description": "The weather in a city.",
            "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        },
    }
]


@at.tool
def weather(city: str) -> dict[str, object]:
    """Look the weather of a city up."""
    return {"city": city, "celsius": 21, "sky": "sunny"}


@at.agent("packing-advisor")
def advise(client: httpx.Client, question: str) -> str:
    """Answer a question, with a look at the weather."""
    messages: list[dict[str, Any]] = [{"role": "user", "content": question}]
    request = {"model": "gpt-4o-mini", "messages": messages, "tools": TOOLS}
    reply = client.post("chat/completions", json=request).raise_for_status().json()["choices"][0]["message"]
    messages.append(reply)
    for call in reply["tool_calls"]:
        result = weather(**json.loads(call["function"]["arguments"]))
        messages.append({"role": "tool", "tool_call_id": call["id"], "content": json.dumps(result)})
    streamed = {**request, "stream": True, "stream_options": {"include_usage": True}}
    with client.stream("POST", "chat/completions", json=streamed) as response:
        return "".join(_words(response.iter_lines()))


def _words(lines: Iterator[str]) -> Iterator[str]:
    for line in lines:
        if line.startswith("data: {"):
            for choice in json.loads(line.removeprefix("data: "))["choices"]:
                yield choice["delta"].get("content", "")


def main() -> None:
    """Ask the provider at the URL on the command line."""
    client = httpx.Client(base_url=sys.argv[1])
    sys.stdout.write(advise(client, "What do I pack for Lisbon tomorrow?") + "\n")
    client.close()


if __name__ == "__main__":
    main()
