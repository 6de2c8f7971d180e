"""Recordings of one agent on a base branch and on a branch with changes, made with the fake provider."""

from __future__ import annotations

import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import otel_agenttrace as at
from tests.support.clients import openai_client
from tests.support.provider import Provider

__all__ = ["PRICES", "record_branches", "record_run"]

PRICES: Final = """[tool.otel-agenttrace.prices]
"gpt-4o-mini" = { input_per_mtok = 0.15, output_per_mtok = 0.6 }
"gpt-4o" = { input_per_mtok = 2.5, output_per_mtok = 10 }
"""
"""A pyproject.toml with prices of its own, so that no later release of a price list changes what is expected."""


@at.tool
def search(city: str) -> str:
    """Look for a hotel."""
    return f"a hotel in {city}"


@at.tool
def book(city: str) -> str:
    """Book it."""
    return f"booked in {city}"


_TOOLS: Final = {"search": search, "book": book}


def record_run(
    path: Path,
    question: str = "Where to?",
    *,
    model: str = "gpt-4o-mini",
    tools: Sequence[str] = ("search", "book"),
    calls: int = 2,
) -> None:
    """Record an agent that asks, runs tools, and asks again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with Provider() as provider, at.record(path, quiet=True), openai_client(provider, is_async=False) as client:
        for number in range(calls):
            client.chat.completions.create(model=model, messages=[{"role": "user", "content": f"{question} {number}"}])
            for name in tools if number == 0 else ():
                _TOOLS[name]("Rome")


def record_branches(base: Path, branch: Path, below: str = "tests/cassettes") -> None:
    """Record the same cassettes on both, and on the branch each with a change of its own; one is new, one is gone."""
    names = ("call_less", "call_more", "gone", "model", "order", "prompt", "same", "tool_less")
    for name in names:
        record_run(base / below / f"{name}.otlp.jsonl")
    folder = branch / below
    folder.mkdir(parents=True)
    shutil.copy(base / below / "same.otlp.jsonl", folder)
    record_run(folder / "call_less.otlp.jsonl", calls=1)
    record_run(folder / "call_more.otlp.jsonl", calls=3)
    record_run(folder / "model.otlp.jsonl", model="gpt-4o")
    record_run(folder / "new.otlp.jsonl", model="in-house")
    record_run(folder / "order.otlp.jsonl", tools=("book", "search"))
    record_run(folder / "prompt.otlp.jsonl", "Where from?")
    record_run(folder / "tool_less.otlp.jsonl", tools=("search",))
