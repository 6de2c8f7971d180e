"""Rules on what a run answered: the text of the last call to a model that has one."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.analyze.answers import final_answer
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.checks.schemas import Schema
from otel_agenttrace.checks.wording import finding, short
from otel_agenttrace.jsonvalue import Json, parse
from otel_agenttrace.model import Trace

__all__ = ["OutputContains", "OutputJson", "OutputLacks", "OutputMatches"]

_FENCE: Final = re.compile(r"```(?:json)?[ \t]*\n(.*?)\n[ \t]*```", re.DOTALL | re.IGNORECASE)
_FIX: Final = "see what the agent was asked and answered: otel-agenttrace show; or mend the rule"


def _found(rule: str, trace: Trace, told: str, answer: str | None) -> Finding:
    spans = trace.inferences[-1:]
    if answer is None:
        why = "the trace tells no answer of a model"
        return finding(rule, trace, spans, f"{told}: not known, {why}", fix="record the run with its content")
    return finding(rule, trace, spans, told, at=f"the answer {short(answer)!r}", fix=_FIX)


@dataclass(frozen=True, slots=True)
class OutputContains:
    """The answer contains each of these texts, letter by letter."""

    texts: tuple[str, ...]
    name: str = "output_contains"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield each text that it does not contain."""
        answer = final_answer(trace)
        for text in self.texts:
            if answer is None or text not in answer:
                yield _found(self.name, trace, f"the answer does not contain {short(text)!r}", answer)


@dataclass(frozen=True, slots=True)
class OutputLacks:
    """The answer contains none of these texts."""

    texts: tuple[str, ...]
    name: str = "output_not_contains"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield each text that it contains."""
        answer = final_answer(trace)
        for text in self.texts:
            if answer is None or text in answer:
                yield _found(self.name, trace, f"the answer contains {short(text)!r}, wanted never", answer)


@dataclass(frozen=True, slots=True)
class OutputMatches:
    """The answer has a place that each of these regular expressions matches."""

    patterns: tuple[re.Pattern[str], ...]
    name: str = "output_matches"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield each expression that matches nowhere."""
        answer = final_answer(trace)
        for pattern in self.patterns:
            if answer is None or pattern.search(answer) is None:
                yield _found(self.name, trace, f"the answer does not match {short(pattern.pattern)!r}", answer)


@dataclass(frozen=True, slots=True)
class OutputJson:
    """The answer is JSON, as a whole or in its only fenced block, that fits a schema."""

    schema: Schema
    name: str = "output_json"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that it is no JSON, or the first place where it does not fit."""
        answer = final_answer(trace)
        problem = "there is none" if answer is None else self._problem(answer)
        if problem:
            yield _found(self.name, trace, f"the answer does not fit the schema: {problem}", answer)

    def _problem(self, answer: str) -> str:
        try:
            value = _json(answer)
        except ValueError as error:
            return f"it is no JSON: {error}"
        return self.schema.problem(value)


def _json(answer: str) -> Json:
    try:
        return parse(answer)
    except ValueError:
        fenced = _FENCE.findall(answer)
        if len(fenced) != 1:
            raise
        return parse(fenced[0])
