"""Attributes with places in their names, `gen_ai.prompt.0.content`, put together to the JSON they were made of."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.dialects.told import (
    GENAI,
    Dialect,
    Facts,
    Side,
    Told,
    messages_of,
    request_of,
    response_of,
    tools_of,
    typed_content,
)
from otel_agenttrace.jsonvalue import Json, JsonObject, array, digits, obj, parse, text
from otel_agenttrace.model import AttributeValue, Span

__all__ = ["DIALECT", "gathered"]

_NAME: Final = "openllmetry"
_SPOKEN: Final = re.compile(r"gen_ai\.(prompt|completion)\.\d+\.")


_DEEPEST: Final = 50


def gathered(facts: Facts, prefix: str, side: Side) -> list[JsonObject]:
    """Return the objects whose members stand under `prefix.N.member`, nested places as lists, in order.

    A place that is missing between others is noted as a gap: it was evicted.
    """
    tree = _Branch()
    for name in facts.names():
        if not name.startswith(f"{prefix}."):
            continue
        told = facts.value(name)
        value = facts.checked(name, told, side) if isinstance(told, str) else told
        branch = tree
        for step in name.removeprefix(f"{prefix}.").split(".", _DEEPEST):
            branch = branch.inner.setdefault(step, _Branch())
        branch.value = value
    places = sorted(number for step in tree.inner if (number := _index(step)) is not None)
    if places and places[-1] + 1 != len(places):
        facts.gaps.append((side, f"attribute evicted: {len(places)} of {places[-1] + 1} under {prefix}"))
    return [obj(tree.inner[str(number)].json()) for number in places]


def _index(step: str) -> int | None:
    """Return the index that a step of a name is: digits as an instrumentation writes them."""
    number = digits(step)
    return number if step == str(number) else None


@dataclass(slots=True)
class _Branch:
    """What stands under the beginning of a name: a value, or further steps."""

    value: AttributeValue = None
    inner: dict[str, _Branch] = field(default_factory=dict[str, "_Branch"])

    def json(self) -> Json:
        """Return the value, a list where all steps are places, else an object."""
        if not self.inner:
            return self.value if self.value is None or isinstance(self.value, str | int | float | bool) else None
        places = {step: number for step in self.inner if (number := _index(step)) is not None}
        if len(places) == len(self.inner):
            return [self.inner[step].json() for step in sorted(places, key=places.__getitem__)]
        return {step: branch.json() for step, branch in self.inner.items()}


# --- OpenLLMetry until 2025 -------------------------------------------------------------------------------------------


def _is_spoken(span: Span) -> bool:
    """Whether it has places in its names, or is a call whose content was switched off."""
    return span.attributes.get("llm.request.type") in ("chat", "completion") or any(map(_SPOKEN.match, span.attributes))


def _read(facts: Facts) -> Told:
    asked = [message for each in gathered(facts, "gen_ai.prompt", "asked") for message in messages_of(_raw(each))]
    said = gathered(facts, "gen_ai.completion", "answered")
    answered = [message for each in said for message in messages_of(_raw({"role": "assistant", **each}))]
    functions = [_function(each) for each in gathered(facts, "llm.request.functions", "tools")]
    tools = tools_of(functions or facts.json(semconv.GEN_AI_TOOL_DEFINITIONS, "tools"))
    response = response_of(facts, GENAI, answered)
    if not response.finish_reasons:
        reasons = tuple(reason for each in said if (reason := text(each.get("finish_reason"))))
        response = replace(response, finish_reasons=reasons)
    return Told(_NAME, request_of(facts, GENAI, asked, tools=tools), response, gaps=tuple(facts.gaps))


def _raw(told: JsonObject) -> JsonObject:
    """Return a message as the API has it, from its pieces; content in parts was written as JSON."""
    calls: list[Json] = [
        {"id": call.get("id"), "type": "function", "function": {name: call.get(name) for name in ("name", "arguments")}}
        for call in map(obj, array(told.get("tool_calls")))
    ]
    return {**told, "content": typed_content(told.get("content")), **({"tool_calls": calls} if calls else {})}


def _function(told: JsonObject) -> JsonObject:
    schema = told.get("parameters") or told.get("input_schema")
    try:
        parameters = parse(schema) if isinstance(schema, str) else schema
    except ValueError:
        parameters = None
    known = {name: told[name] for name in ("name", "description") if told.get(name) is not None}
    return {"type": "function", **known, **({"parameters": parameters} if parameters is not None else {})}


DIALECT: Final = Dialect(_NAME, _is_spoken, _read)
