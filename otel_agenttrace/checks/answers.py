"""Rules on what a run answered: the text of the last call to a model that did not ask for a tool."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Final

from otel_agenttrace.analyze.answers import final_answer
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.checks.schemas import Schema
from otel_agenttrace.checks.wording import finding, short
from otel_agenttrace.jsonvalue import Json, parse
from otel_agenttrace.model import Trace

__all__ = ["OutputContains", "OutputJson", "OutputLacks", "OutputMatches"]

_FENCES: Final = ("```", "```json")
_FIX: Final = "see what the agent was asked and answered: otel-agenttrace show; or mend the rule"
_FIX_UNKNOWN: Final = "see why: otel-agenttrace show; an answer is known of a run that was recorded with its content"


def _answered(rule: str, trace: Trace, problems: Callable[[str], Iterable[str]]) -> Iterator[Finding]:
    """Yield what is wrong with the answer, or that it is not known."""
    answer = final_answer(trace)
    if answer is None or answer.problem:
        why = "the trace tells no answer of a model" if answer is None else f"the last answer {answer.problem}"
        spans = trace.inferences[-1:] if answer is None else [answer.span]
        yield finding(rule, trace, spans, f"what the run answered is not known: {why}", fix=_FIX_UNKNOWN)
        return
    for problem in problems(answer.text):
        yield finding(rule, trace, [answer.span], problem, at=f"the answer {short(answer.text)!r}", fix=_FIX)


@dataclass(frozen=True, slots=True)
class OutputContains:
    """The answer contains each of these texts, letter by letter."""

    texts: tuple[str, ...]
    name: str = "output_contains"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield each text that it does not contain."""
        return _answered(self.name, trace, self._problems)

    def _problems(self, answer: str) -> Iterator[str]:
        return (f"the answer does not contain {short(text)!r}" for text in self.texts if text not in answer)


@dataclass(frozen=True, slots=True)
class OutputLacks:
    """The answer contains none of these texts."""

    texts: tuple[str, ...]
    name: str = "output_not_contains"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield each text that it contains."""
        return _answered(self.name, trace, self._problems)

    def _problems(self, answer: str) -> Iterator[str]:
        return (f"the answer contains {short(text)!r}, wanted never" for text in self.texts if text in answer)


@dataclass(frozen=True, slots=True)
class OutputMatches:
    """The answer has a place that each of these regular expressions matches."""

    patterns: tuple[re.Pattern[str], ...]
    name: str = "output_matches"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield each expression that matches nowhere."""
        return _answered(self.name, trace, self._problems)

    def _problems(self, answer: str) -> Iterator[str]:
        missed = (each.pattern for each in self.patterns if each.search(answer) is None)
        return (f"the answer does not match {short(pattern)!r}" for pattern in missed)


@dataclass(frozen=True, slots=True)
class OutputJson:
    """The answer is JSON, as a whole or in its only fenced block, that fits a schema."""

    schema: Schema
    name: str = "output_json"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that it is no JSON, or the first place where it does not fit."""
        return _answered(self.name, trace, self._problems)

    def _problems(self, answer: str) -> Iterator[str]:
        try:
            value = _json(answer)
        except ValueError as error:
            yield f"the answer does not fit the schema: it is no JSON: {error}"
            return
        if problem := self.schema.problem(value):
            yield f"the answer does not fit the schema: {problem}"


def _json(answer: str) -> Json:
    try:
        return parse(answer)
    except ValueError:
        fenced = tuple(_fenced(answer))
        if len(fenced) != 1:
            raise
        return parse(fenced[0])


def _fenced(answer: str) -> Iterator[str]:
    """Yield what stands between lines that end in a fence and the next ones that begin with one."""
    inside: list[str] | None = None
    for line in answer.split("\n"):
        if inside is None:
            inside = [] if line.rstrip().lower().endswith(_FENCES) else None
        elif line.lstrip().startswith("```"):
            yield "\n".join(inside)
            inside = None
        else:
            inside.append(line)
