"""Rules that compare a run with an earlier one: what both did, step by step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.analyze.insides import with_insides
from otel_agenttrace.analyze.trajectories import compare, steps
from otel_agenttrace.checks.wording import finding
from otel_agenttrace.model import Trace

__all__ = ["SimilarTo"]


@dataclass(frozen=True, slots=True)
class SimilarTo:
    """How much of the steps of a baseline and of the run is the same, 0 to 1, as `analyze.trajectories` measures it.

    A frozen tool counts with what it did inside when the baseline was recorded. Without `with_content`, of calls to models only which model was asked is compared, not what was asked and answered.
    """

    baseline: Trace = field(repr=False)
    least: float
    with_content: bool = True
    name: str = "similar_to"

    def findings(self, trace: Trace) -> Iterator[Finding]:
        """Yield that less is the same, and where both part first."""
        recorded = {(span.trace_id, span.span_id): span for span in self.baseline.spans}
        left, right = (
            steps(each, recorded, with_inference_content=self.with_content)
            for each in (self.baseline, with_insides(trace, self.baseline))
        )
        if not left:
            found = "the baseline has no step: no agent, no call to a model, no tool"
            yield finding(self.name, trace, (), found, fix="name a baseline that was recorded with its calls")
            return
        compared = compare(left, right)
        if compared.similarity < self.least:
            parts = str(compared.first_divergence or "").replace("\n", "\n           ")
            yield finding(
                self.name,
                trace,
                (),
                f"{compared.similarity:.2f} of the baseline is the same, wanted {self.least:g} at least",
                at=parts,
                fix="make the run what it was, or record the baseline again if the change is meant",
            )
