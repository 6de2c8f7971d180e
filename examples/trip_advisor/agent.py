"""A trip advisor: it asks a model, runs the tools that the model wants, and answers. Only its decorators are ours.

python agent.py "What shall we do in Lisbon tomorrow?"
"""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

import openai

import otel_agenttrace as at

MODEL = "gpt-4o"
GUARD_MODEL = "gpt-4o-mini"
PROMPT = "You plan one day in a city. Look at the weather first, then for sights, then at opening hours."
GUARD_PROMPT = "Is this a question about a trip? Answer yes or no."


@at.tool
def weather(city: str) -> dict[str, object]:
    """The weather of tomorrow."""
    return {"city": city, "sky": "rain", "celsius": 14}


@at.tool
def sights(city: str) -> list[str]:
    """What there is to see in a city."""
    return [f"the old town of {city}", "Gulbenkian Museum"]


@at.tool
def opening_hours(sight: str) -> dict[str, object]:
    """When a sight is open tomorrow."""
    return {"sight": sight, "opens": "10:00", "closes": "18:00"}


TOOLS = {"weather": (weather, "city"), "sights": (sights, "city"), "opening_hours": (opening_hours, "sight")}


@at.agent("trip-advisor")
def advise(question: str) -> str:
    """Answer a question about a trip; refuse any other."""
    with openai.OpenAI() as client:
        if not is_about_a_trip(client, question):
            return "I only know about trips."
        return plan(client, question)


def is_about_a_trip(client: openai.OpenAI, question: str) -> bool:
    messages: list[Any] = [{"role": "system", "content": GUARD_PROMPT}, {"role": "user", "content": question}]
    reply = client.chat.completions.create(model=GUARD_MODEL, messages=messages)
    return reply.choices[0].message.content == "yes"


def plan(client: openai.OpenAI, question: str) -> str:
    messages: list[Any] = [{"role": "system", "content": PROMPT}, {"role": "user", "content": question}]
    while True:
        reply = client.chat.completions.create(model=MODEL, messages=messages, tools=described_tools())
        message = reply.choices[0].message
        if not message.tool_calls:
            return message.content or ""
        messages.append(message)
        results = run_tools(message.tool_calls)
        messages += [
            {"role": "tool", "tool_call_id": call.id, "content": results[call.id]} for call in message.tool_calls
        ]


def run_tools(calls: Sequence[Any]) -> dict[str, str]:
    results: dict[str, str] = {}
    for call in calls:
        function, _ = TOOLS[call.function.name]
        results[call.id] = json.dumps(function(**json.loads(call.function.arguments)))
    return results


def described_tools() -> list[Any]:
    return [
        {
            "type": "function",
            "function": {
                "name": name,
                "description": function.__doc__,
                "parameters": {"type": "object", "properties": {word: {"type": "string"}}, "required": [word]},
            },
        }
        for name, (function, word) in TOOLS.items()
    ]


if __name__ == "__main__":
    print(advise(sys.argv[1]))
