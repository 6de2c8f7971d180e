"""Hold a trace to rules. Trace and rules in, findings out; the error that tells them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final, Protocol

from otel_agenttrace.analyze.findings import Finding
from otel_agenttrace.errors import BudgetExceeded, CheckFailed, RegressionFound
from otel_agenttrace.model import Trace

__all__ = ["Rule", "check_trace", "failure"]

_BUDGETS: Final = frozenset(
    {
        "max_consecutive_same_tool",
        "max_cost_usd",
        "max_duration_s",
        "max_input_tokens",
        "max_llm_calls",
        "max_output_tokens",
        "max_tokens",
        "max_tool_calls",
    }
)
_COMPARISONS: Final = frozenset({"no_retrieval_drift", "similar_to"})


class Rule(Protocol):
    """What a trace is held to."""

    @property
    def name(self) -> str:
        """The name it has in a file of rules."""
        ...

    def findings(self, trace: Trace) -> Iterable[Finding]:
        """Return where the trace breaks the rule, and where it cannot be told whether it does."""
        ...


def check_trace(trace: Trace, rules: Sequence[Rule]) -> tuple[Finding, ...]:
    """Return what breaks the rules, in their order."""
    return tuple(finding for rule in rules for finding in rule.findings(trace))


def failure(findings: Sequence[Finding]) -> CheckFailed:
    """Return the error that tells these findings: of its own class where all are of budgets, or of comparisons."""
    names = {finding.rule for finding in findings}
    kind = BudgetExceeded if names <= _BUDGETS else RegressionFound if names <= _COMPARISONS else CheckFailed
    return kind("\n".join(map(str, findings)), findings)
