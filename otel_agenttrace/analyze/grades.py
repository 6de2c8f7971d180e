"""Say of each call to a model in a trace how far it can be replayed. Path in, frozen report out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from otel_agenttrace import semconv
from otel_agenttrace.cassette.foreign import open_trace
from otel_agenttrace.dialects.grading import GRADES, Grade, Inference, inferences
from otel_agenttrace.jsonvalue import text

__all__ = ["GradedCall", "Grades", "graded"]


@dataclass(frozen=True, slots=True)
class GradedCall:
    """One call: its place among the calls from 1, its span, who told it, its grade, and the reasons for the grade."""

    number: int
    span_id: str
    name: str
    model: str | None
    dialect: str
    scope: str
    grade: Grade
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grades:
    """The calls to models that a trace tells, in order of their start, and how many spans it has."""

    path: str
    spans: int
    calls: tuple[GradedCall, ...]

    @property
    def counts(self) -> dict[Grade, int]:
        """How many calls have each grade, the best first."""
        return {grade: sum(1 for call in self.calls if call.grade == grade) for grade in GRADES}

    def below(self, least: Grade) -> tuple[GradedCall, ...]:
        """Return the calls with a worse grade."""
        return tuple(call for call in self.calls if GRADES.index(call.grade) > GRADES.index(least))


def graded(path: Path, name: str) -> Grades:
    """Return the grades of a cassette or of a trace that others exported; the report calls it by this name.

    Raises:
        CassetteError: If there is no file, or no trace in it.
    """
    spans = open_trace(path).trace().spans
    calls = tuple(_call(number, each) for number, each in enumerate(inferences(spans), 1))
    return Grades(name, len(spans), calls)


def _call(number: int, each: Inference) -> GradedCall:
    span = each.span
    model = (
        each.told.request.model if each.told is not None else text(span.attributes.get(semconv.GEN_AI_REQUEST_MODEL))
    )
    dialect = each.told.dialect if each.told is not None else "agenttrace"
    return GradedCall(number, span.span_id, span.name, model, dialect, span.scope, each.grade, each.reasons)
