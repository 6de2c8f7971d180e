"""What a check, a comparison or a policy has found. Rule and evidence in one frozen line of a report."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from otel_agenttrace.jsonvalue import JsonObject

__all__ = ["Finding", "Severity"]

Severity: TypeAlias = Literal["info", "warning", "critical"]


@dataclass(frozen=True, slots=True)
class Finding:
    """One line of a report.

    Attributes:
        rule: The name of the rule that is broken, such as `max_cost_usd`.
        message: What was found, beside what was wanted. Further lines are indented by two: evidence, then `to fix`.
        severity: How bad it is.
        span_ids: The spans that show it, in order of start.
    """

    rule: str
    message: str
    severity: Severity = "critical"
    span_ids: tuple[str, ...] = ()

    def to_json(self) -> JsonObject:
        """Return the finding as JSON: `rule`, `message`, `severity`, `span_ids`."""
        return {
            "rule": self.rule,
            "message": self.message,
            "severity": self.severity,
            "span_ids": list(self.span_ids),
        }

    def __str__(self) -> str:
        return f"{self.rule}: {self.message}"
