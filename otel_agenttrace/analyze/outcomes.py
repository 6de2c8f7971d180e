"""Tell whether two runs came to the same: the same tools with the same shapes of arguments, a similar answer. Traces in, verdict out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from otel_agenttrace.analyze.answers import final_answer
from otel_agenttrace.analyze.tool_calls import shape_of, tool_calls
from otel_agenttrace.model import Trace

__all__ = ["SameOutcome", "same_outcome"]


@dataclass(frozen=True, slots=True)
class SameOutcome:
    """Whether two runs came to the same, and by what.

    Attributes:
        is_same: Whether they did. Never, if an answer is not known.
        added: Tools, with the shape of their arguments, that only the new run called.
        removed: Those that only the old run called.
        similarity: Of the final answers, 0 to 1; None where one is not known.
        threshold: From which similarity on answers are the same.
        measured_by: What the similarity is.
        problem: Why an answer is not known.
    """

    is_same: bool
    added: tuple[str, ...]
    removed: tuple[str, ...]
    similarity: float | None
    threshold: float
    measured_by: str
    problem: str = ""

    @property
    def told(self) -> str:
        """The verdict in a line."""
        reasons: list[str] = []
        if self.problem:
            reasons.append(self.problem)
        if self.added or self.removed:
            reasons.append("other tools or arguments")
        if self.similarity is not None:
            reasons.append(f"answers alike by {self.similarity:.2f} ({self.measured_by}; {self.threshold:g} is enough)")
        return f"{'the same outcome' if self.is_same else 'another outcome'}: {', '.join(reasons)}"


def same_outcome(
    old: Trace, new: Trace, similarity: Callable[[str, str], float], threshold: float, measured_by: str
) -> SameOutcome:
    """Return whether two runs came to the same, whatever the order of what they did."""
    was, now = _tools(old), _tools(new)
    added, removed = tuple(sorted(now - was)), tuple(sorted(was - now))
    answers = [final_answer(trace) for trace in (old, new)]
    texts = [answer.text for answer in answers if answer is not None and not answer.problem]
    alike = similarity(*texts) if len(texts) == len(answers) else None
    problem = "" if alike is not None else _problem(answers[0] is None or bool(answers[0].problem))
    return SameOutcome(
        is_same=alike is not None and alike >= threshold and not added and not removed,
        added=added,
        removed=removed,
        similarity=alike,
        threshold=threshold,
        measured_by=measured_by,
        problem=problem,
    )


def _problem(is_old: bool) -> str:
    return f"what the {'old' if is_old else 'new'} run answered is not known"


def _tools(trace: Trace) -> frozenset[str]:
    """Return the tools that were called, each with the names of its arguments and what kind of value they have."""
    return frozenset(
        f"{call.name}({'?' if call.arguments is None else shape_of(call.arguments, 1)})" for call in tool_calls(trace)
    )
