"""Rows for judging answers and trajectories: OpenAI evals and agentevals. Example in, row out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from otel_agenttrace.datasets.examples import Example, text_of
from otel_agenttrace.datasets.formats import Format
from otel_agenttrace.datasets.openai_chat import asked_messages, said_messages
from otel_agenttrace.jsonvalue import JsonObject, array, obj

__all__ = ["FORMATS"]


def _openai_evals(example: Example, reference: Example | None) -> JsonObject:
    """Return a sample: what is asked, and the answer that is wanted: the recorded one, if no reference has another."""
    wanted = reference or example
    return {"input": asked_messages(example), "ideal": "" if wanted.answer is None else text_of(wanted.answer)}


def _agentevals(example: Example, reference: Example | None) -> JsonObject:
    """Return the arguments of a trajectory evaluator: messages as OpenAI has them, without instructions."""
    return {
        "inputs": example.question,
        "outputs": _trajectory(example),
        **({} if reference is None else {"reference_outputs": _trajectory(reference)}),
    }


def _trajectory(example: Example) -> list[JsonObject]:
    return [message for message in said_messages(example) if message["role"] not in ("system", "developer")]


def _no_ideal(row: JsonObject) -> Iterator[str]:
    if not row["ideal"]:
        yield "there is no answer in words"


def _no_end(row: JsonObject) -> Iterator[str]:
    messages = array(row["outputs"])
    if not messages or obj(messages[-1]).get("role") != "assistant":
        yield "the last message is not the assistant's"


FORMATS: Final[Mapping[str, Format]] = {
    "openai-evals": Format(_openai_evals, _no_ideal),
    "agentevals": Format(_agentevals, _no_end),
}
