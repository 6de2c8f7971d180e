"""Rules on the spans of a run: none failed, there are enough, these are among them, only these models were asked."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Final

from otel_agenttrace import semconv
from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.checks.wording import finding, listed, nearest_of, places, short
from otel_agenttrace.counting import counted
from otel_agenttrace.model import Span, Trace
from otel_agenttrace.selectors import Selector, select

__all__ = ["HasSpan", "HasSpanKind", "MinSpans", "Models", "NoErrors"]

_LOOK: Final = "see what the run did: otel-agenttrace show; or mend the rule"
_NAMES: Final = (semconv.GEN_AI_TOOL_NAME, semconv.GEN_AI_AGENT_NAME, semconv.AGENTTRACE_NODE_NAME)
_MODELS: Final = (semconv.GEN_AI_REQUEST_MODEL, semconv.GEN_AI_RESPONSE_MODEL)
_DATE: Final = re.compile(r"[-@](\d{4}-\d{2}-\d{2}|\d{8}|\d{4})$")


@dataclass(frozen=True, slots=True)
class NoErrors:
    """No span failed."""

    name: str = "no_errors"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield the spans that did."""
        if trace.errors:
            names = places(trace, trace.errors)
            told = [f"{name} {_error(span)}" for name, span in zip(names, trace.errors, strict=True)]
            yield finding(
                self.name,
                trace,
                trace.errors,
                f"{counted(len(trace.errors), 'span')} failed, wanted none",
                at=listed(told, "\n           "),
                fix="mend what failed first, at the bottom: what holds it failed with it",
            )


def _error(span: Span) -> str:
    kind = span.attributes.get(semconv.ERROR_TYPE)
    return short(": ".join(str(each) for each in (kind, span.status_message) if each) or "failed")


@dataclass(frozen=True, slots=True)
class MinSpans:
    """So many spans there are at least."""

    least: int
    name: str = "min_spans"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that there are fewer."""
        if len(trace.spans) < self.least:
            found = f"{counted(len(trace.spans), 'span')}, wanted {self.least} at least"
            yield finding(self.name, trace, trace.spans, found, fix=_LOOK)


@dataclass(frozen=True, slots=True)
class HasSpan:
    """There is a span of this name, or one that a selector chooses.

    A name may be a pattern with `*`; it is that of the span, of its tool, of its agent, or of a step of the user's own.
    """

    wanted: str
    selector: Selector | None = None
    name: str = "has_span"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that there is none."""
        if any(fnmatchcase(name, self.wanted) for span in trace.spans for name in _names_of(span)):
            return
        if self.selector is None or not select(trace, self.selector):
            names = [name for span in trace.spans for name in _names_of(span)]
            there = listed([short(span.name) for span in trace.spans]) or "no span at all"
            found = f"no span is {short(self.wanted)}; there are {there}"
            yield finding(self.name, trace, (), found, nearest=nearest_of(self.wanted, names), fix=_LOOK)


def _names_of(span: Span) -> list[str]:
    told = (span.attributes.get(name) for name in _NAMES)
    return [span.name, *(each for each in told if isinstance(each, str))]


@dataclass(frozen=True, slots=True)
class HasSpanKind:
    """There is a span of this kind: `CLIENT` as OpenTelemetry has it, or `execute_tool` as the GenAI conventions do."""

    kind: str
    name: str = "has_span_kind"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that there is none."""
        there = dict.fromkeys(kind for span in trace.spans for kind in (span.operation, span.kind) if kind)
        if self.kind.lower() not in map(str.lower, there):
            found = (
                f"no span is of the kind {short(self.kind)}; there are {listed(list(map(short, there))) or 'no spans'}"
            )
            yield finding(self.name, trace, (), found, nearest=nearest_of(self.kind, there), fix=_LOOK)


@dataclass(frozen=True, slots=True)
class Models:
    """Only these models are asked, and answer. Names may be patterns; `gpt-4o` allows `gpt-4o-2024-08-06` too."""

    allowed: tuple[str, ...]
    name: str = "models"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield each other model, and the calls that tell none."""
        others: dict[str, list[Span]] = {}
        for span in trace.inferences:
            told = [name for key in _MODELS if isinstance(name := span.attributes.get(key), str) and name]
            other = next((name for name in told or [""] if not self._is_allowed(name)), None)
            if other is not None:
                others.setdefault(other, []).append(span)
        for model, spans in others.items():
            wanted = listed(list(map(short, self.allowed)))
            found = (
                f"{short(model)} was used, wanted {wanted}"
                if model
                else f"which model was used is not known, wanted {wanted}"
            )
            yield finding(
                self.name,
                trace,
                spans,
                found,
                nearest=nearest_of(model, self.allowed),
                fix="let the agent ask an allowed model, or allow this one"
                if model
                else "record the model with the call",
            )

    def _is_allowed(self, model: str) -> bool:
        return any(fnmatchcase(name, each) for each in self.allowed for name in (model, _DATE.sub("", model)) if name)
