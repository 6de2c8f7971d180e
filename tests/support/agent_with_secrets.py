"""An agent that meets a secret in every place of a run; a program of its own. Secrets as JSON in, what it saw as JSON out.

    python agent_with_secrets.py SECRETS [--record CASSETTE] [--spans FILE] [--killed]

SECRETS is a file with a text for each place. PROVIDER_URL leads to the provider.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Final

import anthropic
import openai
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

import otel_agenttrace as at

__all__ = ["FILLER"]

FILLER: Final = "Lorem ipsum dolor sit amet, consectetur adipiscing elit. "
_MANY: Final = 20_000
"""So many make more than a mebibyte: a body with them is spilled."""


class Agent:
    """Asks both providers, runs its tool, and opens spans; each text holds the secrets of its place."""

    def __init__(self, told: Mapping[str, str]) -> None:
        self.told = told
        self.seen: list[str] = []
        url = os.environ["PROVIDER_URL"]
        self.openai: Any = openai.OpenAI(base_url=url, api_key=told["api key"], max_retries=0)
        self.anthropic: Any = anthropic.Anthropic(
            base_url=url.removesuffix("/v1"), api_key=told["api key"], max_retries=0
        )

    def run(self) -> list[str]:
        """Return what the agent saw, in order."""
        with at.span("plan", note=self.told["attribute"]) as plan:
            plan.set(app__note=self.told["attribute"])
            at.decision(self.told["event"], reason=self.told["event"], alternatives=[self.told["event"], "none"])
            self._chat()
            self._responses()
            self._messages()
            self._refused()
            self._raised()
            self._retrieved()
            self._large()
        return self.seen

    # --- calls --------------------------------------------------------------------------------------------------------

    def _chat(self) -> None:
        asked: list[Any] = [
            {"role": "system", "content": self.told["system"]},
            {"role": "user", "content": self.told["prompt"]},
        ]
        answer = self._ask(messages=asked, tools=[{"type": "function", "function": self._tool("parameters")}])
        call = answer.choices[0].message.tool_calls[0]
        self.seen.append(call.function.arguments)
        result = write_file(self.told["tool result"], **json.loads(call.function.arguments))
        asked += [answer.choices[0].message, {"role": "tool", "tool_call_id": call.id, "content": result}]
        self.seen.append(self._ask(messages=asked).choices[0].message.content)
        chunks = self._ask(messages=asked[:2], n=2, stream=True)
        self.seen += [choice.delta.content or "" for chunk in chunks for choice in chunk.choices]
        tools = [{"type": "function", "function": self._tool("parameters")}] * 2
        for _ in self._ask(messages=asked[:2], tools=tools, stream=True):
            pass

    def _ask(self, **body: Any) -> Any:
        query = {"note": self.told["query"], "token": self.told["query"]}
        headers = {"x-debug": self.told["header"]}
        return self.openai.chat.completions.create(model="gpt-5", **body, extra_query=query, extra_headers=headers)

    def _tool(self, parameters: str) -> dict[str, Any]:
        told = self.told["tool definition"]
        properties = {"path": {"type": "string"}, "content": {"type": "string", "default": told, "description": told}}
        return {"name": "write_file", "description": told, parameters: {"type": "object", "properties": properties}}

    def _responses(self) -> None:
        tools = [{"type": "function", **self._tool("parameters")}]
        told = {"model": "gpt-5", "input": self.told["prompt"], "instructions": self.told["system"]}
        self.seen.append(self.openai.responses.create(**told).output_text)
        for more in ({}, {"tools": tools}):
            for _ in self.openai.responses.create(**told, **more, stream=True):
                pass

    def _messages(self) -> None:
        told = {"model": "claude-opus-4-5", "max_tokens": 4096, "system": self.told["system"]}
        asked: list[Any] = [{"role": "user", "content": self.told["prompt"]}]
        tools = [self._tool("input_schema")]
        answer = self.anthropic.messages.create(**told, messages=asked, tools=tools)
        used = answer.content[-1]
        result = {"type": "tool_result", "tool_use_id": used.id, "content": write_file(**used.input, told="")}
        asked += [{"role": "assistant", "content": answer.content}, {"role": "user", "content": [result]}]
        self.seen.append(self.anthropic.messages.create(**told, messages=asked, tools=tools).content[0].text)
        thinking = {"type": "enabled", "budget_tokens": 1024}
        for more in ({"thinking": thinking}, {"tools": tools}):
            with self.anthropic.messages.stream(**told, messages=asked[:1], **more) as stream:
                self.seen += [block.type for block in stream.get_final_message().content]

    def _refused(self) -> None:
        try:
            self._ask(messages=[{"role": "user", "content": f"[fake 400] {self.told['prompt']}"}])
        except openai.BadRequestError as error:
            self.seen.append(str(error))

    def _large(self) -> None:
        asked = [{"role": "user", "content": f"{FILLER * _MANY}\n{self.told['prompt']}\n{FILLER}"}]
        self.seen.append(self._ask(messages=asked).choices[0].message.content[-200:])

    # --- spans --------------------------------------------------------------------------------------------------------

    def _raised(self) -> None:
        try:
            with at.span("fails"):
                raise ValueError(self.told["exception"])
        except ValueError as error:
            self.seen.append(str(error))

    def _retrieved(self) -> None:
        with at.retrieval(self.told["prompt"]) as found:
            found.documents([{"id": "1", "score": 0.5, "content": self.told["document"]}])


@at.tool
def write_file(told: str, path: str, content: str) -> str:
    """Return what a tool would say that prints what it got."""
    return f"wrote to {path}:\n{content}\n{told}\n"


def _main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("secrets", type=Path)
    parser.add_argument("--record", type=Path)
    parser.add_argument("--spans", type=Path)
    parser.add_argument("--killed", action="store_true")
    asked = parser.parse_args()
    memory = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(memory))
    trace.set_tracer_provider(provider)
    with ExitStack() as recording:
        if asked.record:
            recording.enter_context(at.record(asked.record, quiet=True))
        seen = at.agent("secretive")(Agent(json.loads(asked.secrets.read_text(encoding="utf-8"))).run)()
        if asked.killed:
            os.kill(os.getpid(), signal.SIGKILL)
    if asked.spans:
        told = [json.loads(span.to_json() or "{}") for span in memory.get_finished_spans()]
        asked.spans.write_text(json.dumps(told), encoding="utf-8")
    print(json.dumps(seen))


if __name__ == "__main__":
    _main()
