"""What a judge found of the answers of runs: the shapes that a report shows and that are written as evaluations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from otel_agenttrace.model import Span

__all__ = ["Score", "ScoreReport"]


@dataclass(frozen=True, slots=True)
class Score:
    """What a judge found of one answer by one criterion.

    Attributes:
        file: Where the answer is from.
        span: The call that answered.
        criterion: The name of the criterion.
        score: 0 to 1; None where there is none.
        reason: Why, in the judge's words; where there is no score, why not.
    """

    file: str
    span: Span
    criterion: str
    score: float | None
    reason: str


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """All scores, and their means.

    Attributes:
        scores: One for each answer and criterion.
        means: The mean of the scores that there are, by criterion; None where there is none.
        unanswered: How many conversations have no answer in words, and are not judged.
        least: The score that is asked for; None where none is.
    """

    scores: tuple[Score, ...]
    unanswered: int = 0
    least: float | None = None
    means: Mapping[str, float | None] = field(default_factory=dict[str, "float | None"])

    @property
    def failed(self) -> tuple[Score, ...]:
        """Those that are not known to reach what is asked for."""
        if self.least is None:
            return ()
        return tuple(each for each in self.scores if each.score is None or each.score < self.least)
