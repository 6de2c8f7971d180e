"""Eight runs of an agent on OpenAI or Anthropic, as a program: `python foreign_agent.py openai|anthropic`.

Prints one JSON line: what each run saw of its last answer. It makes the same calls live, traced by whatever
instrumentation is on the path, and replayed.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any

WEATHER = {
    "name": "get_weather",
    "description": "Tell the weather of a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
TIME = {
    "name": "get_time",
    "description": "Tell the time in a city.",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
}
CITY = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "population": {"type": "integer"}},
    "required": ["name", "population"],
    "additionalProperties": False,
}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
RUNS = ("plain", "tools", "stream", "structured", "error", "parallel", "turns", "image")


# --- OpenAI -----------------------------------------------------------------------------------------------------------


def openai_runs() -> Mapping[str, Callable[[], Any]]:
    """Return the runs on OpenAI's chat completions."""
    import openai

    client: Any = openai.OpenAI(max_retries=0)

    def create(*messages: Any, **more: Any) -> Any:
        return client.chat.completions.create(model="gpt-4o", messages=list(messages), **more)

    def user(content: Any) -> Any:
        return {"role": "user", "content": content}

    def seen(answer: Any) -> Any:
        (choice,) = answer.choices
        calls = [
            [call.id, call.function.name, json.loads(call.function.arguments)]
            for call in choice.message.tool_calls or ()
        ]
        usage = [answer.usage.prompt_tokens, answer.usage.completion_tokens]
        return [answer.id, answer.model, choice.message.content, calls, choice.finish_reason, usage]

    def plain() -> Any:
        return seen(create({"role": "system", "content": "Be short."}, user("Say hello."), temperature=0.5))

    def with_tools(*functions: Any) -> Any:
        tools = [{"type": "function", "function": function} for function in functions]
        ask = user("How is it in Paris?")
        answer = create(ask, tools=tools)
        message = answer.choices[0].message
        results = [
            {"role": "tool", "tool_call_id": call.id, "content": f"sunny {place}"}
            for place, call in enumerate(message.tool_calls)
        ]
        called = {"role": "assistant", "tool_calls": [call.model_dump() for call in message.tool_calls]}
        return [seen(answer), seen(create(ask, called, *results, tools=tools))]

    def stream() -> Any:
        chunks = list(create(user("Tell a story."), stream=True, stream_options={"include_usage": True}))
        choices = [choice for chunk in chunks for choice in chunk.choices]
        text = "".join(choice.delta.content or "" for choice in choices)
        reasons = [choice.finish_reason for choice in choices if choice.finish_reason]
        usage = [[chunk.usage.prompt_tokens, chunk.usage.completion_tokens] for chunk in chunks if chunk.usage]
        return [chunks[0].id, chunks[0].model, text, reasons, usage]

    def structured() -> Any:
        form = {"type": "json_schema", "json_schema": {"name": "city", "schema": CITY, "strict": True}}
        return seen(create(user("Describe Rome."), response_format=form))

    def error() -> Any:
        try:
            create(user("[fake 429] too much"))
        except openai.RateLimitError as raised:
            return [type(raised).__name__, raised.status_code]
        raise AssertionError("the provider did not refuse")

    def turns() -> Any:
        first = create(user("My name is Ada."), max_tokens=50)
        said = {"role": "assistant", "content": first.choices[0].message.content}
        second = create(user("My name is Ada."), said, user("What is my name?"), max_tokens=50)
        return [seen(first), seen(second)]

    def image() -> Any:
        address = {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{PIXEL}"}}
        return seen(create(user([{"type": "text", "text": "What is this?"}, address])))

    return {
        "plain": plain,
        "tools": lambda: with_tools(WEATHER),
        "stream": stream,
        "structured": structured,
        "error": error,
        "parallel": lambda: with_tools(WEATHER, TIME),
        "turns": turns,
        "image": image,
    }


# --- Anthropic --------------------------------------------------------------------------------------------------------


def anthropic_runs() -> Mapping[str, Callable[[], Any]]:
    """Return the runs on Anthropic's messages."""
    import anthropic

    client: Any = anthropic.Anthropic(max_retries=0)

    def create(*messages: Any, **more: Any) -> Any:
        return client.messages.create(model="claude-opus-4-5", max_tokens=500, messages=list(messages), **more)

    def user(content: Any) -> Any:
        return {"role": "user", "content": content}

    def seen(answer: Any) -> Any:
        texts = [block.text for block in answer.content if block.type == "text"]
        calls = [[block.id, block.name, block.input] for block in answer.content if block.type == "tool_use"]
        usage = [answer.usage.input_tokens, answer.usage.output_tokens, answer.usage.cache_read_input_tokens]
        return [answer.id, answer.model, texts, calls, answer.stop_reason, usage]

    def plain() -> Any:
        return seen(create(user("Say hello."), system="Be short."))

    def with_tools(*functions: Any) -> Any:
        tools = [
            {"name": told["name"], "description": told["description"], "input_schema": told["parameters"]}
            for told in functions
        ]
        ask = user("How is it in Paris?")
        answer = create(ask, tools=tools)
        called = {"role": "assistant", "content": [block.model_dump(exclude_none=True) for block in answer.content]}
        results = [
            {"type": "tool_result", "tool_use_id": block.id, "content": f"sunny {place}"}
            for place, block in enumerate(answer.content)
            if block.type == "tool_use"
        ]
        return [seen(answer), seen(create(ask, called, user(results), tools=tools))]

    def stream() -> Any:
        with client.messages.stream(
            model="claude-opus-4-5", max_tokens=500, messages=[user("Tell a story.")]
        ) as events:
            text = "".join(events.text_stream)
            return [text, seen(events.get_final_message())]

    def structured() -> Any:
        config = {"format": {"type": "json_schema", "schema": CITY}}
        return seen(create(user("Describe Rome."), output_config=config))

    def error() -> Any:
        try:
            create(user("[fake 429] too much"))
        except anthropic.RateLimitError as raised:
            return [type(raised).__name__, raised.status_code]
        raise AssertionError("the provider did not refuse")

    def turns() -> Any:
        first = create(user("My name is Ada."))
        said = {"role": "assistant", "content": first.content[0].text}
        return [seen(first), seen(create(user("My name is Ada."), said, user("What is my name?")))]

    def image() -> Any:
        source = {"type": "base64", "media_type": "image/png", "data": PIXEL}
        return seen(create(user([{"type": "image", "source": source}, {"type": "text", "text": "What is this?"}])))

    return {
        "plain": plain,
        "tools": lambda: with_tools(WEATHER),
        "stream": stream,
        "structured": structured,
        "error": error,
        "parallel": lambda: with_tools(WEATHER, TIME),
        "turns": turns,
        "image": image,
    }


def _made(run: Callable[[], Any]) -> Any:
    try:
        return run()
    except Exception as error:  # noqa: BLE001 - each run is told, whatever it met
        return [type(error).__name__, str(error)]


def main(api: str, wanted: tuple[str, ...]) -> None:
    """Make the runs, all of them or those that are named; what fails is told by the name of its exception."""
    runs = openai_runs() if api == "openai" else anthropic_runs()
    print(json.dumps({name: _made(runs[name]) for name in wanted or RUNS}))


if __name__ == "__main__":
    main(sys.argv[1], tuple(sys.argv[2:]))
